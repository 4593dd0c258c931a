package personalize

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/softcard"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
)

// as is the finished chip with the manners of another maker's.
func (s *shop) as(q softcard.Quirks) *softcard.Chip {
	s.Helper()
	raw, err := s.chip.State()
	if err != nil {
		s.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(raw, &state); err != nil {
		s.Fatal(err)
	}
	state["quirks"] = q
	if raw, err = json.Marshal(state); err != nil {
		s.Fatal(err)
	}
	chip, err := softcard.Restore(raw)
	if err != nil {
		s.Fatal(err)
	}
	return chip
}

// prints are what an officer may know of the card.
func (s *shop) prints() map[string]emrtd.Printed {
	s.Helper()
	zone, err := cccd.MRZ(s.record.Holder, s.record.Expiry)
	if err != nil {
		s.Fatal(err)
	}
	mrz := access.MRZ{Document: zone.Document, Birth: zone.Birth, Expiry: zone.Expiry}
	n := s.record.Holder.Number
	return map[string]emrtd.Printed{"mrz": {MRZ: mrz}, "can": {CAN: n[len(n)-6:]}, "both": {MRZ: mrz, CAN: n[len(n)-6:]}}
}

// Chips as other makers' are lead to the same verdict, and the verdict says what was
// tried.
func TestChipsWithOtherMannersAreReadAndItIsSaidHow(t *testing.T) {
	s := newShop(t, "softcard")
	if _, err := s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	type manner struct {
		softcard.Quirks
		said string // by a row, where the chip is opened by PACE
	}
	const noMaster, again = "selection of its master file", "from the start"
	manners := map[string]manner{
		"nothing odd":            {},
		"implicit mf":            {softcard.Quirks{ImplicitMF: true}, ""},
		"preselected":            {softcard.Quirks{Preselected: true}, ""},
		"preselected, no mf":     {softcard.Quirks{Preselected: true, SelectMF: 0x6D00}, noMaster},
		"selected once":          {softcard.Quirks{Preselected: true, SelectMF: 0x6D00, RefuseSelectInside: true}, noMaster},
		"not selected inside":    {softcard.Quirks{Preselected: true, RefuseSelectInside: true}, "opened again in the application"},
		"no extended":            {softcard.Quirks{RefuseExtended: true}, ""},
		"claims extended":        {softcard.Quirks{RefuseExtended: true, ClaimExtended: true}, "in small pieces"},
		"no fci":                 {softcard.Quirks{RefuseControlInformation: true}, ""},
		"fci":                    {softcard.Quirks{WantControlInformation: true}, "control information"},
		"fci, no short ids":      {softcard.Quirks{WantControlInformation: true, RefuseShortID: true}, "control information"},
		"no short ids":           {softcard.Quirks{RefuseShortID: true}, "short identifier"},
		"no odd read":            {softcard.Quirks{RefuseOddRead: true}, ""},
		"gives little":           {softcard.Quirks{MaxData: 90}, ""},
		"refusals end":           {softcard.Quirks{RefusalEnds: true, MaxLe: 100}, again},
		"refusals end, no ids":   {softcard.Quirks{RefusalEnds: true, RefuseShortID: true}, again},
		"parameter named":        {softcard.Quirks{NameParameter: true}, "domain parameter"},
		"parameter, preselected": {softcard.Quirks{NameParameter: true, Preselected: true}, "domain parameter"},
		"long le":                {softcard.Quirks{LongLe: true}, ""},
		"exact signature":        {softcard.Quirks{ExactSignature: true}, "signs with Le of 64"},
	}
	for _, sw := range []card.Status{0x6D00, 0x6982, 0x6985, 0x6A81, 0x6A82, 0x6A86, 0x6A87, 0x6E00} {
		manners[fmt.Sprintf("mf %s", sw)] = manner{softcard.Quirks{SelectMF: sw}, noMaster}
	}
	for _, n := range []int{32, 96, 100, 223, 231, 256, 4096} {
		manners[fmt.Sprintf("le of %d at most", n)] = manner{softcard.Quirks{MaxLe: n}, ""}
	}
	for _, sw := range []card.Status{0x6700, 0x6C00, 0x6A86, 0x6985, 0x6F00, 0x6B00} {
		manners[fmt.Sprintf("le %s", sw)] = manner{softcard.Quirks{MaxLe: 128, LeStatus: sw}, "at a time"}
		manners[fmt.Sprintf("end %s", sw)] = manner{softcard.Quirks{EndStatus: sw}, "short identifier"}
		manners[fmt.Sprintf("ends channel %s", sw)] = manner{softcard.Quirks{MaxLe: 128, LeStatus: sw, RefusalEnds: true}, again}
	}
	for name, m := range manners {
		for how, print := range s.prints() {
			_, rows := s.look(terminalOf(s.terminals)).Of(card.Over(s.as(m.Quirks)), print)
			said := ""
			for _, r := range rows {
				if said += r.Why + "\n"; r.Result != lds.Passed {
					t.Errorf("%s, %s: %s is %s: %s", name, how, r.Name, r.Result, r.Why)
				}
			}
			if !strings.Contains(said, m.said) {
				t.Errorf("%s, %s: no word of %q in\n%s", name, how, m.said, said)
			}
		}
		_, rows := s.look(terminalOf(s.terminals)).Through(card.Over(s.as(m.Quirks)), s.doors()[0])
		for _, r := range rows {
			if r.Result != lds.Passed {
				t.Errorf("%s, bac: %s is %s: %s", name, r.Name, r.Result, r.Why)
			}
		}
		if m.LongLe && !strings.Contains(rows[0].Why, "Le of 256") {
			t.Errorf("bac: no word of Le in %q", rows[0].Why)
		}
	}
}

// with is both quirks at once.
func (s *shop) with(a, b softcard.Quirks) (both softcard.Quirks) {
	s.Helper()
	for _, q := range []softcard.Quirks{a, b} {
		one, err := json.Marshal(q)
		if err == nil {
			err = json.Unmarshal(one, &both)
		}
		if err != nil {
			s.Fatal(err)
		}
	}
	return both
}

// Each two of them together, too.
func TestChipsOddInTwoWaysAreRead(t *testing.T) {
	s := newShop(t, "softcard")
	if _, err := s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	odd := []softcard.Quirks{
		{SelectMF: 0x6D00}, {ImplicitMF: true}, {Preselected: true}, {RefuseExtended: true}, {RefuseExtended: true, ClaimExtended: true},
		{RefuseControlInformation: true}, {WantControlInformation: true}, {RefuseShortID: true}, {RefuseOddRead: true}, {MaxLe: 100}, {MaxLe: 128, LeStatus: 0x6A86},
		{MaxData: 90}, {EndStatus: 0x6B00}, {RefusalEnds: true}, {NameParameter: true}, {LongLe: true}, {ExactSignature: true}, {Preselected: true, RefuseSelectInside: true},
	}
	for i, a := range odd {
		for _, b := range odd[:i] {
			q := s.with(a, b)
			if q.RefuseControlInformation && q.WantControlInformation || q.RefusalEnds && q.ExactSignature {
				continue // nothing could be selected; nobody could ask for the signature again
			}
			for how, print := range s.prints() {
				_, rows := s.look(terminalOf(s.terminals)).Of(card.Over(s.as(q)), print)
				for _, r := range rows {
					if r.Result != lds.Passed {
						t.Errorf("%+v, %s: %s is %s: %s", q, how, r.Name, r.Result, r.Why)
						break
					}
				}
			}
		}
	}
}
