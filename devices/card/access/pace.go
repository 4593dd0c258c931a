package access

import (
	"bytes"
	"crypto/cipher"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"math/big"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// paceNonce is the length of our chips' nonces (Doc 9303-11, 4.4.3.1): whole blocks of
// every cipher. Other chips choose theirs, and some with 3DES give a single block.
const (
	paceNonce = 16
	minNonce  = 8
	maxNonce  = 64
)

// pace is what both ends compute (Doc 9303-11, 4.4.3).
type pace struct {
	group
	info PACEInfo
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
	return &pace{g, info, oid, r}, nil
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

// session derives the keys from the second agreement.
func (p *pace) session(private []byte, other point) (suite, error) {
	secret, err := p.shared(private, other)
	if err != nil {
		return suite{}, err
	}
	return sessionSuite(p.info.KeyBits, secret)
}

// token signs a public key with the session's key (Doc 9303-11, 4.4.3.4).
func (p *pace) token(s suite, public point) []byte {
	return s.sign(tlv.New(0x7F49, tlv.New(0x06, p.oid), tlv.New(0x86, p.encode(public))))[:checksumSize]
}

// nonceCipher runs the nonce's cipher, CBC with a zero IV under the password's key.
func (p *pace) nonceCipher(pw Password, seal bool, b []byte) ([]byte, error) {
	key := deriveKey(pw.encoded, 3, p.info.KeyBits)
	defer wipe(key)
	block, err := blockCipher(p.info.KeyBits, key)
	if err != nil {
		return nil, err
	}
	iv := make([]byte, block.BlockSize())
	if seal {
		return encrypt(block, iv, b), nil
	}
	return decrypt(block, iv, b)
}

// mappingIV is the IV of the encrypted chip authentication data: the counter -1
// (Doc 9303-11, 4.4.3.5).
func mappingIV(block cipher.Block) []byte {
	iv := bytes.Repeat([]byte{0xFF}, block.BlockSize())
	block.Encrypt(iv, iv)
	return iv
}

// PACE opens an eMRTD with a password (Doc 9303-11, 4.4), from the master file or
// before any selection; or, as a PIN wants it after a CAN, over a channel that is
// open already and that it replaces. Rand nil is the system's.
type PACE struct {
	Info     PACEInfo
	Password Password
	Rand     io.Reader
}

// Mapped is a card that PACE with chip authentication mapping opened.
type Mapped interface {
	card.Card
	// VerifyChip checks what the chip proved with its static key: key is the
	// chip authentication key that EF.CardSecurity, once its signature has been
	// checked, gives for the curve of PACE. Another key is ErrNotAuthentic.
	VerifyChip(key *ecdsa.PublicKey) error
}

// Open runs the protocol; a chip that has another password gives
// ErrNotAuthentic, with a card.Status whose Retries tells what is left of a PIN
// or PUK. After chip authentication mapping the card is Mapped.
func (a PACE) Open(c card.Card) (card.Card, error) {
	p, err := newPACE(a.Info, a.Rand)
	if err != nil {
		return nil, err
	}
	sw, err := a.set(p, c, a.Info.Ambiguous)
	if err != nil {
		return nil, err
	}
	first := sw
	if !a.Info.Ambiguous && (sw == card.IncorrectData || sw == lcInconsistent || sw == card.ReferencedDataNotFound) {
		if sw, err = a.set(p, c, true); err != nil {
			return nil, err
		}
	}
	if tries, warned := sw.Retries(); sw != card.OK && (!warned || tries == 0) {
		return nil, fmt.Errorf("pace: mse set at: %w", first)
	}
	inside, err := a.agree(p, c)
	if err != nil {
		return nil, fmt.Errorf("pace: %w", err)
	}
	if sw != first {
		inside.(opened).inner().note("the chip wants its only domain parameter named: %s", first)
	}
	return inside, nil
}

// lcInconsistent is 6A87, what some chips answer to data objects that they miss.
const lcInconsistent card.Status = 0x6A87

// set is MSE:SET AT; the domain parameter is named where there is a choice, and for
// chips that want it all the same.
func (a PACE) set(p *pace, c card.Card, named bool) (card.Status, error) {
	data := tlv.Append(tlv.New(0x80, p.oid), 0x83, []byte{a.Password.reference})
	if named {
		data = tlv.Append(data, 0x84, []byte{byte(a.Info.Parameter)})
	}
	r, err := c.Transmit(card.Command{INS: 0x22, P1: 0xC1, P2: 0xA4, Data: data})
	if err != nil {
		return 0, fmt.Errorf("pace: mse set at: %w", err)
	}
	return r.SW, nil
}

func (a PACE) agree(p *pace, c card.Card) (card.Card, error) {
	sealed, err := step(c, 0x10, nil, 0x80)
	if err != nil {
		return nil, err
	}
	if n := len(sealed); n < minNonce || n > maxNonce {
		return nil, fmt.Errorf("nonce of %d bytes, not of %d to %d", n, minNonce, maxNonce)
	}
	nonce, err := p.nonceCipher(a.Password, false, sealed)
	if err != nil {
		return nil, fmt.Errorf("nonce: %w", err)
	}
	private, _, mapping, err := p.exchange(c, p.base(), 0x81)
	if err != nil {
		return nil, err
	}
	mapped, err := p.generator(nonce, private, mapping)
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
	s, err := p.session(private, other)
	if err != nil {
		return nil, err
	}
	body, err := p.authenticate(c, s, public, other)
	if err != nil {
		return nil, err
	}
	if p.info.Mapping != ChipAuthenticationMapping {
		return renew(c, s, string(p.compress(other))), nil
	}
	data, err := unsealMapping(s, body)
	if err != nil {
		return nil, err
	}
	inside := renew(c, s, string(p.compress(other)))
	inside.key = string(p.compress(public))
	return mappedMessaging{inside, p.group, mapping, string(data)}, nil
}

// authenticate exchanges the tokens, each over the other's key, and gives the
// chip's last data.
func (p *pace) authenticate(c card.Card, s suite, public, other point) ([]byte, error) {
	body, err := generalAuthenticate(c, 0x00, tlv.New(0x85, p.token(s, other)))
	var refused *card.Error
	if errors.As(err, &refused) {
		return nil, fmt.Errorf("%w: %w", ErrNotAuthentic, err)
	}
	if err != nil {
		return nil, err
	}
	proof, err := tlv.Find(body, 0x86)
	if err != nil {
		return nil, err
	}
	if !equal(proof, p.token(s, public)) {
		return nil, ErrNotAuthentic
	}
	return body, nil
}

// unsealMapping opens the encrypted chip authentication data.
func unsealMapping(s suite, body []byte) ([]byte, error) {
	sealed, err := tlv.Find(body, 0x8A)
	if err != nil {
		return nil, fmt.Errorf("chip authentication data: %w: %w", ErrNotAuthentic, err)
	}
	data, err := decrypt(s.block, mappingIV(s.block), sealed)
	if err == nil {
		data, err = unpad(data)
	}
	if err != nil {
		return nil, fmt.Errorf("chip authentication data: %w: %w", ErrNotAuthentic, err)
	}
	return data, nil
}

// mappedMessaging is a channel whose chip has given proof of its static key.
type mappedMessaging struct {
	terminalMessaging
	group   group
	mapping point  // the chip's public key of the mapping
	data    string // CA_IC
}

// VerifyChip multiplies the static key with the chip's data, which must give the
// key of the mapping (Doc 9303-11, 4.4.3.5.1).
func (m mappedMessaging) VerifyChip(key *ecdsa.PublicKey) error {
	static, err := m.group.of(key)
	if err != nil {
		return fmt.Errorf("chip authentication mapping: %w: %w", ErrNotAuthentic, err)
	}
	n := m.group.Params().N
	factor := new(big.Int).SetBytes([]byte(m.data))
	if factor.Sign() == 0 || factor.Cmp(n) >= 0 {
		return fmt.Errorf("chip authentication mapping: %w", ErrNotAuthentic)
	}
	got, err := m.group.multiply(factor.FillBytes(make([]byte, (n.BitLen()+7)/8)), static)
	if err != nil || !equal(m.group.encode(got), m.group.encode(m.mapping)) {
		return fmt.Errorf("chip authentication mapping: %w", ErrNotAuthentic)
	}
	return nil
}

// exchange sends a fresh public point over a generator under the tag and takes the
// chip's under the next one.
func (p *pace) exchange(c card.Card, generator point, tag tlv.Tag) (private []byte, public, other point, err error) {
	if private, public, err = p.pair(generator, p.rand); err != nil {
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
	body, err := generalAuthenticate(c, cla, data)
	if err != nil {
		return nil, err
	}
	return tlv.Find(body, want)
}

func generalAuthenticate(c card.Card, cla byte, data []byte) ([]byte, error) {
	answer, err := card.Do(c, card.Command{CLA: cla, INS: 0x86, Data: tlv.New(0x7C, data), Ne: card.MaxShortNe})
	if err != nil {
		return nil, fmt.Errorf("general authenticate: %w", err)
	}
	return tlv.One(answer, 0x7C)
}
