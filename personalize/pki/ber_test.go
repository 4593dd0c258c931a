package pki

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// X.690, 8.1.3.6 and 8.7.3: lengths that are not said, strings in pieces.
func TestBERIsRewritten(t *testing.T) {
	for in, want := range map[string]string{
		"3080040101" + "0000":                             "3003040101",
		"3006" + "0401AA" + "0401BB":                      "3006" + "0401AA" + "0401BB",
		"2480" + "0401AA" + "2403" + "0401BB" + "0000":    "0402AABB",
		"A080" + "2480" + "0000" + "0000":                 "A0020400",
		"30810301" + "01FF":                               "300301" + "01FF",
		"7F2E80" + "020100" + "0000":                      "7F2E03020100",
		"0480" + "0000":                                   "", // a primitive one of no length
		"3080" + "0401AA":                                 "", // no end
		"3005" + "0401AA":                                 "",
		"2480" + "020100" + "0000":                        "", // a number among the pieces
		"30":                                              "",
		string(bytes.Repeat([]byte("3080"), 40)) + "0000": "",
	} {
		b, _ := hex.DecodeString(in)
		out, rest, err := fromBER(b, 0)
		if got := hex.EncodeToString(out); err == nil && (len(rest) > 0 || !bytes.EqualFold([]byte(got), []byte(want))) || (err != nil) != (want == "") {
			t.Errorf("%s: %s, %X after it, %v, want %s", in, got, rest, err, want)
		}
	}
}

func FuzzBER(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 4, 1, 0xAA, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		der, rest, err := fromBER(b, 0)
		if err != nil {
			return
		}
		again, none, err := fromBER(der, 0)
		if err != nil || len(none) > 0 || !bytes.Equal(again, der) || len(rest) > len(b) {
			t.Errorf("%X becomes %X and %X, %v", b, der, again, err)
		}
	})
}
