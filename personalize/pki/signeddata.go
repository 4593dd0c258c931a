package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"cardstation/devices/card/tlv"
)

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
)

// What follows is CMS SignedData (RFC 5652, 5) as Doc 9303-10, 4.6.2 and Doc 9303-12
// narrow it.

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version      int
	Digests      asn1.RawValue
	Content      encapsulated
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	CRLs         asn1.RawValue `asn1:"optional,tag:1"`
	Signers      asn1.RawValue
}

type encapsulated struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"explicit,optional,tag:0"`
}

type signerInfo struct {
	Version    int
	SID        asn1.RawValue
	Digest     pkix.AlgorithmIdentifier
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
	Algorithm  pkix.AlgorithmIdentifier
	Signature  []byte
	Unsigned   asn1.RawValue `asn1:"optional,tag:1"`
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// SignedData is a CMS SignedData with exactly one signer, taken apart and not
// believed: Verify does that.
type SignedData struct {
	Type         asn1.ObjectIdentifier // of the content
	Content      []byte                // nil where it travels elsewhere
	Certificates []*x509.Certificate   // those in the file that could be read
	Unread       error                 // why one of them could not be, nil if all were

	data   signedData
	signer signerInfo
}

var errNotSigned = errors.New("no CMS SignedData")

// ParseSignedData reads a SignedData in DER, or in BER, which some signers leave it in:
// what was read of that writes itself in DER.
func ParseSignedData(b []byte) (SignedData, error) {
	s, err := parseSignedData(b)
	if err == nil {
		return s, nil
	}
	if der, rest, bad := fromBER(b, 0); bad == nil && len(rest) == 0 && !bytes.Equal(der, b) {
		return parseSignedData(der)
	}
	return s, err
}

func parseSignedData(der []byte) (SignedData, error) {
	var s SignedData
	var info contentInfo
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 || !info.Type.Equal(oidSignedData) {
		return s, errNotSigned
	}
	if rest, err := asn1.Unmarshal(info.Content.Bytes, &s.data); err != nil || len(rest) > 0 {
		return s, fmt.Errorf("SignedData: %w", trailing(err))
	}
	if rest, err := asn1.Unmarshal(s.data.Signers.Bytes, &s.signer); err != nil || len(rest) > 0 {
		return s, fmt.Errorf("want exactly one signer: %w", trailing(err))
	}
	s.Type, s.Content = s.data.Content.Type, s.data.Content.Content
	for rest := s.data.Certificates.Bytes; len(rest) > 0; {
		var raw asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &raw); err != nil {
			return s, fmt.Errorf("certificates: %w", err)
		}
		if c, err := ParseCertificate(raw.FullBytes); err != nil {
			s.Unread = err
		} else {
			s.Certificates = append(s.Certificates, c)
		}
	}
	return s, nil
}

// trailing is err, or what is wrong where reading itself went well.
func trailing(err error) error {
	if err != nil {
		return err
	}
	return errors.New("bytes after the end")
}

// Encode writes it again from its parts.
func (s SignedData) Encode() ([]byte, error) {
	data, err := asn1.Marshal(s.data)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(contentInfo{oidSignedData, asn1.RawValue{FullBytes: tlv.New(0xA0, data)}})
}

// Signer picks the certificate that the signer is named by, from those in the file
// and then from others; nil where it is in neither.
func (s SignedData) Signer(others ...*x509.Certificate) *x509.Certificate {
	for _, from := range [][]*x509.Certificate{s.Certificates, others} {
		if i := slices.IndexFunc(from, s.signer.isBy); i >= 0 {
			return from[i]
		}
	}
	return nil
}

// isBy tells whether the signer is named by issuer and serial number, or by subject
// key identifier, of the certificate.
func (s signerInfo) isBy(c *x509.Certificate) bool {
	if s.SID.Class == asn1.ClassContextSpecific && s.SID.Tag == 0 {
		return len(c.SubjectKeyId) > 0 && bytes.Equal(s.SID.Bytes, c.SubjectKeyId)
	}
	var id issuerAndSerial
	if rest, err := asn1.Unmarshal(s.SID.FullBytes, &id); err != nil || len(rest) > 0 {
		return false
	}
	return bytes.Equal(id.Issuer.FullBytes, c.RawIssuer) && id.Serial.Cmp(c.SerialNumber) == 0
}

// Verify holds the signature against a certificate's key, and the signed attributes
// against the content, which where it travels elsewhere is set before. It says nothing of the certificate. Errors are ErrSignature or
// ErrUnsupported.
func (s SignedData) Verify(by *x509.Certificate) error {
	hash, err := Hash(s.signer.Digest.Algorithm)
	if err != nil {
		return err
	}
	alg, err := algorithmOf(s.signer.Algorithm, hash)
	if err != nil {
		return err
	}
	all, err := s.attributes()
	if err != nil {
		return err
	}
	var kind asn1.ObjectIdentifier
	var digest []byte
	switch {
	case alg.hash != hash:
		return fmt.Errorf("signed %s over a digest of %s: %w", alg, hash, ErrSignature)
	case !oneValue(all, oidContentType, &kind) || !kind.Equal(s.Type):
		return fmt.Errorf("the content type is not the one signed: %w", ErrSignature)
	case !oneValue(all, oidMessageDigest, &digest) || !bytes.Equal(digest, Digest(hash, s.Content)):
		return fmt.Errorf("the digest of the content is not the one signed: %w", ErrSignature)
	}
	// RFC 5652, 5.4: signed is the DER of SET OF instead of [0]. Some signers leave the
	// attributes unsorted in the file, and some sign them so.
	signed := bytes.Clone(s.signer.Attributes.FullBytes)
	signed[0] = 0x31
	if err = alg.check(by.PublicKey, signed, s.signer.Signature); err == nil {
		return nil
	}
	if sorted, ok := inOrder(s.signer.Attributes.Bytes); ok && !bytes.Equal(sorted, signed) {
		return alg.check(by.PublicKey, sorted, s.signer.Signature)
	}
	return err
}

func (s SignedData) attributes() (all []attribute, err error) {
	if len(s.signer.Attributes.FullBytes) == 0 {
		return nil, fmt.Errorf("no signed attributes: %w", ErrSignature)
	}
	signed := bytes.Clone(s.signer.Attributes.FullBytes)
	signed[0] = 0x31
	if _, err := asn1.UnmarshalWithParams(signed, &all, "set"); err != nil {
		return nil, fmt.Errorf("signed attributes: %w: %w", err, ErrSignature)
	}
	return all, nil
}

// inOrder is the SET OF those elements in DER (X.690, 11.6).
func inOrder(elements []byte) ([]byte, bool) {
	var all [][]byte
	for len(elements) > 0 {
		var raw asn1.RawValue
		var err error
		if elements, err = asn1.Unmarshal(elements, &raw); err != nil {
			return nil, false
		}
		all = append(all, raw.FullBytes)
	}
	slices.SortFunc(all, bytes.Compare)
	return tlv.New(0x31, all...), true
}

// oneValue reads the attribute's only value; false where it is absent, doubled or
// something else.
func oneValue(all []attribute, id asn1.ObjectIdentifier, into any) bool {
	found := false
	for _, a := range all {
		if !a.Type.Equal(id) {
			continue
		}
		if found || len(a.Values) != 1 {
			return false
		}
		rest, err := asn1.Unmarshal(a.Values[0].FullBytes, into)
		if found = err == nil && len(rest) == 0; !found {
			return false
		}
	}
	return found
}

// SigningTime is when the signer says that it signed; ok is false where it does not.
func (s SignedData) SigningTime() (t time.Time, ok bool) {
	all, err := s.attributes()
	return t, err == nil && oneValue(all, oidSigningTime, &t)
}

// Algorithm names how it was signed, "ECDSA with SHA-256"; an unknown one by its
// object identifier.
func (s SignedData) Algorithm() string {
	hash, err := Hash(s.signer.Digest.Algorithm)
	if err != nil {
		return s.signer.Digest.Algorithm.String()
	}
	alg, err := algorithmOf(s.signer.Algorithm, hash)
	if err != nil {
		return s.signer.Algorithm.Algorithm.String()
	}
	return alg.String()
}
