package personalize

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/softcard"
	"cardstation/personalize/pki"
)

// managed is a shop whose profile has the card manager and little else.
func managed(t *testing.T) *shop {
	t.Helper()
	s := newShop(t, "softcard-emrtd")
	s.authority.Demo = false
	m := *s.profile.manager
	s.profile.manager = &m
	return s
}

// maker is a key set of n bytes a key.
func maker(n int) access.StaticKeys {
	key := func(seed byte) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = seed ^ byte(i*7)
		}
		return b
	}
	return access.StaticKeys{ENC: key(0x11), MAC: key(0x22), DEK: key(0x33)}
}

// Every length of the maker's and of the issuer's keys, with every i that a chip may
// have: the card is issued, believed, its keys are listed at their length, and no other
// length opens it again.
func TestCardManagerKeysOfEveryLengthAndEveryI(t *testing.T) {
	t.Parallel()
	for _, i := range []byte{0x60, 0x61, 0x70, 0x71} {
		for _, transport := range []int{16, 24, 32} {
			for _, issuer := range []int{16, 24, 32} {
				t.Run(fmt.Sprintf("i=%02X/AES-%d/AES-%d", i, 8*transport, 8*issuer), func(t *testing.T) {
					s := managed(t)
					s.authority.Transport = Transport{Version: 0xFF, Keys: maker(transport)}
					s.profile.manager.keySize = issuer
					chip, err := softcard.New(softcard.Options{Transport: s.authority.Transport.Keys, SCP03: i})
					if err != nil {
						t.Fatal(err)
					}
					s.chip = chip
					receipt, err := s.issue(chip, nil)
					if err != nil {
						t.Fatal(err)
					}
					s.verify(receipt)
					s.settled(i, issuer)
				})
			}
		}
	}
}

// settled opens the finished card's manager with the issuer's keys and wants them listed
// and the life cycle SECURED; keys of another length do not open it.
func (s *shop) settled(i byte, size int) {
	s.Helper()
	m := manager{*s.profile.manager, s.authority}
	s.chip.Reset()
	c, err := opening{m, m.aid, m.issuer}.Open(card.Over(s.chip))
	if err != nil {
		s.Fatal(err)
	}
	if got := c.(session).info; got.I != i || got.Version != m.issuer {
		s.Errorf("chip with i=%02X, key version %02X", got.I, got.Version)
	}
	if err := (putKeys{m}).listed(c); err != nil {
		s.Error(err)
	}
	if life, err := lifeCycle(c); err != nil || life != lifeSecured {
		s.Errorf("life cycle %02X, %v", life, err)
	}
	m.keySize = 16 + (size-8)%24
	s.chip.Reset()
	if _, err := (opening{m, m.aid, m.issuer}).Open(card.Over(s.chip)); !errors.Is(err, access.ErrNotAuthentic) {
		s.Errorf("opened with keys of %d bytes instead of %d: %v", m.keySize, size, err)
	}
}

// PUT KEY torn before and after it took effect, with keys that fill no whole block; and
// SET STATUS torn between its two steps.
func TestLongKeysAndTheLifeCycleSurviveATear(t *testing.T) {
	t.Parallel()
	for _, size := range []int{24, 32} {
		for n := 1; ; n++ {
			finished := true
			for _, after := range []bool{false, true} {
				s := managed(t)
				s.authority.Transport = Transport{Keys: maker(24)}
				s.profile.manager.keySize = size
				chip, err := softcard.New(softcard.Options{Transport: s.authority.Transport.Keys, SCP03: 0x61})
				if err != nil {
					t.Fatal(err)
				}
				s.chip = chip
				if !s.tearManager(n, after) {
					continue
				}
				finished = false
				s.chip.Reset()
				receipt, err := s.issue(s.chip, nil)
				if err != nil {
					t.Fatalf("torn at %d after=%v: %v", n, after, err)
				}
				s.verify(receipt)
				s.settled(0x61, size)
			}
			if finished {
				break
			}
		}
	}
}

// tearManager runs the card manager's two stages alone and tells whether the n-th
// command was still theirs.
func (s *shop) tearManager(n int, after bool) bool {
	s.Helper()
	c := card.Over(s.chip)
	chip, err := Identify(c)
	if err != nil {
		s.Fatal(err)
	}
	m := manager{*s.profile.manager, s.authority}
	s.chip.TearAt(n, after)
	_, err = Run(s.Context(), c, Plan{Profile: "manager", Chip: chip, Stages: []Stage{m.keysStage(), m.securedStage()}}, nil)
	if err != nil && !errors.Is(err, card.ErrGone) {
		s.Fatal(err)
	}
	return err != nil
}

func TestAProfileOfS16TakesNoOtherChip(t *testing.T) {
	for _, i := range []byte{0x70, 0x71} {
		s := managed(t)
		s.authority.Transport = Transport{Keys: maker(16)}
		s.profile.manager.s16 = true
		chip, err := softcard.New(softcard.Options{Transport: s.authority.Transport.Keys, SCP03: i})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.issue(chip, nil); (err == nil) != (i == 0x71) {
			t.Errorf("i=%02X: %v", i, err)
		}
	}
}

// A card that is SECURED takes keys and states from nobody who has not opened it, and a
// state is neither passed over nor gone back to.
func TestTheLifeCycleGoesItsWayOnly(t *testing.T) {
	s := managed(t)
	s.authority.Transport = Transport{Keys: maker(16)}
	chip, err := softcard.New(softcard.Options{Transport: s.authority.Transport.Keys})
	if err != nil {
		t.Fatal(err)
	}
	m := manager{*s.profile.manager, s.authority}
	c := card.Over(chip)
	set := func(c card.Card, life byte) error {
		_, err := card.Do(c, card.Command{CLA: 0x80, INS: 0xF0, P1: 0x80, P2: life})
		return err
	}
	opened, err := opening{m, m.aid, m.transport}.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		life byte
		want error
	}{
		{lifeSecured, card.ConditionsNotSatisfied}, {lifeInitialized, nil}, {0x01, card.IncorrectData}, {lifeSecured, nil}, {lifeInitialized, card.ConditionsNotSatisfied},
	} {
		if err := set(opened, step.life); !errors.Is(err, step.want) || (err == nil) != (step.want == nil) {
			t.Errorf("to %02X: %v, want %v", step.life, err, step.want)
		}
	}
	chip.Reset()
	if _, err := card.Select(c, m.aid); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []card.Command{{CLA: 0x80, INS: 0xF0, P1: 0x80, P2: lifeInitialized}, {CLA: 0x80, INS: 0xD8, P2: 0x81, Data: []byte{1}, Ne: 256}} {
		if _, err := card.Do(c, cmd); !errors.Is(err, card.SecurityNotSatisfied) {
			t.Errorf("INS %02X on a secured card without a channel: %v", cmd.INS, err)
		}
	}
}

// What cards of AES-128 were given before there were others must not change, and no key
// begins as another does.
func TestIssuerKeysOfEachLengthAreTheirOwn(t *testing.T) {
	cards, err := NewCardKeys(bytes.Repeat([]byte{7}, MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	info := access.KeyInfo{Diversification: [10]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}}
	seen := map[string]int{}
	for _, size := range []int{16, 24, 32} {
		keys, err := cards.SCP03(info, size)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range [][]byte{keys.ENC, keys.MAC, keys.DEK} {
			if len(k) != size || seen[string(k[:16])] != 0 {
				t.Errorf("key of %d bytes begins as one of %d", len(k), seen[string(k[:16])])
			}
			seen[string(k[:16])] = size
		}
		// HKDF-SHA-256 of that master without salt, computed by another program (Python's hmac)
		if want := fixedENC[size]; hex.EncodeToString(keys.ENC) != want {
			t.Errorf("ENC of AES-%d is another than before", 8*size)
		}
	}
	if _, err := cards.SCP03(info, 20); err == nil {
		t.Error("keys of 20 bytes were derived")
	}
}

var fixedENC = map[int]string{
	16: "3931db219fbbadadfee16bba1b9e2637",
	24: "d4f524446d606c89bf50fb2659345fe09a6085c626efe7dc",
	32: "619b13cd464c4e35181ea659e42c39eff41417eb9b75c027c911dd6570402649",
}

func TestTransportKeysAreReadAndKeptToThemselves(t *testing.T) {
	k := strings.Repeat("a1", 24)
	for text, fine := range map[string]bool{
		"version: 0x30\nenc: " + k + "\nmac: " + k + "\ndek: " + k + "\n":                                                                     true,
		"enc: " + strings.Repeat("12", 16) + "\nmac: " + strings.Repeat("1e", 16) + " # a number?\ndek: '" + strings.Repeat("00", 16) + "'\n": true,
		"version: 1\nmaster: " + k + "\ndiversification: kdf3\n":                                                                              true,
		"master: " + k + "\n":                                                     false, // derived how?
		"master: " + k + "\ndiversification: visa2\n":                             false,
		"enc: " + k + "\nmac: " + k + "\n":                                        false,
		"enc: " + k + "\nmac: " + k + "\ndek: " + strings.Repeat("a1", 16) + "\n": false,
		"enc: " + k + "\nmac: " + k + "\ndek: " + k + "\nmaster: " + k + "\n":     false,
		"enc: " + k[2:] + "\nmac: " + k + "\ndek: " + k + "\n":                    false,
		"key: " + k + "\n": false,
		"":                 false,
	} {
		got, err := ParseTransport([]byte(text))
		if (err == nil) != fine {
			t.Errorf("%q: %v", text, err)
		}
		if said := fmt.Sprintf("%v %+v %#v %v", got, got, got, err); strings.Contains(said, "a1a1") || strings.Contains(said, "161 161") {
			t.Errorf("says %s", said)
		}
	}
}

// A maker's master, a key for each chip: what the chip was given is found again. And keys
// that everybody knows are refused outside the demo, in whatever length they come.
func TestTransportKeysOfAKeyFolder(t *testing.T) {
	s := managed(t)
	keys := pki.Keys{Document: s.authority.Document, Citizen: s.authority.Citizen, Content: s.authority.Content, Terminals: &s.terminals, Master: bytes.Repeat([]byte{7}, MasterSize)}
	for _, n := range []int{16, 24, 32} {
		published := hex.EncodeToString(counted(n))
		for _, text := range []string{"master: " + published + "\ndiversification: kdf3\n", "enc: " + strings.Repeat("00", n) + "\nmac: " + strings.Repeat("01", n) + "\ndek: " + published + "\n"} {
			keys.Transport = []byte(text)
			if _, err := NewAuthority(keys); !errors.Is(err, ErrDefaultKeys) {
				t.Errorf("published keys of %d bytes: %v", n, err)
			}
		}
	}
	master := bytes.Repeat([]byte{0x5A}, 32)
	keys.Transport = []byte("version: 0xFF\nmaster: " + hex.EncodeToString(master) + "\ndiversification: kdf3\n")
	var err error
	if s.authority, err = NewAuthority(keys); err != nil {
		t.Fatal(err)
	}
	const serial = 0x01020304
	plain, err := softcard.New(softcard.Options{Serial: serial})
	if err != nil {
		t.Fatal(err)
	}
	// the chip tells its diversification data in the clear, as the maker reads it
	if _, err := card.Select(card.Over(plain), s.profile.manager.aid); err != nil {
		t.Fatal(err)
	}
	answer, err := card.Do(card.Over(plain), card.Command{CLA: 0x80, INS: 0x50, Data: make([]byte, 8), Ne: card.MaxShortNe})
	if err != nil {
		t.Fatal(err)
	}
	var info access.KeyInfo
	copy(info.Diversification[:], answer)
	made, err := access.KDF3(master, info)
	if err != nil {
		t.Fatal(err)
	}
	if s.chip, err = softcard.New(softcard.Options{Serial: serial, Transport: made}); err != nil {
		t.Fatal(err)
	}
	receipt, err := s.issue(s.chip, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.verify(receipt)
	other, err := softcard.New(softcard.Options{Serial: serial + 1, Transport: made})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.issue(other, nil); !errors.Is(err, access.ErrNotAuthentic) {
		t.Errorf("another chip with the first one's keys: %v", err)
	}
}
