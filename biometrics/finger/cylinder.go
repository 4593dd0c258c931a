package finger

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// The cylinder of a minutia says what stands about it, seen from it: for each place of a
// disc and each difference of direction one bit, set where another minutia stands near
// (R. Cappelli, M. Ferrara, D. Maltoni, "Minutia Cylinder-Code", 2010; the form with bits
// and eight places a side).
const (
	discSide   = 8    // places a side
	discTurns  = 6    // differences of direction
	discRadius = 70.0 // pixels
	discBell   = 28.0 / 3
	turnBell   = 2 * math.Pi / 9
	hullMargin = 50.0 // how far beyond the outermost minutiae the print still counts as seen, pixels
	leastSeen  = 0.5  // of the disc that must lie within the print
	leastAbout = 3    // minutiae that must stand about
	mostDiscs  = 140  // of a print: those of the best minutiae
)

type code [discTurns]uint64

// cylinder is a code, the places of it that could be seen, and their number of set bits.
type cylinder struct {
	set   code
	seen  uint64
	count int
	of    int // the minutia
}

// spot is a minutia as the comparison reckons with it: direction in radians clockwise as
// the picture is seen, where y points down.
type spot struct {
	x, y, turn float64
	cos, sin   float64 // of turn
	weight     float64 // 0..1, by quality
	crowd      float64 // minutiae about it, a square pixel
}

// Print is a template made ready for comparisons. It is never changed and may be used by
// many at once.
type Print struct {
	spots     []spot
	cylinders []cylinder
	disc      []int  // the cylinder of each spot, -1 where it has none
	hull      []spot // corners of what surrounds all spots, in one sense of rotation
	bins      bins
}

// NewPrint makes a template ready: some milliseconds of work.
func NewPrint(t Template) *Print {
	p := &Print{spots: make([]spot, len(t.Minutiae))}
	for i, m := range t.Minutiae {
		s := spot{x: float64(m.X), y: float64(m.Y), turn: -float64(m.Angle) / 256 * 2 * math.Pi, weight: weight(m.Quality)}
		s.sin, s.cos = math.Sincos(s.turn)
		p.spots[i] = s
	}
	p.hull = hull(p.spots)
	p.bins = newBins(p.spots)
	p.crowds()
	best := make([]int, len(p.spots))
	p.disc = make([]int, len(p.spots))
	for i := range best {
		best[i], p.disc[i] = i, -1
	}
	slices.SortStableFunc(best, func(a, b int) int { return cmp.Compare(p.spots[b].weight, p.spots[a].weight) })
	for _, i := range best {
		if len(p.cylinders) == mostDiscs {
			break
		}
		if c, ok := p.cylinder(i); ok {
			p.disc[i] = len(p.cylinders)
			p.cylinders = append(p.cylinders, c)
		}
	}
	return p
}

// crowds measures how close minutiae stand about each.
func (p *Print) crowds() {
	const about = 45.0
	for i := range p.spots {
		s, n := &p.spots[i], 0.0
		for _, o := range p.spots {
			if dx, dy := o.x-s.x, o.y-s.y; dx*dx+dy*dy <= about*about {
				n++
			}
		}
		s.crowd = n / (math.Pi * about * about)
	}
}

// weight is how much a minutia of a quality counts; one that says nothing counts as a
// middling one.
func weight(quality uint8) float64 {
	if quality == 0 {
		return 0.6
	}
	return 0.15 + 0.85*ramp(float64(quality), 0, 70)
}

// cylinder makes the code about one spot; not where too little is seen about it.
func (p *Print) cylinder(of int) (cylinder, bool) {
	c := cylinder{of: of}
	m := p.spots[of]
	sin, cos := m.sin, m.cos
	var about []spot // as seen from m
	const far = discRadius + 3*discBell
	for i, s := range p.spots {
		dx, dy := s.x-m.x, s.y-m.y
		if i != of && dx*dx+dy*dy <= far*far {
			about = append(about, spot{x: dx*cos + dy*sin, y: dy*cos - dx*sin, turn: turned(m.turn - s.turn)})
		}
	}
	if len(about) < leastAbout {
		return c, false
	}
	const side = 2 * discRadius / discSide
	places := 0
	for k := range discSide * discSide {
		x := (float64(k%discSide)+0.5)*side - discRadius
		y := (float64(k/discSide)+0.5)*side - discRadius
		if x*x+y*y > discRadius*discRadius {
			continue
		}
		places++
		if !inside(p.hull, m.x+x*cos-y*sin, m.y+x*sin+y*cos, hullMargin) {
			continue
		}
		c.seen |= 1 << k
		near := nearness(about, x, y)
		for t, v := range near {
			if v >= leastNear {
				c.set[t] |= 1 << k
				c.count++
			}
		}
	}
	return c, float64(bits.OnesCount64(c.seen)) >= leastSeen*float64(places) && c.count > 0
}

// leastNear is the nearness from which on a bit is set.
const leastNear = 0.42

// nearness weighs what stands near a place, for each difference of direction.
func nearness(about []spot, x, y float64) (near [discTurns]float64) {
	for _, s := range about {
		dx, dy := s.x-x, s.y-y
		d := dx*dx + dy*dy
		if d > 9*discBell*discBell {
			continue
		}
		v := math.Exp(-d / (2 * discBell * discBell))
		for t := range near {
			a := turned(s.turn - (float64(t)+0.5)*2*math.Pi/discTurns + math.Pi)
			near[t] += v * math.Exp(-a*a/(2*turnBell*turnBell))
		}
	}
	return near
}

// alike is how much two cylinders agree where both are seen, 0 to 1 (Dice's measure).
func alike(a, b *cylinder) float64 {
	both, na, nb := 0, a.count, b.count
	if a.seen == b.seen {
		for t := range a.set {
			both += bits.OnesCount64(a.set[t] & b.set[t])
		}
		return 2 * float64(both) / float64(na+nb)
	}
	if bits.OnesCount64(a.seen&b.seen) < 24 {
		return 0
	}
	na, nb = 0, 0
	for t := range a.set {
		both += bits.OnesCount64(a.set[t] & b.set[t])
		na += bits.OnesCount64(a.set[t] & b.seen)
		nb += bits.OnesCount64(b.set[t] & a.seen)
	}
	return 2 * float64(both) / float64(max(1, na+nb))
}

// turned brings an angle into -pi..pi.
func turned(a float64) float64 {
	for a > math.Pi {
		a -= 2 * math.Pi
	}
	for a < -math.Pi {
		a += 2 * math.Pi
	}
	return a
}

// hull is the convex hull (Andrew's monotone chain).
func hull(spots []spot) []spot {
	s := slices.Clone(spots)
	slices.SortFunc(s, func(a, b spot) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.y, b.y)) })
	var out []spot
	for range 2 {
		base := len(out)
		for _, p := range s {
			for len(out) >= base+2 && cross(out[len(out)-2], out[len(out)-1], p.x, p.y) <= 0 {
				out = out[:len(out)-1]
			}
			out = append(out, p)
		}
		if len(out) > base {
			out = out[:len(out)-1]
		}
		slices.Reverse(s)
	}
	return out
}

// cross is twice the area of the triangle, positive where x, y lies on the inner side.
func cross(a, b spot, x, y float64) float64 { return (b.x-a.x)*(y-a.y) - (b.y-a.y)*(x-a.x) }

// inside says whether a place lies within a hull or at most beyond pixels outside of each
// of its sides.
func inside(hull []spot, x, y, beyond float64) bool {
	if len(hull) < 3 {
		return false
	}
	a := hull[len(hull)-1]
	for _, b := range hull {
		if c := cross(a, b, x, y); c < 0 && c < -beyond*math.Hypot(b.x-a.x, b.y-a.y) {
			return false
		}
		a = b
	}
	return true
}

// bins finds spots by place.
type bins struct {
	x, y float64 // of the first
	w, h int
	at   [][]int16
}

const binSide = 24.0

func newBins(spots []spot) bins {
	if len(spots) == 0 {
		return bins{}
	}
	least, most := spots[0], spots[0]
	for _, s := range spots {
		least.x, least.y = min(least.x, s.x), min(least.y, s.y)
		most.x, most.y = max(most.x, s.x), max(most.y, s.y)
	}
	b := bins{x: least.x, y: least.y, w: int((most.x-least.x)/binSide) + 1, h: int((most.y-least.y)/binSide) + 1}
	b.at = make([][]int16, b.w*b.h)
	for i, s := range spots {
		k := int((s.y-b.y)/binSide)*b.w + int((s.x-b.x)/binSide)
		b.at[k] = append(b.at[k], int16(i))
	}
	return b
}

// near visits the spots in the 3 x 3 bins about a place.
func (b bins) near(x, y float64, visit func(i int)) {
	bx, by := int(math.Floor((x-b.x)/binSide)), int(math.Floor((y-b.y)/binSide))
	for yy := max(0, by-1); yy <= min(b.h-1, by+1); yy++ {
		for xx := max(0, bx-1); xx <= min(b.w-1, bx+1); xx++ {
			for _, i := range b.at[yy*b.w+xx] {
				visit(int(i))
			}
		}
	}
}
