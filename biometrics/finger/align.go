package finger

import (
	"cmp"
	"math"
	"slices"
)

// alignment is a way to lay one print upon the other, told by what comes together.
type alignment struct {
	pairs []couple
	score float64
}

// round is one step from few pairs to many: how far from the pairs it looks for more, and how
// near a spot must come to its fellow, in pixels.
type round struct{ far, reach float64 }

var (
	opening = []round{{90, 13}, {140, 14}}
	closing = []round{{220, 14}, {400, 12}, {1000, 11}}
)

const (
	widest    = 14.0 // reach, pixels
	mostTwist = 0.5  // difference of directions, radians
)

// guess is where a spot of one print should be in the other, by how much its direction
// should turn, and how far away the next pair is that says so.
type guess struct{ x, y, turn, nearest float64 }

// begin spreads from the couples of a group to what lies about them.
func (p *Print) begin(q *Print, group []couple) alignment {
	a := alignment{pairs: group}
	for _, r := range opening {
		a.pairs = p.pair(q, p.bent(q, a.pairs), r)
	}
	for _, c := range a.pairs {
		a.score += p.spots[c.a].weight * q.spots[c.b].weight * (1 - 0.5*c.merit)
	}
	return a
}

// finish spreads over the whole of both prints, and weighs what came together.
func (p *Print) finish(q *Print, a alignment) alignment {
	for _, r := range closing {
		if len(a.pairs) < 3 {
			return alignment{}
		}
		a.pairs = p.pair(q, p.bent(q, a.pairs), r)
	}
	a.score = p.score(q, a)
	return a
}

// bent lays p upon q as skin does: each spot is turned and shifted as the pairs about it
// were, the near ones above all (moving least squares). A pair has no say about itself.
func (p *Print) bent(q *Print, pairs []couple) func(spot) guess {
	type pin struct{ x, y, u, v, sin, cos, dot, cross float64 }
	pins := make([]pin, len(pairs))
	for i, c := range pairs {
		s, o := p.spots[c.a], q.spots[c.b]
		sin, cos := math.Sincos(c.turn)
		pins[i] = pin{s.x, s.y, o.x, o.y, sin, cos, s.x*o.x + s.y*o.y, s.x*o.y - s.y*o.x}
	}
	// How far the say of a pair reaches in pixels, and as how long a lever its direction counts.
	const bell, lever = 55.0, 45.0
	return func(s spot) guess {
		var w, x, y, u, v, re, im, sin, cos float64
		nearest := math.Inf(1)
		for i := range pins {
			m := &pins[i]
			d := (m.x-s.x)*(m.x-s.x) + (m.y-s.y)*(m.y-s.y)
			if d == 0 {
				continue
			}
			nearest = min(nearest, d)
			k := 1 / (1 + d*d/(bell*bell*bell*bell))
			w, x, y, u, v = w+k, x+k*m.x, y+k*m.y, u+k*m.u, v+k*m.v
			re, im, sin, cos = re+k*m.dot, im+k*m.cross, sin+k*m.sin, cos+k*m.cos
		}
		if w == 0 {
			return guess{nearest: nearest}
		}
		re += lever*lever*cos - (x*u+y*v)/w
		im += lever*lever*sin - (x*v-y*u)/w
		n := math.Sqrt(re*re+im*im) + 1e-9
		re, im = re/n, im/n
		dx, dy := s.x-x/w, s.y-y/w
		return guess{u/w + re*dx - im*dy, v/w + im*dx + re*dy, math.Atan2(im, re), math.Sqrt(nearest)}
	}
}

// pair takes for each spot of p where it should be in q, and pairs it with the nearest
// there that points the same way; nearer pairs go first, and each spot but once. The merit
// of a pair is its cost, 0 to 1.
func (p *Print) pair(q *Print, place func(spot) guess, r round) []couple {
	var all []couple
	for i, s := range p.spots {
		g := place(s)
		if g.nearest > r.far {
			continue
		}
		q.bins.near(g.x, g.y, func(j int) {
			o := q.spots[j]
			d := (o.x-g.x)*(o.x-g.x) + (o.y-g.y)*(o.y-g.y)
			twist := math.Abs(turned(o.turn - s.turn - g.turn))
			if d > r.reach*r.reach || twist > mostTwist {
				return
			}
			cost := 0.6*math.Sqrt(d)/widest + 0.4*twist/mostTwist
			all = append(all, couple{a: i, b: j, turn: turned(o.turn - s.turn), merit: cost})
		})
	}
	slices.SortStableFunc(all, func(a, b couple) int { return cmp.Compare(a.merit, b.merit) })
	left, right := make([]bool, len(p.spots)), make([]bool, len(q.spots))
	out := all[:0]
	for _, c := range all {
		if !left[c.a] && !right[c.b] {
			left[c.a], right[c.b] = true, true
			out = append(out, c)
		}
	}
	return out
}

// What a minutia is worth as evidence: the chance that the other print of the same finger
// shows it, and the least chance that another finger would.
const (
	shown       = 0.6
	leastChance = 0.03
)

// score weighs the pairs against what stands alone where both prints are seen, as
// logarithms of how much likelier the same finger makes it than another one.
func (p *Print) score(q *Print, a alignment) float64 {
	if len(a.pairs) < 4 {
		return 0
	}
	last := closing[len(closing)-1].reach
	matchedA, matchedB := make([]bool, len(p.spots)), make([]bool, len(q.spots))
	chance := func(s spot) float64 { return min(max(leastChance, 2*s.crowd*last*last*mostTwist), shown/1.3) }
	var score float64
	for _, c := range a.pairs {
		matchedA[c.a], matchedB[c.b] = true, true
		w := math.Sqrt(p.spots[c.a].weight * q.spots[c.b].weight)
		gain := math.Log(shown/max(chance(p.spots[c.a]), chance(q.spots[c.b]))) + 0.9 - 1.8*c.merit
		if i, j := p.disc[c.a], q.disc[c.b]; i >= 0 && j >= 0 {
			gain += min(max(4*(alike(&p.cylinders[i], &q.cylinders[j])-0.38), -1.2), 1.6)
		}
		score += w * gain
	}
	lone := func(spots []spot, matched []bool, hull []spot, place func(spot) guess) {
		for i, s := range spots {
			if matched[i] {
				continue
			}
			if g := place(s); inside(hull, g.x, g.y, -4) {
				score += 0.5 * s.weight * math.Log((1-shown)/(1-chance(s)))
			}
		}
	}
	lone(p.spots, matchedA, q.hull, p.bent(q, a.pairs))
	lone(q.spots, matchedB, p.hull, q.bent(p, inverse(a.pairs)))
	return max(0, score)
}

// inverse is the pairs seen from the reference.
func inverse(pairs []couple) []couple {
	out := make([]couple, len(pairs))
	for i, c := range pairs {
		out[i] = couple{a: c.b, b: c.a, turn: -c.turn, merit: c.merit}
	}
	return out
}
