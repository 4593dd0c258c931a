package record

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

func pivHeader() PIVHeader {
	return PIVHeader{
		Format: FormatMinutiae, Type: TypeFinger, Data: DataProcessed, Quality: 80, Creator: "station",
		Created: time.Date(2026, 11, 27, 1, 2, 3, 0, time.UTC), From: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC),
		To: time.Date(2041, 5, 17, 0, 0, 0, 0, time.UTC), FASCN: [25]byte{0xD4, 24: 0xEB},
	}
}

// SP 800-76-2, clause 9, field by field.
func TestPIVHeaderStandsAsTheStandardDrawsIt(t *testing.T) {
	want := "03" + "0d" + "00000006" + "0102" + "001b" + "0201" +
		"141a0b1b0102035a" + "141a0b1b0000005a" + "1429051100000" + "05a" + "000008" + "80" + "50" +
		hex.EncodeToString([]byte("station")) + "0000000000000000000000" + "d4" + "0000000000000000000000000000000000000000000000" + "eb" + "00000000" +
		hex.EncodeToString([]byte("record"))
	b, err := pivHeader().Encode([]byte("record"), 0x102)
	if err != nil || hex.EncodeToString(b) != want {
		t.Errorf("%v\n got %x\nwant %s", err, b, want)
	}
	b = append(b, make([]byte, 0x102)...)
	h, record, signed, signature, err := DecodePIV(b)
	if err != nil || h != pivHeader() || string(record) != "record" || len(signed) != 94 || len(signature) != 0x102 {
		t.Errorf("%+v %q %d %d %v", h, record, len(signed), len(signature), err)
	}
	if _, err := (PIVHeader{Creator: "a name of eighteen"}).Encode([]byte{1}, 0); err == nil {
		t.Error("a creator without room for its end")
	}
}

func FuzzPIVRecord(f *testing.F) {
	b, err := pivHeader().Encode([]byte("record"), 3)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(b, 1, 2, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, record, _, signature, err := DecodePIV(b)
		if err != nil || len(record) == 0 {
			return
		}
		again, err := h.Encode(record, len(signature))
		if err != nil || !bytes.Equal(append(again, signature...), b) {
			t.Errorf("%x was read and writes itself as %x, %v", b, again, err)
		}
	})
}
