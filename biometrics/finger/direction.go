package finger

import (
	"image"
	"math"
	"runtime"
	"sync"
)

// bands runs do for 0 to n-1 on all processors.
func bands(n int, do func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			for i := k; i < n; i += workers {
				do(i)
			}
		})
	}
	wg.Wait()
}

// directions are the ridges' directions on cells, as vectors of twice the angle (so that
// opposite directions are one), as long as they are certain, at most 1.
type directions struct {
	w, h   int
	re, im []float64
}

// gradient measures the directions of a picture from its grey gradients. Each cell has
// the same say whatever its contrast, so that a black line across the print weighs no
// more than the ridges.
func gradient(g *image.Gray) directions {
	w, h := g.Bounds().Dx(), g.Bounds().Dy()
	d := newDirections(w, h)
	bands(d.h, func(cy int) {
		for cx := range d.w {
			var xx, yy, xy int
			for y := max(1, cy*cell); y < min(h-1, cy*cell+cell); y++ {
				row := g.Pix[y*g.Stride : y*g.Stride+w]
				up, down := g.Pix[(y-1)*g.Stride:], g.Pix[(y+1)*g.Stride:]
				for x := max(1, cx*cell); x < min(w-1, cx*cell+cell); x++ {
					dx, dy := int(row[x+1])-int(row[x-1]), int(down[x])-int(up[x])
					xx, yy, xy = xx+dx*dx, yy+dy*dy, xy+dx*dy
				}
			}
			// Across the ridges is where the gradient points; along is opposite in twice the angle.
			i, n := cy*d.w+cx, float64(xx+yy)+2000
			d.re[i], d.im[i] = float64(yy-xx)/n, float64(-2*xy)/n
		}
	})
	return d
}

// flow measures the directions of an enhanced picture.
func flow(p plane) directions {
	d := newDirections(p.w, p.h)
	bands(d.h, func(cy int) {
		for cx := range d.w {
			var xx, yy, xy float32
			for y := max(1, cy*cell); y < min(p.h-1, cy*cell+cell); y++ {
				i := p.index(0, y)
				for x := i + max(1, cx*cell); x < i+min(p.w-1, cx*cell+cell); x++ {
					dx, dy := p.at[x+1]-p.at[x-1], p.at[x+p.stride]-p.at[x-p.stride]
					xx, yy, xy = xx+dx*dx, yy+dy*dy, xy+dx*dy
				}
			}
			i, n := cy*d.w+cx, float64(xx+yy)+1e-3
			d.re[i], d.im[i] = float64(yy-xx)/n, float64(-2*xy)/n
		}
	})
	return d
}

func newDirections(w, h int) directions {
	d := directions{w: (w + cell - 1) / cell, h: (h + cell - 1) / cell}
	d.re, d.im = make([]float64, d.w*d.h), make([]float64, d.w*d.h)
	return d
}

// smoothed blurs with a bell of the given width in cells, over the marked cells only.
func (d directions) smoothed(bell float64, on []bool) directions {
	weight := make([]float64, len(on))
	re, im := make([]float64, len(on)), make([]float64, len(on))
	for i, ok := range on {
		if ok {
			weight[i], re[i], im[i] = 1, d.re[i], d.im[i]
		}
	}
	weight = blur(weight, d.w, d.h, bell)
	re, im = blur(re, d.w, d.h, bell), blur(im, d.w, d.h, bell)
	for i, n := range weight {
		if n > 1e-6 {
			re[i], im[i] = re[i]/n, im[i]/n
		}
	}
	return directions{d.w, d.h, re, im}
}

// blur is a bell-shaped filter both ways; beyond the edge lie zeros.
func blur(v []float64, w, h int, bell float64) []float64 {
	reach := int(math.Ceil(2.5 * bell))
	kernel := make([]float64, reach+1)
	for i := range kernel {
		kernel[i] = math.Exp(-float64(i*i) / (2 * bell * bell))
	}
	rows, out := make([]float64, len(v)), make([]float64, len(v))
	for y := range h {
		from, to := v[y*w:y*w+w], rows[y*w:y*w+w]
		for x := range w {
			for k := max(-reach, -x); k <= min(reach, w-1-x); k++ {
				to[x] += from[x+k] * kernel[max(k, -k)]
			}
		}
	}
	for y := range h {
		to := out[y*w : y*w+w]
		for k := max(-reach, -y); k <= min(reach, h-1-y); k++ {
			for x, v := range rows[(y+k)*w : (y+k)*w+w] {
				to[x] += v * kernel[max(k, -k)]
			}
		}
	}
	return out
}

// settled smooths finely where the directions agree and widely where they do not.
func (d directions) settled(on []bool) directions {
	fine, wide, widest := d.smoothed(1.3, on), d.smoothed(2.2, on), d.smoothed(4.5, on)
	for i := range fine.re {
		a := ramp(math.Hypot(fine.re[i], fine.im[i]), 0.2, 0.5)
		b := ramp(math.Hypot(wide.re[i], wide.im[i]), 0.15, 0.4)
		re, im := widest.re[i]+(wide.re[i]-widest.re[i])*b, widest.im[i]+(wide.im[i]-widest.im[i])*b
		fine.re[i], fine.im[i] = re+(fine.re[i]-re)*a, im+(fine.im[i]-im)*a
	}
	return fine
}

// angle is the direction of a cell along the ridges in radians, 0 to pi, clockwise as
// the picture is seen (y points down).
func (d directions) angle(i int) float64 {
	a := 0.5 * math.Atan2(d.im[i], d.re[i])
	if a < 0 {
		a += math.Pi
	}
	return a
}
