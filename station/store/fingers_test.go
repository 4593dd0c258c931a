package store

import (
	"path/filepath"
	"testing"

	"cardstation/station"

	bolt "go.etcd.io/bbolt"
)

// An order's fingers last as long as it does, follow it through the queue, and stand in
// no list. A file of before there were any takes them as well.
func TestFingersGoWithTheirOrderAndIntoNoList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "station.db")
	old := openAt(t, path)
	must(old.PutOrder(bg, order("before", 5, 100)))
	old.Close()
	db := must(bolt.Open(path, 0o600, nil))
	if err := db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketFingers) }); err != nil {
		t.Fatal(err)
	}
	db.Close()

	s := openAt(t, path)
	o := order("with", 9, 200)
	o.Fingers = []station.Finger{{Position: 2, Image: []byte("right")}, {Position: 6, Rolled: true, Image: []byte("left")}}
	must(s.PutOrder(bg, o))
	for _, got := range []station.Order{must(s.Order(bg, "with")), must(s.Claim(bg, "chip"))} {
		if len(got.Fingers) != 2 || string(got.Fingers[0].Image) != "right" || got.Fingers[1].Position != 6 || !got.Fingers[1].Rolled {
			t.Errorf("%s order has fingers %d", got.State, len(got.Fingers))
		}
	}
	if got := must(s.Order(bg, "before")); got.Fingers != nil {
		t.Errorf("an order without fingers has %d", len(got.Fingers))
	}
	page, _, err := s.Orders(bg, station.Query{Limit: 10})
	if err != nil || len(page) != 2 {
		t.Fatalf("%d orders, %v", len(page), err)
	}
	for _, listed := range page {
		if listed.Fingers != nil {
			t.Errorf("the list shows the fingers of %s", listed.ID)
		}
	}
}
