package access

import (
	"crypto"
	"errors"
	"io"

	"cardstation/devices/card"
)

var errPending = errors.New("access: being written")

type MRZ struct{ Document, Birth, Expiry string }

type BAC struct {
	MRZ  MRZ
	Rand io.Reader
}

func (b BAC) Open(c card.Card) (card.Card, error) { return nil, errPending }

type BACChip struct{}

func NewBACChip(mrz MRZ, rand io.Reader) (*BACChip, error) { return nil, errPending }

// nil where the source of randomness failed
func (c *BACChip) Challenge() []byte { return nil }

// data 40 bytes, resp 40 bytes; err wraps the card.Status to answer
func (c *BACChip) Authenticate(data []byte) (resp []byte, s Secure, err error) {
	return nil, nil, errPending
}

type KeyInfo struct {
	Diversification      [10]byte
	Version, Protocol, I byte
}
type StaticKeys struct{ ENC, MAC, DEK []byte }

var DefaultKeys StaticKeys

type SCP03 struct {
	KeyVersion byte
	Keys       func(KeyInfo) (StaticKeys, error)
	Level      byte
	Rand       io.Reader
}

// the card returned is a KeyWrapper too
func (s SCP03) Open(c card.Card) (card.Card, error) { return nil, errPending }

type SCP03Chip struct {
	// Invoker is the AID of the selected application: part of a pseudo-random card challenge (i bit 5).
	Invoker []byte
}

func NewSCP03Chip(keys StaticKeys, info KeyInfo, seq uint32, rand io.Reader) *SCP03Chip { return nil }

// 8 (S8) or 16 (S16) bytes of host challenge
func (c *SCP03Chip) Initialize(hostChallenge []byte) (resp []byte, err error) { return nil, errPending }

// EXTERNAL AUTHENTICATE as received (CLA 84, data cryptogram || MAC, P1 level); err wraps the card.Status to answer
func (c *SCP03Chip) Authenticate(cmd card.Command) (Secure, error)    { return nil, errPending }
func (c *SCP03Chip) UnwrapKey(wrapped []byte) (key []byte, err error) { return nil, errPending }
func (c *SCP03Chip) Level() byte                                      { return 0 }

// KCV is the check value of an AES key for PUT KEY.
func KCV(key []byte) ([]byte, error) { return nil, errPending }

// hash 0 = by key: SHA-256 for P-256, SHA-384 for P-384, SHA-512 for P-521; RSA takes the hash of the trailer
func ActiveAuthenticate(c card.Card, pub crypto.PublicKey, hash crypto.Hash, rand io.Reader) error {
	return errPending
}
func VerifyActive(pub crypto.PublicKey, hash crypto.Hash, challenge, signature []byte) error {
	return errPending
}

// the chip's answer to INTERNAL AUTHENTICATE: key is *ecdsa.PrivateKey or *rsa.PrivateKey
func SignActive(key crypto.PrivateKey, hash crypto.Hash, challenge []byte, rand io.Reader) ([]byte, error) {
	return nil, errPending
}
