// Package record writes and reads biometric data records: the face record of ISO/IEC
// 19794-5:2005 (and reads that of 39794-5:2019), the finger image records of ISO/IEC
// 19794-4:2005 and 2011 and 39794-4:2019, opaque samples of other modalities with their
// codes, and the CBEFF templates (ISO/IEC 7816-11, Doc 9303-10, 4.7.2) in which a chip
// holds them. Lengths that lie make errors, and what was read writes itself again to the
// same bytes. What a record says of an image is held against the image by Check, and before
// FingerView.Image decodes it.
package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image/color"
	"image/jpeg"

	"cardstation/biometrics"
)

// ErrMalformed says that the bytes are no such record.
var ErrMalformed = errors.New("malformed biometric record")

// Face is one face record (ISO/IEC 19794-5:2005, 5.2) with its images.
type Face struct {
	Images  []Image
	Edition Edition // Face39794 where it was read as that; zero is 19794-5:2005
}

// Image is one facial image of a record: facial information, feature points and
// image information (19794-5, 5.5 to 5.7). Zero means not specified everywhere.
type Image struct {
	Gender, EyeColour, HairColour byte    // 5.5.3 to 5.5.5
	Properties                    uint32  // 24 bits, 5.5.6
	Expression                    uint16  // 5.5.7
	Pose, PoseUncertainty         [3]byte // yaw, pitch, roll, 5.5.8 and 5.5.9
	Points                        []Point
	Type                          byte   // ImageBasic, ImageFullFrontal, ImageToken
	Media                         string // MediaJPEG or MediaJPEG2000; in 39794-5 also MediaPNG
	Width, Height                 int    // pixels, up to 65535
	ColourSpace                   byte   // 1 RGB 24 bit, 2 YUV 4:2:2, 3 grey 8 bit
	Source                        byte   // 1 photograph, 2 still camera, 3 scanner, ... 5.7.6
	Device, Quality               uint16
	Data                          []byte // the coded image as it stands in the record
}

// Point is one feature point (19794-5, 5.6): type, MPEG-4 major and minor code, and
// position in pixels.
type Point struct {
	Type, Code     byte
	X, Y, Reserved uint16
}

// Face image types (19794-5, 5.7.1).
const (
	ImageBasic       byte = 0
	ImageFullFrontal byte = 1
	ImageToken       byte = 2
)

// Media types of an image's data (19794-5, 5.7.2).
const (
	MediaJPEG     = biometrics.JPEG
	MediaJPEG2000 = biometrics.JPEG2000
	MediaPNG      = biometrics.PNG
)

const (
	magic       = "FAC\x00010\x00"
	headerSize  = 14
	infoSize    = 20
	pointSize   = 8
	imageSize   = 12
	maxImages   = 64
	blockedSize = infoSize + imageSize
)

// NewFace makes a record of one full frontal photograph of a still camera. The
// data must be a JPEG; its size and colours are read from it.
func NewFace(photo []byte) (Face, error) {
	c, err := jpeg.DecodeConfig(bytes.NewReader(photo))
	if err != nil {
		return Face{}, fmt.Errorf("portrait for a face record: %w", err)
	}
	im := Image{Type: ImageFullFrontal, Media: MediaJPEG, Width: c.Width, Height: c.Height, ColourSpace: 1, Source: 2, Data: photo}
	if c.ColorModel == color.GrayModel {
		im.ColourSpace = 3
	}
	return Face{Images: []Image{im}}, nil
}

// Encode writes the record, in 19794-5:2005 only.
func (f Face) Encode() ([]byte, error) {
	if f.Edition == Face39794 {
		return nil, fmt.Errorf("face records of edition %d are not written", f.Edition)
	}
	if len(f.Images) == 0 || len(f.Images) > maxImages {
		return nil, fmt.Errorf("face record with %d images, want 1 to %d", len(f.Images), maxImages)
	}
	b := append(make([]byte, 0, 1<<15), magic...)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(f.Images)))
	for i, im := range f.Images {
		block, err := im.encode()
		if err != nil {
			return nil, fmt.Errorf("image %d of a face record: %w", i+1, err)
		}
		b = append(b, block...)
	}
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)))
	return b, nil
}

func (im Image) encode() ([]byte, error) {
	coding := byte(0)
	switch {
	case im.Media == MediaJPEG2000:
		coding = 1
	case im.Media != MediaJPEG:
		return nil, fmt.Errorf("media type %q is neither JPEG nor JPEG 2000", im.Media)
	case len(im.Points) > 0xFFFF:
		return nil, fmt.Errorf("%d feature points", len(im.Points))
	}
	if im.Width < 0 || im.Width > 0xFFFF || im.Height < 0 || im.Height > 0xFFFF || im.Properties > 0xFFFFFF {
		return nil, fmt.Errorf("image of %d by %d pixels does not fit the record", im.Width, im.Height)
	}
	be := binary.BigEndian
	b := be.AppendUint32(nil, uint32(blockedSize+pointSize*len(im.Points)+len(im.Data)))
	b = be.AppendUint16(b, uint16(len(im.Points)))
	b = append(b, im.Gender, im.EyeColour, im.HairColour, byte(im.Properties>>16), byte(im.Properties>>8), byte(im.Properties))
	b = be.AppendUint16(b, im.Expression)
	b = append(append(b, im.Pose[:]...), im.PoseUncertainty[:]...)
	for _, p := range im.Points {
		b = append(b, p.Type, p.Code)
		b = be.AppendUint16(be.AppendUint16(be.AppendUint16(b, p.X), p.Y), p.Reserved)
	}
	b = append(b, im.Type, coding)
	b = be.AppendUint16(be.AppendUint16(b, uint16(im.Width)), uint16(im.Height))
	b = append(b, im.ColourSpace, im.Source)
	b = be.AppendUint16(be.AppendUint16(b, im.Device), im.Quality)
	return append(b, im.Data...), nil
}

// DecodeFace reads a record of 19794-5:2005, or of 39794-5 by its ASN.1 tag; the
// images' data are slices of b.
func DecodeFace(b []byte) (Face, error) {
	if len(b) > 0 && (b[0] == tagFace39794 || b[0] == byte(tagHeader)) {
		return decodeFace39794(b)
	}
	if len(b) < headerSize || string(b[:8]) != magic {
		return Face{}, fmt.Errorf("%w: no ISO/IEC 19794-5:2005 header", ErrMalformed)
	}
	be := binary.BigEndian
	if n := be.Uint32(b[8:]); uint64(n) != uint64(len(b)) {
		return Face{}, fmt.Errorf("%w: says %d bytes and has %d", ErrMalformed, n, len(b))
	}
	count := int(be.Uint16(b[12:]))
	if count == 0 || count > maxImages {
		return Face{}, fmt.Errorf("%w: %d images", ErrMalformed, count)
	}
	var f Face
	for b = b[headerSize:]; len(f.Images) < count; {
		if len(b) < blockedSize {
			return Face{}, fmt.Errorf("%w: image %d cut short", ErrMalformed, len(f.Images)+1)
		}
		n := be.Uint32(b)
		if n < blockedSize || uint64(n) > uint64(len(b)) {
			return Face{}, fmt.Errorf("%w: image %d says %d bytes", ErrMalformed, len(f.Images)+1, n)
		}
		im, err := decodeImage(b[:n:n])
		if err != nil {
			return Face{}, err
		}
		f.Images, b = append(f.Images, im), b[n:]
	}
	if len(b) > 0 {
		return Face{}, fmt.Errorf("%w: %d bytes after the last image", ErrMalformed, len(b))
	}
	return f, nil
}

// decodeImage reads one block, of blockedSize bytes at least.
func decodeImage(b []byte) (Image, error) {
	be := binary.BigEndian
	points := int(be.Uint16(b[4:]))
	if len(b) < blockedSize+pointSize*points {
		return Image{}, fmt.Errorf("%w: %d feature points do not fit", ErrMalformed, points)
	}
	im := Image{
		Gender: b[6], EyeColour: b[7], HairColour: b[8],
		Properties: uint32(b[9])<<16 | uint32(b[10])<<8 | uint32(b[11]), Expression: be.Uint16(b[12:]),
		Pose: [3]byte(b[14:17]), PoseUncertainty: [3]byte(b[17:20]),
	}
	b = b[infoSize:]
	for range points {
		im.Points = append(im.Points, Point{b[0], b[1], be.Uint16(b[2:]), be.Uint16(b[4:]), be.Uint16(b[6:])})
		b = b[pointSize:]
	}
	switch b[1] {
	case 0:
		im.Media = MediaJPEG
	case 1:
		im.Media = MediaJPEG2000
	default:
		return Image{}, fmt.Errorf("%w: image data type %d", ErrMalformed, b[1])
	}
	im.Type, im.Width, im.Height = b[0], int(be.Uint16(b[2:])), int(be.Uint16(b[4:]))
	im.ColourSpace, im.Source, im.Device, im.Quality = b[6], b[7], be.Uint16(b[8:]), be.Uint16(b[10:])
	im.Data = b[imageSize:]
	return im, nil
}
