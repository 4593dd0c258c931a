package wsq

// The filter bank of A.1. Interleave a line's low and high samples and both
// directions are the same thing: one symmetric filter gives the even samples
// and another the odd ones, over a line that goes on beyond its ends as in a
// mirror whose pane is the last sample (whole-sample symmetry, A.1.2).
//
//	analysis   even = low-pass h0, odd = high-pass h1, of the image's line
//	synthesis  even, odd = f0 and f1 taken in turn, of the interleaved line
//
// with f0[j] = (-1)^j h1[j] and f1[j] = (-1)^j h0[j]. In the filters that the
// FBI uses, one of the two has nine taps and the other seven; the kernels
// below do these, and all shorter ones, in one sweep. bank.go has the rest.

const (
	wideReach   = 4 // taps of the wide filter on each side of its middle
	narrowReach = 3
	reach       = wideReach + narrowReach + 2 // samples under a pair: nine
)

// taps are the halves of two symmetric filters, middle first.
type taps struct {
	wide   [wideReach + 1]float32
	narrow [narrowReach + 1]float32
}

// h0 and h1 are the FBI's analysis filters (part 3), middle first.
var (
	h0 = []float64{0.85269867900940344, 0.37740285561265380, -0.11062440441842342, -0.02384946501938000, 0.03782845550699546}
	h1 = []float64{0.78848561640566439, -0.41809227322221221, -0.04068941760955844, 0.06453888262893845}
)

func analysisTaps() *taps {
	var t taps
	for i, v := range h0 {
		t.wide[i] = float32(v)
	}
	for i, v := range h1 {
		t.narrow[i] = float32(v)
	}
	return &t
}

// synthesisTaps interlaces the synthesis filters of the analysis filters low
// and high, middle first, at most five and four long: the even samples of a
// line lie under f0[0], f1[1], f0[2], f1[3], the odd ones under f1[0], f0[1],
// f1[2], f0[3], f1[4].
func synthesisTaps(low, high []float32) *taps {
	at := func(f []float32, j int) float32 {
		switch {
		case j >= len(f):
			return 0
		case j%2 == 1:
			return -f[j]
		}
		return f[j]
	}
	var t taps
	for j := range t.narrow {
		if j%2 == 0 {
			t.narrow[j] = at(high, j)
		} else {
			t.narrow[j] = at(low, j)
		}
	}
	for j := range t.wide {
		if j%2 == 0 {
			t.wide[j] = at(low, j)
		} else {
			t.wide[j] = at(high, j)
		}
	}
	return &t
}

// mirror brings position i of a line of n samples into 0 to n-1.
func mirror(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i %= period
	if i < 0 {
		i += period
	}
	if i >= n {
		i = period - i
	}
	return i
}

// down filters nine rows into two: wide around r[4], narrow around r[5]. All
// rows are as long as wide and narrow.
func down(t *taps, wide, narrow []float32, r *[reach][]float32) {
	n := len(wide)
	narrow = narrow[:n]
	r0, r1, r2, r3, r4 := r[0][:n], r[1][:n], r[2][:n], r[3][:n], r[4][:n]
	r5, r6, r7, r8 := r[5][:n], r[6][:n], r[7][:n], r[8][:n]
	w0, w1, w2, w3, w4 := t.wide[0], t.wide[1], t.wide[2], t.wide[3], t.wide[4]
	n0, n1, n2, n3 := t.narrow[0], t.narrow[1], t.narrow[2], t.narrow[3]
	for i := range wide {
		x2, x3, x4, x5, x6, x7, x8 := r2[i], r3[i], r4[i], r5[i], r6[i], r7[i], r8[i]
		wide[i] = w0*x4 + w1*(x3+x5) + w2*(x2+x6) + w3*(r1[i]+x7) + w4*(r0[i]+x8)
		narrow[i] = n0*x5 + n1*(x4+x6) + n2*(x3+x7) + n3*(x2+x8)
	}
}

// downEven is down where the rows r[0], r[2], r[4], r[6] and r[8] are zero: the
// high rows of a part whose high rows were not sent.
func downEven(t *taps, wide, narrow []float32, r *[reach][]float32) {
	n := len(wide)
	narrow = narrow[:n]
	r1, r3, r5, r7 := r[1][:n], r[3][:n], r[5][:n], r[7][:n]
	w1, w3, n0, n2 := t.wide[1], t.wide[3], t.narrow[0], t.narrow[2]
	for i := range wide {
		x3, x5, x7 := r3[i], r5[i], r7[i]
		wide[i] = w1*(x3+x5) + w3*(r1[i]+x7)
		narrow[i] = n0*x5 + n2*(x3+x7)
	}
}

// downWide is down for the wide row alone.
func downWide(t *taps, wide []float32, r *[reach][]float32) {
	n := len(wide)
	r0, r1, r2, r3, r4 := r[0][:n], r[1][:n], r[2][:n], r[3][:n], r[4][:n]
	r5, r6, r7, r8 := r[5][:n], r[6][:n], r[7][:n], r[8][:n]
	w0, w1, w2, w3, w4 := t.wide[0], t.wide[1], t.wide[2], t.wide[3], t.wide[4]
	for i := range wide {
		wide[i] = w0*r4[i] + w1*(r3[i]+r5[i]) + w2*(r2[i]+r6[i]) + w3*(r1[i]+r7[i]) + w4*(r0[i]+r8[i])
	}
}

// up is the synthesis of two rows: the nine rows about them, from 2k+5 up to 2k-3.
func (t *taps) up(out [2][]float32, low, high *plane, k, h int, zero []float32) {
	w := low.w
	var r [reach][]float32
	for i := range r {
		y := 2*k + 5 - i
		from := low
		if y&1 == 1 {
			from = high
		}
		if r[i] = zero[:w]; from.pix != nil && from.h > 0 {
			r[i] = from.row(mirror(y, h) >> 1)
		}
	}
	narrow, wide := out[0][pad:pad+w], out[1][pad:pad+w]
	if high.pix == nil {
		downEven(t, wide, narrow, &r)
	} else {
		down(t, wide, narrow, &r)
	}
}

// pad is what a line has on each side for its mirror image.
const pad = halfTaps + 1

// apart splits the line x[pad:pad+n] into low and high. x has room for the
// mirror image on both sides, which apart fills in.
func apart(t *taps, low, high, x []float32, n int) {
	for i := 1; i <= wideReach; i++ {
		x[pad-i] = x[pad+mirror(-i, n)]
		x[pad+n-1+i] = x[pad+mirror(n-1+i, n)]
	}
	w0, w1, w2, w3, w4 := t.wide[0], t.wide[1], t.wide[2], t.wide[3], t.wide[4]
	n0, n1, n2, n3 := t.narrow[0], t.narrow[1], t.narrow[2], t.narrow[3]
	x = x[pad-wideReach:]
	low = low[:len(high)+n&1]
	a0, a1, a2, a3, a4, a5, a6 := x[0], x[1], x[2], x[3], x[4], x[5], x[6]
	for k := range high {
		y := x[2*k+7 : 2*k+9]
		a7, a8 := y[0], y[1]
		low[k] = w0*a4 + w1*(a3+a5) + w2*(a2+a6) + w3*(a1+a7) + w4*(a0+a8)
		high[k] = n0*a5 + n1*(a4+a6) + n2*(a3+a7) + n3*(a2+a8)
		a0, a1, a2, a3, a4, a5, a6 = a2, a3, a4, a5, a6, a7, a8
	}
	if k := len(high); k < len(low) {
		y := x[2*k:]
		low[k] = w0*y[4] + w1*(y[3]+y[5]) + w2*(y[2]+y[6]) + w3*(y[1]+y[7]) + w4*(y[0]+y[8])
	}
}

// together joins low[pad:] and high[pad:] into the line out. Both have room for
// the mirror image on both sides, which together fills in.
func (t *taps) together(out, low, high []float32) {
	n := len(out)
	for i := 1; i <= wideReach; i++ {
		fill(low, high, -i, n)
		fill(low, high, n-1+i, n)
	}
	w0, w1, w2, w3, w4 := t.wide[0], t.wide[1], t.wide[2], t.wide[3], t.wide[4]
	n0, n1, n2, n3 := t.narrow[0], t.narrow[1], t.narrow[2], t.narrow[3]
	l, h := low[pad-1:], high[pad-2:]
	l0, l1, l2 := l[0], l[1], l[2]           // low k-1, k, k+1
	g0, g1, g2, g3 := h[0], h[1], h[2], h[3] // high k-2 .. k+1
	l, h = l[3:][:(n+1)/2], h[4:][:(n+1)/2]  // what comes in at k
	for k := range n / 2 {
		l3, g4 := l[k], h[k]
		o := out[2*k : 2*k+2]
		o[0] = n0*l1 + n1*(g1+g2) + n2*(l0+l2) + n3*(g0+g3)
		o[1] = w0*g2 + w1*(l1+l2) + w2*(g1+g3) + w3*(l0+l3) + w4*(g0+g4)
		l0, l1, l2 = l1, l2, l3
		g0, g1, g2, g3 = g1, g2, g3, g4
	}
	if n%2 == 1 {
		out[n-1] = n0*l1 + n1*(g1+g2) + n2*(l0+l2) + n3*(g0+g3)
	}
}

// fill sets position i outside an interleaved line of n samples to its mirror
// image, which is of the same kind. A line of one sample has no high ones.
func fill(low, high []float32, i, n int) {
	m := mirror(i, n)
	switch {
	case i&1 == 0:
		low[pad+i>>1] = low[pad+m>>1]
	case n == 1:
		high[pad+i>>1] = 0
	default:
		high[pad+i>>1] = high[pad+m>>1]
	}
}
