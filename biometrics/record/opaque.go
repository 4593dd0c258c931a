package record

import (
	"fmt"
	"slices"
	"strings"

	"cardstation/biometrics"
)

// Kind is a modality in one kind of data, with the codes by which other standards tell
// it: a row of Kinds.
type Kind struct {
	Name string // "iris"
	// Type is the CBEFF biometric type (ISO/IEC 19785-3, also 99.101 of
	// ANSI/NIST-ITL): 0x000008 finger, 0x000010 iris.
	Type uint32
	// Owner and Format name the format of the data among those registered with
	// IBIA; 0x0101 is ISO/IEC JTC 1/SC 37. Zero: each sample says its own.
	Owner, Format uint16
	// Record is the record type that ANSI/NIST-ITL has for the modality, 0 for none;
	// what does not fit there goes as Type-99, which all fit.
	Record int
	// OSIA is the biometricType of OSIA, empty where it has none.
	OSIA string
	// Heads are what the data begins with, one of them; nil where that is not known.
	Heads []string
	// Image says that the data is an image, which its record type takes as it is; it has
	// no format of its own among IBIA's and does not go onto a card.
	Image bool
}

// Kinds are the modalities that pass through as opaque data: capture, dossier,
// transaction and, of an iris, DG4. Another one is another row. Voice and DNA have no
// format of their own here: whoever made the data knows.
var Kinds = []Kind{
	{Name: "iris", Type: 0x10, Owner: 0x0101, Format: 0x0009, OSIA: "IRIS", Heads: []string{"IIR\x00"}},            // ISO/IEC 19794-6
	{Name: "iris-39794", Type: 0x10, Owner: 0x0101, Format: 0x002C, OSIA: "IRIS", Heads: []string{"\x66", "\xA1"}}, // ISO/IEC 39794-6
	{Name: "iris-image", Type: 0x10, Record: 17, OSIA: "IRIS", Image: true, Heads: []string{"\x89PNG\r\n\x1A\n", biometrics.HeadJP2, biometrics.HeadJ2K}},
	{Name: "voice", Type: 0x04, Record: 11},
	{Name: "dna", Type: 0x4000, Record: 18},
	{Name: "signature", Type: 0x80, OSIA: "SIGNATURE"},
	{Name: "vein", Type: 0x40000},
}

// KindOf finds a row of Kinds by its name.
func KindOf(name string) (Kind, bool) {
	return find(func(k Kind) bool { return k.Name == name })
}

// KindOfOSIA finds the row of a biometricType of OSIA that the data begins as.
func KindOfOSIA(biometricType string, data []byte) (Kind, bool) {
	return find(func(k Kind) bool { return k.OSIA == biometricType && biometricType != "" && k.Begins(data) })
}

func find(is func(Kind) bool) (Kind, bool) {
	if i := slices.IndexFunc(Kinds, is); i >= 0 {
		return Kinds[i], true
	}
	return Kind{}, false
}

// Begins says whether data begins as the kind's does.
func (k Kind) Begins(data []byte) bool {
	return k.Heads == nil || slices.ContainsFunc(k.Heads, func(head string) bool { return strings.HasPrefix(string(data[:min(len(data), 16)]), head) })
}

// Opaque is a sample that nothing here looks into.
type Opaque struct {
	Kind          string // a row of Kinds
	Subtype       byte   // ISO/IEC 7816-11: 1 right, 2 left, 0 not said
	Owner, Format uint16 // zero: those of the row
	Data          []byte
}

// Codes gives the sample's row with its own format in it where it says one. A kind
// that is no row, or a format that neither says, is an error.
func (o Opaque) Codes() (Kind, error) {
	k, ok := KindOf(o.Kind)
	if !ok {
		return Kind{}, fmt.Errorf("sample of kind %q, which is not known", o.Kind)
	}
	if o.Owner != 0 || o.Format != 0 {
		k.Owner, k.Format = o.Owner, o.Format
	}
	if k.Owner == 0 || k.Format == 0 {
		return Kind{}, fmt.Errorf("%s sample without the owner and the number of its format", o.Kind)
	}
	if len(o.Data) == 0 {
		return Kind{}, fmt.Errorf("%s sample without data", o.Kind)
	}
	return k, nil
}

// Check says what is wrong with a sample: a kind that is no row, data that does not begin
// as the kind's does, or no codes of its format where it is no image.
func (o Opaque) Check() error {
	k, ok := KindOf(o.Kind)
	switch {
	case ok && len(o.Data) > 0 && !k.Begins(o.Data):
		return fmt.Errorf("%s sample whose data does not begin as such data does", o.Kind)
	case ok && len(o.Data) > 0 && k.Image:
		return nil
	}
	_, err := o.Codes()
	return err
}

// Block is the data without the A1 that a block of 39794 stands in on a card, where it does.
func (o Opaque) Block() []byte {
	if block, rest, err := takeTLV(o.Data, tagHeader); err == nil && len(rest) == 0 {
		return block
	}
	return o.Data
}

// Template wraps the sample for a card: DG4 holds a group of iris ones.
func (o Opaque) Template() (Template, error) {
	k, err := o.Codes()
	if err != nil {
		return Template{}, err
	}
	t := Template{Tag: BlockPlain, Data: o.Data, Header: header(k, o.Subtype)}
	if k.Format >= 0x0028 && k.Owner == 0x0101 { // 39794 is BER, and stands inside A1 (Doc 9303-10, 4.5.6)
		t.Tag, t.Data = BlockConstructed, appendTLV(nil, tagHeader, o.Block())
	}
	return t, nil
}

// header makes the elements that Doc 9303-10, 4.7.2 wants: biometric type and
// subtype, format owner and format.
func header(k Kind, subtype byte) []Element {
	kind := []byte{byte(k.Type)}
	if k.Type > 0xFF {
		kind = []byte{byte(k.Type >> 16), byte(k.Type >> 8), byte(k.Type)}
	}
	return []Element{
		{0x81, kind}, {0x82, []byte{subtype}},
		{0x87, []byte{byte(k.Owner >> 8), byte(k.Owner)}}, {0x88, []byte{byte(k.Format >> 8), byte(k.Format)}},
	}
}

// fingerSubtypes are the subtypes of ISO/IEC 7816-11 by position: bits 1 and 2 right
// or left, the bits above them thumb, pointer, middle, ring and little finger.
var fingerSubtypes = map[byte]byte{
	1: 0x05, 2: 0x09, 3: 0x0D, 4: 0x11, 5: 0x15,
	6: 0x06, 7: 0x0A, 8: 0x0E, 9: 0x12, 10: 0x16,
}

// FingerTemplate wraps a finger record as Doc 9303-10, 4.7.3 has it in DG3: one template
// for one image of one finger, its subtype by the position. A record of 39794-4, which is
// BER, stands in 7F2E inside A1.
func FingerTemplate(f Finger) (Template, error) {
	if len(f.Views) != 1 {
		return Template{}, fmt.Errorf("finger record with %d views, a card has one for each finger", len(f.Views))
	}
	data, err := f.Encode()
	if err != nil {
		return Template{}, err
	}
	subtype := fingerSubtypes[f.Views[0].Position]
	k := Kind{Name: "finger", Type: TypeFinger, Owner: 0x0101, Format: 0x0007}
	if f.Edition == Finger39794 {
		k.Format = 0x0028 // registered with IBIA as g3-binary-finger-image
		return Template{Tag: BlockConstructed, Data: appendTLV(nil, tagHeader, data), Header: header(k, subtype)}, nil
	}
	return Template{Tag: BlockPlain, Data: data, Header: header(k, subtype)}, nil
}

// Finger reads the finger record in a template, of 19794-4 or 39794-4. A view that does not
// say its position has that of the header's subtype; one that says another than the header
// gives ErrContradicted.
func (t Template) Finger() (Finger, error) {
	if !t.Is(TypeFinger) {
		return Finger{}, fmt.Errorf("%w: the template is not of a finger", ErrMalformed)
	}
	f, err := DecodeFinger(t.Data)
	if err != nil {
		return f, err
	}
	subtype := t.Element(0x82)
	for i := range f.Views {
		v := &f.Views[i]
		if want, one := fingerSubtypes[v.Position]; one && len(subtype) == 1 && differs(subtype[0], want) {
			return f, fmt.Errorf("%w: it says %d for the position, and the header above it subtype %02X, where %02X is that finger's", ErrContradicted, v.Position, subtype[0], want)
		}
		for position, of := range fingerSubtypes {
			if v.Position == 0 && len(subtype) == 1 && subtype[0] == of {
				v.Position = position
			}
		}
	}
	return f, nil
}

// differs says that two subtypes name different hands or different fingers; of either one
// may name none.
func differs(a, b byte) bool {
	other := func(a, b byte) bool { return a != 0 && b != 0 && a != b }
	return other(a&3, b&3) || other(a>>2&7, b>>2&7)
}
