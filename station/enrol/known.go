package enrol

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cardstation/station"
)

// seenBefore are the matches with one earlier enrolment, in the order of the fingers at the
// desk.
type seenBefore struct {
	enrolment, number string // of the enrolment, and its personal number
	matches           []Match
}

// recognized gathers matches by enrolment, leaves out those too weak to say so, and looks
// up whose they are.
func (d *Desk) recognized(ctx context.Context, matches []Match) ([]seenBefore, error) {
	by := map[string][]Match{}
	for _, m := range matches {
		if !slices.ContainsFunc(by[m.Enrolment], func(o Match) bool { return o.Finger == m.Finger }) {
			by[m.Enrolment] = append(by[m.Enrolment], m)
		}
	}
	var out []seenBefore
	for _, id := range slices.Sorted(maps.Keys(by)) {
		one := seenBefore{enrolment: id, matches: by[id]}
		if len(one.matches) < 2 && !one.matches[0].Sure {
			continue
		}
		slices.SortFunc(one.matches, func(a, b Match) int { return cmp.Compare(a.Finger, b.Finger) })
		e, err := d.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		one.number = e.Citizen.Number
		out = append(out, one)
	}
	return out, nil
}

// enrolledBefore begins the reason at a finger of somebody with another personal number.
const enrolledBefore = "Enrolled before: "

// recognize writes into the enrolment who was here before: with the same personal number
// it is noted; with another one a supervisor has to decide, once for each enrolment.
func recognize(e *station.Enrolment, all []seenBefore) {
	for i := range e.Captures {
		if c := &e.Captures[i]; c.Word == nil {
			c.Reasons = slices.DeleteFunc(slices.Clone(c.Reasons), func(r string) bool { return strings.HasPrefix(r, enrolledBefore) })
			c.Codes = slices.DeleteFunc(slices.Clone(c.Codes), func(code string) bool { return strings.HasPrefix(code, "known ") })
		}
	}
	for _, one := range all {
		slot := rollOf(one.matches[0])
		code := "known " + one.enrolment
		c, ok := e.Capture(slot)
		decided := slices.ContainsFunc(e.Captures, func(c station.Capture) bool { return c.Word != nil && slices.Contains(c.Codes, code) })
		switch {
		case !ok || c.State == station.CaptureRefused:
		case one.number == e.Citizen.Number:
			note(e, one.text()+"under the same personal number.", slot)
		case decided:
			note(e, one.text()+"under another personal number.", slot)
		default:
			c.Reasons = append(slices.Clone(c.Reasons), one.text()+"under another personal number. A supervisor has to decide.")
			c.Codes, c.Word = append(slices.Clone(c.Codes), code), nil
			put(e, c)
		}
	}
}

// text says which fingers were seen where.
func (s seenBefore) text() string {
	first := s.matches[0]
	text := fmt.Sprintf("%sthe %v", enrolledBefore, first.Finger)
	switch n := len(s.matches) - 1; {
	case n == 1:
		text += " and another finger"
	case n > 1:
		text += fmt.Sprintf(" and %d other fingers", n)
	}
	text += ", in enrolment " + s.enrolment
	if first.Position != first.Finger {
		text += fmt.Sprintf(" as its %v", first.Position)
	}
	return text + ", "
}

// rollOf is the slot of a roll.
func rollOf(m Match) station.Slot {
	for _, f := range station.FingerSlots {
		if f.Rolled && f.Position == int(m.Finger) {
			return f.Slot
		}
	}
	return ""
}

// told is what the event of a final enrolment says of earlier ones; nil for nothing.
func (r *review) told() any {
	if len(r.before) == 0 {
		return nil
	}
	var ids []string
	for _, one := range r.before {
		ids = append(ids, one.enrolment)
	}
	return map[string]any{"known": ids}
}
