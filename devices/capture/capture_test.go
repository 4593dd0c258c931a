package capture_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"cardstation/devices/capture"
)

func TestGivenGivesTheSameFrameEachTime(t *testing.T) {
	s := capture.Given(capture.Frame{Data: []byte{1}, Media: "image/png", PPI: 500, Device: "upload"})
	for range 2 {
		f, err := s.Capture(t.Context())
		if err != nil || f.PPI != 500 || f.Simulated {
			t.Fatalf("%+v, %v", f, err)
		}
	}
}

func TestGivenNothingIsAnError(t *testing.T) {
	if _, err := capture.Given(capture.Frame{}).Capture(t.Context()); !errors.Is(err, capture.ErrNothing) {
		t.Error(err)
	}
}

func TestSimulatedPlaysInOrderAndBeginsAgain(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := capture.NewSimulated(func() time.Time { return at }, capture.Frame{PPI: 1}, capture.Frame{PPI: 2})
	for _, want := range []int{1, 2, 1} {
		f, err := s.Capture(t.Context())
		if err != nil || f.PPI != want || !f.Simulated || !f.At.Equal(at) {
			t.Fatalf("%+v, %v, want %d", f, err, want)
		}
	}
}

func TestSimulatedWithoutFramesIsAnError(t *testing.T) {
	if _, err := capture.NewSimulated(nil).Capture(t.Context()); !errors.Is(err, capture.ErrNothing) {
		t.Error(err)
	}
}

func TestAnEndedContextIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, s := range []capture.Sensor{capture.Given(capture.Frame{Data: []byte{1}}), capture.NewSimulated(nil, capture.Frame{PPI: 1})} {
		if _, err := s.Capture(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestAnImageIsNeverPrinted(t *testing.T) {
	f := capture.Frame{Data: []byte("secret"), Media: "image/png", PPI: 500, Device: "upload"}
	for _, form := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, v := range []any{f, &f, struct{ F capture.Frame }{f}} {
			if s := fmt.Sprintf(form, v); strings.Contains(s, "secret") || strings.Contains(s, "115 101") || strings.Contains(s, "736563") {
				t.Errorf("%s: %s", form, s)
			}
		}
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("captured", "frame", f)
	if s := log.String(); !strings.Contains(s, "image/png of 6 bytes, 500 ppi") || strings.Contains(s, "c2VjcmV0") {
		t.Error(s)
	}
}
