package main

import (
	"image/color"
	"math"
	"testing"
)

// By hand: from 40 on, one of four others and three of four mates are held for one finger's.
func TestErrorRatesAreThoseOfTheScores(t *testing.T) {
	one := trial{"good prints", []float64{10, 45, 50, 60}, []float64{0, 5, 12, 41}}
	for _, c := range []struct{ at, fmr, fnmr float64 }{{0, 1, 0}, {10, 0.5, 0}, {10.5, 0.5, 0.25}, {40, 0.25, 0.25}, {41, 0.25, 0.25}, {42, 0, 0.25}, {60, 0, 0.75}, {61, 0, 1}} {
		if got, gone := one.fmr(c.at), one.fnmr(c.at); got != c.fmr || gone != c.fnmr {
			t.Errorf("from %g on FMR %g and FNMR %g, want %g and %g", c.at, got, gone, c.fmr, c.fnmr)
		}
	}
	if got := one.eer(); got != 0.25 {
		t.Errorf("equal error rate %g, want 0.25", got)
	}
	if got := (trial{mates: []float64{41, 50}, others: []float64{1, 40}}).eer(); got != 0 {
		t.Errorf("apart: equal error rate %g", got)
	}
	img := drawDET([]trial{one}, "SIMULATED")
	x := detLeft + detSide*(1+math.Log10(0.25)/decadesX)
	y := detTop + detSide*-math.Log10(0.25)/decadesY
	if got := img.At(int(math.Round(x))+3, int(math.Round(y))+3); got != (color.RGBA(blue)) {
		t.Errorf("%v at the place of SameFinger", got)
	}
	many := drawDET([]trial{{"hard prints", make([]float64, 1000), make([]float64, 999000)}}, "SIMULATED prints of 1000 fingers")
	for y := range many.Bounds().Dy() {
		if got := many.At(many.Bounds().Dx()-1, y); got != (color.RGBA{255, 255, 255, 255}) {
			t.Fatalf("a line of the legend runs over the right edge at %d", y)
		}
	}
}
