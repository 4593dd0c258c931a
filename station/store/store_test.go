package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"cardstation/station"
)

var bg = context.Background()

func TestMain(m *testing.M) {
	switch os.Getenv("STORE_CHILD") {
	case "crash":
		crashChild()
	case "full":
		fullChild()
	}
	os.Exit(m.Run())
}

func open(t testing.TB) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "station.db"))
}

func openAt(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func wantKind(t *testing.T, err error, kind station.Kind) {
	t.Helper()
	if err == nil || station.KindOf(err) != kind {
		t.Fatalf("error is %v (%v), want kind %v", err, station.KindOf(err), kind)
	}
}

func wantIntact(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.Audit(bg); err != nil {
		t.Fatal(err)
	}
	err := s.db.View(func(b *bolt.Tx) error {
		for err := range b.Check() {
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal("bbolt's own check: ", err)
	}
}

func TestFileIsForTheOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "station.db")
	openAt(t, path).Close()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
	for file, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info := must(os.Stat(file)); info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", file, info.Mode().Perm(), mode)
		}
	}
}

func TestOpenRefusesWhatItMustNotTouch(t *testing.T) {
	dir := t.TempDir()
	held := filepath.Join(dir, "held.db")
	s := openAt(t, held)
	_, err := Open(held, Options{Timeout: 50 * time.Millisecond})
	wantKind(t, err, station.Conflict)
	if station.HintOf(err) == "" {
		t.Error("a held file comes without a hint")
	}
	if err := s.db.Update(func(b *bolt.Tx) error { return b.Bucket(bucketMeta).Put(keyFormat, be64(station.Format+1)) }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	whole := must(os.ReadFile(held))
	_, err = Open(held, Options{})
	wantKind(t, err, station.CallSupervisor)

	for name, content := range map[string][]byte{"text": []byte("not a store at all\n"), "zeros": make([]byte, 65536), "cut": whole[:len(whole)/4], "one page": whole[:4096], "noise": noise(65536)} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name+".db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := Open(path, Options{Timeout: 50 * time.Millisecond}); err == nil {
				s.Close()
				t.Fatal("opened")
			} else {
				wantKind(t, err, station.CallSupervisor)
			}
		})
	}
	_, err = Open(filepath.Join(dir, "none.db"), Options{ReadOnly: true})
	wantKind(t, err, station.CallSupervisor)
}

func noise(n int) []byte {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func TestDamagedFileGivesErrorsAndNoPanic(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "whole.db")
	s := openAt(t, path)
	for i := range 200 {
		must(s.PutOrder(bg, order(fmt.Sprint("o", i), 5, int64(i)), station.Event{Type: station.OrderReceived}))
	}
	s.Close()
	whole := must(os.ReadFile(path))
	found := 0
	for i := range 150 {
		hurt := bytes.Clone(whole)
		at := rand.IntN(len(hurt))
		for j := at; j < min(at+1+rand.IntN(64), len(hurt)); j++ {
			hurt[j] ^= byte(1 + rand.IntN(255))
		}
		if i%5 == 0 {
			hurt = hurt[:at]
		}
		path := filepath.Join(dir, fmt.Sprint(i, ".db"))
		if err := os.WriteFile(path, hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, Options{ReadOnly: true})
		if err == nil {
			_, err = r.Audit(bg)
			_, _, listErr := r.Orders(bg, station.Query{Limit: 500})
			err = errors.Join(err, listErr, r.Close())
		}
		if err != nil {
			found++
		}
	}
	t.Logf("%d of 150 damages met by what was read", found)
}

func TestReadOnlyAuditsAndRefusesChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "station.db")
	s := openAt(t, path)
	if err := s.Record(bg, station.Event{Type: station.StationStarted}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	r, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := must(r.Audit(bg)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	wantKind(t, r.Record(bg, station.Event{Type: station.StationStarted}), station.StopLine)
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := open(t)
	watch := s.Watch(bg, 0)
	s.Close()
	if _, more := <-watch; more {
		t.Error("a watch goes on after Close")
	}
	wantKind(t, s.Record(bg, station.Event{}), station.Conflict)
	_, err := s.Order(bg, "x")
	wantKind(t, err, station.Conflict)
	if err := s.Close(); err != nil {
		t.Error("second Close: ", err)
	}
}

func TestChangeThatFailsTakesNobodyWithIt(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	refused := errors.New("refused")
	for i := range 60 {
		wg.Go(func() {
			id := fmt.Sprintf("e%02d", i)
			if _, err := s.PutEnrolment(bg, station.Enrolment{ID: id, State: station.EnrolmentOpen}, station.Event{Subject: id}); err != nil {
				t.Error(err)
			}
			_, err := s.UpdateEnrolment(bg, id, nil, func(e *station.Enrolment) ([]station.Event, error) {
				e.State = station.EnrolmentFinal
				if i%3 == 0 {
					return nil, refused
				}
				return []station.Event{{Subject: id}}, nil
			})
			if (i%3 == 0) != errors.Is(err, refused) {
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	wg.Wait()
	for i := range 60 {
		want := station.EnrolmentFinal
		if i%3 == 0 {
			want = station.EnrolmentOpen
		}
		if e := must(s.Enrolment(bg, fmt.Sprintf("e%02d", i))); e.State != want {
			t.Errorf("%s is %s, want %s", e.ID, e.State, want)
		}
	}
	if n := must(s.Head(bg)); n != 100 {
		t.Errorf("%d events, want 60 opened and 40 final", n)
	}
	wantIntact(t, s)
}

func TestChangeThatPanicsPanicsWhereItWasAskedFor(t *testing.T) {
	s := open(t)
	must(s.PutEnrolment(bg, station.Enrolment{ID: "e"}, station.Event{}))
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				t.Errorf("recovered %v", p)
			}
		}()
		s.UpdateEnrolment(bg, "e", nil, func(*station.Enrolment) ([]station.Event, error) { panic("boom") })
	}()
	if err := s.Record(bg, station.Event{}); err != nil {
		t.Error("after a panic: ", err)
	}
}

func TestListsAreStableWhileThingsChange(t *testing.T) {
	s := open(t)
	const n = 25
	for i := range n {
		must(s.PutOrder(bg, station.Order{ID: fmt.Sprintf("o%02d", n-i), Profile: "p", Portrait: []byte{byte(i)}}))
	}
	for _, newest := range []bool{false, true} {
		for _, state := range []string{"", station.OrderPending} {
			var got []string
			q := station.Query{State: state, Limit: 7, Newest: newest}
			for {
				page, next, err := s.Orders(bg, q)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range page {
					if got = append(got, o.ID); len(o.Portrait) != 1 {
						t.Errorf("%s has no portrait", o.ID)
					}
				}
				if next == "" {
					break
				}
				q.After = next
				must(s.PutOrder(bg, station.Order{ID: "o01", Profile: "p"})) // known: changes nothing
			}
			for i, id := range got {
				want := fmt.Sprintf("o%02d", n-i)
				if newest {
					want = fmt.Sprintf("o%02d", i+1)
				}
				if id != want || len(got) != n {
					t.Fatalf("newest %v state %q: place %d of %d is %s, want %s", newest, state, i, len(got), id, want)
				}
			}
		}
	}
	page, next, err := s.Orders(bg, station.Query{State: station.OrderPending, Limit: 10})
	if err != nil || len(page) != 10 {
		t.Fatal(len(page), err)
	}
	for range 12 { // the whole page and two more leave the state
		must(s.Claim(bg, station.CardID(fmt.Sprint("c", must(s.Head(bg))))))
	}
	rest, _, err := s.Orders(bg, station.Query{State: station.OrderPending, After: next})
	if err != nil || len(rest) != n-12 || rest[0].ID != fmt.Sprintf("o%02d", n-12) {
		t.Errorf("%d left, first %v, %v", len(rest), rest[0].ID, err)
	}
	for _, bad := range []station.Query{{After: "no cursor!"}, {After: "zzzzzzzzzzzzzzzzzzzzzzz"}} {
		_, _, err := s.Orders(bg, bad)
		wantKind(t, err, station.Correct)
	}
	for _, odd := range []string{"none", "\x00", "\x00\x00\x00"} {
		if page, _, err := s.Orders(bg, station.Query{State: odd}); err != nil || len(page) != 0 {
			t.Errorf("state %q: %d, %v", odd, len(page), err)
		}
	}
}

func TestImagesLiveAsLongAsACaptureNamesThem(t *testing.T) {
	s := open(t)
	a, b := station.Image{Media: "image/png", Data: []byte("aaaa")}, station.Image{Media: "image/jpeg", Data: []byte("b\x00bbb")}
	set := func(id string, images ...station.Image) error {
		_, err := s.UpdateEnrolment(bg, id, images, func(e *station.Enrolment) ([]station.Event, error) {
			e.Captures = nil
			for i, img := range images {
				e.Captures = append(e.Captures, station.Capture{Slot: station.Slot(fmt.Sprint(i)), Digest: img.Digest()})
			}
			return nil, nil
		})
		return err
	}
	has := func(img station.Image, want bool) {
		t.Helper()
		got, err := s.Image(bg, img.Digest())
		if want && (err != nil || string(got.Data) != string(img.Data) || got.Media != img.Media) {
			t.Errorf("image %q: %q %v", img.Data, got.Data, err)
		}
		if !want {
			wantKind(t, err, station.Unknown)
		}
	}
	for _, id := range []string{"one", "two"} {
		must(s.PutEnrolment(bg, station.Enrolment{ID: id}, station.Event{}))
	}
	if err := errors.Join(set("one", a, b), set("two", a), set("one", b)); err != nil {
		t.Fatal(err)
	}
	has(a, true) // two still names it
	has(b, true)
	if err := s.DeleteEnrolment(bg, "two", func(station.Enrolment) ([]station.Event, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	has(a, false)
	has(b, true)
	_, err := s.UpdateEnrolment(bg, "one", nil, func(e *station.Enrolment) ([]station.Event, error) {
		e.Captures[0].Digest = a.Digest()
		return nil, nil
	})
	if err == nil {
		t.Error("a capture may name an image that is not there")
	}
	has(b, true)
	if err := set("one"); err != nil {
		t.Fatal(err)
	}
	has(b, false)
	wantIntact(t, s)
}

func TestPeopleAreListedOnce(t *testing.T) {
	s := open(t)
	for _, name := range []string{"A", "B"} {
		for _, login := range []string{"z", "a"} {
			if err := s.PutPerson(bg, station.Person{Login: login, Name: name}, station.Event{Type: station.PersonChanged, Subject: login}); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := must(s.People(bg))
	if len(all) != 2 || all[0].Login != "z" || all[0].Name != "B" || must(s.Person(bg, "a")).Name != "B" {
		t.Errorf("people: %+v", all)
	}
	_, err := s.Person(bg, "nobody")
	wantKind(t, err, station.Unknown)
}

func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(n, " writers"), func(b *testing.B) {
			s := open(b)
			b.SetParallelism(n)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := s.Record(bg, station.Event{Type: station.OrderStep, Subject: "o"}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
