package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// Signed is what a CMS SignedData with one signer says (RFC 5652, 5).
type Signed struct {
	Type       asn1.ObjectIdentifier // of the content
	Content    []byte
	Detached   bool        // the content travels elsewhere
	Bare       bool        // so does the signer's certificate
	Attributes []Attribute // signed, besides content type and message digest
}

// Attribute is a signed attribute with one value, in DER.
type Attribute struct {
	Type  asn1.ObjectIdentifier
	Value []byte
}

// errCMS: the bytes are no SignedData of one signer, or its signature does not fit.
var errCMS = errors.New("no cms signature that holds")

// SignCMS signs s with id's ECDSA key and gives the ContentInfo in DER. The hash is as
// strong as the key.
func (id Identity) SignCMS(s Signed) ([]byte, error) {
	key, ok := id.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("sign: the signer has a %T, want an ECDSA key", id.Public())
	}
	hash := HashOf(key)
	attributes, err := s.signedAttributes(Digest(hash, s.Content))
	if err != nil {
		return nil, err
	}
	signature, err := id.Sign(rand.Reader, Digest(hash, attributes), hash)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	digest, info, err := id.signerInfo(hash, attributes, signature)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	data := signedData{Version: 3, Digests: set(digest), Content: encapsulated{Type: s.Type}, Signers: set(info)}
	if !s.Detached {
		data.Content.Content = s.Content
	}
	if !s.Bare {
		data.Certificates = asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: id.Certificate.Raw}
	}
	der, err := asn1.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return asn1.Marshal(contentInfo{oidSignedData, asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: der}})
}

func set(elements ...[]byte) asn1.RawValue {
	return asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: bytes.Join(elements, nil)}
}

// signerInfo encodes digest algorithm and signer info.
func (id Identity) signerInfo(hash crypto.Hash, attributes, signature []byte) (digest, info []byte, err error) {
	s := signerInfo{Version: 1, Signature: signature}
	if s.Digest.Algorithm, err = HashID(hash); err != nil {
		return nil, nil, err
	}
	for _, a := range signatures {
		if a.scheme == schemeECDSA && a.hash == hash {
			s.Algorithm.Algorithm = a.id
		}
	}
	if s.SID.FullBytes, err = asn1.Marshal(issuerAndSerial{asn1.RawValue{FullBytes: id.Certificate.RawIssuer}, id.Certificate.SerialNumber}); err != nil {
		return nil, nil, err
	}
	s.Attributes.FullBytes = bytes.Clone(attributes)
	s.Attributes.FullBytes[0] = 0xA0 // in its context, [0]
	if info, err = asn1.Marshal(s); err != nil {
		return nil, nil, err
	}
	digest, err = asn1.Marshal(s.Digest)
	return digest, info, err
}

// signedAttributes is the DER SET that the signature is over (RFC 5652, 5.4).
func (s Signed) signedAttributes(digest []byte) ([]byte, error) {
	kind, err := asn1.Marshal(s.Type)
	if err != nil {
		return nil, fmt.Errorf("content type: %w", err)
	}
	sum, err := asn1.Marshal(digest)
	if err != nil {
		return nil, fmt.Errorf("message digest: %w", err)
	}
	var all [][]byte
	for _, a := range append([]Attribute{{oidContentType, kind}, {oidMessageDigest, sum}}, s.Attributes...) {
		der, err := asn1.Marshal(attribute{a.Type, []asn1.RawValue{{FullBytes: a.Value}}})
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", a.Type, err)
		}
		all = append(all, der)
	}
	slices.SortFunc(all, bytes.Compare) // X.690, 11.6
	return asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: bytes.Join(all, nil)})
}

// VerifyCMS reads a SignedData as SignCMS makes it and holds its signature against
// signer or, where that is nil, against the certificate within, which it gives back. content
// is what a detached signature is over. It says nothing of the certificate.
func VerifyCMS(der, content []byte, signer *x509.Certificate) (Signed, *x509.Certificate, error) {
	d, err := ParseSignedData(der)
	if err != nil {
		return Signed{}, nil, fmt.Errorf("%w: %w", errCMS, err)
	}
	s := Signed{Type: d.Type, Content: d.Content, Bare: len(d.data.Certificates.Bytes) == 0}
	if s.Detached = len(s.Content) == 0; s.Detached {
		s.Content, d.Content = content, content
	}
	if signer == nil {
		if signer = d.Signer(); signer == nil {
			return s, nil, fmt.Errorf("%w: it has no certificate of its signer", errCMS)
		}
	}
	if !d.signer.isBy(signer) {
		return s, signer, fmt.Errorf("%w: it is another signer's", errCMS)
	}
	if err := d.Verify(signer); err != nil {
		return s, signer, fmt.Errorf("%w: %w", errCMS, err)
	}
	all, err := d.attributes()
	for _, a := range all {
		if len(a.Values) != 1 {
			return s, signer, fmt.Errorf("%w: attribute %s", errCMS, a.Type)
		}
		s.Attributes = append(s.Attributes, Attribute{a.Type, a.Values[0].FullBytes})
	}
	return s, signer, err
}
