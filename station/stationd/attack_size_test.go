package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/jpeg"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	face "cardstation/biometrics/record"
	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/station"
	"cardstation/station/verify"
)

func unmarshal(b []byte, into any) error { return json.Unmarshal(b, into) }

// portraitOnce is a portrait of nobody, which nobody has to judge.
var portraitOnce = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	must(0, jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 240, 320)), nil))
	return b.Bytes()
})

// photo is a picture of so many bytes: the portrait, with comments in it.
func photo(size int) []byte {
	picture := portraitOnce()
	out := bytes.Clone(picture[:2])
	for size > len(picture)+len(out) {
		n := min(size-len(picture)-len(out), 0xFFFF)
		out = binary.BigEndian.AppendUint16(append(out, 0xFF, 0xFE), uint16(max(n-2, 2)))
		out = append(out, make([]byte, max(n-4, 0))...)
	}
	return append(out, picture[2:]...)
}

// portraitOf is a DG2 with one picture.
func portraitOf(picture []byte) []byte {
	one := face.Face{Images: []face.Image{{Type: face.ImageFullFrontal, Media: face.MediaJPEG, Width: 480, Height: 640, ColourSpace: 1, Source: 2, Data: picture}}}
	return must(lds.EncodeDG2(one))
}

// sizes are chips that never end, or have more than is read, or less than they say.
func (d *den) sizes() []attack {
	failed, undone := station.Failed, station.NotDone
	holds := func(id lds.FileID, data []byte) func(*scene) {
		return func(s *scene) { s.puppet().files[id] = data }
	}
	lies := func(lie func(card.Command, card.Response) card.Response) func(*scene) {
		return func(s *scene) { s.puppet().lie = lie }
	}
	return []attack{
		d.deceives("nothing: a chip without PACE and chip authentication", station.Valid, "", "", func(s *scene) { s.puppet() }),
		d.deceives("portrait of 200 KB, signed", station.Valid, "", "", func(s *scene) {
			s.signed(s.puppet(), lds.Files{lds.DG2: portraitOf(photo(200 << 10))})
		}),
		d.deceives("portrait of 300 KB, signed", station.NotChecked, emrtd.CheckReading, undone, func(s *scene) {
			s.signed(s.puppet(), lds.Files{lds.DG2: portraitOf(photo(300 << 10))})
		}),
		d.deceives("file whose header claims 2 GB", station.NotChecked, emrtd.CheckReading, undone, holds(lds.DG2, append([]byte{0x75, 0x84, 0x7F, 0xFF, 0xFF, 0xFF}, make([]byte, 1000)...))),
		d.deceives("file whose header claims 4 GB", station.NotChecked, emrtd.CheckReading, undone, holds(lds.DG2, append([]byte{0x75, 0x84, 0xFF, 0xFF, 0xFF, 0xFF}, make([]byte, 1000)...))),
		d.deceives("file of 70 KB that nobody signed", station.NotValid, lds.HashCheck(lds.DG2), failed, holds(lds.DG2, tlv.New(0x75, make([]byte, 70<<10)))),
		d.deceives("file that ends before its header says", station.NotChecked, emrtd.CheckReading, undone, func(s *scene) {
			p := s.puppet()
			p.files[lds.DG2] = p.files[lds.DG2][:len(p.files[lds.DG2])/2]
		}),
		d.deceives("file that gives nothing", station.NotChecked, emrtd.CheckReading, undone, holds(lds.DG1, []byte{})),
		d.deceives("file of indefinite length", station.NotChecked, emrtd.CheckReading, undone, holds(lds.DG1, []byte{0x61, 0x80, 0x5F, 0x1F, 0, 0, 0, 0})),
		d.deceives("chip that gives one byte at a time", station.NotChecked, emrtd.CheckReading, undone, lies(func(_ card.Command, r card.Response) card.Response {
			return card.Response{Data: r.Data[:min(1, len(r.Data))], SW: r.SW}
		})),
		d.deceives("chip that gives more than was asked for", station.NotChecked, emrtd.CheckReading, undone, lies(func(c card.Command, r card.Response) card.Response {
			return card.Response{Data: append(r.Data, make([]byte, 1000)...), SW: r.SW}
		})),
		d.deceives("chip that answers 9000 and nothing to everything", station.NotChecked, emrtd.CheckAccess, undone, func(s *scene) { s.plays = says(0x90, 0) }),
		d.deceives("chip that answers nothing at all", station.NotChecked, emrtd.CheckAccess, undone, func(s *scene) { s.plays = says() }),
		d.deceives("chip that says 6700 to everything", station.NotChecked, emrtd.CheckAccess, undone, func(s *scene) { s.plays = says(0x67, 0) }),
		d.deceives("chip that has more for ever (6110)", station.NotChecked, emrtd.CheckAccess, undone, func(s *scene) { s.plays = says(append(make([]byte, 16), 0x61, 0x10)...) }),
		d.deceives("chip that has more and gives none (6100)", station.NotChecked, emrtd.CheckAccess, undone, func(s *scene) { s.plays = says(0x61, 0) }),
		d.deceives("chip that wants another length for ever (6C10)", station.NotChecked, emrtd.CheckAccess, undone, func(s *scene) { s.plays = says(0x6C, 0x10) }),
		d.deceives("chip that has more for ever inside the channel", station.NotChecked, emrtd.CheckReading, undone, func(s *scene) {
			s.puppet().after = func([]byte) []byte { return append(make([]byte, 16), 0x61, 0x10) }
		}),
		d.deceives("chip that sends back what it is sent", station.NotChecked, emrtd.CheckAccess, undone, func(s *scene) {
			s.plays = channelFunc(func(c []byte) ([]byte, error) { return append(bytes.Clone(c), 0x90, 0), nil })
		}),
		{"chip that takes 19 seconds over each answer", "could not be checked, within 3 minutes", d.slow},
	}
}

// says answers every command alike.
func says(answer ...byte) card.Channel {
	return channelFunc(func([]byte) ([]byte, error) { return answer, nil })
}

// slow has an office verify a chip that is always just faster than the watchdog of
// single commands.
func (d *den) slow(t *testing.T) string {
	var v station.Verdict
	var took time.Duration
	s := &scene{den: d, t: t, chip: takeApart(t, d.states[0]), key: keyOf(d.orders[0])}
	p := s.puppet()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		office := verify.New(verify.Config{Slots: tardy{p}, Trust: d.line.keys.trust, Record: tardy{}, Now: time.Now})
		var err error
		if v, err = office.Verify(t.Context(), station.Person{Login: "o"}, "r", s.key, nil); err != nil {
			t.Fatal(err)
		}
		took = time.Since(start)
	})
	if took > 3*time.Minute {
		return "took " + took.String()
	}
	return string(v.Outcome) + ", within 3 minutes"
}

// tardy is a reader with a slow chip in it.
type tardy struct{ *puppet }

func (l tardy) Session(context.Context, string) (card.Session, error) { return l, nil }
func (l tardy) Record(context.Context, station.Event) error           { return nil }
func (l tardy) ATR() []byte                                           { return nil }
func (l tardy) Close() error                                          { return nil }
func (l tardy) Exchange(command []byte) ([]byte, error) {
	time.Sleep(19 * time.Second)
	return l.puppet.Exchange(command)
}
