package synth

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"
)

// TestPatternsComeInNaturalProportion holds what is drawn against what Wilson et al. counted,
// within four standard deviations.
func TestPatternsComeInNaturalProportion(t *testing.T) {
	const fingers = 4000
	var arches, loops, whorls, twins, ulnar float64
	for seed := range uint64(fingers) {
		switch p := newPattern(rand.New(rand.NewPCG(seed, 2)), 1, 9); {
		case len(p.cores) == 0:
			arches++
		case len(p.cores) == 1:
			loops++
			if p.deltas[0].x < p.cores[0].x {
				ulnar++
			}
		case p.twist != 0:
			twins++
			fallthrough
		default:
			whorls++
		}
	}
	for _, c := range []struct {
		name          string
		got, of, want float64
	}{{"arches", arches, fingers, 0.066}, {"loops", loops, fingers, 0.655}, {"whorls", whorls, fingers, 0.279}, {"double loops", twins, whorls, 1. / 6}, {"loops to the little finger", ulnar, loops, 0.92}} {
		if off := c.got - c.of*c.want; math.Abs(off) > 4*math.Sqrt(c.of*c.want*(1-c.want)) {
			t.Errorf("%s: %.3f, want %.3f", c.name, c.got/c.of, c.want)
		}
	}
}

// TestWhatASkinIsStretchedToGoesBack: lies undoes skin.
func TestWhatASkinIsStretchedToGoesBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	p := newPress(rng, image.Pt(250, 350), 0.1)
	p.slip = 16
	for range 200 {
		on := point{300 * (rng.Float64() - 0.5), 400 * (rng.Float64() - 0.5)}
		if back := p.skin(p.lies(on)); math.Hypot(back.x-on.x, back.y-on.y) > 0.5 {
			t.Errorf("%v comes back as %v", on, back)
		}
	}
}
