package synth_test

import (
	"bytes"
	"image"
	"image/png"
	"math"
	"sync"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/face"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
)

var hands = sync.OnceValue(func() *synth.Hands { return synth.Grow(11) })

func decode(t testing.TB, data []byte) biometrics.Image {
	t.Helper()
	img, err := biometrics.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestThirteenCapturesInTheOrderOfTheCircularPassTheGate(t *testing.T) {
	want := []biometrics.Position{13, 14, 15, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	got := synth.Captures(11)
	if len(got) != len(want) {
		t.Fatalf("%d captures", len(got))
	}
	for i, c := range got {
		if c.Position != want[i] || c.Impression.Rolled() != (i >= 3) {
			t.Errorf("capture %d is %v, impression %d", i, c.Position, c.Impression)
		}
		q, err := finger.Assessor{Position: c.Position, Impression: c.Impression}.Assess(decode(t, c.PNG))
		if err != nil || !q.Accepted() {
			t.Errorf("%v: %v %v", c.Position, q.Reasons(), err)
		}
	}
}

func TestSingleFingersPassTheGateRolledAndPlain(t *testing.T) {
	for p := biometrics.RightThumb; p <= biometrics.LeftLittle; p++ {
		for _, rolled := range []bool{true, false} {
			c := hands().Capture(p, rolled, 7)
			q, err := finger.Assessor{Position: p, Impression: c.Impression}.Assess(decode(t, c.PNG))
			if err != nil || !q.Accepted() {
				t.Errorf("%v, rolled %v: %v %v", p, rolled, q.Reasons(), err)
			}
		}
	}
}

func TestTheSameSeedGivesTheSameBytes(t *testing.T) {
	a, b := hands().Capture(biometrics.RightRing, true, 3), synth.Grow(11).Capture(biometrics.RightRing, true, 3)
	if !bytes.Equal(a.PNG, b.PNG) {
		t.Error("two prints of one seed differ")
	}
	if !bytes.Equal(synth.Portrait(5), synth.Portrait(5)) {
		t.Error("two portraits of one seed differ")
	}
	if bytes.Equal(a.PNG, hands().Capture(biometrics.RightRing, true, 4).PNG) {
		t.Error("two attempts are the same")
	}
}

// TestEachKindOfWearShows: each leaves its mark on the print, the same of the same seed, and none
// leaves Capture's.
func TestEachKindOfWearShows(t *testing.T) {
	of := func(w synth.Wear, attempt uint64) synth.Capture {
		return hands().Worn(biometrics.RightIndex, false, attempt, w)
	}
	good := of(synth.Wear{}, 5)
	if !bytes.Equal(good.PNG, hands().Capture(biometrics.RightIndex, false, 5).PNG) {
		t.Error("no wear is not Capture")
	}
	ink := func(c synth.Capture) (dark int) {
		for _, v := range biometrics.Grey(decode(t, c.PNG)).Pix {
			if v < 128 {
				dark++
			}
		}
		return dark
	}
	for name, c := range map[string]struct {
		synth.Wear
		from, to float64 // ink, of the good print's
	}{
		"partial":  {synth.Wear{Partial: 0.5}, 0.3, 0.65},
		"stretch":  {synth.Wear{Stretch: 8}, 0.9, 1.1},
		"dry":      {synth.Wear{Moisture: -0.8}, 0.2, 0.8},
		"wet":      {synth.Wear{Moisture: 0.8}, 1.2, 2},
		"noise":    {synth.Wear{Noise: 0.8}, 0.8, 1.2},
		"scars":    {synth.Wear{Scars: 3}, 0.8, 0.995},
		"smudge":   {synth.Wear{Smudge: 14}, 0.7, 1.2},
		"lines":    {synth.Wear{Lines: 2}, 1.005, 1.2},
		"writing":  {synth.Wear{Words: 2}, 1.005, 1.2},
		"again":    {synth.Wear{Again: 10}, 1.1, 2},
		"all hard": {synth.Hard(3), 0.1, 2},
	} {
		worn := of(c.Wear, 5)
		if bytes.Equal(worn.PNG, good.PNG) || !bytes.Equal(worn.PNG, of(c.Wear, 5).PNG) || bytes.Equal(worn.PNG, of(c.Wear, 6).PNG) {
			t.Errorf("%s: the same as a good print, as another attempt, or not the same twice", name)
		}
		if share := float64(ink(worn)) / float64(ink(good)); share < c.from || share > c.to {
			t.Errorf("%s: %.3f of the good print's ink, want %v to %v", name, share, c.from, c.to)
		}
	}
	if part := of(synth.Wear{Partial: 0.5}, 5).Minutiae; len(part) < 5 || len(part) > len(good.Minutiae)*3/4 {
		t.Errorf("half a print shows %d minutiae of %d", len(part), len(good.Minutiae))
	}
}

func TestPicturesSayThatTheyAreSimulated(t *testing.T) {
	c := hands().Capture(biometrics.BothThumbs, false, 0)
	if !bytes.Contains(c.PNG, []byte("tEXtComment\x00Simulated, of no person")) {
		t.Error("no remark in the print")
	}
	if img := decode(t, c.PNG); img.PPI != synth.PPI {
		t.Errorf("%d ppi", img.PPI)
	}
	if !bytes.Contains(synth.Portrait(1), []byte("Simulated, of no person")) {
		t.Error("no remark in the portrait")
	}
	// The letters: without them the lower margin is even.
	g := biometrics.Grey(decode(t, c.PNG))
	even := true
	for x := range 200 {
		even = even && g.GrayAt(x, g.Rect.Dy()-9) == g.GrayAt(0, 0)
	}
	if even {
		t.Error("no letters on the margin")
	}
}

func TestPositionsThatDoNotExistGiveNoPicture(t *testing.T) {
	for _, p := range []biometrics.Position{-1, 0, 11, 12, 16} {
		if c := hands().Capture(p, false, 0); c.PNG != nil {
			t.Errorf("%v has a picture", p)
		}
	}
}

// TestImpressionsOfOneFingerShareTheirRidges compares a patch of a plain print
// with the rolled one by the best correlation over small shifts and turns: one's
// own finger must stand out among the hand's.
func TestImpressionsOfOneFingerShareTheirRidges(t *testing.T) {
	var rolled, plain [11]*image.Gray
	const last = biometrics.RightLittle
	for p := biometrics.RightThumb; p <= last; p++ {
		rolled[p] = biometrics.Grey(decode(t, hands().Capture(p, true, 1).PNG))
		plain[p] = biometrics.Grey(decode(t, hands().Capture(p, false, 1).PNG))
	}
	found := 0
	for p := 1; p <= int(last); p++ {
		best, at := 0.0, 0
		for q := 1; q <= int(last); q++ {
			if c := likeness(plain[p], rolled[q]); c > best {
				best, at = c, q
			}
		}
		if at == p {
			found++
		}
	}
	if found < int(last) {
		t.Errorf("%d of 5 plain prints are most like the roll of their own finger", found)
	}
}

// likeness is the best normalised correlation of the middle of a with b.
func likeness(a, b *image.Gray) float64 {
	const reach, patch = 34, 44
	am := image.Pt(a.Rect.Dx()/2, a.Rect.Dy()/2-10)
	bm := image.Pt(b.Rect.Dx()/2, b.Rect.Dy()/2-10)
	best := 0.0
	for turn := -0.2; turn <= 0.2; turn += 0.1 {
		sin, cos := math.Sincos(turn)
		for sy := -reach; sy <= reach; sy += 3 {
			for sx := -reach; sx <= reach; sx += 3 {
				var sa, sb, saa, sbb, sab, n float64
				for y := -patch; y <= patch; y += 4 {
					for x := -patch; x <= patch; x += 4 {
						va := float64(a.Pix[(am.Y+y)*a.Stride+am.X+x])
						bx := bm.X + sx + int(float64(x)*cos-float64(y)*sin)
						by := bm.Y + sy + int(float64(x)*sin+float64(y)*cos)
						vb := float64(b.Pix[by*b.Stride+bx])
						sa, sb, saa, sbb, sab, n = sa+va, sb+vb, saa+va*va, sbb+vb*vb, sab+va*vb, n+1
					}
				}
				best = max(best, (n*sab-sa*sb)/math.Sqrt((n*saa-sa*sa)*(n*sbb-sb*sb)+1))
			}
		}
	}
	return best
}

func TestPortraitsPassTheGateAndKeepTheirMarkWhenCropped(t *testing.T) {
	img := decode(t, synth.Portrait(9))
	q, err := face.Assessor{}.Assess(img)
	if err != nil || !q.Accepted() {
		t.Fatal(q.Reasons(), err)
	}
	f, err := face.Find(img)
	if err != nil {
		t.Fatal(err)
	}
	cut, err := face.Crop(img, f)
	if err != nil {
		t.Fatal(err)
	}
	// The letters are the only near-black things below the chin.
	dark := 0
	g := biometrics.Grey(cut)
	for y := 560; y < 640; y++ {
		for x := 100; x < 380; x++ {
			if g.GrayAt(x, y).Y < 70 {
				dark++
			}
		}
	}
	if dark < 200 {
		t.Errorf("%d dark pixels where SIMULATED should stand", dark)
	}
}

func TestPrintsAreReadableByAnyPNGReader(t *testing.T) {
	// png.Decode checks the checksum of every chunk, ours too.
	if _, err := png.Decode(bytes.NewReader(hands().Capture(biometrics.LeftIndex, false, 0).PNG)); err != nil {
		t.Error(err)
	}
}

func BenchmarkThirteenCaptures(b *testing.B) {
	for b.Loop() {
		synth.Captures(7)
	}
}

// BenchmarkHand grows ten fingers.
func BenchmarkHand(b *testing.B) {
	for b.Loop() {
		synth.Grow(7)
	}
}

func BenchmarkImpression(b *testing.B) {
	for _, one := range []struct {
		name   string
		rolled bool
		wear   synth.Wear
	}{{"rolled", true, synth.Wear{}}, {"plain", false, synth.Wear{}}, {"hard", false, synth.Wear{Stretch: 6, Noise: 0.6, Scars: 2, Smudge: 12, Lines: 1, Words: 2}}} {
		h := hands()
		b.Run(one.name, func(b *testing.B) {
			for b.Loop() {
				h.Worn(biometrics.RightThumb, one.rolled, 1, one.wear)
			}
		})
	}
}

func BenchmarkPortrait(b *testing.B) {
	for b.Loop() {
		synth.Portrait(7)
	}
}
