package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// guesses are tries at what opens the chip, with its power taken away in between and
// in the middle.
func (d *den) guesses() []attack {
	const wrong = "000000"
	return []attack{
		{"20 wrong access numbers, the power cut after each", "the chip held the guesser up for 2m12.7s, and opens to the right one", func(t *testing.T) string {
			v := &victim{den: d, t: t}
			v.is(d.states[0])
			took := wait(t, func() {
				for range 20 {
					if _, err := v.withPACE(access.CAN(wrong)); err == nil {
						t.Error("opened")
					}
					v.powerCut()
				}
			})
			opens := "opens to the right one"
			wait(t, func() {
				if _, err := v.withPACE(access.CAN(v.can())); err != nil {
					opens = "does not open: " + err.Error()
				}
			})
			return fmt.Sprintf("the chip held the guesser up for %v, and %s", took, opens)
		}},
		{"a wrong access number, the power cut before the chip takes the token", "nothing was told, 0 counted", func(t *testing.T) string { return d.cut(t, access.CAN(wrong), false) }},
		{"a wrong access number, the power cut before the answer leaves", "nothing was told, 1 counted", func(t *testing.T) string { return d.cut(t, access.CAN(wrong), true) }},
		d.assaults("a PIN of PACE guessed, the power cut after each", "63C2 63C1 6985 6985", func(v *victim) {
			v.also(passwords)
			for range 4 {
				v.tries(access.PIN(wrong))
				v.powerCut()
			}
		}),
		d.assaults("the last try at the PIN after the access number, then the right one", "63C2 63C1 63C0 63C0", func(v *victim) {
			v.also(passwords)
			v.tries(access.PIN(wrong))
			v.tries(access.PIN(wrong))
			v.chip.Reset()
			c := must(access.PACE{Info: pace, Password: access.CAN(v.can())}.Open(v.card()))
			v.triesIn(c, access.PIN(wrong))
			v.powerCut()
			v.tries(access.PIN("271828"))
		}),
		d.assaults("a PUK of PACE guessed eleven times", "63C9 63C8 63C7 63C6 63C5 63C4 63C3 63C2 63C1 63C0 63C0", func(v *victim) {
			v.also(passwords)
			for range 11 {
				v.tries(access.PUK("00000000"))
				v.powerCut()
			}
		}),
	}
}

// passwords gives the card a PIN and a PUK for PACE (references 3 and 4).
func passwords(p *chipParts) {
	var pace struct {
		Secrets  map[byte][]byte `json:"secrets"`
		Failures json.RawMessage `json:"failures"`
	}
	must(0, unmarshal(p.emrtd["pace"], &pace))
	pace.Secrets[3], pace.Secrets[4] = []byte("271828"), []byte("31415926")
	p.emrtd["pace"] = must(json.Marshal(pace))
}

// tries opens the chip with a password from the start, and notes how it refuses.
func (v *victim) tries(password access.Password) {
	v.chip.Reset()
	v.triesIn(v.card(), password)
}

func (v *victim) triesIn(c card.Card, password access.Password) {
	_, err := access.PACE{Info: pace, Password: password}.Open(c)
	v.said = append(v.said, word(err))
}

// word is the status word in an error.
func word(err error) string {
	if err == nil {
		return "9000"
	}
	var sw card.Status
	if !errors.As(err, &sw) {
		return err.Error()
	}
	return fmt.Sprintf("%04X", uint16(sw))
}

// cut takes the power at the command that brings the terminal's token, before or
// after it took effect, and tells what was counted.
func (d *den) cut(t *testing.T, password access.Password, after bool) string {
	v := &victim{den: d, t: t}
	v.is(d.states[0])
	v.chip.TearAt(5, after) // MSE:SET AT, then the fourth GENERAL AUTHENTICATE
	_, err := access.PACE{Info: pace, Password: password}.Open(v.card())
	if err == nil || len(v.log) != 5 {
		return fmt.Sprintf("%d commands: %v", len(v.log), err)
	}
	var kept struct {
		EMRTD struct {
			PACE struct{ Failures access.PACEFailures }
		}
	}
	must(0, unmarshal(must(v.chip.State()), &kept))
	told := "nothing was told"
	var sw card.Status
	if errors.As(err, &sw) {
		told = "told " + sw.String()
	}
	return fmt.Sprintf("%s, %d counted", told, kept.EMRTD.PACE.Failures.CAN)
}

// wait measures how long it takes in a world where only sleeping takes time.
func wait(t *testing.T, do func()) (took time.Duration) {
	synctest.Test(t, func(*testing.T) {
		start := time.Now()
		do()
		took = time.Since(start)
	})
	return took
}

// managers are attacks on the card manager.
func (d *den) managers() []attack {
	initialize := card.Command{CLA: 0x80, INS: 0x50, Data: []byte("12345678"), Ne: card.MaxShortNe}
	authenticate := func(level byte, n int) card.Command {
		return card.Command{CLA: 0x84, INS: 0x82, P1: level, Data: make([]byte, n)}
	}
	return []attack{
		d.assaults("the maker's keys after the issue", "6A88", func(v *victim) {
			_, err := access.SCP03{Keys: func(access.KeyInfo) (access.StaticKeys, error) { return access.DefaultKeys, nil }, KeyVersion: 0xFF, Level: access.LevelFull}.Open(v.card())
			v.said = append(v.said, word(err))
		}),
		d.assaults("a wrong cryptogram, and a second try at one challenge", "9000 6982 6985", func(v *victim) {
			c := v.card()
			v.says(c, initialize)
			v.says(c, authenticate(access.LevelFull, 16))
			v.says(c, authenticate(access.LevelFull, 16))
		}),
		d.assaults("EXTERNAL AUTHENTICATE without INITIALIZE UPDATE", "6985", func(v *victim) { v.says(v.card(), authenticate(access.LevelFull, 16)) }),
		d.assaults("EXTERNAL AUTHENTICATE of the channel before", "9000 6982", func(v *victim) {
			must(v.issuers(access.LevelFull))
			old := v.log[len(v.log)-1]
			v.chip.Reset()
			v.says(v.card(), initialize)
			v.sends(old)
		}),
		d.assaults("EXTERNAL AUTHENTICATE, its security level lowered on the way", "6982", func(v *victim) {
			v.chip.Reset()
			_, err := access.SCP03{Keys: v.issuerKeys, Level: access.LevelFull}.Open(card.Over(channelFunc(func(b []byte) ([]byte, error) {
				if b[1] == 0x82 {
					b[2] = access.LevelCMAC
				}
				return v.Exchange(b)
			})))
			v.said = append(v.said, word(err))
		}),
		d.assaults("a channel that protects nothing", "6A86", func(v *victim) {
			_, err := v.issuers(0)
			v.said = append(v.said, word(err))
		}),
		d.assaults("a command of the channel sent again", "9000 6982", func(v *victim) {
			c := must(v.issuers(access.LevelFull))
			v.says(c, card.Command{CLA: 0x80, INS: 0xF2, P1: 0x80, P2: 2, Data: []byte{0x4F, 0}, Ne: card.MaxShortNe})
			v.sends(v.log[len(v.log)-1])
		}),
		d.assaults("PUT KEY, SET STATUS and GET STATUS without a channel", "6982 6982 6982", func(v *victim) {
			for _, ins := range []byte{0xD8, 0xF0, 0xF2} {
				v.says(v.card(), card.Command{CLA: 0x80, INS: ins, P1: 0x80, P2: 0x02, Data: []byte{0x4F, 0}})
			}
		}),
		d.assaults("PUT KEY in the clear inside the channel", "6982 6982", func(v *victim) {
			c := must(v.issuers(access.LevelFull))
			v.says(v.card(), card.Command{CLA: 0x80, INS: 0xD8, P1: 1, P2: 0x81, Data: []byte{1}})
			v.says(c, card.Command{CLA: 0x80, INS: 0xF2, P1: 0x80, P2: 2, Data: []byte{0x4F, 0}})
		}),
		d.assaults("the issuer himself takes the life cycle back", "6985", func(v *victim) {
			v.says(must(v.issuers(access.LevelFull)), card.Command{CLA: 0x80, INS: 0xF0, P1: 0x80, P2: 0x07})
		}),
		{"writing a blank in a channel that only signs", "6982 6982 6982", func(t *testing.T) string {
			v := &victim{den: d, t: t, chip: blankChip(t)}
			c := must(access.SCP03{Keys: func(access.KeyInfo) (access.StaticKeys, error) { return access.DefaultKeys, nil }, Level: access.LevelCMAC}.Open(v.selected()))
			v.says(c, apdu(0xE0, 0, 0, 0x62, 14, 0x80, 2, 0, 9, 0x82, 1, 1, 0x83, 2, 1, 1, 0x88, 1, 8))
			v.says(c, apdu(0xDA, 0, 0x60, newPKCS8()...))
			v.says(c, card.Command{INS: 0x44})
			return strings.Join(v.said, " ")
		}},
	}
}

// holders are attacks on the PIV application by somebody who has found the card.
func (d *den) holders() []attack {
	guess := func(name string, command card.Command) attack {
		return d.assaults(name, "63C2 63C1 63C0 6983", func(v *victim) {
			for range 4 {
				v.says(v.piv(), command)
				v.powerCut()
			}
		})
	}
	cutting := func(name, want string, after bool) attack {
		return d.assaults(name, want, func(v *victim) {
			for range 3 {
				c := v.piv()
				v.chip.TearAt(1, after)
				v.says(c, apdu(0x20, 0, 0x80, wrongPIN...))
				v.powerCut()
			}
			v.says(v.piv(), card.Command{INS: 0x20, P2: 0x80})
		})
	}
	sign := apdu(0x87, 0x11, 0x9C, append([]byte{0x7C, 36, 0x82, 0, 0x81, 32}, make([]byte, 32)...)...)
	return []attack{
		guess("a PIN guessed, the power cut after each", apdu(0x20, 0, 0x80, wrongPIN...)),
		guess("a PIN guessed by changing it", apdu(0x24, 0, 0x80, slices.Concat(wrongPIN, wrongPIN)...)),
		guess("a PUK guessed", apdu(0x2C, 0, 0x80, slices.Concat(wrongPIN, wrongPIN)...)),
		cutting("a PIN guessed, the power cut before the chip takes it", "closed closed closed 63C3", false),
		cutting("a PIN guessed, the power cut before the answer leaves", "closed closed closed 6983", true),
		d.assaults("everything that the management key guards, without it", "6982 6982 6982 6982 6982 6985", func(v *victim) {
			c := v.piv()
			v.says(c, apdu(0xDB, 0x3F, 0xFF, 0x5C, 3, 0x5F, 0xC1, 5, 0x53, 1, 1))
			v.says(c, apdu(0x47, 0, 0x9A, 0xAC, 3, 0x80, 1, 0x11))
			v.says(c, apdu(0xFE, 0x11, 0x9A, append([]byte{6, 32}, make([]byte, 32)...)...))
			v.says(c, apdu(0xFF, 0xFF, 0xFF, append([]byte{3, 0x9B, 24}, make([]byte, 24)...)...))
			v.says(c, apdu(0xFA, 9, 9))
			v.says(c, apdu(0xFB, 0, 0))
		}),
		d.assaults("the management key proven with what the chip said", "9000 6982 9000 6982 9000 6A80", func(v *victim) {
			v.piv()
			algorithm := v.algorithm()
			ask := func(p1 byte, data ...byte) []byte { return v.sends(must(apdu(0x87, p1, 0x9B, data...).Bytes())) }
			witness := ask(algorithm, 0x7C, 2, 0x80, 0)[4:]
			ask(algorithm, template(0x80, witness, 0x81, witness)...)
			challenge := ask(algorithm, 0x7C, 2, 0x81, 0)[4:]
			ask(algorithm, template(0x82, challenge)...)
			ask(algorithm, 0x7C, 2, 0x80, 0)
			ask(algorithm, template(0x81, challenge, 0x82, nil)...)
		}),
		d.assaults("private objects without the PIN", "6982 6982 6982 6982", func(v *victim) {
			for _, id := range []byte{0x03, 0x08, 0x09, 0x21} {
				v.says(v.piv(), apdu(0xCB, 0x3F, 0xFF, 0x5C, 3, 0x5F, 0xC1, id))
			}
		}),
		d.assaults("a signature without the PIN, and a second one on one PIN", "6982 9000 9000 6982", func(v *victim) {
			v.says(v.piv(), sign)
			c := v.piv()
			right := must(v.line.keys.authority.Cards.PIN(string(v.orders[0].Card)))
			v.says(c, apdu(0x20, 0, 0x80, append([]byte(right), 0xFF, 0xFF)...))
			v.says(c, sign)
			v.says(c, sign)
		}),
	}
}

var wrongPIN = []byte("000000\xff\xff")

func (v *victim) piv() card.Card {
	c := v.card()
	if _, err := card.Do(c, apdu(0xA4, 4, 0, 0xA0, 0, 0, 3, 8)); err != nil {
		v.t.Fatal(err)
	}
	return c
}

// algorithm is that of the card's management key.
func (v *victim) algorithm() byte {
	var kept struct {
		PIV struct{ Management struct{ Algorithm byte } }
	}
	must(0, unmarshal(v.state, &kept))
	return kept.PIV.Management.Algorithm
}

// template is a dynamic authentication template: tags, each with its value.
func template(parts ...any) []byte {
	var in []byte
	for i := 0; i < len(parts); i += 2 {
		value, _ := parts[i+1].([]byte)
		in = tlv.Append(in, tlv.Tag(parts[i].(int)), value)
	}
	return tlv.New(0x7C, in)
}
