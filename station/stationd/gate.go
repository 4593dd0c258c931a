package main

import (
	"bytes"
	"fmt"
	"image"
	"slices"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/face"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/wsq"
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

// qualityMap draws over a print that a slot was captured with what its gate found from place
// to place, as PNG.
func qualityMap(c station.Capture, data []byte) ([]byte, error) {
	what := fmt.Sprintf("draw the quality of %s", c.Slot)
	gate, ok := assess(c.Slot, c.PPI, len(c.Missing)).(finger.Assessor)
	if !ok {
		return nil, station.Errorf(station.Unknown, "%s: it is no print", what)
	}
	img, err := biometrics.Decode(data)
	if err != nil {
		return nil, station.Errorf(station.Internal, "%s: %w", what, err)
	}
	_, quality, err := gate.Inspect(img.Image)
	if err != nil {
		return nil, station.Errorf(station.Internal, "%s: %w", what, err)
	}
	drawn := newSketch(img)
	drawn.quality(quality)
	return biometrics.EncodePNG(drawn.RGBA, c.PPI)
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

// dg3Bytes is how large one finger may be on the chip: two of them are within the
// 32 kB that a chip lets itself be written by offset.
const dg3Bytes = 14 << 10

// rates are the bits a pixel at which a finger is coded, the FBI's first.
var rates = []float64{0.75, 0.5, 0.35, 0.25}

// fingerCut implements enrol.FingerCutter.
func fingerCut(img biometrics.Image, shown []biometrics.Position, wanted biometrics.Position) ([]byte, error) {
	found, err := finger.Find(img.Image, img.PPI, shown)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(found, func(s finger.Segment) bool { return s.Position == wanted })
	if i < 0 {
		return nil, fmt.Errorf("the %s is not among the fingers shown", wanted)
	}
	return fingerForChip(found[i].Cut(img.Image), img.PPI)
}

// fingerForChip codes the picture of one finger, at 500 pixels per inch.
func fingerForChip(cut *image.Gray, ppi int) ([]byte, error) {
	if ppi > 750 { // 1000: what a chip has room for is half of it
		cut = biometrics.Grey(imaging.Resize(cut, cut.Bounds().Dx()/2, 0, imaging.Lanczos))
	}
	for _, rate := range rates {
		data, err := wsq.Encode(cut, wsq.Options{PPI: 500, Rate: rate})
		if err != nil || len(data) <= dg3Bytes {
			return data, err
		}
	}
	return nil, fmt.Errorf("a print of %d by %d pixels is too large for the chip", cut.Bounds().Dx(), cut.Bounds().Dy())
}

// fitFingers gives the fingers for DG3 of prints sent with an order: those that were
// made for the chip before stay as they are.
func fitFingers(all []station.Finger) ([]station.Finger, error) {
	var out []station.Finger
	for _, f := range all {
		p := biometrics.Position(f.Position)
		img, err := biometrics.Decode(f.Image)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		if why := refusal(finger.Assessor{Position: p, Impression: impression(f.Rolled), PPI: img.PPI}, img); why != "" {
			return nil, fmt.Errorf("%s refused: %s", p, why)
		}
		if img.Media != biometrics.WSQ || len(f.Image) > dg3Bytes || img.PPI > 750 {
			if f.Image, err = fingerCut(img, []biometrics.Position{p}, p); err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
		}
		out = append(out, f)
	}
	return out, nil
}
