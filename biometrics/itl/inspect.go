package itl

import (
	"bytes"
	"encoding/binary"
)

// picture is what an image's own header says: its format by the names of table 15
// (JPEGB for any JPEG but a lossless one, JP2 for any JPEG 2000), and its size where it is told.
type picture struct {
	format        string
	width, height int
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
		return segments(b, "WSQ20", 2, func(marker byte) bool { return marker == 0xA2 })
	case bytes.HasPrefix(b, []byte{0xFF, 0xD8}): // JPEG: SOI
		return segments(b, "JPEGB", 1, func(marker byte) bool {
			return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC
		})
	case bytes.HasPrefix(b, pngMagic):
		if len(b) < 24 {
			return picture{format: "PNG"}
		}
		return picture{"PNG", int(be.Uint32(b[16:])), int(be.Uint32(b[20:]))}
	case bytes.HasPrefix(b, jpcMagic):
		if len(b) < 16 {
			return picture{format: "JP2"}
		}
		return picture{"JP2", int(be.Uint32(b[8:])), int(be.Uint32(b[12:]))}
	case bytes.HasPrefix(b, jp2Magic):
		head := b[:min(len(b), 512)]
		i := bytes.Index(head, []byte("ihdr"))
		if i < 0 || len(head) < i+12 {
			return picture{format: "JP2"}
		}
		return picture{"JP2", int(be.Uint32(head[i+8:])), int(be.Uint32(head[i+4:]))}
	}
	return picture{}
}

// segments walks the marker segments, which WSQ has from JPEG, to the frame header
// and reads the height and width that stand skip bytes into it. SOF3 is lossless.
func segments(b []byte, format string, skip int, frame func(marker byte) bool) picture {
	for at := 2; at+4 <= len(b) && b[at] == 0xFF; {
		marker, size := b[at+1], int(binary.BigEndian.Uint16(b[at+2:]))
		if marker == 0xFF { // fill
			at++
			continue
		}
		if marker == 0xC3 {
			format = "JPEGL"
		}
		if body := at + 4 + skip; frame(marker) && body+4 <= len(b) {
			return picture{format, int(binary.BigEndian.Uint16(b[body+2:])), int(binary.BigEndian.Uint16(b[body:]))}
		}
		at += 2 + size
	}
	return picture{format: format}
}
