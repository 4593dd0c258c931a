package face_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/face"
	"cardstation/biometrics/synth"
)

// realData has portraits of a mannequin; it lies beside the project, not in it.
const realData = "../../../shared/data/"

// mannequins and where their pupils are, measured by hand.
var mannequins = map[string][2]image.Point{
	"mannequin-480x640.jpg":   {{182, 257}, {303, 257}},
	"mannequin-1181x1575.jpg": {{451, 630}, {752, 627}},
}

func mannequin(t testing.TB, name string) biometrics.Image {
	t.Helper()
	data, err := os.ReadFile(realData + "face/" + name)
	if err != nil {
		t.Skip("no real portraits beside the project: ", err)
	}
	return decode(t, data)
}

func decode(t testing.TB, data []byte) biometrics.Image {
	t.Helper()
	img, err := biometrics.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

var (
	mu    sync.Mutex
	drawn = map[uint64]biometrics.Image{}
)

// portrait is the synthetic one of a seed, drawn once.
func portrait(t testing.TB, seed uint64) biometrics.Image {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if _, ok := drawn[seed]; !ok {
		drawn[seed] = decode(t, synth.Portrait(seed))
	}
	return drawn[seed]
}

func assess(t testing.TB, img image.Image) biometrics.Quality {
	t.Helper()
	q, err := face.Assessor{}.Assess(img)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func codes(q biometrics.Quality) (out []string) {
	for _, f := range q.Faults {
		out = append(out, f.Code)
	}
	return out
}

func TestMannequinsAreAcceptedAndTheirEyesFound(t *testing.T) {
	for name, eyes := range mannequins {
		img := mannequin(t, name)
		if q := assess(t, img); !q.Accepted() {
			t.Errorf("%s: %v", name, q.Reasons())
		}
		f, err := face.Find(img)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		near := 0.06 * f.EyeDistance()
		for i, got := range []image.Point{f.Left, f.Right} {
			if d := got.Sub(eyes[i]); math.Hypot(float64(d.X), float64(d.Y)) > near {
				t.Errorf("%s: eye %d at %v, want %v", name, i, got, eyes[i])
			}
		}
	}
}

func TestSyntheticPortraitsAreAccepted(t *testing.T) {
	for seed := range uint64(4) {
		img := portrait(t, seed)
		if q := assess(t, img); !q.Accepted() {
			t.Errorf("seed %d: %v", seed, q.Reasons())
		}
		f, err := face.Find(img)
		if err != nil || math.Abs(f.EyeDistance()-150) > 6 {
			t.Errorf("seed %d: eyes %v apart, %v", seed, f.EyeDistance(), err)
		}
	}
}

// recoloured applies f to each channel.
func recoloured(img image.Image, f func(v, x float64) float64) image.Image {
	out := imaging.Clone(img)
	for i, v := range out.Pix {
		if i%4 != 3 {
			x := float64(i%out.Stride) / float64(out.Stride)
			out.Pix[i] = uint8(min(max(f(float64(v), x), 0), 255))
		}
	}
	return out
}

func noise(w, h int) image.Image {
	rng := rand.New(rand.NewPCG(3, 4))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.IntN(256))
	}
	return img
}

func sideBySide(a, b image.Image) image.Image {
	w := a.Bounds().Dx()
	out := image.NewNRGBA(image.Rect(0, 0, w+b.Bounds().Dx(), a.Bounds().Dy()))
	draw.Draw(out, a.Bounds(), a, a.Bounds().Min, draw.Src)
	draw.Draw(out, b.Bounds().Add(image.Pt(w, 0)), b, b.Bounds().Min, draw.Src)
	return out
}

func TestPlantedFaultsAreRefused(t *testing.T) {
	good := portrait(t, 3).Image
	prints := synth.Grow(5)
	w, h := good.Bounds().Dx(), good.Bounds().Dy()
	grey := color.NRGBA{206, 214, 222, 255}
	for _, c := range []struct {
		name string
		img  image.Image
		want string
	}{
		{"blank", imaging.New(600, 800, grey), "no-face"},
		{"noise", noise(600, 800), "no-face"},
		{"one pixel", imaging.New(1, 1, grey), "no-face"},
		{"a wide strip", imaging.New(6000, 70, grey), "no-face"},
		{"a rolled print", decode(t, prints.Capture(biometrics.RightThumb, true, 0).PNG), "no-face"},
		{"a slap", decode(t, prints.Capture(biometrics.LeftFour, false, 0).PNG), "no-face"},
		{"upside down", imaging.Rotate180(good), "no-face"},
		{"lying", imaging.Rotate90(good), "no-face"},
		{"two people", sideBySide(good, portrait(t, 4)), "faces"},
		{"small", imaging.Resize(good, w/2, 0, imaging.Box), "eye-distance"},
		{"tilted", imaging.Rotate(good, 13, grey), "tilted"},
		{"cut above the brows", imaging.Crop(good, image.Rect(0, 235, w, h)), "placement"},
		{"cut below the mouth", imaging.Crop(good, image.Rect(0, 0, w, 600)), "placement"},
		{"cut at the ear", imaging.Crop(good, image.Rect(150, 0, w, h)), "placement"},
		{"dark", recoloured(good, func(v, _ float64) float64 { return v * 0.22 }), "too-dark"},
		{"burnt out", recoloured(good, func(v, _ float64) float64 { return v*0.3 + 195 }), "too-light"},
		{"without contrast", recoloured(good, func(v, _ float64) float64 { return 120 + (v-128)*0.2 }), "flat"},
		{"overdriven", recoloured(good, func(v, _ float64) float64 { return 110 + (v-128)*5 }), "clipped"},
		{"light from one side", recoloured(good, func(v, x float64) float64 { return v * (1.15 - 0.55*min(max((x-0.35)/0.3, 0), 1)) }), "uneven"},
		{"without colour", biometrics.Grey(good), "no-colour"},
		{"out of focus", imaging.Blur(good, 4), "blurred"},
	} {
		q := assess(t, c.img)
		if !slices.Contains(codes(q), c.want) {
			t.Errorf("%s: faults %v, components %v, want %s", c.name, codes(q), q.Components, c.want)
		}
		if q.Score > 49 {
			t.Errorf("%s: score %d of a refused portrait", c.name, q.Score)
		}
	}
}

func TestRealPrintsHaveNoFace(t *testing.T) {
	for n := 1; n <= 14; n++ {
		data, err := os.ReadFile(fmt.Sprintf(realData+"tenprint/%02d.png", n))
		if err != nil {
			t.Skip("no real prints beside the project: ", err)
		}
		if q := assess(t, decode(t, data)); !slices.Contains(codes(q), "no-face") {
			t.Errorf("%02d: %v", n, codes(q))
		}
	}
}

func TestCropPutsTheEyesWhereTheCardHasThem(t *testing.T) {
	whole := portrait(t, 2).Image
	for _, c := range []struct {
		name string
		img  image.Image
	}{
		{"whole", whole},
		{"little room on top", imaging.Crop(whole, image.Rect(0, 90, 720, 960))},
		{"little room at the side", imaging.Crop(whole, image.Rect(100, 0, 720, 960))},
		{"not from the corner on", whole.(interface {
			SubImage(image.Rectangle) image.Image
		}).SubImage(image.Rect(30, 20, 720, 960))},
	} {
		f, err := face.Find(c.img)
		if err != nil {
			t.Fatal(c.name, err)
		}
		got, err := face.Crop(c.img, f)
		if err != nil {
			t.Fatal(c.name, err)
		}
		if got.Bounds() != image.Rect(0, 0, 480, 640) {
			t.Errorf("%s: %v", c.name, got.Bounds())
		}
		f, err = face.Find(got)
		if err != nil {
			t.Fatal(c.name, err)
		}
		m := f.Left.Add(f.Right).Div(2)
		if math.Abs(f.EyeDistance()-120) > 5 || math.Abs(float64(m.X)-240) > 5 || m.Y < 225 || m.Y > 295 {
			t.Errorf("%s: eyes %v %v", c.name, f.Left, f.Right)
		}
	}
}

func TestCropRefusesWhereTooMuchIsLacking(t *testing.T) {
	img := imaging.Crop(portrait(t, 2), image.Rect(0, 235, 720, 960))
	f, err := face.Find(img)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := face.Crop(img, f); !errors.Is(err, face.ErrTight) {
		t.Error(err)
	}
	if _, err := face.Crop(img, face.Face{}); err == nil {
		t.Error("no face: no error")
	}
	if _, err := face.Crop(img, face.Face{Left: image.Pt(-900000, 5), Right: image.Pt(900000, 5)}); !errors.Is(err, face.ErrTight) {
		t.Error(err)
	}
}

func TestDG2StaysWithinItsSizeAndCloseToIt(t *testing.T) {
	imgs := []image.Image{portrait(t, 1)}
	for name := range mannequins {
		if _, err := os.Stat(realData); err == nil {
			imgs = append(imgs, mannequin(t, name))
		}
	}
	for i, img := range imgs {
		f, err := face.Find(img)
		if err != nil {
			t.Fatal(err)
		}
		cut, err := face.Crop(img, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, most := range []int{15000, 20000} {
			data, err := face.EncodeDG2(cut, most)
			if err != nil {
				t.Fatal(err)
			}
			if len(data) > most || len(data) < most*8/10 {
				t.Errorf("portrait %d: %d bytes of %d", i, len(data), most)
			}
			back, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil || back.Bounds() != cut.Bounds() {
				t.Errorf("portrait %d: %v %v", i, back.Bounds(), err)
			}
			if q := assess(t, back); !q.Accepted() {
				t.Errorf("portrait %d at %d bytes: %v", i, len(data), q.Reasons())
			}
		}
	}
	if _, err := face.EncodeDG2(noise(480, 640), 15000); err == nil {
		t.Error("noise in 15,000 bytes: no error")
	}
}

// TestTheSamePictureGivesTheSameDG2: a chip torn out while it was written is finished by
// compiling its record again, so not one byte may differ.
func TestTheSamePictureGivesTheSameDG2(t *testing.T) {
	imgs := map[string]biometrics.Image{}
	for seed := range uint64(4) {
		imgs[fmt.Sprint("seed ", seed)] = portrait(t, seed)
	}
	for name := range mannequins {
		if _, err := os.Stat(realData); err == nil {
			imgs[name] = mannequin(t, name)
		}
	}
	for name, img := range imgs {
		var first []byte
		var found face.Face
		for run := range 20 {
			f, err := face.Find(img)
			if err != nil {
				t.Fatal(name, err)
			}
			if run > 0 && f != found {
				t.Fatalf("%s: run %d finds %v, the first one %v", name, run, f, found)
			}
			found = f
			if run%5 != 0 {
				continue
			}
			cut, err := face.Crop(img, f)
			if err != nil {
				t.Fatal(name, err)
			}
			data, err := face.EncodeDG2(cut, 15000)
			if err != nil {
				t.Fatal(name, err)
			}
			if first == nil {
				first = data
			}
			if !bytes.Equal(first, data) {
				t.Fatalf("%s: run %d gives another picture", name, run)
			}
		}
	}
}

func TestAssessmentsMayRunSideBySide(t *testing.T) {
	img := portrait(t, 1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if q, err := (face.Assessor{}).Assess(img); err != nil || !q.Accepted() {
				t.Error(q.Reasons(), err)
			}
		})
	}
	wg.Wait()
}

func TestNoPictureIsAnError(t *testing.T) {
	for _, img := range []image.Image{nil, image.NewGray(image.Rectangle{})} {
		if _, err := (face.Assessor{}).Assess(img); err == nil {
			t.Errorf("%T: no error", img)
		}
	}
}

// FuzzCrop: whatever face somebody claims, Crop answers or refuses.
func FuzzCrop(f *testing.F) {
	img := imaging.New(200, 260, color.White)
	f.Add(60, 100, 120, 100)
	f.Add(-5, 0, 1<<40, -1<<40)
	f.Fuzz(func(t *testing.T, lx, ly, rx, ry int) {
		got, err := face.Crop(img, face.Face{Left: image.Pt(lx, ly), Right: image.Pt(rx, ry)})
		if err == nil && (got.Bounds().Dx() < 3 || got.Bounds().Dx() > 480) {
			t.Errorf("%v", got.Bounds())
		}
	})
}

func BenchmarkAssess(b *testing.B) {
	img := portrait(b, 1)
	for b.Loop() {
		assess(b, img)
	}
}
