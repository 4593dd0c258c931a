package wsq

import (
	"math"
	"math/rand/v2"
	"testing"
)

// analyseLine is A.1.2 word for word, in float64: the line goes on beyond its
// ends, whole- or half-sample symmetric, and every other output is kept.
func analyseLine(x []float64, low, high []float64, even bool) (l, h []float64) {
	n := len(x)
	at := func(i int) float64 {
		if !even {
			return x[mirror(i, n)]
		}
		for i < 0 || i >= n {
			if i < 0 {
				i = -1 - i
			} else {
				i = 2*n - 1 - i
			}
		}
		return x[i]
	}
	for k := range (n + 1) / 2 {
		sum := 0.0
		for j, c := range low {
			switch {
			case even:
				sum += c * (at(2*k-j) + at(2*k+1+j))
			case j == 0:
				sum += c * at(2*k)
			default:
				sum += c * (at(2*k-j) + at(2*k+j))
			}
		}
		l = append(l, sum)
	}
	for k := range n / 2 {
		sum := 0.0
		for j, c := range high {
			switch {
			case even:
				sum += c * (at(2*k-j) - at(2*k+1+j))
			case j == 0:
				sum += c * at(2*k+1)
			default:
				sum += c * (at(2*k+1-j) + at(2*k+1+j))
			}
		}
		h = append(h, sum)
	}
	return l, h
}

// decomposeByDefinition fills the parts of a split by analyseLine.
func decomposeByDefinition(p *parts, s int, low, high []float64, even bool) {
	whole, of := &p[bands+s], tree[s]
	lw, lh := (whole.w+1)/2, (whole.h+1)/2
	for _, part := range []int{of.ll, of.hl, of.lh, of.hh} {
		p[part].pix = make([]float32, p[part].size())
	}
	rows := make([][]float64, whole.h)
	for y := range rows {
		line := make([]float64, whole.w)
		for x, v := range whole.row(y) {
			line[x] = float64(v)
		}
		l, h := analyseLine(line, low, high, even)
		rows[y] = append(l, h...)
	}
	for x := range whole.w {
		column := make([]float64, whole.h)
		for y := range column {
			column[y] = rows[y][x]
		}
		l, h := analyseLine(column, low, high, even)
		for y, v := range append(l, h...) {
			switch {
			case x < lw && y < lh:
				p[of.ll].row(y)[x] = float32(v)
			case y < lh:
				p[of.hl].row(y)[x-lw] = float32(v)
			case x < lw:
				p[of.lh].row(y - lh)[x] = float32(v)
			default:
				p[of.hh].row(y - lh)[x-lw] = float32(v)
			}
		}
	}
}

var filterPairs = []struct {
	name      string
	low, high []float64
	even      bool
}{
	{"9/7, the FBI's", h0, h1, false},
	{"5/3", []float64{1.0606601717798212, 0.35355339059327373, -0.17677669529663687}, []float64{0.7071067811865476, -0.35355339059327373}, false},
	{"8/8, of even length", // table of the specification's second example filter
		[]float64{0.85269867900940344, -0.09789296778409587, -0.12335584105275092, 0.07565691101399093},
		[]float64{-0.60328894481393847, 0.18870142780632693, 0.05261415011924844, -0.03226944131446922}, true},
	{"2/2, Haar's", []float64{math.Sqrt2 / 2}, []float64{-math.Sqrt2 / 2}, true},
}

// Synthesis undoes analysis, for every kind of filter a file may carry and every
// size down to one pixel.
func TestEveryFilterGivesTheImageBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, f := range filterPairs {
		single := func(list []float64) (s []float32) {
			for _, v := range list {
				s = append(s, float32(v))
			}
			return s
		}
		for _, size := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {3, 3}, {5, 4}, {6, 7}, {1, 33}, {17, 12}, {33, 47}, {64, 64}, {95, 130}} {
			p := layout(size[0], size[1])
			image := make([]float32, size[0]*size[1])
			for i := range image {
				image[i] = rng.Float32()*256 - 128
			}
			p[bands].pix = image
			for s := range splits {
				decomposeByDefinition(p, s, f.low, f.high, f.even)
			}
			banks := map[string]bank{"": newBank(single(f.low), single(f.high), f.even)}
			if !f.even { // the slow way must agree with the fast one
				banks[" by the general way"] = newBank(append(single(f.low), make([]float32, 16-len(f.low))...),
					append(single(f.high), make([]float32, 16-len(f.high))...), false)
			}
			for name, b := range banks {
				again := *p
				got := make([]float32, len(image))
				again.compose(b, newRoom(p.inner()), func(y int, row []float32) { copy(got[y*size[0]:], row) })
				worst := 0.0
				for i, v := range got {
					worst = max(worst, math.Abs(float64(v-image[i])))
				}
				if worst > 0.01 {
					t.Errorf("%s%s: %v: off by %g", f.name, name, size, worst)
				}
			}
		}
	}
}

// The encoder's fast transform is the definition's.
func TestFastAnalysisIsTheDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, size := range [][2]int{{1, 1}, {2, 3}, {4, 1}, {7, 5}, {31, 100}, {200, 97}, {3, 300}} {
		p := layout(size[0], size[1])
		image := make([]float32, size[0]*size[1])
		for i := range image {
			image[i] = rng.Float32()*256 - 128
		}
		fast := *p
		for k := range coded {
			fast[k].pix = make([]float32, fast[k].size())
		}
		fast.decompose(analysisTaps(), newRoom(p.inner()), func(y int, row []float32) { copy(row, image[y*size[0]:]) })
		p[bands].pix = image
		for s := range splits {
			decomposeByDefinition(p, s, h0, h1, false)
		}
		for k := range coded {
			for i, v := range p[k].pix {
				if d := math.Abs(float64(v - fast[k].pix[i])); d > 0.01 {
					t.Fatalf("%v: subband %d sample %d: %v, want %v", size, k, i, fast[k].pix[i], v)
				}
			}
		}
	}
}
