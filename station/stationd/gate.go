package main

import (
	"bytes"
	"image"

	"cardstation/biometrics"
	"cardstation/biometrics/face"
	"cardstation/biometrics/finger"
	"cardstation/station"
	"cardstation/station/enrol"
)

// dg2Bytes is how large a portrait may be on the chip.
const dg2Bytes = 18 << 10

// assess gives the gate of a slot. A slot without one is never asked for: the
// desk knows its slots.
func assess(slot station.Slot, ppi, missing int) biometrics.Assessor {
	if slot == station.Portrait {
		return face.Assessor{}
	}
	for _, f := range station.FingerSlots {
		if f.Slot == slot {
			a := finger.Assessor{Position: biometrics.Position(f.Position), Impression: biometrics.LivePlain, PPI: ppi, Missing: missing}
			if f.Rolled {
				a.Impression = biometrics.LiveRolled
			}
			return a
		}
	}
	return nil
}

// newHands is what holds the fingers of one enrolment against each other.
func newHands() enrol.Hands { return new(finger.Hands) }

// portrait cuts the face out of an accepted picture and gives the JPEG for DG2.
func portrait(img image.Image) ([]byte, error) {
	f, err := face.Find(img)
	if err != nil {
		return nil, err
	}
	cut, err := face.Crop(img, f)
	if err != nil {
		return nil, err
	}
	return face.EncodeDG2(cut, dg2Bytes)
}

// maxDG2 is the largest portrait that is taken as it is: one that was made for
// the chip before.
const maxDG2 = 20 << 10

// fitPortrait gives the JPEG for DG2 of a picture sent with an order.
func fitPortrait(data []byte) ([]byte, error) {
	made, err := portraitFor(data)
	if err == nil && len(data) <= maxDG2 && bytes.HasPrefix(data, []byte{0xFF, 0xD8}) {
		return data, nil
	}
	return made, err
}
