package pcsc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ebfe/scard"

	"cardstation/devices/card"
)

// Session is one chip in a reader, held exclusively: a card.Session and a
// card.Lender. After an error other than a malformed command it is dead, since the
// chip that answers next may be another: every further call gives that error until
// Close. Its methods may be called from several goroutines, one at a time works.
type Session struct {
	reader *Reader
	sc     *scard.Context
	event  scard.StateFlag // insertion count of the chip

	mu     sync.Mutex
	chip   *scard.Card // nil while lent
	atr    []byte
	dead   error
	hung   bool // a stuck call owns context and chip
	closed chan struct{}
}

// open connects; it also follows a Lend.
func (s *Session) open() error {
	chip, err := s.sc.Connect(s.reader.name, scard.ShareExclusive, scard.ProtocolAny)
	if err != nil {
		return err
	}
	status, err := chip.Status()
	if err == nil && chip.ActiveProtocol() != scard.ProtocolT0 && chip.ActiveProtocol() != scard.ProtocolT1 {
		err = scard.ErrProtoMismatch // else the binding would panic at the first command
	}
	if err != nil {
		_ = chip.Disconnect(scard.ResetCard)
		return err
	}
	s.chip, s.atr = chip, status.Atr
	return nil
}

// release lets go of everything; errors are those of a chip that is gone already.
func (s *Session) release() {
	if s.chip != nil {
		_ = s.chip.Disconnect(scard.ResetCard)
		s.chip = nil
	}
	_ = s.sc.Release()
}

// ATR is the answer to reset, as PC/SC has it.
func (s *Session) ATR() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.atr)
}

// errClosed: the session was used after Close.
var errClosed = errors.New("session is closed")

// usable tells why nothing can be sent, nil where it can. s.mu is held.
func (s *Session) usable() error {
	select {
	case <-s.closed:
		return fmt.Errorf("reader %q: %w", s.reader.name, errClosed)
	default:
		return s.dead
	}
}

// fail makes err the session's last word; s.mu is held. Whatever happened, to its
// user the chip is gone, and the error wraps card.ErrGone unless it says
// card.ErrNoAnswer.
func (s *Session) fail(err error) error {
	s.hung = errors.Is(err, ErrHung)
	if !errors.Is(err, card.ErrGone) && !errors.Is(err, card.ErrNoAnswer) {
		err = fmt.Errorf("%w (%w)", err, card.ErrGone)
	}
	s.dead = err
	return err
}

// Exchange is card.Channel's. An error wraps card.ErrNoAnswer where the chip was
// pulled in the middle of the command, else card.ErrGone: it left, was reset or
// swapped before, or, ErrHung, did not answer within the reader's Timeout. No error
// holds anything of the command.
func (s *Session) Exchange(capdu []byte) ([]byte, error) {
	if len(capdu) < 4 {
		return nil, fmt.Errorf("reader %q: %w", s.reader.name, card.ErrCommand)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	// Both are the stuck call's own should it come back late.
	chip, command := s.chip, bytes.Clone(capdu)
	answers := make(chan []byte, 1)
	err := s.reader.guarded("exchange", s.reader.Timeout, func() error {
		answer, err := chip.Transmit(command)
		answers <- bytes.Clone(answer) // the binding's buffer is 64 kB
		return err
	}, s.release)
	if err != nil {
		return nil, s.fail(err)
	}
	answer := <-answers
	if len(answer) < 2 {
		return nil, s.fail(fmt.Errorf("reader %q: exchange: %w", s.reader.name, card.ErrNoAnswer))
	}
	return answer, nil
}

// Lend is card.Lender's: it disconnects, runs f, which may open the reader by its
// name, and connects again to the chip, reset. It fails with card.ErrGone where the
// chip was taken out or swapped meanwhile, and with ErrBusy where f kept the
// reader. When f does not return within LendTimeout, Lend gives ErrHung and f goes
// on alone: what f shares with its caller must bear that.
func (s *Session) Lend(f func(reader string) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if err := s.detach(); err != nil {
		return s.fail(err)
	}
	results := make(chan error, 1)
	err := s.reader.guarded("lend", s.reader.LendTimeout, func() error {
		results <- f(s.reader.name)
		return nil
	}, s.release)
	if err != nil {
		return s.fail(err)
	}
	result := <-results
	if err := s.attach(); err != nil {
		return errors.Join(result, s.fail(err))
	}
	return result
}

func (s *Session) detach() error {
	chip := s.chip
	s.chip = nil
	return s.reader.guarded("disconnect", s.reader.Timeout, func() error {
		return chip.Disconnect(scard.ResetCard)
	}, s.release)
}

// attach connects again after a Lend and makes sure that it is the same chip, with
// no PIN left verified.
func (s *Session) attach() error {
	return s.reader.guarded("connect again", s.reader.Timeout, func() error {
		err := s.open()
		for end := time.Now().Add(patience); errors.Is(err, scard.ErrSharingViolation) && time.Now().Before(end); {
			time.Sleep(poll / 20)
			err = s.open()
		}
		if err != nil {
			return err
		}
		if err := s.chip.Reconnect(scard.ShareExclusive, scard.ProtocolAny, scard.ResetCard); err != nil {
			return err
		}
		state, err := change(context.Background(), s.sc, s.reader.name, scard.StateUnaware, 0)
		if err == nil && state>>16 != s.event {
			err = fmt.Errorf("another chip is in the reader: %w", card.ErrGone)
		}
		return err
	}, s.release)
}

// Close is card.Session's. The chip is not given again by the reader's Wait before
// it was taken out. A chip that hangs is left to the call that is stuck in it.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.usable(), errClosed) {
		return nil
	}
	var err error
	if !s.hung {
		err = s.reader.guarded("close", s.reader.Timeout, func() error { s.release(); return nil }, func() {})
	}
	close(s.closed)
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	s.reader.current = nil
	return err
}
