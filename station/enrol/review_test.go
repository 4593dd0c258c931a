package enrol

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"cardstation/biometrics/finger"
	"cardstation/station"
)

func (f *fixture) take(slot station.Slot, state string) station.Capture {
	f.t.Helper()
	c, err := f.Capture(bg, an, "e", slot, f.shot(good), nil)
	if f.ok(err); c.State != state {
		f.t.Fatalf("%s: %+v, want %s", slot, c, state)
	}
	return c
}

func (f *fixture) get(slot station.Slot) station.Capture {
	f.t.Helper()
	e, err := f.Get(bg, "e")
	f.ok(err)
	c, _ := e.Capture(slot)
	return c
}

const (
	rightFour, leftFour, rightIndex, rightMiddle = "plain-right-four", "plain-left-four", "rolled-right-index", "rolled-right-middle"
)

// A roll gives away that the slaps were swapped: it stands, they are to be taken again, and
// what is behind them waits for that.
func TestALaterCaptureHasAnEarlierOneTakenAgain(t *testing.T) {
	f := desk(t)
	f.open("e")
	f.says = []saying{{"hands-swapped", "The hands are swapped.", []station.Slot{rightFour, leftFour}, rightIndex}}
	for _, s := range station.FingerSlots[:4] {
		f.take(s.Slot, station.CaptureAccepted)
	}
	if c := f.take(rightIndex, station.CaptureAccepted); len(c.Reasons) > 0 || !slices.Equal(c.Notes, []string{"The hands are swapped."}) {
		t.Errorf("the roll: %+v", c)
	}
	for _, s := range []station.Slot{rightFour, leftFour} {
		if c := f.get(s); c.State != station.CaptureRefused || !slices.Equal(c.Reasons, []string{"The hands are swapped."}) || !slices.Equal(c.Codes, []string{"hands-swapped"}) || c.Attempts != 1 {
			t.Errorf("%s: %+v", s, c)
		}
	}
	events := f.events()
	for i, want := range []station.EventType{station.EnrolmentCaptured, station.EnrolmentRefused, station.EnrolmentRefused} {
		if e := events[len(events)-3+i]; e.Type != want {
			t.Errorf("event %d: %s, want %s", i, e.Type, want)
		}
	}
	_, err := f.Capture(bg, an, "e", rightMiddle, f.shot(good), nil)
	f.kind(err, station.Conflict)
	f.says = nil
	f.take(rightFour, station.CaptureAccepted)
	if c := f.take(leftFour, station.CaptureAccepted); c.Attempts != 2 || len(c.Reasons)+len(c.Codes) > 0 {
		t.Errorf("taken again: %+v", c)
	}
	f.take(rightMiddle, station.CaptureAccepted)
	if c := f.get(rightIndex); len(c.Notes) > 0 {
		t.Errorf("a note outlives its cause: %+v", c)
	}
}

func TestASupervisorLetsAFingerStandThatTheOthersSpeakAgainst(t *testing.T) {
	f := desk(t)
	f.open("e")
	f.take(rightFour, station.CaptureAccepted)
	f.take(leftFour, station.CaptureAccepted)
	f.take("plain-thumbs", station.CaptureAccepted)
	f.take("rolled-right-thumb", station.CaptureAccepted)
	wrong := saying{"wrong-finger", "It is the middle finger.", []station.Slot{rightIndex}, rightIndex}
	f.says = []saying{wrong}
	for range 3 {
		f.take(rightIndex, station.CaptureRefused)
	}
	_, err := f.Capture(bg, an, "e", rightIndex, f.shot(good), nil)
	f.kind(err, station.CallSupervisor)
	_, err = f.Override(bg, binh, "e", rightIndex, "seen: the fingers are grown together")
	f.ok(err)
	var told struct{ Overridden, Codes []string }
	events := f.events()
	f.ok(json.Unmarshal(events[len(events)-1].Body, &told))
	if !slices.Equal(told.Overridden, []string{"It is the middle finger."}) || !slices.Equal(told.Codes, []string{"wrong-finger"}) {
		t.Errorf("the event does not say what was overridden: %s", events[len(events)-1].Body)
	}
	for _, s := range station.FingerSlots[5:] {
		f.take(s.Slot, station.CaptureAccepted)
	}
	f.take(station.Portrait, station.CaptureAccepted)
	if c := f.get(rightIndex); c.State != station.CaptureOverridden || !slices.Equal(c.Notes, []string{"It is the middle finger."}) {
		t.Errorf("what was settled comes up again: %+v", c)
	}
	// The word does not reach to what the supervisor was not told.
	f.says = append(f.says, saying{"repeated", "It is the thumb once more.", []station.Slot{rightIndex}, rightIndex})
	_, err = f.Finalize(bg, an, "e")
	if e := f.kind(err, station.Correct); len(e.Fields) != 1 || !strings.Contains(e.Fields[rightIndex], "It is the thumb once more.") {
		t.Errorf("%v", e.Fields)
	}
	if c := f.get(rightIndex); c.State != station.CaptureRefused || c.Word != nil {
		t.Errorf("%+v", c)
	}
	_, err = f.Override(bg, binh, "e", rightIndex, "seen again")
	f.ok(err)
	e, err := f.Finalize(bg, an, "e")
	if f.ok(err); e.State != station.EnrolmentFinal {
		t.Errorf("%+v", e)
	}
}

// The whole is held once more at the end: what stood in the store unseen is refused then.
func TestFinalizeHoldsTheHandsAgain(t *testing.T) {
	f := desk(t)
	f.open("e")
	f.all("e", an)
	f.says = []saying{{"fingers-swapped", "They are swapped.", []station.Slot{rightIndex, rightMiddle}, rightMiddle},
		{"cannot-tell", "It cannot be told.", []station.Slot{"rolled-left-ring"}, "rolled-left-ring"}}
	again := New(f.cfg) // as after a restart: all is read anew
	_, err := again.Finalize(bg, an, "e")
	if e := f.kind(err, station.Correct); len(e.Fields) != 2 || e.Fields[rightIndex] == "" || e.Fields[rightMiddle] == "" {
		t.Errorf("%v", e.Fields)
	}
	if c := f.get("rolled-left-ring"); c.State != station.CaptureAccepted || !slices.Equal(c.Notes, []string{"It cannot be told."}) {
		t.Errorf("a doubt is shown and refuses nothing: %+v", c)
	}
	f.says = f.says[1:]
	f.take(rightIndex, station.CaptureAccepted)
	f.take(rightMiddle, station.CaptureAccepted)
	_, err = f.Finalize(bg, an, "e")
	f.ok(err)
}

// reads tells how many captures are read at each check.
type reads struct {
	hands
	of chan int
}

func (r reads) Check(captures []finger.SequenceCapture) (finger.Findings, error) {
	r.of <- len(captures)
	return nil, nil
}

// After a restart what was captured is read when somebody looks at it, not when the next
// finger waits for its verdict; once, and not where nothing is captured any more.
func TestWhatWasCapturedIsReadBeforeTheNextCapture(t *testing.T) {
	f := desk(t)
	f.open("e")
	f.take(rightFour, station.CaptureAccepted)
	f.take(leftFour, station.CaptureAccepted)
	cfg, of, made := f.cfg, make(chan int), 0
	cfg.Hands = func() Hands { made++; return reads{of: of} }
	again := New(cfg)
	e, err := again.Get(bg, "e")
	f.ok(err)
	final := e
	final.State = station.EnrolmentFinal
	again.Recall(final)
	again.Recall(e)
	if n := <-of; n != 2 {
		t.Errorf("%d captures are read, want 2", n)
	}
	again.Recall(e)
	go func() {
		_, err := again.Capture(bg, an, "e", "plain-thumbs", f.shot(good), nil)
		if err != nil {
			t.Error(err)
		}
		close(of)
	}()
	if n := <-of; n != 3 {
		t.Errorf("%d captures are held against each other, want 3", n)
	}
	if n, more := <-of; more || made != 1 {
		t.Errorf("read anew: %d captures, by %d hands", n, made)
	}
}
