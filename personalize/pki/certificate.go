package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"cardstation/devices/card/access/curve"
)

// Doc 9303-12, 4.4 has states write elliptic curves by their parameters, not by name,
// and many take brainpool curves; crypto/x509 reads NIST curves by their names only.
// Here x509 reads a certificate with a key of its own liking in place of the one that
// it does not know, and the true key is put back.

// ParseCertificate is x509.ParseCertificate that reads the keys of ParsePublicKey too.
// Raw and all other raw fields are the bytes given.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err == nil && c.PublicKey != nil {
		return c, nil
	}
	known, tbs, info, ok := withKnownKey(der)
	if !ok {
		return nil, unread(err)
	}
	if c, err = x509.ParseCertificate(known); err != nil {
		return nil, err
	}
	pub, err := ParsePublicKey(info)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.Subject, err)
	}
	c.Raw, c.RawTBSCertificate, c.RawSubjectPublicKeyInfo, c.PublicKey = der, tbs, info, pub
	c.PublicKeyAlgorithm = x509.RSA
	if isEllipticKey(info) {
		c.PublicKeyAlgorithm = x509.ECDSA
	}
	return c, nil
}

func unread(err error) error {
	if err == nil {
		return errors.New("certificate with a key of an unknown kind")
	}
	return err
}

// ParsePublicKey is x509.ParsePKIXPublicKey that also reads every curve that package
// curve knows, by name or by parameters, and RSA keys that are for RSA-PSS only. Of
// parameters all must be those of the known curve: one with another generator would
// let anybody sign.
func ParsePublicKey(der []byte) (crypto.PublicKey, error) {
	pub, err := x509.ParsePKIXPublicKey(der)
	if err == nil {
		return pub, nil
	}
	var info struct {
		Algorithm struct {
			ID         asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Key asn1.BitString
	}
	if rest, bad := asn1.Unmarshal(der, &info); bad != nil || len(rest) > 0 {
		return nil, err
	}
	if info.Algorithm.ID.Equal(oidPSS) {
		return x509.ParsePKCS1PublicKey(info.Key.Bytes)
	}
	k, err := curve.ParsePublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return k, nil
}

func isEllipticKey(info []byte) bool {
	_, err := curve.ParsePublicKey(info)
	return err == nil
}

// knownKey is a SubjectPublicKeyInfo that x509 reads: the base point of P-256.
var knownKey = func() []byte {
	c, err := curve.Number(12)
	if err != nil {
		panic(err)
	}
	k, err := curve.PublicKey(c, curve.Encode(c, c.Params().Gx, c.Params().Gy))
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		panic(err)
	}
	return der
}()

// withKnownKey gives the certificate with knownKey in it, and of the original the
// signed part and the SubjectPublicKeyInfo.
func withKnownKey(der []byte) (known, tbs, info []byte, ok bool) {
	var outer struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) > 0 {
		return nil, nil, nil, false
	}
	var body []byte
	key := 5 // serial number, algorithm, issuer, validity, subject stand before it
	for i, rest := 0, outer.TBS.Bytes; len(rest) > 0; i++ {
		var v asn1.RawValue
		var err error
		if rest, err = asn1.Unmarshal(rest, &v); err != nil {
			return nil, nil, nil, false
		}
		if i == 0 && v.Class == asn1.ClassContextSpecific {
			key++ // the version
		}
		if i == key {
			info, v.FullBytes = v.FullBytes, knownKey
		}
		body = append(body, v.FullBytes...)
	}
	tbs = outer.TBS.FullBytes
	outer.TBS = asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body}
	known, err := asn1.Marshal(outer)
	return known, tbs, info, info != nil && err == nil
}
