package store

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	bolt "go.etcd.io/bbolt"

	"cardstation/station"
)

func finalized(e *station.Enrolment) ([]station.Event, error) {
	e.State = station.EnrolmentFinal
	return nil, nil
}

// Prints come and go with the transaction that makes their enrolment final, and with it.
func TestPrintsAreKeptOfFinalEnrolmentsOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "station.db")
	s := openAt(t, path)
	for _, id := range []string{"a", "ab", "b"} {
		if _, err := s.PutEnrolment(bg, station.Enrolment{ID: id, State: station.EnrolmentOpen}, station.Event{Type: station.EnrolmentOpened, Subject: id}); err != nil {
			t.Fatal(err)
		}
	}
	prints := []station.Print{{Position: 2, Template: []byte("index"), Keys: []byte{1, 2}}, {Position: 10, Template: []byte("little")}}
	if _, err := s.FinalizeEnrolment(bg, "a", prints, func(*station.Enrolment) ([]station.Event, error) { return nil, nil }); err != nil {
		t.Fatal(err) // it stays open
	}
	refused := errors.New("refused")
	if _, err := s.FinalizeEnrolment(bg, "a", prints, func(e *station.Enrolment) ([]station.Event, error) { _, _ = finalized(e); return nil, refused }); !errors.Is(err, refused) {
		t.Fatal(err)
	}
	all := func() (ids []string) {
		if err := s.EachPrint(bg, func(id string, p station.Print) error { ids = append(ids, id+string(p.Template)); return nil }); err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if got := all(); len(got) > 0 {
		t.Errorf("kept of what is not final: %q", got)
	}
	for _, id := range []string{"a", "ab"} {
		if _, err := s.FinalizeEnrolment(bg, id, prints, finalized); err != nil {
			t.Fatal(err)
		}
	}
	if got := all(); !slices.Equal(got, []string{"aindex", "alittle", "abindex", "ablittle"}) {
		t.Errorf("kept: %q", got)
	}
	if p, err := s.Print(bg, "ab", 2); err != nil || string(p.Template) != "index" || !slices.Equal(p.Keys, []byte{1, 2}) || p.Position != 2 {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := s.Print(bg, "b", 2); station.KindOf(err) != station.Unknown {
		t.Errorf("nothing is kept of b: %v", err)
	}
	if err := s.DeleteEnrolment(bg, "a", func(station.Enrolment) ([]station.Event, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	if got := all(); !slices.Equal(got, []string{"abindex", "ablittle"}) {
		t.Errorf("after the deletion of a: %q", got)
	}
	// A file of a program that knew no prints gets the place for them.
	if err := s.db.Update(func(b *bolt.Tx) error { return b.DeleteBucket(bucketPrints) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.FinalizeEnrolment(bg, "b", prints, finalized); err != nil {
		t.Error(err)
	}
}
