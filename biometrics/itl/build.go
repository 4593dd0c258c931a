package itl

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Enrolment is what Build makes a transaction of: a person's captures and what the
// receiving agency wants said of them.
type Enrolment struct {
	Type        string    // 1.004, the agency's code for what is asked: "ENR"
	Destination string    // 1.007, printable ASCII as all of these
	Origin      string    // 1.008; also the source agency of each image (xx.004)
	Control     string    // 1.009, this transaction's own number
	Reference   string    // 1.010, the number of the one that it answers; empty for none
	Priority    int       // 1.006, 1 most urgent to 9; 0 is not said
	Domain      [2]string // 1.013, name and version; empty for none
	At          time.Time // 1.005 as its own day, 1.014 in UTC

	Person  []Detail  // Type-2, by the agency's field numbers
	Prints  []Print   // Type-14, or Type-4
	Missing []Missing // fingers that cannot be captured
	Faces   []Face    // Type-10
	Samples []Sample  // Type-17, Type-99, or what each says

	// FixedResolution writes a print as Type-4 where that loses nothing: WSQ at 500
	// ppi, one position, no box, no quality, no missing finger. Systems that know no
	// Type-14 want it.
	FixedResolution bool
}

// Detail is one field of the Type-2 record: subfields of information items in UTF-8,
// without control characters.
type Detail struct {
	Field     int // 3 to 998
	Subfields [][]string
}

// Print is one captured fingerprint image, with one finger or several.
type Print struct {
	Position   int       // table 8: 1 to 10 a finger; 11, 12 a plain thumb; 13, 14 a slap; 15 both thumbs
	Impression int       // table 7: 0 live plain, 1 live rolled, 2 and 3 the same from paper
	Image      []byte    // WSQ, PNG, JPEG or JPEG 2000; 8 bit grey
	PPI        int       // pixels per inch, both ways
	At         time.Time // of capture; zero stands for Enrolment.At
	Segments   []Segment // boxes of the fingers in it
	Qualities  []Quality
	Minutiae   []Minutiae // Type-9, one record a finger
	Comment    string     // 14.020, UTF-8
}

// Segment is one finger's box in an image, in pixels from its top left corner
// (14.021).
type Segment struct {
	Finger                   int // 1 to 10
	Left, Right, Top, Bottom int
}

// Quality is one finger's quality (14.024), and its NFIQ 1 class (14.022) where there
// is one.
type Quality struct {
	Finger            int
	Score             int    // 0 to 100; 254 not tried, 255 failed
	Vendor, Algorithm uint16 // as registered with IBIA; zero for none
	NFIQ              int    // 1 best to 5; 0 is not said
}

// Missing is a finger that cannot be captured, and why.
type Missing struct {
	Finger int    // 1 to 10
	Why    string // Amputated or Unprintable
}

// Reasons for a missing finger (14.018): amputated, or bandaged or otherwise unable
// to be printed now.
const (
	Amputated   = "XX"
	Unprintable = "UP"
)

// Face is one facial photograph.
type Face struct {
	Image   []byte    // JPEG, PNG or JPEG 2000
	At      time.Time // zero stands for Enrolment.At
	Profile int       // subject acquisition profile (10.013); 0 unknown
	Pose    string    // 10.020: F full face, R and L profiles; empty is not said
	Colours string    // 10.012; empty stands for SRGB
}

// Build makes a transaction of version 0502: Type-1, Type-2, then prints, missing
// fingers, faces, samples and minutiae. A finger that is missing stands in 14.018 of every
// image that it should be in, and where it has no image of its own, in a Type-14
// record without one. The character set UTF-8 is declared. What Check finds in the
// result is an error, and so is an image whose format or size cannot be read.
func Build(e Enrolment) (Transaction, error) {
	b := builder{e: e, t: Transaction{Records: make([]Record, 1)}} // Type-1 comes last into its place
	if err := b.person(); err != nil {
		return Transaction{}, err
	}
	for i, p := range e.Prints {
		if err := b.print(p); err != nil {
			return Transaction{}, fmt.Errorf("print %d: %w", i+1, err)
		}
	}
	if err := b.missing(); err != nil {
		return Transaction{}, err
	}
	for i, f := range e.Faces {
		if err := b.face(f); err != nil {
			return Transaction{}, fmt.Errorf("face %d: %w", i+1, err)
		}
	}
	for i, s := range e.Samples {
		if err := b.sample(s); err != nil {
			return Transaction{}, fmt.Errorf("sample %d: %w", i+1, err)
		}
	}
	b.t.Records = append(b.t.Records, b.features...)
	if b.next > maxIDC+1 {
		return Transaction{}, fmt.Errorf("%d things to tell of behind the Type-1 record, their IDCs count to %d", b.next, maxIDC)
	}
	b.t.Records[0] = b.header()
	if err := b.t.SetContent(); err != nil {
		return Transaction{}, err
	}
	if faults := Check(b.t); len(faults) > 0 {
		return Transaction{}, fmt.Errorf("the transaction would be faulty: %s", faults[0])
	}
	return b.t, nil
}

const maxIDC = 99

type builder struct {
	e    Enrolment
	t    Transaction
	next int // IDC of the next record, from 0: all that tell of one thing share one (7.3.1)

	features []Record // Type-9
}

// add appends a tagged record.
func (b *builder) add(recordType int, fields ...Field) {
	b.t.Records = append(b.t.Records, NewRecord(recordType, b.next, fields...))
	b.next++
}

func (b *builder) day(at time.Time) string {
	if at.IsZero() {
		at = b.e.At
	}
	return at.Format("20060102")
}

func (b *builder) header() Record {
	e := b.e
	fields := []Field{Text(2, Version2015), {Number: 3}, Text(4, e.Type), Text(5, b.day(e.At))}
	if e.Priority != 0 {
		fields = append(fields, Number(6, e.Priority))
	}
	fields = append(fields, Text(7, e.Destination), Text(8, e.Origin), Text(9, e.Control))
	if e.Reference != "" {
		fields = append(fields, Text(10, e.Reference))
	}
	resolution := "00.00"
	for _, r := range b.t.Records {
		if r.Type == 4 {
			resolution = "19.69"
		}
	}
	fields = append(fields, Text(11, resolution), Text(12, resolution))
	if e.Domain[0] != "" {
		fields = append(fields, Items(13, e.Domain[:]))
	}
	fields = append(fields, Text(14, e.At.UTC().Format("20060102150405Z")), Items(15, []string{utf8Code, "UTF-8", ""}))
	return NewRecord(1, 0, fields...)
}

func (b *builder) person() error {
	var fields []Field
	for _, d := range b.e.Person {
		if d.Field < 3 || d.Field >= dataField {
			return fmt.Errorf("%s: no field for a person's details", name(2, d.Field))
		}
		for _, sub := range d.Subfields {
			for _, item := range sub {
				if !utf8.ValidString(item) || strings.ContainsFunc(item, unicode.IsControl) {
					return fmt.Errorf("%s: an item is no UTF-8 text, or has control characters in it", name(2, d.Field))
				}
			}
		}
		fields = append(fields, Items(d.Field, d.Subfields...))
	}
	b.add(2, fields...)
	return nil
}

func (b *builder) print(p Print) error {
	is, err := measured(p.Image)
	if err != nil {
		return err
	}
	b.image(p, is)
	return b.minutiae(p, is)
}

// image adds a print's image, as Type-4 or Type-14.
func (b *builder) image(p Print, is picture) {
	gone := b.gone(p.Position)
	if b.e.FixedResolution && is.format == "WSQ20" && p.PPI == 500 && p.Position <= 15 && p.Impression <= 3 &&
		len(gone)+len(p.Segments)+len(p.Qualities)+len(p.Comment) == 0 && is.width <= 0xFFFF && is.height <= 0xFFFF {
		b.fixed(p, is)
		return
	}
	fields := []Field{
		Number(3, p.Impression), Text(4, b.e.Origin), Text(5, b.day(p.At)), Number(6, is.width), Number(7, is.height),
		Number(8, 1), Number(9, p.PPI), Number(10, p.PPI), Text(11, is.format), Number(12, 8), Number(13, p.Position),
	}
	if len(gone) > 0 {
		fields = append(fields, Items(18, gone...))
	}
	if p.Comment != "" {
		fields = append(fields, Text(20, p.Comment))
	}
	if len(p.Segments) > 0 {
		var subs [][]string
		for _, s := range p.Segments {
			subs = append(subs, decimal(s.Finger, s.Left, s.Right, s.Top, s.Bottom))
		}
		fields = append(fields, Items(21, subs...))
	}
	fields = append(fields, qualities(p.Qualities)...)
	b.add(14, append(fields, Field{Number: dataField, Value: p.Image})...)
}

// measured reads the head of an image, which must tell format and size.
func measured(b []byte) (picture, error) {
	is := inspect(b)
	if is.err == nil && (is.width == 0 || is.height == 0) {
		is.err = fmt.Errorf("the image is of no known format, or does not say its size")
	}
	return is, is.err
}

func qualities(all []Quality) []Field {
	var classes, scores [][]string
	for _, q := range all {
		if q.NFIQ != 0 {
			classes = append(classes, decimal(q.Finger, q.NFIQ))
		}
		scores = append(scores, append(decimal(q.Finger), q.items()...))
	}
	var fields []Field
	if classes != nil {
		fields = append(fields, Items(22, classes...))
	}
	if scores != nil {
		fields = append(fields, Items(24, scores...))
	}
	return fields
}

func decimal(numbers ...int) []string {
	var out []string
	for _, n := range numbers {
		out = append(out, strconv.Itoa(n))
	}
	return out
}

// gone lists the missing fingers of a position, as 14.018 has them.
func (b *builder) gone(position int) [][]string {
	var out [][]string
	for _, m := range b.e.Missing {
		for _, finger := range shown([]int{position}) {
			if finger == m.Finger {
				out = append(out, []string{strconv.Itoa(m.Finger), m.Why})
			}
		}
	}
	return out
}

// fixed adds a Type-4 record (8.4): WSQ at 500 ppi.
func (b *builder) fixed(p Print, is picture) {
	two := func(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
	r := Record{Type: 4}
	for i, value := range [][]byte{
		make([]byte, 4), {byte(b.next)}, {byte(p.Impression)},
		{byte(p.Position), noPosition, noPosition, noPosition, noPosition, noPosition},
		{0}, two(is.width), two(is.height), {1}, p.Image,
	} {
		r.Fields = append(r.Fields, Field{Number: i + 1, Value: value})
	}
	b.t.Records = append(b.t.Records, r)
	b.next++
}

// missing adds a record without an image for each missing finger that no record
// shows by itself. Its impression is that of the other single fingers.
func (b *builder) missing() error {
	impression, single := 1, map[int]bool{}
	for i := len(b.e.Prints) - 1; i >= 0; i-- {
		if p := b.e.Prints[i]; p.Position >= 1 && p.Position <= 10 {
			impression, single[p.Position] = p.Impression, true
		}
	}
	for _, m := range b.e.Missing {
		if m.Finger < 1 || m.Finger > 10 {
			return fmt.Errorf("missing finger %d, which is none", m.Finger)
		}
		if single[m.Finger] {
			return fmt.Errorf("finger %d is missing, and there is a print of it", m.Finger)
		}
		single[m.Finger] = true
		b.add(14, Number(3, impression), Text(4, b.e.Origin), Text(5, b.day(time.Time{})), Number(13, m.Finger),
			Items(18, []string{strconv.Itoa(m.Finger), m.Why}))
	}
	return nil
}

func (b *builder) face(f Face) error {
	is, err := measured(f.Image)
	if err != nil {
		return err
	}
	colours := f.Colours
	if colours == "" {
		colours = "SRGB"
	}
	fields := []Field{
		Text(3, "FACE"), Text(4, b.e.Origin), Text(5, b.day(f.At)), Number(6, is.width), Number(7, is.height),
		Number(8, 0), Number(9, 1), Number(10, 1), Text(11, is.format), Text(12, colours), Number(13, f.Profile),
	}
	if f.Pose != "" {
		fields = append(fields, Text(20, f.Pose))
	}
	b.add(10, append(fields, Field{Number: dataField, Value: f.Image})...)
	return nil
}
