package synth

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
)

// The portrait's frame in pixels, and the distance of its eyes, which is the
// unit that everything in it is measured in.
const (
	portraitW   = 720
	portraitH   = 960
	eyeDistance = 150
	eyeLine     = 400 // pixels below the top
)

// rgb is a colour, 0 to 255 each.
type rgb struct{ r, g, b float64 }

func (c rgb) times(f float64) rgb { return rgb{c.r * f, c.g * f, c.b * f} }

// over lays d over c where cover is 1.
func (c rgb) over(d rgb, cover float64) rgb {
	return rgb{c.r + (d.r-c.r)*cover, c.g + (d.g-c.g)*cover, c.b + (d.b-c.b)*cover}
}

// sitter is who is drawn: lengths in eye distances from the point between the
// eyes, y downwards.
type sitter struct {
	skin, hair, iris, lips, shirt, wall rgb
	wide, chin, jaw                     float64 // half width of the head, depth of the chin, narrowing of the jaw
	brow, browRise                      float64
	nose, mouth                         float64 // depth of tip and of lips
	lipWidth                            float64
	fringe, sides                       float64 // hairline over the brow, length of the hair at the sides
	parting                             float64
	strand                              lattice
}

func newSitter(rng *rand.Rand) sitter {
	within := func(low, high float64) float64 { return low + (high-low)*rng.Float64() }
	tone := within(0.74, 1)
	hair := within(0.6, 1.6)
	iris := within(0.7, 1.3)
	return sitter{
		skin: rgb{238, 196, 165}.times(tone), hair: rgb{38, 28, 24}.times(hair),
		iris: rgb{88, 58, 38}.times(iris), lips: rgb{186, 98, 92}.times(tone),
		shirt: rgb{within(60, 210), within(60, 210), within(80, 220)}, wall: rgb{206, 214, 222},
		wide: within(1.0, 1.1), chin: within(1.66, 1.84), jaw: within(0.2, 0.32),
		brow: within(0.045, 0.075), browRise: within(0.27, 0.34),
		nose: within(0.68, 0.78), mouth: within(1.08, 1.2), lipWidth: within(0.36, 0.46),
		fringe: within(-0.95, -0.72), sides: within(0.1, 1.5), parting: within(-0.4, 0.4),
		strand: newLattice(rng, 2000, 60, 9),
	}
}

// Portrait draws the head and shoulders of a person who does not exist, as a
// JPEG of 720 x 960 pixels with the eyes 150 apart. The shirt says SIMULATED, and
// so does the file's comment.
func Portrait(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 0xFACE))
	s := newSitter(rng)
	img := image.NewRGBA(image.Rect(0, 0, portraitW, portraitH))
	grit := rng.Uint64()
	each(portraitH, func(y int) {
		rough := rand.New(rand.NewPCG(grit, uint64(y)))
		for x := range portraitW {
			c := s.colour((float64(x)+0.5-portraitW/2)/eyeDistance, (float64(y)+0.5-eyeLine)/eyeDistance)
			n := 2.2 * rough.NormFloat64()
			at := y*img.Stride + 4*x
			img.Pix[at], img.Pix[at+1], img.Pix[at+2], img.Pix[at+3] = level(c.r+n), level(c.g+n), level(c.b+n), 255
		}
	})
	write(img, portraitW/2-9*7*3/2, eyeLine+int(2.82*eyeDistance), 3, color.Gray{Y: 40}, "SIMULATED")
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: 92}); err != nil {
		panic(err) // a picture of fixed size into memory: no input can make it fail
	}
	data := buf.Bytes()
	comment := append([]byte{0xFF, 0xFE, 0, byte(2 + len(remark))}, remark...)
	return append(append(append([]byte(nil), data[:2]...), comment...), data[2:]...)
}

func level(v float64) uint8 { return uint8(min(max(v, 0), 255)) }

// step is 0 below from, 1 above to, smooth between; from may be above to.
func step(from, to, v float64) float64 {
	t := min(max((v-from)/(to-from), 0), 1)
	return t * t * (3 - 2*t)
}

// blob is a soft spot: 1 in the middle, fading with the half widths.
func blob(x, y, cx, cy, w, h float64) float64 {
	dx, dy := (x-cx)/w, (y-cy)/h
	return math.Exp(-dx*dx - dy*dy)
}

// soft is the width of an edge.
const soft = 0.018

// colour is the colour at a place, painted from the back to the front.
func (s sitter) colour(x, y float64) rgb {
	c := s.wall.times(1 - 0.05*step(-2.7, 3.7, y))
	c = c.over(s.hairAt(x, y), s.backHair(x, y))
	c = s.body(c, x, y)
	for _, side := range [...]float64{-1, 1} {
		ear := math.Hypot((x-side*(s.wide+0.05))/0.15, (y-0.28)/0.3)
		c = c.over(s.skin.times(0.82-0.2*blob(x, y, side*(s.wide+0.06), 0.28, 0.07, 0.16)), step(1.04, 0.94, ear))
	}
	if r := s.head(x, y); r < 1.05 {
		c = c.over(s.features(s.flesh(x, y, r), x, y), step(1.01, 0.985, r))
		c = c.over(s.hairAt(x, y), step(1.06, 1.02, r)*s.frontHair(x, y))
	}
	return c
}

// head is below 1 inside of the head's outline.
func (s sitter) head(x, y float64) float64 {
	half := s.wide * (1 - s.jaw*step(0.1, s.chin, y))
	middle := 0.12
	high := 1.48
	if y > middle {
		high = s.chin - middle
	}
	a, b := math.Abs(x/half), math.Abs((y-middle)/high)
	if y < middle {
		return math.Hypot(a, b)
	}
	return math.Pow(math.Pow(a, 2.3)+math.Pow(b, 2.3), 1/2.3)
}

func (s sitter) backHair(x, y float64) float64 {
	crown := math.Hypot(x/(s.wide+0.2), (y+0.12)/1.62)
	cover := step(1.02, 0.99, crown+0.01*s.strand.at(300*x, 9*y))
	return cover * step(s.sides+0.06, s.sides-0.06, y+0.05*s.strand.at(200*x, 0))
}

// frontHair falls from the parting to the temples.
func (s sitter) frontHair(x, y float64) float64 {
	d := math.Abs(x - s.parting*0.5)
	line := s.fringe + 0.55*d*d + 0.05*s.strand.at(260*x, 3)
	return step(line+0.03, line-0.03, y)
}

// hairAt is the hair's colour: strands along the skull, light on the crown.
func (s sitter) hairAt(x, y float64) rgb {
	turn := math.Atan2(x-s.parting, y+2.2)
	f := 1 + 0.22*s.strand.at(420*turn, 4*y) + 0.9*blob(x, y, -0.25, -1.15, 0.6, 0.22)
	return s.hair.times(f)
}

// body paints neck and shoulders.
func (s sitter) body(c rgb, x, y float64) rgb {
	neck := 0.6 + 0.5*step(1.9, 2.7, y)
	shade := 0.9 - 0.34*blob(x, y, 0, s.chin-0.02, 0.75, 0.34) - 0.2*step(0.3, 0.8, math.Abs(x))
	c = c.over(s.skin.times(shade), step(neck+soft, neck-soft, math.Abs(x))*step(0.9, 1, y))
	top := 2.12 + 0.16*x*x
	if a := math.Abs(x); a < 0.8 {
		top = 2.56 - 0.7*a*a*a
	}
	cloth := s.shirt.times(1 - 0.18*step(0.4, 2.4, math.Abs(x)) + 0.015*s.strand.at(300*x, 7*y))
	return c.over(cloth, step(top-soft, top+soft, y))
}

// flesh is the skin of the head, lit from the front and a little above.
func (s sitter) flesh(x, y, r float64) rgb {
	light := 0.78 + 0.25*math.Sqrt(max(0, 1-0.93*r*r)) - 0.03*x
	light -= 0.16 * (blob(x, y, -0.5, -0.02, 0.3, 0.2) + blob(x, y, 0.5, -0.02, 0.3, 0.2))
	light += 0.07 * (blob(x, y, -0.58, 0.5, 0.28, 0.24) + blob(x, y, 0.58, 0.5, 0.28, 0.24))
	light += 0.05*blob(x, y, 0, -0.55, 0.6, 0.25) + 0.05*blob(x, y, 0, s.chin-0.25, 0.2, 0.12)
	light -= 0.1 * blob(x, y, 0, s.mouth+0.2, 0.26, 0.06)
	// the bridge of the nose and its flanks
	light += 0.09 * blob(x, y, 0, 0.35, 0.07, 0.36)
	light += 0.1 * blob(x, y, 0, s.nose-0.06, 0.09, 0.08)
	light -= 0.12 * (blob(x, y, -0.17, 0.34, 0.06, 0.34) + blob(x, y, 0.17, 0.34, 0.06, 0.34))
	light -= 0.2 * (blob(x, y, -0.21, s.nose, 0.06, 0.09) + blob(x, y, 0.21, s.nose, 0.06, 0.09))
	light -= 0.14 * blob(x, y, 0, s.nose+0.11, 0.18, 0.05)
	c := s.skin.times(light)
	flush := 0.1 * (blob(x, y, -0.6, 0.62, 0.25, 0.2) + blob(x, y, 0.6, 0.62, 0.25, 0.2))
	return c.over(s.lips, flush)
}

// features paints brows, eyes, nostrils and mouth.
func (s sitter) features(c rgb, x, y float64) rgb {
	for _, side := range [...]float64{-1, 1} {
		c = s.eye(c, (x-side*0.5)*side, y)
		c = c.over(s.skin.times(0.3), 0.85*step(1.2, 0.7, math.Hypot((x-side*0.11)/0.06, (y-s.nose-0.06)/0.032)))
	}
	return s.lipsAt(c, x, y)
}

// eye paints one eye and its brow; u grows from the nose outwards, v down.
func (s sitter) eye(c rgb, u, v float64) rgb {
	if math.Abs(u) > 0.55 || v < -0.6 || v > 0.4 {
		return c
	}
	arch := -s.browRise - 0.05*math.Cos(2.6*(u-0.08)) + 0.14*max(0, u-0.1)
	thick := s.brow * step(0.42, 0.1, u) * step(-0.36, -0.26, u)
	hairs := 0.75 + 0.08*s.strand.at(700*u+300*v, 40*v)
	c = c.over(s.hair.times(1.2), hairs*step(thick+0.02, thick-0.02, math.Abs(v-arch))*step(0, 0.02, thick))
	open := 1 - (u/0.275)*(u/0.275)
	upper, lower := -0.1*open-0.02*u, 0.08*open-0.02*u
	if open > 0 {
		inside := step(upper-0.012, upper+0.012, v) * step(lower+0.012, lower-0.012, v)
		c = c.over(s.ball(u, v, upper), inside)
		c = c.over(s.hair.times(0.7), 0.9*step(0.03, 0.012, math.Abs(v-upper)))
		c = c.over(s.skin.times(0.5), 0.5*step(0.02, 0.005, math.Abs(v-lower)))
	}
	fold := -0.19*(1-(u/0.36)*(u/0.36)) + 0.02
	return c.over(s.skin.times(0.52), 0.55*step(0.022, 0.004, math.Abs(v-fold))*step(0.32, 0.24, math.Abs(u)))
}

// ball paints white, iris, pupil and the light's reflection.
func (s sitter) ball(u, v, upper float64) rgb {
	c := rgb{226, 222, 218}.times(1 - 0.25*step(0.1, 0.26, math.Abs(u)) - 0.3*step(0.06, 0, v-upper))
	r := math.Hypot(u, v+0.008)
	c = c.over(s.iris.times(0.75+0.5*step(0.03, 0.11, r)), step(0.125, 0.108, r))
	c = c.over(s.iris.times(0.4), step(0.135, 0.12, r)*step(0.1, 0.115, r))
	c = c.over(rgb{14, 12, 12}, step(0.058, 0.044, r))
	return c.over(rgb{250, 250, 250}, step(0.024, 0.014, math.Hypot(u+0.03, v+0.04)))
}

func (s sitter) lipsAt(c rgb, x, y float64) rgb {
	a := math.Abs(x) / s.lipWidth
	if a > 1.1 {
		return c
	}
	full := 1 - a*a
	line := s.mouth - 0.008*math.Cos(9*x) - 0.028*a*a
	top := line - 0.085*full + 0.03*math.Exp(-x*x/0.004)
	bottom := line + 0.12*full
	c = c.over(s.lips.times(0.86), step(top-soft, top+soft, y)*step(line+soft, line-soft, y)*step(0, 0.08, full))
	c = c.over(s.lips.times(1.05+0.15*blob(x, y, 0, line+0.07, 0.16, 0.03)), step(line-soft, line+soft, y)*step(bottom+soft, bottom-soft, y)*step(0, 0.08, full))
	return c.over(s.lips.times(0.38), 0.85*step(0.026, 0.008, math.Abs(y-line))*step(1.05, 0.95, a))
}
