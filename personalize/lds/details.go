package lds

import (
	"encoding/hex"
	"fmt"
	"slices"

	"cardstation/devices/card/tlv"
)

// PersonalDetails is the content of DG11 (Doc 9303-10, 4.7.11), of which nothing need
// be there. Texts are UTF-8, words and parts of names parted by '<' where the issuer
// follows the zone's manner; they are given as they stand.
type PersonalDetails struct {
	Name           string // in full: primary identifier, "<<", secondary identifier
	OtherNames     []string
	PersonalNumber string
	Birth          string // YYYYMMDD
	BirthPlace     string
	Address        string
	Telephone      string
	Profession     string
	Title          string
	Summary        string
	Citizenship    []byte // image of the proof of citizenship
	OtherDocuments string // numbers of other valid travel documents
	Custody        string

	read asRead
}

func (d *PersonalDetails) elements() []element {
	return []element{
		{tag: 0x5F0E, text: &d.Name}, {tag: 0x5F0F, many: &d.OtherNames}, {tag: 0x5F10, text: &d.PersonalNumber},
		{tag: 0x5F2B, text: &d.Birth, digits: 8}, {tag: 0x5F11, text: &d.BirthPlace}, {tag: 0x5F42, text: &d.Address},
		{tag: 0x5F12, text: &d.Telephone}, {tag: 0x5F13, text: &d.Profession}, {tag: 0x5F14, text: &d.Title},
		{tag: 0x5F15, text: &d.Summary}, {tag: 0x5F16, image: &d.Citizenship}, {tag: 0x5F17, text: &d.OtherDocuments},
		{tag: 0x5F18, text: &d.Custody},
	}
}

// DocumentDetails is the content of DG12 (Doc 9303-10, 4.7.12), of which nothing need
// be there.
type DocumentDetails struct {
	Authority    string
	Issued       string   // YYYYMMDD
	Others       []string // names of other persons, as Name of PersonalDetails
	Endorsements string
	Tax          string // tax or exit requirements
	Front, Rear  []byte // images of the document
	Personalized string // YYYYMMDDhhmmss
	System       string // serial number of the personalisation system

	read asRead
}

func (d *DocumentDetails) elements() []element {
	return []element{
		{tag: 0x5F19, text: &d.Authority}, {tag: 0x5F26, text: &d.Issued, digits: 8}, {tag: 0x5F1A, many: &d.Others},
		{tag: 0x5F1B, text: &d.Endorsements}, {tag: 0x5F1C, text: &d.Tax}, {tag: 0x5F1D, image: &d.Front}, {tag: 0x5F1E, image: &d.Rear},
		{tag: 0x5F55, text: &d.Personalized, digits: 14}, {tag: 0x5F56, text: &d.System},
	}
}

// EncodeDG11 writes data group 11; what was decoded writes itself again to the same
// bytes.
func EncodeDG11(d PersonalDetails) ([]byte, error) { return encodeDetails(DG11, d.elements(), d.read) }

// DecodeDG11 reads data group 11.
func DecodeDG11(b []byte) (d PersonalDetails, err error) {
	d.read, err = decodeDetails(DG11, b, d.elements())
	return d, err
}

// EncodeDG12 writes data group 12; what was decoded writes itself again to the same
// bytes.
func EncodeDG12(d DocumentDetails) ([]byte, error) { return encodeDetails(DG12, d.elements(), d.read) }

// DecodeDG12 reads data group 12.
func DecodeDG12(b []byte) (d DocumentDetails, err error) {
	d.read, err = decodeDetails(DG12, b, d.elements())
	return d, err
}

// element is where a data element of DG11 or DG12 goes: one of text, many and image.
type element struct {
	tag    tlv.Tag
	text   *string
	many   *[]string
	image  *[]byte
	digits int // of a date, which early documents pack two to a byte
}

func (e element) empty() bool {
	return e.text != nil && *e.text == "" || e.many != nil && len(*e.many) == 0 || e.image != nil && len(*e.image) == 0
}

// asRead is how a file was written that the fields do not tell.
type asRead struct {
	list   []tlv.Tag // the tag list
	order  []tlv.Tag // what then came
	packed []tlv.Tag // dates of two digits to a byte
	bare   bool      // several names without the A0 around them, as early documents have them
}

const (
	tagSeveral tlv.Tag = 0xA0 // { 02 count, names }
	tagCount   tlv.Tag = 0x02
)

func encodeDetails(f FileID, all []element, read asRead) ([]byte, error) {
	order := slices.Clone(read.order)
	list := slices.Clone(read.list)
	for _, e := range all {
		if !slices.Contains(order, e.tag) && !e.empty() {
			order, list = append(order, e.tag), append(list, e.tag)
		}
	}
	var tags []byte
	for _, t := range list {
		if t > 0xFF {
			tags = append(tags, byte(t>>8))
		}
		tags = append(tags, byte(t))
	}
	parts := [][]byte{tlv.New(tagList, tags)}
	for _, t := range order {
		e := all[slices.IndexFunc(all, func(e element) bool { return e.tag == t })]
		part, err := e.encode(slices.Contains(read.packed, t), read.bare)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		parts = append(parts, part)
	}
	return tlv.New(f.Tag(), parts...), nil
}

func (e element) encode(packed, bare bool) ([]byte, error) {
	switch {
	case e.image != nil:
		return tlv.New(e.tag, *e.image), nil
	case e.many != nil:
		if len(*e.many) > 0xFF {
			return nil, fmt.Errorf("%d names under tag %s", len(*e.many), e.tag)
		}
		var names []byte
		for _, n := range *e.many {
			names = tlv.Append(names, e.tag, []byte(n))
		}
		if bare {
			return names, nil
		}
		return tlv.New(tagSeveral, tlv.New(tagCount, []byte{byte(len(*e.many))}), names), nil
	case packed:
		b, err := hex.DecodeString(*e.text)
		if err != nil {
			return nil, fmt.Errorf("date under tag %s is not in digits", e.tag)
		}
		return tlv.New(e.tag, b), nil
	case e.digits > 0 && *e.text != "" && !digitsOnly(*e.text, e.digits):
		return nil, fmt.Errorf("date under tag %s has to be %d digits", e.tag, e.digits)
	}
	return tlv.New(e.tag, []byte(*e.text)), nil
}

func digitsOnly(s string, n int) bool {
	return len(s) == n && !slices.ContainsFunc([]byte(s), func(c byte) bool { return c < '0' || c > '9' })
}

func decodeDetails(f FileID, b []byte, all []element) (read asRead, err error) {
	v, err := body(f, b)
	if err != nil {
		return read, err
	}
	parts, err := tlv.Parse(v)
	if err != nil || len(parts) == 0 || parts[0].Tag != tagList {
		return read, malformed(f, "no tag list")
	}
	if read.list, err = tagsOf(parts[0].Value); err != nil {
		return read, malformed(f, "%w", err)
	}
	for _, p := range parts[1:] {
		if err := read.take(p, all); err != nil {
			return read, malformed(f, "%w", err)
		}
	}
	return read, nil
}

// take puts a data object where it belongs.
func (read *asRead) take(p tlv.Object, all []element) error {
	tag, names := p.Tag, [][]byte{p.Value}
	if tag == tagSeveral {
		several, err := tlv.Parse(p.Value)
		if err != nil || len(several) < 2 || several[0].Tag != tagCount || len(several[0].Value) != 1 || int(several[0].Value[0]) != len(several)-1 {
			return fmt.Errorf("names that are not as many as they say")
		}
		tag, names = several[1].Tag, nil
		for _, o := range several[1:] {
			if o.Tag != tag {
				return fmt.Errorf("tag %s among names of %s", o.Tag, tag)
			}
			names = append(names, o.Value)
		}
	}
	i := slices.IndexFunc(all, func(e element) bool { return e.tag == tag })
	if i < 0 || (all[i].many == nil) && p.Tag == tagSeveral {
		return fmt.Errorf("data element with tag %s", tag)
	}
	e, again := all[i], slices.Contains(read.order, tag)
	if again && (e.many == nil || !read.bare || p.Tag == tagSeveral || read.order[len(read.order)-1] != tag) {
		return fmt.Errorf("two data elements with tag %s", tag)
	}
	if !again {
		read.order = append(read.order, tag)
	}
	switch {
	case e.image != nil:
		*e.image = p.Value
	case e.many != nil:
		read.bare = p.Tag != tagSeveral
		for _, n := range names {
			*e.many = append(*e.many, string(n))
		}
	default:
		*e.text = string(p.Value)
		if packed := hex.EncodeToString(p.Value); e.digits > 0 && digitsOnly(packed, e.digits) {
			*e.text, read.packed = packed, append(read.packed, tag)
		}
	}
	if e.digits > 0 && *e.text != "" && !digitsOnly(*e.text, e.digits) {
		return fmt.Errorf("date under tag %s", tag)
	}
	return nil
}

// tagsOf reads a tag list: tags of one byte and of two.
func tagsOf(b []byte) (tags []tlv.Tag, err error) {
	for len(b) > 0 {
		t, n := tlv.Tag(b[0]), 1
		if b[0]&0x1F == 0x1F {
			if len(b) < 2 || b[1] >= 0x80 {
				return nil, fmt.Errorf("tag list cut short")
			}
			t, n = t<<8|tlv.Tag(b[1]), 2
		}
		tags, b = append(tags, t), b[n:]
	}
	return tags, nil
}
