package softcard

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newChip(t testing.TB, o Options) *Chip {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// send transmits CLA INS P1 P2 in hex, with data, and wants that status.
func send(t testing.TB, c card.Card, header string, data []byte, ne int, want card.Status) []byte {
	t.Helper()
	h := unhex(t, header)
	cmd := card.Command{CLA: h[0], INS: h[1], P1: h[2], P2: h[3], Data: data, Ne: ne}
	r, err := c.Transmit(cmd)
	if err != nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	if r.SW != want {
		t.Fatalf("%s: %s, want %s", cmd, r.SW, want)
	}
	return r.Data
}

func open(t testing.TB, a access.Access, c card.Card) card.Card {
	t.Helper()
	in, err := a.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func fixedKeys(k access.StaticKeys) func(access.KeyInfo) (access.StaticKeys, error) {
	return func(access.KeyInfo) (access.StaticKeys, error) { return k, nil }
}

func scp03(level byte) access.SCP03 {
	return access.SCP03{Keys: fixedKeys(access.DefaultKeys), Level: level}
}

var testMRZ = access.MRZ{Document: "200000001", Birth: "000101", Expiry: "250101"}

func secretsDO(m access.MRZ) []byte {
	return tlv.New(0x62, tlv.New(0x5F1F, []byte(m.Document)), tlv.New(0x5F18, []byte(m.Birth)), tlv.New(0x5F19, []byte(m.Expiry)))
}

func createDO(id fileID, size int) []byte {
	return tlv.New(0x62, tlv.New(0x80, big16(size)), tlv.New(0x82, []byte{1}), tlv.New(0x83, big16(int(id))), tlv.New(0x88, []byte{byte(id) & 0x1F << 3}))
}

// contents of the test document; DG2 is longer than 15 bits can address.
func testFiles() map[fileID][]byte {
	long := make([]byte, 40000)
	for i := range long {
		long[i] = byte(i * 7 >> 3)
	}
	return map[fileID][]byte{
		0x011C: []byte("card access"), 0x011E: []byte("com"), 0x0101: []byte("data group 1"),
		0x0102: long, 0x0103: []byte("fingers"), 0x011D: bytes.Repeat([]byte("sod"), 700),
	}
}

// personalise writes the test document and activates it.
func personalise(t testing.TB, chip *Chip, aa crypto.PrivateKey) {
	t.Helper()
	outside := card.Over(chip)
	send(t, outside, "00A40400", aids[appEMRTD], 256, card.OK)
	c := open(t, scp03(access.LevelFull), outside)
	for id, data := range testFiles() {
		send(t, c, "00E00000", createDO(id, len(data)), 0, card.OK)
		send(t, c, "00E00000", createDO(id, len(data)), 0, card.FileExists)
		send(t, c, "00A4020C", big16(int(id)), 0, card.OK)
		for at := 0; at < len(data); at += 200 {
			piece := data[at:min(at+200, len(data))]
			if at > 0x7FFF {
				send(t, c, "00D70000", append(tlv.New(0x54, big16(at)), tlv.New(0x53, piece)...), 0, card.OK)
			} else {
				send(t, c, hex.EncodeToString(append([]byte{0, 0xD6}, big16(at)...)), piece, 0, card.OK)
			}
		}
		head := send(t, c, "00B00000", nil, min(len(data), 64), card.OK)
		if !bytes.HasPrefix(data, head) {
			t.Fatalf("file %04X does not hold what was written", uint16(id))
		}
	}
	if aa != nil {
		der, err := x509.MarshalPKCS8PrivateKey(aa)
		if err != nil {
			t.Fatal(err)
		}
		send(t, c, "00DA0060", der, 0, card.OK)
	}
	send(t, c, "00440000", nil, 0, card.ConditionsNotSatisfied)
	send(t, c, "00DA0062", secretsDO(testMRZ), 0, card.OK)
	send(t, c, "00440000", nil, 0, card.OK)
}

func TestResetSelectsTheCardManagerWhichTellsItsProductionData(t *testing.T) {
	chip := newChip(t, Options{Serial: 0x01020304})
	c := card.Over(chip)
	cplc := send(t, c, "80CA9F7F", nil, 256, card.OK)
	if len(cplc) != 45 || !bytes.HasPrefix(cplc, []byte{0x9F, 0x7F, 0x2A}) {
		t.Fatalf("production data %X", cplc)
	}
	if !bytes.Equal(cplc[3+12:3+16], []byte{1, 2, 3, 4}) {
		t.Fatalf("serial number in %X", cplc)
	}
	var told access.KeyInfo
	terminal := scp03(access.LevelFull)
	terminal.Keys = func(k access.KeyInfo) (access.StaticKeys, error) { told = k; return access.DefaultKeys, nil }
	open(t, terminal, c)
	want := append(append(append([]byte{}, cplc[3:7]...), cplc[3+16:3+18]...), cplc[3+12:3+16]...)
	if !bytes.Equal(told.Diversification[:], want) || told.Version != 0xFF || told.I != 0x70 {
		t.Fatalf("key information %+v, want diversification %X", told, want)
	}
}

func TestCardManagerKeysAreReplacedAndTheCardSecured(t *testing.T) {
	chip := newChip(t, Options{})
	c := card.Over(chip)
	send(t, c, "80F0800F", nil, 0, card.SecurityNotSatisfied)
	in := open(t, scp03(access.LevelFull), c)
	set := access.StaticKeys{ENC: bytes.Repeat([]byte{1}, 24), MAC: bytes.Repeat([]byte{2}, 24), DEK: bytes.Repeat([]byte{3}, 24)}
	body := []byte{0x01}
	var kcvs []byte
	for _, k := range [][]byte{set.ENC, set.MAC, set.DEK} {
		wrapped, kcv, err := in.(access.KeyWrapper).WrapKey(k)
		if err != nil {
			t.Fatal(err)
		}
		body = append(body, 0x88, byte(1+len(wrapped)), byte(len(k)))
		body = append(append(append(body, wrapped...), 3), kcv...)
		kcvs = append(kcvs, kcv...)
	}
	wrong := bytes.Clone(body)
	wrong[len(wrong)-1] ^= 1
	send(t, in, "80D80081", wrong, 256, card.IncorrectData)
	if got := send(t, in, "80D80081", body, 256, card.OK); !bytes.Equal(got, append([]byte{1}, kcvs...)) {
		t.Fatalf("put key answered %X", got)
	}
	send(t, in, "80F0800F", nil, 0, card.ConditionsNotSatisfied) // not before INITIALIZED
	send(t, in, "80F08007", nil, 0, card.OK)
	send(t, in, "80F0800F", nil, 0, card.OK)
	send(t, in, "80F08007", nil, 0, card.ConditionsNotSatisfied)
	status := send(t, in, "80F28002", []byte{0x4F, 0x00}, 256, card.OK)
	if life, err := tlv.Find(status, 0xE3, 0x9F70); err != nil || !bytes.Equal(life, []byte{secured}) {
		t.Fatalf("status %X", status)
	}
	chip.Reset()
	if _, err := scp03(access.LevelFull).Open(c); err == nil {
		t.Fatal("the transport keys still open the card manager")
	}
	again := access.SCP03{KeyVersion: 1, Keys: fixedKeys(set), Level: access.LevelFull}
	in = open(t, again, c)
	send(t, in, "80F0800F", nil, 0, card.OK)
	send(t, c, "80F0800F", nil, 0, card.SecurityNotSatisfied)
	send(t, in, "80F0800F", nil, 0, card.SecurityNotSatisfied) // the plain command closed the channel
}

func TestSelectionEndsTheSecureChannel(t *testing.T) {
	chip := newChip(t, Options{})
	c := card.Over(chip)
	open(t, scp03(access.LevelFull), c)
	send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
	send(t, c, "00E00000", createDO(0x0101, 4), 0, card.SecurityNotSatisfied)
	in := open(t, scp03(access.LevelCMAC), c)
	send(t, in, "00E00000", createDO(0x0101, 4), 0, card.SecurityNotSatisfied) // commands must be encrypted too
}

func TestPersonalisedDocumentIsReadAfterBasicAccessControlOnly(t *testing.T) {
	chip := newChip(t, Options{})
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	personalise(t, chip, key)
	chip.Reset()
	c := card.Over(chip)
	send(t, c, "00A4020C", big16(0x011C), 0, card.OK)
	if got := send(t, c, "00B00000", nil, 256, card.OK); string(got) != "card access" {
		t.Fatalf("EF.CardAccess %q", got)
	}
	fci := send(t, c, "00A40400", aids[appEMRTD], 256, card.OK)
	if life, err := tlv.Find(fci, 0x6F, 0x8A); err != nil || !bytes.Equal(life, []byte{lifeActivated}) {
		t.Fatalf("control information %X", fci)
	}
	for header, want := range map[string]card.Status{
		"00A4020C": card.SecurityNotSatisfied, "8050FF00": card.ConditionsNotSatisfied,
		"00E00000": card.ConditionsNotSatisfied, "00440000": card.ConditionsNotSatisfied,
	} {
		send(t, c, header, big16(0x0101), 0, want)
	}
	send(t, c, "00B08100", nil, 256, card.SecurityNotSatisfied)
	if _, err := (access.BAC{MRZ: access.MRZ{Document: "200000002", Birth: "000101", Expiry: "250101"}}).Open(c); err == nil {
		t.Fatal("opened with another document's number")
	}
	in := open(t, access.BAC{MRZ: testMRZ}, c)
	for id, want := range testFiles() {
		send(t, in, "00A4020C", big16(int(id)), 0, card.OK)
		if id == efDG3 {
			send(t, in, "00B00000", nil, 16, card.SecurityNotSatisfied)
			continue
		}
		if got := readFile(t, in, len(want)); !bytes.Equal(got, want) {
			t.Fatalf("file %04X: %d bytes differ", uint16(id), len(got))
		}
	}
	if got := send(t, in, "00B08100", nil, 4, card.OK); string(got) != "data" {
		t.Fatalf("by short identifier: %q", got)
	}
	if err := access.ActiveAuthenticate(in, key.Public(), 0, nil); err != nil {
		t.Fatal(err)
	}
	send(t, in, "00D60000", []byte{1}, 0, card.ConditionsNotSatisfied)
}

// readFile reads the current file with B0 and, past 32 KB, B1.
func readFile(t testing.TB, c card.Card, size int) (all []byte) {
	t.Helper()
	for at := 0; at < size; {
		n := min(size-at, 224)
		if at <= 0x7FFF {
			all = append(all, send(t, c, hex.EncodeToString(append([]byte{0, 0xB0}, big16(at)...)), nil, n, card.OK)...)
		} else {
			body := send(t, c, "00B10000", tlv.New(0x54, big16(at)), tlv.Size(0x53, n), card.OK)
			piece, err := tlv.One(body, 0x53)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, piece...)
		}
		if len(all) == at {
			t.Fatal("reading does not go on")
		}
		at = len(all)
	}
	return all
}

func TestReadBinaryTellsTheEndOfTheFile(t *testing.T) {
	chip := newChip(t, Options{})
	personalise(t, chip, nil)
	chip.Reset()
	c := card.Over(chip)
	send(t, c, "00A4020C", big16(0x011C), 0, card.OK)
	size := len("card access")
	send(t, c, "00B00000", nil, size, card.OK)
	send(t, c, "00B00000", nil, size+1, card.EndOfFile)
	send(t, c, "00B00000", nil, 256, card.OK)
	send(t, c, "00B00000", nil, card.MaxExtendedNe, card.OK)
	send(t, c, "00B0000B", nil, 1, card.WrongP1P2)
	send(t, c, "00B09C00", nil, size, card.OK)
	send(t, c, "00B10000", tlv.New(0x54, []byte{5}), 2+size-5, card.OK)
	send(t, c, "00B1011C", tlv.New(0x54, []byte{5}), 2+size-4, card.EndOfFile)
	send(t, c, "00A4020C", []byte{0x2F, 0x01}, 0, card.OK)
	if info := send(t, c, "00B00000", nil, 256, card.OK); info[0] != 0x7F {
		t.Fatalf("EF.ATR/INFO %X", info)
	}
}

// And with the manners of other chips: none costs the channel.
func TestActiveAuthenticationWithRSA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	chip := newChip(t, Options{})
	personalise(t, chip, key)
	for _, q := range []Quirks{{}, {RefuseExtended: true}, {NoLongSignature: true}, {ExactSignature: true}, {RefusalEnds: true}} {
		chip.Reset()
		chip.state.Quirks = q
		c := card.Over(chip)
		send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
		in := open(t, access.BAC{MRZ: testMRZ}, c)
		if err := access.ActiveAuthenticate(in, key.Public(), 0, nil); err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		send(t, in, "00B09E00", nil, 1, card.OK)
	}
}

func TestRestoredChipIsTheSameChip(t *testing.T) {
	chip := newChip(t, Options{})
	var last []byte
	chip.OnChange(func(s []byte) { last = s })
	personalise(t, chip, nil)
	state, err := chip.State()
	if err != nil || !bytes.Equal(state, last) {
		t.Fatal("the last change reported is not the state")
	}
	again, err := Restore(state)
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := again.State(); !bytes.Equal(s, state) {
		t.Fatal("state changed by a restore")
	}
	c := card.Over(again)
	send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
	open(t, access.BAC{MRZ: testMRZ}, c)
	for _, bad := range []string{"", "{}", `{"format":1}`, `{"format":2}`, string(state[:len(state)/2])} {
		if _, err := Restore([]byte(bad)); err == nil {
			t.Errorf("restored from %.20q", bad)
		}
	}
}

func TestTornCommandTookEffectWhollyOrNotAtAll(t *testing.T) {
	for _, after := range []bool{false, true} {
		chip := newChip(t, Options{})
		c := card.Over(chip)
		send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
		in := open(t, scp03(access.LevelFull), c)
		var reported int
		chip.OnChange(func([]byte) { reported++ })
		chip.TearAt(2, after)
		send(t, in, "00B09E00", nil, 4, card.FileNotFound)
		create := card.Command{INS: 0xE0, Data: createDO(0x0101, 4)}
		if _, err := in.Transmit(create); !errors.Is(err, ErrTorn) || !errors.Is(err, card.ErrGone) {
			t.Fatalf("torn command: %v", err)
		}
		if _, err := chip.Exchange([]byte{0, 0xA4, 4, 0}); !errors.Is(err, ErrTorn) {
			t.Fatalf("a torn chip answers: %v", err)
		}
		chip.Reset()
		send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
		want, reports := card.OK, 0
		if after {
			want, reports = card.FileExists, 1
		}
		if reported != reports {
			t.Errorf("after=%v: %d changes reported", after, reported)
		}
		send(t, open(t, scp03(access.LevelFull), c), "00E00000", create.Data, 0, want)
	}
}

func TestLongAnswersAreFetchedAndPlainCommandsChained(t *testing.T) {
	chip := newChip(t, Options{})
	answer, err := chip.Exchange(unhex(t, "80CA9F7F08"))
	if err != nil || len(answer) != 10 || !bytes.HasSuffix(answer, []byte{0x61, 45 - 8}) {
		t.Fatalf("answer %X, %v", answer, err)
	}
	rest, _ := chip.Exchange(unhex(t, "00C0000000"))
	if len(rest) != 45-8+2 {
		t.Fatalf("rest %X", rest)
	}
	if again, _ := chip.Exchange(unhex(t, "00C0000000")); !bytes.Equal(again, []byte{0x69, 0x85}) {
		t.Fatalf("nothing left, and still %X", again)
	}
	for _, piece := range []string{"10A4040C02A000", "10A4040C020002", "00A4040C03471001"} {
		if r, _ := chip.Exchange(unhex(t, piece)); !bytes.Equal(r, []byte{0x90, 0x00}) {
			t.Fatalf("%s: %X", piece, r)
		}
	}
	send(t, card.Over(chip), "00B08100", nil, 4, card.SecurityNotSatisfied) // as the eMRTD application says
}

func TestATRIsWellFormed(t *testing.T) {
	a := newChip(t, Options{}).ATR()
	var x byte
	for _, b := range a[1:] {
		x ^= b
	}
	if a[0] != 0x3B || x != 0 || int(a[1]&0x0F) != len(a)-7 {
		t.Fatalf("%X", a)
	}
}

func TestSlotGivesEachInsertionOnce(t *testing.T) {
	slot, chip := NewSlot("memory"), newChip(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	go func() {
		time.Sleep(5 * time.Millisecond)
		slot.Insert(chip)
	}()
	s, err := slot.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	send(t, card.Over(s), "00A4040C", aids[appPIV], 0, card.OK)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Exchange([]byte{0, 0, 0, 0}); err == nil {
		t.Fatal("a closed session answers")
	}
	send(t, card.Over(chip), "80CA9F7F", nil, 256, card.OK) // was reset
	short, stop := context.WithTimeout(ctx, 20*time.Millisecond)
	defer stop()
	if _, err := slot.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the same insertion twice: %v", err)
	}
	slot.Insert(chip)
	if s, err = slot.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	slot.Remove()
	if _, err := s.Exchange([]byte{0, 0, 0, 0}); !errors.Is(err, card.ErrGone) {
		t.Fatalf("removed: %v", err)
	}
}
