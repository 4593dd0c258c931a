package curve

//lint:file-ignore SA1019 see curve.go.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

var (
	oidKey          = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}         // id-ecPublicKey, RFC 5480
	oidPrime        = asn1.ObjectIdentifier{1, 2, 840, 10045, 1, 1}         // prime-field
	oidStandardized = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 1, 2}       // standardizedDomainParameters, TR-03110-3, A.2.1.1
	oidAgreement    = asn1.ObjectIdentifier{1, 3, 132, 1, 12}               // id-ecDH, RFC 5480
	oidECKA         = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 1, 1, 5, 2} // ecka-eg, TR-03111
	errKey          = errors.New("curve: not an elliptic curve public key")
)

type algorithm struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

type publicKeyInfo struct {
	Algorithm algorithm
	Key       asn1.BitString
}

type explicit struct {
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
	Cofactor *big.Int `asn1:"optional"`
}

// ParsePublicKey reads a SubjectPublicKeyInfo whose curve is named, spelled out or
// given by its standardized number: crypto/x509 reads the first only, and no
// brainpool curve. Unknown curves are ErrUnknown.
func ParsePublicKey(der []byte) (*ecdsa.PublicKey, error) {
	var info publicKeyInfo
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return nil, errKey
	}
	c, err := ParseAlgorithm(info.Algorithm.Algorithm, info.Algorithm.Parameters.FullBytes)
	if err != nil {
		return nil, err
	}
	if info.Key.BitLength%8 != 0 {
		return nil, errKey
	}
	return PublicKey(c, info.Key.Bytes)
}

// ParseAlgorithm finds the curve of an AlgorithmIdentifier: parameters is its DER,
// an object identifier, a standardized number or the parameters spelled out.
func ParseAlgorithm(algorithm asn1.ObjectIdentifier, parameters []byte) (elliptic.Curve, error) {
	if algorithm.Equal(oidStandardized) {
		var n int
		if rest, err := asn1.Unmarshal(parameters, &n); err != nil || len(rest) > 0 {
			return nil, errKey
		}
		return Number(n)
	}
	if !algorithm.Equal(oidKey) && !algorithm.Equal(oidAgreement) && !algorithm.Equal(oidECKA) {
		return nil, fmt.Errorf("algorithm %v: %w", algorithm, errKey)
	}
	var named asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(parameters, &named); err == nil && len(rest) == 0 {
		k, err := find(func(k known) bool { return k.oid.Equal(named) })
		if err != nil {
			return nil, fmt.Errorf("%v: %w", named, err)
		}
		return k.curve(), nil
	}
	return parseExplicit(parameters)
}

func parseExplicit(der []byte) (elliptic.Curve, error) {
	var e explicit
	if rest, err := asn1.Unmarshal(der, &e); err != nil || len(rest) > 0 || !e.Field.Type.Equal(oidPrime) || e.Field.Prime == nil {
		return nil, errKey
	}
	n := (e.Field.Prime.BitLen() + 7) / 8
	if e.Field.Prime.BitLen() > 521 || len(e.Base) < 1+n || e.Cofactor != nil && e.Cofactor.Cmp(big.NewInt(1)) != 0 {
		return nil, ErrUnknown
	}
	i := func(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
	p := Parameters{P: e.Field.Prime, A: i(e.Curve.A), B: i(e.Curve.B), Gx: i(e.Base[1 : 1+n]), N: e.Order}
	switch {
	case len(e.Base) == 1+2*n && e.Base[0] == 4:
		p.Gy = i(e.Base[1+n:])
	case len(e.Base) == 1+n && e.Base[0]&^1 == 2: // compressed: the known curve has the other coordinate
		k, err := find(func(k known) bool {
			c := k.curve().Params()
			return c.P.Cmp(p.P) == 0 && c.Gx.Cmp(p.Gx) == 0 && c.Gy.Bit(0) == uint(e.Base[0]&1)
		})
		if err != nil {
			return nil, err
		}
		p.Gy = k.curve().Params().Gy
	}
	return Explicit(p)
}

// MarshalPublicKey writes a SubjectPublicKeyInfo with the curve spelled out, as
// documents must (Doc 9303-11, 9.1: chips that name the curve are not read
// everywhere).
func MarshalPublicKey(k *ecdsa.PublicKey) ([]byte, error) {
	if _, err := of(k.Curve); err != nil {
		return nil, err
	}
	p := ParametersOf(k.Curve)
	fill := func(v *big.Int) []byte { return v.FillBytes(make([]byte, Size(k.Curve))) }
	var e explicit
	e.Version, e.Field.Type, e.Field.Prime = 1, oidPrime, p.P
	e.Curve.A, e.Curve.B = fill(p.A), fill(p.B)
	e.Base, e.Order, e.Cofactor = Encode(k.Curve, p.Gx, p.Gy), p.N, big.NewInt(1)
	parameters, err := asn1.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("curve: public key: %w", err)
	}
	return asn1.Marshal(publicKeyInfo{
		algorithm{oidKey, asn1.RawValue{FullBytes: parameters}},
		asn1.BitString{Bytes: Encode(k.Curve, k.X, k.Y), BitLength: 8 * (1 + 2*Size(k.Curve))},
	})
}
