package access

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// The vector is GlobalPlatformPro's own (TestSCP03.testKDF3); there is none of NIST's
// with these labels.
func TestKDF3GivesTheKeyThatGlobalPlatformProGives(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var info KeyInfo
	copy(info.Diversification[:], unhex("D9B1DE5D0362DEDCE4FB"))
	keys, err := KDF3(unhex("8C72C72CF908411653018807950D82FBAD947562F0828A0B10B8B9606ABF3BCD"), info)
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex("9AAC5D0B3601F89438A0D9D0B6B256CFB47E6462DFA5228D3420C4AC7C224781"); !bytes.Equal(keys.ENC, want) {
		t.Errorf("ENC %X, want %X", keys.ENC, want)
	}
	if bytes.Equal(keys.ENC, keys.MAC) || bytes.Equal(keys.MAC, keys.DEK) || keys.check() != nil {
		t.Error("the three keys are not three")
	}
	if _, err := KDF3(make([]byte, 20), info); err == nil {
		t.Error("a master of 20 bytes was taken")
	}
}
