package pki

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardstation/devices/card/access/cvc"
)

// ask makes an office's request.
func ask(t *testing.T, dir, which, holder string) []byte {
	t.Helper()
	_, path, err := Ask(dir, which, holder, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// issue gives a request its certificate, in a folder that it names.
func issue(t *testing.T, dir string, request []byte, g Grant) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	if _, err := Issue(dir, nil, request, g, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func terminals(t *testing.T, dir string) *Terminals {
	t.Helper()
	k, err := LoadTerminals(dir, nil)
	if err != nil || k == nil {
		t.Fatalf("terminals of %s: %v, %v", dir, k, err)
	}
	return k
}

// verified walks an office's chain as a chip does that trusts the authority's first key.
func verified(t *testing.T, root cvc.Certificate, office *Terminals) cvc.Authorization {
	t.Helper()
	trust, err := cvc.NewTrust(cvc.Day(time.Now()), root)
	if err != nil {
		t.Fatal(err)
	}
	v, err := cvc.NewVerifier(trust)
	if err != nil {
		t.Fatal(err)
	}
	path, err := cvc.Path(office.Chain(), office.Inspection.Certificate.Holder, root.Holder)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range path {
		if err := v.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	_, may, err := v.Terminal()
	if err != nil {
		t.Fatal(err)
	}
	return may
}

// An office has its own key and certificates, no other key; a chip that trusts the
// authority's first key follows the links to it. Its next key waits until the
// certificate is there.
func TestAnOfficeReadsWithItsOwnKeyAlone(t *testing.T) {
	dir, first := demo(t)
	roll(t, dir, RollVerifying)
	office := filepath.Join(t.TempDir(), "office")
	request := ask(t, office, RollTerminal, "VNHANOI")
	if none, err := LoadTerminals(office, nil); err != nil || none != nil {
		t.Errorf("terminals before there is a certificate: %v, %v", none, err)
	}
	for n, holder := range []string{"VNHANOI00001", "VNHANOI00002"} {
		out := issue(t, dir, request, Grant{Rights: cvc.ReadFingers, Days: 10, Now: time.Now()})
		if keys, _ := filepath.Glob(filepath.Join(out, "*.key")); len(keys) > 0 {
			t.Fatalf("keys were given away: %v", keys)
		}
		if c, err := Install(office, out, nil); err != nil || c.Holder != holder {
			t.Fatalf("installed %s, %v", c.Holder, err)
		}
		k := terminals(t, office)
		if k.Inspection.Signer == nil || k.Verifier.Signer != nil || k.Authority.Signer != nil || len(k.Links) != 1 {
			t.Errorf("the office's keys: %+v", k)
		}
		if may := verified(t, first.Terminals.Authority.Certificate, k); !may.Has(cvc.ReadFingers) || may.Has(cvc.ReadIris) {
			t.Errorf("the office may: %s", may)
		}
		if n == 0 {
			request = ask(t, office, RollTerminal, "VNHANOI")
			if again := terminals(t, office); again.Inspection.Certificate.Holder != holder {
				t.Errorf("the key in use was given up for one without a certificate: %s", again.Inspection.Certificate.Holder)
			}
		}
	}
	other := filepath.Join(t.TempDir(), "other")
	ask(t, other, RollTerminal, "VNHUE")
	if _, err := Install(other, issue(t, dir, request, Grant{Rights: cvc.ReadFingers, Days: 1, Now: time.Now()}), nil); err == nil {
		t.Error("another office's certificate was installed")
	}
}

// A guest's certificate never takes the place of those over keys that are in a directory:
// the authority's own would be lost.
func TestAnAuthoritysCertificateIsNotWrittenOverByAnothers(t *testing.T) {
	host, _ := demo(t)
	dir, before := demo(t)
	out := issue(t, host, ask(t, dir, RollTerminal, "VNGUEST"), Grant{Rights: cvc.ReadFingers, Days: 1, Now: time.Now()})
	if _, err := Install(dir, out, nil); !errors.Is(err, ErrExists) {
		t.Errorf("installed beside another authority's keys: %v", err)
	}
	after, err := Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(after.Terminals.Authority.Certificate.Bytes(), before.Terminals.Authority.Certificate.Bytes()) {
		t.Error("the authority's certificate is another")
	}
	if text := fmt.Sprintf("%v %+v %#v", after, after, after); strings.Contains(text, fmt.Sprint(after.Master)) || len(text) > 100 {
		t.Error("keys print as what they are")
	}
}

// A verifier elsewhere gets its certificate from the authority and certifies terminals
// itself; rights and days never grow on the way.
func TestAVerifierElsewhereCertifiesTerminals(t *testing.T) {
	dir, first := demo(t)
	verifier, office := filepath.Join(t.TempDir(), "verifier"), filepath.Join(t.TempDir(), "office")
	out := issue(t, dir, ask(t, verifier, RollVerifier, "VNDVSOUTH"), Grant{Role: cvc.DVDomestic, Rights: cvc.ReadFingers, Days: 30, Now: time.Now()})
	if _, err := Install(verifier, out, nil); err != nil {
		t.Fatal(err)
	}
	request := ask(t, office, RollTerminal, "VNSAIGON")
	for name, g := range map[string]Grant{
		"more rights than the verifier has": {Rights: cvc.ReadIris, Days: 1, Now: time.Now()},
		"more days than the verifier has":   {Rights: cvc.ReadFingers, Days: 31, Now: time.Now()},
		"no day":                            {Rights: cvc.ReadFingers, Now: time.Now()},
		"an authority":                      {Role: cvc.CVCA, Rights: cvc.ReadFingers, Days: 1, Now: time.Now()},
		"a verifier, from a verifier":       {Role: cvc.DVDomestic, Rights: cvc.ReadFingers, Days: 1, Now: time.Now()},
	} {
		if c, err := Issue(verifier, nil, request, g, filepath.Join(t.TempDir(), "out")); err == nil {
			t.Errorf("%s: %s", name, c.Authorization)
		}
	}
	if _, err := Install(office, issue(t, verifier, request, Grant{Rights: cvc.ReadFingers, Days: 5, Now: time.Now()}), nil); err != nil {
		t.Fatal(err)
	}
	if may := verified(t, first.Terminals.Authority.Certificate, terminals(t, office)); !may.Has(cvc.ReadFingers) {
		t.Errorf("the office may: %s", may)
	}
	if _, err := Issue(office, nil, request, Grant{Rights: cvc.ReadFingers, Days: 1, Now: time.Now()}, filepath.Join(t.TempDir(), "out")); !errors.Is(err, ErrElsewhere) {
		t.Errorf("a terminal certifies: %v", err)
	}
}

func TestHoldersAndRequestsThatAreNone(t *testing.T) {
	for _, holder := range []string{"", "VN", "vnhanoi", "VNHANOIHANOI"} {
		dir := filepath.Join(t.TempDir(), "office")
		if _, _, err := Ask(dir, RollTerminal, holder, nil); err == nil {
			t.Errorf("holder %q was taken", holder)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("holder %q left a folder behind", holder)
		}
	}
	dir, _ := demo(t)
	request := ask(t, filepath.Join(t.TempDir(), "office"), RollTerminal, "VNHANOI")
	for i := range request {
		bad := append([]byte(nil), request...)
		bad[i] ^= 0x10
		if _, err := Issue(dir, nil, bad, Grant{Rights: cvc.ReadFingers, Days: 1, Now: time.Now()}, filepath.Join(t.TempDir(), "out")); err == nil {
			t.Fatalf("a request with byte %d changed was certified", i)
		}
	}
}

// OpenPACE, another implementation of TR-03110, verifies our chain with our authority,
// reads our request, and certifies it; we verify what it made.
func TestOpenPACEReadsOurCertificatesAndWeReadIts(t *testing.T) {
	dir, k := demo(t)
	trusted := t.TempDir()
	chain := map[string]string{fileVerifying: k.Terminals.Authority.Certificate.Holder, fileVerifier: k.Terminals.Verifier.Certificate.Holder}
	for name, holder := range chain {
		copyTo(t, filepath.Join(dir, name+cvcertSuffix), filepath.Join(trusted, holder))
	}
	for name, role := range map[string]string{fileVerifier: "DV", fileTerminal: "Terminal"} {
		text := program(t, "cvc-print", "--cvc-dir", trusted, "-c", filepath.Join(dir, name+cvcertSuffix))
		if !strings.Contains(text, "certificate verified") && !strings.Contains(text, "Certificate verified") || !strings.Contains(text, role) {
			t.Errorf("cvc-print of %s:\n%s", name, text)
		}
	}
	office := filepath.Join(t.TempDir(), "office")
	out := issue(t, dir, ask(t, office, RollTerminal, "VNHANOI"), Grant{Rights: cvc.ReadFingers, Days: 1, Now: time.Now()})
	if _, err := Install(office, out, nil); err != nil {
		t.Fatal(err)
	}
	_, path, err := Ask(office, RollTerminal, "VNHANOI", nil) // now with its authority's reference
	if err != nil {
		t.Fatal(err)
	}
	if text := program(t, "cvc-print", "-r", path); !strings.Contains(text, "VNHANOI00002") {
		t.Errorf("cvc-print of a request:\n%s", text)
	}
	key, made := filepath.Join(t.TempDir(), "dv.der"), filepath.Join(t.TempDir(), "is.cvcert")
	openssl(t, "pkcs8", "-topk8", "-nocrypt", "-in", filepath.Join(dir, "dv.key"), "-outform", "DER", "-out", key)
	program(t, "cvc-create", "--csr", path, "--role", "terminal", "--type", "is", "--chat", "01", "--expires", time.Now().AddDate(0, 0, 9).Format("060102"),
		"--sign-with", key, "--scheme", "ECDSA_SHA_256", "--out-cert", made)
	c, err := loadCVC(made)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(k.Terminals.Verifier.Certificate.Key); err != nil || c.Holder != "VNHANOI00002" || c.Authority != k.Terminals.Verifier.Certificate.Holder || !c.Authorization.Has(cvc.ReadFingers) {
		t.Errorf("OpenPACE's certificate of %s, %s: %v", c.Holder, c.Authorization, err)
	}
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func program(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
