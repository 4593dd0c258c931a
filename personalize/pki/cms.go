package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
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

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
)

// strength is a hash that goes with a curve of so many bits (SP 800-78-4, table 3-2).
type strength struct {
	bits              int
	hash              crypto.Hash
	digest, signature asn1.ObjectIdentifier
	algorithm         x509.SignatureAlgorithm
}

var strengths = []strength{
	{256, crypto.SHA256, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, x509.ECDSAWithSHA256},
	{384, crypto.SHA384, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, x509.ECDSAWithSHA384},
	{521, crypto.SHA512, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, x509.ECDSAWithSHA512},
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version      int
	Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
	Content      encapsulated
	Certificates asn1.RawValue `asn1:"optional,tag:0"`
	Signers      []signerInfo  `asn1:"set"`
}

type encapsulated struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"explicit,optional,omitempty,tag:0"`
}

type signerInfo struct {
	Version    int
	SID        issuerAndSerial
	Digest     pkix.AlgorithmIdentifier
	Attributes asn1.RawValue // [0]
	Algorithm  pkix.AlgorithmIdentifier
	Signature  []byte
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// SignCMS signs s with id's ECDSA key and gives the ContentInfo in DER. The hash is as
// strong as the key.
func (id Identity) SignCMS(s Signed) ([]byte, error) {
	key, ok := id.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("sign: the signer has a %T, want an ECDSA key", id.Public())
	}
	i := 0
	for strengths[i].bits < key.Curve.Params().BitSize && i < len(strengths)-1 {
		i++
	}
	h := strengths[i]
	attributes, err := s.signedAttributes(digestOf(h.hash, s.Content))
	if err != nil {
		return nil, err
	}
	signature, err := id.Sign(rand.Reader, digestOf(h.hash, attributes), h.hash)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	digest := pkix.AlgorithmIdentifier{Algorithm: h.digest}
	inContext := bytes.Clone(attributes)
	inContext[0] = 0xA0
	data := signedData{
		Version: 3, Digests: []pkix.AlgorithmIdentifier{digest}, Content: encapsulated{Type: s.Type},
		Signers: []signerInfo{{
			Version: 1, SID: issuerAndSerial{asn1.RawValue{FullBytes: id.Certificate.RawIssuer}, id.Certificate.SerialNumber},
			Digest: digest, Attributes: asn1.RawValue{FullBytes: inContext},
			Algorithm: pkix.AlgorithmIdentifier{Algorithm: h.signature}, Signature: signature,
		}},
	}
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
	var info contentInfo
	var data signedData
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 || !info.Type.Equal(oidSignedData) {
		return Signed{}, nil, fmt.Errorf("%w: no SignedData", errCMS)
	}
	if rest, err := asn1.Unmarshal(info.Content.Bytes, &data); err != nil || len(rest) > 0 || len(data.Signers) != 1 {
		return Signed{}, nil, fmt.Errorf("%w: not one signer", errCMS)
	}
	s := Signed{Type: data.Content.Type, Content: data.Content.Content, Bare: len(data.Certificates.Bytes) == 0}
	if s.Detached = len(s.Content) == 0; s.Detached {
		s.Content = content
	}
	if signer == nil {
		var err error
		if signer, err = x509.ParseCertificate(data.Certificates.Bytes); err != nil {
			return s, nil, fmt.Errorf("%w: the signer's certificate: %w", errCMS, err)
		}
	}
	return s, signer, s.check(data.Signers[0], signer)
}

// check holds the signer info against content and certificate, and takes its attributes.
func (s *Signed) check(info signerInfo, signer *x509.Certificate) error {
	if !bytes.Equal(info.SID.Issuer.FullBytes, signer.RawIssuer) || info.SID.Serial.Cmp(signer.SerialNumber) != 0 {
		return fmt.Errorf("%w: it is another signer's", errCMS)
	}
	i := slices.IndexFunc(strengths, func(h strength) bool {
		return h.digest.Equal(info.Digest.Algorithm) && h.signature.Equal(info.Algorithm.Algorithm)
	})
	if i < 0 || len(info.Attributes.FullBytes) == 0 {
		return fmt.Errorf("%w: algorithm %s, or no signed attributes", errCMS, info.Algorithm.Algorithm)
	}
	signed := bytes.Clone(info.Attributes.FullBytes)
	signed[0] = 0x31 // RFC 5652, 5.4
	if err := signer.CheckSignature(strengths[i].algorithm, signed, info.Signature); err != nil {
		return fmt.Errorf("%w: %w", errCMS, err)
	}
	var all []attribute
	if rest, err := asn1.UnmarshalWithParams(signed, &all, "set"); err != nil || len(rest) > 0 {
		return fmt.Errorf("%w: signed attributes", errCMS)
	}
	found := map[string][]byte{}
	for _, a := range all {
		if len(a.Values) != 1 || found[a.Type.String()] != nil {
			return fmt.Errorf("%w: attribute %s", errCMS, a.Type)
		}
		found[a.Type.String()] = a.Values[0].FullBytes
		s.Attributes = append(s.Attributes, Attribute{a.Type, a.Values[0].FullBytes})
	}
	kind, err := asn1.Marshal(s.Type)
	if err != nil {
		return err
	}
	sum, err := asn1.Marshal(digestOf(strengths[i].hash, s.Content))
	if err != nil {
		return err
	}
	if !bytes.Equal(found[oidContentType.String()], kind) || !bytes.Equal(found[oidMessageDigest.String()], sum) {
		return fmt.Errorf("%w: it is over something else", errCMS)
	}
	return nil
}

func digestOf(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}
