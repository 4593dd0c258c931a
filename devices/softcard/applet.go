package softcard

import (
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
)

// Applet names a chip of another make, whose eMRTD application takes other commands
// to be personalised. It has a card manager and no PIV application, and knows short
// lengths only.
//
// What each does is our reading of the open Java Card passport applets that many
// test and student documents are made with, from their source; where that leaves a
// case to the Java Card beneath, or to one of its several versions, we had to choose.
// A chip that runs the real applet has the last word.
type Applet string

// Applets.
const (
	// PassportApplet is the passport applet with BAC, active authentication with
	// RSA-1024, and EAC. Whoever has it before it is locked can write it.
	PassportApplet Applet = "passport-applet"
	// PassportAppletPACE is its descendant that also runs PACE. It is sealed, and then
	// locked; once a channel is open it takes no plain command.
	PassportAppletPACE Applet = "passport-applet-pace"
)

// appletState is what outlasts a reset beside the files, secrets and keys of the
// eMRTD application.
type appletState struct {
	Kind     Applet `json:"kind"`
	Life     int    `json:"life"`
	Modulus  []byte `json:"modulus,omitempty"` // RSA-1024, active authentication
	Exponent []byte `json:"exponent,omitempty"`
}

// Lives of an applet.
const (
	appletOpen = iota
	appletSealed
	appletLocked
)

func (s *appletState) check() error {
	if s == nil {
		return nil
	}
	if s.Kind != PassportApplet && s.Kind != PassportAppletPACE {
		return fmt.Errorf("applet %q is not known here", string(s.Kind))
	}
	if s.Life < appletOpen || s.Life > appletLocked || len(s.Modulus) > appletKey || len(s.Exponent) > appletKey {
		return errors.New("applet is in no state that it can be in")
	}
	return nil
}

const (
	// appletKey is the length of its RSA keys.
	appletKey = 128
	// appletRead is the most that one answer gives: the applet's buffer of 133 bytes
	// less the room that it keeps for secure messaging.
	appletRead = 133 - 37
)

// Status words of the applets (javacard.framework.ISO7816).
const (
	dataInvalid card.Status = 0x6984
	fileFull    card.Status = 0x6A84
)

func (c *Chip) hasPACE() bool { return c.state.Applet.Kind == PassportAppletPACE }

// passport runs a command of the applet, which looks at the instruction only.
func (c *Chip) passport(cmd card.Command) ([]byte, error) {
	opened, protected := c.session.channel != nil, c.session.protected
	switch cmd.INS {
	case 0xA4, 0xB0, 0xD6, 0xE0, 0xDA:
		if c.hasPACE() && opened && !protected {
			return nil, card.SecurityNotSatisfied
		}
	}
	switch cmd.INS {
	case 0xA4:
		return nil, c.appletSelect(cmd)
	case 0xB0:
		return c.appletRead(cmd)
	case 0xD6:
		return nil, c.appletWrite(cmd)
	case 0xE0:
		return nil, c.appletCreate(cmd)
	case 0xDA:
		return nil, c.appletPut(cmd)
	case 0x84:
		return c.appletChallenge(cmd)
	case 0x82:
		return c.appletAuthenticate(cmd)
	case 0x88:
		return c.appletSign(cmd)
	case 0x22, 0x2A:
		return c.appletEnvironment(cmd)
	case 0x86:
		if !c.hasPACE() {
			break
		}
		return c.appletPACE(cmd)
	}
	return nil, card.InsNotSupported
}

// appletFile tells which files the applet has room for.
func appletFile(id fileID) bool {
	return id >= 0x0101 && id <= 0x010F || id >= efCardAccess && id <= efCOM
}

// appletSelect is SELECT of a file, whatever P1-P2 says.
func (c *Chip) appletSelect(cmd card.Command) error {
	a := c.state.Applet
	if a.Life == appletLocked && !c.session.read && !c.hasPACE() {
		return card.SecurityNotSatisfied
	}
	if len(cmd.Data) != 2 {
		return card.WrongLength
	}
	id := fileID(cmd.Data[0])<<8 | fileID(cmd.Data[1])
	named := id == efCardAccess || id == efCOM || id == efSOD
	if a.Life == appletLocked && !c.session.read && !named || !c.appletMay(id) {
		return card.SecurityNotSatisfied
	}
	if c.session.ef = 0; c.appletFind(id) == nil {
		return card.FileNotFound
	}
	c.session.ef = id
	return nil
}

// appletMay tells whether fingers and irises are open: before the lock, to whoever
// writes them, and to terminals that show their right.
func (c *Chip) appletMay(id fileID) bool {
	return c.state.Applet.Life == appletOpen || c.readable(id) || id != efDG3 && id != efDG4
}

func (c *Chip) appletFind(id fileID) *file {
	if id == efCardAccess && !c.hasPACE() && c.hasAuthorities() {
		return c.state.EMRTD.authorities()
	}
	return c.state.EMRTD.Files[id]
}

// appletRead is READ BINARY of the selected file, without short identifiers. It
// gives less than was asked for without a word, and before a channel is open nothing
// but EF.CardAccess.
func (c *Chip) appletRead(cmd card.Command) ([]byte, error) {
	if err := c.refusesRead(cmd); err != nil {
		return nil, err
	}
	id := c.session.ef
	if !c.session.read && !(c.hasPACE() && id == efCardAccess) {
		return nil, card.SecurityNotSatisfied
	}
	if id == 0 {
		return nil, card.ConditionsNotSatisfied
	}
	f, offset := c.appletFind(id), int(cmd.P1)<<8|int(cmd.P2)
	switch {
	case !c.appletMay(id):
		return nil, card.SecurityNotSatisfied
	case f == nil:
		return nil, card.FileNotFound
	case offset > len(f.Data):
		return nil, card.NoPreciseDiagnosis
	case c.session.read && !c.session.protected:
		return nil, nil
	}
	return f.Data[offset:min(len(f.Data), offset+min(cmd.Ne, appletRead))], nil
}

// appletWritable refuses what changes a chip that is final.
func (c *Chip) appletWritable() error {
	switch c.state.Applet.Life {
	case appletLocked:
		return card.ConditionsNotSatisfied
	case appletSealed:
		return card.CommandNotAllowed
	}
	return nil
}

// appletWrite is UPDATE BINARY of the selected file.
func (c *Chip) appletWrite(cmd card.Command) error {
	if c.session.ef == 0 {
		return card.ConditionsNotSatisfied
	}
	if err := c.appletWritable(); err != nil {
		return err
	}
	f, offset := c.state.EMRTD.Files[c.session.ef], int(cmd.P1)<<8|int(cmd.P2)
	if f == nil {
		return card.FileNotFound
	}
	if offset+len(cmd.Data) > len(f.Data) || offset > 0x7FFF {
		return fileFull
	}
	copy(f.Data[offset:], cmd.Data)
	c.dirty = true
	return nil
}

// appletCreate is CREATE FILE: 63 04 size identifier. A file that exists keeps what
// it holds and may get smaller. The selection stays.
func (c *Chip) appletCreate(cmd card.Command) error {
	if err := c.appletWritable(); err != nil {
		return err
	}
	d := cmd.Data
	switch {
	case len(d) < 6 || d[1] < 4:
		return card.WrongLength
	case d[0] != 0x63:
		return dataInvalid
	}
	size, id := int(d[2])<<8|int(d[3]), fileID(d[4])<<8|fileID(d[5])
	if size > 0x7FFF || !appletFile(id) {
		return card.NoPreciseDiagnosis
	}
	e := &c.state.EMRTD
	f := e.Files[id]
	if f == nil {
		f = &file{Data: make([]byte, size)}
	}
	if size > cap(f.Data) {
		return fileFull
	}
	f.Data = f.Data[:size]
	e.Files[id], c.dirty = f, true
	return nil
}

// appletChallenge is GET CHALLENGE, of BAC or, inside its channel, of terminal
// authentication.
func (c *Chip) appletChallenge(cmd card.Command) ([]byte, error) {
	terminal, basic := c.session.eac.terminal, c.state.EMRTD.Access
	switch {
	case c.session.protected && terminal == nil, !c.session.protected && (basic == nil || c.session.channel != nil):
		return nil, card.SecurityNotSatisfied
	case cmd.Ne != 8:
		return nil, card.WrongLength
	case terminal != nil:
		return terminal.Challenge()
	}
	bac, err := access.NewBACChip(*basic, c.rand)
	if err != nil {
		return nil, err
	}
	c.session.bac = bac
	return bac.Challenge(), nil
}

// appletAuthenticate is EXTERNAL AUTHENTICATE, likewise.
func (c *Chip) appletAuthenticate(cmd card.Command) ([]byte, error) {
	if c.session.protected {
		if c.session.eac.terminal == nil {
			return nil, card.SecurityNotSatisfied
		}
		return c.terminalAuthenticate(cmd)
	}
	bac := c.session.bac
	if c.session.bac = nil; bac == nil || c.session.channel != nil {
		return nil, card.SecurityNotSatisfied
	}
	answer, channel, err := bac.Authenticate(cmd.Data)
	if errors.Is(err, access.AuthenticationFailed) {
		return nil, card.SecurityNotSatisfied
	}
	if err != nil {
		return nil, err
	}
	c.newChannel(channel, bac.ID())
	return answer, nil
}

// appletSign is INTERNAL AUTHENTICATE: ISO/IEC 9796-2 scheme 1 with SHA-1 and no
// randomness of the chip's.
func (c *Chip) appletSign(cmd card.Command) ([]byte, error) {
	a := c.state.Applet
	if len(a.Modulus) == 0 || len(a.Exponent) == 0 || !c.session.read {
		return nil, card.SecurityNotSatisfied
	}
	if len(cmd.Data) != 8 {
		return nil, card.WrongLength
	}
	key := &rsa.PrivateKey{D: new(big.Int).SetBytes(a.Exponent)}
	key.N, key.E = new(big.Int).SetBytes(a.Modulus), 65537 // which E it is does not matter here
	return access.SignActive(key, crypto.SHA1, cmd.Data, zeros{})
}

// zeros is what the applet fills up with.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// appletEnvironment is MANAGE SECURITY ENVIRONMENT and PERFORM SECURITY OPERATION.
func (c *Chip) appletEnvironment(cmd card.Command) ([]byte, error) {
	e := &c.state.EMRTD
	switch {
	case cmd.INS == 0x22 && cmd.P1 == 0xC1 && cmd.P2 == 0xA4 && c.hasPACE():
		return nil, c.appletSetPACE(cmd)
	case !c.session.protected:
		return nil, card.SecurityNotSatisfied
	case e.ChipKey == nil || len(e.Trust.Points) == 0:
		return nil, card.InsNotSupported
	}
	return c.authenticate(cmd)
}

// appletSetPACE is MSE:SET AT for PACE, each time without memory of wrong tries.
func (c *Chip) appletSetPACE(cmd card.Command) error {
	c.session.pace, c.session.stepping = nil, nil
	chip, err := c.paceChip()
	if err != nil {
		return err
	}
	if err := chip.SetTemplate(cmd.Data); errors.Is(err, card.IncorrectData) {
		return card.ReferencedDataNotFound
	} else if err != nil {
		return err
	}
	c.session.stepping = func(data []byte) ([]byte, error) {
		answer, channel, err := chip.Step(data)
		if errors.Is(err, access.ErrNotAuthentic) {
			return nil, card.SecurityNotSatisfied
		}
		if channel != nil {
			c.session.stepping = nil
			c.newChannel(channel, chip.ID())
		}
		return answer, err
	}
	return nil
}

// appletPACE is GENERAL AUTHENTICATE, of PACE only and in the clear only.
func (c *Chip) appletPACE(cmd card.Command) ([]byte, error) {
	if c.session.protected {
		return nil, card.IncorrectP1P2
	}
	if c.session.stepping == nil {
		return nil, card.ConditionsNotSatisfied
	}
	return c.session.stepping(cmd.Data)
}
