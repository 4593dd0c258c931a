package access

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sort"

	"cardstation/devices/card"
	"cardstation/devices/card/access/curve"
	"cardstation/devices/card/tlv"
)

// ChipKey is a way in which a chip authenticates itself, as its DG14 or
// EF.CardSecurity says (Doc 9303-11, 9.2.5 and 9.2.6): version 1, ECDH.
type ChipKey struct {
	// KeyBits of the new session keys: 128, 192 or 256 for AES, DESKeyBits for 3DES.
	KeyBits int
	// Key is the chip's static key.
	Key *ecdsa.PublicKey
	// ID names the key where the chip has several; nil where it does not.
	ID []byte
	// Inferred is set where the chip gives the key alone, as some old ones do: 3DES is
	// then supposed.
	Inferred bool
}

var (
	idCA     = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 2, 2, 3, 2} // id-CA-ECDH, above the cipher
	idPKECDH = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 2, 2, 1, 2}
	idTA     = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 2, 2, 2}
)

// ErrNoChipAuthentication means that the security infos hold no key by which the
// chip could authenticate itself here.
var ErrNoChipAuthentication = errors.New("access: no usable chip authentication in the security infos")

type chipInfo struct {
	Protocol asn1.ObjectIdentifier
	Version  int
	KeyID    *big.Int `asn1:"optional"`
}

type chipKeyInfo struct {
	Protocol asn1.ObjectIdentifier
	Key      asn1.RawValue
	KeyID    *big.Int `asn1:"optional"`
}

// keyID is how commands name a key: the number's bytes.
func keyID(n *big.Int) []byte {
	if n == nil || n.Sign() < 0 {
		return nil
	}
	return n.FillBytes(make([]byte, max(1, (n.BitLen()+7)/8)))
}

// ParseChipAuthentication gives the ways of chip authentication in the security
// infos of DG14 (what is inside its tag 6E) or EF.CardSecurity, those with the
// strongest session keys first; ErrNoChipAuthentication where there is none.
func ParseChipAuthentication(b []byte) ([]ChipKey, error) {
	raws, err := securityInfos(b)
	if err != nil {
		return nil, err
	}
	var infos []chipInfo
	var keys []ChipKey
	for _, raw := range raws {
		if k, ok := parseChipKey(raw); ok {
			keys = append(keys, k)
			continue
		}
		var i chipInfo
		n := len(idCA)
		if rest, err := asn1.Unmarshal(raw.FullBytes, &i); err == nil && len(rest) == 0 && i.Version == 1 &&
			len(i.Protocol) == n+1 && i.Protocol[:n].Equal(idCA) && cipherBits(i.Protocol[n]) != 0 {
			infos = append(infos, i)
		}
	}
	all := pairKeys(infos, keys)
	if len(all) == 0 {
		return nil, ErrNoChipAuthentication
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].KeyBits > all[j].KeyBits })
	return all, nil
}

// pairKeys gives each key its infos, by the key's name; an only key may be named at
// one of the two places.
func pairKeys(infos []chipInfo, keys []ChipKey) []ChipKey {
	var all []ChipKey
	for _, k := range keys {
		found := false
		for _, i := range infos {
			id := keyID(i.KeyID)
			if !bytes.Equal(id, k.ID) && (len(keys) > 1 || id != nil && k.ID != nil) {
				continue
			}
			way := ChipKey{KeyBits: cipherBits(i.Protocol[len(idCA)]), Key: k.Key, ID: k.ID}
			if way.ID == nil {
				way.ID = id
			}
			all, found = append(all, way), true
		}
		if !found && len(infos) == 0 {
			k.KeyBits, k.Inferred = DESKeyBits, true
			all = append(all, k)
		}
	}
	return all
}

// MappingKey gives the static key for chip authentication mapping out of the security
// infos of EF.CardSecurity, which must have been checked for their signature: the one
// named by the domain parameter (Doc 9303-11, 9.2.1), else the only one on the curve;
// ErrNoChipAuthentication where there is none.
func MappingKey(b []byte, info PACEInfo) (*ecdsa.PublicKey, error) {
	raws, err := securityInfos(b)
	if err != nil {
		return nil, err
	}
	g, err := info.group()
	if err != nil {
		return nil, err
	}
	var fits []*ecdsa.PublicKey
	for _, raw := range raws {
		k, ok := parseChipKey(raw)
		if !ok || k.Key.Curve != g.Curve {
			continue
		}
		if bytes.Equal(k.ID, []byte{byte(info.Parameter)}) {
			return k.Key, nil
		}
		fits = append(fits, k.Key)
	}
	if len(fits) != 1 {
		return nil, ErrNoChipAuthentication
	}
	return fits[0], nil
}

// parseChipKey reads a ChipAuthenticationPublicKeyInfo whose curve is known.
func parseChipKey(raw asn1.RawValue) (ChipKey, bool) {
	var k chipKeyInfo
	if rest, err := asn1.Unmarshal(raw.FullBytes, &k); err != nil || len(rest) > 0 || !k.Protocol.Equal(idPKECDH) {
		return ChipKey{}, false
	}
	pub, err := curve.ParsePublicKey(k.Key.FullBytes)
	return ChipKey{Key: pub, ID: keyID(k.KeyID)}, err == nil
}

func (k ChipKey) protocol() (asn1.ObjectIdentifier, error) {
	n := cipherNumber(k.KeyBits)
	if n == 0 || k.Key == nil {
		return nil, fmt.Errorf("access: chip authentication with keys of %d bits", k.KeyBits)
	}
	return append(idCA[:len(idCA):len(idCA)], n), nil
}

// SecurityInfos encodes what DG14 says of the key: a ChipAuthenticationInfo and a
// ChipAuthenticationPublicKeyInfo. Keys of our chips live on NIST curves only.
func (k ChipKey) SecurityInfos() ([][]byte, error) {
	protocol, err := k.protocol()
	if err != nil {
		return nil, err
	}
	if !curve.ConstantTime(k.Key.Curve) {
		return nil, fmt.Errorf("access: chip authentication: %s is for reading only", k.Key.Params().Name)
	}
	spki, err := curve.MarshalPublicKey(k.Key)
	if err != nil {
		return nil, err
	}
	var id *big.Int
	if k.ID != nil {
		id = new(big.Int).SetBytes(k.ID)
	}
	info, err := asn1.Marshal(chipInfo{protocol, 1, id})
	if err != nil {
		return nil, fmt.Errorf("access: chip authentication: %w", err)
	}
	key, err := asn1.Marshal(chipKeyInfo{idPKECDH, asn1.RawValue{FullBytes: spki}, id})
	if err != nil {
		return nil, fmt.Errorf("access: chip authentication: %w", err)
	}
	return [][]byte{info, key}, nil
}

// ChipAuthentication has a chip prove that it holds the static key of its DG14, and
// gives the channel new keys that nobody else can know (Doc 9303-11, 6.2;
// TR-03110-3, A.4, version 1). It runs inside the channel that BAC or PACE opened. Rand nil is
// the system's.
type ChipAuthentication struct {
	Key  ChipKey
	Rand io.Reader
}

var errNoChannel = errors.New("access: no secure channel is open")

// Open runs the protocol and replaces the channel: c is closed from then on. What
// proves the chip is its first answer under the new keys, which Open does not ask
// for: the next command's error is ErrNotAuthentic where the chip is a copy, and
// ChipProven tells that it was not. Terminal authentication takes the card that
// Open returns.
//
// With 3DES the key is sent by MSE:SET KAT, and by MSE:SET AT and GENERAL
// AUTHENTICATE, as with AES, to a chip that refuses that.
func (a ChipAuthentication) Open(c card.Card) (card.Card, error) {
	old, ok := c.(opened)
	if !ok {
		return nil, fmt.Errorf("chip authentication: %w", errNoChannel)
	}
	protocol, err := a.Key.protocol()
	if err != nil {
		return nil, err
	}
	g := group{a.Key.Key.Curve}
	static, err := g.of(a.Key.Key)
	if err != nil {
		return nil, fmt.Errorf("chip authentication: %w", err)
	}
	private, public, err := g.pair(g.base(), a.Rand)
	if err != nil {
		return nil, fmt.Errorf("chip authentication: %w", err)
	}
	defer wipe(private)
	secret, err := g.shared(private, static)
	if err != nil {
		return nil, fmt.Errorf("chip authentication: %w", err)
	}
	if err := a.send(c, protocol, g.encode(public)); err != nil {
		return nil, fmt.Errorf("chip authentication: %w", err)
	}
	s, err := sessionSuite(a.Key.KeyBits, secret)
	if err != nil {
		return nil, fmt.Errorf("chip authentication: %w", err)
	}
	inside := renew(c, s, old.inner().id)
	inside.key = string(g.compress(public))
	inside.static, inside.unproven = true, true
	return inside, nil
}

// send brings the terminal's public key to the chip.
func (a ChipAuthentication) send(c card.Card, protocol asn1.ObjectIdentifier, public []byte) error {
	name := func(b []byte) []byte {
		if a.Key.ID == nil {
			return b
		}
		return tlv.Append(b, 0x84, a.Key.ID)
	}
	if a.Key.KeyBits == DESKeyBits {
		_, err := card.Do(c, card.Command{INS: 0x22, P1: 0x41, P2: 0xA6, Data: name(tlv.New(0x91, public))})
		var refused *card.Error
		if !errors.As(err, &refused) || refused.SW == card.SMObjectsMissing || refused.SW == card.SMObjectsIncorrect {
			return err
		}
	}
	oid, err := oidValue(protocol)
	if err != nil {
		return err
	}
	if _, err := card.Do(c, card.Command{INS: 0x22, P1: 0x41, P2: 0xA4, Data: name(tlv.New(0x80, oid))}); err != nil {
		return fmt.Errorf("mse set at: %w", err)
	}
	_, err = generalAuthenticate(c, 0x00, tlv.New(0x80, public))
	return err
}

// ChipProven tells whether a card that ChipAuthentication opened has answered under
// its new keys, which only the holder of the static key can; false for every other
// card.
func ChipProven(c card.Card) bool {
	o, ok := c.(opened)
	return ok && o.inner().static && !o.inner().unproven
}

// ChipAuthenticationChip is the chip's end of chip authentication. Its commands come
// through the channel that is to be replaced, and their answers still leave through
// it; the Secure is for the command after.
type ChipAuthenticationChip struct {
	key      ChipKey
	private  *ecdsa.PrivateKey
	oid      []byte
	set      bool // MSE:SET AT has named the mechanism
	terminal []byte
}

// NewChipAuthenticationChip is a chip's end for one static key; id is nil where the
// chip has no other. It fails on keys that SecurityInfos would refuse.
func NewChipAuthenticationChip(keyBits int, id []byte, private *ecdsa.PrivateKey) (*ChipAuthenticationChip, error) {
	c := &ChipAuthenticationChip{key: ChipKey{KeyBits: keyBits, ID: id, Key: &private.PublicKey}, private: private}
	if _, err := c.key.SecurityInfos(); err != nil {
		return nil, err
	}
	protocol, err := c.key.protocol()
	if err != nil {
		return nil, err
	}
	c.oid, err = oidValue(protocol)
	return c, err
}

// TerminalKey is the terminal's key of the last success, compressed, to which
// terminal authentication is bound; nil before.
func (c *ChipAuthenticationChip) TerminalKey() []byte { return bytes.Clone(c.terminal) }

// KeyAgreement answers MSE:SET KAT (Doc 9303-11, 6.2.4.1), which chips with 3DES
// know; the answer has no data. An error wraps the card.Status to answer: 6A80 for
// data that makes no sense or another cipher, 6A88 for another key.
func (c *ChipAuthenticationChip) KeyAgreement(data []byte) (Secure, error) {
	c.set = false
	if c.key.KeyBits != DESKeyBits {
		return nil, fmt.Errorf("chip authentication: set kat with aes: %w", card.IncorrectData)
	}
	if err := c.named(data); err != nil {
		return nil, err
	}
	public, err := tlv.Find(data, 0x91)
	if err != nil {
		return nil, fmt.Errorf("chip authentication: no key: %w", card.IncorrectData)
	}
	return c.agree(public)
}

// SetTemplate answers MSE:SET AT (Doc 9303-11, 6.2.4.2). An error wraps the
// card.Status to answer: 6A80 for another mechanism, 6A88 for another key.
func (c *ChipAuthenticationChip) SetTemplate(data []byte) error {
	c.set = false
	mechanism, err := tlv.Find(data, 0x80)
	if err != nil || !equal(mechanism, c.oid) {
		return fmt.Errorf("chip authentication: mechanism not offered: %w", card.IncorrectData)
	}
	if err := c.named(data); err != nil {
		return err
	}
	c.set = true
	return nil
}

// named refuses a command that names another key than ours.
func (c *ChipAuthenticationChip) named(data []byte) error {
	if _, err := tlv.Parse(data); err != nil {
		return fmt.Errorf("chip authentication: %w: %w", err, card.IncorrectData)
	}
	id, err := tlv.Find(data, 0x84)
	if err == nil && !bytes.Equal(id, c.key.ID) {
		return fmt.Errorf("chip authentication: no such key: %w", card.ReferencedDataNotFound)
	}
	return nil
}

// Step answers GENERAL AUTHENTICATE after MSE:SET AT. An error wraps the card.Status
// to answer: 6985 without MSE:SET AT before it, 6A80 for data that makes no sense.
func (c *ChipAuthenticationChip) Step(data []byte) (answer []byte, s Secure, err error) {
	if !c.set {
		return nil, nil, fmt.Errorf("chip authentication: no mechanism named: %w", card.ConditionsNotSatisfied)
	}
	c.set = false
	body, err := tlv.One(data, 0x7C)
	if err != nil {
		return nil, nil, fmt.Errorf("chip authentication: %w: %w", err, card.IncorrectData)
	}
	public, err := tlv.One(body, 0x80)
	if err != nil {
		return nil, nil, fmt.Errorf("chip authentication: %w: %w", err, card.IncorrectData)
	}
	if s, err = c.agree(public); err != nil {
		return nil, nil, err
	}
	return tlv.New(0x7C), s, nil
}

func (c *ChipAuthenticationChip) agree(public []byte) (Secure, error) {
	g := group{c.private.Curve}
	other, err := g.decode(public)
	if err != nil {
		return nil, fmt.Errorf("chip authentication: %w: %w", err, card.IncorrectData)
	}
	private, err := c.private.Bytes()
	if err != nil {
		return nil, fmt.Errorf("chip authentication: %w: %w", err, card.NoPreciseDiagnosis)
	}
	defer wipe(private)
	secret, err := g.shared(private, other)
	if err != nil {
		return nil, fmt.Errorf("chip authentication: %w: %w", err, card.IncorrectData)
	}
	s, err := sessionSuite(c.key.KeyBits, secret)
	if err != nil {
		return nil, fmt.Errorf("chip authentication: %w: %w", err, card.NoPreciseDiagnosis)
	}
	c.terminal = g.compress(other)
	return &chipMessaging{messaging: s.fresh()}, nil
}
