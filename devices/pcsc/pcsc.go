// Package pcsc drives PC/SC readers (PC/SC Workgroup part 5, as pcsc-lite offers
// it): it finds them, waits for chips, and exchanges APDUs with one chip at a time
// in each.
//
// Every Session has a PC/SC context of its own, so that readers neither slow nor
// block each other. A chip that never answers cannot be interrupted by PC/SC: the
// call that is stuck keeps its context, handle and thread, the caller gets an
// error that wraps ErrHung, and the reader counts as hung until the call returns.
package pcsc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ebfe/scard"

	"cardstation/devices/card"
)

// Errors of readers; every error names its reader.
var (
	// ErrNoService: pcscd does not run or may not be spoken to.
	ErrNoService = errors.New("pc/sc service (pcscd) is not available")
	// ErrNoReader: no reader of that name is attached.
	ErrNoReader = errors.New("reader is not attached")
	// ErrBusy: another program holds the chip.
	ErrBusy = errors.New("chip is held by another program")
	// ErrMute: something is in the reader that does not answer to reset.
	ErrMute = errors.New("chip does not answer to reset, it is upside down or broken")
	// ErrHung: a call into the reader has not returned in its time.
	ErrHung = errors.New("reader hangs")
)

// Names lists the readers attached now, none being no error.
func Names() ([]string, error) {
	sc, err := scard.EstablishContext()
	if err != nil {
		return nil, fmt.Errorf("pcsc: list readers: %w", plain(err))
	}
	defer func() { _ = sc.Release() }()
	names, err := list(sc)
	if err != nil {
		return nil, fmt.Errorf("pcsc: list readers: %w", plain(err))
	}
	return names, nil
}

func list(sc *scard.Context) ([]string, error) {
	names, err := sc.ListReaders()
	if errors.Is(err, scard.ErrNoReadersAvailable) {
		return nil, nil
	}
	return names, err
}

// arrivals is pcsc-lite's pseudo reader that changes when a reader is attached or
// detached (SCardGetStatusChange(3)).
const arrivals = `\\?PnP?\Notification`

// poll bounds one call of SCardGetStatusChange: a Cancel that comes just before
// the call is lost, and is made good by the next look at ctx.
const poll = time.Second

// Watch calls changed with the readers attached, once at the start and then at
// every change, until ctx is done, whose error it returns. A pcscd that is away
// counts as no readers, and is looked for again every second.
func Watch(ctx context.Context, changed func(names []string)) error {
	known, told := []string(nil), false
	tell := func(names []string) {
		if !told || !slices.Equal(known, names) {
			known, told = names, true
			changed(slices.Clone(names))
		}
	}
	for ctx.Err() == nil {
		if err := watchOnce(ctx, tell); err != nil {
			tell(nil)
			pause(ctx, poll)
		}
	}
	return ctx.Err()
}

// watchOnce watches through one PC/SC context until that fails or ctx is done.
func watchOnce(ctx context.Context, tell func([]string)) error {
	sc, err := scard.EstablishContext()
	if err != nil {
		return err
	}
	defer func() { _ = sc.Release() }()
	for ctx.Err() == nil {
		names, err := list(sc)
		if err != nil {
			return err
		}
		tell(names)
		if _, err := change(ctx, sc, arrivals, 0, poll); err != nil {
			return err
		}
	}
	return nil
}

// turns lets one goroutine at a time wait for one name: the binding keeps the
// name that C reads in a table by name, and a second wait would free the first's.
var turns = struct {
	sync.Mutex
	of map[string]chan struct{}
}{of: map[string]chan struct{}{}}

func turn(name string) chan struct{} {
	turns.Lock()
	defer turns.Unlock()
	if turns.of[name] == nil {
		turns.of[name] = make(chan struct{}, 1)
	}
	return turns.of[name]
}

// change waits until the state of a reader is another than seen, at most for d,
// and gives the state at the end. ctx cuts it short without an error.
func change(ctx context.Context, sc *scard.Context, name string, seen scard.StateFlag, d time.Duration) (scard.StateFlag, error) {
	mine := turn(name)
	select {
	case mine <- struct{}{}:
		defer func() { <-mine }()
	case <-ctx.Done():
		return seen, nil
	}
	stop := context.AfterFunc(ctx, func() { _ = sc.Cancel() })
	defer stop()
	states := []scard.ReaderState{{Reader: name, CurrentState: seen}}
	err := sc.GetStatusChange(states, d)
	switch {
	case errors.Is(err, scard.ErrTimeout), errors.Is(err, scard.ErrCancelled):
		return seen, nil
	case err != nil:
		return seen, err
	}
	return states[0].EventState &^ scard.StateChanged, nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// plain puts the codes of PC/SC that a caller acts on into our own terms; the
// text of PC/SC stays beside them.
func plain(err error) error {
	var code scard.Error
	if !errors.As(err, &code) {
		return err
	}
	var ours error
	switch code {
	case scard.ErrNoService, scard.ErrServiceStopped, scard.ErrCommError, scard.ErrInvalidHandle, scard.ErrServerTooBusy:
		ours = ErrNoService
	case scard.ErrUnknownReader, scard.ErrReaderUnavailable:
		ours = ErrNoReader
	case scard.ErrSharingViolation:
		ours = ErrBusy
	case scard.ErrUnresponsiveCard, scard.ErrUnsupportedCard, scard.ErrUnpoweredCard, scard.ErrProtoMismatch:
		ours = ErrMute
	case scard.ErrRemovedCard, scard.ErrNoSmartcard, scard.ErrResetCard:
		ours = card.ErrGone
	default:
		return err
	}
	return fmt.Errorf("%w (%s)", ours, strings.TrimPrefix(code.Error(), "scard: "))
}
