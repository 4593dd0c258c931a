package main

import (
	"bytes"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/station"
)

// proofs are chips that answer the questions for their keys with something else.
func (d *den) proofs() []attack {
	failed, undone := station.Failed, station.NotDone
	signs := func(sign func(p *puppet, challenge []byte) card.Response) func(*scene) {
		return func(s *scene) {
			p := s.puppet()
			p.lie = func(cmd card.Command, honest card.Response) card.Response {
				if cmd.INS != 0x88 {
					return honest
				}
				return sign(p, cmd.Data)
			}
		}
	}
	gives := func(b []byte) func(*scene) {
		return signs(func(*puppet, []byte) card.Response { return card.Response{Data: b, SW: card.OK} })
	}
	halves := func(r, s byte) []byte {
		return append(bytes.Repeat([]byte{r}, 32), bytes.Repeat([]byte{s}, 32)...)
	}
	return []attack{
		d.deceives("active authentication answered with r = s = 0", station.NotValid, emrtd.CheckActive, failed, gives(halves(0, 0))),
		d.deceives("active authentication answered with r and s beyond the order", station.NotValid, emrtd.CheckActive, failed, gives(halves(0xFF, 0xFF))),
		d.deceives("active authentication answered with nothing", station.NotValid, emrtd.CheckActive, failed, gives(nil)),
		d.deceives("active authentication answered with 200 bytes", station.NotValid, emrtd.CheckActive, failed, gives(make([]byte, 200))),
		d.deceives("active authentication answered with the challenge", station.NotValid, emrtd.CheckActive, failed, signs(func(_ *puppet, c []byte) card.Response {
			return card.Response{Data: bytes.Repeat(c, 8), SW: card.OK}
		})),
		d.deceives("active authentication answered with a signature of yesterday", station.NotValid, emrtd.CheckActive, failed, signs(func(p *puppet, _ []byte) card.Response {
			return card.Response{Data: must(access.SignActive(p.key, 0, []byte("yesterda"), nil)), SW: card.OK}
		})),
		d.deceives("active authentication refused", station.NotChecked, emrtd.CheckActive, undone, signs(func(*puppet, []byte) card.Response {
			return card.Response{SW: card.InsNotSupported}
		})),
		d.deceives("chip authentication: the new keys are never used", station.NotValid, emrtd.CheckChip, failed, d.agrees(func(command []byte) []byte { return nil })),
		d.deceives("chip authentication: each command comes back as its answer", station.NotValid, emrtd.CheckChip, failed, d.agrees(func(command []byte) []byte {
			cmd := must(card.ParseCommand(command))
			return card.Response{Data: cmd.Data, SW: card.OK}.Bytes()
		})),
		d.deceives("chip authentication: plain answers under the new keys", station.NotValid, emrtd.CheckChip, failed, d.agrees(func([]byte) []byte {
			return card.Response{Data: []byte{0x60, 0}, SW: card.OK}.Bytes()
		})),
		d.deceives("chip authentication: refusals in the clear under the new keys", station.Valid, emrtd.CheckChip, undone, d.agrees(func([]byte) []byte {
			return card.Response{SW: card.FileNotFound}.Bytes()
		})),
	}
}

// agrees is a chip that agrees to chip authentication without its key, and then
// answers from outside; nil goes on under the old keys. Its active key is genuine.
func (d *den) agrees(after func([]byte) []byte) func(*scene) {
	return func(s *scene) {
		p := s.puppet()
		s.signed(p, lds.Files{lds.DG14: manyKeys(1, 1)})
		p.lie = func(cmd card.Command, honest card.Response) card.Response {
			switch cmd.INS {
			case 0x22:
				return card.Response{SW: card.OK}
			case 0x86:
				if after(must(card.Command{INS: 0xB0, Ne: 1}.Bytes())) != nil {
					p.after = after
				}
				return card.Response{Data: []byte{0x7C, 0}, SW: card.OK}
			}
			return honest
		}
	}
}

// spoilt is somebody between an honest chip and the station, who changes what goes
// over the channel: the n-th protected answer, or all from then on.
type spoilt struct {
	card.Channel
	n      int
	before []byte // the answer before
	change func(s *spoilt, command, honest []byte) []byte
}

func (s *spoilt) Exchange(command []byte) ([]byte, error) {
	answer, err := s.Channel.Exchange(command)
	if err != nil || command[0]&0x0C == 0 {
		return answer, err
	}
	s.n--
	given := answer
	if s.n <= 0 {
		given = s.change(s, command, bytes.Clone(answer))
	}
	s.before = answer
	return given, nil
}

// channels are answers changed on their way. Nobody proves anything by that: it
// cannot be checked. But for what only the chip says of itself in the clear.
func (d *den) channels() []attack {
	undone := station.NotDone
	const reading = emrtd.CheckReading
	once := func(n int, change func(s *spoilt, command, honest []byte) []byte) func(*scene) {
		return func(s *scene) {
			s.front = func(ch card.Channel) card.Channel { return &spoilt{Channel: ch, n: n, change: change} }
		}
	}
	plain := func(sw card.Status, data ...byte) func(*spoilt, []byte, []byte) []byte {
		return func(*spoilt, []byte, []byte) []byte { return card.Response{Data: data, SW: sw}.Bytes() }
	}
	return []attack{
		d.deceives("an answer sent a second time", station.NotChecked, reading, undone, once(4, func(s *spoilt, _, _ []byte) []byte { return s.before })),
		d.deceives("a bit of a cryptogram", station.NotChecked, reading, undone, once(4, func(_ *spoilt, _, b []byte) []byte { b[5] ^= 1; return b })),
		d.deceives("a bit of a checksum", station.NotChecked, reading, undone, once(4, func(_ *spoilt, _, b []byte) []byte { b[len(b)-3] ^= 1; return b })),
		d.deceives("an answer without its checksum", station.NotChecked, reading, undone, once(4, func(_ *spoilt, _, b []byte) []byte { return append(b[:len(b)-12], 0x90, 0) })),
		d.deceives("a checksum of four bytes", station.NotChecked, reading, undone, once(4, func(_ *spoilt, _, b []byte) []byte {
			cut := append(b[:len(b)-12:len(b)-12], 0x8E, 4)
			return append(append(cut, b[len(b)-10:len(b)-6]...), 0x90, 0)
		})),
		d.deceives("a checksum of no bytes", station.NotChecked, reading, undone, once(4, func(_ *spoilt, _, b []byte) []byte { return append(b[:len(b)-12], 0x8E, 0, 0x90, 0) })),
		d.deceives("data in the clear inside the channel", station.NotChecked, reading, undone, once(4, plain(card.OK, 0x61, 2, 0x5F, 0x1F))),
		d.deceives("9000 in the clear inside the channel", station.NotChecked, reading, undone, once(4, plain(card.OK))),
		d.deceives("end of file in the clear inside the channel", station.NotChecked, reading, undone, once(4, plain(card.EndOfFile, 0x61, 0))),
		d.deceives("a status word other than the protected one around it", station.Valid, "", "", once(4, func(_ *spoilt, _, b []byte) []byte {
			return append(b[:len(b)-2], 0x62, 0x82)
		})),
		d.deceives("file not found, in the clear, from the second file on", station.NotChecked, lds.CheckSOD, undone, once(2, plain(card.FileNotFound))),
		d.deceives("secure messaging refused in the clear", station.NotChecked, reading, undone, once(4, plain(card.SMObjectsIncorrect))),
		d.deceives("the chip of another card, which does not open to this print", station.NotChecked, emrtd.CheckAccess, undone, func(s *scene) { s.chip = takeApart(s.t, s.states[1]) }),
	}
}
