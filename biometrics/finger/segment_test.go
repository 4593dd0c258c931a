package finger_test

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
)

// pads are places on the pads of the slaps of the real card, in pixels, read off by hand.
var pads = map[int][]image.Point{
	11: {{288, 783}, {590, 288}, {921, 173}, {1284, 369}},
	14: {{269, 688}, {550, 269}, {928, 229}, {1358, 573}},
}

func TestSlapsOfTheRealCardFallIntoFourFingers(t *testing.T) {
	for n, want := range pads {
		img := realPrint(t, n)
		position, _ := realPosition(n)
		got, err := finger.Find(img, 500, position.Fingers())
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range got {
			t.Logf("%02d: %v in %v leans %.0f degrees", n, s.Position, s.Box, s.Angle)
			if s.Position != position.Fingers()[i] || math.Abs(s.Angle) > 35 {
				t.Errorf("%02d: finger %d is the %v, leans %.0f degrees", n, i, s.Position, s.Angle)
			}
			for k, p := range want {
				if p.In(s.Box) != (i == k) {
					t.Errorf("%02d: %v in %v: %v", n, p, s.Box, p.In(s.Box))
				}
			}
		}
	}
}

// A hand is laid on askew: the finger beside one may then lie below it, and the joint below one
// beside it. The rolls say whether each finger is the right one; the right little finger of the
// card is too worn to say.
func TestFingersOfASlapLaidOnAskewAreFound(t *testing.T) {
	askew := func(name string, img image.Image, p biometrics.Position, roll func(biometrics.Position) image.Image, degrees ...float64) {
		t.Helper()
		upright, err := finger.Find(img, 500, p.Fingers())
		if err != nil {
			t.Fatal(err)
		}
		for _, turn := range degrees {
			got, err := finger.Find(imaging.Rotate(img, turn, color.White), 500, p.Fingers())
			if err != nil {
				t.Errorf("%s turned by %g: %v", name, turn, err)
				continue
			}
			for i, s := range got {
				if off := upright[i].Angle - turn - s.Angle; math.Abs(off) > 12 { // a real pad that is cut off elsewhere
					t.Errorf("%s turned by %g: the %v leans %.0f degrees, %.0f before", name, turn, s.Position, s.Angle, upright[i].Angle)
				}
				if one := roll(s.Position); one != nil && finger.Match(extract(t, s.Cut(imaging.Rotate(img, turn, color.White))), extract(t, one)) < 20 {
					t.Errorf("%s turned by %g: the %v is another", name, turn, s.Position)
				}
			}
		}
	}
	hands := synth.Grow(321)
	rolls := map[biometrics.Position]image.Image{}
	for p := biometrics.RightIndex; p <= biometrics.RightLittle; p++ {
		img, err := biometrics.Decode(hands.Capture(p, true, 0).PNG)
		if err != nil {
			t.Fatal(err)
		}
		rolls[p] = img
	}
	slap, err := biometrics.Decode(hands.Capture(biometrics.RightFour, false, 0).PNG)
	if err != nil {
		t.Fatal(err)
	}
	askew("a synthetic hand", slap, biometrics.RightFour, func(p biometrics.Position) image.Image { return rolls[p] }, -30, 30)
	for n := range pads {
		img := realPrint(t, n)
		p, _ := realPosition(n)
		askew("a real hand", img, p, func(p biometrics.Position) image.Image {
			if p == biometrics.RightLittle {
				return nil
			}
			return realPrint(t, int(p))
		}, -30, -20, -10, 10, 20, 30)
	}
}

func TestSegmentsAreInPixelsOfThePicture(t *testing.T) {
	small := imaging.Clone(captured(t, biometrics.RightFour))
	big := imaging.Resize(small, 2*small.Bounds().Dx(), 0, imaging.Box)
	moved := big.SubImage(image.Rect(10, 20, big.Bounds().Dx(), big.Bounds().Dy()))
	want, err := finger.Find(small, 500, biometrics.RightFour.Fingers())
	if err != nil {
		t.Fatal(err)
	}
	got, err := finger.Find(moved, 1000, biometrics.RightFour.Fingers())
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		a, b := want[i].Box, got[i].Box
		if !b.In(moved.Bounds()) || max(b.Min.X/2-a.Min.X, a.Min.X-b.Min.X/2, b.Max.Y/2-a.Max.Y, a.Max.Y-b.Max.Y/2) > 48 {
			t.Errorf("%v at 1000 ppi is %v", a, b)
		}
		if cut := got[i].Cut(moved); cut.Bounds().Size() != b.Size() {
			t.Errorf("%v was cut as %v", b, cut.Bounds())
		}
	}
}

func TestAnotherNumberOfFingersIsAnError(t *testing.T) {
	if got, err := finger.Find(captured(t, biometrics.LeftThumb), 500, biometrics.LeftFour.Fingers()); err == nil {
		t.Errorf("%d fingers in a thumb", len(got))
	}
	slap := captured(t, biometrics.LeftFour)
	three := biometrics.LeftFour.Fingers()[1:]
	if got, err := finger.Find(slap, 500, three); err == nil {
		t.Errorf("%d fingers of four", len(got))
	}
	if got, err := finger.Find(slap, 500, nil); err == nil {
		t.Errorf("%d fingers of none", len(got))
	}
	all, err := finger.Find(slap, 500, biometrics.LeftFour.Fingers())
	if err != nil {
		t.Fatal(err)
	}
	gone := clone(slap)
	draw.Draw(gone, all[0].Box, image.White, image.Point{}, draw.Src)
	got, err := finger.Find(gone, 500, three)
	if err != nil || len(got) != 3 || got[0].Position != biometrics.LeftRing {
		t.Errorf("without the little finger: %v, %v", got, err)
	}
}

// TestTheHandOfASlapIsSeenByItsLoops reads the slaps of as many people as CARDSTATION_HANDS says,
// and the real ones, as they are and mirrored.
func TestTheHandOfASlapIsSeenByItsLoops(t *testing.T) {
	people, _ := strconv.Atoi(os.Getenv("CARDSTATION_HANDS"))
	people = max(people, 5)
	odds := func(img image.Image) float64 {
		found, err := finger.Find(img, 500, biometrics.RightFour.Fingers())
		if err != nil {
			t.Fatal(err)
		}
		return finger.RightHand(found)
	}
	sure := 0
	for n := range people {
		hands := synth.Grow(uint64(9000 + n))
		for p, sign := range map[biometrics.Position]float64{biometrics.RightFour: 1, biometrics.LeftFour: -1} {
			img, err := biometrics.Decode(hands.Capture(p, false, uint64(n)).PNG)
			if err != nil {
				t.Fatal(err)
			}
			switch v := sign * odds(img); {
			case v > 4.5:
				sure++
			case v < -4.5:
				t.Errorf("person %d, %v: %.1f for the other hand", n, p, -v)
			}
		}
	}
	t.Logf("%d of %d slaps are sure of their hand", sure, 2*people)
	if 5*sure < 2*people {
		t.Errorf("%d of %d slaps are sure of their hand", sure, 2*people)
	}
	right, left := realPrint(t, 14), realPrint(t, 11)
	a, b, c := odds(right), odds(left), odds(imaging.FlipH(right))
	t.Logf("real: right %.1f, left %.1f, the right one mirrored %.1f", a, b, c)
	if a <= 0 || b >= 0 || c >= 0 {
		t.Errorf("real: right %.1f, left %.1f, the right one mirrored %.1f", a, b, c)
	}
}
