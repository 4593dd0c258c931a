package softcard

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// cardAccess is an EF.CardAccess with these ways of PACE.
func cardAccess(t testing.TB, infos ...access.PACEInfo) []byte {
	t.Helper()
	var all [][]byte
	for _, i := range infos {
		der, err := i.SecurityInfo()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, der)
	}
	return tlv.New(0x31, all...)
}

const (
	testCAN = "000001"
	testPIN = "123456"
	testPUK = "0123456789"

	passwordCAN byte = 2
	passwordPIN byte = 3
	passwordPUK byte = 4
)

// finish personalises a chip with these files and PUT DATA objects by tag, and
// activates it.
func finish(t testing.TB, chip *Chip, files map[fileID][]byte, objects ...[]byte) {
	t.Helper()
	outside := card.Over(chip)
	send(t, outside, "00A4040C", aids[appEMRTD], 0, card.OK)
	c := open(t, scp03(access.LevelFull), outside)
	for id, data := range files {
		send(t, c, "00E00000", createDO(id, len(data)), 0, card.OK)
		send(t, c, "00D60000", data, 0, card.OK)
	}
	for _, o := range objects {
		header := "00DA00" + strings.ToUpper(hexByte(o[0]))
		send(t, c, header, o[1:], 0, card.OK)
	}
	send(t, c, "00440000", nil, 0, card.OK)
	chip.Reset()
}

func hexByte(b byte) string { const d = "0123456789ABCDEF"; return string([]byte{d[b>>4], d[b&15]}) }

// object is what finish puts by PUT DATA with P2 = tag.
func object(tag byte, data []byte) []byte { return append([]byte{tag}, data...) }

func passwordObject(reference byte, secret string) []byte {
	return object(0x66, tlv.New(0x66, []byte{reference}, []byte(secret)))
}

// paceChip is a chip with PACE over P-256 and AES-128, BAC, a CAN, and a DG1.
func paceChip(t testing.TB, o Options, more ...[]byte) *Chip {
	t.Helper()
	chip := newChip(t, o)
	finish(t, chip, map[fileID][]byte{efCardAccess: cardAccess(t, p256), 0x0101: []byte("data group 1"), efDG3: []byte("fingers"), efDG4: []byte("irises")},
		append([][]byte{object(0x62, secretsDO(testMRZ)), passwordObject(passwordCAN, testCAN)}, more...)...)
	return chip
}

// FinishedChip is paceChip for tests outside the package.
func FinishedChip(t testing.TB) *Chip { return paceChip(t, Options{}) }

var p256 = access.PACEInfo{KeyBits: 128, Parameter: 12}

func pace(password access.Password) access.PACE { return access.PACE{Info: p256, Password: password} }

func mrzPassword(t testing.TB) access.Password {
	t.Helper()
	p, err := testMRZ.Password()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPACEOpensTheDocumentBeforeItsSelection(t *testing.T) {
	chip := paceChip(t, Options{})
	for name, password := range map[string]access.Password{"can": access.CAN(testCAN), "mrz": mrzPassword(t)} {
		chip.Reset()
		c := card.Over(chip)
		send(t, c, "00A4020C", big16(int(efCardAccess)), 0, card.OK) // nothing selected before
		infos, err := access.ParseCardAccess(send(t, c, "00B00000", nil, 256, card.OK))
		if err != nil {
			t.Fatal(err)
		}
		in := open(t, access.PACE{Info: infos[0], Password: password}, c)
		send(t, in, "00A4020C", big16(0x0101), 0, card.FileNotFound) // still at the master file
		fci := send(t, in, "00A40400", aids[appEMRTD], 256, card.OK)
		if life, err := tlv.Find(fci, 0x6F, 0x8A); err != nil || !bytes.Equal(life, []byte{lifeActivated}) {
			t.Fatalf("%s: control information %X", name, fci)
		}
		send(t, in, "00A4020C", big16(0x0101), 0, card.OK)
		if got := send(t, in, "00B00000", nil, 256, card.OK); string(got) != "data group 1" {
			t.Fatalf("%s: DG1 %q", name, got)
		}
		send(t, in, "00B08300", nil, 4, card.SecurityNotSatisfied)
		send(t, in, "00A4000C", []byte{0x3F, 0x00}, 0, card.OK)
		send(t, in, "00A4020C", []byte{0x2F, 0x01}, 0, card.OK)
		for _, header := range []string{"80D80081", "80F0800F", "80F28002"} {
			send(t, in, header, []byte{0x4F, 0x00}, 0, card.SecurityNotSatisfied) // no channel of the card manager
		}
		send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
		send(t, c, "00A4020C", big16(0x0101), 0, card.SecurityNotSatisfied) // a plain command gave it up
	}
}

func TestPACERunsEachWayThatEFCardAccessSays(t *testing.T) {
	infos := []access.PACEInfo{p256, {KeyBits: 192, Parameter: 15}, {KeyBits: 256, Parameter: 18}, {KeyBits: 128, Parameter: 15}}
	chip := newChip(t, Options{})
	finish(t, chip, map[fileID][]byte{efCardAccess: append(cardAccess(t, infos...), 0, 0, 0)}, passwordObject(passwordCAN, testCAN))
	infos, err := access.ParseCardAccess(cardAccess(t, infos...))
	if err != nil || len(infos) != 4 {
		t.Fatal(infos, err)
	}
	for _, info := range infos {
		chip.Reset()
		open(t, access.PACE{Info: info, Password: access.CAN(testCAN)}, card.Over(chip))
	}
	chip.Reset()
	unknown := access.PACE{Info: access.PACEInfo{KeyBits: 256, Parameter: 12, Ambiguous: true}, Password: access.CAN(testCAN)}
	if _, err := unknown.Open(card.Over(chip)); !errors.Is(err, card.IncorrectData) {
		t.Fatalf("a way that the chip does not say: %v", err)
	}
}

func TestPACERefusesWhatItDoesNotKnow(t *testing.T) {
	chip := paceChip(t, Options{})
	c := card.Over(chip)
	if _, err := pace(access.CAN("000002")).Open(c); !errors.Is(err, access.ErrNotAuthentic) {
		t.Fatalf("wrong can: %v", err)
	}
	send(t, c, "00860000", []byte{0x7C, 0}, 256, card.ConditionsNotSatisfied)
	set := unhex(t, "800A04007F00070202040202")
	send(t, c, "0022C1A4", append(set, 0x83, 1, passwordPUK), 0, card.ReferencedDataNotFound)
	send(t, c, "0022C1A4", append(unhex(t, "800A04007F00070202040302"), 0x83, 1, 2), 0, card.IncorrectData)
	send(t, c, "002241A4", set, 0, card.SecurityNotSatisfied)
	send(t, c, "0022C1A4", append(set, 0x83, 1, 2), 0, card.OK)
	send(t, c, "10860000", []byte{0x7C, 2, 0x81, 0}, 256, card.ConditionsNotSatisfied)
	send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
	send(t, c, "0022C1A4", append(set, 0x83, 1, 2), 0, card.ConditionsNotSatisfied)
	blank := newChip(t, Options{})
	send(t, card.Over(blank), "0022C1A4", append(set, 0x83, 1, 2), 0, card.ConditionsNotSatisfied)
}

func TestWrongCANsAreAnsweredMoreAndMoreSlowly(t *testing.T) {
	var waits []time.Duration
	chip := paceChip(t, Options{Wait: func(d time.Duration) { waits = append(waits, d) }})
	for range 4 {
		chip.Reset()
		if _, err := pace(access.CAN("999999")).Open(card.Over(chip)); err == nil {
			t.Fatal("wrong can opens")
		}
	}
	if len(waits) != 3 || waits[1] != 2*waits[0] || waits[2] != 2*waits[1] {
		t.Fatalf("waits %v", waits)
	}
	state, _ := chip.State()
	chip, err := Restore(state)
	if err != nil {
		t.Fatal(err)
	}
	chip.wait = func(d time.Duration) { waits = append(waits, d) }
	open(t, pace(access.CAN(testCAN)), card.Over(chip))
	if len(waits) != 4 || waits[3] <= waits[2] {
		t.Fatalf("a restored chip has forgotten: %v", waits)
	}
	chip.Reset()
	open(t, pace(access.CAN(testCAN)), card.Over(chip))
	if len(waits) != 4 {
		t.Fatal("the right can did not end the waiting")
	}
}

func TestWrongPINsSuspendAndBlockIt(t *testing.T) {
	chip := paceChip(t, Options{}, passwordObject(passwordPIN, testPIN), passwordObject(passwordPUK, testPUK))
	try := func(c card.Card, want card.Status, password access.Password) {
		t.Helper()
		if _, err := pace(password).Open(c); !errors.Is(err, want) {
			t.Fatalf("%v, want %s", err, want)
		}
	}
	fresh := func() card.Card { chip.Reset(); return card.Over(chip) }
	open(t, pace(access.PIN(testPIN)), fresh())
	try(fresh(), 0x63C2, access.PIN("000000"))
	try(fresh(), 0x63C1, access.PIN("000000"))
	try(fresh(), card.ConditionsNotSatisfied, access.PIN(testPIN)) // suspended
	in := open(t, pace(access.CAN(testCAN)), fresh())
	in = open(t, pace(access.PIN(testPIN)), in) // inside the channel that the CAN opened
	send(t, in, "00A4040C", aids[appEMRTD], 0, card.OK)
	send(t, in, "002C0303", nil, 0, card.SecurityNotSatisfied)
	try(fresh(), 0x63C2, access.PIN("000000"))
	try(fresh(), 0x63C1, access.PIN("000000"))
	try(open(t, pace(access.CAN(testCAN)), fresh()), 0x63C0, access.PIN("000000"))
	if _, err := pace(access.PIN(testPIN)).Open(open(t, pace(access.CAN(testCAN)), fresh())); err == nil {
		t.Fatal("a blocked pin opens")
	}
	in = open(t, pace(access.PUK(testPUK)), fresh())
	send(t, in, "002C0303", nil, 0, card.OK)
	open(t, pace(access.PIN(testPIN)), fresh())
}

func TestChipWithPACEOnlyHasNoBasicAccess(t *testing.T) {
	sum := sha1.Sum([]byte("200000001500010182501017"))
	chip := newChip(t, Options{})
	finish(t, chip, map[fileID][]byte{efCardAccess: cardAccess(t, p256)}, passwordObject(passwordMRZ, string(sum[:])))
	c := card.Over(chip)
	send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
	send(t, c, "00840000", nil, 8, card.ConditionsNotSatisfied)
	chip.Reset()
	open(t, pace(mrzPassword(t)), c)
}

func TestPasswordsAreTakenOnlyWhilePersonalising(t *testing.T) {
	chip := newChip(t, Options{})
	outside := card.Over(chip)
	send(t, outside, "00A4040C", aids[appEMRTD], 0, card.OK)
	can := passwordObject(passwordCAN, testCAN)[1:]
	send(t, outside, "00DA0066", can, 0, card.SecurityNotSatisfied)
	c := open(t, scp03(access.LevelFull), outside)
	for _, bad := range [][]byte{nil, {0x66, 0}, {0x66, 1, 2}, {0x66, 2, 9, 9}, {0x66, 2, 0, 9}, {0x66, 3, 1, 'A', 'B'}, {0x66, 2, 5, 5}, {0x65, 2, 2, 2}, append(can, 0)} {
		send(t, c, "00DA0066", bad, 0, card.IncorrectData)
	}
	send(t, c, "00DA0066", can, 0, card.OK)
	send(t, c, "00440000", nil, 0, card.OK)
	send(t, c, "00DA0066", can, 0, card.ConditionsNotSatisfied)
}

// testdata/state1.json is what the first release kept of a finished chip.
func TestStateOfTheFirstFormatIsRestored(t *testing.T) {
	old, err := os.ReadFile("testdata/state1.json")
	if err != nil {
		t.Fatal(err)
	}
	chip, err := Restore(old)
	if err != nil {
		t.Fatal(err)
	}
	c := card.Over(chip)
	send(t, c, "0022C1A4", unhex(t, "800A04007F00070202040202830102"), 0, card.IncorrectData)
	send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
	in := open(t, access.BAC{MRZ: testMRZ}, c)
	if got := send(t, in, "00B08100", nil, 256, card.OK); string(got) != "data group 1" {
		t.Errorf("DG1 %q", got)
	}
	now, _ := chip.State()
	if !bytes.HasPrefix(now, []byte(`{"format":2,`)) {
		t.Errorf("kept as %.20s", now)
	}
	if _, err := Restore(now); err != nil {
		t.Error(err)
	}
}
