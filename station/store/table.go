package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"

	bolt "go.etcd.io/bbolt"

	"cardstation/station"
)

// table is one kind of noun: a bucket ID -> arrival number and JSON, and an
// index state, 0, arrival number -> ID that holds each noun twice, under its
// state and under no state.
type table[T any] struct {
	name  string // in errors and as the bucket's name
	id    func(*T) string
	state func(*T) string
}

var (
	enrolments = table[station.Enrolment]{"enrolment", func(e *station.Enrolment) string { return e.ID }, func(e *station.Enrolment) string { return e.State }}
	orders     = table[station.Order]{"order", func(o *station.Order) string { return o.ID }, func(o *station.Order) string { return o.State }}
	cards      = table[station.Card]{"card", func(c *station.Card) string { return string(c.ID) }, func(c *station.Card) string { return c.State }}
	people     = table[station.Person]{"person", func(p *station.Person) string { return p.Login }, func(*station.Person) string { return "" }}
)

func (tb table[T]) bucket() []byte { return []byte(tb.name + "s") }
func (tb table[T]) index() []byte  { return []byte(tb.name + "s.index") }

// maxID is the longest ID that is stored, in bytes.
const maxID = 128

// find gives a noun and its arrival number; known is false where there is none.
func (tb table[T]) find(t *tx, id string) (v T, arrival uint64, known bool, err error) {
	raw := t.Bucket(tb.bucket()).Get([]byte(id))
	if raw == nil {
		return v, 0, false, nil
	}
	if len(raw) < 8 {
		return v, 0, false, fmt.Errorf("%s %s is damaged in the store", tb.name, id)
	}
	if err := json.Unmarshal(raw[8:], &v); err != nil {
		return v, 0, false, fmt.Errorf("%s %s is damaged in the store: %w", tb.name, id, err)
	}
	return v, binary.BigEndian.Uint64(raw), true, nil
}

// get is find where the noun has to be there; station.Unknown otherwise.
func (tb table[T]) get(t *tx, id string) (T, error) {
	v, _, known, err := tb.find(t, id)
	if err == nil && !known {
		err = &station.Error{Kind: station.Unknown, What: fmt.Sprintf("there is no %s %.64q", tb.name, id)}
	}
	return v, err
}

// put writes a noun and moves it in the index. The answer is its arrival
// number, which it keeps for ever.
func (tb table[T]) put(t *tx, v *T) (uint64, error) {
	id := tb.id(v)
	if id == "" || len(id) > maxID {
		return 0, &station.Error{Kind: station.Correct, What: fmt.Sprintf("the ID of %s has %d bytes, 1 to %d are allowed", tb.name, len(id), maxID)}
	}
	index := t.Bucket(tb.index())
	old, arrival, known, err := tb.find(t, id)
	if err != nil {
		return 0, err
	}
	if known {
		err = index.Delete(indexKey(tb.state(&old), arrival))
	} else {
		arrival, err = index.NextSequence()
	}
	if err != nil {
		return 0, err
	}
	if err := index.Put(indexKey("", arrival), []byte(id)); err != nil {
		return 0, err
	}
	if err := index.Put(indexKey(tb.state(v), arrival), []byte(id)); err != nil {
		return 0, err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", tb.name, id, err)
	}
	return arrival, t.Bucket(tb.bucket()).Put([]byte(id), append(be64(arrival), raw...))
}

// remove takes a noun out; nothing happens where there is none.
func (tb table[T]) remove(t *tx, id string) error {
	old, arrival, known, err := tb.find(t, id)
	if err != nil || !known {
		return err
	}
	index := t.Bucket(tb.index())
	for _, state := range []string{"", tb.state(&old)} {
		if err := index.Delete(indexKey(state, arrival)); err != nil {
			return err
		}
	}
	return t.Bucket(tb.bucket()).Delete([]byte(id))
}

// Pages of a list.
const (
	defaultLimit = 50
	maxLimit     = 500
)

// list gives one page in the order of arrival, and the cursor of the next page,
// empty after the last. What changes its state between two pages neither hides
// nor repeats another.
func (tb table[T]) list(t *tx, q station.Query) (page []T, next string, err error) {
	limit := min(q.Limit, maxLimit)
	if limit <= 0 {
		limit = defaultLimit
	}
	after := uint64(0)
	if q.After != "" {
		if after, err = strconv.ParseUint(q.After, 36, 64); err != nil {
			return nil, "", &station.Error{Kind: station.Correct, What: fmt.Sprintf("%.64q is no cursor of this list", q.After), Hint: "give the cursor of the page before, or none"}
		}
	}
	prefix := indexKey(q.State, 0)[:len(q.State)+1]
	cur := t.Bucket(tb.index()).Cursor()
	step := cur.Next
	var key, id []byte
	if q.Newest {
		step = cur.Prev
		if after == 0 {
			after = ^uint64(0)
		}
		key, id = before(cur, indexKey(q.State, after))
	} else {
		key, id = cur.Seek(indexKey(q.State, after+1))
	}
	for ; len(key) == len(prefix)+8 && bytes.HasPrefix(key, prefix); key, id = step() {
		if len(page) == limit {
			return page, next, nil
		}
		v, err := tb.get(t, string(id))
		if err != nil {
			return nil, "", err
		}
		page = append(page, v)
		next = strconv.FormatUint(binary.BigEndian.Uint64(key[len(prefix):]), 36)
	}
	return page, "", nil
}

// before moves the cursor to the last entry before key.
func before(cur *bolt.Cursor, key []byte) (k, v []byte) {
	if k, _ = cur.Seek(key); k == nil {
		return cur.Last()
	}
	return cur.Prev()
}

func indexKey(state string, arrival uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(state), 0), arrival)
}
