package enrol

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"time"

	"cardstation/biometrics"
	"cardstation/devices/capture"
	"cardstation/station"
)

// Capture takes one image of a slot and judges it. Of the fingers, each slot
// waits until those before it are done. missing describes the slot's fingers
// that are not there. A refused image is no error: the answer says so and why. One that
// is accepted may come with advice, and may be taken again.
// Errors: CallSupervisor after three refused images, Retry where the sensor
// gave nothing, unless it says otherwise, Correct where what it gave is no image.
func (d *Desk) Capture(ctx context.Context, by station.Person, id string, slot station.Slot, sensor capture.Sensor, missing []station.Missing) (station.Capture, error) {
	what := fmt.Sprintf("capture %s of enrolment %s", slot, id)
	if err := may(by, station.RoleDesk, what); err != nil {
		return station.Capture{}, err
	}
	e, err := d.Get(ctx, id)
	if err == nil {
		err = d.ready(e, slot, what)
	}
	if err == nil {
		err = describes(slot, missing, false, what)
	}
	if err != nil {
		return station.Capture{}, err
	}
	frame, err := sensor.Capture(ctx)
	if err != nil {
		return station.Capture{}, unable(err, what)
	}
	c, picture, err := d.judge(slot, frame, missing, what)
	if err != nil {
		return station.Capture{}, err
	}
	c.By = by.Login
	return d.settle(ctx, by, id, c, picture, what, station.Image{Media: c.Media, Data: frame.Data})
}

// unable is the error of a sensor that gave nothing, with the sensor's own word on what to
// do, where it has one.
func unable(err error, what string) error {
	kind := station.KindOf(err)
	if kind == station.Internal {
		kind = station.Retry
	}
	return &station.Error{Kind: kind, What: what, Err: err, Hint: cmp.Or(station.HintOf(err), "look after the sensor and capture again")}
}

// judge decodes a frame, holds it against the gate and says what is captured.
func (d *Desk) judge(slot station.Slot, frame capture.Frame, missing []station.Missing, what string) (station.Capture, image.Image, error) {
	img, err := biometrics.Decode(frame.Data)
	if err != nil {
		return station.Capture{}, nil, &station.Error{Kind: station.Correct, What: what, Err: err, Hint: biometrics.Remedy(err)}
	}
	ppi := frame.PPI
	if ppi == 0 {
		ppi = img.PPI
	}
	q, err := d.cfg.Assess(slot, ppi, len(missing)).Assess(img.Image)
	if err != nil {
		return station.Capture{}, nil, &station.Error{Kind: station.Internal, What: what, Err: err}
	}
	size := img.Bounds()
	c := station.Capture{Slot: slot, State: station.CaptureAccepted, Quality: q.Score, Reasons: q.Reasons(), Advice: biometrics.Texts(q.Advice), Media: img.Media,
		Digest: station.Image{Data: frame.Data}.Digest(), Width: size.Dx(), Height: size.Dy(), PPI: ppi, Device: frame.Device, Simulated: frame.Simulated,
		At: frame.At.UTC().Round(0), Missing: missing}
	if frame.At.IsZero() {
		c.At = d.now()
	}
	if slot == station.Portrait && q.Accepted() {
		if _, err := d.cfg.Portrait(img.Image); err != nil {
			c.Reasons = []string{"No picture for the card can be cut out of it: " + err.Error() + "."}
		}
	}
	if len(c.Reasons) > 0 {
		c.State = station.CaptureRefused
	}
	return c, img.Image, nil
}

// settle writes a capture into its enrolment, if it may still be there, and what it
// and those before it say about each other. picture is what was taken; nil for none.
func (d *Desk) settle(ctx context.Context, by station.Person, id string, c station.Capture, picture image.Image, what string, images ...station.Image) (station.Capture, error) {
	for try := 1; ; try++ {
		got, err := d.settleOnce(ctx, by, id, c, picture, what, images)
		if !errors.Is(err, errChanged) || try == station.MaxAttempts {
			return got, err
		}
	}
}

func (d *Desk) settleOnce(ctx context.Context, by station.Person, id string, c station.Capture, picture image.Image, what string, images []station.Image) (station.Capture, error) {
	seen, err := d.Get(ctx, id)
	if err != nil {
		return station.Capture{}, err
	}
	next := c
	var r *review // none of a portrait
	if other, ok := sameImage(seen, c); ok {
		next.State, next.Reasons = station.CaptureRefused, append(slices.Clone(c.Reasons), fmt.Sprintf("This is the very image that was taken for %s.", other))
	} else if c.Slot != station.Portrait {
		with := seen
		with.Captures = slices.Clone(seen.Captures)
		put(&with, c)
		if r, err = d.review(ctx, with, c.Slot, picture); err != nil {
			return station.Capture{}, err
		}
	}
	e, err := d.change(ctx, id, func(e *station.Enrolment, now time.Time) ([]station.Event, error) {
		if err := d.ready(*e, c.Slot, what); err != nil {
			return nil, err
		}
		if !sameCaptures(*e, seen, c.Slot) {
			return nil, &station.Error{Kind: station.Conflict, What: what, Err: errChanged, Hint: "capture it again"}
		}
		next := next // this runs anew where the transaction does
		if before, ok := e.Capture(c.Slot); ok {
			carry(&next, before)
		}
		if next.State != station.CaptureMissing {
			next.Attempts++
		}
		put(e, next)
		refused := r.apply(e, c.Slot)
		countMissing(e)
		touch(e, by, now)
		var events []station.Event
		for _, s := range append([]station.Slot{c.Slot}, refused...) {
			one, _ := e.Capture(s)
			events = append(events, told(by, id, one))
		}
		return events, nil
	}, images...)
	got, _ := e.Capture(c.Slot)
	return got, err
}

// sameImage finds another slot that the same image stands in.
func sameImage(e station.Enrolment, c station.Capture) (station.Slot, bool) {
	i := slices.IndexFunc(e.Captures, func(o station.Capture) bool {
		return o.Slot != c.Slot && o.State != station.CaptureRefused && c.Digest != "" && o.Digest == c.Digest
	})
	if i < 0 {
		return "", false
	}
	return e.Captures[i].Slot, true
}

// Missing describes a slot none of whose fingers can be captured.
func (d *Desk) Missing(ctx context.Context, by station.Person, id string, slot station.Slot, missing []station.Missing) (station.Capture, error) {
	what := fmt.Sprintf("describe missing %s of enrolment %s", slot, id)
	if err := may(by, station.RoleDesk, what); err != nil {
		return station.Capture{}, err
	}
	if err := describes(slot, missing, true, what); err != nil {
		return station.Capture{}, err
	}
	return d.settle(ctx, by, id, station.Capture{Slot: slot, State: station.CaptureMissing, Missing: missing, At: d.now(), By: by.Login}, nil, what)
}

// Override is a supervisor's word that a slot's last image stands although it
// was refused three times, or that its fingers are missing where the reasons want
// that confirmed. It is not for whoever took the image or described the slot.
func (d *Desk) Override(ctx context.Context, supervisor station.Person, id string, slot station.Slot, reason string) (station.Capture, error) {
	what := fmt.Sprintf("override %s of enrolment %s", slot, id)
	if err := may(supervisor, station.RoleSupervisor, what); err != nil {
		return station.Capture{}, err
	}
	if reason == "" {
		return station.Capture{}, correct(what, map[string]string{"reason": "Say why it stands."})
	}
	digest := ""
	if slot == station.Portrait {
		e, err := d.Get(ctx, id)
		if err != nil {
			return station.Capture{}, err
		}
		if _, digest, err = d.portrait(ctx, e); err != nil {
			return station.Capture{}, err
		}
	}
	e, err := d.change(ctx, id, func(e *station.Enrolment, now time.Time) ([]station.Event, error) {
		if err := isOpen(*e, what); err != nil {
			return nil, err
		}
		c, ok := e.Capture(slot)
		switch {
		case !ok || !unconfirmed(c) && (c.State != station.CaptureRefused || c.Attempts < station.MaxAttempts):
			return nil, conflict(what, fmt.Sprintf("it was not refused %d times", station.MaxAttempts), "capture it again first")
		case slot == station.Portrait && c.Digest != digest:
			return nil, conflict(what, "it was captured anew meanwhile", "look at the new image")
		case c.By == supervisor.Login:
			return nil, &station.Error{Kind: station.Forbidden, What: what, Err: errors.New("it is your own work"), Hint: "another supervisor has to decide"}
		}
		c.Word = &station.Word{By: supervisor.Login, At: now, Reason: reason}
		if c.State == station.CaptureRefused {
			c.State = station.CaptureOverridden
		}
		put(e, c)
		e.Changed = now
		return []station.Event{event(station.EnrolmentOverride, id, supervisor, map[string]any{"slot": slot, "state": c.State, "image": c.Digest, "missing": len(c.Missing), "reason": reason,
			"overridden": c.Reasons, "codes": c.Codes})}, nil
	})
	got, _ := e.Capture(slot)
	return got, err
}

// ready tells whether a slot may be captured now.
func (d *Desk) ready(e station.Enrolment, slot station.Slot, what string) error {
	if err := d.takes(e, what); err != nil {
		return err
	}
	if c, ok := e.Capture(slot); ok && c.State == station.CaptureRefused && c.Attempts >= station.MaxAttempts {
		return &station.Error{Kind: station.CallSupervisor, What: what, Err: fmt.Errorf("it was refused %d times", c.Attempts),
			Hint: "a supervisor decides whether the last image stands"}
	}
	if slot == station.Portrait {
		return nil
	}
	for _, f := range station.FingerSlots {
		if f.Slot == slot {
			return nil
		}
		if c, ok := e.Capture(f.Slot); !ok || c.State == station.CaptureRefused {
			return conflict(what, fmt.Sprintf("%s comes first", f.Slot), "capture the fingers in their order")
		}
	}
	return correct(what, map[string]string{"slot": "There is no such slot."})
}

// describes checks what is said of missing fingers: each is one of the slot's,
// said once, and all of them or not all.
func describes(slot station.Slot, missing []station.Missing, all bool, what string) error {
	fingers := fingersOf(slot)
	if len(fingers) == 0 && (all || len(missing) > 0) {
		return correct(what, map[string]string{"missing": "This slot has no fingers."})
	}
	seen := map[int]bool{}
	for _, m := range missing {
		switch {
		case !slices.Contains(fingers, biometrics.Position(m.Position)):
			return correct(what, map[string]string{"missing": fmt.Sprintf("Position %d is not in this slot.", m.Position)})
		case seen[m.Position]:
			return correct(what, map[string]string{"missing": fmt.Sprintf("Position %d stands there twice.", m.Position)})
		case !slices.Contains(station.Presences, m.Presence):
			return correct(what, map[string]string{"missing": "Presence is one of AMPUTATED, BANDAGED, DAMAGED."})
		case len(m.Note) > 500:
			return correct(what, map[string]string{"missing": "A note has at most 500 bytes."})
		}
		seen[m.Position] = true
	}
	if whole := len(fingers) > 0 && len(missing) == len(fingers); whole != all {
		if all {
			return correct(what, map[string]string{"missing": "Describe each finger of the slot, or capture those that are there."})
		}
		return correct(what, map[string]string{"missing": "No finger is left to capture: describe the slot as missing."})
	}
	return nil
}

// fingersOf gives the single fingers of a slot; none for the portrait.
func fingersOf(slot station.Slot) []biometrics.Position {
	for _, f := range station.FingerSlots {
		if f.Slot == slot {
			return biometrics.Position(f.Position).Fingers()
		}
	}
	return nil
}

// put replaces the slot's capture, or adds it.
func put(e *station.Enrolment, c station.Capture) {
	for i := range e.Captures {
		if e.Captures[i].Slot == c.Slot {
			e.Captures[i] = c
			return
		}
	}
	e.Captures = append(e.Captures, c)
}
