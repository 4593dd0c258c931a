package artwork

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
	"golang.org/x/text/unicode/norm"
)

// typeface is one font; glyph outlines and metrics come from it.
type typeface struct{ *font.Font }

// style is how text is written; size is in pixels to the em.
type style struct {
	face  typeface
	size  float32
	color color.Color
}

// minSize is the smallest text that is still read without a lens: 16 pixels are
// 3.8 points.
const minSize = 16

var errTooLong = errors.New("does not fit on the card")

// run is a line of text, laid out.
type run struct {
	face   *font.Face
	size   float32
	scale  float32 // pixels a font unit
	glyphs []shaping.Glyph
	width  float32 // pixels
}

// shape lays out text from left to right. A character that the font lacks is an
// error that names its code point only.
func (t typeface) shape(text string, size float32) (run, error) {
	runes := []rune(norm.NFC.String(text))
	face := font.NewFace(t.Font)
	for _, r := range runes {
		if glyph, ok := face.NominalGlyph(r); !ok || glyph == 0 {
			return run{}, fmt.Errorf("the font has no character %U", r)
		}
	}
	var shaper shaping.HarfbuzzShaper
	out := shaper.Shape(shaping.Input{
		Text: runes, RunEnd: len(runes), Direction: di.DirectionLTR, Face: face,
		Size: fixed.Int26_6(size * 64), Script: language.Latin, Language: language.NewLanguage("vi"),
	})
	return run{face, size, size / float32(t.Upem()), out.Glyphs, float32(out.Advance) / 64}, nil
}

// draw fills the outlines with a colour; x and y are the start of the baseline.
func (r run) draw(dst draw.Image, c color.Color, x, y float32) {
	left, top := int(math.Floor(float64(x-r.size))), int(math.Floor(float64(y-1.5*r.size)))
	box := image.Rect(left, top, left+int(r.width+2*r.size)+1, top+int(2.5*r.size)+1)
	raster := vector.NewRasterizer(box.Dx(), box.Dy())
	pen := pen{raster: raster, scale: r.scale, x: x - float32(left), y: y - float32(top)}
	for _, glyph := range r.glyphs {
		if outline, ok := r.face.GlyphDataOutline(glyph.GlyphID); ok {
			pen.outline(outline, float32(glyph.XOffset)/64, float32(glyph.YOffset)/64)
		}
		pen.x += float32(glyph.Advance) / 64
	}
	raster.Draw(dst, box, image.NewUniform(c), image.Point{})
}

// pen draws outlines in font units, y up, as pixels, y down.
type pen struct {
	raster *vector.Rasterizer
	scale  float32
	x, y   float32
}

func (p pen) outline(o font.GlyphOutline, dx, dy float32) {
	at := func(q opentype.SegmentPoint) (float32, float32) {
		return p.x + dx + q.X*p.scale, p.y - dy - q.Y*p.scale
	}
	begun := false
	for _, s := range o.Segments {
		ax, ay := at(s.Args[0])
		bx, by := at(s.Args[1])
		cx, cy := at(s.Args[2])
		switch s.Op {
		case opentype.SegmentOpMoveTo:
			if begun {
				p.raster.ClosePath()
			}
			begun = true
			p.raster.MoveTo(ax, ay)
		case opentype.SegmentOpLineTo:
			p.raster.LineTo(ax, ay)
		case opentype.SegmentOpQuadTo:
			p.raster.QuadTo(ax, ay, bx, by)
		case opentype.SegmentOpCubeTo:
			p.raster.CubeTo(ax, ay, bx, by, cx, cy)
		}
	}
	if begun {
		p.raster.ClosePath()
	}
}

// line writes one line from x on, smaller where it would be wider than width.
func (s *sheet) line(field, text string, st style, x, y, width int) {
	s.block(field, text, st, x, y, width, 1)
}

// centred writes one line around x.
func (s *sheet) centred(field, text string, st style, x, y int) {
	r, err := st.face.shape(text, st.size)
	if err != nil {
		s.fail(field, err)
		return
	}
	r.draw(s.RGBA, st.color, float32(x)-r.width/2, float32(y))
}

// block writes up to n lines, broken between words, in the largest size up to the
// style's at which they fit.
func (s *sheet) block(field, text string, st style, x, y, width, n int) {
	for size := st.size; size >= minSize; size-- {
		runs, err := wrap(text, st.face, size, float32(width))
		if err != nil {
			s.fail(field, err)
			return
		}
		if len(runs) > n || tooWide(runs, float32(width)) {
			continue
		}
		for i, r := range runs {
			r.draw(s.RGBA, st.color, float32(x), float32(y)+float32(i)*1.2*size)
		}
		return
	}
	s.fail(field, errTooLong)
}

func tooWide(runs []run, width float32) bool {
	for _, r := range runs {
		if r.width > width {
			return true
		}
	}
	return false
}

// wrap breaks text between words so that each line is as full as width allows; a
// word that is wider alone makes a line that is too wide.
func wrap(text string, face typeface, size, width float32) ([]run, error) {
	var runs []run
	line := ""
	for _, word := range strings.Fields(text) {
		longer := strings.TrimPrefix(line+" "+word, " ")
		r, err := face.shape(longer, size)
		if err != nil {
			return nil, err
		}
		switch {
		case line == "":
			line, runs = longer, append(runs, r)
			continue
		case r.width <= width:
			line, runs[len(runs)-1] = longer, r
			continue
		}
		if r, err = face.shape(word, size); err != nil {
			return nil, err
		}
		line, runs = word, append(runs, r)
	}
	return runs, nil
}

// upper writes a name in capitals, composed, so that each diacritic stays on its
// letter.
func upper(name string) string {
	return strings.ToUpper(norm.NFC.String(name))
}
