package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cardstation/station"
)

// kills is how often the child is killed; a second or two of it.
const kills = 40

// crashChild works on the store until it is killed, from several goroutines:
// enrolments with images, orders, claims, steps, closings. It says on standard
// output what was answered, one line each, after it was.
func crashChild() {
	s, err := Open(os.Getenv("STORE_PATH"), Options{Timeout: 5 * time.Second})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	say := func(words ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(os.Stdout, words...)
	}
	fail := func(err error) {
		if err != nil {
			say("error", err)
			os.Exit(1)
		}
	}
	run := os.Getenv("STORE_RUN")
	var wg sync.WaitGroup
	for desk := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("e-%s-%d-%d", run, desk, i)
				must(s.PutEnrolment(bg, station.Enrolment{ID: id, State: station.EnrolmentOpen}, station.Event{Type: station.EnrolmentOpened, Subject: id}))
				say("enrolment", id)
				img := station.Image{Media: "image/png", Data: bytes.Repeat([]byte(id), 3000)}
				_, err := s.UpdateEnrolment(bg, id, []station.Image{img}, func(e *station.Enrolment) ([]station.Event, error) {
					e.Captures = append(e.Captures, station.Capture{Slot: station.Portrait, Digest: img.Digest()})
					return []station.Event{{Type: station.EnrolmentCaptured, Subject: id}}, nil
				})
				fail(err)
				say("image", img.Digest())
				o := order("o"+id, i%10, int64(i))
				must(s.PutOrder(bg, o, station.Event{Type: station.OrderReceived, Subject: o.ID}))
				say("order", o.ID)
			}
		})
	}
	for line := range 3 {
		wg.Go(func() {
			chip := station.CardID(strings.Fields(os.Getenv("STORE_CHIPS"))[line])
			for i := 0; ; i++ {
				o, err := s.Claim(bg, chip)
				if err == nil {
					say("claim", o.ID, chip)
					fail(s.Step(bg, o, "keys"))
					fail(s.Step(bg, o, "files"))
					if i%5 == 4 {
						fail(s.CloseOrder(bg, closing(o, station.OrderPending), station.Event{Type: station.OrderReturned, Subject: o.ID}))
						say("scrapped", chip)
					} else {
						fail(s.CloseOrder(bg, issued(o), station.Event{Type: station.OrderWasIssued, Subject: o.ID}))
						say("issued", o.ID, chip)
					}
				} else if k := station.KindOf(err); k != station.Unknown && k != station.ReplaceCard {
					fail(err)
				}
				if station.KindOf(err) != station.Unknown {
					chip = station.CardID(fmt.Sprintf("chip-%d-%s-%d", line, run, i))
				}
			}
		})
	}
	wg.Wait()
}

// told is what the children were answered before they were killed.
type told struct {
	enrolments, images, orders, scrapped []string
	claims                               [][2]string
	issued                               map[string]string // order -> chip
}

func (k *told) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		w := strings.Fields(lines.Text())
		switch {
		case len(w) > 0 && w[0] == "error":
			return errors.New(lines.Text())
		case len(w) == 2 && w[0] == "enrolment":
			k.enrolments = append(k.enrolments, w[1])
		case len(w) == 2 && w[0] == "image":
			k.images = append(k.images, w[1])
		case len(w) == 2 && w[0] == "order":
			k.orders = append(k.orders, w[1])
		case len(w) == 2 && w[0] == "scrapped":
			k.scrapped = append(k.scrapped, w[1])
		case len(w) == 3 && w[0] == "claim":
			k.claims = append(k.claims, [2]string{w[1], w[2]})
		case len(w) == 3 && w[0] == "issued":
			if other, twice := k.issued[w[1]]; twice {
				return fmt.Errorf("order %s was issued on %s and %s", w[1], other, w[2])
			}
			k.issued[w[1]] = w[2]
		}
	}
	return nil
}

func TestKilledAtAnyMomentNothingAnsweredIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "station.db")
	k := told{issued: map[string]string{}}
	for run := range kills {
		chips := []string{"chip-0-", "chip-1-", "chip-2-"}
		for _, claim := range k.claims { // what the run before left in the readers
			chips[claim[1][len("chip-")]-'0'] = claim[1]
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STORE_CHILD=crash", "STORE_PATH="+path, fmt.Sprint("STORE_RUN=", run), "STORE_CHIPS="+strings.Join(chips, " "))
		out := must(cmd.StdoutPipe())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(10+rand.IntN(60))*time.Millisecond, func() { cmd.Process.Kill() })
		err := k.read(out)
		cmd.Wait()
		timer.Stop()
		if err != nil {
			t.Fatal(err)
		}
		if run%10 == 9 {
			k.hold(t, path)
		}
	}
	t.Logf("%d kills: %d enrolments, %d images, %d orders, %d claims, %d issued, %d scrapped answered and found",
		kills, len(k.enrolments), len(k.images), len(k.orders), len(k.claims), len(k.issued), len(k.scrapped))
}

// hold holds what was answered against what is in the store.
func (k *told) hold(t *testing.T, path string) {
	t.Helper()
	s := openAt(t, path)
	defer s.Close()
	wantIntact(t, s)
	for _, id := range k.enrolments {
		must(s.Enrolment(bg, id))
	}
	for _, digest := range k.images {
		must(s.Image(bg, digest))
	}
	for _, chip := range k.scrapped {
		if c := must(s.Card(bg, station.CardID(chip))); c.State != station.CardScrapped {
			t.Errorf("chip %s is %s, want scrapped", chip, c.State)
		}
	}
	for id, chip := range k.issued {
		if o := must(s.Order(bg, id)); o.State != station.OrderIssued || string(o.Card) != chip {
			t.Errorf("order %s is %s on %s, want issued on %s", id, o.State, o.Card, chip)
		}
	}
	for _, claim := range k.claims {
		if o, c := must(s.Order(bg, claim[0])), must(s.Card(bg, station.CardID(claim[1]))); c.OrderID != o.ID {
			t.Errorf("chip %s was claimed for %s and is bound to %s", c.ID, o.ID, c.OrderID)
		}
	}
	events := map[string]int{}
	for e := range s.Watch(t.Context(), 0) {
		if e.Type == station.OrderWasIssued {
			events[e.Subject]++
		}
		if e.Seq == must(s.Head(bg)) {
			break
		}
	}
	count := map[string]int{} // cards that say they were issued for an order
	q := station.Query{State: station.CardIssued, Limit: 500}
	for {
		page, next, err := s.Cards(bg, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			count[c.OrderID]++
		}
		if q.After = next; next == "" {
			break
		}
	}
	for id, n := range count {
		if n != 1 || events[id] != 1 {
			t.Errorf("order %s has %d issued cards and %d events of it", id, n, events[id])
		}
	}
	for _, id := range k.orders {
		must(s.Order(bg, id))
	}
}

// fullChild fills the store until the disk is full, then tells whether it still
// holds what it answered and takes changes again once there is room.
func fullChild() {
	path := os.Getenv("STORE_PATH")
	check := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	s, err := Open(path, Options{})
	check(err)
	var room func() error
	if ballast := os.Getenv("STORE_BALLAST"); ballast != "" {
		room = func() error { return os.Remove(ballast) }
	} else {
		limit := syscall.Rlimit{Cur: 2 << 20, Max: syscall.RLIM_INFINITY & (1<<63 - 1)}
		var old syscall.Rlimit
		check(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
		limit.Max = old.Max
		check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
		room = func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old) }
	}
	put := func(i int) error {
		id := fmt.Sprint("e", i)
		if _, err := s.PutEnrolment(bg, station.Enrolment{ID: id}, station.Event{Type: station.EnrolmentOpened, Subject: id}); err != nil {
			return err
		}
		img := station.Image{Media: "image/png", Data: bytes.Repeat([]byte{byte(i)}, 50_000)}
		_, err := s.UpdateEnrolment(bg, id, []station.Image{img}, func(e *station.Enrolment) ([]station.Event, error) {
			e.Captures = []station.Capture{{Slot: station.Portrait, Digest: img.Digest()}}
			return []station.Event{{Type: station.EnrolmentCaptured, Subject: id}}, nil
		})
		return err
	}
	n := 0
	for err = nil; err == nil && n < 10_000; n++ {
		err = put(n)
	}
	var e *station.Error
	if !errors.As(err, &e) || e.Kind != station.StopLine || !isFull(err) || e.Hint == "" || n < 3 {
		fmt.Println("error: after", n, "enrolments:", err)
		os.Exit(1)
	}
	hold := func() {
		_, err := s.Audit(bg)
		check(err)
		for i := range n - 1 { // all but the one that was refused
			got, err := s.Enrolment(bg, fmt.Sprint("e", i))
			check(err)
			_, err = s.Image(bg, got.Captures[0].Digest)
			check(err)
		}
	}
	hold()
	check(room())
	check(put(n)) // without opening the file anew
	check(s.Close())
	s, err = Open(path, Options{})
	check(err)
	hold()
	check(put(n + 1))
	fmt.Println("full after", n, "enrolments:", e)
	os.Exit(0)
}

func TestFullDiskRefusesClearlyAndLosesNothing(t *testing.T) {
	child := func(t *testing.T, dir string, env ...string) {
		t.Helper()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(append(os.Environ(), "STORE_CHILD=full", "STORE_PATH="+filepath.Join(dir, "station.db")), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Logf("%s", out)
	}
	t.Run("file size limit", func(t *testing.T) { child(t, t.TempDir()) })
	t.Run("tmpfs", func(t *testing.T) {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
			t.Skip("no tmpfs may be mounted here: ", err)
		}
		defer syscall.Unmount(dir, syscall.MNT_DETACH)
		ballast := filepath.Join(dir, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		child(t, dir, "STORE_BALLAST="+ballast)
	})
}
