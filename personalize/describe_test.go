package personalize

import (
	"encoding/json"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/softcard"
	"cardstation/personalize/piv"
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

// heard is a chip that remembers what commands it was sent.
type heard struct {
	*softcard.Chip
	sent map[byte]int // commands by INS
	long map[byte]int // and their bytes
}

func (h heard) Exchange(b []byte) ([]byte, error) {
	answer, err := h.Chip.Exchange(b)
	if b[1] == 0x87 && b[3] != 0x9B { // a proof of possession, not of the management key
		return answer, err
	}
	h.sent[b[1]]++
	h.long[b[1]] += len(b)
	return answer, err
}

// What a plan says beforehand of the PIV application is what our own commands send to a
// blank chip, in chains and in extended length: each command, and each byte but for the
// few by which certificates differ.
func TestADescriptionCountsWhatThePIVApplicationIsSent(t *testing.T) {
	for _, name := range []string{"piv-800-73", "softcard"} {
		s := newShop(t, name)
		p := *s.profile.piv
		s.profile.manager, s.profile.emrtd, s.profile.piv, p.dialect = nil, nil, &p, piv.Own
		s.record.Fingers = fingersOf(t)
		if name == "piv-800-73" {
			s.plain()
		}
		h := heard{s.chip, map[byte]int{}, map[byte]int{}}
		c := card.Over(h)
		r := s.record
		var err error
		if r.Chip, err = Identify(c); err != nil {
			t.Fatal(err)
		}
		plan, err := Compile(s.profile, r, s.authority)
		if err != nil {
			t.Fatal(err)
		}
		sent, long := map[byte]int{}, map[byte]int{}
		for _, step := range plan.Stages[0].Steps {
			for _, cmd := range step.(sender).Sends() {
				b, err := cmd.Bytes()
				if err != nil {
					t.Fatal(err)
				}
				sent[cmd.INS]++
				long[cmd.INS] += len(b)
			}
		}
		if _, err := Run(t.Context(), c, plan, nil); err != nil {
			t.Fatal(err)
		}
		for _, ins := range []byte{0x24, 0x47, 0x87, 0xDB, 0xFF} {
			if difference := h.long[ins] - long[ins]; h.sent[ins] != sent[ins] || difference*difference > 24*24 || ins != 0xDB && difference != 0 {
				t.Errorf("%s: INS %02X: %d commands of %d bytes sent, %d of %d described", name, ins, h.sent[ins], h.long[ins], sent[ins], long[ins])
			}
		}
		t.Logf("%s: %v", name, sent)
	}
}
