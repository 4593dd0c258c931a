package enrol

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"cardstation/biometrics"
	"cardstation/personalize/cccd"
	"cardstation/station"
)

// normal is the priority that the desk orders cards with.
const normal = 5

// Finalize ends the work at the desk. It refuses, with the fields and slots
// that are not in order, until all is there and all fingers are the right ones, and then
// until a supervisor has confirmed the missing fingers and those known from before whose
// reasons want it (CallSupervisor). A final enrolment stays as it is.
func (d *Desk) Finalize(ctx context.Context, by station.Person, id string) (station.Enrolment, error) {
	what := "finalize enrolment " + id
	if err := may(by, station.RoleDesk, what); err != nil {
		return station.Enrolment{}, err
	}
	d.final.Lock()
	defer d.final.Unlock()
	seen, err := d.Get(ctx, id)
	if err != nil || seen.State == station.EnrolmentFinal {
		return seen, err
	}
	r, err := d.review(ctx, seen, "", nil)
	if err != nil {
		return seen, err
	}
	prints, err := kept(r.rolls)
	if err != nil {
		return seen, err
	}
	now := d.now()
	var refusal error // what is written is why
	e, err := d.cfg.Store.FinalizeEnrolment(ctx, id, prints, func(e *station.Enrolment) ([]station.Event, error) {
		if e.State == station.EnrolmentFinal {
			return nil, nil
		}
		if err := isOpen(*e, what); err != nil {
			return nil, err
		}
		if !sameCaptures(*e, seen, "") {
			return nil, &station.Error{Kind: station.Conflict, What: what, Err: errChanged, Hint: "look at it again"}
		}
		var events []station.Event
		for _, s := range r.apply(e, "") {
			c, _ := e.Capture(s)
			events = append(events, told(by, id, c))
		}
		if refusal = d.refusal(*e, what); refusal != nil {
			return events, nil
		}
		e.State, e.Final = station.EnrolmentFinal, &station.Word{By: by.Login, At: now}
		touch(e, by, now)
		return append(events, event(station.EnrolmentFinalized, id, by, r.told())), nil
	})
	if err == nil {
		err = refusal
	}
	if err == nil {
		err = d.cfg.Known.Add(id, prints)
	}
	return e, err
}

// refusal says why an enrolment cannot be final now; nil where it can.
func (d *Desk) refusal(e station.Enrolment, what string) error {
	if wrong := d.lacks(e); len(wrong) > 0 {
		return correct(what, wrong)
	}
	if open := doubts(e); len(open) > 0 {
		return &station.Error{Kind: station.CallSupervisor, What: what, Err: errors.New("a supervisor's word is needed"), Fields: open,
			Hint: "a supervisor who did not take or describe them has to decide"}
	}
	return nil
}

// lacks gives what keeps an enrolment from being final, by field or slot.
func (d *Desk) lacks(e station.Enrolment) map[string]string {
	c := e.Citizen
	wrong := d.check(&c)
	if age, ok := d.age(c); ok && age < childAge {
		if len(e.Captures)+len(e.Samples) > 0 {
			wrong["captures"] = "No biometrics are kept of a child under 6: delete this enrolment and open another."
		}
		return wrong
	}
	slots := []station.Slot{}
	for _, f := range station.FingerSlots {
		slots = append(slots, f.Slot)
	}
	there := map[biometrics.Position]bool{} // as the slot that came first says
	for _, slot := range append(slots, station.Portrait) {
		got, ok := e.Capture(slot)
		switch {
		case !ok:
			wrong[string(slot)] = "Not captured yet."
		case got.State == station.CaptureRefused:
			wrong[string(slot)] = joinText(strings.Join(got.Reasons, " "), "Refused: capture it again or call a supervisor.")
		default:
			for _, finger := range fingersOf(slot) {
				here := !slices.ContainsFunc(got.Missing, func(m station.Missing) bool { return m.Position == int(finger) })
				if before, known := there[finger]; known && before != here {
					wrong[string(slot)] = fmt.Sprintf("The %s is said to be missing once and captured once.", finger)
				}
				there[finger] = here
			}
		}
	}
	return wrong
}

// Approve decides that the card is made. The person is a supervisor who wrote
// nothing in the enrolment (Forbidden otherwise). Its event carries the Order.
// The same person's approval again gives the same answer.
func (d *Desk) Approve(ctx context.Context, by station.Person, id, reason string) (station.Enrolment, error) {
	what := "approve enrolment " + id
	if err := may(by, station.RoleSupervisor, what); err != nil {
		return station.Enrolment{}, err
	}
	e, err := d.Get(ctx, id)
	if err != nil {
		return e, err
	}
	if decided(e, by, station.EnrolmentApproved) {
		return e, nil
	}
	if err := decidable(e, by, what); err != nil {
		return e, err
	}
	order, err := d.order(ctx, e, what)
	if err != nil {
		return e, err
	}
	seen := e
	return d.change(ctx, id, func(e *station.Enrolment, now time.Time) ([]station.Event, error) {
		if decided(*e, by, station.EnrolmentApproved) {
			return nil, nil
		}
		if err := decidable(*e, by, what); err != nil {
			return nil, err
		}
		if !reflect.DeepEqual(e.Captures, seen.Captures) || !reflect.DeepEqual(e.Samples, seen.Samples) || e.Citizen != order.Citizen {
			return nil, conflict(what, "it was changed meanwhile", "look at it again")
		}
		e.State, e.Decision, e.OrderID, e.Changed = station.EnrolmentApproved, &station.Word{By: by.Login, At: now, Reason: reason}, order.ID, now
		return []station.Event{event(station.EnrolmentApproval, id, by, order)}, nil
	})
}

// Reject decides that no card is made, and says why. The same person's rejection
// again gives the same answer.
func (d *Desk) Reject(ctx context.Context, by station.Person, id, reason string) (station.Enrolment, error) {
	what := "reject enrolment " + id
	if err := may(by, station.RoleSupervisor, what); err != nil {
		return station.Enrolment{}, err
	}
	if strings.TrimSpace(reason) == "" {
		return station.Enrolment{}, correct(what, map[string]string{"reason": "Say why no card is made."})
	}
	return d.change(ctx, id, func(e *station.Enrolment, now time.Time) ([]station.Event, error) {
		if decided(*e, by, station.EnrolmentRejected) {
			return nil, nil
		}
		if err := decidable(*e, by, what); err != nil {
			return nil, err
		}
		e.State, e.Decision, e.Changed = station.EnrolmentRejected, &station.Word{By: by.Login, At: now, Reason: reason}, now
		return []station.Event{event(station.EnrolmentRejection, id, by, map[string]any{"reason": reason})}, nil
	})
}

// decided tells whether this person has decided so before.
func decided(e station.Enrolment, by station.Person, state string) bool {
	return e.State == state && e.Decision != nil && e.Decision.By == by.Login
}

// decidable tells whether this person may decide on the enrolment now.
func decidable(e station.Enrolment, by station.Person, what string) error {
	if slices.Contains(e.Hands, by.Login) {
		return &station.Error{Kind: station.Forbidden, What: what, Err: errors.New("you wrote in it"), Hint: "a supervisor who had no hand in it has to decide"}
	}
	if e.State != station.EnrolmentFinal {
		return conflict(what, "it is "+e.State, "")
	}
	return nil
}

// order makes the order that an approval asks for, with what is cut out of the
// captures.
func (d *Desk) order(ctx context.Context, e station.Enrolment, what string) (o station.Order, err error) {
	now := d.cfg.Now()
	expiry, err := cccd.Expiry(e.Citizen.BirthDate, now)
	if err != nil {
		return o, &station.Error{Kind: station.Correct, What: what, Err: err}
	}
	o = station.Order{Format: station.Format, ID: "o-" + strings.ToLower(rand.Text()), EnrolmentID: e.ID, State: station.OrderPending, Type: e.Type,
		Priority: normal, Profile: d.cfg.Profile, Citizen: e.Citizen, Issue: now.Format(time.DateOnly), Expiry: expiry, Created: d.now(), Changed: d.now()}
	if _, taken := e.Capture(station.Portrait); !taken {
		return o, nil
	}
	if o.Portrait, _, err = d.portrait(ctx, e); err != nil {
		return o, err
	}
	if o.Fingers, err = d.fingers(ctx, e); err != nil {
		return o, err
	}
	o.Irises, err = d.irises(ctx, e)
	return o, err
}

// portrait makes the picture for DG2 of the enrolment's portrait, and gives the
// digest of the image it was made of.
func (d *Desk) portrait(ctx context.Context, e station.Enrolment) (jpeg []byte, digest string, err error) {
	what := "make the card's picture of enrolment " + e.ID
	c, ok := e.Capture(station.Portrait)
	if !ok || c.Digest == "" {
		return nil, "", conflict(what, "no portrait was captured", "")
	}
	stored, err := d.cfg.Store.Image(ctx, c.Digest)
	if err != nil {
		return nil, "", err
	}
	img, err := biometrics.Decode(stored.Data)
	if err == nil {
		jpeg, err = d.cfg.Portrait(img.Image)
	}
	if err != nil {
		return nil, "", &station.Error{Kind: station.Conflict, What: what, Err: err, Hint: "capture another portrait"}
	}
	return jpeg, c.Digest, nil
}
