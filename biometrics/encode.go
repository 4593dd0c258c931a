package biometrics

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"math"
)

// EncodePNG writes a picture as PNG, with its resolution in pixels per inch where
// ppi is not 0 (pHYs, PNG third edition, 11.3.4.3).
func EncodePNG(img image.Image, ppi int) ([]byte, error) {
	const header = 8 + 12 + 13 // signature and IHDR
	if i, ok := img.(Image); ok {
		img = i.Image // which the encoder knows the pixels of
	}
	var out bytes.Buffer
	fast := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := fast.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("encode PNG: %w", err)
	}
	if ppi == 0 {
		return out.Bytes(), nil
	}
	perMetre := uint32(math.Round(float64(ppi) / 0.0254))
	chunk := binary.BigEndian.AppendUint32([]byte("pHYs"), perMetre)
	chunk = append(binary.BigEndian.AppendUint32(chunk, perMetre), 1)
	all := append([]byte(nil), out.Bytes()[:header]...)
	all = binary.BigEndian.AppendUint32(all, uint32(len(chunk)-4))
	all = binary.BigEndian.AppendUint32(append(all, chunk...), crc32.ChecksumIEEE(chunk))
	return append(all, out.Bytes()[header:]...), nil
}
