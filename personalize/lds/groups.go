package lds

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cardstation/biometrics/record"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/mrz"
	"cardstation/personalize/pki"
)

// ErrMalformed says that the bytes are not the file they should be.
var ErrMalformed = errors.New("malformed file")

func malformed(f FileID, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %w", f, ErrMalformed, fmt.Errorf(format, args...))
}

// body takes off the outermost tag of a file.
func body(f FileID, b []byte) ([]byte, error) {
	v, err := tlv.One(b, f.Tag())
	if err != nil {
		return nil, malformed(f, "%w", err)
	}
	return v, nil
}

// Common is the content of EF.COM (Doc 9303-10, 4.6.1).
type Common struct {
	LDS     string   // version of the data structure, four digits: "0107"
	Unicode string   // version of Unicode, six digits: "040000"
	Groups  []FileID // the data groups that are there, in the order listed
}

const (
	tagLDSVersion     tlv.Tag = 0x5F01
	tagUnicodeVersion tlv.Tag = 0x5F36
	tagList           tlv.Tag = 0x5C
	tagZone           tlv.Tag = 0x5F1F
)

// Encode writes EF.COM.
func (c Common) Encode() ([]byte, error) {
	if len(c.LDS) != 4 || len(c.Unicode) != 6 {
		return nil, fmt.Errorf("EF.COM with versions %q and %q, want four and six digits", c.LDS, c.Unicode)
	}
	var list []byte
	for _, g := range c.Groups {
		if g.Group() == 0 {
			return nil, fmt.Errorf("EF.COM lists data groups only, not %s", g)
		}
		list = append(list, byte(g.Tag()))
	}
	return tlv.New(COM.Tag(), tlv.New(tagLDSVersion, []byte(c.LDS)), tlv.New(tagUnicodeVersion, []byte(c.Unicode)),
		tlv.New(tagList, list)), nil
}

// DecodeCOM reads EF.COM.
func DecodeCOM(b []byte) (Common, error) {
	v, err := body(COM, b)
	if err != nil {
		return Common{}, err
	}
	parts, err := tlv.Parse(v)
	if err != nil || len(parts) != 3 || parts[0].Tag != tagLDSVersion || parts[1].Tag != tagUnicodeVersion || parts[2].Tag != tagList ||
		len(parts[0].Value) != 4 || len(parts[1].Value) != 6 {
		return Common{}, malformed(COM, "not two versions and a tag list")
	}
	c := Common{LDS: string(parts[0].Value), Unicode: string(parts[1].Value)}
	for _, t := range parts[2].Value {
		g, ok := byTag(tlv.Tag(t))
		if !ok || slices.Contains(c.Groups, g) {
			return Common{}, malformed(COM, "tag %02X in the list", t)
		}
		c.Groups = append(c.Groups, g)
	}
	return c, nil
}

// EncodeDG1 writes data group 1: the machine readable zone.
func EncodeDG1(m mrz.Zone) ([]byte, error) {
	lines, err := m.Lines()
	if err != nil {
		return nil, fmt.Errorf("DG1: %w", err)
	}
	return tlv.New(DG1.Tag(), tlv.New(tagZone, []byte(strings.Join(lines, "")))), nil
}

// DecodeDG1 reads data group 1 of a document of any size.
func DecodeDG1(b []byte) (mrz.Zone, error) {
	v, err := body(DG1, b)
	if err != nil {
		return mrz.Zone{}, err
	}
	zone, err := tlv.One(v, tagZone)
	if err != nil {
		return mrz.Zone{}, malformed(DG1, "%w", err)
	}
	m, err := mrz.Parse(string(zone))
	if err != nil {
		return mrz.Zone{}, malformed(DG1, "%w", err)
	}
	if len(zone) != m.Size.Length() {
		return mrz.Zone{}, malformed(DG1, "characters between the lines")
	}
	return m, nil
}

// EncodeDG2 writes data group 2: one ISO/IEC 19794-5 record for each face.
func EncodeDG2(faces ...record.Face) ([]byte, error) {
	var all []record.Template
	for _, f := range faces {
		t, err := record.FaceTemplate(f)
		if err != nil {
			return nil, fmt.Errorf("DG2: %w", err)
		}
		all = append(all, t)
	}
	group, err := record.EncodeGroup(all)
	if err != nil {
		return nil, fmt.Errorf("DG2: %w", err)
	}
	return tlv.New(DG2.Tag(), group), nil
}

// DecodeDG2 reads the faces of data group 2, of ISO/IEC 19794-5 or 39794-5; the
// portrait is the first image of the first.
func DecodeDG2(b []byte) ([]record.Face, error) {
	v, err := body(DG2, b)
	if err != nil {
		return nil, err
	}
	all, err := record.DecodeGroup(v)
	if err != nil {
		return nil, malformed(DG2, "%w", err)
	}
	var faces []record.Face
	for _, t := range all {
		f, err := record.DecodeFace(t.Data)
		if err != nil {
			return nil, malformed(DG2, "%w", err)
		}
		faces = append(faces, f)
	}
	return faces, nil
}

// EncodeDG15 writes data group 15: the public key of active authentication,
// *ecdsa.PublicKey or *rsa.PublicKey.
func EncodeDG15(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("DG15: %w", err)
	}
	return tlv.New(DG15.Tag(), der), nil
}

// DecodeDG15 reads the public key of active authentication.
func DecodeDG15(b []byte) (crypto.PublicKey, error) {
	v, err := body(DG15, b)
	if err != nil {
		return nil, err
	}
	pub, err := pki.ParsePublicKey(v)
	if err != nil {
		return nil, malformed(DG15, "%w", err)
	}
	return pub, nil
}
