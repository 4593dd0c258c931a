package cvc

import (
	"crypto"
	"fmt"
	"sort"
	"time"
)

// Sign issues a certificate: c says what, authority is the issuer's key as its own
// certificate has it, signer the private half. Authorities' own certificates, roots
// and links, spell the curve out; the others leave it to them, as TR-03110-3, D.3
// has it.
func (c Certificate) Sign(signer crypto.Signer, authority PublicKey) (Certificate, error) {
	body, err := c.encodeBody(c.Authorization.Role() == CVCA)
	if err != nil {
		return Certificate{}, fmt.Errorf("certificate %s: %w", c.Holder, err)
	}
	signed := Certificate{body: body}
	if signed.signature, err = SignMessage(signer, authority, signed.signed()); err != nil {
		return Certificate{}, fmt.Errorf("certificate %s: %w", c.Holder, err)
	}
	if err := signed.parseBody(); err != nil {
		return Certificate{}, fmt.Errorf("certificate %s: %w", c.Holder, err)
	}
	signed.Key = PublicKey{Algorithm: c.Key.Algorithm, Key: c.Key.Key}
	return signed, signed.Verify(authority)
}

// Verify checks the signature alone.
func (c Certificate) Verify(authority PublicKey) error {
	if err := authority.Verify(c.signed(), c.signature); err != nil {
		return fmt.Errorf("certificate %s: %w", c.Holder, err)
	}
	return nil
}

// SelfSigned tells whether the certificate names itself as its authority.
func (c Certificate) SelfSigned() bool { return c.Authority == c.Holder }

// Path picks, of certificates in any order, those that lead from one of the
// references that a chip trusts (EF.CVCA) to the terminal's, in the order in which
// the chip takes them. Without a way it is ErrAuthority.
func Path(all []Certificate, terminal string, trusted ...string) ([]Certificate, error) {
	var path []Certificate
	for at := terminal; ; {
		for _, t := range trusted {
			if at == t {
				return path, nil
			}
		}
		i := held(all, at)
		if i < 0 || len(path) >= len(all) {
			return nil, fmt.Errorf("terminal %s: %w", terminal, ErrAuthority)
		}
		path = append([]Certificate{all[i]}, path...)
		at = all[i].Authority
	}
}

// held finds the certificate of a holder that another one issued.
func held(all []Certificate, holder string) int {
	for i, c := range all {
		if c.Holder == holder && !c.SelfSigned() {
			return i
		}
	}
	return -1
}

// Effective is the authorization that a chain leaves its last holder with.
func Effective(chain ...Certificate) Authorization {
	if len(chain) == 0 {
		return Authorization{}
	}
	a := chain[0].Authorization
	for _, c := range chain[1:] {
		a = a.And(c.Authorization)
	}
	return a
}

// Trust is what a chip keeps from one session to the next, in a form that can be
// stored: the latest date that it has reason to believe in, and the certificates of
// the authorities that it trusts, newest first, two at most (Doc 9303-11,
// 7.1.4.3; TR-03110-3, 2.5 and 2.6).
type Trust struct {
	Date   time.Time
	Points [][]byte
}

// NewTrust is a new chip's trust: the authority's own certificates, newest first,
// and the day on which the chip was personalised.
func NewTrust(date time.Time, points ...Certificate) (Trust, error) {
	t := Trust{Date: Day(date)}
	for _, c := range points {
		if c.Authorization.Role() != CVCA || c.Key.Key == nil || c.signature == nil {
			return Trust{}, fmt.Errorf("trust point %s: %w", c.Holder, ErrAuthority)
		}
		t.Points = append(t.Points, c.Bytes())
	}
	if len(t.Points) == 0 || len(t.Points) > maxPoints {
		return Trust{}, fmt.Errorf("cvc: %d trust points, not 1 or 2", len(t.Points))
	}
	return t, nil
}

const maxPoints = 2

// References are the holders of the trust points, for EF.CVCA.
func (t Trust) References() ([]string, error) {
	v, err := NewVerifier(t)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, p := range v.points {
		all = append(all, p.Holder)
	}
	return all, nil
}

// Verifier walks one chain as a chip does.
type Verifier struct {
	date   time.Time
	points []Certificate
	chain  []Certificate // of this session, keys resolved
}

// NewVerifier starts from what the chip keeps.
func NewVerifier(t Trust) (*Verifier, error) {
	v := &Verifier{date: Day(t.Date)}
	for _, b := range t.Points {
		c, err := Parse(b)
		if err != nil {
			return nil, fmt.Errorf("trust point: %w", err)
		}
		if c.Key.Key == nil {
			return nil, fmt.Errorf("trust point %s: %w", c.Holder, ErrMalformed)
		}
		v.points = append(v.points, c)
	}
	return v, nil
}

// Trust is what the chip keeps from here on.
func (v *Verifier) Trust() Trust {
	t := Trust{Date: v.date}
	for _, p := range v.points {
		t.Points = append(t.Points, p.Bytes())
	}
	return t
}

// Has tells whether a reference can be named as an authority now.
func (v *Verifier) Has(reference string) bool {
	_, ok := v.authority(reference)
	return ok
}

// authority finds a trust point, or the last certificate of the chain.
func (v *Verifier) authority(reference string) (Certificate, bool) {
	if n := len(v.chain); n > 0 && v.chain[n-1].Holder == reference {
		return v.chain[n-1], true
	}
	for _, p := range v.points {
		if p.Holder == reference {
			return p, true
		}
	}
	return Certificate{}, false
}

// Add checks the next certificate of a chain and takes it over (Doc 9303-11, 7.1.4.3.4;
// TR-03110-3, 2.5.1):
// the signature, by the authority that it names; that this one may issue it; and,
// but for link certificates, that it has not expired. A certificate that starts at
// a trust point starts the chain anew; a link certificate becomes a trust point,
// for good. The date moves up to the certificate's first day where its issuer is
// believed: not where a foreign verifier's terminal brings it.
func (v *Verifier) Add(c Certificate) error {
	authority, ok := v.authority(c.Authority)
	if !ok {
		return fmt.Errorf("certificate %s of %s: %w", c.Holder, c.Authority, ErrAuthority)
	}
	key, err := c.Key.Resolve(authority.Key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", c.Holder, err)
	}
	if err := c.Verify(authority.Key); err != nil {
		return err
	}
	by, to := authority.Authorization.Role(), c.Authorization.Role()
	if !mayIssue(by, to) || !authority.Authorization.Kind.Equal(c.Authorization.Kind) {
		return fmt.Errorf("%s %s of a %s: %w", to, c.Holder, by, ErrAuthority)
	}
	link := to == CVCA
	if !link && v.trusts(c.Holder) {
		return fmt.Errorf("%s %s with a trust point's reference: %w", to, c.Holder, ErrAuthority)
	}
	if !link && c.Until.Before(v.date) {
		return fmt.Errorf("%s %s: %w", to, c.Holder, ErrExpired)
	}
	if !link && by == CVCA && authority.Until.Before(v.date) {
		return fmt.Errorf("%s %s: %w", by, authority.Holder, ErrExpired)
	}
	if link && c.Key.Key == nil {
		return fmt.Errorf("link certificate %s without a curve: %w", c.Holder, ErrMalformed)
	}
	c.Key = key
	if by != DVForeign && c.From.After(v.date) {
		v.date = c.From
	}
	switch {
	case link:
		v.trust(c)
		v.chain = nil
	case by == CVCA:
		v.chain = []Certificate{authority, c}
	default:
		v.chain = append(v.chain[:2:2], c)
	}
	return nil
}

// mayIssue: authorities certify verifiers and their own next key, verifiers certify
// terminals.
func mayIssue(by, to Role) bool {
	switch by {
	case CVCA:
		return to != Terminal
	case DVDomestic, DVForeign:
		return to == Terminal
	}
	return false
}

func (v *Verifier) trusts(holder string) bool {
	for _, p := range v.points {
		if p.Holder == holder {
			return true
		}
	}
	return false
}

// trust takes a new trust point in; the two that came into effect last are kept.
func (v *Verifier) trust(c Certificate) {
	points := []Certificate{c}
	for _, p := range v.points {
		if p.Holder != c.Holder {
			points = append(points, p)
		}
	}
	sort.SliceStable(points, func(i, j int) bool { return points[i].From.After(points[j].From) })
	v.points = points[:min(len(points), maxPoints)]
}

// Terminal is the terminal at the end of a whole chain, and what the chain lets it
// do; ErrAuthority before there is one.
func (v *Verifier) Terminal() (Certificate, Authorization, error) {
	n := len(v.chain)
	if n == 0 || v.chain[n-1].Authorization.Role() != Terminal {
		return Certificate{}, Authorization{}, fmt.Errorf("no terminal's certificate yet: %w", ErrAuthority)
	}
	return v.chain[n-1], Effective(v.chain...), nil
}
