package record

import "fmt"

// tagFinger39794 is [APPLICATION 4] SEQUENCE, as which 39794-4 has its data block.
const tagFinger39794 = 0x64

// decode39794 reads a FingerImageDataBlock of ISO/IEC 39794-4:2019 in DER, bare or
// as it stands in a card's 7F2E (inside A1). Of each representation it takes
// position, impression, format, image, sampling rate and quality scores; the other
// blocks (capture device, segmentation, annotation, presentation attack detection,
// comments) are passed over. The tags are automatic ones, so that every CHOICE is
// explicit and all else implicit.
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
