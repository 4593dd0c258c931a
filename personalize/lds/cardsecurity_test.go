package lds

import (
	"crypto/x509"
	"encoding/asn1"
	"testing"
	"time"

	"cardstation/devices/card/tlv"
	"cardstation/personalize/pki"
)

// Nothing but a signature of a trusted document signer over security infos gives any.
func FuzzVerifyCardSecurity(f *testing.F) {
	country, err := pki.NewCountrySigner(pki.Options{Demo: true})
	if err != nil {
		f.Fatal(err)
	}
	signer, err := pki.NewDocumentSigner(country, pki.Options{Demo: true})
	if err != nil {
		f.Fatal(err)
	}
	list, err := country.RevocationList(1, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	trust := Trust{Anchors: []*x509.Certificate{country.Certificate}, CRLs: []*x509.RevocationList{list}}
	infos := tlv.New(0x31, tlv.New(0x30))
	sign := func(kind asn1.ObjectIdentifier) []byte {
		b, err := signer.SignCMS(pki.Signed{Type: kind, Content: infos})
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	good := sign(oidSecurityInfos)
	if got, row := VerifyCardSecurity(good, trust, time.Now()); row.Result != Passed || string(got) != string(infos) {
		f.Fatalf("%X, %+v", got, row)
	}
	if got, row := VerifyCardSecurity(sign(oidSecurity), trust, time.Now()); row.Result != Failed || got != nil {
		f.Fatalf("EF.SOD passes for EF.CardSecurity: %+v", row)
	}
	if got, row := VerifyCardSecurity(good, Trust{}, time.Now()); row.Result == Passed || got != nil {
		f.Fatalf("passes without a country signer: %+v", row)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(infos)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, row := VerifyCardSecurity(b, trust, time.Now())
		if (got != nil) != (row.Result == Passed) || got != nil && string(got) != string(infos) {
			t.Errorf("%X gives %X, %+v", b, got, row)
		}
	})
}
