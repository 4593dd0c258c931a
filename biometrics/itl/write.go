package itl

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// Encode writes the transaction. The lengths are set anew; everything else is
// written as it is, 1.003 too (see SetContent). A value that would break the file
// (a separator of fields or records inside it, a binary field of the wrong size)
// is an error that names the field.
func (t Transaction) Encode() ([]byte, error) {
	var out []byte
	for i, r := range t.Records {
		encode := r.appendTagged
		if !r.Tagged() {
			encode = r.appendBinary
		}
		var err error
		if out, err = encode(out); err != nil {
			return nil, fmt.Errorf("record %d: %w", i+1, err)
		}
	}
	return out, nil
}

// SetContent sets 1.003 after the records that there are: their types and IDCs in
// their order.
func (t Transaction) SetContent() error {
	if len(t.Records) == 0 || t.Records[0].Type != 1 || len(t.Records) > MaxRecords {
		return fmt.Errorf("1.003: a transaction of %d records that begins with no Type-1 record, or too many", len(t.Records))
	}
	subs := [][]string{{"1", strconv.Itoa(len(t.Records) - 1)}}
	for _, r := range t.Records[1:] {
		subs = append(subs, []string{strconv.Itoa(r.Type), fmt.Sprintf("%02d", max(r.IDC(), 0))})
	}
	for i, f := range t.Records[0].Fields {
		if f.Number == 3 {
			t.Records[0].Fields[i].Value = Items(3, subs...).Value
			return nil
		}
	}
	return fmt.Errorf("1.003: the Type-1 record has no such field")
}

func (r Record) appendTagged(out []byte) ([]byte, error) {
	if r.Type < 1 || r.Type > 99 || len(r.Fields) == 0 || r.Fields[0].Number != 1 {
		return nil, fmt.Errorf("%s: the record of Type-%d does not begin with its length", name(r.Type, 1), r.Type)
	}
	var body []byte
	for i, f := range r.Fields[1:] {
		if f.Number < 2 || f.Number > dataField {
			return nil, fmt.Errorf("%s: no number for a field", name(r.Type, f.Number))
		}
		if f.Number != dataField && bytes.ContainsAny(f.Value, "\x1c\x1d") || f.Number == dataField && i != len(r.Fields)-2 {
			return nil, fmt.Errorf("%s: a separator stands inside the value, or fields behind the data", name(r.Type, f.Number))
		}
		body = fmt.Appendf(append(body, GS), "%d.%0*d:", r.Type, width(f), f.Number)
		body = append(body, f.Value...)
	}
	head := fmt.Sprintf("%d.%0*d:", r.Type, width(r.Fields[0]), 1)
	out = append(append(out, head...), length(len(head)+len(body)+1, r.Fields[0].Value)...)
	return append(append(out, body...), FS), nil
}

// width is how many digits a field's number is written with.
func width(f Field) int {
	if f.digits > 0 {
		return f.digits
	}
	return 3
}

// length gives the digits of a record's length, themselves counted, beside rest
// other bytes; as they were where they still hold, leading zeros included.
func length(rest int, was []byte) string {
	if n, ok := digits(was, 10); ok && n == rest+len(was) {
		return string(was)
	}
	size := 1
	for len(strconv.Itoa(rest+size)) > size {
		size++
	}
	return strconv.Itoa(rest + size)
}

func (r Record) appendBinary(out []byte) ([]byte, error) {
	sizes := layouts[r.Type]
	if len(r.Fields) != len(sizes)+1 {
		return nil, fmt.Errorf("%s: a Type-%d record has %d fields, this one %d", name(r.Type, 1), r.Type, len(sizes)+1, len(r.Fields))
	}
	start := len(out)
	out = append(out, 0, 0, 0, 0)
	for i, f := range r.Fields {
		if f.Number != i+1 || i > 0 && i < len(sizes) && len(f.Value) != sizes[i] {
			return nil, fmt.Errorf("%s: field %d of %d bytes where the layout has other", name(r.Type, i+1), f.Number, len(f.Value))
		}
		if i > 0 {
			out = append(out, f.Value...)
		}
	}
	if len(out)-start > math.MaxUint32 {
		return nil, fmt.Errorf("%s: the record is too long for its length field", name(r.Type, 1))
	}
	binary.BigEndian.PutUint32(out[start:], uint32(len(out)-start))
	return out, nil
}
