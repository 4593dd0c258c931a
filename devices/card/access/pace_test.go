package access

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"cardstation/devices/card"
)

// The worked example of Doc 9303-11, appendix G.1.
const (
	paceTerminal = "7F4EF07B9EA82FD78AD689B38D0BC78CF21F249D953BC46F4C6E19259C010F99 A73FB703AC1436A18E0CFA5ABB3F7BEC7A070E7A6788486BEE230C4A22762595"
	paceChip     = "3F00C4D39D153F2B2A214A078D899B22 498FF49756F2DC1587840041839A85982BE7761D14715FB091EFA7BCE9058560 107CF58696EF6155053340FD633392BA81909DF7B9706F226F32086C7AFF974A"
)

var paceSays = [][2]string{
	{"0022C1A40F800A04007F00070202040202830101", "9000"},
	{"10860000027C0000", "7C12801095A3A016522EE98D01E76CB6B98B42C39000"},
	{"10860000457C438141047ACF3EFC982EC45565A4B155129EFBC74650DCBFA6362D896FC70262E0C2CC5E544552DCB6725218799115B55C9BAA6D9F6BC3A9618E70C25AF71777A9C4922D00", "7C43824104824FBA91C9CBE26BEF53A0EBE7342A3BF178CEA9F45DE0B70AA601651FBA3F5730D8C879AAA9C9F73991E61B58F4D52EB87A0A0C709A49DC63719363CCD13C549000"},
	{"10860000457C438341042DB7A64C0355044EC9DF190514C625CBA2CEA48754887122F3A5EF0D5EDD301C3556F3B3B186DF10B857B58F6A7EB80F20BA5DC7BE1D43D9BF850149FBB3646200", "7C438441049E880F842905B8B3181F7AF7CAA9F0EFB743847F44A306D2D28C1D9EC65DF6DB7764B22277A2EDDC3C265A9F018F9CB852E111B768B326904B59A0193776F0949000"},
	{"008600000C7C0A8508C2B0BD78D94BA86600", "7C0A86083ABB9674BCE93C089000"},
}

func workedPACE(t *testing.T) (PACEInfo, Password) {
	t.Helper()
	pw, err := MRZ{"T22000129", "640812", "101031"}.Password()
	if err != nil || fmt.Sprintf("%X", pw.encoded) != "7E2D2A41C74EA0B38CD36F863939BFA8E9032AAD" {
		t.Fatalf("password %X, %v", pw.encoded, err)
	}
	if k := fmt.Sprintf("%X", aesKey(pw.encoded, 3, 128)); k != "89DED1B26624EC1E634C1989302849DD" {
		t.Fatalf("password key %s", k)
	}
	return PACEInfo{KeyBits: 128, Parameter: 13}, pw
}

func TestPACETerminalSpeaksTheWorkedExample(t *testing.T) {
	info, pw := workedPACE(t)
	inside, err := PACE{Info: info, Password: pw, Rand: bytes.NewReader(unhex(t, paceTerminal))}.Open(card.Over(&replay{t, paceSays}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := aesSuite(unhex(t, "F5F0E35C0D7161EE6724EE513A0D9A7F"), unhex(t, "FE251C7858B356B24514B3BD5F4297D1"))
	if err != nil {
		t.Fatal(err)
	}
	c := card.Command{INS: 0xB0, Ne: 4}
	if got, want := inside.(terminalMessaging).protect(c), (terminalMessaging{messaging: newMessaging(s, make([]byte, 16))}).protect(c); !bytes.Equal(got.Data, want.Data) {
		t.Error("other session keys than the example's")
	}
}

// paceCard is a chip that knows nothing but PACE.
type paceCard struct {
	*PACEChip
	secure Secure
}

func (p *paceCard) Exchange(b []byte) ([]byte, error) {
	c, err := card.ParseCommand(b)
	if err != nil {
		return nil, err
	}
	r := card.Response{SW: card.OK}
	switch {
	case p.secure != nil:
		if c, err = p.secure.Unprotect(c); err == nil {
			r, err = p.secure.Protect(echo(c))
		}
	case c.INS == 0x22:
		err = p.SetTemplate(c.Data)
	default:
		r.Data, p.secure, err = p.Step(c.Data)
	}
	var sw card.Status
	if errors.As(err, &sw) {
		return card.Response{SW: sw}.Bytes(), nil
	}
	return r.Bytes(), err
}

func TestPACEChipSpeaksTheWorkedExample(t *testing.T) {
	info, pw := workedPACE(t)
	chip, err := PACEOffer{Infos: []PACEInfo{info}, Passwords: []Password{pw}, Rand: bytes.NewReader(unhex(t, paceChip))}.chip()
	if err != nil {
		t.Fatal(err)
	}
	c := &paceCard{PACEChip: chip}
	for i, says := range paceSays {
		if got, err := c.Exchange(unhex(t, says[0])); err != nil || !bytes.Equal(got, unhex(t, says[1])) {
			t.Fatalf("step %d: %X, %v; want %s", i, got, err, says[1])
		}
	}
	if c.secure == nil {
		t.Error("no channel after the last step")
	}
}

// A conversation recorded with a real passport of New Zealand: 3DES.
func TestPACEWith3DESOfARealPassport(t *testing.T) {
	pw, err := MRZ{"LM277954", "781214", "271115"}.Password()
	if err != nil {
		t.Fatal(err)
	}
	infos, err := ParseCardAccess(unhex(t, "31143012060a04007f0007020204020102010202010d"))
	if err != nil || len(infos) != 1 || infos[0] != (PACEInfo{KeyBits: DESKeyBits, Parameter: 13}) {
		t.Fatalf("%v, %v", infos, err)
	}
	says := [][2]string{
		{"0022c1a40f800a04007f00070202040201830101", "9000"},
		{"10860000027c0000", "7c128010b88382812290017af1cc906ff00e7f4d9000"},
		{"10860000457c438141047706b2b6246ab4612229b8a11212ddba7fea0568c9c0975dee22c0e3dd3a3f0321e8afee836e373b570d24000d56fb195104d486e63321ff8c819dd5ee018dcb00", "7c43824104780b4edec9b926f9f964fad826d9990a667608d96ba7b397ae8609b6533e0d036d148365ddf4e5ff6611c2b62aa17fc9899f327bc929db543e7abd0ee724e4be9000"},
		{"10860000457c43834104507a0156efae8fb8acc519036c0b2fe0393c878744c7f91878ee4e07a41412ba5c0753d68a44a91e9f57f3f992ab689e6c2065d3b2a27c3658a4fd632931ee3800", "7c438441042dbaf62e6fdfb31eb66f206493b9e7721586f0e5c93754d7bd5a884ca251ee4d720ab539a60561bc46812fa289b58ac69f0c6e32adbaf7241049a31211f80f5b9000"},
		{"008600000c7c0a85088d7c617d43efe09e00", "7c0a8608cb57047c809079f69000"},
	}
	drawn := unhex(t, "2808272c0ec20e01a3450030ef32855e9feb5cb17719e985389b1cf47609e69f 8f89449052df6c7983750c7b042c3cea12b36819174424c7cd28153f7b70b402")
	inside, err := PACE{Info: infos[0], Password: pw, Rand: bytes.NewReader(drawn)}.Open(card.Over(&replay{t, says}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := desSuite(unhex(t, "430e4c8c38dfefaed92067b919a897f8"), unhex(t, "c1bc1f075797b970b5a45e64a764b0cb"))
	if err != nil {
		t.Fatal(err)
	}
	sameKeys(t, inside, s)
}

// sameKeys checks that an opened card protects a command as the suite does.
func sameKeys(t *testing.T, inside card.Card, s suite) {
	t.Helper()
	c := card.Command{INS: 0xB0, Ne: 4}
	got, want := inside.(opened).inner().protect(c), terminalMessaging{messaging: s.fresh()}.protect(c)
	if !bytes.Equal(got.Data, want.Data) {
		t.Error("other session keys")
	}
}

func TestOneWayIsChosenForAReason(t *testing.T) {
	gm := func(bits, parameter int) PACEInfo { return PACEInfo{KeyBits: bits, Parameter: parameter} }
	cam := PACEInfo{KeyBits: 128, Parameter: 13, Mapping: ChipAuthenticationMapping}
	for _, v := range []struct {
		infos  []PACEInfo
		want   PACEInfo
		reason string
	}{
		{[]PACEInfo{gm(128, 12)}, gm(128, 12), "the only way offered that can be run here"},
		{[]PACEInfo{gm(128, 12), {KeyBits: 5}}, gm(128, 12), "the only way offered that can be run here"},
		{[]PACEInfo{gm(256, 15), cam}, cam, "one of 2: its mapping proves the chip genuine as well"},
		{[]PACEInfo{gm(DESKeyBits, 18), gm(128, 13)}, gm(128, 13), "one of 2: aes rather than 3des"},
		{[]PACEInfo{gm(256, 17), gm(128, 12)}, gm(128, 12), "one of 2: a curve whose arithmetic here takes constant time"},
		{[]PACEInfo{gm(128, 12), gm(256, 12), gm(256, 15), gm(DESKeyBits, 12)}, gm(256, 15), "one of 4: aes rather than 3des, the longest session keys, the largest curve"},
		{[]PACEInfo{gm(128, 12), gm(128, 12)}, gm(128, 12), "one of 2: the first of equals"},
	} {
		got, reason, err := ChoosePACE(v.infos)
		if err != nil || got != v.want || reason != v.reason {
			t.Errorf("%v: %v, %q, %v", v.infos, got, reason, err)
		}
	}
	if _, _, err := ChoosePACE(nil); !errors.Is(err, ErrNoPACE) {
		t.Errorf("%v", err)
	}
}

func TestPACEOpensWithTheRightPasswordOnly(t *testing.T) {
	mrz, err := icao.Password()
	if err != nil {
		t.Fatal(err)
	}
	for _, bits := range []int{DESKeyBits, 128, 192, 256} {
		for _, parameter := range []int{12, 15, 18} {
			for _, v := range []struct {
				pw   Password
				want error
			}{{CAN("500120"), nil}, {mrz, nil}, {CAN("500121"), ErrNotAuthentic}, {Password{3, []byte("1")}, card.ReferencedDataNotFound}} {
				info := PACEInfo{KeyBits: bits, Parameter: parameter}
				chip, err := NewPACEChip(info, nil, CAN("500120"), mrz)
				if err != nil {
					t.Fatal(err)
				}
				inside, err := PACE{Info: info, Password: v.pw}.Open(card.Over(&paceCard{PACEChip: chip}))
				if !errors.Is(err, v.want) {
					t.Errorf("%v: %v, want %v", info, err, v.want)
				}
				if err != nil {
					continue
				}
				if got, err := card.Do(inside, card.Command{INS: 0xB0, Ne: 3}); err != nil || len(got) != 3 {
					t.Errorf("%v: %X, %v", info, got, err)
				}
			}
		}
	}
}

// A chip that does not know the password cannot make the token, and one that mirrors
// the terminal's key would have it make it.
func TestPACETerminalWantsProofOfItsChip(t *testing.T) {
	for name, v := range map[string]struct {
		change   func(sent, got []byte) []byte
		commands int
	}{
		"wrong token": {func(sent, got []byte) []byte {
			if sent[0] == 0 && sent[1] == 0x86 {
				got[5] ^= 1
			}
			return got
		}, 5},
		"no token": {func(sent, got []byte) []byte {
			if sent[0] == 0 && sent[1] == 0x86 {
				return []byte{0x7C, 2, 0x86, 0, 0x90, 0}
			}
			return got
		}, 5},
		"our own key": {func(sent, got []byte) []byte {
			if len(sent) > 70 && sent[7] == 0x83 {
				copy(got[4:], sent[9:])
				got[4+65], got[4+66] = 0x90, 0
			}
			return got
		}, 4},
	} {
		chip, err := NewPACEChip(PACEInfo{KeyBits: 128, Parameter: 12}, nil, CAN("1"))
		if err != nil {
			t.Fatal(err)
		}
		c, commands := &paceCard{PACEChip: chip}, 0
		_, err = PACE{Info: PACEInfo{KeyBits: 128, Parameter: 12}, Password: CAN("1")}.Open(card.Over(exchange(func(b []byte) ([]byte, error) {
			commands++
			got, err := c.Exchange(b)
			return v.change(b, got), err
		})))
		if !errors.Is(err, ErrNotAuthentic) || commands != v.commands {
			t.Errorf("%s: %v after %d commands", name, err, commands)
		}
	}
}

func TestPACEChipKeepsTheOrder(t *testing.T) {
	chip, err := NewPACEChip(PACEInfo{KeyBits: 128, Parameter: 12}, nil, CAN("1"))
	if err != nil {
		t.Fatal(err)
	}
	good := unhex(t, "800A04007F00070202040202830102")
	infinity := append([]byte{0x7C, 0x43, 0x81, 0x41, 4}, make([]byte, 64)...)
	for _, v := range []struct {
		steps []string
		want  card.Status
	}{
		{[]string{"7C00"}, card.ConditionsNotSatisfied},
		{[]string{"set", "7C028500"}, card.ConditionsNotSatisfied},
		{[]string{"set", "7C00", "7C00"}, card.IncorrectData},
		{[]string{"set", "7C00", "7C0A85080000000000000000"}, card.IncorrectData},
		{[]string{"set", "7C00", fmt.Sprintf("%X", infinity)}, card.IncorrectData},
		{[]string{"set", "7C00", "7C", "7C00"}, card.ConditionsNotSatisfied},
	} {
		for i, s := range v.steps {
			if s == "set" {
				if err := chip.SetTemplate(good); err != nil {
					t.Fatal(err)
				}
				continue
			}
			_, secure, err := chip.Step(unhex(t, s))
			if i == len(v.steps)-1 && !errors.Is(err, v.want) || secure != nil {
				t.Errorf("%v: %v, want %v", v.steps, err, v.want)
			}
		}
	}
	for _, bad := range []string{"", "830102", "800A04007F00070202040203830102", "800A04007F00070202040202", "800A04007F0007020204020283010284010D"} {
		if err := chip.SetTemplate(unhex(t, bad)); !errors.Is(err, card.IncorrectData) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestCardAccess(t *testing.T) {
	one, err := PACEInfo{KeyBits: 128, Parameter: 12}.SecurityInfo()
	if err != nil || !bytes.Equal(one, unhex(t, "3012060A04007F0007020204020202010202010C")) {
		t.Fatalf("%X, %v", one, err)
	}
	two, err := PACEInfo{KeyBits: 256, Parameter: 15}.SecurityInfo()
	if err != nil {
		t.Fatal(err)
	}
	foreign := unhex(t, "3012060A04007F0007020204020202010202010E") // brainpoolP320r1
	other := unhex(t, "300D060804007F0007020202020101")             // terminal authentication
	set := func(infos ...[]byte) []byte {
		b := bytes.Join(infos, nil)
		return append([]byte{0x31, byte(len(b))}, b...)
	}
	got, err := ParseCardAccess(set(foreign, other, one, two))
	if err != nil || len(got) != 2 || got[0] != (PACEInfo{KeyBits: 128, Parameter: 12, Ambiguous: true}) || got[1] != (PACEInfo{KeyBits: 256, Parameter: 15}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ParseCardAccess(set(foreign)); !errors.Is(err, ErrNoPACE) {
		t.Errorf("%v", err)
	}
	if _, err := ParseCardAccess([]byte{0x31}); err == nil {
		t.Error("a file cut short was read")
	}
	for _, bad := range []PACEInfo{{}, {KeyBits: 128, Parameter: 13}, {KeyBits: 64, Parameter: 12}, {KeyBits: 320, Parameter: 12}, {KeyBits: DESKeyBits, Parameter: 12, Mapping: ChipAuthenticationMapping}, {KeyBits: 128, Parameter: 12, Mapping: 7}} {
		if _, err := bad.SecurityInfo(); err == nil {
			t.Errorf("%v was encoded", bad)
		}
		if _, err := NewPACEChip(bad, nil); err == nil {
			t.Errorf("%v made a chip", bad)
		}
	}
}

func FuzzPACETerminalTakesAnyChip(f *testing.F) {
	f.Add([]byte{0x7C, 2, 0x80, 0}, []byte{0x7C, 0})
	f.Add(append([]byte{0x7C, 0x12, 0x80, 0x10}, make([]byte, 16)...), append([]byte{0x7C, 0x43, 0x82, 0x41, 4}, make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, nonce, mapping []byte) {
		n := 0
		c := card.Over(exchange(func([]byte) ([]byte, error) {
			n++
			answer := [][]byte{nil, nonce, mapping, mapping, mapping}[min(n-1, 4)]
			return append(bytes.Clone(answer), 0x90, 0), nil
		}))
		if _, err := (PACE{Info: PACEInfo{KeyBits: 128, Parameter: 12}, Password: CAN("1")}).Open(c); err == nil {
			t.Errorf("%X, %X: believed", nonce, mapping)
		}
		chip, err := NewPACEChip(PACEInfo{KeyBits: 128, Parameter: 12}, nil, CAN("1"))
		if err != nil {
			t.Fatal(err)
		}
		_ = chip.SetTemplate(mapping)
		if err := chip.SetTemplate(unhex(t, "800A04007F00070202040202830102")); err != nil {
			t.Fatal(err)
		}
		for _, b := range [][]byte{{0x7C, 0}, nonce, mapping} {
			if _, s, _ := chip.Step(b); s != nil {
				t.Errorf("%X, %X: opened", nonce, mapping)
			}
		}
	})
}
