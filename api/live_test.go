package api

import (
	"context"
	"testing"

	"cardstation/devices/capture"
)

// seeing is a sensor that shows two sights and captures nothing.
type seeing struct{ show func(Sight) }

func (s seeing) Watched(show func(Sight)) capture.Sensor { return seeing{show} }

func (s seeing) Capture(context.Context) (capture.Frame, error) {
	if s.show != nil {
		s.show(Sight{Width: 1})
		s.show(Sight{Width: 2})
	}
	return capture.Frame{}, capture.ErrNothing
}

// What a scanner sees goes to who looks at that slot of that enrolment, the newest only.
func TestASightGoesToWhoLooksThere(t *testing.T) {
	s := sights{all: map[string][]chan Sight{}}
	key := sightKey("e1", "rolled-right-thumb")
	shoot := func() bool {
		sensor := s.watched(key, seeing{})
		_, _ = sensor.Capture(t.Context())
		return sensor.(seeing).show != nil
	}
	other, leave := s.look(sightKey("e2", "rolled-right-thumb"))
	defer leave()
	if shoot() {
		t.Error("it is shown where nobody looks")
	}
	a, away := s.look(key)
	b, gone := s.look(key)
	if !shoot() || len(other) != 0 {
		t.Errorf("%d sights of another enrolment", len(other))
	}
	for _, c := range []<-chan Sight{a, b} {
		if one := <-c; one.Width != 2 || len(c) != 0 {
			t.Errorf("%+v, and %d more", one, len(c))
		}
	}
	away()
	gone()
	if shoot() || len(s.all) != 1 {
		t.Errorf("%d keys are left", len(s.all))
	}
	if _, ok := s.watched(key, capture.Given(capture.Frame{})).(seeing); ok {
		t.Error("a sensor that shows nothing is watched")
	}
}
