// Package finger judges fingerprint images.
package finger

import (
	"image"

	"cardstation/biometrics"
)

// Assessor is the gate for one fingerprint capture. The zero Missing means that
// every finger of the position is expected.
type Assessor struct {
	Position   biometrics.Position
	Impression biometrics.Impression
	PPI        int // pixels per inch as the device or operator declares; 0 takes the file's own word (biometrics.Image)
	Missing    int // fingers of Position that are not there
}

// Assess measures the image.
func (a Assessor) Assess(img image.Image) (biometrics.Quality, error) {
	return biometrics.Quality{}, nil
}
