package card

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
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

// The four cases of ISO/IEC 7816-4:2020, 5.2, short and extended, at their limits.
func TestCommandIsEncodedInTheFourCases(t *testing.T) {
	long := strings.Repeat("AB", 256)
	for _, v := range []struct {
		c    Command
		want string
	}{
		{Command{INS: 0x44}, "00440000"},
		{Command{INS: 0x84, Ne: 8}, "0084000008"},
		{Command{INS: 0xB0, Ne: 256}, "00B0000000"},
		{Command{INS: 0xB0, Ne: 257}, "00B00000 00 0101"},
		{Command{INS: 0xB0, Ne: 65536}, "00B00000 00 0000"},
		{Command{INS: 0xB0, Ne: 4, Extended: true}, "00B00000 00 0004"},
		{Command{INS: 0x44, Extended: true}, "00440000"},
		{Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{1, 0x1E}}, "00A4020C 02 011E"},
		{Command{INS: 0xD6, Data: unhex(t, long)}, "00D60000 00 0100" + long},
		{Command{INS: 0xA4, P1: 4, Data: []byte{0xA0}, Ne: 256}, "00A40400 01 A0 00"},
		{Command{INS: 0xA4, P1: 4, Data: []byte{0xA0}, Ne: 300}, "00A40400 00 0001 A0 012C"},
		{Command{INS: 0x88, Data: unhex(t, long), Ne: 256}, "00880000 00 0100" + long + "0100"},
		{Command{INS: 0x88, Data: []byte{1}, Ne: 65536}, "00880000 00 0001 01 0000"},
	} {
		got, err := v.c.Bytes()
		if err != nil || !bytes.Equal(got, unhex(t, v.want)) {
			t.Errorf("%v: %X, %v; want %s", v.c, got, err, v.want)
		}
	}
	for _, bad := range []Command{{Ne: -1}, {Ne: 65537}, {Data: make([]byte, 65536)}, {Ne: math.MaxInt}} {
		if b, err := bad.Bytes(); err == nil {
			t.Errorf("%v was encoded as %d bytes", bad, len(b))
		}
	}
}

func TestEveryLengthComesBack(t *testing.T) {
	lengths := []int{0, 1, 254, 255, 256, 257, 511, 512, 65279, 65280, 65281, 65534, 65535}
	for _, nc := range lengths {
		for _, ne := range append(lengths, 65536) {
			for _, extended := range []bool{false, true} {
				c := Command{CLA: 0x80, INS: 0xE2, P1: 0xFF, P2: 1, Data: bytes.Repeat([]byte{0xA5}, nc), Ne: ne, Extended: extended}
				b, err := c.Bytes()
				if err != nil {
					t.Fatal(err)
				}
				got, err := ParseCommand(b)
				if err != nil || got.Header() != c.Header() || !bytes.Equal(got.Data, c.Data) || got.Ne != ne || got.Extended != c.IsExtended() {
					t.Errorf("%v, extended %v: %v, %v", c, extended, got, err)
				}
			}
		}
	}
}

func TestMalformedCommands(t *testing.T) {
	for _, s := range []string{"", "00", "00A404", "00A4040002A0", "00A4040001A00000", "00B000000000", "00A404000000A0A0", "00A40400 00 0002 A0", "00A40400 00 0001 A0 00", "00A40400 00 0001 A0 000000"} {
		if c, err := ParseCommand(unhex(t, s)); !errors.Is(err, ErrCommand) {
			t.Errorf("%s: %v, %v", s, c, err)
		}
	}
}

func TestResponses(t *testing.T) {
	r, err := ParseResponse([]byte{1, 2, 0x62, 0x82})
	if err != nil || r.SW != EndOfFile || !bytes.Equal(r.Data, []byte{1, 2}) || !bytes.Equal(r.Bytes(), []byte{1, 2, 0x62, 0x82}) {
		t.Errorf("%v, %v", r, err)
	}
	for _, b := range [][]byte{nil, {}, {0x90}} {
		if _, err := ParseResponse(b); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%X: %v", b, err)
		}
	}
}

func TestStatusTellsTriesAndNames(t *testing.T) {
	if n, ok := Status(0x63C2).Retries(); n != 2 || !ok {
		t.Errorf("63C2: %d, %v", n, ok)
	}
	if _, ok := Status(0x6300).Retries(); ok {
		t.Error("6300 has tries left")
	}
	err := error(&Error{[4]byte{0, 0x20, 0, 0x80}, 8, 0x63C2})
	if !errors.Is(err, Status(0x63C2)) || errors.Is(err, SecurityNotSatisfied) {
		t.Errorf("%v is not told by its status", err)
	}
	var sw Status
	if !errors.As(err, &sw) || sw != 0x63C2 {
		t.Errorf("status %v", sw)
	}
	if got := err.Error(); got != "command 00200080 with 8 bytes: status 63C2 (verification failed, 2 tries left)" {
		t.Errorf("%q", got)
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, s := range []string{"00440000", "0084000008", "00B0000000", "00B00000000101", "00B00000000000", "00A4020C02011E", "00A4040001A000", "00A40400000001A0012C"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCommand(b)
		if err != nil {
			return
		}
		again, err := c.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		d, err := ParseCommand(again)
		if err != nil || !reflect.DeepEqual(c, d) {
			t.Errorf("%X: %v became %v, %v", b, c, d, err)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%X was encoded as %X", b, again)
		}
	})
}

func FuzzCommandRoundTrip(f *testing.F) {
	f.Add([]byte{1}, 256, true)
	f.Add([]byte{}, 65536, false)
	f.Fuzz(func(t *testing.T, data []byte, ne int, extended bool) {
		c := Command{INS: 0xD6, Data: data, Ne: ne, Extended: extended}
		b, err := c.Bytes()
		if err != nil {
			return
		}
		d, err := ParseCommand(b)
		if err != nil || !bytes.Equal(d.Data, data) || d.Ne != ne || d.Extended != c.IsExtended() {
			t.Errorf("%v became %v, %v", c, d, err)
		}
	})
}

func FuzzStatus(f *testing.F) {
	f.Add(uint16(0x63C2))
	f.Add(uint16(0x9000))
	f.Fuzz(func(t *testing.T, n uint16) {
		s := Status(n)
		r, err := ParseResponse(Response{SW: s}.Bytes())
		if err != nil || r.SW != s || s.String() == "" || Status(s.SW1())<<8|Status(s.SW2()) != s {
			t.Errorf("%04X: %v, %v", n, r, err)
		}
		if tries, ok := s.Retries(); ok != (n>>4 == 0x63C) || tries < 0 || tries > 15 {
			t.Errorf("%04X: %d tries, %v", n, tries, ok)
		}
	})
}
