package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"cardstation/station"
)

func TestLimiterRefills(t *testing.T) {
	c := &clock{now: today}
	l := newLimiter(3, time.Second, c.Now)
	for i := range 3 {
		if l.take("a") != 0 {
			t.Errorf("try %d was refused", i)
		}
	}
	if wait := l.take("a"); wait != time.Second {
		t.Errorf("wait %v", wait)
	}
	if l.take("b") != 0 {
		t.Error("another key waits")
	}
	c.forward(time.Second)
	if l.take("a") != 0 || l.take("a") == 0 {
		t.Error("one second gives not one try")
	}
}

func TestBuffersAreBoundedAndForgotten(t *testing.T) {
	c := &clock{now: today}
	b := newBuffers(c.Now)
	b.room = newShares(100, 80)
	id, err := b.put("lan", "e1", "image/png", make([]byte, 60))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.put("lan", "e1", "image/png", make([]byte, 60)); err != nil || again != id {
		t.Error("the same again is another buffer", err)
	}
	var p *Problem
	if _, err := b.put("lan", "e1", "image/png", make([]byte, 30)); !errors.As(err, &p) || p.Status != http.StatusTooManyRequests || p.Hint == "" {
		t.Errorf("more than a share, and yet %v", err)
	}
	if _, err := b.put("minh", "e2", "image/png", make([]byte, 30)); err != nil {
		t.Errorf("one person's share is another's: %v", err)
	}
	if _, err := b.put("minh", "e2", "image/png", make([]byte, 31)); !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable {
		t.Errorf("no room, and yet %v", err)
	}
	if _, ok := b.get("e2", id); ok {
		t.Error("another enrolment's buffer is given")
	}
	b.used("e1", id)
	if _, ok := b.get("e1", id); ok {
		t.Error("a buffer that was captured still waits")
	}
	if _, err := b.put("lan", "e1", "image/png", make([]byte, 70)); err != nil {
		t.Errorf("a used buffer keeps its room: %v", err)
	}
	c.forward(bufferLife + time.Second)
	if _, err := b.put("lan", "e1", "image/png", make([]byte, 80)); err != nil {
		t.Errorf("old buffers keep their room: %v", err)
	}
}

func TestSlowedLoginsAreNeverRefused(t *testing.T) {
	c := &clock{now: today}
	l := newLimiter(2, time.Second, c.Now)
	for i, want := range []time.Duration{0, 0, slowest / 16, slowest / 8, slowest / 4, slowest / 2, slowest, slowest, slowest} {
		if got := l.slow("lan"); got != want {
			t.Errorf("try %d takes %v, want %v", i, got, want)
		}
	}
	if l.slow("minh") != 0 {
		t.Error("another login is slow")
	}
	c.forward(7 * time.Second)
	if l.slow("lan") != 0 {
		t.Error("it never calms down")
	}
}

func TestNetworksAreOneCustomers(t *testing.T) {
	for a, want := range map[string]string{"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "pipe": "pipe"} {
		if got := network(a); got != want {
			t.Errorf("%s is of %s, want %s", a, got, want)
		}
	}
}

// tryFrom tries to log in from an address of this machine.
func (h *house) tryFrom(t *testing.T, address, login, secret string) int {
	t.Helper()
	dial := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	client := &http.Client{Transport: &http.Transport{DialContext: dial.DialContext, DisableKeepAlives: true}}
	resp, err := client.Post(h.URL+"/v1/sessions", "application/json", strings.NewReader(fmt.Sprintf(`{"login":%q,"password":%q}`, login, secret)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// Who guesses at a person's password locks themselves out, not the person.
func TestNobodyLocksAnotherOut(t *testing.T) {
	h := newHouse(t)
	for range 5 {
		if code := h.tryFrom(t, "127.0.0.2", "desk", "guess"); code != http.StatusUnauthorized {
			t.Fatalf("a guess: %d", code)
		}
	}
	if code := h.tryFrom(t, "127.0.0.2", "desk", password); code != http.StatusTooManyRequests {
		t.Errorf("the sixth try from there: %d", code)
	}
	begin := time.Now()
	if code := h.tryFrom(t, "127.0.0.1", "desk", password); code != http.StatusCreated {
		t.Errorf("the owner elsewhere: %d", code)
	}
	if took := time.Since(begin); took < slowest/16 {
		t.Errorf("the sixth try at one login took %v only", took)
	}
	if code := h.tryFrom(t, "127.0.0.2", "line", password); code != http.StatusCreated {
		t.Errorf("another login from there: %d", code)
	}
	for range 20 {
		h.tryFrom(t, "127.0.0.3", fmt.Sprint("made-up-", time.Now().UnixNano()), "guess")
	}
	if code := h.tryFrom(t, "127.0.0.3", "line", password); code != http.StatusTooManyRequests {
		t.Errorf("an address that tries all logins: %d", code)
	}
}

// What is typed into the box for the login may be a password.
func TestUnknownLoginsAreNotKept(t *testing.T) {
	h := newHouse(t)
	const typed = "my-secret-typed-too-early"
	if code := h.tryFrom(t, "127.0.0.1", typed, "x"); code != http.StatusUnauthorized {
		t.Fatal(code)
	}
	h.tryFrom(t, "127.0.0.1", "desk", "x")
	events, err := h.db.Events(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	for _, e := range events {
		if strings.Contains(e.Subject+e.Actor+string(e.Body), typed) {
			t.Errorf("event %d keeps what was typed", e.Seq)
		}
		if e.Type == station.PersonRefused {
			refused = append(refused, e.Subject+" "+e.Actor)
		}
	}
	if got := strings.Join(refused, ", "); got != "unknown unknown, desk desk" {
		t.Errorf("refusals of %s", got)
	}
	if strings.Contains(h.log.String(), typed) {
		t.Error("the log keeps what was typed")
	}
}

// Who logs in from where is for administrators.
func TestStreamTellsOfPeopleToAdministratorsOnly(t *testing.T) {
	h := newHouse(t)
	if err := h.db.Record(t.Context(), station.Event{Type: station.OrderStep, Subject: "o1", Actor: "station"}); err != nil {
		t.Fatal(err)
	}
	if _, data := h.listenAs(t, "line", "0", 1); !strings.Contains(data[0], `"order.step"`) {
		t.Errorf("the line hears %s first", data[0])
	}
	if _, data := h.listenAs(t, "admin", "0", 1); !strings.Contains(data[0], `"person.changed"`) {
		t.Errorf("the administrator hears %s first", data[0])
	}
}

func TestOnePersonsStreamsAreBounded(t *testing.T) {
	h := newHouse(t)
	line, boss := h.logIn(t, "line"), h.logIn(t, "boss")
	open := func(token string) (int, string, func()) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body := ""
		if resp.StatusCode != http.StatusOK {
			raw, _ := io.ReadAll(resp.Body)
			body = string(raw)
		}
		return resp.StatusCode, body, func() { cancel(); resp.Body.Close() }
	}
	var last func()
	for i := range streamsEach {
		var code int
		if code, _, last = open(line); code != http.StatusOK {
			t.Fatalf("stream %d: %d", i, code)
		}
	}
	if code, body, end := open(line); code != http.StatusTooManyRequests || !strings.Contains(body, `"hint"`) {
		t.Errorf("one more: %d %s", code, body)
		end()
	}
	if code, _, _ := open(boss); code != http.StatusOK {
		t.Errorf("another person: %d", code)
	}
	last()
	for range 100 {
		code, _, _ := open(line)
		if code == http.StatusOK {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("a stream that ended makes no room")
}
