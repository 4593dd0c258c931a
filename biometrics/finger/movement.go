package finger

import "math"

// leastSwayed is how many blocks with ridges there must be to judge.
const leastSwayed = 150

// smear is how the contrast of the ridges goes with their direction: its swing, of its mean. A
// finger pushed along while it is pressed loses the ridges across its way.
func (f field) smear(d directions, print mask) float64 {
	var all []crossed
	for i, b := range f.blocks {
		if print.on[i] && b.ridge {
			sin, cos := math.Sincos(d.angle(i))
			all = append(all, crossed{-sin, cos, b.std})
		}
	}
	if len(all) < leastSwayed {
		return 0
	}
	return swing(all)
}

// crossed is one block: the direction across its ridges and their standard deviation.
type crossed struct{ x, y, std float64 }

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
