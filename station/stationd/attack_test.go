package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/softcard"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/verify"
)

// attack is a line of the table: what is done, what must come of it, and how it is
// tried. got gives what came of it, in the same words.
type attack struct {
	name string
	want string
	got  func(*testing.T) string
}

// TestAttackTable holds the station against bad input on both ends of a chip, and
// prints with -v one line an attack: what is done, what must come of it, what came.
//
// One attack is not in it: a copy that hands each challenge on to the genuine chip
// somewhere else. No protocol of an eMRTD tells that from the genuine chip at the
// reader; what it takes is the genuine chip at hand, opened, and that is what
// revocation is for.
func TestAttackTable(t *testing.T) {
	d := newDen(t)
	for _, part := range []struct {
		name string
		all  []attack
	}{
		{"office", slices.Concat(d.copies(), d.swaps(), d.downgrades(), d.signers(), d.sizes(), d.bombs(), d.proofs(), d.channels())},
		{"chip", d.terminals()},
		{"line", d.blanks()},
	} {
		for _, a := range part.all {
			t.Run(part.name+"/"+a.name, func(t *testing.T) {
				got := a.got(t)
				t.Logf("%s | %s | %s", a.name, a.want, got)
				if got != a.want {
					t.Errorf("%s: %s, want %s", a.name, got, a.want)
				}
			})
		}
	}
}

// den is where the forgers work: a line that issued two cards, whose files and
// signers' keys are all at hand.
type den struct {
	t       testing.TB
	line    *lineForTest
	country pki.Identity
	signer  pki.Identity
	citizen pki.Identity
	orders  [2]station.Order
	states  [2][]byte // of the two genuine cards
	recent  time.Time
}

func newDen(t testing.TB) *den {
	t.Helper()
	d := &den{t: t, line: newLineForTest(t), recent: time.Now()}
	for name, id := range map[string]*pki.Identity{"csca": &d.country, "ds": &d.signer, "citizen-ca": &d.citizen} {
		*id = must(pki.LoadIdentity(d.line.dir, name))
	}
	for i := range d.orders {
		chip := blankChip(t)
		o := d.line.order(portraitOnce())
		if _, err := d.line.line.Issue(t.Context(), "r", card.Over(chip)); err != nil {
			t.Fatal(err)
		}
		done, err := d.line.db.Order(t.Context(), o.ID)
		if err != nil {
			t.Fatal(err)
		}
		d.orders[i] = done
		if d.states[i], err = chip.State(); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// chipParts is a chip's state taken apart, as somebody who makes his own chips can
// set it.
type chipParts struct {
	whole map[string]json.RawMessage
	emrtd map[string]json.RawMessage
	files map[lds.FileID]*chipFile
}

type chipFile struct {
	SFI  byte   `json:"sfi"`
	Data []byte `json:"data"`
}

func takeApart(t testing.TB, state []byte) *chipParts {
	t.Helper()
	p := &chipParts{}
	for _, u := range []struct {
		raw  func() []byte
		into any
	}{
		{func() []byte { return state }, &p.whole},
		{func() []byte { return p.whole["emrtd"] }, &p.emrtd},
		{func() []byte { return p.emrtd["files"] }, &p.files},
	} {
		if err := json.Unmarshal(u.raw(), u.into); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *chipParts) set(t testing.TB, part string, value any) {
	t.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	p.emrtd[part] = b
}

// put writes files in the place of those of the same name.
func (p *chipParts) put(files lds.Files) {
	for id, data := range files {
		p.files[id] = &chipFile{id.SFI(), data}
	}
}

func (p *chipParts) chip(t testing.TB) *softcard.Chip {
	t.Helper()
	p.set(t, "files", p.files)
	whole := maps.Clone(p.whole)
	var err error
	if whole["emrtd"], err = json.Marshal(p.emrtd); err != nil {
		t.Fatal(err)
	}
	state, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	chip, err := softcard.Restore(state)
	if err != nil {
		t.Fatal(err)
	}
	return chip
}

// scene is one attack on an office: the genuine card of the first citizen, until the
// attack changes it.
type scene struct {
	*den
	t     testing.TB
	chip  *chipParts
	trust lds.Trust
	now   func() time.Time
	key   verify.Key
	list  verify.Revocations
	front func(card.Channel) card.Channel // stands before the chip
	plays card.Channel                    // in place of the chip

	terminal *emrtd.Terminal // nil: an office that opens no fingerprints
	probe    *verify.Probe
	show     func(portrait []byte)
}

// deceives is an attack on an office: the verdict that it must get, and the row that
// must say so, "" where none speaks against the card.
func (d *den) deceives(name string, outcome station.Outcome, row string, result station.Result, play func(*scene)) attack {
	told := func(o station.Outcome, r station.Result) string {
		if row == "" {
			return string(o)
		}
		return fmt.Sprintf("%s: %s %s", o, row, r)
	}
	return attack{name, told(outcome, result), func(t *testing.T) string {
		v := d.judge(t, play)
		if t.Failed() || testing.Verbose() {
			for _, c := range v.Checks {
				if c.Name == row {
					t.Log(c.Why)
				}
			}
		}
		if v.Outcome != outcome {
			t.Log(v.Checks)
		}
		return told(v.Outcome, resultOf(v, row))
	}}
}

func (d *den) judge(t testing.TB, play func(*scene)) station.Verdict {
	t.Helper()
	v, _ := d.verdict(t, play)
	return v
}

func (d *den) verdict(t testing.TB, play func(*scene)) (station.Verdict, lds.Files) {
	t.Helper()
	s := &scene{den: d, t: t, chip: takeApart(t, d.states[0]), trust: d.line.keys.trust(), now: time.Now, key: keyOf(d.orders[0])}
	play(s)
	channel := s.plays
	if channel == nil {
		channel = s.chip.chip(t)
	}
	if s.front != nil {
		channel = s.front(channel)
	}
	bounded := &counting{Channel: channel}
	v, files, err := verify.Means{Trust: s.trust, Revocations: s.list, Terminal: s.terminal, Matcher: matcher{}, Now: s.now, Show: s.show}.Judge(t.Context(), card.Over(bounded), s.key, s.probe)
	if err != nil {
		t.Fatal(err)
	}
	if bounded.commands > mostCommands {
		t.Errorf("%d commands were sent", bounded.commands)
	}
	return v, files
}

// mostCommands is more than any verification needs.
const mostCommands = 3 * 8192

// counting counts the commands that are sent.
type counting struct {
	card.Channel
	commands int
}

func (c *counting) Exchange(command []byte) ([]byte, error) {
	c.commands++
	return c.Channel.Exchange(command)
}

func resultOf(v station.Verdict, name string) station.Result {
	for _, c := range v.Checks {
		if c.Name == name {
			return c.Result
		}
	}
	return ""
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
