package wsq

import (
	"image"
	"math"
	"testing"
)

func psnr(a, b *image.Gray) float64 {
	var sum float64
	for i, v := range a.Pix {
		d := float64(v) - float64(b.Pix[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a.Pix))/sum)
}

func TestEncodesTheReferenceImagesAsSmallAndAsWell(t *testing.T) {
	for _, im := range realImages(t) {
		data, err := Encode(im.want, Options{PPI: 500})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		ratio, db := float64(len(data))/float64(len(im.wsq)), psnr(got.Pix, im.want)
		if ratio > 1.01 || db < 39 {
			t.Errorf("%s: %d bytes of %d, %.1f dB", im.name, len(data), len(im.wsq), db)
		}
		t.Logf("%s: %d bytes of %d (%+.2f %%), %.1f dB", im.name, len(data), len(im.wsq), 100*(ratio-1), db)
	}
}

func BenchmarkEncode(b *testing.B) {
	im := realImages(b)[0]
	b.SetBytes(int64(len(im.want.Pix)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(im.want, Options{PPI: 500}); err != nil {
			b.Fatal(err)
		}
	}
}
