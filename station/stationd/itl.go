package main

import (
	"fmt"
	"image"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/itl"
	"cardstation/biometrics/wsq"
	"cardstation/station"
)

// itlCmd groups what works on ANSI/NIST-ITL transactions, in which a centre is sent
// fingerprints.
type itlCmd struct {
	Show  itlShowCmd  `cmd:"" help:"Print a transaction, a line a field."`
	Check itlCheckCmd `cmd:"" help:"Name each fault by its field number: exit 0 none, 3 faults."`
	Write itlWriteCmd `cmd:"" help:"Make a transaction of a record, as card issue takes it."`
}

type itlShowCmd struct {
	File string `arg:"" type:"existingfile" help:"Transaction in the traditional encoding."`
}

// shownRecord is a record as `itl show --json` prints it.
type shownRecord struct {
	Type   int          `json:"type"`
	Fields []shownField `json:"fields"`
}

// shownField has the items of each subfield, the numbers of a binary field, or how many
// bytes an image has.
type shownField struct {
	Number int        `json:"number"`
	Name   string     `json:"name,omitempty"`
	Items  [][]string `json:"items,omitempty"`
	Bytes  int        `json:"bytes,omitempty"`
}

func (c *itlShowCmd) Run(s *session) error {
	raw, err := os.ReadFile(c.File)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "read transaction", Err: err}
	}
	t, err := itl.Decode(raw)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "transaction " + c.File, Err: err, Hint: "it must be in the traditional encoding of ANSI/NIST-ITL, not in XML"}
	}
	if !s.json {
		return t.Show(s.out)
	}
	all := []shownRecord{}
	for _, r := range t.Records {
		one := shownRecord{Type: r.Type}
		for i, f := range r.Fields {
			one.Fields = append(one.Fields, shownFieldOf(r, f, i == len(r.Fields)-1))
		}
		all = append(all, one)
	}
	return s.show(all, nil)
}

// shownFieldOf shows a field; an image is the last of its record.
func shownFieldOf(r itl.Record, f itl.Field, last bool) shownField {
	v := shownField{Number: f.Number, Name: itl.Mnemonic(r.Type, f.Number)}
	switch number, small := r.Int(f.Number); {
	case last && r.Data() != nil:
		v.Bytes = len(f.Value)
	case r.Tagged():
		v.Items = f.Subfields()
	case small:
		v.Items = [][]string{{strconv.Itoa(number)}}
	default:
		v.Items = [][]string{nil}
		for _, b := range f.Value {
			v.Items[0] = append(v.Items[0], strconv.Itoa(int(b)))
		}
	}
	return v
}

type itlCheckCmd struct {
	File string `arg:"" type:"existingfile" help:"Transaction in the traditional encoding."`
}

// shownFault is a fault as `itl check --json` prints it.
type shownFault struct {
	Record int    `json:"record"`
	Field  string `json:"field"`
	Text   string `json:"text"`
}

func (c *itlCheckCmd) Run(s *session) error {
	raw, err := os.ReadFile(c.File)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "read transaction", Err: err}
	}
	faults := itl.CheckFile(raw)
	all := []shownFault{}
	for _, f := range faults {
		all = append(all, shownFault{f.Record, f.Field, f.Text})
	}
	err = s.show(map[string]any{"faults": all}, func(w io.Writer) {
		for _, f := range faults {
			fmt.Fprintln(w, f)
		}
		if len(faults) == 0 {
			fmt.Fprintln(w, "no faults")
		}
	})
	if err == nil && len(faults) > 0 {
		return exit(exitNotValid)
	}
	return err
}

type itlWriteCmd struct {
	Record      string  `required:"" type:"existingfile" help:"The citizen: fields and paths of images."`
	Out         string  `arg:"" help:"Transaction to write."`
	Type        string  `default:"ENR" help:"What is asked of the centre, by its own code (1.004)."`
	Destination string  `default:"CENTRE" help:"Agency that it goes to (1.007)."`
	Origin      string  `default:"STATION" help:"Agency that it comes from (1.008)."`
	Control     string  `help:"Its own number (1.009); made of origin and time if not given."`
	BPP         float64 `name:"bpp" default:"0.75" help:"Bits a pixel to aim at where a print is not WSQ yet."`
}

func (c *itlWriteCmd) Run(s *session) error {
	r, err := loadRecord(c.Record)
	if err != nil {
		return err
	}
	e, err := r.transaction(c.BPP)
	if err != nil {
		return err
	}
	e.Type, e.Destination, e.Origin, e.Control, e.At = c.Type, c.Destination, c.Origin, c.Control, time.Now()
	if e.Control == "" {
		e.Control = c.Origin + "-" + e.At.UTC().Format("20060102150405")
	}
	t, err := itl.Build(e)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "transaction of " + c.Record, Err: err}
	}
	raw, err := t.Encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Out, raw, 0o600); err != nil {
		return err
	}
	unboxed := []string{}
	for _, p := range e.Prints {
		if pos := biometrics.Position(p.Position); len(pos.Fingers()) > 1 && p.Segments == nil {
			unboxed = append(unboxed, pos.String())
		}
	}
	result := map[string]any{"file": c.Out, "bytes": len(raw), "control": e.Control, "prints": len(e.Prints), "faces": len(e.Faces), "missing": len(e.Missing), "withoutBoxes": unboxed}
	return s.show(result, func(w io.Writer) {
		for _, name := range unboxed {
			fmt.Fprintf(w, "%s: without boxes, the fingers that should be there could not be told\n", name)
		}
		fmt.Fprintf(w, "%s: %d bytes, %d prints, %d faces, %d fingers missing, number %s\n", c.Out, len(raw), len(e.Prints), len(e.Faces), len(e.Missing), e.Control)
	})
}

// transaction is what a record has to say in a transaction: name, birth date, sex and
// personal number in the Type-2 fields that the FBI's EBTS has for them, the prints
// as WSQ with a box round each finger of a slap, the portrait, the missing fingers.
func (r record) transaction(bpp float64) (itl.Enrolment, error) {
	if r.frames[station.Portrait].Media == biometrics.WSQ {
		return itl.Enrolment{}, &station.Error{Kind: station.Correct, What: "portrait in WSQ, which is for fingers", Hint: "give a PNG or JPEG file"}
	}
	one := func(field int, value string) itl.Detail {
		return itl.Detail{Field: field, Subfields: [][]string{{value}}}
	}
	e := itl.Enrolment{
		Person: []itl.Detail{one(17, r.Citizen.Number), one(18, r.Citizen.Name),
			one(22, strings.ReplaceAll(r.Citizen.BirthDate, "-", "")), one(24, r.Citizen.Sex)},
		Missing: r.missing(),
		Faces:   []itl.Face{{Image: r.frames[station.Portrait].Data, Pose: "F"}},
	}
	for _, f := range station.FingerSlots {
		frame, ok := r.frames[f.Slot]
		if !ok {
			continue
		}
		p, err := printOf(f, frame.Data, frame.PPI, e.Missing, bpp)
		if err != nil {
			return e, &station.Error{Kind: station.Correct, What: string(f.Slot), Err: err}
		}
		e.Prints = append(e.Prints, p)
	}
	return e, nil
}

// missing lists the fingers that any slot says are missing, once each.
func (r record) missing() []itl.Missing {
	var all []itl.Missing
	known := map[int]bool{}
	for _, f := range station.FingerSlots {
		for _, m := range r.Missing[f.Slot] {
			why := itl.Unprintable
			if m.Presence == "AMPUTATED" {
				why = itl.Amputated
			}
			if !known[m.Position] {
				all = append(all, itl.Missing{Finger: m.Position, Why: why})
			}
			known[m.Position] = true
		}
	}
	return all
}

// printOf makes a transaction's print of a capture. One that is WSQ goes as it is.
func printOf(f station.FingerSlot, data []byte, ppi int, missing []itl.Missing, bpp float64) (itl.Print, error) {
	p := itl.Print{Position: f.Position, Impression: int(biometrics.LivePlain), Image: data, PPI: ppi}
	if f.Rolled {
		p.Impression = int(biometrics.LiveRolled)
	}
	img, err := biometrics.Decode(data)
	if err != nil {
		return p, err
	}
	if ppi == 0 {
		return p, &station.Error{Kind: station.Correct, What: "the image does not say its resolution", Hint: `say it in the record: "ppi": 500`}
	}
	if img.Media != biometrics.WSQ {
		if p.Image, err = wsq.Encode(biometrics.Grey(img), wsq.Options{Rate: bpp, PPI: ppi}); err != nil {
			return p, err
		}
	}
	if !f.Rolled {
		p.Segments = boxes(img, ppi, there(biometrics.Position(f.Position), missing))
	}
	return p, nil
}

// there are the fingers of a position that are not missing.
func there(p biometrics.Position, missing []itl.Missing) []biometrics.Position {
	var out []biometrics.Position
	for _, f := range p.Fingers() {
		gone := false
		for _, m := range missing {
			gone = gone || m.Finger == int(f)
		}
		if !gone {
			out = append(out, f)
		}
	}
	return out
}

// boxes finds the fingers of a slap (14.021, which may be left out): none where fewer
// are seen than should be, or more.
func boxes(img image.Image, ppi int, expected []biometrics.Position) []itl.Segment {
	found, err := finger.Find(img, ppi, expected)
	if err != nil {
		return nil
	}
	var out []itl.Segment
	for _, s := range found {
		b := s.Box.Sub(img.Bounds().Min)
		out = append(out, itl.Segment{Finger: int(s.Position), Left: b.Min.X, Right: b.Max.X - 1, Top: b.Min.Y, Bottom: b.Max.Y - 1})
	}
	return out
}
