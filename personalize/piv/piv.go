// Package piv personalises and reads the PIV card application (NIST SP 800-73-4,
// algorithms of SP 800-78-4): secrets, keys made on the chip and their attestation,
// certificates, CHUID, CCC, printed information, face, fingerprints and security object.
//
// The standard leaves to the maker how a management key is replaced and how a key's
// PIN policy is set, so those few changes go through a dialect: "piv-go", the
// library, where the token is a YubiKey's like and its reader can be lent
// (card.Lender), or "own", the commands of this package, on any card.Card. Reading,
// asking and proving always use the commands of this package.
package piv

import (
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// AID of the PIV card application, truncated before its version (SP 800-73-4 part
// 1, 2.2).
var AID = []byte{0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00}

// Slot is a key reference (SP 800-73-4 part 1, table 4b).
type Slot byte

// attestationSlot is that of a YubiKey's attestation key.
const attestationSlot Slot = 0xF9

// Slots with a certificate.
const (
	Authentication     Slot = 0x9A
	Signature          Slot = 0x9C
	KeyManagement      Slot = 0x9D
	CardAuthentication Slot = 0x9E
)

// String is the slot as it is written: "9a".
func (s Slot) String() string { return fmt.Sprintf("%02x", byte(s)) }

// object is the data object of the slot's certificate (SP 800-73-4 part 1, table 3).
func (s Slot) object() (tlv.Tag, bool) {
	tag, ok := map[Slot]tlv.Tag{
		Authentication: 0x5FC105, Signature: 0x5FC10A, KeyManagement: 0x5FC10B, CardAuthentication: 0x5FC101,
	}[s]
	return tag, ok
}

// ParseSlot reads "9a", "9c", "9d" or "9e".
func ParseSlot(s string) (Slot, error) {
	for _, slot := range []Slot{Authentication, Signature, KeyManagement, CardAuthentication} {
		if s == slot.String() {
			return slot, nil
		}
	}
	return 0, fmt.Errorf("piv slot %q is none of 9a, 9c, 9d, 9e", s)
}

// Algorithm is an asymmetric algorithm identifier (SP 800-78-4, table 6-2).
type Algorithm byte

// Algorithms of keys made on the chip.
const (
	RSA2048 Algorithm = 0x07
	P256    Algorithm = 0x11
	P384    Algorithm = 0x14
)

// ParseAlgorithm reads "p-256", "p-384" or "rsa-2048".
func ParseAlgorithm(s string) (Algorithm, error) {
	switch s {
	case "p-256":
		return P256, nil
	case "p-384":
		return P384, nil
	case "rsa-2048":
		return RSA2048, nil
	}
	return 0, fmt.Errorf("piv key algorithm %q is none of p-256, p-384, rsa-2048", s)
}

// String is the algorithm as ParseAlgorithm reads it.
func (a Algorithm) String() string {
	switch a {
	case P256:
		return "p-256"
	case P384:
		return "p-384"
	case RSA2048:
		return "rsa-2048"
	}
	return fmt.Sprintf("algorithm %02X", byte(a))
}

// Policy says when a key's use wants the PIN.
type Policy string

// Policies: never, once in a session, before each use.
const (
	Never  Policy = "never"
	Once   Policy = "once"
	Always Policy = "always"
)

// policies are the codes that YubiKeys have for them, in tag AA and in metadata.
var policies = map[Policy]byte{Never: 1, Once: 2, Always: 3}

// ParsePolicy reads "never", "once" or "always"; empty is the slot's own.
func ParsePolicy(s string) (Policy, error) {
	if _, ok := policies[Policy(s)]; ok || s == "" {
		return Policy(s), nil
	}
	return "", fmt.Errorf("pin policy %q is none of never, once, always", s)
}

// policy is the key's, or what the standard gives its slot: 9c a PIN for each use, 9e
// none, the others one for the session (SP 800-73-4 part 1, table 5).
func (k Key) policy() Policy {
	switch {
	case k.PIN != "":
		return k.PIN
	case k.Slot == Signature:
		return Always
	case k.Slot == CardAuthentication:
		return Never
	}
	return Once
}

// touchNever is the only touch policy asked for: a card has no button.
const touchNever = "never"

// Select selects the PIV application.
func Select(c card.Card) error {
	_, err := card.Select(c, AID)
	return err
}

// Serial selects the PIV application and gives a token's serial number, by the GET
// SERIAL that YubiKeys from firmware 5 on answer.
func Serial(c card.Card) (uint32, error) {
	if err := Select(c); err != nil {
		return 0, err
	}
	return serialNumber(c)
}

func serialNumber(c card.Card) (uint32, error) {
	b, err := card.Do(c, card.Command{INS: 0xF8, Ne: card.MaxShortNe})
	if err != nil {
		return 0, fmt.Errorf("piv serial number: %w", err)
	}
	if len(b) != 4 {
		return 0, fmt.Errorf("piv serial number of %d bytes instead of 4", len(b))
	}
	return binary.BigEndian.Uint32(b), nil
}

// dialect changes what the standard leaves to the maker.
type dialect interface {
	// change replaces the secret of the reference: pin, puk or managementKey.
	change(ref reference, old, new []byte) error
	// generate makes a key pair in the slot and gives its public half and, where it is
	// asked for and the token has it, its attestation.
	generate(key []byte, k Key, attest bool) (crypto.PublicKey, made, error)
	// store writes the certificate of the slot.
	store(key []byte, slot Slot, cert *x509.Certificate) error
}

// reference is a key reference of a secret (SP 800-73-4 part 1, table 4b).
type reference byte

const (
	pin           reference = 0x80
	puk           reference = 0x81
	managementKey reference = 0x9B
)

func (r reference) String() string {
	switch r {
	case pin:
		return "pin"
	case puk:
		return "puk"
	}
	return "management-key"
}
