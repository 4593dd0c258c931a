package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"cardstation/station"
)

// Order gives one; station.Unknown where there is none.
func (s *Store) Order(ctx context.Context, id string) (o station.Order, err error) {
	err = s.view(ctx, func(t *tx) error { o, err = t.order(id); return err })
	return o, err
}

// Orders gives a page of them and the cursor of the next one, empty after the
// last.
func (s *Store) Orders(ctx context.Context, q station.Query) (page []station.Order, next string, err error) {
	err = s.view(ctx, func(t *tx) error {
		if page, next, err = orders.list(t, q); err != nil {
			return err
		}
		for i := range page {
			page[i].Portrait = t.portrait(page[i].ID)
		}
		return nil
	})
	return page, next, err
}

// PutOrder takes in an order that has come, as pending, with its events. Where
// the ID is known nothing changes. The answer is what is stored under the ID.
func (s *Store) PutOrder(ctx context.Context, o station.Order, events ...station.Event) (stored station.Order, err error) {
	err = s.update(ctx, func(t *tx) error {
		_, _, known, err := orders.find(t, o.ID)
		if err != nil {
			return err
		}
		if known {
			stored, err = t.order(o.ID)
			return err
		}
		stored = o
		stored.State, stored.Card, stored.Attempts, stored.Steps, stored.Receipt, stored.Reason = station.OrderPending, "", 0, nil, nil, ""
		stored.Changed = t.now
		if stored.Created.IsZero() {
			stored.Created = t.now
		}
		if err := t.putOrder(station.Order{}, &stored); err != nil {
			return err
		}
		return t.append(events...)
	})
	return stored, err
}

// UpdateOrder changes an order with the events that change gives, in one
// transaction. change is pure. An order that was claimed lets go of its chip as
// CloseOrder says; claiming and issuing are for Claim and CloseOrder, and an
// issued order changes no more (station.Conflict).
func (s *Store) UpdateOrder(ctx context.Context, id string, change func(*station.Order) ([]station.Event, error)) (o station.Order, err error) {
	err = s.update(ctx, func(t *tx) error {
		old, err := t.order(id)
		if err != nil {
			return err
		}
		o = old
		o.Steps = slices.Clone(old.Steps)
		events, err := change(&o)
		if err != nil {
			return err
		}
		o.ID, o.Changed = old.ID, t.now
		switch {
		case old.State == station.OrderIssued:
			return &station.Error{Kind: station.Conflict, What: "order " + id + " is issued and changes no more"}
		case o.State != old.State && (o.State == station.OrderClaimed || o.State == station.OrderIssued):
			return fmt.Errorf("order %s: state %s is for claiming and closing to set", id, o.State)
		}
		actor := "station"
		if len(events) > 0 {
			actor = events[0].Actor
		}
		if err := t.moveOrder(old, &o, actor); err != nil {
			return err
		}
		return t.append(events...)
	})
	return o, err
}

// Next gives up to n pending orders in the order in which Claim takes them.
func (s *Store) Next(ctx context.Context, n int) (next []station.Order, err error) {
	err = s.view(ctx, func(t *tx) error {
		queue := t.Bucket(bucketQueue).Cursor()
		for _, id := queue.First(); id != nil && len(next) < n; _, id = queue.Next() {
			o, err := t.order(string(id))
			if err != nil {
				return err
			}
			next = append(next, o)
		}
		return nil
	})
	return next, err
}

// Claim binds a pending order to a chip: the one of the highest priority that
// is oldest. A chip that is bound already gives its order back, to be resumed.
// Errors: station.Unknown when no order waits, station.ReplaceCard for a chip
// that was issued or scrapped before.
func (s *Store) Claim(ctx context.Context, chip station.CardID) (o station.Order, err error) {
	if chip == "" {
		return o, &station.Error{Kind: station.ReplaceCard, What: "claim an order", Err: fmt.Errorf("the chip has no identity")}
	}
	err = s.update(ctx, func(t *tx) error { o, err = t.claim(chip); return err })
	return o, err
}

func (t *tx) claim(chip station.CardID) (o station.Order, err error) {
	c, _, known, err := cards.find(t, string(chip))
	if err != nil {
		return o, err
	}
	if known && c.State != station.CardClaimed {
		return o, &station.Error{Kind: station.ReplaceCard, What: fmt.Sprintf("chip %s is %s", chip, c.State), Hint: "take this card out and put a blank in"}
	}
	if known {
		if o, err = t.order(c.OrderID); err == nil && (o.State != station.OrderClaimed || o.Card != chip) {
			err = fmt.Errorf("chip %s is bound to order %s, which does not know it", chip, o.ID)
		}
		return o, err
	}
	_, id := t.Bucket(bucketQueue).Cursor().First()
	if id == nil {
		return o, &station.Error{Kind: station.Unknown, What: "no order waits"}
	}
	old, err := t.order(string(id))
	if err != nil {
		return o, err
	}
	o = old
	o.State, o.Card, o.Changed, o.Steps = station.OrderClaimed, chip, t.now, nil
	o.Attempts++
	if err := t.putOrder(old, &o); err != nil {
		return o, err
	}
	c = station.Card{Format: station.Format, ID: chip, State: station.CardClaimed, OrderID: o.ID, Profile: o.Profile, Changed: t.now}
	if _, err := cards.put(t, &c); err != nil {
		return o, err
	}
	return o, t.append(event(station.OrderWasClaimed, o.ID, "station", map[string]string{"card": string(chip)}))
}

// Step notes that a step is finished on the chip that the order is claimed for.
// The same step again changes nothing. It is evidence: the chip is the truth.
func (s *Store) Step(ctx context.Context, order station.Order, step string) error {
	return s.update(ctx, func(t *tx) error {
		old, err := t.claimed(order)
		if err != nil || slices.Contains(old.Steps, step) {
			return err
		}
		o := old
		o.Steps, o.Changed = append(slices.Clone(old.Steps), step), t.now
		if err := t.putOrder(old, &o); err != nil {
			return err
		}
		return t.append(event(station.OrderStep, o.ID, "station", map[string]string{"card": string(o.Card), "step": step}))
	})
}

// Signed notes that an EF.SOD of this digest (SHA-256, hex) may come to stand on
// the chip that the order is claimed for: CardBySOD then knows it, whatever becomes
// of the chip.
func (s *Store) Signed(ctx context.Context, order station.Order, digest string) error {
	return s.update(ctx, func(t *tx) error {
		old, err := t.claimed(order)
		if err != nil {
			return err
		}
		return t.Bucket(bucketSODs).Put([]byte(digest), []byte(old.Card))
	})
}

// CloseOrder ends what Claim began: it writes the order, its chip and the event
// in one transaction. By the order's state:
//
//	issued     needs a receipt for this chip; the chip is issued. The same again
//	           changes nothing, any other second issue is refused (station.Conflict)
//	pending    the order goes back to its place in the queue, the chip is scrapped
//	failed,    the order waits for a person or is over; a chip on which a step was
//	cancelled  finished is scrapped, another is a blank again
func (s *Store) CloseOrder(ctx context.Context, order station.Order, e station.Event) error {
	return s.update(ctx, func(t *tx) error {
		stored, err := t.order(order.ID)
		if err != nil {
			return err
		}
		if stored.State == station.OrderIssued && order.State == station.OrderIssued && sameIssue(stored, order) {
			return nil
		}
		old, err := t.claimed(order)
		if err != nil {
			return err
		}
		o := old
		o.State, o.Reason, o.Receipt, o.Changed = order.State, order.Reason, order.Receipt, t.now
		switch o.State {
		case station.OrderIssued:
			err = t.issue(old, &o)
		case station.OrderPending, station.OrderFailed, station.OrderCancelled:
			err = t.moveOrder(old, &o, e.Actor)
		default:
			err = fmt.Errorf("order %s cannot be closed as %s", o.ID, o.State)
		}
		if err != nil {
			return err
		}
		return t.append(e)
	})
}

func sameIssue(a, b station.Order) bool {
	return a.Card == b.Card && a.Receipt != nil && b.Receipt != nil && a.Receipt.SOD == b.Receipt.SOD
}

// claimed gives the stored order where it is claimed for the chip that the
// caller has in hand.
func (t *tx) claimed(order station.Order) (station.Order, error) {
	old, err := t.order(order.ID)
	if err == nil && (old.State != station.OrderClaimed || old.Card != order.Card || order.Card == "") {
		err = &station.Error{Kind: station.Conflict, What: fmt.Sprintf("order %s is %s and not bound to chip %q", old.ID, old.State, order.Card),
			Hint: "take the card out: this chip must not be handed on"}
	}
	return old, err
}

// issue closes an order with its card.
func (t *tx) issue(old station.Order, o *station.Order) error {
	r := o.Receipt
	if r == nil || r.Card != o.Card {
		return fmt.Errorf("order %s has no receipt for chip %s", o.ID, o.Card)
	}
	c, err := cards.get(t, string(o.Card))
	if err != nil {
		return err
	}
	c.State, c.Number, c.Document, c.Profile, c.SOD = station.CardIssued, o.Citizen.Number, r.Document, r.Profile, r.SOD
	c.Issued, c.Expiry, c.Changed = r.At.UTC(), o.Expiry, t.now
	if err := t.putCard(c); err != nil {
		return err
	}
	return t.putOrder(old, o)
}

// moveOrder writes an order in another state than claimed or issued, and what
// becomes of the chip that it was bound to.
func (t *tx) moveOrder(old station.Order, o *station.Order, actor string) error {
	if old.State == station.OrderClaimed && o.State != station.OrderClaimed {
		if err := t.letGo(old, o, actor); err != nil {
			return err
		}
		o.Card, o.Steps = "", nil
	}
	return t.putOrder(old, o)
}

func (t *tx) letGo(old station.Order, o *station.Order, actor string) error {
	if o.State != station.OrderPending && len(old.Steps) == 0 {
		return cards.remove(t, string(old.Card))
	}
	c, err := cards.get(t, string(old.Card))
	if err != nil {
		return err
	}
	c.State, c.Reason, c.Changed = station.CardScrapped, o.Reason, t.now
	if err := t.putCard(c); err != nil {
		return err
	}
	return t.append(event(station.CardWasScrapped, string(c.ID), actor, map[string]string{"order": o.ID, "reason": o.Reason}))
}

// order gives one with its portrait, its fingers and its irises.
func (t *tx) order(id string) (station.Order, error) {
	o, err := orders.get(t, id)
	if err == nil {
		o.Portrait = t.portrait(id)
		o.Fingers, err = apart[station.Finger](t, bucketFingers, id)
	}
	if err == nil {
		o.Irises, err = apart[station.Iris](t, bucketIrises, id)
	}
	return o, err
}

// apart reads what is kept of an order in a bucket of its own.
func apart[T any](t *tx, bucket []byte, id string) (all []T, err error) {
	b := t.Bucket(bucket) // a file of before there were any, opened for reading only, has none
	if b == nil {
		return nil, nil
	}
	raw := b.Get([]byte(id))
	if raw == nil {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("%s of order %s: %w", bucket, id, err)
	}
	return all, nil
}

// putApart writes it where it is another.
func putApart[T any](t *tx, bucket []byte, id string, old, all []T) error {
	if reflect.DeepEqual(old, all) {
		return nil
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return t.Bucket(bucket).Put([]byte(id), raw)
}

func (t *tx) portrait(id string) []byte {
	return bytes.Clone(t.Bucket(bucketPortraits).Get([]byte(id)))
}

// putOrder writes an order, its portrait, fingers and irises where they are others, and
// its place in the queue.
func (t *tx) putOrder(old station.Order, o *station.Order) error {
	bare := *o
	bare.Format, bare.Portrait, bare.Fingers, bare.Irises = station.Format, nil, nil, nil
	arrival, err := orders.put(t, &bare)
	if err != nil {
		return err
	}
	if !bytes.Equal(old.Portrait, o.Portrait) {
		if err := t.Bucket(bucketPortraits).Put([]byte(o.ID), o.Portrait); err != nil {
			return err
		}
	}
	if err := putApart(t, bucketFingers, o.ID, old.Fingers, o.Fingers); err != nil {
		return err
	}
	if err := putApart(t, bucketIrises, o.ID, old.Irises, o.Irises); err != nil {
		return err
	}
	if old.State == station.OrderPending {
		if err := t.Bucket(bucketQueue).Delete(place(old, arrival)); err != nil {
			return err
		}
	}
	if o.State != station.OrderPending {
		return nil
	}
	return t.Bucket(bucketQueue).Put(place(*o, arrival), []byte(o.ID))
}

// place sorts the queue: highest priority first, then oldest, then first come.
func place(o station.Order, arrival uint64) []byte {
	key := []byte{byte(9 - min(max(o.Priority, 0), 9))}
	return slices.Concat(key, be64(uint64(max(o.Created.UnixNano(), 0))), be64(arrival))
}

// event makes one that the store tells by itself.
func event(typ station.EventType, subject, actor string, body map[string]string) station.Event {
	raw, err := json.Marshal(body)
	if err != nil { // strings marshal
		panic(err)
	}
	return station.Event{Type: typ, Subject: subject, Actor: actor, Body: raw}
}
