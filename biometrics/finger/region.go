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

func (f field) ridges() mask { return f.where(func(b block) bool { return b.ridge }) }

// where makes a mask of the blocks that satisfy keep.
func (f field) where(keep func(block) bool) mask {
	m := mask{w: f.w, h: f.h, on: make([]bool, len(f.blocks))}
	for i, b := range f.blocks {
		m.on[i] = keep(b)
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

func (m mask) add(r region) {
	for _, i := range r.cells {
		m.on[i] = true
	}
}

// closed closes the holes, the unmarked regions that do not reach the picture's edge.
func (m mask) closed() mask {
	out := m.where(false, func(on bool, _ int) bool { return on })
	outside := m.where(false, func(on bool, _ int) bool { return !on })
	for _, r := range outside.regions() {
		if r.box.Min.X > 0 && r.box.Min.Y > 0 && r.box.Max.X < m.w && r.box.Max.Y < m.h {
			out.add(r)
		}
	}
	return out
}

// depth is how many cells lie between each cell and the nearest that is not marked;
// beyond the picture's edge none is.
func (m mask) depth() []int {
	out := make([]int, len(m.on))
	for i, on := range m.on {
		if on {
			out[i] = 99
		}
	}
	at := func(x, y int) int {
		if x < 0 || y < 0 || x >= m.w || y >= m.h {
			return 0
		}
		return out[y*m.w+x]
	}
	for y := range m.h {
		for x := range m.w {
			i := y*m.w + x
			out[i] = min(out[i], 1+min(at(x-1, y), at(x, y-1), at(x-1, y-1), at(x+1, y-1)))
		}
	}
	for y := m.h - 1; y >= 0; y-- {
		for x := m.w - 1; x >= 0; x-- {
			i := y*m.w + x
			out[i] = min(out[i], 1+min(at(x+1, y), at(x, y+1), at(x+1, y+1), at(x-1, y+1)))
		}
	}
	return out
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

// split parts a region that is wider than a finger where it is thinnest, so that
// fingers which touch count each for itself. A region that does not fall apart
// comes back as it is.
func (m mask) split(r region, widest float64) []region {
	if r.width() <= widest {
		return []region{r}
	}
	const rounds, least = 5, 12 // blocks peeled off at most, and left of a finger at least
	core := mask{w: m.w, h: m.h, on: make([]bool, len(m.on))}
	core.add(r)
	for range rounds {
		core = core.where(true, func(_ bool, n int) bool { return n == 9 })
		parts := slices.DeleteFunc(core.regions(), func(p region) bool { return len(p.cells) < least })
		if len(parts) > 1 {
			var out []region
			for _, p := range m.share(r, parts) {
				out = append(out, m.split(p, widest)...)
			}
			return out
		}
	}
	return []region{r}
}

// share gives each cell of r to the part that is nearest to it.
func (m mask) share(r region, parts []region) []region {
	free := make(map[int]bool, len(r.cells))
	for _, i := range r.cells {
		free[i] = true
	}
	fronts := make([][]int, len(parts))
	for k, p := range parts {
		fronts[k] = p.cells
		for _, i := range p.cells {
			delete(free, i)
		}
	}
	for moved := true; moved; {
		moved = false
		for k := range parts {
			var next []int
			for _, i := range fronts[k] {
				for _, j := range [4]int{i - 1, i + 1, i - m.w, i + m.w} {
					if !free[j] || max(i%m.w-j%m.w, j%m.w-i%m.w) > 1 {
						continue
					}
					delete(free, j)
					next = append(next, j)
					parts[k].box = parts[k].box.Union(image.Rect(j%m.w, j/m.w, j%m.w+1, j/m.w+1))
				}
			}
			parts[k].cells = append(parts[k].cells, next...)
			fronts[k] = next
			moved = moved || len(next) > 0
		}
	}
	return parts
}
