package piv

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"cardstation/biometrics/record"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/lds"
	"cardstation/personalize/pki"
)

// Object identifiers of what is signed (FIPS 201-3, appendix B; RFC 4530 for the last).
var (
	oidCHUID     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 6, 1} // id-PIV-CHUIDSecurityObject
	oidBiometric = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 6, 2} // id-PIV-biometricObject
	oidSignerDN  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 6, 5} // pivSigner-DN
	oidFASCN     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 6, 6} // pivFASC-N
	oidEntryUUID = asn1.ObjectIdentifier{1, 3, 6, 1, 1, 16, 4}        // entryUUID
	oidSecurity  = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 1}         // of Doc 9303-10, 4.6.2
)

// Sign signs the CHUID (SP 800-73-4 part 1, 3.1.2): a CMS signature in field 3E over
// the other fields, with the signer's certificate, which serves all that is signed on
// the card.
func (c CHUID) Sign(by pki.Identity) (CHUID, error) {
	var err error
	c.signature, err = by.SignCMS(pki.Signed{
		Type: oidCHUID, Content: c.signed(), Detached: true,
		Attributes: []pki.Attribute{{Type: oidSignerDN, Value: by.Certificate.RawSubject}},
	})
	if err != nil {
		return c, fmt.Errorf("chuid: %w", err)
	}
	return c, nil
}

// same tells whether value is a CHUID of the same fields, signed or not as c is. The
// signature is another each time.
func (c CHUID) same(value []byte) bool {
	signature, err := tlv.Find(value, 0x3E)
	if err != nil || (len(signature) > 0) != (len(c.signature) > 0) {
		return false
	}
	c.signature = signature
	return bytes.Equal(c.Bytes(), value)
}

// signer gives the certificate that signed a CHUID read from the chip, and holds the
// signature against it.
func (c CHUID) signer(value []byte) (*x509.Certificate, error) {
	if !c.same(value) {
		return nil, errors.New("the chuid is another card's")
	}
	signature, err := tlv.Find(value, 0x3E)
	if err != nil {
		return nil, err
	}
	s, signer, err := pki.VerifyCMS(signature, c.signed(), nil)
	if err == nil && !s.Type.Equal(oidCHUID) {
		err = fmt.Errorf("content type %s", s.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("chuid: %w", err)
	}
	return signer, nil
}

// Face is the facial image object over an INCITS 385 record.
func (c CHUID) Face(h record.PIVHeader, face []byte, by pki.Identity) (Object, error) {
	h.Format, h.Type, h.Data = record.FormatFace, record.TypeFace, record.DataRaw
	return c.biometric("facial-image", objectFace, h, face, by)
}

// Fingers is the fingerprints object over an INCITS 378 record of two fingers.
func (c CHUID) Fingers(h record.PIVHeader, minutiae []byte, by pki.Identity) (Object, error) {
	h.Format, h.Type, h.Data = record.FormatMinutiae, record.TypeFinger, record.DataProcessed
	return c.biometric("fingerprints", objectFingers, h, minutiae, by)
}

// mostSignatures bounds how often a record is signed until the signature has the length
// that the header gives: that of an ECDSA signature varies by a few bytes.
const mostSignatures = 64

// biometric puts the CBEFF header before the record and the signature after both (SP
// 800-76-2, clause 9; FIPS 201-3, 4.2.3.2): bare, for it is the CHUID's signer, with FASC-N
// and card UUID as signed attributes.
func (c CHUID) biometric(name string, tag tlv.Tag, h record.PIVHeader, block []byte, by pki.Identity) (Object, error) {
	h.FASCN = nonFederal
	attributes := append(c.attributes(), pki.Attribute{Type: oidSignerDN, Value: by.Certificate.RawSubject})
	n := 0
	for range mostSignatures {
		signed, err := h.Encode(block, n)
		if err != nil {
			return Object{}, fmt.Errorf("%s: %w", name, err)
		}
		signature, err := by.SignCMS(pki.Signed{Type: oidBiometric, Content: signed, Detached: true, Bare: true, Attributes: attributes})
		if err != nil {
			return Object{}, fmt.Errorf("%s: %w", name, err)
		}
		if len(signature) == n {
			v := tlv.New(0xBC, append(signed, signature...))
			return Object{name, tag, tlv.Append(v, 0xFE), true}, nil
		}
		n = len(signature)
	}
	return Object{}, fmt.Errorf("%s: no two signatures are of one length", name)
}

// attributes bind a biometric record to the card.
func (c CHUID) attributes() []pki.Attribute {
	return []pki.Attribute{
		{Type: oidFASCN, Value: tlv.New(0x04, nonFederal[:])}, {Type: oidEntryUUID, Value: tlv.New(0x04, c.GUID[:])},
	}
}

// sameBiometric holds a biometric object read from the chip against the one that was to be
// written, in all but its signature, and that against the signer.
func (c CHUID) sameBiometric(want, got []byte, signer *x509.Certificate) error {
	var parts [2]struct {
		header record.PIVHeader
		block  []byte
		signed []byte
		sig    []byte
	}
	for i, v := range [][]byte{want, got} {
		b, err := tlv.Find(v, 0xBC)
		if err != nil {
			return err
		}
		p := &parts[i]
		if p.header, p.block, p.signed, p.sig, err = record.DecodePIV(b); err != nil {
			return err
		}
	}
	if parts[0].header != parts[1].header || !bytes.Equal(parts[0].block, parts[1].block) {
		return errors.New("is another than this record's")
	}
	s, _, err := pki.VerifyCMS(parts[1].sig, parts[1].signed, signer)
	if err != nil {
		return err
	}
	for _, a := range c.attributes() {
		if !has(s.Attributes, a) {
			return fmt.Errorf("is not signed for this card: attribute %s", a.Type)
		}
	}
	return nil
}

func has(all []pki.Attribute, want pki.Attribute) bool {
	for _, a := range all {
		if a.Type.Equal(want.Type) {
			return bytes.Equal(a.Value, want.Value)
		}
	}
	return false
}

// securityHash is the hash of each object in the security object (SP 800-78-4, table 3-2).
const securityHash = crypto.SHA256

// containers are the identifiers that the security object has for data objects (SP
// 800-73-4 part 1, table 2).
var containers = map[tlv.Tag][2]byte{
	objectCHUID: {0x30, 0x00}, objectPrinted: {0x30, 0x01}, objectFingers: {0x60, 0x10}, objectFace: {0x60, 0x30},
	objectCCC: {0xDB, 0x00},
}

// SecurityObject encodes the security object over objects (SP 800-73-4 part 1, 3.1.7):
// each under a number of its own, signed as EF.SOD signs data groups, but bare, for the
// signer's certificate is in the CHUID.
func SecurityObject(objects []Object, by pki.Identity) (Object, error) {
	var mapping []byte
	o := lds.SecurityObject{Hash: securityHash, Groups: map[lds.FileID][]byte{}}
	for i, object := range objects {
		container, ok := containers[object.Tag]
		if !ok {
			return Object{}, fmt.Errorf("security object: no container is known for data object %s", object.Tag)
		}
		mapping = append(mapping, byte(i+1), container[0], container[1])
		sum := sha256.Sum256(object.Value)
		o.Groups[lds.DG(i+1)] = sum[:]
	}
	content, err := o.Encode()
	if err != nil {
		return Object{}, fmt.Errorf("security object: %w", err)
	}
	signed, err := by.SignCMS(pki.Signed{Type: oidSecurity, Content: content, Bare: true})
	if err != nil {
		return Object{}, fmt.Errorf("security object: %w", err)
	}
	v := tlv.Append(tlv.New(0xBA, mapping), 0xBB, signed)
	return Object{"security-object", objectSecurity, tlv.Append(v, 0xFE), false}, nil
}

// checkSecurity holds a security object read from the chip against the signer and the
// values of the objects that it is over, by their tags.
func checkSecurity(value []byte, signer *x509.Certificate, values map[tlv.Tag][]byte) error {
	mapping, err := tlv.Find(value, 0xBA)
	if err != nil {
		return err
	}
	signed, err := tlv.Find(value, 0xBB)
	if err != nil {
		return err
	}
	s, _, err := pki.VerifyCMS(signed, nil, signer)
	if err != nil {
		return err
	}
	o, err := lds.DecodeSecurityObject(s.Content)
	if err != nil {
		return err
	}
	if !s.Type.Equal(oidSecurity) || o.Hash != securityHash || len(mapping) != 3*len(values) || len(o.Groups) != len(values) {
		return fmt.Errorf("is over %d objects instead of %d", len(o.Groups), len(values))
	}
	groups := map[[2]byte][]byte{}
	for ; len(mapping) > 0; mapping = mapping[3:] {
		groups[[2]byte(mapping[1:3])] = o.Groups[lds.DG(int(mapping[0]))]
	}
	for tag, v := range values {
		if sum := sha256.Sum256(v); !bytes.Equal(groups[containers[tag]], sum[:]) {
			return fmt.Errorf("data object %s is not what was signed", tag)
		}
	}
	return nil
}
