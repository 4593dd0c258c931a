package personalize

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
	"cardstation/biometrics/wsq"
	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/softcard"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/personalize/pki"
)

// prints are the two index fingers of nobody.
var prints = sync.OnceValues(func() ([]Finger, error) {
	var all []Finger
	hand := synth.Grow(1)
	for _, position := range []biometrics.Position{biometrics.RightFour, biometrics.LeftFour} {
		c := hand.Capture(position, false, 0)
		img, err := biometrics.Decode(c.PNG)
		if err != nil {
			return nil, err
		}
		found, err := finger.Find(img.Image, 500, biometrics.Position(c.Position).Fingers())
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if f.Position != biometrics.RightIndex && f.Position != biometrics.LeftIndex {
				continue
			}
			coded, err := wsq.Encode(f.Cut(img.Image), wsq.Options{PPI: 500})
			if err != nil {
				return nil, err
			}
			all = append(all, Finger{Position: int(f.Position), Image: coded})
		}
	}
	return all, nil
})

func terminalOf(t pki.Terminals) *emrtd.Terminal {
	return &emrtd.Terminal{Chain: t.Chain(), Key: t.Inspection.Signer}
}

// look is how an office with a terminal's keys, or nil without, looks at a chip.
func (b bench) look(t *emrtd.Terminal) emrtd.Inspection {
	return emrtd.Inspection{Trust: b.trust, Now: time.Now(), Terminal: t}
}

// printed is what stands on the shop's card.
func (s *shop) printed(can bool) emrtd.Printed {
	s.Helper()
	zone, err := cccd.MRZ(s.record.Holder, s.record.Expiry)
	if err != nil {
		s.Fatal(err)
	}
	if can {
		return emrtd.Printed{CAN: s.record.Holder.Number[6:]}
	}
	return emrtd.Printed{MRZ: access.MRZ{Document: zone.Document, Birth: zone.Birth, Expiry: zone.Expiry}}
}

func rowOf(rows []lds.Check, name string) lds.Check {
	i := slices.IndexFunc(rows, func(c lds.Check) bool { return c.Name == name })
	if i < 0 {
		return lds.Check{Name: name + " is no row"}
	}
	return rows[i]
}

// withFingers is a shop whose record has fingers, and whose card is made.
func withFingers(t *testing.T, profile string) *shop {
	t.Helper()
	s := newShop(t, profile)
	var err error
	if s.record.Fingers, err = prints(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFingersOpenToTheIssuersTerminalsAndNobodyElse(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{"softcard", "softcard-emrtd"} {
		s := withFingers(t, profile)
		stranger, err := pki.NewTerminals(pki.Options{Country: "XX", Demo: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, can := range []bool{false, true} {
			if can && profile == "softcard-emrtd" {
				continue // it knows no PACE
			}
			for _, c := range []struct {
				terminal *emrtd.Terminal
				why      string
			}{{terminalOf(s.terminals), ""}, {nil, "no terminal's key here"}, {terminalOf(stranger), "no certificate here leads on from it"}} {
				s.chip.Reset()
				files, rows := s.look(c.terminal).Of(card.Over(s.chip), s.printed(can))
				row, hash := rowOf(rows, emrtd.CheckTerminal), rowOf(rows, lds.HashCheck(lds.DG3))
				want := lds.NotDone
				if c.why == "" {
					want = lds.Passed
				}
				if row.Result != want || hash.Result != want || !strings.Contains(row.Why, c.why) {
					t.Errorf("%s, card access number %v: %v, %v; want %s %q", profile, can, row, hash, want, c.why)
				}
				if got := files[lds.DG3]; (got != nil) != (c.why == "") {
					t.Errorf("%s, %q: %d bytes of DG3", profile, c.why, len(got))
				}
				if c.why == "" {
					s.sameFingers(files[lds.DG3])
				}
			}
		}
		s.closedWithoutTerminal()
	}
}

// sameFingers holds DG3 against the record.
func (s *shop) sameFingers(dg3 []byte) {
	s.Helper()
	got, err := lds.DecodeDG3(dg3)
	if err != nil || len(got) != len(s.record.Fingers) {
		s.Fatalf("%d fingers, %v", len(got), err)
	}
	for i, f := range got {
		v, want := f.Views[0], s.record.Fingers[i]
		if int(v.Position) != want.Position || string(v.Data) != string(want.Image) || v.ImageX != 500 || v.Impression != byte(biometrics.LivePlain) {
			s.Errorf("finger %d: position %d, impression %d, %d ppi, %d bytes", i, v.Position, v.Impression, v.ImageX, len(v.Data))
		}
	}
}

// closedWithoutTerminal asks for DG3 through BAC, and after chip authentication.
func (s *shop) closedWithoutTerminal() {
	s.Helper()
	s.chip.Reset()
	_, rows := emrtd.Inspect(card.Over(s.chip), access.BAC{MRZ: s.printed(false).MRZ}, s.trust, time.Now(), lds.COM, lds.SOD, lds.DG3, lds.DG14)
	if row := rowOf(rows, emrtd.CheckReading); !strings.Contains(row.Why, "DG3: the chip asks for terminal authentication") {
		s.Errorf("%v", row)
	}
}

// A chip's date goes on with the certificates it sees: what is over by it is refused,
// and so is, with its link, nothing of the authority's next key.
func TestTerminalsGrowOldByTheChipsDateAndRollOverByTheirLinks(t *testing.T) {
	t.Parallel()
	s := newShop(t, "softcard")
	old, err := pki.NewTerminals(pki.Options{Demo: true, Now: time.Now().AddDate(0, -2, 0)}) // its inspection system is over
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := old.Renew(pki.Options{Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	rolled, err := renewed.Roll(pki.Options{Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	s.authority.Terminals = old.Chain()[:0]
	s.authority.Terminals = append(s.authority.Terminals, old.Authority.Certificate)
	if s.record.Fingers, err = prints(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		terminals pki.Terminals
		want      lds.Result
		why       string
	}{
		{old, lds.Passed, ""}, // the chip knows no better
		{renewed, lds.Passed, ""},
		{old, lds.NotDone, "was valid until"},
		{rolled, lds.Passed, ""},
		{renewed, lds.Passed, ""}, // the authority before is still trusted
		{rolled, lds.Passed, ""},
	} {
		s.chip.Reset()
		_, rows := s.look(terminalOf(c.terminals)).Of(card.Over(s.chip), s.printed(false))
		if row := rowOf(rows, emrtd.CheckTerminal); row.Result != c.want || !strings.Contains(row.Why, c.why) {
			t.Errorf("%s: %v, want %s", c.terminals.Inspection.Certificate.Holder, row, c.want)
		}
	}
}

// A holder without fingers has a DG3 that says so to terminals only: its hash is
// another one each time.
func TestAHolderWithoutFingersHasADG3ThatHidesIt(t *testing.T) {
	t.Parallel()
	s := newShop(t, "softcard")
	var hashes []string
	for range 2 {
		s.blank()
		if _, err := s.issue(s.chip, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.issue(s.chip, nil); err != nil { // found final: its proof has to allow for the filler
			t.Fatal(err)
		}
		s.chip.Reset()
		files, rows := s.look(terminalOf(s.terminals)).Of(card.Over(s.chip), s.printed(false))
		fingers, err := lds.DecodeDG3(files[lds.DG3])
		if row := rowOf(rows, lds.HashCheck(lds.DG3)); err != nil || len(fingers) != 0 || row.Result != lds.Passed {
			t.Fatalf("%d fingers, %v, %v", len(fingers), err, row)
		}
		sod, err := lds.DecodeSOD(files[lds.SOD])
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, string(sod.Object.Groups[lds.DG3]))
	}
	if hashes[0] == hashes[1] {
		t.Error("two empty DG3 have the same hash")
	}
}

func TestAProfileThatLeavesFingersOpenIsRefusedWithItsLine(t *testing.T) {
	t.Parallel()
	good, err := embedded.ReadFile("profiles/softcard.yaml")
	if err != nil {
		t.Fatal(err)
	}
	line := 1 + strings.Count(string(good[:bytes.Index(good, []byte("fingers: true"))]), "\n")
	for from, want := range map[string]string{
		"    trust-points: 00DA0064 $certificates\n":     "read by everybody",
		"  chip-authentication: {key: p-256, key-bits: ": "chip-authentication",
	} {
		var bad []string
		for _, l := range strings.SplitAfter(string(good), "\n") {
			if strings.HasPrefix(l, from) || want == "chip-authentication" && strings.Contains(l, "chip-key") {
				l = "#" + l
			}
			bad = append(bad, l)
		}
		_, err := parseProfile("bad.yaml", []byte(strings.Join(bad, "")))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("bad.yaml:%d: ", line)) || !strings.Contains(err.Error(), want) {
			t.Errorf("without %q: %v, want line %d and %q", from, err, line, want)
		}
	}
}

func TestNoFingersAreWrittenThatNothingGuards(t *testing.T) {
	t.Parallel()
	s := newShop(t, "softcard")
	s.authority.Terminals = nil
	if _, err := s.issue(s.chip, nil); !errors.Is(err, ErrNoTerminals) {
		t.Errorf("without an authority over terminals: %v", err)
	}
	for _, f := range []Finger{{Position: 13, Image: []byte{1}}, {Position: 2, Image: []byte("\xff\xd8\xff")}} {
		s := newShop(t, "softcard")
		s.record.Fingers = []Finger{f}
		if _, err := s.issue(s.chip, nil); err == nil {
			t.Errorf("finger of position %d with %d bytes was written", f.Position, len(f.Image))
		}
	}
	chip, err := softcard.New(softcard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, rows := s.look(terminalOf(s.terminals)).Of(card.Over(chip), s.printed(false)); rows[0].Result != lds.NotDone {
		t.Errorf("a blank chip: %v", rows)
	}
}
