package finger

import (
	"image"
	"math"
	"math/bits"
)

// Lengths on the skeleton in pixels: what is shorter is ink and not skin.
const (
	longestSpur   = 11 // a side branch
	longestScrap  = 16 // a ridge that begins and ends
	longestBridge = 13 // a tie between two ridges
	longestLake   = 20 // a hole in a ridge
	nearGap       = 11 // a ridge broken off and taken up again
	farGap        = 20 // the same, where both ends point at each other
	reach         = 12 // how far a ridge is followed for its direction
)

// skeleton is the ridges of a print as lines one pixel wide, with the direction field
// they came from.
type skeleton struct {
	bitmap
	field directions
}

// runs are the places in ring where a line leaves a pixel with these neighbours; of
// neighbours that touch each other, one stands for all.
func runs(around uint8) (out [4]int, n int) {
	for i := range 8 {
		if around>>i&1 == 0 || around>>((i+7)&7)&1 != 0 {
			continue
		}
		at := i // the run begins here; a straight neighbour is preferred
		if i&1 == 1 && around>>((i+1)&7)&1 != 0 {
			at = (i + 1) & 7
		}
		if n < len(out) {
			out[n] = at
			n++
		}
	}
	return out, n
}

// path is the pixels of a line from a place on, without that place itself.
type path struct {
	at   []image.Point
	ends int // lines that leave its last pixel: 1 an ending, 3 and more a fork, 2 on and on
}

func (p path) last() image.Point { return p.at[len(p.at)-1] }

// walk follows the line that leaves from in one direction of ring, for at most
// most pixels.
func (s skeleton) walk(from image.Point, dir, most int) path {
	p := path{at: make([]image.Point, 0, most)}
	at := from
	for {
		at = at.Add(image.Pt(ring[dir][0], ring[dir][1]))
		p.at = append(p.at, at)
		around := s.around(at.X, at.Y)
		out, n := runs(around)
		back := (dir + 4) & 7
		p.ends = n
		if n != 2 || len(p.at) == most {
			return p
		}
		// Of the two runs, the other one than that which holds where we came from.
		next := -1
		for _, o := range out[:n] {
			if !sameRun(around, o, back) {
				next = o
			}
		}
		if next < 0 || at == from {
			return p
		}
		dir = next
	}
}

// sameRun says whether two neighbours are joined through neighbours that are set.
func sameRun(around uint8, a, b int) bool {
	for _, step := range [2]int{1, 7} {
		for i := a; around>>i&1 != 0; i = (i + step) & 7 {
			if i == b {
				return true
			}
			if i == (a-step)&7 {
				break
			}
		}
	}
	return false
}

func (s skeleton) erase(p []image.Point) {
	for _, q := range p {
		s.clear(q.X, q.Y)
	}
}

// nodes are the pixels where lines end (one direction) or fork (three and more).
func (s skeleton) nodes(visit func(at image.Point, dirs []int)) {
	for y := range s.h {
		for k := range s.words {
			word := s.bits[y*s.words+k]
			if word == 0 {
				continue
			}
			for word &^= s.leaving(k, y); word != 0; word &= word - 1 {
				x := k*64 + bits.TrailingZeros64(word)
				if !s.get(x, y) { // a visit before took it away
					continue
				}
				if out, n := runs(s.around(x, y)); n != 2 {
					visit(image.Pt(x, y), out[:n])
				}
			}
		}
	}
}

// leaving marks, of 64 pixels, those that exactly two lines leave.
func (m bitmap) leaving(k, y int) uint64 {
	n := m.neighbourhood(k, y)
	var ones, twos, fours uint64
	for i, here := range n {
		starts := here &^ n[(i+7)&7]
		carry := ones & starts
		ones ^= starts
		fours |= twos & carry
		twos ^= carry
	}
	return twos &^ ones &^ fours
}

// clean removes what ink does and skin does not, and joins what it tore apart.
func (s skeleton) clean() {
	s.prune(longestSpur/2, 6)
	s.bridges()
	s.join()
	s.prune(longestSpur, longestScrap)
	s.bridges()
	s.prune(longestSpur, longestScrap)
}

// prune takes away specks, short side branches and short scraps.
func (s skeleton) prune(spur, scrap int) {
	s.nodes(func(at image.Point, dirs []int) {
		switch len(dirs) {
		case 0:
			s.clear(at.X, at.Y)
		case 1:
			p := s.walk(at, dirs[0], max(spur, scrap))
			switch {
			case p.ends >= 3 && len(p.at) <= spur:
				s.clear(at.X, at.Y)
				s.erase(p.at[:len(p.at)-1])
			case p.ends <= 1 && len(p.at) <= scrap:
				s.clear(at.X, at.Y)
				s.erase(p.at)
			}
		}
	})
}

// bridges takes away ties across the ridges, and one shore of each lake.
func (s skeleton) bridges() {
	s.nodes(func(at image.Point, dirs []int) {
		if len(dirs) < 3 {
			return
		}
		var ends [4]path
		for i, d := range dirs {
			ends[i] = s.walk(at, d, longestLake)
		}
		for i := range dirs {
			p := ends[i]
			if p.ends < 3 {
				continue
			}
			if len(p.at) <= longestBridge && s.across(at, p.last()) > 0.6 {
				s.erase(p.at[:len(p.at)-1])
				return
			}
			for j := range i {
				if o := ends[j]; o.ends >= 3 && o.last() == p.last() {
					longer := p
					if len(o.at) > len(p.at) {
						longer = o
					}
					s.erase(longer.at[:len(longer.at)-1])
					return
				}
			}
		}
	})
}

// across is the sine of the angle between the line from a to b and the ridges there.
func (s skeleton) across(a, b image.Point) float64 {
	dx, dy := float64(b.X-a.X), float64(b.Y-a.Y)
	sin, cos := math.Sincos(s.field.angle(s.cell(a.Add(b).Div(2))))
	return math.Abs(dx*sin-dy*cos) / max(math.Hypot(dx, dy), 1)
}

// cell is the field's cell that holds a pixel.
func (s skeleton) cell(p image.Point) int {
	return min(p.Y/cell, s.field.h-1)*s.field.w + min(p.X/cell, s.field.w-1)
}

// tip is an ending and the direction in which its ridge would have gone on.
type tip struct {
	at     image.Point
	dx, dy float64
}

// join draws a line between endings that look at each other over a gap.
func (s skeleton) join() {
	var tips []tip
	grid := map[image.Point][]int{}
	s.nodes(func(at image.Point, dirs []int) {
		if len(dirs) != 1 {
			return
		}
		dx, dy := s.towards(at, []path{s.walk(at, dirs[0], reach)})
		grid[at.Div(farGap)] = append(grid[at.Div(farGap)], len(tips))
		tips = append(tips, tip{at, -dx, -dy})
	})
	used := make([]bool, len(tips))
	for i, a := range tips {
		best, least := -1, math.Inf(1)
		for dy := -1; dy <= 1; dy++ {
			for dx := -1; dx <= 1; dx++ {
				for _, j := range grid[a.at.Div(farGap).Add(image.Pt(dx, dy))] {
					if j == i || used[i] || used[j] {
						continue
					}
					if cost := gap(a, tips[j]); cost < least {
						best, least = j, cost
					}
				}
			}
		}
		if best >= 0 {
			used[i], used[best] = true, true
			s.line(a.at, tips[best].at)
		}
	}
}

// gap is how far apart two endings are, or infinite where they are not one ridge's.
func gap(a, b tip) float64 {
	dx, dy := float64(b.at.X-a.at.X), float64(b.at.Y-a.at.Y)
	d := math.Hypot(dx, dy)
	if d < 1 || d > farGap {
		return math.Inf(1)
	}
	toB, toA := (dx*a.dx+dy*a.dy)/d, -(dx*b.dx+dy*b.dy)/d
	if least := min(toA, toB); d <= nearGap && least > 0.75 || least > 0.94 {
		return d
	}
	return math.Inf(1)
}

func (s skeleton) line(a, b image.Point) {
	n := max(abs(b.X-a.X), abs(b.Y-a.Y))
	for i := 1; i < n; i++ {
		s.set(a.X+int(math.Round(float64(i*(b.X-a.X))/float64(n))), a.Y+int(math.Round(float64(i*(b.Y-a.Y))/float64(n))))
	}
}

func abs(v int) int { return max(v, -v) }

// towards is the direction of a minutia as a unit vector: that of the field, in the sense in
// which most of its ridges leave.
func (s skeleton) towards(at image.Point, legs []path) (dx, dy float64) {
	var x, y float64
	for _, p := range legs {
		end := p.last().Sub(at)
		n := max(math.Hypot(float64(end.X), float64(end.Y)), 1)
		x, y = x+float64(end.X)/n, y+float64(end.Y)/n
	}
	dy, dx = math.Sincos(s.field.angle(s.cell(at)))
	if x*dx+y*dy < 0 {
		dx, dy = -dx, -dy
	}
	return dx, dy
}
