package synth

import (
	"math"
	"math/rand/v2"
	"sync"

	"cardstation/biometrics"
)

// grain is how many pixels at 500 ppi one cell of the growing ridges spans.
// Ridges are 7 to 12 pixels apart, so that 250 ppi carries them.
const grain = 2

// finger is the skin of one finger: ridge height -1 .. 1 at 500 ppi, the middle
// of the pad in the middle.
type finger struct {
	position biometrics.Position
	w, h     int
	height   []float32
	size     float64 // 1 for a thumb, less for the others
	course   pattern
	minutiae []minutia
}

// The filter bank: the directions and periods that ridges are grown with.
const (
	directions = 48
	bankRadius = 5
	bankSide   = 2*bankRadius + 1
	bankLeast  = 3.6 // cells
	bankStep   = 0.4
	bankCount  = 8
)

// filter is a Gabor filter for a period and a direction, scaled so that the wave it is made
// for answers with 1, and its twin for the same wave a quarter of a period on.
type filter struct {
	direction int
	even, odd [bankSide * bankSide]float32
}

// bank holds one filter for each period and direction.
var bank = sync.OnceValue(func() *[bankCount][directions]filter {
	var out [bankCount][directions]filter
	for p := range out {
		for d := range out[p] {
			out[p][d].direction = d
			out[p][d].shape(bankLeast+bankStep*float64(p), math.Pi*float64(d)/directions)
		}
	}
	return &out
})

func (f *filter) shape(period, angle float64) {
	sin, cos := math.Sincos(angle)
	sigma := 0.48 * period
	var bell, wave, quarter [bankSide * bankSide]float64
	var sum, bells float64
	for i := range bell {
		x, y := float64(i%bankSide-bankRadius), float64(i/bankSide-bankRadius)
		across := -x*sin + y*cos
		bell[i] = math.Exp(-(x*x + y*y) / (2 * sigma * sigma))
		quarter[i], wave[i] = math.Sincos(2 * math.Pi * across / period)
		sum += bell[i] * wave[i]
		bells += bell[i]
	}
	var gain float64
	for i := range bell {
		v := bell[i] * (wave[i] - sum/bells)
		gain += v * wave[i]
	}
	for i := range bell {
		f.even[i] = float32(bell[i] * (wave[i] - sum/bells) / gain)
		f.odd[i] = float32(bell[i] * quarter[i] / gain)
	}
}

// rounds is how often the ridges are filtered: enough for them to be continuous,
// few enough to leave the breaks and forks in.
const rounds = 9

// grow grows the ridges of one finger.
func grow(p biometrics.Position, rng *rand.Rand) *finger {
	width, height, size, period := 720, 660, 1.0, 9.3
	switch p {
	case biometrics.RightThumb, biometrics.LeftThumb:
	case biometrics.RightLittle, biometrics.LeftLittle:
		width, height, size, period = 560, 540, 0.76, 8.4
	default:
		width, height, size, period = 640, 620, 0.9, 8.9
	}
	opens := 1.0
	if p > biometrics.RightLittle {
		opens = -1
	}
	course := newPattern(rng, opens, period)
	w, h := width/grain, height/grain
	filters := which(course, w, h)
	cells := filterRounds(w, h, filters, rng)
	f := &finger{position: p, w: width, h: height, height: enlarge(cells, w, h), size: size, course: course}
	f.minutiae = course.minutiae(cells, w, h, filters)
	f.engrave(rng)
	return f
}

// which picks the filter for each cell.
func which(course pattern, w, h int) []*filter {
	all := bank()
	out := make([]*filter, w*h)
	for y := range h {
		for x := range w {
			at := point{grain * (float64(x) - float64(w)/2), grain * (float64(h)/2 - float64(y))}
			// The picture's y runs down, the finger's up: the angle turns round.
			turn := -course.angle(at) / math.Pi
			turn -= math.Floor(turn)
			d := int(turn*directions+0.5) % directions
			p := int(math.Round((course.spacing(at)/grain - bankLeast) / bankStep))
			out[y*w+x] = &all[min(max(p, 0), bankCount-1)][d]
		}
	}
	return out
}

// filterRounds lets ridges grow out of noise. A border of the filter's radius
// stays at 0 around the cells, so that the inner loop needs no bounds.
func filterRounds(w, h int, filters []*filter, rng *rand.Rand) []float32 {
	stride := w + 2*bankRadius
	now := make([]float32, stride*(h+2*bankRadius))
	next := make([]float32, len(now))
	for y := range h {
		for x := range w {
			now[(y+bankRadius)*stride+x+bankRadius] = float32(rng.NormFloat64()) * 0.5
		}
	}
	for range rounds {
		for y := range h {
			for x := range w {
				v := 1.5 * respond(now[y*stride+x:], stride, &filters[y*w+x].even)
				next[(y+bankRadius)*stride+x+bankRadius] = min(max(v, -1), 1)
			}
		}
		now, next = next, now
	}
	out := make([]float32, w*h)
	for y := range h {
		copy(out[y*w:(y+1)*w], now[(y+bankRadius)*stride+bankRadius:])
	}
	return out
}

// respond is the answer of one filter; cells begin at its upper left corner.
func respond(cells []float32, stride int, k *[bankSide * bankSide]float32) float32 {
	var a, b float32
	for r := range bankSide {
		c := cells[r*stride : r*stride+bankSide : r*stride+bankSide]
		f := k[r*bankSide : (r+1)*bankSide : (r+1)*bankSide]
		_ = c[10]
		_ = f[10]
		a += c[0]*f[0] + c[2]*f[2] + c[4]*f[4] + c[6]*f[6] + c[8]*f[8] + c[10]*f[10]
		b += c[1]*f[1] + c[3]*f[3] + c[5]*f[5] + c[7]*f[7] + c[9]*f[9]
	}
	return a + b
}

// enlarge brings cells to pixels at 500 ppi with Catmull and Rom's spline: cell
// centres stay, the points between weigh -1 9 9 -1 sixteenths.
func enlarge(cells []float32, w, h int) []float32 {
	between := func(a, b, c, d float32) float32 { return (9*(b+c) - a - d) / 16 }
	wide := make([]float32, 2*w*h)
	for y := range h {
		row := cells[y*w : (y+1)*w]
		for x := range w {
			wide[2*(y*w+x)] = row[x]
			wide[2*(y*w+x)+1] = between(row[max(x-1, 0)], row[x], row[min(x+1, w-1)], row[min(x+2, w-1)])
		}
	}
	out := make([]float32, 4*w*h)
	line := func(y int) []float32 { y = min(max(y, 0), h-1); return wide[2*w*y : 2*w*(y+1)] }
	for y := range h {
		a, b, c, d := line(y-1), line(y), line(y+1), line(y+2)
		copy(out[4*w*y:], b)
		under := out[4*w*y+2*w : 4*w*y+4*w]
		for x := range under {
			under[x] = between(a[x], b[x], c[x], d[x])
		}
	}
	return out
}
