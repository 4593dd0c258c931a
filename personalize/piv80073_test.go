package personalize

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
	"cardstation/devices/softcard"
	"cardstation/personalize/lds"
	"cardstation/personalize/piv"
)

// plain puts a card on the bench that knows no command beyond SP 800-73-4.
func (s *shop) plain() {
	s.Helper()
	chip, err := softcard.New(softcard.Options{PlainPIV: true})
	if err != nil {
		s.Fatal(err)
	}
	s.chip = chip
}

func TestAPlainPIVCardIsIssuedByOurOwnCommands(t *testing.T) {
	s := newShop(t, "piv-800-73")
	s.plain()
	if resp, err := card.Over(s.chip).Transmit(card.Command{INS: 0xA4, P1: 4, Data: piv.AID, Ne: 256}); err != nil || resp.SW != card.OK {
		t.Fatal(resp.SW, err)
	}
	if resp, err := card.Over(s.chip).Transmit(card.Command{INS: 0xFD, Ne: 256}); err != nil || resp.SW != card.InsNotSupported {
		t.Fatalf("get version answers %s: not a plain card", resp.SW)
	}
	receipt, err := s.issue(s.chip, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commands, %v", receipt.Commands, receipt.Done)
	s.chip.Reset()
	c := card.Over(s.chip)
	s.verifyPIV(c, receipt)
	s.signedObjects(c, receipt)
	s.chip.Reset()
	again, err := s.issue(s.chip, nil)
	if err != nil || len(again.Done) != 0 {
		t.Errorf("again: %v, done %v", err, again.Done)
	}
	s.authority.Demo = false
	s.plain()
	if _, err := s.issue(s.chip, nil); !errors.Is(err, ErrDefaultManagementKey) {
		t.Errorf("the published management key outside the demo: %v", err)
	}
}

// object reads a data object's value.
func (s *shop) object(c card.Card, name ...byte) []byte {
	s.Helper()
	b, err := card.Do(c, card.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: tlv.New(0x5C, name), Ne: card.MaxShortNe})
	if err != nil {
		s.Fatal(err)
	}
	v, err := tlv.One(b, 0x53)
	if err != nil {
		s.Fatal(err)
	}
	return v
}

// signedObjects checks the security object as SP 800-73-4 part 1, 3.1.7 has it: the
// containers it maps, their hashes, and the signature as openssl sees it.
func (s *shop) signedObjects(c card.Card, receipt Receipt) {
	s.Helper()
	pin, err := s.authority.Cards.PIN(receipt.Chip)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := card.Do(c, card.Command{INS: 0x20, P2: 0x80, Data: append([]byte(pin), 0xFF, 0xFF)}); err != nil {
		s.Fatal(err)
	}
	security := s.object(c, 0x5F, 0xC1, 0x06)
	printed, chuid := s.object(c, 0x5F, 0xC1, 0x09), s.object(c, 0x5F, 0xC1, 0x02)
	if mapping, err := tlv.Find(security, 0xBA); err != nil || !bytes.Equal(mapping, []byte{1, 0x30, 0x01, 2, 0x30, 0x00}) {
		s.Errorf("mapping %x, %v", mapping, err)
	}
	if expiry, err := tlv.Find(printed, 0x04); err != nil || string(expiry) != "2041JAN01" {
		s.Errorf("printed expiry %q, %v", expiry, err)
	}
	signed, err := tlv.Find(security, 0xBB)
	if err != nil {
		s.Fatal(err)
	}
	file, err := lds.DecodeSOD(tlv.New(lds.SOD.Tag(), signed))
	if err != nil {
		s.Fatal(err)
	}
	for id, value := range (lds.Files{lds.DG1: printed, lds.DG2: chuid}) {
		h := file.Object.Hash.New()
		h.Write(value)
		if !bytes.Equal(h.Sum(nil), file.Object.Groups[id]) {
			s.Errorf("hash of %s is not that of its container", id)
		}
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		return
	}
	path := filepath.Join(s.TempDir(), "security.der")
	if err := os.WriteFile(path, signed, 0o600); err != nil {
		s.Fatal(err)
	}
	if out, err := exec.Command(openssl, "cms", "-verify", "-inform", "DER", "-in", path, "-noverify", "-out", os.DevNull).CombinedOutput(); err != nil {
		s.Errorf("openssl cms: %v: %s", err, out)
	}
}

func TestAPlainPIVCardTornAnywhereIsFinishedByTheSameRun(t *testing.T) {
	t.Parallel()
	s := newShop(t, "piv-800-73")
	short := *s.profile.piv
	short.keys = short.keys[:2] // an RSA key takes the chip a while
	s.profile.piv = &short
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			s.plain()
			s.chip.TearAt(n, after)
			_, err := s.issue(s.chip, nil)
			if err == nil {
				t.Logf("%d tears", 2*n-2)
				return
			}
			s.chip.Reset()
			receipt, err := s.issue(s.chip, nil)
			if err != nil {
				t.Fatalf("resume after tear at %d after=%v: %v", n, after, err)
			}
			s.chip.Reset()
			s.verifyPIV(card.Over(s.chip), receipt)
		}
	}
}
