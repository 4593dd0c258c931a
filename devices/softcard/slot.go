package softcard

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"cardstation/devices/card"
)

// Slot is a reader in memory: a card.Reader that chips are put into and taken out
// of by program.
type Slot struct {
	name string

	mu      sync.Mutex
	chip    *Chip
	serial  uint64        // counts insertions
	given   uint64        // the insertion last given out by Wait
	changed chan struct{} // closed at every insertion and removal
	empty   func()        // see WhenEmpty
}

// NewSlot makes an empty slot.
func NewSlot(name string) *Slot { return &Slot{name: name, changed: make(chan struct{})} }

// Name is the name the slot was made with.
func (s *Slot) Name() string { return s.name }

// WhenEmpty is card.Emptier's.
func (s *Slot) WhenEmpty(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.empty = f
}

// Insert puts a chip in and powers it; a chip already there is taken out first.
func (s *Slot) Insert(chip *Chip) {
	s.mu.Lock()
	defer s.mu.Unlock()
	chip.Reset()
	s.chip = chip
	s.serial++
	s.wake()
}

// Remove takes the chip out: it loses power, and its Session gives card.ErrGone.
func (s *Slot) Remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chip != nil {
		s.chip.Reset()
	}
	if s.empty != nil {
		s.empty()
	}
	s.chip = nil
	s.serial++
	s.wake()
}

func (s *Slot) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Wait gives the chip in the slot, once for each insertion.
func (s *Slot) Wait(ctx context.Context) (card.Session, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		if s.chip != nil && s.given != s.serial {
			s.given = s.serial
			session := &slotSession{slot: s, chip: s.chip, serial: s.serial}
			s.mu.Unlock()
			return session, nil
		}
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("reader %s: wait for a chip: %w", s.name, ctx.Err())
		}
	}
}

// slotSession is one insertion of a chip.
type slotSession struct {
	slot   *Slot
	chip   *Chip
	serial uint64
	mu     sync.Mutex
	closed bool
}

var errClosed = errors.New("session is closed")

func (s *slotSession) ATR() []byte { return s.chip.ATR() }

func (s *slotSession) Exchange(capdu []byte) ([]byte, error) {
	if err := s.alive(); err != nil {
		return nil, fmt.Errorf("reader %s: %w", s.slot.name, err)
	}
	answer, err := s.chip.Exchange(capdu)
	if err == nil {
		err = s.alive() // taken out while it was thinking: the answer is lost
	}
	if err != nil {
		return nil, fmt.Errorf("reader %s: %w", s.slot.name, err)
	}
	return answer, nil
}

func (s *slotSession) alive() error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	s.slot.mu.Lock()
	defer s.slot.mu.Unlock()
	switch {
	case closed:
		return errClosed
	case s.serial != s.slot.serial:
		return card.ErrGone
	}
	return nil
}

// Close resets the chip.
func (s *slotSession) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.slot.mu.Lock()
	defer s.slot.mu.Unlock()
	if s.serial == s.slot.serial {
		s.chip.Reset()
	}
	return nil
}
