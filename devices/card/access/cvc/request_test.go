package cvc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
)

func FuzzParseRequest(f *testing.F) {
	for _, authority := range []string{"", "UTDV00001"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			f.Fatal(err)
		}
		r, err := NewRequest("UTOFFICE00001", authority, key)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if err != nil {
			return
		}
		again, err := ParseRequest(r.Bytes())
		if err != nil || again.Holder != r.Holder || again.Authority != r.Authority {
			t.Errorf("%+v, %v", again, err)
		}
	})
}
