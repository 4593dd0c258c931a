package record

import (
	"bytes"
	"encoding/asn1"
	"reflect"
	"strings"
	"testing"
	"time"
)

// What follows is the ASN.1 of ISO/IEC 39794-4 as far as it is written, for another
// decoder than ours to read it by: encoding/asn1, which takes nothing but DER.
type (
	code39794 struct {
		Code int `asn1:"tag:0"`
	}
	block39794Type struct {
		Version struct {
			Generation int `asn1:"tag:0"`
			Year       int `asn1:"tag:1"`
		} `asn1:"tag:0"`
		Representations []representation39794 `asn1:"tag:1"`
	}
	representation39794 struct {
		Position   code39794 `asn1:"tag:0"`
		Impression code39794 `asn1:"tag:1"`
		Format     code39794 `asn1:"tag:2"`
		Image      []byte    `asn1:"tag:3"`
		Captured   struct {
			Year        int `asn1:"tag:0"`
			Month       int `asn1:"tag:1,optional"`
			Day         int `asn1:"tag:2,optional"`
			Hour        int `asn1:"tag:3,optional"`
			Minute      int `asn1:"tag:4,optional"`
			Second      int `asn1:"tag:5,optional"`
			Millisecond int `asn1:"tag:6,optional"`
		} `asn1:"tag:4,optional"`
		Qualities []quality39794 `asn1:"tag:6,optional"`
		Rate      struct {
			Samples int `asn1:"tag:0"`
			Unit    int `asn1:"tag:1"`
		} `asn1:"tag:7,optional"`
	}
	quality39794 struct {
		Algorithm struct {
			Organization int `asn1:"tag:0"`
			Identifier   int `asn1:"tag:1"`
		} `asn1:"tag:0"`
		Result struct {
			Score int       `asn1:"tag:0,optional"`
			Error code39794 `asn1:"tag:1,optional"`
		} `asn1:"tag:1"`
	}
)

func written39794(t testing.TB) (Finger, []byte) {
	t.Helper()
	f, err := NewFinger(Finger39794, 7, 1, WSQ, 804, 752, 500, bytes.Repeat([]byte("ridge"), 20000))
	if err != nil {
		t.Fatal(err)
	}
	v := &f.Views[0]
	v.Captured = CaptureTime(time.Date(2026, 11, 22, 3, 5, 7, 89e6, time.UTC))
	v.Qualities = []FingerQuality{{71, 0x0101, 0xFFFF}, {255, 1, 2}, {Score: QualityUnknown}}
	second := *v
	second.Position, second.Compression, second.Qualities, second.Captured = 2, PNG, nil, [9]byte{}
	second.Units, second.ImageX, second.ImageY = 2, 197, 197
	f.Views = append(f.Views, second)
	return f, encoded(t, f)
}

func TestFingerBlockOf39794IsReadByAnotherDecoder(t *testing.T) {
	_, b := written39794(t)
	var got block39794Type
	rest, err := asn1.UnmarshalWithParams(b, &got, "application,tag:4")
	if err != nil || len(rest) > 0 || len(got.Representations) != 2 {
		t.Fatalf("%d behind, %d representations, %v", len(rest), len(got.Representations), err)
	}
	one, two := got.Representations[0], got.Representations[1]
	if got.Version.Generation != 3 || got.Version.Year != 2019 || one.Position.Code != 7 || one.Impression.Code != 1 || one.Format.Code != 1 ||
		!bytes.HasPrefix(one.Image, []byte("ridge")) || len(one.Image) != 100000 || one.Rate.Samples != 500 || one.Rate.Unit != 0 {
		t.Errorf("version %+v, position %d, impression %d, format %d, rate %+v", got.Version, one.Position, one.Impression, one.Format, one.Rate)
	}
	if at := one.Captured; at.Year != 2026 || at.Month != 11 || at.Day != 22 || at.Hour != 3 || at.Minute != 5 || at.Second != 7 || at.Millisecond != 89 {
		t.Errorf("captured %+v", at)
	}
	if len(one.Qualities) != 2 || one.Qualities[0].Result.Score != 71 || one.Qualities[0].Algorithm.Identifier != 0xFFFF || one.Qualities[1].Algorithm.Identifier != 2 {
		t.Errorf("qualities %+v", one.Qualities)
	}
	if two.Position.Code != 2 || two.Format.Code != 4 || two.Captured.Year != 0 || len(two.Qualities) != 0 || two.Rate.Samples != 197 || two.Rate.Unit != 1 {
		t.Errorf("second representation: position %d, format %d, captured %+v, rate %+v", two.Position, two.Format, two.Captured, two.Rate)
	}
}

// Lengths of one to four bytes, at the places where they grow.
func TestLengthsOfDataObjectsAreWrittenAsASN1HasThem(t *testing.T) {
	for _, n := range []int{0, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000, 0xFFFFFF, 0x1000000} {
		b := appendTLV(nil, 0x04, make([]byte, n))
		var got []byte
		if rest, err := asn1.Unmarshal(b, &got); err != nil || len(rest) > 0 || len(got) != n {
			t.Errorf("%d bytes: read as %d and %d behind, %v", n, len(got), len(rest), err)
		}
		if value, rest, err := takeTLV(b, 0x04); err != nil || len(rest) > 0 || len(value) != n {
			t.Errorf("%d bytes: %d, %d behind, %v", n, len(value), len(rest), err)
		}
	}
}

func TestFingerOf39794GoesThroughDataGroup3(t *testing.T) {
	want, _ := written39794(t)
	want.Views = want.Views[:1]
	one, err := FingerTemplate(want)
	if err != nil {
		t.Fatal(err)
	}
	b, err := EncodeGroup([]Template{one})
	if err != nil || !bytes.Contains(b, unhex("A10E81010882010A87020101880200287F2E")) {
		t.Fatalf("% X, %v", b[:40], err)
	}
	all, err := DecodeGroup(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := all[0].Finger()
	if err != nil {
		t.Fatal(err)
	}
	w := &want.Views[0] // what the edition has no place for
	w.Width, w.Height, w.Depth, w.Qualities = 0, 0, 0, []FingerQuality{{71, 0x0101, 0xFFFF}, {255, 1, 2}}
	if !reflect.DeepEqual(got, want) {
		got.Views[0].Data, w.Data = nil, nil
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestViewsThatA39794RecordCannotHoldAreRefused(t *testing.T) {
	for why, spoil := range map[string]func(*FingerView){
		"impression 2":     func(v *FingerView) { v.Impression = 2 },
		"JPEG has no code": func(v *FingerView) { v.Compression = JPEG },
		"one rate":         func(v *FingerView) { v.ImageY = 1000 },
		"no image":         func(v *FingerView) { v.Data = nil },
		"extended data":    func(v *FingerView) { v.Extended = []byte{1} },
		"no registered":    func(v *FingerView) { v.Qualities = []FingerQuality{{Score: 71}} },
	} {
		f, _ := written39794(t)
		spoil(&f.Views[1])
		if _, err := f.Encode(); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "view 2") {
			t.Errorf("%s: %v", why, err)
		}
	}
}
