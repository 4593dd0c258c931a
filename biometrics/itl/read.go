package itl

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Decode reads a transaction. Its values are slices of b. What cannot be parted
// into records and fields is a *FormatError; whether the fields make sense is for
// Check to say.
func Decode(b []byte) (Transaction, error) {
	d := decoder{file: b}
	var t Transaction
	for d.at < len(b) {
		if len(t.Records) == MaxRecords {
			return Transaction{}, d.fail(d.at, name(1, 3), "more than %d records", MaxRecords)
		}
		r, err := d.record(len(t.Records))
		if err != nil {
			return Transaction{}, err
		}
		if len(t.Records) == 0 {
			f, _ := r.Get(3)
			d.content = listed(f)
		}
		t.Records = append(t.Records, r)
	}
	if len(t.Records) == 0 {
		return Transaction{}, d.fail(0, name(1, 1), "the file is empty")
	}
	return t, nil
}

type decoder struct {
	file    []byte
	at      int
	count   int     // fields so far
	content []entry // of 1.003, behind its first subfield
}

// entry is one pair of 1.003: record type and IDC; -1 for what is no number.
type entry struct{ recordType, idc int }

// listed gives the records that 1.003 lists.
func listed(f Field) []entry {
	var out []entry
	for i, sub := range f.Subfields() {
		if i == 0 {
			continue
		}
		e := entry{-1, -1}
		if n, ok := digits([]byte(sub[0]), 2); ok {
			e.recordType = n
		}
		if len(sub) > 1 {
			if n, ok := digits([]byte(sub[1]), 2); ok {
				e.idc = n
			}
		}
		out = append(out, e)
	}
	return out
}

func (d *decoder) fail(at int, field, format string, args ...any) error {
	return &FormatError{Offset: at, Field: field, Text: fmt.Sprintf(format, args...)}
}

// record reads the record at d.at, the index-th of the file. A tagged record says
// its type itself; a binary one begins with a length, whose first byte is no digit
// in any file that fits into memory, and its type stands in 1.003 only.
func (d *decoder) record(index int) (Record, error) {
	rest := d.file[d.at:]
	if tag, ok := readTag(rest); ok {
		if index == 0 && tag.recordType != 1 {
			return Record{}, d.fail(d.at, name(1, 1), "the file begins with a Type-%d record, not with Type-1", tag.recordType)
		}
		return d.tagged(tag)
	}
	switch {
	case index == 0:
		return Record{}, d.fail(d.at, name(1, 1), "the file does not begin with the tag of field 1.001")
	case rest[0] >= '0' && rest[0] <= '9':
		return Record{}, d.fail(d.at, name(1, 3), "record %d has no tag of a field where it should begin", index+1)
	case index > len(d.content):
		return Record{}, d.fail(d.at, name(1, 3), "lists %d records, and %d bytes are left behind them", len(d.content), len(rest))
	}
	recordType := d.content[index-1].recordType
	sizes := layouts[recordType]
	if sizes == nil {
		return Record{}, d.fail(d.at, name(1, 3), "lists record %d as Type-%d, but no tag of a field stands there", index+1, recordType)
	}
	return d.binary(recordType, sizes)
}

// binary reads a record of fixed layout.
func (d *decoder) binary(recordType int, sizes []int) (Record, error) {
	rest, length := d.file[d.at:], name(recordType, 1)
	if len(rest) < 4 {
		return Record{}, d.fail(d.at, length, "%d bytes are left, too few for a length", len(rest))
	}
	n := binary.BigEndian.Uint32(rest)
	if uint64(n) > uint64(len(rest)) {
		return Record{}, d.fail(d.at, length, "says %d bytes, %d are left", n, len(rest))
	}
	body := rest[:n:n]
	r := Record{Type: recordType}
	for i, size := range sizes {
		if len(body) < size {
			return Record{}, d.fail(d.at, length, "says %d bytes, too few for the fields of Type-%d", n, recordType)
		}
		r.Fields = append(r.Fields, Field{Number: i + 1, Value: body[:size:size]})
		body = body[size:]
	}
	r.Fields = append(r.Fields, Field{Number: len(sizes) + 1, Value: body})
	d.at += int(n)
	return r, nil
}

// tagged reads a record of tagged fields that begins with the given tag.
func (d *decoder) tagged(first tag) (Record, error) {
	rest, length := d.file[d.at:], name(first.recordType, 1)
	if layouts[first.recordType] != nil {
		return Record{}, d.fail(d.at, length, "a Type-%d record has no tagged fields", first.recordType)
	}
	if first.number != 1 {
		return Record{}, d.fail(d.at, length, "the record begins with field %s, not with its length", name(first.recordType, first.number))
	}
	value := rest[first.size:]
	if end := bytes.IndexAny(value[:min(len(value), 12)], "\x1c\x1d"); end >= 0 {
		value = value[:end]
	} else {
		return Record{}, d.fail(d.at, length, "no separator within twelve bytes")
	}
	n, ok := digits(value, 10)
	if !ok {
		return Record{}, d.fail(d.at, length, "is no number of bytes")
	}
	if n > len(rest) {
		return Record{}, d.fail(d.at, length, "says %d bytes, %d are left", n, len(rest))
	}
	if n <= first.size+len(value) || rest[n-1] != FS {
		return Record{}, d.fail(d.at, length, "says %d bytes, and no file separator ends the record there", n)
	}
	fields, err := d.fields(first.recordType, rest[:n-1:n-1])
	d.at += n
	return Record{Type: first.recordType, Fields: fields}, err
}

// fields parts a record's bytes, without the separator that ends it.
func (d *decoder) fields(recordType int, body []byte) ([]Field, error) {
	var out []Field
	last := name(recordType, 1)
	for at, more := d.at, true; more; {
		tag, ok := readTag(body)
		if !ok || tag.recordType != recordType {
			return nil, d.fail(at, last, "no tag of a Type-%d field behind this field", recordType)
		}
		last = name(recordType, tag.number)
		if d.count++; d.count > MaxFields {
			return nil, d.fail(at, last, "more than %d fields", MaxFields)
		}
		if tag.number == 1 && len(out) > 0 {
			return nil, d.fail(at, last, "the length stands twice in the record")
		}
		value := body[tag.size:]
		size := len(value)
		if tag.number != dataField {
			if i := bytes.IndexByte(value, GS); i >= 0 {
				size = i
			}
			if err := d.plain(at, last, value[:size]); err != nil {
				return nil, err
			}
		}
		out = append(out, Field{Number: tag.number, Value: value[:size:size], digits: tag.digits})
		if more = size < len(value); more {
			at += tag.size + size + 1
			body = value[size+1:]
		}
	}
	return out, nil
}

// plain holds a value against what no value may have.
func (d *decoder) plain(at int, field string, value []byte) error {
	if bytes.IndexByte(value, FS) >= 0 {
		return d.fail(at, field, "a file separator stands before the record's end, or the field's separator is missing")
	}
	if n := bytes.Count(value, []byte{US}) + bytes.Count(value, []byte{RS}); n >= MaxItems {
		return d.fail(at, field, "more than %d information items", MaxItems)
	}
	return nil
}

// tag is the head of a field, "14.013:".
type tag struct {
	recordType, number int
	digits, size       int // of the number; of the whole tag
}

func readTag(b []byte) (tag, bool) {
	b = b[:min(len(b), 12)]
	dot, colon := bytes.IndexByte(b, '.'), bytes.IndexByte(b, ':')
	if dot < 1 || colon < dot || b[0] == '0' {
		return tag{}, false
	}
	t := tag{digits: colon - dot - 1, size: colon + 1}
	var typeOK, numberOK bool
	t.recordType, typeOK = digits(b[:dot], 2)
	t.number, numberOK = digits(b[dot+1:colon], 9)
	return t, typeOK && numberOK && t.number >= 1 && t.number <= dataField
}
