package lds

import (
	"bytes"
	"errors"
	"fmt"
	"image/jpeg"

	"cardstation/biometrics"
)

// mostShown is how many pixels of a face in JPEG 2000 are decoded, which is more than a
// document's picture has: a chip of 100 kB can claim, and have, many more.
const mostShown = 4 << 20

// Picture gives the portrait of data group 2, its first face, as a JPEG for a screen: one
// in JPEG as it stands, where its header keeps within the limits of biometrics.Decode, and
// one in JPEG 2000, which most screens do not show, coded anew. The record's word for
// what it is does not count, but the picture's first bytes: where they contradict each other
// the picture is given all the same, with an error that wraps record.ErrContradicted and
// names the field.
func Picture(dg2 []byte) ([]byte, error) {
	faces, err := DecodeDG2(dg2)
	if err != nil {
		return nil, err
	}
	if len(faces) == 0 || len(faces[0].Images) == 0 {
		return nil, errors.New("DG2 has no picture")
	}
	face := faces[0].Images[0]
	data := face.Data
	media, err := biometrics.Peek(data)
	switch {
	case err != nil:
	case media == biometrics.JPEG:
	case media == biometrics.JPEG2000:
		data, err = recoded(data)
	default:
		err = fmt.Errorf("it is in %s, which is not shown here", media)
	}
	if err != nil {
		return nil, fmt.Errorf("the picture of DG2: %w", err)
	}
	if err := face.Check(); err != nil {
		return data, fmt.Errorf("the picture of DG2: %w", err)
	}
	return data, nil
}

// recoded makes a JPEG of JPEG 2000.
func recoded(data []byte) ([]byte, error) {
	h, err := biometrics.ReadHeader2000(data)
	if err != nil {
		return nil, err
	}
	if h.Width*h.Height > mostShown {
		return nil, fmt.Errorf("%w: %d x %d pixels in JPEG 2000, the limit for a screen is %d in all", biometrics.ErrTooLarge, h.Width, h.Height, mostShown)
	}
	img, err := biometrics.Decode(data)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = jpeg.Encode(&out, img.Image, &jpeg.Options{Quality: 92})
	return out.Bytes(), err
}
