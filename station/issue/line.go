// Package issue is the line's way: one order, one chip, one receipt. Each reader
// has one controller, which claims an order for the chip in it, writes the chip,
// reads it back as a verifier would, and closes the order. The chip is the truth:
// a card torn out of the reader is put back and the same way is gone again.
package issue

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"cardstation/devices/card"
	"cardstation/personalize"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/station"
)

// Orders is the queue as a line sees it.
type Orders interface {
	// Claim binds the oldest pending order of the highest priority to a chip, or
	// gives back the order that this chip is bound to already. No order:
	// station.Unknown. A chip that is spent: station.ReplaceCard.
	Claim(context.Context, station.CardID) (station.Order, error)
	// Step records that a step is done on the claimed chip: evidence, not truth.
	Step(ctx context.Context, o station.Order, step string) error
	// CloseOrder writes the order in its new state, the chip's state and the
	// event in one transaction; durable once it returns. It refuses to issue an
	// order twice.
	CloseOrder(context.Context, station.Order, station.Event) error
}

// Register remembers every document that was signed for a chip.
type Register interface {
	// Signed notes, durably, that an EF.SOD of this SHA-256 (hex) may come to stand
	// on the order's chip. A card of a chip that is later scrapped is known by it.
	Signed(ctx context.Context, o station.Order, digest string) error
}

// Config is what a Line works with.
type Config struct {
	Orders    Orders
	Register  Register
	Authority personalize.Authority
	// Trust is what the read-back believes, as it now is.
	Trust func() lds.Trust
	// Terminal opens the fingerprints for the read-back; without it, or with one that
	// is over, they are not read back, which the receipt says.
	Terminal *emrtd.Terminal
	Profile  func(name string) (personalize.Profile, error)
	Now      func() time.Time
	Log      *slog.Logger
}

// Line is a set of readers under one controller.
type Line struct {
	cfg  Config
	mu   sync.Mutex
	desk map[string]*ReaderStatus
	fail map[station.CardID]int // refusals of a chip since the start
	poke chan struct{}          // closed and renewed when an order may have come
	fit  time.Time              // until then the authority counts as in order

	ahead foresight
}

// New makes a Line without readers.
func New(cfg Config) *Line {
	return &Line{cfg: cfg, desk: map[string]*ReaderStatus{}, fail: map[station.CardID]int{}, poke: make(chan struct{}), ahead: newForesight()}
}

// ReaderStatus is what a controller sees of one reader.
type ReaderStatus struct {
	Name    string         `json:"name"`
	Use     string         `json:"use"`   // line or office
	State   ReaderState    `json:"state"` // see ReaderState
	Card    station.CardID `json:"card,omitempty"`
	OrderID string         `json:"orderId,omitempty"`
	Step    string         `json:"step,omitempty"` // the last one finished
	Done    int            `json:"done"`
	Total   int            `json:"total"`
	Since   time.Time      `json:"since,omitzero"` // of the line's readers
	Problem string         `json:"problem,omitempty"`
	Hint    string         `json:"hint,omitempty"`
}

// ReaderState is where a reader stands.
type ReaderState string

// Reader states.
const (
	ReaderEmpty   ReaderState = "empty"   // waiting for a blank
	ReaderWriting ReaderState = "writing" // leave the card alone
	ReaderDone    ReaderState = "done"    // take the finished card out
	ReaderIdle    ReaderState = "idle"    // a blank is in, no order waits
	ReaderProblem ReaderState = "problem" // see Problem and Hint
	ReaderStopped ReaderState = "stopped" // leave the card in: the station cannot note it down, see Hint
	ReaderReading ReaderState = "reading" // a verification is under way
)

// Status lists the readers by name.
func (l *Line) Status() []ReaderStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]ReaderStatus, 0, len(l.desk))
	for _, s := range l.desk {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b ReaderStatus) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// Poke tells the readers whose blank waits for an order that one may be there.
func (l *Line) Poke() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.poke)
	l.poke = make(chan struct{})
	l.look()
}

func (l *Line) poked() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.poke
}

func (l *Line) set(reader string, f func(*ReaderStatus)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.desk[reader]
	if s == nil {
		s = &ReaderStatus{Name: reader, Use: "line"}
		l.desk[reader] = s
	}
	f(s)
	s.Since = l.cfg.Now()
}

// pause is how long a reader in trouble is left alone before it is tried again.
const pause = 2 * time.Second

// Serve drives one reader until ctx is done: a reader that fails, hangs or is busy
// is shown with its problem and tried again. The card in the reader when ctx ends
// is left between two steps: it resumes when it is put back.
func (l *Line) Serve(ctx context.Context, r card.Reader) {
	l.set(r.Name(), func(s *ReaderStatus) { *s = ReaderStatus{Name: s.Name, Use: s.Use, State: ReaderEmpty} })
	var beside sync.WaitGroup
	beside.Go(func() { l.foresee(ctx) })
	defer func() {
		beside.Wait()
		l.leave(r.Name())
	}()
	if e, ok := r.(card.Emptier); ok {
		e.WhenEmpty(func() {
			l.set(r.Name(), func(s *ReaderStatus) { *s = ReaderStatus{Name: s.Name, Use: s.Use, State: ReaderEmpty} })
		})
	}
	for ctx.Err() == nil {
		session, err := r.Wait(ctx)
		if err != nil {
			if ctx.Err() == nil {
				l.trouble(r.Name(), err)
				sleep(ctx, pause)
			}
			continue
		}
		l.set(r.Name(), func(s *ReaderStatus) { *s = ReaderStatus{Name: s.Name, Use: s.Use, State: ReaderIdle} })
		l.serveSession(ctx, r.Name(), session)
		if err := session.Close(); err != nil {
			l.cfg.Log.Warn("reader did not let go of its card", "reader", r.Name(), "err", err)
		}
		l.look()
	}
}

// leave takes a reader off the line. With the last one goes what was made ahead.
func (l *Line) leave(reader string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.desk, reader)
	if len(l.desk) == 0 {
		l.ahead.keep(func(string, foreseen) bool { return false })
	}
}

// serveSession serves one chip. Where the station could not note down what the
// chip holds, the chip stays in hand and the reader stopped until it can: the same
// way is gone again, nothing is written twice.
func (l *Line) serveSession(ctx context.Context, reader string, session card.Session) {
	for {
		err := l.serveChip(ctx, reader, session)
		if err == nil {
			return
		}
		l.trouble(reader, err)
		if station.KindOf(err) != station.StopLine || !sleep(ctx, pause) {
			return
		}
	}
}

// sleep tells whether d passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (l *Line) trouble(reader string, err error) {
	l.cfg.Log.Warn("reader in trouble", "reader", reader, "err", err)
	l.set(reader, func(s *ReaderStatus) {
		s.State, s.Problem, s.Hint = ReaderProblem, err.Error(), station.HintOf(err)
		if station.KindOf(err) == station.StopLine {
			s.State = ReaderStopped
		}
	})
}

// serveChip issues the chip, waiting for an order where none is there yet.
func (l *Line) serveChip(ctx context.Context, reader string, session card.Session) error {
	c := card.Over(session)
	for waited := false; ; waited = true {
		wake := l.poked()
		_, err := l.Issue(ctx, reader, c)
		if waited && station.KindOf(err) == station.Retry && (errors.Is(err, card.ErrGone) || errors.Is(err, card.ErrNoAnswer)) && !l.claimed(reader) {
			l.set(reader, func(s *ReaderStatus) { *s = ReaderStatus{Name: s.Name, Use: s.Use, State: ReaderEmpty} })
			return nil // a blank that waited was taken out
		}
		if err == nil || station.KindOf(err) != station.Unknown {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-time.After(time.Second): // and to notice that the chip was taken out
		}
	}
}

// claimed tells whether the chip in the reader is bound to an order.
func (l *Line) claimed(reader string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.desk[reader]
	return s != nil && s.OrderID != ""
}
