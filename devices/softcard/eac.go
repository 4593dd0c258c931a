package softcard

import (
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/tlv"
)

// eacSession is what lasts as long as a channel for reading: chip and terminal
// authentication (Doc 9303-11, 6.2 and 7.1; TR-03110-3, version 1).
type eacSession struct {
	id       []byte // the chip's identity in the channel that BAC or PACE opened
	terminal *access.TerminalAuthenticationChip
	rights   cvc.Authorization
}

// newChannel has a channel for reading follow the answer to this command. BAC and
// PACE say by what identity the chip goes in it.
func (c *Chip) newChannel(channel access.Secure, id []byte) {
	c.session.next, c.session.eac = channel, eacSession{id: id}
}

// authenticate is what the master file and the eMRTD application do beside reading:
// MANAGE SECURITY ENVIRONMENT, GENERAL AUTHENTICATE, PERFORM SECURITY OPERATION and
// RESET RETRY COUNTER.
func (c *Chip) authenticate(cmd card.Command) ([]byte, error) {
	p := uint16(cmd.P1)<<8 | uint16(cmd.P2)
	switch {
	case cmd.INS == 0x22 && p == 0xC1A4:
		return nil, c.setPACE(cmd.Data)
	case cmd.INS == 0x86 && p == 0:
		if c.session.stepping == nil {
			return nil, card.ConditionsNotSatisfied
		}
		return c.session.stepping(cmd.Data)
	case cmd.INS == 0x2C && p == 0x0303:
		return nil, c.unblock(cmd.Data)
	case !c.session.read || c.session.app != appEMRTD:
		return nil, card.SecurityNotSatisfied
	case cmd.INS == 0x22 && p == 0x41A6:
		return nil, c.setKeyAgreement(cmd.Data)
	case cmd.INS == 0x22 && p == 0x41A4:
		return nil, c.setChipAuthentication(cmd.Data)
	}
	terminal := c.session.eac.terminal
	switch {
	case terminal == nil:
		return nil, card.ConditionsNotSatisfied
	case cmd.INS == 0x22 && p == 0x81B6:
		return nil, terminal.SetDST(cmd.Data)
	case cmd.INS == 0x2A && p == 0x00BE:
		return nil, c.verifyCertificate(terminal, cmd.Data)
	case cmd.INS == 0x22 && p == 0x81A4:
		return nil, terminal.SetTemplate(cmd.Data)
	}
	return nil, card.IncorrectP1P2
}

// putChipKey takes the chip authentication key, PKCS #8, on a NIST curve.
func (c *Chip) putChipKey(data []byte) error {
	key, err := parseChipKey(data)
	if err == nil {
		_, err = access.NewChipAuthenticationChip(access.DESKeyBits, nil, key)
	}
	if err != nil {
		return card.IncorrectData
	}
	c.state.EMRTD.ChipKey, c.dirty = append([]byte(nil), data...), true
	return nil
}

func parseChipKey(der []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("chip authentication key: %w", err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("chip authentication key is a %T", key)
	}
	return ec, nil
}

// chipKey is the chip authentication key; nil where the chip has none.
func (s *emrtdState) chipKey() (*ecdsa.PrivateKey, error) {
	if len(s.ChipKey) == 0 {
		return nil, nil
	}
	return parseChipKey(s.ChipKey)
}

// chipAuthentications are the ways of chip authentication that DG14 says, each with
// the chip's own key, whatever key DG14 says.
func (c *Chip) chipAuthentications() ([]*access.ChipAuthenticationChip, error) {
	e := &c.state.EMRTD
	key, err := e.chipKey()
	if err != nil {
		return nil, err
	}
	infos, err := tlv.One(e.object(efDG14), 0x6E)
	if err != nil || key == nil {
		return nil, errNoFile
	}
	ways, err := access.ParseChipAuthentication(infos)
	if err != nil {
		return nil, errNoFile
	}
	var all []*access.ChipAuthenticationChip
	for _, way := range ways {
		chip, err := access.NewChipAuthenticationChip(way.KeyBits, way.ID, key)
		if err != nil {
			return nil, err
		}
		all = append(all, chip)
	}
	return all, nil
}

// setKeyAgreement is MSE:SET KAT, the whole of chip authentication with 3DES.
func (c *Chip) setKeyAgreement(data []byte) error {
	ways, err := c.chipAuthentications()
	if err != nil {
		return err
	}
	for _, way := range ways {
		var channel access.Secure
		if channel, err = way.KeyAgreement(data); err == nil {
			return c.renewChannel(way, channel)
		}
	}
	return err
}

// setChipAuthentication is MSE:SET AT for chip authentication, which GENERAL
// AUTHENTICATE ends.
func (c *Chip) setChipAuthentication(data []byte) error {
	c.session.stepping = nil
	ways, err := c.chipAuthentications()
	if err != nil {
		return err
	}
	for _, way := range ways {
		if err = way.SetTemplate(data); err != nil {
			continue
		}
		c.session.stepping = func(data []byte) ([]byte, error) {
			c.session.stepping = nil
			answer, channel, err := way.Step(data)
			if err != nil {
				return nil, err
			}
			return answer, c.renewChannel(way, channel)
		}
		return nil
	}
	return err
}

// renewChannel goes on with the keys of chip authentication, in which terminal
// authentication can follow.
func (c *Chip) renewChannel(way *access.ChipAuthenticationChip, channel access.Secure) error {
	c.newChannel(channel, c.session.eac.id)
	return c.admitTerminal(way.TerminalKey())
}

// admitTerminal lets terminal authentication follow, bound to the terminal's key.
func (c *Chip) admitTerminal(key []byte) (err error) {
	if trust := c.state.EMRTD.Trust; len(trust.Points) > 0 {
		c.session.eac.terminal, err = access.NewTerminalAuthenticationChip(trust, c.session.eac.id, key, c.rand)
	}
	if err != nil {
		c.session.next = nil
	}
	return err
}

// putTrust takes the certificates of the authority that terminals are certified
// under, one or two, newest first. The chip's date begins with them.
func (c *Chip) putTrust(data []byte) error {
	objects, err := tlv.Parse(data)
	if err != nil {
		return card.IncorrectData
	}
	var points []cvc.Certificate
	for _, o := range objects {
		point, err := cvc.Parse(tlv.New(o.Tag, o.Value))
		if err != nil {
			return card.IncorrectData
		}
		points = append(points, point)
	}
	if len(points) == 0 {
		return card.IncorrectData
	}
	trust, err := cvc.NewTrust(points[0].From, points...)
	if err != nil {
		return card.IncorrectData
	}
	c.state.EMRTD.Trust, c.dirty = trust, true
	return nil
}

// authorities is EF.CVCA: it names the chip's trust points.
func (s *emrtdState) authorities() *file {
	references, err := s.Trust.References()
	if err != nil {
		return nil
	}
	data, err := access.EncodeCVCA(references...)
	if err != nil {
		return nil
	}
	return &file{access.CVCAShort, data}
}

// verifyCertificate is PSO: VERIFY CERTIFICATE. What the chip learns from a
// certificate, its date and its authority's next key, it keeps.
func (c *Chip) verifyCertificate(terminal *access.TerminalAuthenticationChip, data []byte) error {
	if err := terminal.VerifyCertificate(data); err != nil {
		return err
	}
	c.state.EMRTD.Trust, c.dirty = terminal.Trust(), true
	return nil
}

// terminalAuthenticate is EXTERNAL AUTHENTICATE inside a channel: its rights last as
// long as that.
func (c *Chip) terminalAuthenticate(cmd card.Command) ([]byte, error) {
	terminal := c.session.eac.terminal
	if terminal == nil || !c.session.read {
		return nil, card.ConditionsNotSatisfied
	}
	rights, err := terminal.Authenticate(cmd.Data)
	if err != nil {
		return nil, err
	}
	c.session.eac.rights = rights
	return nil, nil
}
