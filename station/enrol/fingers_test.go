package enrol

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cardstation/biometrics"
	"cardstation/station"
)

// cutter cuts what it is told from a picture, and tells what it was asked: "2<13" is
// the right index finger of the right four.
func cutter(fails ...string) FingerCutter {
	return func(img biometrics.Image, shown []biometrics.Position, wanted biometrics.Position) ([]byte, error) {
		what := fmt.Sprintf("%d<%d", wanted, img.PPI)
		if slices.Contains(fails, what) || !slices.Contains(shown, wanted) {
			return nil, errors.New("not to be found")
		}
		return []byte(what), nil
	}
}

// printsOf are the captures of a person who lacks fingers; doubtful slots stand by
// somebody's word. A print's resolution stands for its slot: rolls have 100 more.
func printsOf(missing []int, doubtful ...station.Slot) (all []Print) {
	for _, slot := range station.FingerSlots {
		p := Print{FingerSlot: slot, Doubtful: slices.Contains(doubtful, slot.Slot)}
		for _, finger := range fingersOf(slot.Slot) {
			if slices.Contains(missing, int(finger)) {
				p.Missing = append(p.Missing, station.Missing{Position: int(finger), Presence: "AMPUTATED"})
			}
		}
		if len(p.Missing) == len(fingersOf(slot.Slot)) {
			continue
		}
		mark := slot.Position
		if slot.Rolled {
			mark += 100
		}
		p.Image = func() (biometrics.Image, error) { return biometrics.Image{PPI: mark}, nil }
		all = append(all, p)
	}
	return all
}

func TestTheBestTwoFingersGoOntoTheCard(t *testing.T) {
	for name, c := range map[string]struct {
		missing  []int
		doubtful []station.Slot
		fails    []string
		want     string
	}{
		"all there":                        {want: "[2<13 7<14]"},
		"no right index":                   {missing: []int{2}, want: "[7<14 1<15]"},
		"no index, no right thumb":         {missing: []int{1, 2, 7}, want: "[6<15 3<13]"},
		"slap that cannot be cut":          {fails: []string{"2<13"}, want: "[2<102 7<14]"},
		"finger that cannot be cut":        {fails: []string{"2<13", "2<102"}, want: "[7<14 1<15]"},
		"right four stands by a word":      {doubtful: []station.Slot{"plain-right-four"}, want: "[2<102 7<14]"},
		"right index stands by a word":     {doubtful: []station.Slot{"plain-right-four", "rolled-right-index"}, want: "[7<14 1<15]"},
		"one finger":                       {missing: []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, want: "[10<14]"},
		"one finger that stands by a word": {missing: []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, doubtful: []station.Slot{"plain-left-four", "rolled-left-little"}, want: "[10<14]"},
		"no finger":                        {missing: []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, want: "[]"},
	} {
		got, err := Fingers(printsOf(c.missing, c.doubtful...), cutter(c.fails...))
		var all []string
		for _, f := range got {
			all = append(all, string(f.Image))
			if _, mark, _ := strings.Cut(string(f.Image), "<"); (len(mark) == 3) != f.Rolled {
				t.Errorf("%s: finger %d rolled %v from %s", name, f.Position, f.Rolled, f.Image)
			}
		}
		if fmt.Sprint(all) != c.want || err != nil {
			t.Errorf("%s: %v, %v, want %s", name, all, err, c.want)
		}
	}
	broken := printsOf(nil)
	broken[0].Image = func() (biometrics.Image, error) { return biometrics.Image{}, errors.New("the store is gone") }
	if _, err := Fingers(broken, cutter()); err == nil {
		t.Error("a print that cannot be read is passed over")
	}
}

// What a supervisor approves takes the fingers along.
func TestAnApprovedEnrolmentOrdersItsFingers(t *testing.T) {
	f := desk(t)
	f.cfg.Finger = func(img biometrics.Image, _ []biometrics.Position, wanted biometrics.Position) ([]byte, error) {
		return []byte(fmt.Sprintf("%d at %d", wanted, img.PPI)), nil
	}
	f.open("e1")
	f.all("e1", an)
	_, err := f.Finalize(bg, an, "e1")
	f.ok(err)
	_, err = f.Approve(bg, binh, "e1", "")
	f.ok(err)
	pending, err := f.db.Pending(bg, 10)
	f.ok(err)
	var order station.Order
	f.ok(json.Unmarshal(pending[len(pending)-1].Body, &order))
	if len(order.Fingers) != 2 || string(order.Fingers[0].Image) != "2 at 500" || order.Fingers[1].Position != 7 {
		t.Errorf("fingers of the order: %d", len(order.Fingers))
	}
}
