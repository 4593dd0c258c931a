package itl

import (
	"fmt"
	"strconv"
)

// Minutiae are those of one finger of an image, as a Type-9 record has them in the
// fields of INCITS 378 (8.9.5).
type Minutiae struct {
	Finger  int     // 1 to 10
	Quality Quality // of the finger; its Finger and NFIQ are not looked at
	Points  []Minutia
}

// Minutia is one of them.
type Minutia struct {
	X, Y    int // pixels of the image, from its upper left corner
	Angle   int // in units of two degrees, 0 to 179, counter-clockwise from the right
	Kind    int // 0 other, 1 ridge ending, 2 bifurcation
	Quality int // 1 to 100; 0 is not said
}

// mostMinutiae is what 9.136 counts to.
const mostMinutiae = 255

// What 9.126 and 9.127 say: format owner 27 is INCITS M1, format type 513 minutiae
// without extended data; of the device neither a certification nor a number is known.
var (
	formatM1  = []string{"27", "513", "0"}
	noCapture = []string{"NONE", "0"}
)

// minutiae makes a Type-9 record for each finger, under the IDC of the image; they come
// last.
func (b *builder) minutiae(p Print, is picture) error {
	for _, m := range p.Minutiae {
		if len(m.Points) == 0 || len(m.Points) > mostMinutiae {
			return fmt.Errorf("%s: finger %d has %d minutiae, 1 to %d are told", name(9, 136), m.Finger, len(m.Points), mostMinutiae)
		}
		var points [][]string
		for i, q := range m.Points {
			points = append(points, decimal(i+1, q.X, q.Y, q.Angle, q.Kind, q.Quality))
		}
		b.features = append(b.features, NewRecord(9, b.next-1,
			Number(3, p.Impression), Text(4, "U"), Items(126, formatM1), Items(127, noCapture),
			Number(128, is.width), Number(129, is.height), Number(130, 1), Number(131, p.PPI), Number(132, p.PPI),
			Number(133, 0), Number(134, m.Finger), Items(135, m.Quality.items()), Number(136, len(points)), Items(137, points...)))
	}
	return nil
}

// items are a quality's score, the owner of its algorithm and the algorithm.
func (q Quality) items() []string {
	return []string{strconv.Itoa(q.Score), fmt.Sprintf("%04X", q.Vendor), strconv.Itoa(int(q.Algorithm))}
}

// Minutiae gives what a Type-9 record has in the fields of INCITS 378; false for other
// records, and where the counts or numbers in it are none.
func (r Record) Minutiae() (Minutiae, bool) {
	f, ok := r.Get(137)
	positions := r.Positions()
	if r.Type != 9 || !ok || len(positions) == 0 {
		return Minutiae{}, false
	}
	m := Minutiae{Finger: positions[0], Quality: Quality{Score: 254}}
	if all := r.scores(135); len(all) > 0 {
		m.Quality = all[0]
	}
	for _, sub := range f.Subfields() {
		n, ok := ints(sub...)
		if !ok || len(n) != 6 || len(m.Points) == mostMinutiae {
			return Minutiae{}, false
		}
		m.Points = append(m.Points, Minutia{X: n[1], Y: n[2], Angle: n[3], Kind: n[4], Quality: n[5]})
	}
	return m, true
}
