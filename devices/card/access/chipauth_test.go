package access

//lint:file-ignore SA1019 brainpool keys have no encoding in crypto/ecdsa.

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access/curve"
	"cardstation/devices/card/tlv"
)

const (
	brainpoolSPKI = "3081EC06072A8648CE3D02013081E0020101302C06072A8648CE3D0101022100A9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377304404207D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9042026DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B60441048BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262547EF835C3DAC4FD97F8461A14611DC9C27745132DED8E545C1D54C72F046997022100A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7020101034200"
	p256SPKI      = "3081EC06072A8648CE3D02013081E0020101302C06072A8648CE3D0101022100FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF30440420FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC04205AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B0441046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C2964FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5022100FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551020101034200"
)

// passports are conversations recorded with real ones: DG14, the channel before, what
// the terminal drew, the conversation, and a selection of DG14 under the new keys.
var passports = []struct {
	name, dg14, enc, mac, counter, private string
	bits                                   int
	id                                     string
	inferred                               bool
	says                                   [][2]string
}{
	{
		"austria, aes-128", "6E82017E3182017A300D060804007F0007020202020101300F060A04007F000702020302020201013012060A04007F0007020204020202010202010D30820142060904007F00070202010230820133" + brainpoolSPKI + "041983917269AC877C0B61544C2C022000D2A5ABA723E2D80141E648B40911DC3459761F27480E4B57181A53D8FE1190EA86C939AC14363178CAFFC621F0F905C3",
		"524170DE3419B7AF2F23E45AD6EF9595", "97893F5FDC29A5C13A924FE7D8ED44FD", "000000000000000000000000000000F0",
		"80EBAFC8A51BECD4D90BB640EE38C9FD5C12748D28AAA37096B98C4533C4F5F5", 128, "", false,
		[][2]string{
			{"0C2241A41D8711015D8F69B1EA365CCE4304970DB12421F38E085340D338128085E700", "990290008E083F5136E82A6C34779000"},
			{"0C860000608751019E18F1BA79D805379752BB560EB70AAC3CE3BC5AFE2FDD4AEB325CA8B578B4A93B9F66A5DF40005F8E878535251D33DD974AAF77FB858773E5799FA9DC1034E89B1150EC7F0BB3DB4BF37A1B9EA4458A9701008E089D204D950C0B95DB00", "8711010B0A5DFFC7432DE4DEB604291377A05B990290008E08B3384A1F5D1579739000"},
			{"0CA4020C1D8711011B2EE500E84960DF7F37AFE7ADFF53838E084500F3B43E192A5700", "990290008E0803C4B125B4218CEF9000"},
		},
	},
	{
		"germany, aes-128, named key", "6E82019A31820196300D060804007F00070202020201013012060A04007F0007020204020202010202010D3012060A04007F0007020204060202010202010D3013060A04007F00070202030202020101020200C330820146060904007F00070202010230820133" + brainpoolSPKI + "047036BC5D0BCF31913B59103BB6F2C0C98C99EF4C19B9517340B76BFE4EE2194C76C3F3314E021D4B092DB5A32AB7D6E297F2FBEAE45AA28DEFC4DA750FEAD54E020200C3",
		"CC86415F2ED7E8FD663B754265695AE1", "581E84B8EE06C4D3EEE30461498D7FB3", "000000000000000000000000000000BA",
		"84A5145885678EE9307C28C52736896267511203B7B8009C5FE27ABCBAECDCAA", 128, "C3", false,
		[][2]string{
			{"0C2241A41D871101980953D37F67558690045D78A853B18A8E08929767A2CEF172E200", "990290008E08FC873EBB62219C8A9000"},
			{"0C8600006087510161912C367A6322D24AA1D4522DC47A7345369257672DF1D1163D506EB6489395D8083FAD393A394297CE8703C42F22C864C1F4C8E70EE1CF9B497ACF6579190D90F36CF9E16FE2149FF57247285D9E1E9701008E08A1D7A16EFBFD932C00", "87110123E7159AC9B0EF92CE1F6755B89697E3990290008E088972F1595E1508C29000"},
			{"0CA4020C1D871101FAD37EADBCDE7E6A0833035A9FFF5B708E0836560BBCE1FECD5F00", "990290008E0829D0E1EBBB61BE7A9000"},
		},
	},
	{
		"malaysia, 3des by set at", "6E82016A3182016630820142060904007F00070202010230820133" + brainpoolSPKI + "04A04F85AFDFC316FB5E9F33F94CA45837D20D9D91AD5002307C3F124B6EF5B92565D018A6B7F69DB73976BFBB4278757405C64E96104D161649E8A94078EAEFCE300F060A04007F00070202030201020101300D060804007F0007020202020101",
		"896de34a942c7076fec207207acb79c2", "d6c47ff4677ac8ae91cb49f4ce673432", "9646c154bfb7be77", // two before: our try with set kat
		"3a31f4e18418312fcb40f3efbe719182c046a9719e1ed8c376197aa9e8ed7465", DESKeyBits, "", false,
		[][2]string{
			{"", "6D00"},
			{"0C2241A41D8711019D1E70C6F5EE06A7CA1E98FBF5C945C98E087AC379DC78702E6300", "990290008E08643C2C3AC66585E49000"},
			{"0C86000058874901A9C6BF370C62AA43CA1EC9B97071727654822361DEB8BA4E5719AA05D8E86AA36164DFA5E506DBF60DC7418858179FD25DAC5E9E49393DDE37E29652444941B562142AB5F19AEA919701008E085083316637060C4D00", "87090108166157B375BC1E990290008E08FF8A254C50179F519000"},
			{"0CA4020C1587090106904D37288D69488E08A13B74E87B87E44600", "990290008E08C2BF01FDDD1D599D9000"},
		},
	},
	{
		"france, key alone, 3des by set kat", "6E82015E3182015A30820142060904007F00070202010230820133" + p256SPKI + "048367FC170D90AD53A28C6526A9C7EC4F5C59C4F7F5D992583F951A1654B4D1D6332163A33D82CBF245154887A8812ED9A55C15AD9D5C5C463851875BBA9AEABD3012060A04007F0007020204020402010202010C",
		"17da5d46e356f5b31c3d65b1369ef531ca811effc76967d2b62335e1ad9fe5cb", "5cb99a25e6081581fac80c8da621087939b6bde273f2f7c65693b3a0ea3051ed", "000000000000000000000000000000c6",
		"d9c3b06a4dcb735351429403fcb56db520dc882512d775971f724d6112f96586", DESKeyBits, "", true,
		[][2]string{
			{"0c2241a65d8751013ae386873df68bd7e9f8d7ab2e696ced29eeb8da78d502645b5e97d566361341e2eaa56318f6d84bf0bc44f7808afaf14798d16048aab03545f017f557d2cce9dee724f099e3d643abd0fb03e567d9b18e08f2d238dede5abbf100", "990290008e089666ac14d11e8c2c9000"},
			{"0ca4020c15870901db66e918fe3525f98e08d870008cea2ba80000", "990290008e08420dea0a913418ae9000"},
		},
	},
}

func TestChipAuthenticationOfRealPassports(t *testing.T) {
	for _, v := range passports {
		infos, err := tlv.One(unhex(t, v.dg14), 0x6E)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := ParseChipAuthentication(infos)
		if err != nil || len(keys) != 1 || keys[0].KeyBits != v.bits || keys[0].Inferred != v.inferred || fmt.Sprintf("%X", keys[0].ID) != v.id {
			t.Errorf("%s: %+v, %v", v.name, keys, err)
			continue
		}
		enc, mac := unhex(t, v.enc), unhex(t, v.mac)
		s, err := aesSuite(enc, mac)
		if len(v.counter) == 16 {
			s, err = desSuite(enc, mac)
		}
		if err != nil {
			t.Fatal(err)
		}
		says := v.says
		chip := &replay{t, nil}
		under := card.Over(exchange(func(b []byte) ([]byte, error) {
			if says[0][0] == "" && b[3] == 0xA6 {
				answer := unhex(t, says[0][1])
				says = says[1:]
				return answer, nil
			}
			chip.says, says = says[:1], says[1:]
			return chip.Exchange(b)
		}))
		before := terminalMessaging{messaging: newMessaging(s, unhex(t, v.counter)), under: under, id: "id"}
		inside, err := ChipAuthentication{Key: keys[0], Rand: bytes.NewReader(unhex(t, v.private))}.Open(before)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if ChipProven(inside) {
			t.Errorf("%s: proven before it has answered", v.name)
		}
		if _, err := card.Do(inside, card.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{1, 0x0E}}); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
		if !ChipProven(inside) || ChipProven(before) {
			t.Errorf("%s: not proven by its answer", v.name)
		}
		if _, err := before.Transmit(card.Command{INS: 0x84, Ne: 8}); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: the channel before: %v", v.name, err)
		}
	}
}

// eacCard is a chip that knows BAC, chip authentication and terminal
// authentication, and echoes everything else once chip authentication is done.
type eacCard struct {
	bac    *BACChip
	ca     *ChipAuthenticationChip
	ta     *TerminalAuthenticationChip
	secure Secure
	start  func() *TerminalAuthenticationChip
	kat    int // MSE:SET KAT seen
}

func (e *eacCard) Exchange(b []byte) ([]byte, error) {
	c, err := card.ParseCommand(b)
	if err != nil {
		return nil, err
	}
	under, next := e.secure, e.secure
	if under != nil {
		if c, err = under.Unprotect(c); err != nil {
			return statusOnly(err)
		}
	}
	r := card.Response{SW: card.OK}
	r.Data, next, err = e.answer(c, next)
	var sw card.Status
	if errors.As(err, &sw) {
		r = card.Response{SW: sw}
	}
	if under != nil {
		if r, err = under.Protect(r); err != nil {
			return nil, err
		}
	}
	e.secure = next
	return r.Bytes(), nil
}

func statusOnly(err error) ([]byte, error) {
	var sw card.Status
	if !errors.As(err, &sw) {
		return nil, fmt.Errorf("no status to answer: %w", err)
	}
	return card.Response{SW: sw}.Bytes(), nil
}

func (e *eacCard) answer(c card.Command, s Secure) (data []byte, next Secure, err error) {
	next = s
	switch h := c.Header(); {
	case c.INS == 0x84 && s == nil:
		return e.bac.Challenge(), s, nil
	case c.INS == 0x82 && s == nil:
		return e.bac.Authenticate(c.Data)
	case h == [4]byte{0, 0x22, 0x41, 0xA6}:
		e.kat++
		if next, err = e.ca.KeyAgreement(c.Data); err != nil {
			return nil, s, err
		}
		e.begin()
		return nil, next, nil
	case h == [4]byte{0, 0x22, 0x41, 0xA4}:
		return nil, s, e.ca.SetTemplate(c.Data)
	case c.INS == 0x86:
		if data, next, err = e.ca.Step(c.Data); err != nil {
			return nil, s, err
		}
		e.begin()
		return data, next, nil
	case e.ta != nil && c.INS != 0xB0:
		data, err = e.terminal(c)
		return data, s, err
	}
	return echo(c).Data, s, nil
}

func (e *eacCard) begin() {
	if e.start != nil {
		e.ta = e.start()
	}
}

func newEACCard(t testing.TB, bits int, id []byte, key *ecdsa.PrivateKey) *eacCard {
	t.Helper()
	bac, err := NewBACChip(icao, nil)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := NewChipAuthenticationChip(bits, id, key)
	if err != nil {
		t.Fatal(err)
	}
	return &eacCard{bac: bac, ca: ca}
}

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// openBAC opens a chip as far as chip authentication needs it.
func openBAC(t testing.TB, c card.Channel) card.Card {
	t.Helper()
	inside, err := BAC{MRZ: icao}.Open(card.Over(c))
	if err != nil {
		t.Fatal(err)
	}
	return inside
}

func asSet(infos ...[]byte) []byte {
	return tlv.New(0x31, infos...)
}

func TestChipAuthenticationAtBothEnds(t *testing.T) {
	for _, bits := range []int{DESKeyBits, 128, 192, 256} {
		for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
			for _, id := range [][]byte{nil, {0}, {0xC3}} {
				key := ecKey(t, c)
				infos, err := ChipKey{KeyBits: bits, Key: &key.PublicKey, ID: id}.SecurityInfos()
				if err != nil {
					t.Fatal(err)
				}
				keys, err := ParseChipAuthentication(asSet(infos...))
				if err != nil || len(keys) != 1 || keys[0].KeyBits != bits || !keys[0].Key.Equal(key.Public()) || !bytes.Equal(keys[0].ID, id) {
					t.Fatalf("%d: %+v, %v", bits, keys, err)
				}
				chip := newEACCard(t, bits, id, key)
				inside, err := ChipAuthentication{Key: keys[0]}.Open(openBAC(t, chip))
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if got, err := card.Do(inside, card.Command{INS: 0xB0, Ne: 300}); err != nil || len(got) != 300 {
						t.Fatalf("%d, %s: %d bytes, %v", bits, c.Params().Name, len(got), err)
					}
				}
				if !ChipProven(inside) || (chip.kat > 0) != (bits == DESKeyBits) {
					t.Errorf("%d: proven %v, set kat %d times", bits, ChipProven(inside), chip.kat)
				}
				if !bytes.Equal(chip.ca.TerminalKey(), []byte(inside.(opened).inner().key)) {
					t.Error("the ends disagree on the terminal's key")
				}
			}
		}
	}
}

func TestCopiedChipIsFoundByItsFirstAnswer(t *testing.T) {
	genuine := ecKey(t, elliptic.P256())
	for name, answer := range map[string]func(*eacCard) Secure{
		"other key":        func(e *eacCard) Secure { return e.secure },
		"old channel kept": nil,
		"plain success":    func(*eacCard) Secure { return nil },
	} {
		for _, bits := range []int{DESKeyBits, 128} {
			chip := newEACCard(t, bits, nil, ecKey(t, elliptic.P256()))
			before := openBAC(t, chip)
			old := chip.secure
			inside, err := ChipAuthentication{Key: ChipKey{KeyBits: bits, Key: &genuine.PublicKey}}.Open(before)
			if err != nil {
				t.Fatal(err)
			}
			if chip.secure = old; answer != nil {
				chip.secure = answer(chip)
			}
			if name == "other key" {
				chip.secure = &chipMessaging{messaging: mustSuite(t, bits).fresh()}
			}
			_, err = inside.Transmit(card.Command{INS: 0xB0, Ne: 4})
			if !errors.Is(err, ErrNotAuthentic) || ChipProven(inside) {
				t.Errorf("%s, %d: %v", name, bits, err)
			}
			if _, err := inside.Transmit(card.Command{INS: 0xB0, Ne: 4}); !errors.Is(err, ErrClosed) {
				t.Errorf("%s, %d: then %v", name, bits, err)
			}
		}
	}
}

func mustSuite(t testing.TB, bits int) suite {
	t.Helper()
	s, err := sessionSuite(bits, []byte("another secret"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestChipAuthenticationKeepsItsOrder(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	des, err := NewChipAuthenticationChip(DESKeyBits, []byte{5}, key)
	if err != nil {
		t.Fatal(err)
	}
	aes, err := NewChipAuthenticationChip(128, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	point := curve.Encode(elliptic.P256(), key.X, key.Y)
	off := bytes.Clone(point)
	off[64] ^= 1
	kat := func(c *ChipAuthenticationChip, data []byte) error { _, err := c.KeyAgreement(data); return err }
	ga := func(c *ChipAuthenticationChip, data []byte) error { _, _, err := c.Step(data); return err }
	oid := unhex(t, "800A04007F00070202030202")
	for name, v := range map[string]struct {
		err  error
		want card.Status
	}{
		"set kat with aes":        {kat(aes, tlv.New(0x91, point)), card.IncorrectData},
		"set kat without a key":   {kat(des, tlv.New(0x84, []byte{5})), card.IncorrectData},
		"set kat, key unknown":    {kat(des, tlv.Append(tlv.New(0x91, point), 0x84, []byte{6})), card.ReferencedDataNotFound},
		"set kat, off the curve":  {kat(des, tlv.New(0x91, off)), card.IncorrectData},
		"set kat, broken":         {kat(des, []byte{0x91, 0x82}), card.IncorrectData},
		"step before set at":      {ga(aes, tlv.New(0x7C, tlv.New(0x80, point))), card.ConditionsNotSatisfied},
		"set at, other mechanism": {aes.SetTemplate(unhex(t, "800A04007F00070202030204")), card.IncorrectData},
		"set at, no mechanism":    {aes.SetTemplate(nil), card.IncorrectData},
		"set at, key unknown":     {aes.SetTemplate(tlv.Append(oid, 0x84, []byte{1})), card.ReferencedDataNotFound},
	} {
		if !errors.Is(v.err, v.want) {
			t.Errorf("%s: %v, want %v", name, v.err, v.want)
		}
	}
	for name, data := range map[string][]byte{"empty": {0x7C, 0}, "broken": {0x7C}, "off the curve": tlv.New(0x7C, tlv.New(0x80, off))} {
		if err := aes.SetTemplate(oid); err != nil {
			t.Fatal(err)
		}
		if err := ga(aes, data); !errors.Is(err, card.IncorrectData) {
			t.Errorf("step, %s: %v", name, err)
		}
		if err := ga(aes, tlv.New(0x7C, tlv.New(0x80, point))); !errors.Is(err, card.ConditionsNotSatisfied) {
			t.Errorf("step after a step, %s: %v", name, err)
		}
	}
	if aes.TerminalKey() != nil {
		t.Error("a terminal's key without success")
	}
}

func TestChipAuthenticationThatCannotBe(t *testing.T) {
	foreign, err := curve.Number(13)
	if err != nil {
		t.Fatal(err)
	}
	key := ecKey(t, elliptic.P256())
	for name, k := range map[string]ChipKey{
		"no key": {KeyBits: 128}, "bits": {KeyBits: 100, Key: &key.PublicKey},
		"brainpool": {KeyBits: 128, Key: &ecdsa.PublicKey{Curve: foreign, X: foreign.Params().Gx, Y: foreign.Params().Gy}},
	} {
		if _, err := k.SecurityInfos(); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
	if _, err := NewChipAuthenticationChip(64, nil, key); err == nil {
		t.Error("a chip with keys of 64 bits")
	}
	plain := card.Over(exchange(func([]byte) ([]byte, error) { return []byte{0x90, 0}, nil }))
	if _, err := (ChipAuthentication{Key: ChipKey{KeyBits: 128, Key: &key.PublicKey}}).Open(plain); err == nil {
		t.Error("opened without a channel")
	}
	if _, err := ParseChipAuthentication(asSet(TerminalAuthenticationInfo())); !errors.Is(err, ErrNoChipAuthentication) {
		t.Errorf("%v", err)
	}
	if _, err := ParseChipAuthentication([]byte{0x31}); err == nil {
		t.Error("a file cut short was read")
	}
}

func TestSeveralChipKeys(t *testing.T) {
	one, two := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	var infos [][]byte
	for _, k := range []ChipKey{{KeyBits: 128, Key: &one.PublicKey, ID: []byte{1}}, {KeyBits: 256, Key: &two.PublicKey, ID: []byte{2}}} {
		more, err := k.SecurityInfos()
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, more...)
	}
	keys, err := ParseChipAuthentication(asSet(infos...))
	if err != nil || len(keys) != 2 || keys[0].KeyBits != 256 || !keys[0].Key.Equal(two.Public()) || keys[1].KeyBits != 128 {
		t.Errorf("%+v, %v", keys, err)
	}
}

func TestOnlyKeyMayBeNamedAtOnePlace(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	named, err := ChipKey{KeyBits: 128, Key: &key.PublicKey, ID: []byte{0xC3}}.SecurityInfos()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ChipKey{KeyBits: 128, Key: &key.PublicKey}.SecurityInfos()
	if err != nil {
		t.Fatal(err)
	}
	other, err := ChipKey{KeyBits: 128, Key: &key.PublicKey, ID: []byte{2}}.SecurityInfos()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]struct {
		infos [][]byte
		id    string
		err   error
	}{
		"info only": {[][]byte{named[0], plain[1]}, "C3", nil}, "key only": {[][]byte{plain[0], named[1]}, "C3", nil},
		"two names": {[][]byte{named[0], other[1]}, "", ErrNoChipAuthentication}, "two keys": {[][]byte{named[0], named[1], plain[1]}, "C3", nil},
	} {
		keys, err := ParseChipAuthentication(asSet(v.infos...))
		if !errors.Is(err, v.err) || err == nil && (len(keys) != 1 || fmt.Sprintf("%X", keys[0].ID) != v.id) {
			t.Errorf("%s: %+v, %v", name, keys, err)
		}
	}
}

func FuzzParseChipAuthentication(f *testing.F) {
	for _, v := range passports {
		infos, err := tlv.One(unhex(f, v.dg14), 0x6E)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(infos)
	}
	f.Add([]byte{0x31, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = ParseCardAccess(b)
		_, _ = OffersTerminalAuthentication(b)
		keys, err := ParseChipAuthentication(b)
		if err != nil {
			return
		}
		for _, k := range keys {
			if !k.Key.IsOnCurve(k.Key.X, k.Key.Y) || k.KeyBits == 0 {
				t.Errorf("%X gave %+v", b, k)
			}
		}
	})
}

func FuzzChipAuthenticationChip(f *testing.F) {
	key := ecKey(f, elliptic.P256())
	point := curve.Encode(elliptic.P256(), key.X, key.Y)
	f.Add(tlv.New(0x91, point), tlv.New(0x7C, tlv.New(0x80, point)))
	f.Add(tlv.New(0x80, unhex(f, "04007F00070202030202")), []byte{0x7C, 0})
	f.Fuzz(func(t *testing.T, set, data []byte) {
		for _, bits := range []int{DESKeyBits, 128} {
			c, err := NewChipAuthenticationChip(bits, nil, key)
			if err != nil {
				t.Fatal(err)
			}
			_, a := c.KeyAgreement(set)
			b := c.SetTemplate(set)
			_, _, d := c.Step(data)
			for _, err := range []error{a, b, d} {
				var sw card.Status
				if err != nil && !errors.As(err, &sw) {
					t.Errorf("no status to answer: %v", err)
				}
			}
		}
	})
}
