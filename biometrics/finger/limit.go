package finger

import (
	"math"
	"slices"

	"cardstation/biometrics"
)

// What the ridges of an accepted print keep to. Ridge periods of adults lie
// about 0.45 mm, of children about 0.35 mm; the bounds find a resolution that is
// wrong by a factor of two.
const (
	leastPeriod        = 0.28 // mm
	mostPeriod         = 0.80 // mm
	leastContrast      = 28.0 // grey values between ridge and valley
	leastMedianClarity = 0.55
	leastLocal         = 0.75 // local clarity: good and hard prints of package synth have 0.81 and more
	mostBlack          = 0.25 // of the print
	leastBlack         = 80.0 // mm2 of black that are ink rather than a hole in the paper
)

// A region is a finger from this size on, and several where it is wider, in mm
// and mm2.
const (
	widestFinger     = 24.0
	leastFingerWidth = 6.0
	leastFingerArea  = 45.0
)

// limit is what the picture and each print in it must measure, in mm and mm2.
type limit struct {
	frameW, frameH      float64
	width, height, area float64
}

// limitOf is the limit for a position and impression. The frames are the
// smallest scanner areas that can take them (a 500 ppi scanner of 1.6 x 1.5
// inches for rolled prints, 3.2 x 2.0 for slaps, less a margin for cutting); the
// prints are what full rolls and pads of adults' hands keep above: the tip or one
// side of a finger alone stays below.
func limitOf(p biometrics.Position, i biometrics.Impression) limit {
	thumb := p == biometrics.RightThumb || p == biometrics.LeftThumb
	little := p == biometrics.RightLittle || p == biometrics.LeftLittle
	switch {
	case p == biometrics.RightFour || p == biometrics.LeftFour:
		return limit{frameW: 60, frameH: 38, width: 6, height: 9, area: 50}
	case p == biometrics.BothThumbs:
		return limit{frameW: 25, frameH: 20, width: 9, height: 12, area: 110}
	case i.Rolled() && thumb:
		return limit{frameW: 22, frameH: 20, width: 21, height: 20, area: 300}
	case i.Rolled() && little:
		return limit{frameW: 19, frameH: 19, width: 15, height: 15, area: 170}
	case i.Rolled():
		return limit{frameW: 20, frameH: 20, width: 18.5, height: 18, area: 240}
	case thumb:
		return limit{frameW: 15, frameH: 18, width: 9, height: 12, area: 110}
	}
	return limit{frameW: 13, frameH: 16, width: 7, height: 10, area: 60}
}

// fingertips picks the regions that are the last joints of fingers, the largest first, in a
// field that is w blocks wide. A region that lies below another one is the next joint of the
// same finger.
func fingertips(all []region, w int) []region {
	large := slices.DeleteFunc(slices.Clone(all), func(r region) bool { return r.width() < leastFingerWidth || r.area() < leastFingerArea })
	slices.SortStableFunc(large, func(a, b region) int { return len(b.cells) - len(a.cells) })
	leans, all := axes(large, w), slices.Clone(large)
	return slices.DeleteFunc(large, func(r region) bool {
		for i, o := range all {
			if r.below(o, w, leans[i]) {
				return true
			}
		}
		return false
	})
}

// below says that r goes on where o ends, along the way that o leans, in degrees: behind its end,
// give or take two blocks, and no further aside than two thirds of its width. A hand lies turned
// as a whole, so that the finger beside o may well be below it in the picture; a roll is too wide
// to lean.
func (r region) below(o region, w int, lean float64) bool {
	sin, cos := 0.0, 1.0
	if o.width() <= widestFinger {
		sin, cos = math.Sincos(min(max(lean, -mostLean), mostLean) * math.Pi / 180)
	}
	down, aside := o.extent(w, -sin, cos), o.extent(w, cos, sin)
	if r.extent(w, -sin, cos).from < down.to-2 {
		return false
	}
	return math.Abs(r.extent(w, cos, sin).middle()-aside.middle()) < (aside.to-aside.from)*2/3
}

// mostLean is how far a finger leans that is held for one, in degrees.
const mostLean = 45.0

// extent is where a region lies along a direction, in blocks.
func (r region) extent(w int, x, y float64) span {
	s := span{math.Inf(1), math.Inf(-1)}
	for _, i := range r.cells {
		v := x*float64(i%w) + y*float64(i/w)
		s.from, s.to = min(s.from, v), max(s.to, v)
	}
	return s
}

type span struct{ from, to float64 }

func (s span) middle() float64 { return (s.from + s.to) / 2 }
