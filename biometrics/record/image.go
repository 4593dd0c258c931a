package record

import (
	"errors"
	"fmt"
	"image"
	"math"

	"cardstation/biometrics"
)

// ErrContradicted says that an image is another one than its record says: it is coded
// otherwise, or of another width, height, depth or resolution. The error that wraps it names
// the field and both values.
var ErrContradicted = errors.New("the record contradicts its image")

// Coded images of a finger, and the media types of what image/ and OpenJPEG read.
var fingerMedia = map[Compression]string{
	WSQ: biometrics.WSQ, JPEG: biometrics.JPEG, JPEG2000: biometrics.JPEG2000, JPEG2000Lossless: biometrics.JPEG2000, PNG: biometrics.PNG,
}

// Media is the media type of the view's data, of those in package biometrics; empty for raw
// images and PGM.
func (v FingerView) Media() string { return fingerMedia[v.Compression] }

// PPI is the image's resolution in pixels per inch as the record says it, 0 where it does
// not or where width and height differ.
func (v FingerView) PPI() int {
	switch {
	case v.ImageX != v.ImageY:
		return 0
	case v.Units == 1:
		return int(v.ImageX)
	case v.Units == 2:
		return int(math.Round(2.54 * float64(v.ImageX)))
	}
	return 0
}

// Check holds the head of the image against what the record says of it, with
// ErrContradicted, biometrics.ErrUnsupported for images that are not read here (PGM, and raw
// ones of other than 8 bits a pixel) or an error of biometrics.ReadHeader. No pixel is decoded.
// What the record leaves open, as 39794-4 does width, height and depth, is not compared; nor is
// a resolution in the image that no scanner of fingers has, for there are encoders that write
// 72 or 96 into anything.
func (v FingerView) Check() error {
	said := claim{media: v.Media(), width: int(v.Width), height: int(v.Height), bits: int(v.Depth), ppi: v.PPI()}
	switch {
	case said.media != "":
		return said.check(v.Data)
	case v.Compression == Raw || v.Compression == Packed:
		return v.checkRaw()
	}
	return fmt.Errorf("%w: %s", biometrics.ErrUnsupported, v.Compression)
}

// checkRaw holds an image without a head against its length. Raw has one byte a pixel or,
// beyond 8 bits, two; packed has no gaps between the pixels (19794-4:2005, 7.1.13).
func (v FingerView) checkRaw() error {
	bits := uint64(v.Depth)
	if v.Compression == Raw {
		bits = (bits + 7) / 8 * 8
	}
	want := (uint64(v.Width)*uint64(v.Height)*bits + 7) / 8
	switch {
	case v.Depth < 1 || v.Depth > 16 || want == 0 || want != uint64(len(v.Data)):
		return fmt.Errorf("%w: width %d, height %d and depth %d make a %s image of %d bytes, and it has %d",
			ErrContradicted, v.Width, v.Height, v.Depth, v.Compression, want, len(v.Data))
	case v.Depth != 8:
		return fmt.Errorf("%w: %s of %d bits a pixel", biometrics.ErrUnsupported, v.Compression, v.Depth)
	}
	return nil
}

// Image decodes the view's image once Check has nothing against it, with the image's own
// resolution, or the record's where it says none.
func (v FingerView) Image() (img biometrics.Image, err error) {
	if err := v.Check(); err != nil {
		return img, err
	}
	if v.Media() == "" {
		img.Image = &image.Gray{Pix: v.Data, Stride: int(v.Width), Rect: image.Rect(0, 0, int(v.Width), int(v.Height))}
	} else if img, err = biometrics.Decode(v.Data); err != nil {
		return img, err
	}
	if img.PPI == 0 {
		img.PPI = v.PPI()
	}
	return img, nil
}

// Check holds the head of the image against what the record says of it, with ErrContradicted
// or an error of biometrics.ReadHeader. Width, height and colour space are compared where
// they are specified.
func (im Image) Check() error {
	said := claim{media: im.Media, width: im.Width, height: im.Height}
	switch im.ColourSpace {
	case 1, 2:
		said.colours = "colour"
	case 3:
		said.colours = "grey"
	}
	return said.check(im.Data)
}

// claim is what a record says of its image; zero is nothing.
type claim struct {
	media         string
	width, height int
	bits          int    // a pixel
	colours       string // grey or colour
	ppi           int
}

// leastFingerPPI is the least resolution in an image that is believed to be a scanner's word.
const leastFingerPPI = 200

func (said claim) check(data []byte) error {
	is, err := biometrics.ReadHeader(data)
	if err != nil {
		return err
	}
	colours := "colour"
	if is.Components < 3 {
		colours = "grey"
	}
	for _, f := range []struct {
		name     string
		said, is any
		wrong    bool
	}{
		{"coding", said.media, is.Media, said.media != is.Media},
		{"width", said.width, is.Width, said.width != 0 && said.width != is.Width},
		{"height", said.height, is.Height, said.height != 0 && said.height != is.Height},
		{"depth in bits a pixel", said.bits, is.Components * is.Depth, said.bits != 0 && said.bits != is.Components*is.Depth},
		{"colour space", said.colours, colours, said.colours != "" && said.colours != colours},
		{"resolution in pixels per inch", said.ppi, is.PPI, said.ppi != 0 && is.PPI >= leastFingerPPI && apart(said.ppi, is.PPI)},
	} {
		if f.wrong {
			return fmt.Errorf("%w: it says %v for the %s, and the image has %v", ErrContradicted, f.said, f.name, f.is)
		}
	}
	return nil
}

// apart says that two resolutions differ by more than the 2 % that those of scanners do.
func apart(a, b int) bool { return max(a, b)*100 > min(a, b)*102 }
