package finger

import (
	"image"
	"math"
	"slices"
)

// mosaic is the print as far as it was rolled: of each pixel the mean over the frames in which
// it touched, weighed by how deep inside the contact it lay, so that seams fade.
type mosaic struct {
	w, h        int
	sum, weight []float32
	sofar       *image.Gray // paper where nothing touched yet
	covered     mask        // on cells
}

func newMosaic(w, h int, paper uint8) *mosaic {
	m := &mosaic{w: w, h: h, sum: make([]float32, w*h), weight: make([]float32, w*h), sofar: image.NewGray(image.Rect(0, 0, w, h))}
	for i := range m.sofar.Pix {
		m.sofar.Pix[i] = paper
	}
	m.covered = mask{w: w / cell, h: h / cell}
	m.covered.on = make([]bool, m.covered.w*m.covered.h)
	return m
}

// add lays what touches in a frame over the mosaic, off by shift from where it lay at first.
func (m *mosaic) add(g *image.Gray, touch mask, shift image.Point) {
	depth := touch.depth()
	weigh := make([]float64, len(depth))
	for i, d := range depth {
		weigh[i] = math.Pow(float64(d), 4)
	}
	bands(touch.h, func(cy int) {
		line := make([]float32, touch.w*cell)
		for y := cy * cell; y < cy*cell+cell; y++ {
			to := y - shift.Y
			if to < 0 || to >= m.h {
				continue
			}
			between(weigh, touch.w, touch.h, y, line)
			for cx := range touch.w {
				if touch.on[cy*touch.w+cx] {
					m.blend(g.Pix[y*g.Stride:], line, cx*cell, cx*cell-shift.X, to)
				}
			}
		}
	})
	for i, on := range touch.on {
		x, y := (i%touch.w*cell+cell/2-shift.X)/cell, (i/touch.w*cell+cell/2-shift.Y)/cell
		if on && x >= 0 && y >= 0 && x < m.covered.w && y < m.covered.h {
			m.covered.on[y*m.covered.w+x] = true
		}
	}
}

// blend adds a cell's line of pixels.
func (m *mosaic) blend(row []byte, weight []float32, from, to, y int) {
	for k := max(0, -to); k < min(cell, m.w-to); k++ {
		i, w := y*m.w+to+k, weight[from+k]+0.01
		m.sum[i] += w * float32(row[from+k])
		m.weight[i] += w
		m.sofar.Pix[i] = uint8(m.sum[i]/m.weight[i] + 0.5)
	}
}

// Registration: how far the ridges of a frame are looked for from where they were, in pixels,
// how like they must be to be believed, and how far off they must be to be moved: skin gives way
// a little as it is rolled over, which is no slide and must not add up to one. Where it gives way
// more, at the ends of a roll, the ridges are nearly as like where they were, by mostStill of the
// most: all frames but one that lay off in 50 good rolls of package synth were by 0.92, and none
// of a hundred in rolls with slides of 4 to 8 pixels by more than 0.78.
const (
	farthestSlide = 14
	leastLike     = 0.35
	leastMove     = 3
	mostStill     = 0.85
)

// register finds by how much the ridges of a frame lie beside those of the mosaic, about a first
// guess: the shift with the greatest normalised correlation over what both show. They overlap
// where that is enough to say.
func (m *mosaic) register(g *image.Gray, touch mask, guess image.Point) (shift image.Point, like float64, overlap bool) {
	at := m.common(touch, guess)
	if len(at) < leastCommon {
		return guess, 0, false
	}
	shift = guess
	side := 2*farthestSlide + 1
	coarse := make([]float64, side*side)
	bands(side, func(dy int) {
		for dx := range side {
			if (dx+dy)%2 == 0 {
				coarse[dy*side+dx] = m.like(g, at, 4, guess.Add(image.Pt(dx-farthestSlide, dy-farthestSlide)))
			}
		}
	})
	best := 0
	for i, v := range coarse {
		if v > coarse[best] {
			best = i
		}
	}
	middle := guess.Add(image.Pt(best%side-farthestSlide, best/side-farthestSlide))
	for dy := -1; dy <= 1; dy++ {
		for dx := -1; dx <= 1; dx++ {
			s := middle.Add(image.Pt(dx, dy))
			if v := m.like(g, at, 1, s); v > like {
				shift, like = s, v
			}
		}
	}
	if by := shift.Sub(guess); by.X*by.X+by.Y*by.Y < leastMove*leastMove || m.like(g, at, 1, guess) > mostStill*like {
		shift = guess
	}
	return shift, like, true
}

// leastCommon is how many places both must show.
const leastCommon = 400

// common is places of the mosaic, every third pixel both ways, that a frame shows too: the half
// of them that lies deepest inside the contact, as skin is drawn aside towards its edges, which
// is no slide.
func (m *mosaic) common(touch mask, guess image.Point) (out []image.Point) {
	deep, covered := touch.depth(), m.covered.depth()
	both := make([]int, 0, len(deep))
	for i, d := range deep {
		x, y := (i%touch.w*cell-guess.X+cell/2)/cell, (i/touch.w*cell-guess.Y+cell/2)/cell
		if d >= 4 && x >= 0 && y >= 0 && x < m.covered.w && y < m.covered.h && covered[y*m.covered.w+x] >= 4 {
			both = append(both, i)
		}
	}
	slices.SortStableFunc(both, func(a, b int) int { return deep[b] - deep[a] })
	for _, i := range both[:(len(both)+1)/2] {
		for k := range 9 {
			p := image.Pt(i%touch.w*cell+k%3*3, i/touch.w*cell+k/3*3).Sub(guess)
			if p.In(m.sofar.Rect.Inset(farthestSlide + 1)) {
				out = append(out, p)
			}
		}
	}
	return out
}

// like is the normalised correlation of every nth place of the mosaic with the frame, shifted.
func (m *mosaic) like(g *image.Gray, at []image.Point, every int, shift image.Point) float64 {
	var x, xx, y, yy, xy, n int
	for i := 0; i < len(at); i += every {
		q := at[i].Add(shift)
		if q.X < 0 || q.Y < 0 || q.X >= m.w || q.Y >= m.h {
			continue
		}
		a, b := int(m.sofar.Pix[at[i].Y*m.w+at[i].X]), int(g.Pix[q.Y*g.Stride+q.X])
		x, xx, y, yy, xy, n = x+a, xx+a*a, y+b, yy+b*b, xy+a*b, n+1
	}
	if n == 0 {
		return 0
	}
	return float64(n*xy-x*y) / math.Sqrt(float64(n*xx-x*x)*float64(n*yy-y*y)+1)
}
