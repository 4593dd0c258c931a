package finger

import "image"

// What touches the scanner shows at least this standard deviation of grey values on a cell, and
// covers at least this area in mm2.
const (
	leastTouch     = 12.0
	leastTouchArea = 25.0
)

// touching is where the finger touches in one frame, on cells, with the frayed edge; not ok
// where it does not.
func touching(g *image.Gray) (m mask, ok bool) {
	m = mask{w: g.Rect.Dx() / cell, h: g.Rect.Dy() / cell}
	m.on = make([]bool, m.w*m.h)
	bands(m.h, func(cy int) {
		for cx := range m.w {
			var sum, sq int
			for y := cy * cell; y < cy*cell+cell; y++ {
				for _, v := range g.Pix[y*g.Stride+cx*cell:][:cell] {
					sum += int(v)
					sq += int(v) * int(v)
				}
			}
			const n = cell * cell
			m.on[cy*m.w+cx] = float64(n*sq-sum*sum) > leastTouch*leastTouch*n*n
		}
	})
	all := m.clean().regions()
	if len(all) == 0 || float64(len(all[0].cells)*cell*cell)*mm*mm < leastTouchArea {
		return m, false
	}
	out := mask{w: m.w, h: m.h, on: make([]bool, len(m.on))}
	out.add(all[0])
	return out.closed().where(false, func(_ bool, n int) bool { return n > 0 }), true
}

// span is the columns that a mask covers, in cells, and its middle.
func (m mask) span() (from, to int, middle float64) {
	from = m.w
	var sum, n float64
	for i, on := range m.on {
		if x := i % m.w; on {
			from, to = min(from, x), max(to, x+1)
			sum, n = sum+float64(x)+0.5, n+1
		}
	}
	return from, to, sum / max(n, 1)
}
