package softcard

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// Symmetric algorithms (SP 800-78-4, table 6-2).
const (
	alg3DES   = 0x03
	algAES128 = 0x08
	algAES192 = 0x0A
	algAES256 = 0x0C
)

// refManagement is the card management key's reference (SP 800-73-4 part 1, table 4b).
const refManagement = 0x9B

var defaultManagementKey = []byte{
	1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}

type managementKey struct {
	Algorithm byte   `json:"algorithm"`
	Key       []byte `json:"key"`
	Touch     bool   `json:"touch"` // kept and told, never asked for
}

var managementKeySize = map[byte]int{alg3DES: 24, algAES128: 16, algAES192: 24, algAES256: 32}

// cipher gives the block cipher; an error wraps the status of a key that cannot be.
func (k managementKey) cipher() (cipher.Block, error) {
	if size, ok := managementKeySize[k.Algorithm]; !ok || size != len(k.Key) {
		return nil, card.IncorrectData
	}
	if k.Algorithm == alg3DES {
		return des.NewTripleDESCipher(k.Key)
	}
	return aes.NewCipher(k.Key)
}

func (k managementKey) isDefault() bool {
	return k.Algorithm == alg3DES && subtle.ConstantTimeCompare(k.Key, defaultManagementKey) == 1
}

// template is the dynamic authentication template of GENERAL AUTHENTICATE
// (ISO/IEC 7816-4:2020, 11.5.5; SP 800-73-4 part 2, table 7); nil = absent, empty
// = asked for.
type template struct{ witness, challenge, response, exponentiation []byte }

func parseTemplate(data []byte) (t template, err error) {
	body, err := tlv.One(data, 0x7C)
	if err != nil {
		return t, card.IncorrectData
	}
	objects, err := tlv.Parse(body)
	if err != nil {
		return t, card.IncorrectData
	}
	for _, o := range objects {
		switch o.Tag {
		case 0x80:
			t.witness = o.Value
		case 0x81:
			t.challenge = o.Value
		case 0x82:
			t.response = o.Value
		case 0x85:
			t.exponentiation = o.Value
		default:
			return t, card.IncorrectData
		}
	}
	return t, nil
}

// asked tells an object that is there and empty.
func asked(b []byte) bool { return b != nil && len(b) == 0 }

// generalAuthenticate is GENERAL AUTHENTICATE (SP 800-73-4 part 2, 3.2.4): P1
// algorithm, P2 key.
func (c *Chip) generalAuthenticate(cmd card.Command) ([]byte, error) {
	t, err := parseTemplate(cmd.Data)
	if err != nil {
		return nil, err
	}
	if cmd.P2 == refManagement {
		return c.authenticateManagement(cmd.P1, t)
	}
	return c.usePrivate(cmd.P1, cmd.P2, t)
}

// authenticateManagement proves the management key: mutual authentication by
// witness, or external authentication by challenge (SP 800-73-4 part 2, A.1).
func (c *Chip) authenticateManagement(algorithm byte, t template) ([]byte, error) {
	p, key := &c.session.piv, c.state.PIV.Management
	if algorithm == 0 {
		algorithm = alg3DES // SP 800-78-4, table 6-2
	}
	if algorithm != key.Algorithm {
		return nil, card.IncorrectP1P2
	}
	block, err := key.cipher()
	if err != nil {
		return nil, err
	}
	witness, challenge := p.witness, p.challenge
	p.witness, p.challenge = nil, nil
	switch {
	case asked(t.witness):
		if p.witness, err = c.random(block.BlockSize()); err != nil {
			return nil, err
		}
		return tlv.New(0x7C, tlv.New(0x80, encrypt(block, p.witness))), nil
	case asked(t.challenge):
		if p.challenge, err = c.random(block.BlockSize()); err != nil {
			return nil, err
		}
		return tlv.New(0x7C, tlv.New(0x81, p.challenge)), nil
	case len(t.witness) > 0 && witness != nil:
		p.admin = subtle.ConstantTimeCompare(t.witness, witness) == 1 && len(t.challenge) == block.BlockSize()
		if !p.admin {
			return nil, card.SecurityNotSatisfied
		}
		return tlv.New(0x7C, tlv.New(0x82, encrypt(block, t.challenge))), nil
	case len(t.response) > 0 && challenge != nil:
		p.admin = subtle.ConstantTimeCompare(t.response, encrypt(block, challenge)) == 1
		if !p.admin {
			return nil, card.SecurityNotSatisfied
		}
		return nil, nil
	}
	return nil, card.IncorrectData
}

// encrypt takes one block.
func encrypt(block cipher.Block, b []byte) []byte {
	out := make([]byte, block.BlockSize())
	block.Encrypt(out, b)
	return out
}

// setManagementKey is SET MANAGEMENT KEY: algorithm, 9B, length, key; P2 FE asks
// for touch.
func (c *Chip) setManagementKey(cmd card.Command) error {
	if !c.session.piv.admin {
		return card.SecurityNotSatisfied
	}
	if cmd.P1 != 0xFF || cmd.P2 < 0xFE {
		return card.IncorrectP1P2
	}
	d := cmd.Data
	if len(d) < 3 || d[1] != refManagement || int(d[2]) != len(d)-3 {
		return card.IncorrectData
	}
	key := managementKey{Algorithm: d[0], Key: append([]byte(nil), d[3:]...), Touch: cmd.P2 == 0xFE}
	if _, err := key.cipher(); err != nil {
		return card.IncorrectData
	}
	c.state.PIV.Management, c.dirty = key, true
	return nil
}
