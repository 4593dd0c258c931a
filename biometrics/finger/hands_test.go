package finger_test

import (
	"fmt"
	"image"
	"slices"
	"strings"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
)

// hand plays an enrolment: each capture comes after the ones before it, and what is blamed is
// left out from then on.
type hand struct {
	finger.Hands
	held  []finger.SequenceCapture
	loads map[string]int
}

func (h *hand) take(t *testing.T, name string, c finger.SequenceCapture) finger.Findings {
	t.Helper()
	img := c.Image
	c.Name, c.Image = name, nil
	c.Load = func() (image.Image, error) { h.loads[name]++; return img, nil }
	h.held = append(h.held, c)
	got, err := h.Check(h.held)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A fault is said with the first capture that gives it away, names the captures to take
// again and no other, and each picture is read once.
func TestAFaultIsSaidAsSoonAsItShows(t *testing.T) {
	once := enrolment(t, person())
	for _, c := range []struct {
		name     string
		captures []finger.SequenceCapture
		slots    []int // in the order in which they are taken
		unsure   int   // the slot at which it cannot be told yet; 0 for none
		at       int   // the slot that gives it away
		code     string
		blamed   []int // slots
	}{
		{"the slaps of the hands swapped", swapped(once, [2]int{rightSlap, leftSlap}), []int{0, 1, 2, 3, 4, 5}, 4, 5, "hands-swapped", []int{0, 1}},
		{"a finger of the other hand", repeated(once, 4, once[12].Image), []int{0, 1, 4, 5}, 4, 5, "wrong-finger", []int{4}},
		{"the left thumb for the right", repeated(once, 3, once[8].Image), []int{0, 1, 2, 3}, 0, 3, "wrong-finger", []int{3}},
		{"the same finger again", repeated(once, 5, once[4].Image), []int{0, 1, 4, 5}, 0, 5, "repeated", []int{5}},
		{"the same slap again", repeated(once, 1, once[0].Image), []int{0, 1}, 0, 1, "repeated", []int{0, 1}},
	} {
		h := hand{loads: map[string]int{}}
		for _, i := range c.slots {
			got := h.take(t, fmt.Sprint(i), c.captures[i])
			hand, got := byLoops(got)
			if hand && c.code != "hands-swapped" || i == 0 && !hand && c.code == "hands-swapped" {
				t.Errorf("%s, at slot %d: looks like the other hand: %v", c.name, i, hand)
			}
			switch {
			case i == c.at && i != 0:
				if len(got) != 1 || got.Clear() || got[0].Code != c.code || !slices.Equal(named(got[0], c.slots), c.blamed) {
					t.Errorf("%s: %+v", c.name, got)
				}
			case i == c.unsure && i != 0:
				if len(got) != 1 || got[0].Code != finger.CannotTell || !strings.Contains(got[0].Text, "the next roll tells") {
					t.Errorf("%s, not to be told yet: %+v", c.name, got)
				}
			case len(got) > 0:
				t.Errorf("%s, at slot %d: %+v", c.name, i, got)
			}
		}
		for name, n := range h.loads {
			if n != 1 {
				t.Errorf("%s: picture %s was read %d times", c.name, name, n)
			}
		}
		if r, ok := h.Rolled(biometrics.RightIndex); ok != slices.Contains(c.slots, 4) || ok && (len(r.Template.Minutiae) < 80 || r.Template.Position != biometrics.RightIndex) {
			t.Errorf("%s: what was read of the roll: %v, %d minutiae", c.name, ok, len(r.Template.Minutiae))
		}
	}
}

// byLoops takes out what is said of a slap's loops.
func byLoops(all finger.Findings) (said bool, others finger.Findings) {
	for _, f := range all {
		if f.Code == finger.CannotTell && strings.Contains(f.Text, "by its loops") {
			said = true
		} else {
			others = append(others, f)
		}
	}
	return said, others
}

// named are the slots that a finding names.
func named(f finger.Finding, slots []int) (out []int) {
	for _, i := range f.Captures {
		out = append(out, slots[i])
	}
	slices.Sort(out)
	return out
}
