package finger

import (
	"errors"
	"fmt"
	"image"
	"math"
	"time"

	"cardstation/biometrics"
)

// Roll makes one print out of the frames of a scanner on which a finger rolls, and judges it
// meanwhile. While a finger rolls, its ridges stay where they are on the scanner and what
// touches moves over them: a ridge that lies elsewhere than in the frames before has slid. It
// is not for use by several goroutines at once.
type Roll struct {
	gate   Assessor
	print  *mosaic
	shift  image.Point   // of the ridges, from where they lay at first
	shifts []image.Point // of each frame that touched
	course course
}

// Live is what is known of a roll after a frame.
type Live struct {
	Preview   *image.Gray // the print so far, at 500 ppi
	Touching  bool
	Done      bool    // the finger has left the scanner at the end of a roll
	Width     float64 // of the print so far, mm
	Direction int     // -1 to the left of the picture, 1 to the right, 0 not known yet
	Quality   int     // mean local quality so far, 0..100; see Map
	Advice    string  // one sentence for the person at the scanner
}

// RollPPI is the resolution of what comes of a Roll.
const RollPPI = 500

// What a finger may slide and roll back, in mm. More than mostSlide is a ridge's width of it and
// refuses the roll, although its ridges are brought together; more than leastSlide is said. Of 30
// good rolls of package synth none was refused, of as many with a slide of 6 pixels (0.3 mm) 18,
// with one of 8 pixels 29. TestSlidesAreToldFromGoodRolls measures again, with
// CARDSTATION_HANDS=3. It has not been measured on a real scanner.
const (
	mostSlide  = 0.30
	leastSlide = 0.20
	mostBack   = 2.0
)

// NewRoll begins a roll of one finger. ppi is that of the frames, as in Assessor.
func NewRoll(p biometrics.Position, ppi int) (*Roll, error) {
	if len(p.Fingers()) != 1 {
		return nil, fmt.Errorf("roll %v: not one finger", p)
	}
	return &Roll{gate: Assessor{Position: p, Impression: biometrics.LiveRolled, PPI: ppi}}, nil
}

// Add takes the next frame, taken at a time since any fixed moment. All frames are of one size;
// those of 1000 ppi are halved. An error leaves the roll as it was.
func (r *Roll) Add(frame image.Image, at time.Duration) (Live, error) {
	g, err := grey500(frame, r.gate.PPI)
	if err != nil {
		return Live{}, fmt.Errorf("roll: frame %d: %w", r.course.frames, err)
	}
	switch {
	case r.print == nil && (g.Rect.Dx() < 4*blockSize || g.Rect.Dy() < 4*blockSize):
		return Live{}, fmt.Errorf("roll: frame %d: %d x %d pixels are too small", r.course.frames, g.Rect.Dx(), g.Rect.Dy())
	case r.print == nil:
		r.print = newMosaic(g.Rect.Dx(), g.Rect.Dy(), paper(g))
	case g.Rect != r.print.sofar.Rect:
		return Live{}, fmt.Errorf("roll: frame %d is of %v, the ones before of %v", r.course.frames, g.Rect.Size(), r.print.sofar.Rect.Size())
	}
	touch, ok := touching(g)
	if ok {
		r.lay(g, touch)
	}
	r.course.see(touch, ok, at)
	return r.live(ok), nil
}

// paper is the grey of a frame where nothing touches: that of its lightest tenth.
func paper(g *image.Gray) uint8 {
	var count [256]int
	for y := range g.Rect.Dy() {
		for _, v := range g.Pix[y*g.Stride:][:g.Rect.Dx()] {
			count[v]++
		}
	}
	left := g.Rect.Dx() * g.Rect.Dy() / 10
	for v := 255; v > 0; v-- {
		if left -= count[v]; left < 0 {
			return uint8(v)
		}
	}
	return 0
}

// lay brings the ridges of a frame onto those before and adds it. A frame that has too little in
// common with them is laid where the last one was; one that is unlike them is left out.
func (r *Roll) lay(g *image.Gray, touch mask) {
	if len(r.shifts) > 0 {
		shift, like, overlap := r.print.register(g, touch, r.shift)
		switch {
		case !overlap:
			r.course.apart = true
		case like < leastLike:
			r.course.unlike++
			return
		default:
			r.shift = shift
		}
	}
	r.shifts = append(r.shifts, r.shift)
	r.print.add(g, touch, r.shift)
}

// slide is the farthest that the ridges were from where they lay at first, in mm, in two frames
// one after the other.
func (r *Roll) slide() float64 {
	far := 0.0
	for i := 1; i < len(r.shifts); i++ {
		a, b := r.shifts[i-1], r.shifts[i]
		far = max(far, min(math.Hypot(float64(a.X), float64(a.Y)), math.Hypot(float64(b.X), float64(b.Y))))
	}
	return far * mm
}

// live looks at the print so far.
func (r *Roll) live(touches bool) Live {
	out := Live{Touching: touches, Done: r.course.done(), Direction: r.course.direction}
	out.Preview = image.NewGray(r.print.sofar.Rect)
	copy(out.Preview.Pix, r.print.sofar.Pix)
	f := measure(out.Preview)
	all := fingertips(f.ridges().clean().regions(), f.w)
	if len(all) > 0 {
		out.Width = all[0].width()
		var sum, duty float64
		for _, i := range all[0].cells {
			sum, duty = sum+f.blocks[i].quality(), duty+f.blocks[i].duty
		}
		n := float64(len(all[0].cells))
		out.Quality = int(math.Round(100 * sum / n))
		out.Advice = pressed(duty / n).Text
	}
	faults, advice := r.moved()
	switch {
	case len(faults) > 0:
		out.Advice = faults[0].Text
	case len(advice) > 0:
		out.Advice = advice[0].Text
	case out.Advice != "" && out.Quality > 0 && touches:
	default:
		out.Advice = r.course.next(out.Width >= limitOf(r.gate.Position, r.gate.Impression).width)
	}
	return out
}

// moved is what is to be said of the movement.
func (r *Roll) moved() (faults, advice []biometrics.Fault) {
	c, slide := r.course, r.slide()
	switch {
	case slide > mostSlide, c.unlike > mostUnlike:
		faults = append(faults, biometrics.Fault{Code: "slid", Text: "The finger slid: roll it again without pushing it along."})
	case slide > leastSlide:
		advice = append(advice, biometrics.Fault{Code: "slid", Text: "The finger slid a little: hold it still against the scanner while it rolls."})
	}
	if c.lifted {
		faults = append(faults, biometrics.Fault{Code: "lifted", Text: "The finger left the scanner while it rolled: roll it again in one go."})
	}
	if c.apart {
		faults = append(faults, biometrics.Fault{Code: "too-fast", Text: "The finger rolled too fast for the scanner: roll it again more slowly."})
	}
	if c.reversed {
		advice = append(advice, biometrics.Fault{Code: "rolled-back", Text: "The finger rolled back on its way: roll it in one direction."})
	}
	return faults, advice
}

// Finish gives the whole print at 500 ppi, its judgement and its map. To Assess's faults come slid,
// lifted and too-fast, to its advice slid and rolled-back, and to the components the frames in
// which the finger touched, roll-direction (-1 to the left, 1 to the right), slide in mm and
// roll-time in seconds. A roll without a frame is an error.
func (r *Roll) Finish() (*image.Gray, biometrics.Quality, Map, error) {
	if r.print == nil {
		return nil, biometrics.Quality{}, Map{}, errors.New("roll: no frames")
	}
	gate := r.gate
	gate.PPI = RollPPI
	q, chart, err := gate.Inspect(r.print.sofar)
	if err != nil {
		return nil, q, chart, err
	}
	s := sheet{q: q, merit: float64(q.Score) / 100}
	faults, advice := r.moved()
	s.q.Faults, s.q.Advice = append(s.q.Faults, faults...), append(s.q.Advice, advice...)
	s.note("frames", float64(len(r.shifts)), "")
	s.note("roll-direction", float64(r.course.direction), "")
	s.note("roll-time", (r.course.last - r.course.first).Seconds(), "s")
	s.note("slide", r.slide(), "mm")
	return r.print.sofar, s.result(), chart, nil
}
