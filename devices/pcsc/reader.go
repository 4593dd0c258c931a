package pcsc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ebfe/scard"

	"cardstation/devices/card"
)

// Times that a Reader has by default.
const (
	// DefaultTimeout is far above what a chip needs for one command: RSA key
	// generation, the slowest, has been seen to take half a minute.
	DefaultTimeout = 60 * time.Second
	// DefaultLendTimeout bounds what a library does with a lent reader.
	DefaultLendTimeout = 5 * time.Minute
)

// Reader is one PC/SC reader, a card.Reader. Use one Reader a name: what is known
// of the chip in the slot is kept there.
type Reader struct {
	// Timeout is how long one exchange, one connecting or one reset may take before
	// the reader counts as hung. Set it before the first Wait.
	Timeout time.Duration
	// LendTimeout is the same for the whole of a Lend.
	LendTimeout time.Duration

	name string

	mu      sync.Mutex
	stuck   int           // calls that have not returned in their time
	since   time.Time     // when the first of them was given up
	free    chan struct{} // closed when the last of them returns
	given   bool          // the chip that came with event number event was given
	event   scard.StateFlag
	current *Session // open now
	empty   func()   // see WhenEmpty
}

// Open names a reader; nothing is asked of PC/SC before Wait.
func Open(name string) *Reader {
	return &Reader{Timeout: DefaultTimeout, LendTimeout: DefaultLendTimeout, name: name}
}

// Name is the reader's name in PC/SC.
func (r *Reader) Name() string { return r.name }

// WhenEmpty is card.Emptier's; Wait looks.
func (r *Reader) WhenEmpty(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.empty = f
}

// Hung tells whether a call into the reader is stuck, and since when.
func (r *Reader) Hung() (since time.Time, hung bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since, r.stuck > 0
}

// patience is how long Wait waits for a hung reader or a busy chip before it says
// so; it also keeps a caller that tries again from spinning.
const patience = 2 * time.Second

// Wait is card.Reader's. It connects exclusively. Beside ctx's error it returns
// ErrNoReader, ErrNoService, ErrBusy, ErrMute or ErrHung, wrapped; after each of
// them it may be called again. One Session a reader is open at a time: Wait waits
// for the last one's Close.
func (r *Reader) Wait(ctx context.Context) (card.Session, error) {
	s, err := r.wait(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (r *Reader) wait(ctx context.Context) (*Session, error) {
	if err := r.awaitFree(ctx); err != nil {
		return nil, err
	}
	sc, err := scard.EstablishContext()
	if err != nil {
		pause(ctx, patience/4)
		return nil, r.fault("wait for a chip", err)
	}
	s, err := r.first(ctx, sc)
	if err != nil && !errors.Is(err, ErrHung) { // else the stuck call keeps it
		_ = sc.Release()
	}
	return s, err
}

// awaitFree waits until the last Session is closed and no call is stuck.
func (r *Reader) awaitFree(ctx context.Context) error {
	r.mu.Lock()
	free, current := r.free, r.current
	r.mu.Unlock()
	if current != nil {
		select {
		case <-current.closed:
		case <-ctx.Done():
			return ctx.Err()
		}
		return r.awaitFree(ctx)
	}
	if free == nil {
		return ctx.Err()
	}
	select {
	case <-free:
		return r.awaitFree(ctx)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(patience):
		return r.hungError("wait for a chip")
	}
}

// first waits for a chip that was not given before and connects to it.
func (r *Reader) first(ctx context.Context, sc *scard.Context) (*Session, error) {
	seen, refused := scard.StateUnaware, time.Time{}
	for {
		state, err := change(ctx, sc, r.name, seen, poll)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			pause(ctx, patience/4)
			return nil, r.fault("wait for a chip", err)
		}
		seen = state
		if !r.fresh(state) {
			continue
		}
		s, err := r.connect(sc, state)
		again := errors.Is(err, ErrBusy) || errors.Is(err, ErrMute) || errors.Is(err, card.ErrGone)
		if !again {
			return s, err
		}
		if refused.IsZero() {
			refused = time.Now()
		} else if time.Since(refused) > patience {
			return nil, err
		}
		pause(ctx, poll/5)
		seen = scard.StateUnaware
	}
}

// fresh tells whether a state shows a chip that was not given yet. The upper half
// of the state counts insertions and removals (pcsc-lite, SCardGetStatusChange(3)).
func (r *Reader) fresh(state scard.StateFlag) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if state&scard.StatePresent == 0 {
		r.given = false
		if r.empty != nil {
			r.empty()
		}
		return false
	}
	return !r.given || r.event != state>>16
}

// connect opens the chip that state showed.
func (r *Reader) connect(sc *scard.Context, state scard.StateFlag) (*Session, error) {
	s := &Session{reader: r, sc: sc, event: state >> 16, closed: make(chan struct{})}
	err := r.guarded("connect", r.Timeout, s.open, s.release)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given, r.event, r.current = true, s.event, s
	return s, nil
}

// guarded runs f, which may never return. When it has not returned in d, guarded
// gives up with ErrHung; f then keeps what it works on, and late is run when f has
// returned after all.
func (r *Reader) guarded(what string, d time.Duration, f func() error, late func()) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			return r.fault(what, err)
		}
		return nil
	case <-timer.C:
	}
	r.hang()
	go func() {
		<-done
		late()
		r.comeBack()
	}()
	return r.hungError(what)
}

func (r *Reader) hang() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stuck++; r.stuck == 1 {
		r.since, r.free = time.Now(), make(chan struct{})
	}
}

func (r *Reader) comeBack() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stuck--; r.stuck == 0 {
		close(r.free)
		r.since, r.free = time.Time{}, nil
	}
}

func (r *Reader) hungError(what string) error {
	since, _ := r.Hung()
	return fmt.Errorf("reader %q: %s: %w: no answer from the chip since %s", r.name, what, ErrHung, since.Format(time.TimeOnly))
}

// fault names the reader and what was done.
func (r *Reader) fault(what string, err error) error {
	return fmt.Errorf("reader %q: %s: %w", r.name, what, plain(err))
}
