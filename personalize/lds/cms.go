package lds

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"cardstation/devices/card/tlv"
	"cardstation/personalize/pki"
)

var oidSecurity = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 1} // id-icao-mrtd-security-ldsSecurityObject

// SecurityFile is EF.SOD taken apart (Doc 9303-10, 4.6.2): a security object in CMS
// SignedData.
type SecurityFile struct {
	Object SecurityObject
	// Signer is the document signer's certificate from the file; nil where there is
	// none, or none that can be read.
	Signer *x509.Certificate

	signed pki.SignedData
}

// DecodeSOD reads EF.SOD without believing it: VerifySignature and Verify do.
func DecodeSOD(b []byte) (SecurityFile, error) {
	v, err := body(SOD, b)
	if err != nil {
		return SecurityFile{}, err
	}
	var f SecurityFile
	if f.signed, err = pki.ParseSignedData(v); err != nil {
		return SecurityFile{}, malformed(SOD, "%w", err)
	}
	if !f.signed.Type.Equal(oidSecurity) {
		return SecurityFile{}, malformed(SOD, "content type %s is no security object", f.signed.Type)
	}
	if f.Object, err = DecodeSecurityObject(f.signed.Content); err != nil {
		return SecurityFile{}, err
	}
	f.Signer = f.signed.Signer()
	return f, nil
}

// Encode writes the file again from its parts.
func (f SecurityFile) Encode() ([]byte, error) {
	signed, err := f.signed.Encode()
	if err != nil {
		return nil, fmt.Errorf("EF.SOD: %w", err)
	}
	return tlv.New(SOD.Tag(), signed), nil
}

// signerErr is why Signer is nil.
func (f SecurityFile) signerErr() error {
	if f.signed.Unread != nil {
		return fmt.Errorf("document signer certificate: %w", f.signed.Unread)
	}
	return fmt.Errorf("EF.SOD has no certificate of its signer, and no other that is known here")
}

// VerifySignature holds the signature against the certificate of Signer, and the
// signed attributes against the content. It says nothing of the certificate.
func (f SecurityFile) VerifySignature() error {
	if f.Signer == nil {
		return fmt.Errorf("%w: %w", f.signerErr(), pki.ErrUnsupported)
	}
	return f.signed.Verify(f.Signer)
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
