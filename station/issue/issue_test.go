package issue

import (
	"context"
	"errors"
	"testing"

	"cardstation/station"
)

// full are orders of a store whose disk is full.
type full struct{ Orders }

var errFull = errors.New("no space left on device")

func (full) Step(context.Context, station.Order, string) error { return errFull }

// TestAFullDiskIsNotHeldAgainstTheChip lets a step fail to be noted, oftener than a chip may fail.
func TestAFullDiskIsNotHeldAgainstTheChip(t *testing.T) {
	l := &Line{cfg: Config{Orders: full{}}, fail: map[station.CardID]int{}}
	o := station.Order{ID: "o1", Card: "chip"}
	for range maxRefusals + 1 {
		err := l.failChip(t.Context(), o, l.note(t.Context(), o, "keys"))
		if station.KindOf(err) != station.StopLine || !errors.Is(err, errFull) {
			t.Fatalf("%v: %v", station.KindOf(err), err)
		}
	}
	if n := l.fail[o.Card]; n != 0 {
		t.Errorf("the chip has failed %d times", n)
	}
}
