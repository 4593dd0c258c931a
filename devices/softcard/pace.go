package softcard

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// References of PACE's passwords (Doc 9303-11, 4.4.4.1; TR-03110-3, B.11.1).
const (
	passwordMRZ byte = 1
	passwordCAN byte = 2
	passwordPIN byte = 3
	passwordPUK byte = 4
)

// Tries of the passwords that block (TR-03110-2, 2.4).
const (
	pinTries = 3
	pukTries = 10
)

// paceState is what PACE needs beside EF.CardAccess, whose infos say how it is run.
type paceState struct {
	// Secrets by reference: characters as printed; the MRZ's is MRZ_information.
	Secrets map[byte][]byte `json:"secrets,omitempty"`
	PIN     int             `json:"pin"`   // tries left
	PUK     int             `json:"puk"`   // tries left
	Wrong   int             `json:"wrong"` // wrong CAN, MRZ and BAC in a row
}

// paceSession is PACE since reset.
type paceSession struct {
	chip    *access.PACEChip // after MSE:SET AT
	trying  byte             // password that chip was given
	opened  byte             // password that opened the channel, 0 for none
	resumed bool             // the CAN was right: a suspended PIN has its last try
}

// openable tells whether there is a password for reading at all.
func (s *emrtdState) openable() bool { return s.Access != nil || len(s.PACE.Secrets) > 0 }

func (s *paceState) check() error {
	for reference, secret := range s.Secrets {
		if _, err := newPassword(reference, secret); err != nil {
			return fmt.Errorf("pace password %d: %w", reference, err)
		}
	}
	if s.PIN < 0 || s.PIN > pinTries || s.PUK < 0 || s.PUK > pukTries || s.Wrong < 0 {
		return errors.New("pace counters out of range")
	}
	return nil
}

// putPassword takes a password of PACE: 66 { reference, secret }. The MRZ's secret
// is MRZ_information of Doc 9303-11, 4.3.2: number, birth and expiry with their
// check digits; without it the secrets of BAC serve for the MRZ.
func (c *Chip) putPassword(data []byte) error {
	body, err := tlv.One(data, 0x66)
	if err != nil || len(body) < 2 {
		return card.IncorrectData
	}
	reference, secret := body[0], bytes.Clone(body[1:])
	if _, err := newPassword(reference, secret); err != nil {
		return card.IncorrectData
	}
	p := &c.state.EMRTD.PACE
	if p.Secrets == nil {
		p.Secrets = map[byte][]byte{}
	}
	p.Secrets[reference] = secret
	switch reference {
	case passwordPIN:
		p.PIN = pinTries
	case passwordPUK:
		p.PUK = pukTries
	}
	c.dirty = true
	return nil
}

// maxSecret bounds a password.
const maxSecret = 64

func newPassword(reference byte, secret []byte) (access.Password, error) {
	if len(secret) == 0 || len(secret) > maxSecret {
		return access.Password{}, fmt.Errorf("secret of %d bytes", len(secret))
	}
	switch reference {
	case passwordMRZ:
		mrz, err := parseInformation(string(secret))
		if err != nil {
			return access.Password{}, err
		}
		return mrz.Password()
	case passwordCAN:
		return access.CAN(string(secret)), nil
	}
	return access.Password{}, errors.New("no such password")
}

// parseInformation reads MRZ_information back.
func parseInformation(s string) (access.MRZ, error) {
	const dates = 2 * (6 + 1)
	n := len(s) - dates - 1
	if n < 9 {
		return access.MRZ{}, errors.New("too short for the mrz's number and dates")
	}
	return access.MRZ{Document: strings.TrimRight(s[:n], "<"), Birth: s[n+1 : n+7], Expiry: s[n+8 : n+14]}, nil
}

// passwords are all that the chip has.
func (s *emrtdState) passwords() []access.Password {
	var all []access.Password
	for reference, secret := range s.PACE.Secrets {
		if p, err := newPassword(reference, secret); err == nil {
			all = append(all, p)
		}
	}
	if s.PACE.Secrets[passwordMRZ] == nil && s.Access != nil {
		if p, err := s.Access.Password(); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// authenticate is what master file and eMRTD application share: MANAGE SECURITY
// ENVIRONMENT, GENERAL AUTHENTICATE and RESET RETRY COUNTER.
func (c *Chip) authenticate(cmd card.Command) ([]byte, error) {
	p := uint16(cmd.P1)<<8 | uint16(cmd.P2)
	switch {
	case cmd.INS == 0x22 && p == 0xC1A4:
		return nil, c.setPACE(cmd.Data)
	case cmd.INS == 0x86 && p == 0:
		return c.paceStep(cmd.Data)
	case cmd.INS == 0x2C && p == 0x0303:
		return nil, c.unblock(cmd.Data)
	}
	return nil, card.IncorrectP1P2
}

// setPACE is MSE:SET AT for PACE (Doc 9303-11, 4.4.4.1; TR-03110-3, B.11.1), at the
// master file, or in an application selected by itself. The ways of PACE are those that EF.CardAccess says. A PIN or PUK
// that was wrong before is warned of with 63Cx.
func (c *Chip) setPACE(data []byte) error {
	e := &c.state.EMRTD
	c.session.pace.chip = nil
	if !e.Active || c.session.app == appEMRTD && !c.state.Quirks.Preselected || c.session.channel != nil && !c.session.read {
		return card.ConditionsNotSatisfied
	}
	var infos []access.PACEInfo
	if f := e.Files[efCardAccess]; f != nil {
		infos, _ = access.ParseCardAccess(f.Data)
	}
	refusal := error(card.IncorrectData)
	for _, info := range infos {
		chip, err := access.NewPACEChip(info, c.rand, e.passwords()...)
		if err != nil {
			return err
		}
		if err = chip.SetTemplate(data); err == nil {
			reference, _ := tlv.Find(data, 0x83)
			c.session.pace.chip, c.session.pace.trying = chip, reference[0]
			return e.PACE.warning(reference[0])
		}
		if !errors.Is(err, card.IncorrectData) {
			refusal = err
		}
	}
	return refusal
}

// tries gives the counter of a password that blocks, and its start; nil for the
// others.
func (s *paceState) tries(reference byte) (left *int, start int) {
	switch reference {
	case passwordPIN:
		return &s.PIN, pinTries
	case passwordPUK:
		return &s.PUK, pukTries
	}
	return nil, 0
}

func (s *paceState) warning(reference byte) error {
	if left, start := s.tries(reference); left != nil && *left < start {
		return triesLeft(*left)
	}
	return nil
}

func triesLeft(n int) card.Status { return 0x63C0 | card.Status(n) }

// paceStep is GENERAL AUTHENTICATE, a step of PACE. The last one judges the password: CAN and
// MRZ slow down, PIN and PUK block; the PIN's last try is suspended until the CAN
// was right (TR-03110-2, 2.4).
func (c *Chip) paceStep(data []byte) ([]byte, error) {
	s := &c.session.pace
	if s.chip == nil {
		return nil, card.ConditionsNotSatisfied
	}
	left, start := c.state.EMRTD.PACE.tries(s.trying)
	if left != nil && *left == 0 {
		return nil, card.AuthenticationBlocked
	}
	if s.trying == passwordPIN && *left == 1 && !s.resumed {
		return nil, card.ConditionsNotSatisfied
	}
	answer, channel, err := s.chip.Step(data)
	switch {
	case errors.Is(err, access.AuthenticationFailed) && left != nil:
		*left--
		s.chip, c.dirty = nil, true
		return nil, triesLeft(*left)
	case errors.Is(err, access.AuthenticationFailed):
		c.wrongPassword()
		s.chip = nil
		return nil, err
	case err != nil || channel == nil:
		return answer, err
	}
	if left == nil {
		c.rightPassword()
	} else if *left != start {
		*left, c.dirty = start, true
	}
	*s = paceSession{opened: s.trying, resumed: s.resumed || s.trying == passwordCAN}
	c.session.next = channel
	return answer, nil
}

// unblock is RESET RETRY COUNTER of the PIN, in a channel that the PUK opened
// (TR-03110-3, B.11.5).
func (c *Chip) unblock(data []byte) error {
	p := &c.state.EMRTD.PACE
	switch {
	case !c.session.read || c.session.pace.opened != passwordPUK:
		return card.SecurityNotSatisfied
	case len(data) != 0:
		return card.WrongLength
	case p.Secrets[passwordPIN] == nil:
		return card.ReferencedDataNotFound
	}
	if p.PIN != pinTries {
		p.PIN, c.dirty = pinTries, true
	}
	return nil
}

// Guessing what is printed on the card is made slow: from the third wrong try in
// a row on each answer waits, twice as long each time.
const (
	freeGuesses = 2
	firstDelay  = 100 * time.Millisecond
	lastDelay   = 3200 * time.Millisecond
)

func (c *Chip) wrongPassword() {
	p := &c.state.EMRTD.PACE
	p.Wrong = min(p.Wrong+1, 1<<16)
	c.dirty = true
	if over := p.Wrong - freeGuesses - 1; over >= 0 {
		c.wait(min(firstDelay<<min(over, 16), lastDelay))
	}
}

func (c *Chip) rightPassword() {
	if p := &c.state.EMRTD.PACE; p.Wrong != 0 {
		p.Wrong, c.dirty = 0, true
	}
}
