package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/synth"
	"cardstation/devices/capture"
	"cardstation/personalize/cccd"
	"cardstation/personalize/pki"
	"cardstation/station"
)

// deskTest is a whole station, reached as a client would: over HTTP.
type deskTest struct {
	t       testing.TB
	house   *house
	base    string
	stop    func()
	tokens  map[station.Role]string
	sensor  func(station.Slot) (capture.Sensor, bool) // as start attaches it; nil for none
	slowest time.Duration                             // from a capture sent to its verdict
	dearest time.Duration                             // what all processors spent on one
	sent    int
}

func newDeskTest(t testing.TB) *deskTest {
	t.Helper()
	cfg := defaults()
	cfg.Data = t.TempDir()
	cfg.Keys = filepath.Join(cfg.Data, "keys")
	if err := pki.InitDemo(cfg.Keys); err != nil {
		t.Fatal(err)
	}
	d := &deskTest{t: t, tokens: map[station.Role]string{}}
	d.start(cfg)
	t.Cleanup(func() { d.stop() })
	d.people()
	return d
}

// start wires a station over its folder.
func (d *deskTest) start(cfg config) {
	d.t.Helper()
	h, err := build(cfg, fittings{drivers: newMemoryReaders(), sensor: d.sensor, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.t.Fatal(err)
	}
	srv := httptest.NewServer(h.server.Handler)
	d.house, d.base = h, srv.URL
	d.stop = func() { srv.Close(); h.close() }
}

// restart is a new station over the same folder; people log in again.
func (d *deskTest) restart() {
	d.t.Helper()
	d.stop()
	d.start(d.house.cfg)
	d.people()
}

// people makes those of the desk and logs them in.
func (d *deskTest) people() {
	d.t.Helper()
	st, err := d.house.staff(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	clear(d.tokens)
	for _, r := range []station.Role{station.RoleDesk, station.RoleSupervisor} {
		var in struct{ Token string }
		if code, body := d.call(r, "POST", "/v1/sessions", map[string]any{"login": string(r), "password": st.password}, &in); code >= 300 {
			d.t.Fatalf("%s cannot log in: %d %s", r, code, body)
		}
		d.tokens[r] = in.Token
	}
}

// call speaks JSON, or sends an image as it is.
func (d *deskTest) call(as station.Role, method, path string, body, into any) (code int, answer string) {
	d.t.Helper()
	raw, kind := []byte(nil), "application/json"
	switch b := body.(type) {
	case nil:
	case []byte:
		raw, kind = b, "image/png"
	default:
		var err error
		if raw, err = json.Marshal(b); err != nil {
			d.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, d.base+path, bytes.NewReader(raw))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	if d.tokens[as] != "" {
		req.Header.Set("Authorization", "Bearer "+d.tokens[as])
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if into != nil && r.StatusCode < 300 {
		if err := json.Unmarshal(got, into); err != nil {
			d.t.Fatal(err)
		}
	}
	return r.StatusCode, string(got)
}

// open begins an enrolment of an invented citizen.
func (d *deskTest) open(id string, citizen uint64) {
	d.t.Helper()
	c := cccd.Example(citizen)
	bio := map[string]any{"personalNumber": c.Number, "name": c.Name, "dateOfBirth": c.BirthDate, "gender": c.Sex, "nationality": c.Nationality,
		"ethnicity": c.Ethnicity, "religion": c.Religion, "placeOfOrigin": c.Origin, "placeOfResidence": c.Residence}
	if code, body := d.call(station.RoleDesk, "POST", "/v1/enrollments/"+id+"?transactionId=t", map[string]any{"biographicData": bio}, nil); code != 204 {
		d.t.Fatalf("open %s: %d %s", id, code, body)
	}
}

// take sends a capture, with the answer's time.
func (d *deskTest) take(id string, slot station.Slot, png []byte, missing ...string) (c station.Capture) {
	d.t.Helper()
	query := ""
	for _, m := range missing {
		query += "&missing=" + m
	}
	start, before := time.Now(), processorTime(d.t)
	code, body := d.call(station.RoleDesk, "POST", fmt.Sprintf("/v1/enrollments/%s/captures/%s?ppi=500%s", id, slot, query), png, &c)
	d.slowest, d.dearest = max(d.slowest, time.Since(start)), max(d.dearest, processorTime(d.t)-before)
	d.sent++
	if code != 200 {
		d.t.Fatalf("%s of %s: %d %s", slot, id, code, body)
	}
	return c
}

// finalize gives what is wrong by slot, empty where nothing is.
func (d *deskTest) finalize(id string) (status int, fields map[string]string) {
	d.t.Helper()
	code, body := d.call(station.RoleDesk, "PUT", "/v1/enrollments/"+id+"/finalize?transactionId=t", nil, nil)
	var problem struct {
		Errors []struct{ Location, Message string }
	}
	fields = map[string]string{}
	if json.Unmarshal([]byte(body), &problem) == nil {
		for _, e := range problem.Errors {
			fields[e.Location[strings.LastIndexByte(e.Location, '.')+1:]] = e.Message
		}
	}
	return code, fields
}

// shots are one person's pictures by slot.
type shots map[station.Slot][]byte

func shotsOf(captures []synth.Capture) shots {
	all := shots{}
	for i, c := range captures {
		all[station.FingerSlots[i].Slot] = c.PNG
	}
	return all
}

// realShots are those of the real card.
func realShots(t testing.TB) shots {
	r, err := loadRecord(realRecord(t, "mannequin-480x640.jpg", ".png"))
	if err != nil {
		t.Fatal(err)
	}
	all := shots{}
	for slot, f := range r.frames {
		if slot != station.Portrait {
			all[slot] = f.Data
		}
	}
	return all
}

// with gives the pictures with some in other slots: slot, whose picture, slot, ...
func (s shots) with(pairs ...station.Slot) shots {
	all := shots{}
	for slot, p := range s {
		all[slot] = p
	}
	for i := 0; i < len(pairs); i += 2 {
		all[pairs[i]] = s[pairs[i+1]]
	}
	return all
}

// again is the picture with one pixel changed, so that it is not the very same.
func again(t testing.TB, raw []byte) []byte {
	img, err := biometrics.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	g := image.NewGray(image.Rectangle{Max: img.Bounds().Size()})
	draw.Draw(g, g.Rect, img.Image, img.Bounds().Min, draw.Src)
	g.SetGray(0, 0, color.Gray{Y: g.GrayAt(0, 0).Y ^ 1})
	var out bytes.Buffer
	if err := png.Encode(&out, g); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// enrol takes the pictures in the order of the circular until one is refused or gives
// another away, and tells which slots are refused then.
func (d *deskTest) enrol(id string, citizen uint64, all shots) (at station.Slot, refused map[station.Slot]station.Capture) {
	d.t.Helper()
	d.open(id, citizen)
	refused = map[station.Slot]station.Capture{}
	for _, f := range station.FingerSlots {
		d.take(id, f.Slot, all[f.Slot])
		for _, c := range d.captures(id) {
			if c.State == station.CaptureRefused {
				refused[c.Slot] = c
			}
		}
		if len(refused) > 0 {
			return f.Slot, refused
		}
	}
	return "", refused
}

func (d *deskTest) captures(id string) []station.Capture {
	d.t.Helper()
	var list struct{ Items []station.Capture }
	if code, body := d.call(station.RoleDesk, "GET", "/v1/enrollments/"+id+"/captures", nil, &list); code != 200 {
		d.t.Fatalf("captures of %s: %d %s", id, code, body)
	}
	return list.Items
}

// manyPeople is how many synthetic people go through the desk.
func manyPeople() int {
	n, _ := strconv.Atoi(os.Getenv("CARDSTATION_HANDS"))
	return max(n, 2)
}

// What the desk took before it held fingers against each other: it is refused now, with
// the capture that gives it away, in a sentence that says what to do; and the person goes
// on from there with the right fingers.
func TestTheDeskRefusesHandsAndFingersThatAreNotTheRightOnes(t *testing.T) {
	d := newDeskTest(t)
	sets := map[string]shots{"synthetic": shotsOf(synth.Captures(2021))}
	if _, err := os.Stat(sharedData); err == nil {
		sets["real"] = realShots(t)
	}
	n := 0
	for set, all := range sets {
		sameAgain := all.with()
		sameAgain["rolled-right-ring"] = again(t, all["rolled-right-middle"])
		secondSlap := all.with()
		secondSlap["plain-left-four"] = again(t, all["plain-right-four"])
		for _, c := range []struct {
			name    string
			shots   shots
			at      station.Slot
			refused []station.Slot // in their order
			says    string
		}{
			{"hands swapped at the slaps", all.with("plain-right-four", "plain-left-four", "plain-left-four", "plain-right-four"),
				"rolled-right-middle", []station.Slot{"plain-left-four", "plain-right-four"}, "take each again with its own hand"},
			{"the right hand laid twice", secondSlap, "plain-left-four", []station.Slot{"plain-left-four", "plain-right-four"}, "show the same fingers"},
			{"hands swapped at the rolls", all.with("rolled-right-thumb", "rolled-left-thumb", "rolled-left-thumb", "rolled-right-thumb"),
				"rolled-right-thumb", []station.Slot{"rolled-right-thumb"}, "roll the right thumb again"},
			{"two fingers swapped", all.with("rolled-right-index", "rolled-right-middle", "rolled-right-middle", "rolled-right-index"),
				"rolled-right-index", []station.Slot{"rolled-right-index"}, "is the right middle finger: roll the right index finger again"},
			{"one finger rolled twice", sameAgain, "rolled-right-ring", []station.Slot{"rolled-right-ring"}, "is the right middle finger once more"},
		} {
			n++
			id := fmt.Sprintf("f-%d", n)
			at, refused := d.enrol(id, uint64(n), c.shots)
			var slots []station.Slot
			for slot, r := range refused {
				slots = append(slots, slot)
				if len(r.Reasons) != 1 || !strings.Contains(r.Reasons[0], c.says) {
					t.Errorf("%s, %s: %q says %q", set, c.name, slot, r.Reasons)
				}
			}
			slices.Sort(slots)
			if at != c.at || !slices.Equal(slots, c.refused) {
				t.Errorf("%s, %s: %v refused at %q, want %v at %q", set, c.name, slots, at, c.refused, c.at)
			}
			if code, fields := d.finalize(id); code != 400 || !strings.Contains(fields[string(c.refused[0])], c.says) {
				t.Errorf("%s, %s: finalized with %d: %v", set, c.name, code, fields)
			}
			for _, slot := range []station.Slot{"plain-right-four", "plain-left-four", "plain-thumbs", "rolled-right-thumb", "rolled-right-index"} {
				if _, wrong := refused[slot]; wrong {
					if got := d.take(id, slot, again(t, all[slot])); got.State != station.CaptureAccepted || got.Attempts != 2 {
						t.Errorf("%s, %s: the right %s: %+v", set, c.name, slot, got)
					}
				}
			}
		}
	}
	t.Logf("%d captures, the slowest verdict after %v", d.sent, d.slowest)
}

// Three fingers are not taken as four. Where one is said to be missing they are, and the rolls
// show if it was another.
func TestTheDeskTakesThreeFingersOnlyWhereTheFourthIsMissing(t *testing.T) {
	d := newDeskTest(t)
	all := shotsOf(synth.Captures(2021))
	img, err := biometrics.Decode(all["plain-right-four"])
	if err != nil {
		t.Fatal(err)
	}
	g := biometrics.Grey(img)
	draw.Draw(g, image.Rect(0, 0, 400, 1500), image.NewUniform(color.Gray{Y: 246}), image.Point{}, draw.Src)
	var three bytes.Buffer
	if err := png.Encode(&three, g); err != nil {
		t.Fatal(err)
	}
	d.open("e", 1)
	if c := d.take("e", "plain-right-four", three.Bytes()); c.State != station.CaptureRefused || len(c.Reasons) != 1 || !slices.Contains(c.Codes, "too-few") {
		t.Errorf("three as four: %+v", c)
	}
	if c := d.take("e", "plain-right-four", again(t, three.Bytes()), "5:BANDAGED"); c.State != station.CaptureAccepted {
		t.Errorf("the little finger missing: %+v", c) // which is the wrong one
	}
	d.take("e", "plain-left-four", all["plain-left-four"])
	d.take("e", "plain-thumbs", all["plain-thumbs"])
	d.take("e", "rolled-right-thumb", all["rolled-right-thumb"])
	if code, body := d.call(station.RoleDesk, "POST", "/v1/enrollments/e/captures/rolled-right-index/missing", map[string]any{"missing": []any{map[string]any{"position": 2, "presence": "BANDAGED"}}}, nil); code != 200 {
		t.Fatalf("the index finger missing: %d %s", code, body)
	}
	d.take("e", "rolled-right-middle", all["rolled-right-middle"])
	if c := d.take("e", "rolled-right-ring", all["rolled-right-ring"]); len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "check which are missing") {
		t.Errorf("the rolls show which finger is not there: %+v", c)
	}
	if c := d.take("e", "plain-right-four", again(t, again(t, three.Bytes())), "2:BANDAGED"); c.State == station.CaptureRefused {
		t.Errorf("the index finger missing: %+v", c)
	}
}

// No false alarm on the real card nor on synthetic people: CARDSTATION_HANDS says how many,
// 2 where it is not set.
func TestTheDeskTakesHandsThatAreInOrder(t *testing.T) {
	d := newDeskTest(t)
	unsure := 0
	for n := range manyPeople() {
		id := fmt.Sprintf("p-%d", n)
		if at, refused := d.enrol(id, uint64(n), shotsOf(synth.Captures(uint64(9000+n)))); at != "" {
			t.Errorf("person %d, at %s: %+v", n, at, refused)
		}
		for _, c := range d.captures(id) {
			unsure += len(c.Notes)
		}
	}
	if _, err := os.Stat(sharedData); err == nil {
		if at, refused := d.enrol("real", 1, realShots(t)); at != "" {
			t.Errorf("the real card, at %s: %+v", at, refused)
		}
	}
	t.Logf("%d synthetic people, %d captures, %d notes of what cannot be told, the slowest verdict after %v", manyPeople(), d.sent, unsure, d.slowest)
}
