package piv

import (
	"bytes"
	"crypto"
	"testing"
	"time"

	"cardstation/biometrics/record"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/pki"
)

// signedObjects are a signed CHUID, a face and the security object over both.
func signedObjects(t testing.TB) (c CHUID, face, security Object, by pki.Identity) {
	t.Helper()
	i := newIssuer(t)
	by = pki.Identity{Signer: crypto.Signer(i.key), Certificate: i.cert}
	c, err := CHUID{GUID: GUID("cplc:00"), Expiry: "2041-05-17"}.Sign(by)
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	if face, err = c.Face(record.PIVHeader{Created: day, From: day, To: day, Creator: "test"}, []byte("a face"), by); err != nil {
		t.Fatal(err)
	}
	if security, err = SecurityObject([]Object{face, c.Object()}, by); err != nil {
		t.Fatal(err)
	}
	return c, face, security, by
}

func TestObjectsOfAnotherCardAreNotBelieved(t *testing.T) {
	c, face, security, by := signedObjects(t)
	values := func(face Object) map[tlv.Tag][]byte {
		return map[tlv.Tag][]byte{objectFace: face.Value, objectCHUID: c.Bytes()}
	}
	signer, err := c.signer(c.Bytes())
	if err != nil || !signer.Equal(by.Certificate) {
		t.Fatal(err)
	}
	if err := c.sameBiometric(face.Value, face.Value, signer); err != nil {
		t.Error(err)
	}
	if err := checkSecurity(security.Value, signer, values(face)); err != nil {
		t.Error(err)
	}
	day := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	other := CHUID{GUID: GUID("cplc:01"), Expiry: c.Expiry}
	theirs, err := other.Face(record.PIVHeader{Created: day, From: day, To: day, Creator: "test"}, []byte("a face"), by)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.sameBiometric(face.Value, theirs.Value, signer); err == nil {
		t.Error("the same face, signed for another card, was believed")
	}
	if err := checkSecurity(security.Value, signer, values(theirs)); err == nil {
		t.Error("another object than the security object is over was believed")
	}
	stranger := newIssuer(t)
	if err := c.sameBiometric(face.Value, face.Value, stranger.cert); err == nil {
		t.Error("a face was believed of another signer")
	}
	if err := checkSecurity(security.Value, stranger.cert, values(face)); err == nil {
		t.Error("a security object was believed of another signer")
	}
	if again, err := c.Sign(by); err != nil || !c.same(again.Bytes()) || bytes.Equal(again.Bytes(), c.Bytes()) {
		t.Errorf("the same fields signed again are another chuid, or the signature is the same: %v", err)
	}
}

// Whatever a chip gives for a signed object, what is believed is what was signed.
func FuzzSignedObjects(f *testing.F) {
	c, face, security, by := signedObjects(f)
	values := map[tlv.Tag][]byte{objectFace: face.Value, objectCHUID: c.Bytes()}
	for _, v := range [][]byte{c.Bytes(), face.Value, security.Value} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		_, _ = c.signer(v)
		if err := c.sameBiometric(face.Value, v, by.Certificate); err == nil && !bytes.Contains(v, []byte("a face")) {
			t.Error("another face was believed")
		}
		_ = checkSecurity(v, by.Certificate, values)
	})
}
