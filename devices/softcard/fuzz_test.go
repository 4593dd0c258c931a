package softcard

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/access/cvc"
)

// openChannel is a secure channel without keys: it lets a fuzzer in.
type openChannel struct{}

func (openChannel) Unprotect(c card.Command) (card.Command, error) { return c, nil }
func (openChannel) Protect(r card.Response) (card.Response, error) { return r, nil }

// ways into the chip that a fuzzer starts from.
const (
	wayBlank = iota
	wayFinished
	wayReader  // inside Basic Access Control
	wayWriter  // inside SCP03 at the blank eMRTD application
	wayManager // inside SCP03 at the card manager
	wayHolder  // PIV with PIN and management key proven
	wayMapped  // in the middle of PACE
	wayOffice  // after chip authentication
	wayApplet  // at a passport applet that is open
	wayLocked  // inside a channel of one with PACE that is locked
	ways
)

// paceBase is PACE's mapping with the generator of P-256 as the terminal's key.
const paceBase = "7C438141046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296" +
	"4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"

func enterBy(t testing.TB, way int, blank, finished []byte) *Chip {
	t.Helper()
	from := blank
	if way == wayFinished || way == wayReader || way >= wayHolder && way != wayApplet {
		from = finished
	}
	chip, err := Restore(from)
	if err != nil {
		t.Fatal(err)
	}
	chip.wait = func(time.Duration) {}
	c := card.Over(chip)
	switch way {
	case wayMapped:
		send(t, c, "0022C1A4", unhex(t, "800A04007F00070202040202830102"), 0, card.OK)
		send(t, c, "10860000", unhex(t, "7C00"), 256, card.OK)
		send(t, c, "10860000", unhex(t, paceBase), 256, card.OK)
	case wayReader, wayOffice:
		chip.session = session{app: appEMRTD, channel: openChannel{}, read: true, eac: eacSession{id: []byte("id")}}
		if way == wayReader {
			break
		}
		terminal, err := access.NewTerminalAuthenticationChip(chip.state.EMRTD.Trust, []byte("id"), []byte("key"), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		chip.session.eac.terminal = terminal
	case wayApplet:
		chip.state.Applet, chip.session = &appletState{Kind: PassportApplet}, session{app: appEMRTD}
	case wayLocked:
		chip.state.Applet = &appletState{Kind: PassportAppletPACE, Life: appletLocked}
		chip.session = session{app: appEMRTD, channel: openChannel{}, read: true, eac: eacSession{id: []byte("id")}}
	case wayWriter, wayManager:
		if way == wayWriter {
			send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
		}
		open(t, scp03(access.LevelFull), c)
		chip.session.channel = openChannel{}
	case wayHolder:
		chip.session = session{app: appPIV, piv: pivSession{verified: true, fresh: true, admin: true}}
	}
	return chip
}

func finishedState(t testing.TB) (blank, finished []byte, chain []cvc.Certificate) {
	t.Helper()
	chip := newChip(t, Options{})
	blank, _ = chip.State()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	personalise(t, chip, key)
	c := selectPIV(t, chip)
	admin(t, c)
	send(t, c, "0047009A", unhex(t, "AC03800111"), 256, card.OK)
	key24 := make([]byte, 24)
	rand.Read(key24)
	send(t, c, "00FFFFFF", append([]byte{alg3DES, refManagement, 24}, key24...), 0, card.OK)
	send(t, c, "00DB3FFF", append(name(0x5F, 0xC1, 0x05), 0x53, 0x01, 0x01), 0, card.OK)
	e := &chip.state.EMRTD
	e.Files[efCardAccess] = &file{0x1C, cardAccess(t, p256)}
	e.PACE = paceState{Secrets: map[byte][]byte{passwordCAN: []byte("fuzzer's can")}}
	e.ChipKey = pkcs8(t, key)
	e.Files[efDG14] = &file{0x0E, dg14(t, access.ChipKey{KeyBits: 128, Key: &key.PublicKey}, access.ChipKey{KeyBits: access.DESKeyBits, Key: &key.PublicKey, ID: []byte{1}})}
	authority, ta := office(t, both, key)
	var err error
	if e.Trust, err = cvc.NewTrust(authority.From, authority.Certificate); err != nil {
		t.Fatal(err)
	}
	finished, _ = chip.State()
	return blank, finished, ta.Chain
}

// secrets of a state that no answer may hold.
func secretsOf(t testing.TB, data []byte) (all [][]byte) {
	t.Helper()
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	all = append(all, s.PIV.Management.Key, s.EMRTD.PACE.Secrets[passwordCAN])
	if key, err := s.EMRTD.chipKey(); err != nil {
		t.Fatal(err)
	} else if d, err := key.Bytes(); err == nil {
		all = append(all, d)
	}
	for _, k := range s.PIV.Keys {
		private, err := k.private()
		if err != nil {
			t.Fatal(err)
		}
		d, _ := private.(*ecdsa.PrivateKey).Bytes()
		all = append(all, d)
	}
	return all
}

// FuzzExchange sends commands (a length byte, then as many bytes, again and again)
// to a chip in each of its states: every answer ends in a status word and gives no
// key away, and what was reported last is the state.
func FuzzExchange(f *testing.F) {
	blank, finished, chain := finishedState(f)
	present := func(c cvc.Certificate) []byte {
		name, content := []byte(c.Authority), c.Content()
		script := append([]byte{byte(7 + len(name)), 0x0C, 0x22, 0x81, 0xB6, byte(2 + len(name)), 0x83, byte(len(name))}, name...)
		return append(append(script, byte(5+len(content)), 0x0C, 0x2A, 0x00, 0xBE, byte(len(content))), content...)
	}
	f.Add(byte(wayOffice), append(present(chain[0]), present(chain[1])...))
	secrets := secretsOf(f, finished)
	for _, seed := range []string{
		"00A4040007A0000002471001", "00A4020C02011C", "00B0000000", "00B09E0004", "00B1000003540100", "00B1000000000354010000FF",
		"0084000008", "0088000008000102030405060708", "00E00000116280020010820101830201018801080",
		"00D6000004DEADBEEF", "00D700000754010053020102", "00DA006206620400000000", "00440000",
		"805000000801020304050607080000", "848233001000000000000000000000000000000000", "80CA9F7F00", "80CA00E000", "80F28002024F0000",
		"80F0800F", "80D8008105018811100000", "00A4040005A000000308", "0020008008313233343536FFFF", "00CB3FFF055C035FC10500",
		"00DB3FFF095C035FC105530201020", "0047009A05AC0380011100", "0087119A047C02810000", "0087039B047C02800000", "00F7009B00", "00F7009A00",
		"00FDFF0000", "00FE119D2206200000000000000000000000000000000000000000000000000000000000000001", "00F99A0000", "00FFFFFF1B039B18010203040506070801020304050607080102030405060708",
		"0022C1A40F800A04007F00070202040202830102", "10860000027C0000", "10860000" + "45" + paceBase + "00", "008600000C7C0A8508000000000000000000", "002C0303",
		"002241A40C800A04007F00070202030202", "00860000047C028000", "002241A6039101040", "002281B60483024142", "002281A40483024142", "002A00BE047F4E0000", "008200000400000000",
		"00E000000663040010010100", "00E0000006630400100101", "00DA0060066000040201FF", "00DA0061066100040201FF", "00DADEAF", "00DADEAD", "00DA006706020601010202",
		"00DA00630C8101038201018301018400", "00DA0164077F4E045F290100", "00DA0065056603023131",
		"00DA0063023000", "00DA0064037F2100", "10D6000001DE", "00DA006605660302313100", "00A4000C023F00",
		"00FA0303", "00FB0000", "10DB3FFF025C03", "00C0000000", "0C84000000", "0CB0000000",
	} {
		apdu := unhex(f, seed[:len(seed)&^1])
		for way := range ways {
			in := bytes.Clone(apdu)
			switch way {
			case wayWriter, wayManager:
				in[0] |= classGP
			case wayReader, wayOffice, wayLocked:
				in[0] |= classISO
			}
			f.Add(byte(way), append([]byte{byte(len(in))}, in...))
		}
	}
	f.Fuzz(func(t *testing.T, way byte, script []byte) {
		chip := enterBy(t, int(way)%ways, blank, finished)
		var last []byte
		chip.OnChange(func(s []byte) { last = s })
		for len(script) > 0 {
			n := min(int(script[0]), len(script)-1)
			apdu := script[1 : 1+n]
			script = script[1+n:]
			before := bytes.Clone(apdu)
			answer, err := chip.Exchange(apdu)
			if err != nil || len(answer) < 2 {
				t.Fatalf("%X: %X %v", apdu, answer, err)
			}
			if sw1 := answer[len(answer)-2]; sw1>>4 != 6 && sw1 != 0x90 {
				t.Fatalf("%X: status %X", apdu, answer[len(answer)-2:])
			}
			if !bytes.Equal(apdu, before) {
				t.Fatal("the chip wrote into the terminal's buffer")
			}
			for _, s := range secrets {
				if bytes.Contains(answer, s) && !bytes.Contains(before, s) {
					t.Fatalf("%X: a key in the answer", apdu)
				}
			}
		}
		if state, _ := chip.State(); last != nil && !bytes.Equal(state, last) {
			t.Fatal("state changed and was not reported")
		}
	})
}

// FuzzRestore makes chips of hostile states and has each application answer.
func FuzzRestore(f *testing.F) {
	blank, finished, _ := finishedState(f)
	f.Add(blank)
	f.Add(finished)
	applet, _ := newChip(f, Options{Applet: PassportAppletPACE}).State()
	f.Add(applet)
	f.Add([]byte(`{"format":1,"piv":{"keys":{"154":null}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		chip, err := Restore(data)
		if err != nil {
			return
		}
		chip.wait = func(time.Duration) {}
		for _, apdu := range []string{
			"80500000080102030405060708", "80CA9F7F00", "00A4040007A0000002471001", "0084000008", "00B0810000",
			"00A4040005A000000308", "00F7009A00", "00F7009B00", "00F99A0000", "0087039B047C028000", "0087119A047C028100", "00CB3FFF055C035FC105",
			"0020008008313233343536FFFF", "00A4040C08A000000151000000", "0022C1A40F800A04007F00070202040202830102", "10860000027C0000", "00A4020C022F01",
			"00A4040C07A0000002471001", "0022C1A40F800A04007F00070202040202830102", "00E000000663040001010100", "00DADEAD",
		} {
			if answer, err := chip.Exchange(unhex(t, apdu)); err != nil || len(answer) < 2 {
				t.Fatalf("%s: %X %v", apdu, answer, err)
			}
		}
	})
}
