package piv

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// What a Content does about attestation: the statement, under a key of the maker's, that
// a key was made on the token (developers.yubico.com, PIV attestation).
const (
	AttestationNone     = "none"     // it is not asked for
	AttestationUsed     = "used"     // where the token has it; what contradicts it is an error
	AttestationRequired = "required" // without it, or with a maker's that is not trusted, no key is certified
)

// Attestation says what is done about attestation.
type Attestation struct {
	Policy string              // one of the above; empty is none
	Makers []*x509.Certificate // the makers' CAs; none stands for Yubico's, as piv-go has them
}

// attests tells whether keys are to be attested.
func (p Content) attests() bool {
	return p.Attestation.Policy == AttestationUsed || p.Attestation.Policy == AttestationRequired
}

// objectMaker is the certificate of the attestation key, in slot F9.
const objectMaker tlv.Tag = 0x5FFF01

// made is a key pair on the chip and, where it has one, the attestation of it and the
// certificate of the key that signed that.
type made struct{ leaf, maker *x509.Certificate }

// statement is what an attestation says.
type statement struct {
	serial   uint32
	firmware string
	pin      Policy
	touch    string
	slot     Slot // 0 where it does not say
}

// errUnattested says that a key has no attestation.
var errUnattested = errors.New("the token has no attestation of it")

// attestationOf asks for the attestation of a slot's key (INS F9) and the maker's
// certificate; what the token refuses is errUnattested.
func attestationOf(c card.Card, slot Slot) (made, error) {
	b, err := card.Do(c, card.Command{INS: 0xF9, P1: byte(slot), Ne: card.MaxShortNe})
	if err != nil {
		return made{}, unattested(err)
	}
	if len(b) > maxObject {
		return made{}, fmt.Errorf("attestation of slot %s: %d bytes", slot, len(b))
	}
	if inner, err := tlv.One(b, 0x70); err == nil {
		b = inner
	}
	leaf, err := x509.ParseCertificate(b)
	if err != nil {
		return made{}, fmt.Errorf("attestation of slot %s: %w", slot, err)
	}
	v, err := getData(c, objectMaker)
	if err != nil {
		return made{}, unattested(err)
	}
	maker, err := parseCertificate(attestationSlot, v)
	return made{leaf, maker}, err
}

// unattested lets through what says that the chip can no longer be spoken to.
func unattested(err error) error {
	var refused *card.Error
	if errors.As(err, &refused) {
		return fmt.Errorf("%w: %w", errUnattested, err)
	}
	return err
}

// attested holds an attestation against the key that it should be of, and gives what a
// receipt says of it. serial is the token's, 0 where that is not known.
func (p Content) attested(k Key, pub any, m made, serial uint32) (string, error) {
	if m.leaf == nil {
		return p.missing(errUnattested)
	}
	s, err := readAttestation(m.leaf)
	if err != nil {
		return "", fmt.Errorf("attestation of slot %s: %w", k.Slot, err)
	}
	theirs, err := x509.MarshalPKIXPublicKey(m.leaf.PublicKey)
	if err != nil {
		return "", fmt.Errorf("attestation of slot %s: %w", k.Slot, err)
	}
	ours, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", err
	}
	switch {
	case !bytes.Equal(ours, theirs):
		err = errors.New("is of another key")
	case s.pin != k.policy():
		err = fmt.Errorf("says pin %s, the profile wants %s", s.pin, k.policy())
	case s.touch != touchNever:
		err = fmt.Errorf("says touch %s, want never", s.touch)
	case serial != 0 && s.serial != serial:
		err = fmt.Errorf("is of token %d, this one is %d", s.serial, serial)
	case s.slot != 0 && s.slot != k.Slot:
		err = fmt.Errorf("is of slot %s", s.slot)
	}
	if err != nil {
		return "", &judgement{fmt.Errorf("attestation of slot %s %w", k.Slot, err)}
	}
	if err := trustMaker(p.Attestation.Makers, m); err != nil {
		return p.missing(fmt.Errorf("the attestation's maker is not trusted: %w", err))
	}
	return fmt.Sprintf("made on token %d, firmware %s, pin %s, touch %s, attested by %s", s.serial, s.firmware, s.pin, s.touch, m.maker.Issuer.CommonName), nil
}

// missing is what an attestation that is not there means.
func (p Content) missing(why error) (string, error) {
	if p.Attestation.Policy == AttestationRequired {
		return "", &judgement{fmt.Errorf("attestation is required: %w", why)}
	}
	return "not attested: " + why.Error(), nil
}

// origin states how the key of a slot that was read back was made: by its attestation or,
// without one, by its metadata.
func (p Content) origin(c card.Card, k Key, cert *x509.Certificate, serial uint32) (string, error) {
	said := ""
	if p.attests() {
		m, err := attestationOf(c, k.Slot)
		if err != nil && !errors.Is(err, errUnattested) {
			return "", err
		}
		if said, err = p.attested(k, cert.PublicKey, m, serial); err != nil || m.leaf != nil {
			return said, err
		}
	}
	pin, known, err := pinPolicy(c, k.Slot)
	if err != nil {
		return "", err
	}
	if known && pin != k.policy() {
		return "", &judgement{fmt.Errorf("key of slot %s has pin %s, the profile wants %s", k.Slot, pin, k.policy())}
	}
	switch {
	case said != "" && known:
		said += fmt.Sprintf("; pin %s by its metadata", pin)
	case said != "":
		said += "; its pin policy cannot be read"
	}
	return said, nil
}

// pinPolicy asks GET METADATA for a key's PIN policy; known is false where the chip has
// no such command.
func pinPolicy(c card.Card, slot Slot) (pin Policy, known bool, err error) {
	resp, err := c.Transmit(card.Command{INS: 0xF7, P2: byte(slot), Ne: card.MaxShortNe})
	if err != nil || resp.SW != card.OK {
		return "", false, err
	}
	v, err := tlv.Find(resp.Data, 0x02)
	if err != nil || len(v) != 2 {
		return "", false, nil
	}
	for p, code := range policies {
		if code == v[0] {
			return p, true, nil
		}
	}
	return Policy(fmt.Sprintf("policy %02X", v[0])), true, nil
}
