package pki

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
)

// Doc 9303-12, 4.4 has states write elliptic curves by their parameters, not by
// name; crypto/x509 reads names only. What is read here is rewritten with the name
// where every parameter is that of a NIST curve: one that differs in a single one
// (another generator would let anybody sign) is refused.

var (
	oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidPrimeField  = asn1.ObjectIdentifier{1, 2, 840, 10045, 1, 1}
)

var namedCurves = []struct {
	curve elliptic.Curve
	id    asn1.ObjectIdentifier
}{
	{elliptic.P256(), asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}},
	{elliptic.P384(), asn1.ObjectIdentifier{1, 3, 132, 0, 34}},
	{elliptic.P521(), asn1.ObjectIdentifier{1, 3, 132, 0, 35}},
	{elliptic.P224(), asn1.ObjectIdentifier{1, 3, 132, 0, 33}},
}

// ecParameters is ECParameters (RFC 3279, 2.3.5) over a prime field.
type ecParameters struct {
	Version int
	Field   struct {
		Type  asn1.ObjectIdentifier
		Prime *big.Int
	}
	Curve struct {
		A, B []byte
		Seed asn1.BitString `asn1:"optional"`
	}
	Base     []byte
	Order    *big.Int
	Cofactor int `asn1:"optional"`
}

type publicKeyInfo struct {
	Algorithm struct {
		ID         asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}
	Key asn1.BitString
}

// ParseCertificate is x509.ParseCertificate that reads NIST curves written by their
// parameters too. Raw and RawTBSCertificate are the bytes given.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err == nil {
		return c, nil
	}
	named, tbs, ok := renamedCertificate(der)
	if !ok {
		return nil, err
	}
	if c, err = x509.ParseCertificate(named); err != nil {
		return nil, err
	}
	c.Raw, c.RawTBSCertificate = der, tbs
	return c, nil
}

// ParsePublicKey is x509.ParsePKIXPublicKey that reads NIST curves written by their
// parameters too.
func ParsePublicKey(der []byte) (crypto.PublicKey, error) {
	pub, err := x509.ParsePKIXPublicKey(der)
	if err == nil {
		return pub, nil
	}
	if named, ok := renamedKey(der); ok {
		return x509.ParsePKIXPublicKey(named)
	}
	return nil, err
}

// renamedCertificate gives the certificate with its curve by name, and the signed
// part as it was.
func renamedCertificate(der []byte) (named, tbs []byte, ok bool) {
	var outer struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 {
		return nil, nil, false
	}
	var body []byte
	for rest := outer.TBS.Bytes; len(rest) > 0; {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			return nil, nil, false
		}
		if key, is := renamedKey(v.FullBytes); is {
			v.FullBytes, ok = key, true
		}
		body = append(body, v.FullBytes...)
	}
	tbs = outer.TBS.FullBytes
	outer.TBS = asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body}
	named, err := asn1.Marshal(outer)
	return named, tbs, ok && err == nil
}

// renamedKey gives a SubjectPublicKeyInfo with its curve by name; ok is false where
// der is none, or has no explicit parameters, or unknown ones.
func renamedKey(der []byte) (named []byte, ok bool) {
	var info publicKeyInfo
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 || !info.Algorithm.ID.Equal(oidECPublicKey) {
		return nil, false
	}
	var p ecParameters
	if rest, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &p); err != nil || len(rest) > 0 {
		return nil, false
	}
	id, ok := p.name()
	if !ok {
		return nil, false
	}
	oid, err := asn1.Marshal(id)
	if err != nil {
		return nil, false
	}
	info.Algorithm.Parameters = asn1.RawValue{FullBytes: oid}
	named, err = asn1.Marshal(info)
	return named, err == nil
}

func (p ecParameters) name() (asn1.ObjectIdentifier, bool) {
	for _, n := range namedCurves {
		c := n.curve.Params()
		a := new(big.Int).Sub(c.P, big.NewInt(3))
		size := (c.BitSize + 7) / 8
		base := append([]byte{4}, append(c.Gx.FillBytes(make([]byte, size)), c.Gy.FillBytes(make([]byte, size))...)...)
		compressed := append([]byte{2 + byte(c.Gy.Bit(0))}, base[1:1+size]...)
		if p.Field.Type.Equal(oidPrimeField) && p.Field.Prime.Cmp(c.P) == 0 && p.Order.Cmp(c.N) == 0 && p.Cofactor <= 1 &&
			p.Cofactor >= 0 && new(big.Int).SetBytes(p.Curve.A).Cmp(a) == 0 && new(big.Int).SetBytes(p.Curve.B).Cmp(c.B) == 0 &&
			(bytes.Equal(p.Base, base) || bytes.Equal(p.Base, compressed)) {
			return n.id, true
		}
	}
	return nil, false
}
