package verify

import (
	"image"
	"strings"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/record"
	"cardstation/station"
)

// scored is a matcher that gives each comparison one score and counts the references.
type scored struct {
	score float64
	seen  *int
}

func (m scored) Match(_ Probe, references []Reference) (Match, error) {
	*m.seen = len(references)
	return Match{Position: references[0].Position, Score: m.score, Line: 40, OneIn: 10_000}, nil
}

func printed(t *testing.T, position byte, change func(*record.FingerView)) record.FingerView {
	t.Helper()
	data, err := biometrics.EncodePNG(image.NewGray(image.Rect(0, 0, 40, 30)), 500)
	if err != nil {
		t.Fatal(err)
	}
	f, err := record.NewFinger(record.Finger2005, position, 0, record.PNG, 40, 30, 500, data)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&f.Views[0])
	}
	return f.Views[0]
}

// A finger on the chip that its record contradicts is not compared and is named; that the
// others do not match says nothing then, for it may be the one.
func TestFingersThatTheirRecordsContradictAreNamed(t *testing.T) {
	wide := printed(t, 7, func(v *record.FingerView) { v.Width = 41 })
	good := printed(t, 2, nil)
	for _, c := range []struct {
		name  string
		views []record.FingerView
		score float64
		want  station.Result
		says  string
		seen  int
	}{
		{"all as they are said", []record.FingerView{good}, 10, station.Failed, "it is not the chip's right index finger", 1},
		{"one that is not", []record.FingerView{wide}, 90, station.NotDone, "the chip's left index finger cannot be read", 0},
		{"one that is not, and another's match", []record.FingerView{wide, good}, 90, station.Passed, "", 1},
		{"one that is not, and another that does not match", []record.FingerView{wide, good}, 10, station.NotDone, "says 41 for the width, and the image has 40", 1},
	} {
		seen := 0
		row := Means{Matcher: scored{c.score, &seen}}.compare(Probe{}, c.views)
		if row.Result != c.want || !strings.Contains(row.Why, c.says) || seen != c.seen {
			t.Errorf("%s: %+v, %d compared", c.name, row, seen)
		}
	}
}
