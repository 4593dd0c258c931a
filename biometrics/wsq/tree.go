package wsq

// The subband structure of A.1.3: 21 two-dimensional splits give 64 subbands.
// A split is named by its filters, not by where its parts lie in the usual
// picture: ll is low along x and y, hl high along x, lh high along y. The
// picture's mirrored parts, where a split's high part comes first so that
// frequencies rise from left to right, are the rows here that do not count up.

const (
	bands  = 64 // subbands, numbered as in figure A.4; a part below 64 is a subband
	splits = 21 // splits; a part of 64 and more is split part-64
	coded  = 60 // subbands that an encoder may send (part 3)
)

type split struct{ ll, hl, lh, hh int }

// tree lists the splits from the image downwards.
var tree = [splits]split{
	{64 + 1, 64 + 2, 64 + 3, 64 + 4},
	// of the image
	{64 + 5, 64 + 6, 64 + 7, 51},
	{53, 52, 55, 54},
	{58, 59, 56, 57},
	{63, 62, 61, 60},
	// of split 1
	{64 + 8, 64 + 9, 64 + 10, 64 + 11},
	{64 + 13, 64 + 12, 64 + 15, 64 + 14},
	{64 + 18, 64 + 19, 64 + 16, 64 + 17},
	// of split 5
	{64 + 20, 4, 5, 6},
	{8, 7, 10, 9},
	{13, 14, 11, 12},
	{18, 17, 16, 15},
	// of split 6
	{19, 20, 21, 22},
	{24, 23, 26, 25},
	{29, 30, 27, 28},
	{34, 33, 32, 31},
	// of split 7
	{35, 36, 37, 38},
	{40, 39, 42, 41},
	{45, 46, 43, 44},
	{50, 49, 48, 47},
	// of split 8
	{0, 1, 2, 3},
}

// levels are the splits that can be worked at the same time, first and one past last.
var levels = [...][2]int{{0, 1}, {1, 5}, {5, 8}, {8, 20}, {20, 21}}

// blockEnds are the subbands before which a block ends (A.4): blocks hold the
// subbands 0 to 18, 19 to 51 and 52 to 59.
var blockEnds = [...]int{19, 52, coded}

// plane is one part: row by row without gaps. nil samples are all zero.
type plane struct {
	w, h int
	pix  []float32
}

func (p *plane) size() int { return p.w * p.h }

func (p *plane) row(y int) []float32 { return p.pix[y*p.w : (y+1)*p.w] }

// parts are the 64 subbands and then the 21 splits of one image.
type parts [bands + splits]plane

// layout gives every part its size. The low part of an odd length has the
// sample more.
func layout(w, h int) *parts {
	var p parts
	p[bands] = plane{w: w, h: h}
	for i, s := range tree {
		w, h := p[bands+i].w, p[bands+i].h
		lw, lh := (w+1)/2, (h+1)/2
		p[s.ll] = plane{w: lw, h: lh}
		p[s.hl] = plane{w: w - lw, h: lh}
		p[s.lh] = plane{w: lw, h: h - lh}
		p[s.hh] = plane{w: w - lw, h: h - lh}
	}
	return &p
}
