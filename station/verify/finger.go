package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cardstation/biometrics"
	"cardstation/biometrics/record"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/station"
)

// Probe is the finger of who presents a card, taken now.
type Probe struct {
	Image    biometrics.Image    // of one finger, with the resolution in it
	Position biometrics.Position // UnknownFinger where nobody said which
}

// maxProbe is how many pixels a picture of one finger may have: four inches square at 1000
// per inch.
const maxProbe = 16 << 20

// NewProbe reads a picture of one finger, of biometrics.Formats; ppi is for one that does
// not say its resolution, and 0 where nobody knows. What is no picture is station.Correct.
func NewProbe(data []byte, position biometrics.Position, ppi int) (*Probe, error) {
	wrong := func(err error) error {
		return &station.Error{Kind: station.Correct, What: "the finger's picture", Err: err, Fields: map[string]string{"finger": err.Error()}, Hint: "give one finger as " + biometrics.Formats}
	}
	if position < biometrics.UnknownFinger || position > biometrics.LeftLittle {
		return nil, wrong(fmt.Errorf("position %d is none of one finger, 1 to 10", position))
	}
	img, err := biometrics.Decode(data)
	if err != nil {
		return nil, wrong(err)
	}
	if size := img.Bounds().Size(); size.X*size.Y > maxProbe {
		return nil, wrong(fmt.Errorf("%d x %d pixels, which are too many for one finger", size.X, size.Y))
	}
	if img.PPI == 0 {
		img.PPI = ppi
	}
	img.Image = biometrics.Grey(img.Image) // it is kept while the card is waited for
	return &Probe{Image: img, Position: position}, nil
}

// Reference is one finger of DG3.
type Reference struct {
	Image    biometrics.Image
	Position biometrics.Position
	Rolled   bool
}

// Matcher compares fingers.
type Matcher interface {
	// Match compares the probe with each reference. An error is for a probe or for
	// references of which nothing can be said, and tells the officer what to do.
	Match(probe Probe, references []Reference) (Match, error)
}

// Match is what came of a comparison.
type Match struct {
	Position biometrics.Position // of the reference that scored best
	Score    float64             // comparison score
	Line     float64             // the score from which on two prints are held for one finger's
	OneIn    int                 // one in so many other fingers reaches the line
	// Poor says why the probe, or what it was compared with, was not good enough for a
	// score under the line to mean another finger; empty where it was.
	Poor string
}

// fingerprint compares the probe with DG3, and notes in the verdict whose positions that
// holds. A finger that is none of the chip's fails, for then the card is not this
// person's; one that was taken badly says nothing.
func (m Means) fingerprint(v *station.Verdict, files lds.Files, probe *Probe) station.Check {
	row := station.Check{Name: CheckFingerprint, Result: station.NotDone}
	views, err := fingers(v, files)
	switch {
	case err != nil:
		row.Why = err.Error()
	case probe == nil:
		row.Why = "no finger was taken"
	case m.Matcher == nil:
		row.Why = "there is no matcher here"
	default:
		return m.compare(*probe, views)
	}
	return row
}

// mostFingers bounds the views of DG3 that are looked at.
const mostFingers = 10

// fingers reads DG3 once it is known to be what was signed, or says why not.
func fingers(v *station.Verdict, files lds.Files) (views []record.FingerView, err error) {
	for _, c := range v.Checks {
		switch {
		case c.Name == emrtd.CheckTerminal && files[lds.DG3] == nil && c.Result == station.NotDone:
			return nil, fmt.Errorf("the fingerprints on the chip were not opened: %s", c.Why)
		case c.Name == lds.HashCheck(lds.DG3) && files[lds.DG3] != nil && c.Result != station.Passed:
			return nil, errors.New("the fingerprints on the chip are not known to be what was signed")
		}
	}
	if files[lds.DG3] == nil {
		return nil, errors.New("the chip gave no fingerprints")
	}
	records, err := lds.DecodeDG3(files[lds.DG3])
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		views = append(views, r.Views...)
	}
	if len(views) == 0 {
		return nil, errors.New("the chip says that its holder has no fingerprints")
	}
	views = views[:min(len(views), mostFingers)]
	for _, view := range views {
		v.Fingers = append(v.Fingers, int(view.Position))
	}
	return views, nil
}

// compare gives the row of a probe and the chip's fingers.
func (m Means) compare(probe Probe, views []record.FingerView) station.Check {
	row := station.Check{Name: CheckFingerprint, Result: station.NotDone}
	there := positions(views)
	if probe.Position != biometrics.UnknownFinger {
		views = slices.DeleteFunc(views, func(v record.FingerView) bool { return v.Position != byte(probe.Position) })
	}
	references, unread := decoded(views)
	switch {
	case len(views) == 0:
		row.Why = fmt.Sprintf("the chip has no %s: take the %s", probe.Position, there)
		return row
	case len(references) == 0:
		row.Why = unread
		return row
	}
	got, err := m.Matcher.Match(probe, references)
	if err != nil {
		row.Why = err.Error()
		return row
	}
	score := fmt.Sprintf("comparison score %.0f; one in %d other fingers reaches %.0f, the line", got.Score, got.OneIn, got.Line)
	switch {
	case got.Score >= got.Line:
		row.Result, row.Evidence = station.Passed, fmt.Sprintf("the %s: %s", got.Position, score)
	case got.Poor != "":
		row.Why = fmt.Sprintf("%s (%s)", got.Poor, score)
	case unread != "": // which the finger may be of
		row.Why = fmt.Sprintf("%s (of the others: %s)", unread, score)
	default:
		row.Result, row.Why = station.Failed, fmt.Sprintf("it is not the chip's %s: %s. If another finger was laid on, take one of the chip's", positions(views), score)
	}
	return row
}

// decoded are the references of views that can be read and are what their records say;
// unread tells of the others, empty where there are none.
func decoded(views []record.FingerView) (all []Reference, unread string) {
	var wrong []string
	for _, v := range views {
		img, err := v.Image()
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("the chip's %s cannot be read: %v", biometrics.Position(v.Position), err))
			continue
		}
		all = append(all, Reference{Image: img, Position: biometrics.Position(v.Position), Rolled: biometrics.Impression(v.Impression).Rolled()})
	}
	return all, strings.Join(wrong, "; ")
}

// positions names the fingers of the chip.
func positions(views []record.FingerView) string {
	var names []string
	for _, v := range views {
		names = append(names, biometrics.Position(v.Position).String())
	}
	return strings.Join(names, " or ")
}
