package main

import (
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	records "cardstation/biometrics/record"
	"cardstation/devices/capture"
	"cardstation/devices/capture/sbi"
	"cardstation/station"
)

// A scanner behind its service gives the desk each of the thirteen captures, and
// every trouble a word to the operator.
func TestScannerGivesEverySlotAndSaysItsTroubles(t *testing.T) {
	prints := example(1).frames
	device, s, _ := behindSBI(t, sbi.SimulatorOptions{Play: func(s sbi.Shot) (capture.Frame, error) { return played(prints, s) }})
	for _, f := range station.FingerSlots {
		sensor, ok := s.sensor(f.Slot)
		if !ok {
			t.Fatalf("no sensor for %s", f.Slot)
		}
		frame, err := sensor.Capture(t.Context())
		if err != nil {
			t.Fatalf("%s: %v (%s)", f.Slot, err, station.HintOf(err))
		}
		if frame.PPI != 500 || !frame.Simulated || string(frame.Data) != string(prints[f.Slot].Data) {
			t.Errorf("%s: %d ppi, simulated %v, %d bytes", f.Slot, frame.PPI, frame.Simulated, len(frame.Data))
		}
	}
	flat, err := sbi.Position(14) // as SBI has it: one record a finger
	if err != nil {
		t.Fatal(err)
	}
	found, err := s.client.Discover(t.Context(), sbi.Finger)
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	samples, err := found[0].Capture(t.Context(), flat, nil)
	if err != nil || len(samples) != 4 {
		t.Fatalf("%d flat fingers, %v", len(samples), err)
	}
	for i, one := range samples {
		r, err := records.DecodeFinger(one.Frame.Data)
		if err != nil || int(r.Views[0].Position) != 7+i || r.Views[0].Width < 100 {
			t.Errorf("%s: %v, %v", one.SubType, r.Views, err)
		}
	}
	if _, ok := s.sensor(station.Portrait); ok {
		t.Error("a fingerprint scanner takes no portrait")
	}
	sensor, _ := s.sensor("rolled-right-index")
	for _, trouble := range []sbi.Trouble{sbi.Unplugged, sbi.SaysBusy, sbi.SaysNotReady, sbi.HalfImage, sbi.Forged, sbi.Deaf} {
		device.Make(trouble)
		_, err := sensor.Capture(t.Context())
		if station.KindOf(err) != station.Retry || station.HintOf(err) == "" {
			t.Errorf("trouble %v: %v, hint %q", trouble, err, station.HintOf(err))
		}
	}
	device.Make(sbi.Well)
	if _, err := sensor.Capture(t.Context()); err != nil {
		t.Errorf("after all troubles: %v", err)
	}
}

// Whoever listens on the ports can say that it is a scanner, and a scanner can be changed for
// another: neither keeps the desk from the one that proves who it is.
func TestTheDeviceThatIsTrustedIsAsked(t *testing.T) {
	prints := example(1).frames
	made := func(serial string) *sbi.Simulator {
		t.Helper()
		d, err := sbi.NewSimulator(sbi.SimulatorOptions{Serial: serial, ES256: true, Play: func(s sbi.Shot) (capture.Frame, error) { return played(prints, s) }})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	stranger, first, second := made("STRANGER"), made("FIRST"), made("SECOND")
	var plugged atomic.Pointer[sbi.Simulator]
	plugged.Store(first)
	var ports []int
	for _, h := range []http.Handler{stranger, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { plugged.Load().ServeHTTP(w, r) })} {
		server := httptest.NewServer(h)
		defer server.Close()
		ports = append(ports, server.Listener.Addr().(*net.TCPAddr).Port)
	}
	s, err := newScanners(sbi.Options{Trust: []*x509.Certificate{first.Root(), second.Root()}, Ports: ports})
	if err != nil {
		t.Fatal(err)
	}
	sensor, _ := s.sensor("rolled-right-index")
	if f, err := sensor.Capture(t.Context()); err != nil || !strings.Contains(f.Device, "FIRST") {
		t.Errorf("beside a stranger: %s, %v", f.Device, err)
	}
	plugged.Store(second)
	if _, err := sensor.Capture(t.Context()); station.KindOf(err) != station.Retry {
		t.Errorf("another device answers: %v", err)
	}
	if f, err := sensor.Capture(t.Context()); err != nil || !strings.Contains(f.Device, "SECOND") {
		t.Errorf("after it was changed: %s, %v", f.Device, err)
	}
	plugged.Store(stranger)
	for range 2 {
		if _, err := sensor.Capture(t.Context()); station.KindOf(err) != station.Retry || station.HintOf(err) != "do not use this scanner; call the supervisor" {
			t.Errorf("strangers alone: %v, hint %q", err, station.HintOf(err))
		}
	}
}

// What is typed at a simulated device is what it does wrong from then on.
func TestASimulatedDeviceObeys(t *testing.T) {
	o, err := (&synthScannerCmd{Seed: 1}).options()
	if err != nil {
		t.Fatal(err)
	}
	device, err := sbi.NewSimulator(o)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	obey(t.Context(), strings.NewReader("unplugged\n\non fire\nlying-ppi\n"), &said, device)
	if got := said.String(); !strings.HasPrefix(got, "now unplugged\nno trouble is called") || !strings.HasSuffix(got, "now lying-ppi\n") {
		t.Errorf("%q", got)
	}
	frame, err := o.Play(sbi.Shot{Type: sbi.Finger, SubType: "Right Thumb", Impression: sbi.Rolled, SubID: "3", HalvePPI: true})
	if err != nil {
		t.Fatal(err)
	}
	r, err := records.DecodeFinger(frame.Data)
	if err != nil || r.Views[0].ImageX != 250 || r.Views[0].Position != 1 || r.Views[0].Impression != 1 {
		t.Errorf("%v, %v", r.Views[0].ImageX, err)
	}
}

// An iris camera behind its service gives the record of one eye as it is.
func TestEyesComeAsTheirRecords(t *testing.T) {
	record := append([]byte("IIR\x00020\x00\x00\x00\x00\x14"), "the eye."...)
	device, s, _ := behindSBI(t, sbi.SimulatorOptions{Type: sbi.Iris, Play: func(sbi.Shot) (capture.Frame, error) { return capture.Frame{Data: record}, nil }})
	sensor, ok := s.sample("iris", 1)
	if !ok {
		t.Fatal("no camera for the right eye")
	}
	frame, err := sensor.Capture(t.Context())
	if err != nil || string(frame.Data) != string(record) || !frame.Simulated || frame.At.IsZero() {
		t.Errorf("%v, %v (%s)", frame, err, station.HintOf(err))
	}
	for kind, subtype := range map[string]int{"iris": 0, "voice": 1} {
		if _, ok := s.sample(kind, subtype); ok {
			t.Errorf("a camera for %s %d", kind, subtype)
		}
	}
	device.Make(sbi.Unplugged)
	if _, err := sensor.Capture(t.Context()); station.KindOf(err) != station.Retry || station.HintOf(err) == "" {
		t.Errorf("unplugged: %v", err)
	}
}

// A scanner that gives what is not read is told of with what to set: to capture again would
// not help.
func TestImagesThatAreNotReadAreNamed(t *testing.T) {
	r, err := records.NewFinger(records.Finger2011, 2, 1, records.Packed, 800, 750, 500, make([]byte, 800*750*3/8))
	if err != nil {
		t.Fatal(err)
	}
	r.Views[0].Depth = 3
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	_, err = picture(capture.Frame{Data: b}, station.FingerSlot{Slot: "rolled-right-index", Position: 2, Rolled: true})
	if station.KindOf(err) != station.Correct || !strings.Contains(err.Error(), "packed raw of 3 bits a pixel") || !strings.Contains(station.HintOf(err), "JPEG 2000, PNG, WSQ or raw") {
		t.Errorf("%v, hint %q", err, station.HintOf(err))
	}
}

// A record that says of its image what cannot be believed: not the impression that was asked
// for, two resolutions, or what the image itself says otherwise.
func TestRecordsAreHeldAgainstWhatWasAskedFor(t *testing.T) {
	index := example(1).frames["rolled-right-index"]
	of := func(impression byte, change func(*records.FingerView)) (capture.Frame, error) {
		t.Helper()
		r, err := records.NewFinger(records.Finger2011, 2, impression, records.PNG, 800, 750, 500, index.Data)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&r.Views[0])
		}
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return picture(capture.Frame{Data: b}, station.FingerSlot{Slot: "rolled-right-index", Position: 2, Rolled: true})
	}
	if f, err := of(1, nil); err != nil || f.PPI != 500 {
		t.Errorf("%d ppi, %v", f.PPI, err)
	}
	if _, err := of(9, nil); err != nil { // a code that is no matter of rolled or plain
		t.Error(err)
	}
	if _, err := of(0, nil); station.KindOf(err) != station.Retry || !strings.Contains(err.Error(), "a plain print, where a rolled one was asked for") {
		t.Errorf("plain for rolled: %v", err)
	}
	if f, err := of(1, func(v *records.FingerView) { v.ImageY = 1000 }); err != nil || f.PPI != 0 {
		t.Errorf("two resolutions: %d ppi, %v", f.PPI, err)
	}
	for field, change := range map[string]func(*records.FingerView){
		"width":      func(v *records.FingerView) { v.Width++ },
		"height":     func(v *records.FingerView) { v.Height-- },
		"depth":      func(v *records.FingerView) { v.Depth = 16 },
		"coding":     func(v *records.FingerView) { v.Compression = records.WSQ },
		"resolution": func(v *records.FingerView) { v.ImageX, v.ImageY = 250, 250 },
	} {
		if _, err := of(1, change); station.KindOf(err) != station.Retry || !errors.Is(err, records.ErrContradicted) || !strings.Contains(err.Error(), "for the "+field) {
			t.Errorf("another %s: %v", field, err)
		}
	}
}
