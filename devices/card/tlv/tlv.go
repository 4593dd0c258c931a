// Package tlv reads and writes BER-TLV data objects as smart cards use them
// (ISO/IEC 7816-4:2020, 6.2 and annex E): tags of one to three bytes, definite
// lengths of one to five. It never copies a value it reads and never reads past
// what it was given, whatever the lengths claim.
package tlv

import (
	"errors"
	"fmt"
)

// Tag is the tag field read as a big-endian number: 0x30, 0x5F1F, 0x5FC102.
type Tag uint32

// Object is one data object. Value is a slice of the bytes it was read from.
type Object struct {
	Tag   Tag
	Value []byte
}

// Errors of the reading functions; each is wrapped with what was being read.
var (
	// ErrMalformed: no definite-length BER-TLV data object stands here.
	ErrMalformed = errors.New("tlv: malformed data object")
	// ErrShort: the data object is longer than the bytes given.
	ErrShort = errors.New("tlv: data object cut short")
	// ErrNotFound: no data object with that tag.
	ErrNotFound = errors.New("tlv: no such data object")
)

// Constructed tells whether the value of such an object is data objects again
// (bit 6 of the first byte).
func (t Tag) Constructed() bool {
	for t > 0xFF {
		t >>= 8
	}
	return t&0x20 != 0
}

// String gives the tag in hex, as standards print it.
func (t Tag) String() string {
	switch {
	case t > 0xFFFF:
		return fmt.Sprintf("%06X", uint32(t))
	case t > 0xFF:
		return fmt.Sprintf("%04X", uint32(t))
	}
	return fmt.Sprintf("%02X", uint32(t))
}

// Header reads a tag and a length without needing the value: header is the bytes
// that the two fields take, length those of the value. The first eight bytes of
// a file are always enough. ErrShort asks for more bytes.
func Header(b []byte) (tag Tag, header, length int, err error) {
	tag, n, err := readTag(b)
	if err != nil {
		return 0, 0, 0, err
	}
	length, m, err := readLength(b[n:])
	if err != nil {
		return 0, 0, 0, fmt.Errorf("length of %s: %w", tag, err)
	}
	return tag, n + m, length, nil
}

func readTag(b []byte) (Tag, int, error) {
	if len(b) == 0 {
		return 0, 0, fmt.Errorf("tag: %w", ErrShort)
	}
	t := Tag(b[0])
	if t == 0 {
		return 0, 0, fmt.Errorf("tag %s: %w", t, ErrMalformed)
	}
	if t&0x1F != 0x1F {
		return t, 1, nil
	}
	for n := 1; n < 3; n++ {
		if n >= len(b) {
			return 0, 0, fmt.Errorf("tag %s: %w", t, ErrShort)
		}
		if n == 1 && b[1]&0x7F == 0 {
			return 0, 0, fmt.Errorf("tag %s: %w", t, ErrMalformed)
		}
		t = t<<8 | Tag(b[n])
		if b[n]&0x80 == 0 {
			return t, n + 1, nil
		}
	}
	return 0, 0, fmt.Errorf("tag %s longer than three bytes: %w", t, ErrMalformed)
}

// maxLength keeps a length within an int of 32 bits.
const maxLength = 1<<31 - 1

func readLength(b []byte) (length, size int, err error) {
	if len(b) == 0 {
		return 0, 0, ErrShort
	}
	if b[0] < 0x80 {
		return int(b[0]), 1, nil
	}
	n := int(b[0] & 0x7F)
	if n == 0 || n > 4 {
		return 0, 0, ErrMalformed
	}
	if len(b) < 1+n {
		return 0, 0, ErrShort
	}
	var l uint64
	for _, c := range b[1 : 1+n] {
		l = l<<8 | uint64(c)
	}
	if l > maxLength {
		return 0, 0, ErrMalformed
	}
	return int(l), 1 + n, nil
}

// Next reads the first data object of b; rest is what follows it.
func Next(b []byte) (o Object, rest []byte, err error) {
	tag, h, n, err := Header(b)
	if err != nil {
		return Object{}, nil, err
	}
	if n > len(b)-h {
		return Object{}, nil, fmt.Errorf("%s of %d bytes: %w", tag, n, ErrShort)
	}
	return Object{tag, b[h : h+n : h+n]}, b[h+n:], nil
}

// Parse reads b as data objects one after another with nothing between them. No
// bytes are no objects.
func Parse(b []byte) ([]Object, error) {
	var all []Object
	for len(b) > 0 {
		o, rest, err := Next(b)
		if err != nil {
			return nil, err
		}
		all, b = append(all, o), rest
	}
	return all, nil
}

// One reads b as exactly one data object with that tag and gives its value.
func One(b []byte, tag Tag) ([]byte, error) {
	o, rest, err := Next(b)
	if err != nil {
		return nil, err
	}
	if o.Tag != tag {
		return nil, fmt.Errorf("%s where %s was expected: %w", o.Tag, tag, ErrMalformed)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes after %s: %w", len(rest), tag, ErrMalformed)
	}
	return o.Value, nil
}

// Find goes down through the first object of each tag of the path and gives the
// last one's value; ErrNotFound names the tag that was missing. What follows the
// object that was found is not read.
func Find(b []byte, path ...Tag) ([]byte, error) {
	for _, tag := range path {
		for {
			if len(b) == 0 {
				return nil, fmt.Errorf("%s: %w", tag, ErrNotFound)
			}
			o, rest, err := Next(b)
			if err != nil {
				return nil, err
			}
			if b = rest; o.Tag == tag {
				b = o.Value
				break
			}
		}
	}
	return b, nil
}

// New encodes one data object whose value is the parts joined; the length takes
// the fewest bytes. Parts that are objects themselves make a constructed one.
func New(tag Tag, parts ...[]byte) []byte { return Append(nil, tag, parts...) }

// Append encodes a data object after b. The tag must be a well-formed one.
func Append(b []byte, tag Tag, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b = appendLength(appendTag(b, tag), n)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// Size is the number of bytes a data object takes with n bytes of value.
func Size(tag Tag, n int) int {
	var buf [8]byte
	return len(appendLength(appendTag(buf[:0], tag), n)) + n
}

func appendTag(b []byte, t Tag) []byte {
	if t > 0xFFFF {
		b = append(b, byte(t>>16))
	}
	if t > 0xFF {
		b = append(b, byte(t>>8))
	}
	return append(b, byte(t))
}

func appendLength(b []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, byte(n))
	case n < 1<<8:
		return append(b, 0x81, byte(n))
	case n < 1<<16:
		return append(b, 0x82, byte(n>>8), byte(n))
	case n < 1<<24:
		return append(b, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(b, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
