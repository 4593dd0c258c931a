package cccd

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"cardstation/devices/card/tlv"
)

// Form of field 13, the parents, in DG13: two readings of real cards exist.
type Form int

// Forms.
const (
	Siblings Form = iota // SEQUENCE { 13, SEQUENCE { father }, SEQUENCE { mother } }
	Nested               // SEQUENCE { 13, SEQUENCE { father, mother } }
)

// National is the content of DG13.
type National struct {
	Holder        Holder
	Issue, Expiry string // calendar dates; NoExpiry where there is none
	Chip          string // field 16, 16 hex characters; may be empty
}

// ErrMalformed says that the bytes are no DG13.
var ErrMalformed = errors.New("malformed DG13")

const (
	tagFile      tlv.Tag = 0x6D
	tagSequence  tlv.Tag = 0x30
	tagSet       tlv.Tag = 0x31
	tagInteger   tlv.Tag = 0x02
	tagObject    tlv.Tag = 0x06
	tagUTF8      tlv.Tag = 0x0C
	tagPrintable tlv.Tag = 0x13

	cardDate     = "02/01/2006"
	noExpiryText = "Không thời hạn"
	nationText   = "Việt Nam"
	maxFields    = 64
)

// oidUTF8 is 1.0.10646.1.0.8, UTF-8 of ISO/IEC 10646.
var oidUTF8 = []byte{0x28, 0xD3, 0x16, 0x01, 0x00, 0x08}

// Encode writes DG13 from its tag 6D on: SEQUENCE { 1, 1.0.10646.1.0.8, SET of
// numbered fields }, empty ones left out, the parents in the form asked for.
func (n National) Encode(form Form) ([]byte, error) {
	h := n.Holder
	var dates [3]string
	for i, d := range [3]string{h.BirthDate, n.Issue, n.Expiry} {
		var err error
		if i == 2 && d == NoExpiry {
			dates[i] = noExpiryText
		} else if dates[i], err = redate(d, time.DateOnly, cardDate); err != nil {
			return nil, fmt.Errorf("%s for DG13: %w", [3]string{"date of birth", "date of issue", "date of expiry"}[i], err)
		}
	}
	nation := h.Nationality
	if nation == "VNM" {
		nation = nationText
	}
	var set []byte
	for _, f := range []struct {
		number byte
		tag    tlv.Tag
		value  string
	}{
		{1, tagPrintable, h.Number}, {2, tagUTF8, h.Name}, {3, tagPrintable, dates[0]}, {4, tagUTF8, sexText(h.Sex)},
		{5, tagUTF8, nation}, {6, tagUTF8, h.Ethnicity}, {7, tagUTF8, h.Religion}, {8, tagUTF8, h.Origin},
		{9, tagUTF8, h.Residence}, {10, tagUTF8, h.Marks}, {11, tagPrintable, dates[1]}, {12, tagUTF8, dates[2]},
	} {
		set = append(set, field(f.number, f.tag, f.value)...)
	}
	set = append(set, parents(h, form)...)
	if h.Spouse != "" {
		set = append(set, tlv.New(tagSequence, number(14), tlv.New(tagSequence, text(h.Spouse)))...)
	}
	set = append(set, field(15, tagPrintable, h.OldNumber)...)
	set = append(set, field(16, tagUTF8, n.Chip)...)
	return tlv.New(tagFile, tlv.New(tagSequence, number(1), tlv.New(tagObject, oidUTF8), tlv.New(tagSet, set))), nil
}

func number(n byte) []byte    { return tlv.New(tagInteger, []byte{n}) }
func text(s string) []byte    { return tlv.New(tagUTF8, []byte(s)) }
func wrapped(s string) []byte { return tlv.New(tagSequence, text(s)) }

func field(n byte, tag tlv.Tag, value string) []byte {
	if value == "" {
		return nil
	}
	return tlv.New(tagSequence, number(n), tlv.New(tag, []byte(value)))
}

func parents(h Holder, form Form) []byte {
	switch {
	case h.Father == "" && h.Mother == "":
		return nil
	case form == Nested:
		return tlv.New(tagSequence, number(13), tlv.New(tagSequence, text(h.Father), text(h.Mother)))
	}
	return tlv.New(tagSequence, number(13), wrapped(h.Father), wrapped(h.Mother))
}

// DecodeDG13 reads DG13 in either form (Siblings where it has no parents). Fields of
// unknown number are passed over; a date that is none of dd/MM/yyyy is given as it
// stands.
func DecodeDG13(b []byte) (National, Form, error) {
	var n National
	form := Siblings
	set, err := fieldSet(b)
	if err != nil {
		return n, form, err
	}
	fields, err := tlv.Parse(set)
	if err != nil || len(fields) > maxFields {
		return n, form, fmt.Errorf("%w: the set has no fields, or over %d", ErrMalformed, maxFields)
	}
	seen := map[byte]bool{}
	for _, f := range fields {
		parts, err := tlv.Parse(f.Value)
		if f.Tag != tagSequence || err != nil || len(parts) < 2 || parts[0].Tag != tagInteger || len(parts[0].Value) != 1 {
			return n, form, fmt.Errorf("%w: a field without number and value", ErrMalformed)
		}
		number := parts[0].Value[0]
		if seen[number] {
			return n, form, fmt.Errorf("%w: field %d stands twice", ErrMalformed, number)
		}
		seen[number] = true
		values, nested, err := fieldStrings(parts[1:])
		if err != nil {
			return n, form, fmt.Errorf("field %d: %w", number, err)
		}
		if number == 13 && nested {
			form = Nested
		}
		n.set(number, values)
	}
	return n, form, nil
}

// fieldSet gives the content of the SET.
func fieldSet(b []byte) ([]byte, error) {
	body, err := tlv.One(b, tagFile)
	if err == nil {
		body, err = tlv.One(body, tagSequence)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	parts, err := tlv.Parse(body)
	if err != nil || len(parts) != 3 || parts[0].Tag != tagInteger || parts[1].Tag != tagObject || parts[2].Tag != tagSet ||
		string(parts[0].Value) != "\x01" || string(parts[1].Value) != string(oidUTF8) {
		return nil, fmt.Errorf("%w: not version 1, encoding UTF-8 and a set of fields", ErrMalformed)
	}
	return parts[2].Value, nil
}

// fieldStrings gives the strings of a field, one level down where they are wrapped;
// nested tells that one SEQUENCE had more than one.
func fieldStrings(parts []tlv.Object) (values []string, nested bool, err error) {
	for _, p := range parts {
		inner := []tlv.Object{p}
		if p.Tag == tagSequence {
			if inner, err = tlv.Parse(p.Value); err != nil {
				return nil, false, fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			nested = nested || len(inner) > 1
		}
		for _, s := range inner {
			if s.Tag != tagUTF8 && s.Tag != tagPrintable || !utf8.Valid(s.Value) {
				return nil, false, fmt.Errorf("%w: %s where a string was expected", ErrMalformed, s.Tag)
			}
			values = append(values, norm.NFC.String(string(s.Value)))
		}
	}
	return values, nested, nil
}

// set puts a field's strings where they belong.
func (n *National) set(number byte, values []string) {
	values = append(values, "", "")
	v, h := values[0], &n.Holder
	into := map[byte]*string{
		1: &h.Number, 2: &h.Name, 6: &h.Ethnicity, 7: &h.Religion, 8: &h.Origin, 9: &h.Residence, 10: &h.Marks,
		13: &h.Father, 14: &h.Spouse, 15: &h.OldNumber, 16: &n.Chip,
	}
	switch number {
	case 3:
		h.BirthDate = isoDate(v)
	case 4:
		h.Sex = sexCode(v)
	case 5:
		if h.Nationality = v; v == nationText {
			h.Nationality = "VNM"
		}
	case 11:
		n.Issue = isoDate(v)
	case 12:
		if n.Expiry = isoDate(v); v == noExpiryText {
			n.Expiry = NoExpiry
		}
	default:
		if p := into[number]; p != nil {
			*p = v
		}
		if number == 13 {
			h.Mother = values[1]
		}
	}
}

func isoDate(s string) string {
	if d, err := redate(s, cardDate, time.DateOnly); err == nil {
		return d
	}
	return s
}
