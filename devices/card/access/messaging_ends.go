package access

import (
	"errors"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// terminalMessaging is the terminal's end: a card over a card.
type terminalMessaging struct {
	*messaging
	under card.Card
	// id is the chip's identity, and key the terminal's, compressed, that terminal
	// authentication binds itself to; key is empty before chip authentication or its
	// mapping. They are strings so that cards can be compared.
	id, key string
}

// opened is a card that is secure messaging.
type opened interface{ inner() terminalMessaging }

func (t terminalMessaging) inner() terminalMessaging { return t }

// renew opens a channel with new keys to the chip that c speaks to. A channel that
// c is itself ends with it.
func renew(c card.Card, s suite, id string) terminalMessaging {
	m := s.fresh()
	if old, ok := c.(opened); ok {
		c = old.inner().under
		m.tried = old.inner().tried
		old.inner().close()
	}
	return terminalMessaging{messaging: m, under: c, id: id}
}

// Tried tells, in words for a verdict, what had to be done otherwise than most chips
// want it since the channel was opened or Tried last asked; nothing for a card that is
// no channel for reading.
func Tried(c card.Card) []string {
	o, ok := c.(opened)
	if !ok {
		return nil
	}
	m := o.inner().messaging
	tried := m.tried
	m.tried = nil
	return tried
}

func (m *messaging) note(format string, args ...any) {
	m.tried = append(m.tried, fmt.Sprintf(format, args...))
}

// Transmit protects, sends and unprotects. An error status that the chip sends
// without protection is handed on as it is, being unable to do more than a cut
// line could; it closes the channel where it speaks of secure messaging. Any
// other unprotected answer is ErrIntegrity. After an error the channel is closed.
func (t terminalMessaging) Transmit(c card.Command) (card.Response, error) {
	if !t.open() {
		return card.Response{}, ErrClosed
	}
	r, err := t.under.Transmit(t.protect(c))
	if err != nil {
		t.close() // nobody knows what the chip has counted
		return card.Response{}, err
	}
	t.step()
	if len(r.Data) == 0 && r.SW.SW1() >= 0x64 && r.SW.SW1() <= 0x6F {
		if r.SW != card.SMObjectsMissing && r.SW != card.SMObjectsIncorrect {
			return r, nil
		}
		copied := t.unproven
		t.close()
		if copied {
			return card.Response{}, fmt.Errorf("%s: chip does not know its keys: %w: %w", c, ErrNotAuthentic, r.SW)
		}
		return r, nil
	}
	plain, err := t.unprotect(r)
	if err != nil {
		if t.unproven {
			err = fmt.Errorf("%w: %w", ErrNotAuthentic, err)
		}
		t.close()
		return card.Response{}, fmt.Errorf("%s: %w: %w", c, ErrIntegrity, err)
	}
	t.unproven = false
	return plain, nil
}

func (t terminalMessaging) protect(c card.Command) card.Command {
	t.step()
	out := card.Command{CLA: smClass(c.CLA), INS: c.INS, P1: c.P1, P2: c.P2}
	body := t.seal(c.INS&1 == 1, c.Data)
	if c.Ne > 0 {
		body = tlv.Append(body, tagLe, encodeNe(c.Ne))
	}
	out.Data = tlv.Append(body, tagChecksum, t.checksum(t.header(out), body))
	out.Ne, out.Extended = outside(c), c.IsExtended()
	return out
}

func (t terminalMessaging) unprotect(r card.Response) (card.Response, error) {
	found, signed, err := objects(r.Data, tagCryptogram, tagOddCryptogram, tagStatus)
	if err != nil {
		return card.Response{}, err
	}
	sum, status := found[tagChecksum], found[tagStatus]
	if sum.Value == nil || !equal(sum.Value, t.checksum(signed)) {
		return card.Response{}, errors.New("wrong checksum")
	}
	if len(status.Value) != 2 {
		return card.Response{}, errors.New("status word not protected")
	}
	out := card.Response{SW: card.Status(status.Value[0])<<8 | card.Status(status.Value[1])}
	for _, tag := range []tlv.Tag{tagCryptogram, tagOddCryptogram} {
		o, ok := found[tag]
		if !ok {
			continue
		}
		if out.Data != nil {
			return card.Response{}, errors.New("two cryptograms")
		}
		if out.Data, err = t.unseal(o); err != nil {
			return card.Response{}, err
		}
	}
	return out, nil
}

// chipMessaging is the chip's end.
type chipMessaging struct {
	*messaging
	odd bool // of the last command's INS
}

func (m *chipMessaging) Unprotect(c card.Command) (card.Command, error) {
	if !m.open() {
		return card.Command{}, fmt.Errorf("%w: %w", ErrClosed, card.SMObjectsMissing)
	}
	plain, err := m.unprotect(c)
	if err != nil {
		m.close()
		return card.Command{}, fmt.Errorf("%s: %w", c, err)
	}
	return plain, nil
}

func (m *chipMessaging) unprotect(c card.Command) (card.Command, error) {
	m.step()
	m.odd = c.INS&1 == 1
	cryptogram := tagCryptogram
	if m.odd {
		cryptogram = tagOddCryptogram
	}
	found, signed, err := objects(c.Data, cryptogram, tagLe)
	if err != nil {
		return card.Command{}, fmt.Errorf("%w: %w", err, card.SMObjectsIncorrect)
	}
	sum, ok := found[tagChecksum]
	if !ok || c.CLA != smClass(c.CLA) {
		return card.Command{}, fmt.Errorf("%w: %w", ErrIntegrity, card.SMObjectsMissing)
	}
	if !equal(sum.Value, m.checksum(m.header(c), signed)) {
		return card.Command{}, fmt.Errorf("%w: %w", ErrIntegrity, card.SMObjectsIncorrect)
	}
	out := card.Command{CLA: plainClass(c.CLA), INS: c.INS, P1: c.P1, P2: c.P2, Extended: c.Extended}
	if o, ok := found[cryptogram]; ok {
		if out.Data, err = m.unseal(o); err != nil {
			return card.Command{}, fmt.Errorf("%w: %w", err, card.SMObjectsIncorrect)
		}
	}
	if o, ok := found[tagLe]; ok {
		if out.Ne, err = decodeNe(o.Value); err != nil {
			return card.Command{}, fmt.Errorf("%w: %w", err, card.SMObjectsIncorrect)
		}
	}
	return out, nil
}

// Protect keeps the status word both inside, authenticated, and outside.
func (m *chipMessaging) Protect(r card.Response) (card.Response, error) {
	if !m.open() {
		return card.Response{}, ErrClosed
	}
	m.step()
	body := m.seal(m.odd, r.Data)
	body = tlv.Append(body, tagStatus, []byte{r.SW.SW1(), r.SW.SW2()})
	return card.Response{Data: tlv.Append(body, tagChecksum, m.checksum(body)), SW: r.SW}, nil
}
