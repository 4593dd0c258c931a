package access

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"cardstation/devices/card"
)

// scp03Card is the terminal's end: a card over a card, and a KeyWrapper.
type scp03Card struct {
	*scp03
	under card.Card
}

func (t *scp03Card) Transmit(c card.Command) (card.Response, error) {
	if !t.open() {
		return card.Response{}, ErrClosed
	}
	r, err := t.under.Transmit(t.protect(c))
	if err != nil {
		t.close() // nobody knows what the card has counted
		return card.Response{}, err
	}
	plain, err := t.unprotect(r)
	if err != nil {
		t.close()
		return card.Response{}, fmt.Errorf("%s: %w: %w", c, ErrIntegrity, err)
	}
	return plain, nil
}

func (t *scp03Card) protect(c card.Command) card.Command {
	if t.level&LevelCMAC == 0 {
		return c
	}
	t.count++
	if t.level&LevelCDEC != 0 && len(c.Data) > 0 {
		c.Data = encrypt(t.enc, t.iv(false), pad(c.Data, aes.BlockSize))
	}
	// Le stays what the command itself expects, without the checksum (GPC amendment
	// D, 6.2.4 signs no Le): applications answer by it before the answer is wrapped.
	c.CLA = secureClass(c.CLA)
	return t.sign(c)
}

func (t *scp03Card) unprotect(r card.Response) (card.Response, error) {
	if t.level&LevelRMAC == 0 {
		return r, nil
	}
	if !protected(r.SW) {
		if len(r.Data) > 0 {
			return card.Response{}, fmt.Errorf("data with %s", r.SW)
		}
		return r, nil
	}
	n := len(r.Data) - t.size
	if n < 0 || !equal(r.Data[n:], t.responseMAC(r.Data[:n], r.SW)) {
		return card.Response{}, errors.New("wrong checksum")
	}
	r.Data = r.Data[:n:n]
	if t.level&LevelRENC == 0 || n == 0 {
		return r, nil
	}
	plain, err := decrypt(t.enc, t.iv(true), r.Data)
	if err != nil {
		return card.Response{}, err
	}
	r.Data, err = unpad(plain)
	return r, err
}

// WrapKey encrypts a key for PUT KEY (GPC amendment D, 6.2.8 and 7.2).
func (t *scp03Card) WrapKey(key []byte) (wrapped, kcv []byte, err error) {
	if !t.open() {
		return nil, nil, ErrClosed
	}
	if kcv, err = KCV(key); err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(t.dek)
	if err != nil {
		return nil, nil, err
	}
	filled := make([]byte, (len(key)+aes.BlockSize-1)/aes.BlockSize*aes.BlockSize)
	defer wipe(filled)
	if _, err := rand.Read(filled[copy(filled, key):]); err != nil {
		return nil, nil, err
	}
	return encrypt(block, make([]byte, aes.BlockSize), filled), kcv, nil
}

// SCP03Chip is the chip's end of SCP03, for one application.
type SCP03Chip struct {
	// Invoker is the AID of the application that is selected: a part of the card
	// challenge where I says pseudo-random.
	Invoker []byte

	static  StaticKeys
	info    KeyInfo
	seq     uint32
	rand    io.Reader
	pending *scp03 // between Initialize and Authenticate
	current *scp03
}

// NewSCP03Chip is a chip's end with that key set. info.I chooses among the
// options; seq (24 bits) is the sequence counter that the first Initialize uses,
// where the challenge is made from it; rand nil is the system's.
func NewSCP03Chip(keys StaticKeys, info KeyInfo, seq uint32, rand io.Reader) *SCP03Chip {
	info.Protocol = 3
	return &SCP03Chip{static: keys, info: info, seq: seq, rand: rand}
}

// Sequence is the counter that the next Initialize will use: what a chip keeps.
func (c *SCP03Chip) Sequence() uint32 { return c.seq }

// Level is the security level of the open channel, 0 without one.
func (c *SCP03Chip) Level() byte {
	if c.current == nil || !c.current.open() {
		return 0
	}
	return c.current.level
}

// Close ends the channel and wipes its keys, as the selection of an application
// or a reset does.
func (c *SCP03Chip) Close() {
	for _, s := range []*scp03{c.pending, c.current} {
		if s != nil {
			s.close()
		}
	}
	c.pending, c.current = nil, nil
}

// Initialize answers INITIALIZE UPDATE and ends the channel before it. The host
// challenge is 8 bytes, 16 where I says S16. An error wraps the card.Status to
// answer: 6700 for another length, 6985 where the counter is used up.
func (c *SCP03Chip) Initialize(hostChallenge []byte) (resp []byte, err error) {
	c.Close()
	size := 8
	if c.info.I&OptionS16 != 0 {
		size = 16
	}
	if len(hostChallenge) != size {
		return nil, fmt.Errorf("scp03: host challenge of %d bytes: %w", len(hostChallenge), card.WrongLength)
	}
	if c.seq > 0xFFFFFF {
		return nil, fmt.Errorf("scp03: sequence counter used up: %w", card.ConditionsNotSatisfied)
	}
	counter := binary.BigEndian.AppendUint32(nil, c.seq)[1:]
	var challenge []byte
	if c.info.I&OptionPseudoRandom != 0 {
		challenge, err = derive(c.static.ENC, deriveCardChallenge, size, counter, c.Invoker)
	} else {
		counter = nil
		challenge, err = random(c.rand, size)
	}
	if err == nil {
		c.pending, err = newSCP03(c.static, hostChallenge, challenge)
	}
	if err != nil {
		return nil, fmt.Errorf("scp03: %w: %w", err, card.NoPreciseDiagnosis)
	}
	c.seq++
	head := append(c.info.Diversification[:], c.info.Version, c.info.Protocol, c.info.I)
	return bytes.Join([][]byte{head, challenge, c.pending.card, counter}, nil), nil
}

// Authenticate answers EXTERNAL AUTHENTICATE as it was received, and opens the
// channel. An error wraps the card.Status to answer: 6985 without Initialize
// before it, 6700, 6982 for a wrong checksum, 6300 for a wrong cryptogram, 6A86
// for a level that the chip does not have.
func (c *SCP03Chip) Authenticate(cmd card.Command) (Secure, error) {
	s := c.pending
	c.pending = nil
	if s == nil {
		return nil, fmt.Errorf("scp03: not initialised: %w", card.ConditionsNotSatisfied)
	}
	if err := c.authenticate(s, cmd); err != nil {
		s.close()
		return nil, err
	}
	s.level = cmd.P1
	c.current = s
	return scp03Chip{s}, nil
}

func (c *SCP03Chip) authenticate(s *scp03, cmd card.Command) error {
	if len(cmd.Data) != 2*s.size {
		return fmt.Errorf("scp03: external authenticate with %d bytes: %w", len(cmd.Data), card.WrongLength)
	}
	if err := checkLevel(cmd.P1, c.info.I); err != nil {
		return fmt.Errorf("%w: %w", err, card.IncorrectP1P2)
	}
	if err := s.verify(cmd); err != nil {
		return err
	}
	if !equal(cmd.Data[:s.size], s.host) {
		return fmt.Errorf("scp03: %w: %w", ErrNotAuthentic, AuthenticationFailed)
	}
	return nil
}

// verify checks the checksum that ends a command's data and moves the chain on.
func (s *scp03) verify(c card.Command) error {
	n := len(c.Data) - s.size
	if n < 0 || c.CLA != secureClass(c.CLA) {
		return fmt.Errorf("%w: %w", ErrIntegrity, card.SecurityNotSatisfied)
	}
	next := s.commandMAC(c)
	if !equal(c.Data[n:], next[:s.size]) {
		return fmt.Errorf("%w: %w", ErrIntegrity, card.SecurityNotSatisfied)
	}
	s.chain = next
	return nil
}

// UnwrapKey is the inverse of WrapKey; the key's own length is the PUT KEY
// command's to say. It fails without an open channel.
func (c *SCP03Chip) UnwrapKey(wrapped []byte) (key []byte, err error) {
	if c.current == nil || !c.current.open() {
		return nil, fmt.Errorf("%w: %w", ErrClosed, card.SecurityNotSatisfied)
	}
	block, err := aes.NewCipher(c.current.dek)
	if err != nil {
		return nil, err
	}
	key, err = decrypt(block, make([]byte, aes.BlockSize), wrapped)
	if err != nil {
		return nil, fmt.Errorf("scp03: wrapped key: %w: %w", err, card.IncorrectData)
	}
	return key, nil
}

// scp03Chip is the open channel as the chip has it.
type scp03Chip struct{ *scp03 }

func (s scp03Chip) Unprotect(c card.Command) (card.Command, error) {
	if !s.open() {
		return card.Command{}, fmt.Errorf("%w: %w", ErrClosed, card.SecurityNotSatisfied)
	}
	if s.level&LevelCMAC == 0 {
		return c, nil
	}
	plain, err := s.unprotect(c)
	if err != nil {
		s.close()
		return card.Command{}, fmt.Errorf("%s: %w", c, err)
	}
	return plain, nil
}

func (s scp03Chip) unprotect(c card.Command) (card.Command, error) {
	s.count++
	if err := s.verify(c); err != nil {
		return card.Command{}, err
	}
	n := len(c.Data) - s.size
	c.CLA, c.Data = unsecureClass(c.CLA), c.Data[:n:n]
	if s.level&LevelCDEC == 0 || n == 0 {
		return c, nil
	}
	plain, err := decrypt(s.enc, s.iv(false), c.Data)
	if err == nil {
		c.Data, err = unpad(plain)
	}
	if err != nil {
		return card.Command{}, fmt.Errorf("%w: %w", err, card.SecurityNotSatisfied)
	}
	return c, nil
}

func (s scp03Chip) Protect(r card.Response) (card.Response, error) {
	if !s.open() {
		return card.Response{}, ErrClosed
	}
	if s.level&LevelRMAC == 0 {
		return r, nil
	}
	if !protected(r.SW) {
		return card.Response{SW: r.SW}, nil
	}
	if s.level&LevelRENC != 0 && len(r.Data) > 0 {
		r.Data = encrypt(s.enc, s.iv(true), pad(r.Data, aes.BlockSize))
	}
	r.Data = append(bytes.Clone(r.Data), s.responseMAC(r.Data, r.SW)...)
	return r, nil
}
