package cvc

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"cardstation/devices/card/tlv"
)

// workshop is a directory in which tools of others run.
type workshop struct {
	*testing.T
	dir       string
	signature int // its length
}

func (w workshop) run(tool string, arguments ...string) {
	w.Helper()
	cmd := exec.Command(tool, arguments...)
	cmd.Dir = w.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("%s (Debian packages openpace, openssl): %v\n%s", tool, err, out)
	}
}

// certificate has cvc-create make a key and its certificate by the signer named.
func (w workshop) certificate(name, holder, role, by, scheme string, key []string, more ...string) Certificate {
	w.Helper()
	w.run("openssl", append([]string{"genpkey", "-outform", "DER", "-out", name + ".p8"}, key...)...)
	arguments := append([]string{"--role=" + role, "--type=is", "--chr=" + holder, "--issued=260201", "--expires=280201", "--scheme=" + scheme,
		"--sign-with=" + by + ".p8", "--key=" + name + ".p8", "--out-cert=" + name + ".cv", "--read-finger"}, more...)
	if by != name {
		arguments = append(arguments, "--sign-as="+by+".cv")
	}
	var b []byte
	var c Certificate
	for whole := false; !whole; { // TR-03111, 5.2.1: a leading zero stays, which cvc-create leaves out
		w.run("cvc-create", arguments...)
		var err error
		if b, err = os.ReadFile(filepath.Join(w.dir, name+".cv")); err != nil {
			w.Fatal(err)
		}
		if c, err = Parse(b); err != nil {
			w.Fatal(err)
		}
		signature, err := tlv.Find(b, 0x7F21, 0x5F37)
		if err != nil {
			w.Fatal(err)
		}
		whole = len(signature) == w.signature
	}
	if !bytes.Equal(c.Bytes(), b) {
		w.Error("certificate is not kept as it came")
	}
	return c
}

// The chain of somebody else's authority is believed, and no more of it than it bears.
func TestChainsThatOpenPACEIssuesAreBelieved(t *testing.T) {
	ec := func(curve string) []string {
		return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve}
	}
	for _, v := range []struct {
		scheme    string
		signature int
		key       []string
	}{
		{"ECDSA_SHA_256", 64, ec("prime256v1")}, {"ECDSA_SHA_384", 96, ec("secp384r1")}, {"ECDSA_SHA_512", 132, ec("secp521r1")},
		{"ECDSA_SHA_256", 64, ec("brainpoolP256r1")}, {"ECDSA_SHA_384", 96, ec("brainpoolP384r1")},
		{"RSA_v1_5_SHA_256", 256, []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}},
	} {
		w := workshop{t, t.TempDir(), v.signature}
		root := w.certificate("ca", "VNCVCA00001", "cvca", "ca", v.scheme, v.key, "--read-iris")
		dv := w.certificate("dv", "VNPOLICE00001", "dv_domestic", "ca", v.scheme, v.key, "--read-iris")
		is := w.certificate("is", "VNDESK00001", "terminal", "dv", v.scheme, v.key)
		trust, err := NewTrust(day("2026-03-01"), root)
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := NewVerifier(trust)
		if err != nil {
			t.Fatal(err)
		}
		if verifier.Add(is) == nil {
			t.Errorf("%v: a terminal without its verifier is believed", v.key)
		}
		for _, c := range []Certificate{dv, is} {
			if err := verifier.Add(c); err != nil {
				t.Fatalf("%v: %s: %v", v.key, c.Holder, err)
			}
		}
		terminal, rights, err := verifier.Terminal()
		if err != nil || terminal.Holder != "VNDESK00001" || !rights.Has(ReadFingers) || rights.Has(ReadIris) {
			t.Errorf("%v: %s, %v, %v", v.key, terminal.Holder, rights, err)
		}
		if !terminal.From.Equal(day("2026-02-01")) || !terminal.Until.Equal(day("2028-02-01")) {
			t.Errorf("%v: from %s to %s", v.key, terminal.From, terminal.Until)
		}
	}
}
