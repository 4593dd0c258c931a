package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"cardstation/station"
)

// Latest makes Watch begin with the next event that happens.
const Latest = ^uint64(0)

// chunk is how many events are read in one transaction when many are wanted.
const chunk = 256

// link is where the chain of events ends.
type link struct {
	seq  uint64
	hash string
}

// start is the hash before the first event.
var start = strings.Repeat("0", 64)

// head reads where the chain ends.
func (t *tx) head() link {
	raw := t.Bucket(bucketMeta).Get(keyHead)
	if len(raw) < 8 {
		return link{0, start}
	}
	return link{binary.BigEndian.Uint64(raw), string(raw[8:])}
}

// append adds events to the chain, and those that are fed to the outbox. It
// gives each its number and hashes, and an ID and a time where it has none. An
// event whose ID is there already is left out: it has been told.
func (t *tx) append(events ...station.Event) error {
	for _, e := range events {
		if e.ID == "" {
			e.ID = rand.Text()
		}
		if t.Bucket(bucketEventIDs).Get([]byte(e.ID)) != nil {
			continue
		}
		if e.At.IsZero() {
			e.At = t.now
		}
		head := t.head()
		e.Format, e.At, e.Seq, e.Prev, e.Hash = station.Format, e.At.UTC().Round(0), head.seq+1, head.hash, ""
		raw, hash, err := seal(e)
		if err != nil {
			return fmt.Errorf("event %s on %s: %w", e.Type, e.Subject, err)
		}
		key := be64(e.Seq)
		puts := []struct{ bucket, key, value []byte }{
			{bucketEvents, key, raw}, {bucketEventIDs, []byte(e.ID), key}, {bucketMeta, keyHead, append(be64(e.Seq), hash...)}}
		if e.Type.Fed() {
			puts = append(puts, struct{ bucket, key, value []byte }{bucketOutbox, key, []byte{}})
		}
		for _, p := range puts {
			if err := t.Bucket(p.bucket).Put(p.key, p.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// seal hashes the event as it will read back, because JSON may change the
// spelling of a body and of text that is not UTF-8.
func seal(e station.Event) (raw []byte, hash string, err error) {
	if raw, err = json.Marshal(e); err != nil {
		return nil, "", err
	}
	var back station.Event
	if err = json.Unmarshal(raw, &back); err != nil {
		return nil, "", err
	}
	back.Hash = back.Digest()
	raw, err = json.Marshal(back)
	return raw, back.Hash, err
}

// Record writes events that tell of nothing else in the store, such as a
// verdict. The same ID again changes nothing.
func (s *Store) Record(ctx context.Context, event station.Event) error {
	return s.update(ctx, func(t *tx) error { return t.append(event) })
}

// Events gives up to limit events from after+1 on, oldest first.
func (s *Store) Events(ctx context.Context, after uint64, limit int) (events []station.Event, err error) {
	err = s.view(ctx, func(t *tx) error {
		if after == Latest {
			return nil
		}
		cur := t.Bucket(bucketEvents).Cursor()
		for key, raw := cur.Seek(be64(after + 1)); key != nil && len(events) < limit; key, raw = cur.Next() {
			e, err := decodeEvent(key, raw)
			if err != nil {
				return err
			}
			events = append(events, e)
		}
		return nil
	})
	return events, err
}

// Head gives the number of the last event, 0 where there is none.
func (s *Store) Head(ctx context.Context) (seq uint64, err error) {
	err = s.view(ctx, func(t *tx) error { seq = t.head().seq; return nil })
	return seq, err
}

func decodeEvent(key, raw []byte) (e station.Event, err error) {
	if err = json.Unmarshal(raw, &e); err != nil {
		return e, broken(key, "it cannot be read: "+err.Error())
	}
	return e, nil
}

// Watch gives committed events from after+1 on, without a gap, as they happen;
// Latest begins with the next one. The channel is closed when ctx is done, the
// store is closed or an event cannot be read. A slow receiver holds up nobody.
func (s *Store) Watch(ctx context.Context, after uint64) <-chan station.Event {
	out := make(chan station.Event)
	var err error
	if after == Latest {
		after, err = s.Head(ctx)
	}
	if err != nil {
		close(out)
		return out
	}
	go func() {
		defer close(out)
		for {
			changed := s.changes()
			events, err := s.Events(ctx, after, chunk)
			if err != nil {
				return
			}
			for _, e := range events {
				select {
				case out <- e:
					after = e.Seq
				case <-ctx.Done():
					return
				case <-s.stop:
					return
				}
			}
			if len(events) == 0 && s.wait(ctx, changed) != nil {
				return
			}
		}
	}()
	return out
}

// changes gives a channel that is closed by the next commit.
func (s *Store) changes() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Store) wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stop:
		return errClosed
	}
}

// Audit walks the whole chain of events and gives how many it holds. The error
// names the first break: a missing, changed, moved or cut-off event.
func (s *Store) Audit(ctx context.Context) (n uint64, err error) {
	last := link{0, start}
	for done := false; !done; {
		err = s.view(ctx, func(t *tx) error {
			cur := t.Bucket(bucketEvents).Cursor()
			read := 0
			for key, raw := cur.Seek(be64(last.seq + 1)); key != nil && read < chunk; key, raw = cur.Next() {
				if last, err = follow(last, key, raw); err != nil {
					return err
				}
				read++
			}
			if done = read < chunk; done && last != t.head() {
				return broken(be64(last.seq+1), fmt.Sprintf("the chain ends before it, the store says it ends with event %d", t.head().seq))
			}
			return nil
		})
		if err != nil {
			return last.seq, err
		}
	}
	return last.seq, nil
}

// follow checks one event against the end of the chain before it.
func follow(last link, key, raw []byte) (link, error) {
	if !bytes.Equal(key, be64(last.seq+1)) {
		return last, broken(be64(last.seq+1), "it is missing")
	}
	e, err := decodeEvent(key, raw)
	switch {
	case err != nil:
		return last, err
	case e.Seq != last.seq+1:
		return last, broken(key, fmt.Sprintf("it says it is event %d", e.Seq))
	case e.Prev != last.hash:
		return last, broken(key, "it does not follow the event before it")
	case e.Hash != e.Digest():
		return last, broken(key, "it was changed after it was written")
	}
	return link{e.Seq, e.Hash}, nil
}

func broken(key []byte, why string) error {
	return &station.Error{Kind: station.CallSupervisor, What: fmt.Sprintf("the chain of events is broken at event %d", binary.BigEndian.Uint64(key)), Err: errors.New(why),
		Hint: "keep the file as it is; the events that were sent on before show what it said"}
}

// Pending gives up to n events of the outbox, oldest first. It waits until
// there is one; the error is that of ctx, or of a store that is closed.
func (s *Store) Pending(ctx context.Context, n int) (events []station.Event, err error) {
	for {
		changed := s.changes()
		err = s.view(ctx, func(t *tx) error {
			cur := t.Bucket(bucketOutbox).Cursor()
			for key, _ := cur.First(); key != nil && len(events) < n; key, _ = cur.Next() {
				e, err := decodeEvent(key, t.Bucket(bucketEvents).Get(key))
				if err != nil {
					return err
				}
				events = append(events, e)
			}
			return nil
		})
		if err != nil || len(events) > 0 {
			return events, err
		}
		if err = s.wait(ctx, changed); err != nil {
			return nil, err
		}
	}
}

// Sent takes events out of the outbox by their IDs: whoever they are for has
// them safe. IDs that are not in it change nothing.
func (s *Store) Sent(ctx context.Context, ids ...string) error {
	return s.update(ctx, func(t *tx) error {
		for _, id := range ids {
			seq := t.Bucket(bucketEventIDs).Get([]byte(id))
			if seq == nil {
				continue
			}
			if err := t.Bucket(bucketOutbox).Delete(seq); err != nil {
				return err
			}
		}
		return nil
	})
}

// Unsent tells how many events wait in the outbox and since when the oldest
// does; the zero time where none waits.
func (s *Store) Unsent(ctx context.Context) (n int, since time.Time, err error) {
	err = s.view(ctx, func(t *tx) error {
		outbox := t.Bucket(bucketOutbox)
		if n = outbox.Stats().KeyN; n == 0 {
			return nil
		}
		key, _ := outbox.Cursor().First()
		e, err := decodeEvent(key, t.Bucket(bucketEvents).Get(key))
		since = e.At
		return err
	})
	return n, since, err
}
