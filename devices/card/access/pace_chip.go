package access

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"io"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// PACEOffer is what a chip has for PACE.
type PACEOffer struct {
	// Infos are the ways in which it runs, none over a brainpool curve.
	Infos     []PACEInfo
	Passwords []Password
	// Key is the static key for chip authentication mapping, on the curve of each info
	// that has it; nil where none has.
	Key *ecdsa.PrivateKey
	// Failures are the wrong tries that the chip remembers: see PACEChip.Failures.
	Failures PACEFailures
	// Sleep holds wrong guessers of MRZ and CAN up; nil is time.Sleep.
	Sleep func(time.Duration)
	// Rand nil is the system's.
	Rand io.Reader
}

// PACEChip is the chip's end of PACE: it takes MSE:SET AT and then four GENERAL
// AUTHENTICATE in their order.
type PACEChip struct {
	offer    PACEOffer
	ways     []*pace
	pace     *pace // the way that MSE:SET AT named
	password *Password
	resumed  bool    // CAN shown in this session, which lets the PIN's last try go ahead
	unblock  bool    // the last channel was opened with the PUK
	next     tlv.Tag // what the next step must bring, 0 for nothing
	nonce    []byte
	mapping  []byte // private key of the mapping
	private  []byte
	mapped   point
	keys     [2]point // the terminal's and the chip's, over the mapped generator
	id       []byte
	terminal []byte // the terminal's key after chip authentication mapping
}

// NewPACEChip is a chip's end for one PACEInfo and the passwords it takes; rand nil
// is the system's. It fails on an info that SecurityInfo cannot encode.
func NewPACEChip(info PACEInfo, rand io.Reader, passwords ...Password) (*PACEChip, error) {
	return PACEOffer{Infos: []PACEInfo{info}, Passwords: passwords, Rand: rand}.Chip()
}

// Chip starts the chip's end, as after a reset.
func (o PACEOffer) Chip() (*PACEChip, error) {
	for _, info := range o.Infos {
		if err := info.issuable(); err != nil {
			return nil, err
		}
	}
	return o.chip()
}

func (o PACEOffer) chip() (*PACEChip, error) {
	if o.Sleep == nil {
		o.Sleep = time.Sleep
	}
	c := &PACEChip{offer: o}
	for _, info := range o.Infos {
		p, err := newPACE(info, o.Rand)
		if err != nil {
			return nil, err
		}
		if info.Mapping == ChipAuthenticationMapping && (o.Key == nil || o.Key.Curve != p.Curve) {
			return nil, fmt.Errorf("access: pace: no static key on %s", p.Params().Name)
		}
		c.ways = append(c.ways, p)
	}
	return c, nil
}

// SetTemplate answers MSE:SET AT (Doc 9303-11, 4.4.4.1), whose data it is given, and
// starts anew. An error wraps the card.Status to answer: 6A80 for another
// mechanism, 6A88 for a password that the chip does not have. 63Cx is a warning:
// the password was taken, and x tries are left of it (TR-03110-3, B.14).
func (c *PACEChip) SetTemplate(data []byte) error {
	c.forget()
	c.password, c.unblock, c.id, c.terminal = nil, false, nil, nil
	way, err := c.way(data)
	if err != nil {
		return err
	}
	reference, err := tlv.Find(data, 0x83)
	if err != nil || len(reference) != 1 {
		return fmt.Errorf("pace: no password named: %w", card.IncorrectData)
	}
	for i, p := range c.offer.Passwords {
		if p.reference == reference[0] {
			c.pace, c.password = way, &c.offer.Passwords[i]
			return c.offer.Failures.warn(p.reference)
		}
	}
	return fmt.Errorf("pace: password %d: %w", reference[0], card.ReferencedDataNotFound)
}

// way finds the mechanism, and its domain parameter where one is named.
func (c *PACEChip) way(data []byte) (*pace, error) {
	mechanism, err := tlv.Find(data, 0x80)
	if err != nil {
		return nil, fmt.Errorf("pace: no mechanism named: %w", card.IncorrectData)
	}
	parameter, unnamed := tlv.Find(data, 0x84)
	for _, p := range c.ways {
		if equal(mechanism, p.oid) && (unnamed != nil || equal(parameter, []byte{byte(p.info.Parameter)})) {
			return p, nil
		}
	}
	return nil, fmt.Errorf("pace: mechanism not offered: %w", card.IncorrectData)
}

func (c *PACEChip) forget() {
	wipe(c.nonce, c.private, c.mapping)
	c.next, c.nonce, c.private, c.mapping, c.mapped = 0, nil, nil, nil, point{}
}

// Step answers one GENERAL AUTHENTICATE; s comes with the last, whose answer is
// still unprotected (or protected by the channel before). An error wraps the
// card.Status to answer: 6985 out of order or for a suspended PIN, 6983 for a
// blocked one, 6A80 for data that makes no sense, 6300 or 63Cx for a wrong token. The
// password then has to be named again. Failures may have changed.
func (c *PACEChip) Step(data []byte) (answer []byte, s Secure, err error) {
	if answer, s, err = c.step(data); err != nil || s != nil {
		c.forget()
		c.password = nil
	}
	return answer, s, err
}

// ID is the chip's identity in the channel that the last Step opened, which
// terminal authentication signs: the x of the chip's ephemeral key (Doc 9303-11,
// 7.1.2); nil before.
func (c *PACEChip) ID() []byte { return bytes.Clone(c.id) }

// TerminalKey is the terminal's key, compressed, to which terminal authentication may
// be bound without further chip authentication; nil but after chip authentication
// mapping (Doc 9303-11, 7.1.2).
func (c *PACEChip) TerminalKey() []byte { return bytes.Clone(c.terminal) }

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

// start gives the encrypted nonce, if the password is still good for a try, and
// not before a wrong guesser's time is up.
func (c *PACEChip) start(body []byte) ([]byte, Secure, error) {
	if len(body) > 0 {
		return nil, nil, fmt.Errorf("pace: data where none was expected: %w", card.ConditionsNotSatisfied)
	}
	if err := c.offer.Failures.allow(c.password.reference, c.resumed); err != nil {
		return nil, nil, err
	}
	if d := c.offer.Failures.delay(c.password.reference); d > 0 {
		c.offer.Sleep(d)
	}
	nonce, err := random(c.offer.Rand, paceNonce)
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
	private, public, err := c.pace.pair(c.pace.base(), c.offer.Rand)
	if err == nil {
		c.mapped, err = c.pace.generator(c.nonce, private, other)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.NoPreciseDiagnosis)
	}
	c.mapping, c.next = private, 0x83
	return tlv.New(0x7C, tlv.New(0x82, c.pace.encode(public))), nil, nil
}

// agree gives the chip's public key; the tokens will be over both.
func (c *PACEChip) agree(other point) ([]byte, Secure, error) {
	private, public, err := c.pace.pair(c.mapped, c.offer.Rand)
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.NoPreciseDiagnosis)
	}
	c.private, c.next = private, 0x85
	c.keys = [2]point{other, public}
	return tlv.New(0x7C, tlv.New(0x84, c.pace.encode(public))), nil, nil
}

// finish checks the terminal's token, over the chip's key, and gives the chip's.
// The try counts before its result is known.
func (c *PACEChip) finish(proof []byte) ([]byte, Secure, error) {
	terminal, chip := c.keys[0], c.keys[1]
	s, err := c.pace.session(c.private, terminal)
	if err != nil {
		return nil, nil, fmt.Errorf("pace: %w: %w", err, card.NoPreciseDiagnosis)
	}
	reference := c.password.reference
	failed := c.offer.Failures.count(reference)
	if reference == referencePIN {
		c.resumed = false
	}
	if !equal(proof, c.pace.token(s, chip)) {
		return nil, nil, fmt.Errorf("pace: %w: %w", ErrNotAuthentic, failed)
	}
	body := tlv.New(0x86, c.pace.token(s, terminal))
	if c.pace.info.Mapping == ChipAuthenticationMapping {
		c.terminal = c.pace.compress(terminal)
		body = tlv.Append(body, 0x8A, sealMapping(s, chipAuthenticationData(c.offer.Key, c.mapping)))
	}
	c.offer.Failures.clear(reference)
	c.resumed, c.unblock = c.resumed || reference == referenceCAN, reference == referencePUK
	c.id = c.pace.compress(chip)
	return tlv.New(0x7C, body), &chipMessaging{messaging: s.fresh()}, nil
}

// sealMapping encrypts the chip authentication data.
func sealMapping(s suite, data []byte) []byte {
	return encrypt(s.block, mappingIV(s.block), pad(data, s.block.BlockSize()))
}
