package access

//lint:file-ignore SA1019 generic mapping needs the sum of two points and multiples of
// a generator of one's own, which crypto/ecdh does not give, and brainpool keys have
// no encoding in crypto/ecdsa; for the NIST curves the methods used here are the
// constant-time ones.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"io"
	"math/big"

	"cardstation/devices/card/access/curve"
)

// group is an elliptic curve as key agreements need it: points travel uncompressed
// (BSI TR-03111, 3.2.1), scalars are 1 to n-1 in as many bytes as n.
type group struct{ elliptic.Curve }

type point struct{ x, y *big.Int }

var errPoint = errors.New("access: not a point of the curve")

func (g group) size() int { return curve.Size(g.Curve) }

func (g group) base() point { return point{g.Params().Gx, g.Params().Gy} }

// scalar draws a private key, by throwing away what is too large.
func (g group) scalar(r io.Reader) ([]byte, error) {
	n := g.Params().N
	for range 128 {
		k, err := random(r, (n.BitLen()+7)/8)
		if err != nil {
			return nil, err
		}
		if excess := len(k)*8 - n.BitLen(); excess > 0 {
			k[0] &= 0xFF >> excess
		}
		if v := new(big.Int).SetBytes(k); v.Sign() > 0 && v.Cmp(n) < 0 {
			return k, nil
		}
	}
	return nil, errors.New("access: source of randomness gives no private key")
}

// pair draws a private key and its public point over a generator.
func (g group) pair(generator point, r io.Reader) (private []byte, public point, err error) {
	if private, err = g.scalar(r); err != nil {
		return nil, point{}, err
	}
	public, err = g.multiply(private, generator)
	return private, public, err
}

// shared is the secret of a key agreement, the common point's x (TR-03111, 4.3.1).
func (g group) shared(private []byte, other point) ([]byte, error) {
	p, err := g.multiply(private, other)
	if err != nil {
		return nil, err
	}
	return g.compress(p), nil
}

// compress is Comp of Doc 9303-11, 7.1.4.2.3: the point's x.
func (g group) compress(p point) []byte { return p.x.FillBytes(make([]byte, g.size())) }

func (g group) multiply(k []byte, p point) (point, error) {
	x, y := g.ScalarMult(p.x, p.y, k)
	return g.finite(point{x, y})
}

func (g group) add(p, q point) (point, error) {
	x, y := g.Add(p.x, p.y, q.x, q.y)
	return g.finite(point{x, y})
}

func (g group) finite(p point) (point, error) {
	if p.x.Sign() == 0 && p.y.Sign() == 0 {
		return point{}, errPoint
	}
	return p, nil
}

// of is a static key's point, if it is one of the curve.
func (g group) of(key *ecdsa.PublicKey) (point, error) {
	if key == nil || key.Curve != g.Curve || key.X == nil || key.Y == nil {
		return point{}, errPoint
	}
	for _, v := range []*big.Int{key.X, key.Y} {
		if v.Sign() < 0 || v.Cmp(g.Params().P) >= 0 {
			return point{}, errPoint
		}
	}
	if !g.IsOnCurve(key.X, key.Y) {
		return point{}, errPoint
	}
	return point{key.X, key.Y}, nil
}

func (g group) encode(p point) []byte { return curve.Encode(g.Curve, p.x, p.y) }

func (g group) decode(b []byte) (point, error) {
	x, y, err := curve.Decode(g.Curve, b)
	if err != nil {
		return point{}, errPoint
	}
	return point{x, y}, nil
}

// chipAuthenticationData is CA_IC: the private key of the mapping over the static
// one, modulo the order (Doc 9303-11, 4.4.3.5.2).
func chipAuthenticationData(key *ecdsa.PrivateKey, mapping []byte) []byte {
	n := key.Params().N
	v := new(big.Int).ModInverse(key.D, n)
	v.Mul(v, new(big.Int).SetBytes(mapping)).Mod(v, n)
	return v.FillBytes(make([]byte, (n.BitLen()+7)/8))
}
