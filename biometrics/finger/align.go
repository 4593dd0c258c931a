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
	closing = []round{{220, 14}, {400, 12}, {everywhere, 11}}
)

const (
	everywhere = 1e6 // pixels

	widest    = 14.0 // reach, pixels
	mostTwist = 0.5  // difference of directions, radians
)

// guess is where a spot of one print should be in the other, by how much its direction
// should turn, and how far away the next pair is that says so.
type guess struct{ x, y, cos, sin, nearest float64 }

// begin spreads from the couples of a group to what lies about them.
func (p *Print) begin(q *Print, group []couple) alignment {
	a := alignment{pairs: group}
	for _, r := range opening {
		a.pairs = p.pair(q, p.bent(q, a.pairs, r.far), r)
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
		a.pairs = p.pair(q, p.bent(q, a.pairs, r.far), r)
	}
	a.score = p.score(q, a)
	return a
}

// bent lays p upon q as skin does: each spot is turned and shifted as the pairs about it
// were, the near ones above all (moving least squares). A pair has no say about itself, and
// none has one beyond far.
func (p *Print) bent(q *Print, pairs []couple, far float64) func(spot) guess {
	type pin struct{ x, y, u, v, sin, cos, dot, cross float64 }
	pins := make([]pin, len(pairs))
	left, right, top, bottom := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for i, c := range pairs {
		s, o := p.spots[c.a], q.spots[c.b]
		cos, sin := s.cos*o.cos+s.sin*o.sin, s.cos*o.sin-s.sin*o.cos
		left, right, top, bottom = min(left, s.x-far), max(right, s.x+far), min(top, s.y-far), max(bottom, s.y+far)
		pins[i] = pin{s.x, s.y, o.x, o.y, sin, cos, s.x*o.x + s.y*o.y, s.x*o.y - s.y*o.x}
	}
	// How far the say of a pair reaches in pixels, and as how long a lever its direction counts.
	const bell, lever = 42.0, 45.0
	return func(s spot) guess {
		var w, x, y, u, v, re, im, sin, cos float64
		nearest := math.Inf(1)
		if s.x < left || s.x > right || s.y < top || s.y > bottom {
			return guess{nearest: nearest}
		}
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
		return guess{u/w + re*dx - im*dy, v/w + im*dx + re*dy, re, im, math.Sqrt(nearest)}
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
			if d > r.reach*r.reach {
				return
			}
			aside := math.Hypot(o.cos-(g.cos*s.cos-g.sin*s.sin), o.sin-(g.sin*s.cos+g.cos*s.sin))
			twist := 2 * math.Asin(min(aside/2, 1))
			if twist > mostTwist {
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
// shows it, and the chance that another finger shows one like it, which grows with how close
// minutiae stand. The latter is large because the alignment was chosen to please, and because
// fingers of one pattern have their ridges run alike.
const (
	shown       = 0.6
	leastChance = 0.03
	mostChance  = shown / 1.3
	luck        = 4.0  // more than minutiae strewn at random would
	aloneCounts = 0.5  // of its weight, what is seen in one print only: ink comes and goes
	usualAlike  = 0.45 // of cylinders, where it says nothing
	alikeCounts = 5.0
)

func chance(s spot) float64 {
	last := closing[len(closing)-1].reach
	return min(max(leastChance, luck*s.crowd*last*last*mostTwist), mostChance)
}

// score weighs the pairs against what stands alone where both prints are seen: the
// natural logarithm of how much likelier one finger makes all this than two do, as far as
// minutiae can be taken to be independent.
func (p *Print) score(q *Print, a alignment) float64 {
	if len(a.pairs) < 4 {
		return 0
	}
	left, right := make([]bool, len(p.spots)), make([]bool, len(q.spots))
	var score float64
	for _, c := range a.pairs {
		left[c.a], right[c.b] = true, true
		s, o := p.spots[c.a], q.spots[c.b]
		gain := math.Log(shown/max(chance(s), chance(o))) + 0.9 - 1.8*c.merit
		if i, j := p.disc[c.a], q.disc[c.b]; i >= 0 && j >= 0 {
			gain += min(max(alikeCounts*(alike(&p.cylinders[i], &q.cylinders[j])-usualAlike), -1.2), 1.6)
		}
		score += math.Sqrt(s.weight*o.weight) * gain
	}
	return score - p.alone(q, a.pairs, left) - q.alone(p, inverse(a.pairs), right)
}

// alone is what speaks against the pairs: spots of p that have none, where q is seen.
func (p *Print) alone(q *Print, pairs []couple, paired []bool) (against float64) {
	place := p.bent(q, pairs, everywhere)
	for i, s := range p.spots {
		if paired[i] {
			continue
		}
		if g := place(s); inside(q.hull, g.x, g.y, -4) {
			against += aloneCounts * s.weight * math.Log((1-chance(s))/(1-shown))
		}
	}
	return against
}

// inverse is the pairs seen from the reference.
func inverse(pairs []couple) []couple {
	out := make([]couple, len(pairs))
	for i, c := range pairs {
		out[i] = couple{a: c.b, b: c.a, turn: -c.turn, merit: c.merit}
	}
	return out
}
