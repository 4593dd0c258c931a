package pki

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
)

// pssParameters is RSASSA-PSS-params (RFC 4055, 3.1).
type pssParameters struct {
	Hash    pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:0"`
	Mask    pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:1"`
	Salt    int                      `asn1:"explicit,optional,tag:2,default:20"`
	Trailer int                      `asn1:"explicit,optional,tag:3,default:1"`
}

var oidMGF1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}

func parsePSS(parameters asn1.RawValue) (algorithm, error) {
	var p pssParameters
	if rest, err := asn1.Unmarshal(parameters.FullBytes, &p); err != nil || len(rest) > 0 || p.Salt < 0 || p.Trailer != 1 {
		return algorithm{}, fmt.Errorf("RSA-PSS parameters: %w", ErrUnsupported)
	}
	a := algorithm{scheme: schemePSS, hash: crypto.SHA1, mask: crypto.SHA1, salt: p.Salt}
	var err error
	if len(p.Hash.Algorithm) > 0 {
		if a.hash, err = Hash(p.Hash.Algorithm); err != nil {
			return a, err
		}
	}
	if len(p.Mask.Algorithm) > 0 {
		var inner pkix.AlgorithmIdentifier
		if _, err := asn1.Unmarshal(p.Mask.Parameters.FullBytes, &inner); err != nil || !p.Mask.Algorithm.Equal(oidMGF1) {
			return a, fmt.Errorf("RSA-PSS mask: %w", ErrUnsupported)
		}
		a.mask, err = Hash(inner.Algorithm)
	}
	return a, err
}

func (a algorithm) checkPSS(key *rsa.PublicKey, digest, signature []byte) bool {
	if a.mask == a.hash && a.salt > 0 {
		return rsa.VerifyPSS(key, a.hash, digest, signature, &rsa.PSSOptions{SaltLength: a.salt, Hash: a.hash}) == nil
	}
	return a.checkOddPSS(key, digest, signature)
}

// checkOddPSS is RSASSA-PSS-VERIFY (RFC 8017, 8.1.2 and 9.1.2) where crypto/rsa has
// none: a mask of another hash, or no salt. Nothing in it is secret.
func (a algorithm) checkOddPSS(key *rsa.PublicKey, digest, signature []byte) bool {
	s := new(big.Int).SetBytes(signature)
	if key.N.BitLen() < 1024 || len(signature) != key.Size() || s.Cmp(key.N) >= 0 {
		return false
	}
	bits := key.N.BitLen() - 1
	m := s.Exp(s, big.NewInt(int64(key.E)), key.N)
	size := a.hash.Size()
	if m.BitLen() > bits || (bits+7)/8 < size+a.salt+2 {
		return false
	}
	em := m.FillBytes(make([]byte, (bits+7)/8))
	db, h := em[:len(em)-size-1], em[len(em)-size-1:len(em)-1]
	for i, b := range mgf1(a.mask, h, len(db)) {
		db[i] ^= b
	}
	db[0] &= 0xFF >> (8*len(em) - bits)
	padding := append(make([]byte, len(db)-a.salt-1), 1)
	salted := append(append(make([]byte, 8), digest...), db[len(padding):]...)
	return em[len(em)-1] == 0xBC && bytes.Equal(db[:len(padding)], padding) && bytes.Equal(Digest(a.hash, salted), h)
}

// mgf1 is the mask generation function of RFC 8017, B.2.1.
func mgf1(hash crypto.Hash, seed []byte, n int) []byte {
	var out []byte
	for i := uint32(0); len(out) < n; i++ {
		out = append(out, Digest(hash, binary.BigEndian.AppendUint32(bytes.Clone(seed), i))...)
	}
	return out[:n]
}
