package main

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"cardstation/biometrics/finger"
)

var (
	red   = color.RGBA{220, 30, 30, 255}
	blue  = color.RGBA{30, 70, 230, 255}
	green = color.RGBA{20, 150, 60, 255}
)

// sketch is a picture in colour with its upper left corner at 0, 0, to draw on.
type sketch struct{ *image.RGBA }

// newSketch lays pictures side by side, from left to right.
func newSketch(all ...image.Image) sketch {
	var w, h int
	for _, img := range all {
		w, h = w+img.Bounds().Dx(), max(h, img.Bounds().Dy())
	}
	s := sketch{image.NewRGBA(image.Rect(0, 0, w, h))}
	draw.Draw(s, s.Rect, image.White, image.Point{}, draw.Src)
	x := 0
	for _, img := range all {
		b := img.Bounds()
		draw.Draw(s, b.Sub(b.Min).Add(image.Pt(x, 0)), img, b.Min, draw.Src)
		x += b.Dx()
	}
	return s
}

func (s sketch) line(a, b image.Point, c color.RGBA) {
	d := b.Sub(a)
	steps := max(d.X, -d.X, d.Y, -d.Y, 1)
	for i := range steps + 1 {
		s.SetRGBA(a.X+d.X*i/steps, a.Y+d.Y*i/steps, c)
	}
}

func (s sketch) box(r image.Rectangle, c color.RGBA) {
	for i := range 3 {
		in := r.Inset(i)
		a, b := in.Min, in.Max.Sub(image.Pt(1, 1))
		s.line(a, image.Pt(b.X, a.Y), c)
		s.line(image.Pt(b.X, a.Y), b, c)
		s.line(b, image.Pt(a.X, b.Y), c)
		s.line(image.Pt(a.X, b.Y), a, c)
	}
}

// minutia draws a ring with a tail along the ridge: red an ending, blue a fork. The
// template's pixels are scale of the picture's, whose corner is at.
func (s sketch) minutia(m finger.Minutia, at image.Point, scale int) {
	c := green
	switch m.Kind {
	case finger.Ending:
		c = red
	case finger.Bifurcation:
		c = blue
	}
	middle := image.Pt(m.X, m.Y).Mul(scale).Add(at)
	toward := func(turn, length float64) image.Point {
		sin, cos := math.Sincos(2 * math.Pi * turn)
		return middle.Add(image.Pt(int(math.Round(length*cos)), int(math.Round(-length*sin))))
	}
	radius := float64(4 * scale)
	for i := range 16 {
		s.line(toward(float64(i)/16, radius), toward(float64(i+1)/16, radius), c)
	}
	s.line(toward(float64(m.Angle)/256, radius), toward(float64(m.Angle)/256, 4*radius), c)
}

// quality lays a print's quality over it, red for 0 to green for 100, and marks its cores with
// rings and its deltas with triangles.
func (s sketch) quality(m finger.Map) {
	for i, v := range m.Value {
		if v < 0 {
			continue
		}
		at := image.Pt(i%m.W, i/m.W).Mul(m.Block)
		c := color.RGBA{uint8(min(255, 510-5*int(v))), uint8(min(220, 5*int(v))), 0, 255}
		draw.DrawMask(s, image.Rectangle{at, at.Add(image.Pt(m.Block, m.Block))}, image.NewUniform(c), image.Point{}, image.NewUniform(color.Alpha{90}), image.Point{}, draw.Over)
	}
	for _, p := range m.Cores {
		s.ngon(p, m.Block, 24)
	}
	for _, p := range m.Deltas {
		s.ngon(p, m.Block, 3)
	}
}

// ngon draws an upright polygon of n sides about a place, twice, so that it is seen.
func (s sketch) ngon(middle image.Point, radius, n int) {
	for _, r := range []float64{float64(radius), float64(radius) + 1} {
		corner := func(i int) image.Point {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(n))
			return middle.Add(image.Pt(int(math.Round(r*sin)), int(math.Round(-r*cos))))
		}
		for i := range n {
			s.line(corner(i), corner(i+1), blue)
		}
	}
}
