package enrol

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"slices"
	"strings"
	"testing"

	"cardstation/devices/capture"
	"cardstation/station"
)

func TestGateRefusesThreeTimesThenASupervisorDecides(t *testing.T) {
	f := desk(t)
	f.open("e")
	slot := station.FingerSlots[0].Slot
	for try := 1; try <= 3; try++ {
		_, err := f.Override(bg, binh, "e", slot, "worn ridges")
		f.kind(err, station.Conflict)
		c, err := f.Capture(bg, chi, "e", slot, f.shot(poor), nil)
		f.ok(err)
		if c.State != station.CaptureRefused || c.Attempts != try || len(c.Reasons) != 1 || c.Digest == "" {
			t.Errorf("try %d: %+v", try, c)
		}
	}
	_, err := f.Capture(bg, an, "e", slot, f.shot(good), nil)
	if e := f.kind(err, station.CallSupervisor); e.Hint == "" {
		t.Error("no hint")
	}
	_, err = f.Missing(bg, an, "e", slot, missing(2, 3, 4, 5))
	f.kind(err, station.CallSupervisor)
	_, err = f.Override(bg, an, "e", slot, "worn ridges")
	f.kind(err, station.Forbidden)
	_, err = f.Override(bg, chi, "e", slot, "worn ridges") // a supervisor, but took the image
	f.kind(err, station.Forbidden)
	_, err = f.Override(bg, binh, "e", slot, "")
	f.kind(err, station.Correct)
	c, err := f.Override(bg, binh, "e", slot, "worn ridges")
	f.ok(err)
	if c.State != station.CaptureOverridden || c.Word == nil || c.Word.By != "binh" {
		t.Errorf("overridden: %+v", c)
	}
	if c, err = f.Capture(bg, an, "e", slot, f.shot(poor), nil); err != nil || c.Attempts != 1 || c.State != station.CaptureRefused {
		t.Errorf("a new series begins with %+v, %v", c, err)
	}
	if c, err = f.Capture(bg, an, "e", slot, f.shot(good), nil); err != nil || c.Attempts != 2 || c.State != station.CaptureAccepted || c.Word != nil {
		t.Errorf("accepted at last: %+v, %v", c, err)
	}
}

// Advice refuses nothing and wants nobody's word; it stays with the image that it is about.
func TestAdviceStaysWithItsCapture(t *testing.T) {
	f := desk(t)
	f.open("e")
	f.all("e", an)
	slot := station.FingerSlots[5].Slot
	advised, err := f.Capture(bg, an, "e", slot, f.shot(fair), nil)
	f.ok(err)
	e, err := f.Get(bg, "e")
	f.ok(err)
	c, _ := e.Capture(slot)
	if want := []string{"Hold it still.", "Press less."}; c.State != station.CaptureAccepted || c.Attempts != 1 || len(c.Reasons) > 0 || !slices.Equal(c.Advice, want) || !slices.Equal(advised.Advice, want) {
		t.Errorf("%+v", c)
	}
	if _, err = f.Finalize(bg, an, "e"); err != nil {
		t.Errorf("with advice alone it is not final: %v", err)
	}
	f.open("f")
	slot = station.FingerSlots[0].Slot
	for _, shown := range []struct {
		shot   capture.Sensor
		advice int
	}{{f.shot(fair), 2}, {f.shot(poor), 0}, {f.shot(fair), 2}, {f.shot(good), 0}} {
		if c, err = f.Capture(bg, an, "f", slot, shown.shot, nil); err != nil || len(c.Advice) != shown.advice {
			t.Errorf("%+v, %v", c, err)
		}
	}
}

func TestPortraitMustGiveAPictureForTheCard(t *testing.T) {
	f := desk(t)
	f.open("e")
	for range 3 {
		c, err := f.Capture(bg, an, "e", station.Portrait, f.shot(faceless), nil)
		f.ok(err)
		if c.State != station.CaptureRefused || !strings.Contains(c.Reasons[0], "no face") {
			t.Errorf("%+v", c)
		}
	}
	_, err := f.Override(bg, binh, "e", station.Portrait, "it will do")
	f.kind(err, station.Conflict)
}

func TestFingersComeInTheirOrder(t *testing.T) {
	f := desk(t)
	f.open("e")
	_, err := f.Capture(bg, an, "e", station.FingerSlots[1].Slot, f.shot(good), nil)
	f.kind(err, station.Conflict)
	_, err = f.Capture(bg, an, "e", station.FingerSlots[0].Slot, f.shot(poor), nil)
	f.ok(err)
	_, err = f.Capture(bg, an, "e", station.FingerSlots[1].Slot, f.shot(good), nil)
	f.kind(err, station.Conflict)
	_, err = f.Capture(bg, an, "e", station.Portrait, f.shot(good), nil)
	f.ok(err)
	_, err = f.Capture(bg, an, "e", "left-foot", f.shot(good), nil)
	f.kind(err, station.Conflict)
	_, err = f.Capture(bg, an, "none", station.Portrait, f.shot(good), nil)
	f.kind(err, station.Unknown)
}

func missing(positions ...int) (all []station.Missing) {
	for _, p := range positions {
		all = append(all, station.Missing{Position: p, Presence: "AMPUTATED"})
	}
	return all
}

func TestMissingFingersAreDescribed(t *testing.T) {
	f := desk(t)
	f.open("e")
	slot := station.FingerSlots[0].Slot
	twisted := missing(2)
	twisted[0].Presence = "GONE"
	for _, bad := range [][]station.Missing{missing(7), missing(2, 2), missing(2, 3, 4, 5), twisted} {
		_, err := f.Capture(bg, an, "e", slot, f.shot(good), bad)
		f.kind(err, station.Correct)
	}
	for _, bad := range [][]station.Missing{nil, missing(2), missing(2, 3, 4, 4)} {
		_, err := f.Missing(bg, an, "e", slot, bad)
		f.kind(err, station.Correct)
	}
	for _, s := range []station.Slot{station.Portrait, "left-foot"} {
		_, err := f.Missing(bg, an, "e", s, missing(1))
		f.kind(err, station.Correct)
	}
	_, err := f.Capture(bg, an, "e", slot, f.shot(good), missing(2))
	f.ok(err)
	for _, s := range station.FingerSlots[1:] {
		if s.Slot == "plain-left-four" {
			c, err := f.Missing(bg, an, "e", s.Slot, missing(7, 8, 9, 10))
			if err != nil || c.State != station.CaptureMissing || c.Attempts != 0 {
				t.Fatalf("%+v %v", c, err)
			}
			continue
		}
		_, err := f.Capture(bg, an, "e", s.Slot, f.shot(good), nil)
		f.ok(err)
	}
	_, err = f.Capture(bg, an, "e", station.Portrait, f.shot(good), nil)
	f.ok(err)
	_, err = f.Finalize(bg, an, "e")
	if e := f.kind(err, station.Correct); len(e.Fields) != 5 || e.Fields["rolled-right-index"] == "" || e.Fields["rolled-left-little"] == "" {
		t.Errorf("contradictions: %v", e.Fields)
	}
	for _, s := range []struct {
		slot     station.Slot
		position int
	}{{"rolled-right-index", 2}, {"rolled-left-index", 7}, {"rolled-left-middle", 8}, {"rolled-left-ring", 9}, {"rolled-left-little", 10}} {
		_, err := f.Missing(bg, an, "e", s.slot, missing(s.position))
		f.ok(err)
	}
	_, err = f.Finalize(bg, an, "e")
	f.ok(err)
}

func TestFinalizeWantsEverything(t *testing.T) {
	f := desk(t)
	f.open("e")
	_, err := f.Capture(bg, an, "e", station.FingerSlots[0].Slot, f.shot(poor), nil)
	f.ok(err)
	_, err = f.Finalize(bg, an, "e")
	if e := f.kind(err, station.Correct); len(e.Fields) != 14 {
		t.Errorf("%d slots lack, want 14: %v", len(e.Fields), e.Fields)
	}
	_, err = f.Approve(bg, binh, "e", "")
	f.kind(err, station.Conflict)
	_, err = f.Reject(bg, binh, "e", "no")
	f.kind(err, station.Conflict)
}

type deaf struct{}

func (deaf) Capture(context.Context) (capture.Frame, error) {
	return capture.Frame{}, capture.ErrNothing
}

// broken fails with an error of its own.
type broken struct{ err error }

func (b broken) Capture(context.Context) (capture.Frame, error) { return capture.Frame{}, b.err }

func TestWhatIsNoImageCountsNotAsATry(t *testing.T) {
	f := desk(t)
	f.open("e")
	var whole bytes.Buffer
	f.ok(png.Encode(&whole, image.NewGray(image.Rect(0, 0, 64, 64))))
	wide := bytes.Clone(whole.Bytes())
	copy(wide[16:], []byte{0, 0, 0xEA, 0x60}) // 60,000 pixels wide
	for _, data := range [][]byte{[]byte("GIF89a"), whole.Bytes()[:40], wide, make([]byte, 30<<20)} {
		_, err := f.Capture(bg, an, "e", station.Portrait, capture.Given(capture.Frame{Data: data}), nil)
		f.kind(err, station.Correct)
	}
	_, err := f.Capture(bg, an, "e", station.Portrait, deaf{}, nil)
	if e := f.kind(err, station.Retry); e.Hint == "" {
		t.Error("nobody says what to do about a sensor that gives nothing")
	}
	own := &station.Error{Kind: station.Correct, What: "scanner", Hint: "have it set to another format"}
	_, err = f.Capture(bg, an, "e", station.Portrait, broken{own}, nil)
	if e := f.kind(err, station.Correct); e.Hint != own.Hint {
		t.Errorf("the sensor says %q, and the desk %q", own.Hint, e.Hint)
	}
	if e, err := f.Get(bg, "e"); err != nil || len(e.Captures) != 0 || len(f.events()) != 1 {
		t.Errorf("%+v %v", e.Captures, err)
	}
}

func TestOneImageServesOneSlot(t *testing.T) {
	f := desk(t)
	f.open("e")
	same := f.shot(good)
	_, err := f.Capture(bg, an, "e", station.FingerSlots[0].Slot, same, nil)
	f.ok(err)
	c, err := f.Capture(bg, an, "e", station.FingerSlots[1].Slot, same, nil)
	if f.ok(err); c.State != station.CaptureRefused || len(c.Reasons) != 1 {
		t.Errorf("%+v", c)
	}
}

// wholeHand captures every slot but those named, which are described as missing.
func (f *fixture) wholeHand(id string, by station.Person, gone ...int) {
	f.t.Helper()
	for _, s := range station.FingerSlots {
		var here []int
		for _, p := range fingersOf(s.Slot) {
			if slices.Contains(gone, int(p)) {
				here = append(here, int(p))
			}
		}
		var err error
		if len(here) == len(fingersOf(s.Slot)) {
			_, err = f.Missing(bg, by, id, s.Slot, missing(here...))
		} else {
			_, err = f.Capture(bg, by, id, s.Slot, f.shot(good), missing(here...))
		}
		f.ok(err)
	}
	_, err := f.Capture(bg, by, id, station.Portrait, f.shot(good), nil)
	f.ok(err)
}

// The finger that fails cannot be said to be missing in between, to begin a new
// series of three tries.
func TestTriesAreCountedAcrossMissing(t *testing.T) {
	f := desk(t)
	f.open("e")
	slot := station.FingerSlots[0].Slot
	for try := 1; try <= 3; try++ {
		c, err := f.Capture(bg, an, "e", slot, f.shot(poor), nil)
		if f.ok(err); c.Attempts != try {
			t.Errorf("try %d: %+v", try, c)
		}
		if try == 3 {
			break
		}
		c, err = f.Missing(bg, an, "e", slot, missing(2, 3, 4, 5))
		if f.ok(err); c.Attempts != try || len(c.Reasons) != 1 || !strings.Contains(c.Reasons[0], "supervisor") {
			t.Errorf("missing after %d tries: %+v", try, c)
		}
	}
	_, err := f.Missing(bg, an, "e", slot, missing(2, 3, 4, 5))
	f.kind(err, station.CallSupervisor)
	_, err = f.Capture(bg, an, "e", slot, f.shot(good), missing(2))
	f.kind(err, station.CallSupervisor)
}

func TestASupervisorConfirmsFingersThatGoMissingAfterARefusal(t *testing.T) {
	for name, describe := range map[string]func(*fixture, station.Slot) (station.Capture, error){
		"the whole slot": func(f *fixture, s station.Slot) (station.Capture, error) {
			return f.Missing(bg, chi, "e", s, missing(2, 3, 4, 5))
		},
		"one finger of it": func(f *fixture, s station.Slot) (station.Capture, error) {
			return f.Capture(bg, chi, "e", s, f.shot(good), missing(2))
		},
		"one, after a second refusal": func(f *fixture, s station.Slot) (station.Capture, error) {
			if c, err := f.Capture(bg, chi, "e", s, f.shot(poor), missing(2)); err != nil || c.Attempts != 2 || c.State != station.CaptureRefused {
				t.Errorf("%+v %v", c, err)
			}
			return f.Capture(bg, chi, "e", s, f.shot(good), missing(2))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := desk(t)
			f.open("e")
			slot := station.FingerSlots[0].Slot
			_, err := f.Capture(bg, an, "e", slot, f.shot(poor), nil)
			f.ok(err)
			c, err := describe(f, slot)
			f.ok(err)
			if c.State == station.CaptureRefused || !slices.Contains(c.Reasons, goneAfterRefusal) {
				t.Errorf("%+v", c)
			}
			for _, s := range station.FingerSlots[1:] {
				if gone := fingersOf(s.Slot); len(gone) == 1 && slices.ContainsFunc(c.Missing, func(m station.Missing) bool { return m.Position == int(gone[0]) }) {
					_, err = f.Missing(bg, an, "e", s.Slot, missing(int(gone[0])))
				} else {
					_, err = f.Capture(bg, an, "e", s.Slot, f.shot(good), nil)
				}
				f.ok(err)
			}
			_, err = f.Capture(bg, an, "e", station.Portrait, f.shot(good), nil)
			f.ok(err)
			_, err = f.Finalize(bg, an, "e")
			if e := f.kind(err, station.CallSupervisor); len(e.Fields) != 1 || e.Fields[string(slot)] != goneAfterRefusal || e.Hint == "" {
				t.Errorf("%v %q", e.Fields, e.Hint)
			}
			_, err = f.Override(bg, chi, "e", slot, "seen") // described it
			f.kind(err, station.Forbidden)
			_, err = f.Override(bg, binh, "e", station.FingerSlots[1].Slot, "seen")
			f.kind(err, station.Conflict)
			before := c.State
			c, err = f.Override(bg, binh, "e", slot, "seen")
			if f.ok(err); c.State != before || c.Word == nil || c.Word.By != "binh" {
				t.Errorf("%+v", c)
			}
			_, err = f.Finalize(bg, an, "e")
			f.ok(err)
		})
	}
}

// Fingers that were said to be missing from the first try on are nobody's trick,
// and one that is there after all needs no word.
func TestHonestMissingFingersNeedNoWord(t *testing.T) {
	f := desk(t)
	f.open("e")
	slot := station.FingerSlots[0].Slot
	_, err := f.Capture(bg, an, "e", slot, f.shot(poor), missing(2))
	f.ok(err)
	c, err := f.Capture(bg, an, "e", slot, f.shot(good), missing(2))
	if f.ok(err); c.State != station.CaptureAccepted || len(c.Reasons) != 0 {
		t.Errorf("%+v", c)
	}
	f.open("e2")
	_, err = f.Capture(bg, an, "e2", slot, f.shot(poor), nil)
	f.ok(err)
	_, err = f.Missing(bg, an, "e2", slot, missing(2, 3, 4, 5))
	f.ok(err)
	c, err = f.Capture(bg, an, "e2", slot, f.shot(good), nil)
	if f.ok(err); c.State != station.CaptureAccepted || len(c.Reasons) != 0 || c.Attempts != 2 {
		t.Errorf("%+v", c)
	}
}

func TestMoreThanFiveMissingFingersAreConfirmed(t *testing.T) {
	f := desk(t)
	f.open("five")
	f.wholeHand("five", an, 1, 2, 3, 4, 5)
	_, err := f.Finalize(bg, an, "five")
	f.ok(err)
	f.open("six")
	f.wholeHand("six", an, 1, 2, 3, 4, 5, 7)
	_, err = f.Finalize(bg, an, "six")
	e := f.kind(err, station.CallSupervisor)
	if len(e.Fields) != 3 || e.Fields["plain-right-four"] != goneInNumber || e.Fields["plain-left-four"] != goneInNumber || e.Fields["plain-thumbs"] != goneInNumber {
		t.Errorf("%v", e.Fields)
	}
	for slot := range e.Fields {
		_, err := f.Override(bg, binh, "six", station.Slot(slot), "seen")
		f.ok(err)
	}
	_, err = f.Finalize(bg, an, "six")
	f.ok(err)
	f.open("again")
	f.wholeHand("again", an, 1, 2, 3, 4, 5, 7)
	_, err = f.Capture(bg, an, "again", "plain-left-four", f.shot(good), nil)
	f.ok(err)
	_, err = f.Capture(bg, an, "again", "rolled-left-index", f.shot(good), nil)
	f.ok(err)
	_, err = f.Finalize(bg, an, "again") // five only
	f.ok(err)
}
