package face

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	pigo "github.com/esimov/pigo/core"
)

// pupils is the cascade of regression trees that pulls a point near an eye onto its
// pupil (N. Markuš et al., "Eye pupil localization with an ensemble of randomized
// trees", 2014). The library that reads the same file starts from random points, so that
// one picture gives another pupil each time; here the starting points are fixed.
type pupils struct {
	stages, trees, depth int
	shrink               float32   // of the scale, after each stage
	tests                []int8    // four a node: row and column of either pixel, in 1/256 of the scale
	moves                []float32 // two a leaf: row and column, in scales
}

var errPupils = errors.New("not a pupil cascade")

// unpackPupils reads a cascade: stages, the factor of the scale, trees a stage and depth
// of a tree (32 bits each, little endian), then for each tree its nodes in breadth
// first order, four signed bytes each, and its leaves, two floats each.
func unpackPupils(data []byte) (*pupils, error) {
	const header, most = 16, 1 << 10
	if len(data) < header {
		return nil, errPupils
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(data[4*i:]) }
	if word(0) > most || word(2) > most || word(3) > 16 {
		return nil, errPupils
	}
	p := &pupils{stages: int(word(0)), shrink: math.Float32frombits(word(1)), trees: int(word(2)), depth: int(word(3))}
	leaves, rest := 1<<p.depth, data[header:]
	if len(rest) != p.stages*p.trees*(4*(leaves-1)+8*leaves) {
		return nil, errPupils
	}
	for range p.stages * p.trees {
		for _, b := range rest[:4*(leaves-1)] {
			p.tests = append(p.tests, int8(b))
		}
		rest = rest[4*(leaves-1):]
		for range 2 * leaves {
			p.moves = append(p.moves, math.Float32frombits(binary.LittleEndian.Uint32(rest)))
			rest = rest[4:]
		}
	}
	return p, nil
}

// point is a guess at a pupil: its place and the size of what is looked at about it,
// in pixels.
type point struct{ row, col, scale float32 }

// How the starting points lie about the guess: within these shares of its scale. They
// are an odd number, so that the median is one of the answers.
const (
	pupilTries  = 63
	pupilSpread = 0.15
)

// starts are the starting points as shares of their spread, -0.5..0.5: the first points
// of the additive sequence whose steps are powers of the root of x^4 = x+1, which fills
// a cube evenly.
var starts = func() (s [pupilTries]point) {
	const root = 1.2207440846057596
	for i := range s {
		at := func(step float64) float32 {
			_, part := math.Modf(0.5 + float64(i+1)*step)
			return float32(part - 0.5)
		}
		s[i] = point{row: at(1 / root), col: at(1 / (root * root)), scale: at(1 / (root * root * root))}
	}
	return s
}()

// locate answers with the median of what the cascade makes of each starting point.
func (p *pupils) locate(img pigo.ImageParams, guess point) point {
	var rows, cols, scales [pupilTries]float32
	for i, s := range starts {
		end := p.descend(img, point{
			row:   guess.row + float32(guess.scale*pupilSpread)*s.row,
			col:   guess.col + float32(guess.scale*pupilSpread)*s.col,
			scale: guess.scale * (1 + float32(pupilSpread*s.scale)),
		})
		rows[i], cols[i], scales[i] = end.row, end.col, end.scale
	}
	middle := func(v []float32) float32 {
		slices.Sort(v)
		return v[len(v)/2]
	}
	return point{middle(rows[:]), middle(cols[:]), middle(scales[:])}
}

// descend runs one point through all stages.
func (p *pupils) descend(img pigo.ImageParams, at point) point {
	leaves := 1 << p.depth
	tests, moves := p.tests, p.moves
	for range p.stages {
		var down, right float32
		for range p.trees {
			leaf := p.leaf(img, at, tests)
			down, right = down+moves[2*leaf], right+moves[2*leaf+1]
			tests, moves = tests[4*(leaves-1):], moves[2*leaves:]
		}
		at = point{at.row + float32(down*at.scale), at.col + float32(right*at.scale), at.scale * p.shrink}
	}
	return at
}

// leaf walks down one tree: a node goes right where its first pixel is the brighter
// one. Pixels beyond the edge are those at the edge.
func (p *pupils) leaf(img pigo.ImageParams, at point, tests []int8) int {
	row, col, scale := int(at.row), int(at.col), int(math.Round(float64(at.scale)))
	grey := func(test []int8) byte {
		y := min(max(row+(int(test[0])*scale)>>8, 0), img.Rows-1)
		x := min(max(col+(int(test[1])*scale)>>8, 0), img.Cols-1)
		return img.Pixels[y*img.Dim+x]
	}
	node := 0
	for range p.depth {
		test := tests[4*node : 4*node+4]
		next := 2*node + 1
		if grey(test[:2]) > grey(test[2:]) {
			next++
		}
		node = next
	}
	return node - (1<<p.depth - 1)
}
