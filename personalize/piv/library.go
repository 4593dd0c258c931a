package piv

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	yubikey "github.com/go-piv/piv-go/v2/piv"

	"cardstation/devices/card"
)

// library is the dialect that goes through piv-go, which opens the reader by itself:
// the session is lent to it for one call at a time. lend asks the chip first with
// our own commands, because piv-go leaks its handle on the reader when its SELECT
// fails, and then nobody can open that reader again.
type library struct {
	card   card.Card
	lender card.Lender
}

// libraryFor gives the dialect where c can be lent and the chip answers GET VERSION,
// without which piv-go opens nothing.
func libraryFor(c card.Card) (library, bool, error) {
	lender, ok := c.(card.Lender)
	if !ok {
		return library{}, false, nil
	}
	resp, err := c.Transmit(card.Command{INS: 0xFD, Ne: card.MaxShortNe})
	if err != nil {
		return library{}, false, err
	}
	return library{c, lender}, resp.SW == card.OK && len(resp.Data) == 3, nil
}

// with runs f with the token opened, and selects the application again after it,
// for the chip was reset.
func (l library) with(what string, f func(*yubikey.YubiKey) error) error {
	if err := Select(l.card); err != nil {
		return err
	}
	err := l.lender.Lend(func(reader string) error {
		token, err := yubikey.Open(reader)
		if err != nil {
			return err
		}
		defer token.Close()
		return f(token)
	})
	after := Select(l.card)
	if err == nil {
		return after
	}
	err = fmt.Errorf("%s through piv-go: %w", what, withStatus(err))
	var refused *card.Error
	if after != nil && !errors.As(after, &refused) {
		err = fmt.Errorf("%w: %w", err, after) // piv-go has no word for a chip that is gone
	}
	return err
}

// withStatus makes the status word of a piv-go error one of ours beside it.
func withStatus(err error) error {
	var refused interface{ Status() uint16 }
	if errors.As(err, &refused) {
		return fmt.Errorf("%w: %w", err, card.Status(refused.Status()))
	}
	return err
}

func (l library) change(ref reference, old, new []byte) error {
	return l.with("change "+ref.String(), func(token *yubikey.YubiKey) error {
		switch ref {
		case pin:
			return token.SetPIN(string(old), string(new))
		case puk:
			return token.SetPUK(string(old), string(new))
		}
		return token.SetManagementKey(old, new)
	})
}

// generate asks for the policy that the standard gives the slot: 9c a PIN for each
// use, 9e none, the others one for the session (SP 800-73-4 part 1, table 5).
func (l library) generate(key []byte, slot Slot, a Algorithm) (crypto.PublicKey, error) {
	policy := map[Slot]yubikey.PINPolicy{Signature: yubikey.PINPolicyAlways, CardAuthentication: yubikey.PINPolicyNever}[slot]
	if policy == 0 {
		policy = yubikey.PINPolicyOnce
	}
	algorithm := map[Algorithm]yubikey.Algorithm{
		P256: yubikey.AlgorithmEC256, P384: yubikey.AlgorithmEC384, RSA2048: yubikey.AlgorithmRSA2048,
	}[a]
	made := make(chan crypto.PublicKey, 1) // outlives us where the token hangs
	err := l.with("generate key in slot "+slot.String(), func(token *yubikey.YubiKey) error {
		pub, err := token.GenerateKey(key, l.slot(slot), yubikey.Key{
			Algorithm: algorithm, PINPolicy: policy, TouchPolicy: yubikey.TouchPolicyNever,
		})
		if err == nil {
			made <- pub
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return <-made, nil
}

func (l library) store(key []byte, slot Slot, cert *x509.Certificate) error {
	return l.with("store certificate of slot "+slot.String(), func(token *yubikey.YubiKey) error {
		return token.SetCertificate(key, l.slot(slot), cert)
	})
}

func (library) slot(s Slot) yubikey.Slot {
	return map[Slot]yubikey.Slot{
		Authentication: yubikey.SlotAuthentication, Signature: yubikey.SlotSignature,
		KeyManagement: yubikey.SlotKeyManagement, CardAuthentication: yubikey.SlotCardAuthentication,
	}[s]
}
