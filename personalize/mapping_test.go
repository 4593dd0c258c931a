package personalize

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"testing"

	"crypto/ecdsa"
	"crypto/rand"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
	"cardstation/devices/softcard"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/personalize/pki"
)

var mappingInfo = access.PACEInfo{KeyBits: 128, Parameter: 12, Mapping: access.ChipAuthenticationMapping}

// mapping is the finished chip as one that authenticates itself by the mapping of PACE:
// EF.CardSecurity names key and is signed by signer; without one there is none.
func (s *shop) mapping(key *ecdsa.PublicKey, signer *pki.Identity) *softcard.Chip {
	s.Helper()
	raw, err := s.chip.State()
	if err != nil {
		s.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(raw, &state); err != nil {
		s.Fatal(err)
	}
	pace, err := mappingInfo.SecurityInfo()
	if err != nil {
		s.Fatal(err)
	}
	infos, err := access.ChipKey{KeyBits: 128, Key: key, ID: []byte{12}}.SecurityInfos()
	if err != nil {
		s.Fatal(err)
	}
	files := state["emrtd"].(map[string]any)["files"].(map[string]any)
	files["284"] = map[string]any{"sfi": 0x1C, "data": tlv.New(0x31, pace)} // EF.CardAccess
	if signer != nil {
		signed, err := signer.SignCMS(pki.Signed{Type: asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 3, 2, 1}, Content: tlv.New(0x31, append(infos, pace)...)})
		if err != nil {
			s.Fatal(err)
		}
		state["master"] = map[string]any{"285": map[string]any{"sfi": 0x1D, "data": signed}}
	}
	if raw, err = json.Marshal(state); err != nil {
		s.Fatal(err)
	}
	chip, err := softcard.Restore(raw)
	if err != nil {
		s.Fatal(err)
	}
	return chip
}

// The proof of the mapping is worth what EF.CardSecurity is worth.
func TestTheMappingOfPACEProvesTheChipByASignedKeyOnly(t *testing.T) {
	s := newShop(t, "softcard")
	if _, err := s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	key := s.chipKey()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := pki.NewCountrySigner(pki.Options{Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	forger, err := pki.NewDocumentSigner(stranger, pki.Options{Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]struct {
		key    *ecdsa.PublicKey
		signer *pki.Identity
		want   lds.Result
	}{
		"genuine":            {key, &s.authority.Document, lds.Passed},
		"a copy":             {&other.PublicKey, &s.authority.Document, lds.Failed},
		"signed by the copy": {key, &forger, lds.Failed},
		"not there":          {key, nil, lds.NotDone},
	} {
		door := access.PACE{Info: mappingInfo, Password: s.doors()[1].(access.PACE).Password}
		_, rows := s.look(terminalOf(s.terminals)).Through(card.Over(s.mapping(v.key, v.signer)), door)
		found := false
		for _, r := range rows {
			if r.Name == emrtd.CheckMapping {
				found = true
				if r.Result != v.want {
					t.Errorf("%s: %s: %s", name, r.Result, r.Why)
				}
			} else if r.Result != lds.Passed {
				t.Errorf("%s: %s is %s: %s", name, r.Name, r.Result, r.Why)
			}
		}
		if !found {
			t.Errorf("%s: no row of the mapping", name)
		}
	}
}

func (s *shop) chipKey() *ecdsa.PublicKey {
	s.Helper()
	raw, err := s.chip.State()
	if err != nil {
		s.Fatal(err)
	}
	var state struct {
		EMRTD struct {
			ChipKey []byte `json:"chipKey"`
		} `json:"emrtd"`
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		s.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(state.EMRTD.ChipKey)
	if err != nil {
		s.Fatal(err)
	}
	return &key.(*ecdsa.PrivateKey).PublicKey
}
