package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"cardstation/devices/card/access/curve"
)

// crypto/x509 writes elliptic curves by their names only. Where a state's certificates
// want the parameters (Doc 9303-12, 4.4: ECParameters, with the cofactor, and points
// uncompressed), the certificate that it made gets them in place of the name and is
// signed again.

// spellOut gives the certificate with the parameters of its curve, signed again; as it
// is where o wants the name.
func (o Options) spellOut(c *x509.Certificate, issuer Identity) (*x509.Certificate, error) {
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	if !o.Explicit || !ok {
		return c, nil
	}
	info, err := curve.MarshalPublicKey(key)
	if err != nil {
		return nil, err
	}
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.Raw, &outer); err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.Subject.CommonName, err)
	}
	body := bytes.Replace(outer.TBS.Bytes, c.RawSubjectPublicKeyInfo, info, 1)
	tbs, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.Subject.CommonName, err)
	}
	outer.TBS = asn1.RawValue{FullBytes: tbs}
	if outer.Signature.Bytes, err = o.signAgain(tbs, c.SignatureAlgorithm, issuer.Signer); err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.Subject.CommonName, err)
	}
	outer.Signature.BitLength = 8 * len(outer.Signature.Bytes)
	der, err := asn1.Marshal(outer)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.Subject.CommonName, err)
	}
	made, err := ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	above := &x509.Certificate{PublicKey: issuer.Public(), PublicKeyAlgorithm: x509.ECDSA}
	return made, above.CheckSignature(made.SignatureAlgorithm, made.RawTBSCertificate, made.Signature)
}

func (o Options) signAgain(tbs []byte, a x509.SignatureAlgorithm, signer crypto.Signer) ([]byte, error) {
	hash, ok := map[x509.SignatureAlgorithm]crypto.Hash{
		x509.ECDSAWithSHA256: crypto.SHA256, x509.ECDSAWithSHA384: crypto.SHA384, x509.ECDSAWithSHA512: crypto.SHA512,
	}[a]
	if !ok {
		return nil, fmt.Errorf("no signature by %s", a)
	}
	return signer.Sign(o.Rand, Digest(hash, tbs), hash)
}

// isExplicit tells whether a certificate has its curve by parameters.
func isExplicit(c *x509.Certificate) bool {
	_, err := x509.ParseCertificate(c.Raw)
	return err != nil
}
