package biometrics

import (
	"image"
	"image/draw"
)

// Grey gives the luma of a picture with its upper left corner at 0, 0; what shows through
// lies on white. A grey picture that begins there is given as it is, not copied.
func Grey(img image.Image) *image.Gray {
	if i, ok := img.(Image); ok {
		img = i.Image
	}
	b := img.Bounds()
	out := image.Rect(0, 0, b.Dx(), b.Dy())
	switch src := img.(type) {
	case *image.Gray:
		if b.Min == (image.Point{}) {
			return src
		}
	case *image.YCbCr:
		g := image.NewGray(out)
		for y := range b.Dy() {
			at := src.YOffset(b.Min.X, b.Min.Y+y)
			copy(g.Pix[y*g.Stride:], src.Y[at:at+b.Dx()])
		}
		return g
	}
	g := image.NewGray(out)
	op := draw.Src
	if o, ok := img.(interface{ Opaque() bool }); ok && !o.Opaque() {
		draw.Draw(g, out, image.White, image.Point{}, draw.Src)
		op = draw.Over
	}
	draw.Draw(g, out, img, b.Min, op)
	return g
}

// Chroma is the mean distance of the colours from grey, 0 to 255, over a sample
// of the pixels.
func Chroma(img image.Image) float64 {
	if i, ok := img.(Image); ok {
		img = i.Image
	}
	switch img.(type) {
	case *image.Gray, *image.Gray16:
		return 0
	}
	b := img.Bounds()
	step := max(1, min(b.Dx(), b.Dy())/128)
	var sum, n float64
	for y := b.Min.Y; y < b.Max.Y; y += step {
		for x := b.Min.X; x < b.Max.X; x += step {
			r, g, bl, _ := img.At(x, y).RGBA()
			sum += float64(max(r, g, bl)-min(r, g, bl)) / 257
			n++
		}
	}
	return sum / max(n, 1)
}
