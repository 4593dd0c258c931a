package itl

import (
	"bytes"
	"encoding/binary"

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

var (
	pngMagic = []byte("\x89PNG\r\n\x1a\n")
	jp2Magic = []byte("\x00\x00\x00\x0cjP  \r\n\x87\n")
	jpcMagic = []byte("\xff\x4f\xff\x51")
)

// inspect reads the head of an image, no pixel of it.
func inspect(b []byte) picture {
	be := binary.BigEndian
	switch {
	case bytes.HasPrefix(b, []byte{0xFF, 0xA0}): // WSQ: SOI
		c, err := wsq.DecodeConfig(b)
		return picture{format: "WSQ20", width: c.Width, height: c.Height, err: err}
	case bytes.HasPrefix(b, []byte{0xFF, 0xD8}): // JPEG: SOI
		return jpegFrame(b)
	case bytes.HasPrefix(b, pngMagic):
		if len(b) < 26 {
			return picture{format: "PNG"}
		}
		channels := map[byte]int{0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[b[25]] // by colour type; of a palette those of its entries
		depth := int(b[24])
		if b[25] == 3 {
			depth = 8
		}
		return picture{format: "PNG", width: int(be.Uint32(b[16:])), height: int(be.Uint32(b[20:])), channels: channels, depth: depth}
	case bytes.HasPrefix(b, jpcMagic):
		if len(b) < 43 {
			return picture{format: "JP2"}
		}
		p := picture{format: "JP2", width: int(be.Uint32(b[8:])), height: int(be.Uint32(b[12:]))} // ISO/IEC 15444-1, A.5.1
		p.channels, p.depth = int(be.Uint16(b[40:])), int(b[42]&0x7F)+1
		return p
	case bytes.HasPrefix(b, jp2Magic):
		head := b[:min(len(b), 512)]
		i := bytes.Index(head, []byte("ihdr"))
		if i < 0 || len(head) < i+15 {
			return picture{format: "JP2"}
		}
		p := picture{format: "JP2", width: int(be.Uint32(head[i+8:])), height: int(be.Uint32(head[i+4:]))} // I.5.3.1
		p.channels, p.depth = int(be.Uint16(head[i+12:])), int(head[i+14]&0x7F)+1
		return p
	}
	return picture{}
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
