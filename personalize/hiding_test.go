package personalize

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
)

// hiding answers the questions for EF.CardAccess, in the clear, with these in place of
// the chip; 0 lets one through, and gone tears the chip out at the one after.
type hiding struct {
	card.Channel
	answers []card.Status
	gone    bool
	asked   int
}

func (h *hiding) Exchange(b []byte) ([]byte, error) {
	short := bytes.HasPrefix(b, []byte{0x00, 0xB0, 0x9C})
	if !short && !bytes.HasPrefix(b, []byte{0x00, 0xA4, 0x02, 0x0C, 0x02, 0x01, 0x1C}) {
		return h.Channel.Exchange(b)
	}
	if short {
		h.asked++
	}
	switch n := h.asked - 1; {
	case n >= len(h.answers) && h.gone:
		return nil, fmt.Errorf("torn out: %w", card.ErrGone)
	case n < len(h.answers) && h.answers[n] != 0:
		return card.Response{SW: h.answers[n]}.Bytes(), nil
	}
	return h.Channel.Exchange(b)
}

// A genuine chip that fails once over EF.CardAccess is not called a false one, and a
// chip that hides it is.
func TestTroubleOverEFCardAccessIsToldFromHidingIt(t *testing.T) {
	s := newShop(t, "softcard")
	if _, err := s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	again := "another EF.CardAccess when it was asked once more"
	for name, v := range map[string]struct {
		hiding
		opened string // in the row of access
		want   lds.Result
		why    string // in the row of EF.CardAccess
	}{
		"no trouble":                  {opened: "PACE", want: lds.Passed},
		"an odd status once":          {hiding: hiding{answers: []card.Status{card.NoPreciseDiagnosis}}, opened: again, want: lds.Passed},
		"not found once":              {hiding: hiding{answers: []card.Status{card.FileNotFound}}, opened: again, want: lds.Passed},
		"refused each time":           {hiding: hiding{answers: []card.Status{0x6982, 0x6982, 0x6982, 0x6982}}, opened: "BAC", want: lds.Failed, why: "hides"},
		"not found each time":         {hiding: hiding{answers: []card.Status{0x6A82, 0x6A82, 0x6A82, 0x6A82}}, opened: "BAC", want: lds.Failed, why: "hides"},
		"refused in another way":      {hiding: hiding{answers: []card.Status{0x6F00, 0x6988}}, opened: "BAC", want: lds.NotDone, why: "answers status 6F00"},
		"torn when it is asked again": {hiding: hiding{answers: []card.Status{0x6F00}, gone: true}, opened: "BAC", want: lds.NotDone, why: "could not be asked once more"},
	} {
		s.chip.Reset()
		h := v.hiding
		h.Channel = s.chip
		_, rows := s.look(terminalOf(s.terminals)).Of(card.Over(&h), s.prints()["mrz"])
		if !strings.Contains(rows[0].Why, v.opened) {
			t.Errorf("%s: opened by %s", name, rows[0].Why)
		}
		for _, r := range rows {
			if r.Name != emrtd.CheckCardAccess {
				if r.Result != lds.Passed {
					t.Errorf("%s: %s is %s: %s", name, r.Name, r.Result, r.Why)
				}
			} else if r.Result != v.want || !strings.Contains(r.Why, v.why) {
				t.Errorf("%s: %s, where %s was expected: %s", name, r.Result, v.want, r.Why)
			}
		}
	}
}
