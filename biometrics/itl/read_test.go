package itl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// head is a Type-1 record with the given 1.003 and nothing else in it.
func head(content string) string {
	b, err := Transaction{Records: []Record{NewRecord(1, 0, Text(2, "0502"), Text(3, content))}}.Encode()
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestUnreadableFilesSayWhereAndWhy(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"", "1.001: byte 0: the file is empty"},
		{"PK\x03\x04", "1.001: byte 0: the file does not begin with the tag"},
		{"2.001:9\x1d2.002:00\x1c", "1.001: byte 0: the file begins with a Type-2 record"},
		{"1.002:0502\x1c", "1.001: byte 0: the record begins with field 1.002"},
		{"1.001:99999999999999999999\x1d", "1.001: byte 0: no separator within twelve bytes"},
		{"1.001:4294967295\x1d1.002:0502\x1c", "1.001: byte 0: says 4294967295 bytes, 28 are left"},
		{"1.001:-5\x1d1.002:0502\x1c", "1.001: byte 0: is no number of bytes"},
		{"1.001:0\x1d1.002:0502\x1c", "1.001: byte 0: says 0 bytes, and no file separator"},
		{"1.001:9\x1d\x1c", "1.001: byte 8: no tag of a Type-1 field behind"},
		{"1.001:18\x1d1.001:18\x1c", "1.001: byte 9: the length stands twice"},
		{"1.001:20\x1d1.002:0502\x1d", "1.001: byte 0: says 20 bytes, and no file separator"},
		{"1.001:22\x1d1.002\x1d1.003:\x1c", "1.001: byte 9: no tag of a Type-1 field behind"},
		{"1.001:26\x1d1.002:0502\x1c2.001\x1c", "1.002: byte 9: a file separator stands before"},
		{head("1\x1f1\x1e4\x1f00") + "\x00\x00\x00\x12\x00", "4.001: byte 35: says 18 bytes, 5 are left"},
		{head("1\x1f1\x1e4\x1f00") + "\x00\x00\x00\x05\x00", "4.001: byte 35: says 5 bytes, too few"},
		{head("1\x1f1\x1e4\x1f00") + "\x00\x00\x00\x00\x00", "4.001: byte 35: says 0 bytes, too few"},
		{head("1\x1f1\x1e4\x1f00") + "\x00\x00", "4.001: byte 35: 2 bytes are left"},
		{head("1\x1f0") + "\x00\x00\x00\x12\x00", "1.003: byte 30: lists 0 records, and 5 bytes"},
		{head("1\x1f1\x1e14\x1f00") + "\x00\x00\x00\x12\x00", "1.003: byte 36: lists record 2 as Type-14"},
		{head("1\x1f1\x1e14\x1f00") + "14001\x1d", "1.003: byte 36: record 2 has no tag"},
		{head("1\x1f1\x1e4\x1f00") + "4.001:9\x1d\x1c", "4.001: byte 35: a Type-4 record has no tagged fields"},
	} {
		_, err := Decode([]byte(c.file))
		var broken *FormatError
		if !errors.As(err, &broken) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.file, err, c.want)
		}
	}
}

// Counts as huge as a file of some megabytes can have them are refused or read in
// no time and with little memory.
func TestHugeCountsAreBounded(t *testing.T) {
	record := func(body string) []byte {
		b, err := Transaction{Records: []Record{NewRecord(1, 0, Field{Number: 2, Value: []byte(body)})}}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	manyFields := NewRecord(1, 0)
	for range MaxFields {
		manyFields.Fields = append(manyFields.Fields, Text(2, ""))
	}
	fields, err := Transaction{Records: []Record{manyFields}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	one := record("0502")
	for _, c := range []struct {
		file []byte
		want string
	}{
		{record(strings.Repeat("\x1f", 5<<20)), "1.002: byte 14: more than 131072 information items"},
		{fields, "1.002"},
		{bytes.Repeat(one, MaxRecords+1), "1.003"},
	} {
		_, err := Decode(c.file)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	slap := NewRecord(14, 0, Items(13, repeated("13")...), Items(18, repeated("5", "XX")...), Items(21, repeated("5", "0", "9", "0", "9")...),
		Items(25, repeated("5", "3", "1")...))
	start := time.Now()
	faults := Check(Transaction{Records: []Record{NewRecord(1, 0), slap}})
	if took := time.Since(start); took > 2*time.Second || len(faults) != MaxFaults {
		t.Errorf("%d faults in %v", len(faults), took)
	}
}

func repeated(items ...string) [][]string {
	var out [][]string
	for range 20000 {
		out = append(out, items)
	}
	return out
}

func TestOldWaysOfWritingSurvive(t *testing.T) {
	for _, file := range []string{
		"1.01:0025\x1d1.2:0502\x1d1.0003:\x1c",
		"1.001:0000009\x1d1.3:1\x1f1\x1e2\x1f00\x1c2.001:00000000027\x1d2.002:00\x1c",
	} {
		fixed := file
		if n := len(file); strings.Contains(file, "0025") {
			fixed = strings.Replace(file, "0025", fmt.Sprintf("%04d", n), 1)
		} else {
			first := strings.IndexByte(file, FS) + 1
			fixed = strings.Replace(file, "0000009", fmt.Sprintf("%07d", first), 1)
			fixed = strings.Replace(fixed, "00000000027", fmt.Sprintf("%010d", n-first-1), 1)
		}
		read, err := Decode([]byte(fixed))
		if err != nil {
			t.Errorf("%q: %v", fixed, err)
			continue
		}
		if again, err := read.Encode(); err != nil || string(again) != fixed {
			t.Errorf("%q becomes %q, %v", fixed, again, err)
		}
	}
}

func TestValuesThatWouldBreakTheFileAreRefused(t *testing.T) {
	for want, r := range map[string]Record{
		"2.003":  NewRecord(2, 0, Text(3, "a\x1d2.004:b")),
		"2.004":  NewRecord(2, 0, Text(4, "a\x1cb")),
		"2.1000": NewRecord(2, 0, Text(1000, "a")),
		"14.999": NewRecord(14, 0, Text(999, "a"), Text(20, "b")),
		"14.001": {Type: 14, Fields: []Field{Text(2, "00")}},
		"4.006":  {Type: 4, Fields: []Field{{1, nil, 0}, {2, []byte{1}, 0}, {3, []byte{1}, 0}, {4, make([]byte, 6), 0}, {5, []byte{1}, 0}, {6, []byte{1}, 0}, {7, nil, 0}, {8, nil, 0}, {9, nil, 0}}},
		"7.001":  {Type: 7},
	} {
		if _, err := (Transaction{Records: []Record{r}}).Encode(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	made := everything(f)
	whole, err := made.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:200])
	f.Add([]byte(head("1\x1f1\x1e4\x1f00") + "\x00\x00\x00\x12\x00\x01\x01\xff\xff\xff\xff\xff\x00\x00\x10\x00\x10\x00"))
	f.Add([]byte(head("1\x1f1\x1e8\x1f00") + "\x00\x00\x00\x0c\x00\x01\x01\x00\x00\x10\x00\x10"))
	f.Add([]byte("1.01:4294967295\x1d\x1c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := Decode(b)
		if err != nil {
			return
		}
		Check(read)
		if err := read.Show(io.Discard); err != nil {
			t.Fatal(err)
		}
		for _, r := range read.Records {
			r.Print()
			r.Missing()
			r.Minutiae()
			r.Sample()
		}
		if again, err := read.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q becomes %q, %v", b, again, err)
		}
	})
}
