package access

//lint:file-ignore SA1019 generic mapping needs the sum of two points and multiples of
// a generator of one's own, which crypto/ecdh does not give; for the NIST curves the
// methods used here are the constant-time ones.

import (
	"crypto/elliptic"
	"errors"
	"io"
	"math/big"
)

// group is an elliptic curve as PACE needs it: points travel uncompressed (BSI
// TR-03111, 3.2.1), scalars are 1 to n-1 in as many bytes as n.
type group struct{ elliptic.Curve }

type point struct{ x, y *big.Int }

var errPoint = errors.New("access: pace: not a point of the curve")

// groups are the standardized domain parameters (Doc 9303-11, 9.5.1) at hand.
var groups = map[int]group{12: {elliptic.P256()}, 15: {elliptic.P384()}, 18: {elliptic.P521()}}

func (g group) size() int { return (g.Params().BitSize + 7) / 8 }

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
	return nil, errors.New("access: pace: source of randomness gives no private key")
}

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

func (g group) encode(p point) []byte {
	b := make([]byte, 1+2*g.size())
	b[0] = 4
	p.x.FillBytes(b[1 : 1+g.size()])
	p.y.FillBytes(b[1+g.size():])
	return b
}

func (g group) decode(b []byte) (point, error) {
	n := g.size()
	if len(b) != 1+2*n || b[0] != 4 {
		return point{}, errPoint
	}
	p := point{new(big.Int).SetBytes(b[1 : 1+n]), new(big.Int).SetBytes(b[1+n:])}
	if p.x.Cmp(g.Params().P) >= 0 || p.y.Cmp(g.Params().P) >= 0 || !g.IsOnCurve(p.x, p.y) {
		return point{}, errPoint
	}
	return p, nil
}
