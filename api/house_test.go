package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"log/slog"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/devices/capture"
	"cardstation/personalize/cccd"
	"cardstation/station"
	"cardstation/station/enrol"
	"cardstation/station/issue"
	"cardstation/station/store"
	"cardstation/station/verify"
)

// password of everybody in the tests.
const password = "correct horse battery"

var passwordHash = sync.OnceValue(func() string {
	hash, err := HashPassword(password)
	if err != nil {
		panic(err)
	}
	return hash
})

// today is the tests' day; the clock can be moved.
var today = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// house is a station whose store, desk, queue and cards are the real ones; the
// gate looks at the size of an image only, readers and office play a part.
type house struct {
	*httptest.Server
	db     *store.Store
	queue  issue.Queue
	clock  *clock
	log    *bytes.Buffer
	office *office
}

// gate refuses what is narrower than 40 pixels, and knows better of what is narrower than 45.
type gate struct{}

func (gate) Assess(img image.Image) (biometrics.Quality, error) {
	if img.Bounds().Dx() < 40 {
		return biometrics.Quality{Score: 10, Faults: []biometrics.Fault{{Code: "small", Text: "The image is too small."}}}, nil
	}
	q := biometrics.Quality{Score: 80}
	if img.Bounds().Dx() < 45 {
		q.Advice = []biometrics.Fault{{Code: "smallish", Text: "A larger image would be better."}}
	}
	return q, nil
}

// noHands find nothing: the pictures of these tests show no prints.
type noHands struct{}

func (noHands) Check([]finger.SequenceCapture) (finger.Findings, error) { return nil, nil }
func (noHands) Rolled(biometrics.Position) (finger.Rolled, bool)        { return finger.Rolled{}, false }

type readers struct{}

func (readers) Status() []issue.ReaderStatus {
	return []issue.ReaderStatus{
		{Name: "Line 00 00", Use: "line", State: issue.ReaderWriting, Card: "cplc:01", OrderID: "o1", Step: "emrtd/DG1", Done: 3, Total: 20, Since: today},
		{Name: "Office 00 00", Use: "office", State: issue.ReaderEmpty, Since: today}}
}

type office struct {
	events Events
	probe  *verify.Probe // of the last card
}

func (o *office) Verify(ctx context.Context, by station.Person, reader string, key verify.Key, probe *verify.Probe) (station.Verdict, error) {
	o.probe = probe
	if _, err := key.Printed(); err != nil {
		return station.Verdict{}, err
	}
	v := station.Verdict{ID: "v-1", At: today, By: by.Login, Reader: reader, Outcome: station.Valid, Document: key.Document, Expiry: "2040-01-01",
		Holder: someone(), Portrait: portraitJPEG(), Elapsed: 1200 * time.Millisecond,
		Checks: []station.Check{{Name: "data group 1 hash", Result: station.Passed}, {Name: "fingerprint match", Result: station.NotDone, Why: "no right to read it"}}}
	body := []byte(`{"outcome":"valid","reader":"` + reader + `","checks":[{"name":"data group 1 hash","result":"passed"}],"elapsed":1200000000}`)
	return v, o.events.Record(ctx, station.Event{Type: station.VerificationDone, Subject: v.ID, Actor: by.Login, At: today, Body: body})
}

func someone() station.Citizen { return station.Citizen(cccd.Example(1)) }

// picture is a PNG; n makes each one different.
func picture(width, n int) []byte {
	img := image.NewGray(image.Rect(0, 0, width, width))
	for i := range img.Pix {
		img.Pix[i] = byte(i * (n + 3))
	}
	img.SetGray(0, 0, color.Gray{byte(n)})
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func portraitJPEG() []byte {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, image.NewGray(image.Rect(0, 0, 60, 80)), nil); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// people of the tests by login; "both" is desk and supervisor in one.
var people = map[string][]station.Role{"desk": {station.RoleDesk}, "boss": {station.RoleSupervisor}, "both": {station.RoleDesk, station.RoleSupervisor},
	"line": {station.RoleLine}, "office": {station.RoleOffice}, "admin": {station.RoleAdmin}}

func newHouse(t testing.TB) *house {
	t.Helper()
	c := &clock{now: today}
	db, err := store.Open(filepath.Join(t.TempDir(), "store"), store.Options{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{db: db, clock: c, log: &bytes.Buffer{}, office: &office{events: db}}
	h.queue = issue.Queue{Book: db, Keeper: db, Now: c.Now, Portrait: func(raw []byte) ([]byte, error) { return raw, nil },
		Fingers: func(all []station.Finger) ([]station.Finger, error) { return all, nil }, Profile: func(name string) error {
			if name != "softcard" {
				return errors.New("no such profile")
			}
			return nil
		}}
	known, err := enrol.OpenGallery(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	desk := enrol.New(enrol.Config{Store: db, Now: c.Now, Profile: "softcard",
		Assess:   func(station.Slot, int, int) biometrics.Assessor { return gate{} },
		Portrait: func(image.Image) ([]byte, error) { return portraitJPEG(), nil },
		Hands:    func() enrol.Hands { return noHands{} }, Known: known})
	for _, login := range slices.Sorted(maps.Keys(people)) {
		roles := people[login]
		p := station.Person{Format: station.Format, Login: login, Name: "Person " + login, Roles: roles, Password: passwordHash()}
		if err := db.PutPerson(t.Context(), p, station.Event{Type: station.PersonChanged, Subject: login, Actor: "station"}); err != nil {
			t.Fatal(err)
		}
	}
	var shots int
	handler := New(Config{Desk: desk, Queue: h.queue, Cards: issue.Cards{Drawer: db, Keeper: db}, Readers: readers{}, Office: h.office, People: db, Events: db,
		Profiles: []Profile{{ID: "softcard", Name: "Card in software", Description: "eMRTD and PIV"}}, Simulated: true, Station: "test", Now: c.Now,
		SampleSensor: func(kind string, subtype int) (capture.Sensor, bool) {
			return capture.NewSimulated(c.Now, capture.Frame{Data: fmt.Appendf(nil, "IIR\x00%d", subtype), Device: "eye camera"}), kind == "iris"
		},
		Transaction: func(_ context.Context, e station.Enrolment, a Asked) ([]byte, error) {
			return fmt.Appendf(nil, "%s %+v", e.ID, a), nil
		},
		QualityMap: func(_ station.Capture, print []byte) ([]byte, error) { return print, nil },
		Log:        slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Sensor: func(slot station.Slot) (capture.Sensor, bool) {
			shots++
			return capture.NewSimulated(c.Now, capture.Frame{Data: picture(50, 100+shots), Media: "image/png", PPI: 500, Device: "simulated"}), slot != "plain-thumbs"
		}})
	srv := Server(handler, "")
	h.Server = httptest.NewUnstartedServer(handler)
	srv.Addr = ""
	h.Server.Config = srv
	h.Server.Start()
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Server.Close()
		db.Close()
	})
	return h
}

// issued makes the card of an order as a line would.
func (h *house) issued(t testing.TB, chip station.CardID) {
	t.Helper()
	o, err := h.db.Claim(t.Context(), chip)
	if err != nil {
		t.Fatal(err)
	}
	o.State, o.Card, o.Changed = station.OrderIssued, chip, today
	o.Receipt = &station.Receipt{Card: chip, Profile: o.Profile, Document: "200000001", SOD: "aa", At: today}
	if err := h.db.CloseOrder(t.Context(), o, station.Event{Type: station.OrderWasIssued, Subject: o.ID, Actor: "station"}); err != nil {
		t.Fatal(err)
	}
}
