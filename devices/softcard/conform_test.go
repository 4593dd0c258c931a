package softcard

import (
	"bytes"
	"crypto/elliptic"
	"fmt"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// say sends raw commands to a chip and wants these status words: a line is a command
// and the end of its answer.
func say(t *testing.T, name string, ch card.Channel, lines [][2]string) {
	t.Helper()
	for i, l := range lines {
		r, err := ch.Exchange(unhex(t, l[0]))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%X", r[len(r)-2:]); got != l[1] {
			t.Errorf("%s, command %d, %.20s: %s, want %s", name, i+1, l[0], got, l[1])
		}
	}
}

const (
	selectDocument = "00A4040C07A0000002471001"
	setCAN         = "0022C1A40F800A04007F00070202040202830102"
	firstStep      = "10860000027C0000"
)

// What conformance tests of chips ask for (ICAO technical report on RF protocol and
// application tests, part 3; BSI TR-03105 parts 3.2 and 3.3), before any channel is
// open: wrong lengths, commands and order.
func TestChipRefusesWhatIsOutOfPlaceInTheClear(t *testing.T) {
	p256, p384 := elliptic.P256().Params(), elliptic.P384().Params()
	step := func(tag tlv.Tag, point []byte) string {
		data := tlv.New(0x7C, tlv.New(tag, point))
		return fmt.Sprintf("10860000%02X%X00", len(data), data)
	}
	on := append([]byte{4}, append(p256.Gx.Bytes(), p256.Gy.Bytes()...)...)
	off := bytes.Clone(on)
	off[64] ^= 1
	larger := append([]byte{4}, append(p384.Gx.Bytes(), p384.Gy.Bytes()...)...)
	for name, lines := range map[string][][2]string{
		"no application":        {{"00A4040C07A0000002471002", "6A82"}},
		"closed files":          {{selectDocument, "9000"}, {"00A4020C02011E", "6982"}, {"00A4020C020101", "6982"}, {"00B0810004", "6982"}, {"00B0000004", "6986"}},
		"file under no name":    {{selectDocument, "9000"}, {"00A4020C0101", "6A86"}, {"00A4020C03010101", "6A86"}},
		"unknown instruction":   {{selectDocument, "9000"}, {"0012000000", "6D00"}, {"00FF0000", "6D00"}},
		"unknown class":         {{selectDocument, "9000"}, {"80B0000000", "6D00"}, {"A0B0000000", "6E00"}, {"01B0000000", "6881"}},
		"lengths that lie":      {{selectDocument, "9000"}, {"0084", "6700"}, {"00820000280102", "6700"}, {"00820000", "6985"}},
		"answer without ask":    {{selectDocument, "9000"}, {"00820000280" + fmt.Sprintf("%079d", 0) + "28", "6985"}},
		"answer to the wrong":   {{selectDocument, "9000"}, {"0084000008", "9000"}, {"0082000028" + fmt.Sprintf("%080d", 0) + "28", "6300"}, {"0082000028" + fmt.Sprintf("%080d", 0) + "28", "6985"}},
		"answer too short":      {{selectDocument, "9000"}, {"0084000008", "9000"}, {"0082000027" + fmt.Sprintf("%078d", 0) + "28", "6700"}},
		"signature in the open": {{selectDocument, "9000"}, {"0088000008010203040506070800", "6982"}},
		"authentications":       {{selectDocument, "9000"}, {"002241A60391010400", "6982"}, {"002241A4038001" + "00", "6982"}, {"002281B603830141", "6982"}, {"002A00BE0101", "6982"}, {"002281A403830141", "6982"}},
		"writing":               {{selectDocument, "9000"}, {"00D6000001FF", "6985"}, {"00E0000002" + "6200", "6985"}, {"00DA006001FF", "6985"}, {"0044000000", "6985"}},
		"pace unnamed":          {{firstStep, "6985"}},
		"pace of another kind":  {{"0022C1A40F800A04007F00070202040402830102", "6A80"}, {"0022C1A40F800A04007F00070202040203830102", "6A80"}, {firstStep, "6985"}},
		"pace of no kind":       {{"0022C1A403830102", "6A80"}, {"0022C1A40C800A04007F00070202040202", "6A80"}, {"0022C1A4", "6A80"}, {"0022C1A403800A04", "6A80"}},
		"pace with no password": {{"0022C1A40F800A04007F00070202040202830103", "6A88"}, {"0022C1A40F800A04007F00070202040202830107", "6A88"}, {firstStep, "6985"}},
		"pace elsewhere":        {{"0022C1A412800A04007F0007020204020283010284010D", "6A80"}},
		"data where none is":    {{setCAN, "9000"}, {"10860000047C02810000", "6985"}, {firstStep, "6985"}},
		"nothing at all":        {{setCAN, "9000"}, {"1086000000", "6A80"}},
		"no template":           {{setCAN, "9000"}, {"10860000028000" + "00", "6A80"}},
		"empty where data is":   {{setCAN, "9000"}, {firstStep, "9000"}, {firstStep, "6A80"}, {firstStep, "6985"}},
		"empty point":           {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x81, nil), "6A80"}},
		"infinity":              {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x81, []byte{0}), "6A80"}},
		"point off the curve":   {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x81, off), "6A80"}, {step(0x81, on), "6985"}},
		"of another curve":      {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x81, larger), "6A80"}},
		"compressed":            {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x81, append([]byte{2}, on[1:33]...)), "6A80"}},
		"hybrid":                {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x81, append([]byte{6}, on[1:]...)), "6A80"}},
		"a step left out":       {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x83, on), "6A80"}},
		"a step done again":     {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x81, on), "9000"}, {step(0x81, on), "6A80"}, {step(0x83, on), "6985"}},
		"key off the curve":     {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x81, on), "9000"}, {step(0x83, off), "6A80"}},
		"wrong token":           {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x81, on), "9000"}, {step(0x83, on), "9000"}, {"008600000C7C0A8508000000000000000000", "6300"}, {firstStep, "6985"}},
		"short token":           {{setCAN, "9000"}, {firstStep, "9000"}, {step(0x81, on), "9000"}, {step(0x83, on), "9000"}, {"008600000B7C098507000000000000" + "0000", "6300"}},
		"left in the middle":    {{setCAN, "9000"}, {firstStep, "9000"}, {selectDocument, "9000"}, {firstStep, "6985"}},
	} {
		chip := paceChip(t, Options{Wait: func(time.Duration) {}})
		say(t, name, chip, lines)
		chip.Reset() // and whatever it was, the chip opens afterwards
		if _, err := pace(access.CAN(testCAN)).Open(card.Over(chip)); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

// tampered lets the next protected command through f on its way to the chip.
type tampered struct {
	*Chip
	f func([]byte) []byte
}

func (c *tampered) Exchange(b []byte) ([]byte, error) {
	if f := c.f; f != nil {
		c.f = nil
		b = f(b)
	}
	return c.Chip.Exchange(b)
}

// What breaks secure messaging ends it, with a status outside of it, and no command of
// the old channel is taken any more (Doc 9303-11, 9.8).
func TestChipEndsTheChannelOverBrokenMessaging(t *testing.T) {
	remake := func(f func(objects []tlv.Object) []tlv.Object) func([]byte) []byte {
		return func(b []byte) []byte {
			cmd, err := card.ParseCommand(b)
			if err != nil {
				t.Fatal(err)
			}
			objects, err := tlv.Parse(cmd.Data)
			if err != nil {
				t.Fatal(err)
			}
			cmd.Data = nil
			for _, o := range f(objects) {
				cmd.Data = append(cmd.Data, tlv.New(o.Tag, o.Value)...)
			}
			out, err := cmd.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
	}
	for name, v := range map[string]struct {
		f    func([]byte) []byte
		want card.Status
	}{
		"no checksum":       {remake(func(o []tlv.Object) []tlv.Object { return o[:len(o)-1] }), card.SMObjectsMissing},
		"nothing but class": {func([]byte) []byte { return []byte{0x0C, 0xB0, 0, 0} }, card.SMObjectsMissing},
		"checksum cut":      {remake(func(o []tlv.Object) []tlv.Object { o[1].Value = o[1].Value[:7]; return o }), card.SMObjectsIncorrect},
		"checksum first":    {remake(func(o []tlv.Object) []tlv.Object { return []tlv.Object{o[1], o[0]} }), card.SMObjectsIncorrect},
		"le twice":          {remake(func(o []tlv.Object) []tlv.Object { return []tlv.Object{o[0], o[0], o[1]} }), card.SMObjectsIncorrect},
		"object of no use":  {remake(func(o []tlv.Object) []tlv.Object { return append([]tlv.Object{{Tag: 0x81, Value: []byte{1}}}, o...) }), card.SMObjectsIncorrect},
		"data that was none": {remake(func(o []tlv.Object) []tlv.Object {
			return append([]tlv.Object{{Tag: 0x87, Value: make([]byte, 17)}}, o...)
		}), card.SMObjectsIncorrect},
		"le left out":       {remake(func(o []tlv.Object) []tlv.Object { return o[1:] }), card.SMObjectsIncorrect},
		"another le":        {remake(func(o []tlv.Object) []tlv.Object { o[0].Value = []byte{1}; return o }), card.SMObjectsIncorrect},
		"another checksum":  {remake(func(o []tlv.Object) []tlv.Object { o[1].Value[0] ^= 1; return o }), card.SMObjectsIncorrect},
		"another header":    {func(b []byte) []byte { b[3]++; return b }, card.SMObjectsIncorrect},
		"half the class":    {func(b []byte) []byte { b[0] = 0x08; return b }, card.SMObjectsMissing},
		"no objects at all": {func([]byte) []byte { return []byte{0x0C, 0xB0, 0, 0, 2, 1, 2, 0} }, card.SMObjectsIncorrect},
		"in the clear":      {func([]byte) []byte { return []byte{0, 0xB0, 0x81, 0, 4} }, card.SecurityNotSatisfied},
	} {
		for _, bac := range []bool{true, false} {
			chip := paceChip(t, Options{})
			way := &tampered{Chip: chip}
			c := card.Over(way)
			var in card.Card
			if bac {
				send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
				in = open(t, access.BAC{MRZ: testMRZ}, c)
			} else {
				in = open(t, pace(access.CAN(testCAN)), c)
				send(t, in, "00A4040C", aids[appEMRTD], 0, card.OK)
			}
			send(t, in, "00A4020C", big16(0x0101), 0, card.OK)
			way.f = v.f
			r, err := in.Transmit(card.Command{INS: 0xB0, Ne: 4})
			if err != nil || r.SW != v.want || len(r.Data) > 0 {
				t.Errorf("%s, bac %v: %d bytes, %s, %v, want %s", name, bac, len(r.Data), r.SW, err, v.want)
			}
			if r, err := in.Transmit(card.Command{INS: 0xB0, Ne: 4}); err == nil && r.SW == card.OK {
				t.Errorf("%s, bac %v: the channel goes on", name, bac)
			}
			send(t, c, "00B08100", nil, 4, card.SecurityNotSatisfied)
		}
	}
}

// What is refused inside the channel is refused by it, and it goes on.
func TestRefusalsInsideTheChannelAreProtected(t *testing.T) {
	key := newKey(t, elliptic.P256())
	chip := eacChip(t, key, dg14(t, access.ChipKey{KeyBits: 128, Key: &key.PublicKey}))
	for _, bac := range []bool{true, false} {
		in := inside(t, chip, bac)
		send(t, in, "00A4020C", big16(0x0101), 0, card.OK)
		for _, v := range []struct {
			header string
			data   []byte
			ne     int
			want   card.Status
		}{
			{"00B07F00", nil, 4, card.WrongP1P2}, {"00B09F00", nil, 4, card.FileNotFound}, {"00B0E100", nil, 4, card.IncorrectP1P2},
			{"00B10000", nil, 4, card.IncorrectData}, {"00B10000", []byte{0x54, 0}, 4, card.IncorrectData}, {"00B10000", []byte{0x54, 2, 0x10, 0}, 4, card.WrongP1P2},
			{"00B00000", []byte{1}, 4, card.WrongLength}, {"00A4020C", big16(0x0142), 0, card.FileNotFound},
			{"00120000", nil, 4, card.InsNotSupported}, {"00880000", make([]byte, 8), 256, card.InsNotSupported}, {"00840000", nil, 8, card.ConditionsNotSatisfied},
			{"00D60000", []byte{1}, 0, card.ConditionsNotSatisfied}, {"00B08300", nil, 4, card.SecurityNotSatisfied}, {"00B08400", nil, 4, card.SecurityNotSatisfied},
			{"002241A4", tlv.New(0x80, []byte{4, 0, 0x7F, 0, 7, 2, 2, 3, 2, 4}), 0, card.IncorrectData},
			{"002241A4", tlv.Append(tlv.New(0x80, []byte{4, 0, 0x7F, 0, 7, 2, 2, 3, 2, 2}), 0x84, []byte{9}), 0, card.ReferencedDataNotFound},
			{"00860000", tlv.New(0x7C), 256, card.ConditionsNotSatisfied},
		} {
			send(t, in, v.header, v.data, v.ne, v.want)
		}
		for _, point := range [][]byte{nil, {0}, make([]byte, 65), append([]byte{4}, bytes.Repeat([]byte{7}, 64)...)} {
			send(t, in, "002241A4", tlv.New(0x80, []byte{4, 0, 0x7F, 0, 7, 2, 2, 3, 2, 2}), 0, card.OK)
			send(t, in, "00860000", tlv.New(0x7C, tlv.New(0x80, point)), 256, card.IncorrectData)
		}
		if got := send(t, in, "00B08100", nil, 4, card.OK); string(got) != "data" {
			t.Errorf("%q after all", got)
		}
	}
}
