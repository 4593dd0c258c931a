package finger

import (
	"cmp"
	"image"
	"math"
	"slices"
)

// directions gives the ridges' directions on blocks instead of cells.
func (f field) directions() directions {
	d := directions{w: f.w, h: f.h, re: make([]float64, len(f.blocks)), im: make([]float64, len(f.blocks))}
	for i, b := range f.blocks {
		n := b.gxx + b.gyy + 1
		d.re[i], d.im[i] = (b.gyy-b.gxx)/n, -2*b.gxy/n
	}
	return d
}

// at is the direction at x, y in cells, blended between their middles.
func (d directions) at(x, y float64) (re, im float64) {
	x, y = min(max(x-0.5, 0), float64(d.w-1)), min(max(y-0.5, 0), float64(d.h-1))
	x0, y0 := min(int(x), max(d.w-2, 0)), min(int(y), max(d.h-2, 0))
	tx, ty := x-float64(x0), y-float64(y0)
	right, down := min(1, d.w-1), d.w*min(1, d.h-1)
	i := y0*d.w + x0
	blend := func(v []float64) float64 {
		top, bottom := v[i]+tx*(v[i+right]-v[i]), v[i+down]+tx*(v[i+down+right]-v[i+down])
		return top + ty*(bottom-top)
	}
	return blend(d.re), blend(d.im)
}

// index is the Poincaré index of the corner that cell x, y shares with the next one down
// and to the right, in half turns: 1 about a core, -1 about a delta.
func (d directions) index(x, y int) int {
	ring := [4]int{y*d.w + x, y*d.w + x + 1, (y+1)*d.w + x + 1, (y+1)*d.w + x}
	var sum float64
	for k, i := range ring {
		turn := d.angle(ring[(k+1)%4]) - d.angle(i)
		sum += turn - math.Pi*math.Round(turn/math.Pi)
	}
	return int(math.Round(sum / math.Pi))
}

// farthestCores is how far the two cores of a whorl lie apart at most, in blocks: 14 on the real card.
const farthestCores = 16

// singular finds the cores and deltas on a print, in pixels at 500 ppi, by the Poincaré index
// of the field (Maltoni et al., "Handbook of Fingerprint Recognition", 3.5.1), from the top
// down. What no pattern has is left out: more than two of a kind, a second core far from the
// first, a delta above it unless it opens upwards, as the lower one of a whorl whose upper one is
// not seen. An arch has none.
func (f field) singular(d directions, print mask) (cores, deltas []image.Point) {
	inside := print.where(false, func(_ bool, n int) bool { return n == 9 })
	for y := range f.h - 1 {
		for x := range f.w - 1 {
			if !inside.on[y*f.w+x] || !inside.on[(y+1)*f.w+x+1] {
				continue
			}
			at := image.Pt(x+1, y+1).Mul(blockSize)
			switch d.index(x, y) {
			case 1:
				cores = append(cores, at)
			case -1:
				deltas = append(deltas, at)
			}
		}
	}
	if len(cores) == 0 {
		return nil, deltas[:min(len(deltas), 2)]
	}
	first := cores[0]
	apart := func(p image.Point) int { p = p.Sub(first); return p.X*p.X + p.Y*p.Y }
	slices.SortStableFunc(cores, func(a, b image.Point) int { return cmp.Compare(apart(a), apart(b)) })
	const far = farthestCores * blockSize
	cores = slices.DeleteFunc(cores, func(p image.Point) bool { return apart(p) > far*far })
	if side, ok := d.opening(first, print); !ok || math.Abs(side) <= 90 {
		deltas = slices.DeleteFunc(deltas, func(p image.Point) bool { return p.Y < first.Y })
	}
	return cores[:min(len(cores), 2)], deltas[:min(len(deltas), 2)]
}
