package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"cardstation/station"
)

func TestChainHoldsWhateverEventsSay(t *testing.T) {
	s := open(t)
	for _, e := range []station.Event{
		{Type: station.PersonLogin, Subject: "<a&b>", Actor: "\xff\xfe", Body: json.RawMessage(`{ "html" : "<&>",  "n": 1.0e0 }`)},
		{Type: station.PersonLogin, Subject: "Nguyễn", Body: json.RawMessage("{\"bad utf-8\":\"\xff\"}")},
		{Type: station.PersonLogin, At: time.Now().In(time.FixedZone("", 7*3600))},
		{Seq: 99, Prev: "x", Hash: "y", Format: 77},
	} {
		if err := s.Record(bg, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Record(bg, station.Event{Body: json.RawMessage("{")}); err == nil {
		t.Error("a body that is no JSON was recorded")
	}
	if n := must(s.Audit(bg)); n != 4 {
		t.Errorf("%d events, want 4", n)
	}
	prev := start
	for i, e := range must(s.Events(bg, 0, 100)) {
		if e.Seq != uint64(i+1) || e.Prev != prev || e.ID == "" || e.At.IsZero() || e.Format != station.Format {
			t.Errorf("event %+v", e)
		}
		prev = e.Hash
	}
}

func TestAuditNamesTheFirstBreak(t *testing.T) {
	rewrite := func(change func(*station.Event)) func(b *bolt.Bucket) error {
		return func(b *bolt.Bucket) error {
			var e station.Event
			if err := json.Unmarshal(b.Get(be64(300)), &e); err != nil {
				return err
			}
			change(&e)
			return b.Put(be64(300), must(json.Marshal(e)))
		}
	}
	for name, c := range map[string]struct {
		break_ func(b *bolt.Bucket) error
		want   string
	}{
		"changed":        {rewrite(func(e *station.Event) { e.Actor = "nobody" }), "event 300: it was changed"},
		"changed again":  {rewrite(func(e *station.Event) { e.Actor = "nobody"; e.Hash = e.Digest() }), "event 301: it does not follow"},
		"renumbered":     {rewrite(func(e *station.Event) { e.Seq = 7 }), "event 300: it says it is event 7"},
		"taken out":      {func(b *bolt.Bucket) error { return b.Delete(be64(300)) }, "event 300: it is missing"},
		"unreadable":     {func(b *bolt.Bucket) error { return b.Put(be64(300), []byte("{")) }, "event 300: it cannot be read"},
		"moved":          {func(b *bolt.Bucket) error { return b.Put(be64(300), b.Get(be64(299))) }, "event 300: it says it is event 299"},
		"first cut off":  {func(b *bolt.Bucket) error { return b.Delete(be64(1)) }, "event 1: it is missing"},
		"last cut off":   {func(b *bolt.Bucket) error { return b.Delete(be64(400)) }, "event 400: the chain ends before it"},
		"one put behind": {func(b *bolt.Bucket) error { return b.Put(be64(401), b.Get(be64(400))) }, "event 401: it says it is event 400"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			err := s.update(bg, func(t *tx) error {
				for range 400 {
					if err := t.append(station.Event{Type: station.OrderStep}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.db.Update(func(b *bolt.Tx) error { return c.break_(b.Bucket(bucketEvents)) }); err != nil {
				t.Fatal(err)
			}
			_, err = s.Audit(bg)
			wantKind(t, err, station.CallSupervisor)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, want %q", err, c.want)
			}
		})
	}
}

func TestSameEventIsToldOnce(t *testing.T) {
	s := open(t)
	for range 3 {
		if err := s.Record(bg, station.Event{ID: "v-1", Type: station.VerificationDone}); err != nil {
			t.Fatal(err)
		}
	}
	if n := must(s.Head(bg)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestWatchSeesEveryEventOnce(t *testing.T) {
	s := open(t)
	if err := s.Record(bg, station.Event{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(bg)
	all, fresh := s.Watch(ctx, 0), s.Watch(ctx, Latest)
	const n = 300
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			for j := range n / 10 {
				if err := s.Record(bg, station.Event{Subject: fmt.Sprint(i, j)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for seq := uint64(1); seq <= n+1; seq++ {
		if e := <-all; e.Seq != seq {
			t.Fatalf("event %d after %d", e.Seq, seq-1)
		}
		if seq > 1 {
			if e := <-fresh; e.Seq != seq {
				t.Fatalf("new event %d after %d", e.Seq, seq-1)
			}
		}
	}
	wg.Wait()
	cancel()
	if _, more := <-all; more {
		t.Error("a watch goes on after its context")
	}
}

func TestOutboxHoldsFedEventsUntilTheyAreSent(t *testing.T) {
	s := open(t)
	waiting := make(chan []station.Event, 1)
	go func() {
		events, _ := s.Pending(bg, 10)
		waiting <- events
	}()
	for _, e := range []station.Event{{Type: station.OrderStep}, {Type: station.EnrolmentOpened}, {ID: "a", Type: station.EnrolmentApproval}} {
		if err := s.Record(bg, e); err != nil {
			t.Fatal(err)
		}
	}
	if events := <-waiting; len(events) != 1 || events[0].ID != "a" || events[0].Hash == "" {
		t.Fatalf("pending: %+v", events)
	}
	if err := s.Record(bg, station.Event{ID: "b", Type: station.VerificationDone}); err != nil {
		t.Fatal(err)
	}
	if n, since, err := s.Unsent(bg); n != 2 || since.IsZero() || err != nil {
		t.Errorf("%d unsent since %v, %v", n, since, err)
	}
	if err := s.Sent(bg, "a", "unknown", "a"); err != nil {
		t.Fatal(err)
	}
	if events := must(s.Pending(bg, 1)); len(events) != 1 || events[0].ID != "b" {
		t.Errorf("pending: %+v", events)
	}
	if err := s.Sent(bg, "b"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(bg, 20*time.Millisecond)
	defer cancel()
	if _, err := s.Pending(ctx, 1); err != ctx.Err() {
		t.Errorf("an empty outbox gives %v", err)
	}
	if n, since, err := s.Unsent(bg); n != 0 || !since.IsZero() || err != nil {
		t.Errorf("%d unsent since %v, %v", n, since, err)
	}
}
