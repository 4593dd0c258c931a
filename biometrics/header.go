package biometrics

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"cardstation/biometrics/wsq"
)

// Header is what an image says of itself in front of its pixels. Zero is what it does
// not say.
type Header struct {
	Media         string // PNG, JPEG, JPEG2000 or WSQ
	Width, Height int    // pixels, as they are coded: an Exif orientation has not turned them
	Components    int    // samples a pixel: 1 grey, 3 colours; of a palette those of its entries
	Depth         int    // bits a sample
	PPI           int    // pixels per inch, as in Image
	Lossless      bool   // a JPEG coded without loss (its frame is SOF3), which Decode does not read
}

// ReadHeader reads the head of an image, no pixel of it, and holds it against no limit.
// Errors wrap ErrFormat or ErrDamaged; what was read before one is given with it.
func ReadHeader(data []byte) (h Header, err error) {
	h.Media = Sniff(data)
	switch h.Media {
	case PNG:
		err = h.png(data)
	case JPEG:
		head := scanJPEG(data)
		if h = head.Header; h.Width == 0 || h.Height == 0 {
			err = fmt.Errorf("%w: JPEG without a frame of a size", ErrDamaged)
		}
	case JPEG2000:
		var is Header2000
		is, err = ReadHeader2000(data)
		h.Width, h.Height, h.Components, h.Depth, h.PPI = is.Width, is.Height, is.Components, is.Depth, is.PPI
	case WSQ:
		var c wsq.Config
		if c, err = wsq.DecodeConfig(data); err != nil {
			return h, wsqError("header", err)
		}
		h.Width, h.Height, h.Components, h.Depth, h.PPI = c.Width, c.Height, 1, 8, believed(c.PPI)
	default:
		err = ErrFormat
	}
	return h, err
}

// png reads the header chunk (PNG, third edition, 11.2.1).
func (h *Header) png(data []byte) error {
	if len(data) < 26 {
		return fmt.Errorf("%w: PNG header cut off", ErrDamaged)
	}
	be := binary.BigEndian
	h.Width, h.Height, h.Depth, h.PPI = int(be.Uint32(data[16:])), int(be.Uint32(data[20:])), int(data[24]), pngDensity(data)
	h.Components = map[byte]int{0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[data[25]] // by colour type
	if data[25] == 3 {
		h.Depth = 8 // of a palette's entries
	}
	return nil
}

// pngDensity reads the pHYs chunk (PNG, third edition, 11.3.4.3) in front of
// the image data, as pixels per inch; 0 where there is none or where width and
// height differ.
func pngDensity(data []byte) int {
	data = data[8:]
	for len(data) >= 12 {
		n := binary.BigEndian.Uint32(data)
		kind := string(data[4:8])
		if kind == "IDAT" || uint64(n)+12 > uint64(len(data)) {
			return 0
		}
		body := data[8 : 8+n]
		if kind == "pHYs" && len(body) == 9 && body[8] == 1 {
			x, y := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
			if x != y || x > 1<<20 {
				return 0
			}
			return int(math.Round(float64(x) * 0.0254))
		}
		data = data[12+n:]
	}
	return 0
}

// jpegHead is what the segments in front of the first scan say.
type jpegHead struct {
	Header
	orientation int // Exif tag 274, 1 to 8; 0 for none
	progressive bool
}

// scanJPEG walks the marker segments (ITU-T T.81, annex B) up to the first scan
// and takes what it understands. What stands between two segments is passed over, as
// image/jpeg does.
func scanJPEG(data []byte) (head jpegHead) {
	head.Media = JPEG
	data = data[2:]
	for len(data) >= 4 {
		marker := data[1]
		if data[0] != 0xFF || marker == 0xFF || marker == 0 { // fill bytes and worse
			data = data[1:]
			continue
		}
		if marker >= 0xD0 && marker <= 0xD7 { // restarts have no length
			data = data[2:]
			continue
		}
		n := int(binary.BigEndian.Uint16(data[2:]))
		if marker == 0xDA || marker == 0xD9 || n < 2 || n+2 > len(data) {
			return head
		}
		body := data[4 : 2+n]
		switch {
		case frameJPEG(marker) && len(body) >= 6:
			head.Depth, head.Height, head.Width = int(body[0]), int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
			head.Components, head.progressive, head.Lossless = int(body[5]), marker == 0xC2, marker == 0xC3
		case marker == 0xE0 && bytes.HasPrefix(body, []byte("JFIF\x00")):
			head.PPI = jfifDensity(body)
		case marker == 0xE1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
			head.orientation = exifOrientation(body[6:])
		}
		data = data[2+n:]
	}
	return head
}

// frameJPEG says whether a marker begins a frame: C0 to CF but for the tables among them.
func frameJPEG(marker byte) bool {
	return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC
}

// jfifDensity reads the density of a JFIF segment (ITU-T T.871, 10.1).
func jfifDensity(body []byte) int {
	if len(body) < 12 {
		return 0
	}
	x, y := binary.BigEndian.Uint16(body[8:]), binary.BigEndian.Uint16(body[10:])
	switch {
	case x != y:
		return 0
	case body[7] == 1:
		return int(x)
	case body[7] == 2:
		return int(math.Round(float64(x) * 2.54))
	}
	return 0
}

// exifOrientation reads tag 274 of the first directory of a TIFF header (Exif
// 2.3, 4.6.4); 0 where there is none.
func exifOrientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == 274 && order.Uint16(entries[2:]) == 3 {
			if v := order.Uint16(entries[8:]); v >= 1 && v <= 8 {
				return int(v)
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}
