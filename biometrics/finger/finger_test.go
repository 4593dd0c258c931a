package finger_test

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
)

// realData is a card of ten real prints that lies beside the project, not in it.
const realData = "../../../shared/data/"

// person is one person's thirteen synthetic captures.
var person = sync.OnceValue(func() []synth.Capture { return synth.Captures(2021) })

func captured(t testing.TB, p biometrics.Position) *image.Gray {
	t.Helper()
	for _, c := range person() {
		if c.Position == p {
			img, err := biometrics.Decode(c.PNG)
			if err != nil {
				t.Fatal(err)
			}
			return clone(biometrics.Grey(img))
		}
	}
	t.Fatalf("no capture of %v", p)
	return nil
}

func clone(g *image.Gray) *image.Gray {
	out := image.NewGray(g.Rect)
	copy(out.Pix, g.Pix)
	return out
}

func realPrint(t testing.TB, n int) biometrics.Image {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf(realData+"tenprint/%02d.png", n))
	if err != nil {
		t.Skip("no real prints beside the project: ", err)
	}
	img, err := biometrics.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// realPosition is what the real picture n shows.
func realPosition(n int) (biometrics.Position, biometrics.Impression) {
	switch n {
	case 11:
		return biometrics.LeftFour, biometrics.NonLivePlain
	case 12:
		return biometrics.LeftThumb, biometrics.NonLivePlain
	case 13:
		return biometrics.RightThumb, biometrics.NonLivePlain
	case 14:
		return biometrics.RightFour, biometrics.NonLivePlain
	}
	return biometrics.Position(n), biometrics.NonLiveRolled
}

func assess(t testing.TB, a finger.Assessor, img image.Image) biometrics.Quality {
	t.Helper()
	q, err := a.Assess(img)
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

func TestRealPrintsAreAccepted(t *testing.T) {
	for n := 1; n <= 14; n++ {
		img := realPrint(t, n)
		p, i := realPosition(n)
		q := assess(t, finger.Assessor{Position: p, Impression: i, PPI: 500}, img)
		if !q.Accepted() || q.Score < 60 {
			t.Errorf("%02d, %v: score %d, refused for %v", n, p, q.Score, q.Reasons())
		}
	}
}

func TestRealThumbsSideBySideAreAccepted(t *testing.T) {
	left, right := realPrint(t, 12), realPrint(t, 13)
	w := left.Bounds().Dx()
	both := image.NewGray(image.Rect(0, 0, w+right.Bounds().Dx(), left.Bounds().Dy()))
	draw.Draw(both, left.Bounds(), left, image.Point{}, draw.Src)
	draw.Draw(both, right.Bounds().Add(image.Pt(w, 0)), right, image.Point{}, draw.Src)
	q := assess(t, finger.Assessor{Position: biometrics.BothThumbs, Impression: biometrics.NonLivePlain, PPI: 500}, both)
	if !q.Accepted() {
		t.Error(q.Reasons())
	}
}

func TestSyntheticCapturesAreAcceptedAtTheResolutionOfTheirFile(t *testing.T) {
	for _, c := range person() {
		img, err := biometrics.Decode(c.PNG)
		if err != nil {
			t.Fatal(err)
		}
		q := assess(t, finger.Assessor{Position: c.Position, Impression: c.Impression}, img)
		if !q.Accepted() {
			t.Errorf("%v: %v", c.Position, q.Reasons())
		}
	}
}

func TestThousandPixelsPerInchIsAccepted(t *testing.T) {
	g := captured(t, biometrics.RightIndex)
	big := imaging.Resize(g, 2*g.Rect.Dx(), 0, imaging.Linear)
	q := assess(t, finger.Assessor{Position: biometrics.RightIndex, Impression: biometrics.LiveRolled, PPI: 1000}, big)
	if !q.Accepted() {
		t.Error(q.Reasons())
	}
}

// mapped applies f to each grey value.
func mapped(g *image.Gray, f func(v float64) float64) *image.Gray {
	out := image.NewGray(g.Rect)
	for i, v := range g.Pix {
		out.Pix[i] = uint8(min(max(f(float64(v)), 0), 255))
	}
	return out
}

func filled(g *image.Gray, r image.Rectangle, v uint8) *image.Gray {
	draw.Draw(g, r, image.NewUniform(color.Gray{Y: v}), image.Point{}, draw.Src)
	return g
}

func noise(w, h int, blur float64) image.Image {
	rng := rand.New(rand.NewPCG(1, 2))
	g := image.NewGray(image.Rect(0, 0, w, h))
	for i := range g.Pix {
		g.Pix[i] = uint8(rng.IntN(256))
	}
	if blur == 0 {
		return g
	}
	soft := biometrics.Grey(imaging.Blur(g, blur))
	return mapped(soft, func(v float64) float64 { return 128 + 8*(v-128) })
}

// darkest is what too much ink does: each pixel takes the darkest about it.
func darkest(g *image.Gray, reach int) *image.Gray {
	out := image.NewGray(g.Rect)
	for y := range g.Rect.Dy() {
		for x := range g.Rect.Dx() {
			v := uint8(255)
			for dy := -reach; dy <= reach; dy++ {
				for dx := -reach; dx <= reach; dx++ {
					if p := image.Pt(x+dx, y+dy); p.In(g.Rect) {
						v = min(v, g.Pix[p.Y*g.Stride+p.X])
					}
				}
			}
			out.Pix[y*out.Stride+x] = v
		}
	}
	return out
}

func TestPlantedFaultsAreRefused(t *testing.T) {
	index := captured(t, biometrics.RightIndex)
	slap := captured(t, biometrics.RightFour)
	portrait, err := biometrics.Decode(synth.Portrait(1))
	if err != nil {
		t.Fatal(err)
	}
	rolled := finger.Assessor{Position: biometrics.RightIndex, Impression: biometrics.LiveRolled, PPI: 500}
	four := finger.Assessor{Position: biometrics.RightFour, PPI: 500}
	with := func(a finger.Assessor, ppi, missing int) finger.Assessor {
		a.PPI, a.Missing = ppi, missing
		return a
	}
	w, h := index.Rect.Dx(), index.Rect.Dy()
	small := imaging.Resize(index, w/2, 0, imaging.Box)
	for _, c := range []struct {
		name string
		a    finger.Assessor
		img  image.Image
		want string
	}{
		{"blank white", rolled, filled(clone(index), index.Rect, 255), "no-print"},
		{"blank grey", rolled, filled(clone(index), index.Rect, 120), "no-print"},
		{"black", rolled, filled(clone(index), index.Rect, 8), "over-inked"},
		{"white noise", rolled, noise(800, 750, 0), "no-print"},
		{"noise of the size of ridges", rolled, noise(800, 750, 2.2), "no-print"},
		{"coarse noise", rolled, noise(800, 750, 5), "no-print"},
		{"a portrait", rolled, portrait, "colour"},
		{"a portrait without colour", rolled, biometrics.Grey(portrait), "no-print"},
		{"a portrait without colour as a slap", four, imaging.Resize(biometrics.Grey(portrait), 1600, 0, imaging.Linear), "no-print"},
		{"resolution not known", with(rolled, 0, 0), index, "resolution-unknown"},
		{"72 ppi", with(rolled, 72, 0), index, "resolution"},
		{"300 ppi", with(rolled, 300, 0), index, "resolution"},
		{"4000 ppi", with(rolled, 4000, 0), index, "resolution"},
		{"250 ppi said to be 500", rolled, onSheet(small, w, h), "resolution-implausible"},
		{"1000 ppi said to be 500", rolled, imaging.Resize(index, 2*w, 0, imaging.Linear), "resolution-implausible"},
		{"500 ppi said to be 1000", with(rolled, 1000, 0), onSheet(index, 2*w, 2*h), "resolution-implausible"},
		{"500 ppi said to be 1000, which makes the picture small", with(rolled, 1000, 0), index, "resolution-implausible"},
		{"a small picture", rolled, imaging.Crop(index, image.Rect(200, 200, 500, 500)), "image-size"},
		{"a roll as a slap", four, index, "image-size"},
		{"low contrast", rolled, mapped(index, func(v float64) float64 { return 200 + (v-128)*0.12 }), "contrast"},
		{"drowned in ink", rolled, darkest(index, 4), "over-inked"},
		{"left half only", rolled, filled(clone(index), image.Rect(w/2, 0, w, h), 250), "print-size"},
		{"right half only", rolled, filled(clone(index), image.Rect(0, 0, w/2, h), 250), "print-size"},
		{"tip only", rolled, filled(clone(index), image.Rect(0, h*2/5, w, h), 250), "print-size"},
		{"grain", rolled, grainy(index, 110), "unclear"},
		{"out of focus", rolled, imaging.Blur(index, 6), "no-print"},
		{"light on dark", rolled, mapped(index, func(v float64) float64 { return 255 - v }), "inverted"},
		{"one finger lifted", four, filled(clone(slap), image.Rect(0, 0, 400, 1500), 246), "too-few"},
		{"half of the slap", four, filled(clone(slap), image.Rect(800, 0, 1600, 1500), 246), "too-few"},
		{"a finger said to be missing", with(four, 500, 1), slap, "too-many"},
		{"two fingers rolled into one picture", rolled, imaging.Paste(onSheet(index, 2*w, h), index, image.Pt(w, 0)), "too-many"},
	} {
		q := assess(t, c.a, c.img)
		if !slices.Contains(codes(q), c.want) {
			t.Errorf("%s: faults %v, components %v, want %s", c.name, codes(q), q.Components, c.want)
		}
		if q.Score > 49 {
			t.Errorf("%s: score %d of a refused picture", c.name, q.Score)
		}
	}
}

// grainy adds noise of a standard deviation.
func grainy(g *image.Gray, deviation float64) *image.Gray {
	rng := rand.New(rand.NewPCG(5, 5))
	return mapped(g, func(v float64) float64 { return v + deviation*rng.NormFloat64() })
}

// onSheet lays a picture on a white sheet.
func onSheet(img image.Image, w, h int) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, w, h))
	filled(g, g.Rect, 246)
	draw.Draw(g, img.Bounds().Add(image.Pt(20, 20)), img, img.Bounds().Min, draw.Src)
	return g
}

func TestAMannequinsPortraitIsNoPrint(t *testing.T) {
	data, err := os.ReadFile(realData + "face/mannequin-1181x1575.jpg")
	if err != nil {
		t.Skip("no real portrait beside the project: ", err)
	}
	img, err := biometrics.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []biometrics.Position{biometrics.RightThumb, biometrics.LeftFour, biometrics.BothThumbs} {
		a := finger.Assessor{Position: p, PPI: 500}
		if q := assess(t, a, imaging.Resize(img, 1600, 0, imaging.Linear)); !slices.Contains(codes(q), "colour") {
			t.Errorf("%v: %v", p, codes(q))
		}
		grey := imaging.Resize(biometrics.Grey(img), 1600, 0, imaging.Linear)
		if q := assess(t, a, grey); q.Accepted() {
			t.Errorf("%v: accepted, %v", p, q.Components)
		}
	}
}

func TestMissingFingersAreNotAskedFor(t *testing.T) {
	slap := filled(captured(t, biometrics.RightFour), image.Rect(0, 0, 400, 1500), 246)
	q := assess(t, finger.Assessor{Position: biometrics.RightFour, PPI: 500, Missing: 1}, slap)
	if !q.Accepted() {
		t.Error(q.Reasons())
	}
}

func TestTipsOfRealPrintsAreRefused(t *testing.T) {
	for n := 1; n <= 10; n++ {
		img := realPrint(t, n)
		b := img.Bounds()
		p, i := realPosition(n)
		tip := filled(clone(biometrics.Grey(img)), image.Rect(0, b.Dy()/2, b.Dx(), b.Dy()), 245)
		q := assess(t, finger.Assessor{Position: p, Impression: i, PPI: 500}, tip)
		if !slices.Contains(codes(q), "print-size") {
			t.Errorf("%02d: faults %v of %v", n, codes(q), q.Components)
		}
	}
}

func TestRealSlapWithFingersGoneIsRefused(t *testing.T) {
	img := realPrint(t, 14)
	gone := filled(clone(biometrics.Grey(img)), image.Rect(1150, 0, 1572, 1000), 245)
	q := assess(t, finger.Assessor{Position: biometrics.RightFour, PPI: 500}, gone)
	if !slices.Contains(codes(q), "too-few") {
		t.Errorf("faults %v of %v", codes(q), q.Components)
	}
	q = assess(t, finger.Assessor{Position: biometrics.RightFour, PPI: 500, Missing: 1}, gone)
	if !q.Accepted() {
		t.Error(q.Reasons())
	}
}

// TestFingersThatTouchAreCounted pushes the fingers of a slap together.
func TestFingersThatTouchAreCounted(t *testing.T) {
	slap := captured(t, biometrics.RightFour)
	const by = 130 // pixels that each finger moves towards the second
	tight := image.NewGray(slap.Rect)
	filled(tight, tight.Rect, 255)
	for i, shift := range []int{by, 0, -by, -2 * by} {
		for y := range slap.Rect.Dy() {
			for x := 400 * i; x < 400*(i+1); x++ {
				if to := x + shift; to >= 0 && to < slap.Rect.Dx() {
					at := y*slap.Stride + to
					tight.Pix[at] = min(tight.Pix[at], slap.Pix[y*slap.Stride+x])
				}
			}
		}
	}
	q := assess(t, finger.Assessor{Position: biometrics.RightFour, PPI: 500}, tight)
	if n, _ := q.Component("fingers"); n != 4 || !q.Accepted() {
		t.Errorf("%v fingers, %v", n, q.Reasons())
	}
}

func TestSenselessQuestionsAreErrors(t *testing.T) {
	index := captured(t, biometrics.RightIndex)
	for _, a := range []finger.Assessor{
		{Position: 12, PPI: 500}, {Position: -1, PPI: 500}, {Position: biometrics.RightFour, Missing: 4, PPI: 500},
		{Position: biometrics.RightIndex, Missing: 1, PPI: 500}, {Position: biometrics.RightFour, Missing: -1, PPI: 500},
	} {
		if _, err := a.Assess(index); err == nil {
			t.Errorf("%+v: no error", a)
		}
	}
	if _, err := (finger.Assessor{Position: biometrics.RightIndex, PPI: 500}).Assess(nil); err == nil {
		t.Error("no picture: no error")
	}
}

// FuzzAssess holds the gate against pictures of any size and content.
func FuzzAssess(f *testing.F) {
	f.Add(uint16(0), uint16(0), uint8(13), []byte{})
	f.Add(uint16(1), uint16(400), uint8(1), []byte{1, 2, 3})
	f.Add(uint16(640), uint16(480), uint8(15), []byte("0123456789"))
	f.Add(uint16(1290), uint16(800), uint8(14), []byte{0, 60, 200, 255, 255, 180, 40, 10, 5})
	f.Fuzz(func(t *testing.T, w, h uint16, p uint8, fill []byte) {
		g := image.NewGray(image.Rect(0, 0, int(w%1300), int(h%900)))
		for i := range g.Pix {
			if len(fill) > 0 {
				g.Pix[i] = fill[(i+i/7)%len(fill)]
			}
		}
		q, err := finger.Assessor{Position: biometrics.Position(p % 17), Impression: 1, PPI: 500}.Assess(g)
		if err == nil && !q.Accepted() && q.Score > 49 {
			t.Errorf("score %d of a refused picture", q.Score)
		}
	})
}

func BenchmarkRolled(b *testing.B) {
	img := captured(b, biometrics.RightIndex)
	a := finger.Assessor{Position: biometrics.RightIndex, Impression: biometrics.LiveRolled, PPI: 500}
	for b.Loop() {
		assess(b, a, img)
	}
}

func BenchmarkSlap(b *testing.B) {
	img := captured(b, biometrics.RightFour)
	a := finger.Assessor{Position: biometrics.RightFour, PPI: 500}
	for b.Loop() {
		assess(b, a, img)
	}
}
