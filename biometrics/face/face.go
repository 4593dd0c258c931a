// Package face finds, judges, crops and encodes portraits.
package face

import (
	"image"

	"cardstation/biometrics"
)

// Face is one face found in a picture. Coordinates are pixels of that picture.
type Face struct {
	Left, Right image.Point     // pupils: Left is the one nearer the left edge of the picture
	Box         image.Rectangle // the square the detector answered with, brow to chin
	Score       float64         // the detector's confidence, no unit
}

// Find finds the one face.
func Find(img image.Image) (Face, error) { return Face{}, nil }

// Crop cuts a portrait for DG2.
func Crop(img image.Image, f Face) (image.Image, error) { return img, nil }

// EncodeDG2 encodes under maxBytes.
func EncodeDG2(img image.Image, maxBytes int) ([]byte, error) { return nil, nil }

// Assessor is the gate for a portrait.
type Assessor struct{}

// Assess measures the image.
func (Assessor) Assess(img image.Image) (biometrics.Quality, error) {
	return biometrics.Quality{}, nil
}
