package wsq

import "math"

// The FBI's parameters for the encoder (part 3).
const (
	binCenter     = 0.44  // C
	zeroBinRatio  = 1.2   // width of the zero bin over that of the others
	leastVariance = 1.01  // a subband below is not sent
	loadingFactor = 2.5   // gamma, in standard deviations
	windowedFrom  = 20000 // variance of the subbands 0 to 3 from which only the image's middle counts
)

// variances measures the subbands that an encoder sends, where they have memory.
func (p *parts) variances() *[coded]float64 {
	var v [coded]float64
	lowest := 0.0
	for i := range 4 {
		v[i] = p[i].variance(true)
		lowest += v[i]
	}
	from, window := 4, true
	if lowest < windowedFrom { // little contrast in the middle: the whole image counts
		from, window = 0, false
	}
	each(coded-from, func() func(int) {
		return func(i int) { v[from+i] = p[from+i].variance(window) }
	})
	return &v
}

// variance is a subband's sample variance, over its middle part or the whole.
// Where that is a handful of samples their mean says nothing, and is taken as
// the image's, which is zero.
func (p *plane) variance(window bool) float64 {
	x, y, w, h := 0, 0, p.w, p.h
	if window {
		x, y, w, h = p.w/8, 9*p.h/32, 3*p.w/4, 7*p.h/16
	}
	if w*h < 4 {
		x, y, w, h = 0, 0, p.w, p.h
	}
	var sum, squares float64
	for row := range h {
		s, q := sums(p.pix[(y+row)*p.w+x:][:w])
		sum += float64(s)
		squares += float64(q)
	}
	switch n := float64(w * h); {
	case n == 0:
		return 0
	case n < 4:
		return squares / n
	default:
		return max(0, (squares-sum*sum/n)/(n-1))
	}
}

func sums(line []float32) (sum, squares float32) {
	for _, v := range line {
		sum += v
		squares += v * v
	}
	return sum, squares
}

// relativeWidth is A_k of part 3: how much wider than of equal variance the
// bins of the two finest parts are made, where the eye sees less.
func relativeWidth(band int) float64 {
	switch band {
	case 52, 56:
		return 1.32
	case 54, 57:
		return 1.42
	case 53, 55, 58, 59:
		return 1.08
	}
	return 1
}

// share is the part of the image's samples that one subband has, 1/m_k.
func share(band int) float64 {
	switch {
	case band < 4:
		return 1.0 / 1024
	case band < 51:
		return 1.0 / 256
	}
	return 1.0 / 16
}

// binWidths chooses the bins Q_k for a target rate of bits a pixel (part 3).
// The widths' ratios come from the variances; what is left, one factor 1/q for
// all, is solved so that the rates of the subbands add up to the target.
// Subbands whose rate would be negative get none and are left out of the sum,
// which changes q, until no such subband is left.
func binWidths(variance *[coded]float64, rate float64) [coded]float64 {
	var width [coded]float64
	in := make([]int, 0, coded)
	for k, v := range variance {
		if v < leastVariance {
			continue
		}
		if width[k] = 1; k >= 4 {
			width[k] = 10 / (relativeWidth(k) * math.Log(v))
		}
		in = append(in, k)
	}
	q := 1.0
	for len(in) > 0 {
		var sum, logs float64
		for _, k := range in {
			sum += share(k)
			logs += share(k) * math.Log(math.Sqrt(variance[k])/width[k])
		}
		q = math.Exp2(rate/sum-1) / loadingFactor * math.Exp(-logs/sum)
		kept := in[:0]
		for _, k := range in {
			if width[k]/q < 2*loadingFactor*math.Sqrt(variance[k]) {
				kept = append(kept, k)
			}
		}
		if len(kept) == len(in) || len(kept) == 0 {
			break
		}
		in = kept
	}
	for k := range width {
		width[k] /= q
	}
	return width
}

// quantizer is one subband's bins (A.2).
type quantizer struct {
	sent        bool
	inverse     float32 // 1/Q
	half        float32 // half the zero bin
	width, zero scaled  // as they are sent
}

// Bounds of a bin width. What is wider than the widest is sent as that, no
// sample reaches so far; the narrowest keeps within the syntax's 16 bits.
const (
	widestBin = 54000
	topBin    = 32000
	safeBin   = 4 // no sample of an 8 bit image goes beyond 32000 bins of this
)

// quantizers are the bins of the subbands, by the widths; a width is raised
// where a sample would not fit into 16 bits.
func (p *parts) quantizers(width *[coded]float64) *[bands]quantizer {
	var list [bands]quantizer
	for k, w := range width {
		if w == 0 || p[k].size() == 0 {
			continue
		}
		if w < safeBin {
			w = max(w, float64(peak(p[k].pix))/topBin)
		}
		q := quantizer{sent: true, width: newScaled(min(w, widestBin), math.MaxUint16)}
		q.zero = newScaled(zeroBinRatio*q.width.float(), math.MaxUint16)
		q.inverse = float32(1 / q.width.float())
		q.half = float32(q.zero.float() / 2)
		list[k] = q
	}
	return &list
}

func peak(line []float32) float32 {
	var top float32
	for _, v := range line {
		top = max(top, v, -v)
	}
	return top
}

// token is a symbol and, from bit 8, what follows it.
type token uint32

// histogram counts symbols.
type histogram [256]int

// tokens quantizes the subbands from first to end and codes them as symbols,
// appending to list.
func (p *parts) tokens(list []token, count *histogram, qs *[bands]quantizer, first, end int) []token {
	run := 0
	for k := first; k < end; k++ {
		q := &qs[k]
		if !q.sent {
			continue
		}
		half, inverse := q.half, q.inverse
		for _, v := range p[k].pix {
			if -half <= v && v <= half {
				run++
				continue
			}
			if run > 0 {
				list = zeros(list, count, run)
				run = 0
			}
			bin := int32(1)
			if v > 0 {
				bin += int32((v - half) * inverse)
			} else {
				bin = -bin + int32((v+half)*inverse)
			}
			t := value(bin)
			count[t&255]++
			list = append(list, t)
		}
	}
	return zeros(list, count, run)
}

// value codes a bin other than zero.
func value(bin int32) token {
	switch {
	case bin >= minSmall && bin <= maxSmall:
		return token(bin + valueZero)
	case bin > 255:
		return symPlus16 | token(bin)<<8
	case bin > 0:
		return symPlus8 | token(bin)<<8
	case bin < -255:
		return symMinus16 | token(-bin)<<8
	}
	return symMinus8 | token(-bin)<<8
}

// zeros codes a run of zeros.
func zeros(list []token, count *histogram, run int) []token {
	for run > 0 {
		n := min(run, maxRun)
		run -= n
		t := token(n)
		switch {
		case n > 255:
			t = symRun16 | t<<8
		case n > maxShortRun:
			t = symRun8 | t<<8
		}
		count[t&255]++
		list = append(list, t)
	}
	return list
}
