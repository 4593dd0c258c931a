package piv

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
	"cardstation/devices/softcard"
)

// The examples of PACS 2.3 (TIG SCEPACS), 6.2, and the non-federal numbers that
// yubico-piv-tool writes.
func TestFASCNMatchesPublishedNumbers(t *testing.T) {
	for want, got := range map[string][25]byte{
		"d0439458210c2c19a0846d83685a1082108ce73984108ca3fc": fascn("0032", "0001", "092446", "0", "1", "1112223333", "1", "1223", "2"),
		"d4e739da739ced39ce739d836858210842108421c84210c3eb": nonFederal,
	} {
		if hex.EncodeToString(got[:]) != want {
			t.Errorf("FASC-N %x, want %s", got, want)
		}
	}
}

func TestCHUIDHasTheFieldsOfTable9InOrder(t *testing.T) {
	b := CHUID{GUID: GUID("cplc:0102"), Expiry: "2041-05-17"}.Bytes()
	objects, err := tlv.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		tag tlv.Tag
		n   int
	}{{0x30, 25}, {0x34, 16}, {0x35, 8}, {0x3E, 0}, {0xFE, 0}} {
		if objects[i].Tag != want.tag || len(objects[i].Value) != want.n {
			t.Errorf("object %d is %s with %d bytes, want %s with %d", i, objects[i].Tag, len(objects[i].Value), want.tag, want.n)
		}
	}
	if guid := objects[1].Value; guid[6]>>4 != 5 || guid[8]>>6 != 2 {
		t.Errorf("GUID %x is not a version 5 UUID of RFC 4122", guid)
	}
}

// issuer is a citizen CA for tests.
type issuer struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newIssuer(t testing.TB) issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{key, cert}
}

func (i issuer) content(keys ...Key) Content {
	return Content{
		Dialect: Auto,
		Factory: Secrets{"123456", "12345678", []byte("\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08\x01\x02\x03\x04\x05\x06\x07\x08")},
		Issued:  Secrets{"902314", "77120934", []byte("an issued management key")},
		Keys:    keys,
		CHUID:   CHUID{GUID: GUID("cplc:00"), Expiry: "2041-05-17"},
		Certify: func(s Slot, pub crypto.PublicKey) (*x509.Certificate, error) {
			leaf := &x509.Certificate{
				SerialNumber: big.NewInt(int64(s)), Subject: pkix.Name{CommonName: "slot " + s.String()},
				NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			}
			der, err := x509.CreateCertificate(rand.Reader, leaf, i.cert, pub, i.key)
			if err != nil {
				return nil, err
			}
			return x509.ParseCertificate(der)
		},
		Trust: func(_ Slot, c *x509.Certificate) error { return c.CheckSignatureFrom(i.cert) },
	}
}

// take runs the steps as personalize.Run does.
func take(c card.Card, p Content) error {
	if locked, err := p.Locked(c); err != nil || locked {
		return err
	}
	a, err := p.Open(c)
	if err != nil {
		return err
	}
	defer a.(*application).Close()
	for _, s := range p.Steps() {
		holds, err := s.Holds(a)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name(), err)
		}
		if !holds {
			if err := s.Do(a); err != nil {
				return fmt.Errorf("%s: %w", s.Name(), err)
			}
		}
	}
	return nil
}

var allKeys = []Key{{Slot: Authentication, Algorithm: P256}, {Slot: Signature, Algorithm: P384}, {Slot: KeyManagement, Algorithm: RSA2048}, {Slot: CardAuthentication, Algorithm: P256}}

func newChip(t testing.TB, o softcard.Options) *softcard.Chip {
	t.Helper()
	chip, err := softcard.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return chip
}

func TestEverySlotAndAlgorithmIsMadeReadBackAndProved(t *testing.T) {
	chip := newChip(t, softcard.Options{})
	c, p := card.Over(chip), newIssuer(t).content(allKeys...)
	if err := take(c, p); err != nil {
		t.Fatal(err)
	}
	chip.Reset()
	if locked, err := p.Locked(c); err != nil || !locked {
		t.Errorf("not locked after all steps: %v", err)
	}
	proof, err := p.Prove(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(proof.Certificates) != len(allKeys) || len(proof.Attestations) != 0 {
		t.Errorf("proved %d keys of %d, said %v", len(proof.Certificates), len(allKeys), proof.Attestations)
	}
	for _, s := range p.Steps() {
		if holds, err := s.Holds(c); err != nil || !holds {
			t.Errorf("%s does not hold after it was done: %v", s.Name(), err)
		}
	}
}

// A key in 9d agrees and does not sign, on every algorithm, on cards with and without
// the commands of YubiKeys.
func TestEveryAlgorithmIsMadeAndProvedInEverySlot(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, a := range []Algorithm{P256, P384, RSA2048} {
			p := newIssuer(t).content(Key{Slot: Authentication, Algorithm: a}, Key{Slot: Signature, Algorithm: a}, Key{Slot: KeyManagement, Algorithm: a}, Key{Slot: CardAuthentication, Algorithm: a})
			if p.Dialect = Own; plain {
				p.KeepManagementKey, p.Issued.ManagementKey = true, p.Factory.ManagementKey
			}
			c := card.Over(newChip(t, softcard.Options{PlainPIV: plain}))
			if err := take(c, p); err != nil {
				t.Fatalf("plain %v, %s: %v", plain, a, err)
			}
			if proof, err := p.Prove(c); err != nil || len(proof.Certificates) != 4 {
				t.Errorf("plain %v, %s: %d proved, %v", plain, a, len(proof.Certificates), err)
			}
			if a == RSA2048 {
				continue
			}
			other, err := ecdsa.GenerateKey(map[Algorithm]elliptic.Curve{P256: elliptic.P256(), P384: elliptic.P384()}[a], rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if err := Possession(c, KeyManagement, other.Public(), p.Issued.PIN); !errors.Is(err, ErrForeignKey) {
				t.Errorf("plain %v, %s: another key in 9d: %v", plain, a, err)
			}
		}
	}
}

func TestAnotherChipsCertificateIsNotBelieved(t *testing.T) {
	i := newIssuer(t)
	p := i.content(Key{Slot: Authentication, Algorithm: P256})
	chip := newChip(t, softcard.Options{})
	c := card.Over(chip)
	if err := take(c, p); err != nil {
		t.Fatal(err)
	}
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := p.Certify(Authentication, foreign.Public())
	if err != nil {
		t.Fatal(err)
	}
	a, err := open(c, Own, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := (own{a}).store(p.Issued.ManagementKey, Authentication, cert); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Prove(c); !errors.Is(err, ErrForeignKey) {
		t.Errorf("a certificate over another key: %v", err)
	}
}

func TestPIVThatIsTornAnywhereIsFinishedByTheSameSteps(t *testing.T) {
	i := newIssuer(t)
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			chip := newChip(t, softcard.Options{Serial: 7})
			c, p := card.Over(chip), i.content(Key{Slot: Authentication, Algorithm: P256}, Key{Slot: Signature, Algorithm: P256})
			chip.TearAt(n, after)
			err := take(c, p)
			if err == nil {
				if n < 20 {
					t.Fatalf("whole issue in %d commands", n)
				}
				return
			}
			if !errors.Is(err, card.ErrGone) {
				t.Fatalf("tear at %d after=%v: %v", n, after, err)
			}
			chip.Reset()
			if err := take(c, p); err != nil {
				t.Fatalf("resume after tear at %d after=%v: %v", n, after, err)
			}
			chip.Reset()
			if _, err := p.Prove(c); err != nil {
				t.Fatalf("prove after tear at %d after=%v: %v", n, after, err)
			}
		}
	}
}

// A token without GET METADATA is asked by try; the tries come back.
func TestPINAndPUKOfAPlainTokenAreChangedWithoutLosingTries(t *testing.T) {
	p := newIssuer(t).content()
	for n := 1; n <= 4; n++ {
		for _, after := range []bool{false, true} {
			chip := newChip(t, softcard.Options{PlainPIV: true})
			c := card.Over(chip)
			run := func() error {
				if _, err := p.Locked(c); err != nil {
					return err
				}
				a, err := p.Open(c)
				if err != nil {
					return err
				}
				for _, s := range p.Steps()[:2] {
					if holds, err := s.Holds(a); err != nil || holds {
						if err != nil {
							return err
						}
						continue
					}
					if err := s.Do(a); err != nil {
						return err
					}
				}
				return nil
			}
			chip.TearAt(n+1, after)
			_ = run()
			chip.Reset()
			if err := run(); err != nil {
				t.Fatalf("tear at %d after=%v: %v", n, after, err)
			}
			resp, err := c.Transmit(card.Command{INS: 0x20, P2: 0x80})
			if err != nil {
				t.Fatal(err)
			}
			if tries, ok := resp.SW.Retries(); resp.SW != card.OK && (!ok || tries != 3) {
				t.Errorf("after tear at %d after=%v the PIN shows %s", n, after, resp.SW)
			}
		}
	}
}

// scripted gives the same answer to everything from the nth command on.
type scripted struct {
	card.Channel
	n      int
	answer []byte
}

func (s *scripted) Exchange(b []byte) ([]byte, error) {
	if s.n--; s.n < 0 {
		return s.answer, nil
	}
	return s.Channel.Exchange(b)
}

func TestHostileAnswersAreErrorsAtEveryCommand(t *testing.T) {
	i := newIssuer(t)
	for _, answer := range [][]byte{
		{}, {0x90}, {0x90, 0x00}, {0x6F, 0x00}, {0x69, 0x82}, {0x6A, 0x82}, {0x63, 0xC0}, {0x69, 0x83}, {0x6C, 0x10}, {0x61, 0x00},
		{0x7F, 0x49, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x90, 0x00}, {0x53, 0x82, 0xFF, 0xFF, 0x00, 0x90, 0x00}, {0x7C, 0x02, 0x82, 0x00, 0x90, 0x00},
	} {
		for n := range 45 {
			chip := newChip(t, softcard.Options{Serial: 7})
			p := i.content(Key{Slot: Authentication, Algorithm: P256})
			c := card.Over(&scripted{Channel: chip, n: n, answer: answer})
			if err := take(c, p); err == nil {
				if _, err := p.Prove(c); err != nil {
					continue // a chip that lies about writing does not get past the proof
				}
				chip.Reset()
				if _, err := p.Prove(card.Over(chip)); err != nil {
					t.Fatalf("answer %x from command %d on was taken for success: %v", answer, n, err)
				}
			}
		}
	}
}
