package cccd

import (
	"errors"
	"time"

	"cardstation/personalize/mrz"
)

var errPending = errors.New("cccd: being written")

// Check holds the fields against each other.
func (h Holder) Check(now time.Time) []Fault { return nil }

// Expiry of a card issued on that day: the next age of 14, 25, 40, 60, or NoExpiry.
func Expiry(birth string, issue time.Time) (string, error) { return "", errPending }

// DocumentNumber is the last nine digits of the personal number.
func DocumentNumber(number string) string { return number[max(0, len(number)-9):] }

// MRZ of the holder's card.
func MRZ(h Holder, expiry string) (mrz.TD1, error) { return mrz.TD1{}, errPending }

// Form of field 13 in DG13: two readings exist.
type Form int

// Forms.
const (
	Siblings Form = iota // SEQUENCE { 13, SEQUENCE { father }, SEQUENCE { mother } }
	Nested               // SEQUENCE { 13, SEQUENCE { father, mother } }
)

// National is the content of DG13.
type National struct {
	Holder        Holder
	Issue, Expiry string // calendar dates; Expiry empty or NoExpiry where there is none
	Chip          string // field 16, 16 hex characters; empty if absent
}

// Encode writes DG13, from tag 6D on.
func (n National) Encode(f Form) ([]byte, error) { return nil, errPending }

// DecodeDG13 reads DG13 in either form.
func DecodeDG13(b []byte) (National, Form, error) { return National{}, 0, errPending }

// QR is the payload of the printed QR code; no fields means the layout of 2021.
func QR(h Holder, issue string, fields ...string) (string, error) { return "", errPending }

// Example is one of several invented citizens.
func Example(seed uint64) Holder { return Holder{} }
