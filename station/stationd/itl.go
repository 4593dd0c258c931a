package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/itl"
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
	Record      string `required:"" type:"existingfile" help:"The citizen: fields and paths of images."`
	Out         string `arg:"" help:"Transaction to write."`
	Type        string `default:"ENR" help:"What is asked of the centre, by its own code (1.004)."`
	Destination string `default:"CENTRE" help:"Agency that it goes to (1.007)."`
	Origin      string `default:"STATION" help:"Agency that it comes from (1.008)."`
	Control     string `help:"Its own number (1.009); made of origin and time if not given."`
	BPP         rate   `name:"bpp" default:"0.75" help:"Bits a pixel to aim at where a print is not WSQ yet."`
	Minutiae    bool   `help:"The minutiae of each rolled finger too (Type-9)."`

	FixedResolution bool `help:"Rolled prints of 500 ppi as Type-4, which has no place for a quality."`
}

func (c *itlWriteCmd) Run(s *session) error {
	r, err := loadRecord(c.Record)
	if err != nil {
		return err
	}
	e, err := r.dossier(paper{bpp: float64(c.BPP), minutiae: c.Minutiae, fixed: c.FixedResolution}).transaction()
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
	result := map[string]any{"file": c.Out, "bytes": len(raw), "control": e.Control, "prints": len(e.Prints), "faces": len(e.Faces), "missing": len(e.Missing), "samples": len(e.Samples), "withoutBoxes": unboxed}
	return s.show(result, func(w io.Writer) {
		for _, name := range unboxed {
			fmt.Fprintf(w, "%s: without boxes, the fingers that should be there could not be told\n", name)
		}
		fmt.Fprintf(w, "%s: %d bytes, %d prints, %d faces, %d fingers missing, number %s\n", c.Out, len(raw), len(e.Prints), len(e.Faces), len(e.Missing), e.Control)
	})
}
