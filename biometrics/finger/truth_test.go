package finger_test

import (
	"math"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
)

// held counts what of the minutiae that a print was made with is found in it: within 8 pixels
// and an eighth of a turn, each once.
func held(truth []synth.Minutia, found []finger.Minutia) (hit int) {
	taken := make([]bool, len(found))
	for _, m := range truth {
		best, at := 8.5, -1
		for i, f := range found {
			turn := math.Abs(float64(int8(f.Angle - m.Angle)))
			if d := math.Hypot(float64(f.X-m.X), float64(f.Y-m.Y)); !taken[i] && d < best && turn < 32 {
				best, at = d, i
			}
		}
		if at >= 0 {
			taken[at] = true
			hit++
		}
	}
	return hit
}

// TestMinutiaeAreFoundWhereTheyWereMade holds Extract against what the prints were made with. Of
// 100 minutiae made 76 are found in good prints and 64 in hard ones; of 100 found 9 and 24 were
// not made. Turned by half, hardly one of them is held for what was made.
func TestMinutiaeAreFoundWhereTheyWereMade(t *testing.T) {
	h := synth.Grow(9000)
	for _, c := range []struct {
		name         string
		rolled, hard bool
		found, wrong float64
	}{{"good rolls", true, false, 0.7, 0.13}, {"good plain prints", false, false, 0.7, 0.1}, {"hard plain prints", false, true, 0.45, 0.4}} {
		var made, found, hit, turned int
		for p := biometrics.RightThumb; p <= biometrics.LeftLittle; p++ {
			var wear synth.Wear
			if c.hard {
				wear = synth.Hard(uint64(p))
			}
			print := h.Worn(p, c.rolled, 3, wear)
			img, err := biometrics.Decode(print.PNG)
			if err != nil {
				t.Fatal(err)
			}
			got := extract(t, img).Minutiae
			made, found, hit = made+len(print.Minutiae), found+len(got), hit+held(print.Minutiae, got)
			for i := range got {
				got[i].Angle += 128
			}
			turned += held(print.Minutiae, got)
		}
		t.Logf("%s: of %d minutiae made %d are found; of %d found %d were not made; %d were they turned", c.name, made, hit, found, found-hit, turned)
		if float64(hit) < c.found*float64(made) || float64(found-hit) > c.wrong*float64(found) || 10*turned > made {
			t.Errorf("%s: of %d minutiae made %d are found, want %.2f; of %d found %d were not made, want %.2f; %d were they turned", c.name, made, hit, c.found, found, found-hit, c.wrong, turned)
		}
	}
}
