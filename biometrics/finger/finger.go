// Package finger reads fingerprint images.
//
// It judges them (Assessor): is this a print of as many fingers as it should be, at a
// resolution that can be believed, large, clear and evenly inked enough to be kept. The
// measures follow the ideas of ISO/IEC 29794-4 (orientation certainty, ridge-valley clarity,
// frequency, contrast, area) in a form of our own that holds for rolled prints too; the
// score is this project's and no standard's.
//
// It makes one print out of the frames of a rolling finger, and judges it as it rolls (Roll).
//
// It cuts slaps into fingers (Find), finds the minutiae of a finger (Extract), keeps them as
// templates (ISO/IEC 19794-2 of 2005 and 2011, and a compact form) and says whether two
// templates are of one finger (Print.Compare): rolled or plain, turned, shifted and stretched,
// as whole as they happen to be. SameFinger says what a score means. Sequence holds all pictures
// of an enrolment against each other, for hands and fingers that changed places.
package finger

import (
	"fmt"
	"image"
	"math"
	"slices"

	"cardstation/biometrics"
)

// Assessor is the gate for one fingerprint capture. It is a biometrics.Assessor.
type Assessor struct {
	Position   biometrics.Position
	Impression biometrics.Impression
	// PPI is the resolution in pixels per inch as the device or the operator
	// declares it; 0 takes the word of the file (biometrics.Image). 500 and
	// 1000 are accepted, 2 % about them.
	PPI int
	// Missing is how many fingers of Position are not there.
	Missing int
}

// Assess judges a picture of dark ridges on a light ground. Faults have the
// codes colour, resolution-unknown, resolution, resolution-implausible,
// image-size, no-print, inverted, too-few, too-many, print-size, contrast,
// over-inked, unclear and, of rolls only, cut, slid, smeared and double-contact. Advice, which
// refuses nothing, has the codes press-less and press-more and, of rolls only, slid and
// double-contact (where they are less sure), tip-missing and roll-further. An error means that
// Position or Missing make no sense.
//
// Where several apply, the first is what makes the others vain: the device before what lies
// on it, that before how the finger moved, and that before how it was pressed and how far it
// was rolled. Quality.Sentence is its text.
//
// The score is 100 for what is best in each of two: the mean of the local quality (Map) over
// what the fingers cover (70) and the smallest finger's area (30, in full from twice the least
// on). Of a roll the area has 15, and 15 go by how far the roll reaches to the side where it
// ends nearer to the core (the middle, of an arch), from a quarter of the least width to
// three fifths. A picture with advice
// has at most 79, a refused one at most 49.
//
// The measures of ISO/IEC 29794-4 among the components, as medians over the blocks with
// ridges: orientation-certainty is its orientation certainty level, taken over 3 x 3 blocks of
// 16 x 16 pixels; local-clarity is of the kind of its local clarity score (the share of the
// pixels that lie on their ridge's or valley's side of the mean), clarity of its frequency
// domain analysis (the share of a profile's energy in one period). ridge-valley-uniformity is the
// standard deviation of the thickness of ridges to that of the valleys beside them (0 best), ridge-valley-ratio
// its mean, over all blocks with ridges; orientation-flow is the mean over the squares of 32 x 32
// pixels that lie whole inside the print (1 best). None is to be compared with another program's figures.
func (a Assessor) Assess(img image.Image) (biometrics.Quality, error) {
	q, _, err := a.Inspect(img)
	return q, err
}

// Inspect is Assess and gives the quality from place to place too. The map of a picture
// without a print is empty.
func (a Assessor) Inspect(img image.Image) (biometrics.Quality, Map, error) {
	expected := len(a.Position.Fingers()) - a.Missing
	switch {
	case len(a.Position.Fingers()) == 0:
		return biometrics.Quality{}, Map{}, fmt.Errorf("assess %v: no such finger position", a.Position)
	case a.Missing < 0 || expected < 1:
		return biometrics.Quality{}, Map{}, fmt.Errorf("assess %v: %d fingers missing leave nothing to assess", a.Position, a.Missing)
	case img == nil || img.Bounds().Empty():
		return biometrics.Quality{}, Map{}, fmt.Errorf("assess %v: no image", a.Position)
	}
	s := sheet{Assessor: a, expected: expected, limit: limitOf(a.Position, a.Impression)}
	if s.resolution(img) && s.frame(img) && s.colour(img) {
		s.look(img)
	}
	return s.result(), s.chartOf, nil
}

// sheet is one assessment while it is written.
type sheet struct {
	Assessor
	expected int
	limit    limit
	ppi      int // declared
	q        biometrics.Quality
	fingers  []region
	chartOf  Map
	mean     float64 // local quality, 0..1
	spread   float64 // the smallest finger's area, 0 the least .. 1 twice that
	merit    float64 // 0..1
}

func (s *sheet) fault(code, format string, args ...any) {
	s.q.Faults = append(s.q.Faults, biometrics.Fault{Code: code, Text: fmt.Sprintf(format, args...)})
}

func (s *sheet) advise(code, format string, args ...any) {
	s.q.Advice = append(s.q.Advice, biometrics.Fault{Code: code, Text: fmt.Sprintf(format, args...)})
}

func (s *sheet) note(name string, value float64, unit string) {
	s.q.Components = append(s.q.Components, biometrics.Component{Name: name, Value: math.Round(value*100) / 100, Unit: unit})
}

// urgent is the order in which faults and advice are said.
var urgent = []string{
	"resolution-unknown", "resolution", "resolution-implausible", "image-size", "colour", "inverted", "no-print", "too-few", "too-many",
	"lifted", "too-fast", "slid", "smeared", "double-contact", "rolled-back", "over-inked", "contrast", "cut", "print-size", "unclear", "press-less", "press-more", "tip-missing", "roll-further",
}

// result closes the sheet.
func (s *sheet) result() biometrics.Quality {
	first := func(a, b biometrics.Fault) int { return slices.Index(urgent, a.Code) - slices.Index(urgent, b.Code) }
	slices.SortStableFunc(s.q.Faults, first)
	slices.SortStableFunc(s.q.Advice, first)
	s.q.Score = int(math.Round(100 * min(max(s.merit, 0), 1)))
	switch {
	case !s.q.Accepted():
		s.q.Score = min(s.q.Score, 49)
	case len(s.q.Advice) > 0:
		s.q.Score = min(s.q.Score, 79)
	}
	return s.q
}

// resolution takes the declared one and holds it against what is accepted.
func (s *sheet) resolution(img image.Image) bool {
	s.ppi = s.PPI
	if file, ok := img.(biometrics.Image); ok && s.ppi == 0 {
		s.ppi = file.PPI
	}
	s.note("resolution", float64(s.ppi), "ppi")
	switch {
	case s.ppi == 0:
		s.fault("resolution-unknown", "The resolution of this picture is not known: scan it again with a device that declares it, or enter the pixels per inch.")
	case s.ppi >= 490 && s.ppi <= 510, s.ppi >= 980 && s.ppi <= 1020:
		return true
	case s.ppi < 490:
		s.fault("resolution", "The picture has %d pixels per inch, too few: set the scanner to 500 or 1000 and capture again.", s.ppi)
	default:
		s.fault("resolution", "The picture has %d pixels per inch: set the scanner to 500 or 1000 and capture again.", s.ppi)
	}
	return false
}

// half says that the picture is to be brought from 1000 down to 500 ppi.
func (s *sheet) half() bool { return s.ppi > 750 }

// scale is how many pixels of the picture one at 500 ppi is.
func (s *sheet) scale() int {
	if s.half() {
		return 2
	}
	return 1
}

// frame checks the size of the picture.
func (s *sheet) frame(img image.Image) bool {
	perMM := float64(s.ppi) / 25.4
	w, h := float64(img.Bounds().Dx())/perMM, float64(img.Bounds().Dy())/perMM
	s.note("image-width", w, "mm")
	s.note("image-height", h, "mm")
	if w < s.limit.frameW || h < s.limit.frameH {
		s.fault("image-size", "The picture is %.0f x %.0f mm, too small for %v: capture at least %.0f x %.0f mm.", w, h, s.Position, s.limit.frameW, s.limit.frameH)
		s.believable(s.period(measure(s.grey(img)))) // a wrong resolution makes it small
		return false
	}
	return true
}

// mostChroma is the mean colourfulness that a scan of a print stays below.
const mostChroma = 12

// grey is the picture in grey at 500 ppi.
func (s *sheet) grey(img image.Image) *image.Gray {
	g := biometrics.Grey(img)
	if s.half() {
		g = halve(g)
	}
	return g
}

// period is that of the ridges anywhere in a picture, in mm; 0 where there are none.
func (s *sheet) period(f field) float64 {
	var periods []float64
	for i, on := range f.ridges().clean().on {
		if on && f.blocks[i].ridge {
			periods = append(periods, f.blocks[i].period)
		}
	}
	return median(periods) * mm
}

// believable holds the ridges' period against the declared resolution.
func (s *sheet) believable(period float64) {
	if period > 0 && (period < leastPeriod || period > mostPeriod) {
		s.fault("resolution-implausible", "Ridges %.2f mm apart are no finger's: check the resolution of the scanner.", period)
	}
}

func (s *sheet) colour(img image.Image) bool {
	c := biometrics.Chroma(img)
	s.note("colour", c, "")
	if c > mostChroma {
		s.fault("colour", "The picture is in colour, so it is no scan of a print: choose the fingerprint scanner and capture again.")
		return false
	}
	return true
}

// look measures the ridges and judges them.
func (s *sheet) look(img image.Image) {
	g := s.grey(img)
	f := measure(g)
	ridges := f.ridges().clean()
	all := ridges.regions()
	if len(s.Position.Fingers()) > 1 {
		var apart []region
		for _, r := range all {
			apart = append(apart, ridges.split(r, widestFinger)...)
		}
		all = apart
	}
	s.fingers = fingertips(all, f.w)
	black, drowned := s.ink(f, ridges)
	if len(s.fingers) == 0 {
		s.absent(g, drowned)
		return
	}
	if black > mostBlack {
		s.fault("over-inked", "Parts of the print are solid black: use less ink or pressure, or dry the finger, and capture again.")
	}
	s.count()
	whole := f.whole(s.fingers)
	s.chart(f, whole)
	s.sizes()
	s.texture(f)
	if len(s.Position.Fingers()) == 1 {
		s.alone(g, f, whole)
	}
}

// absent says why there is no print at all.
func (s *sheet) absent(g *image.Gray, drowned bool) {
	s.note("fingers", 0, "")
	switch {
	case drowned:
		s.fault("over-inked", "The picture is black where the ridges should be: clean the platen, use less ink or pressure, and capture again.")
	case !s.half() && measure(halve(g)).fingers():
		s.fault("resolution-implausible", "The ridges are twice as wide as they can be at %d pixels per inch: check the resolution of the scanner.", s.ppi)
	default:
		s.fault("no-print", "No finger ridges are seen: place %v on the scanner and capture again.", s.Position)
	}
}

// fingers says whether any are seen.
func (f field) fingers() bool { return len(fingertips(f.ridges().clean().regions(), f.w)) > 0 }

// count holds the number of fingers against the expected one.
func (s *sheet) count() {
	n := len(s.fingers)
	s.note("fingers", float64(n), "")
	switch {
	case n < s.expected:
		s.fault("too-few", "%d of %d fingers are seen: press all of them, spread a little, and capture again.", n, s.expected)
	case n > s.expected && s.expected > 1:
		s.fault("too-many", "%d fingers are seen where %d should be: check the missing fingers and that nothing else touches the scanner.", n, s.expected)
	case n > 1 && s.expected == 1 && s.fingers[1].area() > 0.7*s.fingers[0].area():
		s.fault("too-many", "%d fingers are seen where one should be: place only the %v.", n, s.Position)
	}
	// What is judged further: the fingers expected, the largest ones.
	s.fingers = s.fingers[:min(n, s.expected)]
}

// sizes checks that each finger shows enough of itself.
func (s *sheet) sizes() {
	area, width, height := math.Inf(1), math.Inf(1), math.Inf(1)
	for _, r := range s.fingers {
		area, width, height = min(area, r.area()), min(width, r.width()), min(height, r.height())
	}
	s.note("print-area", area, "mm2")
	s.note("print-width", width, "mm")
	s.note("print-height", height, "mm")
	l := s.limit
	s.spread = ramp(area, l.area, 2*l.area)
	s.merit += 0.7*s.mean + 0.3*s.spread
	switch {
	case width < l.width && s.Impression.Rolled(): // said by roll, which knows the side
	case width < l.width, height < l.height, area < l.area:
		s.fault("print-size", "The print covers only %.0f x %.0f mm: lay the whole pad of each finger flat and capture again (%v).", width, height, s.Position)
	}
}

// texture judges the ridges themselves: period, contrast, clarity.
func (s *sheet) texture(f field) {
	var periods, stds, clarities, means, certainties, locals, duties []float64
	var thick ratios
	for _, r := range s.fingers {
		for _, i := range r.cells {
			if b := f.blocks[i]; b.ridge {
				periods, stds = append(periods, b.period), append(stds, b.std)
				clarities, means = append(clarities, b.clarity), append(means, b.mean)
				certainties, locals, duties = append(certainties, b.ocl()), append(locals, b.local), append(duties, b.duty)
				thick.add(b.ratios)
			}
		}
	}
	period, contrast, clarity, mean := median(periods)*mm, 2*math.Sqrt2*median(stds), median(clarities), median(means)
	local := median(locals)
	s.note("ridge-period", period, "mm")
	s.note("contrast", contrast, "")
	s.note("clarity", clarity, "")
	s.note("brightness", mean, "")
	s.note("orientation-certainty", median(certainties), "")
	s.note("local-clarity", local, "")
	s.note("ridge-share", 100*average(duties), "%")
	s.note("ridge-valley-ratio", thick.mean(), "")
	s.note("ridge-valley-uniformity", thick.spread(), "")
	if p := pressed(average(duties)); p.Code != "" {
		s.q.Advice = append(s.q.Advice, p)
	}
	s.believable(period)
	if contrast < leastContrast {
		s.fault("contrast", "The ridges hardly stand out: moisten a dry finger or press a little more, clean the platen, and capture again.")
	}
	switch {
	case clarity < leastMedianClarity:
		s.fault("unclear", "Ridges and valleys run into each other: clean and dry the finger, hold it still, and capture again.")
	case local < leastLocal:
		s.fault("unclear", "The ridges are lost in grain: clean the platen, set the scanner to its full quality, and capture again.")
	}
	if ground, ok := f.ground(); ok && ground < mean {
		s.fault("inverted", "The ridges are lighter than the ground: set the scanner to dark ridges on white.")
	}
}

// How wide ridges are of ridges and valleys where nothing is to be said: so were all of 210 good
// rolls, and 374 of 420 that were thickened or thinned by a pixel to each side were not.
const leastDuty, mostDuty = 0.37, 0.57

// pressed says by the width of the ridges whether to press more or less; it is empty where
// there is nothing to say.
func pressed(duty float64) biometrics.Fault {
	switch {
	case duty > mostDuty:
		return biometrics.Fault{Code: "press-less", Text: "The ridges are thick and the valleys narrow: press less, or dry the finger."}
	case duty < leastDuty:
		return biometrics.Fault{Code: "press-more", Text: "The ridges are thin or broken: press a little more, or moisten the finger."}
	}
	return biometrics.Fault{}
}

// ink measures what is black without ridges in it: its share of the print, and
// whether it could itself be a print that drowned. A picture of something else
// has at least as much that is neither black nor white.
func (s *sheet) ink(f field, ridges mask) (share float64, drowned bool) {
	var black, clear, between int
	for i, b := range f.blocks {
		switch {
		case ridges.on[i]:
			clear++
		case b.mean < 70 && b.std < 20:
			black++
		case b.mean < 190:
			between++
		}
	}
	share = float64(black) / float64(max(1, black+clear))
	s.note("black-area", 100*share, "%")
	return share, black > between && float64(black)*blockArea > leastBlack
}

// ground is the brightness of what is flat and carries no ridges; not ok where
// there is too little of it to say.
func (f field) ground() (mean float64, ok bool) {
	var flat []float64
	for _, b := range f.blocks {
		if !b.ridge && b.std < 8 {
			flat = append(flat, b.mean)
		}
	}
	return median(flat), len(flat)*10 > len(f.blocks)
}

// ramp is 0 up to from, 1 beyond to, and straight between.
func ramp(v, from, to float64) float64 { return min(max((v-from)/(to-from), 0), 1) }

// median is 0 for nothing.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// average is 0 for nothing.
func average(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(max(1, len(v)))
}

// halve averages 2 x 2 pixels.
func halve(g *image.Gray) *image.Gray {
	w, h := g.Bounds().Dx()/2, g.Bounds().Dy()/2
	out := image.NewGray(image.Rect(0, 0, w, h))
	for y := range h {
		a, b := g.Pix[2*y*g.Stride:], g.Pix[(2*y+1)*g.Stride:]
		for x := range w {
			out.Pix[y*out.Stride+x] = byte((int(a[2*x]) + int(a[2*x+1]) + int(b[2*x]) + int(b[2*x+1]) + 2) / 4)
		}
	}
	return out
}
