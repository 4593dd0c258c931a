package synth

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"

	"cardstation/biometrics"
)

// Wear is what makes an impression of a single finger hard to read. The zero value is a good
// one. Where each thing lies is by the chance of the attempt: two impressions of a finger have
// their scars, their smudges and their writing in different places.
type Wear struct {
	Partial  float64 // about the share of the print that does not touch, cut off along a line: 0 .. 0.7
	Stretch  float64 // pixels by which skin is stretched, above the 4 that it always is: 0 .. 12
	Moisture float64 // of the skin: -1 dry, so that ridges break .. 1 wet, so that they run together
	Noise    float64 // of the ink: specks, holes and uneven rolling out: 0 .. 1
	Scars    int     // fresh ones, that other impressions have elsewhere or not at all
	Smudge   float64 // pixels by which the finger drags over a third of the print: 0 .. 20
	Lines    int     // box lines of a form across the print
	Words    int     // words across it: handwritten and printed by turns
	Again    float64 // pixels beside at which the finger touches a second time, more lightly: 0 .. 16
}

// Hard draws a wear as bad prints have it: two to four of the eight, each at random.
func Hard(seed uint64) (w Wear) {
	rng := rand.New(rand.NewPCG(seed, 0x77656172))
	within := func(from, to float64) float64 { return from + (to-from)*rng.Float64() }
	w.Stretch = within(1, 4)
	for _, kind := range rng.Perm(8)[:2+rng.IntN(3)] {
		switch kind {
		case 0:
			w.Partial = within(0.15, 0.5)
		case 1:
			w.Stretch = within(4, 8)
		case 2:
			w.Moisture = -within(0.3, 0.9)
		case 3:
			w.Moisture = within(0.3, 0.9)
		case 4:
			w.Noise = within(0.3, 0.9)
		case 5:
			w.Scars = 1 + rng.IntN(3)
		case 6:
			w.Smudge = within(6, 16)
		case 7:
			w.Lines, w.Words = 1+rng.IntN(2), 1+rng.IntN(3)
		}
	}
	return w
}

// Worn is Capture of a single finger that is worn; of several fingers or none it gives no
// picture. The attempt lies and presses as Capture's does.
func (h *Hands) Worn(p biometrics.Position, rolled bool, attempt uint64, w Wear) Capture {
	c := Capture{Position: p, Impression: biometrics.LivePlain}
	if rolled {
		c.Impression = biometrics.LiveRolled
	}
	if len(p.Fingers()) != 1 || p == biometrics.UnknownFinger {
		return c
	}
	h.single(&c, rolled, h.chance(p, c.Impression, attempt), w, h.chance(p, c.Impression, attempt|1<<23))
	return c
}

// cut is a line beyond which a finger does not touch.
type cut struct {
	x, y, far float64 // its normal, and how far it is from the middle of what touches
}

// touch is how firmly a place touches, from the middle of what does: less and less over
// twelve pixels along a ragged line.
func (c *cut) touch(from point, ragged lattice) float64 {
	if c == nil {
		return 1
	}
	beyond := from.x*c.x + from.y*c.y - c.far - 6*ragged.at(from.x, from.y)
	return min(max((6-beyond)/12, 0), 1)
}

// lay changes how the finger lies and sweats.
func (w Wear) lay(p *press, rng *rand.Rand) {
	p.slip += w.Stretch
	p.wet += 0.75 * w.Moisture
	p.grain += 0.9*w.Noise + 0.3*max(0, -w.Moisture)
	if w.Partial > 0 {
		sin, cos := math.Sincos(2 * math.Pi * rng.Float64())
		// The share of a rectangle that a line cuts off, from its far end to the other.
		p.part = &cut{cos, sin, math.Hypot(p.a*cos, p.b*sin) * (1 - 2*w.Partial)}
	}
}

// again lets the finger touch a second time: beside in any direction, with half to nine tenths of
// the ink, with specks and pressure of its own, and the skin stretched otherwise by a pixel.
func (w Wear) again(g *image.Gray, p press, f *finger, rng *rand.Rand) {
	if w.Again == 0 {
		return
	}
	sin, cos := math.Sincos(2 * math.Pi * rng.Float64())
	p.centre = p.centre.Add(image.Pt(int(math.Round(w.Again*cos)), int(math.Round(w.Again*sin))))
	p.share = 0.5 + 0.4*rng.Float64()
	p.load, p.edge = newLattice(rng, 900, 900, 70), newLattice(rng, 900, 900, 45)
	p.slipX, p.slipY = p.slipX.and(newLattice(rng, 900, 900, 190), 1/p.slip), p.slipY.and(newLattice(rng, 900, 900, 190), 1/p.slip)
	p.print(g, f, rng)
}

// soil changes the print after it was made.
func (w Wear) soil(g *image.Gray, p press, rng *rand.Rand) {
	s := soiled{g, p, rng}
	for range w.Scars {
		s.scar()
	}
	if w.Noise > 0 {
		s.blots(w.Noise)
	}
	if w.Smudge > 0 {
		s.smudge(w.Smudge)
	}
	for range w.Lines {
		s.line()
	}
	for i := range w.Words {
		if i%2 == 0 {
			s.scrawl()
		} else {
			s.stamp()
		}
	}
}

// soiled is a print with what comes onto it.
type soiled struct {
	*image.Gray
	press
	rng *rand.Rand
}

// somewhere is a place on the print, reach of its half width and height from the middle at most.
func (s soiled) somewhere(reach float64) point {
	r := reach * math.Sqrt(s.rng.Float64())
	sin, cos := math.Sincos(2 * math.Pi * s.rng.Float64())
	return point{float64(s.centre.X) + s.a*r*cos, float64(s.centre.Y) + s.b*r*sin}
}

// dab brings a round of pixels nearer to a grey value: fully within the radius, and less over
// the pixel beyond it.
func (s soiled) dab(at point, radius, grey float64) {
	box := image.Rect(int(at.x-radius-1), int(at.y-radius-1), int(at.x+radius+3), int(at.y+radius+3)).Intersect(s.Rect)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			share := min(max(radius+0.5-math.Hypot(float64(x)-at.x, float64(y)-at.y), 0), 1)
			i := y*s.Stride + x
			s.Pix[i] = uint8(float64(s.Pix[i])*(1-share) + grey*share)
		}
	}
}

// scar is a bent furrow without ink, thin at its ends.
func (s soiled) scar() {
	at, turn := s.somewhere(0.6), 2*math.Pi*s.rng.Float64()
	long, thick, bend := 60+140*s.rng.Float64(), 2+3*s.rng.Float64(), 0.006*s.rng.NormFloat64()
	for t := 0.0; t < long; t++ {
		s.dab(at, thick*math.Sin(math.Pi*t/long)+0.3*s.rng.Float64(), paper-6)
		sin, cos := math.Sincos(turn)
		at, turn = point{at.x + cos, at.y + sin}, turn+bend
	}
}

// blots are drops of ink and holes in it.
func (s soiled) blots(noise float64) {
	for range int(400 * noise) {
		grey := s.dark
		if s.rng.IntN(2) == 0 {
			grey = paper
		}
		s.dab(s.somewhere(1), 0.5+2.2*noise*s.rng.Float64()*s.rng.Float64(), grey)
	}
}

// smudge drags a round third of the print along.
func (s soiled) smudge(by float64) {
	middle, reach := s.somewhere(0.5), 0.6*math.Sqrt(s.a*s.b)
	sin, cos := math.Sincos(2 * math.Pi * s.rng.Float64())
	before := append([]uint8(nil), s.Pix...)
	box := image.Rect(int(middle.x-reach), int(middle.y-reach), int(middle.x+reach), int(middle.y+reach)).Intersect(s.Rect)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			far := math.Hypot(float64(x)-middle.x, float64(y)-middle.y) / reach
			steps := int(by * min(max(2-2*far, 0), 1))
			if steps == 0 {
				continue
			}
			var sum, n int
			for k := 0; k <= steps; k++ {
				if at := image.Pt(x-int(float64(k)*cos), y-int(float64(k)*sin)); at.In(s.Rect) {
					sum, n = sum+int(before[at.Y*s.Stride+at.X]), n+1
				}
			}
			s.Pix[y*s.Stride+x] = uint8(sum / n)
		}
	}
}

// line is one of a form's, straight across the picture, upright or level but for a little.
func (s soiled) line() {
	at, lean := s.somewhere(0.8), 0.02*s.rng.NormFloat64()
	thick, grey := 1+s.rng.Float64(), 30+60*s.rng.Float64()
	upright := s.rng.IntN(2) == 0
	for t := range max(s.Rect.Dx(), s.Rect.Dy()) {
		on := point{float64(t), at.y + lean*(float64(t)-at.x)}
		if upright {
			on = point{at.x + lean*(float64(t)-at.y), float64(t)}
		}
		s.dab(on, thick, grey)
	}
}

// scrawl is a word in a hand: loops that lean and wander.
func (s soiled) scrawl() {
	from := s.somewhere(0.6)
	long, high, grey := 160+200*s.rng.Float64(), 14+16*s.rng.Float64(), 40+70*s.rng.Float64()
	phase, turn := 2*math.Pi*s.rng.Float64(), 0.2*s.rng.NormFloat64()
	sin, cos := math.Sincos(turn)
	for t := 0.0; t < long; t += 0.25 {
		x := t - long/2 + 7*math.Cos(t/5+phase)
		y := high * (math.Sin(t/5+phase) + 0.6*math.Sin(t/23+phase))
		s.dab(point{from.x + x*cos - y*sin, from.y + x*sin + y*cos}, 1.3, grey)
	}
}

// printed is what stands on forms.
var printed = []string{"R. INDEX", "SIGNATURE", "NAME", "DATE", "ROLLED", "OFFICE USE"}

// stamp is a printed word.
func (s soiled) stamp() {
	at, word := s.somewhere(0.6), printed[s.rng.IntN(len(printed))]
	write(s.Gray, int(at.x)-10*len(word), int(at.y), 3, color.Gray{Y: uint8(40 + s.rng.IntN(60))}, word)
}
