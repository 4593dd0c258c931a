package personalize

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"cardstation/devices/card/access"
)

// Transport are the keys that the chips' maker left in the card manager: one set for all
// chips (Keys), or a Master from which each chip's is derived. The zero value stands for
// access.DefaultKeys. It prints as its name only.
type Transport struct {
	Version byte // of the key set, as the chip tells it; 0 for any
	Keys    access.StaticKeys
	Master  []byte // AES, for access.KDF3
}

// String keeps the keys out of every log.
func (Transport) String() string { return "transport keys" }

// GoString does the same for %#v.
func (Transport) GoString() string { return "transport keys" }

// kdf3 is the one diversification there is.
const kdf3 = "kdf3"

// ParseTransport reads transport keys as a maker's letter is typed into YAML: version, and
// enc, mac and dek in hex (AES, of one length), or master in hex and "diversification:
// kdf3". Errors never quote the file.
func ParseTransport(b []byte) (Transport, error) {
	var f struct {
		Version         byte   `yaml:"version"`
		ENC             aesKey `yaml:"enc"`
		MAC             aesKey `yaml:"mac"`
		DEK             aesKey `yaml:"dek"`
		Master          aesKey `yaml:"master"`
		Diversification string `yaml:"diversification"`
	}
	if err := yaml.UnmarshalWithOptions(b, &f, yaml.Strict()); err != nil {
		return Transport{}, fmt.Errorf("transport keys: want version, enc, mac, dek, or version, master, diversification; keys are 16, 24 or 32 bytes in hex")
	}
	t := Transport{Version: f.Version, Keys: access.StaticKeys{ENC: f.ENC, MAC: f.MAC, DEK: f.DEK}, Master: f.Master}
	n := len(f.ENC)
	switch {
	case (n+len(f.MAC)+len(f.DEK) > 0) == (f.Master != nil):
		return Transport{}, errors.New("transport keys: want either enc, mac and dek or a master")
	case len(f.MAC) != n || len(f.DEK) != n:
		return Transport{}, errors.New("transport keys: enc, mac and dek are not of one length")
	case f.Master != nil && f.Diversification != kdf3:
		return Transport{}, fmt.Errorf("transport keys: a master wants diversification: %s", kdf3)
	}
	return t, nil
}

// aesKey is a key in hex, as it is written: YAML would take some for numbers.
type aesKey []byte

// UnmarshalYAML implements yaml.BytesUnmarshaler.
func (k *aesKey) UnmarshalYAML(raw []byte) error {
	b, err := hex.DecodeString(strings.Trim(strings.TrimSpace(string(raw)), `"'`))
	if n := len(b); err != nil || n != 16 && n != 24 && n != 32 {
		return errors.New("not a key")
	}
	*k = b
	return nil
}

// set gives the key set of the chip that sent info.
func (t Transport) set(info access.KeyInfo) (access.StaticKeys, error) {
	switch {
	case t.Version != 0 && t.Version != info.Version:
		return access.StaticKeys{}, fmt.Errorf("transport keys are of version %02X, the chip's of %02X", t.Version, info.Version)
	case t.Master != nil:
		return access.KDF3(t.Master, info)
	case t.Keys.ENC == nil:
		return access.DefaultKeys, nil
	}
	return t.Keys, nil
}

// published tells whether a key is one that everybody knows: 40 41 42 and on, in any
// length.
func (t Transport) published() bool {
	if t.Master == nil && t.Keys.ENC == nil {
		return true
	}
	for _, k := range [][]byte{t.Keys.ENC, t.Keys.MAC, t.Keys.DEK, t.Master} {
		if len(k) > 0 && bytes.Equal(k, counted(len(k))) {
			return true
		}
	}
	return false
}

func counted(n int) []byte {
	k := make([]byte, n)
	for i := range k {
		k[i] = 0x40 + byte(i)
	}
	return k
}
