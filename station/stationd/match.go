package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/station"
)

type fingerMinutiaeCmd struct {
	In       string   `arg:"" type:"existingfile" help:"Image of one finger."`
	Position position `default:"right-index" help:"Finger position to write into the template."`
	Rolled   bool     `help:"The finger was rolled from nail to nail."`
	PPI      int      `name:"ppi" help:"Pixels per inch, over what the file says."`
	Template string   `placeholder:"FILE" help:"Write them as a template."`
	Form     string   `enum:"iso2005,iso2011,compact" default:"iso2005" help:"Of the template: ISO/IEC 19794-2 of 2005 or 2011, or the station's own."`
	PNG      string   `name:"png" placeholder:"FILE" help:"Picture of the print with the minutiae drawn in."`
}

// minutia is one as `finger minutiae` prints it: pixels at 500 ppi from the upper
// left corner, degrees counter-clockwise from the right.
type minutia struct {
	X       int    `json:"x"`
	Y       int    `json:"y"`
	Angle   int    `json:"angle"`
	Kind    string `json:"kind"`
	Quality int    `json:"quality"`
}

var kindNames = map[finger.Kind]string{finger.Ending: "ending", finger.Bifurcation: "fork", finger.OtherKind: "other"}

func (c *fingerMinutiaeCmd) Run(s *session) error {
	img, err := loadPrint(c.In, c.PPI)
	if err != nil {
		return err
	}
	t, err := finger.Extract(img, img.PPI)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: c.In, Err: err, Hint: sizeHint(img)}
	}
	t.Position = c.Position.Position
	if c.Rolled {
		t.Impression = biometrics.LiveRolled
	}
	if err := c.save(t, img); err != nil {
		return err
	}
	all := []minutia{}
	for _, m := range t.Minutiae {
		all = append(all, minutia{m.X, m.Y, (int(m.Angle)*360 + 128) / 256, kindNames[m.Kind], int(m.Quality)})
	}
	return s.show(map[string]any{"width": t.Width, "height": t.Height, "quality": t.Quality, "minutiae": all}, func(w io.Writer) {
		for _, m := range all {
			fmt.Fprintf(w, "%5d %5d %4d  %-6s %3d\n", m.X, m.Y, m.Angle, m.Kind, m.Quality)
		}
		fmt.Fprintf(w, "%d minutiae, quality %d\n", len(all), t.Quality)
	})
}

// save writes the template and the picture that were asked for.
func (c *fingerMinutiaeCmd) save(t finger.Template, img biometrics.Image) error {
	if c.Template != "" {
		var data []byte
		var err error
		switch c.Form {
		case "iso2005":
			data, err = finger.EncodeISO2005(t)
		case "iso2011":
			data, err = finger.EncodeISO2011(time.Time{}, t)
		default:
			data, err = t.MarshalBinary()
		}
		if err == nil {
			err = os.WriteFile(c.Template, data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	if c.PNG == "" {
		return nil
	}
	drawn := newSketch(img)
	for _, m := range t.Minutiae {
		drawn.minutia(m, image.Point{}, scaleOf(img, t))
	}
	return savePNG(c.PNG, drawn, img.PPI)
}

// scaleOf is how many of the picture's pixels are one of the template's.
func scaleOf(img image.Image, t finger.Template) int {
	return max(1, img.Bounds().Dx()/max(1, t.Width))
}

type fingerMatchCmd struct {
	A   string `arg:"" type:"existingfile" help:"Image or template."`
	B   string `arg:"" type:"existingfile" help:"Image or template."`
	PPI int    `name:"ppi" help:"Pixels per inch of images, over what their files say."`
	PNG string `name:"png" placeholder:"FILE" help:"Picture of both prints with what they have in common."`
}

func (c *fingerMatchCmd) Run(s *session) error {
	var sides [2]side
	for i, path := range []string{c.A, c.B} {
		var err error
		if sides[i], err = loadSide(path, c.PPI); err != nil {
			return err
		}
	}
	found := finger.NewPrint(sides[0].template).Compare(finger.NewPrint(sides[1].template))
	if c.PNG != "" {
		if err := drawMatch(c.PNG, sides, found.Pairs); err != nil {
			return err
		}
	}
	same := found.Score >= finger.SameFinger
	return s.show(map[string]any{"score": found.Score, "pairs": len(found.Pairs), "sameFinger": same}, func(w io.Writer) {
		text := "not held for one finger's"
		if same {
			text = "held for one finger's"
		}
		fmt.Fprintf(w, "score %.1f, %d minutiae in common: %s (from %g on)\n", found.Score, len(found.Pairs), text, finger.SameFinger)
	})
}

// side is one of the two that are compared.
type side struct {
	template finger.Template
	img      image.Image // nil where only a template was given
}

// loadSide reads an image or a template of either form, by its content.
func loadSide(path string, ppi int) (side, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return side{}, &station.Error{Kind: station.Correct, What: "read print", Err: err}
	}
	if bytes.HasPrefix(data, []byte("FMR\x00")) { // ISO/IEC 19794-2, 8.3.1
		views, err := finger.DecodeISO(data)
		if err == nil && len(views) != 1 {
			err = fmt.Errorf("a record of %d prints, want one", len(views))
		}
		if err != nil {
			return side{}, &station.Error{Kind: station.Correct, What: "template " + path, Err: err}
		}
		return side{template: views[0]}, nil
	}
	var own finger.Template
	if own.UnmarshalBinary(data) == nil {
		return side{template: own}, nil
	}
	img, err := loadPrint(path, ppi)
	if errors.Is(err, biometrics.ErrFormat) {
		err = &station.Error{Kind: station.Correct, Err: err, Hint: "give an image (" + biometrics.Formats + ") or a template (ISO/IEC 19794-2 or the station's own)"}
	}
	if err != nil {
		return side{}, err
	}
	t, err := finger.Extract(img, img.PPI)
	if err != nil {
		return side{}, &station.Error{Kind: station.Correct, What: path, Err: err, Hint: sizeHint(img)}
	}
	return side{t, img}, nil
}

// drawMatch lays both prints side by side and joins what they have in common.
func drawMatch(path string, sides [2]side, pairs []finger.Pair) error {
	a, b := sides[0], sides[1]
	if a.img == nil || b.img == nil {
		return &station.Error{Kind: station.Correct, What: "draw the comparison of a template", Hint: "--png wants two images"}
	}
	drawn := newSketch(a.img, b.img)
	corner := image.Pt(a.img.Bounds().Dx(), 0)
	for _, p := range pairs {
		m, n := a.template.Minutiae[p.Probe], b.template.Minutiae[p.Reference]
		from, to := scaleOf(a.img, a.template), scaleOf(b.img, b.template)
		drawn.minutia(m, image.Point{}, from)
		drawn.minutia(n, corner, to)
		drawn.line(image.Pt(m.X, m.Y).Mul(from), image.Pt(n.X, n.Y).Mul(to).Add(corner), green)
	}
	return savePNG(path, drawn, 0)
}
