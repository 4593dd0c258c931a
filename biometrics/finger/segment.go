package finger

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"slices"

	"cardstation/biometrics"
)

// Segment is one finger in a picture of several.
type Segment struct {
	Position biometrics.Position
	Box      image.Rectangle // in pixels of the picture
	Angle    float64         // degrees by which the finger leans to the right of the picture
	// Opens is by how many degrees the finger's loop opens to the right of its own length, below
	// zero to the left; 0 where it has none, or none that is sure.
	Opens float64
	cells []image.Rectangle
}

// countError says that a picture shows another number of fingers than it should.
type countError struct{ seen, want int }

func (e countError) Error() string {
	if e.seen < e.want {
		return fmt.Sprintf("%d of %d are seen", e.seen, e.want)
	}
	return fmt.Sprintf("%d are seen where %d should be", e.seen, e.want)
}

// Find finds the fingers of a slap: as many as expected names, from the left of the hand to its
// right (see biometrics.Position.Fingers; leave out what is missing). The hand may lie turned by 30
// degrees. ppi is as for Extract. It is an error where fewer are seen, or clearly more.
//
// Which hand it is, Find takes as said; RightHand tells by the loops, Sequence by the rolls. The
// heights of the fingertips do not tell: in one of the two slaps of the real card the index
// finger stands lower than the little one.
func Find(img image.Image, ppi int, expected []biometrics.Position) ([]Segment, error) {
	g, err := grey500(img, ppi)
	if err != nil {
		return nil, fmt.Errorf("segment fingers: %w", err)
	}
	f := measure(g)
	ridges := f.ridges().clean()
	var all []region
	for _, r := range ridges.regions() {
		all = append(all, ridges.split(r, widestFinger)...)
	}
	tips := fingertips(all, f.w)
	if len(tips) < len(expected) {
		return nil, fmt.Errorf("segment fingers: %w", countError{seen: len(tips), want: len(expected)})
	}
	if n := len(expected); n == 0 || len(tips) > n && tips[n].area() > 0.5*tips[n-1].area() {
		return nil, fmt.Errorf("segment fingers: %w", countError{seen: len(tips), want: n})
	}
	tips = tips[:len(expected)]
	sin, cos := math.Sincos(average(axes(tips, f.w)) * math.Pi / 180)
	across := func(r region) float64 { return r.extent(f.w, cos, sin).middle() }
	slices.SortStableFunc(tips, func(a, b region) int { return cmp.Compare(across(a), across(b)) })
	angles := together(axes(tips, f.w)) // of the clear ridges: beside them may lie the stroke of a pen
	tips = f.widen(ridges, tips)
	scale := max(1, img.Bounds().Dx()/max(1, g.Bounds().Dx()))
	d := f.directions().smoothed(1.2, f.whole(tips).on)
	out := make([]Segment, len(tips))
	for i, r := range tips {
		out[i] = r.segment(f.w, scale, img.Bounds())
		out[i].Angle = angles[i]
		out[i].Position = expected[i]
		if open := f.opens(d, f.whole(tips[i:i+1])); open != 0 {
			out[i].open(open)
		}
	}
	return out, nil
}

// widen gives each finger the faint ridges about it.
func (f field) widen(ridges mask, tips []region) []region {
	own := mask{w: f.w, h: f.h, on: make([]bool, len(f.blocks))}
	for _, r := range tips {
		own.add(r)
	}
	wide := f.around(own)
	var all region
	for i, on := range wide.on {
		if on && (own.on[i] || !ridges.on[i]) {
			all.cells = append(all.cells, i)
		}
	}
	return wide.share(all, tips)
}

// segment brings a region of blocks to the pixels of the picture.
func (r region) segment(w, scale int, within image.Rectangle) Segment {
	var s Segment
	pixels := func(b image.Rectangle) image.Rectangle {
		side := blockSize * scale
		return image.Rect(b.Min.X*side, b.Min.Y*side, b.Max.X*side, b.Max.Y*side).Add(within.Min).Intersect(within)
	}
	s.Box = pixels(r.box.Inset(-1))
	for _, i := range r.cells {
		at := image.Pt(i%w, i/w)
		s.cells = append(s.cells, pixels(image.Rectangle{at, at.Add(image.Pt(1, 1))}.Inset(-1)))
	}
	return s
}

// open takes the side to which the loop opens, from straight down in the picture.
func (s *Segment) open(degrees float64) {
	if degrees = math.Remainder(degrees+s.Angle, 360); math.Abs(degrees) >= leastOpen && math.Abs(degrees) <= 90 {
		s.Opens = degrees
	}
}

// axes are the angles of the regions' long axes from upright, in degrees, to the right positive.
// A pad that is nearly round has none of its own: each is taken together with all of the hand.
func axes(all []region, w int) []float64 {
	type tensor struct{ long, slant float64 } // yy - xx and xy, of a cell
	var hand tensor
	own := make([]tensor, len(all))
	for i, r := range all {
		xx, xy, yy := r.moments(w)
		n := float64(len(r.cells))
		own[i] = tensor{(yy - xx) / n, xy / n}
		hand.long, hand.slant = hand.long+own[i].long/float64(len(all)), hand.slant+own[i].slant/float64(len(all))
	}
	out := make([]float64, len(all))
	for i, o := range own {
		out[i] = math.Atan2(-2*(o.slant+hand.slant), o.long+hand.long) / 2 * 180 / math.Pi
	}
	return out
}

// mostSpread is how far a finger leans from the middle one of its hand, in degrees.
const mostSpread = 10.0

// together brings the leans of a hand's fingers within mostSpread of the middle one; two may be
// thumbs, which lean apart.
func together(leans []float64) []float64 {
	if len(leans) < 3 {
		return leans
	}
	middle := median(slices.Clone(leans))
	for i, v := range leans {
		leans[i] = min(max(v, middle-mostSpread), middle+mostSpread)
	}
	return leans
}

// moments are the second ones about the middle of a region, summed over its cells.
func (r region) moments(w int) (xx, xy, yy float64) {
	var x, y float64
	n := float64(len(r.cells))
	for _, i := range r.cells {
		x, y = x+float64(i%w)/n, y+float64(i/w)/n
	}
	for _, i := range r.cells {
		dx, dy := float64(i%w)-x, float64(i/w)-y
		xx, xy, yy = xx+dx*dx, xy+dx*dy, yy+dy*dy
	}
	return xx, xy, yy
}

// Cut gives the finger alone, its box in grey with the other fingers white.
func (s Segment) Cut(img image.Image) *image.Gray {
	g := biometrics.Grey(img)
	shift := img.Bounds().Min
	out := image.NewGray(image.Rect(0, 0, s.Box.Dx(), s.Box.Dy()))
	for i := range out.Pix {
		out.Pix[i] = 255
	}
	for _, c := range s.cells {
		from, to := c.Sub(shift), c.Sub(s.Box.Min).Intersect(out.Bounds())
		for y := range to.Dy() {
			copy(out.Pix[(to.Min.Y+y)*out.Stride+to.Min.X:][:to.Dx()], g.Pix[(from.Min.Y+y)*g.Stride+from.Min.X:][:to.Dx()])
		}
	}
	return out
}
