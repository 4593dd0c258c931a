package main

import (
	"context"
	"crypto"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/softcard"
	"cardstation/personalize"
	"cardstation/personalize/lds"
	"cardstation/station"
	"cardstation/station/issue"
	"cardstation/station/verify"
)

// countedSigner counts the documents that are signed.
type countedSigner struct {
	crypto.Signer
	n atomic.Int32
}

func (s *countedSigner) Sign(rand io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	s.n.Add(1)
	return s.Signer.Sign(rand, digest, o)
}

// foreseeing serves one slot, and tells when the queue was looked at.
type foreseeing struct {
	*lineForTest
	signer *countedSigner
	slot   *softcard.Slot
	stop   func()
}

func newForeseeing(t *testing.T) *foreseeing {
	f := &foreseeing{lineForTest: newLineForTest(t), slot: softcard.NewSlot("ahead")}
	f.signer = &countedSigner{Signer: f.keys.authority.Document.Signer}
	f.keys.authority.Document.Signer = f.signer
	f.line = issue.New(issue.Config{Orders: f.db, Register: f.db, Authority: f.keys.authority, Trust: f.keys.trust,
		Profile: personalize.LoadProfile, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { f.line.Serve(ctx, f.slot) })
	f.stop = func() { cancel(); serving.Wait() }
	t.Cleanup(f.stop)
	return f
}

// quiet waits until no document was signed for a while, and forgets those that were.
func (f *foreseeing) quiet() (signed int32) {
	for now := f.signer.n.Load(); ; now = f.signer.n.Load() {
		time.Sleep(150 * time.Millisecond)
		if f.signer.n.Load() == now {
			f.signer.n.Store(0)
			return now
		}
	}
}

// issue puts a chip in until its order is issued.
func (f *foreseeing) issue(o station.Order) *softcard.Chip {
	f.t.Helper()
	chip := blankChip(f.t)
	f.slot.Insert(chip)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		done, err := f.db.Order(f.t.Context(), o.ID)
		if err != nil || time.Now().After(end) {
			f.t.Fatalf("order %s is %s (%v), line %v", o.ID, done.State, err, f.line.Status())
		}
		if done.State == station.OrderIssued {
			break
		}
	}
	f.slot.Remove()
	return chip
}

// A document is signed before its blank is there, and not again when it is; an order
// that was changed meanwhile is not written as it was.
func TestDocumentIsSignedBeforeItsBlankIsThere(t *testing.T) {
	f := newForeseeing(t)
	f.quiet()
	o := f.order(portraitForTest())
	f.line.Poke()
	if n := f.quiet(); n != 1 {
		t.Fatalf("%d documents were signed for one order that waits", n)
	}
	chip := f.issue(o)
	if n := f.quiet(); n != 0 {
		t.Errorf("%d documents were signed while the card was in the reader", n)
	}
	if err := f.issuedOnce(o, chip); err != nil {
		t.Error(err)
	}
	changed := f.order(portraitForTest())
	f.line.Poke()
	f.quiet()
	want, err := f.db.UpdateOrder(t.Context(), changed.ID, func(o *station.Order) ([]station.Event, error) {
		o.Citizen.Name = "Trần Thị Bình"
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	chip = f.issue(changed)
	if v := f.judge(want, chip); v.Outcome != station.Valid || v.Holder.Name != want.Citizen.Name {
		t.Errorf("%s: the card is %q's, the order %q's", v.Outcome, v.Holder.Name, want.Citizen.Name)
	}
}

// Two chips of one order have different keys, though one plan was made ahead; and
// what was made ahead goes when the line stops.
func TestTwoChipsOfOneOrderHaveDifferentKeys(t *testing.T) {
	f := newForeseeing(t)
	o := f.order(portraitForTest())
	f.line.Poke()
	f.quiet()
	torn := blankChip(t)
	torn.TearAt(40, true)
	f.slot.Insert(torn)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if s := f.line.Status(); len(s) == 1 && s[0].Problem != "" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the tear is not seen: %v", f.line.Status())
		}
	}
	f.slot.Remove()
	if _, err := f.db.UpdateOrder(t.Context(), o.ID, func(o *station.Order) ([]station.Event, error) {
		o.State, o.Reason = station.OrderPending, "the chip is lost"
		return nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	f.line.Poke()
	f.quiet()
	good := f.issue(o)
	torn.TearAt(0, false)
	keys := map[string]bool{}
	for _, chip := range []*softcard.Chip{torn, good} {
		chip.Reset()
		_, files, err := verify.Judge(t.Context(), card.Over(chip), keyOf(o), f.keys.trust(), nil, time.Now)
		if err != nil || len(files[lds.DG15]) == 0 {
			t.Fatalf("no DG15 is read: %v", err)
		}
		keys[string(files[lds.DG15])] = true
	}
	if len(keys) != 2 {
		t.Error("two chips have the same active authentication key")
	}
	f.quiet()
	f.order(portraitForTest())
	f.line.Poke()
	f.quiet()
	f.stop()
	f.signer.n.Store(0)
	if _, err := f.line.Issue(t.Context(), "after", card.Over(blankChip(t))); err != nil || f.signer.n.Load() == 0 {
		t.Errorf("after the line stopped: %v, %d documents signed", err, f.signer.n.Load())
	}
}
