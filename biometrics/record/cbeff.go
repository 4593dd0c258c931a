package record

import (
	"errors"
	"fmt"
)

// ErrEmpty says that a biometric group is well formed and holds no template.
var ErrEmpty = errors.New("biometric group without templates")

// Template is one biometric information template (ISO/IEC 7816-11, tag 7F60): a
// CBEFF header and a biometric data block.
type Template struct {
	Header []Element // content of A1
	Tag    uint16    // BlockPlain or BlockConstructed
	Data   []byte    // the biometric data block
}

// Element is one data element of a header: tags 80 to 90 of ISO/IEC 7816-11, table 1.
type Element struct {
	Tag   byte
	Value []byte
}

// Tags of a biometric data block: a 19794 record, or a 39794 one in BER.
const (
	BlockPlain       uint16 = 0x5F2E
	BlockConstructed uint16 = 0x7F2E
)

const (
	tagGroup    uint16 = 0x7F61
	tagTemplate uint16 = 0x7F60
	tagHeader   uint16 = 0xA1
	tagCount    uint16 = 0x02
	tagFiller   uint16 = 0x53
)

// FaceTemplate wraps a face record as Doc 9303-10, 4.7.2 has it: biometric type
// face, no subtype, format owner ISO/IEC JTC 1/SC 37, format 19794-5.
func FaceTemplate(f Face) (Template, error) {
	data, err := f.Encode()
	if err != nil {
		return Template{}, err
	}
	return Template{Tag: BlockPlain, Data: data, Header: []Element{
		{0x81, []byte{0x02}}, {0x82, []byte{0x00}}, {0x87, []byte{0x01, 0x01}}, {0x88, []byte{0x00, 0x08}},
	}}, nil
}

// EncodeGroup writes a biometric information group template (tag 7F61).
func EncodeGroup(all []Template) ([]byte, error) {
	if len(all) == 0 || len(all) > maxImages {
		return nil, fmt.Errorf("biometric group with %d templates, want 1 to %d", len(all), maxImages)
	}
	body := appendTLV(nil, tagCount, []byte{byte(len(all))})
	for _, t := range all {
		if t.Tag != BlockPlain && t.Tag != BlockConstructed {
			return nil, fmt.Errorf("biometric data block with tag %04X", t.Tag)
		}
		var header []byte
		for _, e := range t.Header {
			header = appendTLV(header, uint16(e.Tag), e.Value)
		}
		body = appendTLV(body, tagTemplate, appendTLV(appendTLV(nil, tagHeader, header), t.Tag, t.Data))
	}
	return appendTLV(nil, tagGroup, body), nil
}

// EncodeEmptyGroup writes a group without templates, for a data group of a holder
// who has none of that modality, and behind it the filler, random bytes in 53, which keeps
// the data group's hash from telling so (Doc 9303-10, tables 50 and 57).
func EncodeEmptyGroup(filler []byte) []byte {
	return appendTLV(appendTLV(nil, tagGroup, appendTLV(nil, tagCount, []byte{0})), tagFiller, filler)
}

// DecodeGroup reads a biometric information group template; what it gives are slices
// of b. A group that is empty by right gives ErrEmpty.
func DecodeGroup(b []byte) ([]Template, error) {
	body, behind, err := takeTLV(b, tagGroup)
	if err != nil {
		return nil, malformed("biometric group", err)
	}
	count, body, err := takeTLV(body, tagCount)
	if err != nil || len(count) != 1 {
		return nil, malformed("number of templates", err)
	}
	if count[0] == 0 {
		return nil, emptyGroup(append(body[:len(body):len(body)], behind...))
	}
	if len(behind) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after the biometric group", ErrMalformed, len(behind))
	}
	var all []Template
	for len(body) > 0 {
		var one []byte
		if one, body, err = takeTLV(body, tagTemplate); err != nil {
			return nil, err
		}
		t, err := decodeTemplate(one)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	if len(all) != int(count[0]) || len(all) > maxImages {
		return nil, fmt.Errorf("%w: says %d templates and has %d", ErrMalformed, count[0], len(all))
	}
	return all, nil
}

// emptyGroup says ErrEmpty where behind the count of none stands one 53, or nothing. The
// 53 has its place behind the group; there are cards that have it inside.
func emptyGroup(b []byte) error {
	if len(b) == 0 {
		return ErrEmpty
	}
	if _, rest, err := takeTLV(b, tagFiller); err != nil || len(rest) > 0 {
		return malformed("templates in a group that counts none", err)
	}
	return ErrEmpty
}

func decodeTemplate(b []byte) (Template, error) {
	header, b, err := takeTLV(b, tagHeader)
	if err != nil {
		return Template{}, err
	}
	var t Template
	for len(header) > 0 {
		var value []byte
		var tag uint16
		if tag, value, header, err = nextTLV(header); err != nil {
			return Template{}, err
		}
		if tag > 0xFF {
			return Template{}, fmt.Errorf("%w: %04X in a header", ErrMalformed, tag)
		}
		t.Header = append(t.Header, Element{byte(tag), value})
	}
	if t.Tag, t.Data, b, err = nextTLV(b); err != nil || len(b) > 0 || t.Tag != BlockPlain && t.Tag != BlockConstructed {
		return Template{}, malformed("biometric data block", err)
	}
	return t, nil
}

// Is says whether the header's biometric type (81, one to three bytes) is that of a modality,
// or is left out, as it may be (Doc 9303-10, tables 44, 47 and 54).
func (t Template) Is(modality uint32) bool {
	said := t.Element(0x81)
	if said == nil {
		return true
	}
	var n uint32
	for _, c := range said {
		n = n<<8 | uint32(c)
	}
	return len(said) <= 3 && n == modality
}

// Element gives the header's element with that tag, nil if absent.
func (t Template) Element(tag byte) []byte {
	for _, e := range t.Header {
		if e.Tag == tag {
			return e.Value
		}
	}
	return nil
}

func malformed(what string, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", ErrMalformed, what)
}

// takeTLV reads the first data object, which must have the tag.
func takeTLV(b []byte, want uint16) (value, rest []byte, err error) {
	tag, value, rest, err := nextTLV(b)
	if err == nil && tag != want {
		err = fmt.Errorf("%w: %02X where %02X was expected", ErrMalformed, tag, want)
	}
	return value, rest, err
}

// nextTLV reads one BER-TLV data object with a tag of one or two bytes and a
// definite length in up to four behind the first.
func nextTLV(b []byte) (tag uint16, value, rest []byte, err error) {
	short := fmt.Errorf("%w: data object cut short", ErrMalformed)
	if len(b) < 2 {
		return 0, nil, nil, short
	}
	tag, b = uint16(b[0]), b[1:]
	if tag&0x1F == 0x1F {
		if b[0] >= 0x80 || len(b) < 2 {
			return 0, nil, nil, short
		}
		tag, b = tag<<8|uint16(b[0]), b[1:]
	}
	n := uint64(b[0])
	b = b[1:]
	if n >= 0x80 {
		size := int(n & 0x7F)
		if size == 0 || size > 4 || len(b) < size {
			return 0, nil, nil, short
		}
		n = 0
		for _, c := range b[:size] {
			n = n<<8 | uint64(c)
		}
		b = b[size:]
	}
	if n > uint64(len(b)) {
		return 0, nil, nil, short
	}
	return tag, b[:n:n], b[n:], nil
}

func appendTLV(b []byte, tag uint16, value []byte) []byte {
	if tag > 0xFF {
		b = append(b, byte(tag>>8))
	}
	b = append(b, byte(tag))
	switch n := len(value); {
	case n < 0x80:
		b = append(b, byte(n))
	case n <= 0xFF:
		b = append(b, 0x81, byte(n))
	case n <= 0xFFFF:
		b = append(b, 0x82, byte(n>>8), byte(n))
	case n <= 0xFFFFFF:
		b = append(b, 0x83, byte(n>>16), byte(n>>8), byte(n))
	default:
		b = append(b, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, value...)
}
