package pki

import (
	"crypto/ecdsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cardstation/devices/card/access/cvc"
)

func roll(t *testing.T, dir, which string) Keys {
	t.Helper()
	if _, err := Roll(dir, Change{Which: which, Now: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	k, err := Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Doc 9303-12, 4.1 and 7.1: the former key signs the next, and who has only the former
// believes the next.
func TestALinkLeadsFromOneCountrySignerToTheNext(t *testing.T) {
	dir, before := demo(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	after := roll(t, dir, RollCountry)
	if after.CountrySigner.Equal(before.CountrySigner) || after.Document.Certificate.CheckSignatureFrom(before.CountrySigner) == nil {
		t.Fatal("nothing was rolled over")
	}
	if !after.Demo || string(after.CountrySigner.RawSubject) != string(before.CountrySigner.RawSubject) {
		t.Errorf("subject %s", after.CountrySigner.Subject)
	}
	openssl(t, "verify", "-x509_strict", "-CAfile", file("csca-1.pem"), file("csca-link-2.pem"))
	openssl(t, "verify", "-x509_strict", "-CAfile", file("csca-1.pem"), "-untrusted", file("csca-link-2.pem"), file("ds.pem"))
	link, err := loadCertificate(file("csca-link-2.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if link.NotAfter.After(before.CountrySigner.NotAfter) || !link.MaxPathLenZero {
		t.Errorf("link until %s, path length %d", link.NotAfter, link.MaxPathLen)
	}
	whole, err := LoadTrust(dir)
	if err != nil || len(whole.Anchors) != 2 || len(whole.CRLs) != 3 {
		t.Errorf("%d anchors, %d lists, %v", len(whole.Anchors), len(whole.CRLs), err)
	}
	// an office that has the former signer, and was sent the link
	office := t.TempDir()
	for _, name := range []string{"csca-1.pem", "csca-link-2.pem"} {
		b, err := os.ReadFile(file(name))
		if err == nil {
			err = os.WriteFile(filepath.Join(office, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	trust, err := LoadTrust(office)
	if err != nil || len(trust.Anchors) != 2 || after.Document.Certificate.CheckSignatureFrom(trust.Anchors[1]) != nil {
		t.Errorf("%d anchors, %v", len(trust.Anchors), err)
	}
	// the link alone leads nowhere
	if err := os.Remove(filepath.Join(office, "csca-1.pem")); err != nil {
		t.Fatal(err)
	}
	if trust, err := LoadTrust(office); err == nil {
		t.Errorf("a link without its anchor was believed: %v", trust.Anchors)
	}
}

func TestALinkIntoAnotherStateIsNotFollowed(t *testing.T) {
	one, err := NewCountrySigner(Options{Country: "UT"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewCountrySigner(Options{Country: "VN"})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := one.Link(other, Options{})
	if err != nil {
		t.Fatal(err)
	}
	trust := Trust{Anchors: []*x509.Certificate{one.Certificate}, links: []link{{"link.pem", certificate}}}
	if trust.follow(); len(trust.Anchors) != 1 || len(trust.Unread) != 1 {
		t.Errorf("a state vouched for another: %v", trust.Unread)
	}
}

func TestADocumentSignerRollsUnderTheSameCountrySigner(t *testing.T) {
	dir, before := demo(t)
	after := roll(t, dir, RollDocument)
	if !after.CountrySigner.Equal(before.CountrySigner) || after.Document.Certificate.Equal(before.Document.Certificate) {
		t.Error("not the document signer alone was rolled over")
	}
	if _, err := os.Stat(filepath.Join(dir, "ds-1.key")); err == nil {
		t.Error("the former signing key is still there")
	}
	if _, err := Roll(dir, Change{Which: RollDocument, Now: time.Now().AddDate(6, 0, 0)}, nil); err == nil {
		t.Error("a country signer's key signed after its usage period")
	}
}

// TR-03110-3, 2.2 and 2.5: a chip with the first authority takes the links, then the
// verifier and the inspection system.
func TestTerminalsReachAChipThatKnowsTheFirstAuthority(t *testing.T) {
	dir, first := demo(t)
	roll(t, dir, RollVerifying)
	roll(t, dir, RollVerifier)
	k := roll(t, dir, RollVerifying)
	root := first.Terminals.Authority.Certificate
	chip, err := cvc.NewTrust(root.From, root)
	if err != nil {
		t.Fatal(err)
	}
	v, err := cvc.NewVerifier(chip)
	if err != nil {
		t.Fatal(err)
	}
	path, err := cvc.Path(k.Terminals.Chain(), k.Terminals.Inspection.Certificate.Holder, root.Holder)
	if err != nil || len(path) != 4 {
		t.Fatalf("path of %d certificates, %v", len(path), err)
	}
	for _, c := range path {
		if err := v.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if got := k.Terminals.Inspection.Certificate.Holder; got != "VNDEMOIS00004" {
		t.Errorf("inspection system %s", got)
	}
	if !cvc.Effective(path...).Has(cvc.ReadFingers) {
		t.Error("the inspection system may not read fingerprints")
	}
	if !k.Terminals.Inspection.Public().(*ecdsa.PublicKey).Equal(k.Terminals.Inspection.Certificate.Key.Key) {
		t.Error("the key is not the certificate's")
	}
}

func TestADirectoryWithoutTerminalsLoadsAndGetsThem(t *testing.T) {
	dir, _ := demo(t)
	for _, name := range []string{"cvca", "dv", "is"} {
		for _, suffix := range []string{".key", ".cvcert"} {
			if err := os.Remove(filepath.Join(dir, name+suffix)); err != nil {
				t.Fatal(err)
			}
		}
	}
	k, err := Load(dir, nil)
	if err != nil || k.Terminals != nil {
		t.Fatalf("%v, %v", k.Terminals, err)
	}
	if _, err := Roll(dir, Change{Which: RollVerifier, Now: time.Now()}, nil); err == nil {
		t.Error("a verifier without an authority")
	}
	if k := roll(t, dir, RollVerifying); k.Terminals == nil || len(k.Terminals.Links) != 0 {
		t.Errorf("terminals %v", k.Terminals)
	}
}

// A crash at any point of a roll-over leaves the keys of before or of after.
func TestACrashLeavesWholeKeys(t *testing.T) {
	dir, before := demo(t)
	files, err := folder{dir: dir}.rollCountry(Change{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	stage := filepath.Join(dir, staged)
	if err := os.Mkdir(stage, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		if err := writeSynced(filepath.Join(stage, f.name), f.data); err != nil {
			t.Fatal(err)
		}
		if k, err := Load(dir, nil); err != nil || !k.CountrySigner.Equal(before.CountrySigner) {
			t.Fatalf("after %d files: %v", i+1, err)
		}
	}
	if err := os.Rename(stage, filepath.Join(dir, committed)); err != nil {
		t.Fatal(err)
	}
	for _, f := range files[:len(files)/2] { // as far as settle came
		if err := os.Rename(filepath.Join(dir, committed, f.name), filepath.Join(dir, f.name)); err != nil {
			t.Fatal(err)
		}
	}
	if k, err := Load(dir, nil); err != nil || k.CountrySigner.Equal(before.CountrySigner) {
		t.Fatalf("after the commit: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, committed)); err == nil {
		t.Error("the change still waits")
	}
}

func TestListTellsWhatLiesThere(t *testing.T) {
	dir, _ := demo(t)
	roll(t, dir, RollCountry)
	entries, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, e := range entries {
		kinds[e.File] = e.Kind
		if e.Key != (e.File != "csca-link-2.pem" && e.File != "ds-1.pem") || e.Until.Before(time.Now()) {
			t.Errorf("%+v", e)
		}
	}
	for file, kind := range map[string]string{
		"csca.pem": "country signer", "csca-1.pem": "country signer", "csca-link-2.pem": "country signer link",
		"ds.pem": "document signer", "ds-1.pem": "document signer", "citizen-ca.pem": "citizen ca",
		"cvca.cvcert": "country verifying authority", "dv.cvcert": "domestic document verifier", "is.cvcert": "terminal",
	} {
		if kinds[file] != kind {
			t.Errorf("%s is %q", file, kinds[file])
		}
	}
	if _, err := List(t.TempDir()); err == nil {
		t.Error("an empty folder is listed")
	}
}
