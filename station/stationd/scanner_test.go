package main

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cardstation/biometrics"
	records "cardstation/biometrics/record"
	"cardstation/devices/capture"
	"cardstation/devices/capture/sbi"
	"cardstation/station"
)

// A scanner behind its service gives the desk each of the thirteen captures, and
// every trouble a word to the operator.
func TestScannerGivesEverySlotAndSaysItsTroubles(t *testing.T) {
	prints := example(1).frames
	device, err := sbi.NewSimulator(sbi.SimulatorOptions{Play: func(s sbi.Shot) (capture.Frame, error) { return playRecord(prints, s) }})
	if err != nil {
		t.Fatal(err)
	}
	l, err := sbi.Listen()
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: device}}
	server.Start()
	defer server.Close()
	s, err := newScanners(sbi.Options{Trust: []*x509.Certificate{device.Root()}})
	if err != nil {
		t.Fatal(err)
	}
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

// An iris camera behind its service gives the record of one eye as it is.
func TestEyesComeAsTheirRecords(t *testing.T) {
	record := append([]byte("IIR\x00020\x00\x00\x00\x00\x14"), "the eye."...)
	device, err := sbi.NewSimulator(sbi.SimulatorOptions{Type: sbi.Iris, Play: func(sbi.Shot) (capture.Frame, error) { return capture.Frame{Data: record}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	l, err := sbi.Listen()
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: device}}
	server.Start()
	defer server.Close()
	s, err := newScanners(sbi.Options{Trust: []*x509.Certificate{device.Root()}})
	if err != nil {
		t.Fatal(err)
	}
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

// A scanner that gives JPEG 2000 is named as that, with what to set: to capture again
// would not help.
func TestImagesThatAreNotReadAreNamed(t *testing.T) {
	for c, want := range map[records.Compression]string{records.JPEG2000: "JPEG 2000", records.JPEG2000Lossless: "lossless JPEG 2000", records.Packed: "packed raw"} {
		r, err := records.NewFinger(records.Finger2011, 2, 1, c, 800, 750, 500, []byte("\xFF\x4F\xFF\x51"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		_, err = picture(capture.Frame{Data: b}, station.FingerSlot{Slot: "rolled-right-index", Position: 2, Rolled: true})
		if station.KindOf(err) != station.Correct || !strings.Contains(err.Error(), "its image is "+want+",") || !strings.Contains(station.HintOf(err), "PNG, WSQ or raw") {
			t.Errorf("%v: %v, hint %q", c, err, station.HintOf(err))
		}
	}
}

// playRecord wraps the slot's synthetic print as a device would.
func playRecord(prints map[station.Slot]capture.Frame, s sbi.Shot) (capture.Frame, error) {
	for _, f := range station.FingerSlots {
		target, err := sbi.Position(f.Position)
		if err != nil {
			return capture.Frame{}, err
		}
		asked := f.Rolled && s.Impression == sbi.Rolled && s.SubType == target.SubTypes[0] ||
			!f.Rolled && s.Impression == sbi.Whole && s.SubID == target.SubID
		if !asked {
			continue
		}
		p := prints[f.Slot]
		img, err := biometrics.Decode(p.Data)
		if err != nil {
			return p, err
		}
		ppi := 500
		if s.HalvePPI {
			ppi = 250
		}
		r, err := records.NewFinger(records.Finger2005, byte(f.Position), 0, records.PNG, img.Bounds().Dx(), img.Bounds().Dy(), ppi, p.Data)
		if err != nil {
			return p, err
		}
		p.Data, err = r.Encode()
		return p, err
	}
	return capture.Frame{}, errors.New("no slot is asked for like this")
}
