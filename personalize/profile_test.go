package personalize

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
)

func TestEveryProfileOfTheProgramLoads(t *testing.T) {
	names := Profiles()
	if len(names) < 3 {
		t.Fatalf("profiles %v", names)
	}
	for _, name := range names {
		p, err := LoadProfile(name)
		if err != nil {
			t.Error(err)
		}
		if p.Name != name || p.Title == "" {
			t.Errorf("profile in %s.yaml calls itself %q, %q", name, p.Name, p.Title)
		}
	}
	if _, err := LoadProfile("nobody"); err == nil || !strings.Contains(err.Error(), "softcard") {
		t.Errorf("unknown profile: %v", err)
	}
}

func TestAProfileThatIsWrongNamesFileAndLine(t *testing.T) {
	good, err := embedded.ReadFile("profiles/softcard.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, want string }{
		{"format: 1", "format: 2", "format 2, this program reads 1"},
		{"name: softcard", "name:", "no name"},
		{"name: softcard", "name: softcard\ncolour: red", "unknown field"},
		{"format: 1", "format: one", ""},
		{"aid: A0000002471001", "aid: A00", "application identifier"},
		{"level: 0x33", "level: 0x01", "security level"},
		{"level: 0x33", "level: 4000", ""},
		{"level: 0x33 ", "level: 0x33\n  key-bits: 160 ", "160 bits"},
		{"issuer-version: 0x01", "issuer-version: 0xFF", "issuer's key version"},
		{"longest: 32000", "longest: 0", "longest"},
		{"active-authentication: p-256", "active-authentication: dsa", "dsa"},
		{"{key: p-256, key-bits: 128}", "{key: p-256, key-bits: 100}", "key-bits"},
		{"{key: p-256, key-bits: 128}", "{key: dsa, key-bits: 128}", "p-256"},
		{"chip-key: 00DA0063 $pkcs8", "chip-key: \"\"", "go together"},
		{"chip-key: 00DA0063 $pkcs8", "chip-key: 00DA0063 $modulus", "$modulus"},
		{"fingers: true", "fingers: maybe", ""},
		{"channel: card-manager", "channel: wire", "wire"},
		{"EF.SOD: 4096", "EF.XYZ: 4096", "EF.XYZ"},
		{"write: 00D6 $offset $data", "write: 00D6 $nothing $data", "$nothing"},
		{"activate: \"00440000\"", "activate: \"\"", "activate"},
		{"dialect: auto", "dialect: latin", "latin"},
		{"pin: \"123456\"", "pin: \"1\"", "pin"},
		{"{slot: 9c, algorithm: p-256}", "{slot: 9f, algorithm: p-256}", "9f"},
		{"{slot: 9c, algorithm: p-256}", "{slot: 9c, algorithm: p-17}", "p-17"},
		{"dialect: auto", "dialect: auto\n  management-key: lost", "lost"},
		{"objects: [printed-information,", "objects: [iris,", "iris"},
		{"activated: 0x05", "activated: 0x00", "life cycle"},
		{"key: 00DA0060 $pkcs8", "key: [00DA0060 $pkcs8, 00DA0]", "whole bytes"},
		{"key: 00DA0060 $pkcs8", "seal: 00DADEAF", "sealed"},
		{"key-bits: 128", "key-bits: 99", "pace"},
	} {
		bad := strings.Replace(string(good), c.from, c.to, 1)
		line := 1 + strings.Count(string(good[:bytes.Index(good, []byte(c.from))]), "\n")
		file := filepath.Join(t.TempDir(), "bad.yaml")
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadProfile(file)
		if err == nil {
			t.Errorf("%q was taken", c.to)
			continue
		}
		near := false
		for l := line - 1; l <= line+1; l++ { // a room or an added key stands a line off
			near = near || strings.Contains(err.Error(), fmt.Sprintf("%s:%d:", file, l))
		}
		if !near || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q on line %d: %v", c.to, line, err)
		}
	}
}

func FuzzProfile(f *testing.F) {
	for _, name := range Profiles() {
		b, err := embedded.ReadFile("profiles/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = parseProfile("fuzzed", b) })
}

func TestCardKeysDifferByCardAndPurposeAndAreTheSameAgain(t *testing.T) {
	if _, err := NewCardKeys(make([]byte, 16)); err == nil {
		t.Error("a master of 16 bytes was taken")
	}
	keys, err := NewCardKeys(bytes.Repeat([]byte{9}, MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	note := func(what string, b []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := seen[string(b)]; ok {
			t.Errorf("%s is %s", what, before)
		}
		seen[string(b)] = what
	}
	for card := range byte(3) {
		k, err := keys.SCP03(access.KeyInfo{Diversification: [10]byte{card}}, 16)
		for what, b := range map[string][]byte{"enc": k.ENC, "mac": k.MAC, "dek": k.DEK} {
			note(fmt.Sprintf("%s of %d", what, card), b, err)
		}
		chip := fmt.Sprintf("cplc:%02x", card)
		m, err := keys.ManagementKey(chip)
		note("management key of "+chip, m, err)
		pin, err := keys.PIN(chip)
		note("pin of "+chip, []byte(pin), err)
		puk, err := keys.PUK(chip)
		note("puk of "+chip, []byte(puk), err)
		if again, _ := keys.PIN(chip); again != pin || len(pin) != 6 || len(puk) != 8 {
			t.Errorf("pin %d digits, puk %d digits, again the same %v", len(pin), len(puk), again == pin)
		}
	}
	if _, err := keys.PIN(""); err == nil {
		t.Error("a pin for a chip without identity")
	}
	if text := fmt.Sprintf("%v %+v %#v %s", keys, keys, Authority{Cards: keys}.Cards, keys); strings.Contains(text, "\t\t") || strings.Contains(text, "9, 9") {
		t.Errorf("the master shows: %q", text)
	}
}

func TestEverybodysFirstGuessIsNoPIN(t *testing.T) {
	for s, want := range map[string]bool{"000000": true, "123456": true, "654321": true, "123457": false, "902314": false} {
		if weak(s) != want {
			t.Errorf("weak(%s) is %v", s, !want)
		}
	}
}

// Values by "openssl kdf ... HKDF" over the same inputs. They must never change: cards
// in the field hang on them.
func TestCardKeysAreHKDFAsOpenSSLHasIt(t *testing.T) {
	keys, err := NewCardKeys(bytes.Repeat([]byte{9}, MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.ManagementKey("cplc:0102")
	if got := hex.EncodeToString(key); err != nil || got != "5aa5fd33b19bdabfa11ac87053cc5e73930534fd6813dc05" {
		t.Errorf("management key %s, %v", got, err)
	}
	set, err := keys.SCP03(access.KeyInfo{Diversification: [10]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}, 16)
	if got := hex.EncodeToString(set.ENC); err != nil || got != "8b9e556b53cac7fbc38dba294e17e4e2" {
		t.Errorf("scp03 enc %s, %v", got, err)
	}
	if pin, err := keys.PIN("cplc:0102"); err != nil || pin != "846170" {
		t.Errorf("pin %s, %v", pin, err)
	}
}

// played is a chip that says what the bytes say: a length, then that many bytes.
type played struct{ script []byte }

func (p *played) Exchange([]byte) ([]byte, error) {
	if len(p.script) == 0 {
		return nil, nil
	}
	n := min(int(p.script[0]), len(p.script)-1)
	answer := p.script[1 : 1+n]
	p.script = p.script[1+n:]
	return answer, nil
}

func FuzzIdentify(f *testing.F) {
	f.Add(append([]byte{2, 0x90, 0, 47, 0x9F, 0x7F, 0x2A}, append(make([]byte, 42), 0x90, 0)...))
	f.Add([]byte{2, 0x6A, 0x82, 2, 0x90, 0, 6, 1, 2, 3, 4, 0x90, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		if chip, err := Identify(card.Over(&played{script})); err == nil && !strings.Contains(chip, ":") {
			t.Errorf("identity %q", chip)
		}
		m := manager{managerProfile: managerProfile{aid: cardManager, transport: 0xFF, issuer: 1, level: 0x33, keySize: 16}, authority: Authority{Demo: true}}
		_, _ = opening{m, m.aid, anyVersion}.Open(card.Over(&played{script}))
		_, _ = secured{}.Holds(card.Over(&played{script}))
	})
}
