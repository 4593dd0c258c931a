package finger

import (
	"image"
	"math"
)

// How a loop is read: from its core over a ring of this many blocks, which agree by this much, and
// it must open to a side by this many degrees.
const (
	nearCore, farCore = 2.0, 6.0
	leastLoop         = 0.35
	leastOpen         = 12.0
)

// opens says by how many degrees the loop of a finger opens to the right of straight down, below
// zero to the left; 0 where there is no single core or its ridges do not say so.
func (f field) opens(d directions, print mask) float64 {
	cores, _ := f.singular(d, print)
	if len(cores) != 1 {
		return 0
	}
	side, _ := d.opening(cores[0], print)
	return side
}

// opening is the side to which a core on blocks opens, in degrees to the right of straight down,
// not ok where its ridges do not say so. About the core of a loop, the ridges at an angle p from
// it run at (p + a) / 2, where a is that side.
func (d directions) opening(core image.Point, print mask) (degrees float64, ok bool) {
	var re, im, n float64
	for r := nearCore; r <= farCore; r++ {
		for k := range 32 {
			sin, cos := math.Sincos(2 * math.Pi * float64(k) / 32)
			x, y := float64(core.X)/blockSize+r*cos, float64(core.Y)/blockSize+r*sin
			if at := image.Pt(int(x), int(y)); !at.In(image.Rect(0, 0, d.w, d.h)) || !print.on[at.Y*d.w+at.X] {
				continue
			}
			u, v := d.at(x, y)
			re, im, n = re+u*cos+v*sin, im+v*cos-u*sin, n+1
		}
	}
	if n == 0 || math.Hypot(re, im) < leastLoop*n {
		return 0, false
	}
	return math.Remainder(90-math.Atan2(im, re)*180/math.Pi, 360), true
}

// How many loops open to the side of the little finger: of the index finger 61 in a hundred
// (F. Galton, "Finger Prints", 1892, chapter VIII), of the others nearly all, of which this takes
// off what may be read wrongly.
const (
	ulnarIndex = 0.61
	ulnarOther = 0.92
)

// sureHand is the odds from which on a slap is said to look like the other hand's: 150 to one,
// three loops that agree. Of 60 synthetic slaps 29 were above for their own hand, and none for
// the other.
const sureHand = 5.0

// RightHand says by the loops of a slap how much likelier a right hand is to leave it than a left
// one, as a natural logarithm: above 0 for the right hand, below for the left. It is 0 unless
// there are four fingers, in the order of Find, and for arches and whorls. The positions of the
// fingers do not matter to it.
func RightHand(slap []Segment) (odds float64) {
	if len(slap) != 4 {
		return 0
	}
	for i, s := range slap {
		right, left := ulnarOther, ulnarOther
		switch i {
		case 0:
			right = ulnarIndex
		case 3:
			left = ulnarIndex
		}
		switch {
		case s.Opens > 0:
			odds += math.Log(right / (1 - left))
		case s.Opens < 0:
			odds += math.Log((1 - right) / left)
		}
	}
	return odds
}
