package main

import (
	"context"
	"strings"
	"sync"

	"cardstation/api"
	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/biometrics/itl"
	records "cardstation/biometrics/record"
	"cardstation/biometrics/wsq"
	"cardstation/station"
)

// dossier is a citizen with what was captured, of which a transaction is made.
type dossier struct {
	paper
	citizen  station.Citizen
	captures []captured // each slot once
	samples  []itl.Sample
}

// captured is a capture with its image, which a slot without fingers has not.
type captured struct {
	station.Capture
	data []byte
}

// paper says how prints are written down.
type paper struct {
	bpp      float64 // bits a pixel to aim at where a print is not WSQ yet; 0 for the codec's own
	minutiae bool    // those of rolled prints too
	fixed    bool    // rolled prints as Type-4 where they are of 500 ppi, without a quality
}

// transaction is what the dossier has to say in a transaction: name, birth date, sex and
// personal number in the Type-2 fields that the FBI's EBTS has for them, the prints as WSQ
// with a box and a quality for each finger, the portrait, the missing fingers, the samples.
func (d dossier) transaction() (itl.Enrolment, error) {
	one := func(field int, value string) itl.Detail {
		return itl.Detail{Field: field, Subfields: [][]string{{value}}}
	}
	e := itl.Enrolment{
		Person: []itl.Detail{one(17, d.citizen.Number), one(18, d.citizen.Name),
			one(22, strings.ReplaceAll(d.citizen.BirthDate, "-", "")), one(24, d.citizen.Sex)},
		Missing: d.missing(), Samples: d.samples, FixedResolution: d.fixed,
	}
	slots := map[station.Slot]captured{}
	for _, c := range d.captures {
		slots[c.Slot] = c
	}
	if photo, ok := slots[station.Portrait]; ok {
		if photo.Media == biometrics.WSQ {
			return e, &station.Error{Kind: station.Correct, What: "portrait in WSQ, which is for fingers", Hint: "give a PNG, JPEG or JPEG 2000 file"}
		}
		e.Faces = []itl.Face{{Image: photo.data, At: photo.At, Pose: "F"}}
	}
	for _, f := range station.FingerSlots {
		c := slots[f.Slot]
		if len(c.data) == 0 {
			continue
		}
		p, err := d.print(f, c, e.Missing)
		if err != nil {
			return e, &station.Error{Kind: station.Correct, What: string(f.Slot), Err: err}
		}
		e.Prints = append(e.Prints, p)
	}
	return e, nil
}

// missing lists the fingers that any slot says are missing, once each.
func (d dossier) missing() []itl.Missing {
	var all []itl.Missing
	known := map[int]bool{}
	for _, c := range d.captures {
		for _, m := range c.Missing {
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

// print makes a transaction's print of a capture. One that is WSQ goes as it is.
func (d dossier) print(f station.FingerSlot, c captured, missing []itl.Missing) (itl.Print, error) {
	p := itl.Print{Position: f.Position, Impression: int(biometrics.LivePlain), Image: c.data, PPI: c.PPI, At: c.At}
	if f.Rolled {
		p.Impression = int(biometrics.LiveRolled)
	}
	img, err := biometrics.Decode(c.data)
	if err != nil {
		return p, err
	}
	if p.PPI == 0 {
		return p, &station.Error{Kind: station.Correct, What: "the image does not say its resolution", Hint: `say it in the record: "ppi": 500`}
	}
	img.PPI = p.PPI
	if img.Media != biometrics.WSQ {
		if p.Image, err = wsq.Encode(biometrics.Grey(img), wsq.Options{Rate: d.bpp, PPI: p.PPI}); err != nil {
			return p, err
		}
	}
	if !f.Rolled {
		p.Segments, p.Qualities = boxes(img, there(biometrics.Position(f.Position), missing))
		return p, nil
	}
	if d.minutiae {
		if p.Minutiae, err = minutiaeOf(img, f.Position); err != nil {
			return p, err
		}
	}
	if !d.fixed {
		p.Qualities, err = qualityOf(img, biometrics.Position(f.Position), biometrics.LiveRolled)
	}
	return p, err
}

// gateVersion is the algorithm number of our own gate (14.024), whose owner has none.
const gateVersion = 1

// qualityOf is the gate's score of one finger; failed where the gate would not look at it,
// as at one that was cut too narrow.
func qualityOf(img biometrics.Image, p biometrics.Position, i biometrics.Impression) ([]itl.Quality, error) {
	q, err := finger.Assessor{Position: p, Impression: i, PPI: img.PPI}.Assess(img)
	if q.Score == 0 {
		q.Score = failed
	}
	return []itl.Quality{{Finger: int(p), Score: q.Score, Algorithm: gateVersion}}, err
}

// boxes finds the fingers of a slap (14.021, which may be left out) with their qualities:
// none where fewer are seen than should be, or more.
func boxes(img biometrics.Image, expected []biometrics.Position) (out []itl.Segment, scores []itl.Quality) {
	found, err := finger.Find(img, img.PPI, expected)
	if err != nil {
		return nil, nil
	}
	for _, s := range found {
		b := s.Box.Sub(img.Bounds().Min)
		out = append(out, itl.Segment{Finger: int(s.Position), Left: b.Min.X, Right: b.Max.X - 1, Top: b.Min.Y, Bottom: b.Max.Y - 1})
		q, err := qualityOf(biometrics.Image{Image: s.Cut(img), Media: img.Media, PPI: img.PPI}, s.Position, biometrics.LivePlain)
		if err != nil {
			q = []itl.Quality{{Finger: int(s.Position), Score: failed}}
		}
		scores = append(scores, q...)
	}
	return out, scores
}

// failed is the score of a quality that could not be told (14.024).
const failed = 255

// minutiaeOf finds the minutiae of a rolled finger, in pixels of the image and units of
// two degrees; none where there are none.
func minutiaeOf(img biometrics.Image, position int) ([]itl.Minutiae, error) {
	t, err := finger.Extract(img, img.PPI)
	if err != nil || len(t.Minutiae) == 0 {
		return nil, err
	}
	m := itl.Minutiae{Finger: position, Quality: itl.Quality{Score: t.Quality, Algorithm: gateVersion}}
	size := img.Bounds().Size()
	scaled := func(at, most int) int { return max(0, min(at*img.PPI/500, most-1)) } // templates are of 500 ppi
	for _, one := range t.Minutiae[:min(len(t.Minutiae), 255)] {
		m.Points = append(m.Points, itl.Minutia{X: scaled(one.X, size.X), Y: scaled(one.Y, size.Y),
			Angle: (int(one.Angle)*180 + 128) / 256 % 180, Kind: int(one.Kind), Quality: int(one.Quality)})
	}
	return []itl.Minutiae{m}, nil
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

// dossier is what a record has to say.
func (r record) dossier(p paper) dossier {
	d := dossier{paper: p, citizen: r.Citizen, samples: r.samples}
	if f, ok := r.frames[station.Portrait]; ok {
		d.captures = append(d.captures, captured{station.Capture{Slot: station.Portrait, Media: f.Media, At: f.At}, f.Data})
	}
	for _, slot := range station.FingerSlots {
		f, ok := r.frames[slot.Slot]
		if missing := r.Missing[slot.Slot]; ok || len(missing) > 0 {
			d.captures = append(d.captures, captured{station.Capture{Slot: slot.Slot, Media: f.Media, PPI: f.PPI, At: f.At, Missing: missing}, f.Data})
		}
	}
	return d
}

// transactions makes those of enrolments, one at a time: it is heavy work, and the desk
// has more urgent things to do.
type transactions struct {
	origin string
	image  func(ctx context.Context, digest string) (data []byte, media string, err error)

	mu sync.Mutex
}

// file makes the transaction of an enrolment.
func (t *transactions) file(ctx context.Context, e station.Enrolment, asked api.Asked) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d := dossier{paper: paper{bpp: 0, minutiae: asked.Minutiae}, citizen: e.Citizen}
	for _, c := range e.Captures {
		one := captured{Capture: c}
		if c.Digest != "" && c.State != station.CaptureRefused {
			var err error
			if one.data, _, err = t.image(ctx, c.Digest); err != nil {
				return nil, err
			}
		}
		d.captures = append(d.captures, one)
	}
	for _, s := range e.Samples {
		data, _, err := t.image(ctx, s.Digest)
		if err != nil {
			return nil, err
		}
		d.samples = append(d.samples, itl.Sample{At: s.At,
			Opaque: records.Opaque{Kind: s.Kind, Subtype: byte(s.Subtype), Owner: uint16(s.Owner), Format: uint16(s.Format), Data: data}})
	}
	what := "transaction of enrolment " + e.ID
	made, err := d.transaction()
	if err != nil {
		return nil, &station.Error{Kind: station.Conflict, What: what, Err: err}
	}
	made.Type, made.Destination, made.Origin, made.At = asked.Type, asked.Destination, t.origin, clock()
	made.Control = e.ID + "-" + made.At.UTC().Format("20060102150405")
	built, err := itl.Build(made)
	if err != nil {
		return nil, &station.Error{Kind: station.Conflict, What: what, Err: err}
	}
	return built.Encode()
}
