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
}

func (c *synthFingerCmd) Run(s *session) error {
	rolled := !c.Plain && len(c.Position.Fingers()) == 1
	made := synth.Grow(c.Seed).Capture(c.Position.Position, rolled, c.Attempt)
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
