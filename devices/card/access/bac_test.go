package access

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"cardstation/devices/card"
)

// icao is the worked example of Doc 9303-11, appendix D: the document, what each
// side drew at random, and the whole conversation.
var icao = MRZ{Document: "L898902C", Birth: "690806", Expiry: "940623"}

const (
	icaoTerminal = "781723860C06C226 0B795240CB7049B01C19B33E32804F0B"
	icaoChip     = "4608F91988702212 0B4F80323EB3191CB04970CB4052790B"
	icaoToken    = "72C29C2371CC9BDB65B779B8E8D37B29ECC154AA56A8799FAE2F498F76ED92F25F1448EEA8AD90A7"
	icaoAnswer   = "46B9342A41396CD7386BF5803104D7CEDC122B9132139BAF2EEDC94EE178534F2F2D235D074D7449"
)

// icaoSession is appendix D.4: plain command, protected command, protected
// answer, plain answer.
var icaoSession = []struct{ plain, sent, got, answer string }{
	{"00A4020C02011E", "0CA4020C158709016375432908C044F68E08BF8B92D635FF24F800", "990290008E08FA855A5D4C50A8ED9000", "9000"},
	{"00B0000004", "0CB000000D9701048E08ED6705417E96BA5500", "8709019FF0EC34F9922651990290008E08AD55CC17140B2DED9000", "60145F019000"},
	{"00B0000412", "0CB000040D9701128E082EA28A70F3C7B53500", "871901FB9235F4E4037F2327DCC8964F1F9B8C30F42C8E2FFF224A990290008E08C8B2787EAEA07D749000", "04303130365F36063034303030305C0261759000"},
}

func TestBACKeysOfTheWorkedExample(t *testing.T) {
	info, err := icao.information()
	if err != nil || info != "L898902C<369080619406236" {
		t.Errorf("information %q, %v", info, err)
	}
	seed := unhex(t, "239AB9CB282DAF66231DC5A4DF6BFBAE")
	if k := fmt.Sprintf("%X", desKey(seed, 1)); k != "AB94FDECF2674FDFB9B391F85D7F76F2" {
		t.Errorf("encryption key %s", k)
	}
	if k := fmt.Sprintf("%X", desKey(seed, 2)); k != "7962D9ECE03D1ACD4C76089DCE131543" {
		t.Errorf("checksum key %s", k)
	}
}

func TestBACTerminalSpeaksTheWorkedExample(t *testing.T) {
	says := [][2]string{{"0084000008", "4608F919887022129000"}, {"0082000028" + icaoToken + "28", icaoAnswer + "9000"}}
	for _, c := range icaoSession {
		says = append(says, [2]string{c.sent, c.got})
	}
	chip := &replay{t, says}
	inside, err := BAC{MRZ: icao, Rand: bytes.NewReader(unhex(t, icaoTerminal))}.Open(card.Over(chip))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range icaoSession {
		cmd, err := card.ParseCommand(unhex(t, c.plain))
		if err != nil {
			t.Fatal(err)
		}
		r, err := inside.Transmit(cmd)
		if err != nil || !bytes.Equal(r.Bytes(), unhex(t, c.answer)) {
			t.Errorf("%v: %X, %v; want %s", cmd, r.Bytes(), err, c.answer)
		}
	}
}

func TestBACChipSpeaksTheWorkedExample(t *testing.T) {
	chip, err := NewBACChip(icao, bytes.NewReader(unhex(t, icaoChip)))
	if err != nil {
		t.Fatal(err)
	}
	if c := chip.Challenge(); !bytes.Equal(c, unhex(t, "4608F91988702212")) {
		t.Fatalf("challenge %X", c)
	}
	answer, secure, err := chip.Authenticate(unhex(t, icaoToken))
	if err != nil || !bytes.Equal(answer, unhex(t, icaoAnswer)) {
		t.Fatalf("answer %X, %v", answer, err)
	}
	for _, c := range icaoSession {
		sent, err := card.ParseCommand(unhex(t, c.sent))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := secure.Unprotect(sent)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := plain.Bytes(); !bytes.Equal(b, unhex(t, c.plain)) {
			t.Errorf("unprotected %X, want %s", b, c.plain)
		}
		r, _ := card.ParseResponse(unhex(t, c.answer))
		if r, err = secure.Protect(r); err != nil || !bytes.Equal(r.Bytes(), unhex(t, c.got)) {
			t.Errorf("protected %X, %v; want %s", r.Bytes(), err, c.got)
		}
	}
}

var _ = errors.New
