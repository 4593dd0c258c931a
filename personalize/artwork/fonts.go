package artwork

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-text/typesetting/font"
)

// Fonts are the typefaces of the card. They may be used by several goroutines.
type Fonts struct{ regular, bold, ocr typeface }

// ErrFont names the Debian package of a font that is not on this machine. It is
// found with errors.As.
type ErrFont struct{ Package string }

func (e ErrFont) Error() string {
	return "artwork: font not found: install the Debian package " + e.Package
}

// Load finds OCR-B (package fonts-ocr-b) and, for the text, Noto Sans
// (fonts-noto-core) or else DejaVu Sans (fonts-dejavu-core) below dirs; no dirs
// means where Linux distributions put fonts.
func Load(dirs ...string) (*Fonts, error) {
	if len(dirs) == 0 {
		dirs = []string{"/usr/share/fonts", "/usr/local/share/fonts"}
	}
	var f Fonts
	for _, want := range []struct {
		face    *typeface
		pkg     string
		choices []string
	}{
		{&f.ocr, "fonts-ocr-b", []string{"OCRB.otf"}},
		{&f.regular, "fonts-noto-core", []string{"NotoSans-Regular.ttf", "DejaVuSans.ttf"}},
		{&f.bold, "fonts-noto-core", []string{"NotoSans-Bold.ttf", "DejaVuSans-Bold.ttf"}},
	} {
		path := find(dirs, want.choices)
		if path == "" {
			return nil, ErrFont{want.pkg}
		}
		var err error
		if *want.face, err = open(path); err != nil {
			return nil, fmt.Errorf("artwork: font %s: %w", path, err)
		}
	}
	return &f, nil
}

// find gives the first of names that lies at most three directories below dirs.
func find(dirs, names []string) string {
	for _, name := range names {
		for _, dir := range dirs {
			for _, depth := range []string{"", "*", "*/*", "*/*/*"} {
				if paths, err := filepath.Glob(filepath.Join(dir, depth, name)); err == nil && len(paths) > 0 {
					return paths[0]
				}
			}
		}
	}
	return ""
}

func open(path string) (typeface, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return typeface{}, err
	}
	face, err := font.ParseTTF(bytes.NewReader(body))
	if err != nil {
		return typeface{}, err
	}
	return typeface{face.Font}, nil
}

// sizeFor is the size at which OCR-B, which is of one width, has that width.
func (f *Fonts) sizeFor(width float32) float32 {
	face := font.NewFace(f.ocr.Font)
	glyph, _ := face.NominalGlyph('H')
	return width * float32(f.ocr.Upem()) / face.HorizontalAdvance(glyph)
}

// capHeight is the height of OCR-B's capitals at a size.
func (f *Fonts) capHeight(size float32) float32 {
	face := font.NewFace(f.ocr.Font)
	glyph, _ := face.NominalGlyph('H')
	extents, _ := face.GlyphExtents(glyph)
	return extents.YBearing * size / float32(f.ocr.Upem())
}
