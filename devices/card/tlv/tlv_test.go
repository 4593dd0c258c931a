package tlv

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestObjectsOfCardsAreRead(t *testing.T) {
	for _, v := range []struct {
		in   string
		tag  Tag
		head int
		n    int
	}{
		{"60 14", 0x60, 2, 0x14}, // EF.COM
		{"5F01 04 30313037", 0x5F01, 3, 4},
		{"5FC102 81 80", 0x5FC102, 5, 128}, // PIV CHUID
		{"7F49 82 0102", 0x7F49, 5, 258},
		{"75 83 012345", 0x75, 5, 0x12345},
		{"75 84 00012345", 0x75, 6, 0x12345},
		{"87 8103", 0x87, 3, 3}, // longer than it need be
		{"DF01 00", 0xDF01, 3, 0},
	} {
		tag, head, n, err := Header(unhex(t, v.in))
		if err != nil || tag != v.tag || head != v.head || n != v.n {
			t.Errorf("%s: %s, %d, %d, %v", v.in, tag, head, n, err)
		}
	}
}

func TestMalformedObjectsAreRefused(t *testing.T) {
	for in, want := range map[string]error{
		"": ErrShort, "30": ErrShort, "3003 0101": ErrShort, "5F": ErrShort, "5F81": ErrShort, "3081": ErrShort, "308201": ErrShort,
		"30847FFFFFFF": ErrShort, "3082FFFF00": ErrShort,
		"3080": ErrMalformed, "3085 0000000001": ErrMalformed, "30FF": ErrMalformed, "30 84 80000000": ErrMalformed,
		"0000": ErrMalformed, "FFFFFF": ErrMalformed, "5F00 00": ErrMalformed, "5F80 01 00": ErrMalformed, "5F818101 00": ErrMalformed,
	} {
		if o, _, err := Next(unhex(t, in)); !errors.Is(err, want) {
			t.Errorf("%s: %v, %v; want %v", in, o, err, want)
		}
	}
	if _, err := Parse(unhex(t, "0101 00 0202")); err == nil {
		t.Error("bytes after the last object were taken")
	}
}

func TestFindGoesDownAPath(t *testing.T) {
	fci := New(0x6F, New(0x84, unhex(t, "A0000002471001")), New(0x8A, []byte{5}), New(0xA5, New(0x9F65, []byte{0xFF})))
	if v, err := Find(fci, 0x6F, 0xA5, 0x9F65); err != nil || !bytes.Equal(v, []byte{0xFF}) {
		t.Errorf("%X, %v", v, err)
	}
	if v, err := Find(fci, 0x6F, 0x8A); err != nil || v[0] != 5 {
		t.Errorf("%X, %v", v, err)
	}
	if _, err := Find(fci, 0x6F, 0x8B); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "8B") {
		t.Errorf("%v", err)
	}
	if _, err := Find(fci[:len(fci)-1], 0x6F); !errors.Is(err, ErrShort) {
		t.Errorf("%v", err)
	}
}

func TestOneTakesOneObject(t *testing.T) {
	if v, err := One(unhex(t, "5303 010203"), 0x53); err != nil || len(v) != 3 {
		t.Errorf("%X, %v", v, err)
	}
	for _, in := range []string{"5301", "530101 00", "5401 01", ""} {
		if _, err := One(unhex(t, in), 0x53); err == nil {
			t.Errorf("%s was taken for one 53", in)
		}
	}
}

func TestConstructed(t *testing.T) {
	for tag, want := range map[Tag]bool{0x30: true, 0x04: false, 0x7F49: true, 0x5F1F: false, 0x5FC102: false, 0x7F218A: true, 0x6F: true, 0x87: false} {
		if tag.Constructed() != want {
			t.Errorf("%s: %v", tag, !want)
		}
	}
}

// encoding/asn1 and this package must agree on every length.
func TestLengthsAgreeWithASN1(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, 65535, 65536, 1 << 20} {
		value := make([]byte, n)
		want, err := asn1.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		got := New(0x04, value[:n/2], value[n/2:])
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes: head %X, want %X", n, got[:6], want[:6])
		}
		if Size(0x04, n) != len(want) {
			t.Errorf("size of %d bytes: %d, want %d", n, Size(0x04, n), len(want))
		}
		if v, err := One(got, 0x04); err != nil || len(v) != n {
			t.Errorf("%d bytes came back as %d, %v", n, len(v), err)
		}
	}
}

func TestValuesCannotGrowIntoTheirNeighbours(t *testing.T) {
	b := unhex(t, "0101 AA 0101 BB")
	all, err := Parse(b)
	if err != nil || len(all) != 2 {
		t.Fatal(err)
	}
	_ = append(all[0].Value, 0xFF)
	if b[3] != 0x01 {
		t.Error("appending to a value wrote over the next object")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "6F0984 02A000 8A0105", "5FC10281020102", "7F498101FF", "30840000000101", "3080", "5F81", "FFFFFF"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Find(b, 0x30, 0x5F1F); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		all, err := Parse(b)
		if err != nil {
			return
		}
		var again []byte
		for _, o := range all {
			again = Append(again, o.Tag, o.Value)
			if Size(o.Tag, len(o.Value)) != len(New(o.Tag, o.Value)) {
				t.Errorf("%s: wrong size", o.Tag)
			}
		}
		if len(again) > len(b) {
			t.Errorf("%X was encoded longer, as %X", b, again)
		}
		second, err := Parse(again)
		if err != nil || len(second) != len(all) {
			t.Fatalf("%X: %v", again, err)
		}
		for i, o := range second {
			if o.Tag != all[i].Tag || !bytes.Equal(o.Value, all[i].Value) {
				t.Errorf("%X: object %d changed", b, i)
			}
		}
	})
}
