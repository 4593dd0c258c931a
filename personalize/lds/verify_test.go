package lds

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cardstation/biometrics/record"
	"cardstation/personalize/pki"
)

// rows gives name -> row, and fails where one that is not passed says no reason.
func rows(t *testing.T, all []Check) map[string]Check {
	t.Helper()
	m := map[string]Check{}
	for _, c := range all {
		if _, twice := m[c.Name]; twice {
			t.Errorf("two rows %q", c.Name)
		}
		if (c.Result == Passed) != (c.Why == "") && c.Name != CheckPortrait {
			t.Errorf("%s %s: %q", c.Name, c.Result, c.Why)
		}
		m[c.Name] = c
	}
	return m
}

func TestGenuineDocumentPassesEveryCheck(t *testing.T) {
	n := newNation(t, pki.Options{})
	checks := Verify(document(t, n), n.trust, issued.AddDate(0, 1, 0))
	for _, c := range checks {
		if c.Result != Passed || c.Evidence == "" {
			t.Errorf("%s %s: %s (%s)", c.Name, c.Result, c.Why, c.Evidence)
		}
	}
	if len(checks) != 15 {
		t.Errorf("%d rows: %v", len(checks), checks)
	}
}

func TestEachForgeryIsNamed(t *testing.T) {
	n, other := newNation(t, pki.Options{}), newNation(t, pki.Options{})
	utopia := newNation(t, pki.Options{Country: "UT", State: "UTO"})
	clone := func(f Files) Files {
		c := Files{}
		for k, b := range f {
			c[k] = bytes.Clone(b)
		}
		return c
	}
	genuine := document(t, n)
	revoked := n.trust
	list, err := n.country.RevocationList(2, issued.AddDate(0, 0, 1), x509.RevocationListEntry{SerialNumber: n.signer.Certificate.SerialNumber, RevocationTime: issued})
	if err != nil {
		t.Fatal(err)
	}
	revoked.CRLs = append(revoked.CRLs[:1:1], list)
	for name, c := range map[string]struct {
		spoil  func(Files) Files
		trust  Trust
		at     time.Time
		row    string
		result Result
	}{
		"a byte of the portrait": {spoil: func(f Files) Files { f[DG2][len(f[DG2])-9] ^= 1; return f }, row: "DG2 hash", result: Failed},
		"another's DG13":         {spoil: func(f Files) Files { f[DG13] = groups(t, 8)[DG13]; return f }, row: CheckAgreement, result: Failed},
		"the signature":          {spoil: func(f Files) Files { f[SOD][len(f[SOD])-3] ^= 1; return f }, row: CheckSOD, result: Failed},
		"the signed digest": {spoil: func(f Files) Files {
			s, _ := DecodeSOD(f[SOD])
			f[SOD][bytes.Index(f[SOD], s.Object.Groups[DG1])] ^= 1
			return f
		}, row: CheckSOD, result: Failed},
		"EF.SOD cut short":         {spoil: func(f Files) Files { f[SOD] = f[SOD][:100]; return f }, row: CheckSOD, result: Failed},
		"EF.SOD not read":          {spoil: func(f Files) Files { delete(f, SOD); return f }, row: CheckSOD, result: NotDone},
		"DG15 not read":            {spoil: func(f Files) Files { delete(f, DG15); return f }, row: "DG15 hash", result: NotDone},
		"a group nobody signed":    {spoil: func(f Files) Files { f[DG12] = []byte{0x6C, 0}; return f }, row: "DG12 hash", result: Failed},
		"EF.COM hides a group":     {spoil: func(f Files) Files { f[COM] = com(t, DG1, DG2, DG13); return f }, row: CheckCommon, result: Failed},
		"EF.COM not read":          {spoil: func(f Files) Files { delete(f, COM); return f }, row: CheckCommon, result: NotDone},
		"another country signer":   {trust: other.trust, row: CheckCountry, result: Failed},
		"no country signer of it":  {trust: utopia.trust, row: CheckCountry, result: NotDone},
		"nothing trusted":          {trust: Trust{}, row: CheckCountry, result: NotDone},
		"no revocation list":       {trust: Trust{Anchors: n.trust.Anchors}, row: CheckRevoked, result: NotDone},
		"another's list":           {trust: Trust{Anchors: n.trust.Anchors, CRLs: other.trust.CRLs}, row: CheckRevoked, result: NotDone},
		"signer revoked":           {trust: revoked, row: CheckRevoked, result: Failed},
		"list out of date":         {at: issued.AddDate(1, 0, 0), row: CheckRevoked, result: NotDone},
		"signer out of date":       {at: issued.AddDate(23, 0, 0), row: CheckValidity, result: Failed},
		"signer not valid yet":     {at: issued.AddDate(0, 0, -1), row: CheckValidity, result: Failed},
		"document expired":         {at: issued.AddDate(60, 0, 0), row: CheckExpiry, result: Failed},
		"a foreign state's signer": {spoil: func(Files) Files { return document(t, utopia) }, trust: utopia.trust, row: CheckState, result: Failed},
		"DG13 not read":            {spoil: func(f Files) Files { delete(f, DG13); return f }, row: CheckAgreement, result: NotDone},
		"country signer signs":     {spoil: func(Files) Files { return signedBySelf(t, n) }, row: CheckSigner, result: Failed},
	} {
		files := clone(genuine)
		if c.spoil != nil {
			files = c.spoil(files)
		}
		if c.trust.Anchors == nil && name != "nothing trusted" {
			c.trust = n.trust
		}
		if c.at.IsZero() {
			c.at = issued.AddDate(0, 0, 2)
		}
		got := rows(t, Verify(files, c.trust, c.at))[c.row]
		if got.Result != c.result {
			t.Errorf("%s: %s %s: %s, want %s", name, c.row, got.Result, got.Why, c.result)
		}
	}
}

// A child of whom no portrait is taken: nothing lists DG2, and nothing is worse for it.
// A DG2 that EF.SOD lists and the chip does not give is another matter.
func TestADocumentWithoutPortraitSaysSoAndPasses(t *testing.T) {
	n := newNation(t, pki.Options{})
	g := groups(t, 7)
	delete(g, DG2)
	files, err := Build(g, n.signer, issued)
	if err != nil {
		t.Fatal(err)
	}
	got := rows(t, Verify(files, n.trust, issued.AddDate(0, 0, 2)))
	for name, row := range got {
		if row.Result != Passed {
			t.Errorf("%s: %s %s", name, row.Result, row.Why)
		}
	}
	if got[CheckPortrait].Why != "the card carries no portrait" {
		t.Errorf("rows %v", got)
	}
	whole := document(t, n)
	delete(whole, DG2)
	if got := rows(t, Verify(whole, n.trust, issued.AddDate(0, 0, 2))); got[CheckPortrait].Name != "" || got["DG2 hash"].Result != NotDone {
		t.Errorf("a portrait that is signed and missing: %v", got)
	}
}

// What is remembered is good signatures by all that goes into them: nothing that
// differs in a bit is taken for them, and what is bad stays bad.
func TestAGoodSignatureIsRememberedAndNoOther(t *testing.T) {
	n := newNation(t, pki.Options{})
	genuine := document(t, n)
	for range 2 {
		if got := rows(t, Verify(genuine, n.trust, issued.AddDate(0, 0, 2)))[CheckSOD]; got.Result != Passed {
			t.Fatal(got.Why)
		}
		for i := len(genuine[SOD]) - 60; i < len(genuine[SOD]); i += 7 {
			forged := maps.Clone(genuine)
			forged[SOD] = bytes.Clone(genuine[SOD])
			forged[SOD][i] ^= 1
			if got := rows(t, Verify(forged, n.trust, issued.AddDate(0, 0, 2)))[CheckSOD]; got.Result == Passed {
				t.Errorf("EF.SOD with another byte %d passes", i)
			}
		}
	}
}

func com(t *testing.T, g ...FileID) []byte {
	b, err := Common{LDS: "0107", Unicode: "040000", Groups: g}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signedBySelf is a document that the country signer itself signed.
func signedBySelf(t *testing.T, n nation) Files {
	files, err := Build(groups(t, 7), n.country, issued)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestStatesOfTwoAndThreeLetters(t *testing.T) {
	for state, want := range map[string]string{"VNM": "VN", "D": "DE", "FRA": "FR", "UTO": "UTO", "UNO": "UN", "EUE": "EU", "RKS": "KS", "<<<": "<<<", "": ""} {
		if got := twoLetters(state); got != want {
			t.Errorf("%s: %s, want %s", state, got, want)
		}
	}
}

func TestOnlyCertificatesWithTheRightCurveSign(t *testing.T) {
	n := newNation(t, pki.Options{})
	s, err := DecodeSOD(document(t, n)[SOD])
	if err != nil || s.Object.Hash != crypto.SHA256 || !s.Signer.Equal(n.signer.Certificate) {
		t.Errorf("%+v, %v", s.Object.Hash, err)
	}
}

func fuzzFile(f *testing.F, seeds []byte, again func([]byte) ([]byte, error)) {
	f.Add(seeds)
	f.Add([]byte{0x60, 0x84, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		once, err := again(b)
		if err != nil {
			return
		}
		if twice, err := again(once); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%x\nbecomes %x\nthen %x, %v", b, once, twice, err)
		}
	})
}

func FuzzCOM(f *testing.F) {
	b, _ := Common{LDS: "0107", Unicode: "040000", Groups: []FileID{DG1, DG2}}.Encode()
	fuzzFile(f, b, func(b []byte) ([]byte, error) {
		c, err := DecodeCOM(b)
		if err != nil {
			return nil, err
		}
		return c.Encode()
	})
}

func FuzzDG1(f *testing.F) {
	fuzzFile(f, groups(f, 1)[DG1], func(b []byte) ([]byte, error) {
		m, err := DecodeDG1(b)
		if err != nil {
			return nil, err
		}
		return EncodeDG1(m)
	})
}

func FuzzDG2(f *testing.F) {
	face, _ := record.NewFace(photo(f))
	b, _ := EncodeDG2(face)
	fuzzFile(f, b, func(b []byte) ([]byte, error) {
		faces, err := DecodeDG2(b)
		if err != nil {
			return nil, err
		}
		return EncodeDG2(faces...)
	})
}

func FuzzSecurityInfos(f *testing.F) {
	fuzzFile(f, groups(f, 1)[DG14], func(b []byte) ([]byte, error) {
		infos, err := DecodeDG14(b)
		if err != nil {
			return nil, err
		}
		ActiveHash(infos)
		return EncodeDG14(infos...)
	})
}

func FuzzDG15(f *testing.F) {
	fuzzFile(f, groups(f, 1)[DG15], func(b []byte) ([]byte, error) {
		pub, err := DecodeDG15(b)
		if err != nil {
			return nil, err
		}
		return EncodeDG15(pub)
	})
}

// The files of testdata are those of one invented citizen, signed with demo keys of
// the day named by issued: fixed, so that findings of the fuzzer stay true.
func FuzzSOD(f *testing.F) {
	trust, err := pki.LoadTrust("testdata")
	if err != nil {
		f.Fatal(err)
	}
	sod, zone := read(f, "sod.bin"), read(f, "dg1.bin")
	for _, c := range Verify(Files{SOD: sod, DG1: zone}, trust, issued) {
		if c.Result == Failed {
			f.Fatalf("%s: %s", c.Name, c.Why)
		}
	}
	f.Add(sod)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSOD(b)
		if err != nil {
			return
		}
		if again, err := s.Encode(); err == nil {
			if _, err := DecodeSOD(again); err != nil {
				t.Fatalf("%x\nbecomes %x, %v", b, again, err)
			}
		}
		for _, c := range Verify(Files{SOD: b, DG1: zone}, trust, issued) {
			if (c.Result == Passed) != (c.Why == "") {
				t.Fatalf("%s %s: %q", c.Name, c.Result, c.Why)
			}
		}
	})
}

func read(f *testing.F, name string) []byte {
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		f.Fatal(err)
	}
	return b
}
