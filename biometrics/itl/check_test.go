package itl

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// everything is a transaction with a record of each type that Check knows.
func everything(t testing.TB) Transaction {
	t.Helper()
	e := enrolment(t)
	e.FixedResolution = true
	made, _ := built(t, e)
	if faults := Check(made); faults != nil {
		t.Fatalf("the sample itself has faults: %v", faults)
	}
	return made
}

// fieldOf points at a field's value, so that a test can spoil it.
func fieldOf(t testing.TB, made Transaction, recordType, number int) *Field {
	t.Helper()
	for _, r := range made.Records {
		for i := range r.Fields {
			if r.Type == recordType && r.Fields[i].Number == number {
				return &r.Fields[i]
			}
		}
	}
	t.Fatalf("no field %s", name(recordType, number))
	return nil
}

func set(recordType, number int, value string) func(testing.TB, *Transaction) {
	return func(t testing.TB, made *Transaction) { fieldOf(t, *made, recordType, number).Value = []byte(value) }
}

// drop leaves a field out of the first record that has it.
func drop(recordType, number int) func(testing.TB, *Transaction) {
	return func(t testing.TB, made *Transaction) {
		is := func(f Field) bool { return f.Number == number }
		at := slices.IndexFunc(made.Records, func(r Record) bool { return r.Type == recordType && slices.ContainsFunc(r.Fields, is) })
		if at < 0 {
			t.Fatalf("no field %s", name(recordType, number))
		}
		made.Records[at].Fields = slices.DeleteFunc(slices.Clone(made.Records[at].Fields), is)
	}
}

func extra(index int, f Field) func(testing.TB, *Transaction) {
	return func(_ testing.TB, made *Transaction) {
		r := &made.Records[index]
		r.Fields = append(r.Fields[:2:2], append([]Field{f}, r.Fields[2:]...)...)
	}
}

func TestFaultsAreNamedByTheirField(t *testing.T) {
	slap := 3 // the Type-14 record with an image
	for _, c := range []struct {
		want  string
		spoil func(testing.TB, *Transaction)
	}{
		{"1.002: record 1: says version \"0999\"", set(1, 2, "0999")},
		{"1.003: record 1: counts \"3\" records", set(1, 3, "1\x1f3\x1e2\x1f00")},
		{"1.003: record 1: lists record 3 as Type-14, it is Type-4", set(1, 3, "1\x1f8\x1e2\x1f00\x1e14\x1f01")},
		{"1.003: record 1: lists record 2 with IDC 7", set(1, 3, "1\x1f8\x1e2\x1f07")},
		{"1.003: record 1: tells of no record", func(_ testing.TB, made *Transaction) { made.Records = made.Records[:1] }},
		{"1.003: record 1: lists record 2 as Type-23, which is reserved", func(_ testing.TB, made *Transaction) { made.Records[1].Type = 23 }},
		{"1.005: record 1: says \"20261322\"", set(1, 5, "20261322")},
		{"1.008: record 1: stands behind 1.009, and the fields", func(_ testing.TB, made *Transaction) {
			fields := made.Records[0].Fields
			i := slices.IndexFunc(fields, func(f Field) bool { return f.Number == 8 })
			fields[i], fields[i+1] = fields[i+1], fields[i]
		}},
		{"1.011: record 1: says 00.00, and records of fixed resolution", set(1, 11, "00.00")},
		{"1.014", set(1, 14, "20261122")},
		{"1.015: record 1: says \"007\"", set(1, 15, "007\x1fKLINGON")},
		{"2.018: record 2: holds bytes outside ASCII, and 1.015", set(1, 15, "000\x1fASCII")},
		{"2.018: record 2: is no valid UTF-8", set(2, 18, "NGUY\xc1N")},
		{"4.003: record 3: says 10, which is an impression of a palm", set(4, 3, "\x0a")},
		{"4.004: record 3: says position 25", set(4, 4, "\x19\xff\xff\xff\xff\xff")},
		{"4.005", set(4, 5, "\x02")},
		{"4.006: record 3: says 801, the image is 800 pixels wide", set(4, 6, "\x03\x21")},
		{"4.007: record 3: says 0", set(4, 7, "\x00\x00")},
		{"4.008: record 3: says JPEGB, the image is WSQ20", set(4, 8, "\x02")},
		{"4.009: record 3: holds no image", set(4, 9, "")},
		{"9.136: record 12: says 3 minutiae, 9.137 has 2", set(9, 136, "3")},
		{"9.137: record 12: has a minutia at 801, 5", set(9, 137, "1\x1f801\x1f5\x1f0\x1f1\x1f60\x1e2\x1f1\x1f1\x1f0\x1f1\x1f60")},
		{"9.004", set(9, 4, "X")},
		{"9.126: record 12: has 2 information items, 3 are wanted", set(9, 126, "27\x1f513")},
		{"9.131: record 12: is missing (THPS), and other fields of INCITS 378", drop(9, 131)},
		{"9.137: record 12: is missing (FMD), and 9.136 says 2 minutiae", drop(9, 137)},
		{"10.003", set(10, 3, "FACE\x1fX")},
		{"10.005", set(10, 5, "22.11.2026")},
		{"10.012", set(10, 12, "CMYK")},
		{"10.020", set(10, 20, "X")},
		{"10.021: record 7: is missing", set(10, 20, "A")},
		{"10.999: record 7: is missing (DATA)", drop(10, 999)},
		{"14.004: record 4: holds nothing but spaces", set(14, 4, "  ")},
		{"14.004: record 4: holds control characters", set(14, 4, "HA\x00NOI")},
		{"14.006: record 4: says 41", set(14, 6, "41")},
		{"14.008: record 4: says 7", set(14, 8, "7")},
		{"14.011: record 4: says JPEGB, the image is PNG", set(14, 11, "JPEGB")},
		{"14.011: record 4: says \"GIF\"", set(14, 11, "GIF")},
		{"14.013: record 4: says position 25", set(14, 13, "25")},
		{"14.018: record 4: speaks of finger 7", set(14, 18, "7\x1fXX")},
		{"14.018: record 4: says that every finger", set(14, 18, "2\x1fXX\x1e3\x1fXX\x1e4\x1fUP\x1e5\x1fUP")},
		{"14.021: record 4: speaks of finger 5, which 14.018 says is missing", set(14, 21, "5\x1f0\x1f9\x1f1\x1f29")},
		{"14.021: record 4: has a box from 9 to 0", set(14, 21, "2\x1f9\x1f0\x1f1\x1f29")},
		{"14.021: record 4: has 4 information items", set(14, 21, "2\x1f9\x1f0\x1f1")},
		{"14.022: record 4: says \"9\"", set(14, 22, "2\x1f9")},
		{"14.025: record 4: says 3 points and has 4 coordinates", extra(slap, Text(25, "2\x1f3\x1f1\x1f1\x1f5\x1f5"))},
		{"14.060: record 4: there is no such field", extra(slap, Text(60, "x"))},
		{"14.013: record 4: stands twice", extra(slap, Text(13, "13"))},
		{"14.996: record 4: is not the SHA-256", extra(slap, Text(996, strings.Repeat("0", 64)))},
		{"14.999: record 4: is missing (DATA)", drop(14, 999)},
		{"14.009: record 4: is missing (THPS), and an image is there", func(t testing.TB, made *Transaction) {
			*fieldOf(t, *made, 14, 9) = Text(17, "500")
		}},
		{"17.003: record 9: says \"3\"", set(17, 3, "3")},
		{"17.011: record 9: says JP2, the image is PNG", set(17, 11, "JP2")},
		{"17.006: record 9: says 41", set(17, 6, "41")},
		{"99.101", set(99, 101, "iris")},
	} {
		made := everything(t)
		c.spoil(t, &made)
		found := Check(made)
		if !strings.HasPrefix(firstOf(found, c.want), c.want) {
			t.Errorf("%s is not found among %v", c.want, found)
		}
	}
}

// What the 2011 edition made optional stays out of a quality without a fault.
func TestQualityOfMinutiaeNeedsNoAlgorithm(t *testing.T) {
	made := everything(t)
	fieldOf(t, made, 9, 135).Value = []byte("80")
	if faults := Check(made); faults != nil {
		t.Errorf("%v", faults)
	}
}

// firstOf gives the fault that begins so, else the first.
func firstOf(faults []Fault, want string) string {
	for _, f := range faults {
		if strings.HasPrefix(f.String(), want) {
			return f.String()
		}
	}
	return ""
}

// Files made of the reference ones, each broken in one place, as it may reach a
// centre.
func TestBrokenReferenceFilesAreFound(t *testing.T) {
	card, face, slaps := reference(t, references[0]), reference(t, references[1]), reference(t, references[2])
	swap := func(b []byte, old, new string) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"cut off in the last print", "4.001: byte 560297: says 112535 bytes, 112534 are left", card[:len(card)-1]},
		{"a print's width in the header is another", "4.006: record 3: says 800, the image is 804 pixels wide", swap(card, "\x03\x24\x02\xf0", "\x03\x20\x02\xf0")},
		{"a print's position is no finger", "4.004: record 3: says position 20", swap(card, "\x03\x01\xff\xff", "\x03\x14\xff\xff")},
		{"resolution is missing beside Type-4", "1.012: record 1: says 00.00", swap(card, "1.012:19.69", "1.012:00.00")},
		{"content lists a face where a print stands", "1.003: byte 308: lists record 3 as Type-10", swap(swap(card, "\x1e4\x1f01\x1e", "\x1e10\x1f01\x1e"), "1.001:250", "1.001:251")},
		{"the face's record is said shorter", "10.001: byte 231: says 350064 bytes, and no file separator", swap(face, "10.001:350065", "10.001:350064")},
		{"the photograph's day is in no calendar", "10.005: record 3: says \"20090229\"", swap(face, "10.005:20091029", "10.005:20090229")},
		{"a field's separator is missing", "10.012: record 3: is missing (CSP)", swap(face, "\x1d10.012:SRGB", " 10.012:SRGB")},
		{"no character set is declared", "2.003: record 2: holds bytes outside ASCII", swap(slaps, "003\x1fUTF-8", "000\x1fASCII")},
		{"an amputated finger of the other hand", "14.018: record 5: speaks of finger 4", swap(slaps, "14.018:9\x1fXX", "14.018:4\x1fXX")},
		{"quality of a finger that is amputated", "14.022: record 5: speaks of finger 9, which 14.018 says is missing", swap(slaps, "\x1e8\x1f2\x1e10\x1f3", "\x1e9\x1f2\x1e10\x1f3")},
	} {
		faults := CheckFile(c.file)
		if got := firstOf(faults, c.want); got == "" {
			t.Errorf("%s: want %s among %v", c.name, c.want, faults)
		} else {
			t.Logf("%s -> %s", c.name, got)
		}
	}
}
