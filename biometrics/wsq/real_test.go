package wsq

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// tenprint is NIST's reference card: fourteen files made by NIST's encoder at
// 0.75 bits a pixel, and the pixels NIST's decoder gives.
const tenprint = "../../../shared/data/tenprint"

type realImage struct {
	name string
	wsq  []byte
	want *image.Gray
}

func realImages(t testing.TB) []realImage {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(tenprint, "*.wsq"))
	if len(names) == 0 {
		t.Skip("no reference images at ../shared/data/tenprint beside the project")
	}
	var list []realImage
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name[:len(name)-4] + ".png")
		if err != nil {
			t.Fatal(err)
		}
		im, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, realImage{filepath.Base(name), data, im.(*image.Gray)})
	}
	return list
}

func TestDecodesTheReferencePixels(t *testing.T) {
	for _, im := range realImages(t) {
		got, err := Decode(im.wsq)
		if err != nil {
			t.Fatalf("%s: %v", im.name, err)
		}
		if got.Pix.Bounds() != im.want.Bounds() {
			t.Fatalf("%s: size %v, want %v", im.name, got.Pix.Bounds(), im.want.Bounds())
		}
		most, off := 0, 0
		for i, v := range got.Pix.Pix {
			if d := abs(int(v) - int(im.want.Pix[i])); d > 0 {
				off++
				most = max(most, d)
			}
		}
		// annex AA.3: no pixel off by more than one, 99.9 % identical
		if share := float64(off) / float64(len(got.Pix.Pix)); most > 1 || share > 0.001 {
			t.Errorf("%s: difference up to %d on %d pixels", im.name, most, off)
		}
		t.Log(fmt.Sprintf("%s: %v, most %d, %d pixels off by one, %d ppi, %d fields", im.name, got.Pix.Bounds().Max, most, off, got.PPI, len(got.Fields)))
	}
}

func abs(v int) int { return max(v, -v) }

func BenchmarkDecode(b *testing.B) {
	im := realImages(b)[0]
	b.SetBytes(int64(len(im.want.Pix)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(im.wsq); err != nil {
			b.Fatal(err)
		}
	}
}
