package enrol

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"sync"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/station"
)

// Hands holds the finger captures of one enrolment against each other and remembers
// what it read in them, as finger.Hands does. It is never called by two at once.
type Hands interface {
	Check(captures []finger.SequenceCapture) (finger.Findings, error)
	Rolled(biometrics.Position) (finger.Rolled, bool)
}

// mostSeats is how many enrolments stay read: those that were at the desk last. Any
// other is read again from its stored images.
const mostSeats = 8

// seat is an enrolment whose prints stay read.
type seat struct {
	mu    sync.Mutex
	id    string
	hands Hands
	known map[*finger.Print][]Match // of the rolls that were searched for
}

// mostRecalls is how many enrolments are read at once that nobody captures in yet.
const mostRecalls = 2

// Recall has what was captured in an open enrolment read in the background, unless it was at
// the desk before, so that the next capture need not wait for it: after the station was
// started again, say. It returns at once. What cannot be read is told by the next capture.
func (d *Desk) Recall(e station.Enrolment) {
	if e.State != station.EnrolmentOpen || d.seats.has(e.ID) {
		return
	}
	select {
	case d.recalls <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-d.recalls }()
		_, _ = d.review(context.Background(), e, station.Portrait, nil) // of the fingers none is new
	}()
}

// seats are in the order in which they were last used.
type seats struct {
	mu  sync.Mutex
	all []*seat
}

func (s *seats) of(id string, fresh func() Hands) *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	var one *seat
	if i := slices.IndexFunc(s.all, func(o *seat) bool { return o.id == id }); i >= 0 {
		one = s.all[i]
		s.all = slices.Delete(s.all, i, i+1)
	} else {
		one = &seat{id: id, hands: fresh()}
	}
	if s.all = append(s.all, one); len(s.all) > mostSeats {
		s.all = slices.Delete(s.all, 0, 1)
	}
	return one
}

func (s *seats) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.all, func(o *seat) bool { return o.id == id })
}

// review is what the finger captures of an enrolment say about each other, and of whom the
// station had before.
type review struct {
	slots    []station.Slot // that the findings speak of, by index
	findings finger.Findings
	rolls    Rolls
	before   []seenBefore
}

// review looks at what stands in an enrolment, and at the one slot that is new in it:
// picture is what was taken there, nil where its fingers are missing. Without a slot it
// looks at all as for the last time.
func (d *Desk) review(ctx context.Context, e station.Enrolment, slot station.Slot, picture image.Image) (*review, error) {
	r := &review{}
	var captures []finger.SequenceCapture
	for _, f := range station.FingerSlots {
		c, ok := e.Capture(f.Slot)
		if !ok || c.Digest == "" || !finger.Reads(c.PPI) || c.State == station.CaptureRefused && f.Slot != slot {
			continue
		}
		one := finger.SequenceCapture{Position: biometrics.Position(f.Position), Rolled: f.Rolled, PPI: c.PPI, Name: c.Digest,
			Load: func() (image.Image, error) { return d.picture(ctx, c.Digest) }}
		if f.Slot == slot {
			one.Image = picture
		}
		for _, m := range c.Missing {
			one.Missing = append(one.Missing, biometrics.Position(m.Position))
		}
		captures, r.slots = append(captures, one), append(r.slots, f.Slot)
	}
	s := d.seats.of(e.ID, d.cfg.Hands)
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if r.findings, err = s.hands.Check(captures); err != nil {
		return nil, fmt.Errorf("compare the fingers of enrolment %s: %w", e.ID, err)
	}
	r.rolls = Rolls{}
	for i, c := range captures {
		if one, ok := s.hands.Rolled(c.Position); ok && c.Rolled && stands(e, r.slots[i]) {
			r.rolls[c.Position] = one
		}
	}
	matches, err := d.search(ctx, s, r.rolls, slot == "")
	if err == nil {
		r.before, err = d.recognized(ctx, matches)
	}
	if err != nil {
		return nil, fmt.Errorf("look for the fingers of enrolment %s in earlier ones: %w", e.ID, err)
	}
	return r, nil
}

// search looks for the rolls among those that the station had before: each alone, and at
// the end all together.
func (d *Desk) search(ctx context.Context, s *seat, rolls Rolls, end bool) (all []Match, err error) {
	known := map[*finger.Print][]Match{}
	for p, r := range rolls {
		found, ok := s.known[r.Print]
		if !ok || end {
			if found, err = d.cfg.Known.Finger(ctx, p, r); err != nil {
				return nil, err
			}
		}
		known[r.Print] = found
		all = append(all, found...)
	}
	s.known = known
	if end && len(rolls) > 0 {
		together, err := d.cfg.Known.Person(ctx, rolls)
		return append(all, together...), err
	}
	return all, nil
}

// stands tells whether a slot was captured and not refused.
func stands(e station.Enrolment, slot station.Slot) bool {
	c, ok := e.Capture(slot)
	return ok && c.State != station.CaptureRefused
}

// picture reads a stored image.
func (d *Desk) picture(ctx context.Context, digest string) (image.Image, error) {
	stored, err := d.cfg.Store.Image(ctx, digest)
	if err != nil {
		return nil, err
	}
	return biometrics.Decode(stored.Data)
}

// apply writes into the enrolment what was found: the captures that a finding names are
// refused, unless a supervisor's word stands for one of them that was refused for the
// same. What could not be told is noted at them; and at slot, the one that is new,
// what it says of others. It gives the other slots that are refused now.
func (r *review) apply(e *station.Enrolment, slot station.Slot) (refused []station.Slot) {
	if r == nil {
		return nil
	}
	for i := range e.Captures {
		e.Captures[i].Notes = nil
	}
	for _, f := range r.findings {
		var named []station.Slot
		for _, i := range f.Captures {
			named = append(named, r.slots[i])
		}
		if f.Code == finger.CannotTell || settled(*e, named, f.Code) {
			note(e, f.Text, named...)
			continue
		}
		for _, s := range named {
			if refuse(e, s, f.Code, f.Text) && s != slot {
				refused = append(refused, s)
			}
		}
		if slot != "" && !slices.Contains(named, slot) {
			note(e, f.Text, slot)
		}
	}
	recognize(e, r.before)
	return refused
}

// settled tells whether a supervisor has let one of the captures stand that had been
// refused for this.
func settled(e station.Enrolment, slots []station.Slot, code string) bool {
	return slices.ContainsFunc(slots, func(s station.Slot) bool {
		c, _ := e.Capture(s)
		return c.State == station.CaptureOverridden && slices.Contains(c.Codes, code)
	})
}

func note(e *station.Enrolment, text string, slots ...station.Slot) {
	for _, s := range slots {
		if c, ok := e.Capture(s); ok {
			c.Notes = append(slices.Clone(c.Notes), text)
			put(e, c)
		}
	}
}

// refuse has a capture refused for one reason more; it tells whether it stood before.
func refuse(e *station.Enrolment, slot station.Slot, code, text string) bool {
	c, ok := e.Capture(slot)
	if !ok {
		return false
	}
	stood := c.State != station.CaptureRefused
	if stood || code != finger.TooFew && code != finger.TooMany { // the gate has counted the fingers, and said so
		c.Reasons = append(slices.Clone(c.Reasons), text)
	}
	if !slices.Contains(c.Codes, code) {
		c.Codes = append(slices.Clone(c.Codes), code)
	}
	c.State, c.Word = station.CaptureRefused, nil
	put(e, c)
	return stood
}

// told is the event of a capture that was taken or is refused now.
func told(by station.Person, id string, c station.Capture) station.Event {
	typ := station.EnrolmentCaptured
	if c.State == station.CaptureRefused {
		typ = station.EnrolmentRefused
	}
	return event(typ, id, by, map[string]any{"slot": c.Slot, "state": c.State, "attempt": c.Attempts, "quality": c.Quality, "image": c.Digest,
		"device": c.Device, "simulated": c.Simulated, "missing": len(c.Missing), "reasons": c.Reasons, "codes": c.Codes})
}

// errChanged says that an enrolment is no longer what was looked at.
var errChanged = errors.New("it was changed meanwhile")

// sameCaptures tells whether what was looked at is still there, but for one slot.
func sameCaptures(a, b station.Enrolment, but station.Slot) bool {
	key := func(e station.Enrolment) (all []string) {
		for _, c := range e.Captures {
			if c.Slot != but {
				all = append(all, fmt.Sprint(c.Slot, c.State, c.Digest, c.Missing))
			}
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(key(a), key(b))
}
