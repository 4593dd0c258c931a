package itl

import "slices"

// within are the fingers of a position that shows several (table 8): the slaps,
// both thumbs, and the combinations of two and three fingers.
var within = map[int][]int{
	13: {2, 3, 4, 5}, 14: {7, 8, 9, 10}, 15: {1, 6},
	11: {1}, 12: {6},
	40: {2, 3}, 41: {3, 4}, 42: {4, 5}, 43: {7, 8}, 44: {8, 9}, 45: {9, 10}, 46: {2, 7},
	47: {2, 3, 4}, 48: {3, 4, 5}, 49: {7, 8, 9}, 50: {8, 9, 10},
}

// shown lists the fingers that an image of these positions has, nil where the
// position leaves that open.
func shown(positions []int) []int {
	var out []int
	for _, p := range positions {
		switch {
		case p >= 1 && p <= 10:
			out = append(out, p)
		case within[p] != nil:
			out = append(out, within[p]...)
		default:
			return nil
		}
	}
	return out
}

// fingers checks the fields of a Type-14 record that speak of single fingers (8.14):
// each must be in the position, boxes inside the image, and a missing finger has
// neither box nor quality.
func (c *checker) fingers() {
	r := c.record
	positions := r.Positions()
	positions = positions[:min(len(positions), rules[14][13].most)]
	for _, p := range positions {
		if p > 19 && p != 33 && p != 36 && (p < 40 || p > 55) {
			c.fault(13, "says position %d, which is no finger", p)
		}
	}
	_, described := r.Get(14)
	if whole := slices.Contains(positions, 19); whole != described {
		c.fault(14, "goes with position 19 in %s and with no other", name(14, 13))
	}
	fingers := shown(positions)
	missing := c.named(18, fingers, nil)
	for _, number := range []int{21, 22, 23, 24, 25} {
		c.named(number, fingers, missing)
	}
	for _, number := range []int{15, 21} {
		f, _ := r.Get(number)
		for _, sub := range f.Subfields() {
			if n := len(sub); n > 4 {
				c.box(number, sub[n-4:])
			}
		}
	}
	c.polygons()
	none := len(fingers) > 0 && len(missing) >= len(fingers)
	_, elsewhere := r.Get(994)
	switch _, ok := r.Get(dataField); {
	case ok && none:
		c.fault(18, "says that every finger of the position is missing, and an image is there")
	case !ok && !none && !elsewhere:
		c.fault(dataField, "is missing (DATA), and %s does not say that every finger is", name(14, 18))
	}
}

// named gives the fingers that a field's subfields begin with, and checks that each
// is in the image, stands once, and is not missing.
func (c *checker) named(number int, fingers, missing []int) []int {
	f, _ := c.record.Get(number)
	var out []int
	for _, sub := range f.Subfields() {
		n, ok := digits([]byte(sub[0]), 2)
		again := slices.Contains(out, n)
		switch {
		case !ok:
			continue
		case fingers != nil && !slices.Contains(fingers, n):
			c.fault(number, "speaks of finger %d, which is not in the positions of %s", n, name(14, 13))
		case again && number != 23 && number != 24: // which may have several algorithms
			c.fault(number, "speaks of finger %d twice", n)
		case slices.Contains(missing, n):
			c.fault(number, "speaks of finger %d, which %s says is missing", n, name(14, 18))
		}
		if !again {
			out = append(out, n)
		}
	}
	return out
}

// box checks left, right, top and bottom against each other and the image.
func (c *checker) box(number int, sides []string) {
	var at [4]int
	for i := range at {
		n, ok := 0, i < len(sides)
		if ok {
			n, ok = digits([]byte(sides[i]), 5)
		}
		if !ok {
			return // the layout's fault, and said there
		}
		at[i] = n
	}
	width, okW := c.record.Int(6)
	height, okH := c.record.Int(7)
	if at[0] >= at[1] || at[2] >= at[3] {
		c.fault(number, "has a box from %d to %d and from %d to %d, which is none", at[0], at[1], at[2], at[3])
	} else if okW && at[1] > width || okH && at[3] > height {
		c.fault(number, "has a box that ends at %d and %d, outside the image of %d by %d", at[1], at[3], width, height)
	}
}

// polygons checks ASEG: as many points as it says.
func (c *checker) polygons() {
	f, _ := c.record.Get(25)
	for _, sub := range f.Subfields() {
		if len(sub) < 2 {
			continue
		}
		if n, ok := digits([]byte(sub[1]), 2); ok && len(sub) != 2+2*n {
			c.fault(25, "says %d points and has %d coordinates", n, len(sub)-2)
		}
	}
}

// minutiae checks a Type-9 record (8.9): the counts against what is there, the older
// fields against 9.004, and that those of INCITS 378 are complete.
func (c *checker) minutiae() {
	r := c.record
	c.incits()
	for _, pair := range [][2]int{{10, 12}, {136, 137}} {
		f, ok := r.Get(pair[1])
		n, counted := r.Int(pair[0])
		if there := len(f.Subfields()); ok && counted && n != there {
			c.fault(pair[0], "says %d minutiae, %s has %d", n, name(9, pair[1]), there)
		}
	}
	_, legacy := r.Get(12)
	if legacy && r.Text(4) != "S" {
		c.fault(4, "says %s, and the fields 9.005 to 9.012 are there, which go with S", show(r.Text(4)))
	}
	for _, number := range []int{5, 6, 7, 10, 11} {
		if _, ok := r.Get(number); legacy && !ok {
			c.fault(number, "is missing (%s), and minutiae stand in 9.012", Mnemonic(9, number))
		}
	}
	width, okW := r.Int(128)
	height, okH := r.Int(129)
	f, _ := r.Get(137)
	for _, sub := range f.Subfields() {
		if len(sub) < 3 {
			continue
		}
		x, okX := digits([]byte(sub[1]), 5)
		y, okY := digits([]byte(sub[2]), 5)
		if okX && okW && x >= width || okY && okH && y >= height {
			c.fault(137, "has a minutia at %d, %d, outside the image of %d by %d", x, y, width, height)
		}
	}
}

// incits checks the fields of INCITS 378 (9.126 to 9.150): they are its record header and
// its finger view header, which have all that 9.126 to 9.136 say, and then as many minutiae.
func (c *checker) incits() {
	r := c.record
	if !slices.ContainsFunc(r.Fields, func(f Field) bool { return f.Number >= 126 && f.Number <= 150 }) {
		return
	}
	for number := 126; number <= 136; number++ {
		if _, ok := r.Get(number); !ok {
			c.fault(number, "is missing (%s), and other fields of INCITS 378 are there", Mnemonic(9, number))
		}
	}
	n, _ := r.Int(136)
	if _, ok := r.Get(137); n > 0 && !ok {
		c.fault(137, "is missing (%s), and %s says %d minutiae", Mnemonic(9, 137), name(9, 136), n)
	}
}
