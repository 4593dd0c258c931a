package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"cardstation/biometrics/finger"
	"cardstation/station"
)

type fingerStitchCmd struct {
	Dir      string   `arg:"" type:"existingdir" help:"Folder of the frames alone, in the order of their names: PNG, JPEG, JPEG 2000 or WSQ of one size."`
	Out      string   `arg:"" help:"PNG file for the whole print."`
	Position position `default:"right-index" help:"Finger position, a code or a name: 2, right-index."`
	Rate     float64  `default:"15" help:"Frames a second."`
	PPI      int      `name:"ppi" help:"Pixels per inch, over what the files say."`
	PNG      string   `name:"png" placeholder:"FILE" help:"Picture with the quality drawn over the print, as of assess."`
}

// heard is what was said from a frame on while the finger rolled.
type heard struct {
	Frame   string  `json:"frame"`
	Width   float64 `json:"widthMM"`
	Quality int     `json:"quality"`
	Advice  string  `json:"advice"`
}

// stitched is what `finger stitch --json` prints.
type stitched struct {
	File string  `json:"file"`
	Live []heard `json:"live"`
	assessment
}

func (c *fingerStitchCmd) Run(s *session) error {
	if c.Rate <= 0 {
		return &station.Error{Kind: station.Correct, What: fmt.Sprintf("%g frames a second", c.Rate), Hint: "give more than 0 with --rate"}
	}
	roll, err := finger.NewRoll(c.Position.Position, c.PPI)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "stitch " + c.Dir, Err: err, Hint: "give one finger with --position"}
	}
	said, err := c.roll(roll)
	if err != nil {
		return err
	}
	img, q, quality, err := roll.Finish()
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "stitch " + c.Dir, Err: err, Hint: "give a folder of frames"}
	}
	if err := savePNG(c.Out, img, finger.RollPPI); err != nil {
		return err
	}
	if c.PNG != "" {
		drawn := newSketch(img)
		drawn.quality(quality)
		if err := savePNG(c.PNG, drawn, finger.RollPPI); err != nil {
			return err
		}
	}
	return s.verdict(q, finger.RollPPI, stitched{c.Out, said, assessmentOf(q)}, func(w io.Writer) {
		for _, h := range said {
			fmt.Fprintf(w, "  %-24s %5.1f mm, quality %3d: %s\n", h.Frame, h.Width, h.Quality, h.Advice)
		}
	})
}

// roll adds the frames and gives what was said, each time that it changed.
func (c *fingerStitchCmd) roll(roll *finger.Roll) ([]heard, error) {
	files, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil, err
	}
	said := []heard{}
	for i, f := range files {
		path := filepath.Join(c.Dir, f.Name())
		img, err := loadPrint(path, c.PPI)
		if err != nil {
			return nil, err
		}
		live, err := roll.Add(img, time.Duration(float64(i)/c.Rate*float64(time.Second)))
		if err != nil {
			return nil, &station.Error{Kind: station.Correct, What: path, Err: err, Hint: sizeHint(img)}
		}
		if live.Advice != "" && (len(said) == 0 || said[len(said)-1].Advice != live.Advice) {
			said = append(said, heard{f.Name(), live.Width, live.Quality, live.Advice})
		}
	}
	return said, nil
}
