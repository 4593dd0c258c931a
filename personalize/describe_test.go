package personalize

import (
	"encoding/json"
	"strings"
	"testing"

	"cardstation/devices/card"
)

func TestAPlanIsDescribedWithoutSecrets(t *testing.T) {
	for _, name := range Profiles() {
		s := newShop(t, name)
		r := s.record
		r.Chip = "cplc:0707"
		plan, err := Compile(s.profile, r, s.authority)
		if err != nil {
			t.Fatal(err)
		}
		d, err := plan.Describe()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		text := d.String() + string(raw)
		for _, step := range plan.Steps() {
			if !strings.Contains(text, step) {
				t.Errorf("%s: step %s is missing", name, step)
			}
		}
		pin, err := s.authority.Cards.PIN(r.Chip)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{pin, r.Holder.Number, r.Holder.Name, "123456", "01020304"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: the description says %q", name, secret)
			}
		}
		if (name == "piv-800-73") != strings.Contains(text, "management key stays") {
			t.Errorf("%s: what it says of the management key is not so", name)
		}
	}
}

// What a plan says beforehand is what a chip without channel gets.
func TestADescriptionCountsWhatIsSent(t *testing.T) {
	s := newShop(t, "passport-applet")
	a := newApplet(false)
	r := s.record
	var err error
	if r.Chip, err = Identify(card.Over(a)); err != nil {
		t.Fatal(err)
	}
	plan, err := Compile(s.profile, r, s.authority)
	if err != nil {
		t.Fatal(err)
	}
	d, err := plan.Describe()
	if err != nil {
		t.Fatal(err)
	}
	a.seen = nil
	receipt, err := Run(t.Context(), card.Over(a), plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	writes := 0
	for _, header := range a.seen {
		switch header[:4] {
		case "00E0", "00D6", "00DA":
			writes++
		}
	}
	creates := len(plan.Steps()) - 3    // files: all but secrets, key and lock
	if writes-1 != d.Commands-creates { // the question whether it is locked is a CREATE FILE, SELECT writes nothing
		t.Errorf("%d commands write, %d described", writes, d.Commands)
	}
	if int(receipt.Sent) < d.Bytes || int(receipt.Sent) > d.Bytes+2000 {
		t.Errorf("%d bytes sent, %d described", receipt.Sent, d.Bytes)
	}
}
