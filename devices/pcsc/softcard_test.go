package pcsc_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/cardtest"
	"cardstation/devices/softcard"
)

// insertChip puts a software chip in, and gives the way to pull it.
func (s slot) insertChip(chip *softcard.Chip) (pull func()) {
	s.t.Helper()
	conn, err := shared.Dial(s.number)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	go func() { _ = softcard.Serve(ctx, conn, chip) }()
	return cancel
}

// productionData asks the card manager for its life cycle data (GlobalPlatform
// Card Specification 2.3.1, 11.3).
var productionData = card.Command{CLA: 0x80, INS: 0xCA, P1: 0x9F, P2: 0x7F, Ne: 256}

func TestReadersConformWithASoftwareChip(t *testing.T) {
	t.Parallel()
	cardtest.Conform(t, func(t *testing.T) cardtest.Bench {
		s := newSlot(t)
		chip, err := softcard.New(softcard.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var pull func()
		return cardtest.Bench{
			Reader:  s.Reader,
			Insert:  func() { pull = s.insertChip(chip) },
			Remove:  func() { pull() },
			Command: productionData,
			Settle:  2 * presencePoll,
		}
	})
}

func TestASoftwareChipIsReachedThroughPCSC(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	chip, err := softcard.New(softcard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.insertChip(chip)
	c := card.Over(s.mustWait())
	data, err := card.Do(c, productionData)
	if err != nil || len(data) != 45 {
		t.Errorf("card production data: %d bytes, %v", len(data), err)
	}
	err = c.(card.Lender).Lend(func(reader string) error {
		tool, err := exec.LookPath("opensc-tool")
		if err != nil {
			t.Log("opensc-tool is not installed, the reader is lent to nobody")
			return nil
		}
		cmd := exec.Command(tool, "--reader", reader, "--send-apdu", "00A4040007A0000002471001")
		cmd.Env = append(os.Environ(), "OPENSC_DRIVERS=default")
		out, err := cmd.CombinedOutput()
		if !strings.Contains(string(out), "SW1=0x90, SW2=0x00") {
			t.Errorf("opensc-tool: %v: %s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := card.Do(c, productionData); err != nil {
		t.Errorf("after lending: %v", err)
	}
}
