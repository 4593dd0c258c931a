// Package capture is the door to cameras and fingerprint scanners: a Sensor
// gives one Frame, an encoded image and what is known of its origin. It judges
// nothing; biometrics does.
//
// Given is the sensor for a browser's upload or a file. Simulated plays the
// frames it is given and marks them as simulated. Package sbi drives scanners and
// cameras behind MOSIP's Secure Biometric Interface.
package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Frame is one image as a device gave it.
type Frame struct {
	Data      []byte    // encoded image, or the record that holds it
	Media     string    // image/png, image/jpeg, image/jp2 or image/wsq, as the device says; from package sbi a record's
	PPI       int       // pixels per inch as the device says, 0 where it does not
	Device    string    // maker, model and serial as far as known
	Simulated bool      // no person was in front of a device
	At        time.Time // when it was taken
}

// Format writes what is known of the frame, with any verb: never the image.
func (f Frame) Format(w fmt.State, _ rune) {
	fmt.Fprintf(w, "%s of %d bytes, %d ppi, from %s", f.Media, len(f.Data), f.PPI, f.Device)
}

// LogValue is what Format writes: an image never reaches a log.
func (f Frame) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(f)) }

// Sensor takes one frame. It blocks until the device has one, ctx ends or the
// device fails.
type Sensor interface {
	Capture(context.Context) (Frame, error)
}

// ErrNothing means that the sensor has no frame to give.
var ErrNothing = errors.New("sensor has no frame to give")

type given Frame

// Given is a sensor that gives f each time: an uploaded picture or a file.
func Given(f Frame) Sensor { return given(f) }

func (g given) Capture(ctx context.Context) (Frame, error) {
	if err := ctx.Err(); err != nil {
		return Frame{}, err
	}
	if len(g.Data) == 0 {
		return Frame{}, ErrNothing
	}
	return Frame(g), nil
}

// Simulated is a sensor that plays frames one after the other and begins again
// after the last. It may be used from several goroutines.
type Simulated struct {
	mu     sync.Mutex
	frames []Frame
	next   int
	now    func() time.Time
}

// NewSimulated makes a sensor that plays frames, each marked as simulated and
// taken at the time now says; nil means time.Now.
func NewSimulated(now func() time.Time, frames ...Frame) *Simulated {
	if now == nil {
		now = time.Now
	}
	return &Simulated{frames: frames, now: now}
}

// Capture gives the next frame, or ErrNothing where there are none.
func (s *Simulated) Capture(ctx context.Context) (Frame, error) {
	if err := ctx.Err(); err != nil {
		return Frame{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.frames) == 0 {
		return Frame{}, ErrNothing
	}
	f := s.frames[s.next%len(s.frames)]
	s.next++
	f.Simulated, f.At = true, s.now()
	return f, nil
}
