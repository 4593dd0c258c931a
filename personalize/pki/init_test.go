package pki

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// said is a passphrase that somebody gives.
func said(s string) Passphrase { return func() (string, error) { return s, nil } }

const phrase = "five words taken at random"

// realOptions are of a country that means it, but for the name.
func realOptions() Options {
	return Options{Country: "UT", State: "UTO", Organization: "Ministry of the Interior of Utopia", CRL: DirectoryCRL("UTO"),
		CitizenCRL: "http://pki.example/citizen.crl", Curve: elliptic.P521(), DocumentCurve: elliptic.P384(), Explicit: true}
}

func TestCountriesAndStatesAreHeldAgainstEachOther(t *testing.T) {
	for _, c := range []struct {
		change func(*Options)
		want   string
	}{
		{func(o *Options) {}, ""},
		{func(o *Options) { o.Country, o.State = "VN", "VNM" }, ""},
		{func(o *Options) { o.Country, o.State = "DE", "D" }, ""},
		{func(o *Options) { o.Country, o.State = "vn", "VNM" }, "capital"},
		{func(o *Options) { o.Country, o.State = "VN", "VIE" }, "VNM"},
		{func(o *Options) { o.Country, o.State = "QQ", "QQQ" }, "ISO 3166"},
		{func(o *Options) { o.Country, o.State = "UK", "GBR" }, "ISO 3166"},
		{func(o *Options) { o.Organization = strings.Repeat("x", 65) }, "organization"},
		{func(o *Options) { o.CRL = []string{"file:///crl"} }, "http"},
	} {
		o := realOptions()
		c.change(&o)
		err := o.check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", o.Country, o.State, err, c.want)
		}
	}
	dir := filepath.Join(t.TempDir(), "keys")
	if err := Init(dir, Options{Country: "VN", State: "LAO"}, nil); err == nil {
		t.Error("keys of nobody's country were made")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder was left behind")
	}
}

// What an issuer that is no demo makes: nothing says DEMO or names the program, and
// what is rolled over stays what it was.
func TestAnIssuersKeysSayWhoseTheyAre(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	o := realOptions()
	if err := Init(dir, o, nil); err != nil {
		t.Fatal(err)
	}
	for _, which := range []string{"", RollDocument, RollCountry} {
		if which != "" {
			roll(t, dir, which)
		}
		k, err := Load(dir, nil)
		if err != nil || k.Demo {
			t.Fatalf("demo %v, %v", k.Demo, err)
		}
		for name, c := range map[string]*x509.Certificate{"csca": k.CountrySigner, "ds": k.Document.Certificate, "citizen": k.Citizen.Certificate, "content": k.Content.Certificate} {
			if s := c.Subject.String(); first(c.Subject.Country) != "UT" || first(c.Subject.Organization) != o.Organization || strings.Contains(s, "DEMO") {
				t.Errorf("%s after %q: %s", name, which, s)
			}
			if text := strings.Join(c.CRLDistributionPoints, " "); strings.Contains(text, "invalid") || text == "" {
				t.Errorf("%s after %q: revocation list at %q", name, which, text)
			}
		}
		if stateOf(k.Document.Certificate) != "UTO" || curveOf(k.CountrySigner) != elliptic.P521() || curveOf(k.Document.Certificate) != elliptic.P384() {
			t.Errorf("after %q: state %s, curves %v %v", which, stateOf(k.Document.Certificate), curveOf(k.CountrySigner), curveOf(k.Document.Certificate))
		}
		if k.Terminals.Authority.Certificate.Holder[:2] != "UT" {
			t.Errorf("authority over terminals %s", k.Terminals.Authority.Certificate.Holder)
		}
	}
}

// Sealed keys are nobody's who has no passphrase; every change keeps the seal.
func TestSealedKeysOpenWithTheirPassphraseOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := Init(dir, Options{Demo: true}, said("too short")); !errors.Is(err, ErrShortPassphrase) {
		t.Errorf("a short passphrase: %v", err)
	}
	if err := Init(dir, Options{Demo: true}, said(phrase)); err != nil {
		t.Fatal(err)
	}
	for _, p := range []Passphrase{said(""), said("another passphrase")} {
		if _, err := Load(dir, p); !errors.Is(err, ErrPassphrase) {
			t.Errorf("another passphrase: %v", err)
		}
	}
	if _, err := Load(dir, nil); !errors.Is(err, ErrSealed) {
		t.Errorf("nobody to ask: %v", err)
	}
	if _, err := Roll(dir, Change{Which: RollCountry, Now: time.Now()}, said(phrase)); err != nil {
		t.Fatal(err)
	}
	noneInTheClear(t, dir)
	f, err := openFolder(dir, said(phrase))
	if err != nil {
		t.Fatal(err)
	}
	before, err := f.load()
	if err != nil {
		t.Fatal(err)
	}
	if err := Seal(dir, said(phrase), said("quite another passphrase")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, said(phrase)); !errors.Is(err, ErrPassphrase) {
		t.Errorf("the former passphrase: %v", err)
	}
	after, err := Load(dir, said("quite another passphrase"))
	if err != nil || !bytes.Equal(after.Master, before.Master) {
		t.Errorf("another passphrase, other keys: %v", err)
	}
	// a key of another name in the place of one is noticed
	if err := os.Rename(filepath.Join(dir, "citizen-ca.key"), filepath.Join(dir, "ds.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.load(); err == nil {
		t.Error("another's key was taken")
	}
}

// noneInTheClear looks at every secret of a sealed folder.
func noneInTheClear(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if isSecret(e.Name()) {
			n++
			if !isSealed(b) {
				t.Errorf("%s lies open", e.Name())
			}
		}
		if bytes.Contains(b, []byte("PRIVATE KEY")) || bytes.Contains(b, []byte("AGE-SECRET-KEY")) {
			t.Errorf("%s holds a key in the clear", e.Name())
		}
	}
	if n < 8 {
		t.Errorf("%d secrets in %s", n, dir)
	}
}

// A folder that lay open is sealed later.
func TestAnOpenFolderIsSealedWhole(t *testing.T) {
	dir, before := demo(t)
	if err := Seal(dir, nil, said(phrase)); err != nil {
		t.Fatal(err)
	}
	noneInTheClear(t, dir)
	after, err := Load(dir, said(phrase))
	if err != nil || !bytes.Equal(after.Master, before.Master) {
		t.Fatalf("sealed: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "ds.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("ds.key: %v, %v", info.Mode(), err)
	}
}

// A line's folder works without the country signer's key and the terminals', opens with
// its own passphrase, and says what it lacks when asked for more.
func TestALineHasOnlyTheKeysItWorksWith(t *testing.T) {
	dir, _ := demo(t)
	out := filepath.Join(t.TempDir(), "line")
	whole := roll(t, dir, RollCountry)
	if err := ExportLine(dir, nil, out, said(phrase)); err != nil {
		t.Fatal(err)
	}
	if err := ExportLine(dir, nil, out, nil); !errors.Is(err, ErrExists) {
		t.Errorf("written over: %v", err)
	}
	keys, err := filepath.Glob(filepath.Join(out, "*.key"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, k := range keys {
		names = append(names, filepath.Base(k))
	}
	if got := strings.Join(names, " "); got != "card-master.key citizen-ca.key content-signer.key ds.key" {
		t.Errorf("the line has %s", got)
	}
	if _, err := Load(out, nil); !errors.Is(err, ErrSealed) {
		t.Errorf("the line's folder lies open: %v", err)
	}
	f, err := openFolder(out, said(phrase))
	if err != nil {
		t.Fatal(err)
	}
	k, err := f.load()
	if err != nil || !bytes.Equal(k.Master, whole.Master) || !k.Document.Certificate.Equal(whole.Document.Certificate) || !k.Demo {
		t.Fatalf("the line's keys: %v", err)
	}
	if k.Terminals == nil || k.Terminals.Authority.Certificate.Holder != whole.Terminals.Authority.Certificate.Holder || k.Terminals.Authority.Signer != nil || k.Terminals.Inspection.Signer != nil {
		t.Errorf("the line's terminals: %+v", k.Terminals)
	}
	trust, err := LoadTrust(out)
	if err != nil || len(trust.Anchors) != 2 {
		t.Errorf("%d anchors, %v", len(trust.Anchors), err)
	}
	for which, roll := range map[string]func(Change) ([]file, error){"csca": f.rollCountry, "ds": f.rollDocument, "cvca": f.rollVerifying, "dv": f.renewVerifier} {
		if _, err := roll(Change{Now: time.Now()}); !errors.Is(err, ErrElsewhere) || !strings.Contains(err.Error(), "key is needed") {
			t.Errorf("roll %s on a line: %v", which, err)
		}
	}
	// its lists stay whole where it can renew but one
	if err := RenewLists(out, said(phrase), time.Now()); err != nil {
		t.Fatal(err)
	}
	if renewed, err := LoadTrust(out); err != nil || len(renewed.CRLs) != len(trust.CRLs) {
		t.Errorf("%d lists of %d, %v", len(renewed.CRLs), len(trust.CRLs), err)
	}
}

// The name of an issuer changes: the link says so, and leads on all the same.
func TestALinkSaysThatTheNameChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := Init(dir, realOptions(), nil); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	for i, name := range []string{"Ministry of Identity of Utopia", ""} {
		if _, err := Roll(dir, Change{Which: RollCountry, Organization: name, Now: time.Now()}, nil); err != nil {
			t.Fatal(err)
		}
		former, link := file([]string{"csca-1.pem", "csca-2.pem"}[i]), file([]string{"csca-link-2.pem", "csca-link-3.pem"}[i])
		c, err := CertificateFile(link)
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, e := range c.Extensions {
			if e.Id.Equal(oidNameChange) {
				said = !e.Critical && bytes.Equal(e.Value, []byte{5, 0})
			}
		}
		if said != (name != "") || first(c.Subject.Organization) != "Ministry of Identity of Utopia" {
			t.Errorf("link to %s: name change %v", c.Subject, said)
		}
		opensslBelieves(t, former, link)
		opensslBelieves(t, link, file("csca.pem"))
		opensslBelieves(t, link, file("ds.pem"))
	}
	trust, err := LoadTrust(dir)
	if err != nil || len(trust.Anchors) != 3 || len(trust.Unread) != 0 {
		t.Errorf("%d anchors, unread %v, %v", len(trust.Anchors), trust.Unread, err)
	}
}

// opensslBelieves checks the signature of a certificate with the key of another.
// "openssl verify" refuses every key with parameters, so it is not asked.
func opensslBelieves(t *testing.T, issuer, path string) {
	t.Helper()
	c, err := CertificateFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, tbs, signature := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "tbs"), filepath.Join(t.TempDir(), "signature")
	openssl(t, "x509", "-in", issuer, "-noout", "-pubkey", "-out", key)
	for file, b := range map[string][]byte{tbs: c.RawTBSCertificate, signature: c.Signature} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hash := map[x509.SignatureAlgorithm]string{x509.ECDSAWithSHA256: "-sha256", x509.ECDSAWithSHA384: "-sha384", x509.ECDSAWithSHA512: "-sha512"}[c.SignatureAlgorithm]
	openssl(t, "dgst", hash, "-verify", key, "-signature", signature, tbs)
}

// Doc 9303-12, 4.4: the parameters of the curve, with cofactor and an uncompressed
// generator; OpenSSL knows the curve by them and believes the chain.
func TestCurvesAreWrittenByTheirParameters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		o := realOptions()
		o.Curve, o.DocumentCurve = c, c
		if err := Init(dir, o, nil); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"csca.pem", "ds.pem"} {
			text := openssl(t, "x509", "-in", filepath.Join(dir, name), "-noout", "-text")
			for _, want := range []string{"Field Type: prime-field", "Generator (uncompressed)", "Cofactor:"} {
				if !strings.Contains(text, want) {
					t.Errorf("%s on %s: no %q", name, c.Params().Name, want)
				}
			}
		}
		opensslBelieves(t, filepath.Join(dir, "csca.pem"), filepath.Join(dir, "csca.pem"))
		opensslBelieves(t, filepath.Join(dir, "csca.pem"), filepath.Join(dir, "ds.pem"))
		openssl(t, "crl", "-in", filepath.Join(dir, "crl.pem"), "-noout", "-CAfile", filepath.Join(dir, "csca.pem"))
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}
