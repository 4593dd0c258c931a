package synth

import (
	"math"
	"math/rand/v2"
	"slices"
)

// lattice is smooth noise: random values on a grid of step pixels, blended
// between.
type lattice struct {
	step  float64
	w, h  int
	value []float64
}

// newLattice covers width by height pixels about the origin with normally
// distributed values.
func newLattice(rng *rand.Rand, width, height, step float64) lattice {
	l := lattice{step: step, w: int(width/step) + 3, h: int(height/step) + 3}
	l.value = make([]float64, l.w*l.h)
	for i := range l.value {
		l.value[i] = rng.NormFloat64()
	}
	return l
}

// at is the value at x, y pixels from the centre of the lattice.
func (l lattice) at(x, y float64) float64 {
	fx := min(max(x/l.step+float64(l.w-1)/2, 0), float64(l.w)-1.001)
	fy := min(max(y/l.step+float64(l.h-1)/2, 0), float64(l.h)-1.001)
	ix, iy := int(fx), int(fy)
	tx, ty := fx-float64(ix), fy-float64(iy)
	tx, ty = tx*tx*(3-2*tx), ty*ty*(3-2*ty)
	i := iy*l.w + ix
	top := l.value[i] + tx*(l.value[i+1]-l.value[i])
	bottom := l.value[i+l.w] + tx*(l.value[i+l.w+1]-l.value[i+l.w])
	return top + ty*(bottom-top)
}

// and adds a share of another lattice of the same size and step.
func (l lattice) and(other lattice, share float64) lattice {
	sum := slices.Clone(l.value)
	for i, v := range other.value {
		sum[i] += share * v
	}
	l.value = sum
	return l
}

// point is a place on the finger in pixels at 500 ppi, the origin in the middle
// of the pad, y upwards.
type point struct{ x, y float64 }

// pattern is the course of the ridges of one finger.
type pattern struct {
	cores, deltas []point
	arch          float64 // how steeply the ridges rise in the middle, where there is no core
	twist         float64 // how far the ridges between two cores turn across, in radians
	dome          float64 // how much they fall off to both sides
	period        float64 // mean ridge period in pixels
	bend, stretch lattice // what is this finger's own about direction and period
}

// newPattern draws a pattern. Loops open to the side of the little finger as
// most do; opens is +1 where that is the right of the print.
//
// Arches, loops and whorls come as often as among the prints of the FBI: 6.6, 65.5 and 27.9 in
// a hundred (C. L. Wilson et al., "Neural Network Fingerprint Classification", Journal of
// Artificial Neural Networks 1, 1994). That one whorl in six is a double loop is our choice.
func newPattern(rng *rand.Rand, opens float64, period float64) pattern {
	within := func(middle, spread float64) float64 { return middle + spread*(2*rng.Float64()-1) }
	p := pattern{
		dome:   within(0.36, 0.08),
		period: within(period, 0.5),
		bend:   newLattice(rng, 800, 800, 110), stretch: newLattice(rng, 800, 800, 140),
	}
	if rng.Float64() < 0.08 {
		opens = -opens
	}
	core := point{within(0, 25), within(45, 30)}
	deep := within(-170, 35)
	switch kind := rng.Float64(); {
	case kind < 0.066:
		p.arch = within(0.75, 0.2)
	case kind < 0.721:
		p.cores = []point{core}
		p.deltas = []point{{-opens * within(165, 40), deep}}
	default:
		apart, lean := within(38, 26), within(0, 22)
		if kind > 0.9535 { // a double loop: the ridges run through between the cores
			apart, lean, p.twist = within(84, 14), within(0, 30), math.Copysign(within(1.35, 0.15), rng.Float64()-0.5)
		}
		p.cores = []point{{core.x + lean, core.y + apart/2}, {core.x - lean, core.y - apart/2}}
		p.deltas = []point{{-within(185, 35), deep}, {within(185, 35), within(deep, 30)}}
	}
	return p
}

// angle is the direction of the ridges at a place, in radians from the x axis,
// meaningful modulo pi.
func (p pattern) angle(at point) float64 {
	var sum float64
	for _, c := range p.cores {
		sum += math.Atan2(at.y-c.y, at.x-c.x)
	}
	for _, d := range p.deltas {
		sum -= math.Atan2(at.y-d.y, at.x-d.x)
	}
	sum /= 2
	if p.arch != 0 {
		sum -= p.arch * math.Tanh(at.x/70) * math.Exp(-at.x*at.x/57600-at.y*at.y/28900)
	}
	if p.twist != 0 {
		x, y := at.x-(p.cores[0].x+p.cores[1].x)/2, at.y-(p.cores[0].y+p.cores[1].y)/2
		sum += p.twist * math.Exp(-(x*x+y*y)/(90*90))
	}
	high := min(max((at.y+260)/380, 0), 1)
	sum -= p.dome * at.x / 200 * high
	return sum + 0.09*p.bend.at(at.x, at.y)
}

// spacing is the ridge period at a place in pixels: wider below the pad.
func (p pattern) spacing(at point) float64 {
	low := min(max((-at.y-120)/200, 0), 1)
	return min(max(p.period*(1+0.07*p.stretch.at(at.x, at.y)+0.14*low), 7.2), 12.4)
}
