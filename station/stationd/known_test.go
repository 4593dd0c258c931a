package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/synth"
	"cardstation/station"
)

// attempt is all captures of a person at another time.
func attempt(h *synth.Hands, n uint64) shots {
	all := shots{}
	for _, f := range station.FingerSlots {
		all[f.Slot] = h.Capture(biometrics.Position(f.Position), f.Rolled, n).PNG
	}
	return all
}

// whole takes all fourteen captures and gives those of the fingers.
func (d *deskTest) whole(id string, citizen uint64, all shots) map[station.Slot]station.Capture {
	d.t.Helper()
	if at, refused := d.enrol(id, citizen, all); at != "" {
		d.t.Fatalf("%s, at %s: %+v", id, at, refused)
	}
	d.take(id, station.Portrait, synth.Portrait(3))
	got := map[station.Slot]station.Capture{}
	for _, c := range d.captures(id) {
		got[c.Slot] = c
	}
	return got
}

// A person who was enrolled here is noticed: with the same number it is said, with another a
// supervisor decides; after a restart too; and so is a single finger in another place.
func TestTheDeskNoticesWhomItHadBefore(t *testing.T) {
	d := newDeskTest(t)
	a := synth.Grow(9100)
	first := attempt(a, 0)
	d.whole("first", 1, first)
	if code, fields := d.finalize("first"); code >= 300 {
		t.Fatalf("the first: %d %v", code, fields)
	}
	same := d.whole("same", 1, attempt(a, 1))
	if code, fields := d.finalize("same"); code >= 300 {
		t.Errorf("the same number again: %d %v", code, fields)
	}
	if n := same["rolled-right-thumb"].Notes; len(n) != 1 || !strings.Contains(n[0], "in enrolment first, under the same personal number") {
		t.Errorf("the same number again: %q", n)
	}

	d.restart() // what was known is known again
	early := d.whole("other", 2, attempt(a, 2))
	c := early["rolled-right-thumb"]
	if c.State != station.CaptureAccepted || len(c.Reasons) != 2 || !slices.Contains(c.Codes, "known first") || !slices.Contains(c.Codes, "known same") {
		t.Errorf("with another number, after the first roll: %+v", c)
	}
	code, fields := d.finalize("other")
	if code != 409 || len(fields) != 1 || !strings.Contains(fields["rolled-right-thumb"], "and 9 other fingers, in enrolment first, under another personal number. A supervisor has to decide.") {
		t.Errorf("with another number: %d %v", code, fields)
	}
	if code, body := d.call(station.RoleSupervisor, "POST", "/v1/enrollments/other/captures/rolled-right-thumb/override", map[string]any{"reason": "the number was corrected by decree"}, nil); code != 200 {
		t.Fatalf("the supervisor's word: %d %s", code, body)
	}
	if code, fields := d.finalize("other"); code >= 300 {
		t.Errorf("after the supervisor's word: %d %v", code, fields)
	}

	stranger := attempt(synth.Grow(9101), 0)
	stranger["rolled-left-little"] = a.Capture(biometrics.RightThumb, true, 5).PNG
	got := d.whole("stranger", 3, stranger)["rolled-left-little"]
	if len(got.Reasons) != 3 || !strings.Contains(got.Reasons[0], "Enrolled before: the left little finger, in enrolment first as its right thumb, under another personal number.") {
		t.Errorf("one finger of somebody known: %+v", got)
	}
	if code, fields := d.finalize("stranger"); code != 409 || len(fields) != 1 {
		t.Errorf("one finger of somebody known: %d %v", code, fields)
	}
	d.noTemplates()
	t.Logf("%d captures, the slowest verdict after %v", d.sent, d.slowest)
}

// noTemplates looks for what is kept of fingers in what the events tell.
func (d *deskTest) noTemplates() {
	d.t.Helper()
	n := 0
	if err := d.house.db.EachPrint(d.t.Context(), func(id string, p station.Print) error {
		n++
		if len(p.Template) < 300 || len(p.Keys) < 300 || len(p.Template)+len(p.Keys) > 4000 {
			d.t.Errorf("print %d of %s: %d and %d bytes", p.Position, id, len(p.Template), len(p.Keys))
		}
		return nil
	}); err != nil || n != 30 {
		d.t.Errorf("%d prints are kept of three enrolments, %v", n, err)
	}
	events, err := d.house.db.Events(d.t.Context(), 0, 10_000)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range events {
		if len(e.Body) > 1500 || strings.Contains(string(e.Body), "FM1") {
			d.t.Errorf("event %s: %d bytes: %s", e.Type, len(e.Body), fmt.Sprintf("%.200s", e.Body))
		}
		if e.Type == station.EnrolmentFinalized && e.Subject == "same" {
			var told struct{ Known []string }
			if err := json.Unmarshal(e.Body, &told); err != nil || !slices.Equal(told.Known, []string{"first"}) {
				d.t.Errorf("what the final one tells: %s", e.Body)
			}
		}
	}
}
