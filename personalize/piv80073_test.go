package personalize

import (
	"bytes"
	"crypto/des"
	"crypto/sha256"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"image"
	"image/draw"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/synth"
	"cardstation/biometrics/wsq"
	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
	"cardstation/devices/softcard"
	"cardstation/personalize/lds"
	"cardstation/personalize/piv"
)

// plain puts a card on the bench that knows no command beyond SP 800-73-4.
func (s *shop) plain() {
	s.Helper()
	chip, err := softcard.New(softcard.Options{PlainPIV: true})
	if err != nil {
		s.Fatal(err)
	}
	s.chip = chip
}

func TestAPlainPIVCardIsIssuedByOurOwnCommands(t *testing.T) {
	s := newShop(t, "piv-800-73")
	s.record.Fingers = fingersOf(t)
	s.plain()
	if resp, err := card.Over(s.chip).Transmit(card.Command{INS: 0xA4, P1: 4, Data: piv.AID, Ne: 256}); err != nil || resp.SW != card.OK {
		t.Fatal(resp.SW, err)
	}
	if resp, err := card.Over(s.chip).Transmit(card.Command{INS: 0xFD, Ne: 256}); err != nil || resp.SW != card.InsNotSupported {
		t.Fatalf("get version answers %s: not a plain card", resp.SW)
	}
	receipt, err := s.issue(s.chip, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commands, %v", receipt.Commands, receipt.Done)
	s.chip.Reset()
	c := card.Over(s.chip)
	s.verifyPIV(c, receipt)
	s.signedObjects(c, receipt)
	s.chip.Reset()
	again, err := s.issue(s.chip, nil)
	if err != nil || len(again.Done) != 0 {
		t.Errorf("again: %v, done %v", err, again.Done)
	}
	s.authority.Demo = false
	s.plain()
	if _, err := s.issue(s.chip, nil); !errors.Is(err, ErrDefaultManagementKey) {
		t.Errorf("the published management key outside the demo: %v", err)
	}
}

// object reads a data object's value.
func (s *shop) object(c card.Card, name ...byte) []byte {
	s.Helper()
	b, err := card.Do(c, card.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: tlv.New(0x5C, name), Ne: card.MaxShortNe})
	if err != nil {
		s.Fatal(err)
	}
	v, err := tlv.One(b, 0x53)
	if err != nil {
		s.Fatal(err)
	}
	return v
}

// holder proves the holder's PIN.
func (s *shop) holder(c card.Card, chip string) {
	s.Helper()
	pin, err := s.authority.Cards.PIN(chip)
	if err != nil {
		s.Fatal(err)
	}
	if _, err := card.Do(c, card.Command{INS: 0x20, P2: 0x80, Data: append([]byte(pin), 0xFF, 0xFF)}); err != nil {
		s.Fatal(err)
	}
}

// signedObjects checks what is signed on the card as others would: the security object
// as SP 800-73-4 part 1, 3.1.7 has it, and each signature by openssl, with no more than what
// the card itself holds and the citizen CA.
func (s *shop) signedObjects(c card.Card, receipt Receipt) {
	s.Helper()
	s.holder(c, receipt.Chip)
	dir := s.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			s.Fatal(err)
		}
		return path
	}
	openssl := func(arguments ...string) string {
		s.Helper()
		out, err := exec.Command("openssl", arguments...).CombinedOutput()
		if err != nil {
			s.Errorf("openssl %v: %v: %s", arguments, err, out)
		}
		return string(out)
	}
	find := func(b []byte, tag tlv.Tag) []byte {
		s.Helper()
		v, err := tlv.Find(b, tag)
		if err != nil {
			s.Fatal(err)
		}
		return v
	}
	chuid, security := s.object(c, 0x5F, 0xC1, 0x02), s.object(c, 0x5F, 0xC1, 0x06)
	if expiry := find(s.object(c, 0x5F, 0xC1, 0x09), 0x04); string(expiry) != "2041JAN01" {
		s.Errorf("printed expiry %q", expiry)
	}
	ca := put("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.authority.Citizen.Certificate.Raw}))
	trust := []string{"-CAfile", ca, "-purpose", "any", "-inform", "DER", "-binary", "-out", os.DevNull}
	signature := find(chuid, 0x3E)
	fields := append(bytes.Clone(chuid[:bytes.Index(chuid, append([]byte{0x3E, 0x82}, byte(len(signature)>>8), byte(len(signature))))]), 0xFE, 0)
	signed := put("chuid.cms", signature)
	openssl(append([]string{"cms", "-verify", "-in", signed, "-content", put("chuid", fields)}, trust...)...)
	signer := filepath.Join(dir, "signer.pem")
	openssl("cms", "-verify", "-in", signed, "-inform", "DER", "-noverify", "-binary", "-content", put("chuid", fields), "-signer", signer, "-out", os.DevNull)
	if text := openssl("x509", "-in", signer, "-noout", "-text"); !strings.Contains(text, "2.16.840.1.101.3.6.7") && !strings.Contains(text, "PIV Content Sign") {
		s.Errorf("the signer of the chuid is no content signer:\n%s", text)
	}
	openssl(append([]string{"cms", "-verify", "-in", put("security.cms", find(security, 0xBB)), "-certfile", signer}, trust...)...)
	for _, name := range []byte{0x03, 0x08} {
		v := find(s.object(c, 0x5F, 0xC1, name), 0xBC)
		end := 88 + int(binary.BigEndian.Uint32(v[2:]))
		if n := int(binary.BigEndian.Uint16(v[6:])); end+n != len(v) || v[0] != 3 {
			s.Fatalf("biometric object %02X: lengths %d and %d in %d bytes", name, end, n, len(v))
		}
		if len(v) > maxFacialImage {
			s.Errorf("biometric object %02X of %d bytes", name, len(v))
		}
		block, cms := put("block", v[:end]), put("block.cms", v[end:])
		openssl(append([]string{"cms", "-verify", "-in", cms, "-content", block, "-certfile", signer}, trust...)...)
		text := openssl("cms", "-cmsout", "-print", "-in", cms, "-inform", "DER", "-noout")
		for _, oid := range []string{"2.16.840.1.101.3.6.2", "2.16.840.1.101.3.6.6", "1.3.6.1.1.16.4", "2.16.840.1.101.3.6.5"} {
			if !strings.Contains(text, oid) {
				s.Errorf("biometric object %02X is signed without %s\n%s", name, oid, text)
			}
		}
	}
	mapping := []byte{1, 0x30, 0x01, 2, 0x60, 0x30, 3, 0x60, 0x10, 4, 0xDB, 0x00, 5, 0x30, 0x00}
	if got := find(security, 0xBA); !bytes.Equal(got, mapping) {
		s.Errorf("mapping %x", got)
	}
	file, err := lds.DecodeSOD(tlv.New(lds.SOD.Tag(), find(security, 0xBB)))
	if err != nil {
		s.Fatal(err)
	}
	for i, name := range []byte{0x09, 0x08, 0x03, 0x07, 0x02} {
		sum := sha256.Sum256(s.object(c, 0x5F, 0xC1, name))
		if !bytes.Equal(sum[:], file.Object.Groups[lds.DG(i+1)]) {
			s.Errorf("hash of 5FC1%02X is not that of its container", name)
		}
	}
}

// What was changed on a finished card is found by the same proof that issued it.
func TestAChangedObjectIsFoundWhenTheCardIsProvedAgain(t *testing.T) {
	s := newShop(t, "piv-800-73")
	p := *s.profile.piv
	p.keys, s.profile.piv = p.keys[:1], &p
	s.record.Fingers = fingersOf(t)
	for _, name := range []byte{0x02, 0x03, 0x06, 0x07, 0x08, 0x09} {
		s.plain()
		receipt, err := s.issue(s.chip, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := card.Over(s.chip)
		if _, err := card.Do(c, card.Command{INS: 0xA4, P1: 4, Data: piv.AID, Ne: 256}); err != nil {
			t.Fatal(err)
		}
		s.holder(c, receipt.Chip)
		v := s.object(c, 0x5F, 0xC1, name)
		v[len(v)-9] ^= 1
		s.overwrite(c, name, v)
		s.chip.Reset()
		again, err := s.issue(s.chip, nil)
		if err == nil && len(again.Done) == 0 {
			t.Errorf("5FC1%02X was changed and nobody noticed", name)
		}
	}
}

// overwrite has somebody who knows the management key write an object.
func (s *shop) overwrite(c card.Card, name byte, v []byte) {
	s.Helper()
	block, err := des.NewTripleDESCipher(s.profile.piv.factory.ManagementKey)
	if err != nil {
		s.Fatal(err)
	}
	answer, err := card.Do(c, card.Command{INS: 0x87, P1: 3, P2: 0x9B, Data: []byte{0x7C, 2, 0x81, 0}, Ne: 256})
	if err != nil {
		s.Fatal(err)
	}
	response := make([]byte, 8)
	block.Encrypt(response, answer[4:])
	if _, err := card.Do(c, card.Command{INS: 0x87, P1: 3, P2: 0x9B, Data: tlv.New(0x7C, tlv.New(0x82, response))}); err != nil {
		s.Fatal(err)
	}
	if _, err := card.Do(c, card.Command{INS: 0xDB, P1: 0x3F, P2: 0xFF, Data: append(tlv.New(0x5C, []byte{0x5F, 0xC1, name}), tlv.New(0x53, v)...)}); err != nil {
		s.Fatal(err)
	}
}

// fingersOf are two prints of nobody.
var fingers = sync.OnceValues(func() ([]Finger, error) {
	var out []Finger
	hands := synth.Grow(1)
	for _, p := range []biometrics.Position{biometrics.RightIndex, biometrics.LeftIndex} {
		c := hands.Capture(p, false, 0)
		img, err := biometrics.Decode(c.PNG)
		if err != nil {
			return nil, err
		}
		gray := image.NewGray(img.Bounds())
		draw.Draw(gray, gray.Bounds(), img, img.Bounds().Min, draw.Src)
		b, err := wsq.Encode(gray, wsq.Options{PPI: 500})
		if err != nil {
			return nil, err
		}
		out = append(out, Finger{Position: int(c.Position), Image: b})
	}
	return out, nil
})

func fingersOf(t testing.TB) []Finger {
	t.Helper()
	f, err := fingers()
	if err != nil || len(f) != 2 {
		t.Fatalf("%d fingers: %v", len(f), err)
	}
	return f
}

func TestAPlainPIVCardTornAnywhereIsFinishedByTheSameRun(t *testing.T) {
	t.Parallel()
	s := newShop(t, "piv-800-73")
	short := *s.profile.piv
	short.keys, short.objects = short.keys[:2], short.objects[:1] // an RSA key and a portrait take the chip a while
	s.profile.piv = &short
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			s.plain()
			s.chip.TearAt(n, after)
			_, err := s.issue(s.chip, nil)
			if err == nil {
				t.Logf("%d tears", 2*n-2)
				return
			}
			s.chip.Reset()
			receipt, err := s.issue(s.chip, nil)
			if err != nil {
				t.Fatalf("resume after tear at %d after=%v: %v", n, after, err)
			}
			s.chip.Reset()
			s.verifyPIV(card.Over(s.chip), receipt)
		}
	}
}
