package piv

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// Possession makes the chip sign a fresh challenge with the key of the slot and
// holds the signature against pub (SP 800-73-4 part 2, 3.2.4 and appendix A.4). An EC
// key in 9d, which agrees on secrets and does not sign, agrees on one with a fresh key
// of ours (appendix A.5.2). The application is selected; an empty secret leaves the
// PIN out, which is right for 9e only.
func Possession(c card.Card, slot Slot, pub crypto.PublicKey, secret string) error {
	c = stretched(c, false)
	if secret != "" {
		if err := verify(c, []byte(secret)); err != nil {
			return err
		}
	}
	if key, ok := pub.(*ecdsa.PublicKey); ok && slot == KeyManagement {
		return agreement(c, slot, key)
	}
	challenge := make([]byte, 32)
	if _, err := rand.Read(challenge); err != nil {
		return err
	}
	algorithm, input, check, err := challengeFor(pub, challenge)
	if err != nil {
		return fmt.Errorf("sign with slot %s: %w", slot, err)
	}
	signature, err := dynamic(c, byte(algorithm), byte(slot), 0x82, tlv.New(0x82), tlv.New(0x81, input))
	if err != nil {
		return fmt.Errorf("sign with slot %s: %w", slot, err)
	}
	if !check(signature) {
		return fmt.Errorf("sign with slot %s: %w", slot, ErrForeignKey)
	}
	return nil
}

// agreement is possession by ECDH: the chip gives the x coordinate of the shared
// point.
func agreement(c card.Card, slot Slot, pub *ecdsa.PublicKey) error {
	theirs, err := pub.ECDH()
	if err != nil {
		return fmt.Errorf("agree with slot %s: %w", slot, err)
	}
	ours, err := theirs.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	want, err := ours.ECDH(theirs)
	if err != nil {
		return fmt.Errorf("agree with slot %s: %w", slot, err)
	}
	algorithm := P256
	if theirs.Curve() == ecdh.P384() {
		algorithm = P384
	}
	got, err := dynamic(c, byte(algorithm), byte(slot), 0x82, tlv.New(0x82), tlv.New(0x85, ours.PublicKey().Bytes()))
	if err != nil {
		return fmt.Errorf("agree with slot %s: %w", slot, err)
	}
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return fmt.Errorf("agree with slot %s: %w", slot, ErrForeignKey)
	}
	return nil
}

// ErrForeignKey says that the chip's signature does not fit the public key in the
// certificate.
var ErrForeignKey = errors.New("the chip does not hold the private key of its certificate")

// challengeFor gives the algorithm of the key, what the chip must be given to sign,
// and how to check what comes back: a digest for ECDSA, a padded block for RSA (SP
// 800-78-4, 6.2.3).
func challengeFor(pub crypto.PublicKey, challenge []byte) (a Algorithm, input []byte, check func([]byte) bool, err error) {
	digest := sha256.Sum256(challenge)
	switch pub := pub.(type) {
	case *ecdsa.PublicKey:
		hash := digest[:]
		switch pub.Curve.Params().BitSize {
		case 256:
			a = P256
		case 384:
			sum := sha512.Sum384(challenge)
			a, hash = P384, sum[:]
		default:
			return 0, nil, nil, errors.New("public key is on another curve than p-256 and p-384")
		}
		return a, hash, func(sig []byte) bool { return ecdsa.VerifyASN1(pub, hash, sig) }, nil
	case *rsa.PublicKey:
		if pub.N.BitLen() != 2048 {
			return 0, nil, nil, errors.New("rsa public key is not of 2048 bits")
		}
		check := func(sig []byte) bool { return rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig) == nil }
		return RSA2048, pkcs1(digest, pub.Size()), check, nil
	}
	return 0, nil, nil, fmt.Errorf("public key is %T", pub)
}

// pkcs1 is EMSA-PKCS1-v1_5 over a SHA-256 digest (RFC 8017, 9.2), which PIV leaves to
// the host.
func pkcs1(digest [32]byte, size int) []byte {
	prefix := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
	block := make([]byte, size)
	block[1] = 1
	tail := size - len(prefix) - len(digest)
	for i := 2; i < tail-1; i++ {
		block[i] = 0xFF
	}
	copy(block[tail:], prefix)
	copy(block[tail+len(prefix):], digest[:])
	return block
}
