package softcard

import (
	"bytes"
	"errors"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// passwordMRZ is the reference of the password that BAC's secrets can stand for
// (TR-03110-3, B.11.1).
const passwordMRZ byte = 1

// paceState is what PACE needs beside EF.CardAccess, whose infos say how it is run.
type paceState struct {
	Secrets  map[byte][]byte     `json:"secrets,omitempty"` // by reference: see access.NewPassword
	Failures access.PACEFailures `json:"failures"`
}

// openable tells whether there is a password for reading at all.
func (s *emrtdState) openable() bool { return s.Access != nil || len(s.PACE.Secrets) > 0 }

func (s *paceState) check() error {
	for reference, secret := range s.Secrets {
		if _, err := access.NewPassword(reference, secret); err != nil {
			return err
		}
	}
	if f := s.Failures; f.MRZ < 0 || f.CAN < 0 || f.PIN < 0 || f.PUK < 0 {
		return errors.New("less than no wrong passwords")
	}
	return nil
}

// putPassword takes a password of PACE: 66 { reference, secret }, as
// access.NewPassword has them. Without one for the MRZ, the secrets of BAC serve.
func (c *Chip) putPassword(data []byte) error {
	body, err := tlv.One(data, 0x66)
	if err != nil || len(body) < 2 {
		return card.IncorrectData
	}
	reference, secret := body[0], bytes.Clone(body[1:])
	if _, err := access.NewPassword(reference, secret); err != nil {
		return card.IncorrectData
	}
	p := &c.state.EMRTD.PACE
	if p.Secrets == nil {
		p.Secrets = map[byte][]byte{}
	}
	p.Secrets[reference] = secret
	c.dirty = true
	return nil
}

// passwords are all that the chip has.
func (s *emrtdState) passwords() ([]access.Password, error) {
	var all []access.Password
	for reference, secret := range s.PACE.Secrets {
		p, err := access.NewPassword(reference, secret)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if s.PACE.Secrets[passwordMRZ] == nil && s.Access != nil {
		p, err := s.Access.Password()
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// paceChip is the chip's end of PACE, one for the session: it remembers that the
// CAN was shown. It runs in the ways that EF.CardAccess names, as far as there is a
// curve or a key for them.
func (c *Chip) paceChip() (*access.PACEChip, error) {
	if c.session.pace != nil {
		return c.session.pace, nil
	}
	e := &c.state.EMRTD
	offer := access.PACEOffer{Failures: e.PACE.Failures, Sleep: c.wait, Rand: c.rand}
	var err error
	if offer.Passwords, err = e.passwords(); err != nil {
		return nil, err
	}
	if offer.Key, err = e.chipKey(); err != nil {
		return nil, err
	}
	infos, _ := access.ParseCardAccess(e.object(efCardAccess)) // none: nothing is offered
	for _, info := range infos {
		one := offer
		one.Infos = []access.PACEInfo{info}
		if _, err := one.Chip(); err == nil {
			offer.Infos = append(offer.Infos, info)
		}
	}
	c.session.pace, err = offer.Chip()
	return c.session.pace, err
}

// object is the data object that a file begins with: what is after it is room that
// was not used. A file that holds none is taken whole.
func (s *emrtdState) object(id fileID) []byte {
	f := s.Files[id]
	if f == nil {
		return nil
	}
	if _, rest, err := tlv.Next(f.Data); err == nil {
		return f.Data[:len(f.Data)-len(rest)]
	}
	return f.Data
}

// setPACE is MSE:SET AT for PACE (Doc 9303-11, 4.4.4.1), at the master file or in an
// application selected by itself; inside a channel too, where a suspended PIN
// follows the CAN.
func (c *Chip) setPACE(data []byte) error {
	c.session.stepping = nil
	inApplication := c.session.app == appEMRTD && !c.state.Quirks.Preselected
	if !c.state.EMRTD.Active || inApplication || c.session.channel != nil && !c.session.read {
		return card.ConditionsNotSatisfied
	}
	if _, unnamed := tlv.Find(data, 0x84); unnamed != nil && c.state.Quirks.NameParameter {
		return lcInconsistent
	}
	chip, err := c.paceChip()
	if err != nil {
		return err
	}
	err = chip.SetTemplate(data)
	var status card.Status
	if err != nil && errors.As(err, &status) {
		if _, warning := status.Retries(); !warning {
			return err
		}
	}
	c.session.stepping = c.paceStep
	return err
}

// paceStep is GENERAL AUTHENTICATE of PACE. A wrong password is on record before the
// answer leaves.
func (c *Chip) paceStep(data []byte) ([]byte, error) {
	chip := c.session.pace
	answer, channel, err := chip.Step(data)
	if f := chip.Failures(); f != c.state.EMRTD.PACE.Failures {
		c.state.EMRTD.PACE.Failures, c.dirty = f, true
	}
	if err != nil || channel == nil {
		return answer, err
	}
	c.session.stepping = nil
	c.newChannel(channel, chip.ID())
	if key := chip.TerminalKey(); key != nil { // the mapping was chip authentication already
		err = c.admitTerminal(key)
	}
	return answer, err
}

// unblock is RESET RETRY COUNTER of the PIN, in the channel that the PUK opened
// (TR-03110-3, B.5).
func (c *Chip) unblock(data []byte) error {
	if !c.session.read || c.session.pace == nil {
		return card.SecurityNotSatisfied
	}
	if len(data) != 0 {
		return card.WrongLength
	}
	if err := c.session.pace.UnblockPIN(); err != nil {
		return err
	}
	if f := c.session.pace.Failures(); f != c.state.EMRTD.PACE.Failures {
		c.state.EMRTD.PACE.Failures, c.dirty = f, true
	}
	return nil
}

// errNoFile is said of a file that a protocol needs and the chip does not have.
var errNoFile = fmt.Errorf("softcard: file is missing: %w", card.ConditionsNotSatisfied)
