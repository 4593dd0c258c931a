package wsq

import (
	"math"
	"testing"
)

func headerOf(t *testing.T, data []byte) *reader {
	t.Helper()
	r := &reader{data: data}
	if err := r.header(); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFiltersAndBinCentreAreThoseOfTheReferenceEncoder(t *testing.T) {
	for _, im := range realImages(t) {
		data, err := Encode(im.want, Options{})
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours := headerOf(t, im.wsq), headerOf(t, data)
		a, b := theirs.bank.(*taps), ours.bank.(*taps)
		for i := range a.wide {
			if math.Abs(float64(a.wide[i]-b.wide[i])) > 1e-6 {
				t.Errorf("%s: filter tap %d is %v, want %v", im.name, i, b.wide[i], a.wide[i])
			}
		}
		if theirs.quant.center != ours.quant.center {
			t.Errorf("%s: bin centre %v, want %v", im.name, ours.quant.center, theirs.quant.center)
		}
		// mean and scale: of the scan there, of its lossy copy here
		if d := theirs.frame.shift - ours.frame.shift; d > 0.25 || d < -0.25 {
			t.Errorf("%s: M %v, want %v", im.name, ours.frame.shift, theirs.frame.shift)
		}
		if d := theirs.frame.scale - ours.frame.scale; d > 0.002 || d < -0.002 {
			t.Errorf("%s: R %v, want %v", im.name, ours.frame.scale, theirs.frame.scale)
		}
	}
}

// The given files' bins come from the scan, the reference pixels are its lossy
// copy. What was not lost, the coarse subbands, must give the same bins; their
// ratio to subband 0's leaves out the rate, to which the lost ones contribute.
func TestCoarseBinsAreThoseOfTheReferenceEncoder(t *testing.T) {
	for _, im := range realImages(t) {
		data, err := Encode(im.want, Options{})
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours := headerOf(t, im.wsq).quant, headerOf(t, data).quant
		worst, at := 0.0, 0
		for k := range 19 {
			q, w := float64(ours.bin[k]/ours.bin[0]), float64(theirs.bin[k]/theirs.bin[0])
			if d := math.Abs(q/w - 1); d > worst {
				worst, at = d, k
			}
		}
		t.Logf("%s: worst %.2f %% in subband %d", im.name, 100*worst, at)
		if worst > 0.02 {
			t.Errorf("%s: subband %d differs by %.1f %%", im.name, at, 100*worst)
		}
	}
}

// A header's bin ratios say what variances its encoder saw (part 3). From these
// and the rate our formula must come to the same widths.
func TestRateFormulaIsThatOfTheReferenceEncoder(t *testing.T) {
	for _, im := range realImages(t) {
		theirs := headerOf(t, im.wsq).quant
		p := layout(im.want.Rect.Dx(), im.want.Rect.Dy())
		p.analyse(im.want, normalize(im.want))
		own := p.variances()
		var v [coded]float64
		for k := range coded {
			switch ratio := float64(theirs.bin[k]) / float64(theirs.bin[0]); {
			case k < 4:
				v[k] = own[k]
			case ratio > 0:
				v[k] = math.Exp(10 / (relativeWidth(k) * ratio))
			}
		}
		worst := 0.0
		for k, q := range binWidths(&v, 0.75) {
			if w := float64(theirs.bin[k]); w != 0 {
				worst = max(worst, math.Abs(q/w-1))
			}
		}
		t.Logf("%s: worst %.3f %%", im.name, 100*worst)
		if worst > 0.002 {
			t.Errorf("%s: bins differ by %.2f %%", im.name, 100*worst)
		}
	}
}
