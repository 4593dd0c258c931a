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
	seamStep  = 6
	seamAway  = 6    // pixels
	seamBell  = 1.7  // cells over which directions are taken together
	steepest  = 0.35 // cosine of a ridge's direction: what is more upright does not cross the seam
	seamSway  = 1.5  // what a step to the side costs, so that the seam stays upright
	seamDoubt = 0.05 // what a ridge costs that no shift makes meet better
)

// The shifts that are tried, in pixels; the least is the square of its length.
const (
	leastShift = 8
	mostShift  = 10
)

// crossing is how the ridges go on at one place: by what phase they are off, what a shift by a
// pixel to the right or down makes of it, in radians, and how much the place counts.
type crossing struct {
	at                         int // of the places, by rows
	phase, right, down, weight float64
	turn                       complex128 // a step to the right undone
	unmended                   float64    // what no shift is worth
}

// slip says how many ridges of a seam meet better by a shift than without: the sum, along the
// seam and with the shift where it is greatest, of the cosines of what is left of their phases
// less those of the phases. A shift by a whole period, or along the ridges, cannot be seen.
func (f field) slip(print mask) float64 {
	w, h := f.w*blockSize/seamStep, f.h*blockSize/seamStep
	if w == 0 || h == 0 {
		return 0
	}
	d := gradient(f.soft)
	d = d.smoothed(seamBell, print.cells(d.w, d.h))
	all := make([]crossing, w*h)
	bands(h, func(y int) {
		for x := range w {
			px, py := x*seamStep+seamStep/2, y*seamStep+seamStep/2
			if i := py/blockSize*f.w + px/blockSize; print.on[i] && f.blocks[i].ridge {
				re, im := d.at(float64(px)/cell, float64(py)/cell)
				all[y*w+x] = meet(f.soft, px, py, re, im, f.blocks[i].period)
				all[y*w+x].at = y*w + x
			}
		}
	})
	all = slices.DeleteFunc(all, func(c crossing) bool { return c.weight == 0 })
	var best [2*mostShift + 1]float64
	bands(len(best), func(row int) { best[row] = mended(all, w, h, row-mostShift) })
	return slices.Max(best[:])
}

// cells brings a mask of blocks to w x h cells.
func (m mask) cells(w, h int) []bool {
	const side = blockSize / cell
	on := make([]bool, w*h)
	for i := range on {
		x, y := i%w/side, i/w/side
		on[i] = x < m.w && y < m.h && m.on[y*m.w+x]
	}
	return on
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
	phase := math.Atan2(imag(both), real(both))
	return crossing{0, phase, sin * turn, -cos * turn, math.Hypot(re, im) * math.Abs(cos), rotor(-sin * turn), math.Cos(phase) + seamDoubt}
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
	turn, at := rotor(-2*math.Pi/period), complex(1, 0)
	var out complex128
	for i, v := range s {
		out += complex(pure.window[i]*(v-mean), 0) * at
		at *= turn
	}
	return out
}

// rotor is the complex number of length 1 and of an angle.
func rotor(angle float64) complex128 {
	sin, cos := math.Sincos(angle)
	return complex(cos, sin)
}

// mended tries all shifts that go down by dy: it answers how much the one that mends the most
// does.
func mended(all []crossing, w, h, dy int) (best float64) {
	off, gain := make([]complex128, len(all)), make([]float64, w*h)
	for i, c := range all {
		off[i] = rotor(c.phase - float64(dy)*c.down + mostShift*c.right)
	}
	for dx := -mostShift; dx <= mostShift; dx++ {
		if r := dx*dx + dy*dy; r >= leastShift && r <= mostShift*mostShift {
			for i := range all {
				c := &all[i]
				gain[c.at] = c.weight * (real(off[i]) - c.unmended)
			}
			best = max(best, seam(gain, w))
		}
		for i := range off {
			off[i] *= all[i].turn
		}
	}
	return best
}

// seam finds the way from the upper to the lower edge along which the gains are greatest.
func seam(gain []float64, w int) float64 {
	sum, next := make([]float64, w), make([]float64, w)
	for i := 0; i < len(gain); i += w {
		for x, v := range gain[i : i+w] {
			best := sum[x]
			if x > 0 {
				best = max(best, sum[x-1]-seamSway)
			}
			if x < w-1 {
				best = max(best, sum[x+1]-seamSway)
			}
			next[x] = best + v
		}
		sum, next = next, sum
	}
	return max(0, slices.Max(sum))
}
