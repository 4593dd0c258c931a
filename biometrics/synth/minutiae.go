package synth

import (
	"image"
	"math"
	"math/cmplx"
)

// Minutia is a place where a ridge of the finger begins or forks, in a picture of it: the
// truth that an extractor is held against.
type Minutia struct {
	image.Point // pixels of the picture
	// Angle is in 256ths of a turn, counter-clockwise from the right: along the ending
	// ridge, or between the legs of the fork (ISO/IEC 19794-2:2005, 6.4).
	Angle uint8
	// Fork is what the skin says. Wet skin and much ink make endings into forks, dry skin and
	// little ink forks into endings.
	Fork bool
}

// minutia is one on the finger. Its angle is in radians, counter-clockwise.
type minutia struct {
	point
	angle float64
	fork  bool
}

// minutiae finds where a ridge begins or forks, before skin is engraved. Ridges are a wave, and
// a filter and its twin give its phase. About a minutia the phase goes once around, for on one
// side there is one ridge more: that is the side to which its angle points, whether
// the ridge begins there in a valley or comes off another ridge.
func (p pattern) minutiae(cells []float32, w, h int, filters []*filter) (out []minutia) {
	wave := phases(cells, w, h, filters)
	at := func(x, y int) complex128 { return complex128(wave[y*w+x]) }
	for y := bankRadius; y < h-bankRadius-1; y++ {
		for x := bankRadius; x < w-bankRadius-1; x++ {
			d := filters[y*w+x].direction
			var sum float64
			last := at(x, y)
			for _, step := range [4]image.Point{{1, 0}, {1, 1}, {0, 1}, {0, 0}} {
				q := image.Pt(x, y).Add(step)
				next := at(q.X, q.Y)
				if turned := filters[q.Y*w+q.X].direction - d; turned > directions/2 || turned < -directions/2 {
					next = cmplx.Conj(next) // its filter looks the other way
				}
				sum += cmplx.Phase(next * cmplx.Conj(last))
				last = next
			}
			if math.Abs(sum) < math.Pi {
				continue
			}
			m := minutia{point: point{grain*(float64(x)-float64(w)/2) + 1, grain*(float64(h)/2-float64(y)) - 1}}
			m.angle = -math.Pi * float64(d) / directions
			if sum < 0 {
				m.angle += math.Pi
			}
			if p.singular(m.point) {
				continue
			}
			// Behind a fork there is the ridge that it comes off, behind an ending a valley.
			sin, cos := math.Sincos(m.angle)
			bx, by := x-int(math.Round(3*cos)), y+int(math.Round(3*sin))
			m.fork = real(at(bx, by)) > 0
			out = append(out, m)
		}
	}
	return out
}

// phases are the answers of each cell's filter, real, and of its twin, imaginary: the wave with
// its phase growing across the ridges.
func phases(cells []float32, w, h int, filters []*filter) []complex64 {
	out := make([]complex64, w*h)
	for y := bankRadius; y < h-bankRadius; y++ {
		for x := bankRadius; x < w-bankRadius; x++ {
			f, from := filters[y*w+x], cells[(y-bankRadius)*w+x-bankRadius:]
			out[y*w+x] = complex(respond(from, w, &f.even), -respond(from, w, &f.odd))
		}
	}
	return out
}

// singular says that a place is within a ridge or so of a core or a delta, where ridges
// have no one direction.
func (p pattern) singular(at point) bool {
	for _, all := range [2][]point{p.cores, p.deltas} {
		for _, s := range all {
			if math.Hypot(at.x-s.x, at.y-s.y) < 1.3*p.period {
				return true
			}
		}
	}
	return false
}

// seen are the minutiae of the finger that touch and lie in a picture.
func (p press) seen(all []minutia, in image.Rectangle) (out []Minutia) {
	for _, m := range all {
		at, ahead := p.lies(m.point), p.lies(point{m.x + 6*math.Cos(m.angle), m.y + 6*math.Sin(m.angle)})
		pixel := p.pixel(at)
		if p.touch(at) < 0.5 || !pixel.In(in) {
			continue
		}
		to := p.turned(point{ahead.x - at.x, ahead.y - at.y})
		turn := math.Atan2(to.y, to.x) / (2 * math.Pi)
		out = append(out, Minutia{pixel, uint8(int(math.Round(256*turn)) & 255), m.fork})
	}
	return out
}

// lies is where a place of the skin comes to lie on the pressed finger: what ink does, backwards.
func (p press) lies(on point) point {
	at := on
	for range 4 { // each brings it nearer by the steepness of the slip, a tenth or so
		s := p.skin(at)
		at = point{at.x + on.x - s.x, at.y + on.y - s.y}
	}
	return at
}

// turned is a distance on the finger as one in the picture, y upwards.
func (p press) turned(d point) point {
	return point{d.x*p.cos + d.y*p.sin, d.y*p.cos - d.x*p.sin}
}

// pixel is where a place of the pressed finger is in the picture.
func (p press) pixel(at point) image.Point {
	d := p.turned(at)
	return p.centre.Add(image.Pt(int(math.Round(d.x)), -int(math.Round(d.y))))
}
