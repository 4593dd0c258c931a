package personalize

import (
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/softcard"
	"cardstation/personalize/piv"
)

// own has the shop's profile written by our own commands, in memory.
func (s *shop) own(keys ...piv.Key) {
	p := *s.profile.piv
	s.profile.manager, s.profile.emrtd, s.profile.piv = nil, nil, &p
	s.profile.piv.dialect, s.profile.piv.objects, s.profile.piv.keys = piv.Own, nil, keys
}

func TestTheReceiptStatesHowEachKeyWasMade(t *testing.T) {
	root, err := softcard.AttestationRoot()
	if err != nil {
		t.Fatal(err)
	}
	s := newShop(t, "softcard")
	if makers := s.profile.piv.attestation.Makers; len(makers) != 1 || !makers[0].Equal(root) {
		t.Fatal("the profile of software chips trusts another maker than theirs")
	}
	s.own(piv.Key{Slot: piv.Authentication, Algorithm: piv.P256, PIN: piv.Always}, piv.Key{Slot: piv.CardAuthentication, Algorithm: piv.P384})
	for _, c := range []struct {
		name, policy string
		makers       []*x509.Certificate
		says, fails  string
	}{
		{"trusted", piv.AttestationRequired, []*x509.Certificate{root}, "pin always, touch never, attested by SIMULATED", ""},
		{"used by a maker that is not trusted", piv.AttestationUsed, nil, "not attested: the attestation's maker is not trusted", ""},
		{"required of a maker that is not trusted", piv.AttestationRequired, nil, "", "attestation is required"},
		{"not asked for", piv.AttestationNone, nil, "", ""},
	} {
		s.blank()
		s.profile.piv.attestation = piv.Attestation{Policy: c.policy, Makers: c.makers}
		receipt, err := s.issue(s.chip, nil)
		if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if said := receipt.Attestations["9a"]; !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%s: %q", c.name, said)
		}
		if err != nil {
			if _, found := piv.Certificate(card.Over(s.chip), piv.Authentication); found == nil {
				t.Errorf("%s: its key was certified all the same", c.name)
			}
		}
	}
}

// A plain card has neither attestation nor a word for another PIN policy than the slot's.
func TestAPlainCardStatesThatItDoesNotAttest(t *testing.T) {
	s := newShop(t, "piv-800-73")
	s.own(piv.Key{Slot: piv.Authentication, Algorithm: piv.P256})
	s.profile.piv.attestation = piv.Attestation{Policy: piv.AttestationUsed}
	s.plain()
	receipt, err := s.issue(s.chip, nil)
	if said := receipt.Attestations["9a"]; err != nil || said != "not attested: the token has no attestation of it; its pin policy cannot be read" {
		t.Errorf("%q, %v", said, err)
	}
	s.profile.piv.attestation.Policy = piv.AttestationRequired
	s.plain()
	if _, err := s.issue(s.chip, nil); err == nil || !strings.Contains(err.Error(), "attestation is required") {
		t.Errorf("required of a card that has none: %v", err)
	}
	s.profile.piv.attestation.Policy, s.profile.piv.keys[0].PIN = piv.AttestationNone, piv.Never
	s.plain()
	if _, err := s.issue(s.chip, nil); err == nil || !strings.Contains(err.Error(), "pin never") {
		t.Errorf("another pin policy on a card that takes none: %v", err)
	}
}

// A key under another policy than the profile's is found by attestation and by metadata.
func TestAKeyUnderAnotherPINPolicyIsRefused(t *testing.T) {
	for _, policy := range []string{piv.AttestationUsed, piv.AttestationNone} {
		s := newShop(t, "softcard")
		s.own(piv.Key{Slot: piv.Authentication, Algorithm: piv.P256, PIN: piv.Always})
		s.profile.piv.attestation.Policy = policy
		if _, err := s.issue(s.chip, nil); err != nil {
			t.Fatal(err)
		}
		s.chip.Reset()
		s.profile.piv.keys[0].PIN = piv.Once
		if _, err := s.issue(s.chip, nil); err == nil || !strings.Contains(err.Error(), "pin always, the profile wants once") {
			t.Errorf("%s: %v", policy, err)
		}
	}
}

// A holder of whom there is one finger only has a card without the object, and the plan
// says so.
func TestACardIsIssuedWithoutWhatTheRecordLacks(t *testing.T) {
	s := newShop(t, "piv-800-73")
	s.record.Fingers, s.record.Portrait = fingersOf(t)[:1], nil
	r := s.record
	r.Chip = "cplc:0707"
	plan, err := Compile(s.profile, r, s.authority)
	if err != nil {
		t.Fatal(err)
	}
	for _, lacking := range []string{fingerprints, facialImage} {
		if slices.Contains(plan.Steps(), "piv/"+lacking) || !strings.Contains(plan.Stages[0].Note, "no "+lacking) {
			t.Errorf("%s: steps %v, note %q", lacking, plan.Steps(), plan.Stages[0].Note)
		}
	}
}
