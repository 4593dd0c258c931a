package finger

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"cardstation/biometrics"
)

// ErrMalformed says that the bytes are no template.
var ErrMalformed = errors.New("malformed fingerprint template")

// The compact form, for the station's own store: a mark and version, width and height (16
// bits each, big endian), position, impression, quality and number of minutiae (16 bits);
// then each minutia in the order of its lines, five bytes for most: how many lines below the one
// before (0 to 254; 255 moves on by 255 lines without a minutia), kind in the upper two
// bits and column in the lower fourteen, angle, quality.
const (
	compactMark   = "FM1"
	compactHeader = len(compactMark) + 9
	mostSide      = 1 << 14 // pixels that fit the templates' fields
	mostCompact   = 1 << 12 // minutiae
)

// MarshalBinary writes the compact form. The minutiae come back in the order of their
// lines.
func (t Template) MarshalBinary() ([]byte, error) {
	if err := t.check(mostCompact); err != nil {
		return nil, fmt.Errorf("write template: %w", err)
	}
	be := binary.BigEndian
	b := be.AppendUint16([]byte(compactMark), uint16(t.Width))
	b = be.AppendUint16(b, uint16(t.Height))
	b = append(b, byte(t.Position), byte(t.Impression), byte(t.Quality))
	b = be.AppendUint16(b, uint16(len(t.Minutiae)))
	sorted := slices.Clone(t.Minutiae)
	slices.SortStableFunc(sorted, func(a, b Minutia) int { return cmp.Compare(a.Y, b.Y) })
	line := 0
	for _, m := range sorted {
		for ; m.Y-line >= 255; line += 255 {
			b = append(b, 255)
		}
		b = append(b, byte(m.Y-line))
		b = be.AppendUint16(b, uint16(m.Kind)<<14|uint16(m.X))
		b = append(b, m.Angle, m.Quality)
		line = m.Y
	}
	return b, nil
}

// UnmarshalBinary reads the compact form; whatever is not exactly it gives ErrMalformed.
func (t *Template) UnmarshalBinary(b []byte) error {
	if len(b) < compactHeader || string(b[:len(compactMark)]) != compactMark {
		return fmt.Errorf("%w: not the compact form", ErrMalformed)
	}
	be := binary.BigEndian
	h, rest := b[len(compactMark):compactHeader], b[compactHeader:]
	out := Template{
		Width: int(be.Uint16(h)), Height: int(be.Uint16(h[2:])),
		Position: biometrics.Position(h[4]), Impression: biometrics.Impression(h[5]), Quality: int(h[6]),
	}
	line := 0
	for range be.Uint16(h[7:]) {
		for len(rest) > 0 && rest[0] == 255 {
			line, rest = line+255, rest[1:]
		}
		if len(rest) < 5 {
			return fmt.Errorf("%w: cut short", ErrMalformed)
		}
		line += int(rest[0])
		column := be.Uint16(rest[1:])
		out.Minutiae = append(out.Minutiae, Minutia{
			X: int(column & (mostSide - 1)), Y: line, Angle: rest[3], Kind: Kind(column >> 14), Quality: rest[4],
		})
		rest = rest[5:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: %d bytes too many", ErrMalformed, len(rest))
	}
	if err := out.check(mostCompact); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	*t = out
	return nil
}

// check says whether the fields of templates hold what t says.
func (t Template) check(most int) error {
	if t.Width < 0 || t.Width >= mostSide || t.Height < 0 || t.Height >= mostSide {
		return fmt.Errorf("picture of %d x %d pixels", t.Width, t.Height)
	}
	if t.Position < 0 || t.Position > 255 || t.Impression < 0 || t.Impression > 255 || t.Quality < 0 || t.Quality > 100 {
		return fmt.Errorf("position %d, impression %d, quality %d", t.Position, t.Impression, t.Quality)
	}
	if len(t.Minutiae) > most {
		return fmt.Errorf("%d minutiae, at most %d", len(t.Minutiae), most)
	}
	for i, m := range t.Minutiae {
		if m.X < 0 || m.X >= mostSide || m.Y < 0 || m.Y >= mostSide || m.Kind > Bifurcation || m.Quality > 100 {
			return fmt.Errorf("minutia %d: %d, %d, kind %d, quality %d", i, m.X, m.Y, m.Kind, m.Quality)
		}
	}
	return nil
}
