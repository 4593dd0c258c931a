package lds

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"

	"cardstation/personalize/cccd"
	"cardstation/personalize/pki"
)

// dated is the invented citizen's document with those dates of issue in DG12 and DG13,
// signed now.
func dated(t *testing.T, by pki.Identity, now time.Time, dg12, dg13 string) Files {
	t.Helper()
	g := groups(t, 7)
	national, form, err := cccd.DecodeDG13(g[DG13])
	if err != nil {
		t.Fatal(err)
	}
	if national.Issue = dg13; dg13 == "" {
		delete(g, DG13)
	} else if g[DG13], err = national.Encode(form); err != nil {
		t.Fatal(err)
	}
	if dg12 != "" {
		if g[DG12], err = EncodeDG12(DocumentDetails{Issued: dg12}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Build(g, by, now)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestKeysAreHeldAgainstTheTimeOfIssue(t *testing.T) {
	n := newNation(t, pki.Options{})
	late, err := pki.NewDocumentSigner(n.country, pki.Options{Now: issued.AddDate(6, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files  Files
		result Result
		says   string
	}{
		"on the day":                      {dated(t, n.signer, issued, "", "2026-06-15"), Passed, "date of DG13"},
		"dated by the order":              {dated(t, n.signer, issued, "", "2026-04-01"), Passed, "date of DG13"},
		"dated by the delivery":           {dated(t, n.signer, issued, "20261101", ""), Passed, "date of DG12"},
		"dated by a decision long ago":    {dated(t, n.signer, issued, "", "2025-06-15"), Passed, "the document is dated before it was signed"},
		"after the key was done":          {dated(t, n.signer, issued, "20280101", "2026-06-15"), Failed, "by its DG12 the document is not of the time in which Document Signer VNM signed"},
		"without a date":                  {dated(t, n.signer, issued, "", ""), NotDone, "does not say when it was issued"},
		"by a signer of the wrong decade": {dated(t, late, issued.AddDate(6, 0, 0), "", "2032-06-15"), Failed, "when the key of Country Signer VNM signed from"},
	} {
		got := rows(t, Verify(c.files, n.trust, issued.AddDate(0, 1, 0)))[CheckIssue]
		if got.Result != c.result || !strings.Contains(got.Why+got.Evidence, c.says) {
			t.Errorf("%s: %+v, want %s and %q", name, got, c.result, c.says)
		}
	}
}

// list is a revocation list of that authority, with that extension if there is one.
func list(t *testing.T, by pki.Identity, number int64, at time.Time, extension *pkix.Extension, revoked ...x509.RevocationListEntry) *x509.RevocationList {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: at, NextUpdate: at.AddDate(0, 3, 0), RevokedCertificateEntries: revoked}
	if extension != nil {
		l.ExtraExtensions = []pkix.Extension{*extension}
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, by.Certificate, by)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = x509.ParseRevocationList(der); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRevocationListsOfTheCountrySigner(t *testing.T) {
	n := newNation(t, pki.Options{})
	next, err := pki.NewCountrySigner(pki.Options{Now: issued}) // the same name, another key
	if err != nil {
		t.Fatal(err)
	}
	utopia := newNation(t, pki.Options{Country: "UT", State: "UTO"})
	gone := x509.RevocationListEntry{SerialNumber: n.signer.Certificate.SerialNumber, RevocationTime: issued.AddDate(0, 0, 20), ReasonCode: 1}
	early := gone
	early.RevocationTime, early.ReasonCode = issued.AddDate(0, 0, -2), 4
	delta := &pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}
	at := issued.AddDate(0, 1, 0)
	files := document(t, n)
	for name, c := range map[string]struct {
		lists  []*x509.RevocationList
		result Result
		says   string
	}{
		"after the issue":         {[]*x509.RevocationList{list(t, n.country, 2, at, nil, gone)}, Failed, "was revoked on 2026-07-05, its key is compromised; the document says it was issued before"},
		"before the issue":        {[]*x509.RevocationList{list(t, n.country, 2, at, nil, early)}, Failed, "it was superseded; the document was issued after"},
		"with the next key":       {[]*x509.RevocationList{list(t, next, 2, at, nil, gone)}, Failed, "was revoked"},
		"by another state":        {[]*x509.RevocationList{list(t, utopia.country, 2, at, nil, gone)}, NotDone, "no revocation list"},
		"in an old list only":     {[]*x509.RevocationList{list(t, n.country, 3, at, nil), list(t, n.country, 2, at.AddDate(0, 0, -3), nil, gone)}, Passed, "list number 3 of CN=Country Signer VNM"},
		"in a list of tomorrow":   {[]*x509.RevocationList{list(t, n.country, 3, at.AddDate(0, 0, 3), nil, gone), list(t, n.country, 2, at, nil)}, Passed, "list number 2"},
		"in the changes":          {[]*x509.RevocationList{list(t, n.country, 3, at, delta)}, NotDone, "no revocation list"},
		"in a list that ran out":  {[]*x509.RevocationList{list(t, n.country, 2, at.AddDate(0, -6, 0), nil, gone)}, Failed, "was revoked"},
		"nowhere, and it ran out": {[]*x509.RevocationList{list(t, n.country, 2, at.AddDate(0, -6, 0), nil)}, NotDone, "was good until"},
	} {
		trust := Trust{Anchors: []*x509.Certificate{n.country.Certificate, next.Certificate, utopia.country.Certificate}, CRLs: c.lists}
		got := rows(t, Verify(files, trust, at))[CheckRevoked]
		if got.Result != c.result || !strings.Contains(got.Why+got.Evidence, c.says) {
			t.Errorf("revoked %s: %+v, want %s and %q", name, got, c.result, c.says)
		}
	}
}
