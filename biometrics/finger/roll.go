package finger

// The edge of the picture along which a roll may run over it, in mm. Ten-print cards are
// often cut along one side of a print, so that one side alone is no fault; a tip or both
// sides gone are.
const (
	mostCutSides = 8.0
	mostCutTip   = 6.0
)

// roll judges what only a roll has: that it lies inside the picture. The length along which
// it runs over each edge is noted as cut-left, cut-right and cut-top.
func (s *sheet) roll(f field) {
	if !s.Impression.Rolled() {
		return
	}
	var left, right, top int
	for _, i := range s.fingers[0].cells {
		switch x, y := i%f.w, i/f.w; {
		case x == 0:
			left++
		case x == f.w-1:
			right++
		case y == 0:
			top++
		}
	}
	const side = blockSize * mm
	l, r, t := float64(left)*side, float64(right)*side, float64(top)*side
	s.note("cut-left", l, "mm")
	s.note("cut-right", r, "mm")
	s.note("cut-top", t, "mm")
	switch {
	case min(l, r) > mostCutSides:
		s.fault("cut", "The roll runs over both sides of the picture: roll the %v again in the middle of the scanner.", s.Position)
	case t > mostCutTip:
		s.fault("cut", "The tip runs over the upper edge of the picture: lay the %v lower and roll it again.", s.Position)
	}
}
