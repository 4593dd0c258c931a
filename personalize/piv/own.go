package piv

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// own is the dialect of this package's commands: SP 800-73-4 part 2, and for the
// management key the SET MANAGEMENT KEY (INS FF) that most open and commercial PIV
// applications have taken over from YubiKeys.
type own struct{ app *application }

func (o own) change(ref reference, old, new []byte) error {
	if ref != managementKey {
		return changeReference(o.app, ref, old, new)
	}
	algorithm, err := authenticate(o.app, old)
	if err != nil {
		return err
	}
	if len(new) != len(old) {
		return fmt.Errorf("management key of %d bytes cannot replace one of %d", len(new), len(old))
	}
	data := append([]byte{algorithm, byte(managementKey), byte(len(new))}, new...)
	if _, err := card.Do(o.app, card.Command{INS: 0xFF, P1: 0xFF, P2: 0xFF, Data: data}); err != nil {
		return fmt.Errorf("set management key: %w", err)
	}
	return nil
}

// generate is GENERATE ASYMMETRIC KEY PAIR (SP 800-73-4 part 2, 3.3.2). The standard has
// no word for another PIN policy than the slot's: that is YubiKeys' tag AA, which other
// cards refuse.
func (o own) generate(key []byte, k Key, attest bool) (crypto.PublicKey, made, error) {
	if err := o.app.prove(key); err != nil {
		return nil, made{}, err
	}
	b, err := card.Do(o.app, k.generate())
	if err != nil {
		return nil, made{}, fmt.Errorf("generate key in slot %s, pin %s: %w", k.Slot, k.policy(), err)
	}
	pub, err := publicKey(k.Algorithm, b)
	if err != nil {
		return nil, made{}, fmt.Errorf("generate key in slot %s: answer: %w", k.Slot, err)
	}
	if !attest {
		return pub, made{}, nil
	}
	m, err := attestationOf(o.app, k.Slot)
	if errors.Is(err, errUnattested) {
		return pub, made{}, nil
	}
	return pub, m, err
}

func (k Key) generate() card.Command {
	control := tlv.New(0x80, []byte{byte(k.Algorithm)})
	if k.policy() != (Key{Slot: k.Slot}).policy() {
		control = tlv.Append(control, 0xAA, []byte{policies[k.policy()]})
	}
	return card.Command{INS: 0x47, P2: byte(k.Slot), Data: tlv.New(0xAC, control), Ne: card.MaxShortNe}
}

// publicKey reads the answer of GENERATE ASYMMETRIC KEY PAIR (SP 800-73-4 part 2,
// table 11).
func publicKey(a Algorithm, answer []byte) (crypto.PublicKey, error) {
	v, err := tlv.One(answer, 0x7F49)
	if err != nil {
		return nil, err
	}
	if a == RSA2048 {
		n, err := tlv.Find(v, 0x81)
		if err != nil {
			return nil, err
		}
		e, err := tlv.Find(v, 0x82)
		if err != nil {
			return nil, err
		}
		pub := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		if len(e) > 4 || pub.N.BitLen() != 2048 || pub.E < 3 {
			return nil, errors.New("not an rsa-2048 public key")
		}
		return pub, nil
	}
	curve := elliptic.P256()
	if a == P384 {
		curve = elliptic.P384()
	}
	point, err := tlv.Find(v, 0x86)
	if err != nil {
		return nil, err
	}
	return ecdsa.ParseUncompressedPublicKey(curve, point)
}

func (o own) store(key []byte, slot Slot, cert *x509.Certificate) error {
	tag, ok := slot.object()
	if !ok {
		return fmt.Errorf("piv slot %s has no certificate", slot)
	}
	return o.put(key, tag, certificateObject(cert))
}

// put is PUT DATA (SP 800-73-4 part 2, 3.3.1).
func (o own) put(key []byte, tag tlv.Tag, value []byte) error {
	if err := o.app.prove(key); err != nil {
		return err
	}
	if _, err := card.Do(o.app, putData(tag, value)); err != nil {
		return fmt.Errorf("put data object %s: %w", tag, err)
	}
	return nil
}

func putData(tag tlv.Tag, value []byte) card.Command {
	return card.Command{INS: 0xDB, P1: 0x3F, P2: 0xFF, Data: tlv.Append(tagList(tag), 0x53, value)}
}

// padded is a PIN or PUK as it travels: eight bytes, filled with FF (SP 800-73-4
// part 2, 2.4.3).
func padded(secret []byte) ([]byte, error) {
	if len(secret) < 6 || len(secret) > 8 {
		return nil, errors.New("pin or puk is not of 6 to 8 bytes")
	}
	out := []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}
	copy(out, secret)
	return out, nil
}

// verify is VERIFY with the PIN (SP 800-73-4 part 2, 3.2.1).
func verify(c card.Card, secret []byte) error {
	data, err := padded(secret)
	if err != nil {
		return err
	}
	if _, err := card.Do(c, card.Command{INS: 0x20, P2: byte(pin), Data: data}); err != nil {
		return fmt.Errorf("verify pin: %w", err)
	}
	return nil
}

// changeReference is CHANGE REFERENCE DATA (SP 800-73-4 part 2, 3.2.2).
func changeReference(c card.Card, ref reference, old, new []byte) error {
	before, err := padded(old)
	if err != nil {
		return err
	}
	after, err := padded(new)
	if err != nil {
		return err
	}
	if _, err := card.Do(c, card.Command{INS: 0x24, P2: byte(ref), Data: append(before, after...)}); err != nil {
		return fmt.Errorf("change %s: %w", ref, err)
	}
	return nil
}

// authenticate is mutual authentication with the management key (GENERAL
// AUTHENTICATE, SP 800-73-4 part 2, 3.2.4 and appendix A.1): the chip's encrypted
// witness is answered and the chip answers our challenge. It gives the algorithm
// the chip has the key under. A wrong key is an error that wraps a card.Status and
// costs no try.
func authenticate(c card.Card, key []byte) (algorithm byte, err error) {
	algorithm, witness, err := askWitness(c, key)
	if err != nil {
		return 0, fmt.Errorf("authenticate with management key: %w", err)
	}
	block, err := blockCipher(algorithm, key)
	if err != nil {
		return 0, err
	}
	n := block.BlockSize()
	if len(witness) != n {
		return 0, fmt.Errorf("authenticate with management key: witness of %d bytes instead of %d", len(witness), n)
	}
	plain, challenge, expected := make([]byte, n), make([]byte, n), make([]byte, n)
	block.Decrypt(plain, witness)
	if _, err := rand.Read(challenge); err != nil {
		return 0, err
	}
	block.Encrypt(expected, challenge)
	answer, err := dynamic(c, algorithm, byte(managementKey), 0x82, tlv.New(0x80, plain), tlv.New(0x81, challenge))
	if err != nil {
		return 0, fmt.Errorf("authenticate with management key: %w", err)
	}
	if subtle.ConstantTimeCompare(answer, expected) != 1 {
		return 0, errors.New("authenticate with management key: chip does not prove that it knows the key")
	}
	return algorithm, nil
}

// askWitness finds the algorithm of a key by its length; where two share one, the
// chip refuses the wrong one before anything is at stake. What was right before is
// tried first.
func askWitness(c card.Card, key []byte) (algorithm byte, witness []byte, err error) {
	candidates := map[int][]byte{16: {0x08}, 24: {0x0A, 0x03}, 32: {0x0C}}[len(key)]
	a, _ := c.(*application)
	if a != nil && slices.Contains(candidates, a.algorithm) {
		candidates = append([]byte{a.algorithm}, candidates...)
	}
	err = fmt.Errorf("key of %d bytes", len(key))
	for _, algorithm = range candidates {
		witness, err = dynamic(c, algorithm, byte(managementKey), 0x80, tlv.New(0x80))
		var refused *card.Error
		if err == nil || !errors.As(err, &refused) {
			break
		}
	}
	if a != nil && err == nil {
		a.algorithm = algorithm
	}
	return algorithm, witness, err
}

func blockCipher(algorithm byte, key []byte) (cipher.Block, error) {
	if algorithm == 0x03 {
		return des.NewTripleDESCipher(key)
	}
	return aes.NewCipher(key)
}

// dynamic is GENERAL AUTHENTICATE with a dynamic authentication template of the
// parts; it gives the object want of the answer.
func dynamic(c card.Card, algorithm, key byte, want tlv.Tag, parts ...[]byte) ([]byte, error) {
	cmd := card.Command{INS: 0x87, P1: algorithm, P2: key, Data: tlv.New(0x7C, parts...), Ne: card.MaxShortNe}
	b, err := card.Do(c, cmd)
	if err != nil {
		return nil, err
	}
	v, err := tlv.Find(b, 0x7C, want)
	if err != nil {
		return nil, fmt.Errorf("%s: answer: %w", cmd, err)
	}
	return v, nil
}

// factoryDefault asks GET METADATA (YubiKey firmware 5.3 and its like) whether a PIN
// or PUK is still the maker's; known is false where the chip has no such command.
func factoryDefault(c card.Card, ref reference) (isDefault, known bool, err error) {
	resp, err := c.Transmit(card.Command{INS: 0xF7, P2: byte(ref), Ne: card.MaxShortNe})
	if err != nil || resp.SW != card.OK {
		return false, false, err
	}
	v, err := tlv.Find(resp.Data, 0x05)
	if err != nil || len(v) != 1 {
		return false, false, nil
	}
	return v[0] != 0, true, nil
}
