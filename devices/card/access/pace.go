package access

import (
	"bytes"
	"crypto/aes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// PACEInfo is one way in which a chip runs PACE, as its EF.CardAccess says
// (Doc 9303-11, 9.2.1): ECDH with generic mapping.
type PACEInfo struct {
	// KeyBits of the AES session keys: 128, 192 or 256.
	KeyBits int
	// Parameter is the standardized domain parameter (Doc 9303-11, 9.5.1): 12 is
	// P-256, 15 P-384, 18 P-521.
	Parameter int
}

// paceOID is id-PACE-ECDH-GM, under which 2, 3 and 4 are AES-128, 192 and 256.
var paceOID = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 2, 2, 4, 2}

// ErrNoPACE means that a chip names no way of PACE that this package can run.
var ErrNoPACE = errors.New("access: no usable pace in the security infos")

type paceInfo struct {
	Protocol  asn1.ObjectIdentifier
	Version   int
	Parameter int `asn1:"optional,default:-1"`
}

// oid is the value of the protocol's object identifier.
func (p PACEInfo) oid() ([]byte, error) {
	if p.KeyBits != 128 && p.KeyBits != 192 && p.KeyBits != 256 {
		return nil, fmt.Errorf("access: pace with keys of %d bits", p.KeyBits)
	}
	der, err := asn1.Marshal(append(paceOID[:len(paceOID):len(paceOID)], p.KeyBits/64))
	if err != nil {
		return nil, err
	}
	return tlv.One(der, 0x06)
}

func (p PACEInfo) group() (group, error) {
	g, ok := groups[p.Parameter]
	if !ok {
		return group{}, fmt.Errorf("access: pace with domain parameter %d", p.Parameter)
	}
	return g, nil
}

// SecurityInfo encodes the PACEInfo for EF.CardAccess and DG14.
func (p PACEInfo) SecurityInfo() ([]byte, error) {
	if _, err := p.oid(); err != nil {
		return nil, err
	}
	if _, err := p.group(); err != nil {
		return nil, err
	}
	return asn1.Marshal(paceInfo{append(paceOID[:len(paceOID):len(paceOID)], p.KeyBits/64), 2, p.Parameter})
}

// ParseCardAccess gives the ways of PACE in EF.CardAccess that this package can
// run, in the chip's order; ErrNoPACE where there is none.
func ParseCardAccess(b []byte) ([]PACEInfo, error) {
	var infos []asn1.RawValue
	if _, err := asn1.UnmarshalWithParams(b, &infos, "set"); err != nil {
		return nil, fmt.Errorf("access: security infos: %w", err)
	}
	var all []PACEInfo
	for _, raw := range infos {
		var i paceInfo
		if _, err := asn1.Unmarshal(raw.FullBytes, &i); err != nil {
			continue // another kind of security info
		}
		n := len(paceOID)
		if len(i.Protocol) != n+1 || !i.Protocol[:n].Equal(paceOID) || i.Version != 2 {
			continue
		}
		p := PACEInfo{KeyBits: i.Protocol[n] * 64, Parameter: i.Parameter}
		if _, err := p.SecurityInfo(); err == nil {
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return nil, ErrNoPACE
	}
	return all, nil
}

// Password is what PACE proves the knowledge of (Doc 9303-11, 9.7.3).
type Password struct {
	reference byte
	encoded   []byte
}

// CAN is the card access number as printed.
func CAN(number string) Password { return Password{2, []byte(number)} }

// Password is the machine readable zone as a password of PACE.
func (m MRZ) Password() (Password, error) {
	info, err := m.information()
	if err != nil {
		return Password{}, err
	}
	sum := sha1.Sum([]byte(info))
	return Password{1, sum[:]}, nil
}

// aesKey is the key derivation of Doc 9303-11, 9.7.1.2, for AES.
func aesKey(secret []byte, counter uint32, bits int) []byte {
	input := binary.BigEndian.AppendUint32(bytes.Clone(secret), counter)
	if bits == 128 {
		sum := sha1.Sum(input)
		return sum[:16]
	}
	sum := sha256.Sum256(input)
	return sum[:bits/8]
}

// pace is what both ends compute (Doc 9303-11, 4.4.3).
type pace struct {
	group
	bits int
	oid  []byte
	rand io.Reader
}

func newPACE(info PACEInfo, r io.Reader) (*pace, error) {
	oid, err := info.oid()
	if err != nil {
		return nil, err
	}
	g, err := info.group()
	if err != nil {
		return nil, err
	}
	return &pace{g, info.KeyBits, oid, r}, nil
}

// pair draws a private key and its public point over a generator.
func (p *pace) pair(generator point) (private []byte, public point, err error) {
	if private, err = p.scalar(p.rand); err != nil {
		return nil, point{}, err
	}
	public, err = p.multiply(private, generator)
	return private, public, err
}

// generator maps the nonce: s*G + H, where H is the secret of the first agreement
// (Doc 9303-11, 4.4.3.3.1).
func (p *pace) generator(nonce, private []byte, other point) (point, error) {
	h, err := p.multiply(private, other)
	if err != nil {
		return point{}, err
	}
	s, err := p.multiply(nonce, p.base())
	if err != nil {
		return point{}, err
	}
	return p.add(s, h)
}

// session derives the keys from the second agreement; token signs a public key
// with them (Doc 9303-11, 4.4.3.4).
func (p *pace) session(private []byte, other point) (m *messaging, token func(public point) []byte, err error) {
	shared, err := p.multiply(private, other)
	if err != nil {
		return nil, nil, err
	}
	secret := shared.x.FillBytes(make([]byte, p.size()))
	enc, mac := aesKey(secret, 1, p.bits), aesKey(secret, 2, p.bits)
	defer wipe(secret, enc, mac)
	s, err := aesSuite(enc, mac)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(mac)
	if err != nil {
		return nil, nil, err
	}
	token = func(public point) []byte {
		return cmac(block, tlv.New(0x7F49, tlv.New(0x06, p.oid), tlv.New(0x86, p.encode(public))))[:checksumSize]
	}
	return newMessaging(s, make([]byte, aes.BlockSize)), token, nil
}

// nonceCipher runs the nonce's cipher, AES-CBC with a zero IV under the password's
// key.
func (p *pace) nonceCipher(pw Password, seal bool, b []byte) ([]byte, error) {
	block, err := aes.NewCipher(aesKey(pw.encoded, 3, p.bits))
	if err != nil {
		return nil, err
	}
	if seal {
		return encrypt(block, make([]byte, aes.BlockSize), b), nil
	}
	return decrypt(block, make([]byte, aes.BlockSize), b)
}

// PACE opens an eMRTD with a password (Doc 9303-11, 4.4), from the master file or
// before any selection. Rand nil is the system's.
type PACE struct {
	Info     PACEInfo
	Password Password
	// Ambiguous is for a chip that offers the same mechanism over several domain
	// parameters: ours is then named.
	Ambiguous bool
	Rand      io.Reader
}

// Open runs the protocol; a chip that has another password gives
// ErrNotAuthentic.
func (a PACE) Open(c card.Card) (card.Card, error) {
	p, err := newPACE(a.Info, a.Rand)
	if err != nil {
		return nil, err
	}
	set := tlv.Append(tlv.New(0x80, p.oid), 0x83, []byte{a.Password.reference})
	if a.Ambiguous {
		set = tlv.Append(set, 0x84, []byte{byte(a.Info.Parameter)})
	}
	if _, err := card.Do(c, card.Command{INS: 0x22, P1: 0xC1, P2: 0xA4, Data: set}); err != nil {
		return nil, fmt.Errorf("pace: mse set at: %w", err)
	}
	m, err := a.agree(p, c)
	if err != nil {
		return nil, fmt.Errorf("pace: %w", err)
	}
	return terminalMessaging{m, c}, nil
}

func (a PACE) agree(p *pace, c card.Card) (*messaging, error) {
	sealed, err := step(c, 0x10, nil, 0x80)
	if err != nil {
		return nil, err
	}
	if len(sealed) > 4*aes.BlockSize {
		return nil, fmt.Errorf("nonce of %d bytes", len(sealed))
	}
	nonce, err := p.nonceCipher(a.Password, false, sealed)
	if err != nil {
		return nil, fmt.Errorf("nonce: %w", err)
	}
	private, _, other, err := p.exchange(c, p.base(), 0x81)
	if err != nil {
		return nil, err
	}
	mapped, err := p.generator(nonce, private, other)
	if err != nil {
		return nil, err
	}
	private, public, other, err := p.exchange(c, mapped, 0x83)
	if err != nil {
		return nil, err
	}
	if equal(p.encode(public), p.encode(other)) {
		return nil, fmt.Errorf("chip gave our own key back: %w", ErrNotAuthentic)
	}
	m, token, err := p.session(private, other)
	if err != nil {
		return nil, err
	}
	proof, err := step(c, 0x00, tlv.New(0x85, token(other)), 0x86)
	var refused *card.Error
	if errors.As(err, &refused) {
		return nil, fmt.Errorf("%w: %w", ErrNotAuthentic, err)
	}
	if err != nil {
		return nil, err
	}
	if !equal(proof, token(public)) {
		return nil, ErrNotAuthentic
	}
	return m, nil
}

// exchange sends a fresh public point over a generator under the tag and takes the
// chip's under the next one.
func (p *pace) exchange(c card.Card, generator point, tag tlv.Tag) (private []byte, public, other point, err error) {
	if private, public, err = p.pair(generator); err != nil {
		return nil, point{}, point{}, err
	}
	answer, err := step(c, 0x10, tlv.New(tag, p.encode(public)), tag+1)
	if err != nil {
		return nil, point{}, point{}, err
	}
	other, err = p.decode(answer)
	return private, public, other, err
}

// step is one GENERAL AUTHENTICATE: dynamic authentication data out and in.
func step(c card.Card, cla byte, data []byte, want tlv.Tag) ([]byte, error) {
	answer, err := card.Do(c, card.Command{CLA: cla, INS: 0x86, Data: tlv.New(0x7C, data), Ne: card.MaxShortNe})
	if err != nil {
		return nil, fmt.Errorf("general authenticate: %w", err)
	}
	return tlv.Find(answer, 0x7C, want)
}
