package personalize

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"cardstation/biometrics/record"
	"cardstation/devices/card"
	"cardstation/devices/card/access/cvc"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
)

// irised is the profile softcard-emrtd with irises.
func irised(t *testing.T, change ...string) (Profile, error) {
	t.Helper()
	good, err := embedded.ReadFile("profiles/softcard-emrtd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(good, []byte("  fingers: true"))
	yaml := string(good[:at]) + "  irises: true\n" + string(good[at:])
	return parseProfile("irises.yaml", []byte(strings.NewReplacer(change...).Replace(yaml)))
}

// reads is the shop's inspection system with these rights.
func (s *shop) reads(rights byte) *emrtd.Terminal {
	s.Helper()
	t := s.terminals
	own := t.Inspection.Certificate
	own.Authorization = cvc.Inspection(cvc.Terminal, rights)
	var err error
	if t.Inspection.Certificate, err = own.Sign(t.Verifier.Signer, t.Verifier.Certificate.Key); err != nil {
		s.Fatal(err)
	}
	return terminalOf(t)
}

// Irises go onto the chip as they came, and open to a terminal that may read them.
func TestIrisesOpenToTerminalsWithTheRightToThem(t *testing.T) {
	t.Parallel()
	irises := []record.Opaque{
		{Kind: "iris", Subtype: 1, Data: append([]byte("IIR\x00020\x00"), bytes.Repeat([]byte{7}, 3000)...)},
		{Kind: "iris", Subtype: 2, Data: []byte("IIR\x00020\x00 left")},
	}
	profile, err := irised(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, given := range [][]record.Opaque{irises, nil} {
		s := newShop(t, "softcard-emrtd")
		s.profile, s.record.Irises = profile, given
		for range 2 { // and again: the proof of a finished card has to allow for the filler
			if _, err := s.issue(s.chip, nil); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			rights byte
			open   bool
		}{{cvc.ReadFingers, false}, {cvc.ReadFingers | cvc.ReadIris, true}, {cvc.ReadIris, true}} {
			s.chip.Reset()
			terminal := s.reads(c.rights)
			files, rows := s.look(terminal).Of(card.Over(s.chip), s.printed(false))
			row, hash := rowOf(rows, emrtd.CheckTerminal), rowOf(rows, lds.HashCheck(lds.DG4))
			if row.Result != lds.Passed || (hash.Result == lds.Passed) != c.open || terminal.May(cvc.ReadIris) != c.open || strings.Contains(row.Why, "DG4") == c.open {
				t.Errorf("rights %d: %v, %v", c.rights, row, hash)
			}
			if (files[lds.DG3] != nil) != (c.rights&cvc.ReadFingers != 0) {
				t.Errorf("rights %d: DG3 of %d bytes", c.rights, len(files[lds.DG3]))
			}
			if !c.open {
				continue
			}
			got, err := lds.DecodeDG4(files[lds.DG4])
			if err != nil || !reflect.DeepEqual(got, given) {
				t.Errorf("%d irises, %v", len(got), err)
			}
		}
	}
}

func TestAProfileThatLeavesIrisesOpenIsRefused(t *testing.T) {
	t.Parallel()
	_, err := irised(t, "  fingers: true\n", "", "    trust-points:", "    #")
	if err == nil || !strings.Contains(err.Error(), "irises want what guards fingerprints") {
		t.Errorf("%v", err)
	}
	if _, err := irised(t, "  fingers: true\n", ""); err != nil {
		t.Errorf("irises without fingers: %v", err)
	}
}
