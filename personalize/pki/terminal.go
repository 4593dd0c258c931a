package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"cardstation/devices/card/access/cvc"
)

// How long card verifiable certificates live: within the bounds of Doc 9303-12 and the
// common certificate policy of EAC for authority, verifier and inspection system.
const (
	verifyingYears = 3
	verifierMonths = 3
	terminalMonths = 1
)

// Verifiable is a private key and the card verifiable certificate over its public
// half, with the curve known.
type Verifiable struct {
	crypto.Signer
	Certificate cvc.Certificate
}

// Terminals are what fingerprints are read with: the authority whose certificate cards
// are given, the verifier under it and the inspection system, which signs, under that.
// Signer is nil where a key is kept elsewhere, as the authority's and the verifier's are
// for an office; on a line there is the authority's certificate alone.
type Terminals struct {
	Authority, Verifier, Inspection Verifiable
	// Links lead from the authority's former keys to its own, oldest first.
	Links []cvc.Certificate
}

// Chain is what an inspection system shows to a chip, in any order.
func (t *Terminals) Chain() []cvc.Certificate {
	chain := t.Links[:len(t.Links):len(t.Links)]
	for _, v := range []Verifiable{t.Verifier, t.Inspection} {
		if v.Certificate.Holder != "" {
			chain = append(chain, v.Certificate)
		}
	}
	return chain
}

// elsewhere is ErrElsewhere, and whose key it is.
func elsewhere(who string) error { return fmt.Errorf("the %s's key is needed: %w", who, ErrElsewhere) }

// NewTerminals makes an authority over terminals (CVCA), its verifier and an
// inspection system that may read fingerprints, on P-256 (TR-03110-3, C and D).
func NewTerminals(o Options) (Terminals, error) {
	o = o.filled()
	root, _, err := o.verifying(1, nil)
	if err != nil {
		return Terminals{}, err
	}
	return o.under(Terminals{Authority: root}, 1)
}

// Roll gives the authority its next key, with the link certificate that takes cards
// from the one before to it, and a verifier and an inspection system under it.
func (t Terminals) Roll(o Options) (Terminals, error) {
	if t.Authority.Signer == nil {
		return Terminals{}, elsewhere(cvc.CVCA.String())
	}
	o = o.filled()
	n := sequence(t.Authority.Certificate.Holder) + 1
	root, link, err := o.verifying(n, &t.Authority)
	if err != nil {
		return Terminals{}, err
	}
	links := append(t.Links[:len(t.Links):len(t.Links)], link)
	return o.under(Terminals{Authority: root, Links: links}, sequence(t.Verifier.Certificate.Holder)+1)
}

// Renew gives verifier and inspection system new keys under the same authority.
func (t Terminals) Renew(o Options) (Terminals, error) {
	if t.Authority.Signer == nil {
		return Terminals{}, elsewhere(cvc.CVCA.String())
	}
	return o.filled().under(Terminals{Authority: t.Authority, Links: t.Links}, sequence(t.Verifier.Certificate.Holder)+1)
}

// under makes the verifier and the inspection system of t's authority.
func (o Options) under(t Terminals, n int) (Terminals, error) {
	var err error
	t.Verifier, err = o.verifiable("DV", n, cvc.DVDomestic, o.Now.AddDate(0, verifierMonths, 0), t.Authority)
	if err != nil {
		return Terminals{}, err
	}
	t.Inspection, err = o.verifiable("IS", n, cvc.Terminal, o.Now.AddDate(0, terminalMonths, 0), t.Verifier)
	return t, err
}

// verifying makes an authority's key with its own certificate and, where there is one
// before it, the link that this one signs.
func (o Options) verifying(n int, before *Verifiable) (next Verifiable, link cvc.Certificate, err error) {
	next, err = o.verifiable("CVCA", n, cvc.CVCA, o.Now.AddDate(verifyingYears, 0, 0), Verifiable{})
	if err != nil || before == nil {
		return next, cvc.Certificate{}, err
	}
	c := next.Certificate
	link, err = cvc.Certificate{
		Authority: before.Certificate.Holder, Holder: c.Holder, Key: c.Key,
		Authorization: c.Authorization, From: c.From, Until: c.Until,
	}.Sign(before.Signer, before.Certificate.Key)
	return next, link, err
}

// verifiable makes a key and its certificate; no issuer means self-signed.
func (o Options) verifiable(name string, n int, role cvc.Role, until time.Time, issuer Verifiable) (Verifiable, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), o.Rand)
	if err != nil {
		return Verifiable{}, fmt.Errorf("key of %s: %w", name, err)
	}
	key, err := cvc.NewPublicKey(private.Public())
	if err != nil {
		return Verifiable{}, err
	}
	if o.Demo {
		name = "DEMO" + name
	}
	c := cvc.Certificate{
		Holder: fmt.Sprintf("%s%s%05d", o.Country, name, n), Key: key,
		Authorization: cvc.Inspection(role, rights(role)), From: cvc.Day(o.Now), Until: cvc.Day(until),
	}
	if issuer.Signer == nil {
		issuer = Verifiable{private, cvc.Certificate{Holder: c.Holder, Key: key}}
	}
	c.Authority = issuer.Certificate.Holder
	signed, err := c.Sign(issuer.Signer, issuer.Certificate.Key)
	return Verifiable{private, signed}, err
}

// rights of those made here: who only certifies may pass on all there are, our own
// inspection system reads fingerprints.
func rights(role cvc.Role) byte {
	if role == cvc.Terminal {
		return cvc.ReadFingers
	}
	return cvc.ReadFingers | cvc.ReadIris
}

// sequence is the number at the end of a reference; 0 where it has none.
func sequence(reference string) int {
	n, err := strconv.Atoi(reference[max(0, len(reference)-sequenceDigits):])
	if err != nil {
		return 0
	}
	return n
}

const sequenceDigits = 5

// Files of a key directory for terminals: .cvcert and .key each.
const (
	fileVerifying = "cvca"
	fileVerifier  = "dv"
	fileTerminal  = "is"
	cvcertSuffix  = ".cvcert"
)

// files are those of a key directory, the links by their holders' numbers.
func (t Terminals) files() ([]file, error) {
	var files []file
	for _, one := range []struct {
		name string
		v    Verifiable
	}{{fileVerifying, t.Authority}, {fileVerifier, t.Verifier}, {fileTerminal, t.Inspection}} {
		key, err := keyFile(one.name, one.v.Signer)
		if err != nil {
			return nil, err
		}
		files = append(files, key, file{one.name + cvcertSuffix, one.v.Certificate.Bytes()})
	}
	return append(files, t.linkFiles()...), nil
}

func (t Terminals) linkFiles() (files []file) {
	for _, l := range t.Links {
		files = append(files, file{fmt.Sprintf("%s-link-%d%s", fileVerifying, sequence(l.Holder), cvcertSuffix), l.Bytes()})
	}
	return files
}

// keyFile is name.key: PKCS #8, PEM.
func keyFile(name string, key crypto.Signer) (file, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return file{}, fmt.Errorf("key of %s: %w", name, err)
	}
	return file{name + ".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}, nil
}

// LoadTerminals reads what a key directory has for terminals; nil where it has no
// authority over them. Certificates are checked up to the authority's; keys may be
// elsewhere. A sealed directory wants its passphrase.
func LoadTerminals(dir string, p Passphrase) (*Terminals, error) {
	f, err := openFolder(dir, p)
	if err != nil {
		return nil, err
	}
	return f.terminals()
}

func (f folder) terminals() (*Terminals, error) {
	var t Terminals
	for _, one := range []struct {
		name  string
		to    *Verifiable
		above *cvc.PublicKey
	}{
		{fileVerifying, &t.Authority, &t.Authority.Certificate.Key},
		{fileVerifier, &t.Verifier, &t.Authority.Certificate.Key},
		{fileTerminal, &t.Inspection, &t.Verifier.Certificate.Key},
	} {
		v, err := f.verifiable(one.name, *one.above)
		if errors.Is(err, fs.ErrNotExist) {
			break // and what hangs on it counts for nothing
		}
		if err != nil {
			return nil, err
		}
		*one.to = v
	}
	if t.Authority.Certificate.Holder == "" {
		return nil, nil
	}
	for n := 2; n <= sequence(t.Authority.Certificate.Holder); n++ {
		link, err := loadCVC(f.path(fmt.Sprintf("%s-link-%d%s", fileVerifying, n, cvcertSuffix)))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		t.Links = append(t.Links, link)
	}
	return &t, nil
}

// verifiable reads name.cvcert, which authority (its own key, where that is empty) must
// have signed, and name.key where it is there.
func (f folder) verifiable(name string, authority cvc.PublicKey) (Verifiable, error) {
	path := f.path(name + cvcertSuffix)
	c, err := loadCVC(path)
	if err != nil {
		return Verifiable{}, err
	}
	if authority.Key == nil {
		authority = c.Key
	}
	if c.Key, err = c.Key.Resolve(authority); err != nil {
		return Verifiable{}, fmt.Errorf("%s: %w", path, err)
	}
	if err := c.Verify(authority); err != nil {
		return Verifiable{}, fmt.Errorf("%s: %w", path, err)
	}
	key, err := f.key(name, c.Key.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return Verifiable{Certificate: c}, nil
	}
	return Verifiable{key, c}, err
}

func loadCVC(path string) (cvc.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return cvc.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	c, err := cvc.Parse(b)
	if err != nil {
		return cvc.Certificate{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}
