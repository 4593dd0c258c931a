package itl

import (
	"fmt"
	"slices"
	"time"

	"cardstation/biometrics/record"
)

// Sample is one opaque sample of another modality.
type Sample struct {
	record.Opaque
	At time.Time // zero stands for Enrolment.At
	// Fields are what its own record type says beside the data: only who took the sample
	// or analysed it knows what Type-11 and Type-18 must have. With them the sample goes
	// as the record type of its row of record.Kinds, without them as Type-99.
	Fields []Field
}

// iris is the record type of iris images.
const iris = 17

// sample adds a record of the sample's own type where that can be told, and Type-99
// with its codes otherwise.
func (b *builder) sample(s Sample) error {
	k, ok := record.KindOf(s.Kind)
	switch {
	case ok && k.Image && k.Record == iris:
		return b.eye(s)
	case ok && k.Record != 0 && len(s.Fields) > 0:
		return b.own(k.Record, s)
	case len(s.Fields) > 0:
		return fmt.Errorf("fields of a record type of its own, which a sample of kind %q has not", s.Kind)
	}
	k, err := s.Codes()
	if err != nil {
		return err
	}
	b.add(99, Text(4, b.e.Origin), Text(5, b.day(s.At)), Text(100, "0101"), Text(101, fmt.Sprintf("%08X", k.Type)),
		Text(103, fmt.Sprintf("%04X", k.Owner)), Text(104, fmt.Sprintf("%04X", k.Format)), Field{Number: dataField, Value: s.Data})
	return nil
}

// eye adds the image of an iris (8.17). The eye is that of CBEFF: 1 right, 2 left, 0 not
// said.
func (b *builder) eye(s Sample) error {
	is, err := measured(s.Data)
	if err != nil {
		return err
	}
	colours := map[int]string{1: "GRAY", 2: "GRAY", 3: "RGB", 4: "RGB"}[is.channels]
	if is.format != "PNG" && is.format != "JP2" || colours == "" || s.Subtype > 2 {
		return fmt.Errorf("the image of an iris is %s with %d samples a pixel, of eye %d: PNG or JPEG 2000 is wanted, of eye 1 or 2", is.format, is.channels, s.Subtype)
	}
	b.add(iris, append([]Field{
		Number(3, int(s.Subtype)), Text(4, b.e.Origin), Text(5, b.day(s.At)), Number(6, is.width), Number(7, is.height),
		Number(8, 0), Number(9, 1), Number(10, 1), Text(11, is.format), Number(12, is.channels*is.depth), Text(13, colours),
	}, append(s.Fields, Field{Number: dataField, Value: s.Data})...)...)
	return nil
}

// own adds a record with the sample's own fields in their order, source agency and data.
func (b *builder) own(recordType int, s Sample) error {
	fields := slices.Clone(s.Fields)
	if !slices.ContainsFunc(fields, func(f Field) bool { return f.Number == 4 }) {
		fields = append(fields, Text(4, b.e.Origin))
	}
	slices.SortStableFunc(fields, func(a, b Field) int { return a.Number - b.Number })
	for _, f := range fields {
		if f.Number < 3 || f.Number >= dataField {
			return fmt.Errorf("%s: no field for a sample to say", name(recordType, f.Number))
		}
	}
	if len(s.Data) > 0 {
		fields = append(fields, Field{Number: dataField, Value: s.Data})
	}
	b.add(recordType, fields...)
	return nil
}

// Sample gives what a Type-99 or Type-17 record holds, as Build takes it; false for other
// types, for a record without data and for a modality that is in no row of record.Kinds.
// Codes that are the row's own are left zero.
func (r Record) Sample() (Sample, bool) {
	s := Sample{Opaque: record.Opaque{Data: r.Data()}}
	s.At, _ = time.Parse("20060102", r.Text(5))
	var kind uint32
	switch {
	case len(s.Data) == 0:
		return s, false
	case r.Type == iris:
		eye, _ := r.Int(3)
		s.Kind, s.Subtype = "iris-image", byte(min(eye, 2))
		return s, true
	case r.Type != 99:
		return s, false
	}
	if n, _ := fmt.Sscanf(r.Text(101)+" "+r.Text(103)+" "+r.Text(104), "%x %x %x", &kind, &s.Owner, &s.Format); n != 3 {
		return s, false
	}
	for _, k := range record.Kinds {
		switch {
		case k.Type == kind && k.Owner == s.Owner && k.Format == s.Format:
			s.Kind, s.Owner, s.Format = k.Name, 0, 0
			return s, true
		case k.Type == kind && s.Kind == "":
			s.Kind = k.Name // with a format that is in no row
		}
	}
	return s, s.Kind != ""
}
