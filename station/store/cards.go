package store

import (
	"context"
	"fmt"
	"slices"

	"cardstation/station"
)

// Card gives one; station.Unknown where there is none.
func (s *Store) Card(ctx context.Context, id station.CardID) (c station.Card, err error) {
	err = s.view(ctx, func(t *tx) error { c, err = cards.get(t, string(id)); return err })
	return c, err
}

// Cards gives a page of them and the cursor of the next one, empty after the
// last.
func (s *Store) Cards(ctx context.Context, q station.Query) (page []station.Card, next string, err error) {
	err = s.view(ctx, func(t *tx) error { page, next, err = cards.list(t, q); return err })
	return page, next, err
}

// cardMoves are the changes of state that a person may decide on. What is
// claimed, scrapped or revoked stays so here.
var cardMoves = map[string][]string{
	station.CardIssued:    {station.CardActive, station.CardSuspended, station.CardRevoked},
	station.CardActive:    {station.CardSuspended, station.CardRevoked},
	station.CardSuspended: {station.CardActive, station.CardRevoked},
}

// UpdateCard changes a card's state with the events that change gives, in one
// transaction. change is pure. A change of state that is none of an issued
// card's is refused (station.Conflict).
func (s *Store) UpdateCard(ctx context.Context, id station.CardID, change func(*station.Card) ([]station.Event, error)) (c station.Card, err error) {
	err = s.update(ctx, func(t *tx) error {
		old, err := cards.get(t, string(id))
		if err != nil {
			return err
		}
		c = old
		events, err := change(&c)
		if err != nil {
			return err
		}
		if c.State != old.State && !slices.Contains(cardMoves[old.State], c.State) {
			return &station.Error{Kind: station.Conflict, What: fmt.Sprintf("card %s is %s and cannot become %s", id, old.State, c.State)}
		}
		state, reason := c.State, c.Reason
		c = old
		c.State, c.Reason, c.Changed = state, reason, t.now
		if err := t.putCard(c); err != nil {
			return err
		}
		return t.append(events...)
	})
	return c, err
}

// CardBySOD gives the chip that an EF.SOD of this SHA-256, hex, was signed for,
// whether it was issued or scrapped; station.Unknown where this station signed none.
func (s *Store) CardBySOD(ctx context.Context, digest string) (c station.Card, err error) {
	err = s.view(ctx, func(t *tx) error {
		id := t.Bucket(bucketSODs).Get([]byte(digest))
		if id == nil {
			return &station.Error{Kind: station.Unknown, What: "this station issued no such card"}
		}
		c, err = cards.get(t, string(id))
		return err
	})
	return c, err
}

// putCard writes a card and how it is found by its EF.SOD.
func (t *tx) putCard(c station.Card) error {
	if _, err := cards.put(t, &c); err != nil {
		return err
	}
	if c.SOD != "" {
		return t.Bucket(bucketSODs).Put([]byte(c.SOD), []byte(c.ID))
	}
	return nil
}

// Person gives one by login; station.Unknown where there is none.
func (s *Store) Person(ctx context.Context, login string) (p station.Person, err error) {
	err = s.view(ctx, func(t *tx) error { p, err = people.get(t, login); return err })
	return p, err
}

// People gives all of them, in the order they came.
func (s *Store) People(ctx context.Context) (all []station.Person, err error) {
	err = s.view(ctx, func(t *tx) error {
		return t.Bucket(people.index()).ForEach(func(_, login []byte) error {
			p, err := people.get(t, string(login))
			all = append(all, p)
			return err
		})
	})
	return all, err
}

// PutPerson writes a person, new or changed, with the event that tells of it.
func (s *Store) PutPerson(ctx context.Context, p station.Person, e station.Event) error {
	return s.update(ctx, func(t *tx) error {
		p := p
		p.Format, p.Changed = station.Format, t.now
		if _, err := people.put(t, &p); err != nil {
			return err
		}
		return t.append(e)
	})
}
