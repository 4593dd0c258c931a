package finger

import (
	"image"
	"math"
	"slices"
)

// Where a finger slides while it rolls, the ridges taken before and after do not meet: there is
// a seam, more or less upright, across which all are off by one shift. It is looked for at places
// seamStep apart by comparing the ridges seamAway to either side, along the ridge.
const (
	seamStep  = 8
	seamAway  = 8    // pixels
	steepest  = 0.35 // cosine of a ridge's direction: what is more upright does not cross the seam
	seamSway  = 3.0  // what a step to the side costs, so that the seam stays upright
	seamDoubt = 0.1  // what a ridge costs that no shift makes meet better
)

// The shifts that are tried, in pixels; the least is the square of its length.
const (
	leastShift = 8
	mostShift  = 10
	shiftStep  = 2
)

// crossing is how the ridges go on at one place: by what phase they are off, what a shift by a
// pixel to the right or down makes of it, in radians, and how much the place counts.
type crossing struct{ phase, right, down, weight float64 }

// slip says how many ridges of a seam meet better by a shift than without: the sum, along the
// seam and with the shift where it is greatest, of the cosines of what is left of their phases
// less those of the phases.
func (f field) slip(g *image.Gray, d directions, print mask) float64 {
	w, h := f.w*blockSize/seamStep, f.h*blockSize/seamStep
	if w == 0 || h == 0 {
		return 0
	}
	all := make([]crossing, w*h)
	bands(h, func(y int) {
		for x := range w {
			px, py := x*seamStep+seamStep/2, y*seamStep+seamStep/2
			if i := py/blockSize*f.w + px/blockSize; print.on[i] && f.blocks[i].ridge {
				re, im := d.at(float64(px)/blockSize, float64(py)/blockSize)
				all[y*w+x] = meet(g, px, py, re, im, f.blocks[i].period)
			}
		}
	})
	const side = 2*mostShift/shiftStep + 1
	var best [side]float64
	bands(side, func(row int) {
		dy := row*shiftStep - mostShift
		for dx := -mostShift; dx <= mostShift; dx += shiftStep {
			if r := dx*dx + dy*dy; r >= leastShift && r <= mostShift*mostShift {
				best[row] = max(best[row], mended(all, w, float64(dx), float64(dy)))
			}
		}
	})
	return slices.Max(best[:])
}

// meet compares the ridges to the left and to the right of a place.
func meet(g *image.Gray, x, y int, re, im, period float64) crossing {
	along := 0.5 * math.Atan2(im, re)
	sin, cos := math.Sincos(along)
	if math.Abs(cos) < steepest {
		return crossing{}
	}
	dx, dy := seamAway*cos, seamAway*sin
	left := tone(g, float64(x)-dx, float64(y)-dy, -sin, cos, period)
	right := tone(g, float64(x)+dx, float64(y)+dy, -sin, cos, period)
	both := right * complex(real(left), -imag(left))
	turn := 2 * math.Pi / period
	return crossing{math.Atan2(imag(both), real(both)), sin * turn, -cos * turn, math.Hypot(re, im) * math.Abs(cos)}
}

// tone is the wave of a period in the profile about x, y in the direction ux, uy, six pixels
// wide.
func tone(g *image.Gray, x, y, ux, uy, period float64) complex128 {
	const width = 6
	w, h := g.Rect.Dx(), g.Rect.Dy()
	var s [profileLength]float64
	var mean, sum float64
	for i := range s {
		a := float64(i) - (profileLength-1)/2.0
		for k := range width {
			b := float64(k) - (width-1)/2.0
			px, py := int(x+a*ux-b*uy+0.5), int(y+a*uy+b*ux+0.5)
			s[i] += float64(g.Pix[min(max(py, 0), h-1)*g.Stride+min(max(px, 0), w-1)])
		}
		mean += pure.window[i] * s[i]
		sum += pure.window[i]
	}
	mean /= sum
	// The wave is turned on step by step: cheaper than a cosine each.
	turn, at := waveStep(period), complex(1, 0)
	var out complex128
	for i, v := range s {
		out += complex(pure.window[i]*(v-mean), 0) * at
		at *= turn
	}
	return out
}

func waveStep(period float64) complex128 {
	sin, cos := math.Sincos(-2 * math.Pi / period)
	return complex(cos, sin)
}

// mended finds the way from the upper to the lower edge along which a shift mends the most.
func mended(all []crossing, w int, dx, dy float64) float64 {
	sum, next := make([]float64, w), make([]float64, w)
	for i := 0; i < len(all); i += w {
		for x := range w {
			best := sum[x]
			if x > 0 {
				best = max(best, sum[x-1]-seamSway)
			}
			if x < w-1 {
				best = max(best, sum[x+1]-seamSway)
			}
			if c := all[i+x]; c.weight > 0 {
				best += c.weight * (math.Cos(c.phase-dx*c.right-dy*c.down) - math.Cos(c.phase) - seamDoubt)
			}
			next[x] = best
		}
		sum, next = next, sum
	}
	return max(0, slices.Max(sum))
}
