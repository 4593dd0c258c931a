package record

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/wsq"
)

// coded gives pictures of 48 x 64 pixels as each coding has them, without our saying what
// they are: image/png, image/jpeg, a WSQ, and JPEG 2000 of other programs' making.
func coded(t testing.TB) map[Compression][]byte {
	t.Helper()
	grey := image.NewGray(image.Rect(0, 0, 48, 64))
	var p, j bytes.Buffer
	if err := errors.Join(png.Encode(&p, grey), jpeg.Encode(&j, grey, nil)); err != nil {
		t.Fatal(err)
	}
	w, err := wsq.Encode(grey, wsq.Options{PPI: 500})
	if err != nil {
		t.Fatal(err)
	}
	j2k, err := os.ReadFile(filepath.Join("..", "testdata", "tiny.j2k")) // 24 x 16
	if err != nil {
		t.Fatal(err)
	}
	return map[Compression][]byte{PNG: p.Bytes(), JPEG: j.Bytes(), WSQ: w, JPEG2000: j2k, Raw: make([]byte, 48*64)}
}

func TestWhatARecordSaysOfItsImageIsHeldAgainstTheImage(t *testing.T) {
	for c, data := range coded(t) {
		w, h := 48, 64
		if c == JPEG2000 {
			w, h = 24, 16
		}
		f, err := NewFinger(Finger2011, 2, 1, c, w, h, 500, data)
		if err != nil {
			t.Fatal(err)
		}
		honest := f.Views[0]
		img, err := honest.Image()
		if err != nil || img.Bounds().Dx() != w || img.Bounds().Dy() != h || img.PPI != 500 {
			t.Fatalf("%s: %v, %d ppi, %v", c, img.Image, img.PPI, err)
		}
		for field, lie := range map[string]func(*FingerView){
			"width":  func(v *FingerView) { v.Width++ },
			"height": func(v *FingerView) { v.Height = 0xFFFF },
			"depth":  func(v *FingerView) { v.Depth = 16 },
		} {
			v := honest
			lie(&v)
			if _, err := v.Image(); !errors.Is(err, ErrContradicted) || !strings.Contains(err.Error(), field) {
				t.Errorf("%s, another %s: %v", c, field, err)
			}
		}
		if c == Raw {
			continue
		}
		v := honest
		v.Compression = map[bool]Compression{true: WSQ, false: PNG}[c == PNG]
		if err := v.Check(); !errors.Is(err, ErrContradicted) || !strings.Contains(err.Error(), "coding") {
			t.Errorf("%s said to be %s: %v", c, v.Compression, err)
		}
		v = honest
		v.Data = v.Data[:len(v.Data)/8]
		if _, err := v.Image(); err == nil {
			t.Errorf("%s cut off is read", c)
		}
		v = honest
		v.Width, v.Height, v.Depth, v.Units = 0, 0, 0, 0 // as 39794-4 leaves them
		if err := v.Check(); err != nil {
			t.Errorf("%s of which nothing is said: %v", c, err)
		}
	}
}

// The WSQ says 500 pixels an inch; a PNG of 72, as programs for screens write it, says nothing.
func TestResolutionsThatContradictAreNamed(t *testing.T) {
	data := coded(t)
	grey := image.NewGray(image.Rect(0, 0, 48, 64))
	for _, c := range []struct {
		coding         Compression
		file, x, units int
		lies           bool
	}{
		{WSQ, 0, 500, 1, false}, {WSQ, 0, 197, 2, false}, {WSQ, 0, 508, 1, false}, {WSQ, 0, 250, 1, true}, {WSQ, 0, 1000, 1, true}, {WSQ, 0, 394, 2, true},
		{PNG, 72, 500, 1, false}, {PNG, 1000, 500, 1, true}, {PNG, 1000, 394, 2, false}, {PNG, 0, 500, 1, false},
	} {
		b := data[c.coding]
		if c.coding == PNG {
			var err error
			if b, err = biometrics.EncodePNG(grey, c.file); err != nil {
				t.Fatal(err)
			}
		}
		v := FingerView{Compression: c.coding, Width: 48, Height: 64, Depth: 8, Units: byte(c.units), ImageX: uint16(c.x), ImageY: uint16(c.x), Data: b}
		if err := v.Check(); errors.Is(err, ErrContradicted) != c.lies || c.lies != (err != nil) || err != nil && !strings.Contains(err.Error(), "resolution") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestImagesInColourOrUnreadAreNoFingers(t *testing.T) {
	var p bytes.Buffer
	if err := png.Encode(&p, image.NewRGBA(image.Rect(0, 0, 48, 64))); err != nil {
		t.Fatal(err)
	}
	v := FingerView{Compression: PNG, Width: 48, Height: 64, Depth: 8, Data: p.Bytes()}
	if err := v.Check(); !errors.Is(err, ErrContradicted) || !strings.Contains(err.Error(), "says 8 for the depth in bits a pixel, and the image has 24") &&
		!strings.Contains(err.Error(), "has 32") {
		t.Errorf("colours: %v", err)
	}
	for _, v := range []FingerView{
		{Compression: PGM, Data: []byte("P5 1 1 255 x")}, {Compression: Packed, Depth: 4, Width: 2, Height: 3, Data: make([]byte, 3)},
		{Compression: Raw, Depth: 12, Width: 2, Height: 3, Data: make([]byte, 12)},
	} {
		if _, err := v.Image(); !errors.Is(err, biometrics.ErrUnsupported) {
			t.Errorf("%s of %d bits: %v", v.Compression, v.Depth, err)
		}
	}
	huge := FingerView{Compression: Raw, Depth: 16, Width: 0xFFFF, Height: 0xFFFF, Data: make([]byte, 2)} // 2^33 bytes
	if _, err := huge.Image(); !errors.Is(err, ErrContradicted) {
		t.Error(err)
	}
}

func TestFacesAreHeldAgainstTheirRecords(t *testing.T) {
	var grey bytes.Buffer
	if err := jpeg.Encode(&grey, image.NewGray(image.Rect(0, 0, 48, 64)), nil); err != nil {
		t.Fatal(err)
	}
	for space, data := range map[byte][]byte{1: photo(t), 3: grey.Bytes()} {
		f, err := NewFace(data)
		if err != nil || f.Images[0].ColourSpace != space || f.Images[0].Check() != nil {
			t.Fatalf("colour space %d: %+v, %v", space, f.Images, err)
		}
		for field, lie := range map[string]func(*Image){
			"width": func(im *Image) { im.Width = 1 }, "height": func(im *Image) { im.Height = 1 }, "coding": func(im *Image) { im.Media = MediaJPEG2000 },
			"colour space": func(im *Image) { im.ColourSpace = 4 - im.ColourSpace },
		} {
			im := f.Images[0]
			lie(&im)
			if err := im.Check(); !errors.Is(err, ErrContradicted) || !strings.Contains(err.Error(), "for the "+field) {
				t.Errorf("another %s: %v", field, err)
			}
		}
		open := Image{Media: MediaJPEG, Data: data}
		if err := open.Check(); err != nil {
			t.Errorf("of which nothing is specified: %v", err)
		}
	}
}
