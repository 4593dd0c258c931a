package lds

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

// errUnsupported: a signature that this package cannot judge, right or wrong.
var errUnsupported = errors.New("not supported")

// errSignature: it is wrong.
var errSignature = errors.New("the signature does not fit")

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

type scheme int

const (
	schemeECDSA scheme = iota
	schemeRSA
	schemePSS
)

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
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, schemePSS, 0},
}

func hashByID(id asn1.ObjectIdentifier) (crypto.Hash, error) {
	for _, h := range hashes {
		if h.id.Equal(id) {
			return h.hash, nil
		}
	}
	return 0, fmt.Errorf("hash algorithm %s: %w", id, errUnsupported)
}

func hashID(hash crypto.Hash) (asn1.ObjectIdentifier, error) {
	for _, h := range hashes {
		if h.hash == hash {
			return h.id, nil
		}
	}
	return nil, fmt.Errorf("hash algorithm %s: %w", hash, errUnsupported)
}

func digestOf(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}

// checkSignature holds a signature over data against a public key: ECDSA, RSA (PKCS
// #1 v1.5) and RSA-PSS, SHA-1 to SHA-512. beside is the hash where the algorithm
// names none. Errors are errSignature or errUnsupported. A signature that was found
// good is not computed again: those on signers and lists are the same card after card.
func checkSignature(pub crypto.PublicKey, alg pkix.AlgorithmIdentifier, beside crypto.Hash, data, signature []byte) error {
	id, ok := identify(pub, alg, beside, data, signature)
	if ok && good.has(id) {
		return nil
	}
	err := computeSignature(pub, alg, beside, data, signature)
	if ok && err == nil {
		good.add(id)
	}
	return err
}

func computeSignature(pub crypto.PublicKey, alg pkix.AlgorithmIdentifier, beside crypto.Hash, data, signature []byte) error {
	for _, s := range signatures {
		if !s.id.Equal(alg.Algorithm) {
			continue
		}
		hash := s.hash
		if hash == 0 {
			hash = beside
		}
		if key, ok := pub.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
			return fmt.Errorf("RSA key of %d bits: %w", key.N.BitLen(), errUnsupported)
		}
		if s.scheme == schemePSS {
			return checkPSS(pub, alg.Parameters, data, signature)
		}
		if hash == 0 {
			return fmt.Errorf("signature without a hash algorithm: %w", errUnsupported)
		}
		return checkPlain(pub, s.scheme, hash, digestOf(hash, data), signature)
	}
	return fmt.Errorf("signature algorithm %s: %w", alg.Algorithm, errUnsupported)
}

// maxRSA is the longest RSA modulus in bits that a signature is computed with: a chip
// may bring a certificate of its own making, and the time grows with the cube.
const maxRSA = 16384

func checkPlain(pub crypto.PublicKey, s scheme, hash crypto.Hash, digest, signature []byte) error {
	switch key := pub.(type) {
	case *ecdsa.PublicKey:
		if s == schemeECDSA && ecdsa.VerifyASN1(key, digest, signature) {
			return nil
		}
	case *rsa.PublicKey:
		if s == schemeRSA && rsa.VerifyPKCS1v15(key, hash, digest, signature) == nil {
			return nil
		}
	default:
		return fmt.Errorf("%T: %w", pub, errUnsupported)
	}
	return errSignature
}

// pssParameters is RSASSA-PSS-params (RFC 4055, 3.1).
type pssParameters struct {
	Hash    pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:0"`
	Mask    pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:1"`
	Salt    int                      `asn1:"explicit,optional,tag:2,default:20"`
	Trailer int                      `asn1:"explicit,optional,tag:3,default:1"`
}

func checkPSS(pub crypto.PublicKey, parameters asn1.RawValue, data, signature []byte) error {
	key, ok := pub.(*rsa.PublicKey)
	if !ok {
		return errSignature
	}
	var p pssParameters
	if rest, err := asn1.Unmarshal(parameters.FullBytes, &p); err != nil || len(rest) > 0 || p.Salt < 0 || p.Trailer != 1 {
		return fmt.Errorf("RSA-PSS parameters: %w", errUnsupported)
	}
	hash, mask := crypto.SHA1, crypto.SHA1
	var err error
	if len(p.Hash.Algorithm) > 0 {
		if hash, err = hashByID(p.Hash.Algorithm); err != nil {
			return err
		}
	}
	if len(p.Mask.Algorithm) > 0 {
		var inner pkix.AlgorithmIdentifier
		if _, err := asn1.Unmarshal(p.Mask.Parameters.FullBytes, &inner); err != nil {
			return fmt.Errorf("RSA-PSS mask: %w", errUnsupported)
		}
		if mask, err = hashByID(inner.Algorithm); err != nil {
			return err
		}
	}
	if mask != hash {
		return fmt.Errorf("RSA-PSS with hash %s and mask %s: %w", hash, mask, errUnsupported)
	}
	if rsa.VerifyPSS(key, hash, digestOf(hash, data), signature, &rsa.PSSOptions{SaltLength: p.Salt, Hash: hash}) != nil {
		return errSignature
	}
	return nil
}

// signedBy holds a certificate or revocation list (raw: SEQUENCE { signed part,
// algorithm, signature }) against the key of who should have signed it. crypto/x509
// would refuse SHA-1, which old documents have.
func signedBy(raw, signed, signature []byte, by *x509.Certificate) error {
	var outer struct {
		Signed    asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(raw, &outer); err != nil {
		return fmt.Errorf("signature algorithm: %w", err)
	}
	return checkSignature(by.PublicKey, outer.Algorithm, 0, signed, signature)
}
