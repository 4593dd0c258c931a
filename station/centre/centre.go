// Package centre is the feed between a station and its centre, and the only
// place that knows NATS. Connect publishes the outbox to a JetStream stream and
// takes orders from another; Local does without a centre: the orders that
// approvals ask for enter the station's own queue.
//
// Either may be stopped and started at any moment. An event is sent at least
// once, with its ID as the message's, and counts as sent only when the stream
// has it on its disk; an order is acknowledged only when the store has it. Both
// ends upsert by ID, so that what comes twice does nothing.
package centre

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cardstation/station"
)

// Outbox holds the events that are not sent yet, across restarts.
type Outbox interface {
	// Pending gives up to n of them, oldest first, and waits until there is one.
	Pending(ctx context.Context, n int) ([]station.Event, error)
	// Sent takes events out by ID, durable once it returns.
	Sent(ctx context.Context, ids ...string) error
}

// Inbox takes orders in.
type Inbox interface {
	// PutOrder is durable once it returns; a known ID changes nothing.
	PutOrder(ctx context.Context, o station.Order, events ...station.Event) (station.Order, error)
}

// lot is how many events are handled at once.
const lot = 64

// Local runs without a centre until ctx is done: the order of each approval
// enters the queue, every other event counts as sent. A store that cannot write
// (station.StopLine) is waited for; any other error ends it.
func Local(ctx context.Context, out Outbox, in Inbox) error {
	for failures := 0; ; failures++ {
		err := hand(ctx, out, in, func() { failures = 0 })
		if ctx.Err() != nil {
			return nil
		}
		if station.KindOf(err) != station.StopLine {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait(failures)):
		}
	}
}

// hand hands orders on until something fails.
func hand(ctx context.Context, out Outbox, in Inbox, worked func()) error {
	for {
		events, err := out.Pending(ctx, lot)
		if err != nil {
			return err
		}
		var done []string
		for _, e := range events {
			if e.Type == station.EnrolmentApproval {
				if err := take(ctx, in, e.Body, e.Actor); err != nil {
					return fmt.Errorf("order of event %d: %w", e.Seq, err)
				}
			}
			done = append(done, e.ID)
		}
		if err := out.Sent(ctx, done...); err != nil {
			return err
		}
		worked()
	}
}

// errForeign means that a message is no order, and will be none the next time.
var errForeign = errors.New("it is no order")

// take puts an order, as JSON, into the queue.
func take(ctx context.Context, in Inbox, raw []byte, actor string) error {
	var o station.Order
	if err := json.Unmarshal(raw, &o); err != nil {
		// what does not fit may be a citizen's: the error's text stays here
		return fmt.Errorf("%w: not the JSON of one", errForeign)
	}
	switch {
	case o.Format > station.Format:
		return fmt.Errorf("%w this station knows: format %d, known is %d", errForeign, o.Format, station.Format)
	case o.ID == "" || o.Profile == "" || o.Citizen.Number == "":
		return fmt.Errorf("%w: ID, profile or citizen is missing", errForeign)
	}
	_, err := in.PutOrder(ctx, o, station.Event{ID: "received-" + o.ID, Type: station.OrderReceived, Subject: o.ID, Actor: actor})
	return err
}
