package wsq

import "encoding/binary"

// Markers (B.1.1.2).
const (
	markSOI = 0xffa0 // start of image
	markEOI = 0xffa1 // end of image
	markSOF = 0xffa2 // frame header
	markSOB = 0xffa3 // start of block
	markDTT = 0xffa4 // transform table
	markDQT = 0xffa5 // quantization table
	markDHT = 0xffa6 // Huffman tables
	markDRI = 0xffa7 // restart interval
	markRST = 0xffb0 // restart, to 0xffb7
	markCOM = 0xffa8 // comment
)

// reader walks over a file's segments.
type reader struct {
	data []byte
	at   int

	frame     frame
	haveFrame bool
	started   bool // a block was there: filters and bins stay as they are
	bank      bank
	quant     *quantization
	huffman   [8]*decodeTable
	comments  []string
}

// frame is the frame header (B.2.3).
type frame struct {
	width, height     int
	shift, scale      float32 // M and R
	encoder, software int
}

// quantization is the quantization table (B.2.4.2).
type quantization struct {
	center float32 // C, the place in the bin that stands for it
	bin    [bands]float32
	zero   [bands]float32
}

func (r *reader) fail(format string, args ...any) error { return malformed(r.at, format, args...) }

// marker reads the next marker; fill bytes may stand before it.
func (r *reader) marker() (int, error) {
	if r.at+2 > len(r.data) {
		return 0, r.fail("file ends where a marker is due")
	}
	if r.data[r.at] != 0xff {
		return 0, r.fail("no marker where one is due")
	}
	r.skipFill()
	m := int(binary.BigEndian.Uint16(r.data[r.at:]))
	r.at += 2
	return m, nil
}

// skipFill goes over fill bytes before a marker (B.1.1.2).
func (r *reader) skipFill() {
	for r.at+2 < len(r.data) && r.data[r.at] == 0xff && r.data[r.at+1] == 0xff {
		r.at++
	}
}

// segment reads a segment's length and cuts off what it holds.
func (r *reader) segment() (*fields, error) {
	if r.at+2 > len(r.data) {
		return nil, r.fail("file ends in a segment's length")
	}
	n := int(binary.BigEndian.Uint16(r.data[r.at:]))
	if n < 2 || r.at+n > len(r.data) {
		return nil, r.fail("segment of %d bytes where %d are left", n, len(r.data)-r.at)
	}
	f := &fields{data: r.data[r.at+2 : r.at+n], offset: r.at + 2}
	r.at += n
	return f, nil
}

// start checks the first marker.
func (r *reader) start() error {
	m, err := r.marker()
	if err != nil {
		return err
	}
	if m != markSOI {
		return malformed(0, "starts with %04x, not with ffa0", m)
	}
	return nil
}

// toBlock reads segments up to the next block's header, or the image's end.
func (r *reader) toBlock() (table int, end bool, err error) {
	for {
		m, err := r.marker()
		if err != nil {
			return 0, false, err
		}
		if m == markEOI {
			return 0, true, nil
		}
		at := r.at - 2
		f, err := r.segment()
		if err != nil {
			return 0, false, err
		}
		if m == markSOB {
			table = int(f.u8())
			return table, false, f.done("block header")
		}
		if err := r.table(m, at, f); err != nil {
			return 0, false, err
		}
	}
}

// table takes in any segment but a block's.
func (r *reader) table(m, at int, f *fields) error {
	if r.started && (m == markDTT || m == markDQT) {
		return malformed(at, "filters or bins change after the first block")
	}
	switch m {
	case markSOF:
		if r.haveFrame {
			return malformed(at, "second frame header")
		}
		r.haveFrame = true
		return r.readFrame(f)
	case markDTT:
		return r.readTransform(f)
	case markDQT:
		return r.readQuantization(f)
	case markDHT:
		return r.readHuffman(f)
	case markCOM:
		r.comments = append(r.comments, string(f.data))
		return nil
	case markDRI: // restarts are taken where they come
		f.u16()
		return f.done("restart interval")
	}
	return malformed(at, "unexpected marker %04x", m)
}

// fields reads a segment's numbers. Past the end they are 0 and done says so.
type fields struct {
	data   []byte
	offset int
	at     int
	short  bool
}

func (f *fields) take(n int) uint32 {
	if f.at+n > len(f.data) {
		f.short = true
		return 0
	}
	var v uint32
	for _, b := range f.data[f.at : f.at+n] {
		v = v<<8 | uint32(b)
	}
	f.at += n
	return v
}

func (f *fields) u8() uint8   { return uint8(f.take(1)) }
func (f *fields) u16() uint16 { return uint16(f.take(2)) }

// scaled reads a number sent as an exponent of ten and n bytes (B.1.3).
func (f *fields) scaled(n int) float32 {
	exponent := f.u8()
	v := float64(f.take(n))
	for range exponent {
		v /= 10
	}
	return float32(v)
}

// done says whether the segment was as long as it had to be.
func (f *fields) done(what string) error {
	if f.short {
		return malformed(f.offset, "%s of only %d bytes", what, len(f.data))
	}
	return nil
}

// readFrame reads the frame header (B.2.3).
func (r *reader) readFrame(f *fields) error {
	f.u16() // black and white levels: the scale of the scanner, not used in decoding
	h, w := int(f.u16()), int(f.u16())
	r.frame = frame{width: w, height: h, shift: f.scaled(2), scale: f.scaled(2),
		encoder: int(f.u8()), software: int(f.u16())}
	if err := f.done("frame header"); err != nil {
		return err
	}
	if w == 0 || h == 0 {
		return malformed(f.offset, "image of %d by %d pixels", w, h)
	}
	if w*h > MaxPixels {
		return ErrTooLarge
	}
	return nil
}

// readTransform reads the filters (B.2.4.1). The right half of each is sent.
func (r *reader) readTransform(f *fields) error {
	nl, nh := int(f.u8()), int(f.u8())
	if nl == 0 || nh == 0 || nl > 32 || nh > 32 || nl%2 != nh%2 {
		return malformed(f.offset, "filters of %d and %d taps", nl, nh)
	}
	low, high := f.filter((nl+1)/2), f.filter((nh+1)/2)
	r.bank = newBank(low, high, nl%2 == 0)
	return f.done("transform table")
}

func (f *fields) filter(n int) []float32 {
	taps := make([]float32, n)
	for i := range taps {
		sign := f.u8()
		if taps[i] = f.scaled(4); sign != 0 {
			taps[i] = -taps[i]
		}
	}
	return taps
}

// readQuantization reads the bin widths (B.2.4.2).
func (r *reader) readQuantization(f *fields) error {
	q := &quantization{center: f.scaled(2)}
	for i := range bands {
		q.bin[i], q.zero[i] = f.scaled(2), f.scaled(2)
	}
	r.quant = q
	return f.done("quantization table")
}

// readHuffman reads one or several Huffman tables (B.2.4.3).
func (r *reader) readHuffman(f *fields) error {
	for more := true; more; more = f.at < len(f.data) {
		at := f.offset + f.at
		id := f.u8()
		var counts [16]uint8
		total := 0
		for i := range counts {
			counts[i] = f.u8()
			total += int(counts[i])
		}
		if id > 7 || total > 256 || f.at+total > len(f.data) {
			return malformed(at, "huffman table %d of %d codes in %d bytes", id, total, len(f.data)-f.at)
		}
		table, err := newDecodeTable(counts, f.data[f.at:f.at+total])
		if err != nil {
			return malformed(at, "huffman table %d: %v", id, err)
		}
		r.huffman[id] = table
		f.at += total
	}
	return f.done("huffman table")
}
