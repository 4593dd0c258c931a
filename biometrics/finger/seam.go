package finger

import (
	"image"
	"math"
)

// Where a finger slides while it rolls, the ridges taken before and after do not meet: there is
// a seam, more or less upright, across which their phases differ. It is looked for at places
// seamStep apart by comparing the ridges seamAway to either side, along the ridge.
const (
	seamStep = 8
	seamAway = 8    // pixels
	steepest = 0.35 // cosine of a ridge's direction: what is more upright does not cross the seam
	brokenAt = 0.2  // cosine of the phase difference below which a ridge counts as broken
	seamSway = 2.0  // what a step to the side costs, so that the seam stays upright
)

// crossing is how the ridges go on at one place: the cosine of the phase difference, 1 where
// they meet, and how much the place counts.
type crossing struct{ meet, weight float64 }

// slip looks for the seam along which the most ridges are broken and says how many they are:
// the sum, along the seam, of how far each lies under brokenAt.
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
	return weakest(all, w)
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
	size := math.Hypot(real(both), imag(both))
	if size == 0 {
		return crossing{}
	}
	return crossing{real(both) / size, math.Hypot(re, im) * math.Abs(cos)}
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

// weakest finds the way from the upper to the lower edge along which the most is broken.
func weakest(all []crossing, w int) float64 {
	cost, next := make([]float64, w), make([]float64, w)
	for i := 0; i < len(all); i += w {
		for x := range w {
			best := cost[x]
			if x > 0 {
				best = min(best, cost[x-1]+seamSway)
			}
			if x < w-1 {
				best = min(best, cost[x+1]+seamSway)
			}
			next[x] = best + all[i+x].weight*(all[i+x].meet-brokenAt)
		}
		cost, next = next, cost
	}
	least := 0.0
	for _, c := range cost {
		least = min(least, c)
	}
	return 0 - least // not -least, which may be -0
}
