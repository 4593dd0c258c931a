package personalize

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // portraits
	"time"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/face"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/record"
	"cardstation/personalize/piv"
)

// maxFacialImage is what the facial image object holds (SP 800-73-4 part 1, table 12);
// besides the portrait there are headers and a signature in it.
const (
	maxFacialImage = 12704
	besidePortrait = 1200
)

// facialImage is the portrait of DG2 as INCITS 385 has it, which is what ISO/IEC
// 19794-5:2005 has, within the profile of SP 800-76-2, 7: coarser where it would not fit.
func (c compiler) facialImage(chuid piv.CHUID) (piv.Object, error) {
	h, err := c.biometricHeader()
	if err != nil {
		return piv.Object{}, err
	}
	f, err := record.NewFace(c.photo)
	if err != nil {
		return piv.Object{}, err
	}
	f.Images[0].Expression = 1 // neutral, which the portrait rules ask for
	b, err := f.Encode()
	if err != nil {
		return piv.Object{}, err
	}
	h.Quality = -2 // not supported: none was measured on its scale
	return chuid.Face(h, b, c.authority.Content)
}

// fitting is the portrait, coarser where it is too long. That takes longer than all the
// rest of a plan, and is done before the chip is there.
func fitting(portrait []byte) ([]byte, error) {
	if len(portrait) <= maxFacialImage-besidePortrait {
		return portrait, nil
	}
	return coarser(portrait, maxFacialImage-besidePortrait)
}

// coarser gives a portrait in at most so many bytes: of less quality first, then smaller.
func coarser(photo []byte, most int) ([]byte, error) {
	img, _, err := image.Decode(bytes.NewReader(photo))
	if err != nil {
		return nil, fmt.Errorf("portrait: %w", err)
	}
	for width := img.Bounds().Dx(); ; width = width * 4 / 5 {
		photo, err := face.EncodeDG2(imaging.Resize(img, width, 0, imaging.Lanczos), most)
		if err == nil || width < leastWidth {
			return photo, err
		}
	}
}

// leastWidth is the narrowest portrait in pixels that is still a face to compare.
const leastWidth = 240

// fingerprints are the templates of the record's fingers as INCITS 378 has them.
func (c compiler) fingerprints(chuid piv.CHUID) (piv.Object, error) {
	h, err := c.biometricHeader()
	if err != nil {
		return piv.Object{}, err
	}
	h.Quality = 100
	for _, t := range c.minutiae {
		h.Quality = min(h.Quality, int8(max(t.Quality, 0)))
	}
	b, err := finger.EncodeINCITS378(c.profile.piv.generator, c.minutiae...)
	if err != nil {
		return piv.Object{}, err
	}
	return chuid.Fingers(h, b, c.authority.Content)
}

// biometricHeader has the record's dates, for a card is the same each time that it is
// compiled.
func (c compiler) biometricHeader() (h record.PIVHeader, err error) {
	if c.authority.Content.Signer == nil {
		return h, errNoContentSigner
	}
	if h.From, err = time.Parse(time.DateOnly, c.record.Issue); err != nil {
		return h, fmt.Errorf("issue date %q is not a calendar date", c.record.Issue)
	}
	if h.To, err = time.Parse(time.DateOnly, c.record.Expiry); err != nil {
		return h, fmt.Errorf("expiry %q is not a calendar date", c.record.Expiry)
	}
	h.Created, h.Creator = h.From, "cardstation"
	return h, nil
}

// pivFingers is how many fingers a PIV card has (SP 800-76-2, 4.2).
const pivFingers = 2

// templates finds the minutiae of the record's first two fingers; none where there are
// fewer, for the object is of two.
func (c compiler) templates() ([]finger.Template, error) {
	if len(c.record.Fingers) < pivFingers {
		return nil, nil
	}
	var out []finger.Template
	for _, f := range c.record.Fingers[:pivFingers] {
		img, err := biometrics.Decode(f.Image)
		if err != nil {
			return nil, fmt.Errorf("fingerprints: %w", err)
		}
		t, err := finger.Extract(img, 0)
		if err != nil {
			return nil, fmt.Errorf("fingerprints: finger %d: %w", f.Position, err)
		}
		t.Position = biometrics.Position(f.Position)
		if f.Rolled {
			t.Impression = biometrics.LiveRolled
		}
		out = append(out, t)
	}
	if out[0].Position == out[1].Position {
		return nil, errors.New("fingerprints: one finger twice")
	}
	return out, nil
}
