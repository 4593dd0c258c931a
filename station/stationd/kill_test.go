package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cardstation/devices/softcard"
	"cardstation/personalize/cccd"
	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/store"
)

// kills is how often the daemon is killed; CARDSTATION_KILLS asks for more.
const kills = 25

// TestKilledAtRandom kills the real process, as a power cut would, again and
// again while it enrols citizens and issues cards through a real pcscd, and then
// counts: every enrolment and order that was acknowledged is there, every order
// has exactly one issued card, every finished chip belongs to exactly one order,
// and the chain of events holds.
func TestKilledAtRandom(t *testing.T) {
	n := kills
	if s := os.Getenv("CARDSTATION_KILLS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	k := newKillTest(t)
	for i := range n {
		k.life(time.Duration(rand.IntN(900))*time.Millisecond, i == 0, i%8 == 7)
	}
	k.settle()
	t.Logf("%d kills: %d enrolments and %d orders acknowledged, %d cards issued, %d chips used", n, len(k.enrolments), len(k.orders), k.issued, len(k.chips))
}

// killTest is a station's folder, its line's reader and the hand that feeds it.
type killTest struct {
	t      testing.TB
	dir    string
	config string
	base   string
	admin  string // password of the first administrator
	token  string
	photo  []byte
	bench  *testReaders
	chips  []*softcard.Chip
	chip   *softcard.Chip // in the reader
	id     string         // its identity

	mu         sync.Mutex
	enrolments map[string]string // acknowledged: id -> personal number
	orders     map[string]string
	issued     int
	next       int
}

func newKillTest(t testing.TB) *killTest {
	k := &killTest{t: t, dir: t.TempDir(), bench: readersForTest(t), enrolments: map[string]string{}, orders: map[string]string{}}
	keys := filepath.Join(k.dir, "keys")
	if err := pki.InitDemo(keys); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.base = "http://" + l.Addr().String()
	l.Close()
	k.config = filepath.Join(k.dir, "station.yaml")
	var others []string // than the line's, which has reader 1
	for i, name := range k.bench.rig.Names() {
		if i != 1 {
			others = append(others, strconv.Quote(name))
		}
	}
	text := fmt.Sprintf("data: %s\nkeys: %s\nlisten: %s\nstation: KILL\noffice: [%s]\n", k.dir, keys, strings.TrimPrefix(k.base, "http://"), strings.Join(others, ", "))
	if err := os.WriteFile(k.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	k.photo = example(1).frames[station.Portrait].Data
	return k
}

// start runs stationd and returns when it answers.
func (k *killTest) start() *exec.Cmd {
	k.t.Helper()
	cmd := exec.Command(os.Args[0], "run", "--config", k.config)
	cmd.Env = append(os.Environ(), asStationd+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		if r, err := http.Get(k.base + "/healthz"); err == nil {
			r.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			k.t.Fatalf("stationd does not answer: %s%s", out.String(), errs.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	if m := regexp.MustCompile(`login (\S+), password (\S+) `).FindStringSubmatch(out.String()); m != nil {
		k.admin = m[2]
	}
	return cmd
}

// life is one run of the daemon: work until the kill, or until it is asked to
// stop, which it must do in order.
func (k *killTest) life(d time.Duration, first, gently bool) {
	cmd := k.start()
	if first {
		k.people()
	}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { k.work(ctx) })
	wg.Go(func() { k.feed(ctx) })
	time.Sleep(d)
	if gently {
		k.end(cmd)
	} else {
		if err := cmd.Process.Kill(); err != nil {
			k.t.Error(err)
		}
		_ = cmd.Wait() // killed
	}
	stop()
	wg.Wait()
	k.token = ""
}

// people makes the one who may do both: desk and line.
func (k *killTest) people() {
	k.t.Helper()
	var in struct{ Token string }
	if code := k.call("POST", "/v1/sessions", map[string]any{"login": "admin", "password": k.admin}, &in); code >= 300 {
		k.t.Fatalf("administrator cannot log in: %d", code)
	}
	k.token = in.Token
	code := k.call("PUT", "/v1/people/worker", map[string]any{"name": "worker", "roles": []string{"desk", "line", "supervisor"}, "password": "a long enough one"}, nil)
	if code >= 300 {
		k.t.Fatalf("person not made: %d", code)
	}
	k.token = ""
}

// work sends enrolments and orders as fast as they are taken.
func (k *killTest) work(ctx context.Context) {
	var in struct{ Token string }
	for k.call("POST", "/v1/sessions", map[string]any{"login": "worker", "password": "a long enough one"}, &in) >= 300 {
		if ctx.Err() != nil {
			return
		}
	}
	k.token = in.Token
	for ctx.Err() == nil {
		k.next++
		c := cccd.Example(uint64(k.next))
		bio := map[string]any{"personalNumber": c.Number, "name": c.Name, "dateOfBirth": c.BirthDate, "gender": c.Sex, "nationality": c.Nationality,
			"ethnicity": c.Ethnicity, "religion": c.Religion, "placeOfOrigin": c.Origin, "placeOfResidence": c.Residence}
		id := fmt.Sprintf("k-%d", k.next)
		if code := k.call("POST", "/v1/enrollments/"+id+"?transactionId=t", map[string]any{"biographicData": bio}, nil); code == 204 {
			k.note(k.enrolments, id, c.Number)
		} else if code >= 400 {
			k.t.Errorf("enrolment %s refused: %d", id, code)
		}
		if k.waiting() > 3 { // do not drown the line
			time.Sleep(20 * time.Millisecond)
			continue
		}
		order := map[string]any{"personId": c.Number, "biographicData": bio,
			"requestData":   map[string]any{"priority": 1, "credentialProfileId": "softcard", "requestType": "FIRST_ISSUANCE"},
			"biometricData": []any{map[string]any{"biometricType": "FACE", "biometricSubType": "PORTRAIT", "image": k.photo, "mimeType": "image/jpeg"}}}
		if code := k.call("POST", "/v1/credentialRequests/"+id+"?transactionId=t", order, nil); code == 201 {
			k.note(k.orders, id, c.Number)
		} else if code >= 400 {
			k.t.Errorf("order %s refused: %d", id, code)
		}
	}
}

func (k *killTest) note(m map[string]string, id, number string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m[id] = number
}

func (k *killTest) waiting() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.orders) - k.issued
}

// feed keeps a chip in the line's reader: a blank, until the station says that it
// is done with it.
func (k *killTest) feed(ctx context.Context) {
	if k.chip == nil {
		k.blank()
	}
	for ctx.Err() == nil {
		var answer struct {
			Items []struct {
				Name, Use, State, Card, Problem string
			}
		}
		if code := k.call("GET", "/v1/readers", nil, &answer); code != 200 {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		for _, r := range answer.Items {
			switch {
			case r.Use != "line" || r.Card != k.id && r.Card != "": // the station has not seen the swap yet
			case r.State == "done":
				k.mu.Lock()
				k.issued++
				k.mu.Unlock()
				k.bench.remove(1)
				time.Sleep(pcscdPoll)
				k.blank()
			case r.State == "problem":
				// A card whose order was closed just before the kill is spent; every other
				// one is put back.
				chip := k.chip
				k.bench.remove(1)
				time.Sleep(pcscdPoll)
				if strings.Contains(r.Problem, "is issued") || strings.Contains(r.Problem, "is scrapped") {
					k.mu.Lock()
					k.issued++
					k.mu.Unlock()
					k.blank()
				} else {
					k.bench.insert(1, chip)
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// pcscdPoll is longer than pcscd takes to see that a card is gone: it looks every
// 400 ms.
const pcscdPoll = 600 * time.Millisecond

func (k *killTest) blank() {
	k.chip = blankChip(k.t)
	k.id, _ = lookAtChip(k.t, k.chip)
	k.chips = append(k.chips, k.chip)
	k.bench.insert(1, k.chip)
}

// settle lets the station finish, then counts.
func (k *killTest) settle() {
	cmd := k.start()
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	var in struct{ Token string }
	if code := k.call("POST", "/v1/sessions", map[string]any{"login": "worker", "password": "a long enough one"}, &in); code >= 300 {
		k.t.Fatalf("log in after the last kill: %d", code)
	}
	k.token = in.Token
	done := make(chan struct{})
	go func() { defer close(done); k.feed(ctx) }()
	for ctx.Err() == nil && k.unfinished() > 0 {
		time.Sleep(100 * time.Millisecond)
	}
	if ctx.Err() != nil {
		var readers json.RawMessage
		k.call("GET", "/v1/readers", nil, &readers)
		k.t.Errorf("the line does not get on: chip %s is in the reader, the station says %s", k.id, readers)
	}
	stop()
	<-done
	k.end(cmd)
	k.count()
}

// end asks stationd to stop; the card in the reader is left resumable.
func (k *killTest) end(cmd *exec.Cmd) {
	k.t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		k.t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		k.t.Errorf("stationd did not stop in order: %v", err)
	}
}

// unfinished asks how many orders are neither issued nor cancelled.
func (k *killTest) unfinished() int {
	n := 0
	for _, state := range []string{station.OrderPending, station.OrderClaimed} {
		var found struct{ Items []json.RawMessage }
		if code := k.call("GET", "/v1/credentialRequests?state="+state, nil, &found); code != 200 {
			k.t.Errorf("list of orders: %d", code)
		}
		n += len(found.Items)
	}
	return n
}

func (k *killTest) count() {
	db, err := store.Open(filepath.Join(k.dir, "station.db"), store.Options{})
	if err != nil {
		k.t.Fatal(err)
	}
	defer db.Close()
	ctx := context.Background()
	if n, err := db.Audit(ctx); err != nil || n == 0 {
		k.t.Errorf("audit: %d events, %v", n, err)
	}
	for id, number := range k.enrolments {
		if e, err := db.Enrolment(ctx, id); err != nil || e.Citizen.Number != number {
			k.t.Errorf("acknowledged enrolment %s: %v", id, err)
		}
	}
	cards := map[string][]station.Card{}
	for after := ""; ; {
		page, next, err := db.Cards(ctx, station.Query{State: station.CardIssued, After: after, Limit: 500})
		if err != nil {
			k.t.Fatal(err)
		}
		for _, c := range page {
			cards[c.OrderID] = append(cards[c.OrderID], c)
		}
		if after = next; next == "" {
			break
		}
	}
	k.issued = len(cards)
	for id, number := range k.orders {
		o, err := db.Order(ctx, id)
		switch {
		case err != nil || o.Citizen.Number != number:
			k.t.Errorf("acknowledged order %s: %v", id, err)
		case o.State != station.OrderIssued:
			k.t.Errorf("order %s ended %s: %s", id, o.State, o.Reason)
		case len(cards[id]) != 1:
			k.t.Errorf("order %s has %d issued cards", id, len(cards[id]))
		}
	}
	k.countChips(ctx, db, cards)
}

// countChips holds what is in the chips against what the station says of them.
func (k *killTest) countChips(ctx context.Context, db *store.Store, cards map[string][]station.Card) {
	finished := 0
	for _, chip := range k.chips {
		id, locked := lookAtChip(k.t, chip)
		c, err := db.Card(ctx, station.CardID(id))
		switch {
		case !locked && err == nil && c.State == station.CardIssued:
			k.t.Errorf("chip %s counts as issued and is not finished", id)
		case locked:
			finished++
			if err != nil || c.State != station.CardIssued && c.State != station.CardScrapped {
				k.t.Errorf("chip %s is finished, the station says %q (%v)", id, c.State, err)
			}
		}
	}
	if finished < len(cards) {
		k.t.Errorf("%d finished chips for %d issued cards", finished, len(cards))
	}
}

// call speaks JSON; 0 is no answer.
func (k *killTest) call(method, path string, body, into any) int {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			k.t.Error(err)
			return 0
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, k.base+path, in)
	if err != nil {
		k.t.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	if k.token != "" {
		req.Header.Set("Authorization", "Bearer "+k.token)
	}
	client := http.Client{Timeout: 10 * time.Second}
	r, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer r.Body.Close()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return 0
	}
	if into != nil && r.StatusCode < 300 {
		if err := json.Unmarshal(raw, into); err != nil {
			k.t.Errorf("%s %s: %v", method, path, err)
		}
	}
	return r.StatusCode
}
