package lds

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"

	"cardstation/devices/card/tlv"
	"cardstation/personalize/pki"
)

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidSecurity      = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 1} // id-icao-mrtd-security-ldsSecurityObject
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
)

// What follows is CMS SignedData (RFC 5652, 5) as Doc 9303-10, 4.6.2 narrows it.

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

// SecurityFile is EF.SOD taken apart.
type SecurityFile struct {
	Object SecurityObject
	// Signer is the document signer's certificate from the file; nil where there is
	// none, or none that can be read.
	Signer *x509.Certificate

	signerErr error // why Signer is nil
	data      signedData
	signer    signerInfo
}

// DecodeSOD reads EF.SOD without believing it: VerifySignature and Verify do.
func DecodeSOD(b []byte) (SecurityFile, error) {
	v, err := body(SOD, b)
	if err != nil {
		return SecurityFile{}, err
	}
	var f SecurityFile
	var info contentInfo
	if rest, err := asn1.Unmarshal(v, &info); err != nil || len(rest) > 0 || !info.Type.Equal(oidSignedData) {
		return SecurityFile{}, malformed(SOD, "no CMS SignedData")
	}
	if rest, err := asn1.Unmarshal(info.Content.Bytes, &f.data); err != nil || len(rest) > 0 {
		return SecurityFile{}, malformed(SOD, "SignedData: %w", trailing(err))
	}
	if !f.data.Content.Type.Equal(oidSecurity) {
		return SecurityFile{}, malformed(SOD, "content type %s is no security object", f.data.Content.Type)
	}
	if rest, err := asn1.Unmarshal(f.data.Signers.Bytes, &f.signer); err != nil || len(rest) > 0 {
		return SecurityFile{}, malformed(SOD, "want exactly one signer: %w", trailing(err))
	}
	if f.Object, err = DecodeSecurityObject(f.data.Content.Content); err != nil {
		return SecurityFile{}, err
	}
	f.Signer, f.signerErr = f.findSigner()
	return f, nil
}

// Encode writes the file again from its parts.
func (f SecurityFile) Encode() ([]byte, error) {
	data, err := asn1.Marshal(f.data)
	if err != nil {
		return nil, fmt.Errorf("EF.SOD: %w", err)
	}
	info, err := asn1.Marshal(contentInfo{oidSignedData, asn1.RawValue{FullBytes: tlv.New(0xA0, data)}})
	if err != nil {
		return nil, fmt.Errorf("EF.SOD: %w", err)
	}
	return tlv.New(SOD.Tag(), info), nil
}

// findSigner picks the certificate that the signer info names.
func (f SecurityFile) findSigner() (*x509.Certificate, error) {
	var unread error
	for rest := f.data.Certificates.Bytes; len(rest) > 0; {
		var raw asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &raw); err != nil {
			return nil, err
		}
		c, err := pki.ParseCertificate(raw.FullBytes)
		if err != nil {
			unread = err
			continue
		}
		if f.signer.isBy(c) {
			return c, nil
		}
	}
	if unread != nil {
		return nil, unread
	}
	return nil, fmt.Errorf("EF.SOD has no certificate of its signer")
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

// VerifySignature holds the signature against the certificate in the file, and the
// signed attributes against the content. It says nothing of the certificate.
func (f SecurityFile) VerifySignature() error {
	if f.Signer == nil {
		return fmt.Errorf("document signer certificate: %w: %w", f.signerErr, errUnsupported)
	}
	hash, err := hashByID(f.signer.Digest.Algorithm)
	if err != nil {
		return err
	}
	if len(f.signer.Attributes.FullBytes) == 0 {
		return fmt.Errorf("no signed attributes: %w", errSignature)
	}
	signed := bytes.Clone(f.signer.Attributes.FullBytes)
	signed[0] = 0x31 // RFC 5652, 5.4: the tag SET OF instead of [0]
	var attributes []attribute
	if _, err := asn1.UnmarshalWithParams(signed, &attributes, "set"); err != nil {
		return fmt.Errorf("signed attributes: %w: %w", err, errSignature)
	}
	var kind asn1.ObjectIdentifier
	var digest []byte
	if !oneValue(attributes, oidContentType, &kind) || !kind.Equal(f.data.Content.Type) {
		return fmt.Errorf("the content type is not the one signed: %w", errSignature)
	}
	if !oneValue(attributes, oidMessageDigest, &digest) || !bytes.Equal(digest, digestOf(hash, f.data.Content.Content)) {
		return fmt.Errorf("the digest of the security object is not the one signed: %w", errSignature)
	}
	return checkSignature(f.Signer.PublicKey, f.signer.Algorithm, hash, signed, f.signer.Signature)
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

// SignSOD makes EF.SOD: the object signed by an ECDSA document signer, whose
// certificate goes with it (Doc 9303-10, 4.6.2). The hash is as strong as its key.
func SignSOD(o SecurityObject, by pki.Identity) ([]byte, error) {
	content, err := o.Encode()
	if err != nil {
		return nil, err
	}
	signed, err := by.SignCMS(pki.Signed{Type: oidSecurity, Content: content})
	if err != nil {
		return nil, fmt.Errorf("EF.SOD: %w", err)
	}
	return tlv.New(SOD.Tag(), signed), nil
}
