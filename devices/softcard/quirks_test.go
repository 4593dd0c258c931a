package softcard

import (
	"bytes"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// openedWith is a chip with these quirks, opened by its CAN and its application
// selected.
func openedWith(t *testing.T, q Quirks) card.Card {
	t.Helper()
	in := open(t, pace(access.CAN(testCAN)), card.Over(paceChip(t, Options{Quirks: q})))
	send(t, in, "00A4040C", aids[appEMRTD], 0, card.OK)
	send(t, in, "00A4020C", big16(0x0101), 0, card.OK)
	return in
}

func TestFilesOfTheMasterFileAreServed(t *testing.T) {
	c := card.Over(paceChip(t, Options{}))
	send(t, c, "00A4000C", []byte{0x3F, 0x00}, 0, card.OK)
	send(t, c, "00A4020C", []byte{0x2F, 0x00}, 0, card.OK)
	dir := send(t, c, "00B00000", nil, 256, card.OK)
	if aid, err := tlv.Find(dir, 0x61, 0x4F); err != nil || !bytes.Equal(aid, aids[appEMRTD]) {
		t.Errorf("EF.DIR %X", dir)
	}
	info := send(t, c, "00B08100", nil, 256, card.OK)
	if capabilities, err := tlv.Find(info, 0x47); err != nil || !bytes.Equal(capabilities, []byte{0xC0, 0x21, 0xC0}) {
		t.Errorf("EF.ATR/INFO %X", info)
	}
}

func TestQuirkMasterFileCannotBeSelectedAndItsFilesCan(t *testing.T) {
	chip := paceChip(t, Options{Quirks: Quirks{SelectMF: card.InsNotSupported}})
	c := card.Over(chip)
	send(t, c, "00A4000C", []byte{0x3F, 0x00}, 0, card.InsNotSupported)
	send(t, c, "00A40000", nil, 256, card.InsNotSupported)
	send(t, c, "00A4020C", big16(int(efCardAccess)), 0, card.OK)
	open(t, pace(access.CAN(testCAN)), c)
}

func TestQuirkApplicationIsSelectedAfterReset(t *testing.T) {
	chip := paceChip(t, Options{Quirks: Quirks{Preselected: true}})
	c := card.Over(chip)
	send(t, c, "00840000", nil, 8, card.OK)
	send(t, c, "00A4020C", big16(int(efCardAccess)), 0, card.OK)
	in := open(t, pace(access.CAN(testCAN)), c)
	send(t, in, "00A4020C", big16(0x0101), 0, card.OK)
	state, _ := chip.State()
	again, err := Restore(state)
	if err != nil {
		t.Fatal(err)
	}
	open(t, access.BAC{MRZ: testMRZ}, card.Over(again))
}

func TestQuirkReadBinaryTakesSmallLe(t *testing.T) {
	for status, want := range map[card.Status]card.Status{0: card.WrongLength, 0x6C00: 0x6C00} {
		in := openedWith(t, Quirks{MaxLe: 8, LeStatus: status})
		for _, ne := range []int{9, 256, card.MaxExtendedNe} {
			send(t, in, "00B00000", nil, ne, want)
		}
		if got := send(t, in, "00B00000", nil, 8, card.OK); string(got) != "data gro" {
			t.Errorf("%q", got)
		}
	}
	in := openedWith(t, Quirks{MaxData: 5})
	if got := send(t, in, "00B00000", nil, 12, card.OK); string(got) != "data " {
		t.Errorf("%q", got)
	}
	if got := send(t, in, "00B00008", nil, 4, card.OK); string(got) != "up 1"[:4] {
		t.Errorf("%q", got)
	}
}

func TestQuirkCommandsAreRefused(t *testing.T) {
	in := openedWith(t, Quirks{RefuseShortID: true, RefuseOddRead: true})
	send(t, in, "00B08100", nil, 4, card.IncorrectP1P2)
	send(t, in, "00B10000", []byte{0x54, 1, 0}, 8, card.InsNotSupported)
	chip := paceChip(t, Options{Quirks: Quirks{Preselected: true, RefuseSelectInside: true}})
	in = open(t, pace(access.CAN(testCAN)), card.Over(chip))
	send(t, in, "00A4040C", aids[appEMRTD], 0, card.WrongLength)
}

func TestQuirkNoExtendedLengthAndNoControlInformation(t *testing.T) {
	chip := newChip(t, Options{Quirks: Quirks{RefuseExtended: true, RefuseControlInformation: true}})
	c := card.Over(chip)
	r, err := c.Transmit(card.Command{CLA: 0x80, INS: 0xCA, P1: 0x9F, P2: 0x7F, Ne: 300})
	if err != nil || r.SW != card.WrongLength {
		t.Errorf("extended length: %s, %v", r.SW, err)
	}
	send(t, c, "80CA9F7F", nil, 256, card.OK)
	send(t, c, "00A4020C", []byte{0x2F, 0x01}, 0, card.FileNotFound)
	send(t, c, "00A40400", aids[appEMRTD], 256, card.IncorrectP1P2)
	send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
}

func TestQuirksThatMakeNoSenseAreRefused(t *testing.T) {
	for _, q := range []Quirks{{MaxLe: -1}, {MaxData: -1}, {LeStatus: card.OK}, {SelectMF: card.OK}, {EndStatus: card.OK}} {
		if _, err := New(Options{Quirks: q}); err == nil {
			t.Errorf("made a chip with %+v", q)
		}
	}
}
