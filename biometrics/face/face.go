// Package face finds the face of a portrait, judges whether the portrait can go
// on a card, and crops and encodes it for data group 2 (ISO/IEC 19794-5:2005,
// Doc 9303-9).
//
// It measures what can be measured from the pixels and the place of the pupils:
// number of faces, distance and level of the eyes, room about the head, exposure,
// dynamic range, evenness of the light, colour, background and sharpness. It does
// not claim to see pose, expression, glasses or closed eyes.
package face

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
)

// What an accepted portrait keeps to. The distance of the eyes is the floor of
// ISO/IEC 19794-5:2005, 8.4.1 and the level of the head its 7.2.2; the others are
// this project's own, set so as to refuse what a person would.
const (
	leastEyes       = 90.0 // pixels
	mostRoll        = 8.0  // degrees
	leastBrightness = 55.0 // median grey of the face, 0..255
	mostBrightness  = 225.0
	leastRange      = 45.0 // grey values between the 2nd and 98th percentile of the face
	mostClipped     = 6.0  // percent of the face that is pure white or black
	mostUneven      = 0.15 // difference of the halves of the face over their sum
	leastColour     = 4.0  // mean chroma of the face
	leastSharpness  = 7.0  // mean difference of neighbouring pixels about the eyes
)

// Assessor is the gate for a portrait. It is a biometrics.Assessor.
type Assessor struct{}

// Assess judges a portrait. Faults have the codes no-face, no-eyes, faces,
// eye-distance, tilted, placement, too-dark, too-light, flat, clipped, uneven,
// no-colour and blurred.
func (Assessor) Assess(img image.Image) (biometrics.Quality, error) {
	if img == nil || img.Bounds().Empty() {
		return biometrics.Quality{}, errors.New("assess portrait: no image")
	}
	if i, ok := img.(biometrics.Image); ok {
		img = i.Image
	}
	s := sheet{img: img}
	f, err := Find(img)
	switch {
	case errors.Is(err, ErrNoFace):
		s.fault("no-face", "No face is seen: look straight into the camera, with light from the front.")
	case errors.Is(err, ErrNoEyes):
		s.fault("no-eyes", "The eyes are not seen: look straight into the camera, with both eyes free.")
	case errors.Is(err, ErrFaces):
		s.fault("faces", "More than one face is seen: only one person may be in the picture.")
	case err != nil:
		return biometrics.Quality{}, fmt.Errorf("assess portrait: %w", err)
	default:
		s.face = f
		s.geometry()
		s.light()
		s.sharpness()
		s.background()
	}
	return s.result(), nil
}

// sheet is one assessment while it is written.
type sheet struct {
	img   image.Image
	face  Face
	q     biometrics.Quality
	merit float64 // 0..1
}

func (s *sheet) fault(code, format string, args ...any) {
	s.q.Faults = append(s.q.Faults, biometrics.Fault{Code: code, Text: fmt.Sprintf(format, args...)})
}

func (s *sheet) note(name string, value float64, unit string) {
	s.q.Components = append(s.q.Components, biometrics.Component{Name: name, Value: math.Round(value*100) / 100, Unit: unit})
}

// result closes the sheet: the score of a refused portrait stays in the lower half.
func (s *sheet) result() biometrics.Quality {
	s.q.Score = int(math.Round(100 * min(max(s.merit, 0), 1)))
	if !s.q.Accepted() {
		s.q.Score = min(s.q.Score, 49)
	}
	return s.q
}

// toMend tells what to do where the picture ends too close on a side.
var toMend = map[string]string{
	"top": "leave more room above the head", "bottom": "show the shoulders",
	"left": "move the head towards the middle", "right": "move the head towards the middle",
}

// geometry judges size, level and place of the head.
func (s *sheet) geometry() {
	eyes, roll := s.face.EyeDistance(), s.face.Roll()
	out, side := overhang(s.face.crop(s.img.Bounds()), s.img.Bounds())
	s.note("eye-distance", eyes, "px")
	s.note("roll", roll, "degrees")
	s.note("outside", 100*out, "%")
	s.note("detection", s.face.Score, "")
	s.merit += 0.3*ramp(eyes, leastEyes/2, 120) + 0.2*ramp(mostRoll-math.Abs(roll), 0, 5)
	if eyes < leastEyes {
		s.fault("eye-distance", "The eyes are only %.0f pixels apart, %.0f are needed: come closer or use more of the camera's resolution.", eyes, leastEyes)
	}
	if math.Abs(roll) > mostRoll {
		s.fault("tilted", "The head is tilted by %.0f degrees: hold it upright.", math.Abs(roll))
	}
	if out > mostPadding {
		s.fault("placement", "The picture ends too close to the head: %s, or step back.", toMend[side])
	}
}

// skin is the part of the picture from the brows to the mouth, between the outer
// corners of the eyes.
func (f Face) skin() image.Rectangle {
	d := f.EyeDistance()
	m := f.middle()
	return image.Rect(m.X-int(0.75*d), m.Y-int(0.3*d), m.X+int(0.75*d), m.Y+int(1.3*d))
}

// light judges exposure, range, evenness and colour of the face.
func (s *sheet) light() {
	part := imaging.Crop(s.img, s.face.skin())
	g := biometrics.Grey(part)
	w, h := g.Bounds().Dx(), g.Bounds().Dy()
	if w < 8 || h < 8 {
		s.fault("placement", "The face is not wholly in the picture: move the head towards the middle.")
		return
	}
	var counts [256]int
	var left, right float64
	for y := range h {
		for x, v := range g.Pix[y*g.Stride : y*g.Stride+w] {
			counts[v]++
			switch {
			case x < w/2:
				left += float64(v)
			case x >= w-w/2:
				right += float64(v)
			}
		}
	}
	middle, span := percentile(counts, 0.5), percentile(counts, 0.98)-percentile(counts, 0.02)
	clipped := 100 * float64(counts[0]+counts[1]+counts[254]+counts[255]) / float64(w*h)
	uneven := math.Abs(left-right) / max(1, left+right)
	colour := biometrics.Chroma(part)
	s.note("brightness", middle, "")
	s.note("dynamic-range", span, "")
	s.note("clipped", clipped, "%")
	s.note("unevenness", uneven, "")
	s.note("colour", colour, "")
	s.merit += 0.15*ramp(span, leastRange, 120) + 0.15*ramp(mostUneven-uneven, 0, mostUneven)
	s.exposure(middle, span, clipped)
	if uneven > mostUneven {
		s.fault("uneven", "One half of the face is much darker than the other: turn the light to the front.")
	}
	if colour < leastColour {
		s.fault("no-colour", "The portrait is without colour: set the camera to colour.")
	}
}

func (s *sheet) exposure(middle, span, clipped float64) {
	switch {
	case middle < leastBrightness:
		s.fault("too-dark", "The face is too dark: add light from the front.")
	case middle > mostBrightness:
		s.fault("too-light", "The face is too light: take light away or shorten the exposure.")
	case span < leastRange:
		s.fault("flat", "The face has hardly any contrast: clean the lens and check the light.")
	case clipped > mostClipped:
		s.fault("clipped", "Parts of the face are burnt out or black: soften the light and shorten the exposure.")
	}
}

// percentile finds the grey value below which share of the pixels lie.
func percentile(counts [256]int, share float64) float64 {
	total := 0
	for _, n := range counts {
		total += n
	}
	seen := 0
	for v, n := range counts {
		if seen += n; float64(seen) >= share*float64(total) {
			return float64(v)
		}
	}
	return 255
}

// sharpness judges the detail about the eyes at the size it will have on the
// card: eyes 120 pixels apart, or as they are where they are closer.
func (s *sheet) sharpness() {
	d := s.face.EyeDistance()
	m := s.face.middle()
	part := imaging.Crop(s.img, image.Rect(m.X-int(0.8*d), m.Y-int(0.35*d), m.X+int(0.8*d), m.Y+int(0.3*d)))
	if d > 120 {
		part = imaging.Resize(part, max(1, int(float64(part.Bounds().Dx())*120/d)), 0, imaging.Box)
	}
	g := biometrics.Grey(part)
	w, h := g.Bounds().Dx(), g.Bounds().Dy()
	var strong []float64
	for y := 1; y < h-1; y++ {
		for x := 1; x < w-1; x++ {
			at := y*g.Stride + x
			v := 4*int(g.Pix[at]) - int(g.Pix[at-1]) - int(g.Pix[at+1]) - int(g.Pix[at-g.Stride]) - int(g.Pix[at+g.Stride])
			strong = append(strong, math.Abs(float64(v)))
		}
	}
	sharp := 0.0
	if len(strong) > 0 {
		slices.Sort(strong)
		sharp = strong[len(strong)*95/100]
	}
	s.note("sharpness", sharp, "")
	s.merit += 0.2 * ramp(sharp, leastSharpness, 40)
	if sharp < leastSharpness {
		s.fault("blurred", "The picture is not sharp: hold still, clean the lens and focus on the eyes.")
	}
}

// background notes how even the ground is beside the top of the head. It is a
// figure, not a fault: hair and shadow reach into it.
func (s *sheet) background() {
	r := s.face.crop(s.img.Bounds()).Intersect(s.img.Bounds())
	w, h := r.Dx()/10, r.Dy()/4
	var worst float64
	for _, x := range []int{r.Min.X, r.Max.X - w} {
		g := biometrics.Grey(imaging.Crop(s.img, image.Rect(x, r.Min.Y, x+w, r.Min.Y+h)))
		worst = max(worst, deviation(g))
	}
	s.note("background-deviation", worst, "")
}

// deviation is the standard deviation of the grey values.
func deviation(g *image.Gray) float64 {
	var sum, squares, n float64
	w := g.Bounds().Dx()
	for y := range g.Bounds().Dy() {
		for _, v := range g.Pix[y*g.Stride : y*g.Stride+w] {
			sum += float64(v)
			squares += float64(v) * float64(v)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return math.Sqrt(max(0, squares/n-sum/n*sum/n))
}

// ramp is 0 up to from, 1 beyond to, and straight between.
func ramp(v, from, to float64) float64 { return min(max((v-from)/(to-from), 0), 1) }
