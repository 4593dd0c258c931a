package finger

import (
	"image"
	"math"
)

// blockSize is the side of a block in pixels at 500 ppi: 0.81 mm, nearly two
// ridges.
const blockSize = 16

// mm is the length of a pixel at 500 ppi in millimetres.
const mm = 25.4 / 500

// blockArea is the area of a block in mm2.
const blockArea = blockSize * blockSize * mm * mm

// block is what is measured on one block of the picture.
type block struct {
	mean, std float64 // grey values, 0 black .. 255 white
	gxx, gyy  float64 // sums of squared grey gradients
	gxy       float64
	certainty float64 // orientation certainty level: 0 no direction .. 1 one direction
	period    float64 // ridge period in pixels, 0 where none stands out
	clarity   float64 // share of the profile across the ridges that one period explains, 0..1
	local     float64 // share of the pixels that are as dark or light as their ridge or valley, 0.5..1
	duty      float64 // width of the ridges of ridges and valleys, 0..1
	ratios    ratios  // thickness of ridges to that of valleys
	ridge     bool
	faint     bool // carries ridges if it lies within a finger
}

// field is the picture cut into blocks, row by row.
type field struct {
	w, h   int
	blocks []block
	soft   *image.Gray // the picture without its speckle
}

// measure cuts a 500 ppi picture into blocks and decides which of them carry
// ridges: an orientation that holds over the neighbourhood, and across it a
// period that stands out (the orientation certainty and ridge-valley measures
// of ISO/IEC 29794-4, in our own simple form).
func measure(g *image.Gray) field {
	b := g.Bounds()
	f := field{w: b.Dx() / blockSize, h: b.Dy() / blockSize}
	f.blocks = make([]block, f.w*f.h)
	f.soft = smooth(g)
	for by := range f.h {
		for bx := range f.w {
			f.blocks[by*f.w+bx] = gradients(f.soft, bx*blockSize, by*blockSize)
		}
	}
	for by := range f.h {
		for bx := range f.w {
			f.judge(g, bx, by)
		}
	}
	return f
}

// smooth blurs with the binomial filter 1 4 6 4 1 both ways: the speckle of ink
// and paper would drown the direction of the ridges.
func smooth(g *image.Gray) *image.Gray {
	w, h := g.Bounds().Dx(), g.Bounds().Dy()
	out := image.NewGray(image.Rect(0, 0, w, h))
	if w < 5 || h < 5 {
		return out
	}
	column := make([]int, w)
	for y := range h {
		var rows [5][]byte
		for i := range rows {
			at := min(max(y+i-2, 0), h-1) * g.Stride
			rows[i] = g.Pix[at : at+w]
		}
		for x := range column {
			column[x] = int(rows[0][x]) + int(rows[4][x]) + 4*(int(rows[1][x])+int(rows[3][x])) + 6*int(rows[2][x])
		}
		line := out.Pix[y*out.Stride : y*out.Stride+w]
		for x := 2; x < w-2; x++ {
			v := column[x-2] + column[x+2] + 4*(column[x-1]+column[x+1]) + 6*column[x]
			line[x] = byte((v + 128) >> 8)
		}
		line[0], line[1], line[w-2], line[w-1] = line[2], line[2], line[w-3], line[w-3]
	}
	return out
}

// gradients sums up one block whose corner is at x0, y0.
func gradients(g *image.Gray, x0, y0 int) block {
	var sum, sq, xx, yy, xy int
	b := g.Bounds()
	x1, y1 := min(x0+blockSize, b.Dx()-1), min(y0+blockSize, b.Dy()-1)
	xs, ys := max(x0, 1), max(y0, 1)
	for y := ys; y < y1; y++ {
		at := y * g.Stride
		row, up, down := g.Pix[at:at+x1+1], g.Pix[at-g.Stride:], g.Pix[at+g.Stride:]
		for x := xs; x < x1; x++ {
			v := int(row[x])
			dx := int(row[x+1]) - int(row[x-1])
			dy := int(down[x]) - int(up[x])
			sum += v
			sq += v * v
			xx += dx * dx
			yy += dy * dy
			xy += dx * dy
		}
	}
	n := float64(max(1, (x1-xs)*(y1-ys)))
	mean := float64(sum) / n
	return block{
		mean: mean, std: math.Sqrt(max(0, float64(sq)/n-mean*mean)),
		gxx: float64(xx), gyy: float64(yy), gxy: float64(xy),
	}
}

// What a block must show to carry ridges. Set on real ink prints, so that
// printed words, box lines, handwriting and hair stay below. Where ridges turn within the 3 x 3
// blocks, at cores and deltas, or are grainy, they are less certain: leastFaint is for what
// lies within a finger.
const (
	leastStd       = 2.5
	leastCertainty = 0.35
	leastFaint     = 0.20
	leastClarity   = 0.45
)

// judge fills in certainty, period, clarity and the decision for one block.
func (f field) judge(g *image.Gray, bx, by int) {
	b := &f.blocks[by*f.w+bx]
	if b.std < leastStd {
		return
	}
	var xx, yy, xy float64
	for dy := -1; dy <= 1; dy++ {
		for dx := -1; dx <= 1; dx++ {
			x, y := bx+dx, by+dy
			if x < 0 || y < 0 || x >= f.w || y >= f.h {
				continue
			}
			n := &f.blocks[y*f.w+x]
			weight := float64((2 - dx*dx) * (2 - dy*dy))
			xx, yy, xy = xx+weight*n.gxx, yy+weight*n.gyy, xy+weight*n.gxy
		}
	}
	if xx+yy == 0 {
		return
	}
	b.certainty = math.Hypot(xx-yy, 2*xy) / (xx + yy)
	if b.certainty < leastFaint {
		return
	}
	across := 0.5 * math.Atan2(2*xy, xx-yy)
	var s slice
	s.cut(g, bx*blockSize+blockSize/2, by*blockSize+blockSize/2, across)
	b.local, b.duty = s.contrast()
	b.ratios = uniformity(&s.sum)
	b.period, b.clarity = strongest(&s.sum)
	b.faint = b.period > 0 && b.clarity >= leastClarity
	b.ridge = b.faint && b.certainty >= leastCertainty
}

// The profile across the ridges: its length, its width along them, and the
// periods it is tried for, in pixels. The outermost two are only there to be
// refused: a slope or a speckle peaks at the end of the scale.
const (
	profileLength = 32
	profileWidth  = 12
)

var periods = [...]float64{3.2, 4, 4.7, 5.4, 6.2, 7, 8, 9, 10.2, 11.6, 13.2, 15, 17, 20, 25}

// spectrum holds what profiles are compared with.
type spectrum struct {
	window [profileLength]float64                  // Hann's
	waves  [len(periods)][2][profileLength]float64 // windowed cosine and sine of each period
	tone   float64                                 // peak to whole energy of a pure wave
}

var pure = func() (s spectrum) {
	var sum, squares float64
	for i := range s.window {
		s.window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/profileLength)
		sum += s.window[i]
		squares += s.window[i] * s.window[i]
	}
	s.tone = sum * sum / (2 * squares)
	for p, period := range periods {
		for i, w := range s.window {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / period)
			s.waves[p][0][i], s.waves[p][1][i] = w*cos, w*sin
		}
	}
	return s
}()

// slice is the picture around a place, turned so that the ridges run down: by distance
// across the ridges, then along them.
type slice struct {
	at  [profileLength][profileWidth]uint8
	sum [profileLength]float64 // the profile: sums along the ridges
}

func (s *slice) cut(g *image.Gray, cx, cy int, across float64) {
	sin, cos := math.Sincos(across)
	w, h := g.Bounds().Dx(), g.Bounds().Dy()
	const unit = 1 << 16
	ux, uy := int(cos*unit), int(sin*unit)
	for i := range s.at {
		a := 2*i - profileLength + 1
		sx := cx*unit + a*ux/2 + (profileWidth-1)*uy/2 + unit/2
		sy := cy*unit + a*uy/2 - (profileWidth-1)*ux/2 + unit/2
		sum := 0
		for k := range s.at[i] {
			x, y := min(max(sx>>16, 0), w-1), min(max(sy>>16, 0), h-1)
			v := g.Pix[y*g.Stride+x]
			s.at[i][k] = v
			sum += int(v)
			sx -= uy
			sy += ux
		}
		s.sum[i] = float64(sum)
	}
}

// contrast parts the profile into ridges and valleys, at its mean, and answers how much of
// their pixels lie on their own side of it, and how much of the profile is ridge.
func (s *slice) contrast() (local, duty float64) {
	var mean float64
	for _, v := range s.sum {
		mean += v / profileLength
	}
	level := uint8(mean / profileWidth)
	var ridges, right int
	for i, v := range s.sum {
		dark := 0
		for _, p := range s.at[i] {
			if p <= level {
				dark++
			}
		}
		if v < mean {
			ridges++
			right += dark
		} else {
			right += profileWidth - dark
		}
	}
	return float64(right) / (profileLength * profileWidth), float64(ridges) / profileLength
}

// strongest finds the period of a profile that explains the most, and the share of its
// energy that it does. It answers 0 where the best is an end of the scale.
func strongest(s *[profileLength]float64) (period, clarity float64) {
	var mean, sum float64
	for i, v := range s {
		mean += pure.window[i] * v
		sum += pure.window[i]
	}
	mean /= sum
	var energy float64
	for i := range s {
		s[i] -= mean
		energy += pure.window[i] * pure.window[i] * s[i] * s[i]
	}
	if energy == 0 {
		return 0, 0
	}
	best, top := 0, 0.0
	for p := range periods {
		var re, im float64
		for i, v := range s {
			re += pure.waves[p][0][i] * v
			im += pure.waves[p][1][i] * v
		}
		if e := re*re + im*im; e > top {
			best, top = p, e
		}
	}
	if best == 0 || best == len(periods)-1 {
		return 0, 0
	}
	return periods[best], min(1, top/energy/pure.tone)
}
