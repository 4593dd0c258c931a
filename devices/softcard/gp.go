package softcard

import (
	"cmp"
	"crypto/aes"
	"crypto/subtle"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// Life cycle of the card (GPC 2.3.1, table 11-6).
const (
	opReady     = 0x01
	initialized = 0x07
	secured     = 0x0F
)

// initialKeyVersion is the version of a key set that PUT KEY is to replace (GPC
// 2.3.1, 11.8.2.1).
const initialKeyVersion = 0xFF

const (
	keyTypeAES = 0x88 // GPC 2.3.1, 11.1.8
	kcvSize    = 3
	// maxSequence: the counter of SCP03 has 24 bits (amendment D, 6.2.2.1).
	maxSequence = 1<<24 - 1
)

// manager runs a command of the card manager, and of the master file, which is
// where one stands after reset.
func (c *Chip) manager(cmd card.Command) ([]byte, error) {
	command := uint16(cmd.CLA)<<8 | uint16(cmd.INS)
	switch command {
	case 0x8050:
		return c.initializeUpdate(cmd)
	case 0x80CA, 0x00CA:
		return c.managerData(cmd)
	case 0x80D8, 0x80F0, 0x80F2:
		return c.manage(cmd)
	}
	if c.state.Applet != nil {
		return nil, card.InsNotSupported // no master file
	}
	switch command {
	case 0x00B0, 0x00B1:
		return c.readBinary(cmd)
	case 0x0022, 0x0086, 0x002A, 0x002C:
		return c.authenticate(cmd)
	case 0x00E0, 0x00D6, 0x00D7: // EF.CardSecurity
		if !c.writable() {
			return nil, card.SecurityNotSatisfied
		}
		return nil, c.writeFile(cmd)
	}
	return nil, card.InsNotSupported
}

// manage runs PUT KEY, SET STATUS and GET STATUS, inside the card manager's channel.
func (c *Chip) manage(cmd card.Command) ([]byte, error) {
	if c.session.channel == nil || c.session.read {
		return nil, card.SecurityNotSatisfied
	}
	switch cmd.INS {
	case 0xD8:
		return c.putKey(cmd)
	case 0xF0:
		return nil, c.setStatus(cmd)
	}
	return c.getStatus(cmd)
}

// initializeUpdate is INITIALIZE UPDATE (amendment D, 7.1.1). Each gets a new
// sequence number, kept before the answer leaves, so that no challenge returns.
func (c *Chip) initializeUpdate(cmd card.Command) ([]byte, error) {
	m := &c.state.Manager
	if c.session.channel != nil {
		return nil, card.ConditionsNotSatisfied
	}
	if cmd.P1 != 0 && cmd.P1 != m.KeyVersion {
		return nil, card.ReferencedDataNotFound
	}
	if cmd.P2 != 0 {
		return nil, card.IncorrectP1P2
	}
	if len(cmd.Data) != m.challenge() {
		return nil, card.WrongLength
	}
	if m.Sequence >= maxSequence {
		return nil, card.ConditionsNotSatisfied
	}
	info := access.KeyInfo{Diversification: c.state.diversification(), Version: m.KeyVersion, Protocol: 3, I: m.options()}
	chip := access.NewSCP03Chip(m.Keys, info, m.Sequence+1, c.rand)
	chip.Invoker = aids[c.session.app]
	answer, err := chip.Initialize(cmd.Data)
	if err != nil {
		return nil, err
	}
	m.Sequence++
	c.dirty = true
	c.session.scp = chip
	return answer, nil
}

// externalAuthenticate opens the secure channel (amendment D, 7.1.2). It must at
// least sign commands: an open channel without is not supported.
func (c *Chip) externalAuthenticate(cmd card.Command) ([]byte, error) {
	chip := c.session.scp
	c.session.scp = nil
	if chip == nil {
		return nil, card.ConditionsNotSatisfied
	}
	if cmd.P1&0x01 == 0 {
		return nil, card.IncorrectP1P2
	}
	channel, err := chip.Authenticate(cmd)
	if err != nil {
		return nil, err
	}
	c.session.scp, c.session.channel = chip, channel
	return nil, nil
}

// managerData is GET DATA (GPC 2.3.1, 11.3).
func (c *Chip) managerData(cmd card.Command) ([]byte, error) {
	switch uint16(cmd.P1)<<8 | uint16(cmd.P2) {
	case 0x9F7F:
		return tlv.New(0x9F7F, c.state.CPLC), nil
	case 0x0066:
		return cardRecognition(c.state.Manager.options()), nil
	case 0x00E0:
		return c.keyInformation(), nil
	}
	return nil, card.ReferencedDataNotFound
}

// options is the i parameter of SCP03 (amendment D, 5.1).
func (m *managerState) options() byte { return cmp.Or(m.Options, defaultOptions) }

// challenge is the length of the host's challenge.
func (m *managerState) challenge() int {
	if m.options()&access.OptionS16 != 0 {
		return 16
	}
	return 8
}

// defaultOptions: challenges made from the counter, protected answers.
const defaultOptions = access.OptionPseudoRandom | access.OptionRMAC | access.OptionRENC

// validOptions tells whether i is one of amendment D, 5.1: encrypted answers only with
// signed ones.
func validOptions(i byte) bool {
	return i&^(access.OptionS16|defaultOptions) == 0 && (i&access.OptionRENC == 0 || i&access.OptionRMAC != 0)
}

// cardRecognition tells GlobalPlatform 2.3.1 with SCP03 and its i (GPC 2.3.1, H.2).
func cardRecognition(i byte) []byte {
	oid := func(tail ...byte) []byte {
		return tlv.New(0x06, []byte{0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B}, tail)
	}
	return tlv.New(0x66, tlv.New(0x73,
		oid(1), tlv.New(0x60, oid(2, 2, 3, 1)), tlv.New(0x63, oid(3)), tlv.New(0x64, oid(4, 3, i))))
}

// keyInformation lists the keys by number, version, type and length (GPC 2.3.1, 11.3.3.1).
func (c *Chip) keyInformation() []byte {
	var list []byte
	m := &c.state.Manager
	for i, key := range [][]byte{m.Keys.ENC, m.Keys.MAC, m.Keys.DEK} {
		list = tlv.Append(list, 0xC0, []byte{byte(i + 1), m.KeyVersion, keyTypeAES, byte(len(key))})
	}
	return tlv.New(0xE0, list)
}

// putKey is PUT KEY with the three keys of a set at once (GPC 2.3.1, 11.8;
// amendment D, 7.2). The chip holds one set: the new one takes its place. The open
// channel lives on under the keys it was opened with.
func (c *Chip) putKey(cmd card.Command) ([]byte, error) {
	m := &c.state.Manager
	if cmd.P2 != 0x81 {
		return nil, card.IncorrectP1P2
	}
	if cmd.P1 != m.KeyVersion && (cmd.P1 != 0 || m.KeyVersion != initialKeyVersion) {
		return nil, card.ReferencedDataNotFound
	}
	if len(cmd.Data) == 0 || cmd.Data[0] == 0 || cmd.Data[0] > 0x7F {
		return nil, card.IncorrectData
	}
	version, rest := cmd.Data[0], cmd.Data[1:]
	var keys [3][]byte
	answer := []byte{version}
	for i := range keys {
		key, kcv, tail, err := c.unwrapKey(rest)
		if err != nil {
			return nil, err
		}
		keys[i], rest = key, tail
		answer = append(answer, kcv...)
	}
	if len(rest) != 0 {
		return nil, card.IncorrectData
	}
	set := access.StaticKeys{ENC: keys[0], MAC: keys[1], DEK: keys[2]}
	if !aesKeys(set) {
		return nil, card.IncorrectData
	}
	m.Keys = set
	m.KeyVersion, m.Sequence = version, 0
	c.dirty = true
	return answer, nil
}

// unwrapKey reads one key data field: type, length, key length and the key under
// the data encryption key, length and value of the check value (amendment D, 7.2,
// table 7-1). rest is what follows.
func (c *Chip) unwrapKey(b []byte) (key, kcv, rest []byte, err error) {
	if len(b) < 3 || b[0] != keyTypeAES {
		return nil, nil, nil, card.IncorrectData
	}
	n, size := int(b[1]), int(b[2])
	if n < 1 || len(b) < 2+n+1+kcvSize || b[2+n] != kcvSize {
		return nil, nil, nil, card.IncorrectData
	}
	key, err = c.session.scp.UnwrapKey(b[3 : 2+n])
	if err != nil {
		return nil, nil, nil, card.IncorrectData
	}
	// Keys of 24 bytes come filled up to whole blocks.
	if size > len(key) || size <= len(key)-aes.BlockSize {
		return nil, nil, nil, card.IncorrectData
	}
	key = key[:size]
	want := b[3+n : 3+n+kcvSize]
	if kcv, err = access.KCV(key); err != nil || subtle.ConstantTimeCompare(kcv, want) != 1 {
		return nil, nil, nil, card.IncorrectData
	}
	return key, kcv, b[3+n+kcvSize:], nil
}

// setStatus is SET STATUS of the card (GPC 2.3.1, 11.10): the life cycle goes on
// to INITIALIZED and from there to SECURED, never back. The state it has already is
// taken quietly, so that a repeated command does no harm.
func (c *Chip) setStatus(cmd card.Command) error {
	m := &c.state.Manager
	if cmd.P1 != 0x80 {
		return card.IncorrectP1P2
	}
	if cmd.P2 != initialized && cmd.P2 != secured {
		return card.IncorrectData
	}
	if cmd.P2 < m.LifeCycle || cmd.P2 == secured && m.LifeCycle == opReady {
		return card.ConditionsNotSatisfied
	}
	if cmd.P2 != m.LifeCycle {
		m.LifeCycle, c.dirty = cmd.P2, true
	}
	return nil
}

// getStatus is GET STATUS in the tagged form (GPC 2.3.1, 11.4): P1 80 the card
// manager, 40 the applications.
func (c *Chip) getStatus(cmd card.Command) ([]byte, error) {
	if cmd.P2 != 0x02 {
		return nil, card.IncorrectP1P2
	}
	name, err := tlv.One(cmd.Data, 0x4F)
	if err != nil {
		return nil, card.IncorrectData
	}
	const selectable = 0x07
	entry := func(app application, life byte, privileges ...byte) []byte {
		return tlv.New(0xE3, tlv.New(0x4F, aids[app]), tlv.New(0x9F70, []byte{life}), tlv.New(0xC5, privileges))
	}
	var list []byte
	switch cmd.P1 {
	case 0x80:
		if c.matches(appManager, name) {
			list = entry(appManager, c.state.Manager.LifeCycle, 0x9E, 0xFE, 0x80)
		}
	case 0x40:
		for _, app := range []application{appEMRTD, appPIV} {
			if c.matches(app, name) {
				list = append(list, entry(app, selectable, 0, 0, 0)...)
			}
		}
	default:
		return nil, card.IncorrectP1P2
	}
	if list == nil {
		return nil, card.ReferencedDataNotFound
	}
	return list, nil
}
