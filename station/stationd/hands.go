package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"cardstation/devices/capture"
	"cardstation/devices/pcsc/rig"
	"cardstation/devices/softcard"
	"cardstation/station"
)

// hands are the simulated person of the demo who moves cards: a blank into the
// line's reader when an order waits, the finished card on to the office's.
type hands struct {
	rig     *rig.Rig // one of rig and memory is set
	memory  *memoryReaders
	drivers drivers
	names   []string

	mu     sync.Mutex
	laid   station.CardID // what lies on the office's reader
	change chan struct{}
}

func (h *hands) close() {
	if h.rig != nil {
		h.rig.Close()
	}
}

// insert puts a chip into a reader; what it gives takes the chip out again.
func (h *hands) insert(ctx context.Context, slot int, chip *softcard.Chip) (out func(), err error) {
	if h.rig == nil {
		return h.memory.insert(h.names[slot], chip), nil
	}
	conn, err := h.rig.Dial(slot)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = softcard.Serve(ctx, conn, chip) // ends with the card's removal
	}()
	return func() { stop(); <-gone }, nil
}

// work moves cards until ctx is done.
func (h *hands) work(ctx context.Context, house *house, out io.Writer) {
	var atLine, atOffice func()
	var chip *softcard.Chip
	put := func() {
		if atLine != nil {
			return
		}
		var err error
		if chip, err = softcard.New(softcard.Options{}); err == nil {
			atLine, err = h.insert(ctx, lineSlot, chip)
		}
		if err != nil {
			fmt.Fprintln(out, "simulated hand:", err)
		}
	}
	for e := range house.db.Watch(ctx, 0) {
		switch e.Type {
		case station.OrderReceived, station.OrderReturned:
			put()
		case station.OrderHasFailed, station.CardWasScrapped:
			if atLine != nil {
				atLine()
				atLine = nil
			}
			if waiting(ctx, house) {
				put()
			}
		case station.OrderWasIssued:
			if atLine == nil {
				continue // of an earlier life of the demo
			}
			if atOffice != nil {
				atOffice()
			}
			atLine()
			atLine = nil
			var err error
			if atOffice, err = h.insert(ctx, officeSlot, chip); err != nil {
				fmt.Fprintln(out, "simulated hand:", err)
				continue
			}
			if o, err := house.db.Order(ctx, e.Subject); err == nil {
				h.lay(o.Card)
				fmt.Fprintf(out, "office: the card of order %s lies on %q; its MRZ opens it: %s\n", o.ID, h.names[officeSlot], mrzFlag(o))
			}
			if waiting(ctx, house) {
				put()
			}
		}
	}
	for _, take := range []func(){atLine, atOffice} {
		if take != nil {
			take()
		}
	}
}

// waiting tells whether an order waits for a blank.
func waiting(ctx context.Context, house *house) bool {
	page, _, err := house.db.Orders(ctx, station.Query{State: station.OrderPending, Limit: 1})
	return err == nil && len(page) > 0
}

func (h *hands) lay(c station.CardID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.laid = c
	if h.change != nil {
		close(h.change)
		h.change = nil
	}
}

// waitOffice returns when the card lies on the office's reader.
func (h *hands) waitOffice(ctx context.Context, c station.CardID) error {
	for {
		h.mu.Lock()
		if h.laid == c {
			h.mu.Unlock()
			return nil
		}
		if h.change == nil {
			h.change = make(chan struct{})
		}
		wait := h.change
		h.mu.Unlock()
		select {
		case <-ctx.Done():
			return fmt.Errorf("card %s was not laid on the office's reader: %w", c, ctx.Err())
		case <-wait:
		}
	}
}

// simulatedSensors plays synthetic captures for the console's simulated devices.
// They are made when the first is asked for.
func simulatedSensors(seed uint64) func(station.Slot) (capture.Sensor, bool) {
	make := sync.OnceValue(func() map[station.Slot]capture.Sensor {
		all := map[station.Slot]capture.Sensor{}
		for slot, f := range example(seed).frames {
			all[slot] = capture.NewSimulated(time.Now, f)
		}
		return all
	})
	return func(s station.Slot) (capture.Sensor, bool) {
		known := s == station.Portrait
		for _, f := range station.FingerSlots {
			known = known || f.Slot == s
		}
		if !known {
			return nil, false
		}
		return lazySensor{make, s}, true
	}
}

// lazySensor makes the frames when it is used.
type lazySensor struct {
	make func() map[station.Slot]capture.Sensor
	slot station.Slot
}

func (l lazySensor) Capture(ctx context.Context) (capture.Frame, error) {
	return l.make()[l.slot].Capture(ctx)
}

func stepName(e station.Event) string {
	var body struct {
		Step string `json:"step"`
	}
	if json.Unmarshal(e.Body, &body) != nil {
		return ""
	}
	return body.Step
}
