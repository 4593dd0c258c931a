package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"cardstation/station"
)

func order(id string, priority int, created int64) station.Order {
	return station.Order{ID: id, Priority: priority, Profile: "softcard", Created: time.Unix(created, 0), Portrait: []byte("jpeg " + id),
		Fingers: []station.Finger{{Position: 2, Image: []byte("wsq " + id)}}, Irises: []station.Iris{{Kind: "iris", Subtype: 1, Data: []byte("iir " + id)}},
		Citizen: station.Citizen{Number: "001200000001"}, Expiry: "2040-01-01"}
}

func issued(o station.Order) station.Order {
	o.State = station.OrderIssued
	o.Receipt = &station.Receipt{Card: o.Card, Profile: o.Profile, Document: "200000001", SOD: "sod of " + string(o.Card), At: time.Now()}
	return o
}

func closing(o station.Order, state string) station.Order {
	o.State, o.Reason = state, "because"
	return o
}

func TestClaimTakesTheOldestOfTheHighestPriority(t *testing.T) {
	s := open(t)
	_, err := s.Claim(bg, "chip")
	wantKind(t, err, station.Unknown)
	for _, o := range []station.Order{order("late", 5, 300), order("low", 1, 100), order("high", 9, 400), order("early", 5, 200)} {
		must(s.PutOrder(bg, o))
	}
	for i, want := range []string{"high", "early", "late", "low"} {
		chip := station.CardID(fmt.Sprint("chip ", i))
		o := must(s.Claim(bg, chip))
		again := must(s.Claim(bg, chip))
		if o.ID != want || again.ID != want || again.Attempts != 1 || o.Card != chip || string(o.Portrait) != "jpeg "+want ||
			string(o.Fingers[0].Image) != "wsq "+want || string(again.Irises[0].Data) != "iir "+want {
			t.Errorf("claim %d is %s, then %s (attempt %d), want %s", i, o.ID, again.ID, again.Attempts, want)
		}
		if c := must(s.Card(bg, chip)); c.State != station.CardClaimed || c.OrderID != want {
			t.Errorf("card %+v", c)
		}
	}
	_, err = s.Claim(bg, "")
	wantKind(t, err, station.ReplaceCard)
}

func TestClaimsAtOnceNeverShareAnOrder(t *testing.T) {
	s := open(t)
	const n = 40
	for i := range n {
		must(s.PutOrder(bg, order(fmt.Sprint("o", i), 5, int64(i))))
	}
	var mu sync.Mutex
	owner := map[string]station.CardID{}
	var wg sync.WaitGroup
	for i := range 2 * n { // each chip asks twice at once, every second chip finds nothing
		wg.Go(func() {
			chip := station.CardID(fmt.Sprint("chip ", i))
			for range 2 {
				wg.Go(func() {
					o, err := s.Claim(bg, chip)
					if err != nil {
						if station.KindOf(err) != station.Unknown {
							t.Error(err)
						}
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if other, taken := owner[o.ID]; taken && other != chip {
						t.Errorf("order %s went to %s and %s", o.ID, other, chip)
					}
					owner[o.ID] = chip
				})
			}
		})
	}
	wg.Wait()
	if len(owner) != n {
		t.Errorf("%d orders claimed, want %d", len(owner), n)
	}
	wantIntact(t, s)
}

func TestIssueOnce(t *testing.T) {
	s := open(t)
	must(s.PutOrder(bg, order("o", 5, 1)))
	must(s.PutOrder(bg, order("p", 5, 2)))
	o := must(s.Claim(bg, "chip"))
	for _, step := range []string{"keys", "files", "keys"} {
		if err := s.Step(bg, o, step); err != nil {
			t.Fatal(err)
		}
	}
	bare := o
	bare.State = station.OrderIssued
	if err := s.CloseOrder(bg, bare, station.Event{}); err == nil {
		t.Error("issued without a receipt")
	}
	e := station.Event{Type: station.OrderWasIssued, Subject: "o", Actor: "station"}
	for range 2 { // the same again changes nothing
		if err := s.CloseOrder(bg, issued(o), e); err != nil {
			t.Fatal(err)
		}
	}
	got := must(s.Order(bg, "o"))
	if got.State != station.OrderIssued || got.Receipt == nil || len(got.Steps) != 2 || string(got.Portrait) != "jpeg o" || string(got.Irises[0].Data) != "iir o" {
		t.Errorf("order %+v", got)
	}
	if c := must(s.Card(bg, "chip")); c.State != station.CardIssued || c.Document != "200000001" || c.Number == "" || c.Expiry != "2040-01-01" {
		t.Errorf("card %+v", c)
	}
	other := o
	other.Card = "another chip"
	wantKind(t, s.CloseOrder(bg, issued(other), e), station.Conflict)
	twice := issued(o)
	twice.Receipt.SOD = "another"
	wantKind(t, s.CloseOrder(bg, twice, e), station.Conflict)
	wantKind(t, s.CloseOrder(bg, closing(o, station.OrderPending), e), station.Conflict)
	wantKind(t, s.Step(bg, o, "more"), station.Conflict)
	_, err := s.Claim(bg, "chip")
	wantKind(t, err, station.ReplaceCard)
	_, err = s.UpdateOrder(bg, "o", func(o *station.Order) ([]station.Event, error) { o.State = station.OrderPending; return nil, nil })
	wantKind(t, err, station.Conflict)
	for _, state := range []string{station.OrderIssued, station.OrderClaimed} {
		_, err = s.UpdateOrder(bg, "p", func(o *station.Order) ([]station.Event, error) { o.State = state; return nil, nil })
		if err == nil {
			t.Errorf("an update makes an order %s", state)
		}
	}
	wantIntact(t, s)
}

func TestWhatBecomesOfTheChip(t *testing.T) {
	for _, c := range []struct {
		state  string
		steps  bool
		update bool // by UpdateOrder rather than CloseOrder
		card   string
	}{
		{station.OrderPending, false, false, station.CardScrapped},
		{station.OrderPending, true, false, station.CardScrapped},
		{station.OrderPending, false, true, station.CardScrapped},
		{station.OrderFailed, true, false, station.CardScrapped},
		{station.OrderFailed, false, false, ""},
		{station.OrderCancelled, true, true, station.CardScrapped},
		{station.OrderCancelled, false, true, ""},
	} {
		t.Run(fmt.Sprintf("%s steps %v update %v", c.state, c.steps, c.update), func(t *testing.T) {
			s := open(t)
			must(s.PutOrder(bg, order("o", 5, 1)))
			o := must(s.Claim(bg, "chip"))
			if c.steps {
				if err := s.Step(bg, o, "keys"); err != nil {
					t.Fatal(err)
				}
			}
			e := station.Event{Type: station.OrderReturned, Subject: "o", Actor: "lan"}
			var err error
			if c.update {
				_, err = s.UpdateOrder(bg, "o", func(o *station.Order) ([]station.Event, error) {
					o.State, o.Reason = c.state, "because"
					return []station.Event{e}, nil
				})
			} else {
				err = s.CloseOrder(bg, closing(o, c.state), e)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := must(s.Order(bg, "o"))
			if got.State != c.state || got.Card != "" || len(got.Steps) != 0 || got.Attempts != 1 {
				t.Errorf("order %+v", got)
			}
			if chip, err := s.Card(bg, "chip"); chip.State != c.card || (err != nil) != (c.card == "") {
				t.Errorf("chip is %q, want %q", chip.State, c.card)
			}
			must(s.PutOrder(bg, order("next", 1, 9)))
			_, err = s.Claim(bg, "chip")
			if c.card == station.CardScrapped {
				wantKind(t, err, station.ReplaceCard)
			} else if err != nil {
				t.Error(err)
			}
			if c.state == station.OrderPending {
				if o := must(s.Claim(bg, "another")); o.ID != "o" || o.Attempts != 2 {
					t.Errorf("returned order is not first again: %s, attempt %d", o.ID, o.Attempts)
				}
			}
			wantIntact(t, s)
		})
	}
}

func TestPutOrderKnowsItsOrders(t *testing.T) {
	s := open(t)
	strange := issued(order("o", 77, 1))
	strange.Card, strange.Attempts = "chip", 9
	o := must(s.PutOrder(bg, strange, station.Event{ID: "r-o", Type: station.OrderReceived}))
	if o.State != station.OrderPending || o.Card != "" || o.Receipt != nil || o.Attempts != 0 {
		t.Errorf("an order came in as %+v", o)
	}
	must(s.Claim(bg, "chip"))
	if o = must(s.PutOrder(bg, order("o", 5, 1), station.Event{ID: "r-o2"})); o.State != station.OrderClaimed {
		t.Errorf("the second coming changed it to %s", o.State)
	}
	if n := must(s.Head(bg)); n != 2 {
		t.Errorf("%d events, want received and claimed", n)
	}
	for _, id := range []string{"", string(make([]byte, maxID+1))} {
		_, err := s.PutOrder(bg, order(id, 5, 1))
		wantKind(t, err, station.Correct)
	}
}

func TestCardsMoveOnlyAsTheyMay(t *testing.T) {
	s := open(t)
	must(s.PutOrder(bg, order("o", 5, 1)))
	must(s.PutOrder(bg, order("p", 5, 2)))
	o := must(s.Claim(bg, "chip"))
	move := func(id station.CardID, state string) error {
		_, err := s.UpdateCard(bg, id, func(c *station.Card) ([]station.Event, error) {
			c.State, c.Reason, c.Document = state, "because", "forged"
			return []station.Event{{Type: station.CardChanged, Subject: string(c.ID)}}, nil
		})
		return err
	}
	wantKind(t, move("chip", station.CardActive), station.Conflict)
	if err := s.CloseOrder(bg, issued(o), station.Event{}); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{station.CardActive, station.CardSuspended, station.CardActive, station.CardRevoked} {
		if err := move("chip", state); err != nil {
			t.Fatal(err)
		}
		if c := must(s.CardBySOD(bg, "sod of chip")); c.State != state {
			t.Errorf("by its document the card is %s, want %s", c.State, state)
		}
	}
	wantKind(t, move("chip", station.CardActive), station.Conflict)
	time.Sleep(time.Millisecond)
	next := must(s.Claim(bg, "chip 2")) // the replacement bears the same number
	if err := s.CloseOrder(bg, issued(next), station.Event{}); err != nil {
		t.Fatal(err)
	}
	if c := must(s.CardBySOD(bg, "sod of chip")); c.State != station.CardRevoked || c.Document != "200000001" {
		t.Errorf("the replaced card is %+v", c)
	}
	wantIntact(t, s)
}
