package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/pcsc"
	"cardstation/devices/softcard"
	"cardstation/station"
	"cardstation/station/issue"
)

// drivers gives the readers of a machine. Two there are: PC/SC, and memory.
type drivers interface {
	// Watch calls with the names of the readers, at once and at each change, until
	// ctx is done.
	Watch(ctx context.Context, changed func(names []string)) error
	// Open gives a reader that sees the chip that is in it now as newly come.
	Open(name string) card.Reader
}

// pcscReaders are the machine's own, or the private rig's.
type pcscReaders struct{ watchdog time.Duration }

func (pcscReaders) Watch(ctx context.Context, changed func([]string)) error {
	return pcsc.Watch(ctx, changed)
}

// Problem says why no reader can be seen.
func (pcscReaders) Problem() string {
	if _, err := pcsc.Names(); err != nil {
		return err.Error() + ": is pcscd running?"
	}
	return ""
}

func (p pcscReaders) Open(name string) card.Reader {
	r := pcsc.Open(name)
	r.Timeout = p.watchdog
	return r
}

// memoryReaders are slots in memory, without pcscd.
type memoryReaders struct {
	mu    sync.Mutex
	slots map[string]*softcard.Slot
	chips map[string]*softcard.Chip // what is in each
}

func newMemoryReaders(names ...string) *memoryReaders {
	m := &memoryReaders{slots: map[string]*softcard.Slot{}, chips: map[string]*softcard.Chip{}}
	for _, n := range names {
		m.slots[n] = softcard.NewSlot(n)
	}
	return m
}

func (m *memoryReaders) Watch(ctx context.Context, changed func([]string)) error {
	changed(slices.Sorted(maps.Keys(m.slots)))
	<-ctx.Done()
	return nil
}

// Open puts the chip that is in the slot in once more, so that it is seen as
// newly come.
func (m *memoryReaders) Open(name string) card.Reader {
	m.mu.Lock()
	defer m.mu.Unlock()
	if chip := m.chips[name]; chip != nil {
		m.slots[name].Insert(chip)
	}
	return m.slots[name]
}

// insert puts a chip in; what it gives takes it out.
func (m *memoryReaders) insert(name string, chip *softcard.Chip) (out func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slots[name].Insert(chip)
	m.chips[name] = chip
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.slots[name].Remove()
		delete(m.chips, name)
	}
}

// slots shares the readers out between the line and the office.
type slots struct {
	drivers drivers
	office  []string
	line    *issue.Line

	mu   sync.Mutex
	busy map[string]bool // office readers with a verification under way
	all  []string
}

// officeWait is how long a verification waits for its card.
const officeWait = 15 * time.Second

// Session implements verify.Slots: one verification a reader at a time.
func (s *slots) Session(ctx context.Context, reader string) (card.Session, error) {
	s.mu.Lock()
	known, busy := slices.Contains(s.all, reader), s.busy[reader]
	switch {
	case !known:
		s.mu.Unlock()
		return nil, station.Errorf(station.Unknown, "no reader is called %q", reader)
	case !slices.Contains(s.office, reader):
		s.mu.Unlock()
		return nil, &station.Error{Kind: station.Conflict, What: "verify in " + reader, Err: errors.New("the reader writes cards"), Hint: "use a reader of the office, or name this one under office in the configuration"}
	case busy:
		s.mu.Unlock()
		return nil, &station.Error{Kind: station.Conflict, What: "verify in " + reader, Err: errors.New("a verification is under way there"), Hint: "wait for its verdict"}
	}
	s.busy[reader] = true
	s.mu.Unlock()
	waiting, cancel := context.WithTimeout(ctx, officeWait)
	defer cancel()
	session, err := s.drivers.Open(reader).Wait(waiting)
	if err != nil {
		s.free(reader)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, &station.Error{Kind: station.Retry, What: "no card came into " + reader, Hint: "lay the card on the reader and try again"}
		}
		return nil, err
	}
	return &officeSession{session, func() { s.free(reader) }}, nil
}

func (s *slots) free(reader string) {
	s.mu.Lock()
	delete(s.busy, reader)
	s.mu.Unlock()
}

// officeSession frees its reader when it is closed.
type officeSession struct {
	card.Session
	free func()
}

func (o *officeSession) Close() error {
	defer o.free()
	return o.Session.Close()
}

// Status implements api.Readers: the line's readers and the office's.
func (s *slots) Status() []issue.ReaderStatus {
	all := s.line.Status()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.all {
		if slices.Contains(s.office, name) {
			state := issue.ReaderEmpty
			if s.busy[name] {
				state = issue.ReaderReading
			}
			all = append(all, issue.ReaderStatus{Name: name, Use: "office", State: state})
		}
	}
	return all
}

// Problem says why readers that should be there are not; empty where nothing is
// wrong.
func (s *slots) Problem() string {
	if p, ok := s.drivers.(interface{ Problem() string }); ok {
		if why := p.Problem(); why != "" {
			return why
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.office {
		if !slices.Contains(s.all, name) {
			return fmt.Sprintf("the office's reader %q is not attached", name)
		}
	}
	return ""
}

// run keeps one controller on each reader of the line, until ctx is done and
// every controller has put down its card.
func (s *slots) run(ctx context.Context) error {
	var wg sync.WaitGroup
	running := map[string]context.CancelFunc{}
	err := s.drivers.Watch(ctx, func(names []string) {
		s.mu.Lock()
		s.all = names
		s.mu.Unlock()
		for name, stop := range running {
			if !slices.Contains(names, name) {
				stop()
				delete(running, name)
			}
		}
		for _, name := range names {
			if running[name] != nil || slices.Contains(s.office, name) {
				continue
			}
			each, stop := context.WithCancel(ctx)
			running[name] = stop
			wg.Go(func() {
				defer stop()
				s.line.Serve(each, s.drivers.Open(name))
			})
		}
	})
	for _, stop := range running {
		stop()
	}
	wg.Wait()
	return err
}
