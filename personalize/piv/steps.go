package piv

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// Dialects.
const (
	Auto    = "auto"   // piv-go where it can be used, else own
	Library = "piv-go" // piv-go, and an error where it cannot be used
	Own     = "own"    // the commands of this package
)

// Secrets of an application. PIN is 6 to 8 digits, PUK 8; the management key is 24
// bytes, AES-192 or Triple DES as the chip has it.
type Secrets struct {
	PIN, PUK      string
	ManagementKey []byte
}

// String keeps the secrets out of every log.
func (Secrets) String() string { return "piv secrets" }

// GoString does the same for %#v.
func (Secrets) GoString() string { return "piv secrets" }

// Key is one key pair to be made on the chip.
type Key struct {
	Slot      Slot
	Algorithm Algorithm
	PIN       Policy // empty is the slot's own
}

// Content is what goes into the application of one chip.
type Content struct {
	Dialect string
	Factory Secrets // as the maker left them
	Issued  Secrets
	// KeepManagementKey leaves the management key as the maker set it, for a card
	// that knows no command to replace it: the standard has none. Issued has then
	// the maker's too.
	KeepManagementKey bool
	// Extended says that the chip may take extended length; one that refuses it is
	// given chains.
	Extended    bool
	Keys        []Key
	Attestation Attestation
	CHUID       CHUID
	Objects     []Object // besides CHUID and CCC
	// Certify makes the certificate over a public key that the chip has just made.
	Certify func(Slot, crypto.PublicKey) (*x509.Certificate, error)
	// CertificateSize is how many bytes that will have, but for a few; for counting, may
	// be nil.
	CertificateSize func(Key) int
	// Trust judges a certificate found on the chip: signed by the issuer's CA, for
	// this slot and holder.
	Trust func(Slot, *x509.Certificate) error
	// TrustSigner judges the certificate that signed the CHUID; not asked where that is
	// not signed.
	TrustSigner func(*x509.Certificate) error
}

// Step is one change of the application.
type Step struct {
	name  string
	holds func(card.Card) (bool, error)
	do    func(card.Card) error
	tells string
	sends func() []card.Command
}

// Name is "piv/" and what is changed.
func (s Step) Name() string { return "piv/" + s.name }

// Holds asks the chip.
func (s Step) Holds(c card.Card) (bool, error) { return s.holds(c) }

// Do changes the chip; c is what Content.Open returned.
func (s Step) Do(c card.Card) error { return s.do(c) }

// Tells says in words what Do does.
func (s Step) Tells() string { return s.tells }

// Sends are the commands of Do to a blank chip in our own dialect, with zeros for what is
// secret or not known beforehand; none where piv-go sends them. A certificate is a few
// bytes longer or shorter; a chip whose management key is AES, or that does not attest, is
// asked once less.
func (s Step) Sends() []card.Command {
	if s.sends == nil {
		return nil
	}
	return s.sends()
}

// Open is for an application that Locked has just selected; PIV has no personalisation
// channel, changes authenticate by themselves. What it returns is an io.Closer too, which must be
// closed before c is used again.
func (p Content) Open(c card.Card) (card.Card, error) {
	a, err := open(c, p.Dialect, p.Extended)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Locked tells whether all of it is there: the CHUID is written last, so it is the
// mark that all before it was done.
func (p Content) Locked(c card.Card) (bool, error) {
	if err := Select(c); err != nil {
		return false, err
	}
	v, err := getData(c, objectCHUID)
	var refused *card.Error
	if err != nil && !errors.Is(err, errObject) && !errors.As(err, &refused) {
		return false, err
	}
	return err == nil && p.CHUID.same(v), nil
}

// Steps are: PIN, PUK, management key, then for each slot its key and certificate,
// the objects, the CCC, and the CHUID last.
func (p Content) Steps() []Step {
	var m memory
	steps := []Step{p.pin(&m), p.puk(&m)}
	if !p.KeepManagementKey {
		steps = append(steps, p.managementKey(&m))
	}
	for _, k := range p.Keys {
		steps = append(steps, p.key(&m, k))
	}
	for _, o := range append(slices.Clone(p.Objects), p.CHUID.CCC(), p.CHUID.Object()) {
		steps = append(steps, p.object(&m, o))
	}
	return steps
}

// memory is what one way through the steps knows of the chip. The PIN's step comes
// first and sets it anew: a chip that still has the maker's PIN has nothing of what
// comes after it either, and is not asked.
type memory struct{ blank bool }

// errNotOpened says that a step was not given what Open returned.
var errNotOpened = errors.New("the piv application was not opened for personalisation")

func (p Content) change(ref reference, old, new []byte) func(card.Card) error {
	return func(c card.Card) error {
		a, ok := c.(*application)
		if !ok {
			return errNotOpened
		}
		return a.dialect().change(ref, old, new)
	}
}

// unlessBlank asks a chip only where its PIN is the issuer's.
func (m *memory) unlessBlank(ask func(card.Card) (bool, error)) func(card.Card) (bool, error) {
	return func(c card.Card) (bool, error) {
		if m.blank {
			return false, nil
		}
		return ask(c)
	}
}

// pin holds where the issued PIN verifies. On a chip that cannot say whether its PIN
// is still the maker's, asking costs a try, which the change that follows gives
// back.
func (p Content) pin(m *memory) Step {
	ask := p.secretHolds(pin, func(c card.Card) error { return verify(c, []byte(p.Issued.PIN)) })
	return Step{
		name:  "pin",
		tells: p.counted("the maker's pin is replaced by the card's own"),
		sends: p.ours(func() []card.Command { return changes(pin) }),
		holds: func(c card.Card) (bool, error) {
			holds, err := ask(c)
			m.blank = err == nil && !holds
			return holds, err
		},
		do: p.change(pin, []byte(p.Factory.PIN), []byte(p.Issued.PIN)),
	}
}

// puk holds where the issued PUK can be changed into itself: there is no command
// that only verifies it.
func (p Content) puk(m *memory) Step {
	issued := []byte(p.Issued.PUK)
	ask := p.secretHolds(puk, func(c card.Card) error { return changeReference(c, puk, issued, issued) })
	return Step{
		name:  "puk",
		tells: p.counted("the maker's puk is replaced by the card's own"),
		sends: p.ours(func() []card.Command { return changes(puk) }),
		holds: m.unlessBlank(ask),
		do:    p.change(puk, []byte(p.Factory.PUK), issued),
	}
}

// secretHolds asks without risk first, then by try.
func (p Content) secretHolds(ref reference, try func(card.Card) error) func(card.Card) (bool, error) {
	return func(c card.Card) (bool, error) {
		isDefault, known, err := factoryDefault(c, ref)
		if err != nil || known && isDefault {
			return false, err
		}
		err = try(c)
		var refused *card.Error
		if !errors.As(err, &refused) {
			return err == nil, err
		}
		if n, ok := refused.SW.Retries(); ok && n > 0 {
			return false, nil
		}
		return false, fmt.Errorf("%s is neither the maker's nor the issuer's: %w", ref, err)
	}
}

// managementKey holds where the chip authenticates with the issued key; a wrong one
// costs no try.
func (p Content) managementKey(m *memory) Step {
	return Step{
		name:  "management-key",
		tells: p.counted("the maker's management key is replaced by the card's own"),
		sends: p.ours(p.replaces),
		holds: m.unlessBlank(func(c card.Card) (bool, error) {
			_, err := authenticate(c, p.Issued.ManagementKey)
			var refused *card.Error
			if errors.As(err, &refused) {
				return false, nil
			}
			return err == nil, err
		}),
		do: p.change(managementKey, p.Factory.ManagementKey, p.Issued.ManagementKey),
	}
}

// key is key pair and certificate together, for a key cannot be read back: it holds
// where the certificate on the chip is the issuer's for this holder and the chip
// signs with its private half. A tear between the two leaves a key without a
// certificate, or under the certificate of the key before it; either way the chip
// makes a new key. A certificate that was signed and never arrived certifies a key
// that no longer exists.
func (p Content) key(m *memory, k Key) Step {
	return Step{
		name:  "key-" + k.Slot.String(),
		tells: p.counted(fmt.Sprintf("a %s key pair, pin %s, is made on the chip and its certificate stored", k.Algorithm, k.policy())),
		sends: p.ours(func() []card.Command { return p.makes(k) }),
		holds: m.unlessBlank(func(c card.Card) (bool, error) {
			_, err := p.check(c, k)
			if err == nil {
				return true, nil
			}
			return false, transportOnly(err)
		}),
		do: func(c card.Card) error {
			a, ok := c.(*application)
			if !ok {
				return errNotOpened
			}
			d := a.dialect()
			pub, m, err := d.generate(p.Issued.ManagementKey, k, p.attests())
			if err != nil {
				return err
			}
			if p.attests() {
				if _, err := p.attested(k, pub, m, 0); err != nil {
					return err
				}
			}
			cert, err := p.Certify(k.Slot, pub)
			if err != nil {
				return fmt.Errorf("certify key of slot %s: %w", k.Slot, err)
			}
			return d.store(p.Issued.ManagementKey, k.Slot, cert)
		},
	}
}

// transportOnly lets through what says that the chip can no longer be spoken to, and
// drops what only says that the chip does not hold something.
func transportOnly(err error) error {
	var refused *card.Error
	var judged *judgement
	if errors.As(err, &refused) || errors.As(err, &judged) {
		return nil
	}
	return err
}

// judgement is a certificate that was read and found wrong.
type judgement struct{ err error }

func (j *judgement) Error() string { return j.err.Error() }
func (j *judgement) Unwrap() error { return j.err }

// check reads a slot's certificate, judges it, and has the chip sign.
func (p Content) check(c card.Card, k Key) (*x509.Certificate, error) {
	slot := k.Slot
	tag, _ := slot.object()
	v, err := getData(c, tag)
	if err != nil {
		return nil, err
	}
	cert, err := parseCertificate(slot, v)
	if err != nil {
		return nil, &judgement{err}
	}
	if err := p.Trust(slot, cert); err != nil {
		return nil, &judgement{fmt.Errorf("certificate of slot %s: %w", slot, err)}
	}
	secret := p.Issued.PIN
	if k.policy() == Never {
		secret = ""
	}
	if err := Possession(c, slot, cert.PublicKey, secret); err != nil {
		if errors.Is(err, ErrForeignKey) {
			return nil, &judgement{err}
		}
		return nil, err
	}
	return cert, nil
}

func (p Content) object(m *memory, o Object) Step {
	return Step{
		name:  o.Name,
		tells: fmt.Sprintf("data object %s of %d bytes", o.Tag, len(o.Value)),
		sends: func() []card.Command { return cut(putData(o.Tag, o.Value), p.Extended) },
		holds: m.unlessBlank(func(c card.Card) (bool, error) {
			if o.Private {
				if err := verify(c, []byte(p.Issued.PIN)); err != nil {
					return false, transportOnly(err)
				}
			}
			return p.has(c, o.Tag, o.Value)
		}),
		do: func(c card.Card) error {
			a, ok := c.(*application)
			if !ok {
				return errNotOpened
			}
			return own{a}.put(p.Issued.ManagementKey, o.Tag, o.Value)
		},
	}
}

// has tells whether the data object reads back as value; an object that is missing
// or unreadable does not.
func (p Content) has(c card.Card, tag tlv.Tag, value []byte) (bool, error) {
	resp, err := c.Transmit(getCommand(tag))
	if err != nil || resp.SW != card.OK {
		return false, err
	}
	return bytes.Equal(resp.Data, tlv.New(0x53, value)), nil
}

// Prove reads each certificate back, judges it and has the chip sign with its key, and
// holds the data objects against what was to be written and the signatures on them.
func (p Content) Prove(c card.Card) (Proof, error) {
	c = stretched(c, p.Extended)
	if err := Select(c); err != nil {
		return Proof{}, err
	}
	serial, err := p.serial(c)
	if err != nil {
		return Proof{}, err
	}
	proof := Proof{Certificates: map[string]string{}, Attestations: map[string]string{}}
	for _, k := range p.Keys {
		cert, err := p.check(c, k)
		if err != nil {
			return Proof{}, err
		}
		sum := sha256.Sum256(cert.Raw)
		proof.Certificates[k.Slot.String()] = hex.EncodeToString(sum[:])
		said, err := p.origin(c, k, cert, serial)
		if err != nil {
			return Proof{}, err
		}
		if said != "" {
			proof.Attestations[k.Slot.String()] = said
		}
	}
	return proof, p.proveObjects(c)
}

// Proof is what was read back, by slot ("9a").
type Proof struct {
	Certificates map[string]string // SHA-256 of each certificate, lower-case hex
	Attestations map[string]string // in words, how the key was made; none where that is not asked for
}

// serial is the token's own number, which attestations must be of; 0 where it gives none.
func (p Content) serial(c card.Card) (uint32, error) {
	if !p.attests() {
		return 0, nil
	}
	n, err := serialNumber(c)
	var refused *card.Error
	if errors.As(err, &refused) {
		return 0, nil
	}
	return n, err
}

// proveObjects reads the data objects with the holder's PIN. Those that are signed
// are another each time that they are made, and are held against the signer.
func (p Content) proveObjects(c card.Card) error {
	if slices.ContainsFunc(p.Objects, func(o Object) bool { return o.Private }) {
		if err := verify(c, []byte(p.Issued.PIN)); err != nil {
			return err
		}
	}
	values := map[tlv.Tag][]byte{}
	for _, o := range append(slices.Clone(p.Objects), p.CHUID.CCC(), p.CHUID.Object()) {
		v, err := getData(c, o.Tag)
		if err != nil {
			return err
		}
		values[o.Tag] = v
	}
	var signer *x509.Certificate
	if len(p.CHUID.signature) > 0 {
		var err error
		if signer, err = p.CHUID.signer(values[objectCHUID]); err != nil {
			return err
		}
		if err := p.TrustSigner(signer); err != nil {
			return fmt.Errorf("signer of the chuid: %w", err)
		}
	}
	security := values[objectSecurity]
	delete(values, objectSecurity)
	for _, o := range append(slices.Clone(p.Objects), p.CHUID.CCC()) {
		var err error
		switch v := values[o.Tag]; {
		case o.Tag == objectSecurity:
			err = checkSecurity(security, signer, values)
		case o.Tag == objectFace || o.Tag == objectFingers:
			err = p.CHUID.sameBiometric(o.Value, v, signer)
		case !bytes.Equal(o.Value, v):
			err = errors.New("is another than this record's")
		}
		if err != nil {
			return fmt.Errorf("data object %s: %w", o.Name, err)
		}
	}
	return nil
}
