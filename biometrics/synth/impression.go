package synth

import (
	"image"
	"math"
	"math/rand/v2"

	"cardstation/biometrics"
)

// paper is the grey of the empty picture.
const paper = 246

// press is how one finger lies on the scanner once.
type press struct {
	centre       image.Point // of the pad, in the picture
	sin, cos     float64     // of its turn
	a, b         float64     // half width and half height of what touches, pixels
	base, tip    *outline    // how square it is; the tip is rounder than the base
	off          point       // of the touching area from the middle of the pad
	wet          float64     // below 0 dry: ridges break; above 0 wet: they close up
	dark         float64     // grey of full ink
	share        float64     // of the ink that is there to be left, 0 to 1
	grain        float64     // roughness of ink and skin
	slip         float64     // how far skin stretches, in pixels
	slipX, slipY lattice     // which way
	load         lattice     // pressure and moisture from place to place
	edge         lattice     // raggedness of the outline
	part         *cut        // beyond which it does not touch; nil for none
	now          *contact    // the part that touches at one moment of a roll; nil for all of it
}

// newPress draws one. turn is the usual turn of the finger in radians, clockwise.
func newPress(rng *rand.Rand, centre image.Point, turn float64) press {
	turn += 0.06 * rng.NormFloat64()
	p := press{
		centre: centre,
		share:  1,
		slip:   4,
		wet:    min(max(0.17*rng.NormFloat64(), -0.35), 0.3),
		dark:   44 + 26*rng.Float64(),
		grain:  0.3 + 0.3*rng.Float64(),
		slipX:  newLattice(rng, 900, 900, 190), slipY: newLattice(rng, 900, 900, 190),
		load: newLattice(rng, 900, 900, 70), edge: newLattice(rng, 900, 900, 45),
	}
	p.sin, p.cos = math.Sincos(turn)
	return p
}

// rolled spans the finger from nail to nail, plain is the pad laid flat.
func (p *press) rolled(f *finger, rng *rand.Rand) {
	p.a, p.b = float64(f.w)/2*(0.86+0.08*rng.Float64()), float64(f.h)/2*(0.84+0.08*rng.Float64())
	p.base, p.tip = newOutline(3.4), newOutline(1+0.6*3.4)
	p.off = point{6 * rng.NormFloat64(), 6 * rng.NormFloat64()}
}

func (p *press) plain(f *finger, rng *rand.Rand) {
	p.a, p.b = 158*f.size*(0.95+0.1*rng.Float64()), 218*f.size*(0.93+0.12*rng.Float64())
	p.base, p.tip = newOutline(2.3), newOutline(1+0.6*2.3)
	p.off = point{9 * rng.NormFloat64(), 12 * rng.NormFloat64()}
}

// print draws the finger into the picture.
func (p press) print(g *image.Gray, f *finger, rng *rand.Rand) {
	reach := int(max(p.a, p.b)*1.15) + 20
	box := p.now.within(image.Rect(p.centre.X-reach, p.centre.Y-reach, p.centre.X+reach, p.centre.Y+reach), p.centre).Intersect(g.Bounds())
	slide := p.now.moved()
	grit := rng.Uint64() | 1
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			dx, dy := float64(x-p.centre.X)-slide.x, float64(p.centre.Y-y)-slide.y
			at := point{dx*p.cos - dy*p.sin, dx*p.sin + dy*p.cos}
			touch := p.touch(at)
			if touch <= 0 {
				continue
			}
			// xorshift64: a speck of its own for each pixel
			grit ^= grit << 13
			grit ^= grit >> 7
			grit ^= grit << 17
			speck := float64(grit>>40)/(1<<23) - 1
			ink := p.share * p.ink(f, at, touch, speck)
			i := y*g.Stride + x
			v := float64(g.Pix[i]) - ink*(float64(g.Pix[i])-p.dark) + 9*speck*ink
			g.Pix[i] = uint8(min(max(v, 0), 255))
		}
	}
}

// outline is a superellipse: how much farther out than its greater coordinate a place is, by
// the ratio of the lesser to it. Powers for each pixel would take half of an impression's time.
type outline [2049]float64

func newOutline(square float64) *outline {
	var o outline
	for i := range o {
		o[i] = math.Pow(1+math.Pow(float64(i)/float64(len(o)-1), square), 1/square)
	}
	return &o
}

// radius is how far out a place is, 1 on the outline. Coordinates are 0 or more.
func (o *outline) radius(x, y float64) float64 {
	far := max(x, y, 1e-9)
	q := min(x, y) / far * float64(len(o)-1)
	i := min(int(q), len(o)-2)
	return far * (o[i] + (q-float64(i))*(o[i+1]-o[i]))
}

// touch is how firmly a place touches, 0 outside and 1 well inside.
func (p press) touch(at point) float64 {
	x, y := math.Abs(at.x-p.off.x)/p.a, math.Abs(at.y-p.off.y)/p.b
	if x > 1.15 || y > 1.15 {
		return 0
	}
	r := p.base.radius(x, y)
	if at.y > p.off.y {
		r = p.tip.radius(x, y)
	}
	now := min(p.now.touch(at, y), p.part.touch(point{at.x - p.off.x, at.y - p.off.y}, p.edge))
	if r < 0.75 {
		return now
	}
	return min(now, max((1.03-r+0.02*p.edge.at(at.x, at.y)+0.03*p.load.at(at.x, at.y))*6, 0))
}

// ink is how much ink there is at a place, 0 to 1.
func (p press) ink(f *finger, at point, touch, speck float64) float64 {
	skin := p.skin(at)
	h := f.at(skin.x, skin.y)
	load := p.wet + 0.24*p.load.at(at.x, at.y) - 1.1*(1-touch) + p.grain*speck*(1.5-touch)
	return 0.96 / (1 + math.Exp(-5.2*(h+load)))
}

// skin is the place of the skin that lies at a place, as skin stretches.
func (p press) skin(at point) point {
	return point{
		at.x + p.slip*p.slipX.at(at.x, at.y) + p.now.stretched(at),
		at.y + p.slip*p.slipY.at(at.x, at.y),
	}
}

// at is the ridge height at a place on the finger, blended between pixels; -1
// beyond the skin.
func (f *finger) at(x, y float64) float64 {
	fx, fy := x+float64(f.w)/2, float64(f.h)/2-y
	ix, iy := int(fx), int(fy)
	if fx < 0 || fy < 0 || ix >= f.w-1 || iy >= f.h-1 {
		return -1
	}
	tx, ty := float32(fx)-float32(ix), float32(fy)-float32(iy)
	i := iy*f.w + ix
	top := f.height[i] + tx*(f.height[i+1]-f.height[i])
	bottom := f.height[i+f.w] + tx*(f.height[i+f.w+1]-f.height[i+f.w])
	return float64(top + ty*(bottom-top))
}

// sheet is an empty picture.
func newSheet(w, h int) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, w, h))
	for i := range g.Pix {
		g.Pix[i] = paper
	}
	return g
}

// sheetOf is the size of a single finger's picture.
func sheetOf(rolled bool) (w, h int) {
	if rolled {
		return 800, 750
	}
	return 500, 700
}

// lay puts one finger on the scanner.
func (h *Hands) lay(p biometrics.Position, rolled bool, rng *rand.Rand) press {
	w, high := sheetOf(rolled)
	lay := newPress(rng, image.Pt(w/2+int(8*rng.NormFloat64()), high/2-10+int(6*rng.NormFloat64())), 0)
	if rolled {
		lay.rolled(h.fingers[p], rng)
	} else {
		lay.plain(h.fingers[p], rng)
	}
	return lay
}

// single is one finger on the scanner: 800 x 750 rolled, 500 x 700 plain. What is by chance
// about its wear has a chance of its own.
func (h *Hands) single(c *Capture, rolled bool, rng *rand.Rand, w Wear, wear *rand.Rand) {
	f := h.fingers[c.Position]
	g := newSheet(sheetOf(rolled))
	lay := h.lay(c.Position, rolled, rng)
	w.lay(&lay, wear)
	lay.print(g, f, rng)
	w.again(g, lay, f, wear)
	w.soil(g, lay, wear)
	c.PNG = h.encode(g, c.Position)
	c.Cores, c.Deltas, c.Minutiae = lay.places(f.course.cores), lay.places(f.course.deltas), lay.seen(f.minutiae, g.Rect)
}

// places brings points of the finger to pixels of the picture.
func (p press) places(all []point) (out []image.Point) {
	for _, at := range all {
		out = append(out, p.pixel(p.lies(at)))
	}
	return out
}

// slap is several fingers laid flat at once: 1600 x 1500 for four, 1200 x 1000
// for the thumbs. The middle fingers reach highest, and the hand fans out.
func (h *Hands) slap(p biometrics.Position, fingers []biometrics.Position, rng *rand.Rand) []byte {
	w, high := 1600, 1500
	rise := map[biometrics.Position]int{}
	if p == biometrics.BothThumbs {
		w, high = 1200, 1000
	} else {
		rise = map[biometrics.Position]int{
			biometrics.RightMiddle: 190, biometrics.LeftMiddle: 190, biometrics.RightRing: 110, biometrics.LeftRing: 110,
			biometrics.RightIndex: 60, biometrics.LeftIndex: 60, biometrics.RightLittle: -150, biometrics.LeftLittle: -150,
		}
	}
	g := newSheet(w, high)
	pitch := w / len(fingers)
	for i, one := range fingers {
		fan := float64(2*i-len(fingers)+1) / float64(len(fingers)) // -1 .. 1 from left to right
		x := pitch/2 + i*pitch + int(6*rng.NormFloat64()) - int(fan*20)
		y := high/2 - rise[one] + int(8*rng.NormFloat64())
		lay := newPress(rng, image.Pt(x, y), 0.12*fan)
		lay.plain(h.fingers[one], rng)
		lay.print(g, h.fingers[one], rng)
	}
	return h.encode(g, p)
}
