// Package curve knows the elliptic curves that identity documents are made with:
// the NIST curves of crypto/elliptic and the brainpool curves of RFC 5639, by
// their number among the standardized domain parameters (ICAO Doc 9303-11, 9.5.1),
// by object identifier, or by explicit parameters.
//
// The brainpool curves come from github.com/ProtonMail/go-crypto and take a time
// that depends on the numbers they work on. They are for reading documents that
// others issued; no key of ours may live on them. ConstantTime tells which is
// which.
package curve

//lint:file-ignore SA1019 documents name curves by parameters and map generators,
// which crypto/ecdh cannot do.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"github.com/ProtonMail/go-crypto/brainpool"
)

// ErrUnknown means that the parameters given are those of no curve at hand.
var ErrUnknown = errors.New("curve: not a known elliptic curve")

// ErrPoint means that the bytes are not an uncompressed point of the curve.
var ErrPoint = errors.New("curve: not a point of the curve")

type known struct {
	number int
	oid    asn1.ObjectIdentifier
	curve  func() elliptic.Curve
	steady bool // its arithmetic takes the same time for every secret
}

var all = []known{
	{10, asn1.ObjectIdentifier{1, 3, 132, 0, 33}, elliptic.P224, true},
	{12, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, elliptic.P256, true},
	{13, asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 7}, brainpool.P256r1, false},
	{15, asn1.ObjectIdentifier{1, 3, 132, 0, 34}, elliptic.P384, true},
	{16, asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 11}, brainpool.P384r1, false},
	{17, asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, 13}, brainpool.P512r1, false},
	{18, asn1.ObjectIdentifier{1, 3, 132, 0, 35}, elliptic.P521, true},
}

func find(fits func(known) bool) (known, error) {
	for _, k := range all {
		if fits(k) {
			return k, nil
		}
	}
	return known{}, ErrUnknown
}

func of(c elliptic.Curve) (known, error) {
	return find(func(k known) bool { return c != nil && k.curve() == c })
}

// Number gives the curve of a standardized domain parameter: 10 P-224, 12 P-256,
// 13 brainpoolP256r1, 15 P-384, 16 brainpoolP384r1, 17 brainpoolP512r1, 18 P-521.
func Number(n int) (elliptic.Curve, error) {
	k, err := find(func(k known) bool { return k.number == n })
	if err != nil {
		return nil, fmt.Errorf("domain parameter %d: %w", n, err)
	}
	return k.curve(), nil
}

// NumberOf is the inverse of Number.
func NumberOf(c elliptic.Curve) (int, error) {
	k, err := of(c)
	return k.number, err
}

// ConstantTime tells whether a private key may be used on the curve.
func ConstantTime(c elliptic.Curve) bool {
	k, err := of(c)
	return err == nil && k.steady
}

// Parameters are a prime curve as documents spell it out (BSI TR-03111, 4.1.1).
type Parameters struct{ P, A, B, Gx, Gy, N *big.Int }

// A is the curve's coefficient a, which crypto/elliptic does not give: it is found
// from the base point.
func a(c elliptic.Curve) *big.Int {
	p := c.Params()
	// a = (y^2 - x^3 - b) / x
	left := new(big.Int).Mul(p.Gy, p.Gy)
	cube := new(big.Int).Exp(p.Gx, big.NewInt(3), p.P)
	left.Sub(left, cube).Sub(left, b(c))
	return left.Mul(left, new(big.Int).ModInverse(p.Gx, p.P)).Mod(left, p.P)
}

// b is the coefficient b; the brainpool curves leave it out of their Params, where
// two multiples of the base point give it.
func b(c elliptic.Curve) *big.Int {
	p := c.Params()
	if p.B != nil {
		return p.B
	}
	x2, y2 := c.ScalarBaseMult([]byte{2})
	// y1^2 - x1^3 = a x1 + b and the same for 2G: take a out.
	f := func(x, y *big.Int) *big.Int {
		return new(big.Int).Sub(new(big.Int).Mul(y, y), new(big.Int).Exp(x, big.NewInt(3), p.P))
	}
	f1, f2 := f(p.Gx, p.Gy), f(x2, y2)
	up := new(big.Int).Sub(f2, f1)
	down := new(big.Int).Sub(x2, p.Gx)
	up.Mul(up, down.ModInverse(down.Mod(down, p.P), p.P))
	return f1.Sub(f1, up.Mul(up, p.Gx)).Mod(f1, p.P)
}

// ParametersOf spells a curve out.
func ParametersOf(c elliptic.Curve) Parameters {
	p := c.Params()
	return Parameters{P: p.P, A: a(c), B: b(c), Gx: p.Gx, Gy: p.Gy, N: p.N}
}

// Explicit finds the curve that has exactly these parameters. An unknown one is
// refused, so that nobody can choose a weak curve for us.
func Explicit(e Parameters) (elliptic.Curve, error) {
	for _, v := range []*big.Int{e.P, e.A, e.B, e.Gx, e.Gy, e.N} {
		if v == nil {
			return nil, ErrUnknown
		}
	}
	k, err := find(func(k known) bool {
		p := k.curve().Params()
		return p.P.Cmp(e.P) == 0 && p.N.Cmp(e.N) == 0 && p.Gx.Cmp(e.Gx) == 0 && p.Gy.Cmp(e.Gy) == 0
	})
	if err != nil {
		return nil, err
	}
	if a(k.curve()).Cmp(e.A) != 0 || b(k.curve()).Cmp(e.B) != 0 {
		return nil, ErrUnknown
	}
	return k.curve(), nil
}

// Size is the length of a coordinate in bytes.
func Size(c elliptic.Curve) int { return (c.Params().BitSize + 7) / 8 }

// Encode writes a point uncompressed (BSI TR-03111, 3.2.1).
func Encode(c elliptic.Curve, x, y *big.Int) []byte {
	n := Size(c)
	b := make([]byte, 1+2*n)
	b[0] = 4
	x.FillBytes(b[1 : 1+n])
	y.FillBytes(b[1+n:])
	return b
}

// Decode reads an uncompressed point and makes sure that it is on the curve.
func Decode(c elliptic.Curve, b []byte) (x, y *big.Int, err error) {
	n := Size(c)
	if len(b) != 1+2*n || b[0] != 4 {
		return nil, nil, ErrPoint
	}
	x, y = new(big.Int).SetBytes(b[1:1+n]), new(big.Int).SetBytes(b[1+n:])
	if x.Cmp(c.Params().P) >= 0 || y.Cmp(c.Params().P) >= 0 || !c.IsOnCurve(x, y) {
		return nil, nil, ErrPoint
	}
	return x, y, nil
}

// PublicKey is Decode into a key.
func PublicKey(c elliptic.Curve, b []byte) (*ecdsa.PublicKey, error) {
	x, y, err := Decode(c, b)
	if err != nil {
		return nil, err
	}
	return &ecdsa.PublicKey{Curve: c, X: x, Y: y}, nil
}
