package access

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cardstation/devices/card"
)

// The worked example of Doc 9303-11, appendix F (which gives no key): challenge,
// what the chip drew, and the message representative.
const (
	aaChallenge = "F173589974BF40C6"
	aaNonce     = "9D2784A67F8E7C659973EA1AEA25D95B6C8F91E5002F369F0FBDCE8A3CEC1991B543F1696546C5524CF23A5303CD6C98599F40B79F377B5F3A1406B3B4D8F96784D23AA88DB7E1032A405E69325FA91A6E86F5C71AEA978264C4A207446DAD4E7292E2DCDA3024B47DA8"
	aaMessage   = "6A9D2784A67F8E7C659973EA1AEA25D95B6C8F91E5002F369F0FBDCE8A3CEC1991B543F1696546C5524CF23A5303CD6C98599F40B79F377B5F3A1406B3B4D8F96784D23AA88DB7E1032A405E69325FA91A6E86F5C71AEA978264C4A207446DAD4E7292E2DCDA3024B47DA8C063AA1E6D22FBD976AB0FE73D94D2D9C6D88127BC"
)

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRSASignatureIsTheWorkedExample(t *testing.T) {
	k := rsaKey(t, 1024)
	s, err := SignActive(k, crypto.SHA1, unhex(t, aaChallenge), bytes.NewReader(unhex(t, aaNonce)))
	if err != nil {
		t.Fatal(err)
	}
	if f, err := recoverMessage(&k.PublicKey, s); err != nil || !bytes.Equal(f, unhex(t, aaMessage)) {
		t.Errorf("message %X, %v", f, err)
	}
	if err := VerifyActive(&k.PublicKey, 0, unhex(t, aaChallenge), s); err != nil {
		t.Error(err)
	}
	// The chip may give the smaller of s and n-s.
	other := new(big.Int).Sub(k.N, new(big.Int).SetBytes(s)).FillBytes(make([]byte, k.Size()))
	if err := VerifyActive(&k.PublicKey, 0, unhex(t, aaChallenge), other); err != nil {
		t.Error(err)
	}
}

// openssl runs the tool in a directory of its own.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", args[0], err, out)
	}
}

func workshop(t *testing.T, key any) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is not installed")
	}
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return dir
}

func write(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The appendix' message representative signed by openssl, and ours opened by it:
// without padding its decrypt and encrypt are the bare exponentiations.
func TestRSAAgainstOpenSSL(t *testing.T) {
	k := rsaKey(t, 1024)
	dir := workshop(t, k)
	write(t, dir, "message", unhex(t, aaMessage))
	openssl(t, dir, "pkeyutl", "-decrypt", "-inkey", "key.pem", "-pkeyopt", "rsa_padding_mode:none", "-in", "message", "-out", "signature")
	if err := VerifyActive(&k.PublicKey, 0, unhex(t, aaChallenge), read(t, dir, "signature")); err != nil {
		t.Error(err)
	}
	ours, err := SignActive(k, crypto.SHA1, unhex(t, aaChallenge), bytes.NewReader(unhex(t, aaNonce)))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "ours", ours)
	openssl(t, dir, "pkeyutl", "-encrypt", "-inkey", "key.pem", "-pkeyopt", "rsa_padding_mode:none", "-in", "ours", "-out", "opened")
	if !bytes.Equal(read(t, dir, "opened"), unhex(t, aaMessage)) {
		t.Error("openssl opens our signature to something else")
	}
}

func TestECDSAAgainstOpenSSL(t *testing.T) {
	for _, v := range []struct {
		curve elliptic.Curve
		hash  string
	}{{elliptic.P256(), "sha256"}, {elliptic.P384(), "sha384"}, {elliptic.P521(), "sha512"}} {
		k, err := ecdsa.GenerateKey(v.curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		dir := workshop(t, k)
		challenge := unhex(t, aaChallenge)
		write(t, dir, "challenge", challenge)
		openssl(t, dir, "dgst", "-"+v.hash, "-sign", "key.pem", "-out", "signature", "challenge")
		var rs struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(read(t, dir, "signature"), &rs); err != nil {
			t.Fatal(err)
		}
		n := orderSize(&k.PublicKey)
		plain := append(rs.R.FillBytes(make([]byte, n)), rs.S.FillBytes(make([]byte, n))...)
		if err := VerifyActive(&k.PublicKey, 0, challenge, plain); err != nil {
			t.Errorf("%s: %v", v.curve.Params().Name, err)
		}
		ours, err := SignActive(k, 0, challenge, nil)
		if err != nil || len(ours) != 2*n {
			t.Fatalf("%d bytes, %v", len(ours), err)
		}
		der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(ours[:n]), new(big.Int).SetBytes(ours[n:])})
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, "ours", der)
		openssl(t, dir, "dgst", "-"+v.hash, "-prverify", "key.pem", "-signature", "ours", "challenge")
	}
}

func TestChipProvesItsKeyThroughTheCard(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long := rsaKey(t, 2048)
	for _, v := range []struct {
		name string
		key  crypto.PrivateKey
		pub  crypto.PublicKey
		hash crypto.Hash
		want error
	}{
		{"ecdsa", ec, &ec.PublicKey, 0, nil}, {"ecdsa sha-1", ec, &ec.PublicKey, crypto.SHA1, nil},
		{"rsa", long, &long.PublicKey, 0, nil}, {"rsa sha-384", long, &long.PublicKey, crypto.SHA384, nil},
		{"another key", other, &ec.PublicKey, 0, ErrSignature}, {"another kind of key", ec, &long.PublicKey, 0, ErrSignature},
	} {
		_, chip := channels()[0].open(t)
		terminal, _ := channels()[0].open(t)
		extended := false
		l := &loop{secure: chip, app: func(c card.Command) card.Response {
			extended = extended || c.Extended
			s, err := SignActive(v.key, v.hash, c.Data, nil)
			if err != nil {
				t.Fatal(err)
			}
			return card.Response{Data: s, SW: card.OK}
		}}
		hash := v.hash
		if v.pub == &long.PublicKey {
			hash = 0
		}
		if err := ActiveAuthenticate(terminal(card.Over(l)), v.pub, hash, nil); !errors.Is(err, v.want) {
			t.Errorf("%s: %v", v.name, err)
		}
		if v.want == nil && extended {
			t.Errorf("%s: extended length", v.name)
		}
	}
}

// Chips that give the signature to one Le only, and what is told of it.
func TestSignatureIsAskedForAsTheChipGivesIt(t *testing.T) {
	short, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long := rsaKey(t, 2048)
	for name, v := range map[string]struct {
		key  crypto.Signer
		give func(signature []byte, ne int) card.Response
		told string
	}{
		"as asked":         {short, func(s []byte, ne int) card.Response { return card.Response{Data: s, SW: card.OK} }, ""},
		"its very length":  {short, only(64, 0x6C40), "Le of 64"},
		"no other":         {short, only(64, card.WrongLength), "Le of 64"},
		"not extended":     {long, only(256, card.WrongLength), ""},
		"nothing extended": {long, only(256, card.OK), ""},
		"extended only":    {long, only(65536, card.WrongLength), "Le of 65536"},
		"a part of it": {long, func(s []byte, ne int) card.Response {
			return card.Response{Data: s[:min(len(s), map[bool]int{false: 231, true: 256}[ne > 256])], SW: card.OK}
		}, "Le of 65536"},
	} {
		_, chip := channels()[0].open(t)
		terminal, _ := channels()[0].open(t)
		l := &loop{secure: chip, app: func(c card.Command) card.Response {
			s, err := SignActive(v.key, 0, c.Data, nil)
			if err != nil {
				t.Fatal(err)
			}
			return v.give(s, c.Ne)
		}}
		inside := terminal(card.Over(l))
		if err := ActiveAuthenticate(inside, v.key.Public(), 0, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if told := strings.Join(Tried(inside), ""); (told != "") != (v.told != "") || !strings.Contains(told, v.told) {
			t.Errorf("%s: told %q", name, told)
		}
	}
}

// only gives a signature to one Le, and the status to every other.
func only(want int, sw card.Status) func([]byte, int) card.Response {
	return func(s []byte, ne int) card.Response {
		if ne != want {
			return card.Response{SW: sw}
		}
		return card.Response{Data: s, SW: card.OK}
	}
}

func TestRefusalToSignIsNoProofOfForgery(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := card.Over(exchange(func([]byte) ([]byte, error) { return []byte{0x6D, 0}, nil }))
	if err := ActiveAuthenticate(c, &ec.PublicKey, 0, nil); !errors.Is(err, card.InsNotSupported) || errors.Is(err, ErrSignature) {
		t.Errorf("%v", err)
	}
	for _, pub := range []crypto.PublicKey{nil, "key", &rsa.PublicKey{}, &rsa.PublicKey{N: big.NewInt(35), E: 5}} {
		if err := ActiveAuthenticate(c, pub, 0, nil); err == nil || errors.Is(err, ErrSignature) {
			t.Errorf("%T: %v", pub, err)
		}
	}
}

func FuzzVerifyActive(f *testing.F) {
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		f.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(make([]byte, 128))
	f.Add(make([]byte, 64))
	f.Add(unhex(f, aaMessage))
	f.Fuzz(func(t *testing.T, s []byte) {
		for _, pub := range []crypto.PublicKey{&k.PublicKey, &ec.PublicKey} {
			if err := VerifyActive(pub, 0, make([]byte, 8), s); !errors.Is(err, ErrSignature) {
				t.Errorf("%X: %v", s, err)
			}
		}
	})
}
