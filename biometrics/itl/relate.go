package itl

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// header checks the Type-1 record against the others (8.1).
func (c *checker) header(t Transaction) {
	r := c.record
	known := []string{"0200", "0201", "0300", Version2007, "0401", Version2011, Version2013, Version2015}
	if v := r.Text(2); !slices.Contains(known, v) {
		c.fault(2, "says version %s, which is none of %s", show(v), strings.Join(known, ", "))
	}
	for i := 1; i < len(r.Fields); i++ {
		if was := r.Fields[i-1].Number; r.Fields[i].Number < was { // annex B leaves the order open in Types 2 and 9 to 99 only
			c.fault(r.Fields[i].Number, "stands behind %s, and the fields of a Type-1 record stand in their order", name(1, was))
		}
	}
	c.content(t)
	fixed := slices.ContainsFunc(t.Records, func(r Record) bool { return r.Type >= 3 && r.Type <= 6 })
	for _, number := range []int{11, 12} {
		switch v := r.Text(number); {
		case len(v) != 5 || v[2] != '.' || !every(v[:2]+v[3:], "", '0', '9'):
			c.fault(number, "says %s where pixels per millimetre should stand as 19.69", show(v))
		case fixed && v < "19.30":
			c.fault(number, "says %s, and records of fixed resolution (Type-3 to 6) are there, which have 19.69 or more", v)
		case !fixed && v != "00.00":
			c.fault(number, "says %s, and without records of fixed resolution (Type-3 to 6) it is 00.00", v)
		}
	}
	f, _ := r.Get(15)
	for _, sub := range f.Subfields() {
		if n, ok := digits([]byte(sub[0]), 3); !ok || n == 1 || n > 4 && n < 128 {
			c.fault(15, "says %s, which is no code of a character set", show(sub[0]))
		} else if sub[0] == utf8Code && len(sub) > 1 && sub[1] != "UTF-8" {
			c.fault(15, "names the character set 003 %s, its name is UTF-8", show(sub[1]))
		} else if n == 2 || n == 4 {
			c.fault(15, "declares UTF-16 or UTF-32, which is not read here")
		}
	}
}

// lastType is the last record type before 98 and 99 that means anything (table of record types).
const lastType = 22

// content checks 1.003 against the records.
func (c *checker) content(t Transaction) {
	f, ok := c.record.Get(3)
	if !ok {
		return
	}
	there, subs, entries := t.Records[1:], f.Subfields(), listed(f)
	if subs[0][0] != "1" {
		c.fault(3, "says %s for the first record's type, which is 1", show(subs[0][0]))
	}
	if n, ok := digits([]byte(subs[0][len(subs[0])-1]), 3); !ok || n != len(there) {
		c.fault(3, "counts %s records behind the Type-1 record, %d are there", show(subs[0][len(subs[0])-1]), len(there))
	}
	if len(entries) != len(there) {
		c.fault(3, "lists %d records, %d are there", len(entries), len(there))
	}
	if len(there) == 0 {
		c.fault(3, "tells of no record behind the Type-1 record, 1 to 999 are wanted")
	}
	for i := range min(len(entries), len(there)) {
		e, r := entries[i], there[i]
		if e.recordType != r.Type {
			c.fault(3, "lists record %d as Type-%d, it is Type-%d", i+2, e.recordType, r.Type)
		} else if e.idc != r.IDC() {
			c.fault(3, "lists record %d with IDC %d, it has %d", i+2, e.idc, r.IDC())
		}
		if r.Type > lastType && r.Type < 98 {
			c.fault(3, "lists record %d as Type-%d, which is reserved", i+2, r.Type)
		}
	}
}

// impression checks codes of table 7: those of fingers.
func (c *checker) impression() {
	n, ok := c.record.Int(3)
	if !ok {
		return
	}
	if n >= 10 && n <= 15 {
		c.fault(3, "says %d, which is an impression of a palm", n)
	} else if n == 9 || n > 15 && n < 20 || n > 29 && n < 40 || n > 43 {
		c.fault(3, "says %d, which is no impression type of a finger", n)
	}
}

// fixedImage checks a Type-4 record (8.4), and the older ones of its layout.
func (c *checker) fixedImage() {
	r := c.record
	if len(r.Fields) != 9 {
		return
	}
	if n := r.IDC(); n > 99 {
		c.fault(2, "says %d, 0 to 99 are allowed", n)
	}
	c.impression()
	positions, _ := r.Get(4)
	for i, p := range positions.Value {
		if p > 15 && (p != noPosition || i == 0) {
			c.fault(4, "says position %d, which is no finger", p)
		}
	}
	if n, _ := r.Int(5); n > 1 {
		c.fault(5, "says %d, 0 or 1 is allowed", n)
	}
	width, _ := r.Int(6)
	height, _ := r.Int(7)
	for i, n := range []int{width, height} {
		if n < 10 {
			c.fault(6+i, "says %d pixels, 10 or more are wanted", n)
		}
	}
	code, _ := r.Int(8)
	if code >= len(compressions) {
		c.fault(8, "says %d, which is no code of a compression", code)
		return
	}
	if len(r.Data()) == 0 {
		c.fault(9, "holds no image")
		return
	}
	c.pixels(imageFields{width: 6, height: 7, compression: 8, data: 9}, compressions[code], width, height, 8)
}

// compressions are the algorithms by their code in binary records (table 15).
var compressions = compressed.oneOf

// imageFields are the numbers of the fields that speak of the image.
type imageFields struct{ width, height, compression, data int }

// pixels checks the image against what the record says of it. The resolution in an
// image's comment is not looked at: NIST's own reference images have wrong ones.
func (c *checker) pixels(f imageFields, compression string, width, height, bits int) {
	data := c.record.Data()
	if compression == "NONE" {
		if want := (width*height*bits + 7) / 8; len(data) != want && bits > 0 {
			c.fault(f.data, "holds %d bytes of an image without compression, %d by %d pixels have %d", len(data), width, height, want)
		}
		return
	}
	is := inspect(data)
	switch {
	case is.format == "":
		c.fault(f.data, "holds no image of a known format, and %s is declared", compression)
	case is.format != compression && !(is.format == "JP2" && compression == "JP2L"):
		c.fault(f.compression, "says %s, the image is %s", compression, is.format)
	case is.err != nil:
		c.fault(f.data, "holds an image that cannot be read: %v", is.err)
	case is.width == 0:
		c.fault(f.data, "holds %s without a size in it", is.format)
	default:
		if is.width != width {
			c.fault(f.width, "says %d, the image is %d pixels wide", width, is.width)
		}
		if is.height != height {
			c.fault(f.height, "says %d, the image is %d pixels high", height, is.height)
		}
	}
}

// image checks what Types 10, 14, 17 and 99 have in common, then each by itself.
func (c *checker) image() {
	r := c.record
	if h, ok := r.Get(996); ok && len(r.Data()) > 0 {
		if sum := sha256.Sum256(r.Data()); !strings.EqualFold(string(h.Value), hex.EncodeToString(sum[:])) {
			c.fault(996, "is not the SHA-256 of field %s", name(r.Type, dataField))
		}
	}
	if u := r.Text(903); u != "" && u[0] != 'M' && u[0] != 'P' {
		c.fault(903, "begins with neither M nor P")
	}
	if r.Type == 99 {
		return
	}
	bits := 12
	switch r.Type {
	case 14:
		c.impression()
		c.fingers()
	case 10:
		c.face()
	}
	if _, ok := r.Get(dataField); !ok {
		return
	}
	for number := 6; number <= bits; number++ {
		if _, ok := r.Get(number); !ok {
			c.fault(number, "is missing (%s), and an image is there", Mnemonic(r.Type, number))
		}
	}
	width, _ := r.Int(6)
	height, _ := r.Int(7)
	depth := 0
	if r.Type != 10 {
		depth, _ = r.Int(12)
	}
	if compression := r.Text(11); slices.Contains(compressions, compression) {
		c.pixels(imageFields{width: 6, height: 7, compression: 11, data: dataField}, compression, width, height, depth)
	}
	c.scale()
}

// scale checks the pixel scale: 500 an inch or more in a Type-14 record, and not
// above for WSQ, which was made for 500 (7.7.9).
func (c *checker) scale() {
	unit, _ := c.record.Int(8)
	x, said := c.record.Int(9)
	if !said || unit == 0 {
		return
	}
	ppi := x
	if unit == 2 {
		ppi = x * 254 / 100
	}
	if c.record.Type == 14 && ppi < 490 {
		c.fault(9, "says %d, which is below 500 pixels an inch", x)
	}
	if c.record.Text(11) == "WSQ20" && ppi > 520 {
		c.fault(11, "says WSQ20, which is for 500 pixels an inch, and %s says %d", name(c.record.Type, 9), x)
	}
}

// face checks a Type-10 record (8.10).
func (c *checker) face() {
	kind := c.record.Text(3)
	_, profile := c.record.Get(13)
	_, mark := c.record.Get(40)
	_, angle := c.record.Get(21)
	_, elsewhere := c.record.Get(994)
	if _, ok := c.record.Get(dataField); !ok && !elsewhere {
		c.fault(dataField, "is missing (DATA), and no %s says where the image is", name(10, 994))
	}
	switch {
	case kind == "FACE" && !profile:
		c.fault(13, "is missing (SAP), and %s says FACE", name(10, 3))
	case (kind == "SCAR" || kind == "MARK" || kind == "TATTOO") && !mark:
		c.fault(40, "is missing (SMT), and %s says %s", name(10, 3), kind)
	}
	if c.record.Text(20) == "A" && !angle {
		c.fault(21, "is missing (POA), and %s says A", name(10, 20))
	}
	if f, ok := c.record.Get(14); ok {
		for _, sub := range f.Subfields() {
			c.box(14, sub)
		}
	}
}
