package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// writes try the finished card command by command, in every state that a terminal
// can bring it to: each instruction, with the parameters and the data that once
// wrote it. Nothing is written, and nothing that is secret is in an answer.
func (d *den) writes() []attack {
	files := func(name string, enter func(*victim) card.Card) attack {
		return attack{"every file by both its names " + name, "no secret told", func(t *testing.T) string {
			v := &victim{den: d, t: t}
			v.is(d.states[0])
			return v.files(enter(v))
		}}
	}
	all := []attack{
		{"every command on a card that was not locked", "the card changed after instruction 44", func(t *testing.T) string { // that the rows below would tell
			v := &victim{den: d, t: t}
			v.is(d.states[0])
			v.also(func(p *chipParts) { p.set(t, "active", false) })
			return v.sweep(false, func(v *victim) card.Card {
				v.chip.Reset()
				return must(access.SCP03{Keys: v.issuerKeys, Level: access.LevelFull}.Open(v.selected()))
			})
		}},
		files("in the clear", (*victim).selected),
		files("after basic access control", (*victim).basic),
		files("after chip authentication", (*victim).proven),
		files("under the issuer's keys", func(v *victim) card.Card { return must(v.issuers(access.LevelFull)) }),
	}
	for _, w := range d.ways() {
		all = append(all, attack{"every command " + w.name, "nothing changed, no secret told", func(t *testing.T) string {
			v := &victim{den: d, t: t}
			v.is(d.states[0])
			return v.sweep(w.each, w.enter)
		}})
	}
	return all
}

// stand is a state that a terminal can bring the finished card to.
type stand struct {
	name  string
	each  bool // from the start for each instruction, as what one counts locks the next out
	enter func(*victim) card.Card
}

func (d *den) ways() []stand {
	return []stand{
		{"after reset", false, func(v *victim) card.Card { v.chip.Reset(); return v.card() }},
		{"at the application", false, func(v *victim) card.Card { v.chip.Reset(); return v.selected() }},
		{"after basic access control", false, (*victim).basic},
		{"after PACE", false, func(v *victim) card.Card { return must(v.withPACE(access.CAN(v.can()))) }},
		{"after chip authentication", false, (*victim).proven},
		{"under the issuer's keys", false, func(v *victim) card.Card { return must(v.issuers(access.LevelFull)) }},
		{"under the issuer's keys, signed only", false, func(v *victim) card.Card { return must(v.issuers(access.LevelCMAC)) }},
		{"at the PIV application", true, func(v *victim) card.Card { v.is(v.state); return v.piv() }},
		{"at the PIV application, with the PIN", true, func(v *victim) card.Card {
			v.is(v.state)
			c := v.piv()
			right := must(v.line.keys.authority.Cards.PIN(string(v.orders[0].Card)))
			must(card.Do(c, apdu(0x20, 0, 0x80, append([]byte(right), 0xFF, 0xFF)...)))
			return c
		}},
	}
}

var (
	sweptParameters = []uint16{0x0000, 0x0060, 0x0062, 0x0063, 0x0066, 0x0180, 0x3FFF, 0x8007, 0x8100, 0x9A9A, 0xDEAD}
	sweptData       = [][]byte{nil, {0x62, 14, 0x80, 2, 0, 9, 0x82, 1, 1, 0x83, 2, 1, 5, 0x88, 1, 0x28}, tlv.New(0x66, []byte("\x02999999")),
		{0x5C, 3, 0x5F, 0xC1, 5, 0x53, 1, 1}, {0x54, 1, 0, 0x53, 1, 1}}
)

// elsewhere are instructions that lead to another state, and PUT KEY, which the
// issuer may: in his channel the keys are his to replace.
var elsewhere = map[int]bool{0xA4: true, 0xD8: true}

func (v *victim) sweep(each bool, enter func(*victim) card.Card) string {
	secrets := secretsOf(v.t, v.state)
	c := enter(v)
	for ins := range 256 {
		if elsewhere[ins] {
			continue
		}
		if each {
			c = enter(v)
		}
		for i := range 2 * len(sweptParameters) * len(sweptData) {
			p, data := sweptParameters[i/len(sweptData)%len(sweptParameters)], sweptData[i%len(sweptData)]
			cmd := card.Command{CLA: byte(i / len(sweptData) / len(sweptParameters) * 0x80), INS: byte(ins), P1: byte(p >> 8), P2: byte(p), Data: data, Ne: 256}
			r, err := c.Transmit(cmd)
			if err != nil { // the channel has ended
				c = enter(v)
				continue
			}
			for name, secret := range secrets {
				if bytes.Contains(r.Data, secret) {
					return fmt.Sprintf("%s gives the %s", cmd, name)
				}
			}
		}
		v.log = nil
		if changed := v.changed(); changed != "nothing changed" {
			return fmt.Sprintf("%s after instruction %02X", changed, ins)
		}
	}
	return "nothing changed, no secret told"
}

// files reads all that has a name, long or short.
func (v *victim) files(c card.Card) string {
	secrets := secretsOf(v.t, v.state)
	holds := func(cmd card.Command) string {
		r, err := c.Transmit(cmd)
		if err != nil {
			return "the channel ended"
		}
		for name, secret := range secrets {
			if bytes.Contains(r.Data, secret) {
				return fmt.Sprintf("%s gives the %s", cmd, name)
			}
		}
		return ""
	}
	for sfi := range byte(31) {
		if told := holds(card.Command{INS: 0xB0, P1: 0x80 | sfi, Ne: card.MaxExtendedNe}); told != "" {
			return told
		}
	}
	for id := range 1 << 16 {
		v.log = nil
		r, err := c.Transmit(apdu(0xA4, 2, 0x0C, byte(id>>8), byte(id)))
		if err != nil {
			return "the channel ended"
		}
		if r.SW != card.OK {
			continue
		}
		if told := holds(card.Command{INS: 0xB0, Ne: card.MaxExtendedNe}); told != "" {
			return told
		}
	}
	return "no secret told"
}

// secretsOf are the keys and passwords of a card that no answer may hold. The card
// access number is not among them: it is the end of the personal number, which
// whoever has opened the card may read.
func secretsOf(t testing.TB, state []byte) map[string][]byte {
	t.Helper()
	var kept struct {
		Manager struct{ Keys access.StaticKeys }
		EMRTD   struct{ AAKey, ChipKey []byte }
		PIV     struct {
			PIN, PUK   struct{ Value []byte }
			Management struct{ Key []byte }
			Keys       map[byte]struct{ PKCS8 []byte }
		}
	}
	must(0, unmarshal(state, &kept))
	scalar := func(der []byte) []byte {
		key := must(x509.ParsePKCS8PrivateKey(der))
		return must(key.(*ecdsa.PrivateKey).Bytes())
	}
	all := map[string][]byte{"encryption key": kept.Manager.Keys.ENC, "checksum key": kept.Manager.Keys.MAC, "key encryption key": kept.Manager.Keys.DEK,
		"active key": scalar(kept.EMRTD.AAKey), "static key": scalar(kept.EMRTD.ChipKey), "PIN": kept.PIV.PIN.Value, "PUK": kept.PIV.PUK.Value, "management key": kept.PIV.Management.Key}
	for slot, key := range kept.PIV.Keys {
		all[fmt.Sprintf("key %02X", slot)] = scalar(key.PKCS8)
	}
	for name, secret := range all {
		if len(secret) < 8 {
			t.Fatalf("%s of %d bytes", name, len(secret))
		}
	}
	return all
}
