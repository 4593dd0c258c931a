package synth

import (
	"math"
	"math/rand/v2"
)

// engrave puts into the skin what no filter grows: pores along the ridges, fine
// creases across them, the flexion crease at the base, and now and then a scar.
// They belong to the finger, so that each of its impressions shows them.
func (f *finger) engrave(rng *rand.Rand) {
	f.pores(rng)
	half := float64(f.w) / 2
	for range 4 + rng.IntN(7) {
		f.cut(point{half * 1.6 * (rng.Float64() - 0.5), float64(f.h) * 0.8 * (rng.Float64() - 0.5)},
			math.Pi*rng.Float64(), 25+80*rng.Float64(), 0.8+0.5*rng.Float64(), 1.1, rng)
	}
	base := -float64(f.h)*0.39 + 14*rng.NormFloat64()
	for range 2 + rng.IntN(3) {
		base += 9 * rng.Float64()
		f.cut(point{30 * rng.NormFloat64(), base}, 0.05*rng.NormFloat64(), half*(0.55+0.35*rng.Float64()), 1.6+1.6*rng.Float64(), 2.4, rng)
	}
	if rng.IntN(3) == 0 {
		f.cut(point{half * (rng.Float64() - 0.5), 160 * (rng.Float64() - 0.5)},
			math.Pi*rng.Float64(), 20+60*rng.Float64(), 1.8+1.6*rng.Float64(), 3, rng)
	}
}

// pores sinks a dot into the ridges about every nine pixels.
func (f *finger) pores(rng *rand.Rand) {
	const apart = 9
	for y := apart; y < f.h-apart; y += apart {
		for x := apart; x < f.w-apart; x += apart {
			px, py := x+rng.IntN(apart)-apart/2, y+rng.IntN(apart)-apart/2
			depth := float32(0.5 + rng.Float64())
			if f.height[py*f.w+px] < 0.6 {
				continue
			}
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					f.height[(py+dy)*f.w+px+dx] -= depth / float32(1+2*(dx*dx+dy*dy))
				}
			}
		}
	}
}

// cut lowers the skin along a slightly bent line: at is its middle, turn its
// direction, long half its length, thick its width and deep its depth, in pixels
// and ridge heights.
func (f *finger) cut(at point, turn, long, thick, deep float64, rng *rand.Rand) {
	sin, cos := math.Sincos(turn)
	bend := 0.12 * rng.NormFloat64() / long
	reach := int(2.5*thick) + 1
	for t := -long; t <= long; t++ {
		side := bend * t * t
		cx := int(at.x + t*cos - side*sin + float64(f.w)/2)
		cy := int(float64(f.h)/2 - (at.y + t*sin + side*cos))
		here := deep * (1 - math.Abs(t)/long) / (1.5 * thick)
		for y := max(cy-reach, 0); y <= min(cy+reach, f.h-1); y++ {
			for x := max(cx-reach, 0); x <= min(cx+reach, f.w-1); x++ {
				d := float64((x-cx)*(x-cx) + (y-cy)*(y-cy))
				i := y*f.w + x
				f.height[i] = max(f.height[i]-float32(here*math.Exp(-d/(thick*thick))), -3)
			}
		}
	}
}
