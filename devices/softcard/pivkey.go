package softcard

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// Asymmetric algorithms (SP 800-78-4, table 6-2).
const (
	algRSA2048 = 0x07
	algP256    = 0x11
	algP384    = 0x14

	rsaBits = 2048
)

// Key references (SP 800-73-4 part 1, table 4b); refAttestation is the YubiKey's.
const (
	refAuthentication     = 0x9A
	refSignature          = 0x9C
	refKeyManagement      = 0x9D
	refCardAuthentication = 0x9E
	refRetiredFirst       = 0x82
	refRetiredLast        = 0x95
	refAttestation        = 0xF9
)

// Policies and origins as the YubiKey's GET METADATA writes them.
const (
	pinNever, pinOnce, pinAlways              = 1, 2, 3
	touchNever, touchAlways, touchCached      = 1, 2, 3
	originGenerated, originImported      byte = 1, 2
)

// pivKey is an asymmetric key pair in its slot. No command gives PKCS8 out.
type pivKey struct {
	Algorithm byte   `json:"algorithm"`
	PIN       byte   `json:"pin"`
	Touch     byte   `json:"touch"` // kept and told, never asked for
	Origin    byte   `json:"origin"`
	PKCS8     []byte `json:"pkcs8"`
}

// slot tells whether a key may live there.
func slot(ref byte) bool {
	switch ref {
	case refAuthentication, refSignature, refKeyManagement, refCardAuthentication:
		return true
	}
	return ref >= refRetiredFirst && ref <= refRetiredLast
}

// defaultPolicy is the slot's own (SP 800-73-4 part 1, table 4b).
func defaultPolicy(ref byte) (pin, touch byte) {
	switch ref {
	case refSignature:
		return pinAlways, touchNever
	case refCardAuthentication, refAttestation:
		return pinNever, touchNever
	}
	return pinOnce, touchNever
}

// policies reads AA (PIN) and AB (touch) where the YubiKey's dialect is spoken; 0
// stands for the slot's own.
func (c *Chip) policies(ref byte, objects []tlv.Object) (pin, touch byte, err error) {
	pin, touch = defaultPolicy(ref)
	for _, o := range objects {
		if o.Tag != 0xAA && o.Tag != 0xAB {
			continue
		}
		if c.state.PIV.Plain || len(o.Value) != 1 || o.Value[0] > 3 {
			return 0, 0, card.IncorrectData
		}
		switch v := o.Value[0]; {
		case v == 0:
		case o.Tag == 0xAA:
			pin = v
		default:
			touch = v
		}
	}
	return pin, touch, nil
}

// generateKey is GENERATE ASYMMETRIC KEY PAIR (SP 800-73-4 part 2, 3.3.3).
func (c *Chip) generateKey(cmd card.Command) ([]byte, error) {
	if !c.session.piv.admin {
		return nil, card.SecurityNotSatisfied
	}
	if cmd.P1 != 0 || !slot(cmd.P2) {
		return nil, card.IncorrectP1P2
	}
	body, err := tlv.One(cmd.Data, 0xAC)
	if err != nil {
		return nil, card.IncorrectData
	}
	objects, err := tlv.Parse(body)
	if err != nil || len(objects) == 0 || objects[0].Tag != 0x80 || len(objects[0].Value) != 1 {
		return nil, card.IncorrectData
	}
	algorithm := objects[0].Value[0]
	pin, touch, err := c.policies(cmd.P2, objects[1:])
	if err != nil {
		return nil, err
	}
	var private crypto.Signer
	switch algorithm {
	case algP256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case algP384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case algRSA2048:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	default:
		return nil, card.IncorrectData
	}
	if err != nil {
		return nil, err
	}
	key, err := newPIVKey(private, algorithm)
	if err != nil {
		return nil, err
	}
	key.PIN, key.Touch, key.Origin = pin, touch, originGenerated
	c.state.PIV.Keys[cmd.P2], c.dirty = key, true
	return tlv.New(0x7F49, publicObjects(private.Public())), nil
}

func newPIVKey(private crypto.Signer, algorithm byte) (*pivKey, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return &pivKey{Algorithm: algorithm, PKCS8: der}, nil
}

func (k *pivKey) private() (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("not a signing key")
	}
	return signer, nil
}

// publicObjects writes a public key: 86 point, or 81 modulus, 82 exponent (SP
// 800-73-4 part 2, table 11).
func publicObjects(public crypto.PublicKey) []byte {
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			return nil
		}
		return tlv.New(0x86, point)
	case *rsa.PublicKey:
		return append(tlv.New(0x81, p.N.Bytes()), tlv.New(0x82, big.NewInt(int64(p.E)).Bytes())...)
	}
	return nil
}

// usePrivate signs, decrypts or agrees on a key with the private key in a slot, if
// its PIN policy allows.
func (c *Chip) usePrivate(algorithm, ref byte, t template) ([]byte, error) {
	key := c.state.PIV.Keys[ref]
	if key == nil || ref == refAttestation {
		return nil, card.ReferencedDataNotFound
	}
	if algorithm != key.Algorithm {
		return nil, card.IncorrectP1P2
	}
	p := &c.session.piv
	if key.PIN != pinNever && !p.verified || key.PIN == pinAlways && !p.fresh {
		return nil, card.SecurityNotSatisfied
	}
	if !asked(t.response) {
		return nil, card.IncorrectData
	}
	private, err := key.private()
	if err != nil {
		return nil, err
	}
	var out []byte
	switch k := private.(type) {
	case *rsa.PrivateKey:
		out, err = rawRSA(k, t.challenge)
	case *ecdsa.PrivateKey:
		if t.exponentiation != nil {
			out, err = agree(k, t.exponentiation)
		} else {
			out, err = signECDSA(k, t.challenge)
		}
	}
	if err != nil {
		return nil, card.IncorrectData
	}
	p.fresh = false
	return tlv.New(0x7C, tlv.New(0x82, out)), nil
}

var errInput = errors.New("input of a wrong length")

// signECDSA signs a digest, which is no longer than the curve's order (SP 800-73-4
// part 2, A.3).
func signECDSA(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	if size := (key.Params().BitSize + 7) / 8; len(digest) == 0 || len(digest) > size {
		return nil, errInput
	}
	return ecdsa.SignASN1(rand.Reader, key, digest)
}

// agree gives the x coordinate of ECDH with an uncompressed point.
func agree(key *ecdsa.PrivateKey, point []byte) ([]byte, error) {
	private, err := key.ECDH()
	if err != nil {
		return nil, err
	}
	peer, err := ecdh.Curve.NewPublicKey(private.Curve(), point)
	if err != nil {
		return nil, err
	}
	return private.ECDH(peer)
}

// rawRSA is the private key operation on a block that the host has padded, or will
// unpad. It is blinded, since the standard library has no constant-time one for
// blocks of others.
func rawRSA(key *rsa.PrivateKey, block []byte) ([]byte, error) {
	n := key.N
	if len(block) != key.Size() {
		return nil, errInput
	}
	m := new(big.Int).SetBytes(block)
	if m.Cmp(n) >= 0 {
		return nil, errInput
	}
	for {
		r, err := rand.Int(rand.Reader, n)
		if err != nil {
			return nil, err
		}
		inverse := new(big.Int).ModInverse(r, n)
		if inverse == nil {
			continue
		}
		x := new(big.Int).Exp(r, big.NewInt(int64(key.E)), n)
		x.Mul(x, m).Mod(x, n)
		x.Exp(x, key.D, n)
		x.Mul(x, inverse).Mod(x, n)
		return x.FillBytes(make([]byte, key.Size())), nil
	}
}
