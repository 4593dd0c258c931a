package issue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"cardstation/personalize/cccd"
	"cardstation/station"
)

// Book keeps orders.
type Book interface {
	// PutOrder takes in an order as pending; where its ID is known nothing changes.
	// The answer is what is stored under the ID.
	PutOrder(ctx context.Context, o station.Order, events ...station.Event) (station.Order, error)
	Order(ctx context.Context, id string) (station.Order, error)
	Orders(context.Context, station.Query) (page []station.Order, next string, err error)
}

// BookKeeper changes orders: change is pure, order and events are one
// transaction.
type BookKeeper interface {
	UpdateOrder(ctx context.Context, id string, change func(*station.Order) ([]station.Event, error)) (station.Order, error)
}

// Queue is the line's queue as its controller works on it.
type Queue struct {
	Book   Book
	Keeper BookKeeper
	Now    func() time.Time
	// Profile refuses the name of a card profile that this line cannot write.
	Profile func(name string) error
	// Portrait makes of a JPEG what goes into DG2, the same each time; an error
	// refuses it.
	Portrait func([]byte) ([]byte, error)
	// Fingers makes of prints of single fingers what goes into DG3, the same each
	// time; an error refuses them.
	Fingers func([]station.Finger) ([]station.Finger, error)
	// Poke tells the line that an order may wait; may be nil.
	Poke func()
}

// Create puts an order into the queue. The same content again gives the same
// answer; other content under a known ID is station.Conflict.
func (q Queue) Create(ctx context.Context, by station.Person, o station.Order) (station.Order, error) {
	if err := orders(by, "order a card"); err != nil {
		return o, err
	}
	if err := q.check(&o); err != nil {
		return o, err
	}
	body, err := json.Marshal(map[string]string{"profile": o.Profile, "type": o.Type})
	if err != nil {
		return o, err
	}
	stored, err := q.Book.PutOrder(ctx, o, station.Event{Format: station.Format, Type: station.OrderReceived, Subject: o.ID, Actor: by.Login, Body: body})
	if err != nil {
		return o, err
	}
	if !sameOrder(stored, o) {
		return stored, &station.Error{Kind: station.Conflict, What: fmt.Sprintf("order %.64q is known with other content", o.ID), Hint: "give the new order an ID of its own"}
	}
	if q.Poke != nil {
		q.Poke()
	}
	return stored, nil
}

// check fills in the dates that are not given and refuses what no card can be
// made of.
func (q Queue) check(o *station.Order) error {
	now := q.Now()
	faults := map[string]string{}
	for _, f := range cccd.Holder(o.Citizen).Check(now) {
		faults[f.Field] = f.Text
	}
	if o.Issue == "" {
		o.Issue = now.Format(time.DateOnly)
	}
	issued, err := time.Parse(time.DateOnly, o.Issue)
	if err != nil {
		faults["issue"] = "is not a calendar date"
	}
	longest, err := cccd.Expiry(o.Citizen.BirthDate, issued)
	switch {
	case err != nil:
		faults["expiry"] = err.Error()
	case o.Expiry == "":
		o.Expiry = longest
	case o.Expiry > longest:
		faults["expiry"] = "is after " + longest + ", the longest that the holder's age allows"
	}
	if expiry, err := time.Parse(time.DateOnly, o.Expiry); err != nil || !expiry.After(issued) {
		faults["expiry"] = "is not a calendar date after the date of issue"
	}
	if err := q.Profile(o.Profile); err != nil {
		faults["profile"] = err.Error()
	}
	if len(o.Portrait) > 0 || !Young(o.Citizen.BirthDate, issued) {
		if o.Portrait, err = q.Portrait(o.Portrait); err != nil {
			faults["portrait"] = err.Error()
		}
	}
	if err := q.checkFingers(o, issued); err != nil {
		faults["fingers"] = err.Error()
	}
	if len(faults) > 0 {
		return &station.Error{Kind: station.Correct, What: fmt.Sprintf("order %.64q cannot be made", o.ID), Fields: faults, Hint: "mend the fields named and send the order again"}
	}
	return nil
}

// checkFingers brings an order's fingers into the form for the chip.
func (q Queue) checkFingers(o *station.Order, issued time.Time) (err error) {
	switch {
	case len(o.Fingers)+len(o.Irises) == 0:
		return nil
	case Young(o.Citizen.BirthDate, issued):
		return errors.New("no fingerprints or irises are kept of a child under 6")
	case len(o.Fingers) == 0:
		return nil
	}
	o.Fingers, err = q.Fingers(o.Fingers)
	return err
}

// Young tells whether a citizen, born on a calendar date, is under 6 on a day: no
// portrait is taken then (Law 26/2023).
func Young(birth string, day time.Time) bool {
	born, err := time.Parse(time.DateOnly, birth)
	return err == nil && day.Before(born.AddDate(6, 0, 0))
}

// sameOrder compares what a client decides on.
func sameOrder(a, b station.Order) bool {
	strip := func(o station.Order) station.Order {
		return station.Order{ID: o.ID, EnrolmentID: o.EnrolmentID, Type: o.Type, Priority: o.Priority, Profile: o.Profile,
			Citizen: o.Citizen, Portrait: o.Portrait, Fingers: o.Fingers, Irises: o.Irises, Issue: o.Issue, Expiry: o.Expiry}
	}
	return reflect.DeepEqual(strip(a), strip(b))
}

// Get gives one order; station.Unknown where there is none.
func (q Queue) Get(ctx context.Context, id string) (station.Order, error) {
	return q.Book.Order(ctx, id)
}

// List gives a page of orders and the cursor of the next one.
func (q Queue) List(ctx context.Context, query station.Query) ([]station.Order, string, error) {
	return q.Book.Orders(ctx, query)
}

// Update gives an order that no chip is bound to yet new content.
func (q Queue) Update(ctx context.Context, by station.Person, o station.Order) (station.Order, error) {
	if err := orders(by, "change order "+o.ID); err != nil {
		return o, err
	}
	if err := q.check(&o); err != nil {
		return o, err
	}
	return q.move(ctx, by, o.ID, station.OrderReceived, "changed", func(old *station.Order) error {
		if old.State != station.OrderPending && old.State != station.OrderFailed {
			return wrongState(*old, "be changed")
		}
		if old.EnrolmentID != "" {
			return &station.Error{Kind: station.Conflict, What: "change order " + old.ID, Hint: "its content was approved at the desk: cancel it and enrol the citizen again"}
		}
		old.Priority, old.Profile, old.Citizen, old.Portrait, old.Fingers, old.Irises, old.Issue, old.Expiry, old.Type = o.Priority, o.Profile, o.Citizen, o.Portrait, o.Fingers, o.Irises, o.Issue, o.Expiry, o.Type
		return nil
	})
}

// Cancel takes an order out of the queue for good; a chip that was being written
// for it is scrapped.
func (q Queue) Cancel(ctx context.Context, by station.Person, id, reason string) (station.Order, error) {
	if err := decided(by, "cancel order "+id, reason, station.RoleSupervisor); err != nil {
		return station.Order{}, err
	}
	return q.move(ctx, by, id, station.OrderWasCancelled, reason, func(o *station.Order) error {
		if o.State == station.OrderIssued || o.State == station.OrderCancelled {
			return wrongState(*o, "be cancelled")
		}
		o.State, o.Reason = station.OrderCancelled, reason
		return nil
	})
}

// Return puts a claimed or failed order back into the queue. The chip that a
// claimed one was bound to is scrapped: it must go to the spoilt ones.
func (q Queue) Return(ctx context.Context, by station.Person, id, reason string) (station.Order, error) {
	if err := decided(by, "return order "+id+" to the queue", reason, station.RoleSupervisor); err != nil {
		return station.Order{}, err
	}
	o, err := q.move(ctx, by, id, station.OrderReturned, reason, func(o *station.Order) error {
		if o.State != station.OrderClaimed && o.State != station.OrderFailed {
			return wrongState(*o, "be returned to the queue")
		}
		o.State, o.Reason = station.OrderPending, reason
		return nil
	})
	if err == nil && q.Poke != nil {
		q.Poke()
	}
	return o, err
}

func (q Queue) move(ctx context.Context, by station.Person, id string, t station.EventType, reason string, change func(*station.Order) error) (station.Order, error) {
	return q.Keeper.UpdateOrder(ctx, id, func(o *station.Order) ([]station.Event, error) {
		if err := change(o); err != nil {
			return nil, err
		}
		return note(t, id, by, reason)
	})
}

func note(t station.EventType, subject string, by station.Person, why string) ([]station.Event, error) {
	body, err := json.Marshal(reason{why})
	return []station.Event{{Format: station.Format, Type: t, Subject: subject, Actor: by.Login, Body: body}}, err
}

func wrongState(o station.Order, what string) error {
	return station.Errorf(station.Conflict, "order %s is %s and cannot %s", o.ID, o.State, what)
}

// orders tells who may order a card without an enrolment at this station: not the
// line, which makes it.
func orders(by station.Person, what string) error {
	if by.Has(station.RoleSupervisor, station.RoleAdmin) {
		return nil
	}
	return &station.Error{Kind: station.Forbidden, What: what, Hint: "a person with the role supervisor may"}
}

func allowed(by station.Person, what string, also ...station.Role) error {
	if by.Has(append(also, station.RoleLine, station.RoleAdmin)...) {
		return nil
	}
	return &station.Error{Kind: station.Forbidden, What: what, Hint: "a person with the role line may"}
}

func decided(by station.Person, what, reason string, also ...station.Role) error {
	if err := allowed(by, what, also...); err != nil {
		return err
	}
	if strings.TrimSpace(reason) == "" {
		return &station.Error{Kind: station.Correct, What: what, Fields: map[string]string{"reason": "say why"}}
	}
	return nil
}
