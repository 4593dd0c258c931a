package wsq

import (
	"bytes"
	"errors"
	"image"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// pattern paints an image by a function of the place.
func pattern(w, h int, f func(x, y int) float64) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Pix[y*w+x] = uint8(min(255, max(0, f(x, y))))
		}
	}
	return img
}

// ridges look like a print: waves around a centre, about nine pixels apart.
func ridges(w, h int) *image.Gray {
	return pattern(w, h, func(x, y int) float64 {
		r := math.Hypot(float64(x)-float64(w)/2.2, float64(y)-float64(h)/1.7)
		return 150 + 90*math.Sin(r*2*math.Pi/9) - r/20
	})
}

func noise(w, h int, seed uint64) *image.Gray {
	rng := rand.New(rand.NewPCG(seed, 9))
	return pattern(w, h, func(int, int) float64 { return float64(rng.IntN(256)) })
}

func roundTrip(t *testing.T, img *image.Gray, o Options) (*Image, []byte) {
	t.Helper()
	data, err := Encode(img, o)
	if err != nil {
		t.Fatalf("%v at %g: %v", img.Rect, o.Rate, err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatalf("%v at %g: %v", img.Rect, o.Rate, err)
	}
	if got.Pix.Rect.Dx() != img.Rect.Dx() || got.Pix.Rect.Dy() != img.Rect.Dy() {
		t.Fatalf("%v came back as %v", img.Rect, got.Pix.Rect)
	}
	return got, data
}

func TestEverySmallSizeComesBack(t *testing.T) {
	for h := 1; h <= 36; h++ {
		for w := 1; w <= 36; w++ {
			img := ridges(w, h)
			got, _ := roundTrip(t, img, Options{Rate: 5})
			if db := psnr(got.Pix, img); db < 22 {
				t.Errorf("%d by %d: %.1f dB", w, h, db)
			}
		}
	}
}

func TestLongThinAndOddSizesComeBack(t *testing.T) {
	for _, size := range [][2]int{{65535, 1}, {1, 65535}, {65535, 3}, {2, 4001}, {801, 1}, {511, 513}, {999, 37}} {
		img := ridges(size[0], size[1])
		got, _ := roundTrip(t, img, Options{Rate: 4})
		if db := psnr(got.Pix, img); db < 28 {
			t.Errorf("%v: %.1f dB", size, db)
		}
	}
}

func TestFlatImagesComeBackExactly(t *testing.T) {
	for _, v := range []uint8{0, 1, 127, 254, 255} {
		for _, size := range [][2]int{{1, 1}, {5, 3}, {800, 750}} {
			img := pattern(size[0], size[1], func(int, int) float64 { return float64(v) })
			got, data := roundTrip(t, img, Options{})
			if !bytes.Equal(got.Pix.Pix, img.Pix) {
				t.Errorf("flat %d of %v came back as %d", v, size, got.Pix.Pix[0])
			}
			if len(data) > 900 {
				t.Errorf("flat %d of %v: %d bytes", v, size, len(data))
			}
		}
	}
}

func TestNoiseAndContrastSurviveEveryRate(t *testing.T) {
	images := map[string]*image.Gray{
		"noise":  noise(321, 200, 1),
		"checks": pattern(320, 201, func(x, y int) float64 { return float64((x + y) % 2 * 255) }),
		"dot":    pattern(300, 300, func(x, y int) float64 { return float64(x / 299 * (y / 299) * 255) }),
		"halves": pattern(300, 200, func(x, y int) float64 { return float64(x / 150 * 255) }),
		"ridges": ridges(400, 390),
	}
	for name, img := range images {
		last := 0
		for _, rate := range []float64{0.001, 0.1, 0.75, 2.25, 5, 10} {
			got, data := roundTrip(t, img, Options{Rate: rate})
			if len(data) < last*98/100 {
				t.Errorf("%s at %g: %d bytes, %d at less", name, rate, len(data), last)
			}
			last = len(data)
			if rate == 10 && name == "ridges" && psnr(got.Pix, img) < 42 {
				t.Errorf("%s at %g: %.1f dB", name, rate, psnr(got.Pix, img))
			}
		}
	}
}

func TestHigherRatesCostMoreAndLookBetter(t *testing.T) {
	img := ridges(804, 752)
	low, small := roundTrip(t, img, Options{Rate: 0.75})
	high, large := roundTrip(t, img, Options{Rate: 2.25})
	if len(small) >= len(large) || psnr(low.Pix, img) >= psnr(high.Pix, img) {
		t.Errorf("0.75: %d bytes %.1f dB, 2.25: %d bytes %.1f dB", len(small), psnr(low.Pix, img), len(large), psnr(high.Pix, img))
	}
}

func TestPartOfALargerImageIsEncodedAlone(t *testing.T) {
	whole := ridges(300, 280)
	part := whole.SubImage(image.Rect(31, 17, 230, 241)).(*image.Gray)
	alone := image.NewGray(image.Rect(0, 0, part.Rect.Dx(), part.Rect.Dy()))
	for y := range alone.Rect.Dy() {
		for x := range alone.Rect.Dx() {
			alone.SetGray(x, y, part.GrayAt(x+31, y+17))
		}
	}
	_, a := roundTrip(t, part, Options{})
	_, b := roundTrip(t, alone, Options{})
	if !bytes.Equal(a, b) {
		t.Error("a part encodes otherwise than its copy")
	}
}

func TestSameImageSameBytes(t *testing.T) {
	img := noise(500, 400, 3)
	_, a := roundTrip(t, img, Options{})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	got, b := roundTrip(t, img, Options{})
	if !bytes.Equal(a, b) {
		t.Error("bytes depend on the number of processors")
	}
	runtime.GOMAXPROCS(4)
	if again, _ := Decode(a); !bytes.Equal(again.Pix.Pix, got.Pix.Pix) {
		t.Error("pixels depend on the number of processors")
	}
}

func TestCommentsInAndOut(t *testing.T) {
	fields := []Field{{"NIST_COM", "3"}, {"PPI", "1"}, {"HISTORY", "scanned twice"}, {"SEX", "F"}, {"EMPTY", ""}}
	got, data := roundTrip(t, ridges(40, 30), Options{PPI: 1000, Fields: fields, Comments: []string{"first", "second\nline"}})
	want := []Field{{"NIST_COM", "12"}, {"PIX_WIDTH", "40"}, {"PIX_HEIGHT", "30"}, {"PIX_DEPTH", "8"}, {"PPI", "1000"}, {"LOSSY", "1"},
		{"COLORSPACE", "GRAY"}, {"COMPRESSION", "WSQ"}, {"WSQ_BITRATE", "0.750000"}, {"HISTORY", "scanned twice"}, {"SEX", "F"}, {"EMPTY", ""}}
	if !slices.Equal(got.Fields, want) || got.PPI != 1000 || !slices.Equal(got.Comments, []string{"first", "second\nline"}) {
		t.Errorf("fields %q, ppi %d, comments %q", got.Fields, got.PPI, got.Comments)
	}
	c, err := DecodeConfig(data[:bytes.Index(data, []byte{0xff, 0xa3})+5])
	if err != nil || c != (Config{Width: 40, Height: 30, PPI: 1000}) {
		t.Errorf("config %+v, %v", c, err)
	}
	if again, _ := roundTrip(t, ridges(40, 30), Options{PPI: got.PPI, Fields: got.Fields, Comments: got.Comments}); !slices.Equal(again.Fields, want) {
		t.Errorf("handed on: %q", again.Fields)
	}
	if got, _ := roundTrip(t, ridges(9, 9), Options{}); got.PPI != 0 {
		t.Errorf("unknown resolution read as %d", got.PPI)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	img := ridges(20, 20)
	for name, o := range map[string]Options{
		"negative rate": {Rate: -1}, "rate": {Rate: 11}, "no number": {Rate: math.NaN()},
		"name": {Fields: []Field{{"TWO WORDS", ""}}}, "value": {Fields: []Field{{"A", "b\nc"}}},
		"long": {Comments: []string{strings.Repeat("x", 65534)}},
	} {
		if _, err := Encode(img, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Encode(image.NewGray(image.Rect(0, 0, 0, 5)), Options{}); err == nil {
		t.Error("empty image: no error")
	}
	if _, err := Encode(&image.Gray{Rect: image.Rect(0, 0, 65535, 65535)}, Options{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("huge image: %v", err)
	}
}

// A header can claim any size: memory follows only what the file can hold.
func TestSizeIsCheckedBeforeAnythingIsAllocated(t *testing.T) {
	_, data := roundTrip(t, ridges(64, 64), Options{})
	at := bytes.Index(data, []byte{0xff, 0xa2}) + 6
	claim := func(h, w uint16) []byte {
		d := bytes.Clone(data)
		d[at], d[at+1], d[at+2], d[at+3] = byte(h>>8), byte(h), byte(w>>8), byte(w)
		return d
	}
	if _, err := Decode(claim(65535, 65535)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("65535 by 65535: %v", err)
	}
	if _, err := DecodeConfig(claim(65535, 65535)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("config of 65535 by 65535: %v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var fault *FormatError
	if _, err := Decode(claim(6000, 6600)); !errors.As(err, &fault) || !strings.Contains(err.Error(), "cannot hold") {
		t.Errorf("6600 by 6000: %v", err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes allocated for a lie", grown)
	}
	if _, err := Decode(claim(0, 64)); err == nil {
		t.Error("image without rows decoded")
	}
}

func TestCutAndBrokenFilesAreErrors(t *testing.T) {
	_, data := roundTrip(t, ridges(70, 60), Options{PPI: 500})
	for n := range data {
		if _, err := Decode(data[:n]); err == nil {
			t.Fatalf("decoded the first %d of %d bytes", n, len(data))
		}
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		d := bytes.Clone(data)
		for range 1 + rng.IntN(4) {
			d[rng.IntN(len(d))] = byte(rng.Uint32())
		}
		var fault *FormatError
		if _, err := Decode(d); err != nil && !errors.As(err, &fault) && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("error of another kind: %v", err)
		}
	}
}

// restarts rewrites a file with restart markers and a restart interval; spare
// fill bytes stand before every marker.
func restarts(t *testing.T, img *image.Gray) []byte {
	t.Helper()
	level := normalize(img)
	p := layout(img.Rect.Dx(), img.Rect.Dy())
	defer p.analyse(img, level).close()
	widths := binWidths(p.variances(), 0.75)
	qs := p.quantizers(&widths)
	var count histogram
	tokens := p.tokens(nil, &count, qs, 0, coded)
	table := newCodeTable(&count)
	out, err := appendComments(nil, img.Rect.Dx(), img.Rect.Dy(), &Options{Rate: 0.75})
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, 0xff, 0xff)
	out = appendQuantization(appendTransform(out), qs)
	out = appendFrame(out, img.Rect.Dx(), img.Rect.Dy(), level.shift, level.scale)
	out = appendTable(out, 7, table)
	out = append(out, 0xff, 0xa7, 0, 4, 0, 16)
	half := len(tokens) / 2
	out = appendBlock(out, 7, table.write(nil, tokens[:half]))
	out = append(out, 0xff, 0xff, 0xff, 0xb0)
	out = append(out, table.write(nil, tokens[half:])...)
	return append(out, 0xff, 0xff, 0xa1)
}

func TestRestartMarkersAndFillBytesAreRead(t *testing.T) {
	img := ridges(200, 150)
	want, _ := roundTrip(t, img, Options{})
	got, err := Decode(restarts(t, img))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Pix.Pix, want.Pix.Pix) {
		t.Error("pixels differ from those without restarts")
	}
}

// The codes are complete but for the one of all ones, at most 16 bits long, and
// shorter for what is more frequent (A.4.2).
func TestCodesKeepTheRules(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for trial := range 60 {
		var count histogram
		a, b := 1, 1
		for s := 1; s < 255; s++ {
			switch {
			case trial == 0 && s < 40: // as skew as can be
				count[s] = a
				a, b = b, a+b
			case trial > 0 && rng.IntN(60) < trial:
				count[s] = int(rng.ExpFloat64() * 1000)
			}
		}
		table := newCodeTable(&count)
		used, codes := 0, 0
		for n, c := range table.counts {
			used += int(c) << (longestCode - n - 1)
			codes += int(c)
		}
		if used >= 1<<longestCode || codes != len(table.values) {
			t.Fatalf("trial %d: %d of %d used by %d codes", trial, used, 1<<longestCode, codes)
		}
		for s, n := range count {
			code := table.code[s]
			if length := code >> 16; n > 0 && (length == 0 || length > longestCode || code&0xffff == 1<<length-1) {
				t.Fatalf("trial %d: symbol %d has code %b of %d bits", trial, s, code&0xffff, length)
			}
		}
		if _, err := newDecodeTable(table.counts, table.values); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, img := range []*image.Gray{ridges(48, 40), noise(33, 17, 2), ridges(1, 1), pattern(20, 20, func(int, int) float64 { return 9 })} {
		data, err := Encode(img, Options{PPI: 500, Comments: []string{"x"}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, confErr := DecodeConfig(data)
		if confErr == nil && c.Width*c.Height > 1<<20 {
			return // slow, and no other code
		}
		im, err := Decode(data)
		if err != nil {
			return
		}
		if confErr != nil || im.Pix.Rect.Dx() != c.Width || im.Pix.Rect.Dy() != c.Height {
			t.Fatalf("decoded %v, config said %+v, %v", im.Pix.Rect, c, confErr)
		}
		if _, err := Encode(im.Pix, Options{PPI: im.PPI}); err != nil {
			t.Fatalf("decoded, but does not encode: %v", err)
		}
	})
}
