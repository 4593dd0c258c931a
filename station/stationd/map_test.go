package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/png"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/synth"
	"cardstation/station"
)

// thickened is a print whose ridges are a pixel wider to each side.
func thickened(t *testing.T, raw []byte) []byte {
	img, err := biometrics.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	from := biometrics.Grey(img.Image)
	g := image.NewGray(from.Rect)
	for y := range g.Rect.Dy() {
		for x := range g.Rect.Dx() {
			darkest := from.GrayAt(x, y).Y
			for _, d := range []image.Point{{-1, 0}, {1, 0}, {0, -1}, {0, 1}} {
				if p := image.Pt(x, y).Add(d); p.In(from.Rect) {
					darkest = min(darkest, from.GrayAt(p.X, p.Y).Y)
				}
			}
			g.SetGray(x, y, color.Gray{Y: darkest})
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, g); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A print that was pressed too hard is taken over with the word to press less; where it is good
// is seen over the very print, and is kept nowhere.
func TestAPrintThatCouldBeBetterIsTakenWithAdviceAndAMap(t *testing.T) {
	d := newDeskTest(t)
	d.open("e", 1)
	slot := station.FingerSlots[0].Slot
	pressed := thickened(t, shotsOf(synth.Captures(1))[slot])
	var c struct {
		station.Capture
		MapRef string
	}
	if code, body := d.call(station.RoleDesk, "POST", "/v1/enrollments/e/captures/"+string(slot)+"?ppi=500", pressed, &c); code != 200 {
		t.Fatal(code, body)
	}
	if c.State != station.CaptureAccepted || len(c.Advice) != 1 || c.Advice[0] != "The ridges are thick and the valleys narrow: press less, or dry the finger." {
		t.Fatalf("%s: reasons %q, advice %q", c.State, c.Reasons, c.Advice)
	}
	code, drawn := d.call(station.RoleSupervisor, "GET", c.MapRef, nil, nil)
	if code != 200 {
		t.Fatal(code, drawn)
	}
	got, err := biometrics.Decode([]byte(drawn))
	if err != nil || got.Bounds().Dx() != c.Width || got.Bounds().Dy() != c.Height || got.PPI != 500 {
		t.Fatalf("the map is %v of %d ppi, %v", got.Bounds(), got.PPI, err)
	}
	img, err := biometrics.Decode(pressed)
	if err != nil {
		t.Fatal(err)
	}
	var bare, coloured int
	for y := range c.Height {
		for x := range c.Width {
			grey := color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y
			switch r, g, b, _ := got.At(x, y).RGBA(); {
			case r != g || g != b:
				coloured++
			case uint8(r>>8) != grey:
				t.Fatalf("at %d, %d the print is %d and the map %d", x, y, grey, r>>8)
			default:
				bare++
			}
		}
	}
	if whole := c.Width * c.Height; coloured < whole/10 || bare < whole/10 {
		t.Errorf("%d pixels of %d are coloured, %d are the print's", coloured, whole, bare)
	}
	sum := sha256.Sum256([]byte(drawn))
	if _, err := d.house.db.Image(t.Context(), hex.EncodeToString(sum[:])); station.KindOf(err) != station.Unknown {
		t.Errorf("the map is stored: %v", err)
	}
}
