package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/softcard"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
)

// victim is a finished card in the hands of somebody with a reader of his own.
type victim struct {
	*den
	t     testing.TB
	state []byte // that it began with
	chip  *softcard.Chip
	log   [][]byte // commands as they were sent
	said  []string // status words, in order
	lose  bool     // the next command is lost on its way to the chip
}

// assaults is an attack on the finished first card: the status words that must come,
// and that nothing on the chip changed but counters.
func (d *den) assaults(name, want string, do func(*victim)) attack {
	return attack{name, want + "; nothing changed", func(t *testing.T) string {
		v := &victim{den: d, t: t}
		v.is(d.states[0])
		do(v)
		return strings.Join(v.said, " ") + "; " + v.changed()
	}}
}

// is makes the victim a card of that state.
func (v *victim) is(state []byte) {
	v.state, v.chip = state, must(softcard.Restore(state))
}

// also is the finished card with more on it.
func (v *victim) also(add func(*chipParts)) {
	p := takeApart(v.t, v.state)
	add(p)
	v.is(must(p.chip(v.t).State()))
}

// powerCut takes the card's power and gives it back: what was not kept is gone.
func (v *victim) powerCut() { v.chip = must(softcard.Restore(must(v.chip.State()))) }

// changed tells whether what the chip keeps is still what was issued, counters of
// tries and of channels aside.
func (v *victim) changed() string {
	if string(lasting(v.t, must(v.chip.State()))) == string(lasting(v.t, v.state)) {
		return "nothing changed"
	}
	return "the card changed"
}

// counters are parts of a chip's state that count tries and channels.
var counters = map[string]bool{"failures": true, "left": true, "sequence": true}

func lasting(t testing.TB, state []byte) []byte {
	t.Helper()
	var all any
	if err := json.Unmarshal(state, &all); err != nil {
		t.Fatal(err)
	}
	var strip func(any)
	strip = func(v any) {
		parts, _ := v.(map[string]any)
		for name, part := range parts {
			if counters[name] {
				delete(parts, name)
			}
			strip(part)
		}
	}
	strip(all)
	return must(json.Marshal(all))
}

// Exchange keeps what is sent.
func (v *victim) Exchange(command []byte) ([]byte, error) {
	v.log = append(v.log, bytes.Clone(command))
	if v.lose {
		v.lose = false
		return card.Response{SW: card.OK}.Bytes(), nil
	}
	return v.chip.Exchange(command)
}

func (v *victim) card() card.Card { return card.Over(v) }

// sends sends bytes and notes the status word.
func (v *victim) sends(command []byte) []byte {
	answer, err := v.Exchange(command)
	if err != nil {
		v.said = append(v.said, "nothing")
		return nil
	}
	r := must(card.ParseResponse(answer))
	v.said = append(v.said, fmt.Sprintf("%04X", uint16(r.SW)))
	return r.Data
}

// says sends a command through c and notes the status word.
func (v *victim) says(c card.Card, cmd card.Command) {
	r, err := c.Transmit(cmd)
	if err != nil {
		v.said = append(v.said, "closed")
		return
	}
	v.said = append(v.said, fmt.Sprintf("%04X", uint16(r.SW)))
}

func apdu(ins, p1, p2 byte, data ...byte) card.Command {
	return card.Command{INS: ins, P1: p1, P2: p2, Data: data, Ne: card.MaxShortNe}
}

func (v *victim) mrz() access.MRZ {
	k := keyOf(v.orders[0])
	return access.MRZ{Document: k.Document, Birth: k.Birth, Expiry: k.Expiry}
}

func (v *victim) can() string {
	n := v.orders[0].Citizen.Number
	return n[len(n)-6:]
}

func (v *victim) selected() card.Card {
	c := v.card()
	if err := emrtd.Select(c); err != nil {
		v.t.Fatal(err)
	}
	return c
}

func (v *victim) basic() card.Card {
	v.chip.Reset()
	return must(access.BAC{MRZ: v.mrz()}.Open(v.selected()))
}

func (v *victim) withPACE(password access.Password) (card.Card, error) {
	v.chip.Reset()
	return access.PACE{Info: pace, Password: password}.Open(v.card())
}

// proven is inside the channel of chip authentication.
func (v *victim) proven() card.Card {
	c := v.basic()
	files, _, err := emrtd.Read(c, lds.DG14)
	if err != nil {
		v.t.Fatal(err)
	}
	keys := must(access.ParseChipAuthentication(files[lds.DG14][len(head(0x6E, len(files[lds.DG14])-4)):]))
	return must(access.ChipAuthentication{Key: keys[0]}.Open(c))
}

// issuers is inside a channel under the card's own issuer keys.
func (v *victim) issuers(level byte) (card.Card, error) {
	v.chip.Reset()
	return access.SCP03{Keys: v.issuerKeys, Level: level}.Open(v.card())
}

// issuerKeys are those of a card of the softcard profile.
func (v *victim) issuerKeys(info access.KeyInfo) (access.StaticKeys, error) {
	return v.line.keys.authority.Cards.SCP03(info, 16)
}

// terminals are attacks on the finished card.
func (d *den) terminals() []attack {
	read := apdu(0xB0, 0x80|lds.DG1.SFI(), 0)
	all := []attack{
		d.assaults("read before anything is proven", "6982 6982 6982 6982", func(v *victim) {
			c := v.selected()
			v.says(c, read)
			v.says(c, apdu(0xA4, 2, 0x0C, 0x01, 0x01))
			v.says(c, apdu(0xB1, 0x01, 0x01, 0x54, 1, 0))
			v.says(c, apdu(0x88, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8))
		}),
		d.assaults("fingerprints before terminal authentication", "6982 9000 6982", func(v *victim) {
			v.also(func(p *chipParts) { p.put(lds.Files{lds.DG3: {0x63, 1, 0}}) })
			v.says(v.basic(), apdu(0xB0, 0x80|lds.DG3.SFI(), 0))
			c := v.proven()
			v.says(c, apdu(0xA4, 2, 0x0C, 0x01, 0x03))
			v.says(c, apdu(0xB0, 0, 0))
		}),
	}
	return slices.Concat(all, d.replays(), d.guesses(), d.managers(), d.holders(), d.writes())
}

// replays are attacks on the channels for reading.
func (d *den) replays() []attack {
	read := apdu(0xB0, 0x80|lds.DG1.SFI(), 0)
	// inside a channel: the last command that was sent, changed.
	changed := func(change func([]byte) []byte) func(*victim) {
		return func(v *victim) {
			c := v.basic()
			v.lose = true
			v.says(c, read) // never came: the answer is not the chip's
			v.said = nil
			v.sends(change(v.log[len(v.log)-1]))
			v.says(v.card(), read)
		}
	}
	return []attack{
		d.assaults("a protected command sent again", "9000 6988 6982", func(v *victim) {
			c := v.basic()
			v.says(c, read)
			v.sends(v.log[len(v.log)-1])
			v.says(v.card(), read)
		}),
		d.assaults("a protected command of the channel before", "6988", func(v *victim) {
			v.says(v.basic(), read)
			old := v.log[len(v.log)-1]
			v.said = nil
			v.basic()
			v.sends(old)
		}),
		d.assaults("a protected command left out, the next one sent", "6988", func(v *victim) {
			c := v.basic()
			v.lose = true
			v.says(c, read)
			lost := v.log[len(v.log)-1]
			v.said = nil
			other := bytes.Clone(lost)
			other[2] = 0x80 | lds.DG2.SFI()
			v.sends(other)
		}),
		d.assaults("a protected command, its header changed", "6988 6982", changed(func(b []byte) []byte { b[2] ^= 3; return b })),
		d.assaults("a protected command, its checksum taken off", "6987 6982", changed(func(b []byte) []byte {
			cut := append(b[:4:4], b[4]-10)
			return append(append(cut, b[5:len(b)-11]...), 0)
		})),
		d.assaults("a protected command, a bit of its checksum", "6988 6982", changed(func(b []byte) []byte { b[len(b)-2] ^= 1; return b })),
		d.assaults("a protected command that came as it was sent", "9000 6982", changed(func(b []byte) []byte { return b })),
		d.assaults("a plain command inside the channel", "6982 6982", func(v *victim) {
			c := v.basic()
			v.says(v.card(), read)
			v.says(c, read)
		}),
		d.assaults("the token of basic access control sent again", "9000 6300", func(v *victim) {
			v.basic()
			token := v.log[len(v.log)-1]
			v.chip.Reset()
			c := v.selected()
			v.says(c, card.Command{INS: 0x84, Ne: 8})
			v.sends(token)
		}),
		d.assaults("the token of basic access control without a challenge, and a second try at one", "6985 9000 6300 6985", func(v *victim) {
			c := v.selected()
			token := apdu(0x82, 0, 0, make([]byte, 40)...)
			v.says(c, token)
			v.says(c, card.Command{INS: 0x84, Ne: 8})
			v.says(c, token)
			v.says(c, token)
		}),
		d.assaults("PACE from its second step on", "9000 6985", func(v *victim) {
			c := v.card()
			v.says(c, apdu(0x22, 0xC1, 0xA4, 0x80, 10, 4, 0, 0x7F, 0, 7, 2, 2, 4, 2, 2, 0x83, 1, 2))
			v.says(c, apdu(0x86, 0, 0, 0x7C, 4, 0x81, 2, 4, 0))
		}),
		d.assaults("GENERAL AUTHENTICATE with nothing before it", "6985 6985", func(v *victim) {
			v.says(v.card(), apdu(0x86, 0, 0, 0x7C, 0))
			v.says(v.basic(), apdu(0x86, 0, 0, 0x7C, 0))
		}),
		d.assaults("chip authentication before a channel", "6982 6982", func(v *victim) {
			c := v.selected()
			v.says(c, apdu(0x22, 0x41, 0xA4, 0x80, 1, 0))
			v.says(c, apdu(0x22, 0x41, 0xA6, 0x91, 1, 0))
		}),
		d.assaults("terminal authentication before chip authentication", "6985 6985 6985 6985", func(v *victim) {
			c := v.basic()
			v.says(c, apdu(0x22, 0x81, 0xB6, 0x83, 1, 'A'))
			v.says(c, apdu(0x2A, 0, 0xBE, 0x7F, 0x4E, 0))
			v.says(c, apdu(0x22, 0x81, 0xA4, 0x83, 1, 'A'))
			v.says(c, apdu(0x82, 0, 0, make([]byte, 64)...))
		}),
		d.assaults("chip authentication with a point off the curve", "9000 6A80 9000", func(v *victim) {
			c := v.basic()
			v.says(c, apdu(0x22, 0x41, 0xA4, append([]byte{0x80, 10}, 4, 0, 0x7F, 0, 7, 2, 2, 3, 2, 2)...))
			v.says(c, apdu(0x86, 0, 0, append([]byte{0x7C, 67, 0x80, 65, 4}, make([]byte, 64)...)...))
			v.says(c, read)
		}),
	}
}
