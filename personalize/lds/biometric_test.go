package lds

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/record"
	"cardstation/biometrics/wsq"
	"cardstation/devices/card/tlv"
)

// fingerOf is a record of one WSQ print.
func fingerOf(t testing.TB, e record.Edition, position byte, data []byte) record.Finger {
	t.Helper()
	c, err := wsq.DecodeConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	f, err := record.NewFinger(e, position, 0, record.WSQ, c.Width, c.Height, 500, data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func smallPrint(t testing.TB, n byte) []byte {
	t.Helper()
	g := image.NewGray(image.Rect(0, 0, 40, 50))
	for i := range g.Pix {
		g.Pix[i] = byte(i) * n
	}
	data, err := wsq.Encode(g, wsq.Options{PPI: 500})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// realPrint is a print of the real card, or else a made-up one.
func realPrint(t testing.TB, n byte) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../shared/data/tenprint", fmt.Sprintf("%02d.wsq", n)))
	if err != nil {
		return smallPrint(t, n)
	}
	return data
}

func TestFingersReadBackByteForByte(t *testing.T) {
	for _, e := range []record.Edition{record.Finger2005, record.Finger2011} {
		in := []record.Finger{fingerOf(t, e, 2, realPrint(t, 2)), fingerOf(t, e, 7, realPrint(t, 7))}
		b, err := EncodeDG3(in...)
		if err != nil {
			t.Fatal(err)
		}
		out, err := DecodeDG3(b)
		if err != nil || len(out) != 2 {
			t.Fatalf("%d: %d fingers, %v", e, len(out), err)
		}
		for i := range in {
			if v := out[i].Views[0]; v.Position != in[i].Views[0].Position || v.Compression != record.WSQ || !bytes.Equal(v.Data, in[i].Views[0].Data) {
				t.Errorf("%d: finger %d is another one", e, i+1)
			}
		}
		again, err := EncodeDG3(out...)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%d: written again it is not the same: %v", e, err)
		}
	}
}

// The bytes about the record, put together by hand from Doc 9303-10, 4.7.3, and ISO/IEC
// 7816-11, table 1: one template, of a finger (08), a right pointer finger (09: bits 1
// and 2 right, those above them pointer), owner ISO/IEC JTC 1/SC 37 (0101), format 19794-4 (0007).
func TestTheWrappingIsThatOfTheStandard(t *testing.T) {
	f := fingerOf(t, record.Finger2005, 2, smallPrint(t, 3))
	inside, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	long := func(tag string, parts ...[]byte) []byte {
		t.Helper()
		out, err := hex.DecodeString(tag)
		if err != nil {
			t.Fatal(err)
		}
		all := bytes.Join(parts, nil)
		if len(all) < 256 {
			t.Fatal("the lengths of this test have two bytes")
		}
		return append(binary.BigEndian.AppendUint16(append(out, 0x82), uint16(len(all))), all...)
	}
	header, _ := hex.DecodeString("A10E" + "810108" + "820109" + "87020101" + "88020007")
	want := long("63", long("7F61", []byte{0x02, 0x01, 0x01}, long("7F60", header, long("5F2E", inside))))
	if got, err := EncodeDG3(f); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\n%x\nwant\n%x", err, got[:60], want[:60])
	}
}

// openssl walks over the data objects and names their tags and lengths.
func TestOpenSSLReadsTheWrapping(t *testing.T) {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("skipped: openssl is not installed")
	}
	b, err := EncodeDG3(fingerOf(t, record.Finger2005, 2, smallPrint(t, 3)), fingerOf(t, record.Finger2005, 7, smallPrint(t, 5)))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tool, "asn1parse", "-inform", "DER")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for tag, n := range map[string]int{"appl [ 3 ]": 1, "appl [ 97 ]": 1, "appl [ 96 ]": 2, "appl [ 46 ]": 2, "cont [ 1 ]": 4} { // 63, 7F61, 7F60, 5F2E, A1 and 81
		if got := strings.Count(string(out), tag); got != n {
			t.Errorf("%s: %d times, want %d\n%s", tag, got, n, out)
		}
	}
}

func TestIrisesPassThroughUnread(t *testing.T) {
	in := []record.Opaque{
		{Kind: "iris", Subtype: 1, Data: []byte("IIR\x00 of the right eye")},
		{Kind: "iris-39794", Subtype: 2, Data: []byte{0x66, 0x03, 0x80, 0x01, 0x03}},
		{Kind: "iris", Owner: 0x0202, Format: 0x0009, Data: []byte{1}},
	}
	b, err := EncodeDG4(in...)
	if err != nil || b[0] != 0x76 {
		t.Fatal(err)
	}
	out, err := DecodeDG4(b)
	in[1].Data = append([]byte{0xA1, 5}, in[1].Data...) // as a block of 39794 stands on a card: Doc 9303-10, 4.5.6, table 2
	if err != nil || !reflect.DeepEqual(in, out) || !bytes.Equal(out[1].Block(), in[1].Data[2:]) || !bytes.Equal(out[0].Block(), in[0].Data) {
		t.Errorf("%+v, %v", out, err)
	}
	if again, err := EncodeDG4(out...); err != nil || !bytes.Equal(again, b) {
		t.Errorf("written again it is not the same: %v", err)
	}
	for _, o := range []record.Opaque{{Kind: "voice", Owner: 1, Format: 1, Data: []byte{1}}, {Kind: "toe", Data: []byte{1}}, {Kind: "iris"}} {
		if _, err := EncodeDG4(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestHoldersWithoutFingersHaveAnEmptyGroup(t *testing.T) {
	for _, f := range []FileID{DG3, DG4} {
		b, err := EncodeNone(f, []byte{1, 2, 3, 4, 5, 6, 7, 8})
		if err != nil {
			t.Fatal(err)
		}
		want := map[FileID]string{DG3: "63107F6103020100" + "53080102030405060708", DG4: "76107F6103020100" + "53080102030405060708"}[f] // tables 50 and 57
		if got := strings.ToUpper(hex.EncodeToString(b)); got != want {
			t.Errorf("%s: %s, want %s", f, got, want)
		}
		inside := append([]byte{b[0], 16, 0x7F, 0x61, 13, 2, 1, 0}, b[8:]...) // as some cards have it
		for _, b := range [][]byte{b, inside, {b[0], 6, 0x7F, 0x61, 3, 2, 1, 0}} {
			var n int
			if f == DG3 {
				fingers, e := DecodeDG3(b)
				n, err = len(fingers), e
			} else {
				irises, e := DecodeDG4(b)
				n, err = len(irises), e
			}
			if n != 0 || err != nil {
				t.Errorf("%s: %d of them in % X, %v", f, n, b, err)
			}
		}
	}
	if _, err := EncodeNone(DG2, nil); err == nil {
		t.Error("a face may be left out")
	}
	if _, err := EncodeDG3(); err == nil {
		t.Error("no fingers without a filler")
	}
}

func TestHostileBiometricGroupsAreMalformed(t *testing.T) {
	fingers, err := EncodeDG3(fingerOf(t, record.Finger2005, 2, smallPrint(t, 3)))
	if err != nil {
		t.Fatal(err)
	}
	irises, err := EncodeDG4(record.Opaque{Kind: "iris", Data: []byte("IIR")})
	if err != nil {
		t.Fatal(err)
	}
	face, err := record.NewFace(photo(t))
	if err != nil {
		t.Fatal(err)
	}
	faces, err := EncodeDG2(face)
	if err != nil {
		t.Fatal(err)
	}
	plain := bytes.Replace(irises, []byte{0x88, 0x02, 0x00, 0x09}, []byte{0x88, 0x02, 0x00, 0x2C}, 1)
	for name, c := range map[string]struct {
		b      []byte
		decode func([]byte) error
	}{
		"fingers in DG4":          {append([]byte{0x76}, fingers[1:]...), irisError},
		"irises in DG3":           {append([]byte{0x63}, irises[1:]...), fingerError},
		"a face among fingers":    {append([]byte{0x63}, faces[1:]...), fingerError},
		"BER under a plain tag":   {plain, irisError},
		"iris without its format": {bytes.Replace(irises, []byte{0x88, 0x02}, []byte{0x89, 0x02}, 1), irisError},
		"two where one is":        {bytes.Replace(fingers, []byte{0x02, 0x01, 0x01}, []byte{0x02, 0x01, 0x02}, 1), fingerError},
		"none where one is":       {bytes.Replace(fingers, []byte{0x02, 0x01, 0x01}, []byte{0x02, 0x01, 0x00}, 1), fingerError},
	} {
		if err := c.decode(c.b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n := range fingers {
		if err := fingerError(fingers[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(fingers), err)
		}
	}
}

func fingerError(b []byte) error {
	_, err := DecodeDG3(b)
	return err
}

func irisError(b []byte) error {
	_, err := DecodeDG4(b)
	return err
}

func FuzzDG3(f *testing.F) {
	b, _ := EncodeDG3(fingerOf(f, record.Finger2005, 2, smallPrint(f, 3)), fingerOf(f, record.Finger2011, 7, smallPrint(f, 5)))
	f.Add([]byte("\x63\x08\x7f\x61\x05\x02\x01\x00\x53\x00"))
	fuzzFile(f, b, func(b []byte) ([]byte, error) {
		fingers, err := DecodeDG3(b)
		if err != nil {
			return nil, err
		}
		return EncodeDG3(fingers...)
	})
}

func FuzzDG4(f *testing.F) {
	b, _ := EncodeDG4(record.Opaque{Kind: "iris", Subtype: 1, Data: []byte("IIR")}, record.Opaque{Kind: "iris-39794", Data: []byte{0x30, 0}})
	fuzzFile(f, b, func(b []byte) ([]byte, error) {
		irises, err := DecodeDG4(b)
		if err != nil {
			return nil, err
		}
		return EncodeDG4(irises...)
	})
}

// A data group 2 as newer documents have it: 7F2E with a FaceImageDataBlock of ISO/IEC
// 39794-5 in it, and no more in the header than format owner and format.
func TestDG2OfTheExtensibleFormatIsRead(t *testing.T) {
	image := tlv.New(0xA0, tlv.New(0x80, photo(t)), tlv.New(0xA1, tlv.New(0xA0, []byte{0x80, 1, 2})))
	representation := tlv.New(0x30, []byte{0x80, 1, 0}, tlv.New(0xA1, tlv.New(0xA0, image)))
	block := tlv.New(0x65, tlv.New(0xA0, []byte{0x80, 1, 3, 0x81, 2, 0x07, 0xE3}), tlv.New(0xA1, representation))
	group, err := record.EncodeGroup([]record.Template{{Tag: record.BlockConstructed, Data: tlv.New(0xA1, block),
		Header: []record.Element{{Tag: 0x87, Value: []byte{1, 1}}, {Tag: 0x88, Value: []byte{0, 0x2A}}}}})
	if err != nil {
		t.Fatal(err)
	}
	picture, err := Picture(tlv.New(DG2.Tag(), group))
	if err != nil || !bytes.Equal(picture, photo(t)) {
		t.Errorf("%d bytes, %v", len(picture), err)
	}
}

// A face in JPEG 2000 goes to a screen as JPEG; one that is cut off, too large or no face's
// form does not.
func TestFacesInJPEG2000AreShownAsJPEG(t *testing.T) {
	of := func(data []byte) []byte {
		face := record.Face{Images: []record.Image{{Type: record.ImageFullFrontal, Media: record.MediaJPEG2000, Width: 24, Height: 16, Source: 2, Data: data}}}
		dg2, err := EncodeDG2(face)
		if err != nil {
			t.Fatal(err)
		}
		return dg2
	}
	for _, name := range []string{"tiny.jp2", "tiny.j2k"} {
		data, err := os.ReadFile("../../biometrics/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := Picture(of(data))
		if err != nil {
			t.Fatal(err)
		}
		got, err := biometrics.Decode(shown)
		if err != nil || got.Media != biometrics.JPEG || got.Bounds() != image.Rect(0, 0, 24, 16) {
			t.Fatalf("%s: %v, %v", name, got.Bounds(), err)
		}
		want, err := biometrics.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := biometrics.Grey(got), biometrics.Grey(want)
		for i, v := range theirs.Pix {
			if d := int(v) - int(mine.Pix[i]); d < -12 || d > 12 {
				t.Fatalf("%s: pixel %d is %d, want %d", name, i, mine.Pix[i], v)
			}
		}
		large := bytes.Clone(data) // 4000 x 4000 in 4 tiles at most, with as many said to be there
		i := bytes.Index(large, []byte("\xff\x4f\xff\x51")) + 8
		binary.BigEndian.PutUint32(large[i:], 4000)
		binary.BigEndian.PutUint32(large[i+4:], 4000)
		for why, bad := range map[string][]byte{"cut off": data[:len(data)-5], "too large": large, "WSQ": smallPrint(t, 1)} {
			if picture, err := Picture(of(bad)); err == nil {
				t.Errorf("%s, %s: %d bytes are shown", name, why, len(picture))
			}
		}
	}
}

// An officer sees the face even where its record says something else of it, and is told.
func TestAFaceThatItsRecordContradictsIsShownAndTold(t *testing.T) {
	face, err := record.NewFace(photo(t))
	if err != nil {
		t.Fatal(err)
	}
	face.Images[0].Width++
	dg2, err := EncodeDG2(face)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := Picture(dg2)
	if !bytes.Equal(picture, photo(t)) || !errors.Is(err, record.ErrContradicted) || !strings.Contains(err.Error(), "for the width") {
		t.Errorf("%d bytes, %v", len(picture), err)
	}
}
