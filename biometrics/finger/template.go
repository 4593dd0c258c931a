package finger

import "cardstation/biometrics"

// Kind is what a ridge does at a minutia, by the codes of ISO/IEC 19794-2.
type Kind uint8

// Kinds. A comparison pays no heed to them: more or less ink makes one of the other.
const (
	OtherKind   Kind = 0
	Ending      Kind = 1
	Bifurcation Kind = 2
)

// Minutia is one place where a ridge ends or forks.
type Minutia struct {
	X, Y    int   // pixels at 500 ppi, from the upper left corner of the picture
	Angle   uint8 // in 256ths of a turn, counter-clockwise from the right: along the ending ridge, or between the legs of the fork (ISO/IEC 19794-2:2005, 6.4)
	Kind    Kind
	Quality uint8 // 1 worst .. 100 best, 0 not said
}

// Template is what is kept of a print for comparisons.
type Template struct {
	Width, Height int // of the picture, pixels at 500 ppi
	Position      biometrics.Position
	Impression    biometrics.Impression
	Quality       int // 0 worst .. 100 best: the mean of the minutiae's
	Minutiae      []Minutia
}
