package finger

import (
	"image"
	"slices"
)

// mask marks blocks of a field.
type mask struct {
	w, h int
	on   []bool
}

func (f field) ridges() mask {
	m := mask{w: f.w, h: f.h, on: make([]bool, len(f.blocks))}
	for i, b := range f.blocks {
		m.on[i] = b.ridge
	}
	return m
}

// neighbours counts the marked blocks of the 3 x 3 around i; those outside the
// picture count as outside says.
func (m mask) neighbours(x, y int, outside bool) (n int) {
	for dy := -1; dy <= 1; dy++ {
		for dx := -1; dx <= 1; dx++ {
			xx, yy := x+dx, y+dy
			in := outside
			if xx >= 0 && yy >= 0 && xx < m.w && yy < m.h {
				in = m.on[yy*m.w+xx]
			}
			if in {
				n++
			}
		}
	}
	return n
}

// where makes a mask of the blocks whose neighbourhood count satisfies keep.
func (m mask) where(outside bool, keep func(on bool, n int) bool) mask {
	out := mask{w: m.w, h: m.h, on: make([]bool, len(m.on))}
	for y := range m.h {
		for x := range m.w {
			i := y*m.w + x
			out.on[i] = keep(m.on[i], m.neighbours(x, y, outside))
		}
	}
	return out
}

// clean fills single holes and then removes what is thinner than three blocks
// (2.4 mm): letters, lines, strokes of a pen, bridges between fingers.
func (m mask) clean() mask {
	filled := m.where(true, func(on bool, n int) bool { return on || n >= 6 })
	core := filled.where(true, func(_ bool, n int) bool { return n == 9 })
	grown := core.where(false, func(_ bool, n int) bool { return n > 0 })
	for i := range grown.on {
		grown.on[i] = grown.on[i] && filled.on[i]
	}
	return grown
}

// region is one connected set of marked blocks.
type region struct {
	box   image.Rectangle // in blocks
	cells []int           // indices into the field
}

// area in square millimetres.
func (r region) area() float64 { return float64(len(r.cells)) * blockArea }

// width and height of the box in millimetres.
func (r region) width() float64  { return float64(r.box.Dx()*blockSize) * mm }
func (r region) height() float64 { return float64(r.box.Dy()*blockSize) * mm }

// regions finds the connected sets (sides touching), the largest first.
func (m mask) regions() []region {
	seen := make([]bool, len(m.on))
	var out []region
	for i, on := range m.on {
		if on && !seen[i] {
			out = append(out, m.flood(i, seen))
		}
	}
	slices.SortStableFunc(out, func(a, b region) int { return len(b.cells) - len(a.cells) })
	return out
}

func (m mask) flood(start int, seen []bool) region {
	stack := []int{start}
	seen[start] = true
	var r region
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		x, y := i%m.w, i/m.w
		r.cells = append(r.cells, i)
		r.box = r.box.Union(image.Rect(x, y, x+1, y+1))
		for _, d := range [4]image.Point{{-1, 0}, {1, 0}, {0, -1}, {0, 1}} {
			xx, yy := x+d.X, y+d.Y
			if j := yy*m.w + xx; xx >= 0 && yy >= 0 && xx < m.w && yy < m.h && m.on[j] && !seen[j] {
				seen[j] = true
				stack = append(stack, j)
			}
		}
	}
	return r
}
