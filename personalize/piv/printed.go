package piv

import (
	"fmt"
	"strings"
	"time"

	"cardstation/devices/card/tlv"
)

// Printed is the printed information: what the card shows, for a reader that cannot
// look at it (SP 800-73-4 part 1, 3.1.5 and table 14). Only ASCII goes in.
type Printed struct {
	Name   string // up to 125 characters
	Expiry string // calendar date, 2006-01-02
	Serial string // of the card, up to 20 characters
	Issuer string // up to 15 characters
}

// Object encodes the data object. The employee's affiliation, which the standard
// makes mandatory, is empty: a citizen has none.
func (p Printed) Object() (Object, error) {
	day, err := time.Parse(time.DateOnly, p.Expiry)
	if err != nil {
		return Object{}, fmt.Errorf("printed information: expiry %q is not a calendar date", p.Expiry)
	}
	var v []byte
	for _, f := range []struct {
		tag  tlv.Tag
		text string
		most int
	}{
		{0x01, p.Name, 125}, {0x02, "", 20}, {0x04, strings.ToUpper(day.Format("2006Jan02")), 9}, {0x05, p.Serial, 20}, {0x06, p.Issuer, 15},
	} {
		for _, r := range f.text {
			if r < ' ' || r > '~' {
				return Object{}, fmt.Errorf("printed information: field %s has a character that is not ASCII", f.tag)
			}
		}
		v = tlv.Append(v, f.tag, []byte(f.text[:min(len(f.text), f.most)]))
	}
	return Object{"printed-information", objectPrinted, tlv.Append(v, 0xFE), true}, nil
}

// containers are the identifiers that the security object has for data objects (SP
// 800-73-4 part 1, table 2).
var containers = map[tlv.Tag][2]byte{objectCHUID: {0x30, 0x00}, objectPrinted: {0x30, 0x01}}

// SecurityObject encodes the security object over objects (SP 800-73-4 part 1, 3.1.7).
// sign is given each object's value under a number of its own and gives the signed
// LDSSecurityObject, as in EF.SOD without its outermost tag, with the signer's
// certificate in it, for there is none in our CHUID.
func SecurityObject(objects []Object, sign func(values map[int][]byte) ([]byte, error)) (Object, error) {
	var mapping []byte
	values := map[int][]byte{}
	for i, o := range objects {
		container, ok := containers[o.Tag]
		if !ok {
			return Object{}, fmt.Errorf("security object: no container is known for data object %s", o.Tag)
		}
		mapping = append(mapping, byte(i+1), container[0], container[1])
		values[i+1] = o.Value
	}
	signed, err := sign(values)
	if err != nil {
		return Object{}, fmt.Errorf("security object: %w", err)
	}
	v := tlv.Append(tlv.New(0xBA, mapping), 0xBB, signed)
	return Object{"security-object", objectSecurity, tlv.Append(v, 0xFE), false}, nil
}

// Object is the CHUID as a data object.
func (c CHUID) Object() Object { return Object{"chuid", objectCHUID, c.Bytes(), false} }
