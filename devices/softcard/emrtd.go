package softcard

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// Life cycle of the eMRTD application as SELECT tells it (ISO/IEC 7816-4:2020,
// table 14).
const (
	lifeInitialisation = 0x03
	lifeActivated      = 0x05
)

func (s *emrtdState) lifeCycle() byte {
	if s.Active {
		return lifeActivated
	}
	return lifeInitialisation
}

// emrtd runs a command of the eMRTD application: until ACTIVATE it is written
// through a secure channel under the card manager's keys; afterwards it is read
// after BAC or PACE, and nothing is written any more.
func (c *Chip) emrtd(cmd card.Command) ([]byte, error) {
	switch uint16(cmd.CLA)<<8 | uint16(cmd.INS) {
	case 0x00B0, 0x00B1:
		return c.readBinary(cmd)
	case 0x0084:
		return c.getChallenge(cmd)
	case 0x0082:
		return c.externalAccess(cmd)
	case 0x0088:
		return c.internalAuthenticate(cmd)
	case 0x0022, 0x0086, 0x002A, 0x002C:
		return c.authenticate(cmd)
	case 0x8050:
		if c.state.EMRTD.Active {
			return nil, card.ConditionsNotSatisfied
		}
		return c.initializeUpdate(cmd)
	case 0x00E0, 0x00D6, 0x00D7, 0x00DA, 0x0044:
		return nil, c.personalise(cmd)
	}
	return nil, card.InsNotSupported
}

// writable tells whether what personalises the application is open: before
// ACTIVATE, in a channel that signs and encrypts commands. The master file has such a
// channel until the card manager is SECURED.
func (c *Chip) writable() bool {
	if c.session.channel == nil || c.session.read || c.session.scp.Level()&0x03 != 0x03 {
		return false
	}
	if c.session.app == appEMRTD {
		return !c.state.EMRTD.Active
	}
	return c.state.Manager.LifeCycle != secured
}

// personalise runs what writes the application: CREATE FILE, UPDATE BINARY, ACTIVATE
// and PUT DATA of
//
//	0060  active authentication key, PKCS #8
//	0062  secrets of BAC: 62 { 5F1F number, 5F18 birth, 5F19 expiry }
//	0063  chip authentication key, PKCS #8; DG14 says how it is used
//	0064  one or two certificates of the authority over terminals, newest first
//	0066  a password of PACE: 66 { reference, secret }; EF.CardAccess says how it is used
//
// Each takes the place of what came before it.
func (c *Chip) personalise(cmd card.Command) error {
	if c.state.EMRTD.Active {
		return card.ConditionsNotSatisfied
	}
	if !c.writable() {
		return card.SecurityNotSatisfied
	}
	switch cmd.INS {
	case 0xE0, 0xD6, 0xD7:
		return c.writeFile(cmd)
	case 0x44:
		return c.activate(cmd)
	}
	switch uint16(cmd.P1)<<8 | uint16(cmd.P2) {
	case 0x0062:
		return c.putAccess(cmd.Data)
	case 0x0060:
		return c.putActiveKey(cmd.Data)
	case 0x0063:
		return c.putChipKey(cmd.Data)
	case 0x0064:
		return c.putTrust(cmd.Data)
	case 0x0066:
		return c.putPassword(cmd.Data)
	}
	return card.IncorrectP1P2
}

// putAccess takes the secrets of Basic Access Control: 62 { 5F1F document number,
// 5F18 birth YYMMDD, 5F19 expiry YYMMDD }, characters as in the MRZ.
func (c *Chip) putAccess(data []byte) error {
	body, err := tlv.One(data, 0x62)
	if err != nil {
		return card.IncorrectData
	}
	var mrz access.MRZ
	for tag, to := range map[tlv.Tag]*string{0x5F1F: &mrz.Document, 0x5F18: &mrz.Birth, 0x5F19: &mrz.Expiry} {
		value, err := tlv.Find(body, tag)
		if err != nil {
			return card.IncorrectData
		}
		*to = string(value)
	}
	if _, err := access.NewBACChip(mrz, c.rand); err != nil {
		return card.IncorrectData
	}
	c.state.EMRTD.Access, c.dirty = &mrz, true
	return nil
}

// putActiveKey takes the active authentication key, PKCS #8, EC or RSA.
func (c *Chip) putActiveKey(data []byte) error {
	key, err := x509.ParsePKCS8PrivateKey(data)
	if err != nil {
		return card.IncorrectData
	}
	switch key.(type) {
	case *ecdsa.PrivateKey, *rsa.PrivateKey:
	default:
		return card.IncorrectData
	}
	c.state.EMRTD.AAKey, c.dirty = append([]byte(nil), data...), true
	return nil
}

// activate is ACTIVATE of the application (ISO/IEC 7816-9:2017): the last word of
// personalisation. Without secrets nobody could ever read the chip: 6985.
func (c *Chip) activate(cmd card.Command) error {
	if cmd.P1 != 0 || cmd.P2 != 0 || len(cmd.Data) != 0 {
		return card.IncorrectP1P2
	}
	if !c.state.EMRTD.openable() {
		return card.ConditionsNotSatisfied
	}
	c.state.EMRTD.Active, c.dirty = true, true
	return nil
}

// getChallenge is GET CHALLENGE of BAC (Doc 9303-11, 4.3.2) or, inside a channel, of
// terminal authentication.
func (c *Chip) getChallenge(cmd card.Command) ([]byte, error) {
	e := &c.state.EMRTD
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return nil, card.IncorrectP1P2
	}
	if c.session.eac.terminal != nil {
		return c.session.eac.terminal.Challenge()
	}
	if !e.Active || e.Access == nil || c.session.channel != nil {
		return nil, card.ConditionsNotSatisfied
	}
	bac, err := access.NewBACChip(*e.Access, c.rand)
	if err != nil {
		return nil, err
	}
	c.session.bac = bac
	return bac.Challenge(), nil
}

// externalAccess is EXTERNAL AUTHENTICATE of Basic Access Control or, inside a channel,
// of terminal authentication; a challenge serves one try.
func (c *Chip) externalAccess(cmd card.Command) ([]byte, error) {
	bac := c.session.bac
	c.session.bac = nil
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return nil, card.IncorrectP1P2
	}
	if c.session.channel != nil {
		return c.terminalAuthenticate(cmd)
	}
	if bac == nil {
		return nil, card.ConditionsNotSatisfied
	}
	if c.state.Quirks.LongLe && cmd.Ne != card.MaxShortNe {
		c.session.bac = bac
		return nil, card.WrongLength
	}
	answer, channel, err := bac.Authenticate(cmd.Data)
	if err != nil {
		return nil, err
	}
	c.newChannel(channel, bac.ID())
	return answer, nil
}

// internalAuthenticate is Active Authentication (Doc 9303-11, 6.1), inside secure
// messaging only.
func (c *Chip) internalAuthenticate(cmd card.Command) ([]byte, error) {
	e := &c.state.EMRTD
	if !c.session.read {
		return nil, card.SecurityNotSatisfied
	}
	if e.AAKey == nil {
		return nil, card.InsNotSupported
	}
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return nil, card.IncorrectP1P2
	}
	if len(cmd.Data) != 8 {
		return nil, card.WrongLength
	}
	key, err := x509.ParsePKCS8PrivateKey(e.AAKey)
	if err != nil {
		return nil, err
	}
	signature, err := access.SignActive(key, 0, cmd.Data, c.rand)
	if err != nil {
		return nil, err
	}
	return c.state.Quirks.signed(signature, cmd.Ne)
}
