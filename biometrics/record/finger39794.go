package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// tagFinger39794 is [APPLICATION 4] SEQUENCE, as which 39794-4 has its data block.
const tagFinger39794 = 0x64

// Of each representation position, impression, format, image, time, sampling rate and
// quality scores are read and written; the other blocks (capture device, segmentation,
// annotation, presentation attack detection, comments) are passed over. The tags are
// automatic ones, so that every CHOICE is explicit and all else implicit.

// impressions39794 are the impressions of 39794-4, in which paper and live scanner are
// one.
var impressions39794 = []byte{0, 1, 4, 8, 24, 25, 28, 29, 41, 42}

// encode39794 writes a FingerImageDataBlock of ISO/IEC 39794-4:2019 in DER.
func (f Finger) encode39794() ([]byte, error) {
	var list []byte
	for i, v := range f.Views {
		one, err := v.encode39794()
		if err != nil {
			return nil, fmt.Errorf("view %d of a finger record: %w", i+1, err)
		}
		list = appendTLV(list, 0x30, one)
	}
	const generation, year = 3, 2019
	version := appendTLV(number(0x80, generation), 0x81, []byte{year >> 8, year & 0xFF})
	return appendTLV(nil, tagFinger39794, appendTLV(appendTLV(nil, 0xA0, version), 0xA1, list)), nil
}

func (v FingerView) encode39794() ([]byte, error) {
	format, err := v.Compression.code(Finger39794)
	if err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(impressions39794, v.Impression):
		return nil, fmt.Errorf("impression %d has no code in 39794-4", v.Impression)
	case len(v.Data) == 0:
		return nil, errors.New("no image")
	case v.Units > 2 || v.Units > 0 && v.ImageX != v.ImageY:
		return nil, fmt.Errorf("%d by %d samples in unit %d, 39794-4 has one rate for both directions", v.ImageX, v.ImageY, v.Units)
	case slices.ContainsFunc(v.Qualities, func(q FingerQuality) bool { return q.Score != QualityUnknown && (q.Vendor == 0 || q.Algorithm == 0) }):
		return nil, errors.New("a quality of no registered algorithm, which 39794-4 has no place for")
	case v.Certificates != nil || v.Extended != nil:
		return nil, errors.New("certificates or extended data, which are not written in 39794-4")
	}
	var b []byte
	for i, code := range []byte{v.Position, v.Impression, format} { // each a CHOICE of a code and an extension
		b = appendTLV(b, 0xA0+uint16(i), number(0x80, uint16(code)))
	}
	b = appendTLV(b, 0x83, v.Data)
	if at := v.moment39794(); at != nil {
		b = appendTLV(b, 0xA4, at)
	}
	if scores := encodeQualities39794(v.Qualities); scores != nil {
		b = appendTLV(b, 0xA6, scores)
	}
	if v.Units > 0 {
		b = appendTLV(b, 0xA7, append(number(0x80, v.ImageX), number(0x81, uint16(v.Units-1))...))
	}
	return b, nil
}

// moment39794 is Captured as a DateTimeBlock: year, month, day, hour, minute, second and
// millisecond; nil where it is not known.
func (v FingerView) moment39794() []byte {
	if v.Captured == [9]byte{} || v.Captured == CaptureTime(time.Time{}) {
		return nil
	}
	be := binary.BigEndian
	b := number(0x80, be.Uint16(v.Captured[:]))
	for i, n := range v.Captured[2:7] {
		if n != 0xFF {
			b = append(b, number(0x81+byte(i), uint16(n))...)
		}
	}
	if ms := be.Uint16(v.Captured[7:]); ms != 0xFFFF {
		b = append(b, number(0x86, ms)...)
	}
	return b
}

// captured39794 reads a DateTimeBlock, of which only the year must be there: what is not
// said is FF.
func captured39794(b []byte) (at [9]byte, err error) {
	parts, err := members(b)
	if err != nil {
		return at, err
	}
	values := [7]uint16{0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFFFF}
	for i, most := range [7]int{9999, 12, 31, 23, 59, 60, 999} {
		if parts[i] == nil && i > 0 {
			continue
		}
		if values[i], err = unsigned(parts[i], most); err != nil {
			return at, err
		}
	}
	binary.BigEndian.PutUint16(at[:], values[0])
	for i, n := range values[1:6] {
		at[2+i] = byte(n)
	}
	binary.BigEndian.PutUint16(at[7:], values[6])
	return at, nil
}

func encodeQualities39794(all []FingerQuality) (b []byte) {
	for _, q := range all {
		if q.Score == QualityUnknown {
			continue
		}
		maker := append(number(0x80, q.Vendor), number(0x81, q.Algorithm)...)
		result := number(0x80, uint16(q.Score))
		if q.Score > 100 {
			result = appendTLV(nil, 0xA1, number(0x80, 0)) // error: failure to assess
		}
		b = appendTLV(b, 0x30, appendTLV(appendTLV(nil, 0xA0, maker), 0xA1, result))
	}
	return b
}

// number writes an INTEGER or ENUMERATED that is not negative, shortest first.
func number(tag byte, n uint16) []byte {
	switch {
	case n < 0x80:
		return []byte{tag, 1, byte(n)}
	case n < 0x8000:
		return []byte{tag, 2, byte(n >> 8), byte(n)}
	}
	return []byte{tag, 3, 0, byte(n >> 8), byte(n)}
}

// decode39794 reads a FingerImageDataBlock, bare or as it stands in a card's 7F2E
// (inside A1).
func decode39794(b []byte) (Finger, error) {
	list, err := representations39794(b, tagFinger39794, "finger image data block")
	if err != nil {
		return Finger{}, err
	}
	if len(list) > maxFingerViews {
		return Finger{}, fmt.Errorf("%w: %d representations, at most %d", ErrMalformed, len(list), maxFingerViews)
	}
	f := Finger{Edition: Finger39794}
	for i, one := range list {
		v, err := decodeView39794(one)
		if err != nil {
			return Finger{}, fmt.Errorf("representation %d: %w", i+1, err)
		}
		f.Views = append(f.Views, v)
	}
	return f, nil
}

func decodeView39794(b []byte) (FingerView, error) {
	parts, err := members(b)
	if err != nil {
		return FingerView{}, err
	}
	var codes [3]byte
	for i := range codes {
		if codes[i], err = choiceCode(parts[i]); err != nil {
			return FingerView{}, err
		}
	}
	v := FingerView{Position: codes[0], Impression: codes[1], Data: parts[3]}
	if v.Compression, err = compressionOf(codes[2], Finger39794); err != nil {
		return v, err
	}
	if len(v.Data) == 0 {
		return v, fmt.Errorf("%w: a representation without an image", ErrMalformed)
	}
	if parts[4] != nil {
		if v.Captured, err = captured39794(parts[4]); err != nil {
			return v, err
		}
	}
	if v.Qualities, err = qualities39794(parts[6]); err != nil || parts[7] == nil {
		return v, err
	}
	rate, err := members(parts[7])
	if err != nil {
		return v, err
	}
	samples, err := unsigned(rate[0], 0xFFFF)
	if err != nil {
		return v, err
	}
	unit, err := unsigned(rate[1], 1)
	if err != nil {
		return v, err
	}
	v.Units, v.ScanX, v.ScanY, v.ImageX, v.ImageY = byte(unit)+1, samples, samples, samples, samples
	return v, nil
}

// members parts a SEQUENCE's content into its elements by context tag, 0 to 30.
func members(b []byte) (map[int][]byte, error) {
	out := map[int][]byte{}
	for len(b) > 0 {
		tag, value, rest, err := nextTLV(b)
		if err != nil {
			return nil, err
		}
		number := int(tag & 0x1F)
		if tag > 0xBF || tag < 0x80 || out[number] != nil {
			return nil, fmt.Errorf("%w: %02X where an element of a sequence was expected", ErrMalformed, tag)
		}
		out[number], b = value, rest
	}
	return out, nil
}

// choiceCode reads CHOICE { code [0] ENUMERATED, extensionBlock [1] SEQUENCE {
// fallback [0] ENUMERATED, ... } }.
func choiceCode(b []byte) (byte, error) {
	parts, err := members(b)
	if err != nil {
		return 0, err
	}
	code, ok := parts[0]
	if !ok {
		if parts, err = members(parts[1]); err != nil {
			return 0, err
		}
		code = parts[0]
	}
	n, err := unsigned(code, 0xFF)
	return byte(n), err
}

// qualities39794 reads quality blocks: SEQUENCE OF { algorithm [0] { organization
// [0], identifier [1] }, score [1] CHOICE { score [0], error [1] } }.
func qualities39794(b []byte) ([]FingerQuality, error) {
	var out []FingerQuality
	for len(b) > 0 && len(out) < 255 {
		one, rest, err := takeTLV(b, 0x30)
		if err != nil {
			return nil, err
		}
		parts, err := members(one)
		if err != nil {
			return nil, err
		}
		maker, err := members(parts[0])
		if err != nil {
			return nil, err
		}
		result, err := members(parts[1])
		if err != nil {
			return nil, err
		}
		q := FingerQuality{Score: 255}
		if q.Vendor, err = unsigned(maker[0], 0xFFFF); err != nil {
			return nil, err
		}
		if q.Algorithm, err = unsigned(maker[1], 0xFFFF); err != nil {
			return nil, err
		}
		if score, ok := result[0]; ok {
			n, err := unsigned(score, 100)
			if err != nil {
				return nil, err
			}
			q.Score = byte(n)
		}
		out, b = append(out, q), rest
	}
	return out, nil
}

// unsigned reads the content of an INTEGER or ENUMERATED from 0 to most.
func unsigned(b []byte, most int) (uint16, error) {
	if len(b) == 0 || len(b) > 3 || b[0] >= 0x80 {
		return 0, fmt.Errorf("%w: number missing or out of range", ErrMalformed)
	}
	n := 0
	for _, c := range b {
		n = n<<8 | int(c)
	}
	if n > most {
		return 0, fmt.Errorf("%w: number %d, at most %d", ErrMalformed, n, most)
	}
	return uint16(n), nil
}
