package softcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/tlv"
)

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pkcs8(t testing.TB, key crypto.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// dg14 says these ways of chip authentication.
func dg14(t testing.TB, ways ...access.ChipKey) []byte {
	t.Helper()
	var infos [][]byte
	for _, way := range ways {
		more, err := way.SecurityInfos()
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, more...)
	}
	return tlv.New(0x6E, tlv.New(0x31, infos...))
}

// eacChip is a chip with BAC, PACE by CAN, chip authentication and what more says.
func eacChip(t testing.TB, chipKey *ecdsa.PrivateKey, said []byte, more ...[]byte) *Chip {
	t.Helper()
	chip := newChip(t, Options{})
	files := map[fileID][]byte{efCardAccess: cardAccess(t, p256), efDG14: said,
		0x0101: []byte("data group 1"), efDG3: []byte("fingers"), efDG4: []byte("irises")}
	finish(t, chip, files, append([][]byte{object(0x62, secretsDO(testMRZ)), passwordObject(passwordCAN, testCAN), object(0x63, pkcs8(t, chipKey))}, more...)...)
	return chip
}

// inside opens a chip by BAC or PACE and selects the application.
func inside(t testing.TB, chip *Chip, bac bool) card.Card {
	t.Helper()
	chip.Reset()
	c := card.Over(chip)
	if bac {
		send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
		return open(t, access.BAC{MRZ: testMRZ}, c)
	}
	in := open(t, pace(access.CAN(testCAN)), c)
	send(t, in, "00A4040C", aids[appEMRTD], 0, card.OK)
	return in
}

func TestChipAuthenticationRenewsTheChannel(t *testing.T) {
	key := newKey(t, elliptic.P256())
	var ways []access.ChipKey
	for i, bits := range []int{access.DESKeyBits, 128, 192, 256} {
		ways = append(ways, access.ChipKey{KeyBits: bits, Key: &key.PublicKey, ID: []byte{byte(i + 1)}})
	}
	aa := newKey(t, elliptic.P384())
	chip := eacChip(t, key, dg14(t, ways...), object(0x60, pkcs8(t, aa)))
	for _, bac := range []bool{true, false} {
		for _, way := range ways {
			in := open(t, access.ChipAuthentication{Key: way}, inside(t, chip, bac))
			if got := send(t, in, "00B08100", nil, 4, card.OK); string(got) != "data" || !access.ChipProven(in) {
				t.Fatalf("bac %v, %d bits: %q", bac, way.KeyBits, got)
			}
			send(t, in, "00B08300", nil, 4, card.SecurityNotSatisfied)
			if err := access.ActiveAuthenticate(in, aa.Public(), 0, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestClonedChipIsNotAuthentic(t *testing.T) {
	key := newKey(t, elliptic.P256())
	way := access.ChipKey{KeyBits: 256, Key: &key.PublicKey}
	in := open(t, access.ChipAuthentication{Key: way}, inside(t, eacChip(t, newKey(t, elliptic.P256()), dg14(t, way)), false))
	if _, err := in.Transmit(card.Command{INS: 0xB0, P1: 0x81, Ne: 4}); !errors.Is(err, access.ErrNotAuthentic) {
		t.Fatalf("a copy of DG14 on another chip: %v", err)
	}
}

func TestChipAuthenticationWantsAChannelAndAKey(t *testing.T) {
	key := newKey(t, elliptic.P256())
	chip := eacChip(t, key, dg14(t, access.ChipKey{KeyBits: 128, Key: &key.PublicKey}))
	c := card.Over(chip)
	send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
	send(t, c, "002241A4", []byte{0x80, 0}, 0, card.SecurityNotSatisfied)
	in := inside(t, chip, false)
	send(t, in, "002241A4", []byte{0x80, 1, 0}, 0, card.IncorrectData)
	send(t, in, "002241A6", []byte{0x91, 1, 4}, 0, card.IncorrectData)
	send(t, in, "00860000", []byte{0x7C, 2, 0x80, 0}, 256, card.ConditionsNotSatisfied)
	send(t, in, "002281B6", []byte{0x83, 1, 'A'}, 0, card.ConditionsNotSatisfied)
	send(t, in, "00840000", nil, 8, card.ConditionsNotSatisfied)
	send(t, in, "00820000", make([]byte, 64), 0, card.ConditionsNotSatisfied)
	send(t, inside(t, paceChip(t, Options{}), false), "002241A4", []byte{0x80, 0}, 0, card.ConditionsNotSatisfied)
}

// party is somebody with a certificate.
type party struct {
	cvc.Certificate
	key crypto.Signer
}

func day(s string) time.Time { d, _ := time.Parse("2006-01-02", s); return d }

// certify has by, or the party itself, certify a new key.
func certify(t testing.TB, by *party, holder string, role cvc.Role, rights byte, key crypto.Signer) *party {
	t.Helper()
	public, err := cvc.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	p := &party{key: key}
	c := cvc.Certificate{Authority: holder, Holder: holder, Key: public, Authorization: cvc.Inspection(role, rights), From: day("2026-01-01"), Until: day("2028-12-31")}
	issuer := party{cvc.Certificate{Key: public}, key}
	if by != nil {
		c.Authority, issuer = by.Holder, *by
	}
	if p.Certificate, err = c.Sign(issuer.key, issuer.Key); err != nil {
		t.Fatal(err)
	}
	return p
}

const both = cvc.ReadFingers | cvc.ReadIris

// office is an authority with a verifier and a terminal that has these rights.
func office(t testing.TB, rights byte, key crypto.Signer) (authority *party, ta access.TerminalAuthentication) {
	t.Helper()
	authority = certify(t, nil, "VNCVCA00001", cvc.CVCA, both, newKey(t, elliptic.P256()))
	verifier := certify(t, authority, "VNDV00001", cvc.DVDomestic, both, newKey(t, elliptic.P256()))
	terminal := certify(t, verifier, "VNIS00001", cvc.Terminal, rights, key)
	return authority, access.TerminalAuthentication{Chain: []cvc.Certificate{verifier.Certificate, terminal.Certificate}, Key: terminal.key}
}

// trusting is a chip that trusts an authority, and its way of chip authentication.
func trusting(t testing.TB, authority *party) (*Chip, access.ChipAuthentication) {
	t.Helper()
	key := newKey(t, elliptic.P256())
	way := access.ChipKey{KeyBits: 128, Key: &key.PublicKey}
	return eacChip(t, key, dg14(t, way), object(0x64, authority.Bytes())), access.ChipAuthentication{Key: way}
}

func TestTerminalsReadWhatTheyMay(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, try := range []struct {
		rights  byte
		key     crypto.Signer
		bac     bool
		fingers card.Status
		irises  card.Status
	}{
		{cvc.ReadFingers, newKey(t, elliptic.P256()), false, card.OK, card.SecurityNotSatisfied},
		{cvc.ReadIris, newKey(t, elliptic.P256()), true, card.SecurityNotSatisfied, card.OK},
		{both, newKey(t, elliptic.P256()), true, card.OK, card.OK},
		{0, newKey(t, elliptic.P256()), false, card.SecurityNotSatisfied, card.SecurityNotSatisfied},
		{both, rsaKey, false, card.OK, card.OK}, // certificate longer than a short command
	} {
		authority, ta := office(t, try.rights, try.key)
		chip, ca := trusting(t, authority)
		in := open(t, ca, inside(t, chip, try.bac))
		send(t, in, "00A4020C", big16(access.CVCAFile), 0, card.OK)
		if ta.Trusted, err = access.ParseCVCA(send(t, in, "00B00000", nil, 256, card.OK)); err != nil {
			t.Fatal(err)
		}
		send(t, in, "00B08300", nil, 7, card.SecurityNotSatisfied)
		in = open(t, ta, in)
		fingers, irises := send(t, in, "00B08300", nil, 7, try.fingers), send(t, in, "00B08400", nil, 6, try.irises)
		if try.fingers == card.OK && string(fingers) != "fingers" || try.irises == card.OK && string(irises) != "irises" {
			t.Fatalf("%q %q", fingers, irises)
		}
		in = inside(t, chip, false)
		send(t, in, "00B08300", nil, 7, card.SecurityNotSatisfied) // the rights were the channel's
		send(t, in, "00B09C00", nil, 36, card.OK)
	}
}

func TestTerminalsOfOthersAreRefused(t *testing.T) {
	authority, ta := office(t, both, newKey(t, elliptic.P256()))
	other, stranger := office(t, both, newKey(t, elliptic.P256()))
	renamed := certify(t, nil, "VNCVCA00009", cvc.CVCA, both, other.key)
	thief := ta
	thief.Key = newKey(t, elliptic.P256())
	chip, ca := trusting(t, authority)
	for name, try := range map[string]struct {
		ta   access.TerminalAuthentication
		want card.Status
	}{
		"another authority of the same name": {stranger, access.AuthenticationFailed},
		"terminal without its verifier":      {access.TerminalAuthentication{Chain: ta.Chain[1:], Key: ta.Key}, card.ReferencedDataNotFound},
		"stolen certificate":                 {thief, access.AuthenticationFailed},
		"unknown authority": {access.TerminalAuthentication{Key: ta.Key, Chain: []cvc.Certificate{
			certify(t, renamed, "VNDV00009", cvc.DVDomestic, both, newKey(t, elliptic.P256())).Certificate, ta.Chain[1]}}, card.ReferencedDataNotFound},
	} {
		in := open(t, ca, inside(t, chip, false))
		if _, err := try.ta.Open(in); !errors.Is(err, try.want) {
			t.Errorf("%s: %v, want %s", name, err, try.want)
		}
		send(t, in, "00B08300", nil, 7, card.SecurityNotSatisfied)
	}
}

func TestLinkCertificateIsRemembered(t *testing.T) {
	authority, _ := office(t, both, newKey(t, elliptic.P256()))
	chip, ca := trusting(t, authority)
	next := certify(t, authority, "VNCVCA00002", cvc.CVCA, both, newKey(t, elliptic.P256()))
	in := open(t, ca, inside(t, chip, false))
	send(t, in, "002281B6", tlv.New(0x83, []byte(authority.Holder)), 0, card.OK)
	content := next.Content()
	send(t, in, "102A00BE", content[:100], 0, card.OK) // in pieces, inside the channel
	send(t, in, "002A00BE", content[100:], 0, card.OK)
	state, _ := chip.State()
	again, err := Restore(state)
	if err != nil {
		t.Fatal(err)
	}
	in = inside(t, again, true)
	send(t, in, "00A4020C", big16(access.CVCAFile), 0, card.OK)
	references, err := access.ParseCVCA(send(t, in, "00B00000", nil, 256, card.OK))
	if err != nil || len(references) != 2 || references[0] != next.Holder {
		t.Fatalf("EF.CVCA names %q, %v", references, err)
	}
}

func TestKeysAndTrustPointsThatAreNoneAreRefused(t *testing.T) {
	chip := newChip(t, Options{})
	outside := card.Over(chip)
	send(t, outside, "00A4040C", aids[appEMRTD], 0, card.OK)
	c := open(t, scp03(access.LevelFull), outside)
	authority, ta := office(t, both, newKey(t, elliptic.P256()))
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 1024)
	for header, bad := range map[string][][]byte{
		"00DA0063": {nil, {0x30, 0}, pkcs8(t, rsaKey)},
		"00DA0064": {nil, {0x7F, 0x21, 0}, ta.Chain[0].Bytes(), append(authority.Bytes(), 0)},
	} {
		for _, data := range bad {
			send(t, c, header, data, 0, card.IncorrectData)
		}
	}
	send(t, c, "00DA0064", authority.Bytes(), 0, card.OK)
	send(t, c, "00DA0063", pkcs8(t, newKey(t, elliptic.P521())), 0, card.OK)
}

func TestPACECanAuthenticateTheChipByItsMapping(t *testing.T) {
	key := newKey(t, elliptic.P256())
	mapping := access.PACEInfo{KeyBits: 128, Parameter: 12, Mapping: access.ChipAuthenticationMapping}
	authority, ta := office(t, cvc.ReadFingers, newKey(t, elliptic.P256()))
	chip := newChip(t, Options{})
	manager := open(t, scp03(access.LevelFull), card.Over(chip))
	security := []byte("security infos, signed")
	send(t, manager, "00E00000", createDO(efDG3, 9), 0, card.IncorrectData)
	send(t, manager, "00E00000", createDO(efSecurity, len(security)), 0, card.OK)
	send(t, manager, "00D60000", security, 0, card.OK)
	send(t, manager, "80F08007", nil, 0, card.OK)
	send(t, manager, "80F0800F", nil, 0, card.OK)
	send(t, manager, "00D60000", security, 0, card.SecurityNotSatisfied) // SECURED
	chip.Reset()
	finish(t, chip, map[fileID][]byte{efCardAccess: cardAccess(t, p256, mapping), efDG3: []byte("fingers"), efSOD: []byte("sod")},
		passwordObject(passwordCAN, testCAN), object(0x63, pkcs8(t, key)), object(0x64, authority.Bytes()))
	c := card.Over(chip)
	send(t, c, "00A4020C", big16(int(efSecurity)), 0, card.SecurityNotSatisfied)
	in := open(t, access.PACE{Info: mapping, Password: access.CAN(testCAN)}, c)
	if err := in.(access.Mapped).VerifyChip(&key.PublicKey); err != nil {
		t.Fatal(err)
	}
	if err := in.(access.Mapped).VerifyChip(&newKey(t, elliptic.P256()).PublicKey); !errors.Is(err, access.ErrNotAuthentic) {
		t.Fatalf("another chip's key: %v", err)
	}
	send(t, in, "00A4020C", big16(int(efSecurity)), 0, card.OK)
	if got := send(t, in, "00B09D00", nil, 256, card.OK); string(got) != string(security) {
		t.Fatalf("EF.CardSecurity %q", got)
	}
	send(t, in, "00A4040C", aids[appEMRTD], 0, card.OK)
	if got := send(t, in, "00B09D00", nil, 256, card.OK); string(got) != "sod" {
		t.Fatalf("EF.SOD %q", got)
	}
	in = open(t, ta, in) // without chip authentication after it
	if got := send(t, in, "00B08300", nil, 7, card.OK); string(got) != "fingers" {
		t.Fatalf("DG3 %q", got)
	}
	chip.Reset()
	open(t, pace(access.CAN(testCAN)), c)
	send(t, card.Over(paceChip(t, Options{})), "0022C1A4", unhex(t, "800A04007F00070202040602830102"), 0, card.IncorrectData) // no key, no such mapping
}
