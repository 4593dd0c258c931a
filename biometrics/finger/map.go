package finger

import (
	"image"
	"math"
	"slices"
)

// Map is the quality of a picture from place to place.
type Map struct {
	Block int    // side of a block in pixels of the picture: 16 at 500 ppi, 32 at 1000
	W, H  int    // blocks across and down, from the picture's upper left corner
	Value []int8 // by rows: 0 worst .. 100 best, -1 where no finger is
	// Measures are what Value is made of, by rows.
	Measures []Measure
	// Cores and Deltas are where the ridges of a single finger turn back and where they
	// part, in pixels from the picture's upper left corner. An arch has none.
	Cores, Deltas []image.Point
}

// Measure is what was measured on a block of 16 x 16 pixels at 500 ppi; Assess says what the
// figures are.
type Measure struct {
	Certainty float64 // orientation certainty level, 0..1
	Clarity   float64 // share of the profile in one period, 0..1; 0 without a direction
	Local     float64 // local clarity, 0..1; 0 without a direction
	Contrast  float64 // grey values from ridge to valley
	Period    float64 // of the ridges, mm; 0 where none stands out
	Ratio     float64 // thickness of the ridges to that of the valleys beside them, the mean; 0 where none is whole
	Flow      float64 // orientation flow, 0..1; -1 at the edge of the print
}

// At is the quality of the block that holds a pixel, -1 where no finger is.
func (m Map) At(p image.Point) int {
	if m.Block == 0 || p.X < 0 || p.Y < 0 || p.X/m.Block >= m.W || p.Y/m.Block >= m.H {
		return -1
	}
	return int(m.Value[p.Y/m.Block*m.W+p.X/m.Block])
}

// What a block must exceed to be worth anything and where it can be no better: orientation
// certainty, clarity, local clarity and the grey values from ridge to valley.
const (
	worstCertainty, bestCertainty = 0.40, 0.90
	worstClarity, bestClarity     = leastClarity, 0.85
	worstLocal, bestLocal         = 0.65, 0.90
	worstContrast, bestContrast   = leastContrast / 2, 90.0
)

// ocl is the orientation certainty level of ISO/IEC 29794-4, 1 - the lesser by the greater
// eigenvalue of the gradients' covariance matrix.
func (b block) ocl() float64 { return 2 * b.certainty / (1 + b.certainty) }

// contrast is the difference of ridge and valley in grey values, of a wave with b's deviation.
func (b block) contrast() float64 { return 2 * math.Sqrt2 * b.std }

// quality is the geometric mean of the four measures, each from 0 at its worst to 1 at its
// best; 0 without ridges. One that fails cannot be made good by the others.
func (b block) quality() float64 {
	if !b.faint {
		return 0
	}
	return math.Pow(ramp(b.ocl(), worstCertainty, bestCertainty)*ramp(b.clarity, worstClarity, bestClarity)*
		ramp(b.local, worstLocal, bestLocal)*ramp(b.contrast(), worstContrast, bestContrast), 0.25)
}

// whole is the mask of what the fingers cover: their regions, the faint ridges beside these within
// their boxes (words, handwriting and the next print mostly lie without), and the holes in them.
func (f field) whole(fingers []region) mask {
	m := mask{w: f.w, h: f.h, on: make([]bool, len(f.blocks))}
	for _, r := range fingers {
		m.add(r)
	}
	faint := f.where(func(b block) bool { return b.faint }).clean()
	for i, on := range faint.on {
		at := image.Pt(i%f.w, i/f.w)
		faint.on[i] = on && slices.ContainsFunc(fingers, func(r region) bool { return at.In(r.box) })
	}
	return m.grown(faint).closed()
}

// chart draws the map of what the fingers cover.
func (s *sheet) chart(f field, whole mask) {
	s.chartOf = Map{Block: blockSize * s.scale(), W: f.w, H: f.h, Value: make([]int8, len(f.blocks)), Measures: make([]Measure, len(f.blocks))}
	var qualities, inner []float64
	flows := f.flows(whole)
	for i, b := range f.blocks {
		s.chartOf.Value[i] = -1
		s.chartOf.Measures[i] = Measure{b.ocl(), b.clarity, b.local, b.contrast(), b.period * mm, b.ratios.mean(), flows[i]}
		if flows[i] >= 0 {
			inner = append(inner, flows[i])
		}
		if whole.on[i] {
			q := b.quality()
			s.chartOf.Value[i] = int8(math.Round(100 * q))
			qualities = append(qualities, q)
		}
	}
	s.mean = average(qualities)
	s.note("local-quality", 100*s.mean, "")
	s.note("orientation-flow", average(inner), "")
}
