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
	"cardstation/station/issue"
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

// swapTime is longer than pcscd takes to see that a card is gone: it looks every
// 400 ms.
const swapTime = 600 * time.Millisecond

// work moves cards until ctx is done.
func (h *hands) work(ctx context.Context, house *house, out io.Writer) {
	m := &mover{hands: h, ctx: ctx, house: house, out: out}
	events := house.db.Watch(ctx, 0)
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				m.clear()
				return
			}
			m.event(e)
		case <-look.C:
			m.again()
		}
	}
}

// mover is what the hand holds: the chip in the line's reader, and how to take out
// what lies where.
type mover struct {
	*hands
	ctx              context.Context
	house            *house
	out              io.Writer
	chip             *softcard.Chip
	atLine, atOffice func()
}

func (m *mover) event(e station.Event) {
	switch e.Type {
	case station.OrderReceived, station.OrderReturned:
		m.blank()
	case station.OrderHasFailed, station.CardWasScrapped:
		m.take()
		m.blankIfWanted()
	case station.OrderWasIssued:
		if m.atLine != nil { // else it is of an earlier life of the demo
			m.layOver(e.Subject)
			m.blankIfWanted()
		}
	}
}

// blank puts a blank into the line's reader where it is empty.
func (m *mover) blank() {
	if m.atLine != nil {
		return
	}
	var err error
	if m.chip, err = softcard.New(softcard.Options{}); err == nil {
		m.atLine, err = m.insert(m.ctx, lineSlot, m.chip)
	}
	m.complain(err)
}

func (m *mover) blankIfWanted() {
	page, _, err := m.house.db.Orders(m.ctx, station.Query{State: station.OrderPending, Limit: 1})
	if err == nil && len(page) > 0 {
		time.Sleep(swapTime)
		m.blank()
	}
}

// take takes the chip out of the line's reader.
func (m *mover) take() {
	if m.atLine != nil {
		m.atLine()
		m.atLine = nil
	}
}

// layOver lays the finished card on the office's reader in place of the one there.
func (m *mover) layOver(orderID string) {
	if m.atOffice != nil {
		m.atOffice()
		m.atOffice = nil
		time.Sleep(swapTime)
	}
	m.take()
	var err error
	if m.atOffice, err = m.insert(m.ctx, officeSlot, m.chip); err != nil {
		m.complain(err)
		return
	}
	if o, err := m.house.db.Order(m.ctx, orderID); err == nil {
		m.lay(o.Card)
		fmt.Fprintf(m.out, "office: the card of order %s lies on %q; its MRZ opens it: %s\n", o.ID, m.names[officeSlot], mrzFlag(o))
	}
}

// again puts the card in once more where the line asks for it.
func (m *mover) again() {
	for _, r := range m.house.line.Status() {
		if m.atLine == nil || r.State != issue.ReaderProblem || time.Since(r.Since) < time.Second {
			continue
		}
		fmt.Fprintf(m.out, "simulated hand: %s; the card is put in once more\n", r.Problem)
		m.take()
		time.Sleep(swapTime)
		var err error
		m.atLine, err = m.insert(m.ctx, lineSlot, m.chip)
		m.complain(err)
	}
}

func (m *mover) complain(err error) {
	if err != nil && m.ctx.Err() == nil {
		fmt.Fprintln(m.out, "simulated hand:", err)
	}
}

func (m *mover) clear() {
	m.take()
	if m.atOffice != nil {
		m.atOffice()
	}
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

// simulatedSensors plays synthetic captures for the console's simulated devices: of one
// person until the last finger was rolled, then of the next, whom the station has not had
// before. They are made when the first is asked for.
func simulatedSensors(seed uint64) func(station.Slot) (capture.Sensor, bool) {
	queue := &simulatedQueue{seed: seed, make: simulatedPerson(seed)}
	return func(s station.Slot) (capture.Sensor, bool) {
		known := s == station.Portrait
		for _, f := range station.FingerSlots {
			known = known || f.Slot == s
		}
		if !known {
			return nil, false
		}
		return queuedSensor{queue, s}, true
	}
}

// simulatedPerson makes a person's sensors once, when they are asked for.
func simulatedPerson(seed uint64) func() map[station.Slot]capture.Sensor {
	return sync.OnceValue(func() map[station.Slot]capture.Sensor {
		all := map[station.Slot]capture.Sensor{}
		for slot, f := range example(seed).frames {
			all[slot] = capture.NewSimulated(time.Now, f)
		}
		return all
	})
}

// simulatedQueue is the person at the simulated desk and those behind.
type simulatedQueue struct {
	mu   sync.Mutex
	seed uint64
	make func() map[station.Slot]capture.Sensor
	done bool // the one at the desk has rolled the last finger
}

// person gives the sensors of who stands at the desk for a slot.
func (q *simulatedQueue) person(s station.Slot) map[station.Slot]capture.Sensor {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.done && s == station.FingerSlots[0].Slot {
		q.seed++
		q.make, q.done = simulatedPerson(q.seed), false
	}
	q.done = q.done || s == station.FingerSlots[len(station.FingerSlots)-1].Slot
	return q.make()
}

// queuedSensor makes the frames when it is used.
type queuedSensor struct {
	queue *simulatedQueue
	slot  station.Slot
}

func (l queuedSensor) Capture(ctx context.Context) (capture.Frame, error) {
	return l.queue.person(l.slot)[l.slot].Capture(ctx)
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
