package pki

import (
	"errors"

	"cardstation/devices/card/tlv"
)

// errBER: no BER, or deeper than any SignedData.
var errBER = errors.New("malformed BER")

// maxDepth bounds how deep data objects stand in each other.
const maxDepth = 32

// fromBER rewrites the first data object of b in DER as far as SignedData needs it (RFC
// 5652 wants no more than BER of its signer): definite lengths, and octet strings in
// one piece. What is DER stays as it is, so that signatures over parts of it hold.
func fromBER(b []byte, depth int) (out, rest []byte, err error) {
	n := 1
	if len(b) > 0 && b[0]&0x1F == 0x1F { // a tag of several bytes
		for n < len(b) && b[n] >= 0x80 {
			n++
		}
		n++
	}
	if len(b) < n+1 || n > 3 || n > 1 && (b[1] == 0x80 || b[1] < 0x1F) || depth > maxDepth {
		return nil, nil, errBER
	}
	var tag tlv.Tag
	for _, c := range b[:n] {
		tag = tag<<8 | tlv.Tag(c)
	}
	indefinite := b[n] == 0x80
	value, rest := b[n+1:], []byte(nil)
	if !indefinite {
		_, header, length, err := tlv.Header(b)
		if err != nil || length > len(b)-header {
			return nil, nil, errBER
		}
		value, rest = b[header:header+length], b[header+length:]
	}
	if !tag.Constructed() {
		if indefinite {
			return nil, nil, errBER
		}
		return tlv.New(tag, value), rest, nil
	}
	inner, value, err := partsFromBER(value, tag, indefinite, depth)
	if indefinite {
		rest = value
	}
	if tag == 0x24 {
		tag = 0x04
	}
	return tlv.New(tag, inner), rest, err
}

// partsFromBER rewrites what stands in a constructed object, to the end of b or to the
// end mark; of an octet string's pieces the contents only.
func partsFromBER(b []byte, within tlv.Tag, marked bool, depth int) (out, rest []byte, err error) {
	for {
		switch {
		case marked && len(b) >= 2 && b[0] == 0 && b[1] == 0:
			return out, b[2:], nil
		case len(b) == 0 && !marked:
			return out, nil, nil
		}
		var part []byte
		if part, b, err = fromBER(b, depth+1); err != nil {
			return nil, nil, err
		}
		if within == 0x24 {
			if part, err = tlv.One(part, 0x04); err != nil {
				return nil, nil, errBER
			}
		}
		out = append(out, part...)
	}
}
