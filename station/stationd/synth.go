package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cardstation/biometrics/synth"
	"cardstation/station"
)

// synthCmd groups what makes prints of nobody.
type synthCmd struct {
	Hand   synthHandCmd   `cmd:"" help:"Make the thirteen captures of a person who does not exist."`
	Finger synthFingerCmd `cmd:"" help:"Make one capture of such a person."`
	Roll   synthRollCmd   `cmd:"" help:"Make the frames of a scanner under such a person's rolling finger."`
	Report synthReportCmd `cmd:"" help:"Compare the prints of many such fingers and draw how often the station errs, a DET curve."`

	Scanner synthScannerCmd `cmd:"" help:"Be a fingerprint scanner or an iris camera behind SBI, for a station to find, and do wrong what is typed."`
}

type synthHandCmd struct {
	Dir  string `arg:"" help:"Folder for thirteen PNG files."`
	Seed uint64 `default:"1" help:"Another number makes another person."`
}

func (c *synthHandCmd) Run(s *session) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	var files []string
	for i, capture := range synth.Captures(c.Seed) {
		path := filepath.Join(c.Dir, string(station.FingerSlots[i].Slot)+".png")
		if err := os.WriteFile(path, capture.PNG, 0o600); err != nil {
			return err
		}
		files = append(files, path)
	}
	return s.show(map[string]any{"files": files, "simulated": true}, func(w io.Writer) {
		for _, f := range files {
			fmt.Fprintln(w, f)
		}
		fmt.Fprintf(w, "%d synthetic captures at %d ppi, of no person\n", len(files), synth.PPI)
	})
}

type synthFingerCmd struct {
	Out      string   `arg:"" help:"PNG file."`
	Seed     uint64   `default:"1" help:"Another number makes another person."`
	Position position `default:"right-index" help:"Finger position, a code or a name: 2, right-index, right-four, two-thumbs."`
	Plain    bool     `help:"Laid flat; otherwise a single finger is rolled."`
	Attempt  uint64   `help:"Another number is another time that the same finger is put down."`
	Hard     uint64   `placeholder:"SEED" help:"Make a single finger's print hard to read: partial, dry, wet, scarred, smudged, written over and so on, as this number has it; 0 makes a good one."`
}

func (c *synthFingerCmd) Run(s *session) error {
	rolled := !c.Plain && len(c.Position.Fingers()) == 1
	hands := synth.Grow(c.Seed)
	made := hands.Capture(c.Position.Position, rolled, c.Attempt)
	if c.Hard != 0 {
		if len(c.Position.Fingers()) != 1 {
			return &station.Error{Kind: station.Correct, What: "make a hard print of the " + c.Position.String(), Hint: "give one finger"}
		}
		made = hands.Worn(c.Position.Position, rolled, c.Attempt, synth.Hard(c.Hard))
	}
	if err := os.WriteFile(c.Out, made.PNG, 0o600); err != nil {
		return err
	}
	return s.show(map[string]any{"file": c.Out, "position": int(c.Position.Position), "rolled": rolled, "ppi": synth.PPI, "simulated": true}, func(w io.Writer) {
		how := "plain"
		if rolled {
			how = "rolled"
		}
		fmt.Fprintf(w, "%s: synthetic %s %s at %d ppi, of no person\n", c.Out, how, c.Position.Position, synth.PPI)
	})
}

type synthRollCmd struct {
	Dir      string   `arg:"" help:"Folder for the frames, 15 a second."`
	Seed     uint64   `default:"1" help:"Another number makes another person."`
	Position position `default:"right-index" help:"Finger position, a code or a name: 2, right-index."`
	Attempt  uint64   `help:"Another number is another time that the same finger is rolled."`
	Leftward bool     `help:"Roll to the left."`
	Slide    float64  `help:"Pixels by which the finger slides halfway."`
	Lift     bool     `help:"The finger leaves the scanner halfway."`
	Back     bool     `help:"The finger rolls back halfway."`
	Speed    float64  `default:"1" help:"Of the usual two seconds a roll, 0.1 to 20."`
	Share    float64  `default:"1" help:"Of the way from nail to nail, 0.1 to 1."`
}

func (c *synthRollCmd) Run(s *session) error {
	if len(c.Position.Fingers()) != 1 || c.Speed < 0.1 || c.Speed > 20 || c.Share < 0.1 || c.Share > 1 {
		return &station.Error{Kind: station.Correct, What: "roll " + c.Position.String(), Hint: "give one finger, a --speed of 0.1 to 20 and a --share of 0.1 to 1"}
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	made := synth.Grow(c.Seed).Roll(c.Position.Position, c.Attempt, synth.Motion{Leftward: c.Leftward, Slide: c.Slide, Lift: c.Lift, Back: c.Back, Speed: c.Speed, Share: c.Share})
	for i := range made.Frames {
		if err := os.WriteFile(filepath.Join(c.Dir, fmt.Sprintf("%03d.png", i)), made.PNG(i), 0o600); err != nil {
			return err
		}
	}
	return s.show(map[string]any{"folder": c.Dir, "frames": len(made.Frames), "position": int(c.Position.Position), "ppi": synth.PPI, "simulated": true}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d synthetic frames of the %s at %d ppi, of no person\n", c.Dir, len(made.Frames), c.Position.Position, synth.PPI)
	})
}
