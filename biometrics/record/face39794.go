package record

import (
	"fmt"

	"cardstation/biometrics"
)

// tagFace39794 is [APPLICATION 5] SEQUENCE, as which 39794-5 has its data block.
const tagFace39794 = 0x65

// decodeFace39794 reads a FaceImageDataBlock of ISO/IEC 39794-5:2019 in DER, bare or as
// it stands in a card's 7F2E (inside A1). Of each representation it takes the
// two-dimensional image with its format, size, kind, colour space, source and first
// quality score, and the holder's gender, eye and hair colour; codes are turned into
// those of 19794-5:2005, 0, FF or (of colours) 4 where that has none. Landmarks, pose, times, capture
// device, presentation attack detection and three-dimensional shapes are passed over.
// Tags are automatic ones, as in finger39794.go. The structure is that of the
// standard's public ASN.1; no record of another program's making was at hand.
func decodeFace39794(b []byte) (Face, error) {
	list, err := representations39794(b, tagFace39794, "face image data block")
	if err != nil {
		return Face{}, err
	}
	if len(list) > maxImages {
		return Face{}, fmt.Errorf("%w: %d representations, at most %d", ErrMalformed, len(list), maxImages)
	}
	f := Face{Edition: Face39794}
	for i, one := range list {
		im, err := decodeImage39794(one)
		if err != nil {
			return Face{}, fmt.Errorf("representation %d: %w", i+1, err)
		}
		f.Images = append(f.Images, im)
	}
	return f, nil
}

// representations39794 takes a data block apart: version block [0], of generation 1
// and up, and representation blocks [1].
func representations39794(b []byte, tag uint16, what string) ([][]byte, error) {
	if len(b) > 0 && b[0] == byte(tagHeader) {
		inner, rest, err := takeTLV(b, tagHeader)
		if err != nil || len(rest) > 0 {
			return nil, malformed(what, err)
		}
		b = inner
	}
	body, rest, err := takeTLV(b, tag)
	if err != nil || len(rest) > 0 {
		return nil, malformed(what, err)
	}
	parts, err := members(body)
	if err != nil {
		return nil, err
	}
	version, err := members(parts[0])
	if err != nil {
		return nil, err
	}
	if n, err := unsigned(version[0], 0xFF); err != nil || n == 0 {
		return nil, malformed("version of the "+what, err)
	}
	var all [][]byte
	for list := parts[1]; len(list) > 0; {
		var one []byte
		if one, list, err = takeTLV(list, 0x30); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: a %s without representations", ErrMalformed, what)
	}
	return all, nil
}

// decodeImage39794 reads a RepresentationBlock.
func decodeImage39794(b []byte) (Image, error) {
	parts, err := members(b)
	if err != nil {
		return Image{}, err
	}
	flat, err := inside(parts[1], 0, 0) // base, imageRepresentation2DBlock
	if err != nil {
		return Image{}, err
	}
	image, err := members(flat)
	if err != nil {
		return Image{}, err
	}
	if len(image[0]) == 0 {
		return Image{}, fmt.Errorf("%w: a representation without a two-dimensional image", ErrMalformed)
	}
	im := Image{Data: image[0]}
	if err := im.information39794(image[1]); err != nil {
		return im, err
	}
	source, err := optionalCode(image[2], 1)
	if err != nil {
		return im, err
	}
	im.Source = source // the codes are the same
	if err := im.identity39794(parts[8]); err != nil {
		return im, err
	}
	scores, err := qualities39794(parts[3])
	if len(scores) > 0 && scores[0].Score <= 100 {
		im.Quality = uint16(scores[0].Score)
	}
	return im, err
}

// information39794 reads ImageInformation2DBlock.
func (im *Image) information39794(b []byte) error {
	var codes [10]byte
	for _, i := range []int{0, 1, 9} {
		var err error
		if codes[i], err = optionalCode(b, i); err != nil {
			return err
		}
	}
	switch codes[0] {
	case 2:
		im.Media = MediaJPEG
	case 3, 4: // lossy, lossless
		im.Media = MediaJPEG2000
	default:
		if im.Media = biometrics.Sniff(im.Data); im.Media == "" || im.Media == biometrics.WSQ {
			return fmt.Errorf("%w: image data format %d", ErrMalformed, codes[0])
		}
	}
	parts, err := members(b)
	if err != nil {
		return err
	}
	if parts[1] != nil && codes[1] == 0 { // MRTD
		im.Type = ImageFullFrontal
	}
	const another = 4 // 19794-5, 5.7.4; more than 8 bits a sample are none of the named ones
	im.ColourSpace = recode(codes[9], another, 0, another, 1, another, 2, 3, another)
	if parts[7] == nil {
		return nil
	}
	size, err := members(parts[7])
	if err != nil {
		return err
	}
	width, err := unsigned(size[0], 0xFFFF)
	if err != nil {
		return err
	}
	height, err := unsigned(size[1], 0xFFFF)
	im.Width, im.Height = int(width), int(height)
	return err
}

// identity39794 reads IdentityMetadataBlock, where there is one.
func (im *Image) identity39794(b []byte) error {
	var codes [3]byte
	for i := range codes {
		var err error
		if codes[i], err = optionalCode(b, i); err != nil {
			return err
		}
	}
	im.Gender = recode(codes[0], 0xFF, 0, 0xFF, 1, 2)
	im.EyeColour = recode(codes[1], 0xFF, 0, 0xFF, 1, 2, 3, 4, 5, 0xFF, 6, 7)
	im.HairColour = recode(codes[2], 0xFF, 0, 0xFF, 1, 2, 3, 4, 5, 6, 7, 0xFF)
	return nil
}

// recode finds the code of 19794-5 at the place of the one of 39794-5, otherwise for one
// beyond them.
func recode(code, otherwise byte, to ...byte) byte {
	if int(code) < len(to) {
		return to[code]
	}
	return otherwise
}

// inside goes down by context tags; nil where one is absent.
func inside(b []byte, path ...int) ([]byte, error) {
	for _, n := range path {
		parts, err := members(b)
		if err != nil {
			return nil, err
		}
		b = parts[n]
	}
	return b, nil
}

// optionalCode is choiceCode of member n of a SEQUENCE's content; 0 where there is
// none.
func optionalCode(b []byte, n int) (byte, error) {
	code, err := inside(b, n)
	if err != nil || code == nil {
		return 0, err
	}
	return choiceCode(code)
}
