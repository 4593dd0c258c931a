package access

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"cardstation/devices/card"
)

// tries runs PACE against a chip that goes on from what it remembers, as after a
// power cut.
type tries struct {
	t      *testing.T
	offer  PACEOffer
	slept  []time.Duration
	chip   *PACEChip
	inside card.Card
}

func newTries(t *testing.T) *tries {
	k := &tries{t: t}
	k.offer = PACEOffer{Infos: []PACEInfo{{KeyBits: 128, Parameter: 12}}, Passwords: []Password{CAN("500120"), PIN("123456"), PUK("9876543210")}, Sleep: func(d time.Duration) { k.slept = append(k.slept, d) }}
	k.reset()
	return k
}

func (k *tries) reset() {
	k.t.Helper()
	if k.chip != nil {
		k.offer.Failures = k.chip.Failures()
	}
	var err error
	if k.chip, err = k.offer.Chip(); err != nil {
		k.t.Fatal(err)
	}
	k.inside = nil
}

func (k *tries) show(pw Password, want error) {
	k.t.Helper()
	_, err := PACE{Info: k.offer.Infos[0], Password: pw}.Open(card.Over(&paceCard{PACEChip: k.chip}))
	if want == nil && err != nil || !errors.Is(err, want) {
		k.t.Errorf("password %d: %v, want %v", pw.reference, err, want)
	}
}

func TestPINIsSuspendedThenBlockedThenUnblocked(t *testing.T) {
	k := newTries(t)
	wrong := PIN("111111")
	k.show(wrong, card.Status(0x63C2))
	k.reset()
	k.show(PIN("123456"), nil) // the right one clears the count
	k.show(wrong, card.Status(0x63C2))
	k.reset()
	k.show(wrong, card.Status(0x63C1))
	k.reset()
	k.show(PIN("123456"), card.ConditionsNotSatisfied) // suspended, right or wrong
	k.show(CAN("500120"), nil)
	k.show(wrong, card.Status(0x63C0))
	k.reset()
	k.show(CAN("500120"), nil)
	k.show(PIN("123456"), card.Status(0x63C0)) // blocked for good
	if err := k.chip.UnblockPIN(); !errors.Is(err, card.SecurityNotSatisfied) {
		t.Errorf("%v", err)
	}
	k.show(CAN("500120"), nil)
	if err := k.chip.UnblockPIN(); !errors.Is(err, card.SecurityNotSatisfied) {
		t.Errorf("with the can: %v", err)
	}
	k.show(PUK("1"), card.Status(0x63C9))
	k.show(PUK("9876543210"), nil)
	if err := k.chip.UnblockPIN(); err != nil {
		t.Error(err)
	}
	k.reset()
	k.show(PIN("123456"), nil)
	if k.chip.Failures() != (PACEFailures{}) || k.slept != nil {
		t.Errorf("%+v, held up %v", k.chip.Failures(), k.slept)
	}
}

// The CAN lets one try go ahead, not all of the session's.
func TestCANResumesThePINOnce(t *testing.T) {
	k := newTries(t)
	wrong := PIN("111111")
	k.show(CAN("500120"), nil)
	k.show(PIN("123456"), nil)
	k.show(wrong, card.Status(0x63C2))
	k.show(wrong, card.Status(0x63C1))
	k.show(wrong, card.ConditionsNotSatisfied)
	if got := k.chip.Failures(); got.PIN != 2 {
		t.Errorf("%+v", got)
	}
}

func TestPUKIsBlockedAfterTenTries(t *testing.T) {
	k := newTries(t)
	for n := 9; n >= 0; n-- {
		k.show(PUK("0"), card.Status(0x63C0+n))
		k.reset()
	}
	k.show(PUK("9876543210"), card.Status(0x63C0))
	if err := k.chip.SetTemplate(unhex(t, "800A04007F00070202040202830104")); !errors.Is(err, card.Status(0x63C0)) {
		t.Fatal(err)
	}
	if _, _, err := k.chip.Step([]byte{0x7C, 0}); !errors.Is(err, card.AuthenticationBlocked) {
		t.Errorf("%v", err)
	}
}

func TestGuessesOfTheCardNumberTakeLonger(t *testing.T) {
	k := newTries(t)
	for range 9 {
		k.show(CAN("500121"), AuthenticationFailed)
		k.reset()
	}
	k.show(CAN("500120"), nil)
	k.show(CAN("500120"), nil)
	want := []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if fmt.Sprint(k.slept) != fmt.Sprint(want) {
		t.Errorf("held up %v, want %v", k.slept, want)
	}
}

// The PIN inside the channel that the CAN opened, which it replaces.
func TestPACEOverAChannel(t *testing.T) {
	offer := PACEOffer{Infos: []PACEInfo{{KeyBits: 128, Parameter: 12}}, Passwords: []Password{CAN("500120"), PIN("123456")}, Failures: PACEFailures{PIN: 2}}
	chip, err := offer.Chip()
	if err != nil {
		t.Fatal(err)
	}
	var secure Secure
	c := card.Over(exchange(func(b []byte) ([]byte, error) {
		c, err := card.ParseCommand(b)
		if err != nil {
			return nil, err
		}
		under := secure
		if under != nil {
			if c, err = under.Unprotect(c); err != nil {
				return statusOnly(err)
			}
		}
		r := card.Response{SW: card.OK}
		switch c.INS {
		case 0x22:
			err = chip.SetTemplate(c.Data)
		case 0x86:
			var s Secure
			if r.Data, s, err = chip.Step(c.Data); s != nil {
				secure = s
			}
		default:
			r = echo(c)
		}
		_ = errors.As(err, &r.SW)
		if under != nil {
			r, err = under.Protect(r)
			return r.Bytes(), err
		}
		return r.Bytes(), nil
	}))
	outer, err := PACE{Info: offer.Infos[0], Password: CAN("500120")}.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := PACE{Info: offer.Infos[0], Password: PIN("123456")}.Open(outer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := card.Do(inner, card.Command{INS: 0xB0, Ne: 3}); err != nil || len(got) != 3 {
		t.Errorf("%X, %v", got, err)
	}
	if _, err := outer.Transmit(card.Command{INS: 0xB0, Ne: 3}); !errors.Is(err, ErrClosed) {
		t.Errorf("the channel before: %v", err)
	}
}

func TestPasswordsAsChipsKeepThem(t *testing.T) {
	mrz, err := icao.Password()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Password{mrz, CAN("500120"), PIN("123456"), PUK("9876543210")} {
		got, err := NewPassword(want.reference, want.encoded)
		if err != nil || got.reference != want.reference || string(got.encoded) != string(want.encoded) {
			t.Errorf("password %d: %v", want.reference, err)
		}
	}
	for _, bad := range []Password{{0, []byte("1")}, {5, []byte("1")}, {2, nil}, {1, []byte("MRZ")}} {
		if _, err := NewPassword(bad.reference, bad.encoded); err == nil {
			t.Errorf("password %d of %d bytes was taken", bad.reference, len(bad.encoded))
		}
	}
}
