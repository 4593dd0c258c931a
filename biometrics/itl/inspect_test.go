package itl

import (
	"os"
	"strings"
	"testing"
)

func TestHeadsOfImagesAreTold(t *testing.T) {
	jpg, pic := pictures(t)
	lossless := "\xff\xd8\xff\xff\xe0\x00\x04ab\xff\xc3\x00\x0b\x08\x00\x10\x00\x20\x01\x01\x11\x00"
	var coded [2]string // of 24 x 16 pixels
	for i, name := range []string{"tiny.jp2", "tiny.j2k"} {
		b, err := os.ReadFile("../testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		coded[i] = string(b)
	}
	box, stream := coded[0], coded[1]
	for _, c := range []struct {
		head          string
		format        string
		width, height int
		bits          int // a pixel
	}{
		{string(roll(t)), "WSQ20", 800, 750, 8},
		{string(jpg), "JPEGB", 48, 64, 24},
		{lossless, "JPEGL", 32, 16, 8},
		{string(pic), "PNG", 40, 30, 8},
		{box, "JP2", 24, 16, 24},
		{stream, "JP2", 24, 16, 8},
		{stream[:len(stream)-9], "JP2", 24, 16, 8}, // cut off
		{"\xff\xd8\xff\xda\x00\x00", "JPEGB", 0, 0, 0},
		{string(pic[:20]), "PNG", 0, 0, 0},
		{box[:20], "JP2", 0, 0, 0},
		{"\xff\xa0", "WSQ20", 0, 0, 0},
		{"GIF89a", "", 0, 0, 0},
		{"", "", 0, 0, 0},
	} {
		if p := inspect([]byte(c.head)); p.format != c.format || p.width != c.width || p.height != c.height || p.channels*p.depth != c.bits {
			t.Errorf("%.12q: %+v, want %s %d x %d of %d bits", c.head, p, c.format, c.width, c.height, c.bits)
		}
	}
}

// An image without compression has as many bytes as its size says.
func TestImageWithoutCompressionIsMeasured(t *testing.T) {
	plain := func(size int) []Fault {
		made := everything(t)
		for _, value := range []struct {
			number int
			value  string
		}{{6, "\x00\x20"}, {7, "\x00\x10"}, {8, "\x00"}, {9, strings.Repeat("x", size)}} {
			fieldOf(t, made, 4, value.number).Value = []byte(value.value)
		}
		return Check(made)
	}
	if faults := plain(512); faults != nil {
		t.Errorf("%v", faults)
	}
	if got := firstOf(plain(511), "4.009: record 3: holds 511 bytes of an image without compression, 32 by 16 pixels have 512"); got == "" {
		t.Errorf("%v", plain(511))
	}
}
