package access

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"cardstation/devices/card"
)

// MRZ is what Basic Access Control takes from the machine readable zone: the
// document number as printed there without fill characters, the dates as YYMMDD.
// Check digits are computed, and a number under nine characters is filled up.
type MRZ struct{ Document, Birth, Expiry string }

// information is MRZ_information of Doc 9303-11, 4.3.2: the three fields with
// their check digits.
func (m MRZ) information() (string, error) {
	number := m.Document
	if n := 9 - len(number); n > 0 {
		number += strings.Repeat("<", n)
	}
	if m.Document == "" || len(m.Birth) != 6 || len(m.Expiry) != 6 {
		return "", errors.New("access: mrz: document number missing or a date not of six characters")
	}
	var b strings.Builder
	for _, field := range []string{number, m.Birth, m.Expiry} {
		digit, err := checkDigit(field)
		if err != nil {
			return "", err
		}
		b.WriteString(field)
		b.WriteByte(digit)
	}
	return b.String(), nil
}

// id is the chip's identity after basic access control, which terminal
// authentication signs: the document number with its check digit (Doc 9303-11, 7.1.2).
func (m MRZ) id() ([]byte, error) {
	info, err := m.information()
	if err != nil {
		return nil, err
	}
	const dates = 2 * (6 + 1)
	return []byte(info[:len(info)-dates]), nil
}

// checkDigit is Doc 9303-3, 4.9.
func checkDigit(s string) (byte, error) {
	sum := 0
	for i, c := range []byte(s) {
		v := 0
		switch {
		case c >= '0' && c <= '9':
			v = int(c - '0')
		case c >= 'A' && c <= 'Z':
			v = int(c-'A') + 10
		case c != '<':
			return 0, errors.New("access: mrz: character other than A-Z, 0-9 and <")
		}
		sum += v * [3]int{7, 3, 1}[i%3]
	}
	return '0' + byte(sum%10), nil
}

// desKey is the key derivation of Doc 9303-11, 9.7.1.1, for 3DES: counter 1 for
// encryption, 2 for the checksum.
func desKey(seed []byte, counter uint32) []byte {
	sum := sha1.Sum(binary.BigEndian.AppendUint32(bytes.Clone(seed), counter))
	key := sum[:16]
	for i, b := range key {
		key[i] = b&0xFE | byte(bits.OnesCount8(b>>1)+1)&1
	}
	return key
}

// bacKeys holds a document's basic access keys with their cryptography.
type bacKeys struct{ suite }

const (
	bacNonce = 8
	bacSeed  = 16
	bacBody  = 2*bacNonce + bacSeed
	bacToken = bacBody + checksumSize
)

func newBACKeys(m MRZ) (bacKeys, error) {
	info, err := m.information()
	if err != nil {
		return bacKeys{}, err
	}
	seed := sha1.Sum([]byte(info))
	s, err := desSuite(desKey(seed[:16], 1), desKey(seed[:16], 2))
	return bacKeys{s}, err
}

// token encrypts and signs first || second || seed (Doc 9303-11, 4.3.3).
func (k bacKeys) token(first, second, seed []byte) []byte {
	body := encrypt(k.block, k.iv(nil), bytes.Join([][]byte{first, second, seed}, nil))
	return append(body, k.mac(pad(body, bacNonce))...)
}

// open is the inverse of token; it gives the three joined, and nothing where the
// checksum is wrong.
func (k bacKeys) open(token []byte) ([]byte, error) {
	if len(token) != bacToken {
		return nil, fmt.Errorf("token of %d bytes, not %d: %w", len(token), bacToken, ErrNotAuthentic)
	}
	body, sum := token[:bacBody], token[bacBody:]
	if !equal(sum, k.mac(pad(body, bacNonce))) {
		return nil, ErrNotAuthentic
	}
	return decrypt(k.block, k.iv(nil), body)
}

// bacSession derives the session keys and the first counter.
func bacSession(terminalSeed, chipSeed, terminalNonce, chipNonce []byte) (*messaging, error) {
	seed := make([]byte, bacSeed)
	subtle.XORBytes(seed, terminalSeed, chipSeed)
	enc, mac := desKey(seed, 1), desKey(seed, 2)
	defer wipe(seed, enc, mac)
	s, err := desSuite(enc, mac)
	if err != nil {
		return nil, err
	}
	return newMessaging(s, append(bytes.Clone(chipNonce[4:]), terminalNonce[4:]...)), nil
}

// BAC opens an eMRTD by what is printed on it (Doc 9303-11, 4.3). The eMRTD
// application must be selected. Rand nil is the system's.
type BAC struct {
	MRZ  MRZ
	Rand io.Reader
}

// Open runs GET CHALLENGE and EXTERNAL AUTHENTICATE; a chip that does not know
// the MRZ, or refuses it, gives ErrNotAuthentic.
func (b BAC) Open(c card.Card) (card.Card, error) {
	keys, err := newBACKeys(b.MRZ)
	if err != nil {
		return nil, err
	}
	fresh, err := random(b.Rand, bacNonce+bacSeed)
	if err != nil {
		return nil, err
	}
	nonce, seed := fresh[:bacNonce], fresh[bacNonce:]
	chipNonce, err := card.Do(c, card.Command{INS: 0x84, Ne: bacNonce})
	if err != nil {
		return nil, fmt.Errorf("bac: get challenge: %w", err)
	}
	if len(chipNonce) != bacNonce {
		return nil, fmt.Errorf("bac: challenge of %d bytes, not %d", len(chipNonce), bacNonce)
	}
	prove := card.Command{INS: 0x82, Data: keys.token(nonce, chipNonce, seed), Ne: bacToken}
	answer, err := card.Do(c, prove)
	refusal := err
	if errors.Is(err, card.WrongLength) || errors.Is(err, card.NoPreciseDiagnosis) {
		prove.Ne = card.MaxShortNe // what some chips insist on, and keep their challenge for
		answer, err = card.Do(c, prove)
	}
	if err != nil {
		var refused *card.Error
		if errors.As(err, &refused) {
			err = fmt.Errorf("%w: %w", ErrNotAuthentic, err)
		}
		return nil, fmt.Errorf("bac: external authenticate: %w", err)
	}
	plain, err := keys.open(answer)
	if err == nil && !equal(plain[:2*bacNonce], append(bytes.Clone(chipNonce), nonce...)) {
		err = ErrNotAuthentic
	}
	if err != nil {
		return nil, fmt.Errorf("bac: chip's answer: %w", err)
	}
	m, err := bacSession(seed, plain[2*bacNonce:], nonce, chipNonce)
	if err != nil {
		return nil, err
	}
	id, err := b.MRZ.id()
	if err != nil {
		return nil, err
	}
	if refusal != nil {
		m.note("the chip wants Le of 256 in external authenticate")
	}
	return terminalMessaging{messaging: m, under: c, id: string(id)}, nil
}

// AuthenticationFailed is 6300, what a chip answers to a wrong token.
const AuthenticationFailed card.Status = 0x6300

// BACChip is the chip's end of BAC.
type BACChip struct {
	keys  bacKeys
	id    []byte
	rand  io.Reader
	nonce []byte
}

// NewBACChip derives the document's basic access keys; rand nil is the system's.
// It fails where the MRZ holds what no MRZ can.
func NewBACChip(mrz MRZ, rand io.Reader) (*BACChip, error) {
	keys, err := newBACKeys(mrz)
	if err != nil {
		return nil, err
	}
	id, err := mrz.id()
	if err != nil {
		return nil, err
	}
	return &BACChip{keys: keys, id: id, rand: rand}, nil
}

// ID is the chip's identity, which terminal authentication signs: the document
// number with its check digit.
func (b *BACChip) ID() []byte { return bytes.Clone(b.id) }

// Challenge answers GET CHALLENGE with eight bytes, which hold for one
// Authenticate; nil where the source of randomness failed.
func (b *BACChip) Challenge() []byte {
	nonce, err := random(b.rand, bacNonce)
	if err != nil {
		b.nonce = nil
		return nil
	}
	b.nonce = nonce
	return bytes.Clone(nonce)
}

// Authenticate answers EXTERNAL AUTHENTICATE: data and resp are 40 bytes each.
// An error wraps the card.Status to answer: 6985 without a challenge before it,
// 6700 for another length, 6300 for a wrong token.
func (b *BACChip) Authenticate(data []byte) (resp []byte, s Secure, err error) {
	nonce := b.nonce
	b.nonce = nil
	if nonce == nil {
		return nil, nil, fmt.Errorf("bac: no challenge was asked for: %w", card.ConditionsNotSatisfied)
	}
	if len(data) != bacToken {
		return nil, nil, fmt.Errorf("bac: token of %d bytes: %w", len(data), card.WrongLength)
	}
	plain, err := b.keys.open(data)
	if err == nil && !equal(plain[bacNonce:2*bacNonce], nonce) {
		err = ErrNotAuthentic
	}
	if err != nil {
		return nil, nil, fmt.Errorf("bac: %w: %w", err, AuthenticationFailed)
	}
	terminalNonce, terminalSeed := plain[:bacNonce], plain[2*bacNonce:]
	seed, err := random(b.rand, bacSeed)
	if err != nil {
		return nil, nil, fmt.Errorf("bac: %w: %w", err, card.NoPreciseDiagnosis)
	}
	m, err := bacSession(terminalSeed, seed, terminalNonce, nonce)
	if err != nil {
		return nil, nil, fmt.Errorf("bac: %w: %w", err, card.NoPreciseDiagnosis)
	}
	return b.keys.token(nonce, terminalNonce, seed), &chipMessaging{messaging: m}, nil
}
