package lds

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardstation/devices/card/tlv"
	"cardstation/personalize/pki"
)

// bench is a directory in which openssl works.
type bench struct {
	*testing.T
	dir, tool string
}

func newBench(t *testing.T) bench {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is not installed")
	}
	return bench{t, t.TempDir(), tool}
}

func (b bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b bench) write(name string, data []byte) string {
	b.Helper()
	if err := os.WriteFile(b.path(name), data, 0o600); err != nil {
		b.Fatal(err)
	}
	return b.path(name)
}

func (b bench) run(args ...string) (string, error) {
	out, err := exec.Command(b.tool, args...).CombinedOutput()
	return string(out), err
}

func (b bench) must(args ...string) string {
	b.Helper()
	out, err := b.run(args...)
	if err != nil {
		b.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestOpenSSLAcceptsTheSOD(t *testing.T) {
	b := newBench(t)
	n := newNation(t, pki.Options{Now: time.Now()})
	files, err := Build(groups(t, 7), n.signer, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cms, err := tlv.One(files[SOD], SOD.Tag())
	if err != nil {
		t.Fatal(err)
	}
	in, anchor := b.write("sod.der", cms), b.write("csca.pem", certificatePEM(n.country.Certificate.Raw))
	out := b.must("cms", "-verify", "-inform", "DER", "-in", in, "-CAfile", anchor, "-out", b.path("content"))
	content, _ := os.ReadFile(b.path("content"))
	s, err := DecodeSOD(files[SOD])
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := s.Object.Encode(); !bytes.Equal(content, want) {
		t.Errorf("%s\nopenssl reads %x\nwant %x", out, content, want)
	}
	if text := b.must("cms", "-cmsout", "-print", "-inform", "DER", "-in", in); !strings.Contains(text, "eContentType: undefined (2.23.136.1.1.1)") {
		t.Error(text)
	}
	other := newNation(t, pki.Options{Now: time.Now()})
	wrong := b.write("other.pem", certificatePEM(other.country.Certificate.Raw))
	if out, err := b.run("cms", "-verify", "-inform", "DER", "-in", in, "-CAfile", wrong, "-out", b.path("content")); err == nil {
		t.Errorf("openssl believes another country signer\n%s", out)
	}
}

const authority = `[req]
distinguished_name=dn
[dn]
[ca]
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[ds]
keyUsage=critical,digitalSignature
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
`

// foreign has openssl make country signer, document signer and EF.SOD of an invented
// state, with keys of that kind, certificates and SOD signed with those options.
func (b bench) foreign(key, sign, cms []string, object []byte) (sod []byte) {
	b.Helper()
	conf := b.write("conf", []byte(authority))
	for _, name := range []string{"csca", "ds"} {
		b.must(append(append([]string{"genpkey"}, key...), "-out", b.path(name+".key"))...)
	}
	req := append([]string{"req", "-new", "-config", conf, "-days", "30"}, sign...)
	b.must(append(req, "-x509", "-key", b.path("csca.key"), "-subj", "/C=UT/CN=Utopia", "-extensions", "ca", "-out", b.path("csca.pem"))...)
	b.must(append(req, "-x509", "-key", b.path("ds.key"), "-CA", b.path("csca.pem"), "-CAkey", b.path("csca.key"), "-subj", "/C=UT/CN=Utopia signs",
		"-extensions", "ds", "-out", b.path("ds.pem"))...)
	args := append([]string{"cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-econtent_type", "2.23.136.1.1.1", "-in", b.write("object", object),
		"-signer", b.path("ds.pem"), "-inkey", b.path("ds.key"), "-outform", "DER", "-out", b.path("sod")}, cms...)
	b.must(args...)
	der, err := os.ReadFile(b.path("sod"))
	if err != nil {
		b.Fatal(err)
	}
	return tlv.New(SOD.Tag(), der)
}

func TestForeignDocumentsAreRead(t *testing.T) {
	rsaKey := []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}
	curve := func(name string) []string {
		return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + name}
	}
	pss := func(hash, salt string) []string {
		return []string{"-" + hash, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:" + salt}
	}
	cmsPSS := func(hash string) []string { return []string{"-md", hash, "-keyopt", "rsa_padding_mode:pss"} }
	for name, c := range map[string]struct {
		key, sign, cms []string
		hash           crypto.Hash
	}{
		"RSA SHA-256":                {rsaKey, []string{"-sha256"}, []string{"-md", "sha256"}, crypto.SHA256},
		"RSA SHA-1":                  {rsaKey, []string{"-sha1"}, []string{"-md", "sha1"}, crypto.SHA1},
		"RSA SHA-512":                {rsaKey, []string{"-sha512"}, []string{"-md", "sha512"}, crypto.SHA512},
		"RSA-PSS SHA-256":            {rsaKey, pss("sha256", "32"), cmsPSS("sha256"), crypto.SHA256},
		"RSA-PSS SHA-512, salt 20":   {rsaKey, pss("sha512", "20"), cmsPSS("sha512"), crypto.SHA256},
		"RSA-PSS SHA-1":              {rsaKey, pss("sha1", "20"), cmsPSS("sha1"), crypto.SHA1},
		"P-256 SHA-1":                {curve("P-256"), []string{"-sha1"}, []string{"-md", "sha1"}, crypto.SHA1},
		"P-256 SHA-224":              {curve("P-256"), []string{"-sha224"}, []string{"-md", "sha224"}, crypto.SHA224},
		"P-384 SHA-384, key id":      {curve("P-384"), []string{"-sha384"}, []string{"-md", "sha384", "-keyid"}, crypto.SHA384},
		"P-521 SHA-512":              {curve("P-521"), []string{"-sha512"}, []string{"-md", "sha512"}, crypto.SHA512},
		"P-256 by its parameters":    {append(curve("P-256"), "-pkeyopt", "ec_param_enc:explicit"), []string{"-sha256"}, []string{"-md", "sha256"}, crypto.SHA256},
		"brainpoolP256r1 (not read)": {curve("brainpoolP256r1"), []string{"-sha256"}, []string{"-md", "sha256"}, crypto.SHA256},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			g := groups(t, 3)
			o := SecurityObject{Version: 1, LDS: "0108", Unicode: "040000", Hash: c.hash, Groups: map[FileID][]byte{}}
			for f, data := range g {
				o.Groups[f] = digestOf(c.hash, data)
			}
			object, err := o.Encode()
			if err != nil {
				t.Fatal(err)
			}
			g[SOD] = b.foreign(c.key, c.sign, c.cms, object)
			trust, err := pki.LoadTrust(b.dir)
			if strings.Contains(name, "not read") {
				got := rows(t, Verify(g, Trust{}, time.Now()))
				if err == nil || got[CheckSOD].Result != NotDone || got[CheckSigner].Result != NotDone || got["DG2 hash"].Result != Passed {
					t.Errorf("%v, %+v", err, got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := rows(t, Verify(g, trust, time.Now()))
			for _, row := range []string{CheckSOD, CheckSigner, CheckCountry, CheckValidity, "DG1 hash", "DG2 hash", "DG15 hash"} {
				if got[row].Result != Passed {
					t.Errorf("%s %s: %s", row, got[row].Result, got[row].Why)
				}
			}
			if got[CheckState].Result != Failed { // Utopia signs what says VNM
				t.Errorf("%s %s", CheckState, got[CheckState].Result)
			}
			s, err := DecodeSOD(g[SOD])
			if again, encodeErr := s.Encode(); err != nil || encodeErr != nil || !bytes.Equal(again, g[SOD]) {
				t.Errorf("not byte for byte: %v, %v", err, encodeErr)
			}
			g[SOD][len(g[SOD])-9] ^= 1
			if got := rows(t, Verify(g, trust, time.Now())); got[CheckSOD].Result != Failed {
				t.Errorf("a signature with one bit changed %s: %s", got[CheckSOD].Result, got[CheckSOD].Why)
			}
		})
	}
}
