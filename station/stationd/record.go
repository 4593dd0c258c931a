package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/itl"
	records "cardstation/biometrics/record"
	"cardstation/biometrics/synth"
	"cardstation/devices/capture"
	"cardstation/personalize/cccd"
	"cardstation/station"
)

// record is a citizen in a file: fields and the paths of images, relative to the
// file. `stationd card record --example` writes a complete one.
type record struct {
	Citizen  station.Citizen                    `json:"citizen"`
	Type     string                             `json:"type,omitempty"`     // FIRST_ISSUANCE if empty
	Issue    string                             `json:"issue,omitempty"`    // calendar date; today if empty
	Expiry   string                             `json:"expiry,omitempty"`   // calendar date; by the renewal ages if empty
	Portrait string                             `json:"portrait,omitempty"` // none under 6
	PPI      int                                `json:"ppi,omitempty"`      // of the prints whose file does not say it
	Prints   map[station.Slot]paths             `json:"prints"`
	Missing  map[station.Slot][]station.Missing `json:"missing,omitempty"`
	Samples  []sampleFile                       `json:"samples,omitempty"`
	// Simulated says that no person stands behind the images.
	Simulated bool `json:"simulated,omitempty"`

	frames  map[station.Slot]capture.Frame
	samples []itl.Sample
}

// sampleFile is an opaque sample of another modality: an iris, a voice, a DNA profile.
type sampleFile struct {
	Kind    string `json:"kind"` // a row of biometrics/record.Kinds
	File    string `json:"file"`
	Subtype uint8  `json:"subtype,omitempty"` // 1 right, 2 left
	Owner   uint16 `json:"owner,omitempty"`   // of its format, as registered with IBIA; 0 is the kind's own
	Format  uint16 `json:"format,omitempty"`
	// Fields are what the record type of its own (Type-11, Type-18) says beside the data,
	// by field number: subfields of information items.
	Fields map[int][][]string `json:"fields,omitempty"`
}

// paths is one file, or several that are laid side by side from left to right
// (two thumbs taken one by one). In JSON a string or a list.
type paths []string

// UnmarshalJSON takes a string or a list of strings.
func (p *paths) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*p = paths{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(p))
}

// MarshalJSON gives a string for a single path.
func (p paths) MarshalJSON() ([]byte, error) {
	if len(p) == 1 {
		return json.Marshal(p[0])
	}
	return json.Marshal([]string(p))
}

// loadRecord reads a record and its images.
func loadRecord(path string) (record, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return record{}, &station.Error{Kind: station.Correct, What: "read record", Err: err, Hint: "stationd card record --example DIR writes a complete one"}
	}
	var r record
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return r, &station.Error{Kind: station.Correct, What: "record " + path, Err: err, Hint: "stationd card record --example DIR writes a complete one"}
	}
	if err := r.slots(); err != nil {
		return r, &station.Error{Kind: station.Correct, What: "record " + path, Err: err}
	}
	dir := filepath.Dir(path)
	r.frames = map[station.Slot]capture.Frame{}
	if r.Portrait != "" {
		if r.frames[station.Portrait], err = r.frame(dir, paths{r.Portrait}, 0); err != nil {
			return r, err
		}
	}
	for _, f := range station.FingerSlots {
		if p, ok := r.Prints[f.Slot]; ok {
			if r.frames[f.Slot], err = r.frame(dir, p, r.PPI); err != nil {
				return r, err
			}
		}
	}
	for _, one := range r.Samples {
		sample, err := one.load(dir)
		if err != nil {
			return r, err
		}
		r.samples = append(r.samples, sample)
	}
	return r, nil
}

// slots checks that prints and missing fingers are those of captures that there are.
func (r record) slots() error {
	fingers := map[station.Slot][]biometrics.Position{}
	for _, f := range station.FingerSlots {
		fingers[f.Slot] = biometrics.Position(f.Position).Fingers()
	}
	for _, slot := range slices.Concat(slices.Collect(maps.Keys(r.Prints)), slices.Collect(maps.Keys(r.Missing))) {
		if fingers[slot] == nil {
			return fmt.Errorf("no capture is called %q", slot)
		}
	}
	for slot, missing := range r.Missing {
		for _, m := range missing {
			switch {
			case !slices.Contains(fingers[slot], biometrics.Position(m.Position)):
				return fmt.Errorf("missing in %s: position %d is none of its fingers", slot, m.Position)
			case !slices.Contains(station.Presences, m.Presence):
				return fmt.Errorf("missing in %s: presence %q is none of %s", slot, m.Presence, strings.Join(station.Presences, ", "))
			}
		}
	}
	return nil
}

func (r record) frame(dir string, files paths, ppi int) (capture.Frame, error) {
	f := capture.Frame{PPI: ppi, Device: "file", Simulated: r.Simulated, At: time.Now().UTC()}
	var images []biometrics.Image
	for _, name := range files {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return f, &station.Error{Kind: station.Correct, What: "read image", Err: err}
		}
		img, err := biometrics.Decode(data)
		if err != nil {
			return f, &station.Error{Kind: station.Correct, What: "image " + name, Err: err, Hint: biometrics.Remedy(err)}
		}
		f.Data, f.Media = data, img.Media
		if img.PPI > 0 {
			f.PPI = img.PPI
		}
		images = append(images, img)
	}
	switch len(images) {
	case 0:
		return f, &station.Error{Kind: station.Correct, What: "record names no image", Err: errors.New("empty path")}
	case 1:
		return f, nil
	}
	data, err := sideBySide(images)
	f.Data, f.Media = data, "image/png"
	return f, err
}

// load reads a sample's file.
func (f sampleFile) load(dir string) (itl.Sample, error) {
	name := f.File
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return itl.Sample{}, &station.Error{Kind: station.Correct, What: "read sample", Err: err}
	}
	s := itl.Sample{Opaque: records.Opaque{Kind: f.Kind, Subtype: f.Subtype, Owner: f.Owner, Format: f.Format, Data: data}}
	for _, number := range slices.Sorted(maps.Keys(f.Fields)) {
		s.Fields = append(s.Fields, itl.Items(number, f.Fields[number]...))
	}
	return s, nil
}

// sideBySide lays grey images next to each other on white, as PNG.
func sideBySide(images []biometrics.Image) ([]byte, error) {
	var w, h int
	for _, i := range images {
		w += i.Bounds().Dx()
		h = max(h, i.Bounds().Dy())
	}
	all := image.NewGray(image.Rect(0, 0, w, h))
	draw.Draw(all, all.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	x := 0
	for _, i := range images {
		b := i.Bounds()
		draw.Draw(all, image.Rect(x, 0, x+b.Dx(), b.Dy()), i.Image, b.Min, draw.Src)
		x += b.Dx()
	}
	var out bytes.Buffer
	err := png.Encode(&out, all)
	return out.Bytes(), err
}

// example is an invented citizen with synthetic images.
func example(seed uint64) record {
	r := record{Citizen: station.Citizen(cccd.Example(seed)), Type: "FIRST_ISSUANCE", Simulated: true, PPI: 500,
		Prints: map[station.Slot]paths{}, frames: map[station.Slot]capture.Frame{}}
	now := time.Now().UTC()
	r.Portrait = "portrait.jpg"
	r.frames[station.Portrait] = capture.Frame{Data: synth.Portrait(seed), Media: "image/jpeg", Device: "cardstation synth", Simulated: true, At: now}
	for i, c := range synth.Captures(seed) {
		slot := station.FingerSlots[i].Slot
		r.Prints[slot] = paths{string(slot) + ".png"}
		r.frames[slot] = capture.Frame{Data: c.PNG, Media: "image/png", PPI: 500, Device: "cardstation synth", Simulated: true, At: now}
	}
	return r
}

// save writes the record and its images into dir and gives the record's path.
func (r record) save(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "record.json")
	if _, err := os.Stat(path); err == nil {
		return "", &station.Error{Kind: station.Conflict, What: fmt.Sprintf("%s is there already", path), Hint: "name an empty or new folder"}
	}
	for slot, f := range r.frames {
		name := r.Portrait
		if slot != station.Portrait {
			name = r.Prints[slot][0]
		}
		if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o600); err != nil {
			return "", err
		}
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, append(raw, '\n'), 0o600)
}
