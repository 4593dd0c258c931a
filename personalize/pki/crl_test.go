package pki

import (
	"path/filepath"
	"testing"
	"time"
)

func TestListsAreRenewedAndKeepWhatWasRevoked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := InitDemo(dir); err != nil {
		t.Fatal(err)
	}
	former, err := CertificateFile(filepath.Join(dir, "ds.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Roll(dir, Change{Which: "ds", Now: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	later := time.Now().AddDate(0, 0, 80)
	for i, at := range []time.Time{time.Now(), later} {
		revoke := former
		if err := RenewLists(dir, nil, at, revoke); err != nil { // the second time it is known already
			t.Fatal(err)
		}
		trust, err := LoadTrust(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(trust.CRLs) != 2 {
			t.Fatalf("%d lists, want the country signer's and the citizen CA's", len(trust.CRLs))
		}
		for _, l := range trust.CRLs {
			if l.Number.Int64() != int64(i+2) || !l.NextUpdate.After(at.AddDate(0, 0, 89)) {
				t.Errorf("list of %s: number %s, until %s", l.Issuer, l.Number, l.NextUpdate)
			}
			if ours := l.CheckSignatureFrom(trust.Anchors[0]) == nil; ours && (len(l.RevokedCertificateEntries) != 1 || l.RevokedCertificateEntries[0].SerialNumber.Cmp(former.SerialNumber) != 0) {
				t.Errorf("the country signer's list has %d entries", len(l.RevokedCertificateEntries))
			}
		}
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := InitDemo(other); err != nil {
		t.Fatal(err)
	}
	if err := RenewLists(other, nil, time.Now(), former); err == nil {
		t.Error("a stranger's certificate is revoked here")
	}
}
