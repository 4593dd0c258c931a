// Package synth makes labelled synthetic fingerprints and portraits: what the
// demonstration and the tests run on where no person's may be used.
//
// A finger begins as an orientation field about its cores and deltas (Sherlock
// and Monro's zero-pole model), over which ridges grow out of noise by filtering
// it again and again with Gabor filters of the local direction and period. A
// rolled and a plain impression of one finger are pictures of the same ridges,
// differently cut, inked, turned and stretched, so that a matcher can be held
// against them; each comes with the minutiae that it shows. Wear makes impressions as hard to
// read as bad ones are. The same seed gives the same pictures.
//
// Every picture says that it is simulated, in letters on its margin and in its
// metadata.
package synth

import (
	"image"
	"math/rand/v2"
	"runtime"
	"sync"

	"cardstation/biometrics"
)

// PPI is the resolution of every print, in pixels per inch.
const PPI = 500

// Capture is one synthetic fingerprint capture.
type Capture struct {
	Position   biometrics.Position
	Impression biometrics.Impression // LivePlain or LiveRolled
	PNG        []byte                // 8-bit grey, PPI in its pHYs chunk
	// Cores and Deltas are where the ridges of a single finger turn back and where they
	// part, in pixels of the picture; an arch has none.
	Cores, Deltas []image.Point
	// Minutiae are those of a single finger that the picture shows.
	Minutiae []Minutia
}

// Hands are the ten fingers of one person who does not exist.
type Hands struct {
	seed    uint64
	fingers [11]*finger // by position code, 1 to 10
}

// Grow grows the ten fingers of a seed, on all processors; about a second of
// work in all.
func Grow(seed uint64) *Hands {
	h := &Hands{seed: seed}
	each(10, func(i int) {
		p := biometrics.Position(i + 1)
		h.fingers[p] = grow(p, rand.New(rand.NewPCG(seed, uint64(p))))
	})
	return h
}

// Capture puts fingers on the scanner. Position is a single finger or one of the
// three that show several; only single fingers can be rolled. Each attempt lies,
// presses and sweats a little differently. A position that is not known gives a
// Capture without a picture.
func (h *Hands) Capture(p biometrics.Position, rolled bool, attempt uint64) Capture {
	fingers := p.Fingers()
	if len(fingers) < 2 {
		return h.Worn(p, rolled, attempt, Wear{})
	}
	c := Capture{Position: p, Impression: biometrics.LivePlain}
	if rolled {
		c.Impression = biometrics.LiveRolled
	}
	c.PNG = h.slap(p, fingers, h.chance(p, c.Impression, attempt))
	return c
}

// chance is what is by chance about one attempt.
func (h *Hands) chance(p biometrics.Position, i biometrics.Impression, attempt uint64) *rand.Rand {
	return rand.New(rand.NewPCG(h.seed, uint64(p)<<32|uint64(i)<<48|attempt<<8|1))
}

// Order is the order of the thirteen captures of Circular 60/2021: the flat
// ones, then the ten rolled.
var order = []biometrics.Position{
	biometrics.RightFour, biometrics.LeftFour, biometrics.BothThumbs,
	biometrics.RightThumb, biometrics.RightIndex, biometrics.RightMiddle, biometrics.RightRing, biometrics.RightLittle,
	biometrics.LeftThumb, biometrics.LeftIndex, biometrics.LeftMiddle, biometrics.LeftRing, biometrics.LeftLittle,
}

// Captures makes the thirteen captures of Circular 60/2021 in its order (that of
// station.FingerSlots): right four, left four, two thumbs, then the rolled right
// thumb to little finger and left thumb to little finger.
func Captures(seed uint64) []Capture {
	h := Grow(seed)
	out := make([]Capture, len(order))
	each(len(order), func(i int) {
		out[i] = h.Capture(order[i], i >= 3, 0)
	})
	return out
}

// each calls do for 0 to n-1 on all processors and waits.
func each(n int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
