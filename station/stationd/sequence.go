package main

import (
	"fmt"
	"io"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/station"
)

// fingerSequenceCmd holds the thirteen captures of a record against each other.
type fingerSequenceCmd struct {
	Record string `arg:"" type:"existingfile" help:"Record with the prints (see card record)."`
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
	r, err := loadRecord(c.Record)
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
		one := finger.SequenceCapture{Position: biometrics.Position(f.Position), Rolled: f.Rolled, Image: img.Image, PPI: frame.PPI}
		for _, m := range r.Missing[f.Slot] {
			one.Missing = append(one.Missing, biometrics.Position(m.Position))
		}
		captures, slots = append(captures, one), append(slots, f.Slot)
	}
	findings, err := finger.Sequence(captures)
	if err != nil {
		return station.Errorf(station.Correct, "sequence check: %w", err)
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
		if findings.Clear() {
			fmt.Fprintf(w, "%d captures: hands and fingers are where they should be\n", len(captures))
		}
	}); err != nil {
		return err
	}
	if !findings.Clear() {
		return exit(exitNotValid)
	}
	return nil
}
