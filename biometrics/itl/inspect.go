package itl

import (
	"encoding/binary"

	"cardstation/biometrics"
	"cardstation/biometrics/wsq"
)

// picture is what an image's own header says: its format by the names of table 15
// (JPEGB for any JPEG but a lossless one, JP2 for any JPEG 2000), and its size where it is told.
type picture struct {
	format          string
	width, height   int
	channels, depth int   // samples a pixel and bits a sample; told of PNG and JPEG 2000 only
	err             error // where its head cannot be read
}

// inspect reads the head of an image, no pixel of it.
func inspect(b []byte) picture {
	switch biometrics.Sniff(b) {
	case biometrics.WSQ:
		c, err := wsq.DecodeConfig(b)
		return picture{format: "WSQ20", width: c.Width, height: c.Height, err: err}
	case biometrics.JPEG:
		return jpegFrame(b)
	case biometrics.JPEG2000:
		h, err := biometrics.ReadHeader2000(b)
		return picture{format: "JP2", width: h.Width, height: h.Height, channels: h.Components, depth: h.Depth, err: err}
	case biometrics.PNG:
		return pngHead(b)
	}
	return picture{}
}

// pngHead reads the header chunk.
func pngHead(b []byte) picture {
	if len(b) < 26 {
		return picture{format: "PNG"}
	}
	be := binary.BigEndian
	channels := map[byte]int{0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[b[25]] // by colour type; of a palette those of its entries
	depth := int(b[24])
	if b[25] == 3 {
		depth = 8
	}
	return picture{format: "PNG", width: int(be.Uint32(b[16:])), height: int(be.Uint32(b[20:])), channels: channels, depth: depth}
}

// jpegFrame walks the marker segments to the frame header. The frame SOF3 is lossless,
// which image/jpeg does not read.
func jpegFrame(b []byte) picture {
	be := binary.BigEndian
	for at := 2; at+4 <= len(b) && b[at] == 0xFF; {
		marker := b[at+1]
		if marker == 0xFF { // fill
			at++
			continue
		}
		if frame := marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC; frame && at+9 <= len(b) {
			p := picture{format: "JPEGB", width: int(be.Uint16(b[at+7:])), height: int(be.Uint16(b[at+5:]))}
			if marker == 0xC3 {
				p.format = "JPEGL"
			}
			return p
		}
		at += 2 + int(be.Uint16(b[at+2:]))
	}
	return picture{format: "JPEGB"}
}
