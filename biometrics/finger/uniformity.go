package finger

import "math"

// ratios is what the thicknesses of ridges are to those of the valleys beside them: how many
// pairs, the sum and the sum of squares.
type ratios struct{ n, sum, squares float64 }

func (r *ratios) add(o ratios) { r.n, r.sum, r.squares = r.n+o.n, r.sum+o.sum, r.squares+o.squares }

// mean and spread (the standard deviation) are 0 for nothing.
func (r ratios) mean() float64 { return r.sum / max(r.n, 1) }

func (r ratios) spread() float64 {
	return math.Sqrt(max(0, r.squares/max(r.n, 1)-r.mean()*r.mean()))
}

// uniformity holds each whole ridge of a profile against the whole valleys beside it, in pixels
// (ISO/IEC 29794-4:2024, 6.2.5). Ridges and valleys part where the profile crosses the line that fits it
// best, so that ink which fades to one side makes no ridge thicker.
func uniformity(profile *[profileLength]float64) (r ratios) {
	const middle = (profileLength - 1) / 2.0
	var mean, slope, squares float64
	for i, v := range profile {
		at := float64(i) - middle
		mean, slope, squares = mean+v/profileLength, slope+v*at, squares+at*at
	}
	slope /= squares
	dark := func(i int) bool { return profile[i] < mean+slope*(float64(i)-middle) }
	var edge, width float64 // where the last crossing is, and how far it is from the one before
	for i := 1; i < profileLength; i++ {
		if dark(i-1) == dark(i) {
			continue
		}
		next := float64(i) - edge
		if width > 0 {
			ratio := width / next // of a ridge to the valley that ends here
			if dark(i - 1) {
				ratio = next / width
			}
			r.add(ratios{1, ratio, ratio * ratio})
		}
		if edge > 0 {
			width = next
		}
		edge = float64(i)
	}
	return r
}

// leastFlow is the change of direction that costs nothing, in radians: ridges are curved.
const leastFlow = 4 * math.Pi / 180

// flows is the orientation flow of each block (ISO/IEC 29794-4:2024, 6.2.6): 1 where the
// ridges about it keep its direction, 0 where they all cross it. It is taken on squares of 32 x
// 32 pixels, four blocks with the block their upper left one, and answers -1 where one of the
// eight squares about it is not of the print.
func (f field) flows(print mask) []float64 {
	angle, out := make([]float64, len(f.blocks)), make([]float64, len(f.blocks))
	for i := range f.blocks {
		angle[i], out[i] = f.along(i, print), -1
	}
	for y := 2; y < f.h-2; y++ {
		for x := 2; x < f.w-2; x++ {
			out[y*f.w+x] = f.flow(angle, y*f.w+x)
		}
	}
	return out
}

func (f field) flow(angle []float64, i int) float64 {
	var sum float64
	for dy := -2; dy <= 2; dy += 2 {
		for dx := -2; dx <= 2; dx += 2 {
			turn := math.Abs(angle[i] - angle[i+dy*f.w+dx])
			if math.IsNaN(turn) {
				return -1
			}
			sum += min(turn, math.Pi-turn)
		}
	}
	return 1 - max(0, sum/8-leastFlow)/(math.Pi/2-leastFlow)
}

// along is the direction of the ridges of the square of four blocks at i, 0 to pi; not a number
// where not all of it is of the print.
func (f field) along(i int, print mask) float64 {
	if i%f.w+1 >= f.w || i/f.w+1 >= f.h {
		return math.NaN()
	}
	var xx, yy, xy float64
	for _, k := range [4]int{i, i + 1, i + f.w, i + f.w + 1} {
		if !print.on[k] {
			return math.NaN()
		}
		xx, yy, xy = xx+f.blocks[k].gxx, yy+f.blocks[k].gyy, xy+f.blocks[k].gxy
	}
	a := 0.5 * math.Atan2(-2*xy, yy-xx)
	if a < 0 {
		a += math.Pi
	}
	return a
}
