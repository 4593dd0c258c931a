package softcard

import (
	"bytes"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// application is what is selected.
type application int

const (
	appManager application = iota // and the master file
	appEMRTD
	appPIV
)

var aids = [...][]byte{
	appManager: {0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00},
	appEMRTD:   {0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01},
	appPIV:     {0xA0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00, 0x01, 0x00},
}

// minAID is the length of a registered application provider identifier: no
// shorter name selects (ISO/IEC 7816-4:2020, 12.2.3).
const minAID = 5

// selectCommand is SELECT (ISO/IEC 7816-4:2020, 11.2.2).
func (c *Chip) selectCommand(cmd card.Command) ([]byte, error) {
	if cmd.P2&^0x0C != 0 {
		return nil, card.FunctionNotSupported
	}
	if err := c.refusesSelect(cmd); err != nil {
		return nil, err
	}
	if c.state.Applet != nil && (cmd.P1 != 0x04 || c.session.protected) {
		if c.session.app == appEMRTD {
			return c.passport(cmd)
		}
		return nil, card.FileNotFound
	}
	quiet := cmd.P2 == 0x0C
	switch {
	case cmd.P1 == 0x04:
		return c.selectApplication(cmd.Data, quiet)
	case c.session.app == appPIV:
		return nil, card.FileNotFound
	case cmd.P1 == 0x00 && (len(cmd.Data) == 0 || isMasterFile(cmd.Data)):
		c.pass(appManager)
		return nil, nil
	case (cmd.P1 == 0x00 || cmd.P1 == 0x02) && len(cmd.Data) == 2:
		return c.selectFile(fileID(cmd.Data[0])<<8|fileID(cmd.Data[1]), quiet)
	}
	return nil, card.IncorrectP1P2
}

func isMasterFile(id []byte) bool { return bytes.Equal(id, []byte{0x3F, 0x00}) }

// selectApplication selects by full or partial name; no name is the card manager.
func (c *Chip) selectApplication(name []byte, quiet bool) ([]byte, error) {
	for app := appManager; app <= appPIV; app++ {
		if len(name) > 0 && len(name) < minAID || !c.matches(app, name) {
			continue
		}
		if app == appEMRTD {
			c.pass(app)
		} else {
			c.enter(app)
		}
		if quiet {
			return nil, nil
		}
		return c.controlInformation(), nil
	}
	return nil, card.FileNotFound
}

// matches tells whether there is such an application and name is its own, or begins
// it.
func (c *Chip) matches(app application, name []byte) bool {
	return bytes.HasPrefix(aids[app], name) && (app != appPIV || c.state.Applet == nil)
}

// enter makes app the selected application. A PIV application selected again keeps
// its security status (SP 800-73-4 part 2, 3.1.1), but a YubiKey's does not, and
// its tools count on that; every other selection starts afresh.
func (c *Chip) enter(app application) {
	if app == appPIV && c.session.app == appPIV && c.state.PIV.Plain {
		return
	}
	c.session = session{app: app}
}

// pass is enter between master file and eMRTD application, which share a channel
// for reading: PACE is run before the application is selected (Doc 9303-11, 4.2).
func (c *Chip) pass(app application) {
	if !c.session.read {
		c.enter(app)
		return
	}
	c.session.app, c.session.ef = app, 0
}

// controlInformation is what SELECT tells of the selected application.
func (c *Chip) controlInformation() []byte {
	aid := tlv.New(0x84, aids[c.session.app])
	switch c.session.app {
	case appEMRTD:
		if c.state.Applet != nil {
			return nil
		}
		return tlv.New(0x6F, aid, tlv.New(0x8A, []byte{c.state.EMRTD.lifeCycle()}))
	case appPIV:
		return pivProperties()
	}
	return tlv.New(0x6F, aid, tlv.New(0xA5, tlv.New(0x9F65, []byte{0xFF}))) // GPC 2.3.1, 11.9.3.1
}
