package personalize

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/cardtest"
	"cardstation/devices/card/tlv"
	"cardstation/devices/softcard"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
)

// libmrtd reads files of a chip as libmrtd does: see testdata/libmrtd.c.
func (s *shop) libmrtd(program string, ch card.Channel, document, birth, expiry string, want ...lds.FileID) (lds.Files, error) {
	arguments := []string{document, birth, expiry}
	for _, id := range want {
		arguments = append(arguments, fmt.Sprintf("%04x", int(id)))
	}
	cmd := exec.CommandContext(s.Context(), program, arguments...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	files := lds.Files{}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := s.said(ch, lines.Text(), in.Write, files); err != nil {
			return nil, err
		}
	}
	return files, errors.Join(lines.Err(), cmd.Wait())
}

func (s *shop) said(ch card.Channel, line string, answer func([]byte) (int, error), files lds.Files) error {
	if command, ok := strings.CutPrefix(line, "> "); ok {
		b, err := hex.DecodeString(command)
		if err != nil {
			return err
		}
		r, err := ch.Exchange(b)
		if err != nil {
			return err
		}
		_, err = answer([]byte(hex.EncodeToString(r) + "\n"))
		return err
	}
	var id lds.FileID
	var data []byte
	if n, err := fmt.Sscanf(line, "file %x %x", &id, &data); n == 0 {
		return fmt.Errorf("%.40q: %w", line, err)
	}
	if len(data) > 0 { // else the chip has no such file
		files[id] = data
	}
	return nil
}

// What our line wrote, others read.
func TestOthersReadTheIssuedCards(t *testing.T) {
	program := filepath.Join(t.TempDir(), "libmrtd")
	if said, err := exec.Command("gcc", "-o", program, "testdata/libmrtd.c", "-lmrtd").CombinedOutput(); err != nil {
		t.Fatalf("libmrtd cannot be built against (Debian packages libmrtd-dev, libnfc-dev): %v\n%s", err, said)
	}
	want := []lds.FileID{lds.COM, lds.SOD, lds.DG1, lds.DG2, lds.DG13, lds.DG14, lds.DG15}
	for name, applet := range map[string]softcard.Applet{
		"softcard": "", "softcard-emrtd": "", "passport-applet": softcard.PassportApplet, "passport-applet-pace": softcard.PassportAppletPACE,
	} {
		s := newShop(t, name)
		chip, err := softcard.New(softcard.Options{Applet: applet})
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := s.issue(chip, nil)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := cccd.MRZ(s.record.Holder, s.record.Expiry)
		if err != nil {
			t.Fatal(err)
		}
		chip.Reset()
		files, err := s.libmrtd(program, chip, zone.Document, zone.Birth, zone.Expiry, want...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if digest(files[lds.SOD]) != receipt.SOD {
			t.Errorf("%s: the receipt names another SOD than others read", name)
		}
		for _, c := range lds.Verify(files, s.trust, time.Now()) {
			if c.Result == lds.Failed {
				t.Errorf("%s: %s: %s", name, c.Name, c.Why)
			}
		}
		chip.Reset()
		if _, err := s.libmrtd(program, chip, zone.Document, zone.Birth, "991231", want...); err == nil {
			t.Errorf("%s: opens to another expiry", name)
		}
	}
}

// And libeac opens it by PACE, as its EF.CardAccess says and with what is printed.
func TestOthersOpenTheIssuedCardByPACE(t *testing.T) {
	program := cardtest.BuildOpenPACE(t)
	s := newShop(t, "softcard")
	receipt, err := s.issue(s.chip, nil)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := cccd.MRZ(s.record.Holder, s.record.Expiry)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := zone.Lines()
	if err != nil {
		t.Fatal(err)
	}
	n := s.record.Holder.Number
	for reference, password := range map[byte]string{1: strings.Join(lines, ""), 2: n[len(n)-6:]} {
		s.chip.Reset()
		c := card.Over(s.chip)
		cardAccess, err := card.Do(c, card.Command{INS: 0xB0, P1: 0x9C, Ne: card.MaxShortNe})
		if err != nil {
			t.Fatal(err)
		}
		o := cardtest.StartOpenPACE(t, program)
		if !o.Open(c, cardAccess, reference, password) {
			t.Fatalf("password %d: does not open", reference)
		}
		if r := o.Transmit(c, 16, card.Command{INS: 0xA4, P1: 0x04, P2: 0x0C, Data: emrtd.AID}); r.SW != card.OK {
			t.Fatal(r.SW)
		}
		r := o.Transmit(c, 16, card.Command{INS: 0xB0, P1: 0x9D, Ne: 8000})
		if r.SW != card.OK && r.SW != card.EndOfFile {
			t.Fatal(r.SW)
		}
		if _, header, length, err := tlv.Header(r.Data); err != nil || digest(r.Data[:header+length]) != receipt.SOD {
			t.Errorf("password %d: the receipt names another SOD than libeac reads", reference)
		}
	}
}
