package access

import (
	"crypto/aes"
	"fmt"
	"io"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// PACEChip is the chip's end of PACE: it takes MSE:SET AT and then four GENERAL
// AUTHENTICATE in their order.
type PACEChip struct {
	info      PACEInfo
	passwords []Password
	pace      *pace
	password  *Password
	next      tlv.Tag // what the next step must bring, 0 for nothing
	nonce     []byte
	private   []byte
	mapped    point
	keys      [2]point // the terminal's and the chip's, over the mapped generator
}

// NewPACEChip is a chip's end for one PACEInfo and the passwords it takes; rand nil
// is the system's. It fails on an info that SecurityInfo cannot encode.
func NewPACEChip(info PACEInfo, rand io.Reader, passwords ...Password) (*PACEChip, error) {
	p, err := newPACE(info, rand)
	if err != nil {
		return nil, err
	}
	return &PACEChip{info: info, passwords: passwords, pace: p}, nil
}

// SetTemplate answers MSE:SET AT (Doc 9303-11, 4.4.4.1), whose data it is given, and
// starts anew. An error wraps the card.Status to answer: 6A80 for another
// mechanism, 6A88 for a password that the chip does not have.
func (c *PACEChip) SetTemplate(data []byte) error {
	c.forget()
	c.password = nil
	mechanism, err := tlv.Find(data, 0x80)
	if err != nil || !equal(mechanism, c.pace.oid) {
		return fmt.Errorf("pace: mechanism not offered: %w", card.IncorrectData)
	}
	parameter, err := tlv.Find(data, 0x84)
	if err == nil && !equal(parameter, []byte{byte(c.info.Parameter)}) {
		return fmt.Errorf("pace: domain parameter not offered: %w", card.IncorrectData)
	}
	reference, err := tlv.Find(data, 0x83)
	if err != nil || len(reference) != 1 {
		return fmt.Errorf("pace: no password named: %w", card.IncorrectData)
	}
	for i, p := range c.passwords {
		if p.reference == reference[0] {
			c.password = &c.passwords[i]
			return nil
		}
	}
	return fmt.Errorf("pace: password %d: %w", reference[0], card.ReferencedDataNotFound)
}

func (c *PACEChip) forget() {
	wipe(c.nonce, c.private)
	c.next, c.nonce, c.private, c.mapped = 0, nil, nil, point{}
}

// Step answers one GENERAL AUTHENTICATE; s comes with the last, whose answer is
// still unprotected. An error wraps the card.Status to answer: 6985 out of order,
// 6A80 for data that makes no sense, 6300 for a wrong token. The password then has
// to be named again.
func (c *PACEChip) Step(data []byte) (answer []byte, s Secure, err error) {
	if answer, s, err = c.step(data); err != nil || s != nil {
		c.forget()
		c.password = nil
	}
	return answer, s, err
}

func (c *PACEChip) step(data []byte) ([]byte, Secure, error) {
	if c.password == nil {
		return nil, nil, fmt.Errorf("pace: no password named: %w", card.ConditionsNotSatisfied)
	}
	body, err := tlv.One(data, 0x7C)
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.IncorrectData)
	}
	if c.next == 0 {
		return c.start(body)
	}
	value, err := tlv.One(body, c.next)
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.IncorrectData)
	}
	if c.next == 0x85 {
		return c.finish(value)
	}
	other, err := c.pace.decode(value)
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.IncorrectData)
	}
	if c.next == 0x81 {
		return c.mapNonce(other)
	}
	return c.agree(other)
}

// start gives the encrypted nonce.
func (c *PACEChip) start(body []byte) ([]byte, Secure, error) {
	if len(body) > 0 {
		return nil, nil, fmt.Errorf("pace: data where none was expected: %w", card.ConditionsNotSatisfied)
	}
	nonce, err := random(c.pace.rand, aes.BlockSize)
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.NoPreciseDiagnosis)
	}
	sealed, err := c.pace.nonceCipher(*c.password, true, nonce)
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.NoPreciseDiagnosis)
	}
	c.nonce, c.next = nonce, 0x81
	return tlv.New(0x7C, tlv.New(0x80, sealed)), nil, nil
}

// mapNonce gives the chip's mapping point and makes the generator.
func (c *PACEChip) mapNonce(other point) ([]byte, Secure, error) {
	private, public, err := c.pace.pair(c.pace.base())
	if err == nil {
		c.mapped, err = c.pace.generator(c.nonce, private, other)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.NoPreciseDiagnosis)
	}
	c.next = 0x83
	return tlv.New(0x7C, tlv.New(0x82, c.pace.encode(public))), nil, nil
}

// agree gives the chip's public key; the tokens will be over both.
func (c *PACEChip) agree(other point) ([]byte, Secure, error) {
	private, public, err := c.pace.pair(c.mapped)
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.NoPreciseDiagnosis)
	}
	c.private, c.next = private, 0x85
	c.keys = [2]point{other, public}
	return tlv.New(0x7C, tlv.New(0x84, c.pace.encode(public))), nil, nil
}

// finish checks the terminal's token, over the chip's key, and gives the chip's.
func (c *PACEChip) finish(proof []byte) ([]byte, Secure, error) {
	terminal, chip := c.keys[0], c.keys[1]
	m, token, err := c.pace.session(c.private, terminal)
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.NoPreciseDiagnosis)
	}
	if !equal(proof, token(chip)) {
		return nil, nil, fmt.Errorf("pace: %w: %w", ErrNotAuthentic, AuthenticationFailed)
	}
	return tlv.New(0x7C, tlv.New(0x86, token(terminal))), &chipMessaging{messaging: m}, nil
}
