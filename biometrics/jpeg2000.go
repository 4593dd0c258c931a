package biometrics

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"math"
)

// What a JPEG 2000 image begins with: a file with boxes with its signature (ISO/IEC
// 15444-1, I.5.1), a bare codestream with its markers SOC and SIZ (A.4.1 and A.5.1).
const (
	HeadJP2 = "\x00\x00\x00\x0cjP  \r\n\x87\n"
	HeadJ2K = "\xff\x4f\xff\x51"
)

// Header2000 is what a JPEG 2000 image says of itself in front of its pixels.
type Header2000 struct {
	Width, Height int // pixels
	Components    int // samples a pixel: 1 grey, 3 colours
	Depth         int // bits a sample, of the first component
	PPI           int // pixels per inch of the capture; 0 where it is not said or differs both ways

	sides  [2]uint32 // of the reference grid, in which the picture may begin beyond 0, 0
	tiles  uint64
	odd    string // what no face and no finger has, and is not decoded; empty where there is none
	stream []byte // from SOC on
}

// maxTiles is far above what any face or finger has: most are one tile.
const maxTiles = 1024

// ReadHeader2000 reads the boxes of a JP2 file (ISO/IEC 15444-1, annex I), where there are
// any, and the codestream's headers (annex A), and walks the tile-parts to the end: an
// image that is cut off is told without a pixel decoded. Bytes that are wrong within the
// coded data are not seen, as JPEG 2000 has no check of them. Errors wrap ErrDamaged.
func ReadHeader2000(data []byte) (Header2000, error) {
	h, err := parse2000(data)
	if err == nil {
		err = h.whole()
	}
	return h, err
}

func damaged2000(format string, a ...any) error {
	return fmt.Errorf("%w: JPEG 2000: %s", ErrDamaged, fmt.Sprintf(format, a...))
}

func peekJPEG2000(data []byte) error {
	h, err := parse2000(data)
	if err != nil {
		return err
	}
	// The decoder keeps each sample in four bytes, twice; we keep it as it was written and as a picture.
	if err := withinLimits(image.Config{Width: h.Width, Height: h.Height}, 10*h.Components); err != nil {
		return err
	}
	if h.sides[0] > MaxSide || h.sides[1] > MaxSide || h.tiles > maxTiles {
		return fmt.Errorf("%w: %d tiles on %d x %d, the limits are %d and %d a side", ErrTooLarge, h.tiles, h.sides[0], h.sides[1], maxTiles, MaxSide)
	}
	if h.odd != "" {
		return fmt.Errorf("%w: JPEG 2000 with %s", ErrUnsupported, h.odd)
	}
	return h.whole()
}

// parse2000 reads up to the size of the image.
func parse2000(data []byte) (h Header2000, err error) {
	if bytes.HasPrefix(data, []byte(HeadJ2K)) {
		h.stream = data
		return h, h.size()
	}
	for rest := data; len(rest) > 0; {
		kind, body, more, ok := nextBox(rest)
		if !ok {
			return h, damaged2000("a box ends beyond the file")
		}
		switch kind {
		case "jp2h":
			if err := h.boxes(body); err != nil {
				return h, err
			}
		case "jp2c":
			h.stream = body
			said := h
			if err := h.size(); err != nil {
				return h, err
			}
			if said.Width != h.Width || said.Height != h.Height || said.Components != h.Components {
				return h, damaged2000("it says %d x %d pixels of %d samples, and its codestream %d x %d of %d",
					said.Width, said.Height, said.Components, h.Width, h.Height, h.Components)
			}
			return h, nil
		}
		rest = more
	}
	return h, damaged2000("no codestream")
}

// nextBox takes one box off (I.4): its length counts the head, 0 is all that is left and
// 1 has the length in eight bytes behind the type.
func nextBox(b []byte) (kind string, body, rest []byte, ok bool) {
	if len(b) < 8 {
		return "", nil, nil, false
	}
	n, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
	switch {
	case n == 0:
		n = uint64(len(b))
	case n == 1 && len(b) >= 16:
		n, head = binary.BigEndian.Uint64(b[8:]), 16
	}
	if n < head || n > uint64(len(b)) {
		return "", nil, nil, false
	}
	return string(b[4:8]), b[head:n], b[n:], true
}

// boxes reads the JP2 header box (I.5.3).
func (h *Header2000) boxes(b []byte) error {
	be, coloured := binary.BigEndian, false
	for len(b) > 0 {
		kind, body, rest, ok := nextBox(b)
		if !ok {
			return damaged2000("a box ends beyond the header")
		}
		switch {
		case kind == "ihdr" && len(body) == 14: // I.5.3.1
			h.Height, h.Width, h.Components = int(be.Uint32(body)), int(be.Uint32(body[4:])), int(be.Uint16(body[8:]))
		case kind == "colr" && !coloured: // I.5.3.3: the first one counts
			coloured = true
			if space := enumerated(body); space != 0 && (space < 16 || space > 18) { // sRGB, grey, sYCC
				h.odd = fmt.Sprintf("colour space %d", space)
			}
		case kind == "pclr": // I.5.3.4
			h.odd = "a palette"
		case kind == "res ": // I.5.3.7
			for inner, resolution, more, ok := nextBox(body); ok; inner, resolution, more, ok = nextBox(more) {
				if inner == "resc" {
					h.PPI = capturePPI(resolution)
				}
			}
		}
		b = rest
	}
	return nil
}

// enumerated is the colour space that a colour specification box names by number, 0 where
// it describes one by a profile.
func enumerated(b []byte) uint32 {
	if len(b) < 7 || b[0] != 1 {
		return 0
	}
	return binary.BigEndian.Uint32(b[3:])
}

// capturePPI reads the capture resolution box (I.5.3.7.1): points a metre, vertical and
// horizontal, each as numerator, denominator and power of ten.
func capturePPI(b []byte) int {
	if len(b) != 10 {
		return 0
	}
	be := binary.BigEndian
	inch := func(at, power int) float64 {
		perMetre := float64(be.Uint16(b[at:])) / float64(be.Uint16(b[at+2:])) * math.Pow10(int(int8(b[power])))
		return math.Round(perMetre * 0.0254)
	}
	if y, x := inch(0, 8), inch(4, 9); x == y && x < 1<<15 {
		return int(x)
	}
	return 0
}

// size reads the SIZ marker segment (A.5.1), which follows SOC at once.
func (h *Header2000) size() error {
	b, be := h.stream, binary.BigEndian
	if len(b) < 45 || !bytes.HasPrefix(b, []byte(HeadJ2K)) {
		return damaged2000("its codestream has no size")
	}
	n := int(be.Uint16(b[40:]))
	if int(be.Uint16(b[4:])) != 38+3*n || len(b) < 42+3*n || n == 0 {
		return damaged2000("its codestream has %d components and no room for them", n)
	}
	var at [8]uint32 // sides of the grid, where the picture begins, sides of a tile, where the first one begins
	for i := range at {
		at[i] = be.Uint32(b[8+4*i:])
	}
	h.tiles = 1
	var sides [2]int
	for i := range sides {
		side, from, tile, first := uint64(at[i]), uint64(at[2+i]), uint64(at[4+i]), uint64(at[6+i])
		if from >= side || first > from || first+tile <= from {
			return damaged2000("its picture or its tiles are of no size")
		}
		sides[i] = int(side - from)
		h.tiles *= (side - first + tile - 1) / tile
	}
	h.Width, h.Height, h.Components = sides[0], sides[1], n
	h.sides, h.Depth = [2]uint32{at[0], at[1]}, int(b[42]&0x7F)+1
	if h.odd == "" {
		h.odd = oddComponents(b[42 : 42+3*n])
	}
	return nil
}

// oddComponents says what of the components no face and no finger has. Each is three
// bytes: sign and depth, and how many points of the grid a sample stands for.
func oddComponents(b []byte) string {
	if n := len(b) / 3; n != 1 && n != 3 {
		return fmt.Sprintf("%d components, where grey has 1 and colours have 3", n)
	}
	for i := 0; i < len(b); i += 3 {
		switch depth, dx, dy := b[i], b[i+1], b[i+2]; {
		case depth&0x80 != 0:
			return "signed samples"
		case depth != b[0]:
			return "components of different depths"
		case depth > 15:
			return fmt.Sprintf("samples of %d bits", depth+1)
		case i == 0 && (dx != 1 || dy != 1) || dx < 1 || dx > 2 || dy < 1 || dy > 2:
			return fmt.Sprintf("one sample for %d x %d points", dx, dy)
		}
	}
	return ""
}

// whole walks from the first tile-part to the end of the codestream (A.4.2 and A.4.4):
// each says its length, and every tile has to have one.
func (h Header2000) whole() error {
	be, b := binary.BigEndian, h.stream[2:]
	for len(b) >= 4 && be.Uint16(b) != 0xFF90 { // the main header
		n := 2 + int(be.Uint16(b[2:]))
		if b[0] != 0xFF || n < 4 || n > len(b) {
			return damaged2000("its header is not one")
		}
		b = b[n:]
	}
	seen := map[uint16]bool{}
	for len(b) >= 14 && be.Uint16(b) == 0xFF90 { // SOT
		n := uint64(be.Uint32(b[6:]))
		if n == 0 && bytes.HasSuffix(b, []byte{0xFF, 0xD9}) { // the last may leave it open
			n = uint64(len(b) - 2)
		}
		if n < 14 || n > uint64(len(b)) {
			return damaged2000("cut off in tile %d", be.Uint16(b[4:]))
		}
		seen[be.Uint16(b[4:])] = true
		b = b[n:]
	}
	switch {
	case len(b) < 2 || be.Uint16(b) != 0xFFD9:
		return damaged2000("cut off after %d of %d tiles", len(seen), h.tiles)
	case uint64(len(seen)) != h.tiles:
		return damaged2000("%d of %d tiles are there", len(seen), h.tiles)
	}
	return nil
}
