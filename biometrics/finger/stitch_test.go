package finger_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
)

var rollingHands = sync.OnceValue(func() *synth.Hands { return synth.Grow(77) })

// stitched puts the frames of a synthetic roll together.
func stitched(t testing.TB, p biometrics.Position, m synth.Motion) (synth.Rolling, []finger.Live, *image.Gray, biometrics.Quality) {
	t.Helper()
	frames := rollingHands().Roll(p, 1, m)
	live, img, q := together(t, p, frames)
	return frames, live, img, q
}

// together is a roll from its frames.
func together(t testing.TB, p biometrics.Position, frames synth.Rolling) ([]finger.Live, *image.Gray, biometrics.Quality) {
	t.Helper()
	r, err := finger.NewRoll(p, synth.PPI)
	if err != nil {
		t.Fatal(err)
	}
	var live []finger.Live
	for i, f := range frames.Frames {
		l, err := r.Add(f, frames.Times[i])
		if err != nil {
			t.Fatal(err)
		}
		live = append(live, l)
	}
	img, q, _, err := r.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return live, img, q
}

// correlation of two pictures of one size where the second is not paper.
func correlation(a, b *image.Gray) float64 {
	var x, xx, y, yy, xy, n float64
	for i := range a.Pix {
		if b.Pix[i] < 230 {
			p, q := float64(a.Pix[i]), float64(b.Pix[i])
			x, xx, y, yy, xy, n = x+p, xx+p*p, y+q, yy+q*q, xy+p*q, n+1
		}
	}
	return (n*xy - x*y) / math.Sqrt((n*xx-x*x)*(n*yy-y*y))
}

// TestARollFromFramesIsTheWholeRoll holds what the frames come to against the same impression
// drawn at once, and against another print of the finger.
func TestARollFromFramesIsTheWholeRoll(t *testing.T) {
	for _, c := range []struct {
		p biometrics.Position
		m synth.Motion
	}{{biometrics.RightThumb, synth.Motion{}}, {biometrics.RightMiddle, synth.Motion{Leftward: true}}, {biometrics.LeftLittle, synth.Motion{Slide: 5}}} {
		frames, live, img, q := stitched(t, c.p, c.m)
		if !q.Accepted() || q.Score < 79 {
			t.Errorf("%v: score %d, %v", c.p, q.Score, q.Reasons())
		}
		want := 1.0
		if c.m.Leftward {
			want = -1
		}
		last := live[len(live)-1]
		if got, _ := q.Component("roll-direction"); got != want || last.Direction != int(want) {
			t.Errorf("%v: direction %v", c.p, got)
		}
		made, whole, plain := extracted(t, img), extracted(t, frames.Whole), extracted(t, decoded(t, rollingHands().Capture(c.p, false, 5).PNG))
		same, self := finger.Match(made, whole), finger.Match(whole, whole)
		mate, best := finger.Match(made, plain), finger.Match(whole, plain)
		like := correlation(img, frames.Whole)
		t.Logf("%v: pixels correlate by %.2f, match %.0f with the whole (%.0f with itself), %.0f with its mate (the whole %.0f); %d and %d minutiae",
			c.p, like, same, self, mate, best, len(made.Minutiae), len(whole.Minutiae))
		if same < 0.65*self || mate < 0.7*best || c.m.Slide == 0 && like < 0.75 {
			t.Errorf("%v: correlation %.2f, match %.0f of %.0f with the whole, %.0f of %.0f with its mate", c.p, like, same, self, mate, best)
		}
		if a, _ := q.Component("print-width"); last.Width != a && math.Abs(last.Width-a) > 0.02 {
			t.Errorf("%v: %.1f mm live, %.1f at the end", c.p, last.Width, a)
		}
		for i := 1; i < len(live); i++ {
			if live[i].Width < live[i-1].Width-1.7 {
				t.Errorf("%v, frame %d: %.1f mm after %.1f", c.p, i, live[i].Width, live[i-1].Width)
			}
		}
	}
}

func decoded(t testing.TB, data []byte) *image.Gray {
	t.Helper()
	img, err := biometrics.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return biometrics.Grey(img)
}

func extracted(t testing.TB, img image.Image) finger.Template {
	t.Helper()
	out, err := finger.Extract(img, synth.PPI)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestARollMayComeAsAStreamOfJPEGs compresses the frames, as MOSIP's scanners send them, over a
// platen that is not clean.
func TestARollMayComeAsAStreamOfJPEGs(t *testing.T) {
	const p = biometrics.RightIndex
	frames := rollingHands().Roll(p, 2, synth.Motion{Speed: 2})
	r, err := finger.NewRoll(p, synth.PPI)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(4, 4))
	for i, f := range frames.Frames {
		dirty := redrawn(f, func(x, y int) float64 { return shifted(f, x, y) - 12*float64(x)/800 - 4*rng.Float64() })
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, dirty, &jpeg.Options{Quality: 70}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Add(decoded(t, buf.Bytes()), frames.Times[i]); err != nil {
			t.Fatal(err)
		}
	}
	img, q, _, err := r.Finish()
	if err != nil || !q.Accepted() {
		t.Fatal(q.Reasons(), err)
	}
	whole := extracted(t, frames.Whole)
	if same, self := finger.Match(extracted(t, img), whole), finger.Match(whole, whole); same < 0.6*self {
		t.Errorf("match %.0f of %.0f with the whole", same, self)
	}
}

func TestWhatGoesWrongInARollIsSaid(t *testing.T) {
	const p = biometrics.LeftRing
	for name, c := range map[string]struct {
		m    synth.Motion
		want string
	}{
		"slid":        {synth.Motion{Slide: 12, Speed: 2}, "slid"},
		"lifted":      {synth.Motion{Lift: true, Speed: 2}, "left the scanner"},
		"too fast":    {synth.Motion{Speed: 20}, "too fast"},
		"rolled back": {synth.Motion{Back: true, Speed: 2}, "rolled back"},
		"too short":   {synth.Motion{Share: 0.4, Speed: 2}, "further to the right"},
		"other side":  {synth.Motion{Share: 0.4, Leftward: true, Speed: 2}, "further to the left"},
	} {
		_, live, _, q := stitched(t, p, c.m)
		if !says(q, c.want) {
			t.Errorf("%s: %v, %v", name, q.Faults, q.Advice)
		}
		if name == "slid" && !strings.Contains(live[len(live)-3].Advice, "slid") {
			t.Errorf("%s: live %q", name, live[len(live)-3].Advice)
		}
	}
	_, live, _, q := stitched(t, p, synth.Motion{Speed: 2})
	if !q.Accepted() || len(q.Advice) > 0 || q.Sentence() != "" {
		t.Errorf("a good roll: %v, %v", q.Faults, q.Advice)
	}
	for i, want := range map[int]string{0: "Lay one nail edge", 5: "Roll on to the right", 16: "Roll on to the nail edge"} {
		if !strings.HasPrefix(live[i].Advice, want) {
			t.Errorf("frame %d: %q, want %q", i, live[i].Advice, want)
		}
	}
}

// TestSlidesAreToldFromGoodRolls rolls the hands of as many people as CARDSTATION_HANDS says, one where it does not.
func TestSlidesAreToldFromGoodRolls(t *testing.T) {
	people, _ := strconv.Atoi(os.Getenv("CARDSTATION_HANDS"))
	slides := []float64{0, 8}
	if people > 0 {
		slides = []float64{0, 4, 6, 8, 12}
	}
	for _, slide := range slides {
		var said, refused, n int
		for k := range max(people, 1) {
			h := synth.Grow(uint64(500 + k))
			for p := biometrics.RightThumb; p <= biometrics.LeftLittle; p++ {
				_, _, q := together(t, p, h.Roll(p, uint64(k), synth.Motion{Speed: 1.5, Slide: slide}))
				if n++; says(q, "slid") {
					said++
				}
				if slices.Contains(codes(q), "slid") {
					refused++
				}
			}
		}
		t.Logf("slides of %g pixels: said of %d, refused %d, of %d", slide, said, refused, n)
		if slide == 0 && refused > 0 || slide >= 8 && refused*10 < n*8 {
			t.Errorf("slides of %g pixels: refused %d of %d", slide, refused, n)
		}
	}
}

// TestSkinThatGivesWayHasNotSlid rolls a finger whose last frames lie off by 4 pixels, by 0.92 of
// the most as like where they were.
func TestSkinThatGivesWayHasNotSlid(t *testing.T) {
	const p = biometrics.RightIndex
	if _, _, q := together(t, p, synth.Grow(1).Roll(p, 0, synth.Motion{})); !q.Accepted() || len(q.Advice) > 0 {
		t.Errorf("%v, %v", q.Faults, q.Advice)
	}
}

func TestFramesThatDoNotFitAreErrors(t *testing.T) {
	if _, err := finger.NewRoll(biometrics.RightFour, 500); err == nil {
		t.Error("a roll of four fingers")
	}
	r, err := finger.NewRoll(biometrics.RightIndex, 500)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := r.Finish(); err == nil {
		t.Error("a roll without frames")
	}
	if _, err := r.Add(image.NewGray(image.Rect(0, 0, 20, 20)), 0); err == nil {
		t.Error("a frame of 20 x 20 pixels")
	}
	blank := filled(image.NewGray(image.Rect(0, 0, 800, 750)), image.Rect(0, 0, 800, 750), 240)
	if live, err := r.Add(blank, 0); err != nil || live.Touching || live.Width != 0 {
		t.Errorf("%+v, %v", live, err)
	}
	if _, err := r.Add(image.NewGray(image.Rect(0, 0, 640, 480)), 1); err == nil {
		t.Error("a frame of another size")
	}
	if _, q, _, err := r.Finish(); err != nil || !slices.Contains(codes(q), "no-print") {
		t.Errorf("nothing touched: %v, %v", codes(q), err)
	}
}

// FuzzRoll adds frames of any content.
func FuzzRoll(f *testing.F) {
	f.Add(uint16(300), uint16(200), []byte("0123456789"))
	f.Add(uint16(64), uint16(64), []byte{0, 60, 200, 255, 255, 180, 40, 10, 5})
	f.Fuzz(func(t *testing.T, w, h uint16, fill []byte) {
		r, err := finger.NewRoll(biometrics.LeftThumb, 500)
		if err != nil {
			t.Fatal(err)
		}
		for k := range 4 {
			g := image.NewGray(image.Rect(0, 0, int(w%500), int(h%500)))
			for i := range g.Pix {
				if len(fill) > 0 {
					g.Pix[i] = fill[(i*(k+1)+i/7)%len(fill)]
				}
			}
			if live, err := r.Add(g, time.Duration(k)*time.Millisecond); err == nil && (live.Quality < 0 || live.Quality > 100) {
				t.Errorf("quality %d", live.Quality)
			}
		}
		_, _, _, _ = r.Finish()
	})
}

func BenchmarkRollFrame(b *testing.B) {
	frames := rollingHands().Roll(biometrics.RightThumb, 1, synth.Motion{})
	for b.Loop() {
		r, err := finger.NewRoll(biometrics.RightThumb, synth.PPI)
		if err != nil {
			b.Fatal(err)
		}
		for i, f := range frames.Frames {
			if _, err := r.Add(f, frames.Times[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*len(frames.Frames)), "ms/frame")
}
