// Package itl reads, writes, checks and builds biometric transactions in the
// traditional encoding of ANSI/NIST-ITL 1-2011, Update 2015 (NIST SP 500-290e3,
// annex B): what a station sends to a fingerprint identification centre.
//
// A Transaction is its records in their order, a Record its fields in their
// order, a Field the bytes of its value. Decode keeps every byte, so that Encode
// of what was read gives the same file again. Any record type can be read and
// written; Check knows the fields of Type-1, 2, 4, 9, 10, 14 and 99, and those of Type-17
// that tell of the image, and names each fault by its field number. Build makes a
// transaction from an enrolment's captures.
//
// Decode copies nothing: values are slices of the file. Lengths that lie, missing
// separators and huge counts make a FormatError; memory beside the file is bounded by
// MaxRecords and MaxFields, and by MaxItems where a field is parted into its items.
//
// Sections and table numbers in this package are those of the standard's 2013 update.
package itl

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// Limits of what Decode takes.
const (
	MaxRecords = 1000    // 1.003 counts at most 999 beside the Type-1 record
	MaxFields  = 1 << 16 // in a transaction
	MaxItems   = 1 << 17 // information items in a field
)

// Separators of the traditional encoding (annex B): after a record, a
// field, a subfield and an information item.
const (
	FS = 0x1C
	GS = 0x1D
	RS = 0x1E
	US = 0x1F
)

// Versions of the standard as they stand in 1.002.
const (
	Version2007 = "0400"
	Version2011 = "0500"
	Version2013 = "0501"
	Version2015 = "0502" // what Build writes
)

const dataField = 999 // the last field of a tagged record: bytes of any value

// Transaction is one file: the Type-1 record first.
type Transaction struct {
	Records []Record
}

// Record is one logical record. Fields[0] is always LEN (field 1), whose value
// Encode sets; in every type but 1, Fields[1] is IDC. The binary types (3 to 8)
// have the same fields with big-endian values of fixed size, the image last.
type Record struct {
	Type   int
	Fields []Field
}

// Field is one field of a record.
type Field struct {
	Number int    // 1 to 999
	Value  []byte // without the tag before and the separator behind it; subfields parted by RS, items by US

	digits int // how many the number was written with; 0 stands for 3
}

// FormatError says what makes a file unreadable.
type FormatError struct {
	Offset int    // byte in the file, from 0
	Field  string // the field at fault, such as "14.001"
	Text   string
}

// Error is the fault with its field and place.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: byte %d: %s", e.Field, e.Offset, e.Text)
}

// layouts gives the sizes of the fields of the binary types, the last field taking
// the rest of the record: high-resolution and low-resolution fingerprints (Type-3
// to 6; 8.4), user-defined image (Type-7; 8.7) and signature (Type-8; 8.8).
var layouts = map[int][]int{
	3: {4, 1, 1, 6, 1, 2, 2, 1},
	4: {4, 1, 1, 6, 1, 2, 2, 1},
	5: {4, 1, 1, 6, 1, 2, 2, 1},
	6: {4, 1, 1, 6, 1, 2, 2, 1},
	7: {4, 1},
	8: {4, 1, 1, 1, 1, 2, 2},
}

// Tagged says whether the record is of tagged fields, as all but Types 3 to 8 are.
func (r Record) Tagged() bool { return layouts[r.Type] == nil }

// Get finds a field; the first where it stands twice.
func (r Record) Get(number int) (Field, bool) {
	for _, f := range r.Fields {
		if f.Number == number {
			return f, true
		}
	}
	return Field{}, false
}

// Text is the value of a tagged record's field, empty where it is absent.
func (r Record) Text(number int) string {
	f, _ := r.Get(number)
	return string(f.Value)
}

// Int is the value of a field that holds one number: decimal digits in a tagged
// record, big-endian bytes (four at most) in a binary one.
func (r Record) Int(number int) (int, bool) {
	f, ok := r.Get(number)
	if !ok {
		return 0, false
	}
	if r.Tagged() {
		return digits(f.Value, 9)
	}
	if len(f.Value) == 0 || len(f.Value) > 4 {
		return 0, false
	}
	var wide [4]byte
	copy(wide[4-len(f.Value):], f.Value)
	return int(binary.BigEndian.Uint32(wide[:])), true
}

// IDC is the record's information designation character, which the Type-1 record
// lists it by; -1 where there is none.
func (r Record) IDC() int {
	if n, ok := r.Int(2); ok && r.Type != 1 {
		return n
	}
	return -1
}

// Data is the image or other payload: field 999, in a binary record the last. Nil
// where there is none.
func (r Record) Data() []byte {
	number := dataField
	if sizes := layouts[r.Type]; sizes != nil {
		number = len(sizes) + 1
	}
	f, _ := r.Get(number)
	return f.Value
}

// Positions are the friction ridge positions of the record's image (table 8; 1 to
// 10 the fingers, 13 and 14 the slaps, 15 both thumbs): 4.004, 9.134, 14.013.
func (r Record) Positions() []int {
	var out []int
	if !r.Tagged() {
		f, _ := r.Get(4)
		for _, p := range f.Value {
			if p != noPosition {
				out = append(out, int(p))
			}
		}
		return out
	}
	f, _ := r.Get(map[int]int{9: 134, 13: 13, 14: 13, 15: 13}[r.Type])
	for _, sub := range f.Subfields() {
		if n, ok := digits([]byte(sub[0]), 3); ok {
			out = append(out, n)
		}
	}
	return out
}

// noPosition fills what a Type-4 record's six positions leave over (8.4.4).
const noPosition = 255

// Subfields parts a value into its subfields and each of them into its information
// items. There is always one subfield with one item, be it empty; none for a field
// of no value at all.
func (f Field) Subfields() [][]string {
	if f.Value == nil {
		return nil
	}
	var out [][]string
	for sub := range bytes.SplitSeq(f.Value, []byte{RS}) {
		var items []string
		for item := range bytes.SplitSeq(sub, []byte{US}) {
			items = append(items, string(item))
		}
		out = append(out, items)
	}
	return out
}

// Text makes a field of one information item.
func Text(number int, value string) Field { return Field{Number: number, Value: []byte(value)} }

// Number makes a field of one decimal number.
func Number(number, value int) Field { return Text(number, strconv.Itoa(value)) }

// Items makes a field of subfields, each a list of information items.
func Items(number int, subfields ...[]string) Field {
	f := Field{Number: number, Value: []byte{}}
	for i, items := range subfields {
		if i > 0 {
			f.Value = append(f.Value, RS)
		}
		for j, item := range items {
			if j > 0 {
				f.Value = append(f.Value, US)
			}
			f.Value = append(f.Value, item...)
		}
	}
	return f
}

// NewRecord makes a tagged record: LEN, IDC (none in Type-1) and the given fields.
func NewRecord(recordType, idc int, fields ...Field) Record {
	r := Record{Type: recordType, Fields: []Field{{Number: 1}}}
	if recordType != 1 {
		r.Fields = append(r.Fields, Text(2, fmt.Sprintf("%02d", idc)))
	}
	r.Fields = append(r.Fields, fields...)
	return r
}

// digits reads a number of decimal digits only, at most so many.
func digits(b []byte, most int) (int, bool) {
	if len(b) == 0 || len(b) > most {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// name is a field number as the standard writes it: "14.013".
func name(recordType, number int) string { return fmt.Sprintf("%d.%03d", recordType, number) }
