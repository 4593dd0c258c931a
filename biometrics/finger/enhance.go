package finger

import (
	"image"
	"math"
)

// The picture is worked on with a margin about it, so that no filter has to ask where
// it stands.
const margin = 32

// plane is a picture of numbers with a margin of zeros about it.
type plane struct {
	w, h, stride int // w and h without the margin
	at           []float32
}

func newPlane(w, h int) plane {
	p := plane{w: w, h: h, stride: w + 2*margin}
	p.at = make([]float32, p.stride*(h+2*margin))
	return p
}

// index is where pixel x, y lies.
func (p plane) index(x, y int) int { return (y+margin)*p.stride + x + margin }

// row is the pixels of one line, without the margin.
func (p plane) row(y int) []float32 {
	i := p.index(0, y)
	return p.at[i : i+p.w]
}

const (
	cell      = 8   // side of the cells on which direction and light are measured, pixels
	leastSway = 7.0 // grey values: less contrast than this is not blown up
	mostSwing = 2.2 // standard deviations: what is beyond, ink blots and lines, is cut
)

// even evens out ink and light: each pixel becomes its distance from the mean about it,
// in standard deviations about it, dark ridges positive.
func even(g *image.Gray) plane {
	w, h := g.Bounds().Dx(), g.Bounds().Dy()
	cw, ch := (w+cell-1)/cell, (h+cell-1)/cell
	mean, square := make([]float64, cw*ch), make([]float64, cw*ch)
	count := make([]float64, cw*ch)
	for y := range h {
		line := g.Pix[y*g.Stride : y*g.Stride+w]
		for cx := range cw {
			var s, q int
			part := line[cx*cell : min(w, cx*cell+cell)]
			for _, v := range part {
				s += int(v)
				q += int(v) * int(v)
			}
			i := y/cell*cw + cx
			mean[i] += float64(s)
			square[i] += float64(q)
			count[i] += float64(len(part))
		}
	}
	const reach = 2
	mean, square, count = boxes(mean, cw, ch, reach), boxes(square, cw, ch, reach), boxes(count, cw, ch, reach)
	gain := make([]float64, cw*ch)
	for i, n := range count {
		mean[i] /= n
		gain[i] = 1 / max(leastSway, math.Sqrt(max(0, square[i]/n-mean[i]*mean[i])))
	}
	out := newPlane(w, h)
	means, gains := make([]float32, w), make([]float32, w)
	for y := range h {
		between(mean, cw, ch, y, means)
		between(gain, cw, ch, y, gains)
		line, to := g.Pix[y*g.Stride:y*g.Stride+w], out.row(y)
		for x, v := range line {
			to[x] = min(max((means[x]-float32(v))*gains[x], -mostSwing), mostSwing)
		}
	}
	return out
}

// boxes sums each cell's square neighbourhood.
func boxes(v []float64, w, h, reach int) []float64 {
	rows, out := make([]float64, len(v)), make([]float64, len(v))
	for y := range h {
		for x := range w {
			for k := max(0, x-reach); k <= min(w-1, x+reach); k++ {
				rows[y*w+x] += v[y*w+k]
			}
		}
	}
	for y := range h {
		for k := max(0, y-reach); k <= min(h-1, y+reach); k++ {
			for x := range w {
				out[y*w+x] += rows[k*w+x]
			}
		}
	}
	return out
}

// between reads one line of pixels out of a grid of cells, bilinearly.
func between(grid []float64, cw, ch, y int, line []float32) {
	fy := (float64(y)+0.5)/cell - 0.5
	y0 := min(max(int(math.Floor(fy)), 0), ch-1)
	y1, wy := min(y0+1, ch-1), min(max(fy-float64(y0), 0), 1)
	a, b := grid[y0*cw:y0*cw+cw], grid[y1*cw:y1*cw+cw]
	value := func(cx int) float32 { return float32(a[cx] + (b[cx]-a[cx])*wy) }
	last, next := value(0), value(0)
	at := -1
	for x := range line {
		fx := (float64(x)+0.5)/cell - 0.5
		if x0 := int(math.Floor(fx)); x0 > at {
			at = x0
			last, next = value(min(max(x0, 0), cw-1)), value(min(x0+1, cw-1))
		}
		line[x] = last + (next-last)*float32(fx-float64(at))
	}
}

// The filters: ridges are smoothed along their direction and then weighed across it by
// a wave of their own period under a bell (a Gabor filter taken apart). Directions and
// periods are in steps.
const (
	turns      = 64 // of half a turn
	alongStep  = 2
	alongTaps  = 9
	alongBell  = 4.0 // pixels
	acrossTaps = 27
	waves      = 24   // periods, from shortest on in steps of half a pixel
	shortest   = 4.0  // pixels
	acrossBell = 0.45 // periods
)

type filters struct {
	along  [alongTaps]float32
	across [waves][acrossTaps]float32
}

func newFilters() (f filters) {
	var sum float64
	for i := range f.along {
		t := float64(i-alongTaps/2) * alongStep
		v := math.Exp(-t * t / (2 * alongBell * alongBell))
		f.along[i] = float32(v)
		sum += v
	}
	for i := range f.along {
		f.along[i] /= float32(sum)
	}
	for k := range f.across {
		period := shortest + float64(k)/2
		var wave, bell, size float64
		var raw, bells [acrossTaps]float64
		for i := range raw {
			t := float64(i - acrossTaps/2)
			bells[i] = math.Exp(-t * t / (2 * acrossBell * acrossBell * period * period))
			raw[i] = bells[i] * math.Cos(2*math.Pi*t/period)
			wave += raw[i]
			bell += bells[i]
		}
		for i := range raw { // blind to the mean
			raw[i] -= bells[i] * wave / bell
			size += math.Abs(raw[i])
		}
		for i := range raw {
			f.across[k][i] = float32(raw[i] / size)
		}
	}
	return f
}

// context says for each cell which filter fits.
type context struct {
	w, h   int
	on     []bool
	turn   []uint8 // direction along the ridges, of turns, clockwise as the picture is seen
	period []uint8 // of waves
}

// enhance brings out what runs in the direction and period of each cell.
func enhance(p plane, c context) plane {
	f := newFilters()
	soft, out := newPlane(p.w, p.h), newPlane(p.w, p.h)
	var along [turns][alongTaps]int
	var across [turns][acrossTaps]int
	for t := range turns {
		sin, cos := math.Sincos(math.Pi * float64(t) / turns)
		for i := range along[t] {
			d := float64(i-alongTaps/2) * alongStep
			along[t][i] = int(math.Round(d*sin))*p.stride + int(math.Round(d*cos))
		}
		for i := range across[t] {
			d := float64(i - acrossTaps/2)
			across[t][i] = int(math.Round(d*cos))*p.stride - int(math.Round(d*sin))
		}
	}
	wide := c.grown(2)
	bands(c.h, func(cy int) {
		for cx := range c.w {
			if i := cy*c.w + cx; wide[i] {
				weigh(p, soft, cx, cy, along[c.turn[i]][:], f.along[:])
			}
		}
	})
	bands(c.h, func(cy int) {
		for cx := range c.w {
			if i := cy*c.w + cx; c.on[i] {
				k := f.across[c.period[i]]
				weigh(soft, out, cx, cy, across[c.turn[i]][:], k[:])
			}
		}
	})
	return out
}

// weigh sums up the neighbours of each pixel of a cell. It may write up to a cell beyond the
// picture, into the margin.
func weigh(from, to plane, cx, cy int, where []int, weight []float32) {
	where = where[:len(weight)]
	for y := cy * cell; y < min(cy*cell+cell, from.h); y++ {
		i := from.index(cx*cell, y)
		var sum [cell]float32
		for k, w := range weight {
			for x, v := range (*[cell]float32)(from.at[i+where[k]:]) {
				sum[x] += w * v
			}
		}
		*(*[cell]float32)(to.at[i:]) = sum
	}
}

// grown marks the cells within reach of a marked one.
func (c context) grown(reach int) []bool {
	out := make([]bool, len(c.on))
	for y := range c.h {
		for x := range c.w {
			if !c.on[y*c.w+x] {
				continue
			}
			for yy := max(0, y-reach); yy <= min(c.h-1, y+reach); yy++ {
				for xx := max(0, x-reach); xx <= min(c.w-1, x+reach); xx++ {
					out[yy*c.w+xx] = true
				}
			}
		}
	}
	return out
}
