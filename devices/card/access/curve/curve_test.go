package curve

//lint:file-ignore SA1019 see curve.go.

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"os/exec"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/brainpool"
)

func number(t testing.TB, s string) *big.Int {
	t.Helper()
	n, ok := new(big.Int).SetString(s, 16)
	if !ok {
		t.Fatal(s)
	}
	return n
}

// RFC 5639, 3.4, 3.6 and 3.7, and FIPS 186-4, D.1.2.3.
func TestCoefficientsAreThePublishedOnes(t *testing.T) {
	for _, v := range []struct {
		c    elliptic.Curve
		a, b string
	}{
		{brainpool.P256r1(), "7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9", "26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6"},
		{brainpool.P384r1(), "7BC382C63D8C150C3C72080ACE05AFA0C2BEA28E4FB22787139165EFBA91F90F8AA5814A503AD4EB04A8C7DD22CE2826", "04A8C7DD22CE28268B39B55416F0447C2FB77DE107DCD2A62E880EA53EEB62D57CB4390295DBC9943AB78696FA504C11"},
		{brainpool.P512r1(), "7830A3318B603B89E2327145AC234CC594CBDD8D3DF91610A83441CAEA9863BC2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A72BF2C7B9E7C1AC4D77FC94CA", "3DF91610A83441CAEA9863BC2DED5D5AA8253AA10A2EF1C98B9AC8B57F1117A72BF2C7B9E7C1AC4D77FC94CADC083E67984050B75EBAE5DD2809BD638016F723"},
		{elliptic.P256(), "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC", "5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B"},
	} {
		p := ParametersOf(v.c)
		if p.A.Cmp(number(t, v.a)) != 0 || p.B.Cmp(number(t, v.b)) != 0 {
			t.Errorf("%s: a %X, b %X", v.c.Params().Name, p.A, p.B)
		}
		c, err := Explicit(p)
		if err != nil || c != v.c {
			t.Errorf("%s: %v", v.c.Params().Name, err)
		}
		p.B = new(big.Int).Add(p.B, big.NewInt(1))
		if _, err := Explicit(p); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s with another b: %v", v.c.Params().Name, err)
		}
	}
	if _, err := Explicit(Parameters{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func TestNumbers(t *testing.T) {
	for n, name := range map[int]string{10: "P-224", 12: "P-256", 13: "brainpoolP256r1", 15: "P-384", 16: "brainpoolP384r1", 17: "brainpoolP512r1", 18: "P-521"} {
		c, err := Number(n)
		if err != nil || c.Params().Name != name || ConstantTime(c) != strings.HasPrefix(name, "P-") {
			t.Errorf("%d: %v", n, err)
			continue
		}
		if m, err := NumberOf(c); err != nil || m != n {
			t.Errorf("%s: %d, %v", name, m, err)
		}
	}
	if _, err := Number(14); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	if _, err := NumberOf(nil); !errors.Is(err, ErrUnknown) || ConstantTime(nil) {
		t.Errorf("%v", err)
	}
}

// Keys of openssl, the curve named and spelled out, and ours read by openssl.
func TestPublicKeysAgainstOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is not installed")
	}
	for n, name := range map[int]string{10: "secp224r1", 12: "prime256v1", 13: "brainpoolP256r1", 15: "secp384r1", 16: "brainpoolP384r1", 17: "brainpoolP512r1", 18: "secp521r1"} {
		want, err := Number(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"named_curve", "explicit"} {
			key, err := exec.Command("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+name, "-pkeyopt", "ec_param_enc:"+form).Output()
			if err != nil {
				t.Fatal(err)
			}
			pkey := exec.Command("openssl", "pkey", "-pubout", "-outform", "DER")
			pkey.Stdin = bytes.NewReader(key)
			der, err := pkey.Output()
			if err != nil {
				t.Fatal(err)
			}
			k, err := ParsePublicKey(der)
			if err != nil || k.Curve != want {
				t.Errorf("%s, %s: %v", name, form, err)
				continue
			}
			ours, err := MarshalPublicKey(k)
			if err != nil {
				t.Fatal(err)
			}
			text := exec.Command("openssl", "pkey", "-pubin", "-inform", "DER", "-noout", "-text")
			text.Stdin = bytes.NewReader(ours)
			out, err := text.Output()
			x := k.X.FillBytes(make([]byte, Size(k.Curve)))
			flat := strings.NewReplacer(":", "", " ", "", "\n", "").Replace(string(out))
			if err != nil || !strings.Contains(flat, hex.EncodeToString(x)) || !strings.Contains(string(out), "Field Type: prime-field") {
				t.Errorf("%s: openssl reads ours as\n%s", name, out)
			}
		}
	}
}

func TestStandardizedNumberAsAlgorithm(t *testing.T) {
	c, err := ParseAlgorithm(oidStandardized, []byte{2, 1, 13})
	if err != nil || c != brainpool.P256r1() {
		t.Errorf("%v", err)
	}
	for _, bad := range [][]byte{nil, {2, 1, 14}, {5, 0}} {
		if _, err := ParseAlgorithm(oidStandardized, bad); err == nil {
			t.Errorf("%X was taken", bad)
		}
	}
	if _, err := ParseAlgorithm(oidPrime, nil); err == nil {
		t.Error("a field is no key")
	}
}

func TestPointsOffTheCurve(t *testing.T) {
	c := elliptic.P256()
	good := Encode(c, c.Params().Gx, c.Params().Gy)
	if _, err := PublicKey(c, good); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "compressed": append([]byte{2}, good[1:33]...), "long": append(good, 0),
		"infinity": append([]byte{4}, make([]byte, 64)...), "off": append(append([]byte{}, good[:64]...), good[64]^1),
		"too large": append([]byte{4}, bytes.Repeat([]byte{0xFF}, 64)...),
	} {
		if _, err := PublicKey(c, b); !errors.Is(err, ErrPoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	named, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		f.Fatal(err)
	}
	explicit, err := MarshalPublicKey(&k.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(named)
	f.Add(explicit)
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParsePublicKey(b)
		if err != nil {
			return
		}
		der, err := MarshalPublicKey(k)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePublicKey(der)
		if err != nil || !again.Equal(k) {
			t.Errorf("%X: %v", b, err)
		}
	})
}

// Parameters that differ in one number from a known curve's let whoever chose them sign
// for anybody's key (CVE-2020-0601); a base point in its short form is the same point.
func TestOnlyTheParametersOfAKnownCurveAreTaken(t *testing.T) {
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P521(), brainpool.P256r1(), brainpool.P512r1()} {
		written := func(change func(*explicit)) []byte {
			p := ParametersOf(c)
			e := explicit{Version: 1, Base: Encode(c, p.Gx, p.Gy), Order: p.N, Cofactor: big.NewInt(1)}
			e.Field.Type, e.Field.Prime = oidPrime, p.P
			e.Curve.A, e.Curve.B = p.A.FillBytes(make([]byte, Size(c))), p.B.FillBytes(make([]byte, Size(c)))
			change(&e)
			der, err := asn1.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			return der
		}
		for name, change := range map[string]func(*explicit){
			"as they are": func(*explicit) {},
			"no cofactor": func(e *explicit) { e.Cofactor = nil },
			"short base":  func(e *explicit) { e.Base = append([]byte{2 + e.Base[len(e.Base)-1]&1}, e.Base[1:1+Size(c)]...) },
		} {
			if got, err := ParseAlgorithm(oidKey, written(change)); err != nil || got != c {
				t.Errorf("%s, %s: %v", c.Params().Name, name, err)
			}
		}
		x, y := c.ScalarBaseMult([]byte{3})
		for name, change := range map[string]func(*explicit){
			"another base":     func(e *explicit) { e.Base = Encode(c, x, y) },
			"its negative":     func(e *explicit) { e.Base = append([]byte{3 - e.Base[len(e.Base)-1]&1}, e.Base[1:1+Size(c)]...) },
			"another order":    func(e *explicit) { e.Order = new(big.Int).Sub(e.Order, big.NewInt(2)) },
			"cofactor 2":       func(e *explicit) { e.Cofactor = big.NewInt(2) },
			"cofactor 0":       func(e *explicit) { e.Cofactor = new(big.Int) },
			"another a":        func(e *explicit) { e.Curve.A[0] ^= 1 },
			"another b":        func(e *explicit) { e.Curve.B[0] ^= 1 },
			"another field":    func(e *explicit) { e.Field.Prime = new(big.Int).Add(e.Field.Prime, big.NewInt(2)) },
			"base cut short":   func(e *explicit) { e.Base = e.Base[:len(e.Base)-1] },
			"base of no form":  func(e *explicit) { e.Base[0] = 5 },
			"base of nothing":  func(e *explicit) { e.Base = nil },
			"a negative order": func(e *explicit) { e.Order = new(big.Int).Neg(e.Order) },
		} {
			if got, err := ParseAlgorithm(oidKey, written(change)); !errors.Is(err, ErrUnknown) {
				t.Errorf("%s, %s: %v, %v", c.Params().Name, name, got, err)
			}
		}
	}
}
