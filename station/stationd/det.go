package main

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"slices"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"cardstation/biometrics/finger"
)

// trial is what came of comparing fingers: scores in ascending order.
type trial struct {
	name   string
	mates  []float64 // of prints of one finger
	others []float64 // of prints of different ones
}

// below is how many of ascending scores do not reach one.
func below(scores []float64, score float64) int {
	n, _ := slices.BinarySearch(scores, score)
	return n
}

// fmr and fnmr are the false match rate and the false non-match rate where scores from a
// threshold on are held for one finger's (ISO/IEC 19795-1).
func (t trial) fmr(threshold float64) float64 {
	return float64(len(t.others)-below(t.others, threshold)) / float64(len(t.others))
}

func (t trial) fnmr(threshold float64) float64 {
	return float64(below(t.mates, threshold)) / float64(len(t.mates))
}

// thresholds are those at which a rate changes, ascending, and one beyond all.
func (t trial) thresholds() []float64 {
	all := slices.Concat([]float64{0}, t.mates, t.others)
	slices.Sort(all)
	return append(slices.Compact(all), math.Inf(1))
}

// eer is the equal error rate: the mean of both rates where they are nearest to each other.
func (t trial) eer() float64 {
	best, rate := math.Inf(1), 0.0
	for _, at := range t.thresholds() {
		a, b := t.fmr(at), t.fnmr(at)
		if math.Abs(a-b) < best {
			best, rate = math.Abs(a-b), (a+b)/2
		}
	}
	return rate
}

// errorRates are what a trial comes to.
type errorRates struct {
	Name        string  `json:"name"`
	Mates       int     `json:"mates"`
	Others      int     `json:"others"`
	EER         float64 `json:"eer"`
	FMR         float64 `json:"fmr"`  // at SameFinger
	FNMR        float64 `json:"fnmr"` // at SameFinger
	LeastMate   float64 `json:"leastMate"`
	MedianMate  float64 `json:"medianMate"`
	LargestRest float64 `json:"largestOther"`
}

func (t trial) rates() errorRates {
	return errorRates{t.name, len(t.mates), len(t.others), t.eer(), t.fmr(finger.SameFinger), t.fnmr(finger.SameFinger),
		t.mates[0], t.mates[len(t.mates)/2], t.others[len(t.others)-1]}
}

// The picture of a DET curve: both axes are logarithmic, from decades below 1 to 1.
const (
	detSide   = 600
	detLeft   = 90
	detTop    = 90
	decadesX  = 5
	decadesY  = 3
	detBottom = 150
)

// detPlot is such a picture.
type detPlot struct{ sketch }

// drawDET draws the curves of trials, and on each a square where scores from SameFinger on are
// held for one finger's. A rate of none is drawn on the edge.
func drawDET(trials []trial, heading string) image.Image {
	p := detPlot{sketch{image.NewRGBA(image.Rect(0, 0, detLeft+detSide+60, detTop+detSide+detBottom))}}
	draw.Draw(p, p.Rect, image.White, image.Point{}, draw.Src)
	p.axes(heading)
	for i, t := range trials {
		p.curve(t, []color.RGBA{blue, red, green}[i%3], i)
	}
	return p
}

// at is the place of two rates.
func (p detPlot) at(fmr, fnmr float64) image.Point {
	share := func(rate float64, decades int) float64 {
		return max(0, 1+math.Log10(max(rate, 1e-12))/float64(decades))
	}
	return image.Pt(detLeft+int(math.Round(detSide*share(fmr, decadesX))), detTop+detSide-int(math.Round(detSide*share(fnmr, decadesY))))
}

// axes are the frame, a line with its figure at each decade, and the line of equal rates.
func (p detPlot) axes(heading string) {
	pale, grey := color.RGBA{222, 222, 222, 255}, color.RGBA{150, 150, 150, 255}
	percent := func(decade int) string {
		return strings.TrimSuffix(fmt.Sprintf("%.*f", max(0, decade-2), 100*math.Pow10(-decade)), ".") + "%"
	}
	for d := range decadesX + 1 {
		at := p.at(math.Pow10(-d), 0)
		p.line(at, image.Pt(at.X, detTop), pale)
		p.text(at.X-4*len(percent(d)), at.Y+20, 1, percent(d))
	}
	for d := range decadesY + 1 {
		at := p.at(0, math.Pow10(-d))
		p.line(at, image.Pt(detLeft+detSide, at.Y), pale)
		p.text(at.X-10-7*len(percent(d)), at.Y+5, 1, percent(d))
	}
	p.line(p.at(math.Pow10(-decadesY), math.Pow10(-decadesY)), p.at(1, 1), grey)
	p.box(image.Rect(detLeft, detTop, detLeft+detSide+1, detTop+detSide+1), color.RGBA{0, 0, 0, 255})
	p.text(detLeft, 32, 2, heading)
	p.text(detLeft, 52, 1, "DET curve. On the left or the lower edge: none in so many comparisons")
	p.text(20, detTop-16, 1, "FNMR: prints of one finger held for two's")
	p.text(detLeft+detSide-7*45, detTop+detSide+42, 1, "FMR: prints of two fingers held for one's")
}

// curve draws a trial and its two lines of the legend.
func (p detPlot) curve(t trial, c color.RGBA, row int) {
	last := p.at(1, 0)
	for _, threshold := range t.thresholds() {
		next := p.at(t.fmr(threshold), t.fnmr(threshold))
		corner := image.Pt(last.X, next.Y)
		for i := range 2 {
			off := image.Pt(i, -i)
			p.line(last.Add(off), corner.Add(off), c)
			p.line(corner.Add(off), next.Add(off), c)
		}
		last = next
	}
	f := t.rates()
	p.mark(p.at(f.FMR, f.FNMR), c)
	y := detTop + detSide + 72 + 38*row
	p.mark(image.Pt(detLeft+6, y-4), c)
	p.text(detLeft+20, y, 1, fmt.Sprintf("%s: %d mates, %d others, EER %s", t.name, f.Mates, f.Others, share(f.EER)))
	p.text(detLeft+20, y+16, 1, fmt.Sprintf("at the square, held for one's from score %g on: FMR %s, FNMR %s", finger.SameFinger, share(f.FMR), share(f.FNMR)))
}

// share is a rate in words.
func share(rate float64) string { return fmt.Sprintf("%.3g%%", 100*rate) }

func (p detPlot) mark(at image.Point, c color.RGBA) {
	draw.Draw(p, image.Rect(-5, -5, 6, 6).Add(at), image.NewUniform(c), image.Point{}, draw.Src)
}

// text writes a line from x on, standing on y, each dot of the 7 x 13 font scale pixels wide.
func (p detPlot) text(x, y, scale int, text string) {
	face := basicfont.Face7x13
	small := image.NewAlpha(image.Rect(0, 0, len(text)*face.Advance, face.Height))
	d := font.Drawer{Dst: small, Src: image.Opaque, Face: face, Dot: fixed.P(0, face.Ascent)}
	d.DrawString(text)
	for sy := range small.Rect.Dy() {
		for sx := range small.Rect.Dx() {
			if small.AlphaAt(sx, sy).A > 0 {
				at := image.Rect(0, 0, scale, scale).Add(image.Pt(x+sx*scale, y+(sy-face.Ascent)*scale))
				draw.Draw(p, at, image.Black, image.Point{}, draw.Src)
			}
		}
	}
}
