package pki

import (
	"bytes"
	"encoding/asn1"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var oidTestContent = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 6, 2}

func contentSigner(t testing.TB) (citizen, content Identity) {
	t.Helper()
	citizen, err := NewCitizenCA(Options{Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	if content, err = NewContentSigner(citizen, Options{}); err != nil {
		t.Fatal(err)
	}
	return citizen, content
}

// OpenSSL takes attached, detached and bare signatures of each strength, and refuses them
// over another content.
func TestOpenSSLBelievesCMSSignatures(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is not installed")
	}
	citizen, content := contentSigner(t)
	if !strings.HasPrefix(content.Certificate.Subject.CommonName, "DEMO ") {
		t.Error("a content signer under a demo ca does not say so")
	}
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, cert := put("ca.pem", certificatePEM(citizen.Certificate)), put("content.pem", certificatePEM(content.Certificate))
	text, other := put("text", []byte("a data object")), put("other", []byte("another data object"))
	if out, err := exec.Command(openssl, "verify", "-x509_strict", "-CAfile", ca, cert).CombinedOutput(); err != nil {
		t.Errorf("content signer: %s", out)
	}
	mark, err := asn1.Marshal([]byte("mark"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		by   Identity
		s    Signed
		more []string
	}{
		{"attached", content, Signed{}, nil},
		{"detached", content, Signed{Detached: true}, []string{"-content", text}},
		{"bare", content, Signed{Detached: true, Bare: true}, []string{"-content", text, "-certfile", cert}},
		{"of p-384", citizen, Signed{Detached: true}, []string{"-content", text}},
	} {
		c.s.Type, c.s.Content, c.s.Attributes = oidTestContent, []byte("a data object"), []Attribute{{asn1.ObjectIdentifier{1, 3, 6, 1, 1, 16, 4}, mark}}
		der, err := c.by.SignCMS(c.s)
		if err != nil {
			t.Fatal(err)
		}
		verify := append([]string{"cms", "-verify", "-binary", "-inform", "DER", "-in", put("cms", der), "-CAfile", ca, "-purpose", "any", "-out", os.DevNull}, c.more...)
		if out, err := exec.Command(openssl, verify...).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", c.name, out)
		}
		if c.s.Detached {
			verify[len(verify)-len(c.more)+1] = other
			if out, err := exec.Command(openssl, verify...).CombinedOutput(); err == nil {
				t.Errorf("%s over another content: %s", c.name, out)
			}
		}
		good, _, err := VerifyCMS(der, c.s.Content, c.by.Certificate)
		if err != nil || len(good.Attributes) != 3 || good.Detached != c.s.Detached || good.Bare != c.s.Bare {
			t.Errorf("%s: %+v, %v", c.name, good, err)
		}
		for i := range der {
			bad := append([]byte{}, der...)
			bad[i] ^= 1
			got, _, err := VerifyCMS(bad, c.s.Content, c.by.Certificate)
			if err == nil && (!bytes.Equal(got.Content, good.Content) || !reflect.DeepEqual(got.Attributes, good.Attributes) || !got.Type.Equal(good.Type)) {
				t.Fatalf("%s: byte %d changed what is believed", c.name, i)
			}
		}
	}
}

func TestTheContentSignerIsRolledAndMadeWhereThereIsNone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := InitDemo(dir); err != nil {
		t.Fatal(err)
	}
	before, err := Load(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Roll(dir, Change{Which: RollContent, Now: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	after, err := Load(dir, nil)
	if err != nil || after.Content.Certificate.Equal(before.Content.Certificate) {
		t.Errorf("the same signer after the roll, or %v", err)
	}
	for _, name := range []string{fileContent + ".pem", fileContent + ".key"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if rows, err := List(dir); err != nil || slices.ContainsFunc(rows, func(e Entry) bool { return e.Kind == "content signer" && e.Key }) {
		t.Errorf("a content signer is listed with its key, and was taken away: %v", err)
	}
	if none, err := Load(dir, nil); err != nil || none.Content.Certificate != nil {
		t.Errorf("a directory without content signer: %v", err)
	}
	if _, err := Roll(dir, Change{Which: RollContent, Now: time.Now()}, nil); err != nil {
		t.Fatal(err)
	}
	if rows, err := List(dir); err != nil || !slices.ContainsFunc(rows, func(e Entry) bool { return e.Kind == "content signer" && e.Key }) {
		t.Errorf("the new content signer is not listed: %v", err)
	}
	if again, err := Load(dir, nil); err != nil || again.Content.Certificate == nil {
		t.Errorf("no content signer was made: %v", err)
	}
}

func FuzzVerifyCMS(f *testing.F) {
	_, content := contentSigner(f)
	der, err := content.SignCMS(Signed{Type: oidTestContent, Content: []byte("x")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, _, err := VerifyCMS(b, nil, content.Certificate); err == nil && string(s.Content) != "x" {
			t.Errorf("a signature over %q was believed", s.Content)
		}
	})
}
