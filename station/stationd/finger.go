package main

import (
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/wsq"
	"cardstation/station"
)

// fingerCmd groups what works on fingerprint images without a station. An image is a
// PNG, a JPEG or a WSQ.
type fingerCmd struct {
	Decode   fingerDecodeCmd   `cmd:"" help:"Turn a WSQ or JPEG 2000 file into a PNG."`
	Encode   fingerEncodeCmd   `cmd:"" help:"Turn an image into a WSQ file and say what it lost."`
	Assess   fingerAssessCmd   `cmd:"" help:"Hold a print against the desk's gate: exit 0 accepted, 3 refused."`
	Stitch   fingerStitchCmd   `cmd:"" help:"Make one print out of the frames of a rolling finger, and hold it against the desk's gate: exit 0 accepted, 3 refused."`
	Minutiae fingerMinutiaeCmd `cmd:"" help:"List a print's minutiae, or write them as a template."`
	Match    fingerMatchCmd    `cmd:"" help:"Compare two prints or templates and print the score."`
	Segment  fingerSegmentCmd  `cmd:"" help:"Cut the fingers out of a picture of several."`
	Sequence fingerSequenceCmd `cmd:"" help:"Hold the thirteen captures of a record against each other: exit 3 where hands or fingers are swapped or repeated."`
}

// position is a finger position on the command line: its code in ISO/IEC 19794-4, or
// its name as in right-index, left-four, two-thumbs.
type position struct{ biometrics.Position }

// slug is a position's name in one word.
func slug(p biometrics.Position) string {
	name, _, _ := strings.Cut(p.String(), " finger")
	return strings.ReplaceAll(name, " ", "-")
}

// UnmarshalText reads a code or a name.
func (p *position) UnmarshalText(text []byte) error {
	for c := biometrics.RightThumb; c <= biometrics.BothThumbs; c++ {
		if c.Fingers() != nil && (slug(c) == string(text) || strconv.Itoa(int(c)) == string(text)) {
			p.Position = c
			return nil
		}
	}
	return fmt.Errorf("%q is no finger position: 1 to 10, 13, 14, 15, or a name such as right-thumb, left-four, two-thumbs", text)
}

// loadPrint reads an image; a ppi other than 0 goes over what its file says.
func loadPrint(path string, ppi int) (biometrics.Image, error) {
	if ppi < 0 {
		return biometrics.Image{}, station.Errorf(station.Correct, "--ppi %d: pixels per inch are above 0", ppi)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return biometrics.Image{}, &station.Error{Kind: station.Correct, What: "read image", Err: err}
	}
	img, err := biometrics.Decode(data)
	if err != nil {
		return img, &station.Error{Kind: station.Correct, What: "image " + path, Err: err, Hint: biometrics.Remedy(err)}
	}
	if ppi != 0 {
		img.PPI = ppi
	}
	return img, nil
}

// sizeHint is what to do where a file does not say its resolution.
func sizeHint(img biometrics.Image) string {
	if img.PPI == 0 {
		return "the file does not say its resolution: give it with --ppi"
	}
	return ""
}

// savePNG writes a picture where only its owner reads it.
func savePNG(path string, img image.Image, ppi int) error {
	data, err := biometrics.EncodePNG(img, ppi)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// shownPPI says a resolution in words.
func shownPPI(ppi int) string {
	if ppi == 0 {
		return "resolution not said"
	}
	return fmt.Sprintf("%d ppi", ppi)
}

type fingerDecodeCmd struct {
	In  string `arg:"" type:"existingfile" help:"WSQ or JPEG 2000 file."`
	Out string `arg:"" help:"PNG file."`
}

func (c *fingerDecodeCmd) Run(s *session) error {
	img, err := loadPrint(c.In, 0)
	if err != nil {
		return err
	}
	if img.Media != biometrics.WSQ && img.Media != biometrics.JPEG2000 {
		return &station.Error{Kind: station.Correct, What: c.In + " is " + img.Media + ", not WSQ or JPEG 2000", Hint: "stationd finger encode makes a WSQ"}
	}
	if err := savePNG(c.Out, img, img.PPI); err != nil {
		return err
	}
	size := img.Bounds()
	return s.show(map[string]any{"file": c.Out, "width": size.Dx(), "height": size.Dy(), "ppi": img.PPI}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d x %d pixels, %s\n", c.Out, size.Dx(), size.Dy(), shownPPI(img.PPI))
	})
}

type fingerEncodeCmd struct {
	In  string `arg:"" type:"existingfile" help:"Image; its grey is taken."`
	Out string `arg:"" help:"WSQ file."`
	BPP rate   `name:"bpp" default:"0.75" help:"Bits a pixel to aim at: 0.75 is the FBI's (about 15 to 1), 2.25 loses less (about 5 to 1); up to 10."`
	PPI int    `name:"ppi" help:"Pixels per inch, over what the file says."`
}

// rate is bits a pixel on the command line; what is too much, the codec says.
type rate float64

// Validate refuses what is no rate: kong asks it.
func (r rate) Validate() error {
	if !(r > 0) {
		return errors.New("bits a pixel are above 0")
	}
	return nil
}

func (c *fingerEncodeCmd) Run(s *session) error {
	img, err := loadPrint(c.In, c.PPI)
	if err != nil {
		return err
	}
	grey := biometrics.Grey(img)
	data, err := wsq.Encode(grey, wsq.Options{Rate: float64(c.BPP), PPI: img.PPI})
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "encode " + c.In, Err: err}
	}
	back, err := wsq.Decode(data)
	if err != nil {
		return fmt.Errorf("read back what was encoded: %w", err)
	}
	if err := os.WriteFile(c.Out, data, 0o600); err != nil {
		return err
	}
	pixels := len(back.Pix.Pix)
	bpp, loss := 8*float64(len(data))/float64(pixels), psnr(grey, back.Pix)
	result := map[string]any{"file": c.Out, "bytes": len(data), "bitsPerPixel": bpp, "ppi": img.PPI}
	text := "without loss"
	if !math.IsInf(loss, 1) {
		result["psnr"], text = loss, fmt.Sprintf("PSNR %.1f dB", loss)
	}
	return s.show(result, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d bytes, %.2f bits a pixel (1 to %.1f), %s, %s\n", c.Out, len(data), bpp, float64(pixels)/float64(len(data)), text, shownPPI(img.PPI))
	})
}

// psnr is the peak signal-to-noise ratio of two grey pictures of one size, in dB;
// infinite where they are the same.
func psnr(a, b *image.Gray) float64 {
	var sum float64
	size := b.Bounds()
	for y := range size.Dy() {
		for x := range size.Dx() {
			d := float64(a.Pix[y*a.Stride+x]) - float64(b.Pix[y*b.Stride+x])
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*float64(size.Dx()*size.Dy())/sum)
}

type fingerAssessCmd struct {
	In       string   `arg:"" type:"existingfile" help:"Image of one finger, or of several by --position."`
	Position position `default:"right-index" help:"Finger position, a code or a name: 2, right-index, right-four, two-thumbs."`
	Rolled   bool     `help:"The finger was rolled from nail to nail."`
	Missing  int      `help:"How many fingers of the position are not there."`
	PPI      int      `name:"ppi" help:"Pixels per inch, over what the file says."`
	PNG      string   `name:"png" placeholder:"FILE" help:"Picture with the quality drawn over the print, red bad to green good, cores as rings, deltas as triangles."`
	Blocks   string   `placeholder:"FILE" help:"CSV file of what was measured on each block, with its corner in pixels of the picture."`
}

// assessment is what `finger assess --json` prints.
type assessment struct {
	Accepted   bool             `json:"accepted"`
	Score      int              `json:"score"`
	Sentence   string           `json:"sentence,omitempty"`
	Faults     []shownReason    `json:"faults"`
	Advice     []shownReason    `json:"advice,omitempty"`
	Components []shownComponent `json:"components"`
}

type shownReason struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

type shownComponent struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

func assessmentOf(q biometrics.Quality) assessment {
	a := assessment{Accepted: q.Accepted(), Score: q.Score, Sentence: q.Sentence(), Faults: []shownReason{}}
	for _, f := range q.Faults {
		a.Faults = append(a.Faults, shownReason(f))
	}
	for _, f := range q.Advice {
		a.Advice = append(a.Advice, shownReason(f))
	}
	for _, c := range q.Components {
		a.Components = append(a.Components, shownComponent(c))
	}
	return a
}

func (c *fingerAssessCmd) Run(s *session) error {
	img, err := loadPrint(c.In, c.PPI)
	if err != nil {
		return err
	}
	gate := finger.Assessor{Position: c.Position.Position, Impression: biometrics.LivePlain, PPI: img.PPI, Missing: c.Missing}
	if c.Rolled {
		gate.Impression = biometrics.LiveRolled
	}
	q, quality, err := gate.Inspect(img.Image)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "assess " + c.In, Err: err}
	}
	if c.PNG != "" {
		drawn := newSketch(img)
		drawn.quality(quality)
		if err := savePNG(c.PNG, drawn, img.PPI); err != nil {
			return err
		}
	}
	if c.Blocks != "" {
		if err := os.WriteFile(c.Blocks, blocksCSV(quality), 0o600); err != nil {
			return err
		}
	}
	return s.verdict(q, img.PPI, assessmentOf(q), func(io.Writer) {})
}

// blocksCSV lists the blocks that a finger covers.
func blocksCSV(m finger.Map) []byte {
	out := []byte("x,y,quality,orientation-certainty,clarity,local-clarity,contrast,ridge-period-mm,ridge-valley-ratio,orientation-flow\n")
	for i, v := range m.Value {
		if b := m.Measures[i]; v >= 0 {
			out = fmt.Appendf(out, "%d,%d,%d,%.3f,%.3f,%.3f,%.1f,%.3f,%.3f,%.3f\n", i%m.W*m.Block, i/m.W*m.Block, v, b.Certainty, b.Clarity, b.Local, b.Contrast, b.Period, b.Ratio, b.Flow)
		}
	}
	return out
}

// verdict prints a judgement, as JSON or, after what comes before it, in words; refused is
// exit 3.
func (s *session) verdict(q biometrics.Quality, ppi int, asJSON any, before func(io.Writer)) error {
	err := s.show(asJSON, func(w io.Writer) {
		before(w)
		for _, m := range q.Components {
			fmt.Fprintf(w, "  %-24s %8.2f %s\n", m.Name, m.Value, m.Unit)
		}
		for _, f := range slices.Concat(q.Faults, q.Advice) {
			fmt.Fprintf(w, "  %-24s %s\n", f.Code, f.Text)
		}
		verdict := "accepted"
		if !q.Accepted() {
			verdict = "refused"
		}
		fmt.Fprintf(w, "%s: score %d, %s\n", verdict, q.Score, shownPPI(ppi))
		if said := q.Sentence(); said != "" {
			fmt.Fprintln(w, said)
		}
	})
	if err == nil && !q.Accepted() {
		return exit(exitNotValid)
	}
	return err
}

type fingerSegmentCmd struct {
	In       string   `arg:"" type:"existingfile" help:"Picture of several fingers."`
	Out      string   `arg:"" placeholder:"DIR" help:"Folder for one PNG a finger."`
	Position position `required:"" help:"right-four, left-four or two-thumbs."`
	Missing  []int    `help:"Fingers that are not there, 1 to 10."`
	PPI      int      `name:"ppi" help:"Pixels per inch, over what the file says."`
	PNG      string   `name:"png" placeholder:"FILE" help:"Picture of the whole with the boxes drawn in."`
}

// cutFinger is one finger as `finger segment` prints it; the box is in pixels from the
// picture's upper left corner.
type cutFinger struct {
	Position int     `json:"position"`
	Name     string  `json:"name"`
	File     string  `json:"file"`
	Left     int     `json:"left"`
	Top      int     `json:"top"`
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Angle    float64 `json:"angle"`
	Opens    float64 `json:"opens,omitempty"` // see finger.Segment
}

func (c *fingerSegmentCmd) Run(s *session) error {
	img, err := loadPrint(c.In, c.PPI)
	if err != nil {
		return err
	}
	for _, p := range c.Missing {
		if !slices.Contains(c.Position.Fingers(), biometrics.Position(p)) {
			return &station.Error{Kind: station.Correct, What: fmt.Sprintf("--missing %d", p), Err: fmt.Errorf("no finger of %v", c.Position.Position),
				Hint: "fingers are 1 right thumb to 5 right little finger, 6 left thumb to 10 left little finger"}
		}
	}
	expected := slices.DeleteFunc(c.Position.Fingers(), func(p biometrics.Position) bool { return slices.Contains(c.Missing, int(p)) })
	segments, err := finger.Find(img, img.PPI, expected)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: c.In, Err: err, Hint: sizeHint(img)}
	}
	if err := os.MkdirAll(c.Out, 0o700); err != nil {
		return err
	}
	drawn := newSketch(img)
	var all []cutFinger
	for _, f := range segments {
		drawn.box(f.Box.Sub(img.Bounds().Min), red)
		one := cutFinger{int(f.Position), f.Position.String(), filepath.Join(c.Out, slug(f.Position)+".png"),
			f.Box.Min.X - img.Bounds().Min.X, f.Box.Min.Y - img.Bounds().Min.Y, f.Box.Dx(), f.Box.Dy(), f.Angle, f.Opens}
		if err := savePNG(one.File, f.Cut(img), img.PPI); err != nil {
			return err
		}
		all = append(all, one)
	}
	if c.PNG != "" {
		if err := savePNG(c.PNG, drawn, img.PPI); err != nil {
			return err
		}
	}
	return s.show(all, func(w io.Writer) {
		for _, f := range all {
			fmt.Fprintf(w, "%s: %s, %d x %d pixels at %d, %d, leans %+.0f degrees\n", f.File, f.Name, f.Width, f.Height, f.Left, f.Top, f.Angle)
		}
		if odds := finger.RightHand(segments); odds != 0 {
			hand := map[bool]string{true: "right", false: "left"}[odds > 0]
			fmt.Fprintf(w, "by its loops it is the %s hand, at %.0f to 1\n", hand, math.Exp(math.Abs(odds)))
		}
	})
}
