package printer

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"image"
	"image/color"
	"image/draw"
)

// Page size in points of 1/72 inch: ID-1.
const (
	pageWidth  = 85.60 / 25.4 * 72
	pageHeight = 53.98 / 25.4 * 72
)

// document writes the objects of a PDF and notes where each begins (ISO 32000-1,
// 7.5.4).
type document struct {
	bytes.Buffer
	offsets []int
}

// object writes the next object; numbers start at 1.
func (d *document) object(dictionary string, stream []byte) {
	d.offsets = append(d.offsets, d.Len())
	fmt.Fprintf(d, "%d 0 obj\n<< %s", len(d.offsets), dictionary)
	if stream == nil {
		d.WriteString(" >>\nendobj\n")
		return
	}
	fmt.Fprintf(d, " /Length %d >>\nstream\n", len(stream))
	d.Write(stream)
	d.WriteString("\nendstream\nendobj\n")
}

// encodePDF makes one page of ID-1 size from each face, lossless. It holds no date
// and no name: the same faces give the same bytes.
func encodePDF(faces []image.Image) ([]byte, error) {
	var d document
	d.WriteString("%PDF-1.4\n%\xE2\xE3\xCF\xD3\n")
	const first = 3 // after catalogue and pages, three objects a face
	kids := ""
	for i := range faces {
		kids += fmt.Sprintf("%d 0 R ", first+3*i)
	}
	d.object("/Type /Catalog /Pages 2 0 R", nil)
	d.object(fmt.Sprintf("/Type /Pages /Kids [ %s] /Count %d", kids, len(faces)), nil)
	for i, face := range faces {
		page := first + 3*i
		pixels, err := deflateRGB(face)
		if err != nil {
			return nil, err
		}
		size := face.Bounds().Size()
		d.object(fmt.Sprintf("/Type /Page /Parent 2 0 R /MediaBox [ 0 0 %.3f %.3f ] /Resources << /XObject << /Face %d 0 R >> >> /Contents %d 0 R",
			pageWidth, pageHeight, page+2, page+1), nil)
		d.object("", fmt.Appendf(nil, "q %.3f 0 0 %.3f 0 0 cm /Face Do Q", pageWidth, pageHeight))
		d.object(fmt.Sprintf("/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode",
			size.X, size.Y), pixels)
	}
	d.trailer()
	return d.Bytes(), nil
}

// trailer writes the cross-reference table, whose entries have 20 bytes each.
func (d *document) trailer() {
	start := d.Len()
	fmt.Fprintf(d, "xref\n0 %d\n0000000000 65535 f \n", len(d.offsets)+1)
	for _, offset := range d.offsets {
		fmt.Fprintf(d, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(d, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(d.offsets)+1, start)
}

// deflateRGB gives the samples, three bytes a pixel over white.
func deflateRGB(face image.Image) ([]byte, error) {
	bounds := image.Rectangle{Max: face.Bounds().Size()}
	flat := image.NewRGBA(bounds)
	draw.Draw(flat, bounds, image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(flat, bounds, face, face.Bounds().Min, draw.Over)
	samples := make([]byte, 0, 3*bounds.Dx()*bounds.Dy())
	for i := 0; i < len(flat.Pix); i += 4 {
		samples = append(samples, flat.Pix[i:i+3]...)
	}
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := w.Write(samples); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
