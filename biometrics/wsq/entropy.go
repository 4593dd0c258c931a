package wsq

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The symbols of a block (A.4, table A.2): short runs of zeros and small bins
// are symbols of their own, the rest carry 8 or 16 bits after them.
const (
	maxShortRun  = 100 // symbols 1 to 100: that many zeros
	symPlus8     = 101 // a positive bin, 8 bits follow
	symMinus8    = 102
	symPlus16    = 103 // a positive bin, 16 bits follow
	symMinus16   = 104
	symRun8      = 105 // a run of zeros, 8 bits follow
	symRun16     = 106
	firstValue   = 107 // symbols 107 to 254: the bins -73 to 74
	lastValue    = 254
	valueZero    = 180
	maxSmall     = lastValue - valueZero
	minSmall     = firstValue - valueZero
	maxRun       = 65535
	longestCode  = 16
	primaryBits  = 11
	longestEntry = longestCode + 16 // bits of a symbol and what follows it
)

var errCodes = errors.New("more codes than their lengths allow")

// decodeTable looks a symbol up by the next bits: at once for codes up to 11
// bits, by the first code of each length for longer ones.
type decodeTable struct {
	quick  [1 << primaryBits]uint16 // length<<8 | symbol, 0 for longer codes
	values []byte
	limit  [longestCode + 1]uint32 // one past the last code of a length, set left in 16 bits
	offset [longestCode + 1]int    // of a length's first code in values, less that code
}

// newDecodeTable makes the canonical codes of the counts of each length.
func newDecodeTable(counts [longestCode]uint8, values []byte) (*decodeTable, error) {
	t := &decodeTable{values: bytes.Clone(values)}
	code, at := 0, 0
	for length := 1; length <= longestCode; length++ {
		n := int(counts[length-1])
		if code+n > 1<<length {
			return nil, errCodes
		}
		t.offset[length] = at - code
		for i := range n {
			t.spread(code+i, length, values[at+i])
		}
		code, at = code+n, at+n
		t.limit[length] = uint32(code) << (longestCode - length)
		code <<= 1
	}
	return t, nil
}

func (t *decodeTable) spread(code, length int, value byte) {
	if length > primaryBits {
		return
	}
	rest := primaryBits - length
	for i := code << rest; i < (code+1)<<rest; i++ {
		t.quick[i] = uint16(length)<<8 | uint16(value)
	}
}

// long finds a code of more than 11 bits in the next 16; length 0 if there is none.
func (t *decodeTable) long(bits uint32) (symbol byte, length int) {
	for length = primaryBits + 1; length <= longestCode; length++ {
		if bits < t.limit[length] {
			return t.values[int(bits>>(longestCode-length))+t.offset[length]], length
		}
	}
	return 0, 0
}

// entropySegment cuts the coded data that starts data, up to the next marker,
// frees it of stuffed zeros (B.1.1.5) into buf, and pads it with ones so that
// it can be read eight bytes at a time. n is where the marker is.
func entropySegment(data, buf []byte) (coded []byte, n int) {
	coded = buf[:0]
	for n < len(data) {
		i := bytes.IndexByte(data[n:], 0xff)
		if i < 0 {
			coded = append(coded, data[n:]...)
			n = len(data)
			break
		}
		coded = append(coded, data[n:n+i]...)
		n += i
		if n+1 >= len(data) || data[n+1] != 0 {
			break
		}
		coded = append(coded, 0xff)
		n += 2
	}
	return append(coded, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), n
}

// bins takes the decoded bins in the order of the subbands and sets what they
// stand for.
type bins struct {
	out  []float32 // the subbands that are sent, one after another, all zero
	at   int
	ends []int              // of each sent subband in out
	mid  [bands]dequantizer // of each sent subband
	band int
}

// dequantizer is A.3: a bin p stands for p*bin plus or minus shift, by its sign.
type dequantizer struct{ bin, shift float32 }

func (d dequantizer) value(p int32) float32 {
	if p < 0 {
		return float32(p)*d.bin - d.shift
	}
	return float32(p)*d.bin + d.shift
}

var (
	errTooMany = errors.New("more coefficients than the subbands have")
	errCode    = errors.New("no such code")
	errSymbol  = errors.New("no such symbol")
	errCut     = errors.New("coded data ends within a coefficient")
)

// decode reads the coefficients of one coded segment.
func (b *bins) decode(t *decodeTable, coded []byte) error {
	left := (len(coded) - 8) * 8 // bits of the file
	var acc uint64               // the next bits, from the top
	have, next := 0, 0
	for {
		if have < longestEntry {
			acc |= binary.BigEndian.Uint64(coded[next:]) >> have
			bytes := (63 - have) >> 3
			if next+bytes > len(coded)-8 {
				bytes = len(coded) - 8 - next
			}
			next += bytes
			have += bytes * 8
			if next == len(coded)-8 {
				have = 64 // from here on the padding
			}
		}
		if left < 8 && acc>>(64-left) == 1<<left-1 {
			return nil
		}
		symbol, length := byte(0), 0
		if e := t.quick[acc>>(64-primaryBits)]; e != 0 {
			symbol, length = byte(e), int(e>>8)
		} else if symbol, length = t.long(uint32(acc >> 48)); length == 0 {
			return errCode
		}
		acc <<= length
		more := follow[symbol]
		extra := int32(acc >> 48 >> (16 - more))
		acc <<= more
		length += int(more)
		if left -= length; left < 0 {
			return errCut
		}
		have -= length
		if err := b.put(symbol, extra); err != nil {
			return err
		}
	}
}

// follow says how many bits follow a symbol.
var follow = [256]uint8{symPlus8: 8, symMinus8: 8, symPlus16: 16, symMinus16: 16, symRun8: 8, symRun16: 16}

// put sets what one symbol stands for.
func (b *bins) put(symbol byte, extra int32) error {
	p := int32(symbol) - valueZero
	switch {
	case symbol >= firstValue && symbol <= lastValue:
	case symbol == 0 || symbol > lastValue:
		return errSymbol
	case symbol <= maxShortRun:
		return b.skip(int(symbol))
	case symbol >= symRun8:
		return b.skip(int(extra))
	case symbol == symPlus8 || symbol == symPlus16:
		p = extra
	default:
		p = -extra
	}
	if b.at >= len(b.out) {
		return errTooMany
	}
	for b.at >= b.ends[b.band] {
		b.band++
	}
	if p != 0 {
		b.out[b.at] = b.mid[b.band].value(p)
	}
	b.at++
	return nil
}

func (b *bins) skip(n int) error {
	if n > len(b.out)-b.at {
		return errTooMany
	}
	b.at += n
	return nil
}
