package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/devices/capture"
	"cardstation/station"
)

// fingerSequenceCmd holds the thirteen captures of a record against each other.
type fingerSequenceCmd struct {
	Record string `arg:"" type:"path" help:"Record with the prints (see card record), its folder, or a folder of files named by their captures: plain-right-four.wsq, rolled-left-thumb.png."`
	PPI    int    `name:"ppi" help:"Resolution of the files of a folder that do not say it."`
}

// load reads the record. A folder without one is a record of the files in it.
func (c *fingerSequenceCmd) load() (record, error) {
	info, err := os.Stat(c.Record)
	if err != nil {
		return record{}, &station.Error{Kind: station.Correct, What: "read record", Err: err}
	}
	path := filepath.Join(c.Record, "record.json")
	if !info.IsDir() {
		path = c.Record
	} else if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return c.folder()
	}
	return loadRecord(path)
}

// folder is a record of the prints that have their captures' names.
func (c *fingerSequenceCmd) folder() (record, error) {
	const hint = "name each file by its capture, as plain-right-four.wsq or rolled-left-thumb.png"
	r := record{PPI: c.PPI, frames: map[station.Slot]capture.Frame{}}
	files, err := os.ReadDir(c.Record)
	if err != nil {
		return r, &station.Error{Kind: station.Correct, What: "read folder", Err: err}
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), filepath.Ext(f.Name()))
		slot := station.Slot(name)
		switch _, twice := r.frames[slot]; {
		case twice:
			return r, station.Errorf(station.Correct, "%s: several files, one is wanted", slot)
		case !slices.ContainsFunc(station.FingerSlots[:], func(f station.FingerSlot) bool { return f.Slot == slot }):
			if strings.HasPrefix(name, "plain-") || strings.HasPrefix(name, "rolled-") {
				return r, &station.Error{Kind: station.Correct, What: filepath.Join(c.Record, f.Name()), Err: errors.New("no capture has this name"), Hint: hint}
			}
			continue
		}
		if r.frames[slot], err = r.frame(c.Record, paths{f.Name()}, c.PPI); err != nil {
			return r, err
		}
	}
	if len(r.frames) == 0 {
		return r, &station.Error{Kind: station.Correct, What: "no print in " + c.Record, Hint: hint}
	}
	return r, nil
}

// sequenceRow is one finding, with the captures to take again by name.
type sequenceRow struct {
	Code     string         `json:"code"`
	Captures []station.Slot `json:"captures"`
	Text     string         `json:"text"`
}

// Run exits 3 where a hand or finger is not the one it should be; what could not be
// told is shown and does not count.
func (c *fingerSequenceCmd) Run(s *session) error {
	r, err := c.load()
	if err != nil {
		return err
	}
	var captures []finger.SequenceCapture
	var slots []station.Slot
	for _, f := range station.FingerSlots {
		frame, ok := r.frames[f.Slot]
		if !ok {
			continue
		}
		img, err := biometrics.Decode(frame.Data)
		if err != nil {
			return station.Errorf(station.Correct, "%s: %w", f.Slot, err)
		}
		if frame.PPI == 0 {
			return &station.Error{Kind: station.Correct, What: string(f.Slot), Err: errors.New("the file does not say its resolution"),
				Hint: `give it with --ppi for the files of a folder, with "ppi" in a record`}
		}
		one := finger.SequenceCapture{Position: biometrics.Position(f.Position), Rolled: f.Rolled, Image: img.Image, PPI: frame.PPI}
		for _, m := range r.Missing[f.Slot] {
			one.Missing = append(one.Missing, biometrics.Position(m.Position))
		}
		captures, slots = append(captures, one), append(slots, f.Slot)
	}
	findings, err := finger.Sequence(captures)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: c.Record, Err: err}
	}
	rows := make([]sequenceRow, 0, len(findings))
	for _, f := range findings {
		row := sequenceRow{Code: f.Code, Text: f.Text}
		for _, i := range f.Captures {
			row.Captures = append(row.Captures, slots[i])
		}
		rows = append(rows, row)
	}
	if err := s.show(rows, func(w io.Writer) {
		for _, row := range rows {
			fmt.Fprintf(w, "%s: %s %v\n", row.Code, row.Text, row.Captures)
		}
		switch {
		case len(findings) == 0:
			fmt.Fprintf(w, "%d captures: hands and fingers are where they should be\n", len(captures))
		case findings.Clear():
			fmt.Fprintf(w, "%d captures: no hand or finger is known to be elsewhere than it should be\n", len(captures))
		}
	}); err != nil {
		return err
	}
	if !findings.Clear() {
		return exit(exitNotValid)
	}
	return nil
}
