package personalize

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"sync"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/softcard"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/personalize/piv"
	"cardstation/personalize/pki"
)

// bench is an issuer with its keys, and the citizen.
type bench struct {
	authority Authority
	trust     lds.Trust
	terminals pki.Terminals
	record    Record
}

var newBench = sync.OnceValues(func() (bench, error) {
	csca, err := pki.NewCountrySigner(pki.Options{Demo: true})
	if err != nil {
		return bench{}, err
	}
	document, err := pki.NewDocumentSigner(csca, pki.Options{Demo: true})
	if err != nil {
		return bench{}, err
	}
	citizen, err := pki.NewCitizenCA(pki.Options{Demo: true})
	if err != nil {
		return bench{}, err
	}
	content, err := pki.NewContentSigner(citizen, pki.Options{})
	if err != nil {
		return bench{}, err
	}
	terminals, err := pki.NewTerminals(pki.Options{Demo: true})
	if err != nil {
		return bench{}, err
	}
	authority, err := NewAuthority(pki.Keys{Document: document, Citizen: citizen, Content: content, Terminals: &terminals, Master: bytes.Repeat([]byte{7}, 32), Demo: true})
	if err != nil {
		return bench{}, err
	}
	b := bench{authority: authority, terminals: terminals}
	list, err := csca.RevocationList(1, time.Now())
	if err != nil {
		return bench{}, err
	}
	b.trust = lds.Trust{Anchors: []*x509.Certificate{csca.Certificate}, CRLs: []*x509.RevocationList{list}}
	b.record = Record{Holder: cccd.Example(1), Issue: "2026-11-22", Expiry: "2041-01-01"}
	b.record.Portrait, err = picture(240, 320)
	return b, err
})

func picture(w, h int) ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{byte(x), byte(y), byte(x * y >> 4), 255})
		}
	}
	var out bytes.Buffer
	err := jpeg.Encode(&out, img, nil)
	return out.Bytes(), err
}

// shop is the bench with one chip on it.
type shop struct {
	*testing.T
	bench
	profile Profile
	chip    *softcard.Chip
}

func newShop(t *testing.T, profile string) *shop {
	t.Helper()
	b, err := newBench()
	if err != nil {
		t.Fatal(err)
	}
	p, err := LoadProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{T: t, bench: b, profile: p}
	s.blank()
	return s
}

func (s *shop) blank() {
	s.Helper()
	chip, err := softcard.New(softcard.Options{})
	if err != nil {
		s.Fatal(err)
	}
	s.chip = chip
}

// issue does what the line does with a chip in the reader.
func (s *shop) issue(ch card.Channel, journal func(string) error) (Receipt, error) {
	c := card.Over(ch)
	chip, err := Identify(c)
	if err != nil {
		return Receipt{}, err
	}
	r := s.record
	r.Chip = chip
	plan, err := Compile(s.profile, r, s.authority)
	if err != nil {
		return Receipt{}, err
	}
	return Run(context.Background(), c, plan, journal)
}

// verify reads the card as an office would and wants everything in order.
func (s *shop) verify(receipt Receipt) {
	s.Helper()
	s.chip.Reset()
	c := card.Over(s.chip)
	zone, err := cccd.MRZ(s.record.Holder, s.record.Expiry)
	if err != nil {
		s.Fatal(err)
	}
	if err := emrtd.Select(c); err != nil {
		s.Fatal(err)
	}
	opened, err := access.BAC{MRZ: access.MRZ{Document: zone.Document, Birth: zone.Birth, Expiry: zone.Expiry}}.Open(c)
	if err != nil {
		s.Fatal(err)
	}
	files, _, err := emrtd.Read(opened)
	if err != nil {
		s.Fatal(err)
	}
	for _, check := range lds.Verify(files, s.trust, time.Now()) {
		if check.Result == lds.Failed {
			s.Fatalf("%s: %s", check.Name, check.Why)
		}
	}
	for _, id := range []lds.FileID{lds.COM, lds.SOD, lds.DG1, lds.DG2, lds.DG13, lds.DG14, lds.DG15} {
		if files[id] == nil {
			s.Fatalf("%s is not there", id)
		}
	}
	sum := sha256.Sum256(files[lds.SOD])
	if receipt.SOD != hex.EncodeToString(sum[:]) {
		s.Fatal("the receipt names another SOD than the chip has")
	}
	pub, err := lds.DecodeDG15(files[lds.DG15])
	if err != nil {
		s.Fatal(err)
	}
	infos, err := lds.DecodeDG14(files[lds.DG14])
	if err != nil {
		s.Fatal(err)
	}
	if err := access.ActiveAuthenticate(opened, pub, lds.ActiveHash(infos), nil); err != nil {
		s.Fatal(err)
	}
	s.verifyPIV(c, receipt)
}

func (s *shop) verifyPIV(c card.Card, receipt Receipt) {
	s.Helper()
	if s.profile.piv == nil {
		return
	}
	if err := piv.Select(c); err != nil {
		s.Fatal(err)
	}
	pin, err := s.authority.Cards.PIN(receipt.Chip)
	if err != nil {
		s.Fatal(err)
	}
	for _, k := range s.profile.piv.keys {
		cert, err := piv.Certificate(c, k.Slot)
		if err != nil {
			s.Fatal(err)
		}
		if err := cert.CheckSignatureFrom(s.authority.Citizen.Certificate); err != nil {
			s.Fatal(err)
		}
		if err := piv.Possession(c, k.Slot, cert.PublicKey, pin); err != nil {
			s.Fatal(err)
		}
		if receipt.Certificates[k.Slot.String()] != digest(cert.Raw) {
			s.Fatalf("the receipt names another certificate in %s than the chip has", k.Slot)
		}
	}
}

func TestABlankChipIsIssuedAndBelieved(t *testing.T) {
	for _, name := range []string{"softcard", "softcard-emrtd"} {
		s := newShop(t, name)
		var journal []string
		receipt, err := s.issue(s.chip, func(step string) error { journal = append(journal, step); return nil })
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d commands, %d bytes sent, %d received, %v", name, receipt.Commands, receipt.Sent, receipt.Received, receipt.Elapsed)
		if len(receipt.Held) != 0 || len(receipt.Done) != len(journal) {
			t.Errorf("held %v, done %v, journal %v", receipt.Held, receipt.Done, journal)
		}
		s.verify(receipt)
	}
}

func TestRunningAFinishedChipAgainChangesNothing(t *testing.T) {
	s := newShop(t, "softcard")
	first, err := s.issue(s.chip, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.chip.Reset()
	again, err := s.issue(s.chip, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Done) != 0 || len(again.Held) != len(first.Done) {
		t.Errorf("done again: %v", again.Done)
	}
	if again.SOD != first.SOD || again.Certificates["9a"] != first.Certificates["9a"] {
		t.Error("the second receipt names other things than the first")
	}
	s.verify(again)
}

// The heart: the chip loses power at every command of an issue, before the command
// took effect and after. The same way again ends with a card that is believed.
func TestAChipTornAnywhereIsFinishedByTheSameRun(t *testing.T) {
	t.Parallel()
	s := newShop(t, "softcard")
	torn := 0
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			s.blank()
			s.chip.TearAt(n, after)
			_, err := s.issue(s.chip, nil)
			if err == nil {
				t.Logf("%d tears", torn)
				return
			}
			torn++
			if !errors.Is(err, card.ErrGone) {
				t.Fatalf("tear at %d after=%v: %v", n, after, err)
			}
			s.chip.Reset()
			receipt, err := s.issue(s.chip, nil)
			if err != nil {
				t.Fatalf("resume after tear at %d after=%v: %v", n, after, err)
			}
			s.verify(receipt)
		}
	}
}

// A chip that is torn over and over, a little further each time, gets there too.
func TestAChipTornAgainAndAgainIsFinished(t *testing.T) {
	t.Parallel()
	s := newShop(t, "softcard")
	for n := 5; ; n += 9 {
		s.chip.TearAt(n, n%2 == 0)
		receipt, err := s.issue(s.chip, nil)
		s.chip.Reset()
		if err == nil {
			s.chip.TearAt(0, false)
			s.verify(receipt)
			return
		}
		if n > 500 {
			t.Fatal(err)
		}
	}
}

// What an office does with the finished chip, and that it asks for long answers where
// the chip gives them.
func TestInspectFindsEverythingInOrder(t *testing.T) {
	s := newShop(t, "softcard")
	receipt, err := s.issue(s.chip, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.chip.Reset()
	counted, m := count(card.Over(s.chip))
	if len(s.doors()) != 3 {
		t.Fatalf("doors %v", s.doors())
	}
	for _, door := range s.doors() {
		s.chip.Reset()
		m.commands, m.sent, m.received = 0, 0, 0
		files, checks := s.look(terminalOf(s.terminals)).Through(counted, door)
		for _, c := range checks {
			if c.Result != lds.Passed {
				t.Errorf("%T: %s is %s: %s", door, c.Name, c.Result, c.Why)
			}
		}
		if digest(files[lds.SOD]) != receipt.SOD {
			t.Errorf("%T: another SOD than the receipt's", door)
		}
		t.Logf("%T: %d commands, %d bytes sent, %d received", door, m.commands, m.sent, m.received)
		if m.commands > 33 { // ten of them for the terminal
			t.Errorf("%T: %d commands for one reading", door, m.commands)
		}
	}
}

// A child under six: no portrait was taken, the card has no DG2, and an office finds
// nothing wrong with that.
func TestAChildWithoutPortraitIsIssuedAndBelieved(t *testing.T) {
	s := newShop(t, "softcard")
	adult := *s
	s.record.Portrait = nil
	if _, err := s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	s.chip.Reset()
	zone, err := cccd.MRZ(s.record.Holder, s.record.Expiry)
	if err != nil {
		t.Fatal(err)
	}
	door := access.BAC{MRZ: access.MRZ{Document: zone.Document, Birth: zone.Birth, Expiry: zone.Expiry}}
	files, checks := s.look(terminalOf(s.terminals)).Through(card.Over(s.chip), door)
	said := false
	for _, c := range checks {
		said = said || c.Name == lds.CheckPortrait && c.Why == "the card carries no portrait"
		if c.Result != lds.Passed {
			t.Errorf("%s is %s: %s", c.Name, c.Result, c.Why)
		}
	}
	if _, ok := files[lds.DG2]; ok || !said {
		t.Errorf("DG2 there: %v, checks %v", ok, checks)
	}
	s.chip.Reset()
	var step *StepError
	if _, err := adult.issue(s.chip, nil); !errors.As(err, &step) || step.Step != "emrtd/prove" {
		t.Errorf("the same citizen's order with a portrait: %v", err)
	}
}

// What is made before the card is there serves one chip, again and again, and no other.
func TestWhatIsPreparedIsForOneChip(t *testing.T) {
	s := newShop(t, "softcard")
	prepared, err := Prepare(s.profile, s.record, s.authority)
	if err != nil {
		t.Fatal(err)
	}
	c := card.Over(s.chip)
	chip, err := Identify(c)
	if err != nil {
		t.Fatal(err)
	}
	s.chip.TearAt(40, true)
	for _, torn := range []bool{true, false} {
		plan, err := prepared.For(chip)
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := Run(t.Context(), c, plan, nil)
		if torn != errors.Is(err, card.ErrGone) {
			t.Fatal(err)
		}
		if s.chip.Reset(); !torn {
			s.verify(receipt)
		}
	}
	if _, err := prepared.For("cplc:0102"); err == nil {
		t.Error("a second chip would get the first one's key")
	}
}

func TestDefaultKeysAreRefusedOutsideTheDemo(t *testing.T) {
	s := newShop(t, "softcard")
	s.authority.Demo = false
	if _, err := s.issue(s.chip, nil); !errors.Is(err, ErrDefaultKeys) {
		t.Errorf("a real authority and the default keys: %v", err)
	}
	s.authority.Transport.Keys = access.StaticKeys{ENC: bytes.Repeat([]byte{1}, 16), MAC: bytes.Repeat([]byte{2}, 16), DEK: bytes.Repeat([]byte{3}, 16)}
	chip, err := softcard.New(softcard.Options{Transport: s.authority.Transport.Keys})
	if err != nil {
		t.Fatal(err)
	}
	s.chip = chip
	receipt, err := s.issue(s.chip, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.verify(receipt)
}

func TestAChipMadeForAnotherCitizenIsNotTakenForThisOne(t *testing.T) {
	s := newShop(t, "softcard")
	if _, err := s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Record){
		"other number": func(r *Record) { r.Holder = cccd.Example(2) },
		"other name":   func(r *Record) { r.Holder.Residence += " 2" },
	} {
		other := *s
		change(&other.record)
		s.chip.Reset()
		var step *StepError
		if _, err := other.issue(s.chip, nil); !errors.As(err, &step) || step.Step != "emrtd/prove" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRunStopsBetweenSteps(t *testing.T) {
	s := newShop(t, "softcard")
	ctx, cancel := context.WithCancel(context.Background())
	c := card.Over(s.chip)
	r := s.record
	r.Chip, _ = Identify(c)
	plan, err := Compile(s.profile, r, s.authority)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := Run(ctx, c, plan, func(step string) error {
		if step == "emrtd/DG2" {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || receipt.Done[len(receipt.Done)-1] != "emrtd/DG2" {
		t.Errorf("stopped with %v after %v", err, receipt.Done)
	}
	s.chip.Reset()
	if receipt, err = s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	s.verify(receipt)
	full := errors.New("disk full")
	s.blank()
	if _, err := s.issue(s.chip, func(string) error { return full }); !errors.Is(err, full) {
		t.Errorf("a journal that fails: %v", err)
	}
	if _, err := Run(context.Background(), card.Over(s.chip), plan, nil); err == nil {
		t.Error("a plan for another chip was run")
	}
	pin, err := s.authority.Cards.PIN(plan.Chip)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, plan); strings.Contains(text, pin) || len(text) > 200 {
			t.Errorf("a plan prints as %s", text)
		}
	}
}
