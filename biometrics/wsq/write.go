package wsq

import (
	"encoding/binary"
	"math"
)

// scaled is a number as it is sent: value divided by ten to the exponent (B.1.3).
type scaled struct {
	exponent uint8
	value    uint32
}

// newScaled takes as many decimals of v, which is not negative, as fit below limit.
func newScaled(v float64, limit uint32) scaled {
	s := scaled{}
	if v == 0 {
		return s
	}
	for v*10+0.5 < float64(limit) && s.exponent < 30 {
		v *= 10
		s.exponent++
	}
	s.value = uint32(min(math.Floor(v+0.5), float64(limit)))
	return s
}

func (s scaled) float() float64 { return float64(s.value) / math.Pow10(int(s.exponent)) }

func (s scaled) append16(out []byte) []byte {
	return binary.BigEndian.AppendUint16(append(out, s.exponent), uint16(s.value))
}

// segment appends a marker and a segment of what body appends.
func segment(out []byte, marker uint16, body func([]byte) []byte) []byte {
	out = binary.BigEndian.AppendUint16(out, marker)
	at := len(out)
	out = body(append(out, 0, 0))
	binary.BigEndian.PutUint16(out[at:], uint16(len(out)-at))
	return out
}

func appendComment(out []byte, text string) []byte {
	return segment(out, markCOM, func(b []byte) []byte { return append(b, text...) })
}

// appendTransform writes the analysis filters' right halves (B.2.4.1).
func appendTransform(out []byte) []byte {
	return segment(out, markDTT, func(b []byte) []byte {
		b = append(b, byte(2*len(h0)-1), byte(2*len(h1)-1))
		for _, f := range [][]float64{h0, h1} {
			for _, v := range f {
				s := newScaled(math.Abs(v), math.MaxUint32)
				sign := byte(0)
				if v < 0 {
					sign = 1
				}
				b = binary.BigEndian.AppendUint32(append(b, sign, s.exponent), s.value)
			}
		}
		return b
	})
}

// appendQuantization writes the bin widths (B.2.4.2); 0 for what is not sent.
func appendQuantization(out []byte, qs *[bands]quantizer) []byte {
	return segment(out, markDQT, func(b []byte) []byte {
		b = scaled{2, 100 * binCenter}.append16(b)
		for i := range qs {
			b = qs[i].zero.append16(qs[i].width.append16(b))
		}
		return b
	})
}

// appendFrame writes the frame header (B.2.3). The encoder and software numbers
// are given out by the FBI with a certificate; 0 is none.
func appendFrame(out []byte, w, h int, shift, scale scaled) []byte {
	return segment(out, markSOF, func(b []byte) []byte {
		b = append(b, 0, 255)
		b = binary.BigEndian.AppendUint16(b, uint16(h))
		b = binary.BigEndian.AppendUint16(b, uint16(w))
		b = scale.append16(shift.append16(b))
		return append(b, 0, 0, 0)
	})
}

// appendTable writes a Huffman table (B.2.4.3).
func appendTable(out []byte, id byte, t *codeTable) []byte {
	return segment(out, markDHT, func(b []byte) []byte {
		b = append(append(b, id), t.counts[:]...)
		return append(b, t.values...)
	})
}

// appendBlock writes a block's header (B.2.5) and what is in it.
func appendBlock(out []byte, table byte, coded []byte) []byte {
	out = segment(out, markSOB, func(b []byte) []byte { return append(b, table) })
	return append(out, coded...)
}
