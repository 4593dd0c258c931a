package main

import (
	"bytes"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/personalize/lds"
	"cardstation/station"
	"cardstation/station/verify"
)

// edit is what a fuzzer does to one answer of a real conversation: four bytes of its
// input.
type edit struct{ answer, kind, at, value byte }

// Kinds of edits.
const (
	editFlip   = iota // value into the byte at
	editCut           // all from at on but the status word
	editStatus        // 6xyy
	editOK            // 9000
	editGrow          // at times value, before the status word
	editRepeat        // the answer before
	editAll           // no byte, not even a status word
	editPaste         // value in the place of the byte at from the end
	edits
)

func parseEdits(b []byte) map[byte][]edit {
	all := map[byte][]edit{}
	for ; len(b) >= 4; b = b[4:] {
		all[b[0]] = append(all[b[0]], edit{b[0], b[1] % edits, b[2], b[3]})
	}
	return all
}

// apply changes one answer, status word included.
func (e edit) apply(answer, before []byte) []byte {
	answer = bytes.Clone(answer)
	n := len(answer)
	if n < 2 {
		return answer
	}
	switch e.kind {
	case editFlip:
		answer[int(e.at)%n] ^= e.value
	case editCut:
		answer = append(answer[:int(e.at)%(n-1)], answer[n-2:]...)
	case editStatus:
		answer[n-2], answer[n-1] = 0x60|e.at&0xF, e.value
	case editOK:
		answer[n-2], answer[n-1] = 0x90, 0
	case editGrow:
		answer = append(append(answer[:n-2:n-2], bytes.Repeat([]byte{e.value}, int(e.at))...), answer[n-2:]...)
	case editRepeat:
		answer = bytes.Clone(before)
	case editAll:
		answer = nil
	case editPaste:
		answer[n-1-int(e.at)%n] = e.value
	}
	return answer
}

// edited is a chip whose answers are edited, by their number.
type edited struct {
	card.Channel
	edits  map[byte][]edit
	n      int
	before []byte
}

func (e *edited) Exchange(command []byte) ([]byte, error) {
	answer, err := e.Channel.Exchange(command)
	if err != nil {
		return nil, err
	}
	given := answer
	if e.n < 256 {
		for _, one := range e.edits[byte(e.n)] {
			given = one.apply(given, e.before)
		}
	}
	e.n++
	e.before = answer
	return given, nil
}

func seedEdits(f *testing.F, answers byte, add func([]byte)) {
	for answer := byte(0); answer < answers; answer += 3 {
		for kind := range byte(edits) {
			add([]byte{answer, kind, 7, 0x81})
		}
	}
	add([]byte{2, editStatus, 0xA, 0x82, 9, editFlip, 3, 1, 9, editCut, 40, 0})
}

// FuzzHostileChip has an office judge a chip that is real but for the answers that
// the fuzzer changes: those on the wire (somebody between), or those before they are
// protected (the chip itself). There is always a verdict, in a bounded number of
// commands; whatever is not passed has its reason; and what is valid is the genuine
// document, byte for byte.
func FuzzHostileChip(f *testing.F) {
	d := newDen(f)
	seedEdits(f, 40, func(b []byte) { f.Add(false, b) })
	seedEdits(f, 24, func(b []byte) { f.Add(true, b) })
	f.Fuzz(func(t *testing.T, inside bool, script []byte) {
		var genuine lds.Files
		v, files := d.verdict(t, func(s *scene) {
			if inside {
				p, n, before := s.puppet(), 0, []byte(nil)
				all := parseEdits(script)
				p.lie = func(_ card.Command, honest card.Response) card.Response {
					b := honest.Bytes()
					given := b
					for _, e := range all[byte(min(n, 255))] {
						given = e.apply(given, before)
					}
					n, before = n+1, b
					r, err := card.ParseResponse(given)
					if err != nil {
						return card.Response{SW: card.OK}
					}
					return r
				}
			} else {
				s.front = func(ch card.Channel) card.Channel { return &edited{Channel: ch, edits: parseEdits(script)} }
			}
			genuine = s.groups()
		})
		for _, c := range v.Checks {
			if c.Name == "" || c.Result != station.Passed && c.Why == "" {
				t.Errorf("row %+v", c)
			}
		}
		for id, data := range genuine {
			if got, ok := files[id]; v.Outcome == station.Valid && ok && !bytes.Equal(got, data) {
				t.Errorf("valid with another %s", id)
			}
		}
	})
}

// FuzzHostileTerminal sends a finished card commands (a length byte, then as many
// bytes: class, instruction, parameters, data) in each state that a terminal can
// bring it to, through the channel of that state. Nothing is written but counters,
// and no answer holds a secret.
func FuzzHostileTerminal(f *testing.F) {
	d := newDen(f)
	secrets := secretsOf(f, d.states[0])
	ways := d.ways()
	for way := range ways {
		for _, script := range [][]byte{
			{4, 0, 0xB0, 0x81, 0}, {6, 0, 0xA4, 2, 0x0C, 1, 1, 4, 0, 0xB0, 0, 0}, {4, 0, 0x44, 0, 0}, {12, 0, 0x88, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8},
			{8, 0, 0xD6, 0, 0, 1, 2, 3, 4}, {6, 0, 0x22, 0x41, 0xA4, 0x80, 0, 6, 0, 0x86, 0, 0, 0x7C, 0}, {4, 0x80, 0xF0, 0x80, 7, 4, 0x80, 0xCA, 0, 0xE0},
			{12, 0, 0x20, 0, 0x80, 1, 2, 3, 4, 5, 6, 7, 8}, {9, 0, 0xCB, 0x3F, 0xFF, 0x5C, 3, 0x5F, 0xC1, 5}, {4, 0, 0xF9, 0x9A, 0}, {4, 0, 0xF7, 0, 0x9B},
		} {
			f.Add(byte(way), script)
		}
	}
	f.Fuzz(func(t *testing.T, way byte, script []byte) {
		v := &victim{den: d, t: t}
		v.is(d.states[0])
		way %= byte(len(ways))
		c := ways[way].enter(v)
		for len(script) > 0 {
			n := min(int(script[0]), len(script)-1)
			b := script[1 : 1+n]
			script = script[1+n:]
			if n < 4 || elsewhere[int(b[1])] && b[1] != 0xA4 || b[1] == 0xFB { // RESET of a blocked PIV application is everybody's
				continue
			}
			r, err := c.Transmit(card.Command{CLA: b[0] & 0x80, INS: b[1], P1: b[2], P2: b[3], Data: b[4:], Ne: card.MaxShortNe})
			if err != nil {
				break
			}
			for name, secret := range secrets {
				if bytes.Contains(r.Data, secret) && !bytes.Contains(b, secret) {
					t.Fatalf("%X gives the %s", b[:4], name)
				}
			}
		}
		if changed := v.changed(); changed != "nothing changed" {
			t.Errorf("%s: %s", ways[way].name, changed)
		}
	})
}

// FuzzHostileBlank has the line issue a blank whose answers the fuzzer changes. What
// is booked as issued is a valid card of its order.
func FuzzHostileBlank(f *testing.F) {
	d := newDen(f)
	seedEdits(f, 24, func(b []byte) { f.Add(b) })
	portrait := portraitOnce()
	f.Fuzz(func(t *testing.T, script []byte) {
		d.line.t = t // not f, in here
		o, chip := d.line.order(portrait), blankChip(t)
		_, err := d.line.line.Issue(t.Context(), "r", card.Over(&edited{Channel: chip, edits: parseEdits(script)}))
		done := must(d.line.db.Order(t.Context(), o.ID))
		if done.State != station.OrderIssued {
			if err == nil {
				t.Error("no error, and not issued")
			}
			d.cancel(t, o.ID)
			return
		}
		chip.Reset()
		v, _, err := verify.Judge(t.Context(), card.Over(chip), keyOf(done), d.line.keys.trust(), d.line.db, time.Now)
		if err != nil || v.Outcome != station.Valid {
			t.Errorf("issued, and %s: %v (%v)", v.Outcome, v.Checks, err)
		}
	})
}
