package lds

import (
	"encoding/binary"
	"errors"
	"fmt"

	"cardstation/biometrics/record"
	"cardstation/devices/card/tlv"
)

// EncodeDG3 writes data group 3: one ISO/IEC 19794-4 record for each finger (Doc
// 9303-10, 4.7.3). For a holder without fingers see EncodeNone.
func EncodeDG3(fingers ...record.Finger) ([]byte, error) {
	return encodeGroup(DG3, len(fingers), func(i int) (record.Template, error) { return record.FingerTemplate(fingers[i]) })
}

// DecodeDG3 reads the fingers of data group 3, of ISO/IEC 19794-4 or 39794-4; the images
// are slices of b. None and no error is a holder without fingers. What else stands in a
// template's header, dates and creators, is not given.
func DecodeDG3(b []byte) ([]record.Finger, error) {
	all, err := decodeGroup(DG3, b)
	var fingers []record.Finger
	for _, t := range all {
		f, err := t.Finger()
		if err != nil {
			return nil, malformed(DG3, "%w", err)
		}
		fingers = append(fingers, f)
	}
	return fingers, err
}

// EncodeDG4 writes data group 4: irises as they come from who made their records (Doc
// 9303-10, 4.7.4). For a holder without irises see EncodeNone.
func EncodeDG4(irises ...record.Opaque) ([]byte, error) {
	return encodeGroup(DG4, len(irises), func(i int) (record.Template, error) {
		if k, ok := record.KindOf(irises[i].Kind); !ok || k.Type != record.TypeIris {
			return record.Template{}, fmt.Errorf("a sample of kind %q is no iris", irises[i].Kind)
		}
		return irises[i].Template()
	})
}

// DecodeDG4 reads the irises of data group 4 without looking into their records, which
// are slices of b. None and no error is a holder without irises.
func DecodeDG4(b []byte) ([]record.Opaque, error) {
	all, err := decodeGroup(DG4, b)
	var irises []record.Opaque
	for _, t := range all {
		o, err := iris(t)
		if err != nil {
			return nil, malformed(DG4, "%w", err)
		}
		irises = append(irises, o)
	}
	return irises, err
}

// iris finds the row of record.Kinds by the header's format; what is in no row says
// its own. The tag must be the one that goes with the format.
func iris(t record.Template) (record.Opaque, error) {
	owner, format, subtype := t.Element(0x87), t.Element(0x88), t.Element(0x82)
	if !t.Is(record.TypeIris) || len(owner) != 2 || len(format) != 2 || len(subtype) > 1 {
		return record.Opaque{}, errors.New("a header without the codes of an iris")
	}
	o := record.Opaque{Kind: "iris", Owner: binary.BigEndian.Uint16(owner), Format: binary.BigEndian.Uint16(format), Data: t.Data}
	if len(subtype) == 1 {
		o.Subtype = subtype[0]
	}
	for _, k := range record.Kinds {
		if k.Type == record.TypeIris && k.Owner == o.Owner && k.Format == o.Format {
			o.Kind, o.Owner, o.Format = k.Name, 0, 0
			break
		}
	}
	again, err := o.Template()
	if err == nil && again.Tag != t.Tag {
		err = fmt.Errorf("format %04X under tag %04X", binary.BigEndian.Uint16(format), t.Tag)
	}
	return o, err
}

// EncodeNone writes data group 3 or 4 for a holder of whom there is none of it. The
// filler, random bytes, keeps the group's hash from telling so (Doc 9303-10, 4.7.3).
func EncodeNone(f FileID, filler []byte) ([]byte, error) {
	if f != DG3 && f != DG4 {
		return nil, fmt.Errorf("%s cannot be empty, only DG3 and DG4", f)
	}
	return tlv.New(f.Tag(), record.EncodeEmptyGroup(filler)), nil
}

func encodeGroup(f FileID, n int, template func(int) (record.Template, error)) ([]byte, error) {
	var all []record.Template
	for i := range n {
		t, err := template(i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		all = append(all, t)
	}
	group, err := record.EncodeGroup(all)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f, err)
	}
	return tlv.New(f.Tag(), group), nil
}

// decodeGroup reads the templates of a file; none from a group that says so.
func decodeGroup(f FileID, b []byte) ([]record.Template, error) {
	v, err := body(f, b)
	if err != nil {
		return nil, err
	}
	all, err := record.DecodeGroup(v)
	if errors.Is(err, record.ErrEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, malformed(f, "%w", err)
	}
	return all, nil
}
