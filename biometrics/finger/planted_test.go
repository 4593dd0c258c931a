package finger_test

import (
	"fmt"
	"image"
	"image/draw"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
)

// shifted reads g at a place, white beyond it.
func shifted(g *image.Gray, x, y int) float64 {
	if p := image.Pt(x, y); !p.In(g.Rect) {
		return 250
	}
	return float64(g.Pix[y*g.Stride+x])
}

// redrawn makes a picture pixel by pixel.
func redrawn(g *image.Gray, at func(x, y int) float64) *image.Gray {
	out := image.NewGray(g.Rect)
	for y := range g.Rect.Dy() {
		for x := range g.Rect.Dx() {
			out.Pix[y*out.Stride+x] = uint8(min(max(at(x, y), 0), 255))
		}
	}
	return out
}

// away draws a shift by at least from and at most to pixels, in any direction.
func away(rng *rand.Rand, from, to float64) (dx, dy float64) {
	sin, cos := math.Sincos(2 * math.Pi * rng.Float64())
	r := from + (to-from)*rng.Float64()
	return r * cos, r * sin
}

// slid is what a finger leaves that slides by 3 to 9 pixels in the middle of the roll: beyond
// a leaning and winding seam the ridges lie elsewhere.
func slid(g *image.Gray, rng *rand.Rand) *image.Gray {
	dx, dy := away(rng, 3, 9)
	from, to := breadth(g)
	at, lean := float64(from)+float64(to-from)*(0.35+0.3*rng.Float64()), 0.1*(rng.Float64()-0.5)
	return redrawn(g, func(x, y int) float64 {
		if float64(x) > at+lean*float64(y-g.Rect.Dy()/2)+5*math.Sin(float64(y)/60) {
			return shifted(g, x-int(math.Round(dx)), y-int(math.Round(dy)))
		}
		return shifted(g, x, y)
	})
}

// twice is what a finger leaves that touches again 4 to 16 pixels beside, more lightly, and
// stretched otherwise. What is only of the picture, its grain, must not come twice, or it would
// be found by that: a synthetic finger touches again indeed; of a real print a copy does, blurred,
// and with a grain of its own.
func twice(r roll, rng *rand.Rand) *image.Gray {
	dx, dy := away(rng, 4, 16)
	if !r.real {
		return picture(r.hands.Worn(r.Position, true, r.attempt, synth.Wear{Again: math.Hypot(dx, dy)}))
	}
	share := 0.5 + 0.4*rng.Float64()
	soft := biometrics.Grey(imaging.Blur(r.img, 1.2))
	grain := redrawn(r.img, func(x, y int) float64 { return 128 + 40*rng.NormFloat64() })
	grain = biometrics.Grey(imaging.Blur(grain, 0.6))
	return redrawn(r.img, func(x, y int) float64 {
		sx := x - int(math.Round(dx+1.5*math.Sin(float64(x)/90+float64(y)/130)))
		sy := y - int(math.Round(dy+1.5*math.Cos(float64(y)/80)))
		ink := 1.15 * (1 - shifted(soft, sx, sy)/250) // what the blur took off
		ink += (shifted(grain, x, y) - 128) / 250 * min(0.3*ink+4*ink*(1-ink), 1)
		return shifted(r.img, x, y) * min(1-share*ink, 1)
	})
}

// smeared is what a finger leaves that is pushed along by 8 to 18 pixels while it is pressed.
func smeared(g *image.Gray, rng *rand.Rand) *image.Gray {
	dx, dy := away(rng, 8, 18)
	return redrawn(g, func(x, y int) float64 {
		var sum float64
		for k := -8; k <= 8; k++ {
			t := float64(k) / 16
			sum += shifted(g, x+int(math.Round(t*dx)), y+int(math.Round(t*dy)))
		}
		return sum / 17
	})
}

// lightest is what too little ink does, as darkest is what too much does.
func lightest(g *image.Gray, reach int) *image.Gray {
	turned := func(v float64) float64 { return 255 - v }
	return mapped(darkest(mapped(g, turned), reach), turned)
}

// breadth is from where to where a print has ink.
func breadth(g *image.Gray) (from, to int) {
	from = g.Rect.Dx()
	for x := range g.Rect.Dx() {
		dark := 0
		for y := range g.Rect.Dy() {
			if g.Pix[y*g.Stride+x] < 128 {
				dark++
			}
		}
		if dark > 60 {
			from, to = min(from, x), max(to, x)
		}
	}
	return from, to
}

// narrowed wipes a third of a print off its left or its right.
func narrowed(g *image.Gray, left bool) *image.Gray {
	from, to := breadth(g)
	part := image.Rect(0, 0, from+(to-from)*35/100, g.Rect.Dy())
	if !left {
		part = image.Rect(to-(to-from)*35/100, 0, g.Rect.Dx(), g.Rect.Dy())
	}
	return filled(clone(g), part, 250)
}

// topless wipes the upper three tenths of a print.
func topless(g *image.Gray) *image.Gray {
	top, bottom := g.Rect.Dy(), 0
	for y := range g.Rect.Dy() {
		dark := 0
		for _, v := range g.Pix[y*g.Stride:][:g.Rect.Dx()] {
			if v < 128 {
				dark++
			}
		}
		if dark > 100 {
			top, bottom = min(top, y), max(bottom, y)
		}
	}
	return filled(clone(g), image.Rect(0, 0, g.Rect.Dx(), top+(bottom-top)*3/10), 250)
}

// roll is a good roll and its gate.
type roll struct {
	finger.Assessor
	img     *image.Gray
	real    bool
	hands   *synth.Hands // of a synthetic one
	attempt uint64
	capture synth.Capture
}

// picture is a capture's, which is always one.
func picture(c synth.Capture) *image.Gray {
	img, err := biometrics.Decode(c.PNG)
	if err != nil {
		panic(err)
	}
	return biometrics.Grey(img)
}

// goodRolls are the ten real ones, where they are, and those of synthetic people.
func goodRolls(t testing.TB, people int) (out []roll) {
	if _, err := os.Stat(realData); err == nil {
		for n := 1; n <= 10; n++ {
			p, i := realPosition(n)
			out = append(out, roll{Assessor: finger.Assessor{Position: p, Impression: i, PPI: 500}, img: biometrics.Grey(realPrint(t, n)), real: true})
		}
	}
	for n := range people {
		hands := synth.Grow(uint64(9000 + n))
		for p := biometrics.RightThumb; p <= biometrics.LeftLittle; p++ {
			c := hands.Capture(p, true, uint64(n))
			out = append(out, roll{finger.Assessor{Position: p, Impression: c.Impression, PPI: 500}, picture(c), false, hands, uint64(n), c})
		}
	}
	return out
}

// planted is one fault: how it is made, the text it is known by, the least share of rolls on
// which it must be found, and the largest share of good rolls on which it may be said.
type planted struct {
	name  string
	make  func(roll, *rand.Rand) *image.Gray
	said  string
	found float64
	wrong float64
}

// onto plants into the picture of a roll.
func onto(make func(*image.Gray, *rand.Rand) *image.Gray) func(roll, *rand.Rand) *image.Gray {
	return func(r roll, rng *rand.Rand) *image.Gray { return make(r.img, rng) }
}

var plantedFaults = []planted{
	{"slid", onto(slid), "slid", 0.4, 0},
	{"touched twice", twice, "touched twice", 0.6, 0},
	{"smeared", onto(smeared), "smeared one way", 0.8, 0},
	{"pressed too much", func(r roll, _ *rand.Rand) *image.Gray { return darkest(r.img, 1) }, "press less", 0.5, 0},
	{"pressed too little", func(r roll, _ *rand.Rand) *image.Gray { return lightest(r.img, 1) }, "press a little more", 0.4, 0},
	// One of the ten real rolls ends close to its core.
	{"left missing", func(r roll, _ *rand.Rand) *image.Gray { return narrowed(r.img, true) }, "further to the left", 0.65, 0.05},
	{"right missing", func(r roll, _ *rand.Rand) *image.Gray { return narrowed(r.img, false) }, "further to the right", 0.65, 0},
	{"tip missing", func(r roll, _ *rand.Rand) *image.Gray { return topless(r.img) }, "lay its tip down", 0.2, 0},
	{"touched twice, to be refused", twice, "The finger touched twice", 0.3, 0},
}

// says that a fault or an advice has these words.
func says(q biometrics.Quality, words string) bool {
	for _, f := range slices.Concat(q.Faults, q.Advice) {
		if strings.Contains(f.Text, words) {
			return true
		}
	}
	return false
}

// TestPlantedFaultsOfARollAreSaid plants what a roll may suffer into good rolls, as many people's
// as CARDSTATION_HANDS says, and counts how often it is said, and how often of the good ones.
func TestPlantedFaultsOfARollAreSaid(t *testing.T) {
	people, _ := strconv.Atoi(os.Getenv("CARDSTATION_HANDS"))
	all := goodRolls(t, max(people, 1))
	var good []biometrics.Quality
	for _, r := range all {
		q := assess(t, r.Assessor, r.img)
		good = append(good, q)
		if !q.Accepted() {
			t.Errorf("a good roll, %v, real %v: %v", r.Position, r.real, q.Reasons())
		}
	}
	for n, fault := range plantedFaults {
		rng := rand.New(rand.NewPCG(3, uint64(n)))
		var found, wrong int
		for i, r := range all {
			if q := assess(t, r.Assessor, fault.make(r, rng)); says(q, fault.said) {
				found++
			}
			if says(good[i], fault.said) {
				wrong++
			}
		}
		total := float64(len(all))
		t.Logf("%s: said of %d, and of %d good ones, of %d", fault.name, found, wrong, len(all))
		if float64(found) < fault.found*total || float64(wrong) > fault.wrong*total {
			t.Errorf("%s: said of %d, want %.0f, and of %d good ones, want at most %.0f", fault.name, found, fault.found*total, wrong, fault.wrong*total)
		}
	}
}

// TestCoresAndDeltasAreFoundWhereTheyWereMade reads the rolls of as many people as
// CARDSTATION_HANDS says, of two where it does not.
func TestCoresAndDeltasAreFoundWhereTheyWereMade(t *testing.T) {
	people, _ := strconv.Atoi(os.Getenv("CARDSTATION_HANDS"))
	var made, found, wrong int
	for _, r := range goodRolls(t, max(people, 2)) {
		if r.real {
			continue
		}
		_, m, err := r.Inspect(r.img)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []struct{ truth, seen []image.Point }{{r.capture.Cores, m.Cores}, {r.capture.Deltas, m.Deltas}} {
			made += len(k.truth)
			near := 0
			for _, at := range k.truth {
				if slices.ContainsFunc(k.seen, func(p image.Point) bool {
					p = p.Sub(at)
					return p.X*p.X+p.Y*p.Y < 28*28
				}) {
					near++
				}
			}
			found += near
			wrong += len(k.seen) - near
		}
	}
	t.Logf("%d of %d found, %d where there is none", found, made, wrong)
	if found*10 < made*9 || wrong*20 > made {
		t.Errorf("%d of %d found, %d where there is none", found, made, wrong)
	}
}

// patterns are the cores and deltas of the rolls of the real card, and places beside the finger on
// print, lines, writing or another print, in pixels, read off by hand: nine whorls, of which the
// left middle finger has its upper core in a scar and is left without it, and a loop.
var patterns = [...]struct{ cores, deltas, beside []image.Point }{
	{[]image.Point{{484, 335}, {535, 515}}, []image.Point{{285, 525}, {720, 465}}, []image.Point{{330, 45}, {150, 60}, {640, 700}}},
	{[]image.Point{{290, 248}, {360, 460}}, []image.Point{{165, 450}, {505, 460}}, []image.Point{{20, 300}, {300, 45}, {690, 130}, {620, 600}}},
	{[]image.Point{{232, 205}, {215, 400}}, []image.Point{{105, 385}, {412, 385}}, []image.Point{{190, 50}, {740, 690}}},
	{[]image.Point{{275, 300}, {335, 470}}, []image.Point{{105, 475}, {450, 480}}, []image.Point{{760, 400}, {300, 50}}},
	{[]image.Point{{165, 345}, {255, 480}}, []image.Point{{320, 490}}, []image.Point{{300, 50}, {660, 400}}},
	{[]image.Point{{548, 340}, {470, 485}}, []image.Point{{310, 460}, {725, 520}}, []image.Point{{90, 50}, {400, 45}, {400, 670}}},
	{[]image.Point{{465, 295}, {425, 480}}, []image.Point{{210, 460}, {575, 500}}, []image.Point{{60, 710}, {300, 45}, {790, 480}}},
	{[]image.Point{{312, 540}}, []image.Point{{125, 525}, {425, 570}}, []image.Point{{740, 300}, {660, 480}, {350, 45}}},
	{[]image.Point{{95, 340}, {80, 495}}, []image.Point{{250, 510}}, []image.Point{{290, 45}, {760, 400}, {450, 670}}},
	{[]image.Point{{240, 375}}, []image.Point{{325, 560}}, []image.Point{{300, 45}, {100, 700}}},
}

func TestThePatternsOfTheRealRollsAreSeen(t *testing.T) {
	for n, want := range patterns {
		p, i := realPosition(n + 1)
		_, m, err := finger.Assessor{Position: p, Impression: i, PPI: 500}.Inspect(realPrint(t, n+1))
		if err != nil {
			t.Fatal(err)
		}
		for what, k := range map[string]struct{ want, seen []image.Point }{"cores": {want.cores, m.Cores}, "deltas": {want.deltas, m.Deltas}} {
			near := 0
			for _, at := range k.want {
				if slices.ContainsFunc(k.seen, func(p image.Point) bool { return math.Hypot(float64(p.X-at.X), float64(p.Y-at.Y)) < 32 }) {
					near++
				}
				if m.At(at) < 0 {
					t.Errorf("%v: nothing is said of %v, one of the %s", p, at, what)
				}
			}
			if near != len(k.want) || len(k.seen) != near {
				t.Errorf("%v: %s at %v, want %v", p, what, k.seen, k.want)
			}
		}
		for _, at := range want.beside {
			if m.At(at) >= 0 {
				t.Errorf("%v: %v is held for the finger", p, at)
			}
		}
	}
}

// TestTheMapFallsWhereTheRidgesAreWorse blurs a part of a print.
func TestTheMapFallsWhereTheRidgesAreWorse(t *testing.T) {
	g := captured(t, biometrics.RightIndex)
	a := finger.Assessor{Position: biometrics.RightIndex, Impression: biometrics.LiveRolled, PPI: 500}
	part := image.Rect(320, 320, 400, 400)
	worse := clone(g)
	draw.Draw(worse, part, imaging.Blur(g, 3), part.Min, draw.Src)
	big := imaging.Resize(worse, 2*g.Rect.Dx(), 0, imaging.Linear)
	_, before, _ := a.Inspect(g)
	_, after, _ := a.Inspect(worse)
	a.PPI = 1000
	_, twofold, _ := a.Inspect(big)
	at := image.Pt(360, 360)
	if b, n, o := before.At(at), after.At(at), before.At(image.Pt(3, 3)); b < 70 || n > b-30 || o != -1 {
		t.Errorf("quality %d before, %d after, %d beside the finger", b, n, o)
	}
	if n := twofold.At(at.Mul(2)); n > before.At(at)-30 || twofold.Block != 32 {
		t.Errorf("quality %d at 1000 ppi, blocks of %d", n, twofold.Block)
	}
	if len(before.Cores) == 0 || len(twofold.Cores) != len(before.Cores) {
		t.Fatalf("cores %v and %v", before.Cores, twofold.Cores)
	}
	if d := twofold.Cores[0].Sub(before.Cores[0].Mul(2)); d.X*d.X+d.Y*d.Y > 70*70 {
		t.Errorf("core at %v and %v", before.Cores[0], twofold.Cores[0])
	}
}

// TestTheMapAgreesWithNBIS holds the map of the real rolls against the quality that NIST's mindtct
// gives to the minutiae it finds there: of a better and a worse one, the better lies where the
// map is higher.
func TestTheMapAgreesWithNBIS(t *testing.T) {
	var right, pairs float64
	for n := 1; n <= 10; n++ {
		img := realPrint(t, n)
		p, i := realPosition(n)
		_, m, err := finger.Assessor{Position: p, Impression: i, PPI: 500}.Inspect(img)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(fmt.Sprintf(realData+"tenprint/minutiae/%02d.xyt", n))
		if err != nil {
			t.Skip("no minutiae of NBIS beside the project: ", err)
		}
		var good, poor []int
		for line := range strings.Lines(string(data)) {
			var x, y, theta, quality int
			if _, err := fmt.Sscan(line, &x, &y, &theta, &quality); err != nil {
				t.Fatal(err)
			}
			if v := m.At(image.Pt(x, img.Bounds().Dy()-1-y)); v >= 0 && quality >= 40 {
				good = append(good, v)
			} else if v >= 0 && quality < 20 {
				poor = append(poor, v)
			}
		}
		for _, a := range good {
			for _, b := range poor {
				pairs++
				if a > b {
					right++
				} else if a == b {
					right += 0.5
				}
			}
		}
	}
	t.Logf("%.3f of %.0f pairs in order", right/pairs, pairs)
	if right < 0.77*pairs || pairs < 20000 {
		t.Errorf("%.3f of %.0f pairs in order", right/pairs, pairs)
	}
}
