package finger

import "math"

// sway is how the contrast of the ridges goes with their direction, as 0 and more. A finger
// pushed along while it is pressed loses the ridges across its way; one that touches twice, a
// little beside, loses those that fall between the ridges of before.
type sway struct {
	smear  float64 // swing of the contrast over the directions, of its mean
	double float64 // how well, and how strongly, it goes with a second touch
}

// leastSwayed is how many blocks with ridges there must be to judge.
const leastSwayed = 150

func (f field) sway(d directions, print mask) sway {
	var all []crossed
	for i, b := range f.blocks {
		if print.on[i] && b.ridge {
			sin, cos := math.Sincos(d.angle(i))
			all = append(all, crossed{-sin, cos, b.period, b.std})
		}
	}
	if len(all) < leastSwayed {
		return sway{}
	}
	return sway{smear: swing(all), double: twice(all)}
}

// crossed is one block: the direction across its ridges, their period in pixels and their
// standard deviation.
type crossed struct{ x, y, period, std float64 }

// swing fits std = a + b cos 2t + c sin 2t over the directions t by least squares; so many
// ridges of one direction do not count as contrast of it.
func swing(all []crossed) float64 {
	var m [3][4]float64
	var sum float64
	for _, k := range all {
		v := [4]float64{1, k.x*k.x - k.y*k.y, 2 * k.x * k.y, k.std}
		for i := range 3 {
			for j := range 4 {
				m[i][j] += v[i] * v[j]
			}
		}
		sum += k.std
	}
	for i := range 3 {
		p := m[i][i]
		if math.Abs(p) < 1e-6 {
			return 0
		}
		for j := range 4 {
			m[i][j] /= p
		}
		for k := range 3 {
			if q := m[k][i]; k != i {
				for j := range 4 {
					m[k][j] -= q * m[i][j]
				}
			}
		}
	}
	return math.Hypot(m[1][3], m[2][3]) / (sum/float64(len(all)) + 1e-6)
}

// How far beside a second touch is looked for, in pixels.
const leastBeside, mostBeside = 3, 16

// twice tries each way that a second touch may lie beside the first: two waves of period p
// that lie s apart across the ridges make one |cos(pi s/p)| as strong. It answers the best
// correlation of the contrast with that, times how much of the contrast hangs on it.
func twice(all []crossed) float64 {
	best := 0.0
	for dy := -mostBeside; dy <= mostBeside; dy++ {
		for dx := range mostBeside + 1 {
			r := dx*dx + dy*dy
			if r < leastBeside*leastBeside || r > mostBeside*mostBeside || dx == 0 && dy < 0 {
				continue
			}
			best = max(best, beside(all, float64(dx), float64(dy)))
		}
	}
	return best
}

func beside(all []crossed, dx, dy float64) float64 {
	var x, xx, y, yy, xy float64
	for _, k := range all {
		v := math.Abs(math.Cos(math.Pi * (k.x*dx + k.y*dy) / k.period))
		x, xx, y, yy, xy = x+v, xx+v*v, y+k.std, yy+k.std*k.std, xy+v*k.std
	}
	n := float64(len(all))
	both, one, other := xy/n-x*y/n/n, xx/n-x*x/n/n, yy/n-y*y/n/n
	if both <= 0 {
		return 0
	}
	return both / math.Sqrt(one*other+1e-9) * both / (one + 1e-9) / (y/n + 1e-6)
}
