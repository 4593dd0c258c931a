package personalize

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/softcard"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
)

// A chip that got every file of another, but could not get its key, stands out.
func TestACopyDoesNotHoldTheChipAuthenticationKey(t *testing.T) {
	s := newShop(t, "softcard")
	if _, err := s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	raw, err := s.chip.State()
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(raw, &state); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	document := state["emrtd"].(map[string]any)
	if _, ok := document["chipKey"].(string); !ok {
		t.Fatal("the chip has no chip authentication key")
	}
	document["chipKey"] = der
	if raw, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	fake, err := softcard.Restore(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, door := range s.doors() {
		fake.Reset()
		_, checks := emrtd.Inspect(card.Over(fake), door, s.trust, time.Now())
		for _, c := range checks {
			if want := c.Name == emrtd.CheckChip; want != (c.Result == lds.Failed) {
				t.Errorf("%T: %s is %s: %s", door, c.Name, c.Result, c.Why)
			}
		}
	}
}
