package face

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"math"

	"github.com/disintegration/imaging"
)

// The portrait of the card: the token frontal image of ISO/IEC 19794-5:2005,
// clause 9. Width is four times the distance of the eyes, height four thirds of the
// width, the eyes stand in the middle and six tenths of the width below the top.
const (
	cardWidth   = 480 // pixels; a smaller crop is not blown up
	widthInEyes = 4.0
	heightShare = 4.0 / 3
	eyesBelow   = 0.6  // of the width
	slide       = 0.12 // of the width: how far the crop may move up or down to stay inside the picture
	mostPadding = 0.12 // of the width: what may be filled in on any side
)

// ErrTight means that the picture ends too close to the head.
var ErrTight = errors.New("the picture ends too close to the head")

// crop is the rectangle that Crop cuts out; it may lie partly outside of the
// picture.
func (f Face) crop(within image.Rectangle) image.Rectangle {
	w := widthInEyes * f.EyeDistance()
	h := w * heightShare
	m := f.middle()
	r := image.Rect(0, 0, int(math.Round(w)), int(math.Round(h))).
		Add(image.Pt(m.X-int(math.Round(w/2)), m.Y-int(math.Round(w*eyesBelow))))
	most := int(w * slide)
	switch {
	case r.Min.Y < within.Min.Y:
		r = r.Add(image.Pt(0, min(most, within.Min.Y-r.Min.Y)))
	case r.Max.Y > within.Max.Y:
		r = r.Sub(image.Pt(0, min(most, r.Max.Y-within.Max.Y)))
	}
	return r
}

// overhang is how much of a crop lies outside of the picture on its worst side,
// as a share of the crop's width, and which side that is.
func overhang(crop, within image.Rectangle) (share float64, side string) {
	for _, o := range []struct {
		by   int
		side string
	}{
		{within.Min.Y - crop.Min.Y, "top"}, {crop.Max.Y - within.Max.Y, "bottom"},
		{within.Min.X - crop.Min.X, "left"}, {crop.Max.X - within.Max.X, "right"},
	} {
		if s := float64(o.by) / float64(max(1, crop.Dx())); s > share {
			share, side = s, o.side
		}
	}
	return share, side
}

// Crop cuts the portrait for DG2 out of a picture in which Find found f: 3 by 4,
// at most 480 x 640 pixels, the eyes where ISO/IEC 19794-5:2005, clause 9 has them for a
// token image, give or take a little in height. A small strip that the picture
// lacks is filled by repeating its edge; where more is lacking it answers ErrTight.
// A tilted head is not turned.
func Crop(img image.Image, f Face) (image.Image, error) {
	r := f.crop(img.Bounds())
	if r.Dx() < 3 {
		return nil, fmt.Errorf("crop portrait: %w", ErrNoEyes)
	}
	if share, _ := overhang(r, img.Bounds()); share > mostPadding {
		return nil, fmt.Errorf("crop portrait: %w", ErrTight)
	}
	inside := imaging.Crop(img, r)
	out := inside
	if inside.Bounds().Size() != r.Size() {
		out = pad(inside, r, r.Intersect(img.Bounds()))
	}
	if out.Bounds().Dx() > cardWidth {
		out = imaging.Resize(out, cardWidth, cardWidth*4/3, imaging.CatmullRom)
	}
	return out, nil
}

// pad makes a picture of the size of whole in which part holds inside, and
// repeats its edges over the rest.
func pad(inside *image.NRGBA, whole, part image.Rectangle) *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, whole.Dx(), whole.Dy()))
	at := part.Sub(whole.Min)
	draw.Draw(out, at, inside, image.Point{}, draw.Src)
	for y := at.Min.Y; y < at.Max.Y; y++ {
		row := out.Pix[y*out.Stride : (y+1)*out.Stride]
		for x := range at.Min.X {
			copy(row[4*x:4*x+4], row[4*at.Min.X:])
		}
		for x := at.Max.X; x < out.Rect.Max.X; x++ {
			copy(row[4*x:4*x+4], row[4*at.Max.X-4:])
		}
	}
	line := func(y int) []byte { return out.Pix[y*out.Stride : (y+1)*out.Stride] }
	for y := range at.Min.Y {
		copy(line(y), line(at.Min.Y))
	}
	for y := at.Max.Y; y < out.Rect.Max.Y; y++ {
		copy(line(y), line(at.Max.Y-1))
	}
	return out
}

// JPEG qualities that EncodeDG2 searches between.
const (
	leastJPEG = 25
	mostJPEG  = 95
)

// EncodeDG2 encodes a portrait as baseline JPEG of the best quality that stays
// within maxBytes (15,000 to 20,000 is usual for DG2). It is an error where even
// a poor quality is larger.
func EncodeDG2(img image.Image, maxBytes int) ([]byte, error) {
	var best []byte
	low, high := leastJPEG, mostJPEG
	for low <= high {
		q := (low + high) / 2
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: q}); err != nil {
			return nil, fmt.Errorf("encode portrait: %w", err)
		}
		if buf.Len() <= maxBytes {
			best, low = buf.Bytes(), q+1
		} else {
			high = q - 1
		}
	}
	if best == nil {
		b := img.Bounds()
		return nil, fmt.Errorf("encode portrait: %d x %d pixels do not fit into %d bytes", b.Dx(), b.Dy(), maxBytes)
	}
	return best, nil
}
