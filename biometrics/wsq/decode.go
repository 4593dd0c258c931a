package wsq

import "image"

// coefficientsPerByte bounds what coded data can stand for: 65535 zeros take a code of
// at least one bit and 16 bits after it.
const coefficientsPerByte = maxRun*8/17 + 1

// DecodeConfig reads the size and resolution of an image without decoding it;
// data may end anywhere after the first block's header. The error is a
// *FormatError or ErrTooLarge.
func DecodeConfig(data []byte) (Config, error) {
	r := &reader{data: data}
	if err := r.header(); err != nil {
		return Config{}, err
	}
	im := Image{}
	im.describe(r.comments)
	return Config{Width: r.frame.width, Height: r.frame.height, PPI: im.PPI}, nil
}

// header reads up to the first block and leaves r before it.
func (r *reader) header() error {
	if err := r.start(); err != nil {
		return err
	}
	_, end, err := r.toBlock()
	switch {
	case err != nil:
		return err
	case !r.haveFrame:
		return r.fail("no frame header before the first block")
	case end:
		return r.fail("no block")
	}
	return nil
}

// Decode decodes an image (annex A). The error is a *FormatError, or
// ErrTooLarge for more than MaxPixels; a file that is cut short or holds too
// few coefficients is an error, not a picture with a blank part.
func Decode(data []byte) (*Image, error) {
	r := &reader{data: data}
	if err := r.start(); err != nil {
		return nil, err
	}
	room, p, err := r.blocks()
	if err != nil {
		return nil, err
	}
	defer room.close()
	im := &Image{Pix: image.NewGray(image.Rect(0, 0, r.frame.width, r.frame.height)),
		Encoder: r.frame.encoder, Software: r.frame.software}
	im.describe(r.comments)
	shift := r.frame.shift + 0.5
	p.compose(r.bank, room, func(y int, row []float32) {
		out := im.Pix.Pix[y*im.Pix.Stride:][:len(row)]
		for x, v := range row {
			out[x] = grey(v + shift)
		}
	})
	return im, nil
}

// grey cuts off the fraction of a pixel and what is beyond black and white;
// what is no number is black.
func grey(v float32) uint8 {
	if v >= 255 {
		return 255
	}
	if v > 0 {
		return uint8(int32(v))
	}
	return 0
}

// blocks reads the whole file: the coefficients end up in the parts.
func (r *reader) blocks() (*room, *parts, error) {
	var (
		b    bins
		p    *parts
		mem  *room
		buf  []byte
		fail = func(err error) (*room, *parts, error) { return nil, nil, err }
	)
	for {
		table, end, err := r.toBlock()
		if err != nil {
			return fail(err)
		}
		if end {
			break
		}
		if p == nil {
			r.started = true
			if p, mem, err = r.prepare(&b); err != nil {
				return fail(err)
			}
		}
		if table > 7 || r.huffman[table] == nil {
			return fail(r.fail("block with huffman table %d, which is not there", table))
		}
		if buf, err = r.block(&b, r.huffman[table], buf); err != nil {
			return fail(err)
		}
	}
	switch {
	case p == nil:
		return fail(r.fail("no block"))
	case b.at != len(b.out):
		return fail(r.fail("%d coefficients of %d", b.at, len(b.out)))
	}
	return mem, p, nil
}

// block decodes one block, with the restarts in it.
func (r *reader) block(b *bins, t *decodeTable, buf []byte) ([]byte, error) {
	for {
		coded, n := entropySegment(r.data[r.at:], buf)
		if err := b.decode(t, coded); err != nil {
			return nil, r.fail("block that starts here: %v", err)
		}
		r.at += n
		r.skipFill()
		if r.at+2 > len(r.data) || r.data[r.at+1]&^7 != markRST&0xff {
			return coded, nil
		}
		r.at += 2
		buf = coded
	}
}

// prepare lays out the image, once its first block comes.
func (r *reader) prepare(b *bins) (*parts, *room, error) {
	switch {
	case !r.haveFrame:
		return nil, nil, r.fail("block without a frame header")
	case r.bank == nil:
		return nil, nil, r.fail("block without a transform table")
	case r.quant == nil:
		return nil, nil, r.fail("block without a quantization table")
	}
	p := layout(r.frame.width, r.frame.height)
	sent := 0
	for i := range bands {
		if r.quant.bin[i] != 0 {
			sent += p[i].size()
		}
	}
	if sent/coefficientsPerByte > len(r.data)-r.at {
		return nil, nil, r.fail("%d bytes cannot hold %d coefficients", len(r.data)-r.at, sent)
	}
	mem := newRoom(sent + p.inner())
	b.out = mem.take(sent)
	clear(b.out)
	at := 0
	for i := range bands {
		if r.quant.bin[i] == 0 || p[i].size() == 0 {
			continue
		}
		p[i].pix = b.out[at : at+p[i].size()]
		at += p[i].size()
		b.mid[len(b.ends)] = r.dequantizer(i)
		b.ends = append(b.ends, at)
	}
	return p, mem, nil
}

// inner is how many samples all splits but the image have.
func (p *parts) inner() int {
	n := 0
	for s := 1; s < splits; s++ {
		n += p[bands+s].size()
	}
	return n
}

// dequantizer takes the frame's scale R in, so that the filters give grey levels.
func (r *reader) dequantizer(band int) dequantizer {
	bin, zero := r.quant.bin[band]*r.frame.scale, r.quant.zero[band]*r.frame.scale
	return dequantizer{bin: bin, shift: zero/2 - bin*r.quant.center}
}
