package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/softcard"
	"cardstation/personalize"
	"cardstation/personalize/cccd"
	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/issue"
	"cardstation/station/store"
	"cardstation/station/verify"
)

// lineForTest is a line with a real store and demo keys.
type lineForTest struct {
	t    testing.TB
	dir  string // of its keys
	db   *store.Store
	keys lineKeys
	line *issue.Line
	n    int
}

func newLineForTest(t testing.TB) *lineForTest {
	t.Helper()
	dir := t.TempDir()
	if err := pki.InitDemo(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	keys, err := loadKeys(keyFolder{dir: filepath.Join(dir, "keys")})
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(filepath.Join(dir, "station.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &lineForTest{t: t, dir: filepath.Join(dir, "keys"), db: db, keys: keys, line: newLine(db, keys)}
}

// ledger is the store as a line uses it.
type ledger interface {
	issue.Orders
	issue.Register
}

// newLine is a line after a start: it remembers nothing.
func newLine(db ledger, keys lineKeys) *issue.Line {
	return issue.New(issue.Config{Orders: db, Register: db, Authority: keys.authority, Trust: keys.trust, Profile: personalize.LoadProfile,
		Now: time.Now, Log: slog.New(slog.DiscardHandler)})
}

var portraitForTest = func() []byte {
	jpeg, err := portraitFor(example(1).frames[station.Portrait].Data)
	if err != nil {
		panic(err)
	}
	return jpeg
}

// order puts a new order into the queue.
func (l *lineForTest) order(portrait []byte) station.Order {
	l.t.Helper()
	l.n++
	today := time.Now()
	o := station.Order{Format: station.Format, ID: fmt.Sprintf("o-%d", l.n), Profile: "softcard", Type: "FIRST_ISSUANCE",
		Citizen: station.Citizen(cccd.Example(uint64(l.n))), Portrait: portrait, Issue: today.Format(time.DateOnly), Expiry: today.AddDate(10, 0, 0).Format(time.DateOnly)}
	stored, err := l.db.PutOrder(l.t.Context(), o)
	if err != nil {
		l.t.Fatal(err)
	}
	return stored
}

// insert puts the chip in and lets the line have it once.
func (l *lineForTest) insert(slot *softcard.Slot, chip *softcard.Chip) error {
	slot.Insert(chip)
	defer slot.Remove()
	s, err := slot.Wait(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	defer s.Close()
	_, err = l.line.Issue(l.t.Context(), slot.Name(), card.Over(s))
	return err
}

// issuedOnce holds store, chip and verdict against each other.
func (l *lineForTest) issuedOnce(o station.Order, chip *softcard.Chip) error {
	done, err := l.db.Order(l.t.Context(), o.ID)
	if err != nil || done.State != station.OrderIssued || done.Attempts != 1 {
		return fmt.Errorf("order is %s after %d chips (%v)", done.State, done.Attempts, err)
	}
	c, err := l.db.Card(l.t.Context(), done.Card)
	if err != nil || c.State != station.CardIssued || c.OrderID != o.ID {
		return fmt.Errorf("card is %q for order %q (%v)", c.State, c.OrderID, err)
	}
	chip.Reset()
	v, _, err := verify.Judge(l.t.Context(), card.Over(chip), keyOf(done), l.keys.trust(), l.db, time.Now)
	if err != nil || v.Outcome != station.Valid {
		return fmt.Errorf("verdict %s %v (%v)", v.Outcome, v.Checks, err)
	}
	return nil
}

// Every command of an issue is torn, before and after it took effect. The same
// chip put back ends issued, once, with the same order and the same citizen; a
// station that was restarted meanwhile knows it as well.
func TestTornAtEveryCommandEndsIssuedOnce(t *testing.T) {
	l := newLineForTest(t)
	portrait := portraitForTest()
	slot := softcard.NewSlot("tear")
	torn := 0
	for n := 1; ; n++ {
		reached := false
		for _, after := range []bool{false, true} {
			l.line = newLine(l.db, l.keys)
			o, chip := l.order(portrait), blankChip(t)
			chip.TearAt(n, after)
			err := l.insert(slot, chip)
			if err != nil {
				reached = true
				torn++
				if kind := station.KindOf(err); kind != station.Retry || !errors.Is(err, card.ErrGone) {
					t.Fatalf("command %d, after effect %v: %v (%v)", n, after, err, kind)
				}
				if err := l.insert(slot, chip); err != nil {
					t.Fatalf("command %d, after effect %v, put back: %v", n, after, err)
				}
			}
			chip.TearAt(0, false)
			if err := l.issuedOnce(o, chip); err != nil {
				t.Fatalf("command %d, after effect %v: %v", n, after, err)
			}
		}
		if !reached {
			t.Logf("%d tears over %d commands, each ended issued once", torn, n-1)
			break
		}
	}
	if torn < 100 {
		t.Errorf("only %d tears: the chip was hardly touched", torn)
	}
	if _, err := l.db.Audit(t.Context()); err != nil {
		t.Error(err)
	}
}

// refusing answers the n-th command from now, and all after it, with a status.
type refusing struct {
	card.Channel
	n      int
	answer []byte
}

func (r *refusing) Exchange(command []byte) ([]byte, error) {
	if r.n--; r.n < 0 {
		return r.answer, nil
	}
	return r.Channel.Exchange(command)
}

// A chip that refuses is tried twice, then scrapped; its order is issued on the
// next blank, and the scrapped chip is taken no more.
func TestRefusingChipIsScrappedAndItsOrderIssuedOnAnother(t *testing.T) {
	l := newLineForTest(t)
	portrait := portraitForTest()
	whole := &tape{Chip: blankChip(t)}
	l.order(portrait)
	if _, err := l.line.Issue(t.Context(), "good", card.Over(whole)); err != nil {
		t.Fatal(err)
	}
	for _, part := range []int{20, 10, 5, 3, 2} {
		n := len(whole.recorded) / part
		o, chip := l.order(portrait), blankChip(t)
		var err error
		for range 2 {
			chip.Reset()
			_, err = l.line.Issue(t.Context(), "bad", card.Over(&refusing{chip, n, []byte{0x69, 0x85}}))
			if err == nil {
				t.Fatalf("after %d commands: issued in spite of refusals", n)
			}
		}
		if kind := station.KindOf(err); kind != station.ReplaceCard {
			t.Fatalf("after %d commands: %v (%v)", n, err, kind)
		}
		if station.HintOf(err) == "" {
			t.Errorf("after %d commands: no word to the controller: %v", n, err)
		}
		chip.Reset()
		if _, err := l.line.Issue(t.Context(), "bad", card.Over(chip)); station.KindOf(err) != station.ReplaceCard {
			t.Errorf("a scrapped chip is taken again: %v", err)
		}
		good := blankChip(t)
		if _, err := l.line.Issue(t.Context(), "good", card.Over(good)); err != nil {
			t.Fatal(err)
		}
		done, err := l.db.Order(t.Context(), o.ID)
		if err != nil || done.State != station.OrderIssued || done.Attempts != 2 {
			t.Errorf("order %s is %s after %d chips (%v)", o.ID, done.State, done.Attempts, err)
		}
	}
}

// failing is a store that fails at one call: before it persisted, or after.
type failing struct {
	*store.Store
	after bool
	times int
}

var errDisk = &station.Error{Kind: station.StopLine, What: "write the store", Err: errors.New("no space left on device")}

func (f *failing) CloseOrder(ctx context.Context, o station.Order, e station.Event) error {
	if f.times--; f.times < 0 {
		return f.Store.CloseOrder(ctx, o, e)
	}
	if f.after {
		if err := f.Store.CloseOrder(ctx, o, e); err != nil {
			return err
		}
	}
	return errDisk
}

// A store that cannot note the issue down, or did and could not say so, stops the
// line; the same card then ends issued once.
func TestStoreThatFailsAtTheReceiptStopsTheLineAndIssuesOnce(t *testing.T) {
	for _, after := range []bool{false, true} {
		l := newLineForTest(t)
		line := newLine(&failing{l.db, after, 1}, l.keys)
		o, chip := l.order(portraitForTest()), blankChip(t)
		if _, err := line.Issue(t.Context(), "r", card.Over(chip)); station.KindOf(err) != station.StopLine {
			t.Fatalf("persisted %v: %v", after, err)
		}
		chip.Reset()
		_, err := line.Issue(t.Context(), "r", card.Over(chip))
		if after && station.KindOf(err) != station.ReplaceCard || !after && err != nil {
			t.Fatalf("persisted %v, again: %v", after, err)
		}
		if err := l.issuedOnce(o, chip); err != nil {
			t.Errorf("persisted %v: %v", after, err)
		}
	}
}

// A chip that was finished and then scrapped, because its order was returned or
// cancelled, is no valid card: there is one valid card for an order, or none.
func TestFinishedButScrappedChipIsNotValid(t *testing.T) {
	l := newLineForTest(t)
	portrait := portraitForTest()
	slot := softcard.NewSlot("scrap")
	for _, end := range []string{station.OrderPending, station.OrderCancelled} {
		o, spoilt := l.order(portrait), blankChip(t)
		line := newLine(&failing{l.db, false, 1}, l.keys) // written to the end, not noted down
		if _, err := line.Issue(t.Context(), "r", card.Over(spoilt)); station.KindOf(err) != station.StopLine {
			t.Fatal(err)
		}
		_, err := l.db.UpdateOrder(t.Context(), o.ID, func(o *station.Order) ([]station.Event, error) {
			o.State, o.Reason = end, "the controller says so"
			return nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if end == station.OrderPending {
			good := blankChip(t)
			if err := l.insert(slot, good); err != nil {
				t.Fatal(err)
			}
			if v := l.judge(o, good); v.Outcome != station.Valid {
				t.Errorf("%s: the second chip: %s %v", end, v.Outcome, v.Checks)
			}
		}
		if v := l.judge(o, spoilt); v.Outcome != station.NotValid || resultOf(v, verify.CheckRevocation) != station.Failed {
			t.Errorf("%s: the scrapped chip: %s %v", end, v.Outcome, v.Checks)
		}
	}
}

func (l *lineForTest) judge(o station.Order, chip *softcard.Chip) station.Verdict {
	l.t.Helper()
	chip.Reset()
	v, _, err := verify.Judge(l.t.Context(), card.Over(chip), keyOf(o), l.keys.trust(), l.db, time.Now)
	if err != nil {
		l.t.Fatal(err)
	}
	return v
}

// A child under 6 has no portrait, and a card all the same.
func TestChildWithoutPortraitIsIssuedAndBelieved(t *testing.T) {
	l := newLineForTest(t)
	o, chip := l.order(nil), blankChip(t)
	if _, err := l.line.Issue(t.Context(), "r", card.Over(chip)); err != nil {
		t.Fatal(err)
	}
	if err := l.issuedOnce(o, chip); err != nil {
		t.Error(err)
	}
	if v := l.judge(o, chip); v.Portrait != nil {
		t.Error("a portrait of a child who has none")
	}
}

// Keys and trust that are no longer in order stop the line before a chip is
// touched; no blank is spoilt over them, and no order fails.
func TestStaleTrustSpoilsNoBlank(t *testing.T) {
	for name, days := range map[string]int{"revocation list too old": 120, "signer's key may no longer sign": 400, "everything expired": 40000} {
		l := newLineForTest(t)
		o, chip := l.order(portraitForTest()), blankChip(t)
		before, err := chip.State()
		if err != nil {
			t.Fatal(err)
		}
		late := issue.New(issue.Config{Orders: l.db, Register: l.db, Authority: l.keys.authority, Trust: l.keys.trust, Profile: personalize.LoadProfile,
			Now: func() time.Time { return time.Now().AddDate(0, 0, days) }, Log: slog.New(slog.DiscardHandler)})
		for range 3 {
			if _, err := late.Issue(t.Context(), "r", card.Over(chip)); station.KindOf(err) != station.StopLine || station.HintOf(err) == "" {
				t.Fatalf("%s: %v", name, err)
			}
		}
		after, err := chip.State()
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the chip was written to (%v)", name, err)
		}
		if stored, err := l.db.Order(t.Context(), o.ID); err != nil || stored.State != station.OrderPending || stored.Attempts != 0 {
			t.Errorf("%s: order is %s after %d chips (%v)", name, stored.State, stored.Attempts, err)
		}
	}
}

// An order that spoils chip after chip is set aside.
func TestOrderIsSetAsideAfterThreeChips(t *testing.T) {
	l := newLineForTest(t)
	o := l.order(portraitForTest())
	for range 3 {
		chip := blankChip(t)
		for range 2 {
			chip.Reset()
			if _, err := l.line.Issue(t.Context(), "bad", card.Over(&refusing{chip, 30, []byte{0x6F, 0x00}})); err == nil {
				t.Fatal("issued in spite of refusals")
			}
		}
	}
	if stored, err := l.db.Order(t.Context(), o.ID); err != nil || stored.State != station.OrderFailed || stored.Reason == "" {
		t.Errorf("order is %s: %q (%v)", stored.State, stored.Reason, err)
	}
}
