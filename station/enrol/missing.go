package enrol

import (
	"slices"
	"strings"

	"cardstation/station"
)

// Why missing fingers want a supervisor's word, as a capture's reasons say it.
// Without these rules the three tries of a slot would have no end: the finger that
// fails is said to be missing.
const (
	goneAfterRefusal = "A finger is said to be missing only after a try that was refused: a supervisor has to confirm it."
	goneInNumber     = "More than five fingers are said to be missing: a supervisor has to confirm it."
)

// mostMissing is how many fingers the desk may describe as missing by itself.
const mostMissing = 5

// carry takes over what a slot's next capture inherits of the one before: the
// tries, unless that one was accepted or a supervisor decided on it, and that a
// finger which was tried in vain is now said to be missing.
func carry(next *station.Capture, before station.Capture) {
	failed := before.State == station.CaptureRefused || before.State == station.CaptureOverridden
	doubted := slices.Contains(before.Reasons, goneAfterRefusal)
	if before.Word == nil && (before.State != station.CaptureAccepted || doubted) {
		next.Attempts = before.Attempts
	}
	if len(next.Missing) > 0 && (doubted || failed && slices.ContainsFunc(next.Missing, func(m station.Missing) bool { return !gone(before, m.Position) })) {
		next.Reasons = append(slices.Clone(next.Reasons), goneAfterRefusal)
	}
}

// gone tells whether a capture describes the finger as missing.
func gone(c station.Capture, position int) bool {
	return slices.ContainsFunc(c.Missing, func(m station.Missing) bool { return m.Position == position })
}

// countMissing notes at the slots with several fingers, which have every finger
// once, whether more than five of them are said to be missing; the slots of
// single fingers have to agree with these.
func countMissing(e *station.Enrolment) {
	n := 0
	for _, c := range e.Captures {
		if len(fingersOf(c.Slot)) > 1 {
			n += len(c.Missing)
		}
	}
	for i, c := range e.Captures {
		if len(fingersOf(c.Slot)) < 2 || c.Word != nil {
			continue
		}
		c.Reasons = slices.DeleteFunc(slices.Clone(c.Reasons), func(r string) bool { return r == goneInNumber })
		if n > mostMissing && len(c.Missing) > 0 {
			c.Reasons = append(c.Reasons, goneInNumber)
		}
		e.Captures[i] = c
	}
}

// unconfirmed tells whether a capture stands that needs a supervisor's word, for its
// missing fingers or because they were enrolled before, and has none.
func unconfirmed(c station.Capture) bool {
	return c.State != station.CaptureRefused && c.Word == nil && slices.ContainsFunc(c.Reasons, func(r string) bool {
		return r == goneAfterRefusal || r == goneInNumber || strings.HasPrefix(r, enrolledBefore)
	})
}

// doubts gives the slots for which a supervisor's word is needed, and why.
func doubts(e station.Enrolment) map[string]string {
	open := map[string]string{}
	for _, c := range e.Captures {
		if unconfirmed(c) {
			open[string(c.Slot)] = strings.Join(c.Reasons, " ")
		}
	}
	return open
}
