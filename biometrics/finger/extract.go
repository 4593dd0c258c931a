package finger

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"

	"cardstation/biometrics"
)

// ErrNoRidges means that no finger ridges are seen in a picture.
var ErrNoRidges = errors.New("no finger ridges are seen")

// mostMinutiae is how many a template holds at most; the worst are left out.
const mostMinutiae = 400

// Extract finds the minutiae of one finger in a picture of dark ridges on a light
// ground, of 500 or 1000 ppi (2 % about them); ppi 0 takes the word of the file
// (biometrics.Image). Box lines, print, handwriting and the next print's edge are told from
// the ridges. A picture without ridges gives ErrNoRidges. Position and Impression are left
// for the caller to say. The same picture gives the same template each time.
//
// The way is the usual one of D. Maltoni et al., "Handbook of Fingerprint Recognition", 3.3
// to 3.8: directions from gradients, periods from profiles across the ridges, filters of
// that direction and period, skeleton, and the removal of what ink does and skin does not.
func Extract(img image.Image, ppi int) (Template, error) {
	g, err := grey500(img, ppi)
	if err != nil {
		return Template{}, fmt.Errorf("extract minutiae: %w", err)
	}
	return extract(g)
}

// grey500 is the picture in grey at 500 ppi.
func grey500(img image.Image, ppi int) (*image.Gray, error) {
	if img == nil || img.Bounds().Empty() {
		return nil, errors.New("no image")
	}
	if file, ok := img.(biometrics.Image); ok && ppi == 0 {
		ppi = file.PPI
	}
	if !Reads(ppi) {
		return nil, fmt.Errorf("%d pixels per inch, want 500 or 1000", ppi)
	}
	g := biometrics.Grey(img)
	if ppi > 750 {
		g = halve(g)
	}
	return g, nil
}

// Reads tells whether pictures of a resolution are read: 500 or 1000 pixels per inch, 2 %
// about them.
func Reads(ppi int) bool { return ppi >= 490 && ppi <= 510 || ppi >= 980 && ppi <= 1020 }

func extract(g *image.Gray) (Template, error) {
	t := Template{Width: g.Bounds().Dx(), Height: g.Bounds().Dy()}
	blocks := measure(g)
	clear, ok := blocks.ridges().clean().print()
	if !ok {
		return t, fmt.Errorf("extract minutiae: %w", ErrNoRidges)
	}
	c := blocks.context(clear, t.Width, t.Height)
	pixels := even(g)
	c.steer(gradient(blocks.soft).settled(c.on))
	field := flow(enhance(pixels, c)).settled(c.on)
	c.steer(field)
	strong := enhance(pixels, c)
	merit := agreement(pixels, strong, c)
	c.restrict(merit)
	lines := skeleton{ridges(strong, c), field}
	lines.thin()
	lines.clean()
	t.Minutiae = apart(lines.minutiae(c, merit))
	if len(t.Minutiae) > mostMinutiae {
		slices.SortStableFunc(t.Minutiae, func(a, b Minutia) int { return cmp.Compare(b.Quality, a.Quality) })
		t.Minutiae = t.Minutiae[:mostMinutiae]
	}
	sum := 0
	for _, m := range t.Minutiae {
		sum += int(m.Quality)
	}
	t.Quality = sum / max(1, len(t.Minutiae))
	return t, nil
}

// leastApart is the least distance of two minutiae, in pixels: what is closer is one ridge
// torn or one fork seen twice.
const leastApart = 6

// apart drops of two minutiae that are too close both where they look at each other or away,
// and the worse one where they look the same way.
func apart(all []Minutia) []Minutia {
	gone := make([]bool, len(all))
	for i, a := range all {
		for j := i - 1; j >= 0 && a.Y-all[j].Y <= leastApart; j-- {
			b := all[j]
			dx, dy := a.X-b.X, a.Y-b.Y
			if gone[j] || gone[i] || dx*dx+dy*dy > leastApart*leastApart {
				continue
			}
			if turn := a.Angle - b.Angle; turn > 64 && turn < 192 {
				gone[i], gone[j] = true, true
			} else if a.Quality < b.Quality {
				gone[i] = true
			} else {
				gone[j] = true
			}
		}
	}
	out := all[:0]
	for i, m := range all {
		if !gone[i] {
			out = append(out, m)
		}
	}
	return out
}

// print leaves of a mask the largest region and those above and below it that were
// torn off it; the neighbours' prints and scraps of writing go.
func (m mask) print() (mask, bool) {
	all := m.regions()
	if len(all) == 0 || all[0].area() < leastFingerArea {
		return m, false
	}
	out := mask{w: m.w, h: m.h, on: make([]bool, len(m.on))}
	main := all[0].box
	for _, r := range all {
		middle := (r.box.Min.X + r.box.Max.X) / 2
		if middle < main.Min.X || middle > main.Max.X || r.area() < leastFingerArea/3 {
			continue
		}
		out.add(r)
	}
	return out, true
}

// leastTrace is the contrast, as a standard deviation of grey values, that may be a faint
// ridge beside clear ones, and mostTrace how many blocks beside them it may lie.
const (
	leastTrace = 7.0
	mostTrace  = 7
)

// around is the mask grown over the faint blocks that hang together with it.
func (f field) around(m mask) mask {
	return m.grown(f.where(func(b block) bool { return b.std >= leastTrace }))
}

// grown is the mask with what of another hangs together with it and lies within mostTrace blocks.
func (m mask) grown(over mask) mask {
	for range mostTrace {
		next := slices.Clone(m.on)
		for i, on := range over.on {
			next[i] = m.on[i] || on && m.neighbours(i%m.w, i/m.w, false) > 0
		}
		m.on = next
	}
	return m
}

// context brings mask and periods of blocks to cells; the period is that of the clear blocks
// about.
func (f field) context(clear mask, w, h int) context {
	c := context{w: (w + cell - 1) / cell, h: (h + cell - 1) / cell}
	n := c.w * c.h
	c.on, c.turn, c.period = make([]bool, n), make([]uint8, n), make([]uint8, n)
	weight, sum := make([]float64, len(f.blocks)), make([]float64, len(f.blocks))
	var all []float64
	for i, b := range f.blocks {
		if clear.on[i] && b.ridge {
			weight[i], sum[i] = b.clarity*b.clarity, b.period*b.clarity*b.clarity
			all = append(all, b.period)
		}
	}
	middle := median(all)
	weight, sum = blur(weight, f.w, f.h, 1.6), blur(sum, f.w, f.h, 1.6)
	wide := f.around(clear)
	for y := range c.h {
		for x := range c.w {
			bx, by := x*cell/blockSize, y*cell/blockSize
			if bx >= f.w || by >= f.h {
				continue
			}
			b, i := by*f.w+bx, y*c.w+x
			c.on[i] = wide.on[b]
			period := (sum[b] + 0.3*middle) / (weight[b] + 0.3)
			c.period[i] = uint8(min(max(math.Round((period-shortest)*2), 0), waves-1))
		}
	}
	return c
}

// steer takes the directions of the filters from a field.
func (c context) steer(d directions) {
	for i := range c.turn {
		c.turn[i] = uint8(int(math.Round(d.angle(i)/math.Pi*turns)) % turns)
	}
}

// ridges is where the ridges are.
func ridges(p plane, c context) bitmap {
	m := newBitmap(p.w, p.h)
	for y := range p.h {
		on, row := c.on[y/cell*c.w:], p.row(y)
		for x, v := range row {
			if v > 0 && on[x/cell] {
				m.set(x, y)
			}
		}
	}
	return m
}

// agreement is how far the filters found what they looked for: the correlation of the
// picture with its enhanced form about each cell, 0 to 1.
func agreement(from, to plane, c context) []float64 {
	n := len(c.on)
	both, one, other := make([]float64, n), make([]float64, n), make([]float64, n)
	bands(c.h, func(cy int) {
		for cx := range c.w {
			i := cy*c.w + cx
			if !c.on[i] {
				continue
			}
			var xy, xx, yy float32
			for y := cy * cell; y < min(cy*cell+cell, from.h); y++ {
				k := from.index(cx*cell, y)
				for x := k; x < k+min(cell, from.w-cx*cell); x++ {
					a, b := from.at[x], to.at[x]
					xy, xx, yy = xy+a*b, xx+a*a, yy+b*b
				}
			}
			both[i], one[i], other[i] = float64(xy), float64(xx), float64(yy)
		}
	})
	const bell = 1.2
	both, one, other = blur(both, c.w, c.h, bell), blur(one, c.w, c.h, bell), blur(other, c.w, c.h, bell)
	for i := range both {
		both[i] = max(0, both[i]/math.Sqrt(one[i]*other[i]+1e-9))
	}
	return both
}

// leastAgreement is what ridges have at least.
const leastAgreement = 0.5

// restrict leaves of the cells those with ridges, without holes or frays.
func (c context) restrict(merit []float64) {
	m := mask{w: c.w, h: c.h, on: c.on}
	for i := range c.on {
		c.on[i] = c.on[i] && merit[i] >= leastAgreement
	}
	for range 2 {
		m = m.where(true, func(on bool, n int) bool { return n >= 5 })
	}
	m = m.clean()
	copy(c.on, m.on)
}

// minutiae reads the endings and forks off the skeleton, in the order of rows.
func (s skeleton) minutiae(c context, merit []float64) []Minutia {
	var out []Minutia
	depth := mask{w: c.w, h: c.h, on: c.on}.depth()
	s.nodes(func(at image.Point, dirs []int) {
		if len(dirs) == 0 || len(dirs) > 3 || depth[s.cell(at)] < 3 {
			return
		}
		var legs []path
		for _, d := range dirs {
			legs = append(legs, s.walk(at, d, reach))
		}
		dx, dy := s.towards(at, legs)
		m := Minutia{X: at.X, Y: at.Y, Kind: Bifurcation}
		if len(dirs) == 1 {
			m.Kind = Ending
			beyond := at.Sub(image.Pt(int(24*dx), int(24*dy)))
			if !beyond.In(image.Rect(0, 0, s.w, s.h)) || !c.on[s.cell(beyond)] {
				return // the edge of the print
			}
		}
		m.Angle = uint8(int(math.Round(math.Atan2(-dy, dx)/(2*math.Pi)*256)) & 255)
		m.Quality = uint8(1 + math.Round(99*ramp(merit[s.cell(at)], leastAgreement, 0.9)))
		out = append(out, m)
	})
	return out
}
