package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // read only: old documents
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// ErrUnsupported says that this package cannot judge a signature, right or wrong.
var ErrUnsupported = errors.New("not supported")

// ErrSignature says that it is wrong.
var ErrSignature = errors.New("the signature does not fit")

var hashes = []struct {
	id   asn1.ObjectIdentifier
	hash crypto.Hash
}{
	{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, crypto.SHA1},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 4}, crypto.SHA224},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, crypto.SHA256},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, crypto.SHA384},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, crypto.SHA512},
}

type scheme string

const (
	schemeECDSA scheme = "ECDSA"
	schemeRSA   scheme = "RSA" // PKCS #1 v1.5
	schemePSS   scheme = "RSA-PSS"
)

var oidPSS = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}

// signatures by object identifier; hash 0 is the one that goes beside it.
var signatures = []struct {
	id     asn1.ObjectIdentifier
	scheme scheme
	hash   crypto.Hash
}{
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, schemeECDSA, crypto.SHA1},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 1}, schemeECDSA, crypto.SHA224},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, schemeECDSA, crypto.SHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, schemeECDSA, crypto.SHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, schemeECDSA, crypto.SHA512},
	{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, schemeECDSA, 0}, // seen in place of the above
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, schemeRSA, 0},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, schemeRSA, crypto.SHA1},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 14}, schemeRSA, crypto.SHA224},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, schemeRSA, crypto.SHA256},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, schemeRSA, crypto.SHA384},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, schemeRSA, crypto.SHA512},
	{oidPSS, schemePSS, 0},
}

// Hash finds a hash algorithm, SHA-1 or SHA-2, by its object identifier; another is
// ErrUnsupported.
func Hash(id asn1.ObjectIdentifier) (crypto.Hash, error) {
	for _, h := range hashes {
		if h.id.Equal(id) {
			return h.hash, nil
		}
	}
	return 0, fmt.Errorf("hash algorithm %s: %w", id, ErrUnsupported)
}

// HashID is the inverse of Hash.
func HashID(hash crypto.Hash) (asn1.ObjectIdentifier, error) {
	for _, h := range hashes {
		if h.hash == hash {
			return h.id, nil
		}
	}
	return nil, fmt.Errorf("hash algorithm %s: %w", hash, ErrUnsupported)
}

// Digest is the hash of data.
func Digest(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}

// HashOf is the hash as strong as the curve of a key (SP 800-78-4, table 3-2).
func HashOf(key *ecdsa.PublicKey) crypto.Hash {
	switch bits := key.Params().BitSize; {
	case bits <= 256:
		return crypto.SHA256
	case bits <= 384:
		return crypto.SHA384
	}
	return crypto.SHA512
}

// maxRSA is the longest RSA modulus in bits that a signature is computed with: a chip
// may bring a certificate of its own making, and the time grows with the cube.
const maxRSA = 16384

// algorithm is how a signature was made.
type algorithm struct {
	scheme     scheme
	hash, mask crypto.Hash // mask is RSA-PSS's
	salt       int         // bytes, of RSA-PSS
}

// String is its name for a person: "ECDSA with SHA-256"; of SHA-1 with what there is
// to say of it.
func (a algorithm) String() string {
	s := fmt.Sprintf("%s with %s", a.scheme, a.hash)
	if a.hash == crypto.SHA1 {
		s += ", which is weak and stands in old documents only"
	}
	if a.mask != a.hash {
		s += fmt.Sprintf(" and a mask of %s", a.mask)
	}
	return s
}

// algorithmOf reads a signature algorithm; beside is the hash where it names none.
func algorithmOf(alg pkix.AlgorithmIdentifier, beside crypto.Hash) (algorithm, error) {
	for _, s := range signatures {
		switch {
		case !s.id.Equal(alg.Algorithm):
			continue
		case s.scheme == schemePSS:
			return parsePSS(alg.Parameters)
		case s.hash == 0 && beside == 0:
			return algorithm{}, fmt.Errorf("signature without a hash algorithm: %w", ErrUnsupported)
		case s.hash == 0:
			s.hash = beside
		}
		return algorithm{scheme: s.scheme, hash: s.hash, mask: s.hash}, nil
	}
	return algorithm{}, fmt.Errorf("signature algorithm %s: %w", alg.Algorithm, ErrUnsupported)
}

// check holds a signature over data against a public key. Errors are ErrSignature or
// ErrUnsupported. A signature that was found good is not computed again: those on
// signers and lists are the same card after card.
func (a algorithm) check(pub crypto.PublicKey, data, signature []byte) error {
	id, ok := identify(pub, a, data, signature)
	if ok && good.has(id) {
		return nil
	}
	err := a.compute(pub, Digest(a.hash, data), signature)
	if ok && err == nil {
		good.add(id)
	}
	return err
}

func (a algorithm) compute(pub crypto.PublicKey, digest, signature []byte) error {
	fits := false
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		fits = a.scheme == schemeECDSA && ecdsa.VerifyASN1(key, digest, signature)
	case *rsa.PublicKey:
		if key.N.BitLen() > maxRSA {
			return fmt.Errorf("RSA key of %d bits: %w", key.N.BitLen(), ErrUnsupported)
		}
		fits = a.scheme == schemeRSA && rsa.VerifyPKCS1v15(key, a.hash, digest, signature) == nil ||
			a.scheme == schemePSS && a.checkPSS(key, digest, signature)
	default:
		return fmt.Errorf("%T: %w", pub, ErrUnsupported)
	}
	if !fits {
		return ErrSignature
	}
	return nil
}

// CertificateBy holds a certificate's signature against the key of who should have
// made it: ECDSA, RSA (PKCS #1 v1.5) and RSA-PSS, SHA-1 to SHA-512. crypto/x509 would
// refuse SHA-1, which old documents have. It says nothing else of the two.
func CertificateBy(c, by *x509.Certificate) error {
	return signedBy(c.Raw, c.RawTBSCertificate, c.Signature, by)
}

// ListBy is CertificateBy for a revocation list.
func ListBy(l *x509.RevocationList, by *x509.Certificate) error {
	return signedBy(l.Raw, l.RawTBSRevocationList, l.Signature, by)
}

func signedBy(raw, signed, signature []byte, by *x509.Certificate) error {
	a, err := outerAlgorithm(raw)
	if err != nil {
		return err
	}
	return a.check(by.PublicKey, signed, signature)
}

// outerAlgorithm reads of SEQUENCE { signed part, algorithm, signature } the algorithm.
func outerAlgorithm(raw []byte) (algorithm, error) {
	var outer struct {
		Signed    asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(raw, &outer); err != nil {
		return algorithm{}, fmt.Errorf("signature algorithm: %w", err)
	}
	return algorithmOf(outer.Algorithm, 0)
}

// SignedWith names how a certificate is signed, as Algorithm of SignedData does.
func SignedWith(c *x509.Certificate) string {
	a, err := outerAlgorithm(c.Raw)
	if err != nil {
		return err.Error()
	}
	return a.String()
}

// KeyName tells of a public key what a person wants to know: "ECDSA on P-256", "RSA of
// 2048 bits".
func KeyName(pub crypto.PublicKey) string {
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA on " + key.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA of %d bits", key.N.BitLen())
	}
	return fmt.Sprintf("%T", pub)
}
