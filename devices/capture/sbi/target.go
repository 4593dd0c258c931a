package sbi

import (
	"fmt"
	"slices"
	"strconv"
)

// Type is a modality as SBI names it.
type Type string

// The modalities, and what asks for any of them in a discovery.
const (
	Finger    Type = "Finger"
	Iris      Type = "Iris"
	Face      Type = "Face"
	AnyDevice Type = "Biometric Device"
)

// Impression is how a finger is laid on: SBI's own, or one of the extension's.
type Impression string

// The impressions.
const (
	Plain  Impression = ""       // SBI's own: flat, one record a finger
	Rolled Impression = "rolled" // extension: nail to nail
	Whole  Impression = "slap"   // extension: the slap as one undivided image
)

// extension is the key in customOpts.
const extension = "cardstation.impression"

const unknown = "UNKNOWN"

// fingers are SBI's names of the positions 1 to 10 of ISO/IEC 19794-4:2011, table 5.
var fingers = []string{"", "Right Thumb", "Right IndexFinger", "Right MiddleFinger", "Right RingFinger", "Right LittleFinger",
	"Left Thumb", "Left IndexFinger", "Left MiddleFinger", "Left RingFinger", "Left LittleFinger"}

// Target is what one capture is to give.
type Target struct {
	Type       Type
	SubTypes   []string // in SBI's words, in the order in which they are to come; none for a face
	Exceptions []string // those that are not there, in SBI's words
	SubID      string   // the sensor: 1 left, 2 right, 3 both thumbs or irises, 0 none in particular
	Impression Impression
	Score      int // the quality from 0 to 100 at which the device may stop trying; for fingers NFIQ 2
}

// Position is the target of a finger position of ISO/IEC 19794-4 (table 5): 1 to 10 for
// one finger, 13 and 14 for the right and left four, 15 for both thumbs. A slap gives
// one record a finger unless it is made Whole.
func Position(code int) (Target, error) {
	t := Target{Type: Finger}
	switch {
	case code >= 1 && code <= 10:
		t.SubTypes = []string{fingers[code]}
		t.SubID = []string{"3", "2", "2", "2", "2", "3", "1", "1", "1", "1"}[code-1]
	case code == 13:
		t.SubTypes, t.SubID = slices.Clone(fingers[2:6]), "2"
	case code == 14:
		t.SubTypes, t.SubID = slices.Clone(fingers[7:11]), "1"
	case code == 15:
		t.SubTypes, t.SubID = []string{fingers[6], fingers[1]}, "3"
	default:
		return t, fmt.Errorf("finger position %d: want 1 to 10, 13, 14 or 15", code)
	}
	return t, nil
}

// Portrait is the target of a face.
func Portrait() Target { return Target{Type: Face, SubID: "0"} }

// Irises is the target of both eyes, left first.
func Irises() Target { return Target{Type: Iris, SubTypes: []string{"Left", "Right"}, SubID: "3"} }

// Eye is the target of one eye: 1 right, 2 left, as ISO/IEC 7816-11 counts them.
func Eye(subtype int) (Target, error) {
	switch subtype {
	case 1:
		return Target{Type: Iris, SubTypes: []string{"Right"}, SubID: "2"}, nil
	case 2:
		return Target{Type: Iris, SubTypes: []string{"Left"}, SubID: "1"}, nil
	}
	return Target{}, fmt.Errorf("eye %d: want 1 right or 2 left", subtype)
}

// As is the target with another impression.
func (t Target) As(i Impression) Target { t.Impression = i; return t }

// Without is the target without the fingers of these positions (1 to 10), which it
// names as exceptions.
func (t Target) Without(positions ...int) Target {
	t.SubTypes, t.Exceptions = slices.Clone(t.SubTypes), slices.Clone(t.Exceptions)
	for _, p := range positions {
		if p < 1 || p >= len(fingers) {
			continue
		}
		if i := slices.Index(t.SubTypes, fingers[p]); i >= 0 {
			t.SubTypes = slices.Delete(t.SubTypes, i, i+1)
			t.Exceptions = append(t.Exceptions, fingers[p])
		}
	}
	return t
}

// check refuses what cannot be asked for.
func (t Target) check() error {
	switch {
	case t.Type != Finger && t.Type != Iris && t.Type != Face:
		return fmt.Errorf("%w: type %q", ErrUnsupported, t.Type)
	case (len(t.SubTypes) == 0) != (t.Type == Face):
		return fmt.Errorf("%w: %d sub-types of %s", ErrUnsupported, len(t.SubTypes), t.Type)
	case t.Impression != Plain && t.Type != Finger:
		return fmt.Errorf("%w: %s of %s", ErrUnsupported, t.Impression, t.Type)
	case t.Impression == Rolled && len(t.SubTypes) != 1:
		return fmt.Errorf("%w: %d fingers rolled at once", ErrUnsupported, len(t.SubTypes))
	case t.Score < 0 || t.Score > 100:
		return fmt.Errorf("%w: score %d", ErrUnsupported, t.Score)
	}
	return nil
}

// expected are the bioSubTypes of the answer, in order.
func (t Target) expected() []string {
	switch {
	case t.Type == Face:
		return []string{""}
	case t.Impression == Whole:
		return []string{unknown}
	}
	return t.SubTypes
}

// count is how many the request announces.
func (t Target) count() string {
	if t.Type == Face {
		return "1"
	}
	return strconv.Itoa(len(t.SubTypes))
}

// options are the customOpts, nil where pure SBI does.
func (t Target) options() map[string]string {
	if t.Impression == Plain {
		return nil
	}
	return map[string]string{extension: string(t.Impression)}
}

// sensor is the sub-device to ask for, of those that a device has.
func (t Target) sensor(has []text) (string, error) {
	for _, id := range []string{t.SubID, "0"} {
		if len(has) == 0 || slices.Contains(has, text(id)) {
			return id, nil
		}
	}
	return "", fmt.Errorf("%w: it has no sensor %s", ErrUnsupported, t.SubID)
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }
