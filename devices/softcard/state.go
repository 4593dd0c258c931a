package softcard

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"cardstation/devices/card/access"
	"cardstation/devices/card/access/cvc"
)

// stateFormat is the version of what State gives. Restore takes older ones too: 1
// is the same without PACE, chip and terminal authentication,
// EF.CardSecurity, quirks and applets.
const stateFormat = 2

// state is what outlasts a reset.
type state struct {
	Format  int              `json:"format"`
	CPLC    []byte           `json:"cplc"` // 42 bytes, GPC card production life cycle data
	Serial  uint32           `json:"serial"`
	Manager managerState     `json:"manager"`
	Master  map[fileID]*file `json:"master,omitempty"` // files created in the master file
	EMRTD   emrtdState       `json:"emrtd"`
	PIV     pivState         `json:"piv"`
	Quirks  Quirks           `json:"quirks,omitzero"`
	Applet  *appletState     `json:"applet,omitempty"` // nil: the application of EMRTD
}

type managerState struct {
	KeyVersion byte              `json:"keyVersion"`
	Keys       access.StaticKeys `json:"keys"`
	Sequence   uint32            `json:"sequence"` // of SCP03, 24 bits
	LifeCycle  byte              `json:"lifeCycle"`
	Options    byte              `json:"options,omitempty"` // i of SCP03; 0 is defaultOptions
}

type emrtdState struct {
	Active bool             `json:"active"`
	Files  map[fileID]*file `json:"files"`
	Access *access.MRZ      `json:"access,omitempty"` // secrets of BAC
	AAKey  []byte           `json:"aaKey,omitempty"`  // PKCS #8
	PACE   paceState        `json:"pace"`
	// ChipKey is the chip authentication key, PKCS #8.
	ChipKey []byte `json:"chipKey,omitempty"`
	// Trust is what terminals are authenticated by.
	Trust cvc.Trust `json:"trust,omitzero"`
}

// State gives everything that outlasts a reset, as JSON. It holds all keys in the
// clear: keep it as one keeps a key.
func (c *Chip) State() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.encode(), nil
}

// encode cannot fail: state has only plain fields.
func (s *state) encode() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic("softcard: encode state: " + err.Error())
	}
	return b
}

// Restore makes the chip again whose State it was given, freshly reset.
func Restore(data []byte) (*Chip, error) {
	c := &Chip{rand: rand.Reader, wait: time.Sleep}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c.state); err != nil {
		return nil, fmt.Errorf("softcard: restore state: %w", err)
	}
	if err := c.state.check(); err != nil {
		return nil, fmt.Errorf("softcard: restore state: %w", err)
	}
	c.session = c.fresh()
	return c, nil
}

// check holds a state from outside against what the commands rely on.
func (s *state) check() error {
	if s.Format < 1 || s.Format > stateFormat {
		return fmt.Errorf("format %d where 1 to %d was expected", s.Format, stateFormat)
	}
	s.Format = stateFormat
	if len(s.CPLC) != cplcSize {
		return fmt.Errorf("card production data of %d bytes, not %d", len(s.CPLC), cplcSize)
	}
	if !aesKeys(s.Manager.Keys) {
		return fmt.Errorf("card manager keys are not AES keys")
	}
	if !validOptions(s.Manager.Options) {
		return fmt.Errorf("card manager has i=%02X, which SCP03 does not", s.Manager.Options)
	}
	for _, files := range []map[fileID]*file{s.Master, s.EMRTD.Files} {
		for id, f := range files {
			if f == nil || len(f.Data) > maxFile {
				return fmt.Errorf("file %04X is not a file", uint16(id))
			}
		}
	}
	if err := s.Quirks.check(); err != nil {
		return err
	}
	if err := s.Applet.check(); err != nil {
		return err
	}
	if err := s.EMRTD.PACE.check(); err != nil {
		return err
	}
	if _, err := s.EMRTD.chipKey(); err != nil {
		return err
	}
	if s.EMRTD.Active && !s.EMRTD.openable() {
		return fmt.Errorf("emrtd application is activated and has no access secrets")
	}
	if s.EMRTD.Files == nil {
		s.EMRTD.Files = map[fileID]*file{}
	}
	if s.Master == nil {
		s.Master = map[fileID]*file{}
	}
	return s.PIV.check()
}

// aesKeys tells whether k is a set that SCP03 can use: three AES keys of one
// length.
func aesKeys(k access.StaticKeys) bool {
	n := len(k.ENC)
	return (n == 16 || n == 24 || n == 32) && len(k.MAC) == n && len(k.DEK) == n
}

// blank is the state a chip leaves the factory with.
func blank(o Options, rand io.Reader) (state, error) {
	serial, batch := o.Serial, uint16(1)
	for serial == 0 {
		var b [6]byte
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return state{}, fmt.Errorf("serial number: %w", err)
		}
		// 31 bits: tools print it as a signed number
		serial, batch = binary.BigEndian.Uint32(b[:])&0x7FFFFFFF, binary.BigEndian.Uint16(b[4:])
	}
	keys := o.Transport
	if keys.ENC == nil && keys.MAC == nil && keys.DEK == nil {
		keys = access.DefaultKeys
	}
	if !aesKeys(keys) {
		return state{}, fmt.Errorf("transport keys are not three AES keys")
	}
	if !validOptions(o.SCP03) {
		return state{}, fmt.Errorf("SCP03 has no i=%02X", o.SCP03)
	}
	s := state{
		Format: stateFormat, CPLC: newCPLC(serial, batch), Serial: serial,
		Manager: managerState{
			KeyVersion: initialKeyVersion,
			Keys:       access.StaticKeys{ENC: bytes.Clone(keys.ENC), MAC: bytes.Clone(keys.MAC), DEK: bytes.Clone(keys.DEK)},
			LifeCycle:  opReady,
			Options:    o.SCP03,
		},
		Master: map[fileID]*file{},
		EMRTD:  emrtdState{Files: map[fileID]*file{}},
		Quirks: o.Quirks,
	}
	if o.Applet != "" {
		s.Applet = &appletState{Kind: o.Applet}
	}
	if err := errors.Join(s.Quirks.check(), s.Applet.check()); err != nil {
		return state{}, err
	}
	var err error
	s.PIV, err = blankPIV(o.PlainPIV, serial)
	return s, err
}

const cplcSize = 42

// newCPLC lays card production data out (GPC 2.3.1, H.6 and the CPLC it points
// at): IC fabricator 2, IC type 2, operating system id 2, its date 2 and level 2,
// IC date 2, IC serial 4, IC batch 2, then the makers and dates of module, card
// and personalisation, left zero. No real maker has these numbers.
func newCPLC(serial uint32, batch uint16) []byte {
	b, _ := hex.DecodeString("53430001" + "534300000100" + "0000")
	b = binary.BigEndian.AppendUint32(b, serial)
	b = binary.BigEndian.AppendUint16(b, batch)
	return append(b, make([]byte, cplcSize-len(b))...)
}

// diversification is what keys are diversified by: IC fabricator, type, batch and
// serial of the card production data.
func (s *state) diversification() (d [10]byte) {
	copy(d[:4], s.CPLC[:4])
	copy(d[4:6], s.CPLC[16:18])
	copy(d[6:], s.CPLC[12:16])
	return d
}
