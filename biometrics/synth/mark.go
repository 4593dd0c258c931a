package synth

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"cardstation/biometrics"
)

// remark is what the metadata of every picture says.
const remark = "Simulated, of no person"

// write draws a line of text with its lower left corner at x, y, each dot of the
// 7 x 13 font scale pixels wide.
func write(dst draw.Image, x, y, scale int, c color.Color, text string) {
	face := basicfont.Face7x13
	small := image.NewAlpha(image.Rect(0, 0, len(text)*face.Advance, face.Height))
	d := font.Drawer{Dst: small, Src: image.Opaque, Face: face, Dot: fixed.P(0, face.Ascent)}
	d.DrawString(text)
	for sy := range small.Rect.Dy() {
		for sx := range small.Rect.Dx() {
			if small.AlphaAt(sx, sy).A > 0 {
				at := image.Rect(0, 0, scale, scale).Add(image.Pt(x+sx*scale, y+(sy-face.Height)*scale))
				draw.Draw(dst, at, image.NewUniform(c), image.Point{}, draw.Src)
			}
		}
	}
}

// sign writes on the margin of a print that it is simulated.
func (h *Hands) sign(g *image.Gray, p biometrics.Position) {
	write(g, 10, g.Rect.Max.Y-4, 1, color.Gray{Y: 120}, fmt.Sprintf("SIMULATED %s %d", strings.ToUpper(p.String()), h.seed))
}

// encode marks a print as simulated and writes it as PNG with its resolution.
func (h *Hands) encode(g *image.Gray, p biometrics.Position) []byte {
	h.sign(g, p)
	return encode(g)
}

// encode writes a signed print as PNG with its resolution and the remark.
func encode(g *image.Gray) []byte {
	var buf bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := enc.Encode(&buf, g); err != nil {
		panic(err) // a grey picture into memory: no input can make it fail
	}
	return describe(buf.Bytes())
}

// describe puts resolution (pHYs) and remark (tEXt) behind the header of a PNG
// (PNG, third edition, 11.3).
func describe(data []byte) []byte {
	const header = 8 + 12 + 13 // signature and IHDR
	perMetre := uint32(math.Round(PPI / 0.0254))
	phys := binary.BigEndian.AppendUint32(nil, perMetre)
	phys = append(binary.BigEndian.AppendUint32(phys, perMetre), 1)
	out := append([]byte(nil), data[:header]...)
	out = appendChunk(out, "pHYs", phys)
	out = appendChunk(out, "tEXt", []byte("Comment\x00"+remark))
	return append(out, data[header:]...)
}

func appendChunk(out []byte, kind string, body []byte) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	from := len(out)
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[from:]))
}
