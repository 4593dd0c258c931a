// Package access opens chips: it holds both ends, the terminal's and the chip's,
// of the protocols by which an identity chip lets itself be read or written.
//
//   - Basic Access Control and the secure messaging after it (ICAO Doc 9303-11,
//     4.3 and 9.8), with 3DES;
//   - Password Authenticated Connection Establishment, ECDH with generic and chip
//     authentication mapping (Doc 9303-11, 4.4), and the same secure messaging with
//     3DES and AES;
//   - Chip Authentication and Terminal Authentication, version 1 (Doc 9303-11, 6.2
//     and 7.1; BSI TR-03110-3), with the certificates of package cvc;
//   - Secure Channel Protocol '03' (GlobalPlatform Card Specification, amendment
//     D, version 1.1.2 and later), i = 60 and 70, AES-128 to AES-256, S8 and S16;
//   - Active Authentication (Doc 9303-11, 6.1), ECDSA and RSA.
//
// An office that may read fingerprints opens a chip by
//
//	inside, err := access.PACE{Info: info, Password: access.CAN("123456")}.Open(c)
//	inside, err = access.ChipAuthentication{Key: keys[0]}.Open(inside)
//	inside, err = access.TerminalAuthentication{Chain: chain, Key: key, Trusted: refs}.Open(inside)
//
// after which DG3 can be read through inside; BAC stands where PACE does, inside the
// application.
//
// Brainpool curves (package curve) are for reading what others issued: no chip's end
// here takes them, and their use on the terminal's end is not constant time, which
// touches ephemeral keys only.
//
// A secure channel is a card.Card over a card.Card. When an answer's checksum is
// wrong the channel is torn down and its keys are wiped: every later call gives
// ErrClosed.
package access

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"cardstation/devices/card"
)

// Access opens a chip: it runs its protocol on the card given and returns the
// card as seen from inside the secure channel.
type Access interface {
	Open(card.Card) (card.Card, error)
}

// Secure is the chip's end of a secure channel. Both methods keep the channel's
// counter, so each command must be unprotected, and its answer protected, once
// and in order.
type Secure interface {
	// Unprotect checks and decrypts a command. An error wraps the card.Status
	// that the chip answers, unprotected, and the channel is then closed.
	Unprotect(card.Command) (card.Command, error)
	// Protect encrypts and signs the answer to the last command.
	Protect(card.Response) (card.Response, error)
}

// KeyWrapper encrypts keys for PUT KEY (GPC amendment D, 7.2): wrapped is key
// under the data encryption key, filled up to whole blocks, kcv its three-byte
// check value.
type KeyWrapper interface {
	WrapKey(key []byte) (wrapped, kcv []byte, err error)
}

// Errors of the channels. errors.Is tells them from a card.Status.
var (
	// ErrClosed: the secure channel was torn down before.
	ErrClosed = errors.New("access: secure channel is closed")
	// ErrIntegrity: what came over the secure channel was not what the other end
	// sent; the channel has been closed.
	ErrIntegrity = errors.New("access: secure messaging broken, wrong or missing checksum")
	// ErrNotAuthentic: the other end does not know the key.
	ErrNotAuthentic = errors.New("access: the other end does not hold the key")
)

func random(r io.Reader, n int) ([]byte, error) {
	if r == nil {
		r = rand.Reader
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("access: %d random bytes: %w", n, err)
	}
	return b, nil
}

func wipe(keys ...[]byte) {
	for _, k := range keys {
		clear(k)
	}
}
