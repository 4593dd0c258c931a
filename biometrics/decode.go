package biometrics

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"

	"github.com/disintegration/imaging"

	"cardstation/biometrics/wsq"
)

// Limits of Decode. The header alone decides on them, before a pixel is
// decoded.
const (
	MaxBytes  = 20 << 20  // of the file
	MaxPixels = 40 << 20  // width times height
	MaxSide   = 16384     // pixels of width or of height
	maxMemory = 256 << 20 // that the decoder will need, in bytes
)

// Formats are what Decode reads, in words.
const Formats = "PNG, JPEG, JPEG 2000 or WSQ"

// What can be wrong with a file. Each comes wrapped in an error that has the
// figures.
var (
	ErrFormat      = errors.New("not a " + Formats + " image")
	ErrTooLarge    = errors.New("image is too large")
	ErrDamaged     = errors.New("image is damaged or cut off")
	ErrUnsupported = errors.New("image is of a kind that is not read") // JPEG 2000 only
	ErrNoDecoder   = errors.New("a program for it is not on this machine")
)

// Remedy is what to do about an error of Decode.
func Remedy(err error) string {
	switch {
	case errors.Is(err, ErrNoDecoder):
		return "have the package libopenjp2-tools installed, or give a PNG, JPEG or WSQ image"
	case errors.Is(err, ErrTooLarge):
		return fmt.Sprintf("give it cut to what is needed, or scaled down; at most %d MB", MaxBytes>>20)
	case errors.Is(err, ErrDamaged):
		return "have it saved or sent anew: the file is not whole"
	}
	return "give a " + Formats + " image"
}

// Media types that Decode answers with.
const (
	PNG      = "image/png"
	JPEG     = "image/jpeg"
	JPEG2000 = "image/jp2" // of a bare codestream, too
	WSQ      = "image/wsq" // not registered, but what fingerprint systems call it
)

// Image is a decoded picture and what its file said about itself. The picture
// stands upright as the file's Exif orientation has it.
type Image struct {
	image.Image
	Media string // PNG, JPEG, JPEG2000 or WSQ
	PPI   int    // pixels per inch, 0 where the file does not say or says two different
}

// Decode reads a PNG, a JPEG, a JPEG 2000 or a WSQ by its content, whatever its name was.
// The header is held against the limits first, so that a small file cannot ask for
// a lot of memory. JPEG 2000 is read by another program, OpenJPEG's opj_decompress; of it
// grey and three colours (sRGB, sYCC), 1 to 16 bits a sample, in up to 1,024 tiles. Errors
// wrap one of those above, unless the machine itself has none of what a process needs.
func Decode(data []byte) (Image, error) {
	media, err := Peek(data)
	if err != nil {
		return Image{}, err
	}
	switch media {
	case PNG:
		return decodePNG(data)
	case JPEG:
		return decodeJPEG(data)
	case JPEG2000:
		return decodeJPEG2000(data)
	}
	return decodeWSQ(data)
}

// Sniff tells by an image's first bytes what it is, one of the media types; empty where
// it is none of them.
func Sniff(data []byte) string {
	for _, m := range []struct{ head, media string }{
		{"\x89PNG\r\n\x1a\n", PNG}, {"\xff\xd8\xff", JPEG}, {HeadJP2, JPEG2000}, {HeadJ2K, JPEG2000}, {"\xff\xa0", WSQ},
	} {
		if bytes.HasPrefix(data, []byte(m.head)) {
			return m.media
		}
	}
	return ""
}

// Peek gives an image's media type where its header keeps within the limits of
// Decode, and decodes nothing: for images that somebody else will. Errors are those
// of Decode.
func Peek(data []byte) (media string, err error) {
	if len(data) > MaxBytes {
		return "", fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, len(data), MaxBytes)
	}
	switch media = Sniff(data); media {
	case PNG:
		return media, peekPNG(data)
	case JPEG:
		return media, peekJPEG(data)
	case JPEG2000:
		return media, peekJPEG2000(data)
	case WSQ:
		return media, peekWSQ(data)
	}
	return "", ErrFormat
}

func peekPNG(data []byte) error {
	cfg, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%w: PNG header: %v", ErrDamaged, err)
	}
	perPixel := 4
	switch cfg.ColorModel {
	case color.GrayModel:
		perPixel = 1
	case color.Gray16Model:
		perPixel = 2
	case color.RGBA64Model, color.NRGBA64Model:
		perPixel = 8
	}
	// An interlaced picture is decoded in passes beside the whole.
	return withinLimits(cfg, 2*perPixel)
}

func peekJPEG(data []byte) error {
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%w: JPEG header: %v", ErrDamaged, err)
	}
	perPixel := 4
	if scanJPEG(data).progressive {
		perPixel = 16 // every coefficient is kept until the last scan
	}
	return withinLimits(cfg, perPixel)
}

func peekWSQ(data []byte) error {
	cfg, err := wsq.DecodeConfig(data)
	if err != nil {
		return wsqError("header", err)
	}
	return withinLimits(image.Config{Width: cfg.Width, Height: cfg.Height}, 10)
}

func decodePNG(data []byte) (Image, error) {
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return Image{}, fmt.Errorf("%w: PNG: %v", ErrDamaged, err)
	}
	return Image{Image: img, Media: PNG, PPI: pngDensity(data)}, nil
}

func decodeJPEG(data []byte) (Image, error) {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return Image{}, fmt.Errorf("%w: JPEG: %v", ErrDamaged, err)
	}
	head := scanJPEG(data)
	return Image{Image: upright(img, head.orientation), Media: JPEG, PPI: head.PPI}, nil
}

func decodeWSQ(data []byte) (Image, error) {
	img, err := wsq.Decode(data)
	if err != nil {
		return Image{}, wsqError("image", err)
	}
	return Image{Image: img.Pix, Media: WSQ, PPI: believed(img.PPI)}, nil
}

// believed takes the resolution in the NIST comment of a WSQ only where scanners of fingers
// have it: files are in use, NIST's own among them, that say 255 and are of 500.
func believed(ppi int) int {
	if ppi < 490 || ppi > 1010 {
		return 0
	}
	return ppi
}

func wsqError(part string, err error) error {
	if errors.Is(err, wsq.ErrTooLarge) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return fmt.Errorf("%w: WSQ %s: %w", ErrDamaged, part, err)
}

// withinLimits holds a header against the limits; perPixel is the memory the
// decoder needs for a pixel.
func withinLimits(cfg image.Config, perPixel int) error {
	if cfg.Width < 1 || cfg.Height < 1 {
		return fmt.Errorf("%w: %d x %d pixels", ErrDamaged, cfg.Width, cfg.Height)
	}
	if cfg.Width > MaxSide || cfg.Height > MaxSide {
		return fmt.Errorf("%w: %d x %d pixels, the limit is %d a side", ErrTooLarge, cfg.Width, cfg.Height, MaxSide)
	}
	if n := cfg.Width * cfg.Height; n > MaxPixels || n > maxMemory/perPixel {
		return fmt.Errorf("%w: %d x %d pixels, the limit is %d in all", ErrTooLarge, cfg.Width, cfg.Height, min(MaxPixels, maxMemory/perPixel))
	}
	return nil
}

// upright turns a picture by its Exif orientation (1 to 8, 0 for none).
func upright(img image.Image, orientation int) image.Image {
	switch orientation {
	case 2:
		return imaging.FlipH(img)
	case 3:
		return imaging.Rotate180(img)
	case 4:
		return imaging.FlipV(img)
	case 5:
		return imaging.Transpose(img)
	case 6:
		return imaging.Rotate270(img)
	case 7:
		return imaging.Transverse(img)
	case 8:
		return imaging.Rotate90(img)
	}
	return img
}
