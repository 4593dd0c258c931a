package finger_test

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
)

// theCard is read once.
var theCard struct {
	once sync.Once
	card
}

// card is the ten rolls and the ten flats of the real card, by position code.
type card struct{ rolled, flat [11]finger.Template }

func extract(t testing.TB, img image.Image) finger.Template {
	t.Helper()
	got, err := finger.Extract(img, 500)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// fingers cuts a slap into its fingers.
func fingers(t testing.TB, img image.Image, p biometrics.Position) map[biometrics.Position]image.Image {
	t.Helper()
	all, err := finger.Find(img, 500, p.Fingers())
	if err != nil {
		t.Fatal(err)
	}
	out := map[biometrics.Position]image.Image{}
	for _, s := range all {
		out[s.Position] = s.Cut(img)
	}
	return out
}

func realCard(t testing.TB) card {
	t.Helper()
	realPrint(t, 1) // skips where there is none
	theCard.once.Do(func() { theCard.card = readCard(t) })
	return theCard.card
}

func readCard(t testing.TB) (c card) {
	for n := 1; n <= 10; n++ {
		c.rolled[n] = extract(t, realPrint(t, n))
	}
	for _, slap := range []map[biometrics.Position]image.Image{
		fingers(t, realPrint(t, 14), biometrics.RightFour), fingers(t, realPrint(t, 11), biometrics.LeftFour),
		{biometrics.RightThumb: realPrint(t, 13), biometrics.LeftThumb: realPrint(t, 12)},
	} {
		for p, img := range slap {
			c.flat[p] = extract(t, img)
		}
	}
	return c
}

func prints(all [11]finger.Template) (out [11]*finger.Print) {
	for i, t := range all {
		out[i] = finger.NewPrint(t)
	}
	return out
}

// TestEachRollOfTheRealCardFindsItsFlat prints the matrix of scores: rolls by rows, the
// fingers of the slaps and the flat thumbs by columns.
func TestEachRollOfTheRealCardFindsItsFlat(t *testing.T) {
	c := realCard(t)
	rolled, flat := prints(c.rolled), prints(c.flat)
	least, most := math.Inf(1), 0.0
	var table strings.Builder
	for i := 1; i <= 10; i++ {
		fmt.Fprintf(&table, "\n%2d (%3d)", i, len(c.rolled[i].Minutiae))
		for j := 1; j <= 10; j++ {
			s := rolled[i].Compare(flat[j]).Score
			fmt.Fprintf(&table, " %5.1f", s)
			if i == j {
				least = min(least, s)
			} else {
				most = max(most, s)
			}
		}
	}
	t.Logf("rolled (minutiae) against flat:%s\nsmallest mate %.1f, largest other %.1f", table.String(), least, most)
	if least <= most {
		t.Errorf("a mate scores %.1f, another pair %.1f", least, most)
	}
}

func TestOtherFingersOfOneHandDoNotMatch(t *testing.T) {
	c := realCard(t)
	for _, all := range [][11]*finger.Print{prints(c.rolled), prints(c.flat)} {
		for i := 1; i <= 10; i++ {
			for j := 1; j <= 10; j++ {
				s := all[i].Compare(all[j]).Score
				if (i == j) != (s >= finger.SameFinger) {
					t.Errorf("%d with %d: %.1f", i, j, s)
				}
			}
		}
	}
}

func TestRollsStandEightyToFourHundredMinutiae(t *testing.T) {
	c := realCard(t)
	for n, got := range c.rolled[1:] {
		if m := len(got.Minutiae); m < 80 || m > 400 {
			t.Errorf("%02d: %d minutiae", n+1, m)
		}
	}
}

// TestFalseMatchRateOnSyntheticHands compares every roll of some synthetic people with the slap
// finger of the same and of every other position and person, and prints how many reach a
// score. CARDSTATION_HANDS says how many people, 1 where it is not set.
func TestFalseMatchRateOnSyntheticHands(t *testing.T) {
	people, _ := strconv.Atoi(os.Getenv("CARDSTATION_HANDS"))
	var rolled, flat []*finger.Print
	for n := range max(people, 1) {
		captures := person()
		if n > 0 {
			captures = synth.Captures(uint64(9000 + n))
		}
		var r, f [11]finger.Template
		for _, c := range captures {
			img, err := biometrics.Decode(c.PNG)
			switch {
			case err != nil:
				t.Fatal(err)
			case c.Impression.Rolled():
				r[c.Position] = extract(t, img)
			default:
				for p, one := range fingers(t, img, c.Position) {
					f[p] = extract(t, one)
				}
			}
		}
		a, b := prints(r), prints(f)
		rolled, flat = append(rolled, a[1:]...), append(flat, b[1:]...)
	}
	others, missed, least := []float64{}, 0, math.Inf(1)
	for i := range rolled {
		for j := range flat {
			s := rolled[i].Compare(flat[j]).Score
			if i != j {
				others = append(others, s)
				continue
			}
			least = min(least, s)
			if s < finger.SameFinger {
				missed++
			}
		}
	}
	reached := func(score float64) (n int) {
		for _, s := range others {
			if s >= score {
				n++
			}
		}
		return n
	}
	t.Logf("%d mates, smallest %.0f, %d under %.0f; of %d others %d reach 20, %d reach 30, %d reach 40",
		len(rolled), least, missed, finger.SameFinger, len(others), reached(20), reached(30), reached(40))
	if missed > len(rolled)/20 || reached(finger.SameFinger) > 1+len(others)/2000 {
		t.Error("the scores do not mean what SameFinger says")
	}
}

// TestATurnedPrintIsTheSameFinger: any turn, any shift.
func TestATurnedPrintIsTheSameFinger(t *testing.T) {
	whole := realPrint(t, 3)
	want := finger.NewPrint(extract(t, whole))
	for _, degrees := range []float64{15, 90, 137, 180, 270} {
		got := finger.NewPrint(extract(t, imaging.Rotate(whole, degrees, color.White)))
		if s := want.Compare(got).Score; s < 5*finger.SameFinger {
			t.Errorf("turned by %v: %.1f", degrees, s)
		}
	}
}

// TestTwiceTheResolutionIsTheSameFinger: 1000 ppi come down to 500.
func TestTwiceTheResolutionIsTheSameFinger(t *testing.T) {
	small := realPrint(t, 7)
	big := imaging.Resize(small, 2*small.Bounds().Dx(), 0, imaging.CatmullRom)
	got, err := finger.Extract(big, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if want := extract(t, small); finger.Match(want, got) < 5*finger.SameFinger || got.Width != want.Width {
		t.Errorf("%.1f, %d wide", finger.Match(want, got), got.Width)
	}
}

// TestAnyPartOfAPrintIsRead: whatever is cut out of a picture, at whatever size, it is read
// without a fault and the same way twice.
func TestAnyPartOfAPrintIsRead(t *testing.T) {
	whole := captured(t, biometrics.RightThumb)
	rng := rand.New(rand.NewPCG(7, 8))
	for range 25 {
		at := image.Pt(rng.IntN(whole.Rect.Dx()), rng.IntN(whole.Rect.Dy()))
		part := whole.SubImage(image.Rectangle{at, at.Add(image.Pt(1+rng.IntN(500), 1+rng.IntN(500)))})
		first, err := finger.Extract(part, 500)
		again, _ := finger.Extract(part, 500)
		if !reflect.DeepEqual(first, again) {
			t.Errorf("%v is read in two ways", part.Bounds())
		}
		if err != nil && part.Bounds().Dx() > 200 && part.Bounds().Dy() > 200 && !errors.Is(err, finger.ErrNoRidges) {
			t.Errorf("%v: %v", part.Bounds(), err)
		}
		for _, m := range first.Minutiae {
			if m.X < 0 || m.Y < 0 || m.X >= first.Width || m.Y >= first.Height || m.Quality < 1 || m.Quality > 100 {
				t.Errorf("%v: %+v", part.Bounds(), m)
			}
		}
	}
}

func TestWhatIsNoPrintHasNoMinutiae(t *testing.T) {
	for name, img := range map[string]image.Image{
		"white": imaging.New(500, 500, color.White), "tiny": imaging.New(1, 1, color.Black), "strip": imaging.New(3000, 4, color.Black),
	} {
		if _, err := finger.Extract(img, 500); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := finger.Extract(nil, 500); err == nil {
		t.Error("nil: no error")
	}
	if _, err := finger.Extract(imaging.New(500, 500, color.White), 300); err == nil {
		t.Error("300 ppi: no error")
	}
	if s := finger.Match(finger.Template{}, finger.Template{}); s != 0 {
		t.Errorf("empty templates: %v", s)
	}
}

// FuzzMatch: whatever two templates say, a comparison ends and scores no less than 0.
func FuzzMatch(f *testing.F) {
	f.Add([]byte("0123456789012345678901234567890123456789"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var both [2]finger.Template
		for i := 0; i+5 <= len(b) && i < 5*200; i += 5 {
			m := finger.Minutia{X: int(b[i]) * 3, Y: int(b[i+1]) * 3, Angle: b[i+2], Quality: b[i+3] % 101}
			both[b[i+4]&1].Minutiae = append(both[b[i+4]&1].Minutiae, m)
		}
		if s := finger.Match(both[0], both[1]); s < 0 || math.IsNaN(s) || math.IsInf(s, 0) {
			t.Errorf("score %v", s)
		}
	})
}

func BenchmarkExtractRolled(b *testing.B) {
	img := realPrint(b, 2)
	for b.Loop() {
		extract(b, img)
	}
}

func BenchmarkNewPrint(b *testing.B) {
	t := extract(b, realPrint(b, 2))
	for b.Loop() {
		finger.NewPrint(t)
	}
}

func BenchmarkCompare(b *testing.B) {
	c := realCard(b)
	rolled, flat := prints(c.rolled), prints(c.flat)
	for _, one := range []struct {
		name    string
		of, and [11]*finger.Print
	}{{"rolled-plain", rolled, flat}, {"rolled-rolled", rolled, rolled}, {"plain-plain", flat, flat}} {
		b.Run(one.name, func(b *testing.B) {
			start, n := time.Now(), 0
			for b.Loop() {
				for i := 1; i <= 10; i++ {
					for j := 1; j <= 10; j++ {
						one.of[i].Compare(one.and[j])
						n++
					}
				}
			}
			b.ReportMetric(float64(time.Since(start).Microseconds())/float64(n), "µs/comparison")
		})
	}
}
