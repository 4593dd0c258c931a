package finger

import (
	"cmp"
	"math"
	"slices"
)

// Pair says that two minutiae are held for one.
type Pair struct{ Probe, Reference int } // indices into the two templates' Minutiae

// Comparison is what came of a comparison.
type Comparison struct {
	Score float64 // 0 nothing in common; see SameFinger
	Pairs []Pair  // what Score rests on
}

// SameFinger is the score from which on two prints are held for one finger's.
//
// A score s says that of 10^(s/10) comparisons of different fingers about one reaches s: 20 one
// in a hundred, 30 one in a thousand, 40 one in ten thousand, within a factor of two. This was
// measured on the prints of package synth, each roll against each finger of the slaps: of the
// 159,600 pairs of different ones among 400 fingers 1899 reached 20, 216 reached 30 and 29
// reached 40, and no mate stayed under 136. Beyond, the line is drawn on. It has not been
// measured on real fingers in number. A one-to-many search must ask for more, by 10 for each
// tenfold of those searched. TestFalseMatchRateOnSyntheticHands measures it again, with
// CARDSTATION_HANDS=40.
const SameFinger = 40.0

// The line that brings logarithms of likelihood to scores, fitted as SameFinger says.
const (
	scoreOffset = 15.5
	scoreSlope  = 2.2
)

// Match compares two templates and gives the score; see SameFinger.
func Match(a, b Template) float64 { return NewPrint(a).Compare(NewPrint(b)).Score }

// How pairs are chosen and held against each other.
const (
	mostPairs   = 72   // kept for the consensus
	leastAlike  = 0.35 // of the cylinders of a pair
	partners    = 2    // a cylinder has at most in the other print
	relaxations = 5
	mostSeeds   = 6 // alignments tried
	elastic     = 2 // alignments followed to the end
)

// couple is a pair of spots that may be one.
type couple struct {
	a, b   int
	turn   float64 // by which a's direction must be turned to be b's
	alike  float64
	merit  float64 // after the others had their say
	before float64
}

// Compare compares p, the probe, with q, the reference. It does not matter how they are
// turned or shifted, and skin may be stretched between them. Which of the two is the probe
// may change the score a little.
func (p *Print) Compare(q *Print) Comparison {
	couples := p.couples(q)
	if len(couples) == 0 {
		return Comparison{}
	}
	fit := p.relax(q, couples)
	var tried []alignment
	taken := make([]bool, len(couples))
	for i := range couples {
		if len(tried) == mostSeeds {
			break
		}
		if !taken[i] {
			tried = append(tried, p.begin(q, group(couples, fit, i, taken)))
		}
	}
	slices.SortStableFunc(tried, func(a, b alignment) int { return cmp.Compare(b.score, a.score) })
	best := alignment{}
	for _, a := range tried[:min(elastic, len(tried))] {
		if a = p.finish(q, a); a.score > best.score {
			best = a
		}
	}
	if best.score <= 0 {
		return Comparison{}
	}
	out := Comparison{Score: scoreOffset + scoreSlope*best.score}
	for _, c := range best.pairs {
		out.Pairs = append(out.Pairs, Pair{c.a, c.b})
	}
	return out
}

// group gathers about one couple those that agree with it, and then those that agree with
// these; it marks in taken what agrees so well that it would lead to the same place.
func group(couples []couple, fit []float64, seed int, taken []bool) []couple {
	n := len(couples)
	out, members := []couple{couples[seed]}, []int{seed}
	in := func(k int) bool {
		var sum float64
		for _, m := range members {
			f := fit[m*n+k]
			if couples[m].a == couples[k].a || couples[m].b == couples[k].b {
				return false
			}
			sum += f
		}
		return sum > 0.35
	}
	for range 2 {
		for k := range couples {
			if in(k) {
				members, out = append(members, k), append(out, couples[k])
				taken[k] = taken[k] || fit[seed*n+k] > 0.8
			}
		}
	}
	return out
}

// couples finds the pairs whose cylinders agree best.
func (p *Print) couples(q *Print) []couple {
	var all []couple
	for i := range p.cylinders {
		a := &p.cylinders[i]
		var best [partners]couple
		for j := range q.cylinders {
			s := alike(a, &q.cylinders[j])
			if s <= best[partners-1].alike || s < leastAlike {
				continue
			}
			k := partners - 1
			for ; k > 0 && best[k-1].alike < s; k-- {
				best[k] = best[k-1]
			}
			best[k] = couple{a: a.of, b: q.cylinders[j].of, alike: s}
		}
		for _, c := range best {
			if c.alike > 0 {
				c.turn = turned(q.spots[c.b].turn - p.spots[c.a].turn)
				all = append(all, c)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b couple) int { return cmp.Compare(b.alike, a.alike) })
	return all[:min(len(all), mostPairs)]
}

// relax lets couples strengthen each other where they could both be right, and sorts them
// by what they are worth then. It answers with how much each two agree, 0 to 1.
func (p *Print) relax(q *Print, couples []couple) []float64 {
	n := len(couples)
	fit := make([]float64, n*n)
	for i := range couples {
		couples[i].merit = couples[i].alike
	}
	fill := func() {
		for i := range couples {
			for k := range i {
				f := p.fits(q, &couples[i], &couples[k])
				fit[i*n+k], fit[k*n+i] = f, f
			}
		}
	}
	fill()
	for range relaxations {
		for i := range couples {
			couples[i].before = couples[i].merit
		}
		for i := range couples {
			var sum float64
			for k := range couples {
				sum += fit[i*n+k] * couples[k].before
			}
			couples[i].merit = 0.4*couples[i].before + 0.6*sum/float64(max(1, n-1))
		}
	}
	slices.SortStableFunc(couples, func(a, b couple) int { return cmp.Compare(b.merit, a.merit) })
	fill()
	return fit
}

// fits is how well two couples go together: as far apart in both prints, seen under the
// same angles, turned by the same. Skin stretches, so the longer the way the more it may
// differ.
func (p *Print) fits(q *Print, c, d *couple) float64 {
	if c.a == d.a || c.b == d.b {
		return 0
	}
	turn := math.Abs(turned(c.turn - d.turn))
	if turn > 0.9 {
		return 0
	}
	a, b := p.spots[c.a], q.spots[c.b]
	ax, ay := p.spots[d.a].x-a.x, p.spots[d.a].y-a.y
	bx, by := q.spots[d.b].x-b.x, q.spots[d.b].y-b.y
	da, db := math.Sqrt(ax*ax+ay*ay), math.Sqrt(bx*bx+by*by)
	apart := math.Abs(da-db) / (6 + 0.06*min(da, db))
	if apart > 2.5 || da < 8 || db < 8 {
		return 0
	}
	// The line between them must turn as their directions do.
	line := math.Atan2(ax*by-ay*bx, ax*bx+ay*by)
	mean := c.turn + turned(d.turn-c.turn)/2
	bent := math.Abs(turned(line-mean)) / (0.12 + 6/min(da, db))
	if bent > 2.5 {
		return 0
	}
	t := turn / 0.42
	return math.Exp(-0.5 * (apart*apart + bent*bent + t*t))
}
