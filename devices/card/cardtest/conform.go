package cardtest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"cardstation/devices/card"
)

// Bench is a reader under test, empty at first, and the hand that puts a chip
// into it and takes it out.
type Bench struct {
	Reader card.Reader
	// Insert puts a chip in; the same one again each time it is called.
	Insert func()
	// Remove takes it out.
	Remove func()
	// Command is one that the chip answers with data and 9000, always the same,
	// right after its reset.
	Command card.Command
	// Settle is how long the driver may take to see a chip come or go; 0 is a
	// second.
	Settle time.Duration
}

// Conform holds a driver against what card.Reader, card.Session and card.Lender
// promise. open makes a new bench for each part.
func Conform(t *testing.T, open func(t *testing.T) Bench) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*testing.T, Bench)
	}{
		{"an empty reader waits until the context is done", waitsEmpty},
		{"a chip that comes is given with its answer to reset", givesChip},
		{"commands are answered in all four cases", answers},
		{"a chip that went is an error, not an answer", noticesRemoval},
		{"a chip that stays is given once", givesOnce},
		{"a closed session answers nothing", closes},
		{"a lent reader comes back", lends},
	} {
		t.Run(part.name, func(t *testing.T) {
			b := open(t)
			if b.Settle == 0 {
				b.Settle = time.Second
			}
			part.run(t, b)
		})
	}
}

// none makes sure that Wait gives nothing for a while.
func (b Bench) none(t *testing.T, while time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), while)
	defer cancel()
	s, err := b.Reader.Wait(ctx)
	if err == nil {
		_ = s.Close()
		t.Fatal("Wait gave a session where there is no new chip")
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Wait: %v, want the context's error", err)
	}
}

// session waits for the chip that is in the reader.
func (b Bench) session(t *testing.T) card.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), b.Settle+5*time.Second)
	defer cancel()
	s, err := b.Reader.Wait(ctx)
	if err != nil {
		t.Fatalf("Wait with a chip in the reader: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (b Bench) ask(t *testing.T, s card.Session) []byte {
	t.Helper()
	data, err := card.Do(card.Over(s), b.Command)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) == 0 {
		t.Fatalf("%v: no data", b.Command)
	}
	return data
}

func waitsEmpty(t *testing.T, b Bench) {
	if b.Reader.Name() == "" {
		t.Error("the reader has no name")
	}
	start := time.Now()
	b.none(t, 50*time.Millisecond)
	if took := time.Since(start); took > b.Settle+time.Second {
		t.Errorf("Wait took %v to notice that its context was done", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Reader.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait with a cancelled context: %v", err)
	}
}

func givesChip(t *testing.T, b Bench) {
	go func() {
		time.Sleep(20 * time.Millisecond)
		b.Insert()
	}()
	s := b.session(t)
	if atr := s.ATR(); len(atr) < 2 || len(atr) > 33 || atr[0] != 0x3B && atr[0] != 0x3F {
		t.Errorf("answer to reset %X", atr)
	}
	if first, second := b.ask(t, s), b.ask(t, s); !bytes.Equal(first, second) {
		t.Error("the same command was answered in two ways")
	}
}

func answers(t *testing.T, b Bench) {
	b.Insert()
	s := b.session(t)
	for _, c := range []card.Command{
		{INS: 0x04, P1: 0xEE},
		{INS: 0xB0, P1: 0x7F, P2: 0xFF, Ne: card.MaxShortNe},
		{INS: 0xA4, P1: 0x04, Data: make([]byte, card.MaxShortData)},
		{INS: 0xA4, P1: 0x04, Data: make([]byte, 16), Ne: card.MaxShortNe},
		{INS: 0xB0, P1: 0x7F, P2: 0xFF, Ne: card.MaxExtendedNe},
		{INS: 0xA4, P1: 0x04, Data: make([]byte, 4000)},
		{INS: 0xA4, P1: 0x04, Data: make([]byte, 4000), Ne: card.MaxExtendedNe},
	} {
		raw, err := c.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Exchange(raw)
		if err != nil || len(r) < 2 {
			t.Fatalf("%v: answer of %d bytes, %v; want a status word", c, len(r), err)
		}
	}
	b.ask(t, s)
}

func noticesRemoval(t *testing.T, b Bench) {
	b.Insert()
	s := b.session(t)
	before := b.ask(t, s)
	b.Remove()
	time.Sleep(b.Settle)
	if r, err := card.Over(s).Transmit(b.Command); err == nil {
		t.Fatalf("a chip that is gone answered %v", r.SW)
	} else if !errors.Is(err, card.ErrGone) && !errors.Is(err, card.ErrNoAnswer) {
		t.Errorf("%v is neither ErrGone nor ErrNoAnswer", err)
	}
	b.Insert()
	if _, err := card.Over(s).Transmit(b.Command); err == nil {
		t.Error("an old session answers for a chip that was put in after it")
	}
	_ = s.Close()
	if after := b.ask(t, b.session(t)); !bytes.Equal(before, after) {
		t.Error("the chip answers otherwise after it was put in again")
	}
}

func givesOnce(t *testing.T, b Bench) {
	b.Insert()
	s := b.session(t)
	b.ask(t, s)
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	b.none(t, b.Settle+100*time.Millisecond)
	b.Remove()
	time.Sleep(b.Settle)
	b.Insert()
	b.ask(t, b.session(t))
}

func closes(t *testing.T, b Bench) {
	b.Insert()
	s := b.session(t)
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	_ = s.Close()
	if _, err := card.Over(s).Transmit(b.Command); err == nil {
		t.Error("a closed session answered")
	}
}

func lends(t *testing.T, b Bench) {
	b.Insert()
	s := b.session(t)
	l, ok := s.(card.Lender)
	if !ok {
		t.Skip("the driver lends no reader")
	}
	called, want := "", errors.New("the borrower's own")
	if err := l.Lend(func(reader string) error { called = reader; return want }); !errors.Is(err, want) {
		t.Errorf("Lend: %v, want the borrower's error", err)
	}
	if called != b.Reader.Name() {
		t.Errorf("lent %q, not %q", called, b.Reader.Name())
	}
	b.ask(t, s)
}
