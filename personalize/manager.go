package personalize

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// Life cycle and key type codes (GlobalPlatform Card Specification 2.3.1, 11.1.1 and
// 11.1.8).
const (
	lifeInitialized = 0x07
	lifeSecured     = 0x0F
	keyTypeAES      = 0x88
)

// manager is the issuer security domain of one chip and whose keys open it.
type manager struct {
	managerProfile
	authority Authority
}

// opening selects an application and opens SCP03 with the key set of a version.
type opening struct {
	manager manager
	aid     []byte // nil: it has just been selected
	version byte
}

// Open implements access.Access. Challenges have 8 bytes, or 16 where the chip is one
// of S16 (Amendment D, 5.1): such a one refuses 8 as a wrong length, and i in its answer
// confirms it.
func (o opening) Open(c card.Card) (card.Card, error) {
	if o.aid != nil {
		if _, err := card.Select(c, o.aid); err != nil {
			return nil, err
		}
	}
	var s session
	scp := access.SCP03{KeyVersion: o.version, Level: o.manager.level, S16: o.manager.s16, Keys: func(info access.KeyInfo) (access.StaticKeys, error) {
		s.info = info
		return o.manager.keys(info)
	}}
	var err error
	if s.Card, err = scp.Open(c); errors.Is(err, card.WrongLength) && !scp.S16 {
		scp.S16 = true
		s.Card, err = scp.Open(c)
	}
	return s, err
}

// session is an open SCP03 channel that remembers what the chip said of itself.
type session struct {
	card.Card
	info access.KeyInfo
}

// ErrDefaultKeys says that the transport keys are the published default ones, which only
// the demo may use.
var ErrDefaultKeys = errors.New("the card manager's keys are the published default ones (40..4F), refused outside the demo")

// keys gives the key set that the chip says it has. Another version than asked for
// never opens a channel: the issuer's keys are not tried on the maker's set.
func (m manager) keys(info access.KeyInfo) (access.StaticKeys, error) {
	switch info.Version {
	case m.issuer:
		return m.authority.Cards.SCP03(info, m.keySize)
	case m.transport:
		if m.authority.Transport.published() && !m.authority.Demo {
			return access.StaticKeys{}, ErrDefaultKeys
		}
		return m.authority.Transport.set(info)
	}
	return access.StaticKeys{}, m.unknownVersion(info.Version)
}

func (m manager) unknownVersion(v byte) error {
	return fmt.Errorf("card manager has key version %02X, neither the maker's %02X nor the issuer's %02X", v, m.transport, m.issuer)
}

// keysStage replaces the maker's key set with the issuer's. Its one command is its
// lock: PUT KEY takes effect whole or not at all. The chip's answer to INITIALIZE UPDATE
// for no key set in particular says which one it has (GlobalPlatform Amendment D,
// 7.1.1), and the channel is opened with that.
func (m manager) keysStage() Stage {
	return Stage{Name: "card-manager", Open: opening{m, m.aid, anyVersion}, Steps: []Step{putKeys{m}}}
}

// anyVersion asks for the chip's first key set.
const anyVersion = 0

// putKeys is the step of PUT KEY. It holds where the issuer's keys opened the channel.
type putKeys struct{ manager }

func (putKeys) Name() string { return "card-manager/issuer-keys" }

// Tells implements the description of a step.
func (s putKeys) Tells() string {
	return fmt.Sprintf("the maker's keys of version %02X are replaced by the card's own, version %02X, AES-%d", s.transport, s.issuer, 8*s.keySize)
}

// Holds sends nothing.
func (s putKeys) Holds(c card.Card) (bool, error) {
	channel, ok := c.(session)
	return ok && channel.info.Version == s.issuer, nil
}

// Do is PUT KEY for the three keys of a set at once (GlobalPlatform Card Specification
// 2.3.1, 11.8; Amendment D, 7.2), and a look at what the chip then says it has.
func (s putKeys) Do(c card.Card) error {
	channel, _ := c.(session)
	wrapper, ok := channel.Card.(access.KeyWrapper)
	if !ok {
		return errors.New("put key: the channel cannot wrap keys")
	}
	keys, err := s.authority.Cards.SCP03(channel.info, s.keySize)
	if err != nil {
		return err
	}
	data, expected := []byte{s.issuer}, []byte{s.issuer}
	for _, key := range [][]byte{keys.ENC, keys.MAC, keys.DEK} {
		wrapped, kcv, err := wrapper.WrapKey(key)
		if err != nil {
			return fmt.Errorf("put key: %w", err)
		}
		data = append(data, keyTypeAES, byte(1+len(wrapped)), byte(len(key)))
		data = append(append(append(data, wrapped...), byte(len(kcv))), kcv...)
		expected = append(expected, kcv...)
	}
	answer, err := card.Do(c, card.Command{CLA: 0x80, INS: 0xD8, P1: 0x00, P2: 0x81, Data: data, Ne: card.MaxShortNe})
	if err != nil {
		return fmt.Errorf("put key: %w", err)
	}
	if !bytes.Equal(answer, expected) {
		return errors.New("put key: the chip's check values are not those of the keys")
	}
	return s.listed(c)
}

// listed looks for the three keys, with version, type and length, in the key information
// template (GlobalPlatform Card Specification 2.3.1, 11.3.3.1).
func (s putKeys) listed(c card.Card) error {
	b, err := card.Do(c, card.Command{CLA: 0x80, INS: 0xCA, P1: 0x00, P2: 0xE0, Ne: card.MaxShortNe})
	if err != nil {
		return fmt.Errorf("get key information: %w", err)
	}
	template, err := tlv.One(b, 0xE0)
	if err != nil {
		return fmt.Errorf("get key information: %w", err)
	}
	keys, err := tlv.Parse(template)
	if err != nil {
		return fmt.Errorf("get key information: %w", err)
	}
	for id := byte(1); id <= 3; id++ {
		want := []byte{id, s.issuer, keyTypeAES, byte(s.keySize)}
		if !slices.ContainsFunc(keys, func(o tlv.Object) bool { return o.Tag == 0xC0 && bytes.Equal(o.Value, want) }) {
			return fmt.Errorf("the chip does not list key %d of version %02X with %d bytes", id, s.issuer, s.keySize)
		}
	}
	return nil
}

// securedStage takes the card manager to its life cycle SECURED, the last word of
// the issue. Only the open channel can tell whether it holds.
func (m manager) securedStage() Stage {
	return Stage{Name: "card-manager-secured", Open: opening{m, m.aid, m.issuer}, Steps: []Step{secured{}}}
}

// secured is the step of SET STATUS; it holds where GET STATUS shows SECURED.
type secured struct{}

func (secured) Name() string { return "card-manager/secured" }

// Tells implements the description of a step.
func (secured) Tells() string { return "card manager to life cycle SECURED" }

// Holds asks for the life cycle. A card that is locked or terminated never gets there.
func (secured) Holds(c card.Card) (bool, error) {
	life, err := lifeCycle(c)
	if err != nil {
		return false, err
	}
	if life > lifeSecured {
		return false, fmt.Errorf("card manager has life cycle %02X, locked or terminated", life)
	}
	return life == lifeSecured, nil
}

// lifeCycle is GET STATUS of the issuer security domain (GlobalPlatform Card
// Specification 2.3.1, 11.4).
func lifeCycle(c card.Card) (byte, error) {
	b, err := card.Do(c, card.Command{CLA: 0x80, INS: 0xF2, P1: 0x80, P2: 0x02, Data: []byte{0x4F, 0x00}, Ne: card.MaxShortNe})
	if err != nil {
		return 0, fmt.Errorf("get status: %w", err)
	}
	life, err := tlv.Find(b, 0xE3, 0x9F70)
	if err != nil || len(life) == 0 {
		return 0, errors.New("get status: the answer has no life cycle")
	}
	return life[0], nil
}

// Do is SET STATUS (GlobalPlatform Card Specification 2.3.1, 11.10), by way of
// INITIALIZED where the card has not been there yet: no state is passed over (5.1.1).
func (secured) Do(c card.Card) error {
	life, err := lifeCycle(c)
	if err != nil {
		return err
	}
	for _, next := range []byte{lifeInitialized, lifeSecured} {
		if next <= life {
			continue
		}
		if _, err := card.Do(c, card.Command{CLA: 0x80, INS: 0xF0, P1: 0x80, P2: next}); err != nil {
			return fmt.Errorf("set status %02X: %w", next, err)
		}
	}
	return nil
}
