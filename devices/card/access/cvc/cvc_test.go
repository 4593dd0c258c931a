package cvc

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, s string) Certificate {
	t.Helper()
	c, err := Parse(unhex(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(c.Bytes(), unhex(t, s)) {
		t.Fatalf("%s came back as other bytes", c.Holder)
	}
	return c
}

func day(s string) time.Time {
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return d
}

func TestChainOfTheWorkedExample(t *testing.T) {
	root, dv, terminal := parse(t, workedCVCA), parse(t, workedDV), parse(t, workedTerminal)
	for _, v := range []struct {
		c                 Certificate
		authority, holder string
		role              Role
		kind, value       string
		from, until       string
	}{
		{root, "DECVCAAT00001", "DECVCAAT00001", CVCA, "0.4.0.127.0.7.3.1.2.1", "c3", "2010-09-30", "2011-09-25"},
		{dv, "DECVCAAT00001", "DETESTDVDE019", DVDomestic, "0.4.0.127.0.7.3.1.2.2", "801fffff10", "2010-09-30", "2010-10-30"},
		{terminal, "DETESTDVDE019", "DETESTATDE019", Terminal, "0.4.0.127.0.7.3.1.2.2", "0000000110", "2010-09-30", "2010-10-30"},
	} {
		a := v.c.Authorization
		if v.c.Authority != v.authority || v.c.Holder != v.holder || a.Role() != v.role || a.Kind.String() != v.kind || hex.EncodeToString(a.Value) != v.value {
			t.Errorf("%s: %+v", v.holder, v.c)
		}
		if !v.c.From.Equal(day(v.from)) || !v.c.Until.Equal(day(v.until)) {
			t.Errorf("%s: %v to %v", v.holder, v.c.From, v.c.Until)
		}
	}
	for _, pair := range [][2]Certificate{{root, root}, {root, dv}, {dv, terminal}} {
		key, err := pair[0].Key.Resolve(root.Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := pair[1].Verify(key); err != nil {
			t.Error(err)
		}
		broken := pair[1]
		broken.body = bytes.Clone(broken.body)
		broken.body[len(broken.body)-1] ^= 1
		if err := broken.Verify(key); !errors.Is(err, ErrSignature) {
			t.Errorf("%s with another last day: %v", broken.Holder, err)
		}
	}
	if a := Effective(dv, terminal); a.Role() != Terminal || hex.EncodeToString(a.Value) != "0000000110" {
		t.Errorf("effective %v", a)
	}
}

func TestRSACertificateOfTheWorkedExample(t *testing.T) {
	c := parse(t, workedRSA)
	if c.Key.Algorithm != RSASHA1 || !c.SelfSigned() || c.Key.Key.(*rsa.PublicKey).E != 65537 {
		t.Errorf("%+v", c)
	}
	if err := c.Verify(c.Key); err != nil {
		t.Error(err)
	}
	if _, err := SignMessage(nil, c.Key, nil); err == nil {
		t.Error("signed with sha-1")
	}
}

// party is somebody who issues certificates.
type party struct {
	Certificate
	signer crypto.Signer
}

func newKey(t testing.TB, kind any) crypto.Signer {
	t.Helper()
	var s crypto.Signer
	var err error
	switch k := kind.(type) {
	case elliptic.Curve:
		s, err = ecdsa.GenerateKey(k, rand.Reader)
	case int:
		s, err = rsa.GenerateKey(rand.Reader, k)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// issue makes a certificate for a new key; by nil signs itself.
func issue(t testing.TB, by *party, holder string, a Authorization, from, until string, kind any) *party {
	t.Helper()
	p := &party{signer: newKey(t, kind)}
	key, err := NewPublicKey(p.signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	c := Certificate{Authority: holder, Holder: holder, Key: key, Authorization: a, From: day(from), Until: day(until)}
	signer := p.signer
	if by != nil {
		c.Authority, key, signer = by.Holder, by.Key, by.signer
	}
	if p.Certificate, err = c.Sign(signer, key); err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	both    = ReadFingers | ReadIris
	began   = "2026-01-01"
	ended   = "2028-12-31"
	nextDay = "2026-06-01"
)

func root(t testing.TB, kind any) *party {
	return issue(t, nil, "VNCVCA00001", Inspection(CVCA, both), began, ended, kind)
}

// through feeds certificates, as they come off the wire, to a chip.
func through(t testing.TB, trust Trust, chain ...*party) (*Verifier, error) {
	t.Helper()
	v, err := NewVerifier(trust)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range chain {
		c, err := ParseContent(p.Content())
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Add(c); err != nil {
			return v, err
		}
	}
	return v, nil
}

func trusting(t testing.TB, date string, points ...*party) Trust {
	t.Helper()
	var all []Certificate
	for _, p := range points {
		all = append(all, p.Certificate)
	}
	trust, err := NewTrust(day(date), all...)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func TestChainsOfEveryKindOfKey(t *testing.T) {
	for _, kind := range []any{elliptic.P224(), elliptic.P256(), elliptic.P384(), elliptic.P521(), 2048} {
		ca := root(t, kind)
		dv := issue(t, ca, "VNDV000001", Inspection(DVDomestic, both), began, nextDay, kind)
		is := issue(t, dv, "VNIS0000001", Inspection(Terminal, ReadFingers), began, nextDay, kind)
		v, err := through(t, trusting(t, began, ca), dv, is)
		if err != nil {
			t.Fatal(err)
		}
		c, a, err := v.Terminal()
		if err != nil || c.Holder != "VNIS0000001" || !a.Has(ReadFingers) || a.Has(ReadIris) || a.Role() != Terminal {
			t.Errorf("%v: %s, %v, %v", kind, c.Holder, a, err)
		}
		signature, err := SignMessage(is.signer, is.Key, []byte("challenge"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Key.Verify([]byte("challenge"), signature); err != nil {
			t.Error(err)
		}
		for _, other := range [][]byte{nil, signature[1:], append([]byte{0}, signature...), append(bytes.Clone(signature), 0)} {
			if err := c.Key.Verify([]byte("challenge"), other); !errors.Is(err, ErrSignature) {
				t.Errorf("%v: signature of %d bytes: %v", kind, len(other), err)
			}
		}
		signature[len(signature)-1] ^= 1
		if err := c.Key.Verify([]byte("challenge"), signature); !errors.Is(err, ErrSignature) {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

func TestRightsAreThoseOfTheWholeChain(t *testing.T) {
	ca := root(t, elliptic.P256())
	for _, v := range []struct{ dv, is, want byte }{{both, both, both}, {ReadIris, both, ReadIris}, {both, ReadFingers, ReadFingers}, {ReadIris, ReadFingers, 0}, {0, both, 0}} {
		dv := issue(t, ca, "VNDV000001", Inspection(DVForeign, v.dv), began, ended, elliptic.P256())
		is := issue(t, dv, "VNIS0000001", Inspection(Terminal, v.is), began, ended, elliptic.P256())
		ver, err := through(t, trusting(t, began, ca), dv, is)
		if err != nil {
			t.Fatal(err)
		}
		if _, a, err := ver.Terminal(); err != nil || a.Value[0] != v.want {
			t.Errorf("%02X and %02X: %v, %v", v.dv, v.is, a, err)
		}
	}
	other := Authorization{AuthenticationTerminal, []byte{0, 0, 0, 0, 3}}
	if a := Inspection(CVCA, both).And(other); a.Has(ReadFingers) || !bytes.Equal(a.Value, make([]byte, 5)) {
		t.Errorf("rights across kinds: %v", a)
	}
}

func TestChipRefusesWhatTheChainDoesNotBear(t *testing.T) {
	p256 := elliptic.P256()
	ca, stranger := root(t, p256), root(t, p256)
	dv := issue(t, ca, "VNDV000001", Inspection(DVDomestic, both), began, ended, p256)
	is := issue(t, dv, "VNIS0000001", Inspection(Terminal, both), began, ended, p256)
	at := Authorization{AuthenticationTerminal, []byte{0, 0, 0, 0, 1}}
	for name, v := range map[string]struct {
		chain []*party
		want  error
	}{
		"terminal without its verifier":  {[]*party{is}, ErrAuthority},
		"verifier of another authority":  {[]*party{issue(t, stranger, "VNDV000001", Inspection(DVDomestic, both), began, ended, p256)}, ErrSignature},
		"terminal certified by the root": {[]*party{issue(t, ca, "VNIS0000001", Inspection(Terminal, both), began, ended, p256)}, ErrAuthority},
		"verifier certifying a verifier": {[]*party{dv, issue(t, dv, "VNDV000002", Inspection(DVDomestic, both), began, ended, p256)}, ErrAuthority},
		"verifier certifying a root":     {[]*party{dv, issue(t, dv, "VNCVCA00002", Inspection(CVCA, both), began, ended, p256)}, ErrAuthority},
		"terminal certifying a terminal": {[]*party{dv, is, issue(t, is, "VNIS0000002", Inspection(Terminal, both), began, ended, p256)}, ErrAuthority},
		"verifier under a root's name":   {[]*party{issue(t, ca, "VNCVCA00001", Inspection(DVDomestic, both), began, ended, p256)}, ErrAuthority},
		"terminal of another kind":       {[]*party{dv, issue(t, dv, "VNAT0000001", at, began, ended, p256)}, ErrAuthority},
		"expired verifier":               {[]*party{issue(t, ca, "VNDV000001", Inspection(DVDomestic, both), "2025-01-01", "2025-12-31", p256)}, ErrExpired},
		"key of another curve":           {[]*party{issue(t, ca, "VNDV000001", Inspection(DVDomestic, both), began, ended, elliptic.P384())}, ErrMalformed},
	} {
		if _, err := through(t, trusting(t, began, ca), v.chain...); !errors.Is(err, v.want) {
			t.Errorf("%s: %v, want %v", name, err, v.want)
		}
	}
	v, err := through(t, trusting(t, began, ca), dv)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.Terminal(); !errors.Is(err, ErrAuthority) {
		t.Errorf("a verifier passes for a terminal: %v", err)
	}
}

func TestDateMovesWithBelievedCertificatesOnly(t *testing.T) {
	p256 := elliptic.P256()
	ca := root(t, p256)
	for _, v := range []struct {
		dv   Role
		want string
	}{{DVDomestic, "2026-03-03"}, {DVForeign, "2026-02-02"}} {
		dv := issue(t, ca, "VNDV000001", Inspection(v.dv, both), "2026-02-02", ended, p256)
		is := issue(t, dv, "VNIS0000001", Inspection(Terminal, both), "2026-03-03", ended, p256)
		ver, err := through(t, trusting(t, began, ca), dv, is)
		if err != nil || !ver.Trust().Date.Equal(day(v.want)) {
			t.Errorf("%v: %v, %v; want %s", v.dv, ver.Trust().Date, err, v.want)
		}
	}
	old := issue(t, ca, "VNDV000001", Inspection(DVDomestic, both), began, "2026-01-31", p256)
	if _, err := through(t, trusting(t, "2026-01-31", ca), old); err != nil {
		t.Errorf("last day: %v", err)
	}
	if _, err := through(t, trusting(t, "2026-02-01", ca), old); !errors.Is(err, ErrExpired) {
		t.Errorf("day after: %v", err)
	}
	if v, _ := through(t, trusting(t, ended, ca), issue(t, ca, "VNDV000009", Inspection(DVDomestic, both), began, ended, p256)); !v.Trust().Date.Equal(day(ended)) {
		t.Error("the date went back")
	}
}

func TestLinkCertificatesCarryTheTrustOver(t *testing.T) {
	p256, p384 := elliptic.P256(), elliptic.P384()
	one := root(t, p256)
	two := issue(t, one, "VNCVCA00002", Inspection(CVCA, both), "2027-01-01", "2030-12-31", p384)
	three := issue(t, two, "VNCVCA00003", Inspection(CVCA, both), "2028-01-01", "2031-12-31", p256)
	v, err := through(t, trusting(t, began, one), two, three)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(v.Trust())
	if err != nil {
		t.Fatal(err)
	}
	var trust Trust
	if err := json.Unmarshal(stored, &trust); err != nil {
		t.Fatal(err)
	}
	refs, err := trust.References()
	if err != nil || strings.Join(refs, " ") != "VNCVCA00003 VNCVCA00002" || !trust.Date.Equal(day("2028-01-01")) {
		t.Fatalf("%v, %v, %v", refs, trust.Date, err)
	}
	dv := issue(t, three, "VNDV000001", Inspection(DVDomestic, both), "2028-01-01", ended, p256)
	is := issue(t, dv, "VNIS0000001", Inspection(Terminal, both), "2028-01-01", ended, p256)
	if _, err := through(t, trust, dv, is); err != nil {
		t.Error(err)
	}
	if _, err := through(t, trust, issue(t, one, "VNDV000002", Inspection(DVDomestic, both), began, ended, p256)); !errors.Is(err, ErrAuthority) {
		t.Errorf("verifier of a root given up: %v", err)
	}
	// A root past its last day still links, and certifies no verifier any more.
	late := trusting(t, "2029-06-01", one)
	if _, err := through(t, late, issue(t, one, "VNDV000003", Inspection(DVDomestic, both), began, "2030-01-01", p256)); !errors.Is(err, ErrExpired) {
		t.Errorf("expired root: %v", err)
	}
	if _, err := through(t, late, two); err != nil {
		t.Errorf("link of an expired root: %v", err)
	}
	path, err := Path([]Certificate{is.Certificate, one.Certificate, three.Certificate, dv.Certificate, two.Certificate}, is.Holder, one.Holder)
	if err != nil || len(path) != 4 || path[0].Holder != two.Holder || path[3].Holder != is.Holder {
		t.Errorf("%d certificates, %v", len(path), err)
	}
	own, err := Certificate{Authority: two.Holder, Holder: two.Holder, Key: two.Key, Authorization: two.Authorization, From: two.From, Until: two.Until}.Sign(two.signer, two.Key)
	if err != nil {
		t.Fatal(err)
	}
	path, err = Path([]Certificate{own, is.Certificate, three.Certificate, dv.Certificate, two.Certificate}, is.Holder, one.Holder)
	if err != nil || len(path) != 4 || path[0].SelfSigned() {
		t.Errorf("with the second root's own certificate: %d certificates, %v", len(path), err)
	}
	if path, err = Path([]Certificate{is.Certificate, dv.Certificate}, is.Holder, "VNCVCA00009", three.Holder); err != nil || len(path) != 2 {
		t.Errorf("%d certificates, %v", len(path), err)
	}
	if _, err := Path([]Certificate{is.Certificate, dv.Certificate}, is.Holder, one.Holder); !errors.Is(err, ErrAuthority) {
		t.Errorf("%v", err)
	}
}

func TestCertificatesThatCannotBeIssued(t *testing.T) {
	ca := root(t, elliptic.P256())
	good := Certificate{Authority: ca.Holder, Holder: "VNDV000001", Key: ca.Key, Authorization: Inspection(DVDomestic, both), From: day(began), Until: day(ended)}
	for name, change := range map[string]func(*Certificate){
		"no holder":         func(c *Certificate) { c.Holder = "" },
		"long holder":       func(c *Certificate) { c.Holder = strings.Repeat("A", 17) },
		"unprintable":       func(c *Certificate) { c.Authority = "VN\x00" },
		"no rights":         func(c *Certificate) { c.Authorization = Authorization{} },
		"two bytes":         func(c *Certificate) { c.Authorization.Value = []byte{0x80, 0} },
		"last century":      func(c *Certificate) { c.From = day("1999-12-31") },
		"next century":      func(c *Certificate) { c.Until = day("2100-01-01") },
		"no key":            func(c *Certificate) { c.Key = PublicKey{} },
		"rsa by ecdsa":      func(c *Certificate) { c.Key.Key = &rsa.PublicKey{} },
		"unknown algorithm": func(c *Certificate) { c.Key.Algorithm = Algorithm{2, 9} },
	} {
		c := good
		change(&c)
		if _, err := c.Sign(ca.signer, ca.Key); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	if _, err := good.Sign(newKey(t, elliptic.P256()), ca.Key); !errors.Is(err, ErrSignature) {
		t.Errorf("signed with a key that is not the authority's: %v", err)
	}
	if _, err := NewTrust(day(began)); err == nil {
		t.Error("trust in nobody")
	}
	if good.Bytes() != nil {
		t.Error("an unsigned certificate has bytes")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{workedCVCA, workedDV, workedTerminal, workedRSA} {
		f.Add(unhex(f, s))
	}
	f.Add([]byte{0x7F, 0x21, 0})
	authority, err := Parse(unhex(f, workedCVCA))
	if err != nil {
		f.Fatal(err)
	}
	trust := Trust{Date: day("2010-10-01"), Points: [][]byte{authority.Bytes()}}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%X: %v", b, err)
			}
			return
		}
		again, err := Parse(c.Bytes())
		if err != nil || again.Holder != c.Holder || !again.Until.Equal(c.Until) || !bytes.Equal(again.Bytes(), c.Bytes()) {
			t.Errorf("%X became %X, %v", b, again.Bytes(), err)
		}
		if key, err := c.Key.Resolve(authority.Key); err == nil {
			_ = c.Verify(key)
		}
		v, err := NewVerifier(trust)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Add(c); err == nil && !bytes.Equal(c.Bytes(), unhex(t, workedCVCA)) && c.Verify(authority.Key) != nil {
			t.Errorf("%X was taken", b)
		}
	})
}
