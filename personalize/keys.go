package personalize

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"cardstation/devices/card/access"
)

// MasterSize is the length in bytes of the master key that card keys are derived from.
const MasterSize = 32

// NewCardKeys derives the secrets of each card from one master with HKDF-SHA-256 (RFC
// 5869); the label and the chip's identity are its info, so that one card's secrets
// tell nothing of another's nor of one another. SCP03 keys hang on the key
// diversification data that the chip itself gives in INITIALIZE UPDATE, and on their
// length, so that none is the beginning of another.
func NewCardKeys(master []byte) (CardKeys, error) {
	if len(master) != MasterSize {
		return nil, fmt.Errorf("card master key of %d bytes instead of %d", len(master), MasterSize)
	}
	return derivation{string(master)}, nil
}

// derivation keeps the master out of reach of %v.
type derivation struct{ master string }

// String keeps the master out of every log.
func (derivation) String() string { return "card keys" }

// GoString does the same for %#v.
func (derivation) GoString() string { return "card keys" }

// derive gives n bytes for a label and a card.
func (d derivation) derive(label string, card []byte, n int) ([]byte, error) {
	if len(card) == 0 {
		return nil, errors.New("derive card key: the chip has no identity")
	}
	info := "cardstation/1\x00" + label + "\x00" + string(card)
	return hkdf.Key(sha256.New, []byte(d.master), nil, info, n)
}

// SCP03 implements CardKeys. The labels of AES-128 say no length: cards have keys of
// theirs.
func (d derivation) SCP03(info access.KeyInfo, size int) (access.StaticKeys, error) {
	length := ""
	switch size {
	case 16:
	case 24, 32:
		length = fmt.Sprintf(" %d", 8*size)
	default:
		return access.StaticKeys{}, fmt.Errorf("derive card key: no AES key has %d bytes", size)
	}
	var keys access.StaticKeys
	for _, k := range []struct {
		label string
		to    *[]byte
	}{{"scp03 enc", &keys.ENC}, {"scp03 mac", &keys.MAC}, {"scp03 dek", &keys.DEK}} {
		b, err := d.derive(k.label+length, info.Diversification[:], size)
		if err != nil {
			return access.StaticKeys{}, err
		}
		*k.to = b
	}
	return keys, nil
}

// PIN implements CardKeys.
func (d derivation) PIN(chip string) (string, error) { return d.digits("piv pin", chip, 6) }

// PUK implements CardKeys.
func (d derivation) PUK(chip string) (string, error) { return d.digits("piv puk", chip, 8) }

// ManagementKey implements CardKeys.
func (d derivation) ManagementKey(chip string) ([]byte, error) {
	return d.derive("piv management key", []byte(chip), 24)
}

// digits derives n decimal digits. 64 bits over at most 10^8 leave no bias that
// counts; what everybody would try first is passed over.
func (d derivation) digits(label, chip string, n int) (string, error) {
	modulus := uint64(1)
	for range n {
		modulus *= 10
	}
	for try := 0; ; try++ {
		b, err := d.derive(fmt.Sprintf("%s %d", label, try), []byte(chip), 8)
		if err != nil {
			return "", err
		}
		if s := fmt.Sprintf("%0*d", n, binary.BigEndian.Uint64(b)%modulus); !weak(s) {
			return s, nil
		}
	}
}

// weak tells a run of one digit, or of digits going up or down.
func weak(s string) bool {
	for _, step := range []int{0, 1, -1} {
		run := true
		for i := 1; i < len(s); i++ {
			run = run && int(s[i])-int(s[i-1]) == step
		}
		if run {
			return true
		}
	}
	return false
}
