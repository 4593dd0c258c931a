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

// Object is the CHUID as a data object.
func (c CHUID) Object() Object { return Object{"chuid", objectCHUID, c.Bytes(), false} }

// CCC is the card capability container as a data object.
func (c CHUID) CCC() Object { return Object{"ccc", objectCCC, ccc(c.GUID), false} }
