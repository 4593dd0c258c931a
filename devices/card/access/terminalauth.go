package access

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"cardstation/devices/card"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/tlv"
)

// TerminalAuthenticationInfo is the security info by which DG14 says that the chip
// asks for terminal authentication version 1 (Doc 9303-11, 9.2.8).
func TerminalAuthenticationInfo() []byte {
	der, _ := asn1.Marshal(chipInfo{Protocol: idTA, Version: 1}) // of constants
	return der
}

// OffersTerminalAuthentication tells whether the security infos of DG14 name
// terminal authentication version 1.
func OffersTerminalAuthentication(b []byte) (bool, error) {
	raws, err := securityInfos(b)
	if err != nil {
		return false, err
	}
	for _, raw := range raws {
		var i struct {
			Protocol asn1.ObjectIdentifier
			Version  int
			File     asn1.RawValue `asn1:"optional"`
		}
		if _, err := asn1.Unmarshal(raw.FullBytes, &i); err == nil && i.Protocol.Equal(idTA) && i.Version == 1 {
			return true, nil
		}
	}
	return false, nil
}

// File identifiers of EF.CVCA inside the eMRTD application (Doc 9303-11, appendix K;
// TR-03110-3, A.7).
const (
	CVCAFile  = 0x011C
	CVCAShort = 0x1C
	cvcaSize  = 36
)

const tagReference tlv.Tag = 0x42

// EncodeCVCA makes EF.CVCA: the references of one or two trust points, newest first,
// filled with zeros to 36 bytes (Doc 9303-11, appendix K).
func EncodeCVCA(references ...string) ([]byte, error) {
	var b []byte
	for _, r := range references {
		if r == "" || len(r) > cvc.MaxReference {
			return nil, fmt.Errorf("access: ef.cvca: reference of %d characters", len(r))
		}
		b = tlv.Append(b, tagReference, []byte(r))
	}
	if len(references) == 0 || len(b) > cvcaSize {
		return nil, fmt.Errorf("access: ef.cvca: %d references, not 1 or 2", len(references))
	}
	return append(b, make([]byte, cvcaSize-len(b))...), nil
}

// ParseCVCA reads EF.CVCA: the authorities whose certificates the chip starts from.
func ParseCVCA(b []byte) ([]string, error) {
	var all []string
	for len(b) > 0 && b[0] != 0 {
		o, rest, err := tlv.Next(b)
		if err != nil || o.Tag != tagReference || len(o.Value) == 0 || len(o.Value) > cvc.MaxReference || len(all) == 2 {
			return nil, errors.New("access: ef.cvca: not one or two references")
		}
		all, b = append(all, string(o.Value)), rest
	}
	for _, pad := range b {
		if pad != 0 {
			return nil, errors.New("access: ef.cvca: data after the references")
		}
	}
	if len(all) == 0 {
		return nil, errors.New("access: ef.cvca: no reference")
	}
	return all, nil
}

// challengeSize is the length of the chip's challenge.
const challengeSize = 8

// TerminalAuthentication shows a chip what this office may read, fingerprints for
// one (Doc 9303-11, 7.1; TR-03110-3, A.7, version 1). It runs inside the channel that
// ChipAuthentication opened, or PACE with chip authentication mapping, to which it is
// bound, and leaves that channel as it is.
type TerminalAuthentication struct {
	// Chain holds the terminal's certificate, that of its verifier, and the link
	// certificates that old chips may need; the order does not matter where Trusted is
	// given, and is that of sending where it is not.
	Chain []cvc.Certificate
	// Key is the terminal's, in memory or in a security module.
	Key crypto.Signer
	// Trusted are the references in the chip's EF.CVCA; the shortest way from one of
	// them is sent.
	Trusted []string
}

// Open sends the certificates and signs the chip's challenge. A chip that takes no
// certificate, or not the signature, gives a *card.Error that names the command;
// cvc.ErrAuthority means that no certificate here leads on from the ones that the
// chip trusts. The card returned is c.
func (a TerminalAuthentication) Open(c card.Card) (card.Card, error) {
	if err := a.run(c); err != nil {
		return nil, fmt.Errorf("terminal authentication: %w", err)
	}
	return c, nil
}

func (a TerminalAuthentication) run(c card.Card) error {
	o, ok := c.(opened)
	if !ok || o.inner().key == "" {
		return errors.New("access: chip authentication has to come before")
	}
	terminal, err := a.terminal()
	if err != nil {
		return err
	}
	chain := a.Chain
	if a.Trusted != nil {
		if chain, err = cvc.Path(a.Chain, terminal.Holder, a.Trusted...); err != nil {
			return err
		}
	}
	for _, cert := range chain {
		if err := presentCertificate(c, cert); err != nil {
			return fmt.Errorf("certificate %s: %w", cert.Holder, err)
		}
	}
	if _, err := card.Do(c, card.Command{INS: 0x22, P1: 0x81, P2: 0xA4, Data: tlv.New(0x83, []byte(terminal.Holder))}); err != nil {
		return fmt.Errorf("mse set at: %w", err)
	}
	challenge, err := card.Do(c, card.Command{INS: 0x84, Ne: challengeSize})
	if err != nil {
		return fmt.Errorf("get challenge: %w", err)
	}
	if len(challenge) != challengeSize {
		return fmt.Errorf("challenge of %d bytes, not %d", len(challenge), challengeSize)
	}
	key := cvc.PublicKey{Algorithm: terminal.Key.Algorithm, Key: a.Key.Public()}
	signature, err := cvc.SignMessage(a.Key, key, terminalProof([]byte(o.inner().id), challenge, []byte(o.inner().key)))
	if err != nil {
		return err
	}
	if _, err := card.Do(c, card.Command{INS: 0x82, Data: signature}); err != nil {
		return fmt.Errorf("external authenticate: %w", err)
	}
	return nil
}

// terminal finds the terminal's own certificate.
func (a TerminalAuthentication) terminal() (cvc.Certificate, error) {
	for _, c := range a.Chain {
		if c.Authorization.Role() == cvc.Terminal && a.Key != nil {
			return c, nil
		}
	}
	return cvc.Certificate{}, fmt.Errorf("no terminal's certificate or key: %w", cvc.ErrAuthority)
}

func presentCertificate(c card.Card, cert cvc.Certificate) error {
	if _, err := card.Do(c, card.Command{INS: 0x22, P1: 0x81, P2: 0xB6, Data: tlv.New(0x83, []byte(cert.Authority))}); err != nil {
		return fmt.Errorf("mse set dst: %w", err)
	}
	if _, err := card.Do(c, card.Command{INS: 0x2A, P1: 0x00, P2: 0xBE, Data: cert.Content()}); err != nil {
		return fmt.Errorf("verify certificate: %w", err)
	}
	return nil
}

// terminalProof is what the terminal signs: the chip's identity, its challenge and
// the terminal's newest key of chip authentication, compressed (Doc 9303-11, 7.1.2).
func terminalProof(id, challenge, key []byte) []byte {
	return bytes.Join([][]byte{id, challenge, key}, nil)
}

// TerminalAuthenticationChip is the chip's end: one for each channel that chip
// authentication opened.
type TerminalAuthenticationChip struct {
	verifier  *cvc.Verifier
	id, key   []byte
	rand      io.Reader
	authority string // named by MSE:SET DST
	terminal  *cvc.PublicKey
	rights    cvc.Authorization
	challenge []byte
	done      bool
}

// NewTerminalAuthenticationChip starts from what the chip keeps. id is the chip's
// identity (BACChip.ID or PACEChip.ID), key the terminal's
// (ChipAuthenticationChip.TerminalKey or PACEChip.TerminalKey); rand nil is the
// system's.
func NewTerminalAuthenticationChip(trust cvc.Trust, id, key []byte, rand io.Reader) (*TerminalAuthenticationChip, error) {
	if len(id) == 0 || len(key) == 0 {
		return nil, fmt.Errorf("terminal authentication: %w", errNoChannel)
	}
	v, err := cvc.NewVerifier(trust)
	if err != nil {
		return nil, fmt.Errorf("terminal authentication: %w", err)
	}
	return &TerminalAuthenticationChip{verifier: v, id: id, key: key, rand: rand}, nil
}

// Trust is what the chip keeps from here on: it changes with the certificates that
// VerifyCertificate takes, whatever comes after.
func (c *TerminalAuthenticationChip) Trust() cvc.Trust { return c.verifier.Trust() }

// SetDST answers MSE:SET DST, which names the authority of the next certificate
// (Doc 9303-11, 7.1.5.1). An error wraps the card.Status to answer: 6A80, or 6A88 for
// an authority that the chip does not know.
func (c *TerminalAuthenticationChip) SetDST(data []byte) error {
	c.authority, c.terminal, c.challenge = "", nil, nil
	name, err := tlv.One(data, 0x83)
	if err != nil {
		return fmt.Errorf("terminal authentication: %w: %w", err, card.IncorrectData)
	}
	if !c.verifier.Has(string(name)) {
		return fmt.Errorf("terminal authentication: authority not trusted: %w", card.ReferencedDataNotFound)
	}
	c.authority = string(name)
	return nil
}

// VerifyCertificate answers PSO: VERIFY CERTIFICATE (Doc 9303-11, 7.1.5.2). An error wraps
// the card.Status to answer: 6985 without MSE:SET DST before it, 6A80 for what is no
// certificate, 6300 for one that the chip does not take.
func (c *TerminalAuthenticationChip) VerifyCertificate(data []byte) error {
	authority := c.authority
	c.authority = ""
	if authority == "" {
		return fmt.Errorf("terminal authentication: no authority named: %w", card.ConditionsNotSatisfied)
	}
	cert, err := cvc.ParseContent(data)
	if err != nil {
		return fmt.Errorf("terminal authentication: %w: %w", err, card.IncorrectData)
	}
	if cert.Authority != authority {
		return fmt.Errorf("terminal authentication: certificate of another authority: %w", AuthenticationFailed)
	}
	if err := c.verifier.Add(cert); err != nil {
		return fmt.Errorf("terminal authentication: %w: %w", err, AuthenticationFailed)
	}
	return nil
}

// SetTemplate answers MSE:SET AT, which names the terminal (Doc 9303-11, 7.1.5.3). An
// error wraps the card.Status to answer: 6A80, 6A88 where no chain ended with that
// terminal, or 6982 where a terminal has been authenticated before.
func (c *TerminalAuthenticationChip) SetTemplate(data []byte) error {
	c.terminal, c.challenge = nil, nil
	if c.done {
		return errOnce
	}
	name, err := tlv.Find(data, 0x83)
	if err != nil {
		return fmt.Errorf("terminal authentication: %w: %w", err, card.IncorrectData)
	}
	cert, rights, err := c.verifier.Terminal()
	if err != nil || cert.Holder != string(name) {
		return fmt.Errorf("terminal authentication: no such terminal: %w", card.ReferencedDataNotFound)
	}
	c.terminal, c.rights = &cert.Key, rights
	return nil
}

// Challenge answers GET CHALLENGE with eight bytes, which hold for one Authenticate.
// An error wraps the card.Status to answer.
func (c *TerminalAuthenticationChip) Challenge() ([]byte, error) {
	challenge, err := random(c.rand, challengeSize)
	if err != nil {
		return nil, fmt.Errorf("terminal authentication: %w: %w", err, card.NoPreciseDiagnosis)
	}
	c.challenge = challenge
	return bytes.Clone(challenge), nil
}

// Authenticate answers EXTERNAL AUTHENTICATE: the rights are what the whole chain
// leaves the terminal, for as long as the channel lasts. An error wraps the
// card.Status to answer: 6985 out of order, 6300 for a wrong signature, 6982 once it has
// succeeded: a channel takes one terminal (Doc 9303-11, 7.1.3).
func (c *TerminalAuthenticationChip) Authenticate(signature []byte) (cvc.Authorization, error) {
	challenge := c.challenge
	c.challenge = nil
	if c.done {
		return cvc.Authorization{}, errOnce
	}
	if c.terminal == nil || challenge == nil {
		return cvc.Authorization{}, fmt.Errorf("terminal authentication: no terminal or no challenge before it: %w", card.ConditionsNotSatisfied)
	}
	if err := c.terminal.Verify(terminalProof(c.id, challenge, c.key), signature); err != nil {
		return cvc.Authorization{}, fmt.Errorf("terminal authentication: %w: %w", err, AuthenticationFailed)
	}
	c.done = true
	return c.rights, nil
}

var errOnce = fmt.Errorf("terminal authentication: done before in this channel: %w", card.SecurityNotSatisfied)
