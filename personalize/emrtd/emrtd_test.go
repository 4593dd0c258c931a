package emrtd

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/lds"
)

// file is a DO of the file's tag with n bytes of noise.
func file(id lds.FileID, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(id), uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return tlv.New(id.Tag(), b)
}

// shelf is a card with files and the manners of one kind of chip.
type shelf struct {
	files   map[lds.FileID][]byte
	longest int         // most bytes it gives at once; 0 = no limit
	refusal card.Status // what it answers to more
	padding int         // bytes behind each file
	denied  map[lds.FileID]card.Status
	current lds.FileID
	short   bool // files are found by their short identifiers
	reads   int
	selects int
}

func (s *shelf) Transmit(c card.Command) (card.Response, error) {
	switch c.INS {
	case 0xA4:
		s.selects++
		s.current = lds.FileID(c.Data[0])<<8 | lds.FileID(c.Data[1])
		if sw, ok := s.denied[s.current]; ok {
			return card.Response{SW: sw}, nil
		}
		if _, ok := s.files[s.current]; !ok {
			return card.Response{SW: card.FileNotFound}, nil
		}
		return card.Response{SW: card.OK}, nil
	case 0xB0, 0xB1:
		s.reads++
		if s.short && c.INS == 0xB0 && c.P1 > 0x7F {
			s.current, c.P1 = 0x0100|lds.FileID(c.P1&0x1F), 0
		}
		return s.read(c)
	}
	return card.Response{SW: card.InsNotSupported}, nil
}

func (s *shelf) read(c card.Command) (card.Response, error) {
	offset, ne := int(c.P1)<<8|int(c.P2), c.Ne
	if c.INS == 0xB1 {
		where, err := tlv.One(c.Data, 0x54)
		if err != nil {
			return card.Response{SW: card.IncorrectData}, nil
		}
		offset = 0
		for _, b := range where {
			offset = offset<<8 | int(b)
		}
		for ne = c.Ne; tlv.Size(0x53, ne) > c.Ne; ne-- {
		}
	}
	if s.longest > 0 && ne > s.longest {
		return card.Response{SW: s.refusal}, nil
	}
	data := append(bytes.Clone(s.files[s.current]), make([]byte, s.padding)...)
	if offset > len(data) {
		return card.Response{SW: card.WrongP1P2}, nil
	}
	sw := card.OK
	if offset+ne > len(data) {
		ne, sw = len(data)-offset, card.EndOfFile
	}
	data = data[offset : offset+ne]
	if c.INS == 0xB1 {
		data = tlv.New(0x53, data)
	}
	return card.Response{Data: data, SW: sw}, nil
}

func TestFilesOfAllLengthsAreReadWhole(t *testing.T) {
	for _, n := range []int{1, 5, 7, 100, 215, 223, 224, 5000, 32700, 32760, 32767, 33000, 70000, 200000} {
		for _, longest := range []int{0, 100, 4096} {
			s := &shelf{files: map[lds.FileID][]byte{lds.DG2: file(lds.DG2, n)}, padding: n % 3}
			r := Reader{Longest: longest}
			files, notes, err := r.Read(s, lds.DG2)
			if err != nil || len(notes) > 1 {
				t.Fatalf("%d bytes, %d at a time: %v %v", n, longest, notes, err)
			}
			if !bytes.Equal(files[lds.DG2], s.files[lds.DG2]) {
				t.Errorf("%d bytes, %d at a time: not what was there", n, longest)
			}
		}
	}
}

func TestReaderGivesWayToAChipThatLimitsLe(t *testing.T) {
	for _, c := range []struct {
		longest int
		refusal card.Status
	}{{100, card.WrongLength}, {100, card.NoPreciseDiagnosis}, {100, 0x6C00 | 100}, {100, 0x6C00}, {40, card.WrongLength}} {
		s := &shelf{files: map[lds.FileID][]byte{lds.DG1: file(lds.DG1, 90), lds.DG2: file(lds.DG2, 3000)}, longest: c.longest, refusal: c.refusal}
		files, notes, err := Read(s, lds.DG1, lds.DG2)
		if err != nil {
			t.Fatalf("%d bytes and %s: %v", c.longest, c.refusal, err)
		}
		if !bytes.Equal(files[lds.DG2], s.files[lds.DG2]) {
			t.Errorf("%d bytes and %s: not what was there", c.longest, c.refusal)
		}
		if len(notes) < 2 || len(notes) > 3 || !strings.Contains(notes[1].String(), "at a time") {
			t.Errorf("%d bytes and %s: notes %v", c.longest, c.refusal, notes)
		}
	}
}

func TestAbsentAndProtectedFilesAreNotes(t *testing.T) {
	s := &shelf{
		files:  map[lds.FileID][]byte{lds.COM: file(lds.COM, 20), lds.SOD: file(lds.SOD, 900), lds.DG1: file(lds.DG1, 90)},
		denied: map[lds.FileID]card.Status{lds.DG3: card.SecurityNotSatisfied},
	}
	files, notes, err := Read(s, lds.DG1, lds.DG3, lds.DG11)
	if err != nil || len(files) != 1 || len(notes) != 3 {
		t.Fatalf("%d files, notes %v, %v", len(files), notes, err)
	}
	if files, _, err = Read(s); err != nil || len(files) != 3 {
		t.Errorf("reading everything gave %d files, %v", len(files), err)
	}
	s.denied[lds.DG1] = card.SecurityNotSatisfied
	if _, _, err = Read(s, lds.DG1); !errors.Is(err, card.SecurityNotSatisfied) {
		t.Errorf("DG1 that may not be read: %v", err)
	}
}

func TestLengthsThatLieAreErrors(t *testing.T) {
	for name, content := range map[string][]byte{
		"longer than the file":   {0x61, 0x82, 0x10, 0x00, 1, 2, 3},
		"longer than is read":    {0x61, 0x83, 0xFF, 0xFF, 0xFF, 1, 2, 3},
		"longer than an int":     {0x61, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3},
		"length of ten bytes":    {0x61, 0x8A, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		"nothing but zeros":      make([]byte, 50),
		"empty":                  {},
		"indefinite":             {0x61, 0x80, 0, 0, 0, 0, 0, 0},
		"a tag without a length": {0x61},
	} {
		s := &shelf{files: map[lds.FileID][]byte{lds.DG1: content}}
		if files, _, err := Read(s, lds.DG1); err == nil {
			t.Errorf("%s: read %d bytes", name, len(files[lds.DG1]))
		}
	}
}

// repeats answers every READ BINARY with the same.
type repeats card.Response

func (r repeats) Transmit(c card.Command) (card.Response, error) {
	if c.INS == 0xA4 {
		return card.Response{SW: card.OK}, nil
	}
	return card.Response(r), nil
}

func TestReadingAlwaysEnds(t *testing.T) {
	for _, r := range []card.Response{
		{SW: card.OK}, {SW: 0x6C00}, {SW: 0x6C07}, {SW: card.WrongLength}, {SW: card.EndOfFile}, {SW: 0x6100}, {SW: card.SecurityNotSatisfied},
		{Data: []byte{0x61, 0x82, 0x7F}, SW: card.OK}, {Data: make([]byte, 9000), SW: card.OK}, {Data: []byte{0x61, 0x82, 0xFF, 0xFF}, SW: card.EndOfFile},
	} {
		if _, _, err := Read(repeats(r), lds.DG1); err == nil {
			t.Errorf("%d bytes and %s were taken for a file", len(r.Data), r.SW)
		}
	}
}

func TestExtendedLengthInformation(t *testing.T) {
	info := append([]byte{0x43, 0x01, 0x01}, tlv.New(0x7F66, tlv.New(0x02, []byte{0x00, 0xFF, 0xFF}), tlv.New(0x02, []byte{0x01, 0x00, 0x00}))...)
	if got := parseLengths(info); got != (Lengths{65535, 65536}) {
		t.Errorf("lengths %v", got)
	}
	for _, bad := range [][]byte{nil, {0x7F}, {0x7F, 0x66, 0x01, 0x02}, {0x7F, 0x66, 0x84, 0xFF}, {0x7F, 0x66, 0x03, 0x02, 0x01, 0x05}} {
		if got := parseLengths(bad); got != (Lengths{}) {
			t.Errorf("%x gave %v", bad, got)
		}
	}
}

func TestTemplatesGiveTheCommandsOfTheOpenApplets(t *testing.T) {
	for _, c := range []struct {
		text   string
		names  []string
		values map[string][]byte
		want   string
	}{
		{"00E00000 62 { 80 { $size } 82 { 01 } 83 { $file } 88 { $sfi } }", CreateNames,
			map[string][]byte{"size": {1, 2}, "file": {1, 1}, "sfi": {8}}, "00e00000620e8002010282010183020101880108"},
		{"00E00000 63 { $size $file }", CreateNames, map[string][]byte{"size": {1, 2}, "file": {1, 1}}, "00e00000630401020101"},
		{"00D6 $offset $data", WriteNames, map[string][]byte{"offset": {0x12, 0x34}, "data": {9}}, "00d6123409"},
		{"00DADEAD", nil, nil, "00dadead"},
	} {
		tmpl, err := ParseTemplate(c.text, c.names...)
		if err != nil {
			t.Fatal(err)
		}
		cmd, err := tmpl.Fill(c.values)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x%x", cmd.Header(), cmd.Data); got != c.want {
			t.Errorf("%s gives %s, want %s", c.text, got, c.want)
		}
	}
}

func TestTemplatesThatAreWrongAreRefused(t *testing.T) {
	for _, text := range []string{"", "00E", "00E0 $file", "00E00000 {", "00E00000 }", "00E00000 xy", strings.Repeat("{ ", 100)} {
		if _, err := ParseTemplate(text, "size"); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	short, err := ParseTemplate("00E0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := short.Fill(nil); err == nil {
		t.Error("a command of two bytes was made")
	}
}

func TestAFileTooLongForUpdateBinaryIsRefusedBeforeTheCard(t *testing.T) {
	ch := Chip{Longest: 1000, Commands: Commands{Activate: Template{[]part{{bytes: []byte{0, 0x44, 0, 0}}}}}}
	ch.Commands.Create, _ = ParseTemplate("00E00000 $size $file", CreateNames...)
	ch.Commands.Write, _ = ParseTemplate("00D6 $offset $data", WriteNames...)
	if _, err := ch.Steps(Content{Files: lds.Files{lds.DG2: file(lds.DG2, 40000)}, MRZ: access.MRZ{}}); err == nil {
		t.Error("40000 bytes in pieces of 1000 were planned")
	}
}

func FuzzParseTemplate(f *testing.F) {
	f.Add("00DA0062 62 { 5F1F { $document } 5F18 { $birth } }")
	f.Add("00E00000 { { } }")
	f.Fuzz(func(t *testing.T, s string) {
		tmpl, err := ParseTemplate(s, "document", "birth")
		if err != nil {
			return
		}
		cmd, err := tmpl.Fill(map[string][]byte{"document": {1}, "birth": {2}})
		if err == nil {
			if _, err := cmd.Bytes(); err != nil {
				t.Errorf("%q fills to a command that cannot be sent: %v", s, err)
			}
		}
	})
}

// hostile plays a chip from fuzzed bytes: each answer takes its length, then its data
// and status, from them.
type hostile struct{ script []byte }

func (h *hostile) Exchange([]byte) ([]byte, error) {
	if len(h.script) == 0 {
		return nil, nil
	}
	n := min(int(h.script[0]), len(h.script)-1)
	answer := h.script[1 : 1+n]
	h.script = h.script[1+n:]
	return answer, nil
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{2, 0x90, 0, 10, 0x61, 4, 1, 2, 3, 4, 0, 0, 0x90, 0})
	f.Add([]byte{2, 0x90, 0, 2, 0x6C, 4, 6, 0x61, 0x82, 1, 2, 0x90, 0, 2, 0x67, 0, 1, 0x90})
	f.Add([]byte{2, 0x90, 0, 12, 0x75, 0x83, 0x01, 0, 0, 1, 2, 3, 4, 5, 0x62, 0x82})
	f.Fuzz(func(t *testing.T, script []byte) {
		files, _, err := Read(card.Over(&hostile{script}), lds.DG1, lds.DG2, lds.DG3)
		if err == nil {
			for id, b := range files {
				if _, h, n, err := tlv.Header(b); err != nil || h+n != len(b) {
					t.Errorf("%s is not one whole object", id)
				}
			}
		}
		_, _ = new(Reader).lengths(card.Over(&hostile{script}))
		_, _, _ = lifeCycle(card.Over(&hostile{script}), AID)
	})
}

// What the chip does is in the rows, whatever it does: Inspect has an answer to it.
func FuzzInspect(f *testing.F) {
	f.Add([]byte{2, 0x90, 0, 2, 0x6A, 0x82, 2, 0x90, 0, 10, 1, 2, 3, 4, 5, 6, 7, 8, 0x90, 0, 2, 0x63, 0})
	f.Add([]byte{2, 0x90, 0, 14, 0x7F, 0x66, 8, 2, 2, 0xFF, 0xFF, 2, 2, 0xFF, 0xFF, 0x90, 0, 2, 0x90, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, door := range []access.Access{plainly{}, access.PACE{Info: access.PACEInfo{KeyBits: 128, Parameter: 12}, Password: access.CAN("123456")}} {
			_, rows := Inspect(card.Over(&hostile{bytes.Clone(script)}), door, lds.Trust{}, time.Now())
			if len(rows) == 0 || rows[0].Name != CheckAccess {
				t.Errorf("rows %v", rows)
			}
			for _, r := range rows {
				if r.Name == lds.CheckSOD && r.Result == lds.Passed {
					t.Error("a chip without a trusted signer passes")
				}
			}
		}
	})
}

// plainly is a door that is open.
type plainly struct{}

func (plainly) Open(c card.Card) (card.Card, error) { return c, nil }

// Each kind of chip is read in the commands that it bears: whole files by their short
// identifiers, or selected and header first.
func TestFewCommandsReadAFileAndMoreWhereTheChipInsists(t *testing.T) {
	s := &shelf{files: map[lds.FileID][]byte{lds.DG1: file(lds.DG1, 90), lds.DG15: file(lds.DG15, 90)}, short: true}
	if _, notes, err := Read(s, lds.DG1, lds.DG15); err != nil || len(notes) != 0 || s.reads != 2 || s.selects != 0 {
		t.Errorf("%d reads, %d selects, notes %v, %v", s.reads, s.selects, notes, err)
	}
	s.short, s.reads = false, 0
	if _, notes, err := Read(s, lds.DG1, lds.DG15); err != nil || len(notes) != 1 || s.reads != 1+2*2 || s.selects != 2 {
		t.Errorf("without short identifiers: %d reads, %d selects, notes %v, %v", s.reads, s.selects, notes, err)
	}
}
