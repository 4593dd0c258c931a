package piv

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	yubikey "github.com/go-piv/piv-go/v2/piv"

	"cardstation/devices/card"
)

// library is the dialect that goes through piv-go, which opens the reader by itself:
// the session lends it. The loan lasts until the application is next asked something
// by our own commands, for each costs the chip a reset and the reader two
// connections.
type library struct{ app *application }

// loan is a reader lent to piv-go. Operations are done where the reader was lent, so
// that one that never returns ends with the loan: ended gives its error then.
type loan struct {
	operations chan func(*yubikey.YubiKey)
	ended      chan error
}

// lend starts a loan. The application has just been selected, and so there is a chip
// that answers: piv-go leaks its handle on the reader when its SELECT fails, and then
// nobody can open that reader again.
func lend(lender card.Lender) *loan {
	l := &loan{make(chan func(*yubikey.YubiKey)), make(chan error, 1)}
	go func() {
		l.ended <- lender.Lend(func(reader string) error {
			token, err := openToken(reader)
			if err != nil {
				return err
			}
			defer token.Close()
			for f := range l.operations {
				f(token)
			}
			return nil
		})
	}()
	return l
}

// busy is how long another program may look into the reader before that counts as a
// failure; sharingViolation is what piv-go then says (it exports no such error).
const (
	busy             = 2 * time.Second
	sharingViolation = "because of other connections outstanding"
)

// openToken opens the token, and again where another program has the reader for a moment.
func openToken(reader string) (*yubikey.YubiKey, error) {
	for end := time.Now().Add(busy); ; time.Sleep(50 * time.Millisecond) {
		token, err := yubikey.Open(reader)
		if err == nil || !strings.Contains(err.Error(), sharingViolation) || time.Now().After(end) {
			return token, err
		}
	}
}

// do has one operation done; over says that the loan has ended with that error.
func (l *loan) do(f func(*yubikey.YubiKey) error) (over bool, err error) {
	result := make(chan error, 1) // outlives us where the token hangs
	select {
	case l.operations <- func(t *yubikey.YubiKey) { result <- f(t) }:
	case err := <-l.ended:
		return true, err
	}
	select {
	case err := <-result:
		return false, err
	case err := <-l.ended:
		return true, err
	}
}

// end takes the reader back; the chip has been reset.
func (l *loan) end() error {
	close(l.operations)
	return <-l.ended
}

// with has f done by the token, in the loan at hand or a new one.
func (l library) with(what string, f func(*yubikey.YubiKey) error) error {
	a := l.app
	if a.loan == nil {
		a.selected = false
		if err := a.ready(); err != nil {
			return err
		}
		a.loan = lend(a.lender)
	}
	over, err := a.loan.do(f)
	if over {
		a.loan, a.selected = nil, false
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s through piv-go: %w", what, withStatus(err))
	after := a.Close()
	if after == nil {
		after = a.ready()
	}
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
