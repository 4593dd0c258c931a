package enrol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/devices/capture"
	"cardstation/personalize/cccd"
	"cardstation/station"
	"cardstation/station/store"
)

var (
	bg    = context.Background()
	today = time.Date(2026, 11, 22, 9, 0, 0, 0, time.FixedZone("", 7*3600))

	an   = station.Person{Login: "an", Roles: []station.Role{station.RoleDesk}}
	binh = station.Person{Login: "binh", Roles: []station.Role{station.RoleSupervisor}}
	chi  = station.Person{Login: "chi", Roles: []station.Role{station.RoleDesk, station.RoleSupervisor}}
	lan  = station.Person{Login: "lan", Roles: []station.Role{station.RoleLine, station.RoleOffice, station.RoleAdmin}}
)

// What a picture of the test shows, told by the colour of its first pixel.
var (
	good     = color.Gray{Y: 200}
	poor     = color.Gray{Y: 10}  // the gate refuses it
	faceless = color.Gray{Y: 100} // the gate accepts it, but no face can be cut out
	fair     = color.Gray{Y: 150} // the gate accepts it, and knows better
)

type gate struct{}

func (gate) Assess(img image.Image) (biometrics.Quality, error) {
	q := biometrics.Quality{Score: 80}
	switch r, _, _, _ := img.At(0, 0).RGBA(); r >> 8 {
	case uint32(poor.Y):
		q = biometrics.Quality{Score: 5, Faults: []biometrics.Fault{{Code: "too-pale", Text: "Press a little harder."}}}
	case uint32(fair.Y):
		q.Advice = []biometrics.Fault{{Code: "slid", Text: "Hold it still."}, {Code: "press-less", Text: "Press less."}}
	}
	return q, nil
}

func cut(img image.Image) ([]byte, error) {
	if r, _, _, _ := img.At(0, 0).RGBA(); r>>8 == uint32(faceless.Y) {
		return nil, errors.New("no face was found")
	}
	return []byte("jpeg for DG2"), nil
}

// hands say what the test has them say of the slots that are there, by position and
// whether rolled.
type hands struct{ f *fixture }

func (h hands) Check(captures []finger.SequenceCapture) (found finger.Findings, err error) {
	at := map[station.Slot]int{}
	for i, c := range captures {
		if c.Image == nil {
			if c.Image, err = c.Load(); err != nil {
				return nil, err
			}
		}
		for _, s := range station.FingerSlots {
			if s.Position == int(c.Position) && s.Rolled == c.Rolled {
				at[s.Slot] = i
			}
		}
	}
	for _, says := range h.f.says {
		one := finger.Finding{Code: says.code, Text: says.text}
		for _, s := range says.of {
			if i, ok := at[s]; ok {
				one.Captures = append(one.Captures, i)
			}
		}
		if _, ok := at[says.when]; ok && len(one.Captures) == len(says.of) {
			found = append(found, one)
		}
	}
	return found, nil
}

func (h hands) Rolled(biometrics.Position) (finger.Rolled, bool) { return finger.Rolled{}, false }

// saying is a finding of slots that comes once another slot is there.
type saying struct {
	code, text string
	of         []station.Slot
	when       station.Slot
}

type fixture struct {
	*Desk
	t    *testing.T
	db   *store.Store
	n    int
	says []saying
}

func desk(t *testing.T) *fixture {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "station.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	known, err := OpenGallery(bg, db)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, db: db}
	f.Desk = New(Config{Store: db, Portrait: cut, Profile: "softcard", Now: func() time.Time { return today },
		Assess: func(station.Slot, int, int) biometrics.Assessor { return gate{} }, Hands: func() Hands { return hands{f} }, Known: known})
	return f
}

// shot is a frame like no other.
func (f *fixture) shot(c color.Gray) capture.Sensor {
	f.n++
	img := image.NewGray(image.Rect(0, 0, 8, 8))
	img.SetGray(0, 0, c)
	img.SetGray(1, 0, color.Gray{Y: uint8(f.n)})
	img.SetGray(2, 0, color.Gray{Y: uint8(f.n >> 8)})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		f.t.Fatal(err)
	}
	return capture.Given(capture.Frame{Data: b.Bytes(), PPI: 500, Device: "test", Simulated: true, At: today})
}

func (f *fixture) open(id string) station.Enrolment {
	f.t.Helper()
	e, err := f.Open(bg, an, id, "", citizen(0))
	f.ok(err)
	return e
}

func (f *fixture) all(id string, by station.Person) {
	f.t.Helper()
	for _, s := range station.FingerSlots {
		if c, err := f.Capture(bg, by, id, s.Slot, f.shot(good), nil); err != nil || c.State != station.CaptureAccepted || c.Attempts != 1 {
			f.t.Fatalf("%s: %+v %v", s.Slot, c, err)
		}
	}
	_, err := f.Capture(bg, by, id, station.Portrait, f.shot(good), nil)
	f.ok(err)
}

func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) kind(err error, kind station.Kind) *station.Error {
	f.t.Helper()
	var e *station.Error
	if !errors.As(err, &e) || e.Kind != kind {
		f.t.Fatalf("error %v (%v), want kind %v", err, station.KindOf(err), kind)
	}
	return e
}

func (f *fixture) events() []station.Event {
	f.t.Helper()
	events, err := f.db.Events(bg, 0, 10_000)
	f.ok(err)
	return events
}

func citizen(seed uint64) station.Citizen { return station.Citizen(cccd.Example(seed)) }

// born is a citizen of some birth date.
func born(date string) station.Citizen {
	c := citizen(1)
	c.BirthDate, c.Sex = date, "M"
	c.Number = "001" + map[string]string{"1": "0", "2": "2"}[date[:1]] + date[2:4] + "000042"
	return c
}

func TestCitizenGoesThroughTheDesk(t *testing.T) {
	f := desk(t)
	f.open("e1")
	f.all("e1", an)
	e, err := f.Finalize(bg, an, "e1")
	f.ok(err)
	if e.State != station.EnrolmentFinal || e.Final.By != "an" || len(e.Captures) != 14 {
		t.Errorf("final: %+v", e)
	}
	e, err = f.Approve(bg, binh, "e1", "all in order")
	f.ok(err)
	again, err := f.Approve(bg, binh, "e1", "all in order")
	f.ok(err)
	if e.State != station.EnrolmentApproved || e.OrderID == "" || again.OrderID != e.OrderID || e.Decision.By != "binh" {
		t.Errorf("approved: %+v, again %s", e, again.OrderID)
	}
	pending, err := f.db.Pending(bg, 10)
	f.ok(err)
	if len(pending) != 1 || pending[0].Type != station.EnrolmentApproval || pending[0].Actor != "binh" {
		t.Fatalf("outbox: %+v", pending)
	}
	var o station.Order
	f.ok(json.Unmarshal(pending[0].Body, &o))
	if o.ID != e.OrderID || o.EnrolmentID != "e1" || o.State != station.OrderPending || o.Citizen != e.Citizen || string(o.Portrait) != "jpeg for DG2" ||
		o.Issue != "2026-11-22" || o.Expiry <= o.Issue || o.Profile != "softcard" || o.Type != "FIRST_ISSUANCE" {
		t.Errorf("order: %+v", o)
	}
	c, _ := e.Capture("rolled-left-ring")
	data, media, err := f.Image(bg, c.Digest)
	f.ok(err)
	if media != "image/png" || len(data) == 0 || c.Width != 8 || c.Height != 8 || c.PPI != 500 || !c.Simulated || c.By != "an" || c.Quality != 80 {
		t.Errorf("capture: %+v", c)
	}
	page, next, err := f.List(bg, station.Query{State: station.EnrolmentApproved})
	if len(page) != 1 || next != "" || err != nil {
		t.Errorf("list: %d %q %v", len(page), next, err)
	}
	for _, e := range f.events() {
		if e.Type != station.EnrolmentApproval && (strings.Contains(string(e.Body), o.Citizen.Number) || strings.Contains(string(e.Body), o.Citizen.Name)) {
			t.Errorf("event %s holds citizen data", e.Type)
		}
	}
	if _, err := f.db.Audit(bg); err != nil {
		t.Error(err)
	}
}

func TestNothingChangesAfterTheDecision(t *testing.T) {
	f := desk(t)
	for _, id := range []string{"e", "r"} {
		f.open(id)
		f.all(id, an)
		for range 2 {
			_, err := f.Finalize(bg, an, id)
			f.ok(err)
		}
	}
	_, err := f.Reject(bg, binh, "r", " ")
	f.kind(err, station.Correct)
	for range 2 {
		e, err := f.Reject(bg, binh, "r", "not the same person")
		f.ok(err)
		if e.State != station.EnrolmentRejected || e.OrderID != "" {
			t.Errorf("%+v", e)
		}
	}
	_, err = f.Approve(bg, binh, "r", "")
	f.kind(err, station.Conflict)
	for _, id := range []string{"e", "r"} {
		_, err := f.Capture(bg, an, id, station.Portrait, f.shot(good), nil)
		f.kind(err, station.Conflict)
		_, err = f.Amend(bg, an, id, citizen(3))
		f.kind(err, station.Conflict)
		f.kind(f.Delete(bg, an, id), station.Conflict)
	}
	before := len(f.events())
	_, err = f.Finalize(bg, an, "r")
	f.kind(err, station.Conflict)
	if len(f.events()) != before {
		t.Error("a refused call left an event")
	}
}

func TestRolesAreAsked(t *testing.T) {
	f := desk(t)
	f.open("e")
	off := an
	off.Disabled = true
	for _, by := range []station.Person{binh, lan, off, {}} {
		_, err := f.Open(bg, by, "x", "", citizen(0))
		f.kind(err, station.Forbidden)
		_, err = f.Amend(bg, by, "e", citizen(0))
		f.kind(err, station.Forbidden)
		_, err = f.Capture(bg, by, "e", station.Portrait, f.shot(good), nil)
		f.kind(err, station.Forbidden)
		_, err = f.Missing(bg, by, "e", station.FingerSlots[0].Slot, missing(2, 3, 4, 5))
		f.kind(err, station.Forbidden)
		_, err = f.Finalize(bg, by, "e")
		f.kind(err, station.Forbidden)
		f.kind(f.Delete(bg, by, "e"), station.Forbidden)
	}
	for _, by := range []station.Person{an, lan, {}} {
		_, err := f.Override(bg, by, "e", station.Portrait, "because")
		f.kind(err, station.Forbidden)
		_, err = f.Approve(bg, by, "e", "")
		f.kind(err, station.Forbidden)
		_, err = f.Reject(bg, by, "e", "because")
		f.kind(err, station.Forbidden)
	}
}

func TestNobodyApprovesWhatHeWroteIn(t *testing.T) {
	for name, write := range map[string]func(f *fixture) error{
		"opened":  func(f *fixture) error { return nil },
		"amended": func(f *fixture) error { _, err := f.Amend(bg, chi, "e", citizen(2)); return err },
		"captured": func(f *fixture) error {
			_, err := f.Capture(bg, chi, "e", station.Portrait, f.shot(good), nil)
			return err
		},
		"finalized": func(f *fixture) error { _, err := f.Finalize(bg, chi, "e"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			f := desk(t)
			opener := an
			if name == "opened" {
				opener = chi
			}
			_, err := f.Open(bg, opener, "e", "", citizen(0))
			f.ok(err)
			f.all("e", an)
			f.ok(write(f))
			_, err = f.Finalize(bg, an, "e")
			f.ok(err)
			_, err = f.Approve(bg, chi, "e", "")
			f.kind(err, station.Forbidden)
			_, err = f.Approve(bg, binh, "e", "")
			f.ok(err)
		})
	}
}

func TestOpenAgainGivesTheSame(t *testing.T) {
	f := desk(t)
	first := f.open("e")
	f.all("e", an)
	if again, err := f.Open(bg, an, "e", "FIRST_ISSUANCE", citizen(0)); err != nil || len(again.Captures) != 14 || !again.Opened.At.Equal(first.Opened.At) {
		t.Errorf("%+v %v", again, err)
	}
	_, err := f.Open(bg, an, "e", "", citizen(1))
	f.kind(err, station.Conflict)
	_, err = f.Open(bg, an, "e", "RENEWAL", citizen(0))
	f.kind(err, station.Conflict)
	for _, id := range []string{"-", "a b", "a/b", "é", strings.Repeat("a", 65), "a\x00"} {
		_, err := f.Open(bg, an, id, "GIFT", citizen(0))
		if e := f.kind(err, station.Correct); e.Fields["id"] == "" || e.Fields["type"] == "" {
			t.Errorf("%q: %v", id, e.Fields)
		}
	}
	made, err := f.Open(bg, an, "", "", citizen(0))
	if f.ok(err); made.ID == "" {
		t.Error("no ID was made")
	}
}

func TestCitizensDataAreCheckedAndBroughtIntoForm(t *testing.T) {
	f := desk(t)
	c := citizen(0)
	c.BirthDate, c.Sex = "2030-01-01", "X"
	_, err := f.Open(bg, an, "e", "", c)
	if e := f.kind(err, station.Correct); e.Fields["sex"] == "" || e.Fields["dateOfBirth"] == "" {
		t.Errorf("fields: %v", e.Fields)
	}
	c = citizen(0)
	c.Name = "  Nguye\u0302\u0303n   Va\u0306n\tAn "
	e, err := f.Open(bg, an, "e", "", c)
	f.ok(err)
	if e.Citizen.Name != "Nguy\u1ec5n V\u0103n An" {
		t.Errorf("name is %+q", e.Citizen.Name)
	}
	_, err = f.Open(bg, an, "e", "", c) // the same content, however it is spelt
	f.ok(err)
	c.Residence = "Số 2, Làng Ví Dụ"
	before := len(f.events())
	for range 2 {
		_, err = f.Amend(bg, an, "e", c)
		f.ok(err)
	}
	if events := f.events(); len(events) != before+1 || string(events[before].Body) != `{"fields":["placeOfResidence"]}` {
		t.Errorf("amending left %+v", events[before:])
	}
}

func TestChildren(t *testing.T) {
	f := desk(t)
	_, err := f.Open(bg, an, "five", "", born("2020-11-23"))
	f.ok(err)
	_, err = f.Capture(bg, an, "five", station.Portrait, f.shot(good), nil)
	f.kind(err, station.Conflict)
	_, err = f.Finalize(bg, an, "five")
	f.ok(err)
	e, err := f.Approve(bg, binh, "five", "")
	if f.ok(err); e.State != station.EnrolmentApproved {
		t.Errorf("%+v", e)
	}
	six := born("2020-11-22")
	six.Father, six.Mother = "", ""
	_, err = f.Open(bg, an, "six", "", six)
	if e := f.kind(err, station.Correct); e.Fields["father"] == "" {
		t.Errorf("fields: %v", e.Fields)
	}
	six.Mother = "Trần Thị Bình"
	_, err = f.Open(bg, an, "six", "", six)
	f.ok(err)
	_, err = f.Capture(bg, an, "six", station.Portrait, f.shot(good), nil)
	f.ok(err)
	five := born("2020-11-23")
	_, err = f.Amend(bg, an, "six", five) // the birth date was wrong: the portrait must go
	f.ok(err)
	_, err = f.Finalize(bg, an, "six")
	if e := f.kind(err, station.Correct); e.Fields["captures"] == "" {
		t.Errorf("fields: %v", e.Fields)
	}
	fourteen := born("2012-11-22")
	fourteen.Father, fourteen.Mother = "", ""
	_, err = f.Open(bg, an, "fourteen", "", fourteen)
	f.ok(err)
}

func TestDeleteTakesTheImagesAlong(t *testing.T) {
	f := desk(t)
	f.open("e")
	c, err := f.Capture(bg, an, "e", station.Portrait, f.shot(good), nil)
	f.ok(err)
	f.ok(f.Delete(bg, an, "e"))
	_, err = f.Get(bg, "e")
	f.kind(err, station.Unknown)
	_, _, err = f.Image(bg, c.Digest)
	f.kind(err, station.Unknown)
	f.kind(f.Delete(bg, an, "e"), station.Unknown)
}

func TestManyHandsAtOnce(t *testing.T) {
	f := desk(t)
	f.open("e")
	shots := []capture.Sensor{}
	for range 10 {
		shots = append(shots, f.shot(poor))
	}
	var wg sync.WaitGroup
	for _, shot := range shots {
		wg.Go(func() {
			_, err := f.Capture(bg, an, "e", station.Portrait, shot, nil)
			if err != nil && station.KindOf(err) != station.CallSupervisor {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	e, err := f.Get(bg, "e")
	f.ok(err)
	if c, _ := e.Capture(station.Portrait); c.Attempts != station.MaxAttempts {
		t.Errorf("%d tries were counted, want %d", c.Attempts, station.MaxAttempts)
	}

	f.open("a")
	f.all("a", an)
	_, err = f.Finalize(bg, an, "a")
	f.ok(err)
	for i := range 8 {
		wg.Go(func() {
			by := station.Person{Login: fmt.Sprint("s", i%2), Roles: binh.Roles}
			if _, err := f.Approve(bg, by, "a", ""); err != nil && station.KindOf(err) != station.Conflict {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if pending, err := f.db.Pending(bg, 10); err != nil || len(pending) != 1 {
		t.Errorf("%d orders were asked for, %v", len(pending), err)
	}
}
