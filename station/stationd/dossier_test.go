package main

import (
	"context"
	"reflect"
	"testing"
	"time"

	"cardstation/api"
	"cardstation/biometrics/itl"
	"cardstation/station"
)

// What the desk wrote down of missing fingers, and the samples that nobody looked into, go
// from the enrolment into its transaction.
func TestEnrolmentBecomesATransaction(t *testing.T) {
	r := example(3)
	stored := map[string][]byte{}
	e := station.Enrolment{ID: "e7", State: station.EnrolmentApproved, Citizen: r.Citizen}
	add := func(slot station.Slot, state string, missing ...station.Missing) {
		c := station.Capture{Slot: slot, State: state, Missing: missing, PPI: 500, At: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}
		if f := r.frames[slot]; state != station.CaptureMissing {
			c.Media, c.Digest = f.Media, station.Image{Data: f.Data}.Digest()
			stored[c.Digest] = f.Data
		}
		e.Captures = append(e.Captures, c)
	}
	amputated, bandaged := station.Missing{Position: 1, Presence: "AMPUTATED"}, station.Missing{Position: 9, Presence: "BANDAGED"}
	add(station.Portrait, station.CaptureAccepted)
	add("plain-left-four", station.CaptureOverridden, bandaged)
	add("rolled-right-thumb", station.CaptureMissing, amputated)
	add("rolled-right-index", station.CaptureAccepted)
	add("rolled-left-ring", station.CaptureMissing, bandaged)
	iris := []byte("IIR\x00020\x00\x1c\x1d")
	e.Samples = []station.Sample{{Kind: "iris", Subtype: 1, Digest: station.Image{Data: iris}.Digest()}}
	stored[e.Samples[0].Digest] = iris

	sent := &transactions{origin: "DESK7", image: func(_ context.Context, digest string) ([]byte, string, error) {
		if data, ok := stored[digest]; ok {
			return data, "", nil
		}
		return nil, "", station.Errorf(station.Unknown, "there is no image %q", digest)
	}}
	raw, err := sent.file(t.Context(), e, api.Asked{Type: "ENR", Destination: "AFIS", Minutiae: true})
	if err != nil {
		t.Fatal(err)
	}
	read, err := itl.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	var types []int
	missing := map[int]string{}
	for _, record := range read.Records {
		types = append(types, record.Type)
		for _, m := range record.Missing() {
			missing[m.Finger] = m.Why
		}
	}
	if want := []int{1, 2, 14, 14, 14, 14, 10, 99, 9}; !reflect.DeepEqual(types, want) {
		t.Fatalf("records %v, want %v", types, want)
	}
	if want := map[int]string{1: itl.Amputated, 9: itl.Unprintable}; !reflect.DeepEqual(missing, want) {
		t.Errorf("missing %v, want %v", missing, want)
	}
	roll, _ := read.Records[3].Print()
	if roll.Position != 2 || roll.At.Day() != 20 || len(roll.Qualities) != 1 || roll.Qualities[0].Score < 50 {
		t.Errorf("position %d, %v, %+v", roll.Position, roll.At, roll.Qualities)
	}
	if m, ok := read.Records[8].Minutiae(); !ok || m.Finger != 2 || len(m.Points) < 40 || read.Records[8].IDC() != read.Records[3].IDC() {
		t.Errorf("%d minutiae of finger %d, IDC %d", len(m.Points), m.Finger, read.Records[8].IDC())
	}
	if s, ok := read.Records[7].Sample(); !ok || s.Kind != "iris" || string(s.Data) != string(iris) {
		t.Errorf("%+v", s)
	}
	delete(stored, e.Samples[0].Digest)
	if _, err := sent.file(t.Context(), e, api.Asked{Type: "ENR", Destination: "AFIS"}); station.KindOf(err) != station.Unknown {
		t.Errorf("without the iris: %v", err)
	}
}
