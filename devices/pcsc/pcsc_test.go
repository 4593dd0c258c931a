package pcsc_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ebfe/scard"

	"cardstation/devices/card"
	"cardstation/devices/pcsc"
)

var selectNothing = []byte{0x00, 0xA4, 0x04, 0x0C}

func TestNamesListsTheRigsReaders(t *testing.T) {
	t.Parallel()
	newSlot(t)
	names, err := pcsc.Names()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, shared.Names()) {
		t.Errorf("names %q, want %q", names, shared.Names())
	}
}

func TestWatchTellsTheReadersOnceAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	newSlot(t)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	var told [][]string
	began := time.Now()
	err := pcsc.Watch(ctx, func(names []string) { told = append(told, names) })
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second {
		t.Errorf("watch ended with %v after %v", err, time.Since(began))
	}
	if len(told) != 1 || !slices.Equal(told[0], shared.Names()) {
		t.Errorf("told %q", told)
	}
}

func TestAnExchangeGoesToTheChipAndBack(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	s.insert(echo)
	session := s.mustWait()
	if !bytes.Equal(session.ATR(), atr) {
		t.Errorf("atr %X", session.ATR())
	}
	for _, n := range []int{4, 5, 255, 261, 4096, 65533} {
		capdu := bytes.Repeat([]byte{0xA5}, n)
		answer, err := session.Exchange(capdu)
		if err != nil || !bytes.Equal(answer, echo(capdu)) {
			t.Errorf("%d bytes: %d came back, %v", n, len(answer), err)
		}
	}
	if _, err := session.Exchange(nil); !errors.Is(err, card.ErrCommand) {
		t.Errorf("nothing sent: %v", err)
	}
	if _, err := session.Exchange(selectNothing); err != nil {
		t.Errorf("after a malformed command: %v", err)
	}
}

func TestAChipIsGivenOnceUntilItIsTakenOut(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	pull := s.insert(echo)
	session := s.mustWait()
	if _, err := s.wait(200 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second wait beside an open session: %v", err)
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	if err := session.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := session.Exchange(selectNothing); err == nil {
		t.Error("a closed session takes commands")
	}
	if _, err := s.wait(700 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the same chip again: %v", err)
	}
	pull()
	time.Sleep(3 * presencePoll / 2) // nobody waits: only the count tells of the change
	s.insert(echo)
	s.mustWait()
}

func TestAChipPulledInACommandIsNoAnswerAndThenTheSessionIsDead(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	asked := make(chan struct{})
	pull := s.insert(func([]byte) []byte { close(asked); return nil })
	go func() { <-asked; pull() }()
	session := s.mustWait()
	_, err := session.Exchange(selectNothing)
	if !errors.Is(err, card.ErrNoAnswer) || !strings.Contains(err.Error(), s.Name()) {
		t.Errorf("pulled: %v", err)
	}
	s.insert(echo) // faster than pcscd looks
	if _, err := session.Exchange(selectNothing); !errors.Is(err, card.ErrNoAnswer) {
		t.Errorf("the next chip answers in the old one's session: %v", err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

func TestAChipPulledBetweenCommandsIsGone(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	pull := s.insert(echo)
	session := s.mustWait()
	pull()
	time.Sleep(3 * presencePoll / 2)
	if _, err := session.Exchange(selectNothing); !errors.Is(err, card.ErrGone) && !errors.Is(err, card.ErrNoAnswer) {
		t.Errorf("removed: %v", err)
	} else {
		t.Log(err)
	}
	session.Close()
	s.insert(echo)
	s.mustWait()
}

func TestASwappedChipIsGone(t *testing.T) {
	for _, pause := range []time.Duration{0, presencePoll / 2, 3 * presencePoll} {
		t.Run(pause.String(), func(t *testing.T) {
			t.Parallel()
			s := newSlot(t)
			pull := s.insert(echo)
			session := s.mustWait()
			pull()
			s.insert(func([]byte) []byte { return []byte{0x6F, 0x00} })
			time.Sleep(pause)
			_, err := session.Exchange(selectNothing)
			if !errors.Is(err, card.ErrGone) && !errors.Is(err, card.ErrNoAnswer) {
				t.Errorf("swapped: %v", err)
			}
			t.Log(err)
		})
	}
}

func TestAHungChipIsReportedUntilItComesBack(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	s.Timeout = 100 * time.Millisecond
	release := make(chan struct{})
	pull := s.insert(func([]byte) []byte { <-release; return []byte{0x90, 0x00} })
	session := s.mustWait()
	began := time.Now()
	_, err := session.Exchange(selectNothing)
	if !errors.Is(err, pcsc.ErrHung) || !errors.Is(err, card.ErrGone) || !strings.Contains(err.Error(), s.Name()) {
		t.Errorf("hung: %v", err)
	}
	if time.Since(began) > time.Second {
		t.Errorf("told after %v", time.Since(began))
	}
	if _, hung := s.Hung(); !hung {
		t.Error("not reported as hung")
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.wait(5 * time.Second); !errors.Is(err, pcsc.ErrHung) {
		t.Errorf("wait on a hung reader: %v", err)
	}
	other := newSlot(t)
	other.insert(echo)
	if _, err := other.mustWait().Exchange(selectNothing); err != nil {
		t.Errorf("another reader meanwhile: %v", err)
	}
	close(release)
	pull()
	time.Sleep(3 * presencePoll / 2)
	if _, hung := s.Hung(); hung {
		t.Error("still reported as hung")
	}
	s.insert(echo)
	if _, err := s.mustWait().Exchange(selectNothing); err != nil {
		t.Error(err)
	}
}

func TestALentReaderIsFreeAndComesBackReset(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	s.insert(echo)
	session := s.mustWait()
	lender := card.Over(session).(card.Lender)
	err := lender.Lend(func(reader string) error {
		sc, err := scard.EstablishContext()
		if err != nil {
			return err
		}
		defer sc.Release()
		c, err := sc.Connect(reader, scard.ShareExclusive, scard.ProtocolAny)
		for range 40 { // the tools of other tests look into every reader for a moment
			if !errors.Is(err, scard.ErrSharingViolation) {
				break
			}
			time.Sleep(50 * time.Millisecond)
			c, err = sc.Connect(reader, scard.ShareExclusive, scard.ProtocolAny)
		}
		if err != nil {
			return err
		}
		_, err = c.Transmit(selectNothing)
		return errors.Join(err, c.Disconnect(scard.LeaveCard))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Exchange(selectNothing); err != nil {
		t.Errorf("after lending: %v", err)
	}
	told := errors.New("told")
	if err := lender.Lend(func(string) error { return told }); !errors.Is(err, told) {
		t.Errorf("the borrower's error: %v", err)
	}
	if _, err := session.Exchange(selectNothing); err != nil {
		t.Errorf("after a borrower's error: %v", err)
	}
}

func TestAChipSwappedWhileLentIsGone(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	pull := s.insert(echo)
	session := s.mustWait()
	err := session.(card.Lender).Lend(func(string) error {
		pull()
		time.Sleep(3 * presencePoll / 2)
		s.insert(echo)
		time.Sleep(3 * presencePoll / 2)
		return nil
	})
	if !errors.Is(err, card.ErrGone) {
		t.Errorf("swapped while lent: %v", err)
	}
	if _, err := session.Exchange(selectNothing); !errors.Is(err, card.ErrGone) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestABorrowerThatDoesNotReturnIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	s.LendTimeout = 50 * time.Millisecond
	s.insert(echo)
	session := s.mustWait()
	done := make(chan struct{})
	err := session.(card.Lender).Lend(func(string) error { <-done; return nil })
	if !errors.Is(err, pcsc.ErrHung) {
		t.Errorf("lent for ever: %v", err)
	}
	session.Close()
	close(done)
}

func TestAChipThatAnotherHoldsIsBusy(t *testing.T) {
	t.Parallel()
	s := newSlot(t)
	s.insert(echo)
	session := s.mustWait()
	_, err := pcscWait(pcsc.Open(s.Name()), 6*time.Second)
	if !errors.Is(err, pcsc.ErrBusy) {
		t.Errorf("busy: %v", err)
	}
	if _, err := session.Exchange(selectNothing); err != nil {
		t.Error(err)
	}
}

func TestAReaderThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	newSlot(t)
	_, err := pcscWait(pcsc.Open("no such reader 00 00"), 5*time.Second)
	if !errors.Is(err, pcsc.ErrNoReader) || !strings.Contains(err.Error(), "no such reader") {
		t.Errorf("%v", err)
	}
}

func pcscWait(r *pcsc.Reader, d time.Duration) (card.Session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return r.Wait(ctx)
}

func BenchmarkExchange(b *testing.B) {
	s := newSlot(b)
	s.insert(func([]byte) []byte { return []byte{0x90, 0x00} })
	session := s.mustWait()
	for b.Loop() {
		if _, err := session.Exchange(selectNothing); err != nil {
			b.Fatal(err)
		}
	}
}
