package access

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"cardstation/devices/card"
)

// KeyInfo is what a chip says of its keys in the answer to INITIALIZE UPDATE
// (GPC amendment D, 7.1.1.6).
type KeyInfo struct {
	Diversification [10]byte
	// Version of the key set, Protocol (3) and I, its implementation options.
	Version, Protocol, I byte
}

// Bits of KeyInfo.I (GPC amendment D, 5.1).
const (
	OptionS16          byte = 0x01 // challenges, cryptograms and checksums of 16 bytes
	OptionPseudoRandom byte = 0x10 // card challenge made from the sequence counter
	OptionRMAC         byte = 0x20
	OptionRENC         byte = 0x40
)

// Bits of the security level, P1 of EXTERNAL AUTHENTICATE (GPC amendment D,
// 7.1.2.1). LevelFull is all of them.
const (
	LevelCMAC byte = 0x01
	LevelCDEC byte = 0x02
	LevelRMAC byte = 0x10
	LevelRENC byte = 0x20
	LevelFull byte = 0x33
)

// StaticKeys is one key set of a card manager: AES keys of 16, 24 or 32 bytes,
// all of the same length.
type StaticKeys struct{ ENC, MAC, DEK []byte }

// String keeps the keys out of every log.
func (StaticKeys) String() string { return "card manager keys" }

// GoString does the same for %#v.
func (StaticKeys) GoString() string { return "card manager keys" }

// DefaultKeys is the published key set of blank cards, 40..4F three times. It
// protects nothing.
var DefaultKeys = StaticKeys{publishedKey(), publishedKey(), publishedKey()}

func publishedKey() []byte {
	k := make([]byte, 16)
	for i := range k {
		k[i] = 0x40 + byte(i)
	}
	return k
}

func (k StaticKeys) check() error {
	n := len(k.ENC)
	if n != 16 && n != 24 && n != 32 || len(k.MAC) != n || len(k.DEK) != n {
		return errors.New("scp03: keys not all of 16, 24 or 32 bytes")
	}
	return nil
}

// Constants of data derivation (GPC amendment D, 4.1.5).
const (
	deriveCardCryptogram byte = 0x00
	deriveHostCryptogram byte = 0x01
	deriveCardChallenge  byte = 0x02
	deriveENC            byte = 0x04
	deriveMAC            byte = 0x06
	deriveRMAC           byte = 0x07
)

// derive is the key derivation function in counter mode of NIST SP 800-108 with
// CMAC, its input laid out as GPC amendment D, 4.1.5 has it; n is in bytes.
func derive(key []byte, constant byte, n int, context ...[]byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	input := make([]byte, 16, 48)
	input[11] = constant
	binary.BigEndian.PutUint16(input[13:], uint16(n*8))
	var out []byte
	for i := byte(1); len(out) < n; i++ {
		input[15] = i
		out = append(out, cmac(block, append([][]byte{input}, context...)...)...)
	}
	return out[:n], nil
}

// KCV is the check value of an AES key in PUT KEY: three bytes of a block of 01
// encrypted (GPC amendment D, 7.2).
func KCV(key []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("scp03: check value: %w", err)
	}
	return encrypt(block, make([]byte, aes.BlockSize), bytes.Repeat([]byte{1}, aes.BlockSize))[:3], nil
}

// scp03 is what both ends of a session share.
type scp03 struct {
	enc, mac, rmac cipher.Block
	keys           [][]byte // the session keys themselves, to be wiped
	dek            []byte
	host, card     []byte // cryptograms
	level          byte
	size           int // of checksums: 8 or 16
	chain          []byte
	count          uint64 // of commands
}

// newSCP03 derives the session (GPC amendment D, 6.2.1 and 6.2.2).
func newSCP03(static StaticKeys, hostChallenge, cardChallenge []byte) (*scp03, error) {
	if err := static.check(); err != nil {
		return nil, err
	}
	s := &scp03{size: len(hostChallenge), chain: make([]byte, aes.BlockSize), dek: bytes.Clone(static.DEK)}
	n := len(static.ENC)
	for _, k := range []struct {
		from     []byte
		constant byte
		to       *cipher.Block
	}{{static.ENC, deriveENC, &s.enc}, {static.MAC, deriveMAC, &s.mac}, {static.MAC, deriveRMAC, &s.rmac}} {
		key, err := derive(k.from, k.constant, n, hostChallenge, cardChallenge)
		if err != nil {
			return nil, err
		}
		if *k.to, err = aes.NewCipher(key); err != nil {
			return nil, err
		}
		s.keys = append(s.keys, key)
	}
	var err error
	if s.card, err = derive(s.keys[1], deriveCardCryptogram, s.size, hostChallenge, cardChallenge); err != nil {
		return nil, err
	}
	s.host, err = derive(s.keys[1], deriveHostCryptogram, s.size, hostChallenge, cardChallenge)
	return s, err
}

func (s *scp03) open() bool { return s.chain != nil }

func (s *scp03) close() {
	wipe(s.keys...)
	wipe(s.dek)
	*s = scp03{}
}

// sign appends the checksum to a command whose data is complete and moves the
// chain on (GPC amendment D, 6.2.4). The length signed is that of the command as
// sent; the logical channel is not signed.
func (s *scp03) sign(c card.Command) card.Command {
	c.Data = append(slices.Clip(c.Data), make([]byte, s.size)...)
	s.chain = s.commandMAC(c)
	copy(c.Data[len(c.Data)-s.size:], s.chain)
	return c
}

// commandMAC is the next chaining value for a command as sent, whose last bytes
// are the place of the checksum.
func (s *scp03) commandMAC(c card.Command) []byte {
	cla := c.CLA &^ 0x03
	if cla&0x40 != 0 {
		cla = c.CLA &^ 0x0F
	}
	n := len(c.Data)
	head := []byte{cla, c.INS, c.P1, c.P2, byte(n)}
	if c.IsExtended() {
		head = append(head[:4], 0, byte(n>>8), byte(n))
	}
	return cmac(s.mac, s.chain, head, c.Data[:n-s.size])
}

// iv is the encrypted command counter; answers set its highest bit (GPC amendment
// D, 6.2.6 and 6.2.7).
func (s *scp03) iv(answer bool) []byte {
	b := make([]byte, aes.BlockSize)
	binary.BigEndian.PutUint64(b[8:], s.count)
	if answer {
		b[0] = 0x80
	}
	s.enc.Encrypt(b, b)
	return b
}

func (s *scp03) responseMAC(data []byte, sw card.Status) []byte {
	return cmac(s.rmac, s.chain, data, []byte{sw.SW1(), sw.SW2()})[:s.size]
}

// protected tells whether an answer with that status carries a checksum: errors
// do not (GPC amendment D, 6.2.5).
func protected(sw card.Status) bool {
	return sw == card.OK || sw.SW1() == 0x62 || sw.SW1() == 0x63
}

// secureClass sets the bit that announces GlobalPlatform secure messaging.
func secureClass(cla byte) byte {
	if cla&0xC0 == 0x40 || cla&0xC0 == 0xC0 {
		return cla | 0x20
	}
	return cla | 0x04
}

func unsecureClass(cla byte) byte {
	if cla&0xC0 == 0x40 || cla&0xC0 == 0xC0 {
		return cla &^ 0x20
	}
	return cla &^ 0x04
}

func checkLevel(level, options byte) error {
	if !slices.Contains([]byte{0, 0x01, 0x03, 0x11, 0x13, 0x33}, level) {
		return fmt.Errorf("scp03: security level %02X is not defined", level)
	}
	if level&LevelRMAC != 0 && options&OptionRMAC == 0 || level&LevelRENC != 0 && options&OptionRENC == 0 {
		return fmt.Errorf("scp03: chip with i=%02X has no security level %02X", options, level)
	}
	return nil
}

// SCP03 opens GlobalPlatform's Secure Channel Protocol '03' with whatever
// application is selected.
type SCP03 struct {
	// KeyVersion asks for one key set; 0 takes what the chip prefers.
	KeyVersion byte
	// Keys gives the keys for the chip that answered. It is asked once; the keys
	// stay the caller's.
	Keys func(KeyInfo) (StaticKeys, error)
	// Level is the sum of the Level bits: 00, 01, 03, 11, 13 or 33.
	Level byte
	// S16 asks for challenges and checksums of 16 bytes, which a chip has only
	// where its I says so.
	S16 bool
	// Rand nil is the system's.
	Rand io.Reader
}

// Open runs INITIALIZE UPDATE and EXTERNAL AUTHENTICATE (GPC amendment D, 7.1).
// The card it returns is a KeyWrapper too. A chip that does not hold the keys
// gives ErrNotAuthentic; nothing has then been sent that a chip counts.
func (p SCP03) Open(c card.Card) (card.Card, error) {
	size := 8
	if p.S16 {
		size = 16
	}
	hostChallenge, err := random(p.Rand, size)
	if err != nil {
		return nil, err
	}
	answer, err := card.Do(c, card.Command{CLA: 0x80, INS: 0x50, P1: p.KeyVersion, Data: hostChallenge, Ne: card.MaxShortNe})
	if err != nil {
		return nil, fmt.Errorf("scp03: initialize update: %w", err)
	}
	info, cardChallenge, cryptogram, err := parseInitialize(answer, size)
	if err != nil {
		return nil, err
	}
	if err := checkLevel(p.Level, info.I); err != nil {
		return nil, err
	}
	static, err := p.Keys(info)
	if err != nil {
		return nil, fmt.Errorf("scp03: keys of version %02X: %w", info.Version, err)
	}
	s, err := newSCP03(static, hostChallenge, cardChallenge)
	if err != nil {
		return nil, err
	}
	if !equal(cryptogram, s.card) {
		s.close()
		return nil, fmt.Errorf("scp03: chip with key version %02X: %w", info.Version, ErrNotAuthentic)
	}
	auth := s.sign(card.Command{CLA: 0x84, INS: 0x82, P1: p.Level, Data: s.host})
	if _, err := card.Do(c, auth); err != nil {
		s.close()
		return nil, fmt.Errorf("scp03: external authenticate: %w", err)
	}
	s.level = p.Level
	return &scp03Card{s, c}, nil
}

// parseInitialize takes apart the answer to INITIALIZE UPDATE (GPC amendment D,
// 7.1.1.6) for challenges of size bytes.
func parseInitialize(b []byte, size int) (info KeyInfo, challenge, cryptogram []byte, err error) {
	const head = 13
	if len(b) < head {
		return info, nil, nil, fmt.Errorf("scp03: initialize update answered %d bytes", len(b))
	}
	copy(info.Diversification[:], b)
	info.Version, info.Protocol, info.I = b[10], b[11], b[12]
	want := head + 2*size
	if info.I&OptionPseudoRandom != 0 {
		want += 3
	}
	if info.Protocol != 3 {
		return info, nil, nil, fmt.Errorf("scp03: chip speaks secure channel protocol %02X", info.Protocol)
	}
	if s16 := info.I&OptionS16 != 0; s16 != (size == 16) || len(b) != want {
		return info, nil, nil, fmt.Errorf("scp03: initialize update answered %d bytes for i=%02X and challenges of %d", len(b), info.I, size)
	}
	return info, b[head : head+size], b[head+size : head+2*size], nil
}
