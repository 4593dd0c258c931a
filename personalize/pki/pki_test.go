package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cardstation/devices/card/access/cvc"
)

// demo makes one key directory for the whole run.
func demo(t *testing.T) (string, Keys) {
	t.Helper()
	dir := t.TempDir() // there, and empty
	if err := InitDemo(dir); err != nil {
		t.Fatal(err)
	}
	k, err := Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return dir, k
}

func openssl(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func writePEM(t *testing.T, c *x509.Certificate) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "certificate.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDemoDirectoryIsPrivateWholeAndMarked(t *testing.T) {
	dir, k := demo(t)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !k.Demo || len(k.Master) != 32 {
		t.Errorf("demo %v, master of %d bytes", k.Demo, len(k.Master))
	}
	for _, c := range []*x509.Certificate{k.CountrySigner, k.Document.Certificate, k.Citizen.Certificate} {
		if !strings.Contains(c.Subject.CommonName, "DEMO") {
			t.Errorf("subject %s does not say DEMO", c.Subject)
		}
	}
	before, _ := os.ReadFile(filepath.Join(dir, "card-master.key"))
	if err := InitDemo(dir); !errors.Is(err, ErrExists) {
		t.Errorf("written over: %v", err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "card-master.key")); !bytes.Equal(before, after) {
		t.Error("the master key changed")
	}
}

func TestLoadRefusesWhatIsNotOurs(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"others may read a key": func(dir string) error { return os.Chmod(filepath.Join(dir, "ds.key"), 0o644) },
		"no master":             func(dir string) error { return os.Remove(filepath.Join(dir, "card-master.key")) },
		"short master": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "card-master.key"), []byte("00"), 0o600)
		},
		"another's key": func(dir string) error {
			return os.Rename(filepath.Join(dir, "citizen-ca.key"), filepath.Join(dir, "ds.key"))
		},
		"key that is none": func(dir string) error { return os.WriteFile(filepath.Join(dir, "ds.key"), []byte("secret"), 0o600) },
	} {
		dir, _ := demo(t)
		if err := spoil(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir, nil); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTrustIsTheCountrySignerOnly(t *testing.T) {
	dir, k := demo(t)
	trust, err := LoadTrust(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(trust.Anchors) != 1 || !trust.Anchors[0].Equal(k.CountrySigner) || len(trust.CRLs) != 2 {
		t.Errorf("%d anchors, %d lists", len(trust.Anchors), len(trust.CRLs))
	}
	if err := os.WriteFile(filepath.Join(dir, "odd.cer"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if trust, err := LoadTrust(dir); err != nil || len(trust.Anchors) != 1 || len(trust.Unread) != 1 || !strings.HasPrefix(trust.Unread[0], "odd.cer: ") {
		t.Errorf("%v, %v", trust.Unread, err)
	}
	if _, err := LoadTrust(t.TempDir()); err == nil {
		t.Error("an empty trust directory was taken")
	}
}

// Doc 9303-12, 7.1: the extensions of both certificates.
func TestTravelCertificatesFollowTheirProfile(t *testing.T) {
	dir, k := demo(t)
	ds := k.Document.Certificate
	if len(ds.ExtKeyUsage)+len(ds.UnknownExtKeyUsage) != 0 || ds.KeyUsage != x509.KeyUsageDigitalSignature || ds.BasicConstraintsValid {
		t.Errorf("document signer: usage %v, extended %v", ds.KeyUsage, ds.ExtKeyUsage)
	}
	if got := DocumentTypes(ds); len(got) != 1 || got[0] != "ID" {
		t.Errorf("document types %v", got)
	}
	if _, to, ok := UsagePeriod(ds); !ok || to.After(time.Now().AddDate(0, 4, 0)) {
		t.Errorf("key usage period until %v, %v", to, ok)
	}
	if !k.CountrySigner.IsCA || !k.CountrySigner.MaxPathLenZero || ds.NotAfter.After(k.CountrySigner.NotAfter) {
		t.Error("country signer: basic constraints or validity")
	}
	text := openssl(t, "x509", "-in", filepath.Join(dir, "ds.pem"), "-noout", "-text")
	for _, want := range []string{"X509v3 Private Key Usage Period", "DirName:", "X509v3 CRL Distribution Points",
		"X509v3 Issuer Alternative Name", "2.23.136.1.1.6.2", "X509v3 Key Usage: critical", "ASN1 OID: prime256v1"} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl does not show %q in\n%s", want, text)
		}
	}
}

func TestOpenSSLBelievesTheChains(t *testing.T) {
	dir, k := demo(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	openssl(t, "verify", "-x509_strict", "-check_ss_sig", "-crl_check", "-CRLfile", file("crl.pem"), "-CAfile", file("csca.pem"), file("ds.pem"))
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for _, slot := range []byte{0x9A, 0x9C, 0x9D, 0x9E} {
		c, err := k.Citizen.IssuePIV(PIV{Slot: slot, Public: key.Public(), Name: "Nguyễn Văn Thử", Number: "001200000001",
			NotAfter: time.Now().AddDate(10, 0, 0)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !IsDemo(c) {
			t.Errorf("subject %s does not say DEMO", c.Subject)
		}
		openssl(t, "verify", "-x509_strict", "-CAfile", file("citizen-ca.pem"), writePEM(t, c))
		if slot == 0x9A {
			openssl(t, "verify", "-purpose", "sslclient", "-CAfile", file("citizen-ca.pem"), writePEM(t, c))
		}
		if slot == 0x9C && c.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment {
			t.Errorf("9C usage %b", c.KeyUsage)
		}
	}
	if _, err := k.Citizen.IssuePIV(PIV{Slot: 0x82, Public: key.Public(), NotAfter: time.Now().AddDate(1, 0, 0)}, Options{}); err == nil {
		t.Error("a certificate for a retired slot")
	}
}

func TestRevokedSignerIsListed(t *testing.T) {
	country, err := NewCountrySigner(Options{})
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := NewDocumentSigner(country, Options{})
	list, err := country.RevocationList(2, time.Now(), x509.RevocationListEntry{SerialNumber: signer.Certificate.SerialNumber, RevocationTime: time.Now()})
	if err != nil || list.CheckSignatureFrom(country.Certificate) != nil || len(list.RevokedCertificateEntries) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if IsDemo(country.Certificate) {
		t.Error("not a demo, and says so")
	}
}

func TestCurveWrittenByItsParametersIsRead(t *testing.T) {
	dir := t.TempDir()
	key, cert := filepath.Join(dir, "k.pem"), filepath.Join(dir, "c.der")
	openssl(t, "ecparam", "-name", "prime256v1", "-genkey", "-param_enc", "explicit", "-noout", "-out", key)
	openssl(t, "req", "-new", "-x509", "-key", key, "-subj", "/C=UT/CN=Explicit", "-outform", "DER", "-out", cert)
	der, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParseCertificate(der); err == nil {
		t.Skip("crypto/x509 reads explicit parameters by itself")
	}
	c, err := ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if pub, ok := c.PublicKey.(*ecdsa.PublicKey); !ok || pub.Curve != elliptic.P256() || !bytes.Equal(c.Raw, der) {
		t.Errorf("%T", c.PublicKey)
	}
	if err := c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature); err != nil {
		t.Error(err)
	}
	// One bit off in the generator is another curve.
	gx, _ := hex.DecodeString("6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296")
	i := bytes.Index(der, gx)
	bad := bytes.Clone(der)
	bad[i+5] ^= 1
	if _, err := ParseCertificate(bad); i < 0 || err == nil {
		t.Errorf("another generator (at %d) was taken for P-256", i)
	}
}

func FuzzParseCertificate(f *testing.F) {
	country, err := NewCountrySigner(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(country.Certificate.Raw)
	f.Add(country.Certificate.RawSubjectPublicKeyInfo)
	f.Fuzz(func(t *testing.T, der []byte) {
		if c, err := ParseCertificate(der); err == nil {
			UsagePeriod(c)
			DocumentTypes(c)
		}
		_, _ = ParsePublicKey(der)
	})
}

// opaque is a signer whose key is out of reach, as in a security module.
type opaque struct{ crypto.Signer }

// Every authority signs through crypto.Signer alone.
func TestAuthoritiesSignWithKeysThatNobodySees(t *testing.T) {
	o := Options{Explicit: true}
	country, err := NewCountrySigner(o)
	if err != nil {
		t.Fatal(err)
	}
	next, err := NewCountrySigner(o)
	if err != nil {
		t.Fatal(err)
	}
	citizen, err := NewCitizenCA(o)
	if err != nil {
		t.Fatal(err)
	}
	country.Signer, citizen.Signer = opaque{country.Signer}, opaque{citizen.Signer}
	document, err := NewDocumentSigner(country, o)
	if err != nil {
		t.Fatal(err)
	}
	document.Signer = opaque{document.Signer}
	link, err := country.Link(next, o)
	if err != nil || link.CheckSignatureFrom(country.Certificate) != nil {
		t.Errorf("link: %v", err)
	}
	if l, err := country.RevocationList(1, time.Now()); err != nil || l.CheckSignatureFrom(country.Certificate) != nil {
		t.Errorf("revocation list: %v", err)
	}
	if _, err := NewContentSigner(citizen, o); err != nil {
		t.Errorf("content signer: %v", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := citizen.IssuePIV(PIV{Slot: 0x9A, Public: key.Public(), NotAfter: time.Now().AddDate(1, 0, 0)}, Options{}); err != nil {
		t.Errorf("piv certificate: %v", err)
	}
	terminals, err := NewTerminals(o)
	if err != nil {
		t.Fatal(err)
	}
	terminals.Authority.Signer, terminals.Verifier.Signer = opaque{terminals.Authority.Signer}, opaque{terminals.Verifier.Signer}
	if _, err := terminals.Roll(o); err != nil {
		t.Errorf("terminals: %v", err)
	}
	request, err := cvc.NewRequest("VNHANOI00001", "", key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Grant{Rights: cvc.ReadFingers, Days: 1, Now: time.Now()}).certify(request, terminals.Verifier); err != nil {
		t.Errorf("terminal: %v", err)
	}
}

// Doc 9303-12, 7.1, the table of extensions: what must be there, what may, with its
// criticality; all else is forbidden.
func TestEveryExtensionIsOneOfTheProfile(t *testing.T) {
	const (
		aki, ski, usage, period, subject, issuer = "2.5.29.35", "2.5.29.14", "2.5.29.15", "2.5.29.16", "2.5.29.17", "2.5.29.18"
		basic, points, change, types             = "2.5.29.19", "2.5.29.31", "2.23.136.1.1.6.1", "2.23.136.1.1.6.2"
	)
	critical := map[string]bool{usage: true, basic: true}
	common := []string{ski, aki, usage, period, subject, issuer, points}
	country, err := NewCountrySigner(Options{})
	if err != nil {
		t.Fatal(err)
	}
	document, err := NewDocumentSigner(country, Options{})
	if err != nil {
		t.Fatal(err)
	}
	next, err := NewCountrySigner(Options{Organization: "another name"})
	if err != nil {
		t.Fatal(err)
	}
	link, err := country.Link(next, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		of   *x509.Certificate
		more []string
	}{{"country signer", country.Certificate, []string{basic}}, {"link", link, []string{basic, change}}, {"document signer", document.Certificate, []string{types}}} {
		want := append(slices.Clone(common), c.more...)
		for _, e := range c.of.Extensions {
			id := e.Id.String()
			if !slices.Contains(want, id) || e.Critical != critical[id] {
				t.Errorf("%s: extension %s, critical %v", c.name, id, e.Critical)
			}
			want = slices.DeleteFunc(want, func(s string) bool { return s == id })
		}
		if len(want) > 0 {
			t.Errorf("%s: without %v", c.name, want)
		}
		if c.of.Version != 3 || first(c.of.Subject.Country) != first(c.of.Issuer.Country) || c.of.SerialNumber.Sign() <= 0 || len(c.of.SerialNumber.Bytes()) > 20 {
			t.Errorf("%s: version, serial number or country", c.name)
		}
	}
	list, err := country.RevocationList(1, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list.Extensions {
		got = append(got, e.Id.String())
	}
	if slices.Sort(got); !slices.Equal(got, []string{"2.5.29.20", aki}) {
		t.Errorf("revocation list: extensions %v", got)
	}
}
