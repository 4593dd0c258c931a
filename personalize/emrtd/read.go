package emrtd

import (
	"errors"
	"fmt"
	"slices"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/lds"
)

// Note is something worth telling about a reading: a file that was left out, a
// length the chip insisted on.
type Note struct {
	File lds.FileID // 0 where it is about the whole reading
	Text string
}

func (n Note) String() string {
	if n.File == 0 {
		return n.Text
	}
	return n.File.String() + ": " + n.Text
}

// Lengths of READ BINARY.
const (
	// safeLongest is the most data that fits a short answer under secure messaging
	// with any cipher: 256 bytes less padding, DO 87, DO 99 and DO 8E.
	safeLongest = 223
	// maxFile bounds a file whatever its header claims.
	maxFile = 1 << 18
	// maxReads bounds the commands for one file, whatever little the chip gives.
	maxReads = maxFile / 32
	// lastEven is the last offset that the even READ BINARY can carry.
	lastEven = 0x7FFF
	// usual is the most that is asked for of a file whose length is not known: all of
	// most of them. EF.SOD may have been given much more room than it fills.
	usual = 1024
	// headerLength is read first of each file: enough for any tag and length.
	headerLength = 8
)

// shorter is how Reader gives way to a chip that refuses a length.
var shorter = []int{safeLongest, 96, 32}

// lengthRefused are what chips are seen to answer to an Le that is not to their liking.
var lengthRefused = []card.Status{card.WrongLength, 0x6C00, card.NoPreciseDiagnosis, card.IncorrectP1P2, card.ConditionsNotSatisfied, card.WrongP1P2}

// Reader reads files. The zero value is ready and asks for no more than any chip
// gives under secure messaging.
type Reader struct {
	// Longest is the most bytes asked for in one command; 0 is 223. Over 223 the
	// chip must know extended lengths: see Lengths.Longest. It goes down by itself
	// where the chip refuses a length.
	Longest int
	// Cautious reads as the least of chips lets itself be read: every file
	// selected, its header first. It is set by itself where the chip refuses more.
	Cautious bool
	master   bool // the master file is selected
	control  bool // the chip selects only where it may give control information
	notes    []Note
	// hides is what the chip answered in place of EF.CardAccess; 0 where it gave it.
	hides card.Status
	// cardSecurity is EF.CardSecurity of a chip whose mapping is to be held against it.
	cardSecurity []byte
}

// Reader reads as the type of chip lets itself be read.
func (ch Chip) Reader() Reader {
	return Reader{Longest: ch.Reading, Cautious: ch.Reading > 0 && ch.Reading < safeLongest}
}

// Read reads files through c, whose application is selected and whose access
// control has been passed: see Reader.Read.
func Read(c card.Card, want ...lds.FileID) (lds.Files, []Note, error) {
	return new(Reader).Read(c, want...)
}

// Read gives the files wanted; without any wanted, EF.COM, EF.SOD and each data
// group from 1 to 16 that the chip has, but those behind terminal
// authentication (DG3 and DG4). A file that the chip does not have, or DG3 or
// DG4 that it will not give, is a Note and not an error. Whole files only: from
// the first tag to the length its header says.
func (r *Reader) Read(c card.Card, want ...lds.FileID) (lds.Files, []Note, error) {
	if r.Longest <= 0 {
		r.Longest = safeLongest
	}
	if len(want) == 0 {
		want = everything()
		r.note(lds.DG3, "not read: needs terminal authentication")
		r.note(lds.DG4, "not read: needs terminal authentication")
	}
	files := lds.Files{}
	for _, id := range want {
		data, err := r.file(c, id)
		switch {
		case err == nil:
			files[id] = data
		case absent(err):
			r.note(id, "the chip has no such file")
		case (id == lds.DG3 || id == lds.DG4) && errors.Is(err, card.SecurityNotSatisfied):
			r.note(id, "the chip asks for terminal authentication")
		default:
			return files, r.taken(), fmt.Errorf("read %s: %w", id, err)
		}
	}
	return files, r.taken(), nil
}

// taken are the notes since it was last asked.
func (r *Reader) taken() []Note {
	notes := r.notes
	r.notes = nil
	return notes
}

func everything() []lds.FileID {
	all := []lds.FileID{lds.COM, lds.SOD}
	for n := 1; n <= 16; n++ {
		if id := lds.DG(n); id != lds.DG3 && id != lds.DG4 {
			all = append(all, id)
		}
	}
	return all
}

func absent(err error) bool {
	return errors.Is(err, card.FileNotFound) || errors.Is(err, card.RecordNotFound) || errors.Is(err, card.ReferencedDataNotFound)
}

func (r *Reader) note(id lds.FileID, format string, args ...any) {
	r.notes = append(r.notes, Note{id, fmt.Sprintf(format, args...)})
}

// file reads one file.
func (r *Reader) file(c card.Card, id lds.FileID) ([]byte, error) {
	data, end, err := r.start(c, id)
	if err != nil {
		return nil, err
	}
	tag, header, length, err := tlv.Header(data)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	total := header + length
	if total > maxFile {
		return nil, fmt.Errorf("header of %s claims %d bytes, more than the %d that are read", tag, total, maxFile)
	}
	for reads := 0; len(data) < total && !end; reads++ {
		if reads == maxReads {
			return nil, fmt.Errorf("chip gave %d of %d bytes in %d commands", len(data), total, reads)
		}
		var more []byte
		if more, end, err = r.at(c, id, len(data), min(total-len(data), r.Longest)); err != nil {
			return nil, err
		}
		data = append(data, more...)
	}
	if len(data) < total {
		return nil, fmt.Errorf("file ends after %d of the %d bytes its header claims", len(data), total)
	}
	return data[:total:total], nil
}

// start selects a file and gives its first bytes in one command, by its short
// identifier (ISO/IEC 7816-4:2020, 11.3.2; Doc 9303-10, 3.6.3): all of most files.
// A chip that will have none of this is read cautiously from then on.
func (r *Reader) start(c card.Card, id lds.FileID) (data []byte, end bool, err error) {
	if !r.Cautious {
		n := min(r.Longest, usual)
		if id == lds.DG2 {
			n = min(r.Longest, card.MaxExtendedNe)
		}
		resp, err := c.Transmit(card.Command{INS: 0xB0, P1: 0x80 | id.SFI(), Ne: n})
		if err != nil {
			return nil, false, err
		}
		switch {
		case resp.SW == card.OK && len(resp.Data) > 0, resp.SW == card.EndOfFile && len(resp.Data) > 0:
			data, err := readData(resp, 0, n)
			return data, resp.SW == card.EndOfFile, err
		case resp.SW == card.SecurityNotSatisfied && id.Group() > 0:
			return nil, false, &card.Error{Header: [4]byte{0x00, 0xB0, 0x80 | id.SFI(), 0x00}, SW: resp.SW}
		}
		if err := r.selectFile(c, id); err != nil {
			return nil, false, err
		}
		r.Cautious = true
		r.note(id, "chip answers %s to %d bytes by a short identifier, selecting files from here on", resp.SW, n)
	} else if err := r.selectFile(c, id); err != nil {
		return nil, false, err
	}
	return r.at(c, id, 0, min(headerLength, r.Longest))
}

func (r *Reader) selectFile(c card.Card, id lds.FileID) error {
	resp, err := r.selects(c, selection(id))
	if err != nil {
		return err
	}
	return refusal(selection(id), resp.SW)
}

// at reads n bytes or fewer at the offset; end tells that the chip said there is no
// more. At least one byte comes back without an error.
func (r *Reader) at(c card.Card, id lds.FileID, offset, n int) (data []byte, end bool, err error) {
	for {
		resp, err := c.Transmit(readBinary(offset, n))
		if err != nil {
			return nil, false, err
		}
		if next, ok := r.giveWay(id, resp, n); ok {
			n = next
			continue
		}
		data, err := readData(resp, offset, n)
		return data, resp.SW == card.EndOfFile, err
	}
}

func readData(resp card.Response, offset, n int) ([]byte, error) {
	cmd := readBinary(offset, n)
	if resp.SW != card.OK && resp.SW != card.EndOfFile {
		return nil, &card.Error{Header: cmd.Header(), Lc: len(cmd.Data), SW: resp.SW}
	}
	data := resp.Data
	if offset > lastEven {
		var err error
		if data, err = tlv.One(data, 0x53); err != nil {
			return nil, fmt.Errorf("%s at offset %d: answer: %w", cmd, offset, err)
		}
	}
	if len(data) == 0 {
		return nil, fmt.Errorf("%s at offset %d: chip gives no data", cmd, offset)
	}
	if len(data) > n {
		return nil, fmt.Errorf("%s at offset %d: chip gives %d bytes where %d were asked for", cmd, offset, len(data), n)
	}
	return data, nil
}

// giveWay gives the next length to try where the chip refused n: the one it names
// in 6Cxx (ISO/IEC 7816-4:2020, 5.6), else the next of shorter. Each length is
// smaller than the last, so it ends.
func (r *Reader) giveWay(id lds.FileID, resp card.Response, n int) (next int, ok bool) {
	switch {
	case resp.SW.SW1() == 0x6C && resp.SW.SW2() > 0 && int(resp.SW.SW2()) < n:
		next = int(resp.SW.SW2())
	case slices.Contains(lengthRefused, resp.SW):
		i := slices.IndexFunc(shorter, func(l int) bool { return l < n })
		if i < 0 {
			return 0, false
		}
		next = shorter[i]
	default:
		return 0, false
	}
	if r.Longest > next {
		r.Longest = next
		r.note(id, "chip answers %s to %d bytes, reading %d at a time", resp.SW, n, next)
	}
	return next, true
}

// readBinary encodes READ BINARY: even (ISO/IEC 7816-4:2020, 11.3.1) or, beyond its
// reach, odd with an offset data object; the answer then has a DO 53 around it.
func readBinary(offset, n int) card.Command {
	if offset <= lastEven {
		return card.Command{INS: 0xB0, P1: byte(offset >> 8), P2: byte(offset), Ne: n}
	}
	where := []byte{byte(offset >> 16), byte(offset >> 8), byte(offset)}
	if where[0] == 0 {
		where = where[1:]
	}
	return card.Command{INS: 0xB1, Data: tlv.New(0x54, where), Ne: min(tlv.Size(0x53, n), card.MaxExtendedNe)}
}

// Lengths are the longest command and response APDUs in bytes that a chip says it
// takes; 0 where it does not say.
type Lengths struct{ Command, Response int }

// Longest is the most file data that one answer carries under secure messaging, for
// Reader; 0 where the chip does not know extended lengths.
func (l Lengths) Longest() int {
	const wrapping = 64 // DO 87 with padding, DO 99, DO 8E and the status word, rounded up
	if l.Response <= card.MaxShortNe+wrapping || l.Command <= card.MaxShortData {
		return 0
	}
	return min(l.Response-wrapping, card.MaxExtendedNe-wrapping)
}

// lengths reads the extended length information (DO 7F66, ISO/IEC 7816-4:2020,
// 12.8.1) from EF.ATR/INFO under the master file, in the clear: by its short
// identifier 01 (12.2.2), or selected where the chip will not have that. It leaves the
// master file selected. A chip without it gives the zero Lengths and no error.
func (r *Reader) lengths(c card.Card) (Lengths, error) {
	if sw, err := r.selectMaster(c); err != nil || sw != card.OK {
		return Lengths{}, err
	}
	resp, err := c.Transmit(card.Command{INS: 0xB0, P1: 0x81, Ne: card.MaxShortNe})
	if err != nil {
		return Lengths{}, err
	}
	if resp.SW == card.OK || resp.SW == card.EndOfFile {
		return parseLengths(resp.Data), nil
	}
	resp, err = r.selects(c, selection(0x2F01))
	if err != nil || resp.SW != card.OK {
		return Lengths{}, err
	}
	resp, err = c.Transmit(readBinary(0, card.MaxShortNe))
	if err != nil || resp.SW != card.OK && resp.SW != card.EndOfFile {
		return Lengths{}, err
	}
	return parseLengths(resp.Data), nil
}

func parseLengths(info []byte) Lengths {
	v, err := tlv.Find(info, 0x7F66)
	if err != nil {
		return Lengths{}
	}
	objects, err := tlv.Parse(v)
	if err != nil || len(objects) != 2 {
		return Lengths{}
	}
	var n [2]int
	for i, o := range objects {
		if o.Tag != 0x02 || len(o.Value) > 3 {
			return Lengths{}
		}
		for _, b := range o.Value {
			n[i] = n[i]<<8 | int(b)
		}
	}
	return Lengths{Command: n[0], Response: n[1]}
}
