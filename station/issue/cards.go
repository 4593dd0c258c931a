package issue

import (
	"context"
	"slices"

	"cardstation/station"
)

// Cards is what the station knows of the chips it had in hand.
type Cards struct {
	Drawer Drawer
	Keeper CardKeeper
}

// Drawer reads cards.
type Drawer interface {
	Card(context.Context, station.CardID) (station.Card, error)
	Cards(context.Context, station.Query) (page []station.Card, next string, err error)
}

// CardKeeper changes the state of an issued card; a move that is none is
// station.Conflict.
type CardKeeper interface {
	UpdateCard(ctx context.Context, id station.CardID, change func(*station.Card) ([]station.Event, error)) (station.Card, error)
}

// Get gives one card; station.Unknown where there is none.
func (c Cards) Get(ctx context.Context, id string) (station.Card, error) {
	return c.Drawer.Card(ctx, station.CardID(id))
}

// List gives a page of cards and the cursor of the next one.
func (c Cards) List(ctx context.Context, q station.Query) ([]station.Card, string, error) {
	return c.Drawer.Cards(ctx, q)
}

// Activate hands a card over to its holder.
func (c Cards) Activate(ctx context.Context, by station.Person, id, reason string) (station.Card, error) {
	return c.become(ctx, by, id, station.CardActive, reason)
}

// Suspend makes a card not valid until Unsuspend.
func (c Cards) Suspend(ctx context.Context, by station.Person, id, reason string) (station.Card, error) {
	return c.become(ctx, by, id, station.CardSuspended, reason)
}

// Unsuspend ends Suspend; a card that is not suspended is station.Conflict.
func (c Cards) Unsuspend(ctx context.Context, by station.Person, id, reason string) (station.Card, error) {
	return c.become(ctx, by, id, station.CardActive, reason, station.CardSuspended)
}

// Revoke makes a card not valid for good.
func (c Cards) Revoke(ctx context.Context, by station.Person, id, reason string) (station.Card, error) {
	return c.become(ctx, by, id, station.CardRevoked, reason)
}

func (c Cards) become(ctx context.Context, by station.Person, id, state, reason string, from ...string) (station.Card, error) {
	if err := decided(by, "make card "+id+" "+state, reason); err != nil {
		return station.Card{}, err
	}
	return c.Keeper.UpdateCard(ctx, station.CardID(id), func(card *station.Card) ([]station.Event, error) {
		if len(from) > 0 && !slices.Contains(from, card.State) {
			return nil, station.Errorf(station.Conflict, "card %s is %s, not %s", id, card.State, from[0])
		}
		card.State, card.Reason = state, reason
		return note(station.CardChanged, id, by, reason)
	})
}
