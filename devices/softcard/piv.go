package softcard

import (
	"encoding/binary"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// pivState is the PIV application's part of a chip's state.
type pivState struct {
	// Plain: the commands that YubiKeys add to SP 800-73-4 are not there.
	Plain      bool                `json:"plain"`
	PIN        secret              `json:"pin"`
	PUK        secret              `json:"puk"`
	Management managementKey       `json:"management"`
	Objects    map[objectID][]byte `json:"objects"`
	Keys       map[byte]*pivKey    `json:"keys"` // by key reference
}

// pivSession is what the PIV application forgets when it is left.
type pivSession struct {
	verified bool // the PIN was
	fresh    bool // and no private key has been used since
	admin    bool // the management key was proven
	// witness and challenge of a management key authentication under way
	witness, challenge []byte
}

// objectID is a data object's tag (SP 800-73-4 part 1, table 3).
type objectID uint32

const (
	objDiscovery   objectID = 0x7E
	objFinger      objectID = 0x5FC103
	objFace        objectID = 0x5FC108
	objPrinted     objectID = 0x5FC109
	objIris        objectID = 0x5FC121
	objAttestation objectID = 0x5FFF01

	maxObject  = 16 << 10
	maxObjects = 256 << 10
)

// pivVersion is the firmware version GET VERSION gives: the last of the YubiKey 5
// line whose management key is 3DES when new.
var pivVersion = []byte{5, 4, 3}

// pivProperties is the answer to SELECT (SP 800-73-4 part 2, 3.1.1, table 3).
func pivProperties() []byte {
	aid := aids[appPIV]
	return tlv.New(0x61, tlv.New(0x4F, aid[minAID:]), tlv.New(0x79, tlv.New(0x4F, aid[:minAID])))
}

// blankPIV is the application as it leaves the factory.
func blankPIV(plain bool, serial uint32) (pivState, error) {
	s := pivState{Plain: plain}
	s.clear()
	if plain {
		return s, nil
	}
	if err := s.addAttestation(serial); err != nil {
		return pivState{}, fmt.Errorf("attestation key: %w", err)
	}
	return s, nil
}

// clear puts everything but the attestation key back to what the factory set.
func (s *pivState) clear() {
	key, cert := s.Keys[refAttestation], s.Objects[objAttestation]
	s.PIN, s.PUK = newSecret(defaultPIN, defaultTries), newSecret(defaultPUK, defaultTries)
	s.Management = managementKey{Algorithm: alg3DES, Key: append([]byte(nil), defaultManagementKey...)}
	s.Objects, s.Keys = map[objectID][]byte{}, map[byte]*pivKey{}
	if key != nil {
		s.Keys[refAttestation], s.Objects[objAttestation] = key, cert
	}
}

// check holds a state from outside against what the commands rely on.
func (s *pivState) check() error {
	if len(s.PIN.Value) != secretSize || len(s.PUK.Value) != secretSize {
		return fmt.Errorf("piv pin or puk is not %d bytes", secretSize)
	}
	if _, err := s.Management.cipher(); err != nil {
		return fmt.Errorf("piv management key: %w", err)
	}
	for ref, key := range s.Keys {
		if key == nil {
			return fmt.Errorf("piv key %02X is empty", ref)
		}
	}
	if s.Keys == nil {
		s.Keys = map[byte]*pivKey{}
	}
	if s.Objects == nil {
		s.Objects = map[objectID][]byte{}
	}
	return nil
}

// piv runs a command of the PIV application.
func (c *Chip) piv(cmd card.Command) ([]byte, error) {
	if cmd.CLA != 0 {
		return nil, card.ClaNotSupported
	}
	switch cmd.INS {
	case 0x20:
		return nil, c.verify(cmd)
	case 0x24:
		return nil, c.changeReference(cmd)
	case 0x2C:
		return nil, c.resetRetryCounter(cmd)
	case 0x47:
		return c.generateKey(cmd)
	case 0x87:
		return c.generalAuthenticate(cmd)
	case 0xCB:
		return c.getObject(cmd)
	case 0xDB:
		return nil, c.putObject(cmd)
	}
	if cmd.INS >= 0xF7 && !c.state.PIV.Plain {
		return c.pivExtension(cmd)
	}
	return nil, card.InsNotSupported
}

// pivExtension runs a command that YubiKeys have beyond the standard
// (docs.yubico.com, YubiKey technical manual, PIV: APDUs).
func (c *Chip) pivExtension(cmd card.Command) ([]byte, error) {
	switch cmd.INS {
	case 0xF7:
		return c.metadata(cmd)
	case 0xF8:
		return binary.BigEndian.AppendUint32(nil, c.state.Serial), nil
	case 0xF9:
		return c.attest(cmd)
	case 0xFA:
		return nil, c.setRetries(cmd)
	case 0xFB:
		return nil, c.resetPIV(cmd)
	case 0xFD:
		return pivVersion, nil
	case 0xFE:
		return nil, c.importKey(cmd)
	case 0xFF:
		return nil, c.setManagementKey(cmd)
	}
	return nil, card.InsNotSupported
}

// tagList reads the data object's name at the head of GET and PUT DATA: 5C with a
// tag of one to three bytes (SP 800-73-4 part 2, 3.1.2). rest is what follows.
func tagList(cmd card.Command) (id objectID, rest []byte, err error) {
	if cmd.P1 != 0x3F || cmd.P2 != 0xFF {
		return 0, nil, card.IncorrectP1P2
	}
	o, rest, err := tlv.Next(cmd.Data)
	if err != nil || o.Tag != 0x5C || len(o.Value) == 0 || len(o.Value) > 3 {
		return 0, nil, card.IncorrectData
	}
	for _, b := range o.Value {
		id = id<<8 | objectID(b)
	}
	return id, rest, nil
}

// getObject is GET DATA (SP 800-73-4 part 2, 3.1.2).
func (c *Chip) getObject(cmd card.Command) ([]byte, error) {
	id, rest, err := tagList(cmd)
	if err != nil {
		return nil, err
	}
	if len(rest) != 0 {
		return nil, card.IncorrectData
	}
	if id == objDiscovery {
		// PIN of the application alone satisfies its access rules (part 1, 3.3.2)
		return tlv.New(0x7E, tlv.New(0x4F, aids[appPIV]), tlv.New(0x5F2F, []byte{0x40, 0x00})), nil
	}
	switch id {
	case objFinger, objFace, objPrinted, objIris: // SP 800-73-4 part 1, table 2
		if !c.session.piv.verified {
			return nil, card.SecurityNotSatisfied
		}
	}
	data, ok := c.state.PIV.Objects[id]
	if !ok {
		return nil, card.FileNotFound
	}
	return tlv.New(0x53, data), nil
}

// putObject is PUT DATA (SP 800-73-4 part 2, 3.3.2): 5C name, 53 content; empty
// content removes the object.
func (c *Chip) putObject(cmd card.Command) error {
	if !c.session.piv.admin {
		return card.SecurityNotSatisfied
	}
	id, rest, err := tagList(cmd)
	if err != nil {
		return err
	}
	if id>>8 != 0x5FC1 && id>>8 != 0x5FFF {
		return card.FileNotFound
	}
	data, err := tlv.One(rest, 0x53)
	if err != nil {
		return card.IncorrectData
	}
	s := &c.state.PIV
	if len(data) == 0 {
		delete(s.Objects, id)
		c.dirty = true
		return nil
	}
	used := len(data) - len(s.Objects[id])
	for _, o := range s.Objects {
		used += len(o)
	}
	if len(data) > maxObject || used > maxObjects {
		return card.NotEnoughMemory
	}
	s.Objects[id] = append([]byte(nil), data...)
	c.dirty = true
	return nil
}
