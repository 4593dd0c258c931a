package record

import (
	"bytes"
	"encoding/hex"
	"errors"
	"image"
	"image/jpeg"
	"testing"
)

func photo(t testing.TB) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 48, 64)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The header of ISO/IEC 19794-5:2005, 5.4 to 5.7, field by field.
func TestFaceRecordStandsAsTheStandardDrawsIt(t *testing.T) {
	f, err := NewFace(photo(t))
	if err != nil {
		t.Fatal(err)
	}
	f.Images[0].Points = []Point{{Type: 1, Code: 0xC1, X: 10, Y: 20}}
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	n := len(b)
	want := "46414300" + "30313000" + hex.EncodeToString([]byte{0, 0, byte(n >> 8), byte(n)}) + "0001" + // header
		hex.EncodeToString([]byte{0, 0, byte((n - 14) >> 8), byte(n - 14)}) + "0001" + "000000" + "000000" + "0000" + "000000" + "000000" +
		"01c1000a00140000" + "01000030004001020000" + "0000" + "ffd8"
	if got := hex.EncodeToString(b[:len(want)/2]); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	again, err := DecodeFace(b)
	if err != nil {
		t.Fatal(err)
	}
	if im := again.Images[0]; im.Width != 48 || im.Height != 64 || im.Media != MediaJPEG || !bytes.Equal(im.Data, photo(t)) {
		t.Errorf("read back as %d by %d %s", im.Width, im.Height, im.Media)
	}
}

// Doc 9303-10, 4.7.2: the header of the data group 2 example.
func TestGroupStandsAsDoc9303DrawsIt(t *testing.T) {
	f, _ := NewFace(photo(t))
	one, err := FaceTemplate(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := EncodeGroup([]Template{one})
	if err != nil {
		t.Fatal(err)
	}
	if i := bytes.Index(b, unhex("A10E81010282010087020101880200085F2E")); i != 4+3+4 && i != 5+3+5 {
		t.Errorf("header at %d of % X", i, b[:40])
	}
	if b[0] != 0x7F || b[1] != 0x61 {
		t.Errorf("group begins with % X", b[:2])
	}
	all, err := DecodeGroup(b)
	if err != nil || len(all) != 1 || all[0].Element(0x88)[1] != 8 {
		t.Fatalf("%+v, %v", all, err)
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func TestLengthsThatLieAreRefused(t *testing.T) {
	f, _ := NewFace(photo(t))
	whole, _ := f.Encode()
	for n := range len(whole) {
		if _, err := DecodeFace(whole[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("record cut to %d bytes: %v", n, err)
		}
	}
	for at, v := range map[int]byte{11: 1, 12: 0xFF, 13: 0, 14: 0xFF, 17: 0, 18: 0xFF, 35: 7} {
		bad := bytes.Clone(whole)
		bad[at] = v
		if _, err := DecodeFace(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("byte %d = %02X: %v", at, v, err)
		}
	}
	if _, err := NewFace([]byte("no picture")); err == nil {
		t.Error("a face record of no picture")
	}
}

func FuzzFace(f *testing.F) {
	face, _ := NewFace(photo(f))
	b, _ := face.Encode()
	f.Add(b)
	f.Add([]byte(magic))
	f.Add(byOpenSSL(f, mandatory))
	f.Add(byOpenSSL(f, full))
	f.Fuzz(func(t *testing.T, b []byte) {
		face, err := DecodeFace(b)
		if err != nil || face.Edition == Face39794 {
			return
		}
		if again, err := face.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("% X becomes % X, %v", b, again, err)
		}
	})
}

func FuzzGroup(f *testing.F) {
	face, _ := NewFace(photo(f))
	one, _ := FaceTemplate(face)
	b, _ := EncodeGroup([]Template{one})
	f.Add(b)
	f.Add(unhex("7F6103020100"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := DecodeGroup(b)
		if err != nil {
			return
		}
		if again, err := EncodeGroup(all); err != nil || len(again) > len(b) {
			t.Fatalf("% X becomes % X, %v", b, again, err)
		}
	})
}
