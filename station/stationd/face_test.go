package main

import (
	"bytes"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/station"
	"cardstation/station/verify"
)

// An officer is shown the face before the chip has been asked for any other file; a
// card that is pulled at that moment has been shown and is not believed.
func TestFaceIsShownFirstAndBelievedLast(t *testing.T) {
	l := newLineForTest(t)
	o, chip := l.order(portraitForTest()), blankChip(t)
	if _, err := l.line.Issue(t.Context(), "r", card.Over(chip)); err != nil {
		t.Fatal(err)
	}
	for _, pulled := range []bool{false, true} {
		chip.Reset()
		reading, shown, at := &tape{Chip: chip}, []byte(nil), 0
		v, files, err := verify.Means{Trust: l.keys.trust(), Revocations: l.db, Now: time.Now, Show: func(portrait []byte) {
			shown, at = portrait, len(reading.recorded)
			if pulled {
				chip.TearAt(1, false)
			}
		}}.Judge(t.Context(), card.Over(reading), keyOf(o), nil)
		if err != nil || !bytes.Equal(shown, o.Portrait) {
			t.Fatalf("pulled %v: %d bytes of a face of %d are shown (%v)", pulled, len(shown), len(o.Portrait), err)
		}
		inside := 0 // READ BINARY under secure messaging
		for _, e := range reading.recorded[:at] {
			if e.command[0] == 0x0C && e.command[1] == 0xB0 {
				inside++
			}
		}
		if inside != 1 {
			t.Errorf("%d reads before the face is shown", inside)
		}
		if want := map[bool]station.Outcome{false: station.Valid, true: station.NotChecked}[pulled]; v.Outcome != want {
			t.Errorf("pulled %v: the verdict is %s: %v", pulled, v.Outcome, v.Checks)
		}
		if pulled && (v.Portrait != nil || len(files) > 0) {
			t.Error("a pulled card leaves a portrait in its verdict")
		}
	}
}
