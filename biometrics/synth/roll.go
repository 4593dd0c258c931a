package synth

import (
	"image"
	"math"
	"math/rand/v2"
	"time"

	"cardstation/biometrics"
)

// Motion is how a finger is rolled. The zero value is a good roll, from nail to nail, from the
// left of the picture to the right.
type Motion struct {
	Leftward bool
	Slide    float64 // pixels by which the finger slides on the scanner, halfway
	Lift     bool    // it leaves the scanner halfway, for two frames
	Back     bool    // it rolls back by a third, halfway, and then on
	Speed    float64 // of the usual, 2 seconds a roll; 0 is 1
	Share    float64 // of the way from nail to nail, from where it begins; 0 is all
}

// Rolling is the stream of a scanner under a rolling finger.
type Rolling struct {
	Frames []*image.Gray // 800 x 750 pixels at PPI; in the first and the last nothing touches
	Times  []time.Duration
	Whole  *image.Gray // what touches at any time, as one print: what the frames should come to
}

// PNG is a frame as a file.
func (r Rolling) PNG(frame int) []byte { return encode(r.Frames[frame]) }

// frameTime is how long a frame takes: 15 a second.
const frameTime = time.Second / 15

// Roll rolls a single finger over the scanner; other positions give no frames. The press is
// that of Capture's with the same attempt: its rolled print is the same impression, whole.
// Each frame shows what touches then, with specks of its own, stretched a little to the edges
// of the contact, and trembling by some tenths of a pixel.
func (h *Hands) Roll(p biometrics.Position, attempt uint64, m Motion) Rolling {
	if len(p.Fingers()) != 1 || p == biometrics.UnknownFinger {
		return Rolling{}
	}
	f, rng := h.fingers[p], h.chance(p, biometrics.LiveRolled, attempt)
	lay := h.lay(p, true, rng)
	out := Rolling{Whole: newSheet(sheetOf(true))}
	lay.print(out.Whole, f, rng)
	h.sign(out.Whole, p)
	for i, c := range m.contacts(lay, f, rng) {
		g := newSheet(sheetOf(true))
		if c != nil {
			lay.now = c
			lay.print(g, f, rng)
		}
		h.sign(g, p)
		out.Frames, out.Times = append(out.Frames, g), append(out.Times, time.Duration(i)*frameTime)
	}
	return out
}

// contact is the part of a finger that touches at one moment.
type contact struct {
	at, half float64 // its middle and half its width on the finger, in pixels
	slide    point   // of the finger on the scanner
}

// contacts is the course of a roll, nil where nothing touches.
func (m Motion) contacts(p press, f *finger, rng *rand.Rand) []*contact {
	speed, share := m.Speed, m.Share
	if speed == 0 {
		speed = 1
	}
	if share == 0 {
		share = 1
	}
	half := 105 * f.size
	reach := p.a - 0.55*half
	steps := max(2, int(30*share/speed))
	ahead := func(t float64) float64 { // of the way, 0 to 1
		if m.Back && t > 0.5 {
			return max(0.5-(t-0.5)*1.4, min(0.26+(t-0.67)*2.3, 1))
		}
		return t
	}
	out := []*contact{nil, nil}
	turn := 2 * math.Pi * rng.Float64()
	for i := range steps + 1 {
		t := float64(i) / float64(steps)
		c := &contact{at: p.off.x + reach*(2*share*ahead(t)-1), half: half * (0.97 + 0.06*rng.Float64())}
		if m.Leftward {
			c.at = 2*p.off.x - c.at
		}
		slid := m.Slide * min(max((t-0.45)/0.1, 0), 1)
		c.slide = point{0.3*rng.NormFloat64() + slid*math.Cos(turn), 0.3*rng.NormFloat64() + slid*math.Sin(turn)}
		out = append(out, c)
		if m.Lift && i == steps/2 {
			out = append(out, nil, nil)
		}
	}
	return append(out, nil, nil)
}

// touch is how firmly a place touches, rise its height of the finger's half height.
func (c *contact) touch(at point, rise float64) float64 {
	if c == nil {
		return 1
	}
	half := c.half * math.Sqrt(max(0, 1-0.5*rise*rise))
	return min(max((half-math.Abs(at.x-c.at))/14, 0), 1)
}

// stretched is how far the skin is drawn aside at a place, towards the edges of what touches.
func (c *contact) stretched(at point) float64 {
	if c == nil {
		return 0
	}
	return 1.2 * (at.x - c.at) / c.half
}

func (c *contact) moved() point {
	if c == nil {
		return point{}
	}
	return c.slide
}

// within leaves of a box what may touch, of a finger whose middle lies at centre and that is
// turned a little.
func (c *contact) within(box image.Rectangle, centre image.Point) image.Rectangle {
	if c == nil {
		return box
	}
	x, reach := centre.X+int(c.at), int(c.half)+90
	return box.Intersect(image.Rect(x-reach, box.Min.Y, x+reach, box.Max.Y))
}
