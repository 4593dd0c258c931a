package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/softcard"
	"cardstation/personalize/cccd"
	"cardstation/station"
	"cardstation/station/verify"
)

// blanks are chips that lie to the line. Whatever they do, no order is booked as
// issued; in the end the order waits for another chip, or for a person.
func (d *den) blanks() []attack {
	spoils := func(name string, channel func(*testing.T) card.Channel) attack {
		return attack{name, "not issued", func(t *testing.T) string { return d.issues(t, channel) }}
	}
	another := func(n int) func(*testing.T) card.Channel {
		return func(t *testing.T) card.Channel { return &swapped{first: blankChip(t), second: blankChip(t), n: n} }
	}
	all := []attack{
		{"nothing: a blank", "issued", func(t *testing.T) string {
			return d.issues(t, func(t *testing.T) card.Channel { return blankChip(t) })
		}},
		spoils("a chip that answers 9000 to everything", func(*testing.T) card.Channel { return says(0x90, 0) }),
		spoils("a chip that answers 9000 to everything, with an identity", func(t *testing.T) card.Channel {
			chip := blankChip(t)
			return channelFunc(func(b []byte) ([]byte, error) {
				if b[1] == 0xCA {
					return chip.Exchange(b)
				}
				return []byte{0x90, 0}, nil
			})
		}),
		spoils("a chip that sends back what it is sent", func(*testing.T) card.Channel {
			return channelFunc(func(b []byte) ([]byte, error) { return append(bytes.Clone(b), 0x90, 0), nil })
		}),
		spoils("a chip that answers at random", func(*testing.T) card.Channel {
			return channelFunc(func([]byte) ([]byte, error) {
				b := make([]byte, 40)
				rand.Read(b)
				return append(b, 0x90, 0), nil
			})
		}),
		spoils("a chip with another identity each time it is asked", func(t *testing.T) card.Channel {
			chip, n := blankChip(t), byte(0)
			return channelFunc(func(b []byte) ([]byte, error) {
				answer, err := chip.Exchange(b)
				if err == nil && b[1] == 0xCA && len(answer) > 20 {
					n++
					answer[3+14] ^= n
				}
				return answer, err
			})
		}),
		spoils("a finished card of another citizen, as a new chip", func(t *testing.T) card.Channel { return d.renamed(t, 1, nil) }),
		spoils("a finished card of another citizen, which opens to this one's print", func(t *testing.T) card.Channel {
			return d.renamed(t, 1, func(p *chipParts) {
				// the print of the order that will be next
				next := cccd.Example(uint64(d.line.n))
				zone := must(cccd.MRZ(next, d.orders[0].Expiry))
				p.set(t, "access", access.MRZ{Document: zone.Document, Birth: zone.Birth, Expiry: zone.Expiry})
				p.set(t, "pace", map[string]any{"secrets": map[byte][]byte{2: []byte(next.Number[len(next.Number)-6:])}, "failures": map[string]int{}})
			})
		}),
		spoils("a finished card of another citizen, under its own name", func(t *testing.T) card.Channel { return must(softcard.Restore(d.states[1])) }),
		spoils("a chip that says that it is locked, and is empty", func(t *testing.T) card.Channel {
			return &liar{blankChip(t), func(b, answer []byte) []byte {
				if b[1] == 0xA4 && b[2] == 4 && bytes.Contains(answer, []byte{0x8A, 1, 3}) {
					return bytes.Replace(answer, []byte{0x8A, 1, 3}, []byte{0x8A, 1, 5}, 1)
				}
				return answer
			}}
		}),
		spoils("a chip that says that it has the issuer's keys, and has the maker's", func(t *testing.T) card.Channel {
			return &liar{blankChip(t), func(b, answer []byte) []byte {
				if b[1] == 0x50 && len(answer) > 12 {
					answer[10] = 1
				}
				return answer
			}}
		}),
		spoils("a chip that refuses the new keys and says that it took them", func(t *testing.T) card.Channel {
			chip := blankChip(t)
			return channelFunc(func(b []byte) ([]byte, error) {
				if b[1] == 0xD8 {
					return []byte{0x90, 0}, nil
				}
				return chip.Exchange(b)
			})
		}),
		spoils("a chip whose check values of the new keys are others'", func(t *testing.T) card.Channel { return &keeper{Chip: blankChip(t)} }),
		{"another blank written for the order, before its own chip was", "not issued; then issued, and the other blank is not valid", d.twice},
	}
	for _, n := range []int{3, 4, 5, 6, 8, 12, 16, 20, 30, 40, 60} {
		all = append(all, spoils(fmt.Sprintf("another blank in the reader from command %d on", n), another(n)))
	}
	for _, n := range []int{3, 5, 8, 20, 40, 60} {
		all = append(all, spoils(fmt.Sprintf("another citizen's finished card in the reader from command %d on", n), func(t *testing.T) card.Channel {
			return &swapped{first: blankChip(t), second: must(softcard.Restore(d.states[1])), n: n}
		}))
	}
	return all
}

// issues lets the line have the chip as often as an order bears, and tells whether
// the order was booked issued. It never is unless the chip passes as its card.
func (d *den) issues(t *testing.T, channel func(*testing.T) card.Channel) string {
	o := d.line.order(portraitOnce())
	ch := channel(t)
	for range 3 {
		bounded := &counting{Channel: ch}
		if _, err := d.line.line.Issue(t.Context(), "r", card.Over(bounded)); err != nil {
			t.Log(err)
			if station.HintOf(err) == "" && station.KindOf(err) != station.Unknown {
				t.Errorf("no word to the controller: %v", err)
			}
		}
		if bounded.commands > mostCommands {
			t.Errorf("%d commands were sent", bounded.commands)
		}
		if r, ok := ch.(interface{ Reset() }); ok {
			r.Reset()
		}
	}
	done := must(d.line.db.Order(t.Context(), o.ID))
	if done.State != station.OrderIssued {
		d.cancel(t, o.ID)
		return "not issued"
	}
	v, _, err := verify.Judge(t.Context(), card.Over(ch), keyOf(done), d.line.keys.trust(), d.line.db, time.Now)
	if err != nil || v.Outcome != station.Valid {
		return fmt.Sprintf("issued, and the chip is %s", v.Outcome)
	}
	return "issued"
}

// cancel takes an order out of the queue, so that the next attack has its own.
func (d *den) cancel(t testing.TB, id string) {
	t.Helper()
	must(d.line.db.UpdateOrder(t.Context(), id, func(o *station.Order) ([]station.Event, error) {
		o.State, o.Reason = station.OrderCancelled, "tried"
		return nil, nil
	}))
}

// renamed is a genuine finished card that says that it is another chip.
func (d *den) renamed(t *testing.T, which int, change func(*chipParts)) card.Channel {
	p := takeApart(t, d.states[which])
	if change != nil {
		change(p)
	}
	name := make([]byte, 4)
	rand.Read(name)
	return &liar{p.chip(t), func(b, answer []byte) []byte {
		if b[1] == 0xCA && len(answer) > 20 {
			copy(answer[3+12:], name)
		}
		return answer
	}}
}

// liar is a chip whose answers somebody changes.
type liar struct {
	*softcard.Chip
	change func(command, answer []byte) []byte
}

func (l *liar) Exchange(command []byte) ([]byte, error) {
	answer, err := l.Chip.Exchange(command)
	if err != nil {
		return nil, err
	}
	return l.change(command, answer), nil
}

// swapped is a reader in which one chip takes another's place, unseen.
type swapped struct {
	first, second *softcard.Chip
	n             int
}

func (s *swapped) Exchange(command []byte) ([]byte, error) {
	if s.n--; s.n > 0 {
		return s.first.Exchange(command)
	}
	return s.second.Exchange(command)
}

func (s *swapped) Reset() { s.second.Reset() }

// keeper is a maker's chip that takes the issuer's keys and answers with check values
// of its own.
type keeper struct {
	*softcard.Chip
	scp     *access.SCP03Chip
	channel access.Secure
}

func (k *keeper) Exchange(command []byte) ([]byte, error) {
	cmd := must(card.ParseCommand(command))
	switch {
	case cmd.INS == 0x50:
		k.scp = access.NewSCP03Chip(access.DefaultKeys, access.KeyInfo{Version: 0xFF, Protocol: 3, I: 0x70}, 1, nil)
		k.scp.Invoker = []byte{0xA0, 0, 0, 1, 0x51, 0, 0, 0}
		return card.Response{Data: must(k.scp.Initialize(cmd.Data)), SW: card.OK}.Bytes(), nil
	case cmd.INS == 0x82:
		k.channel = must(k.scp.Authenticate(cmd))
		return card.Response{SW: card.OK}.Bytes(), nil
	case cmd.INS == 0xD8:
		must(k.channel.Unprotect(cmd))
		return must(k.channel.Protect(card.Response{Data: []byte{1, 1, 2, 3, 4, 5, 6, 7, 8, 9}, SW: card.OK})).Bytes(), nil
	}
	return k.Chip.Exchange(command)
}

// twice has one blank written while the order is bound to another, which is then
// issued.
func (d *den) twice(t *testing.T) string {
	o, mine, other := d.line.order(portraitOnce()), blankChip(t), blankChip(t)
	told := "issued"
	if _, err := d.line.line.Issue(t.Context(), "r", card.Over(&swapped{first: mine, second: other, n: 5})); err != nil {
		told = "not issued"
	}
	mine.Reset()
	if _, err := d.line.line.Issue(t.Context(), "r", card.Over(mine)); err != nil {
		return told + "; then " + err.Error()
	}
	if v := d.line.judge(o, mine); v.Outcome != station.Valid {
		return told + "; then issued, and " + string(v.Outcome)
	}
	return fmt.Sprintf("%s; then issued, and the other blank is %s", told, d.line.judge(o, other).Outcome)
}
