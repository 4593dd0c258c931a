package finger_test

import (
	"image"
	"math"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
)

// drawn is a print whose ridges are where at is below zero, with soft edges, of a place's
// distance from the middle in pixels.
func drawn(at func(x, y float64) float64) *image.Gray {
	return redrawn(image.NewGray(image.Rect(0, 0, 500, 500)), func(x, y int) float64 {
		dx, dy := float64(x-250), float64(y-250)
		if max(math.Abs(dx), math.Abs(dy)) > 190 {
			return 250
		}
		return 125 + 250*min(max(at(dx, dy), -0.4), 0.4)
	})
}

// wave is how far t is from a ridge's edge, below zero inside the ridge.
func wave(t, ridge, period float64) float64 {
	t += 0.3 // so that edges run between pixels
	t -= period * math.Floor(t/period)
	return math.Abs(t-period/2) - ridge/2
}

func measured(t *testing.T, img *image.Gray) (map[string]float64, finger.Map) {
	t.Helper()
	q, m, err := finger.Assessor{Position: biometrics.RightIndex, Impression: biometrics.LivePlain, PPI: 500}.Inspect(img)
	if err != nil || m.Block == 0 {
		t.Fatal(q, err)
	}
	out := map[string]float64{}
	for _, c := range q.Components {
		out[c.Name] = c.Value
	}
	return out, m
}

func TestRidgesAndValleysAreMeasuredAsTheyWereDrawn(t *testing.T) {
	for _, k := range []struct{ ridge, valley float64 }{{4, 6}, {5, 5}, {6, 4}, {8, 4}} {
		for _, turn := range []float64{0, 0.5, 1.2} {
			sin, cos := math.Sincos(turn)
			all, _ := measured(t, drawn(func(x, y float64) float64 { return wave(x*cos+y*sin, k.ridge, k.ridge+k.valley) }))
			// Thicknesses are whole pixels: a half off either way.
			if got, want := all["ridge-valley-ratio"], k.ridge/k.valley; got < want*0.85 || got > want*1.2 {
				t.Errorf("ridges of %v, valleys of %v, turned by %v: ratio %v, want %v", k.ridge, k.valley, turn, got, want)
			}
			if v := all["ridge-valley-uniformity"]; v > 0.45 {
				t.Errorf("ridges of %v, valleys of %v, turned by %v: even, and off by %v", k.ridge, k.valley, turn, v)
			}
			if v := all["orientation-flow"]; v != 1 {
				t.Errorf("straight ridges turned by %v flow %v", turn, v)
			}
		}
	}
	uneven, _ := measured(t, drawn(func(x, _ float64) float64 { return wave(x, 5+3*math.Sin(x/21), 10) }))
	if v := uneven["ridge-valley-uniformity"]; v < 0.7 {
		t.Errorf("ridges from 2 to 8 pixels of 10 are off by %v", v)
	}
}

// TestOrientationFlowIsThatOfCircles holds the flow against the directions that circles have.
func TestOrientationFlowIsThatOfCircles(t *testing.T) {
	_, m := measured(t, drawn(func(x, y float64) float64 { return wave(math.Hypot(x, y), 5, 10) }))
	var n int
	for i, k := range m.Measures {
		// The square's middle is the corner that its four blocks share.
		x, y := float64((i%m.W+1)*16-250), float64((i/m.W+1)*16-250)
		if r := math.Hypot(x, y); k.Flow < 0 || r < 60 {
			continue
		}
		var sum float64
		for dy := -32.0; dy <= 32; dy += 32 {
			for dx := -32.0; dx <= 32; dx += 32 {
				d := math.Abs(math.Remainder(math.Atan2(y+dy, x+dx)-math.Atan2(y, x), math.Pi))
				sum += d * 180 / math.Pi / 8
			}
		}
		n++
		if want := 1 - max(0, sum-4)/86; math.Abs(k.Flow-want) > 0.03 {
			t.Errorf("at %v, %v from the middle the ridges flow %v, want %v", x, y, k.Flow, want)
		}
	}
	if n < 200 {
		t.Errorf("%d squares", n)
	}
}
