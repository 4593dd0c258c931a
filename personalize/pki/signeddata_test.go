package pki

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"errors"
	"os"
	"strings"
	"testing"

	"cardstation/devices/card/tlv"
)

// signedByOpenSSL has openssl sign a content, and gives the SignedData with a way to
// have it sign other attributes in place of those.
func signedByOpenSSL(t *testing.T, more ...string) (SignedData, func(sorted bool, attributes ...[]byte) SignedData) {
	s := newStates(t)
	s.country("un", "UN", "P-256")
	s.signer("documents", "un", "documents")
	s.put(s.path("content"), []byte("a content"))
	openssl(t, append([]string{"cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-md", "sha256", "-econtent_type", "2.23.136.1.1.1", "-in", s.path("content"),
		"-signer", s.path("documents.pem"), "-inkey", s.path("documents.key"), "-outform", "DER", "-out", s.path("cms")}, more...)...)
	der, err := os.ReadFile(s.path("cms"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseSignedData(der)
	if err != nil {
		t.Fatal(err)
	}
	return d, func(sorted bool, attributes ...[]byte) SignedData {
		set := tlv.New(0x31, attributes...)
		if sorted {
			set, _ = inOrder(bytes.Join(attributes, nil))
		}
		s.put(s.path("attributes"), set)
		openssl(t, "dgst", "-sha256", "-sign", s.path("documents.key"), "-out", s.path("signature"), s.path("attributes"))
		again := d
		if again.signer.Signature, err = os.ReadFile(s.path("signature")); err != nil {
			t.Fatal(err)
		}
		again.signer.Attributes.FullBytes = tlv.New(0xA0, attributes...)
		again.signer.Attributes.Bytes = bytes.Join(attributes, nil)
		return again
	}
}

func attributeOf(t *testing.T, id asn1.ObjectIdentifier, values ...any) []byte {
	a := attribute{Type: id}
	for _, v := range values {
		der, err := asn1.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		a.Values = append(a.Values, asn1.RawValue{FullBytes: der})
	}
	der, err := asn1.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestSignedAttributesAreHeldAgainstTheContent(t *testing.T) {
	d, sign := signedByOpenSSL(t)
	signer := d.Signer()
	if err := d.Verify(signer); err != nil {
		t.Fatal(err)
	}
	if when, ok := d.SigningTime(); !ok || when.IsZero() || d.Algorithm() != "ECDSA with SHA-256" {
		t.Errorf("%v, %s", when, d.Algorithm())
	}
	oid := asn1.ObjectIdentifier{2, 23, 136, 1, 1, 1}
	kind := attributeOf(t, oidContentType, oid)
	digest := attributeOf(t, oidMessageDigest, Digest(crypto.SHA256, []byte("a content")))
	other := attributeOf(t, asn1.ObjectIdentifier{1, 2, 3}, 1)
	for name, c := range map[string]struct {
		signed SignedData
		why    string // empty where it is to be believed
	}{
		"in DER's order":                        {sign(true, kind, digest), ""},
		"unsorted, signed sorted":               {sign(true, digest, other, kind), ""},
		"unsorted, signed unsorted":             {sign(false, digest, other, kind), ""},
		"without content type":                  {sign(true, digest), "content type"},
		"of another content type":               {sign(true, digest, attributeOf(t, oidContentType, asn1.ObjectIdentifier{1, 2, 3})), "content type"},
		"with two content types":                {sign(true, digest, attributeOf(t, oidContentType, oid, oid)), "content type"},
		"without message digest":                {sign(true, kind), "digest of the content"},
		"with another digest":                   {sign(true, kind, attributeOf(t, oidMessageDigest, Digest(crypto.SHA256, []byte("another")))), "digest of the content"},
		"with the digest twice":                 {sign(true, kind, digest, digest), "digest of the content"},
		"signed otherwise than in either order": {swapped(sign(false, digest, other, kind), other, digest, kind), "does not fit"},
	} {
		err := c.signed.Verify(signer)
		if c.why == "" && err != nil || c.why != "" && (!errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("attributes %s: %v, want %q", name, err, c.why)
		}
	}
	none := d
	none.signer.Attributes = asn1.RawValue{}
	if err := none.Verify(signer); !errors.Is(err, ErrSignature) {
		t.Errorf("no attributes at all: %v", err)
	}
	// Digest and signature of two hashes: who made it did not mean this.
	for name, id := range map[string]asn1.ObjectIdentifier{"SHA-1": {1, 2, 840, 10045, 4, 1}, "SHA-512": {1, 2, 840, 10045, 4, 3, 4}} {
		mixed := d
		mixed.signer.Algorithm.Algorithm = id
		if err := mixed.Verify(signer); !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), "signed ECDSA with "+name) || !strings.Contains(err.Error(), "over a digest of SHA-256") {
			t.Errorf("a signature of %s: %v", name, err)
		}
	}
	rsa := d
	rsa.signer.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	if err := rsa.Verify(signer); !errors.Is(err, ErrSignature) {
		t.Errorf("an ECDSA signature that says it is RSA: %v", err)
	}
}

// swapped has its attributes in another order than the one signed.
func swapped(d SignedData, attributes ...[]byte) SignedData {
	d.signer.Attributes.FullBytes, d.signer.Attributes.Bytes = tlv.New(0xA0, attributes...), bytes.Join(attributes, nil)
	return d
}
