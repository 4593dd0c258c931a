package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cardstation/biometrics"
	"cardstation/devices/capture"
	"cardstation/station"
	"cardstation/station/enrol"
	"cardstation/station/verify"
)

// A body of nothing but small values would be a few hundred times as large once it is read.
func TestABodyOfManyValuesIsRefusedUnread(t *testing.T) {
	h := newHouse(t)
	c := &talk{t: t, h: h, tokens: map[string]string{}, kept: map[string]string{}}
	many := `[` + strings.Repeat("{},", 1<<20) + `{}]`
	kind := http.Header{"Content-Type": {"application/json"}}
	for path, body := range map[string]string{"/v1/enrollments/e1?transactionId=t": `{"biometricData":` + many + `}`,
		"/v1/enrollments/e1/captures/portrait": `{"simulate":true,"missing":` + many + `}`} {
		code, _, answer := c.do(path, "desk", "POST", path, kind, []byte(body))
		if code != http.StatusBadRequest || !bytes.Contains(answer, []byte("values")) || len(answer) > 1<<10 {
			t.Errorf("%s: %d %.300s", path, code, answer)
		}
	}
	faults := `{"` + strings.Join(strings.Fields(fmt.Sprint(make([]int, 5000))[1:]), `x":1,"`) // names that nobody knows
	if code, _, answer := c.do("faults", "desk", "POST", "/v1/enrollments/e1?transactionId=t", kind, []byte(strings.TrimSuffix(faults, `,"`)+`":1}`)); code != http.StatusBadRequest || len(answer) > 16<<10 {
		t.Errorf("many faults are told with %d in %d bytes", code, len(answer))
	}
}

func TestValuesInStringsAreNone(t *testing.T) {
	for text, want := range map[string]int{`{"a":[1,2],"b":{}}`: 8, `"a,b:[{\",\\"`: 1, `["\\",1]`: 3, `"open, `: 1, ``: 1} {
		if got := values([]byte(text)); got != want {
			t.Errorf("%s has %d values, want %d", text, got, want)
		}
	}
}

// However a text is written, no value escapes the count.
func FuzzValues(f *testing.F) {
	for _, s := range []string{`{"a":[1,2,"\"",{"\\":null}]}`, `[[],[""],{"":[]}]`, `"\\\""`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if json.Unmarshal(data, &v) != nil {
			return
		}
		if got, want := values(data), valuesIn(v); got < want {
			t.Errorf("%d of %d values are counted in %q", got, want, data)
		}
	})
}

// valuesIn counts what was read; of members with the same name only one is.
func valuesIn(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			n += valuesIn(one)
		}
	case map[string]any:
		for _, one := range v {
			n += valuesIn(one)
		}
	}
	return n
}

// sending begins a request with a body of n bytes and sends none of them; answer waits
// for what the station says.
func (h *house) sending(t *testing.T, token string, n int) (answer func() int, end func()) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1/enrollments/e1/captures/portrait HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: image/png\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", token, n)
	return func() (code int) {
		if _, err := fmt.Fscanf(conn, "HTTP/1.1 %d", &code); err != nil {
			t.Error(err)
		}
		return code
	}, func() { conn.Close() }
}

// What bodies take of the memory is bounded for each person and for all, whether they are
// ever sent or not; a body that is too large is told by its length.
func TestBodiesUnderWayAreBounded(t *testing.T) {
	h := newHouse(t)
	desk, both := h.logIn(t, "desk"), h.logIn(t, "both")
	const large = 20<<20 - 1
	var ends []func()
	for range bodyShare / large {
		answer, end := h.sending(t, desk, large)
		if code := answer(); code != http.StatusContinue {
			t.Fatalf("within the share: %d", code)
		}
		ends = append(ends, end)
	}
	for _, c := range []struct {
		token       string
		bytes, want int
	}{{desk, large, http.StatusTooManyRequests}, {both, large, http.StatusContinue}, {desk, 1 << 30, http.StatusRequestEntityTooLarge}, {desk, 1 << 20, http.StatusContinue}} {
		answer, end := h.sending(t, c.token, c.bytes)
		if code := answer(); code != c.want {
			t.Errorf("%d bytes more: %d, want %d", c.bytes, code, c.want)
		}
		end()
	}
	for _, end := range ends {
		end()
	}
	for range 1000 { // until the station has seen that they are gone
		answer, end := h.sending(t, desk, large)
		code := answer()
		end()
		if code == http.StatusContinue {
			return
		}
	}
	t.Error("bodies that were given up keep their room")
}

// busyDesk counts the captures that are looked at.
type busyDesk struct {
	Desk
	taken, looking atomic.Int32
	most           chan int32
	goOn           chan struct{}
}

func (d *busyDesk) Capture(ctx context.Context, _ station.Person, _ string, _ station.Slot, sensor capture.Sensor, _ []station.Missing) (station.Capture, error) {
	_, err := sensor.Capture(ctx)
	d.most <- d.looking.Add(1)
	<-d.goOn
	d.looking.Add(-1)
	return station.Capture{}, err
}

// takes counts frames that were taken.
type takes struct{ n *atomic.Int32 }

func (s takes) Capture(context.Context) (capture.Frame, error) {
	s.n.Add(1)
	return capture.Frame{}, nil
}

// A pile of pictures that one person sends is looked at a few at a time, and nobody else
// waits behind it; a scanner is not kept waiting for its turn.
func TestPicturesAreLookedAtInTurn(t *testing.T) {
	const pile = 10
	d := &busyDesk{most: make(chan int32, pile+1), goOn: make(chan struct{})}
	s, _ := newServer(Config{Desk: d, Sensor: func(station.Slot) (capture.Sensor, bool) { return takes{&d.taken}, true }})
	var all sync.WaitGroup
	send := func(login string) {
		all.Go(func() {
			ctx := context.WithValue(context.Background(), callerKey{}, caller{Person: station.Person{Login: login}})
			in := &captureInput{SlotPath: SlotPath{Slot: "portrait"}, ContentType: "application/json", RawBody: []byte(`{"simulate":true}`)}
			if _, err := s.capture(ctx, in); err != nil {
				t.Error(err)
			}
		})
	}
	for range pile {
		send("lan")
	}
	for range turnsEach {
		<-d.most
	}
	send("minh")
	if n := <-d.most; n != turnsEach+1 {
		t.Errorf("another's picture is looked at beside %d, want %d", n-1, turnsEach)
	}
	for d.taken.Load() < pile+1 {
		select {
		case n := <-d.most:
			t.Fatalf("%d pictures are looked at at once", n)
		default:
		}
	}
	close(d.goOn)
	all.Wait()
}

func TestATurnThatNobodyWaitsForIsFree(t *testing.T) {
	turns := newTurns(2, 1)
	done, _ := turns.wait(t.Context(), "lan")
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := turns.wait(gone, "lan"); err == nil {
		t.Error("who left has a turn")
	}
	other, _ := turns.wait(t.Context(), "minh")
	if _, err := turns.wait(gone, "hoa"); err == nil {
		t.Error("who left has a turn, with none free")
	}
	done()
	other()
	if _, err := turns.wait(t.Context(), "hoa"); err != nil {
		t.Error(err)
	}
}

// recallDesk knows one enrolment and who had it read.
type recallDesk struct {
	Desk
	recalled []string
}

func (d *recallDesk) Get(context.Context, string) (station.Enrolment, error) {
	return station.Enrolment{ID: "e1"}, nil
}

func (d *recallDesk) Recall(e station.Enrolment) { d.recalled = append(d.recalled, e.ID) }

func TestWhoCapturesHasEarlierCapturesRead(t *testing.T) {
	d := &recallDesk{}
	s, _ := newServer(Config{Desk: d})
	for _, role := range []station.Role{station.RoleSupervisor, station.RoleDesk} {
		ctx := context.WithValue(t.Context(), callerKey{}, caller{Person: station.Person{Login: "x", Roles: []station.Role{role}}})
		if _, err := s.listCaptures(ctx, &EnrollmentPath{ID: "e1"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.readEnrollment(ctx, &readEnrollmentInput{EnrollmentPath: EnrollmentPath{ID: "e1"}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.recalled) != 2 {
		t.Errorf("read %d times, want twice, for the one who captures", len(d.recalled))
	}
	var _ Recaller = (*enrol.Desk)(nil)
}

// busyOffice waits for its cards.
type busyOffice struct {
	waits chan struct{}
	goOn  chan struct{}
}

func (o *busyOffice) Verify(context.Context, station.Person, string, verify.Key, *verify.Probe) (station.Verdict, error) {
	o.waits <- struct{}{}
	<-o.goOn
	return station.Verdict{}, nil
}

// Each verification that waits keeps a finger in memory: few wait at once, none with a picture
// that is far more than one finger.
func TestVerificationsThatWaitAreBounded(t *testing.T) {
	o := &busyOffice{make(chan struct{}), make(chan struct{})}
	s, _ := newServer(Config{Office: o})
	ask := func(login string, finger []byte) error {
		ctx := context.WithValue(context.Background(), callerKey{}, caller{Person: station.Person{Login: login}})
		_, err := s.verify(ctx, &verifyInput{Body: VerifyBody{Reader: "r", CAN: "123456", Finger: finger, FingerPPI: 500}})
		return err
	}
	var all sync.WaitGroup
	begin := func(login string) {
		all.Go(func() {
			if err := ask(login, picture(300, 1)); err != nil {
				t.Error(err)
			}
		})
		<-o.waits
	}
	for range cardsEach {
		begin("lan")
	}
	var p *Problem
	if err := ask("lan", nil); !errors.As(err, &p) || p.Status != http.StatusTooManyRequests {
		t.Errorf("one more: %v", err)
	}
	begin("minh")
	wide, err := biometrics.EncodePNG(image.NewGray(image.Rect(0, 0, 4097, 4097)), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := ask("minh", wide); station.KindOf(err) != station.Correct || !strings.Contains(err.Error(), "4097 x 4097 pixels") {
		t.Errorf("a picture of 16 million pixels: %v", err)
	}
	close(o.goOn)
	all.Wait()
}
