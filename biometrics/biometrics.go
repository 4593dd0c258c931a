// Package biometrics holds what the rooms under it agree on: finger positions
// and impression types by their codes in ISO/IEC 19794-4, a quality judgement
// with faults that an operator can act on, and the safe way from a file's bytes
// to an image. Image in, judgement out; nothing here knows a device, a dossier
// or a card.
package biometrics

import (
	"fmt"
	"image"
	"slices"
)

// Position is a finger position code of ISO/IEC 19794-4:2005.
type Position int

// Positions. The last three are several fingers in one image.
const (
	UnknownFinger Position = 0
	RightThumb    Position = 1
	RightIndex    Position = 2
	RightMiddle   Position = 3
	RightRing     Position = 4
	RightLittle   Position = 5
	LeftThumb     Position = 6
	LeftIndex     Position = 7
	LeftMiddle    Position = 8
	LeftRing      Position = 9
	LeftLittle    Position = 10
	RightFour     Position = 13
	LeftFour      Position = 14
	BothThumbs    Position = 15
)

var positionNames = map[Position]string{
	UnknownFinger: "finger", RightThumb: "right thumb", RightIndex: "right index finger",
	RightMiddle: "right middle finger", RightRing: "right ring finger", RightLittle: "right little finger",
	LeftThumb: "left thumb", LeftIndex: "left index finger", LeftMiddle: "left middle finger",
	LeftRing: "left ring finger", LeftLittle: "left little finger", RightFour: "right four fingers",
	LeftFour: "left four fingers", BothThumbs: "two thumbs",
}

// String is the position in words, as an operator would say it.
func (p Position) String() string {
	if s, ok := positionNames[p]; ok {
		return s
	}
	return fmt.Sprintf("finger position %d", int(p))
}

// Fingers lists the single fingers of a position from the left edge of the
// image to the right, as they lie on the platen: one for 0 to 10, two for both
// thumbs, four for a slap, none for a code that is not known.
func (p Position) Fingers() []Position {
	switch p {
	case RightFour:
		return []Position{RightIndex, RightMiddle, RightRing, RightLittle}
	case LeftFour:
		return []Position{LeftLittle, LeftRing, LeftMiddle, LeftIndex}
	case BothThumbs:
		return []Position{LeftThumb, RightThumb}
	}
	if p < UnknownFinger || p > LeftLittle {
		return nil
	}
	return []Position{p}
}

// Impression is a finger impression code of ISO/IEC 19794-4:2005.
type Impression int

// Impressions: taken by a live scanner, or scanned from paper.
const (
	LivePlain     Impression = 0
	LiveRolled    Impression = 1
	NonLivePlain  Impression = 2
	NonLiveRolled Impression = 3
)

// Rolled says whether the finger was rolled from nail to nail.
func (i Impression) Rolled() bool { return i == LiveRolled || i == NonLiveRolled }

// Component is one measured figure of a Quality. It says what was measured,
// not whether it suffices: that is what Faults are for.
type Component struct {
	Name  string  // lower case with hyphens: "foreground-area"
	Value float64 // in Unit
	Unit  string  // "mm2", "px", "%", "" for a pure number
}

// Fault is one reason to refuse an image.
type Fault struct {
	Code string // lower case with hyphens, stable: "too-small"
	Text string // one sentence that tells the operator what to do
}

// Quality is a judgement of one image.
type Quality struct {
	Score      int // 0 worst .. 100 best, of this project's own gate; no standard's score
	Components []Component
	Faults     []Fault // empty where the image is good enough; the most urgent first
	// Advice is what would make another capture better, or what is suspected but cannot be
	// told surely enough to refuse the image; the most urgent first.
	Advice []Fault
}

// Sentence is the one thing to tell the operator: the text of the first fault, of the first
// advice where there is no fault, and empty where there is nothing to better.
func (q Quality) Sentence() string {
	for _, f := range slices.Concat(q.Faults, q.Advice) {
		return f.Text
	}
	return ""
}

// Accepted says that nothing stands against the image.
func (q Quality) Accepted() bool { return len(q.Faults) == 0 }

// Component finds a measured figure by name.
func (q Quality) Component(name string) (float64, bool) {
	for _, c := range q.Components {
		if c.Name == name {
			return c.Value, true
		}
	}
	return 0, false
}

// Reasons gives the sentences of the faults, in the order found.
func (q Quality) Reasons() []string { return Texts(q.Faults) }

// Texts gives the sentences of faults or advice, in their order.
func Texts(all []Fault) []string {
	var out []string
	for _, f := range all {
		out = append(out, f.Text)
	}
	return out
}

// Assessor judges one image. A bad image is a Quality with faults, not an
// error; an error means that the question itself made no sense.
type Assessor interface {
	Assess(image.Image) (Quality, error)
}
