package softcard

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"errors"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/access/curve"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/tlv"
)

func appletChip(t testing.TB, kind Applet) (*Chip, card.Card) {
	t.Helper()
	chip := newChip(t, Options{Applet: kind})
	c := card.Over(chip)
	send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
	return chip, c
}

// putFile creates and writes a file as the applets want it.
func putFile(t testing.TB, c card.Card, id fileID, data []byte) {
	t.Helper()
	send(t, c, "00E00000", append([]byte{0x63, 4}, append(big16(len(data)), big16(int(id))...)...), 0, card.OK)
	send(t, c, "00A4020C", big16(int(id)), 0, card.OK)
	for at := 0; at < len(data); at += 255 {
		r, err := c.Transmit(card.Command{INS: 0xD6, P1: byte(at >> 8), P2: byte(at), Data: data[at:min(at+255, len(data))]})
		if err != nil || r.SW != card.OK {
			t.Fatalf("write %04X at %d: %s, %v", uint16(id), at, r.SW, err)
		}
	}
}

// fillApplet writes what both applets take.
func fillApplet(t testing.TB, c card.Card, key *rsa.PrivateKey) {
	t.Helper()
	for id, data := range map[fileID][]byte{0x0101: []byte("data group 1"), 0x0102: bytes.Repeat([]byte("face"), 300), efDG3: []byte("fingers"), efSOD: []byte("sod")} {
		putFile(t, c, id, data)
	}
	send(t, c, "00DA0062", secretsDO(testMRZ), 0, card.OK)
	send(t, c, "00DA0060", append([]byte{0x60, 0}, tlv.New(0x04, key.N.Bytes())...), 0, card.OK)
	send(t, c, "00DA0061", append([]byte{0x61, 0}, tlv.New(0x04, []byte{0}, key.D.FillBytes(make([]byte, 128)))...), 0, card.OK)
}

func smallRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestPassportAppletIsWrittenOpenlyAndLocked(t *testing.T) {
	chip, c := appletChip(t, PassportApplet)
	key := smallRSA(t)
	fillApplet(t, c, key)
	send(t, c, "00B00000", nil, 8, card.SecurityNotSatisfied) // nothing is read back
	send(t, c, "00E00000", nil, 0, card.WrongLength)
	send(t, c, "00DADEAF", nil, 0, card.IncorrectP1P2)
	send(t, c, "00DA0065", []byte{0x66, 2, 2, '1'}, 0, card.IncorrectP1P2)
	send(t, c, "00DADEAD", nil, 0, card.OK)
	for _, header := range []string{"00E00000", "00D60000", "00DADEAD", "00DA0062", "00DA0067"} {
		send(t, c, header, []byte{1}, 0, card.ConditionsNotSatisfied)
	}
	chip.Reset()
	send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
	send(t, c, "00A4020C", big16(0x0101), 0, card.SecurityNotSatisfied)
	send(t, c, "00840000", nil, 256, card.WrongLength)
	if _, err := (access.BAC{MRZ: access.MRZ{Document: "1", Birth: "000101", Expiry: "250101"}}).Open(c); !errors.Is(err, card.SecurityNotSatisfied) {
		t.Fatalf("wrong mrz: %v", err)
	}
	in := open(t, access.BAC{MRZ: testMRZ}, c)
	send(t, in, "00A4020C", big16(0x0102), 0, card.OK)
	if got := send(t, in, "00B00000", nil, 256, card.OK); len(got) != appletRead {
		t.Errorf("%d bytes at once", len(got))
	}
	if got := send(t, in, "00B004A8", nil, 96, card.OK); string(got) != "facefa"[:4]+"face" {
		t.Errorf("end of file %q", got)
	}
	send(t, in, "00B00500", nil, 96, card.NoPreciseDiagnosis)
	send(t, in, "00A4020C", big16(int(efDG3)), 0, card.SecurityNotSatisfied)
	send(t, in, "00A4040C", aids[appEMRTD], 0, card.WrongLength)
	send(t, in, "00B10000", []byte{0x54, 1, 0}, 8, card.InsNotSupported)
	if err := access.ActiveAuthenticate(in, crypto.PublicKey(key.Public()), 0, nil); err != nil {
		t.Error(err)
	}
	send(t, c, "00840000", nil, 8, card.SecurityNotSatisfied) // the channel is there until reset
}

func TestPassportAppletWithPACEIsSealedAndThenLocked(t *testing.T) {
	chip, c := appletChip(t, PassportAppletPACE)
	fillApplet(t, c, smallRSA(t))
	putFile(t, c, efCardAccess, cardAccess(t, p256))
	sum := sha1.Sum([]byte("whatever"))
	send(t, c, "00DA0065", append(passwordObject(passwordCAN, testCAN)[1:], passwordObject(passwordMRZ, string(sum[:]))[1:]...), 0, card.OK)
	send(t, c, "00DA0065", tlv.New(0x65, passwordObject(passwordPIN, testPIN)[1:]), 0, card.OK)
	send(t, c, "00DADEAD", nil, 0, card.ConditionsNotSatisfied)
	send(t, c, "00DADEAF", nil, 0, card.OK)
	send(t, c, "00E00000", nil, 0, card.CommandNotAllowed)
	send(t, c, "00DA0067", []byte{2, 6, 1, 1, 2, 2}, 0, card.OK)
	send(t, c, "00DADEAD", nil, 0, card.OK)
	send(t, c, "00DADEAD", nil, 0, card.OK)
	send(t, c, "00E00000", nil, 0, card.ConditionsNotSatisfied)
	for name, password := range map[string]access.Password{"can": access.CAN(testCAN), "pin": access.PIN(testPIN), "mrz": mrzPassword(t)} {
		chip.Reset()
		send(t, c, "00A4020C", big16(int(efCardAccess)), 0, card.FileNotFound) // no master file
		send(t, c, "0022C1A4", []byte{0x80, 0}, 0, card.InsNotSupported)
		send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
		send(t, c, "00A4020C", big16(int(efCardAccess)), 0, card.OK)
		if got := send(t, c, "00B00000", nil, 256, card.OK); !bytes.Equal(got, cardAccess(t, p256)) {
			t.Fatalf("%s: EF.CardAccess %X", name, got)
		}
		in := open(t, pace(password), c)
		send(t, in, "00A4040C", aids[appEMRTD], 0, card.WrongLength)
		send(t, in, "00A4020C", big16(0x0101), 0, card.OK)
		if got := send(t, in, "00B00000", nil, 96, card.OK); string(got) != "data group 1" {
			t.Fatalf("%s: DG1 %q", name, got)
		}
		send(t, c, "00A4020C", big16(0x0101), 0, card.SecurityNotSatisfied) // plain
		send(t, in, "00B00000", nil, 4, card.OK)                            // the channel is still there
	}
	chip.Reset()
	send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
	if _, err := pace(access.CAN("999999")).Open(c); !errors.Is(err, access.ErrNotAuthentic) || !errors.Is(err, card.SecurityNotSatisfied) {
		t.Fatalf("wrong can: %v", err)
	}
	open(t, access.BAC{MRZ: testMRZ}, c)
}

func TestPassportAppletAuthenticatesChipAndTerminal(t *testing.T) {
	_, c := appletChip(t, PassportApplet)
	key := newKey(t, elliptic.P256())
	way := access.ChipKey{KeyBits: access.DESKeyBits, Key: &key.PublicKey}
	fillApplet(t, c, smallRSA(t))
	putFile(t, c, efDG14, dg14(t, way))
	p := curve.ParametersOf(elliptic.P256())
	d, _ := key.Bytes()
	ec := tlv.New(0x81, p.P.Bytes())
	for tag, v := range [][]byte{p.A.Bytes(), p.B.Bytes(), curve.Encode(elliptic.P256(), p.Gx, p.Gy), p.N.Bytes(), d, {0, 1}} {
		ec = tlv.Append(ec, 0x82+tlv.Tag(tag), v)
	}
	send(t, c, "00DA0063", ec, 0, card.OK)
	authority := certify(t, nil, "VNCVCA00001", cvc.CVCA, both, smallRSA(t))
	_, rest, err := tlv.Next(authority.Content())
	if err != nil {
		t.Fatal(err)
	}
	body := authority.Content()[:len(authority.Content())-len(rest)]
	send(t, c, "00DA0164", body, 0, card.OK)
	send(t, c, "00DA0164", body, 0, card.ConditionsNotSatisfied)
	send(t, c, "00DADEAD", nil, 0, card.OK)
	in := open(t, access.ChipAuthentication{Key: way}, open(t, access.BAC{MRZ: testMRZ}, c))
	verifier := certify(t, authority, "VNDV00001", cvc.DVDomestic, both, smallRSA(t))
	terminal := certify(t, verifier, "VNIS00001", cvc.Terminal, cvc.ReadFingers, smallRSA(t))
	send(t, in, "00A4020C", big16(access.CVCAFile), 0, card.OK)
	trusted, err := access.ParseCVCA(send(t, in, "00B00000", nil, 36, card.OK))
	if err != nil {
		t.Fatal(err)
	}
	if len(trusted) != 1 || trusted[0] != authority.Holder {
		t.Fatalf("EF.CVCA names %q", trusted)
	}
	for _, c := range []*party{verifier, terminal} { // in pieces: the applet knows no long command
		send(t, in, "002281B6", tlv.New(0x83, []byte(c.Authority)), 0, card.OK)
		content := c.Content()
		send(t, in, "102A00BE", content[:200], 0, card.OK)
		send(t, in, "002A00BE", content[200:], 0, card.OK)
	}
	ta := access.TerminalAuthentication{Chain: []cvc.Certificate{terminal.Certificate}, Key: terminal.key, Trusted: []string{terminal.Holder}}
	in = open(t, ta, in)
	send(t, in, "00A4020C", big16(int(efDG3)), 0, card.OK)
	if got := send(t, in, "00B00000", nil, 7, card.OK); string(got) != "fingers" {
		t.Fatalf("DG3 %q", got)
	}
	send(t, in, "00A4020C", big16(int(efDG4)), 0, card.SecurityNotSatisfied)
}

func TestAppletTakesNothingElse(t *testing.T) {
	for _, kind := range []Applet{PassportApplet, PassportAppletPACE} {
		chip, c := appletChip(t, kind)
		for _, bad := range []struct {
			header string
			data   []byte
			want   card.Status
		}{
			{"00E00000", unhex(t, "620400100101"), dataInvalid}, {"00E00000", unhex(t, "630300100101"), card.WrongLength},
			{"00E00000", unhex(t, "630400100201"), card.NoPreciseDiagnosis}, {"00E00000", unhex(t, "630480000101"), card.NoPreciseDiagnosis},
			{"00D60000", []byte{1}, card.ConditionsNotSatisfied}, {"00880000", make([]byte, 8), card.SecurityNotSatisfied},
			{"00A4020C", big16(0x0101), card.FileNotFound}, {"00A4000C", big16(0x3F00), card.FileNotFound}, {"00A4020C", []byte{1}, card.WrongLength},
			{"00DA0063", unhex(t, "8101038201018301018400"), card.IncorrectData}, {"00DA0064", []byte{0x7F, 0x4E, 0}, card.IncorrectData},
			{"00DA0060", []byte{0x60, 0}, card.IncorrectData}, {"00DA0099", nil, card.IncorrectP1P2}, {"00820000", make([]byte, 40), card.SecurityNotSatisfied},
			{"00440000", nil, card.InsNotSupported}, {"80500000", make([]byte, 8), card.InsNotSupported}, {"00CB3FFF", nil, card.InsNotSupported},
			{"002241A6", []byte{0x91, 0}, card.SecurityNotSatisfied}, {"00E00000", unhex(t, "630400100101"), card.OK},
			{"00E00000", unhex(t, "630400110101"), fileFull}, {"00E00000", unhex(t, "630400080101"), card.OK}, {"00E00000", unhex(t, "6304000C0101"), card.OK},
		} {
			send(t, c, bad.header, bad.data, 0, bad.want)
		}
		r, err := c.Transmit(card.Command{INS: 0xB0, Ne: 300})
		if err != nil || r.SW != card.WrongLength {
			t.Errorf("extended length: %s", r.SW)
		}
		send(t, c, "00A4040C", aids[appPIV], 0, card.FileNotFound)
		send(t, c, "00A4040C", aids[appManager], 0, card.OK)
		send(t, c, "80CA9F7F", nil, 256, card.OK)
		state, _ := chip.State()
		again, err := Restore(state)
		if err != nil {
			t.Fatal(err)
		}
		if s, _ := again.State(); !bytes.Equal(s, state) {
			t.Error("state changed by a restore")
		}
	}
	if _, err := New(Options{Applet: "no-applet"}); err == nil {
		t.Error("made an applet that does not exist")
	}
}
