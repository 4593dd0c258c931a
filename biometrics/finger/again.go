package finger

import (
	"image"
	"math"
	"math/cmplx"
	"slices"
)

// A finger that touches twice, a little beside, leaves two sets of ridges. Where those of the
// second touch fall on those of the first, ridges are strong; where they fall between, weak; and
// where they fall next to them, each ridge is darker on one side. Which it is at a place is told
// by how the phases of the ridges differ there and where the second touch took them from. That
// changes from place to place, as ridges bend and their period changes, while ink and pressure go
// over a print slowly. It is looked for at places againStep pixels apart.
const (
	againStep = 8
	againWide = 10.0 // places: strength that goes over the print more slowly is pressure
	againMost = 3.0  // deviations: a scar or a blot counts no more
	againLean = 0.5  // what leaning counts, of strength: ridges on paper lean a little by themselves
)

// The shifts that are tried, in pixels. The phases of the ridges are known shiftApart pixels
// apart, phases to a side of a place.
const (
	leastBeside, mostBeside = 3, 17
	shiftApart              = 2
	phases                  = againStep / shiftApart
)

// imprint is the ridges of a print at its places, by rows.
type imprint struct {
	w, h   int
	on     []bool       // whether there are any
	across []complex128 // the direction across them, as x + iy
	phase  []complex128 // of the wave that they are in that direction, of length 1, shiftApart pixels apart
	strong []float64    // the logarithm of its amplitude, less that of the print about, in deviations
	lean   []float64    // how much darker they are on one side, in deviations
}

// again says how much the ridges are those of two touches, by the shift that fits best: how their
// strength and their leaning correlate with what the phases make of them, by the root of how many
// places there are, so that chance makes as much of few as of many: about 9.
func (f field) again(g *image.Gray, d directions, print mask) float64 {
	p := f.imprint(g, d, print)
	const reach = mostBeside / shiftApart
	var best [2*reach + 1]float64
	bands(len(best), func(row int) {
		dy := (row - reach) * shiftApart
		for dx := 0; dx <= mostBeside; dx += shiftApart {
			if r := dx*dx + dy*dy; r >= leastBeside*leastBeside && r <= mostBeside*mostBeside {
				best[row] = max(best[row], p.beside(dx, dy))
			}
		}
	})
	return slices.Max(best[:])
}

func (f field) imprint(g *image.Gray, d directions, print mask) imprint {
	w, h := f.w*blockSize/againStep, f.h*blockSize/againStep
	p := imprint{w, h, make([]bool, w*h), make([]complex128, w*h), make([]complex128, w*h*phases*phases), make([]float64, w*h), make([]float64, w*h)}
	bands(h, func(y int) {
		for x := range w {
			px, py := x*againStep+againStep/2, y*againStep+againStep/2
			if i := py/blockSize*f.w + px/blockSize; print.on[i] && f.blocks[i].ridge {
				re, im := d.at(float64(px)/blockSize, float64(py)/blockSize)
				across := 0.5*math.Atan2(im, re) + math.Pi/2
				var s slice
				s.cut(g, px, py, across)
				p.take(&s, x, y, across)
			}
		}
	})
	if p.w > 0 && p.h > 0 {
		p.level()
	}
	p.normal(p.strong)
	p.normal(p.lean)
	return p
}

// take measures the ridges at one place.
func (p imprint) take(s *slice, x, y int, across float64) {
	period, _ := strongest(&s.sum)
	if period == 0 {
		return
	}
	period = s.tuned(period)
	first, second := s.wave(period), s.wave(period/2)
	size := cmplx.Abs(first)
	if size == 0 {
		return
	}
	i, wave := y*p.w+x, first/complex(size, 0)
	sin, cos := math.Sincos(across)
	p.on[i], p.across[i] = true, complex(cos, sin)
	// What is added keeps ridges that are hardly there from counting most.
	p.strong[i] = math.Log(size + 3)
	p.lean[i] = imag(second*cmplx.Conj(wave*wave)) / (size + 5)
	turn := 2 * math.Pi / period
	right, down := cmplx.Rect(1, turn*shiftApart*cos), cmplx.Rect(1, turn*shiftApart*sin)
	wave *= cmplx.Rect(1, -turn*againStep/2*(cos+sin))
	for fy := range phases {
		at := wave
		line := p.phase[((y*phases+fy)*p.w+x)*phases:][:phases]
		for fx := range line {
			line[fx] = at
			at *= right
		}
		wave *= down
	}
}

// tuned brings a period nearer to the profile's, by the parabola through the energies of three.
func (s *slice) tuned(period float64) float64 {
	const step = 1.1
	var energy [3]float64
	for i, p := range [3]float64{period / step, period, period * step} {
		v := s.wave(p)
		energy[i] = real(v)*real(v) + imag(v)*imag(v)
	}
	bend := 2*energy[1] - energy[0] - energy[2]
	if bend <= 0 {
		return period
	}
	return period * (1 + (step-1)/2*min(max((energy[2]-energy[0])/bend, -1), 1))
}

// wave is what a profile without its mean has of a period, by the phase in its middle, in grey
// values.
func (s *slice) wave(period float64) complex128 {
	turn, at := rotor(-2*math.Pi/period), cmplx.Rect(1, math.Pi*(profileLength-1)/period)
	var re, im float64
	for i, v := range s.sum {
		v *= pure.window[i]
		re += v * real(at)
		im += v * imag(at)
		at *= turn
	}
	const unit = 2 / (profileLength / 2.0 * profileWidth) // the window's mean is a half
	return complex(unit*re, unit*im)
}

// level takes out of the strength what goes over the print slowly.
func (p imprint) level() {
	count := make([]float64, len(p.on))
	for i, on := range p.on {
		if on {
			count[i] = 1
		}
	}
	sum, count := blur(p.strong, p.w, p.h, againWide), blur(count, p.w, p.h, againWide)
	for i, on := range p.on {
		if on {
			p.strong[i] -= sum[i] / count[i]
		}
	}
}

// normal brings a measure to a deviation of 1, and cuts it.
func (p imprint) normal(v []float64) {
	var sum, n float64
	for i, on := range p.on {
		if on {
			sum, n = sum+v[i]*v[i], n+1
		}
	}
	unit := 1 / (math.Sqrt(sum/max(n, 1)) + 1e-9)
	for i := range v {
		v[i] = min(max(unit*v[i], -againMost), againMost)
	}
}

// beside holds the ridges against two touches that lie dx, dy apart.
func (p imprint) beside(dx, dy int) float64 {
	var n, cc, ss, aa, ll, ca, sl float64
	stride := p.w * phases
	for i, on := range p.on {
		x, y := i%p.w*phases+phases/2, i/p.w*phases+phases/2
		fx, fy := x-dx/shiftApart, y-dy/shiftApart
		if !on || fx < 0 || fx >= stride || fy < 0 || fy >= p.h*phases {
			continue
		}
		j := fy/phases*p.w + fx/phases
		if !p.on[j] {
			continue
		}
		from := p.phase[fy*stride+fx]
		if real(p.across[i])*real(p.across[j])+imag(p.across[i])*imag(p.across[j]) > 0 { // else it runs the other way
			from = cmplx.Conj(from)
		}
		off := p.phase[y*stride+x] * from
		c, s, a, l := real(off), imag(off), p.strong[i], p.lean[i]
		n, cc, ss, aa, ll, ca, sl = n+1, cc+c*c, ss+s*s, aa+a*a, ll+l*l, ca+c*a, sl+s*l
	}
	return math.Sqrt(n) * math.Hypot(max(0, ca)/math.Sqrt(cc*aa+1e-9), againLean*sl/math.Sqrt(ss*ll+1e-9))
}
