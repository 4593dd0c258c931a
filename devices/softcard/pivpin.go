package softcard

import (
	"bytes"
	"crypto/subtle"

	"cardstation/devices/card"
)

const (
	secretSize   = 8 // filled up with FF (SP 800-73-4 part 2, 2.4.3)
	minSecret    = 6
	defaultTries = 3
	defaultPIN   = "123456"
	defaultPUK   = "12345678"

	refPIN = 0x80 // key references (SP 800-73-4 part 1, table 4a)
	refPUK = 0x81
)

// secret is a PIN or PUK with its tries.
type secret struct {
	Value []byte `json:"value"`
	Tries byte   `json:"tries"`
	Left  byte   `json:"left"`
	// Default: nobody has set it yet.
	Default bool `json:"default"`
}

func newSecret(value string, tries byte) secret {
	return secret{Value: fill(value), Tries: tries, Left: tries, Default: true}
}

func fill(value string) []byte {
	b := bytes.Repeat([]byte{0xFF}, secretSize)
	copy(b, value)
	return b
}

// try compares once: right makes all tries available again, wrong costs one.
func (c *Chip) try(s *secret, value []byte) error {
	if s.Left == 0 {
		return card.AuthenticationBlocked
	}
	right := subtle.ConstantTimeCompare(s.Value, value) == 1
	left := s.Left - 1
	if right {
		left = s.Tries
	}
	if left != s.Left {
		s.Left, c.dirty = left, true
	}
	if !right {
		return s.retries()
	}
	return nil
}

// retries is 63Cx; more than 15 tries show as 15.
func (s *secret) retries() card.Status { return 0x63C0 | card.Status(min(s.Left, 15)) }

func (c *Chip) set(s *secret, value []byte) {
	s.Value, s.Left, s.Default = bytes.Clone(value), s.Tries, false
	c.dirty = true
}

// wellFormed: six to eight bytes, then FF.
func wellFormed(value []byte) bool {
	n := bytes.IndexByte(value, 0xFF)
	if n < 0 {
		n = len(value)
	}
	return n >= minSecret && len(bytes.Trim(value[n:], "\xFF")) == 0
}

// verify is VERIFY (SP 800-73-4 part 2, 3.2.1). Without data it asks how many
// tries are left; P1 FF takes the verification back.
func (c *Chip) verify(cmd card.Command) error {
	p, pin := &c.session.piv, &c.state.PIV.PIN
	if cmd.P2 != refPIN {
		return card.ReferencedDataNotFound
	}
	switch {
	case cmd.P1 == 0xFF && len(cmd.Data) == 0:
		p.verified, p.fresh = false, false
		return nil
	case cmd.P1 != 0:
		return card.IncorrectP1P2
	case len(cmd.Data) == 0 && p.verified:
		return nil
	case len(cmd.Data) == 0 && pin.Left == 0:
		return card.AuthenticationBlocked
	case len(cmd.Data) == 0:
		return pin.retries()
	case len(cmd.Data) != secretSize:
		return card.IncorrectData
	}
	p.verified, p.fresh = false, false
	if err := c.try(pin, cmd.Data); err != nil {
		return err
	}
	p.verified, p.fresh = true, true
	return nil
}

// changeReference is CHANGE REFERENCE DATA: old value, new value (SP 800-73-4 part
// 2, 3.2.2).
func (c *Chip) changeReference(cmd card.Command) error {
	if cmd.P1 != 0 {
		return card.IncorrectP1P2
	}
	var s *secret
	switch cmd.P2 {
	case refPIN:
		s = &c.state.PIV.PIN
	case refPUK:
		s = &c.state.PIV.PUK
	default:
		return card.ReferencedDataNotFound
	}
	return c.replace(s, s, cmd.Data)
}

// resetRetryCounter is RESET RETRY COUNTER: PUK, new PIN (SP 800-73-4 part 2, 3.2.3).
func (c *Chip) resetRetryCounter(cmd card.Command) error {
	if cmd.P1 != 0 {
		return card.IncorrectP1P2
	}
	if cmd.P2 != refPIN {
		return card.ReferencedDataNotFound
	}
	return c.replace(&c.state.PIV.PUK, &c.state.PIV.PIN, cmd.Data)
}

// replace sets a secret on the word of the one that guards it.
func (c *Chip) replace(guard, s *secret, data []byte) error {
	if len(data) != 2*secretSize {
		return card.IncorrectData
	}
	old, value := data[:secretSize], data[secretSize:]
	if guard.Left == 0 {
		return card.AuthenticationBlocked
	}
	if err := c.try(guard, old); err != nil {
		c.session.piv.verified, c.session.piv.fresh = false, false
		return err
	}
	if !wellFormed(value) {
		return card.IncorrectData
	}
	c.set(s, value)
	return nil
}

// setRetries is SET PIN RETRIES: P1 tries of the PIN, P2 of the PUK. Both are put
// back to their first values.
func (c *Chip) setRetries(cmd card.Command) error {
	if !c.session.piv.admin || !c.session.piv.verified {
		return card.SecurityNotSatisfied
	}
	if cmd.P1 == 0 || cmd.P2 == 0 {
		return card.IncorrectP1P2
	}
	c.state.PIV.PIN, c.state.PIV.PUK = newSecret(defaultPIN, cmd.P1), newSecret(defaultPUK, cmd.P2)
	c.session.piv.verified, c.session.piv.fresh = false, false
	c.dirty = true
	return nil
}

// resetPIV is RESET: allowed to everybody once PIN and PUK are both blocked.
func (c *Chip) resetPIV(cmd card.Command) error {
	s := &c.state.PIV
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return card.IncorrectP1P2
	}
	if s.PIN.Left != 0 || s.PUK.Left != 0 {
		return card.ConditionsNotSatisfied
	}
	s.clear()
	c.session.piv = pivSession{}
	c.dirty = true
	return nil
}
