package biometrics_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/synth"
)

// sample reads a picture of 24 x 16 pixels that opj_compress made: tiny.jp2 in colours,
// two tiles and several tile-parts each, tiny.j2k in grey without boxes.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compress has opj_compress, the other end, code a picture in a file of the given kind.
func compress(t testing.TB, name string, picture []byte, suffix string, options ...string) []byte {
	t.Helper()
	tool, err := exec.LookPath("opj_compress")
	if err != nil {
		t.Fatal("opj_compress is not here: make test installs libopenjp2-tools")
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, name), filepath.Join(dir, "out"+suffix)
	if err := os.WriteFile(in, picture, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(tool, append([]string{"-i", in, "-o", out}, options...)...).CombinedOutput(); err != nil {
		t.Fatalf("opj_compress %v: %v\n%s", options, err, said)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// printed is a synthetic print of 800 x 750 pixels in grey.
func printed(t testing.TB) *image.Gray {
	t.Helper()
	img, err := biometrics.Decode(synth.Grow(5).Capture(biometrics.RightIndex, true, 1).PNG)
	if err != nil {
		t.Fatal(err)
	}
	return biometrics.Grey(img)
}

// put gives data with bytes set at a place behind a mark in it.
func put(t testing.TB, data []byte, mark string, at int, b ...byte) []byte {
	t.Helper()
	i := bytes.Index(data, []byte(mark))
	if i < 0 {
		t.Fatalf("no %q", mark)
	}
	out := bytes.Clone(data)
	copy(out[i+len(mark)+at:], b)
	return out
}

// boxed puts a box of more about the picture into the header of a JP2 file.
func boxed(data []byte, kind string, body []byte) []byte {
	box := append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...)
	box = append(box, body...)
	i := bytes.Index(data, []byte("jp2h")) - 4
	n := binary.BigEndian.Uint32(data[i:])
	out := append(bytes.Clone(data[:i]), data[i:i+int(n)]...)
	binary.BigEndian.PutUint32(out[i:], n+uint32(len(box)))
	return append(append(out, box...), data[i+int(n):]...)
}

// captured is a capture resolution box in its box (ISO/IEC 15444-1, I.5.3.7), vertical first.
func captured(vn, vd, hn, hd uint16, ve, he int8) []byte {
	b := []byte("\x00\x00\x00\x12resc")
	for _, n := range []uint16{vn, vd, hn, hd} {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return append(b, byte(ve), byte(he))
}

const siz = "\xff\x4f\xff\x51" // and behind it: length, capabilities, sides at 4

func TestHeadersOfJPEG2000AreRead(t *testing.T) {
	jp2, j2k := sample(t, "tiny.jp2"), sample(t, "tiny.j2k")
	display := append([]byte("\x00\x00\x00\x12resd"), make([]byte, 10)...)
	for _, c := range []struct {
		name       string
		data       []byte
		components int
		ppi        int
	}{
		{"JP2", jp2, 3, 0}, {"codestream", j2k, 1, 0},
		{"19685 points a metre", boxed(jp2, "res ", captured(19685, 1, 19685, 1, 0, 0)), 3, 500},
		{"3937/100 of a thousand points a metre", boxed(jp2, "res ", captured(3937, 100, 3937, 100, 3, 3)), 3, 1000},
		{"the same in two ways", boxed(jp2, "res ", captured(19685, 1, 1969, 1, 0, 1)), 3, 500},
		{"a second word on its colours", boxed(jp2, "colr", []byte{1, 0, 0, 0, 0, 0, 12}), 3, 0},
		{"behind that of a screen", boxed(jp2, "res ", append(display, captured(19685, 1, 19685, 1, 0, 0)...)), 3, 500},
		{"unlike both ways", boxed(jp2, "res ", captured(19685, 1, 39370, 1, 0, 0)), 3, 0},
		{"over nothing", boxed(jp2, "res ", captured(19685, 0, 19685, 0, 0, 0)), 3, 0},
		{"absurd", boxed(jp2, "res ", captured(9, 1, 9, 1, 127, 127)), 3, 0},
		{"a length of eight bytes", bytes.Replace(jp2, jp2[bytes.Index(jp2, []byte("jp2c"))-4:][:8], append([]byte("\x00\x00\x00\x01jp2c"), binary.BigEndian.AppendUint64(nil, uint64(len(jp2)-bytes.Index(jp2, []byte("jp2c"))+12))...), 1), 3, 0},
		{"a length up to the end", put(t, jp2, "\xff\x4f\xff\x51", -12, 0, 0, 0, 0), 3, 0},
	} {
		media, err := biometrics.Peek(c.data)
		if err != nil || media != biometrics.JPEG2000 {
			t.Errorf("%s: %s, %v", c.name, media, err)
		}
		h, err := biometrics.ReadHeader2000(c.data)
		if err != nil || h.Width != 24 || h.Height != 16 || h.Depth != 8 || h.Components != c.components || h.PPI != c.ppi {
			t.Errorf("%s: %d x %d of %d samples of %d bits, %d ppi, %v", c.name, h.Width, h.Height, h.Components, h.Depth, h.PPI, err)
		}
	}
}

func TestHostileHeadersOfJPEG2000AreClearErrors(t *testing.T) {
	jp2, j2k := sample(t, "tiny.jp2"), sample(t, "tiny.j2k")
	second := bytes.LastIndex(j2k, []byte("\xff\xd9"))
	palette := append(boxed(jp2, "pclr", []byte{0, 1, 1, 7, 9}), 0)
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"the signature alone", []byte(biometrics.HeadJP2), biometrics.ErrDamaged},
		{"markers alone", []byte(biometrics.HeadJ2K), biometrics.ErrDamaged},
		{"sides of 2^31", put(t, j2k, siz, 4, 0x80, 0, 0, 0, 0x80, 0, 0, 0), biometrics.ErrTooLarge},
		{"sides of 2^32 in tiles of as much", put(t, j2k, siz, 4, bytes.Repeat([]byte{0xFF}, 8)...), biometrics.ErrTooLarge},
		{"64 megapixels", put(t, j2k, siz, 4, 0, 0, 0x20, 0, 0, 0, 0x20, 0), biometrics.ErrTooLarge},
		{"a small picture far out on its grid", put(t, j2k, siz, 4, 0, 1, 0, 24, 0, 1, 0, 16, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0), biometrics.ErrTooLarge},
		{"tiles of one pixel", put(t, j2k, siz, 4, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1), biometrics.ErrTooLarge},
		{"tiles of no pixel", put(t, j2k, siz, 20, 0, 0, 0, 0), biometrics.ErrDamaged},
		{"no pixels", put(t, j2k, siz, 4, 0, 0, 0, 0), biometrics.ErrDamaged},
		{"a picture outside its tiles", put(t, j2k, siz, 28, 0, 0, 0, 9), biometrics.ErrDamaged},
		{"a box that says 1 x 1", put(t, jp2, "ihdr", 0, 0, 0, 0, 1, 0, 0, 0, 1), biometrics.ErrDamaged},
		{"16384 components", put(t, j2k, siz, 36, 0x40, 0), biometrics.ErrDamaged},
		{"components beyond the end", append([]byte(siz+"\xc0\x26"), put(t, j2k, siz, 36, 0x40, 0)[6:]...), biometrics.ErrDamaged},
		{"signed samples", put(t, j2k, siz, 38, 0x87), biometrics.ErrUnsupported},
		{"samples of 17 bits", put(t, j2k, siz, 38, 16), biometrics.ErrUnsupported},
		{"unlike depths", put(t, jp2, siz, 41, 3), biometrics.ErrUnsupported},
		{"a sample for each 3 points", put(t, jp2, siz, 42, 3), biometrics.ErrUnsupported},
		{"a grey sample for each 2 points", put(t, j2k, siz, 39, 2, 2), biometrics.ErrUnsupported},
		{"a palette", palette, biometrics.ErrUnsupported},
		{"inks", put(t, jp2, "colr", 3, 0, 0, 0, 12), biometrics.ErrUnsupported},
		{"a box of 4 bytes", put(t, jp2, "jp2h", -8, 0, 0, 0, 4), biometrics.ErrDamaged},
		{"a box of 2^64 bytes", put(t, jp2, "ftyp", -8, append([]byte("\x00\x00\x00\x01ftyp"), bytes.Repeat([]byte{0xFF}, 8)...)...), biometrics.ErrDamaged},
		{"a tile-part of 3 bytes", put(t, j2k, "\xff\x90\x00\x0a", 2, 0, 0, 0, 3), biometrics.ErrDamaged},
		{"a tile-part beyond the end", put(t, j2k, "\xff\x90\x00\x0a", 2, 0, 1, 0, 0), biometrics.ErrDamaged},
		{"a tile that is not there", put(t, jp2, siz, 20, 0, 0, 0, 8), biometrics.ErrDamaged},
		{"no end", append(bytes.Clone(j2k[:second]), 0, 0), biometrics.ErrDamaged},
		{"21 megabytes", append(bytes.Clone(j2k), make([]byte, 21<<20)...), biometrics.ErrTooLarge},
	} {
		if _, err := biometrics.Peek(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if _, err := biometrics.Decode(c.data); !errors.Is(err, c.want) {
			t.Errorf("%s, decoded: %v, want %v", c.name, err, c.want)
		}
	}
	for _, whole := range [][]byte{jp2, j2k} {
		for n := 12; n < len(whole); n++ {
			if _, err := biometrics.Peek(whole[:n]); !errors.Is(err, biometrics.ErrDamaged) {
				t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
			}
		}
	}
}

// Whatever opj_compress is told, what it coded without loss comes back as it was.
func TestLosslessJPEG2000ComesBackAsItWas(t *testing.T) {
	grey := biometrics.Grey(printed(t).SubImage(image.Rect(200, 250, 500, 470)))
	colours := ramp(300, 200)
	for _, options := range []string{
		"", "-n 1", "-n 8", "-t 256,256", "-t 100,90 -TP R", "-r 20,10,1", "-q 30,40,0", "-b 32,32", "-c [128,128],[64,64]", "-p RPCL -SOP -EPH", "-p CPRL -PLT",
		"-ROI c=0,U=4", "-M 1", "-M 63", "-d 40,20", "-d 50,40 -T 30,20 -t 128,128", "-mct 0", "-TP L -r 8,1",
	} {
		for _, suffix := range []string{".jp2", ".j2k"} {
			data := compress(t, "in.png", pngOf(t, grey), suffix, strings.Fields(options)...)
			got, err := biometrics.Decode(data)
			if err != nil || got.Media != biometrics.JPEG2000 || !sameGrey(got.Image, grey) {
				t.Errorf("grey, %q, %s: %v", options, suffix, err)
			}
			data = compress(t, "in.png", pngOf(t, colours), suffix, strings.Fields(strings.Replace(options, "-mct 0", "-mct 1", 1))...)
			if got, err = biometrics.Decode(data); err != nil || !bytes.Equal(got.Image.(*image.RGBA).Pix, colours.Pix) {
				t.Errorf("colours, %q, %s: %v", options, suffix, err)
			}
		}
	}
}

func sameGrey(got image.Image, want *image.Gray) bool {
	g, ok := got.(*image.Gray)
	return ok && g.Rect == want.Rect && bytes.Equal(g.Pix, want.Pix)
}

// Two encoders that know nothing of each other, OpenJPEG's and FFmpeg's, made these.
func TestJPEG2000OfOtherEncodersIsRead(t *testing.T) {
	for _, name := range []string{"tiny.jp2", "lavc.jp2"} {
		got, err := biometrics.Decode(sample(t, name))
		if err != nil || !bytes.Equal(got.Image.(*image.RGBA).Pix, ramp(24, 16).Pix) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What loses something is as opj_decompress writes it in another form, which another
// decoder reads.
func TestLossyJPEG2000IsAsItsDecoderHasIt(t *testing.T) {
	portrait, err := biometrics.Decode(synth.Portrait(1))
	if err != nil {
		t.Fatal(err)
	}
	pictures := map[string]image.Image{"grey": biometrics.Grey(printed(t).SubImage(image.Rect(200, 250, 600, 600))), "colours": imaging.Crop(portrait.Image, image.Rect(160, 200, 560, 760))}
	for _, options := range []string{"-I -r 10", "-I -r 15 -t 300,300", "-r 24,12"} {
		for name, img := range pictures {
			data := compress(t, "in.png", pngOf(t, img), ".jp2", strings.Fields(options)...)
			got, err := biometrics.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			in, out := filepath.Join(dir, "in.jp2"), filepath.Join(dir, "out.png")
			if err := os.WriteFile(in, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if said, err := exec.Command("opj_decompress", "-i", in, "-o", out).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			written, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			want, err := biometrics.Decode(written)
			if err != nil || got.Bounds() != img.Bounds() || !samePixels(got.Image, want.Image) {
				t.Errorf("%s, %s: %v, not as its decoder has it", name, options, err)
			}
			if far := distance(got.Image, img); far == 0 || far > 12 {
				t.Errorf("%s, %s: %.1f from what was coded", name, options, far)
			}
		}
	}
}

func samePixels(a, b image.Image) bool { return a.Bounds() == b.Bounds() && distance(a, b) == 0 }

// distance is the mean difference of two pictures' samples, of 255.
func distance(a, b image.Image) (mean float64) {
	one, other := imaging.Clone(a).Pix, imaging.Clone(b).Pix
	for i, v := range one {
		mean += math.Abs(float64(v)-float64(other[i])) / float64(len(one))
	}
	return mean
}

// Samples of other depths come to 8 bits, colours of a video's kind to red, green and blue.
func TestOtherSamplesOfJPEG2000ComeToEightBits(t *testing.T) {
	for _, depth := range []int{1, 4, 10, 12, 16} {
		most := 1<<depth - 1
		raw, want := []byte{}, image.NewGray(image.Rect(0, 0, 40, 30))
		for i := range 40 * 30 {
			v := i * most / (40*30 - 1)
			if depth > 8 {
				raw = append(raw, byte(v>>8))
			}
			raw = append(raw, byte(v))
			want.Pix[i] = byte((v*255 + most/2) / most)
		}
		got, err := biometrics.Decode(compress(t, "in.raw", raw, ".jp2", "-F", fmt.Sprintf("40,30,1,%d,u", depth), "-n", "3"))
		if err != nil || !sameGrey(got.Image, want) {
			t.Errorf("%d bits: %v", depth, err)
		}
	}
	for sampling, n := range map[string]int{"1x1:2x2:2x2": 16 * 16 / 4, "1x1:2x1:2x1": 16 * 16 / 2} {
		raw := bytes.Repeat([]byte{150}, 16*16) // luma, then two chromas: an orange
		raw = append(append(raw, bytes.Repeat([]byte{90}, n)...), bytes.Repeat([]byte{180}, n)...)
		got, err := biometrics.Decode(compress(t, "in.yuv", raw, ".jp2", "-F", "16,16,3,8,u@"+sampling, "-n", "2"))
		if err != nil {
			t.Errorf("%s: %v", sampling, err)
			continue
		}
		want := image.NewYCbCr(image.Rect(0, 0, 1, 1), image.YCbCrSubsampleRatio444)
		want.Y[0], want.Cb[0], want.Cr[0] = 150, 90, 180
		r, g, b, _ := want.At(0, 0).RGBA()
		for x := range 16 {
			r1, g1, b1, _ := got.At(x, x).RGBA()
			for i, v := range []uint32{r1, g1, b1} {
				if d := int(v>>8) - int([]uint32{r, g, b}[i]>>8); d < -2 || d > 2 {
					t.Fatalf("%s: %d %d %d, want %d %d %d", sampling, r1>>8, g1>>8, b1>>8, r>>8, g>>8, b>>8)
				}
			}
		}
	}
	seen := image.NewNRGBA(image.Rect(0, 0, 20, 20))
	for _, c := range []struct {
		name, file string
		picture    []byte
		options    string
	}{
		{"alpha", "in.png", pngOf(t, seen), "-n 2"}, {"signed", "in.raw", make([]byte, 400), "-n 2 -F 20,20,1,8,s"}, {"two components", "in.raw", make([]byte, 800), "-n 2 -F 20,20,2,8,u"},
	} {
		if _, err := biometrics.Decode(compress(t, c.file, c.picture, ".jp2", strings.Fields(c.options)...)); !errors.Is(err, biometrics.ErrUnsupported) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Files with bytes changed anywhere end as a picture of the size they say or as an error that
// is named, and nothing of them stays.
func TestChangedJPEG2000NeitherHarmsNorStays(t *testing.T) {
	left := t.TempDir()
	whole := compress(t, "in.png", pngOf(t, ramp(64, 48)), ".jp2", "-r", "4", "-t", "32,32")
	t.Setenv("TMPDIR", left)
	random := rand.New(rand.NewPCG(1, 2))
	named := []error{biometrics.ErrDamaged, biometrics.ErrTooLarge, biometrics.ErrUnsupported, biometrics.ErrFormat}
	var wrong int
	for i := range 120 {
		data := bytes.Clone(whole)
		most := len(data)
		if i%2 == 0 {
			most = 250 // the headers
		}
		for range 1 + i%3 {
			data[random.IntN(most)] = byte(random.Uint32())
		}
		got, err := biometrics.Decode(data)
		h, _ := biometrics.ReadHeader2000(data)
		switch {
		case err == nil && got.Bounds() != image.Rect(0, 0, h.Width, h.Height):
			t.Errorf("%x: %v", data[:250], got.Bounds())
		case err != nil:
			wrong++
			ok := false
			for _, n := range named {
				ok = ok || errors.Is(err, n)
			}
			if text := err.Error(); !ok || len(text) > 250 || strings.ContainsAny(text, "\n\x00") {
				t.Errorf("%x: %q", data[:250], err)
			}
		}
	}
	if rest, err := os.ReadDir(left); err != nil || len(rest) > 0 || wrong < 20 {
		t.Errorf("%v stay, %v; %d of 120 told", rest, err, wrong)
	}
}

func TestWithoutItsDecoderJPEG2000SaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := biometrics.Decode(sample(t, "tiny.j2k"))
	if !errors.Is(err, biometrics.ErrNoDecoder) || !strings.Contains(err.Error(), "libopenjp2-tools") || !strings.Contains(biometrics.Remedy(err), "libopenjp2-tools") {
		t.Errorf("%v; %s", err, biometrics.Remedy(err))
	}
}

// TestDecoderIsHeld has another program in the decoder's place say what it was given.
func TestDecoderIsHeld(t *testing.T) {
	said := func(script string) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "opj_decompress"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+":/usr/bin:/bin")
		_, err := biometrics.Decode(sample(t, "tiny.j2k"))
		if !errors.Is(err, biometrics.ErrDamaged) {
			t.Errorf("%s: %v", script, err)
		}
		return err.Error()
	}
	t.Setenv("CARDSTATION_PASSPHRASE", "secret")
	memory := (128<<20 + 16*24*16 + len(sample(t, "tiny.j2k"))) / 1024
	for script, want := range map[string]string{
		`echo "[INFO] no"; echo "[ERROR] $(ulimit -v) $(ulimit -t) $(ulimit -c)"; exit 1`:                       fmt.Sprintf("%d 10 0", memory),
		`echo "[ERROR] :$CARDSTATION_PASSPHRASE:$(/usr/bin/env | /usr/bin/grep -c CARD)"; exit 1`:               "cut off: ::0",
		`echo "[ERROR] $(/usr/bin/stat -c %a .) $(/usr/bin/ls | /usr/bin/tr "\n" " ")"; exit 1`:                 "700 in.j2k out.ppm",
		`while :; do echo much; done > out.ppm`:                                                                 "ended with signal: file size limit exceeded",
		`echo "P5 24 16 255" > out.ppm`:                                                                         "neither grey nor three colours",
		`printf 'P5\n24 16\n255\nshort' > out.ppm`:                                                              "24 x 16 pixels of 1 samples in 5 bytes",
		`printf 'P5\n1 1\n255\n.' > out.ppm`:                                                                    "1 x 1 pixels",
		`i=0; while [ $i -lt 3000 ]; do echo "[ERROR] $i aaaaaaaaaaaaaaaaaaaaaaaaaa"; i=$((i+1)); done; exit 1`: "cut off: 0 aaa",
		`kill -SEGV $$`: "ended with signal: segmentation fault",
	} {
		if got := said(script); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}

// FuzzHeader2000: no header, however made, may panic or pass beyond the limits.
func FuzzHeader2000(f *testing.F) {
	for _, name := range []string{"tiny.jp2", "tiny.j2k"} {
		f.Add(sample(f, name))
	}
	f.Add(boxed(sample(f, "tiny.jp2"), "res ", captured(19685, 1, 19685, 1, 0, 0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		media, err := biometrics.Peek(data)
		if err != nil || media != biometrics.JPEG2000 {
			return
		}
		h, err := biometrics.ReadHeader2000(data)
		if err != nil || h.Width < 1 || h.Height < 1 || h.Width > biometrics.MaxSide || h.Height > biometrics.MaxSide || h.Width*h.Height > biometrics.MaxPixels ||
			h.Components != 1 && h.Components != 3 || h.Depth < 1 || h.Depth > 16 || h.PPI < 0 {
			t.Errorf("%+v, %v", h, err)
		}
	})
}

// BenchmarkDecodeJPEG2000 reads a print of 800 x 750 pixels, the start of the process
// included, at the rate that scanners use and without loss.
func BenchmarkDecodeJPEG2000(b *testing.B) {
	for name, options := range map[string][]string{"lossy": {"-I", "-r", "10"}, "lossless": nil} {
		data := compress(b, "in.png", pngOf(b, printed(b)), ".jp2", options...)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := biometrics.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
