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

func TestBACTakesLongAndShortDocumentNumbers(t *testing.T) {
	for doc, want := range map[string]string{
		"L898902C": "L898902C<3", "D23145890": "D231458907", "D23145890734": "D231458907349", "000000000001": "0000000000011",
	} {
		info, err := MRZ{doc, "740812", "120415"}.information()
		if err != nil || info != want+"74081221204159" {
			t.Errorf("%s: %s, %v", doc, info, err)
		}
	}
	for _, bad := range []MRZ{{}, {"L898902c", "690806", "940623"}, {"L898902C", "1969-08-06", "940623"}, {"L898902C", "690806", "94062"}, {"Ă", "690806", "940623"}} {
		if _, err := (BAC{MRZ: bad}).Open(card.Over(exchange(func([]byte) ([]byte, error) { return nil, nil }))); err == nil {
			t.Errorf("%d characters of document number, %d, %d: taken", len(bad.Document), len(bad.Birth), len(bad.Expiry))
		}
		if _, err := NewBACChip(bad, nil); err == nil {
			t.Error("a chip took what no MRZ holds")
		}
	}
}

// bacChip is a chip that knows nothing but BAC.
type bacChip struct {
	*BACChip
	secure Secure
}

func (b *bacChip) Exchange(raw []byte) ([]byte, error) {
	c, err := card.ParseCommand(raw)
	if err != nil {
		return nil, err
	}
	r := card.Response{SW: card.OK}
	switch {
	case b.secure != nil:
		if c, err = b.secure.Unprotect(c); err == nil {
			r, err = b.secure.Protect(echo(c))
		}
	case c.INS == 0x84:
		r.Data = b.Challenge()
	default:
		r.Data, b.secure, err = b.Authenticate(c.Data)
	}
	var sw card.Status
	if errors.As(err, &sw) {
		return card.Response{SW: sw}.Bytes(), nil
	}
	return r.Bytes(), err
}

func TestBACOpensWithTheRightMRZOnly(t *testing.T) {
	for _, m := range []MRZ{icao, {"L898902D", "690806", "940623"}, {"L898902C", "690807", "940623"}, {"L898902C", "690806", "940624"}} {
		chip, err := NewBACChip(icao, nil)
		if err != nil {
			t.Fatal(err)
		}
		inside, err := BAC{MRZ: m}.Open(card.Over(&bacChip{BACChip: chip}))
		if m != icao {
			if !errors.Is(err, ErrNotAuthentic) || !errors.Is(err, AuthenticationFailed) {
				t.Errorf("another document: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := card.Do(inside, card.Command{INS: 0xB1, Data: []byte{0x54, 1, 0}, Ne: 3}); err != nil || len(got) != 3 {
			t.Errorf("%X, %v", got, err)
		}
	}
}

func TestBACChipTakesOneTryForAChallenge(t *testing.T) {
	chip, err := NewBACChip(icao, bytes.NewReader(make([]byte, 16)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []card.Status{AuthenticationFailed, card.ConditionsNotSatisfied} {
		if want == AuthenticationFailed {
			chip.Challenge()
		}
		_, _, err := chip.Authenticate(make([]byte, 40))
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if c := chip.Challenge(); len(c) != 8 {
		t.Errorf("challenge of %d bytes", len(c))
	}
	if _, _, err := chip.Authenticate(make([]byte, 39)); !errors.Is(err, card.WrongLength) {
		t.Errorf("%v", err)
	}
	if c := chip.Challenge(); c != nil {
		t.Errorf("challenge %X from a source that has run dry", c)
	}
	if _, _, err := chip.Authenticate(unhex(t, icaoToken)); !errors.Is(err, card.ConditionsNotSatisfied) {
		t.Errorf("%v", err)
	}
}

// A chip that gives the terminal its own token back must not pass.
func TestBACTerminalIsNotTakenInByAnEcho(t *testing.T) {
	for _, name := range []string{"echo", "short", "challenge"} {
		c := card.Over(exchange(func(b []byte) ([]byte, error) {
			if b[1] == 0x84 && name == "challenge" {
				return []byte{1, 2, 0x90, 0}, nil
			}
			if b[1] == 0x84 {
				return append(make([]byte, 8), 0x90, 0), nil
			}
			if name == "short" {
				return append(bytes.Clone(b[5:20]), 0x90, 0), nil
			}
			return append(bytes.Clone(b[5:45]), 0x90, 0), nil
		}))
		if _, err := (BAC{MRZ: icao}).Open(c); err == nil || name != "challenge" && !errors.Is(err, ErrNotAuthentic) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzBACChipTakesAnyToken(f *testing.F) {
	f.Add(unhex(f, icaoToken))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		chip, err := NewBACChip(icao, nil)
		if err != nil {
			t.Fatal(err)
		}
		chip.Challenge()
		var sw card.Status
		if _, _, err := chip.Authenticate(data); !errors.As(err, &sw) {
			t.Errorf("%X: %v", data, err)
		}
	})
}
