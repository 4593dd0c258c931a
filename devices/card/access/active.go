package access

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // what signatures here are made with
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"math/big"

	"cardstation/devices/card"
)

// ActiveChallenge is the length of RND.IFD (Doc 9303-11, 6.1.2).
const ActiveChallenge = 8

// ErrSignature means that the chip signed the challenge with another key than the one its
// document names, or not at all as it should; the chip is not genuine.
var ErrSignature = errors.New("access: active authentication: wrong signature")

// trailers are the hash functions of ISO/IEC 9796-2:2010, 8.1.2, by the byte
// before CC; a trailer of the one byte BC is SHA-1 too.
var trailers = map[byte]crypto.Hash{
	0x33: crypto.SHA1, 0x34: crypto.SHA256, 0x35: crypto.SHA512, 0x36: crypto.SHA384, 0x38: crypto.SHA224,
}

// ActiveAuthenticate has the chip prove that it holds the private key of pub,
// the key of its DG15 (Doc 9303-11, 6.1). For an *ecdsa.PublicKey hash is the one
// that DG14 names, 0 the one that fits the curve; for an *rsa.PublicKey the
// signature says it. rand nil is the system's. ErrSignature is a chip that failed
// the proof; every other error one that could not be asked.
func ActiveAuthenticate(c card.Card, pub crypto.PublicKey, hash crypto.Hash, rand io.Reader) error {
	size, err := signatureSize(pub)
	if err != nil {
		return err
	}
	challenge, err := random(rand, ActiveChallenge)
	if err != nil {
		return err
	}
	signature, err := askSignature(c, challenge, size)
	if err != nil {
		return fmt.Errorf("internal authenticate: %w", err)
	}
	return VerifyActive(pub, hash, challenge, signature)
}

// askSignature asks for a signature of size bytes, again with another Le where the
// chip refuses one or gives not all of it: some want the very length, some give what
// fits a short answer. An extended one comes last where a short one may do, as it
// costs the channel of a chip that knows none. What Tried tells then says so.
func askSignature(c card.Card, challenge []byte, size int) ([]byte, error) {
	lengths := []int{card.MaxShortNe, size, card.MaxExtendedNe}
	if size > card.MaxShortNe {
		lengths = []int{card.MaxExtendedNe, size, card.MaxShortNe}
	}
	var signature []byte
	var err error
	for i, ne := range lengths {
		if i > 0 && ne == lengths[i-1] {
			continue
		}
		signature, err = card.Do(c, card.Command{INS: 0x88, Data: challenge, Ne: ne})
		var refused *card.Error
		if err != nil && !errors.As(err, &refused) {
			break // the channel is gone
		}
		if err != nil && !lengthRefused(refused.SW) {
			break
		}
		if err == nil && len(signature) == size {
			if o, ok := c.(opened); ok && i > 0 {
				o.inner().note("the chip signs with Le of %d, not of %d", ne, lengths[0])
			}
			break
		}
	}
	return signature, err
}

// lengthRefused tells whether a status may mean that Le was not to the chip's liking.
func lengthRefused(sw card.Status) bool {
	return sw.SW1() == 0x6C || sw == card.WrongLength || sw == card.IncorrectP1P2 || sw == card.NoPreciseDiagnosis
}

func signatureSize(pub crypto.PublicKey) (int, error) {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return 2 * orderSize(k), nil
	case *rsa.PublicKey:
		if k.N != nil && k.N.BitLen() >= 1024 && k.N.BitLen() <= 8192 && k.E > 1 {
			return k.Size(), nil
		}
	}
	return 0, fmt.Errorf("access: active authentication with a %T that is not EC, nor RSA of 1024 to 8192 bits", pub)
}

func orderSize(k *ecdsa.PublicKey) int { return (k.Params().N.BitLen() + 7) / 8 }

// hashFor is the hash that TR-03111 pairs with a curve.
func hashFor(k *ecdsa.PublicKey) crypto.Hash {
	switch n := k.Params().N.BitLen(); {
	case n <= 224:
		return crypto.SHA224
	case n <= 256:
		return crypto.SHA256
	case n <= 384:
		return crypto.SHA384
	}
	return crypto.SHA512
}

func digest(h crypto.Hash, parts ...[]byte) ([]byte, error) {
	if !h.Available() {
		return nil, fmt.Errorf("access: active authentication: hash %d not at hand", uint(h))
	}
	d := h.New()
	for _, p := range parts {
		d.Write(p)
	}
	return d.Sum(nil), nil
}

// VerifyActive checks a signature over a challenge as ActiveAuthenticate does.
func VerifyActive(pub crypto.PublicKey, hash crypto.Hash, challenge, signature []byte) error {
	if _, err := signatureSize(pub); err != nil {
		return err
	}
	if k, ok := pub.(*rsa.PublicKey); ok {
		return verifyRecovery(k, challenge, signature)
	}
	k := pub.(*ecdsa.PublicKey)
	if hash == 0 {
		hash = hashFor(k)
	}
	sum, err := digest(hash, challenge)
	if err != nil {
		return err
	}
	n := orderSize(k)
	if len(signature) != 2*n {
		return fmt.Errorf("%w: %d bytes, not %d", ErrSignature, len(signature), 2*n)
	}
	r, s := new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])
	if !ecdsa.Verify(k, sum, r, s) {
		return ErrSignature
	}
	return nil
}

// verifyRecovery opens a signature of ISO/IEC 9796-2 scheme 1 with partial
// recovery: 6A || M1 || H(M1 || challenge) || trailer.
func verifyRecovery(k *rsa.PublicKey, challenge, signature []byte) error {
	f, err := recoverMessage(k, signature)
	if err != nil {
		return err
	}
	hash, tail := crypto.SHA1, 1
	if f[len(f)-1] == 0xCC {
		hash, tail = trailers[f[len(f)-2]], 2
	}
	if !hash.Available() || f[0] != 0x6A || len(f) < 1+hash.Size()+tail {
		return fmt.Errorf("%w: not a signature with partial recovery", ErrSignature)
	}
	f = f[1 : len(f)-tail]
	m1, got := f[:len(f)-hash.Size()], f[len(f)-hash.Size():]
	want, err := digest(hash, m1, challenge)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return ErrSignature
	}
	return nil
}

// recoverMessage raises a signature to e; where the chip chose the smaller of s
// and n-s, it takes the other (ISO/IEC 9796-2:2010, annex B). The result ends in
// BC or CC.
func recoverMessage(k *rsa.PublicKey, signature []byte) ([]byte, error) {
	s := new(big.Int).SetBytes(signature)
	if len(signature) != k.Size() || s.Cmp(k.N) >= 0 {
		return nil, fmt.Errorf("%w: not a number below the modulus", ErrSignature)
	}
	s.Exp(s, big.NewInt(int64(k.E)), k.N)
	for range 2 {
		f := s.FillBytes(make([]byte, k.Size()))
		if last := f[len(f)-1]; last == 0xBC || last == 0xCC {
			return f, nil
		}
		s.Sub(k.N, s)
	}
	return nil, fmt.Errorf("%w: no trailer", ErrSignature)
}

// SignActive is the chip's answer to INTERNAL AUTHENTICATE: r || s of equal
// lengths for an *ecdsa.PrivateKey, ISO/IEC 9796-2 scheme 1 with partial recovery
// for an *rsa.PrivateKey. hash 0 is the one that fits the curve, and SHA-256 for
// RSA; rand nil is the system's. An RSA key's use is not hidden from one who can
// time it: this is for chips in software.
func SignActive(key crypto.PrivateKey, hash crypto.Hash, challenge []byte, random io.Reader) ([]byte, error) {
	if random == nil {
		random = rand.Reader
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if hash == 0 {
			hash = hashFor(&k.PublicKey)
		}
		sum, err := digest(hash, challenge)
		if err != nil {
			return nil, err
		}
		r, s, err := ecdsa.Sign(random, k, sum)
		if err != nil {
			return nil, fmt.Errorf("access: active authentication: %w", err)
		}
		n := orderSize(&k.PublicKey)
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...), nil
	case *rsa.PrivateKey:
		if hash == 0 {
			hash = crypto.SHA256
		}
		return signRecovery(k, hash, challenge, random)
	}
	return nil, fmt.Errorf("access: active authentication with a %T", key)
}

func signRecovery(k *rsa.PrivateKey, hash crypto.Hash, challenge []byte, random io.Reader) ([]byte, error) {
	if _, err := signatureSize(&k.PublicKey); err != nil || k.N.BitLen()%8 != 0 {
		return nil, fmt.Errorf("access: active authentication with an rsa key of %d bits", k.N.BitLen())
	}
	tail := []byte{0xBC}
	if hash != crypto.SHA1 {
		tail = nil
		for b, h := range trailers {
			if h == hash {
				tail = []byte{b, 0xCC}
			}
		}
	}
	if tail == nil {
		return nil, fmt.Errorf("access: active authentication: hash %d has no trailer", uint(hash))
	}
	m1 := make([]byte, k.Size()-1-hash.Size()-len(tail))
	if _, err := io.ReadFull(random, m1); err != nil {
		return nil, fmt.Errorf("access: active authentication: %w", err)
	}
	sum, err := digest(hash, m1, challenge)
	if err != nil {
		return nil, err
	}
	f := new(big.Int).SetBytes(bytes.Join([][]byte{{0x6A}, m1, sum, tail}, nil))
	return f.Exp(f, k.D, k.N).FillBytes(make([]byte, k.Size())), nil
}
