package access

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cardstation/devices/card"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// replay is a chip that knows one conversation by heart.
type replay struct {
	t    *testing.T
	says [][2]string // command, answer
}

func (r *replay) Exchange(b []byte) ([]byte, error) {
	if len(r.says) == 0 {
		r.t.Fatalf("command %X after the last known one", b)
	}
	want, answer := unhex(r.t, r.says[0][0]), unhex(r.t, r.says[0][1])
	if !bytes.Equal(b, want) {
		r.t.Fatalf("sent\n%X, want\n%X", b, want)
	}
	r.says = r.says[1:]
	return answer, nil
}

// recorded is a conversation with a real card (an eUICC's ISD-R, whose keys are
// published test keys): levels 11, 03 and 33 with AES-128, 192 and 256, i=70.
var recorded = []struct {
	name                           string
	length                         int
	update, answer, auth, get, got string
	version, level                 byte
	case1, case2, case3, case4     string
}{
	{"aes-128 11", 16, "8050300008b13e5f938fc108c400", "000000000000000000003003703eb51047495b249f66c484c1d2ef1948000002", "84821100107d5f5826a993ebc89eea24957fa0b3ce", "84e291000ebf3e035c015a558d036518a2829700", "bf3e125a1089882119900000000000000000000005971be68992dbbdfa", 0x30, 0x11, "84f220020863a63f8959827fb2", "84ca006608a0c6a4a74166f7ce00", "84f22002124f0212345c054f9f70c52249b50272656536", "84f280020a4f00e91443f6dce6b8ed00"},
	{"aes-128 03", 16, "80503000088e1552d0513c60f300", "0000000000000000000030037030760cd2c47c1dd395065fe5ead8a9d7000001", "8482030010fd4721a14d9b07003c451d2f8ae6bb21", "84e2910018ca9c00f6713d79bc8baa642bdff51c3f6a4082d3bd9ad26c00", "bf3e125a1089882119900000000000000000000005", 0x30, 0x03, "84f2200208c9811b11f1264cf1", "84ca006608e10ab60b3054798800", "84f22002184e2908bdb48b2315a55482e9e936ca122d6ecfae7d17416e", "84f28002180dd10a6b6193e5340b9e77d32d5a179cd710ac2773aefb2800"},
	{"aes-128 33", 16, "8050300008fdf38259a1e0de4400", "000000000000000000003003703b1aca81e821f219081cdc01c26b372d000003", "84823300108c36f96bcc00724a4e13ad591d7da3f0", "84e2910018267a85dfe4a98fca6fb0527e0dfecce4914e40401433c87f00", "f3ba2b1013aa6224f5e1c138d71805c569e5439b47576260b75fc021b25097cb2e68f8a0144975b9", 0x30, 0x33, "84f2200208ac6a59024bed84cc", "84ca006608409912ad8fb7aed000", "84f22002185f3dafc3ac14c381536a488bf44e06d056df9d74dbd21e5a", "84f280021865165105be3373347d0424d4400af2ac393f569ec779389e00"},
	{"aes-192 11", 24, "80503100087396430b768b085b00", "000000000000000000003103708cfc23522ffdbf1e5df5542cac8fd866000003", "84821100102145ed30b146f5db252fb7e624cec244", "84e291000ebf3e035c015aff42cf801d14394400", "bf3e125a1089882119900000000000000000000005162fbd33e04940a9", 0x31, 0x11, "84f22002084584e4f6784811ee", "84ca006608937776ebe190fa3000", "84f22002124f0212345c054f9f70c59a52bddf3040368c", "84f280020a4f009804b11411f7393d00"},
	{"aes-192 03", 24, "805031000869c65da8202bf19f00", "00000000000000000000310370b570a67be38446717729d6dd3d2ec5b1000001", "848203001065df4f1a356a887905466516d9e5b7c1", "84e2910018d2c6fb477c5d4afe4fd4d21f17eff10d3578ec1774a12a2d00", "bf3e125a1089882119900000000000000000000005", 0x31, 0x03, "84f2200208964e188f0b1bb697", "84ca006608f0820035a41d3e1800", "84f220021806b076ed452cd1fa84f77f5c08a146aa77a9286757dea791", "84f2800218d06527e39222dce091fabdb8e9b898417a67a6852d3577db00"},
	{"aes-192 33", 24, "80503100089b3f2eef0e8c937400", "00000000000000000000310370f6bb305a15bae1a68f79fb08212fbed7000002", "84823300109100bc22d58b45b86a26365ce39ff3cf", "84e29100188f7f946c84f70d17994bc6e8791251bb1bb1bf02cf8de58900", "c05176c1b6f72aae50c32cbee63b0e95998928fd4dfb2be9f27ffde8c8476f5909b4805cc4039599", 0x31, 0x33, "84f2200208d5d97754b6b3d2ba", "84ca006608516c82b8e30adbeb00", "84f2200218cc247f4761e6944277a4e0d6e32e44025b1e31537e2fc668", "84f2800218ba22b63d509bef5d093b43e5eaed03ed23144ab2d9cb51de00"},
	{"aes-256 11", 32, "805032000811666d57866c6f5400", "0000000000000000000032037053ea8847efa7674e41498a4d66cf0dee000003", "84821100102f2ad190eff2fafc4908996d1cebd310", "84e291000ebf3e035c015af4b680372542b59d00", "bf3e125a10898821199000000000000000000000058012dd7f01f1c4c1", 0x32, 0x11, "84f2200208d618b7da68d5fe52", "84ca0066088f3e055db23ad5e500", "84f22002124f0212345c054f9f70c5b6e15cc42404915e", "84f280020a4f00aa124aa74afe7f7500"},
	{"aes-256 03", 32, "8050320008c6066990fc426e1d00", "000000000000000000003203708682cd81bbd8919f2de3f2664581f118000001", "848203001077c493b632edadaf865a1e64acc07ce9", "84e29100183ddaa60594963befaada3525b492ede23c2ab2c1ce3afe4400", "bf3e125a1089882119900000000000000000000005", 0x32, 0x03, "84f2200208480ddc8e419da38d", "84ca0066083e9d6a6c0b2d732000", "84f22002183ebfef2da8b04af2a85f491f299b76973df76ff08a4031be", "84f2800218783fff80990f5585b1055010ea95094a26e4a8f1ef4b18e100"},
	{"aes-256 33", 32, "805032000897b2055fe58599fd00", "00000000000000000000320370a8439a22cedf045fa9f1903b2834f26e000002", "8482330010508a0fd959d2e547c6b33154a6be2057", "84e29100187a5ef717eaf1e135ae92fe54429d0e465decda65f5fe5aea00", "ea90dbfa648a67c5eb6abc57f8530b97d0cd5647c5e8732016b55203b078dd2ace7f8bc5d1c1cd99", 0x32, 0x33, "84f2200208bcc5c17275545d93", "84ca00660804806aba9d543bb600", "84f2200218717222491556ec81a45f49ce48be33320024801a1c4cb0e0", "84f2800218561f105bccd3a1642904b251ccc1228beb80a82370a8637000"},
}

func recordedKeys(n int) StaticKeys {
	key := func(first byte) []byte {
		k := make([]byte, 32)
		for i := range k {
			k[i] = first + byte(i%16)
		}
		return k[:n]
	}
	return StaticKeys{key(0x00), key(0x10), key(0x20)}
}

func TestSCP03SpeaksAsARecordedTerminal(t *testing.T) {
	for _, v := range recorded {
		t.Run(v.name, func(t *testing.T) {
			chip := &replay{t, [][2]string{{v.update, v.answer + "9000"}, {v.auth, "9000"}, {v.get, v.got + "9000"}}}
			var info KeyInfo
			access := SCP03{
				KeyVersion: v.version, Level: v.level, Rand: bytes.NewReader(unhex(t, v.update)[5:13]),
				Keys: func(i KeyInfo) (StaticKeys, error) { info = i; return recordedKeys(v.length), nil },
			}
			inside, err := access.Open(card.Over(chip))
			if err != nil {
				t.Fatal(err)
			}
			if info.Version != v.version || info.I != 0x70 || info.Protocol != 3 {
				t.Errorf("key information %+v", info)
			}
			got, err := card.Do(inside, card.Command{CLA: 0x80, INS: 0xE2, P1: 0x91, Data: unhex(t, "BF3E035C015A"), Ne: 256})
			if err != nil || fmt.Sprintf("%x", got) != "bf3e125a1089882119900000000000000000000005" {
				t.Errorf("answer %x, %v", got, err)
			}
			// The four cases as the terminal that made the record sends them next.
			end := inside.(*scp03Card)
			for i, c := range []struct{ plain, sent string }{{"80F22002", v.case1}, {"80CA006600", v.case2}, {"80F220020A4F0212345C054F9F70C5", v.case3}, {"80F28002024F0000", v.case4}} {
				plain, err := card.ParseCommand(unhex(t, c.plain))
				if err != nil {
					t.Fatal(err)
				}
				if got, err := end.protect(plain).Bytes(); err != nil || !bytes.Equal(got, unhex(t, c.sent)) {
					t.Errorf("case %d: %X, %v; want %s", i+1, got, err, c.sent)
				}
			}
		})
	}
}

// The recorded card's challenges come from its sequence counter and the AID of the
// application that was selected, so that our chip can answer as it did.
func TestSCP03ChipAnswersAsARecordedCard(t *testing.T) {
	for _, v := range recorded {
		t.Run(v.name, func(t *testing.T) {
			want := unhex(t, v.answer)
			seq := uint32(want[29])<<16 | uint32(want[30])<<8 | uint32(want[31])
			chip := NewSCP03Chip(recordedKeys(v.length), KeyInfo{Version: v.version, I: 0x70}, seq, nil)
			chip.Invoker = unhex(t, "A0000005591010FFFFFFFF8900000100")
			got, err := chip.Initialize(unhex(t, v.update)[5:13])
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("initialize update answered %X, %v; want %X", got, err, want)
			}
			if chip.Sequence() != seq+1 {
				t.Errorf("next sequence counter %d", chip.Sequence())
			}
			parse := func(s string) card.Command {
				c, err := card.ParseCommand(unhex(t, s))
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			secure, err := chip.Authenticate(parse(v.auth))
			if err != nil || chip.Level() != v.level {
				t.Fatalf("level %02X, %v", chip.Level(), err)
			}
			plain, err := secure.Unprotect(parse(v.get))
			if err != nil || plain.Header() != [4]byte{0x80, 0xE2, 0x91, 0} || !bytes.Equal(plain.Data, unhex(t, "BF3E035C015A")) {
				t.Errorf("unprotected %v %X, %v", plain, plain.Data, err)
			}
			r, err := secure.Protect(card.Response{Data: unhex(t, "bf3e125a1089882119900000000000000000000005"), SW: card.OK})
			if err != nil || !bytes.Equal(r.Data, unhex(t, v.got)) {
				t.Errorf("protected %X, %v", r.Data, err)
			}
			for i, c := range []struct{ plain, sent string }{{"80F22002", v.case1}, {"80CA006600", v.case2}, {"80F220020A4F0212345C054F9F70C5", v.case3}, {"80F28002024F0000", v.case4}} {
				plain, err := secure.Unprotect(parse(c.sent))
				if err != nil {
					t.Fatalf("case %d: %v", i+1, err)
				}
				if b, _ := plain.Bytes(); !bytes.Equal(b, unhex(t, c.plain)) {
					t.Errorf("case %d: %X, want %s", i+1, b, c.plain)
				}
			}
		})
	}
}

// The S16 conversations of Samsung's OpenSCP, level 33, i=71.
func TestSCP03WithChecksumsOf16Bytes(t *testing.T) {
	challenge := "06F85B77251BF79406F85B77251BF794"
	keys := func(n int) StaticKeys {
		return StaticKeys{
			unhex(t, "1D72CD9283FD55162722C6BEAA4DC1877F4C0CD0ECC15E052AAC39A99AF9AD72")[:n],
			unhex(t, "F4932BA02FFC3098D172790099D2838236F2E61068D56F4401CC0374C25AF8CB")[:n],
			unhex(t, "B4BDC610C3F6793708FF1132E2C5BF60523AEAC06B32F204B851B6CC007C8D3C")[:n],
		}
	}
	for _, v := range []struct {
		length                 int
		answer, auth, get, got string
	}{
		{16, "A1A012430585513120853003710617A2C34D50B562F7DECFC3DBF58A649EF733B7486D813C92E4CA61E5102F9100082A", "84823300201C6A43582F842A90D81CA4E970754664D8C0C6C340E007C5C6EBCDF4F7C065BE", "84F2200020EB30913C363A6C1309D13ADC765D9DF1C44F207C2941B898A290F627B05AE990", "05717C3DED78C6BB7AEE55A68E66E0D7C90473C380A60755DD7B63ECF55FD0B4067612B43A0A05CDA95E9122C91D8527A21681805C1A25AAA38994E15A6379DF66EE234701C673C32DAF5C54B11085C4"},
		{32, "A1A012430585513120853003710617A2C34D50B562F7DECFC3DBF58A6499D2966CF09C9201FDE8343E93FB18B400082A", "848233002071D1A091C5D24AF177B00E69B1A32B4E30A5168CF8C86B19730DF915EF82D8A7", "84F2200020DD3036DC4C636717702732ABBA185633873A933310002B25E386CF10A4E6B130", "A5E7309DCA3EFFA13D1AA03FE0D3E2BA8D04DF15A6A26989150F512ED453F5DFFB2A7E4EE4E2FFACEFC0945435BCAF3A914A9F7BD66B4F82635B7757AE82B54262489B3B58224F99E846E2A8061B1732"},
	} {
		chip := &replay{t, [][2]string{{"8050300010" + challenge + "00", v.answer + "9000"}, {v.auth, "9000"}, {v.get, v.got + "9000"}}}
		inside, err := SCP03{
			KeyVersion: 0x30, Level: LevelFull, S16: true, Rand: bytes.NewReader(unhex(t, challenge)),
			Keys: func(KeyInfo) (StaticKeys, error) { return keys(v.length), nil },
		}.Open(card.Over(chip))
		if err != nil {
			t.Fatal(err)
		}
		got, err := card.Do(inside, card.Command{CLA: 0x80, INS: 0xF2, P1: 0x20, Data: []byte{0x4F, 0}})
		want := "08A00000015141434C010010A0000002202003010101000000000006010010A0000002202003010101000000000011010005A0000002480100"
		if err != nil || !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("aes-%d: %X, %v", v.length*8, got, err)
		}
	}
}

// Check values of GPC amendment D, 7.2, as published for the recorded keys.
func TestKeyCheckValues(t *testing.T) {
	k := recordedKeys(16)
	for _, v := range []struct {
		key  []byte
		want string
	}{{k.ENC, "C35280"}, {k.MAC, "013808"}, {k.DEK, "840DE5"}} {
		if got, err := KCV(v.key); err != nil || !bytes.Equal(got, unhex(t, v.want)) {
			t.Errorf("%X, %v; want %s", got, err, v.want)
		}
	}
	if _, err := KCV(make([]byte, 5)); err == nil {
		t.Error("a key of five bytes has a check value")
	}
}

// secureChip is a chip that knows nothing but SCP03.
type secureChip struct {
	*SCP03Chip
	secure Secure
}

func (s *secureChip) Exchange(b []byte) ([]byte, error) {
	c, err := card.ParseCommand(b)
	if err != nil {
		return nil, err
	}
	r := card.Response{SW: card.OK}
	switch {
	case c.INS == 0x50:
		r.Data, err = s.Initialize(c.Data)
	case c.INS == 0x82:
		s.secure, err = s.Authenticate(c)
	case s.secure == nil:
		err = card.SecurityNotSatisfied
	default:
		if c, err = s.secure.Unprotect(c); err == nil {
			r, err = s.secure.Protect(echo(c))
		}
	}
	var sw card.Status
	if errors.As(err, &sw) {
		return card.Response{SW: sw}.Bytes(), nil
	}
	return r.Bytes(), err
}

func TestSCP03OpensWithEveryOptionAndKeyLength(t *testing.T) {
	for _, i := range []byte{0x00, 0x10, 0x20, 0x60, 0x70, 0x61, 0x71} {
		for _, n := range []int{16, 24, 32} {
			for _, level := range []byte{0x00, 0x01, 0x03, 0x11, 0x13, 0x33} {
				chip := &secureChip{SCP03Chip: NewSCP03Chip(recordedKeys(n), KeyInfo{Version: 1, I: i}, 7, nil)}
				p := SCP03{Level: level, S16: i&OptionS16 != 0, Keys: func(KeyInfo) (StaticKeys, error) { return recordedKeys(n), nil }}
				inside, err := p.Open(card.Over(chip))
				if possible := checkLevel(level, i) == nil; possible != (err == nil) {
					t.Errorf("i=%02X level %02X: %v", i, level, err)
				}
				if err != nil {
					continue
				}
				got, err := card.Do(inside, card.Command{CLA: 0x80, INS: 0xCA, Data: []byte{1, 2, 3}, Ne: 3})
				if err != nil || !bytes.Equal(got, []byte{1, 2, 3}) || chip.Level() != level {
					t.Errorf("i=%02X level %02X: %X, %v", i, level, got, err)
				}
				wrapping(t, inside.(KeyWrapper), chip)
			}
		}
	}
}

func wrapping(t *testing.T, w KeyWrapper, chip *secureChip) {
	t.Helper()
	for _, n := range []int{16, 24, 32} {
		key := bytes.Repeat([]byte{byte(n)}, n)
		wrapped, kcv, err := w.WrapKey(key)
		if err != nil || len(wrapped)%16 != 0 || len(kcv) != 3 || bytes.Contains(wrapped, key[:8]) {
			t.Fatalf("wrapped %d bytes, %v", len(wrapped), err)
		}
		got, err := chip.UnwrapKey(wrapped)
		if err != nil || !bytes.Equal(got[:n], key) {
			t.Errorf("unwrapped %d bytes, %v", len(got), err)
		}
	}
	if _, err := chip.UnwrapKey(make([]byte, 17)); err == nil {
		t.Error("seventeen bytes were unwrapped")
	}
}

func TestSCP03RefusesStrangers(t *testing.T) {
	other := func(KeyInfo) (StaticKeys, error) { return DefaultKeys, nil }
	chip := &secureChip{SCP03Chip: NewSCP03Chip(recordedKeys(16), KeyInfo{Version: 1, I: 0x70}, 0, nil)}
	if _, err := (SCP03{Level: 3, Keys: other}).Open(card.Over(chip)); !errors.Is(err, ErrNotAuthentic) {
		t.Errorf("terminal with other keys: %v", err)
	}
	chip.Initialize(make([]byte, 8))
	for name, v := range map[string]struct {
		data []byte
		p1   byte
		want card.Status
	}{
		"nothing": {nil, 3, card.WrongLength}, "zeros": {make([]byte, 16), 3, card.SecurityNotSatisfied}, "level": {make([]byte, 16), 0x30, card.IncorrectP1P2},
	} {
		chip.Initialize(make([]byte, 8))
		for i, want := range []card.Status{v.want, card.ConditionsNotSatisfied} { // one try for each challenge
			var sw card.Status
			if _, err := chip.Authenticate(card.Command{CLA: 0x84, INS: 0x82, P1: v.p1, Data: v.data}); !errors.As(err, &sw) || sw != want {
				t.Errorf("%s, try %d: %v, want %v", name, i+1, err, want)
			}
		}
	}
	if chip.Level() != 0 {
		t.Error("a level without a channel")
	}
	if _, err := chip.UnwrapKey(make([]byte, 16)); !errors.Is(err, ErrClosed) {
		t.Errorf("unwrapped without a channel: %v", err)
	}
	if _, err := chip.Initialize(make([]byte, 16)); !errors.Is(err, card.WrongLength) {
		t.Errorf("%v", err)
	}
	used := NewSCP03Chip(DefaultKeys, KeyInfo{I: 0x70}, 1<<24, nil)
	if _, err := used.Initialize(make([]byte, 8)); !errors.Is(err, card.ConditionsNotSatisfied) {
		t.Errorf("counter used up: %v", err)
	}
}

func TestClosedChannelHoldsNoKeys(t *testing.T) {
	chip := &secureChip{SCP03Chip: NewSCP03Chip(recordedKeys(16), KeyInfo{I: 0x60}, 0, nil)}
	inside, err := SCP03{Level: LevelFull, Keys: func(KeyInfo) (StaticKeys, error) { return recordedKeys(16), nil }}.Open(card.Over(chip))
	if err != nil {
		t.Fatal(err)
	}
	end := inside.(*scp03Card)
	keys := append(append([][]byte{}, end.keys...), end.dek)
	end.under = card.Over(exchange(func([]byte) ([]byte, error) { return []byte{0x90, 0}, nil }))
	if _, err := inside.Transmit(card.Command{CLA: 0x80, INS: 0xCA}); !errors.Is(err, ErrIntegrity) {
		t.Fatal(err)
	}
	for _, k := range keys {
		if !bytes.Equal(k, make([]byte, len(k))) {
			t.Error("a key was left in memory")
		}
	}
	if _, _, err := inside.(KeyWrapper).WrapKey(make([]byte, 16)); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	if !bytes.Equal(DefaultKeys.ENC, unhex(t, "404142434445464748494A4B4C4D4E4F")) {
		t.Error("the default keys were wiped")
	}
}

func FuzzSCP03TerminalTakesAnyInitialize(f *testing.F) {
	f.Add(unhex(f, recorded[0].answer), byte(0x33), false)
	f.Add(unhex(f, "A1A012430585513120853003710617A2C34D50B562F7DECFC3DBF58A649EF733B7486D813C92E4CA61E5102F9100082A"), byte(1), true)
	f.Add([]byte{}, byte(0), false)
	f.Fuzz(func(t *testing.T, answer []byte, level byte, s16 bool) {
		c := card.Over(exchange(func([]byte) ([]byte, error) { return append(bytes.Clone(answer), 0x90, 0), nil }))
		p := SCP03{Level: level, S16: s16, Keys: func(KeyInfo) (StaticKeys, error) { return DefaultKeys, nil }}
		if _, err := p.Open(c); err == nil {
			t.Errorf("%X was believed", answer)
		}
	})
}
