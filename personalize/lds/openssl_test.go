package lds

import (
	"bytes"
	"crypto"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardstation/devices/card/tlv"
	"cardstation/personalize/mrz"
	"cardstation/personalize/pki"
)

// bench is a directory in which openssl works.
type bench struct {
	*testing.T
	dir, tool string
	state     string // of the certificates
	more      string // extensions of the document signer
}

func newBench(t *testing.T) bench {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is not installed")
	}
	return bench{t, t.TempDir(), tool, "UT", ""}
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
	conf := b.write("conf", []byte(authority+b.more))
	for _, name := range []string{"csca", "ds"} {
		b.must(append(append([]string{"genpkey"}, key...), "-out", b.path(name+".key"))...)
	}
	req := append([]string{"req", "-new", "-config", conf, "-days", "30"}, sign...)
	b.must(append(req, "-x509", "-key", b.path("csca.key"), "-subj", "/C="+b.state+"/CN=Utopia", "-extensions", "ca", "-out", b.path("csca.pem"))...)
	b.must(append(req, "-x509", "-key", b.path("ds.key"), "-CA", b.path("csca.pem"), "-CAkey", b.path("csca.key"), "-subj", "/C="+b.state+"/CN=Utopia signs",
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

var rsaKey = []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}

func curveKey(name string) []string {
	return []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + name}
}

func explicitKey(name string) []string {
	return append(curveKey(name), "-pkeyopt", "ec_param_enc:explicit")
}

// document is the invented citizen's document with EF.SOD of openssl's making.
func (b bench) document(hash crypto.Hash, key, sign, cms []string) Files {
	b.Helper()
	g := groups(b, 3)
	o := SecurityObject{Version: 1, LDS: "0108", Unicode: "040000", Hash: hash, Groups: map[FileID][]byte{}}
	if hash == crypto.SHA1 { // as old as that
		o.Version, o.LDS, o.Unicode = 0, "", ""
	}
	return b.sign(g, o, key, sign, cms)
}

// sign completes the groups with EF.SOD.
func (b bench) sign(g Files, o SecurityObject, key, sign, cms []string) Files {
	b.Helper()
	for f, data := range g {
		o.Groups[f] = pki.Digest(o.Hash, data)
	}
	object, err := o.Encode()
	if err != nil {
		b.Fatal(err)
	}
	g[SOD] = b.foreign(key, sign, cms, object)
	return g
}

// Passports of other states, with the codes of Doc 9303-3, 5 that ISO 3166 pairs
// otherwise; DG13 is the state's own, and DG12 says when they were issued.
func TestPassportsOfOtherStatesAreVerified(t *testing.T) {
	for issuer, c := range map[string]struct{ country, want string }{
		"D": {"DE", "D in DG1, DE in Utopia signs, DE in Utopia"}, "FRA": {"FR", "FRA in DG1"}, "GBD": {"GB", "GBD in DG1"}, "UNO": {"UN", "UNO in DG1"},
		"EUE": {"EU", "EUE in DG1"}, "CHE": {"FR", ""},
	} {
		b := newBench(t)
		b.state = c.country
		zone, err := mrz.Parse("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<" + "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
		if err != nil {
			t.Fatal(err)
		}
		zone.Issuer, zone.Expiry = issuer, time.Now().AddDate(1, 0, 0).Format("060102")
		g := groups(t, 3)
		if g[DG1], err = EncodeDG1(zone); err != nil {
			t.Fatal(err)
		}
		if g[DG12], err = EncodeDG12(DocumentDetails{Issued: time.Now().Format("20060102")}); err != nil {
			t.Fatal(err)
		}
		g[DG13] = []byte{0x6D, 0x02, 0x04, 0x00}
		o := SecurityObject{Version: 1, LDS: "0108", Unicode: "040000", Hash: crypto.SHA256, Groups: map[FileID][]byte{}}
		b.sign(g, o, curveKey("brainpoolP256r1"), []string{"-sha256"}, []string{"-md", "sha256"})
		g[COM] = Common{LDS: "0108", Unicode: "040000", Groups: []FileID{DG1, DG2, DG12, DG13, DG14, DG15}}.must(t)
		trust, err := pki.LoadTrust(b.dir)
		if err != nil {
			t.Fatal(err)
		}
		got := rows(t, Verify(g, trust, time.Now()))
		for name, row := range got {
			want := Passed
			if name == CheckRevoked { // openssl made no list
				want = NotDone
			}
			if name == CheckState && c.want == "" {
				want = Failed
			}
			if row.Result != want {
				t.Errorf("%s: %s %s: %s (%s)", issuer, name, row.Result, row.Why, row.Evidence)
			}
		}
		if _, ok := got[CheckAgreement]; ok || !strings.HasPrefix(got[CheckState].Evidence, c.want) {
			t.Errorf("%s: %+v, a row %s: %v", issuer, got[CheckState], CheckAgreement, ok)
		}
	}
}

func (c Common) must(t *testing.T) []byte {
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestForeignDocumentsAreRead(t *testing.T) {
	pss := func(hash, salt, mask string) []string {
		return []string{"-" + hash, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:" + salt, "-sigopt", "rsa_mgf1_md:" + mask}
	}
	cmsPSS := func(hash, salt, mask string) []string {
		return []string{"-md", hash, "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:" + salt, "-keyopt", "rsa_mgf1_md:" + mask}
	}
	type variant struct {
		key, sign, cms []string
		hash           crypto.Hash
		algorithm, on  string // as the evidence names them
	}
	all := map[string]variant{
		"RSA-PSS, the hash's salt":    {rsaKey, pss("sha256", "32", "sha256"), cmsPSS("sha256", "32", "sha256"), crypto.SHA256, "RSA-PSS with SHA-256", "RSA of 2048 bits"},
		"RSA-PSS SHA-512, salt 20":    {rsaKey, pss("sha512", "20", "sha512"), cmsPSS("sha512", "20", "sha512"), crypto.SHA256, "RSA-PSS with SHA-512", "RSA of 2048 bits"},
		"RSA-PSS SHA-384, no salt":    {rsaKey, pss("sha384", "0", "sha384"), cmsPSS("sha384", "0", "sha384"), crypto.SHA384, "RSA-PSS with SHA-384", "RSA of 2048 bits"},
		"RSA-PSS SHA-1":               {rsaKey, pss("sha1", "20", "sha1"), cmsPSS("sha1", "20", "sha1"), crypto.SHA1, "RSA-PSS with SHA-1", "RSA of 2048 bits"},
		"RSA-PSS, mask of SHA-1":      {rsaKey, pss("sha256", "32", "sha1"), cmsPSS("sha256", "20", "sha1"), crypto.SHA256, "RSA-PSS with SHA-256 and a mask of SHA-1", "RSA of 2048 bits"},
		"RSA-PSS, mask of SHA-512":    {rsaKey, pss("sha224", "7", "sha512"), cmsPSS("sha224", "28", "sha512"), crypto.SHA224, "RSA-PSS with SHA-224 and a mask of SHA-512", "RSA of 2048 bits"},
		"RSA-PSS, odd key":            {[]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2050"}, pss("sha256", "32", "sha1"), cmsPSS("sha256", "32", "sha1"), crypto.SHA256, "RSA-PSS with SHA-256 and a mask of SHA-1", "RSA of 2050 bits"},
		"a key for RSA-PSS only":      {[]string{"-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"}, []string{"-sha256"}, cmsPSS("sha256", "32", "sha256"), crypto.SHA256, "RSA-PSS with SHA-256", "RSA of 2048 bits"},
		"by subject key identifier":   {curveKey("P-384"), []string{"-sha384"}, []string{"-md", "sha384", "-keyid"}, crypto.SHA384, "ECDSA with SHA-384", "ECDSA on P-384"},
		"another hash in the object":  {curveKey("P-256"), []string{"-sha384"}, []string{"-md", "sha256"}, crypto.SHA512, "ECDSA with SHA-256", "ECDSA on P-256"},
		"brainpool by its parameters": {explicitKey("brainpoolP384r1"), []string{"-sha384"}, []string{"-md", "sha384"}, crypto.SHA384, "ECDSA with SHA-384", "ECDSA on brainpoolP384r1"},
	}
	for name, hash := range map[string]crypto.Hash{"sha1": crypto.SHA1, "sha224": crypto.SHA224, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512} {
		all["RSA "+name] = variant{rsaKey, []string{"-" + name}, []string{"-md", name}, hash, "RSA with " + hash.String(), "RSA of 2048 bits"}
		all["ECDSA "+name] = variant{curveKey("P-256"), []string{"-" + name}, []string{"-md", name}, hash, "ECDSA with " + hash.String(), "ECDSA on P-256"}
	}
	for _, curve := range []string{"P-224", "P-384", "P-521", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"} {
		all[curve] = variant{curveKey(curve), []string{"-sha256"}, []string{"-md", "sha256"}, crypto.SHA256, "ECDSA with SHA-256", "ECDSA on " + curve}
	}
	for _, curve := range []string{"P-224", "P-256", "P-384", "P-521", "brainpoolP256r1", "brainpoolP512r1"} {
		all[curve+" by its parameters"] = variant{explicitKey(curve), []string{"-sha256"}, []string{"-md", "sha256"}, crypto.SHA256, "ECDSA with SHA-256", "ECDSA on " + curve}
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			g := b.document(c.hash, c.key, c.sign, c.cms)
			trust, err := pki.LoadTrust(b.dir)
			if err != nil {
				t.Fatal(err)
			}
			got := rows(t, Verify(g, trust, time.Now()))
			for _, row := range []string{CheckSOD, CheckSigner, CheckCountry, CheckValidity, CheckIssue, "DG1 hash", "DG2 hash", "DG15 hash"} {
				if got[row].Result != Passed {
					t.Errorf("%s %s: %s", row, got[row].Result, got[row].Why)
				}
			}
			for row, want := range map[string]string{CheckSOD: c.algorithm + ",", CheckSigner: c.on + ", in EF.SOD", CheckCountry: c.on + ", from csca.pem; it signed by ", "DG1 hash": c.hash.String()} {
				if !strings.Contains(got[row].Evidence, want) {
					t.Errorf("evidence of %s is %q, want %q in it", row, got[row].Evidence, want)
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
			if len(s.Signer.Signature) > 0 {
				bad := *s.Signer
				bad.Signature = bytes.Clone(bad.Signature)
				bad.Signature[len(bad.Signature)-9] ^= 1
				if err := pki.CertificateBy(&bad, trust.Anchors[0]); err == nil {
					t.Error("a certificate's signature with one bit changed was believed")
				}
			}
		})
	}
}

// Some states leave the signer's certificate out of EF.SOD and publish it; others put
// more than one in.
func TestTheSignerIsFoundWhereverItIs(t *testing.T) {
	for name, c := range map[string]struct {
		cms      []string
		evidence string
	}{
		"in the trust folder":        {[]string{"-md", "sha256", "-nocerts"}, "from ds.pem"},
		"there, by its key":          {[]string{"-md", "sha256", "-nocerts", "-keyid"}, "from ds.pem"},
		"in a file in BER":           {[]string{"-md", "sha256", "-stream"}, "in EF.SOD"},
		"among others in the EF.SOD": {[]string{"-md", "sha256", "-certfile", "csca.pem"}, "in EF.SOD"},
	} {
		b := newBench(t)
		for i, a := range c.cms {
			if a == "csca.pem" {
				c.cms[i] = b.path(a)
			}
		}
		g := b.document(crypto.SHA256, curveKey("P-256"), []string{"-sha256"}, c.cms)
		trust, err := pki.LoadTrust(b.dir)
		if err != nil {
			t.Fatal(err)
		}
		if ber := bytes.Contains(g[SOD][:16], []byte{0x30, 0x80}); ber != (name == "in a file in BER") {
			t.Errorf("%s: %X", name, g[SOD][:16])
		}
		got := rows(t, Verify(g, trust, time.Now()))
		for _, row := range []string{CheckSOD, CheckSigner, CheckCountry, CheckValidity} {
			if got[row].Result != Passed {
				t.Errorf("%s: %s %s: %s", name, row, got[row].Result, got[row].Why)
			}
		}
		if !strings.HasSuffix(got[CheckSigner].Evidence, c.evidence) {
			t.Errorf("%s: evidence %q", name, got[CheckSigner].Evidence)
		}
		if c.evidence == "in EF.SOD" {
			continue
		}
		if err := os.Remove(b.path("ds.pem")); err != nil {
			t.Fatal(err)
		}
		if trust, err = pki.LoadTrust(b.dir); err != nil {
			t.Fatal(err)
		}
		if got := rows(t, Verify(g, trust, time.Now())); got[CheckSOD].Result != NotDone || got[CheckSigner].Result != NotDone {
			t.Errorf("%s, and then not: %+v", name, got[CheckSOD])
		}
	}
}

// OpenSSL signs today: with a key that signed in the first quarter of 2020 only, and
// with one that may sign on.
func TestTheSigningTimeIsHeldAgainstTheKeysPeriod(t *testing.T) {
	for period, want := range map[string]Result{
		"80:0F:" + hexTime("20200101000000Z") + "81:0F:" + hexTime("20200331000000Z"): Failed,
		"80:0F:" + hexTime("20200101000000Z") + "81:0F:" + hexTime("20990331000000Z"): Passed,
	} {
		b := newBench(t)
		b.more = "2.5.29.16=DER:30:22:" + strings.TrimSuffix(period, ":") + "\n"
		g := b.document(crypto.SHA256, curveKey("P-256"), []string{"-sha256"}, []string{"-md", "sha256"})
		trust, err := pki.LoadTrust(b.dir)
		if err != nil {
			t.Fatal(err)
		}
		got := rows(t, Verify(g, trust, time.Now()))[CheckIssue]
		if got.Result != want || !strings.Contains(got.Evidence, "document signer's key 2020-01-01 to 20") || !strings.Contains(got.Evidence, signingTime) {
			t.Errorf("%s: %+v", period, got)
		}
	}
}

// hexTime is the text of a time in hex, with colons.
func hexTime(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%02X:", c)
	}
	return b.String()
}

// A signer's certificate on a curve that differs from a known one in its generator or
// its cofactor would let whoever chose it sign for the state (CVE-2020-0601).
func TestAChosenCurveSignsNothing(t *testing.T) {
	b := newBench(t)
	g := b.document(crypto.SHA256, explicitKey("P-256"), []string{"-sha256"}, []string{"-md", "sha256"})
	if err := os.Remove(b.path("ds.pem")); err != nil {
		t.Fatal(err)
	}
	trust, err := pki.LoadTrust(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	generator := unhex(t, "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
	order := unhex(t, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551020101")
	for name, at := range map[string]int{"generator": bytes.Index(g[SOD], generator) + 9, "cofactor": bytes.Index(g[SOD], order) + len(order) - 1} {
		forged := maps.Clone(g)
		forged[SOD] = bytes.Clone(g[SOD])
		if forged[SOD][at] ^= 2; at < 100 {
			t.Fatalf("no %s in EF.SOD", name)
		}
		got := rows(t, Verify(forged, trust, time.Now()))
		if got[CheckSOD].Result != NotDone || got[CheckSigner].Result != NotDone || !strings.Contains(got[CheckSOD].Why, "not a known elliptic curve") {
			t.Errorf("another %s: %+v", name, got[CheckSOD])
		}
	}
}
