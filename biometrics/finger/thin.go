package finger

// bitmap is a picture of single bits, 64 pixels a word, the leftmost in the lowest bit.
type bitmap struct {
	w, h, words int
	bits        []uint64
}

func newBitmap(w, h int) bitmap {
	words := (w + 63) / 64
	return bitmap{w, h, words, make([]uint64, words*h)}
}

// get is false outside.
func (m bitmap) get(x, y int) bool {
	if x < 0 || y < 0 || x >= m.w || y >= m.h {
		return false
	}
	return m.bits[y*m.words+x>>6]>>(x&63)&1 != 0
}

func (m bitmap) set(x, y int)   { m.bits[y*m.words+x>>6] |= 1 << (x & 63) }
func (m bitmap) clear(x, y int) { m.bits[y*m.words+x>>6] &^= 1 << (x & 63) }

// ring are the eight neighbours in the order of their angles, clockwise from the right
// as the picture is seen.
var ring = [8][2]int{{1, 0}, {1, 1}, {0, 1}, {-1, 1}, {-1, 0}, {-1, -1}, {0, -1}, {1, -1}}

// around is the neighbours of a pixel as bits in the order of ring.
func (m bitmap) around(x, y int) (n uint8) {
	for i, d := range ring {
		if m.get(x+d[0], y+d[1]) {
			n |= 1 << i
		}
	}
	return n
}

// neighbourhood is 64 pixels' eight neighbours at once, a word a direction of ring.
func (m bitmap) neighbourhood(k, y int) (n [8]uint64) {
	row := func(y int) (left, here, right uint64) {
		if y < 0 || y >= m.h {
			return
		}
		line := m.bits[y*m.words : (y+1)*m.words]
		here = line[k]
		left, right = here<<1, here>>1
		if k > 0 {
			left |= line[k-1] >> 63
		}
		if k+1 < m.words {
			right |= line[k+1] << 63
		}
		return
	}
	n[5], n[6], n[7] = row(y - 1)
	n[4], _, n[0] = row(y)
	n[3], n[2], n[1] = row(y + 1)
	return n
}

// thin leaves of each ridge a line one pixel wide, in place: the parallel thinning of Guo
// and Hall (1989), reckoned for 64 pixels at a time.
func (m bitmap) thin() {
	next := make([]uint64, len(m.bits))
	for quiet, odd := 0, false; quiet < 2; odd = !odd {
		quiet++
		for y := range m.h {
			for k := range m.words {
				i := y*m.words + k
				here := m.bits[i]
				next[i] = here
				if here == 0 {
					continue
				}
				if gone := here & removable(m.neighbourhood(k, y), odd); gone != 0 {
					next[i] = here &^ gone
					quiet = 0
				}
			}
		}
		copy(m.bits, next)
	}
}

// removable says which pixels Guo and Hall's conditions let go in one of the two kinds
// of rounds: one run of neighbours, two or three of them in either pairing, and none
// on this round's side.
func removable(n [8]uint64, odd bool) uint64 {
	e, se, s, sw, w, nw, nn, ne := n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]
	// crossings: how many of the four are set must be exactly one
	c := [4]uint64{^nn & (ne | e), ^e & (se | s), ^s & (sw | w), ^w & (nw | nn)}
	one := exactlyOne(c)
	a := [4]uint64{nw | nn, ne | e, se | s, sw | w}
	b := [4]uint64{nn | ne, e | se, s | sw, w | nw}
	fit := two(a) & two(b) & (^four(a) | ^four(b))
	side := (nn | ne | ^se) & e
	if odd {
		side = (s | sw | ^nw) & w
	}
	return one & fit &^ side
}

func exactlyOne(v [4]uint64) uint64 {
	x, y := v[0]^v[1], v[2]^v[3]
	return (x ^ y) &^ (v[0]&v[1] | v[2]&v[3])
}

// two is where at least two of four are set, four where all are.
func two(v [4]uint64) uint64 {
	return v[0]&v[1] | v[2]&v[3] | (v[0]|v[1])&(v[2]|v[3])
}

func four(v [4]uint64) uint64 { return v[0] & v[1] & v[2] & v[3] }
