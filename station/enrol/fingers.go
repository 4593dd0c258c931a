package enrol

import (
	"context"
	"slices"

	"cardstation/biometrics"
	"cardstation/station"
)

// FingerCutter cuts one of the fingers that a print shows, from its left edge to its
// right, out of it, and gives it as WSQ of 500 pixels per inch, small enough for a chip.
// An error means that it is not to be found there.
type FingerCutter func(img biometrics.Image, shown []biometrics.Position, wanted biometrics.Position) ([]byte, error)

// Print is one capture that a finger may be cut out of.
type Print struct {
	station.FingerSlot
	Missing []station.Missing // fingers of the slot that are not there
	// Doubtful says that the gate refused it, and it stands by somebody's word.
	Doubtful bool
	// Image reads it, with its resolution.
	Image func() (biometrics.Image, error)
}

// cardFingers is how many fingers a card has.
const cardFingers = 2

// preference is the order in which fingers go onto a card: the two index fingers, and
// where one is not there the next that is.
var preference = []biometrics.Position{
	biometrics.RightIndex, biometrics.LeftIndex, biometrics.RightThumb, biometrics.LeftThumb, biometrics.RightMiddle,
	biometrics.LeftMiddle, biometrics.RightRing, biometrics.LeftRing, biometrics.RightLittle, biometrics.LeftLittle,
}

// Fingers picks the fingers for DG3 of a citizen's prints: flat ones, which are small
// and are what an office takes, and the rolled print of a finger that cannot be cut out
// of the flat ones. Prints that stand by somebody's word come after all others. Fewer
// than two, or none, are given where no more are there. An error is one of reading.
func Fingers(prints []Print, cut FingerCutter) ([]station.Finger, error) {
	var out []station.Finger
	for _, doubtful := range []bool{false, true} {
		for _, p := range preference {
			taken := slices.ContainsFunc(out, func(f station.Finger) bool { return f.Position == int(p) })
			for _, rolled := range []bool{false, true} {
				if taken || len(out) == cardFingers {
					break
				}
				data, err := cutFrom(prints, p, rolled, doubtful, cut)
				if err != nil {
					return nil, err
				}
				if taken = data != nil; taken {
					out = append(out, station.Finger{Position: int(p), Rolled: rolled, Image: data})
				}
			}
		}
	}
	return out, nil
}

// cutFrom gives a finger from the print of one kind that shows it; nil where there is
// none, or it is not found there.
func cutFrom(prints []Print, p biometrics.Position, rolled, doubtful bool, cut FingerCutter) ([]byte, error) {
	for _, print := range prints {
		shown := slices.DeleteFunc(fingersOf(print.Slot), func(p biometrics.Position) bool {
			return slices.ContainsFunc(print.Missing, func(m station.Missing) bool { return m.Position == int(p) })
		})
		if print.Rolled != rolled || print.Doubtful != doubtful || !slices.Contains(shown, p) {
			continue
		}
		img, err := print.Image()
		if err != nil {
			return nil, err
		}
		if data, err := cut(img, shown, p); err == nil {
			return data, nil
		}
	}
	return nil, nil
}

// fingers are those of the enrolment's captures.
func (d *Desk) fingers(ctx context.Context, e station.Enrolment) ([]station.Finger, error) {
	if d.cfg.Finger == nil {
		return nil, nil
	}
	var prints []Print
	for _, slot := range station.FingerSlots {
		c, ok := e.Capture(slot.Slot)
		if !ok || c.Digest == "" || c.State != station.CaptureAccepted && c.State != station.CaptureOverridden {
			continue
		}
		prints = append(prints, Print{FingerSlot: slot, Missing: c.Missing, Doubtful: c.State == station.CaptureOverridden,
			Image: func() (biometrics.Image, error) { return d.print(ctx, c) }})
	}
	return Fingers(prints, d.cfg.Finger)
}

// print reads a capture's image.
func (d *Desk) print(ctx context.Context, c station.Capture) (biometrics.Image, error) {
	stored, err := d.cfg.Store.Image(ctx, c.Digest)
	if err != nil {
		return biometrics.Image{}, err
	}
	img, err := biometrics.Decode(stored.Data)
	if err != nil {
		return img, &station.Error{Kind: station.Internal, What: "read the stored image of " + string(c.Slot), Err: err}
	}
	img.PPI = c.PPI
	return img, nil
}
