package wsq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math"
)

// Encode codes an image by the FBI's parameters (part 3): the same filters,
// bins and blocks as NIST's encoder, with the shortest Huffman codes. Sides of
// 1 to 65535 pixels; the error is ErrTooLarge for more than MaxPixels, or says
// what in the options cannot be.
func Encode(img *image.Gray, o Options) ([]byte, error) {
	if img == nil || img.Rect.Empty() {
		return nil, errors.New("wsq: image without pixels")
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if o.Rate == 0 {
		o.Rate = 0.75
	}
	switch {
	case w > math.MaxUint16 || h > math.MaxUint16 || w*h > MaxPixels:
		return nil, ErrTooLarge
	case !(o.Rate > 0 && o.Rate <= 10):
		return nil, fmt.Errorf("wsq: rate of %g bits a pixel is not in 0 to 10", o.Rate)
	}
	out, err := appendComments(nil, w, h, &o)
	if err != nil {
		return nil, err
	}
	p := layout(w, h)
	level := normalize(img)
	mem := p.analyse(img, level)
	defer mem.close()
	widths := binWidths(p.variances(), o.Rate)
	qs := p.quantizers(&widths)
	out = appendTransform(out)
	out = appendQuantization(out, qs)
	out = appendFrame(out, w, h, level.shift, level.scale)
	out = p.appendBlocks(out, qs)
	return binary.BigEndian.AppendUint16(out, markEOI), nil
}

// analyse gives the subbands that are sent their samples.
func (p *parts) analyse(img *image.Gray, level *greyLevels) *room {
	sent := 0
	for k := range coded {
		sent += p[k].size()
	}
	mem := newRoom(sent + p.inner())
	for k := range coded {
		p[k].pix = mem.take(p[k].size())
	}
	p.decompose(analysisTaps(), mem, func(y int, row []float32) {
		pix := img.Pix[img.PixOffset(img.Rect.Min.X, img.Rect.Min.Y+y):][:len(row)]
		for x, v := range pix {
			row[x] = level.of[v]
		}
	})
	return mem
}

// appendComments starts the file.
func appendComments(out []byte, w, h int, o *Options) ([]byte, error) {
	text, err := formatFields(w, h, o)
	if err != nil {
		return nil, err
	}
	out = binary.BigEndian.AppendUint16(out, markSOI)
	for _, c := range append([]string{text}, o.Comments...) {
		if len(c) > maxComment {
			return nil, errComment
		}
		out = appendComment(out, c)
	}
	return out, nil
}

// greyLevels holds the image's shift M and scale R (A.1.1): samples are centred
// on the mean and fit into -128 to 128.
type greyLevels struct {
	shift, scale scaled
	of           [256]float32 // of each grey level
}

// normalize chooses M and R.
func normalize(img *image.Gray) *greyLevels {
	var count [256]int
	w, h := img.Rect.Dx(), img.Rect.Dy()
	for y := range h {
		for _, v := range img.Pix[img.PixOffset(img.Rect.Min.X, img.Rect.Min.Y+y):][:w] {
			count[v]++
		}
	}
	sum, low, high := 0, 255, 0
	for v, n := range count {
		if n > 0 {
			sum += v * n
			low, high = min(low, v), max(high, v)
		}
	}
	mean := float64(sum) / float64(w*h)
	scale := max(float64(high)-mean, mean-float64(low)) / 128
	if low == high { // any scale does
		scale = 1
	}
	l := &greyLevels{shift: newScaled(mean, math.MaxUint16), scale: newScaled(scale, math.MaxUint16)}
	for v := range l.of {
		l.of[v] = float32((float64(v) - l.shift.float()) / l.scale.float())
	}
	return l
}

const blocks = len(blockEnds)

// appendBlocks quantizes and codes the three blocks. The last two share one
// Huffman table where two would take more room than they save.
func (p *parts) appendBlocks(out []byte, qs *[bands]quantizer) []byte {
	var (
		tokens [blocks][]token
		count  [blocks]histogram
		data   [blocks][]byte
		tables [blocks]*codeTable
	)
	each(blocks, func() func(int) {
		return func(i int) {
			i = blocks - 1 - i // the largest first
			first := 0
			if i > 0 {
				first = blockEnds[i-1]
			}
			size := 0
			for k := first; k < blockEnds[i]; k++ {
				size += p[k].size()
			}
			tokens[i] = p.tokens(make([]token, 0, size/4), &count[i], qs, first, blockEnds[i])
			tables[i] = newCodeTable(&count[i])
		}
	})
	shared := count[1]
	for s, n := range count[2] {
		shared[s] += n
	}
	one := newCodeTable(&shared)
	saved := (one.bits(&shared) - tables[1].bits(&count[1]) - tables[2].bits(&count[2])) / 8
	ids := [blocks]byte{0, 1, 2}
	if saved <= tables[2].size()+tables[1].size()-one.size() {
		tables[1], tables[2], ids[2] = one, one, 1
	}
	each(blocks, func() func(int) {
		return func(i int) {
			i = blocks - 1 - i
			data[i] = tables[i].write(nil, tokens[i])
		}
	})
	for i := range blocks {
		if i == 0 || ids[i] != ids[i-1] {
			out = appendTable(out, ids[i], tables[i])
		}
		out = appendBlock(out, ids[i], data[i])
	}
	return out
}
