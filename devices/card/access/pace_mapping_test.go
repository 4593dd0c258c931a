package access

//lint:file-ignore SA1019 brainpool keys have no encoding in crypto/ecdsa.

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"math/big"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access/curve"
	"cardstation/devices/card/tlv"
)

// The worked example of Doc 9303-11, appendix I: chip authentication mapping.
var mappingSays = [][2]string{
	{"0022C1A40F800A04007F00070202040602830101", "9000"},
	{"10860000027C0000", "7C128010CB60E8E0D85B76A9BD304747C2AD42E29000"},
	{"10860000457C438141047F1D410ADB7DDB3B84BF1030800981A9105D7457B4A3ADE002384F3086C67EDE1AB889104A27DB6D842B019020FBF3CEACB0DC627F7BDCAC29969E19D0E553C100", "7C43824104A234236AA9B9621E8EFB73B5245C0E09D2576E5277183C1208BDD55280CAE8B304F365713A356E65A451E165ECC9AC0AC46E3771342C8FE5AEDD092685338E239000"},
	{"10860000457C43834104446C934084D9DAB863944F219520076C29EE3F7AE6722B11FF319EC1C7728F955483400BFF60BF0C5929270009277DC2A515E12575010AD9BA916CF1BF86FEFC00", "7C4384410402AD566F3C6EC7F9324509AD50A51FA52030782A4968FCFEDF737DAEA993333111C3B9B4C2287789BD137E7F8AA882E2A3C633CCD6ECC2C63C57AD401A09C2E19000"},
	{"008600000C7C0A8508E86BD06018A1CD3B00", "7C3C86088596CF055C67C1A38A301EEA964DAAE372AC990E3EFDE6333353BFC89A6704D93DA8798CF77F5B7A54BD10CBA372B42BE0B9B5F28AA8DE2F4F929000"},
}

func workedMapping(t *testing.T) (info PACEInfo, pw Password, static *ecdsa.PublicKey, s suite) {
	t.Helper()
	infos, err := ParseCardAccess(unhex(t, "31143012060A04007F0007020204060202010202010D"))
	if err != nil || len(infos) != 1 || infos[0] != (PACEInfo{KeyBits: 128, Parameter: 13, Mapping: ChipAuthenticationMapping}) {
		t.Fatalf("%v, %v", infos, err)
	}
	if pw, err = (MRZ{"C11T002JM", "960812", "231031"}).Password(); err != nil {
		t.Fatal(err)
	}
	g, err := infos[0].group()
	if err != nil {
		t.Fatal(err)
	}
	static, err = curve.PublicKey(g.Curve, unhex(t, "041872709494399E7470A6431BE25E83EEE24FEA568C2ED28DB48E05DB3A610DC884D256A40E35EFCB59BF6753D3A489D28C7A4D973C2DA138A6E7A4A08F68E16F"))
	if err != nil {
		t.Fatal(err)
	}
	if s, err = aesSuite(unhex(t, "0A9DA4DB03BDDE39FC5202BC44B2E89E"), unhex(t, "4B1C06491ED5140CA2B537D344C6C0B1")); err != nil {
		t.Fatal(err)
	}
	return infos[0], pw, static, s
}

func TestMappingTerminalSpeaksTheWorkedExample(t *testing.T) {
	info, pw, static, s := workedMapping(t)
	drawn := unhex(t, "5D8BB87BD74D985A4B7D4325B9F7B976FE835122773400798914AA22738135CC 76ECFDAA9841C323A3F5FC5E88B88DB3EFF7E35EBF57A7E6946CB630006C2120")
	inside, err := PACE{Info: info, Password: pw, Rand: bytes.NewReader(drawn)}.Open(card.Over(&replay{t, mappingSays}))
	if err != nil {
		t.Fatal(err)
	}
	sameKeys(t, inside, s)
	mapped := inside.(Mapped)
	if err := mapped.VerifyChip(static); err != nil {
		t.Error(err)
	}
	other := *static
	other.X, other.Y = static.ScalarBaseMult([]byte{2})
	p256 := ecKey(t, elliptic.P256()).PublicKey
	for name, k := range map[string]*ecdsa.PublicKey{"other key": &other, "other curve": &p256, "none": nil} {
		if err := mapped.VerifyChip(k); !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The example does not print the chip's second private key: its first two answers
// and its chip authentication data are held against it. Its static private key is
// the one that CA_IC and the mapping's private key fix.
func TestMappingChipSpeaksTheWorkedExample(t *testing.T) {
	info, pw, static, s := workedMapping(t)
	key := &ecdsa.PrivateKey{PublicKey: *static, D: new(big.Int).SetBytes(unhex(t, "86C88A4579CE48135878E6348A734B5D47CE5BC1E54C0E8978687B49FDE2E2C2"))}
	mapping := unhex(t, "9E56A6B59C95D06ECE5CD10F983BB2F4F1943528E577F23881D89D8C3BBEE0AA")
	drawn := append(unhex(t, "658B860BC94DF6F044FCE6D5C82CF8E5"), mapping...)
	chip, err := PACEOffer{Infos: []PACEInfo{info}, Passwords: []Password{pw}, Key: key, Rand: bytes.NewReader(drawn)}.chip()
	if err != nil {
		t.Fatal(err)
	}
	c := &paceCard{PACEChip: chip}
	for i, says := range mappingSays[:3] {
		if got, err := c.Exchange(unhex(t, says[0])); err != nil || !bytes.Equal(got, unhex(t, says[1])) {
			t.Fatalf("step %d: %X, %v; want %s", i, got, err, says[1])
		}
	}
	data := chipAuthenticationData(key, mapping)
	if !bytes.Equal(data, unhex(t, "85DC3FA93D0952BFA82F5FD189EE75BD82F11D1F0B8ED4BF5319AC9B53C426B3")) {
		t.Errorf("chip authentication data %X", data)
	}
	if sealed := sealMapping(s, data); !bytes.Equal(sealed, unhex(t, "1EEA964DAAE372AC990E3EFDE6333353BFC89A6704D93DA8798CF77F5B7A54BD10CBA372B42BE0B9B5F28AA8DE2F4F92")) {
		t.Errorf("encrypted %X", sealed)
	}
}

func TestMappingProvesTheChipAtBothEnds(t *testing.T) {
	for _, bits := range []int{128, 192, 256} {
		for parameter, c := range map[int]elliptic.Curve{12: elliptic.P256(), 15: elliptic.P384(), 18: elliptic.P521()} {
			key, copied := ecKey(t, c), ecKey(t, c)
			offer := PACEOffer{Infos: []PACEInfo{{KeyBits: bits, Parameter: parameter}, {KeyBits: bits, Parameter: parameter, Mapping: ChipAuthenticationMapping}}, Passwords: []Password{CAN("500120")}, Key: key}
			chip, err := offer.Chip()
			if err != nil {
				t.Fatal(err)
			}
			inside, err := PACE{Info: offer.Infos[1], Password: CAN("500120")}.Open(card.Over(&paceCard{PACEChip: chip}))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := card.Do(inside, card.Command{INS: 0xB0, Ne: 3}); err != nil || len(got) != 3 {
				t.Errorf("%X, %v", got, err)
			}
			if k := inside.(opened).inner().key; k == "" || k != string(chip.TerminalKey()) || ChipProven(inside) {
				t.Errorf("terminal's key %X and %X", k, chip.TerminalKey())
			}
			if err := inside.(Mapped).VerifyChip(&key.PublicKey); err != nil {
				t.Errorf("%d, %d: %v", bits, parameter, err)
			}
			if err := inside.(Mapped).VerifyChip(&copied.PublicKey); !errors.Is(err, ErrNotAuthentic) {
				t.Errorf("%d, %d, a copy: %v", bits, parameter, err)
			}
			if id := inside.(opened).inner().id; id != string(chip.ID()) || len(id) != curve.Size(c) {
				t.Errorf("identity %X and %X", id, chip.ID())
			}
			if chip, err = offer.Chip(); err != nil {
				t.Fatal(err)
			}
			inside, err = PACE{Info: offer.Infos[0], Password: CAN("500120")}.Open(card.Over(&paceCard{PACEChip: chip}))
			if _, mapped := inside.(Mapped); err != nil || mapped || chip.TerminalKey() != nil {
				t.Errorf("generic mapping: mapped %v, %v", mapped, err)
			}
		}
	}
	info := PACEInfo{KeyBits: 128, Parameter: 12, Mapping: ChipAuthenticationMapping}
	for name, key := range map[string]*ecdsa.PrivateKey{"no key": nil, "key of another curve": ecKey(t, elliptic.P384())} {
		if _, err := (PACEOffer{Infos: []PACEInfo{info}, Key: key}).Chip(); err == nil {
			t.Errorf("%s: offered", name)
		}
	}
}

func TestMappingKeyIsNamedByTheDomainParameter(t *testing.T) {
	one, two, big := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384())
	info := func(k *ecdsa.PrivateKey, id ...byte) []byte {
		infos, err := ChipKey{KeyBits: 128, Key: &k.PublicKey, ID: id}.SecurityInfos()
		if err != nil {
			t.Fatal(err)
		}
		return infos[1]
	}
	pace := PACEInfo{KeyBits: 128, Parameter: 12, Mapping: ChipAuthenticationMapping}
	for name, v := range map[string]struct {
		infos [][]byte
		want  *ecdsa.PrivateKey
	}{
		"named": {[][]byte{info(one, 1), info(two, 12), info(big, 13)}, two}, "only one on the curve": {[][]byte{info(big), info(one)}, one},
		"two of the curve": {[][]byte{info(one, 1), info(two, 2)}, nil}, "none of the curve": {[][]byte{info(big, 12)}, nil},
	} {
		got, err := MappingKey(asSet(v.infos...), pace)
		if v.want == nil && !errors.Is(err, ErrNoChipAuthentication) || v.want != nil && (err != nil || !got.Equal(v.want.Public())) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := MappingKey([]byte{0x31}, pace); err == nil {
		t.Error("a file cut short was read")
	}
}

// A chip that leaves its proof out of chip authentication mapping is not opened.
func TestMappingWithoutProofIsRefused(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	info := PACEInfo{KeyBits: 128, Parameter: 12, Mapping: ChipAuthenticationMapping}
	for name, change := range map[string]func([]byte) []byte{
		"left out": func(b []byte) []byte { return append(append([]byte{0x7C, 10}, b[2:12]...), 0x90, 0) },
		"damaged":  func(b []byte) []byte { b[len(b)-3] ^= 1; return b },
	} {
		chip, err := PACEOffer{Infos: []PACEInfo{info}, Passwords: []Password{CAN("1")}, Key: key}.Chip()
		if err != nil {
			t.Fatal(err)
		}
		c := &paceCard{PACEChip: chip}
		_, err = PACE{Info: info, Password: CAN("1")}.Open(card.Over(exchange(func(b []byte) ([]byte, error) {
			got, err := c.Exchange(b)
			if b[0] == 0 && b[1] == 0x86 && err == nil {
				got = change(got)
			}
			return got, err
		})))
		if !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A chip that knows the password, and whose last answer is anything, proves nothing.
func FuzzMappingTerminalTakesAnyLastAnswer(f *testing.F) {
	key := ecKey(f, elliptic.P256())
	info := PACEInfo{KeyBits: 128, Parameter: 12, Mapping: ChipAuthenticationMapping}
	f.Add([]byte{}, make([]byte, 48))
	f.Add([]byte{0x8A, 0x10}, make([]byte, 16))
	f.Add([]byte{0x8A, 0x82}, []byte{})
	f.Fuzz(func(t *testing.T, more, sealed []byte) {
		chip, err := PACEOffer{Infos: []PACEInfo{info}, Passwords: []Password{CAN("1")}, Key: ecKey(t, elliptic.P256())}.Chip()
		if err != nil {
			t.Fatal(err)
		}
		c := &paceCard{PACEChip: chip}
		inside, err := PACE{Info: info, Password: CAN("1")}.Open(card.Over(exchange(func(b []byte) ([]byte, error) {
			got, err := c.Exchange(b)
			if b[0] == 0 && b[1] == 0x86 && err == nil {
				body := append(append(bytes.Clone(got[2:12]), more...), tlv.New(0x8A, sealed)...)
				got = append(tlv.New(0x7C, body), 0x90, 0)
			}
			return got, err
		})))
		if err == nil && inside.(Mapped).VerifyChip(&key.PublicKey) == nil {
			t.Errorf("%X, %X: believed", more, sealed)
		}
	})
}
