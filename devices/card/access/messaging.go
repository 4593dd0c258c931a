package access

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// Data objects of secure messaging (Doc 9303-11, 9.8.4).
const (
	tagCryptogram    tlv.Tag = 0x87 // padding indicator 01 and cryptogram, even INS
	tagOddCryptogram tlv.Tag = 0x85 // cryptogram alone, odd INS
	tagLe            tlv.Tag = 0x97
	tagStatus        tlv.Tag = 0x99
	tagChecksum      tlv.Tag = 0x8E
)

const checksumSize = 8

// suite is the cryptography of a secure messaging session. The counter is as
// long as a cipher block.
type suite struct {
	block cipher.Block
	iv    func(counter []byte) []byte
	mac   func(padded []byte) []byte // at least checksumSize bytes
	sign  func(data []byte) []byte   // checksum over data as it comes, for tokens
}

// desSuite is Doc 9303-11, 9.8.6.1: 3DES in CBC with a zero IV, retail MAC.
func desSuite(enc, mac []byte) (suite, error) {
	block, err := tripleDES(enc)
	if err != nil {
		return suite{}, err
	}
	sum, err := retailMAC(mac)
	if err != nil {
		return suite{}, err
	}
	zero := func([]byte) []byte { return make([]byte, des.BlockSize) }
	return suite{block, zero, sum, func(data []byte) []byte { return sum(pad(data, des.BlockSize)) }}, nil
}

// aesSuite is Doc 9303-11, 9.8.6.2: AES in CBC whose IV is the encrypted counter,
// CMAC.
func aesSuite(enc, mac []byte) (suite, error) {
	block, err := aes.NewCipher(enc)
	if err != nil {
		return suite{}, err
	}
	sum, err := aes.NewCipher(mac)
	if err != nil {
		return suite{}, err
	}
	iv := func(counter []byte) []byte {
		out := make([]byte, aes.BlockSize)
		block.Encrypt(out, counter)
		return out
	}
	signed := func(data []byte) []byte { return cmac(sum, data) }
	return suite{block, iv, signed, signed}, nil
}

// DESKeyBits stands for two-key 3DES where a KeyBits of 128, 192 or 256 is AES.
const DESKeyBits = 112

// cipherNumber is the last arc of the protocols' object identifiers (Doc 9303-11,
// 4.4.3 and 6.2.3), by the bits of the session keys; 0 for other bits.
func cipherNumber(bits int) int {
	switch bits {
	case DESKeyBits:
		return 1
	case 128, 192, 256:
		return bits / 64
	}
	return 0
}

// cipherBits is the inverse of cipherNumber.
func cipherBits(number int) int {
	if number == 1 {
		return DESKeyBits
	}
	if number >= 2 && number <= 4 {
		return number * 64
	}
	return 0
}

// deriveKey is the key derivation of Doc 9303-11, 9.7.1: counter 1 for encryption, 2
// for the checksum, 3 from a password.
func deriveKey(secret []byte, counter uint32, bits int) []byte {
	if bits == DESKeyBits {
		return desKey(secret, counter)
	}
	return aesKey(secret, counter, bits)
}

// sessionSuite is the cryptography of a session from the secret of a key
// agreement, which it wipes.
func sessionSuite(bits int, secret []byte) (suite, error) {
	enc, mac := deriveKey(secret, 1, bits), deriveKey(secret, 2, bits)
	defer wipe(secret, enc, mac)
	if bits == DESKeyBits {
		return desSuite(enc, mac)
	}
	return aesSuite(enc, mac)
}

// blockCipher is the cipher of a key of that many bits.
func blockCipher(bits int, key []byte) (cipher.Block, error) {
	if bits == DESKeyBits {
		return tripleDES(key)
	}
	return aes.NewCipher(key)
}

// fresh starts a session with a counter of zero, as every key agreement does.
func (s suite) fresh() *messaging { return newMessaging(s, make([]byte, s.block.BlockSize())) }

// messaging is one end of a session: the send sequence counter and what it
// protects. It is open while counter is not nil.
type messaging struct {
	suite
	counter []byte
	// static: the keys come from chip authentication; unproven: and the chip has not
	// answered under them yet.
	static, unproven bool
	tried            []string // see Tried
}

func newMessaging(s suite, counter []byte) *messaging {
	return &messaging{suite: s, counter: bytes.Clone(counter)}
}

// close lets go of the ciphers, the only places where the session keys still are.
func (m *messaging) close() { *m = messaging{} }

func (m *messaging) open() bool { return m.counter != nil }

// step counts one APDU (Doc 9303-11, 9.8.2).
func (m *messaging) step() {
	for i := len(m.counter) - 1; i >= 0; i-- {
		if m.counter[i]++; m.counter[i] != 0 {
			return
		}
	}
}

func (m *messaging) checksum(parts ...[]byte) []byte {
	input := bytes.Join(append([][]byte{m.counter}, parts...), nil)
	return m.mac(pad(input, m.block.BlockSize()))[:checksumSize]
}

// seal makes the cryptogram object of some data, nothing of no data.
func (m *messaging) seal(odd bool, data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	secret := encrypt(m.block, m.iv(m.counter), pad(data, m.block.BlockSize()))
	if odd {
		return tlv.New(tagOddCryptogram, secret)
	}
	return tlv.New(tagCryptogram, []byte{1}, secret)
}

func (m *messaging) unseal(o tlv.Object) ([]byte, error) {
	secret := o.Value
	if o.Tag == tagCryptogram {
		if len(secret) == 0 || secret[0] != 1 {
			return nil, errPadding
		}
		secret = secret[1:]
	}
	plain, err := decrypt(m.block, m.iv(m.counter), secret)
	if err != nil {
		return nil, err
	}
	return unpad(plain)
}

// header is the command header as the checksum takes it, padded to a block.
func (m *messaging) header(c card.Command) []byte {
	h := c.Header()
	return pad(h[:], m.block.BlockSize())
}

// objects splits protected data into its objects by tag. signed is all before
// the checksum, which must come last; each tag must be one of the allowed and
// come once.
func objects(data []byte, allowed ...tlv.Tag) (found map[tlv.Tag]tlv.Object, signed []byte, err error) {
	found = make(map[tlv.Tag]tlv.Object, len(allowed)+1)
	for rest := data; len(rest) > 0; {
		o, next, err := tlv.Next(rest)
		if err != nil {
			return nil, nil, err
		}
		if o.Tag == tagChecksum {
			if len(next) > 0 || len(o.Value) != checksumSize {
				return nil, nil, fmt.Errorf("checksum not last or not of %d bytes", checksumSize)
			}
			found[o.Tag] = o
			return found, data[:len(data)-len(rest)], nil
		}
		if _, twice := found[o.Tag]; twice || !contains(allowed, o.Tag) {
			return nil, nil, fmt.Errorf("data object %s out of place", o.Tag)
		}
		found[o.Tag], rest = o, next
	}
	return found, data, nil
}

func contains(tags []tlv.Tag, t tlv.Tag) bool {
	for _, tag := range tags {
		if tag == t {
			return true
		}
	}
	return false
}

// smClass sets the bits that announce secure messaging with an authenticated
// header (ISO/IEC 7816-4:2020, 5.4.1); plainClass clears them.
func smClass(cla byte) byte {
	if cla&0xC0 == 0x40 {
		return cla | 0x20
	}
	return cla | 0x0C
}

func plainClass(cla byte) byte {
	if cla&0xC0 == 0x40 {
		return cla &^ 0x20
	}
	return cla &^ 0x0C
}

// outside is the expected length of a protected command: extended only where the
// command is, so that a chip without extended length stays readable in pieces.
// What the chip puts around its answer counts against the limit of 256.
func outside(c card.Command) int {
	if c.IsExtended() {
		return card.MaxExtendedNe
	}
	return card.MaxShortNe
}

// encodeNe and decodeNe are the value of DO'97': one byte, or two above 256.
func encodeNe(ne int) []byte {
	if ne <= card.MaxShortNe {
		return []byte{byte(ne)}
	}
	return []byte{byte(ne >> 8), byte(ne)}
}

func decodeNe(b []byte) (int, error) {
	switch len(b) {
	case 1:
		return (int(b[0])+card.MaxShortNe-1)%card.MaxShortNe + 1, nil
	case 2:
		return (int(b[0])<<8+int(b[1])+card.MaxExtendedNe-1)%card.MaxExtendedNe + 1, nil
	}
	return 0, fmt.Errorf("data object %s of %d bytes", tagLe, len(b))
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
