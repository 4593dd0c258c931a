package finger_test

import (
	"image"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/synth"
)

func TestARollThatRunsOverThePictureIsRefused(t *testing.T) {
	prints := map[string]image.Image{"synthetic": captured(t, biometrics.RightIndex)}
	if _, err := os.Stat(realData); err == nil {
		prints["real"] = realPrint(t, 2)
	}
	a := finger.Assessor{Position: biometrics.RightIndex, Impression: biometrics.LiveRolled, PPI: 500}
	for name, img := range prints {
		b := img.Bounds()
		for edge, part := range map[string]image.Rectangle{
			"both sides": image.Rect(b.Dx()/2-205, 0, b.Dx()/2+205, b.Dy()), "the tip": image.Rect(0, b.Dy()*2/5, b.Dx(), b.Dy()),
		} {
			if q := assess(t, a, imaging.Crop(img, part)); !slices.Contains(codes(q), "cut") {
				t.Errorf("%s, %s: %v, %v", name, edge, codes(q), q.Components)
			}
		}
	}
}

// TestHandsInNumberAreAccepted judges the captures of as many people as CARDSTATION_HANDS says, one where it does not.
func TestHandsInNumberAreAccepted(t *testing.T) {
	people, _ := strconv.Atoi(os.Getenv("CARDSTATION_HANDS"))
	for n := range max(people, 1) {
		for _, c := range synth.Captures(uint64(7000 + n)) {
			img, err := biometrics.Decode(c.PNG)
			if err != nil {
				t.Fatal(err)
			}
			if q := assess(t, finger.Assessor{Position: c.Position, Impression: c.Impression}, img); !q.Accepted() {
				t.Errorf("person %d, %v: %v, %v", n, c.Position, q.Reasons(), q.Components)
			}
		}
	}
}
