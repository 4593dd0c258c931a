package wsq

// bank is one file's synthesis filters.
type bank interface {
	// up joins low and high rows into the rows 2k and 2k+1 of h.
	up(out [2][]float32, low, high *plane, k, h int, zero []float32)
	// together joins low[pad:] and high[pad:], whose margins it fills, into a line.
	together(out, low, high []float32)
}

// halfTaps is how far the general filters reach, in low or high samples.
const halfTaps = 8

// general are the synthesis filters of any length that a file may carry
// (B.2.4.1): whole-sample symmetric ones of odd length up to 31, half-sample
// symmetric ones of even length up to 32. Row 0 makes the even samples 2m out
// of the low and high samples m-8 to m+8, row 1 the odd ones 2m+1. It is the
// slow way, for files that are not of the FBI's encoder.
type general struct {
	low, high [2][2*halfTaps + 1]float32
	even      bool
}

// newBank makes synthesis filters of the right halves of the analysis filters,
// middle first, of odd or both of even length.
func newBank(low, high []float32, even bool) bank {
	if !even && len(low) <= wideReach+1 && len(high) <= narrowReach+1 {
		return synthesisTaps(low, high)
	}
	g := &general{even: even}
	for d := -halfTaps; d <= halfTaps; d++ {
		i := d + halfTaps
		if !even {
			g.low[0][i], g.high[0][i] = alternate(high, 2*d), alternate(low, 2*d+1)
			g.low[1][i], g.high[1][i] = alternate(high, 2*d-1), alternate(low, 2*d)
			continue
		}
		// the middle lies between the samples 2k and 2k+1
		g.low[0][i], g.high[0][i] = -halfAlternate(high, 2*d), -halfAlternate(low, 2*d)
		g.low[1][i], g.high[1][i] = -halfAlternate(high, 2*d-1), -halfAlternate(low, 2*d-1)
		if d < 0 {
			g.high[0][i] = -g.high[0][i]
		}
		if d <= 0 {
			g.high[1][i] = -g.high[1][i]
		}
	}
	return g
}

// alternate is (-1)^j f[|j|].
func alternate(f []float32, j int) float32 {
	if j < 0 {
		j = -j
	}
	switch {
	case j >= len(f):
		return 0
	case j&1 == 1:
		return -f[j]
	}
	return f[j]
}

// halfAlternate is alternate for a middle between two samples: the distances 0
// and -1 are both the first tap.
func halfAlternate(f []float32, j int) float32 {
	if j < 0 {
		j = -1 - j
	}
	return alternate(f, j)
}

// reflect brings low or high sample k of a line of n samples to the one that it
// mirrors, and its sign; -1 where it is nothing.
func (g *general) reflect(k, n int, high bool) (int, float32) {
	odd := 0
	if high {
		odd = 1
	}
	if !g.even {
		if high && n == 1 {
			return -1, 0
		}
		return mirror(2*k+odd, n) >> 1, 1
	}
	at, sign := 2*k, float32(1)
	for at < 0 || at >= n {
		if at < 0 {
			at = -2 - at
		} else {
			at = 2*n - 2 - at
		}
		if high {
			sign = -sign
		}
	}
	if high && at+1 >= n {
		return -1, 0
	}
	return at >> 1, sign
}

func (g *general) up(out [2][]float32, low, high *plane, k, h int, _ []float32) {
	for i := range out {
		row := out[i][pad : pad+low.w]
		clear(row)
		for d := -halfTaps; d <= halfTaps; d++ {
			if m, _ := g.reflect(k+d, h, false); low.pix != nil {
				add(row, low.row(m), g.low[i][d+halfTaps])
			}
			if m, sign := g.reflect(k+d, h, true); high.pix != nil && m >= 0 {
				add(row, high.row(m), sign*g.high[i][d+halfTaps])
			}
		}
	}
}

// add adds from times f to row.
func add(row, from []float32, f float32) {
	if f == 0 {
		return
	}
	for i, v := range from[:len(row)] {
		row[i] += f * v
	}
}

func (g *general) together(out, low, high []float32) {
	n := len(out)
	for i := 1; i <= halfTaps; i++ {
		g.fill(low, -i, n, false)
		g.fill(low, (n+1)/2-1+i, n, false)
		g.fill(high, -i, n, true)
		g.fill(high, n/2-1+i, n, true)
	}
	g.fill(high, n/2+halfTaps, n, true)
	for i := range out {
		m, q := pad+i/2-halfTaps, i&1
		var sum float32
		for d, l := range low[m : m+2*halfTaps+1] {
			sum += g.low[q][d]*l + g.high[q][d]*high[m+d]
		}
		out[i] = sum
	}
}

// fill sets sample k outside a line of n to what it mirrors.
func (g *general) fill(line []float32, k, n int, high bool) {
	m, sign := g.reflect(k, n, high)
	line[pad+k] = 0
	if m >= 0 {
		line[pad+k] = sign * line[pad+m]
	}
}
