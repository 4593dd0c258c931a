package access

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os/exec"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/tlv"
)

func (e *eacCard) terminal(c card.Command) ([]byte, error) {
	switch c.Header() {
	case [4]byte{0, 0x22, 0x81, 0xB6}:
		return nil, e.ta.SetDST(c.Data)
	case [4]byte{0, 0x2A, 0x00, 0xBE}:
		return nil, e.ta.VerifyCertificate(c.Data)
	case [4]byte{0, 0x22, 0x81, 0xA4}:
		return nil, e.ta.SetTemplate(c.Data)
	case [4]byte{0, 0x84, 0, 0}:
		return e.ta.Challenge()
	case [4]byte{0, 0x82, 0, 0}:
		rights, err := e.ta.Authenticate(c.Data)
		return rights.Value, err
	}
	return nil, card.InsNotSupported
}

// office is a country's authorities and one terminal.
type office struct {
	trust        cvc.Trust
	root, dv, is cvc.Certificate
	rootKey, key crypto.Signer
}

var today = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func certify(t testing.TB, authority, holder string, role cvc.Role, rights byte, key crypto.PublicKey, signer crypto.Signer) cvc.Certificate {
	t.Helper()
	public, err := cvc.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	by, err := cvc.NewPublicKey(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	c, err := cvc.Certificate{Authority: authority, Holder: holder, Key: public, Authorization: cvc.Inspection(role, rights), From: cvc.Day(today), Until: cvc.Day(today).AddDate(0, 3, 0)}.Sign(signer, by)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newOffice(t testing.TB, generate func() crypto.Signer, rights byte) office {
	t.Helper()
	root, dv, is := generate(), generate(), generate()
	const both = cvc.ReadFingers | cvc.ReadIris
	o := office{rootKey: root, key: is}
	o.root = certify(t, "VNCVCA00001", "VNCVCA00001", cvc.CVCA, both, root.Public(), root)
	o.dv = certify(t, "VNCVCA00001", "VNPOLICE00001", cvc.DVDomestic, both, dv.Public(), root)
	o.is = certify(t, "VNPOLICE00001", "VNDESK00001", cvc.Terminal, rights, is.Public(), dv)
	var err error
	if o.trust, err = cvc.NewTrust(today, o.root); err != nil {
		t.Fatal(err)
	}
	return o
}

func curveKeys(t testing.TB, c elliptic.Curve) func() crypto.Signer {
	return func() crypto.Signer { return ecKey(t, c) }
}

// authenticated is a chip and the card as chip authentication left it.
func authenticated(t testing.TB, o office) (*eacCard, card.Card) {
	t.Helper()
	key := ecKey(t, elliptic.P256())
	chip := newEACCard(t, 128, nil, key)
	chip.start = func() *TerminalAuthenticationChip {
		ta, err := NewTerminalAuthenticationChip(o.trust, chip.bac.ID(), chip.ca.TerminalKey(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return ta
	}
	inside, err := ChipAuthentication{Key: ChipKey{KeyBits: 128, Key: &key.PublicKey}}.Open(openBAC(t, chip))
	if err != nil {
		t.Fatal(err)
	}
	return chip, inside
}

func TestTerminalAuthenticationAtBothEnds(t *testing.T) {
	for name, generate := range map[string]func() crypto.Signer{
		"p-256": curveKeys(t, elliptic.P256()), "p-384": curveKeys(t, elliptic.P384()), "p-521": curveKeys(t, elliptic.P521()),
		"rsa-2048": func() crypto.Signer {
			k, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			return k
		},
	} {
		o := newOffice(t, generate, cvc.ReadFingers)
		chip, inside := authenticated(t, o)
		got, err := TerminalAuthentication{Chain: []cvc.Certificate{o.is, o.dv, o.root}, Key: o.key, Trusted: []string{"VNCVCA00001"}}.Open(inside)
		if err != nil || got != inside {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := card.Do(inside, card.Command{INS: 0xB0, Ne: 20}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := (TerminalAuthentication{Chain: []cvc.Certificate{o.dv, o.is}, Key: o.key}).Open(inside); !errors.Is(err, card.SecurityNotSatisfied) {
			t.Errorf("%s: a second time: %v", name, err)
		}
		if !chip.ta.rights.Has(cvc.ReadFingers) || chip.ta.rights.Has(cvc.ReadIris) {
			t.Errorf("%s: %v", name, chip.ta.rights)
		}
	}
}

func TestTerminalThatTheChipDoesNotTake(t *testing.T) {
	p256 := curveKeys(t, elliptic.P256())
	o, other := newOffice(t, p256, cvc.ReadFingers), newOffice(t, p256, cvc.ReadFingers)
	chain := []cvc.Certificate{o.dv, o.is}
	for name, v := range map[string]struct {
		a    TerminalAuthentication
		want error
	}{
		"another country's chain": {TerminalAuthentication{Chain: []cvc.Certificate{other.dv, other.is}, Key: other.key}, AuthenticationFailed},
		"another terminal's key":  {TerminalAuthentication{Chain: chain, Key: other.key}, AuthenticationFailed},
		"verifier left out":       {TerminalAuthentication{Chain: []cvc.Certificate{o.is}, Key: o.key}, card.ReferencedDataNotFound},
		"no way from the trusted": {TerminalAuthentication{Chain: chain, Key: o.key, Trusted: []string{"VNCVCA00002"}}, cvc.ErrAuthority},
		"no terminal":             {TerminalAuthentication{Chain: []cvc.Certificate{o.dv}, Key: o.key}, cvc.ErrAuthority},
		"no key":                  {TerminalAuthentication{Chain: chain}, cvc.ErrAuthority},
	} {
		_, inside := authenticated(t, o)
		if _, err := v.a.Open(inside); !errors.Is(err, v.want) {
			t.Errorf("%s: %v, want %v", name, err, v.want)
		}
	}
	bacOnly := newEACCard(t, 128, nil, ecKey(t, elliptic.P256()))
	if _, err := (TerminalAuthentication{Chain: chain, Key: o.key}).Open(openBAC(t, bacOnly)); err == nil {
		t.Error("ran before chip authentication")
	}
}

// Terminal authentication belongs to one channel: the same signature, over the same
// challenge, is nothing in another.
func TestProofIsBoundToTheChannel(t *testing.T) {
	o := newOffice(t, curveKeys(t, elliptic.P256()), cvc.ReadFingers)
	id, key := []byte("L898902C<3"), bytes.Repeat([]byte{7}, 32)
	for name, v := range map[string]struct {
		id, key []byte
		want    error
	}{"same": {id, key, nil}, "other document": {[]byte("L898902D<0"), key, AuthenticationFailed}, "other channel": {id, bytes.Repeat([]byte{8}, 32), AuthenticationFailed}} {
		chip, err := NewTerminalAuthenticationChip(o.trust, v.id, v.key, nil)
		if err != nil {
			t.Fatal(err)
		}
		challenge := ready(t, chip, o)
		public := cvc.PublicKey{Algorithm: cvc.ECDSASHA256, Key: o.key.Public()}
		signature, err := cvc.SignMessage(o.key, public, terminalProof(id, challenge, key))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := chip.Authenticate(signature); !errors.Is(err, v.want) {
			t.Errorf("%s: %v, want %v", name, err, v.want)
		}
		again := error(card.ConditionsNotSatisfied)
		if v.want == nil {
			again = card.SecurityNotSatisfied
		}
		if _, err := chip.Authenticate(signature); !errors.Is(err, again) {
			t.Errorf("%s: the challenge held twice: %v", name, err)
		}
	}
}

// ready leads a chip's end up to its challenge.
func ready(t testing.TB, chip *TerminalAuthenticationChip, o office) []byte {
	t.Helper()
	for _, c := range []cvc.Certificate{o.dv, o.is} {
		if err := chip.SetDST(tlv.New(0x83, []byte(c.Authority))); err != nil {
			t.Fatal(err)
		}
		if err := chip.VerifyCertificate(c.Content()); err != nil {
			t.Fatal(err)
		}
	}
	if err := chip.SetTemplate(tlv.New(0x83, []byte(o.is.Holder))); err != nil {
		t.Fatal(err)
	}
	challenge, err := chip.Challenge()
	if err != nil || len(challenge) != 8 {
		t.Fatal(err)
	}
	return challenge
}

// openssl signs what TR-03110-3, A.5 says is signed, and the chip takes it: document
// number with check digit, challenge, x of the terminal's key.
func TestProofSignedByOpenSSL(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	dir := workshop(t, key)
	o := newOffice(t, curveKeys(t, elliptic.P256()), cvc.ReadFingers)
	dvKey := ecKey(t, elliptic.P256())
	o.dv = certify(t, "VNCVCA00001", "VNPOLICE00001", cvc.DVDomestic, 3, dvKey.Public(), o.rootKey)
	o.is = certify(t, "VNPOLICE00001", "VNDESK00001", cvc.Terminal, cvc.ReadFingers, key.Public(), dvKey)
	x := bytes.Repeat([]byte{0x5A}, 32)
	chip, err := NewTerminalAuthenticationChip(o.trust, []byte("L898902C<3"), x, nil)
	if err != nil {
		t.Fatal(err)
	}
	challenge := ready(t, chip, o)
	write(t, dir, "proof", []byte("L898902C<3"+string(challenge)+string(x)))
	openssl(t, dir, "dgst", "-sha256", "-sign", "key.pem", "-out", "sig", "proof")
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(read(t, dir, "sig"), &rs); err != nil {
		t.Fatal(err)
	}
	rights, err := chip.Authenticate(append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...))
	if err != nil || !rights.Has(cvc.ReadFingers) {
		t.Errorf("%v, %v", rights, err)
	}
}

// The signature of a certificate, as openssl checks it.
func TestCertificateCheckedByOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is not installed")
	}
	o := newOffice(t, curveKeys(t, elliptic.P384()), cvc.ReadFingers)
	spki, err := x509.MarshalPKIXPublicKey(o.rootKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	body, err := tlv.Find(o.dv.Bytes(), 0x7F21, 0x7F4E)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := tlv.Find(o.dv.Bytes(), 0x7F21, 0x5F37)
	if err != nil {
		t.Fatal(err)
	}
	n := len(signature) / 2
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "pub.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	write(t, dir, "body", tlv.New(0x7F4E, body))
	write(t, dir, "sig", der)
	openssl(t, dir, "dgst", "-sha384", "-verify", "pub.pem", "-signature", "sig", "body")
}

func TestTerminalAuthenticationKeepsItsOrder(t *testing.T) {
	o := newOffice(t, curveKeys(t, elliptic.P256()), cvc.ReadFingers)
	chip, err := NewTerminalAuthenticationChip(o.trust, []byte("id"), []byte("key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	dst := tlv.New(0x83, []byte("VNCVCA00001"))
	broken := o.dv.Content()
	broken[len(broken)-1] ^= 1
	authenticate := func() error { _, err := chip.Authenticate(make([]byte, 64)); return err }
	for i, step := range []struct {
		err  error
		want error
	}{
		{chip.VerifyCertificate(o.dv.Content()), card.ConditionsNotSatisfied},
		{chip.SetTemplate(tlv.New(0x83, []byte(o.is.Holder))), card.ReferencedDataNotFound},
		{authenticate(), card.ConditionsNotSatisfied},
		{chip.SetDST(nil), card.IncorrectData},
		{chip.SetDST(tlv.New(0x83, []byte("VNCVCA00009"))), card.ReferencedDataNotFound},
		{chip.SetDST(dst), nil},
		{chip.VerifyCertificate(broken), AuthenticationFailed},
		{chip.VerifyCertificate(o.dv.Content()), card.ConditionsNotSatisfied},
		{chip.SetDST(dst), nil},
		{chip.VerifyCertificate([]byte{0x7F}), card.IncorrectData},
		{chip.SetDST(dst), nil},
		{chip.VerifyCertificate(o.is.Content()), AuthenticationFailed},
		{chip.SetTemplate(nil), card.IncorrectData},
	} {
		if !errors.Is(step.err, step.want) {
			t.Errorf("step %d: %v, want %v", i, step.err, step.want)
		}
	}
	ready(t, chip, o)
	for _, step := range []struct {
		authority string
		c         cvc.Certificate
		want      error
	}{{o.root.Holder, o.dv, nil}, {o.root.Holder, o.is, AuthenticationFailed}, {o.dv.Holder, o.is, nil}} {
		if err := chip.SetDST(tlv.New(0x83, []byte(step.authority))); err != nil {
			t.Fatal(err)
		}
		if err := chip.VerifyCertificate(step.c.Content()); !errors.Is(err, step.want) {
			t.Errorf("%s under %s: %v, want %v", step.c.Holder, step.authority, err, step.want)
		}
	}
	ready(t, chip, o)
	if err := chip.SetDST(dst); err != nil {
		t.Fatal(err)
	}
	if err := authenticate(); !errors.Is(err, card.ConditionsNotSatisfied) {
		t.Errorf("the terminal outlived a new chain: %v", err)
	}
	if _, err := NewTerminalAuthenticationChip(o.trust, nil, []byte("key"), nil); err == nil {
		t.Error("a chip without an identity")
	}
	dry, err := NewTerminalAuthenticationChip(o.trust, []byte("id"), []byte("key"), bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := dry.Challenge(); !errors.Is(err, card.NoPreciseDiagnosis) || c != nil {
		t.Errorf("challenge %X from a source that has run dry: %v", c, err)
	}
}

func TestChipTakesALinkCertificateForGood(t *testing.T) {
	o := newOffice(t, curveKeys(t, elliptic.P256()), cvc.ReadFingers)
	next := ecKey(t, elliptic.P256())
	link := certify(t, "VNCVCA00001", "VNCVCA00002", cvc.CVCA, 3, next.Public(), o.rootKey)
	dvKey := ecKey(t, elliptic.P256())
	dv := certify(t, "VNCVCA00002", "VNPOLICE00002", cvc.DVDomestic, 3, dvKey.Public(), next)
	is := certify(t, "VNPOLICE00002", "VNDESK00002", cvc.Terminal, 3, o.key.Public(), dvKey)
	chip, inside := authenticated(t, o)
	if _, err := (TerminalAuthentication{Chain: []cvc.Certificate{is, dv, link}, Key: o.key, Trusted: []string{"VNCVCA00001"}}).Open(inside); err != nil {
		t.Fatal(err)
	}
	refs, err := chip.ta.Trust().References()
	if err != nil || len(refs) != 2 || refs[0] != "VNCVCA00002" {
		t.Fatalf("%v, %v", refs, err)
	}
	file, err := EncodeCVCA(refs...)
	if err != nil || len(file) != 36 {
		t.Fatalf("%X, %v", file, err)
	}
	o.trust = chip.ta.Trust()
	again, err := ParseCVCA(file)
	if err != nil {
		t.Fatal(err)
	}
	_, inside = authenticated(t, o)
	if _, err := (TerminalAuthentication{Chain: []cvc.Certificate{is, dv, link}, Key: o.key, Trusted: again}).Open(inside); err != nil {
		t.Error(err)
	}
}

func TestCVCAFile(t *testing.T) {
	good := append(tlv.New(0x42, []byte("DECVCAEPASS001")), make([]byte, 20)...)
	refs, err := ParseCVCA(good)
	if err != nil || len(refs) != 1 || refs[0] != "DECVCAEPASS001" {
		t.Errorf("%v, %v", refs, err)
	}
	for name, bad := range map[string][]byte{
		"empty": nil, "zeros": make([]byte, 36), "cut": {0x42, 5, 1}, "tag": {0x43, 1, 'A', 0},
		"trailing": {0x42, 1, 'A', 0, 1}, "three": {0x42, 1, 'A', 0x42, 1, 'B', 0x42, 1, 'C'}, "blank": {0x42, 0},
	} {
		if refs, err := ParseCVCA(bad); err == nil {
			t.Errorf("%s: %v", name, refs)
		}
	}
	for _, bad := range [][]string{nil, {""}, {"12345678901234567"}, {"A", "B", ""}} {
		if _, err := EncodeCVCA(bad...); err == nil {
			t.Errorf("%v was encoded", bad)
		}
	}
}

func TestSecurityInfoOfTerminalAuthentication(t *testing.T) {
	if b := TerminalAuthenticationInfo(); !bytes.Equal(b, unhex(t, "300D060804007F0007020202020101")) {
		t.Errorf("%X", b)
	}
	for _, v := range []struct {
		infos []byte
		want  bool
	}{
		{asSet(TerminalAuthenticationInfo()), true},
		{asSet(unhex(t, "300D060804007F0007020202020102")), false}, // version 2
		{asSet(unhex(t, "3013060804007F00070202020201013004 0402011C")), true},
		{asSet(), false},
	} {
		if got, err := OffersTerminalAuthentication(v.infos); err != nil || got != v.want {
			t.Errorf("%X: %v, %v", v.infos, got, err)
		}
	}
}

func FuzzTerminalAuthenticationChip(f *testing.F) {
	o := newOffice(f, curveKeys(f, elliptic.P256()), cvc.ReadFingers)
	f.Add(tlv.New(0x83, []byte("VNCVCA00001")), o.dv.Content(), make([]byte, 64))
	f.Add(tlv.New(0x83, []byte("VNCVCA00001")), o.root.Content(), []byte{})
	f.Add([]byte{0x83}, []byte{0x7F, 0x4E, 0x82}, []byte{1})
	f.Fuzz(func(t *testing.T, name, cert, signature []byte) {
		chip, err := NewTerminalAuthenticationChip(o.trust, []byte("id"), []byte("key"), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = ParseCVCA(cert)
		check := func(err error) {
			var sw card.Status
			if err != nil && !errors.As(err, &sw) {
				t.Errorf("no status to answer: %v", err)
			}
		}
		check(chip.SetDST(name))
		check(chip.VerifyCertificate(cert))
		check(chip.SetTemplate(name))
		_, err = chip.Challenge()
		check(err)
		rights, err := chip.Authenticate(signature)
		check(err)
		if err == nil {
			t.Errorf("a stranger got %v", rights)
		}
		if refs, err := chip.Trust().References(); err != nil || len(refs) != 1 || refs[0] != "VNCVCA00001" {
			t.Errorf("trust moved to %v, %v", refs, err)
		}
	})
}
