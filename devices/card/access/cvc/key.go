package cvc

//lint:file-ignore SA1019 certificates hold points and parameters in the open.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // what certificates are signed with
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"cardstation/devices/card/access/curve"
	"cardstation/devices/card/tlv"
)

// Algorithm is how a key signs: a certificate's algorithm is that of the key in it,
// with which the next one, or the chip's challenge, is signed (TR-03110-3, A.7,
// tables 17 and 18).
type Algorithm struct {
	family, number int
}

// Algorithms of terminal authentication. Those with SHA-1 are for reading old
// certificates.
var (
	RSASHA1      = Algorithm{1, 1} // PKCS #1 version 1.5
	RSASHA256    = Algorithm{1, 2}
	RSAPSSSHA1   = Algorithm{1, 3}
	RSAPSSSHA256 = Algorithm{1, 4}
	RSASHA512    = Algorithm{1, 5}
	RSAPSSSHA512 = Algorithm{1, 6}
	ECDSASHA1    = Algorithm{2, 1}
	ECDSASHA224  = Algorithm{2, 2}
	ECDSASHA256  = Algorithm{2, 3}
	ECDSASHA384  = Algorithm{2, 4}
	ECDSASHA512  = Algorithm{2, 5}
)

var hashes = map[Algorithm]crypto.Hash{
	RSASHA1: crypto.SHA1, RSASHA256: crypto.SHA256, RSAPSSSHA1: crypto.SHA1, RSAPSSSHA256: crypto.SHA256,
	RSASHA512: crypto.SHA512, RSAPSSSHA512: crypto.SHA512,
	ECDSASHA1: crypto.SHA1, ECDSASHA224: crypto.SHA224, ECDSASHA256: crypto.SHA256, ECDSASHA384: crypto.SHA384, ECDSASHA512: crypto.SHA512,
}

// idTA is id-TA.
var idTA = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 2, 2, 2}

func (a Algorithm) oid() asn1.ObjectIdentifier {
	return append(idTA[:len(idTA):len(idTA)], a.family, a.number)
}

func (a Algorithm) pss() bool { return a == RSAPSSSHA1 || a == RSAPSSSHA256 || a == RSAPSSSHA512 }

// Hash is the algorithm's hash function, 0 for no algorithm of terminal
// authentication.
func (a Algorithm) Hash() crypto.Hash { return hashes[a] }

// PublicKey is the key of a certificate: an *ecdsa.PublicKey or *rsa.PublicKey. It
// is nil in a parsed certificate that leaves the curve to its authority's, until
// Resolve.
type PublicKey struct {
	Algorithm Algorithm
	Key       crypto.PublicKey

	point []byte // of a key without domain parameters
}

// NewPublicKey gives a key the algorithm that fits it: ECDSA with the hash as long
// as the curve (TR-03111, 4.1.3), RSA-PSS with SHA-256.
func NewPublicKey(key crypto.PublicKey) (PublicKey, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		a := ECDSASHA512
		switch n := k.Params().N.BitLen(); {
		case n <= 224:
			a = ECDSASHA224
		case n <= 256:
			a = ECDSASHA256
		case n <= 384:
			a = ECDSASHA384
		}
		return PublicKey{Algorithm: a, Key: key}, nil
	case *rsa.PublicKey:
		return PublicKey{Algorithm: RSAPSSSHA256, Key: key}, nil
	}
	return PublicKey{}, fmt.Errorf("cvc: certificate for a %T", key)
}

func parseKey(b []byte) (PublicKey, error) {
	objects, err := tlv.Parse(b)
	if err != nil || len(objects) < 2 || objects[0].Tag != tagOID {
		return PublicKey{}, fmt.Errorf("%w: public key", ErrMalformed)
	}
	id, err := parseOID(objects[0].Value)
	if err != nil {
		return PublicKey{}, err
	}
	n := len(idTA)
	if len(id) != n+2 || !id[:n].Equal(idTA) {
		return PublicKey{}, fmt.Errorf("%w: key of algorithm %v", ErrMalformed, id)
	}
	k := PublicKey{Algorithm: Algorithm{id[n], id[n+1]}}
	if k.Algorithm.Hash() == 0 {
		return PublicKey{}, fmt.Errorf("%w: key of algorithm %v", ErrMalformed, id)
	}
	tags := make([]tlv.Tag, 0, 7)
	values := make([]*big.Int, 0, 7)
	for _, o := range objects[1:] {
		if len(o.Value) > 1024 {
			return PublicKey{}, fmt.Errorf("%w: public key", ErrMalformed)
		}
		tags, values = append(tags, o.Tag), append(values, new(big.Int).SetBytes(o.Value))
	}
	if k.Algorithm.family == 1 {
		return k.parseRSA(tags, values)
	}
	return k.parseEC(tags, values, objects[1:])
}

func (k PublicKey) parseRSA(tags []tlv.Tag, v []*big.Int) (PublicKey, error) {
	if len(tags) != 2 || tags[0] != 0x81 || tags[1] != 0x82 || v[0].BitLen() < 1024 || v[1].BitLen() > 31 || v[1].Cmp(big.NewInt(2)) <= 0 {
		return PublicKey{}, fmt.Errorf("%w: rsa key", ErrMalformed)
	}
	k.Key = &rsa.PublicKey{N: v[0], E: int(v[1].Int64())}
	return k, nil
}

// parseEC takes the point alone, or the seven objects of TR-03110-3, D.3.
func (k PublicKey) parseEC(tags []tlv.Tag, v []*big.Int, objects []tlv.Object) (PublicKey, error) {
	if len(tags) == 1 && tags[0] == 0x86 {
		k.point = append([]byte(nil), objects[0].Value...)
		return k, nil
	}
	for i, tag := range tags {
		if len(tags) != 7 || tag != 0x81+tlv.Tag(i) {
			return PublicKey{}, fmt.Errorf("%w: elliptic curve key", ErrMalformed)
		}
	}
	base := objects[3].Value
	if len(base)%2 != 1 || base[0] != 4 || v[6].Cmp(big.NewInt(1)) != 0 {
		return PublicKey{}, fmt.Errorf("%w: elliptic curve key", ErrMalformed)
	}
	half := len(base) / 2
	c, err := curve.Explicit(curve.Parameters{
		P: v[0], A: v[1], B: v[2], N: v[4],
		Gx: new(big.Int).SetBytes(base[1 : 1+half]), Gy: new(big.Int).SetBytes(base[1+half:]),
	})
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	key, err := curve.PublicKey(c, objects[5].Value)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	k.Key = key
	return k, nil
}

// Resolve decodes a key that leaves its curve to its authority's key.
func (k PublicKey) Resolve(authority PublicKey) (PublicKey, error) {
	if k.Key != nil {
		return k, nil
	}
	parent, ok := authority.Key.(*ecdsa.PublicKey)
	if !ok {
		return PublicKey{}, fmt.Errorf("%w: key without a curve", ErrMalformed)
	}
	key, err := curve.PublicKey(parent.Curve, k.point)
	if err != nil {
		return PublicKey{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return PublicKey{Algorithm: k.Algorithm, Key: key}, nil
}

// encode writes the key; parameters is for an authority's own certificates, which
// must spell the curve out.
func (k PublicKey) encode(parameters bool) ([]byte, error) {
	if k.Algorithm.Hash() == 0 {
		return nil, errors.New("cvc: key without an algorithm")
	}
	id, err := oidValue(k.Algorithm.oid())
	if err != nil {
		return nil, err
	}
	b := tlv.New(tagOID, id)
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		if k.Algorithm.family == 1 {
			return tlv.Append(tlv.Append(b, 0x81, key.N.Bytes()), 0x82, big.NewInt(int64(key.E)).Bytes()), nil
		}
	case *ecdsa.PublicKey:
		if k.Algorithm.family != 2 {
			break
		}
		point := curve.Encode(key.Curve, key.X, key.Y)
		if !parameters {
			return tlv.Append(b, 0x86, point), nil
		}
		p, n := curve.ParametersOf(key.Curve), curve.Size(key.Curve)
		for i, v := range []*big.Int{p.P, p.A, p.B} {
			b = tlv.Append(b, 0x81+tlv.Tag(i), v.FillBytes(make([]byte, n)))
		}
		b = tlv.Append(b, 0x84, curve.Encode(key.Curve, p.Gx, p.Gy))
		b = tlv.Append(b, 0x85, p.N.Bytes())
		return tlv.Append(tlv.Append(b, 0x86, point), 0x87, []byte{1}), nil
	}
	return nil, fmt.Errorf("cvc: %T does not sign by algorithm %v", k.Key, k.Algorithm.oid())
}

// Verify checks a signature over a message: r || s of equal lengths for ECDSA
// (TR-03111, 5.2.1). A wrong one is ErrSignature.
func (k PublicKey) Verify(message, signature []byte) error {
	sum, err := k.sum(message)
	if err != nil {
		return err
	}
	hash := k.Algorithm.Hash()
	switch key := k.Key.(type) {
	case *ecdsa.PublicKey:
		n := (key.Params().N.BitLen() + 7) / 8
		if k.Algorithm.family != 2 || len(signature) != 2*n {
			return ErrSignature
		}
		if !ecdsa.Verify(key, sum, new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])) {
			return ErrSignature
		}
		return nil
	case *rsa.PublicKey:
		err := ErrSignature
		if k.Algorithm.pss() {
			err = rsa.VerifyPSS(key, hash, sum, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else if k.Algorithm.family == 1 {
			err = rsa.VerifyPKCS1v15(key, hash, sum, signature)
		}
		if err != nil {
			return ErrSignature
		}
		return nil
	}
	return errors.New("cvc: key whose curve is not known yet")
}

func (k PublicKey) sum(message []byte) ([]byte, error) {
	hash := k.Algorithm.Hash()
	if hash == 0 || !hash.Available() {
		return nil, errors.New("cvc: key without an algorithm")
	}
	h := hash.New()
	h.Write(message)
	return h.Sum(nil), nil
}

// SignMessage signs as the owner of k: signer holds the private key, in memory or in
// a security module. No key on a curve that is not constant time, and no SHA-1.
func SignMessage(signer crypto.Signer, k PublicKey, message []byte) ([]byte, error) {
	if k.Algorithm.Hash() == crypto.SHA1 {
		return nil, errors.New("cvc: no new signature with sha-1")
	}
	sum, err := k.sum(message)
	if err != nil {
		return nil, err
	}
	switch key := k.Key.(type) {
	case *ecdsa.PublicKey:
		if k.Algorithm.family != 2 || !curve.ConstantTime(key.Curve) {
			return nil, errors.New("cvc: no signature on this curve")
		}
		der, err := signer.Sign(rand.Reader, sum, k.Algorithm.Hash())
		if err != nil {
			return nil, fmt.Errorf("cvc: sign: %w", err)
		}
		var rs struct{ R, S *big.Int }
		n := (key.Params().N.BitLen() + 7) / 8
		if rest, err := asn1.Unmarshal(der, &rs); err != nil || len(rest) > 0 || rs.R.Sign() <= 0 || rs.S.Sign() <= 0 || rs.R.BitLen() > 8*n || rs.S.BitLen() > 8*n {
			return nil, errors.New("cvc: signer gave no ecdsa signature")
		}
		return append(rs.R.FillBytes(make([]byte, n)), rs.S.FillBytes(make([]byte, n))...), nil
	case *rsa.PublicKey:
		var options crypto.SignerOpts = k.Algorithm.Hash()
		if k.Algorithm.pss() {
			options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: k.Algorithm.Hash()}
		}
		signature, err := signer.Sign(rand.Reader, sum, options)
		if err != nil {
			return nil, fmt.Errorf("cvc: sign: %w", err)
		}
		return signature, nil
	}
	return nil, fmt.Errorf("cvc: signature with a %T", k.Key)
}
