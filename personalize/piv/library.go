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

func (l library) generate(key []byte, k Key, attest bool) (crypto.PublicKey, made, error) {
	type result struct {
		pub crypto.PublicKey
		made
	}
	done := make(chan result, 1) // outlives us where the token hangs
	err := l.with("generate key in slot "+k.Slot.String(), func(token *yubikey.YubiKey) error {
		var r result
		var err error
		r.pub, err = token.GenerateKey(key, l.slot(k.Slot), yubikey.Key{
			Algorithm: algorithms[k.Algorithm], PINPolicy: pinPolicies[k.policy()], TouchPolicy: yubikey.TouchPolicyNever,
		})
		if err == nil && attest {
			r.made, err = attestation(token, l.slot(k.Slot))
		}
		if err == nil {
			done <- r
		}
		return err
	})
	if err != nil {
		return nil, made{}, err
	}
	r := <-done
	return r.pub, r.made, nil
}

// attestation is none where the token refuses to give one.
func attestation(token *yubikey.YubiKey, slot yubikey.Slot) (made, error) {
	var refused interface{ Status() uint16 }
	leaf, err := token.Attest(slot)
	if err == nil {
		var maker *x509.Certificate
		if maker, err = token.AttestationCertificate(); err == nil {
			return made{leaf, maker}, nil
		}
	}
	if errors.Is(err, yubikey.ErrNotFound) || errors.As(err, &refused) {
		return made{}, nil
	}
	return made{}, err
}

var algorithms = map[Algorithm]yubikey.Algorithm{
	P256: yubikey.AlgorithmEC256, P384: yubikey.AlgorithmEC384, RSA2048: yubikey.AlgorithmRSA2048,
}

var pinPolicies = map[Policy]yubikey.PINPolicy{
	Never: yubikey.PINPolicyNever, Once: yubikey.PINPolicyOnce, Always: yubikey.PINPolicyAlways,
}

// trustMaker holds an attestation and the certificate that signed it against the
// makers' CAs, Yubico's where there are none.
func trustMaker(makers []*x509.Certificate, m made) error {
	var v yubikey.Verifier
	if len(makers) > 0 {
		v.Roots = x509.NewCertPool()
		for _, ca := range makers {
			v.Roots.AddCert(ca)
		}
	}
	_, err := v.Verify(m.maker, m.leaf)
	return err
}

// readAttestation believes the certificate: piv-go reads it for whoever signed it.
func readAttestation(leaf *x509.Certificate) (statement, error) {
	itself, err := x509.ParseCertificate(leaf.Raw) // piv-go writes into what it is given
	if err != nil {
		return statement{}, err
	}
	self := x509.NewCertPool()
	self.AddCert(itself)
	a, err := (&yubikey.Verifier{Roots: self}).Verify(itself, itself)
	if err != nil {
		return statement{}, err
	}
	s := statement{serial: a.Serial, firmware: fmt.Sprintf("%d.%d.%d", a.Version.Major, a.Version.Minor, a.Version.Patch), slot: Slot(a.Slot.Key)}
	for p, code := range pinPolicies {
		if code == a.PINPolicy {
			s.pin = p
		}
	}
	s.touch = map[yubikey.TouchPolicy]string{
		yubikey.TouchPolicyNever: touchNever, yubikey.TouchPolicyAlways: "always", yubikey.TouchPolicyCached: "cached",
	}[a.TouchPolicy]
	return s, nil
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
