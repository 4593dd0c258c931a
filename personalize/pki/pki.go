// Package pki makes and keeps the keys that sign: the country signer and the
// document signer of ICAO Doc 9303-12, and the citizen CA that certifies the PIV
// keys of a card (NIST SP 800-73-4 part 1, FIPS 201-3). Its keys are ECDSA on P-384
// (authorities) and P-256 (document signer).
package pki

import (
	"crypto"
	"crypto/x509"
	"io"
	"time"
)

// Identity is a private key and the certificate over its public half.
type Identity struct {
	crypto.Signer
	Certificate *x509.Certificate
}

// Trust is what passive authentication believes: country signer certificates, and
// revocation lists that they signed.
type Trust struct {
	Anchors []*x509.Certificate
	CRLs    []*x509.RevocationList
}

// Options say whose certificate is made. The zero value is valid: VNM, the
// package's own organisation, from now on.
type Options struct {
	Country      string    // ISO 3166-1 alpha-2, default "VN"
	State        string    // the same as the machine readable zone has it, default "VNM"
	Organization string    // default "cardstation"
	Demo         bool      // writes DEMO into every subject
	Now          time.Time // start of validity, default time.Now
	CRL          string    // URL of the revocation list's distribution point
	Rand         io.Reader // default crypto/rand
}
