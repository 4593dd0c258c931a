package biometrics_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"strings"
	"testing"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/wsq"
)

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func wsqOf(t testing.TB, img image.Image, o wsq.Options) []byte {
	t.Helper()
	data, err := wsq.Encode(biometrics.Grey(img), o)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ramp is a picture that no turn or mirror maps onto itself.
func ramp(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(200 * x / w), uint8(200 * y / h), 60, 255})
		}
	}
	return img
}

// claiming makes a PNG header that claims a size, with nothing behind it.
func claiming(w, h uint32, depth, kind byte) []byte {
	body := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	body = append(binary.BigEndian.AppendUint32(body, h), depth, kind, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	out = append(out, body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
}

// segment is one JPEG marker segment.
func segment(marker byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(len(body)+2)), body...)
}

// progressive claims a progressive JPEG of three full components.
func progressive(w, h uint16) []byte {
	body := binary.BigEndian.AppendUint16([]byte{8}, h)
	body = binary.BigEndian.AppendUint16(body, w)
	body = append(body, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)
	return append(append([]byte{0xFF, 0xD8}, segment(0xC2, body)...), segment(0xDA, make([]byte, 10))...)
}

// claimingWSQ makes a WSQ frame header (IAFIS-IC-0110, B.2.3) that claims a size,
// and a block with nothing in it.
func claimingWSQ(w, h uint16) []byte {
	body := binary.BigEndian.AppendUint16([]byte{0, 255}, h)
	body = append(binary.BigEndian.AppendUint16(body, w), 0, 0, 0, 0, 0, 0, 2, 0, 0)
	return append(append([]byte{0xFF, 0xA0}, segment(0xA2, body)...), segment(0xA3, []byte{0})...)
}

// with puts a segment behind the start of a JPEG.
func with(data, seg []byte) []byte {
	return append(append(append([]byte(nil), data[:2]...), seg...), data[2:]...)
}

func TestPicturesComeBackAsTheyWere(t *testing.T) {
	img := ramp(60, 40)
	got, err := biometrics.Decode(pngOf(t, img))
	if err != nil || got.Media != biometrics.PNG || got.Bounds() != img.Bounds() || got.PPI != 0 {
		t.Errorf("PNG: %v %v %v %v", got.Media, got.Bounds(), got.PPI, err)
	}
	got, err = biometrics.Decode(jpegOf(t, img))
	if err != nil || got.Media != biometrics.JPEG || got.Bounds() != img.Bounds() {
		t.Errorf("JPEG: %v %v %v", got.Media, got.Bounds(), err)
	}
	got, err = biometrics.Decode(wsqOf(t, img, wsq.Options{}))
	if err != nil || got.Media != biometrics.WSQ || got.Bounds() != img.Bounds() || biometrics.Chroma(got) != 0 {
		t.Errorf("WSQ: %v %v %v", got.Media, got.Bounds(), err)
	}
}

func TestHostilePicturesAreClearErrors(t *testing.T) {
	var g bytes.Buffer
	if err := gif.Encode(&g, ramp(9, 9), nil); err != nil {
		t.Fatal(err)
	}
	whole := pngOf(t, ramp(60, 40))
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"nothing", nil, biometrics.ErrFormat},
		{"text", []byte("<html>"), biometrics.ErrFormat},
		{"GIF", g.Bytes(), biometrics.ErrFormat},
		{"TIFF", []byte("II*\x00\x08\x00\x00\x00"), biometrics.ErrFormat},
		{"60,000 pixels wide", claiming(60000, 100, 8, 0), biometrics.ErrTooLarge},
		{"4,000,000,000 pixels wide", claiming(4e9, 4e9, 8, 0), biometrics.ErrDamaged},
		{"no pixels", claiming(0, 100, 8, 0), biometrics.ErrDamaged},
		{"64 megapixels", claiming(8192, 8192, 8, 0), biometrics.ErrTooLarge},
		{"36 megapixels of eight bytes", claiming(6000, 6000, 16, 6), biometrics.ErrTooLarge},
		{"25 megapixels of coefficients", progressive(5000, 5000), biometrics.ErrTooLarge},
		{"as many behind stray bytes", with(progressive(5000, 5000), append(segment(0xFE, []byte("x")), 7, 0xFF, 0, 0xFF, 0xD0)), biometrics.ErrTooLarge},
		{"21 megabytes", append(append([]byte(nil), whole...), make([]byte, 21<<20)...), biometrics.ErrTooLarge},
		{"header alone", claiming(100, 100, 8, 0), biometrics.ErrDamaged},
		{"JPEG marker alone", []byte("\xff\xd8\xff"), biometrics.ErrDamaged},
		{"WSQ marker alone", []byte("\xff\xa0"), biometrics.ErrDamaged},
		{"WSQ of 4 gigapixels", claimingWSQ(0xFFFF, 0xFFFF), biometrics.ErrTooLarge},
		{"WSQ 20,000 pixels wide", claimingWSQ(20000, 10), biometrics.ErrTooLarge},
		{"36 megapixels of wavelets", claimingWSQ(6000, 6000), biometrics.ErrTooLarge},
		{"WSQ without pixels", claimingWSQ(0, 10), biometrics.ErrDamaged},
	} {
		_, err := biometrics.Decode(c.data)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if says := biometrics.Remedy(err); strings.Contains(says, biometrics.Formats) != (c.want == biometrics.ErrFormat) {
			t.Errorf("%s: %v: the remedy is said to be to %s", c.name, err, says)
		}
		if _, err := biometrics.Peek(c.data); err != nil && !errors.Is(err, c.want) || err == nil && c.want == biometrics.ErrTooLarge {
			t.Errorf("%s: its header: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestCutOffPicturesAreDamagedWhereverTheyEnd(t *testing.T) {
	for _, whole := range [][]byte{pngOf(t, ramp(60, 40)), jpegOf(t, ramp(60, 40)), wsqOf(t, ramp(60, 40), wsq.Options{})} {
		for n := 8; n < len(whole)-12; n += 7 {
			if _, err := biometrics.Decode(whole[:n]); !errors.Is(err, biometrics.ErrDamaged) {
				t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
			}
		}
	}
}

func TestResolutionIsReadFromTheFile(t *testing.T) {
	whole := jpegOf(t, ramp(16, 16))
	jfif := func(unit byte, x, y uint16) []byte {
		body := append([]byte("JFIF\x00\x01\x02"), unit)
		body = binary.BigEndian.AppendUint16(body, x)
		return with(whole, segment(0xE0, append(binary.BigEndian.AppendUint16(body, y), 0, 0)))
	}
	phys := func(unit byte, x, y uint32) []byte {
		body := binary.BigEndian.AppendUint32([]byte("pHYs"), x)
		body = append(binary.BigEndian.AppendUint32(body, y), unit)
		chunk := append([]byte{0, 0, 0, 9}, body...)
		chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(body))
		data := pngOf(t, ramp(16, 16))
		return append(append(append([]byte(nil), data[:33]...), chunk...), data[33:]...)
	}
	for _, c := range []struct {
		name string
		data []byte
		want int
	}{
		{"500 dots an inch", jfif(1, 500, 500), 500}, {"197 dots a centimetre", jfif(2, 197, 197), 500},
		{"no unit", jfif(0, 1, 1), 0}, {"unlike both ways", jfif(1, 500, 250), 0},
		{"19685 pixels a metre", phys(1, 19685, 19685), 500}, {"39370 pixels a metre", phys(1, 39370, 39370), 1000},
		{"PNG without unit", phys(0, 1, 1), 0}, {"PNG unlike both ways", phys(1, 19685, 39370), 0},
		{"absurd", phys(1, 1<<31, 1<<31), 0},
		{"WSQ of 500", wsqOf(t, ramp(16, 16), wsq.Options{PPI: 500}), 500}, {"WSQ of 1000", wsqOf(t, ramp(16, 16), wsq.Options{PPI: 1000}), 1000},
		{"WSQ that says 255", wsqOf(t, ramp(16, 16), wsq.Options{PPI: 255}), 0}, {"WSQ that says nothing", wsqOf(t, ramp(16, 16), wsq.Options{}), 0},
	} {
		got, err := biometrics.Decode(c.data)
		if err != nil || got.PPI != c.want {
			t.Errorf("%s: %d, %v, want %d", c.name, got.PPI, err, c.want)
		}
	}
}

func TestWrittenPNGSaysItsResolution(t *testing.T) {
	img := biometrics.Grey(ramp(30, 20))
	for _, ppi := range []int{0, 500, 1000} {
		data, err := biometrics.EncodePNG(biometrics.Image{Image: img}, ppi)
		if err != nil {
			t.Fatal(err)
		}
		got, err := biometrics.Decode(data)
		if err != nil || got.PPI != ppi || !bytes.Equal(biometrics.Grey(got).Pix, img.Pix) {
			t.Errorf("%d ppi: %d, %v", ppi, got.PPI, err)
		}
	}
}

// TestPicturesAreTurnedUpright holds our reading of Exif against imaging's.
func TestPicturesAreTurnedUpright(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
		for o := uint16(1); o <= 8; o++ {
			tiff := []byte("MM")
			if order == binary.LittleEndian {
				tiff = []byte("II")
			}
			tiff = order.AppendUint16(tiff, 42)
			tiff = order.AppendUint32(tiff, 8)
			tiff = order.AppendUint16(tiff, 1)
			tiff = order.AppendUint16(tiff, 274)
			tiff = order.AppendUint16(tiff, 3)
			tiff = order.AppendUint32(tiff, 1)
			tiff = order.AppendUint16(tiff, o)
			data := with(jpegOf(t, ramp(48, 32)), segment(0xE1, append([]byte("Exif\x00\x00"), append(tiff, 0, 0, 0, 0, 0, 0)...)))
			want, err := imaging.Decode(bytes.NewReader(data), imaging.AutoOrientation(true))
			if err != nil {
				t.Fatal(err)
			}
			got, err := biometrics.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(imaging.Clone(got).Pix, imaging.Clone(want).Pix) {
				t.Errorf("%v, orientation %d: not as imaging turns it", order, o)
			}
		}
	}
}

func TestRealPicturesAreRead(t *testing.T) {
	for name, want := range map[string]int{"tenprint/01.png": 0, "tenprint/01.wsq": 500, "tenprint/08.wsq": 0, "face/mannequin-480x640.jpg": 759} {
		data, err := os.ReadFile("../../shared/data/" + name)
		if err != nil {
			t.Skip("no real pictures beside the project: ", err)
		}
		got, err := biometrics.Decode(data)
		if err != nil || got.PPI != want {
			t.Errorf("%s: %d ppi, %v, want %d", name, got.PPI, err, want)
		}
	}
}

func TestGreyIsTheLumaFromTheCornerOn(t *testing.T) {
	img := ramp(20, 10)
	whole := biometrics.Grey(img)
	part := biometrics.Grey(img.SubImage(image.Rect(5, 4, 15, 9)))
	if part.Rect != image.Rect(0, 0, 10, 5) || part.GrayAt(2, 3) != whole.GrayAt(7, 7) {
		t.Errorf("%v: %v, want %v", part.Rect, part.GrayAt(2, 3), whole.GrayAt(7, 7))
	}
	ink := image.NewNRGBA(image.Rect(0, 0, 3, 1)) // as exported without a ground
	ink.SetNRGBA(1, 0, color.NRGBA{A: 128})
	ink.SetNRGBA(2, 0, color.NRGBA{R: 77, G: 77, B: 77, A: 255})
	if got := biometrics.Grey(ink).Pix; !bytes.Equal(got, []byte{255, 127, 77}) {
		t.Errorf("nothing, thin black and grey on paper: %v", got)
	}
	if c := biometrics.Chroma(whole); c != 0 {
		t.Errorf("chroma of grey: %v", c)
	}
	if c := biometrics.Chroma(img); c < 30 {
		t.Errorf("chroma of a coloured ramp: %v", c)
	}
}

func TestPositionsListTheirFingersFromLeftToRight(t *testing.T) {
	if f := biometrics.LeftFour.Fingers(); len(f) != 4 || f[0] != biometrics.LeftLittle || f[3] != biometrics.LeftIndex {
		t.Errorf("left four: %v", f)
	}
	if f := biometrics.Position(11).Fingers(); f != nil {
		t.Errorf("position 11: %v", f)
	}
}

// FuzzDecode: no picture, however made, may panic or come back beyond the limits.
// The head tells what image/png, image/jpeg and the coders say of their own pictures.
func TestHeadsTellWhatWasCoded(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 9, 7))
	deep, colours := image.NewGray16(grey.Bounds()), image.NewRGBA(grey.Bounds())
	few := image.NewPaletted(grey.Bounds(), color.Palette{color.Black, color.White})
	clear := image.NewNRGBA(grey.Bounds())
	for _, c := range []struct {
		data              []byte
		media             string
		components, depth int
	}{
		{pngOf(t, grey), biometrics.PNG, 1, 8}, {pngOf(t, deep), biometrics.PNG, 1, 16}, {pngOf(t, few), biometrics.PNG, 3, 8}, {pngOf(t, clear), biometrics.PNG, 4, 8},
		{jpegOf(t, grey), biometrics.JPEG, 1, 8}, {jpegOf(t, colours), biometrics.JPEG, 3, 8}, {wsqOf(t, ramp(9, 7), wsq.Options{PPI: 500}), biometrics.WSQ, 1, 8},
	} {
		h, err := biometrics.ReadHeader(c.data)
		if err != nil || h.Media != c.media || h.Width != 9 || h.Height != 7 || h.Components != c.components || h.Depth != c.depth {
			t.Errorf("%+v, %v; want %s of %d samples of %d bits", h, err, c.media, c.components, c.depth)
		}
		for n := range 20 {
			if _, err := biometrics.ReadHeader(c.data[:n]); !errors.Is(err, biometrics.ErrDamaged) && !errors.Is(err, biometrics.ErrFormat) {
				t.Errorf("%s cut to %d bytes: %v", c.media, n, err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(pngOf(f, ramp(9, 7)))
	f.Add(jpegOf(f, ramp(9, 7)))
	f.Add(claiming(60000, 100, 8, 0))
	f.Add(wsqOf(f, ramp(9, 7), wsq.Options{PPI: 500}))
	f.Add(claimingWSQ(3000, 3000))
	f.Add(progressive(3000, 3000))
	f.Add(with(jpegOf(f, ramp(8, 8)), segment(0xE1, []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"))))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := biometrics.Decode(data)
		if err != nil {
			return
		}
		if b := got.Bounds(); b.Dx() > biometrics.MaxSide || b.Dx()*b.Dy() > biometrics.MaxPixels || got.PPI < 0 {
			t.Errorf("%v, %d ppi", b, got.PPI)
		}
		// What is told of the head is what was decoded, but for the turn that Exif gives it.
		h, err := biometrics.ReadHeader(data)
		w, l := got.Bounds().Dx(), got.Bounds().Dy()
		if err != nil || h.Media != got.Media || h.PPI != got.PPI || max(h.Width, h.Height) != max(w, l) || h.Width*h.Height != w*l || h.Lossless {
			t.Errorf("the head says %+v, %v; decoded %d x %d, %s, %d ppi", h, err, w, l, got.Media, got.PPI)
		}
	})
}
