package emrtd

import (
	"bytes"
	"errors"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/personalize/lds"
)

// Commands are how a type of chip wants its eMRTD written, each a template with the
// names its comment gives. A step whose template is empty does not exist.
type Commands struct {
	Create   Template // $file (2 bytes) $size (2 bytes) $sfi (1 byte, in bits 8 to 4); must not change a file that exists
	Write    Template // UPDATE BINARY on the selected file: $offset (2 bytes, under 8000h) $data
	Secrets  Template // BAC: $document, as in the MRZ; $birth and $expiry, YYMMDD
	Key      Template // active authentication private key: $pkcs8
	Activate Template // makes all of it final
}

// Names that each template may use.
var (
	CreateNames  = []string{"file", "size", "sfi"}
	WriteNames   = []string{"offset", "data"}
	SecretsNames = []string{"document", "birth", "expiry"}
	KeyNames     = []string{"pkcs8"}
)

// Chip says how the application of one type of chip is personalised.
type Chip struct {
	AID      []byte
	Commands Commands
	// Longest is the most $data bytes in one Write.
	Longest int
	// Activated is the life cycle status byte that the application shows once it
	// is final (ISO/IEC 7816-4:2020, table 14: 05 or 07 is activated).
	Activated byte
	// Room is the least size a file is created with. Where a file's length differs
	// from one signing to the next, as EF.SOD's does, it leaves room for the
	// longer; ICAO readers go by the header, not by the file's size.
	Room map[lds.FileID]int
}

// Content is what goes into the application.
type Content struct {
	Files lds.Files
	// MRZ gives the secrets of Basic Access Control.
	MRZ access.MRZ
	// ActiveKey is the active authentication key pair's PrivateKeyInfo (PKCS #8,
	// DER); empty for a chip without one.
	ActiveKey []byte
}

// Step is one change of the application, done inside its personalisation channel.
type Step struct {
	name  string
	holds func(card.Card) (bool, error)
	do    func(card.Card) error
}

// Name is "emrtd/" and what is written.
func (s Step) Name() string { return "emrtd/" + s.name }

// Holds asks the chip.
func (s Step) Holds(c card.Card) (bool, error) {
	if s.holds == nil {
		return false, nil
	}
	return s.holds(c)
}

// Do changes the chip.
func (s Step) Do(c card.Card) error { return s.do(c) }

// Open selects the application and leaves it in the clear: the access.Access of a
// chip that wants no channel.
func (ch Chip) Open(c card.Card) (card.Card, error) { return c, selectAID(c, ch.AID) }

// Locked tells whether the application is final already, by the life cycle status
// it shows when selected: the one question that needs no channel.
func (ch Chip) Locked(c card.Card) (bool, error) {
	status, ok, err := lifeCycle(c, ch.AID)
	return ok && status == ch.Activated, err
}

// Steps are: access secrets, key, each file in the order of Doc 9303-10, and the
// activation last. All but the last can be repeated with other content.
func (ch Chip) Steps(content Content) ([]Step, error) {
	steps, err := ch.secrets(content)
	if err != nil {
		return nil, err
	}
	for _, id := range order(content.Files) {
		f, err := ch.file(id, content.Files[id])
		if err != nil {
			return nil, err
		}
		steps = append(steps, f)
	}
	// Activation holds only before a channel is opened, where Locked asks: an
	// application that let the channel open is not final.
	activate, err := ch.Commands.Activate.Fill(nil)
	if err != nil {
		return nil, fmt.Errorf("activation: %w", err)
	}
	return append(steps, Step{name: "activate", do: send(activate)}), nil
}

// secrets cannot be read back and may be sent again: they never hold before the
// activation, so that what is activated is always of the plan at hand.
func (ch Chip) secrets(content Content) ([]Step, error) {
	var steps []Step
	if ch.Commands.Secrets.Given() {
		cmd, err := ch.Commands.Secrets.Fill(map[string][]byte{
			"document": []byte(content.MRZ.Document),
			"birth":    []byte(content.MRZ.Birth), "expiry": []byte(content.MRZ.Expiry),
		})
		if err != nil {
			return nil, fmt.Errorf("access secrets: %w", err)
		}
		steps = append(steps, Step{name: "access-secrets", do: send(cmd)})
	}
	if len(content.ActiveKey) > 0 {
		if !ch.Commands.Key.Given() {
			return nil, errors.New("active authentication key: the profile says no command for it")
		}
		cmd, err := ch.Commands.Key.Fill(map[string][]byte{"pkcs8": content.ActiveKey})
		if err != nil {
			return nil, fmt.Errorf("active authentication key: %w", err)
		}
		steps = append(steps, Step{name: "active-authentication-key", do: send(cmd)})
	}
	return steps, nil
}

func send(cmd card.Command) func(card.Card) error {
	return func(c card.Card) error {
		_, err := card.Do(c, cmd)
		return err
	}
}

// order is EF.COM, the data groups, EF.SOD.
func order(files lds.Files) []lds.FileID {
	ids := []lds.FileID{lds.COM}
	for n := 1; n <= 16; n++ {
		ids = append(ids, lds.DG(n))
	}
	var out []lds.FileID
	for _, id := range append(ids, lds.SOD) {
		if _, ok := files[id]; ok {
			out = append(out, id)
		}
	}
	return out
}

// file makes the step of one file. It holds where the chip reads back the same
// bytes: the file's length is not enough, as a torn write leaves the whole length
// and half of the contents. Creating a file that exists is not a refusal: a tear
// between create and write leaves it there, empty.
func (ch Chip) file(id lds.FileID, data []byte) (Step, error) {
	create, err := ch.create(id, len(data))
	if err != nil {
		return Step{}, fmt.Errorf("%s: %w", id, err)
	}
	writes, err := ch.writes(data)
	if err != nil {
		return Step{}, fmt.Errorf("%s: %w", id, err)
	}
	return Step{
		name:  id.String(),
		holds: func(c card.Card) (bool, error) { return ch.same(c, id, data) },
		do: func(c card.Card) error {
			if _, err := card.Do(c, create); err != nil && !errors.Is(err, card.FileExists) {
				return fmt.Errorf("create %s: %w", id, err)
			}
			if err := selectFile(c, id); err != nil {
				return fmt.Errorf("select %s: %w", id, err)
			}
			for _, w := range writes {
				if _, err := card.Do(c, w); err != nil {
					return fmt.Errorf("write %s: %w", id, err)
				}
			}
			return nil
		},
	}, nil
}

func (ch Chip) create(id lds.FileID, length int) (card.Command, error) {
	size := max(length, ch.Room[id])
	if size > 0xFFFF {
		return card.Command{}, fmt.Errorf("%d bytes are more than a file can have", size)
	}
	return ch.Commands.Create.Fill(map[string][]byte{
		"file": {byte(id >> 8), byte(id)}, "size": {byte(size >> 8), byte(size)}, "sfi": {id.SFI() << 3},
	})
}

func (ch Chip) writes(data []byte) ([]card.Command, error) {
	if ch.Longest <= 0 {
		return nil, fmt.Errorf("the most data in one command is %d", ch.Longest)
	}
	var out []card.Command
	for offset := 0; offset < len(data); offset += ch.Longest {
		if offset > lastEven {
			return nil, fmt.Errorf("offset %d is beyond the reach of update binary", offset)
		}
		cmd, err := ch.Commands.Write.Fill(map[string][]byte{
			"offset": {byte(offset >> 8), byte(offset)},
			"data":   data[offset:min(offset+ch.Longest, len(data))],
		})
		if err != nil {
			return nil, err
		}
		out = append(out, cmd)
	}
	return out, nil
}

// same reads the file back and compares, giving up at the first difference. A chip
// that has no such file, or will not let it be read, does not hold it.
func (ch Chip) same(c card.Card, id lds.FileID, data []byte) (bool, error) {
	resp, err := c.Transmit(card.Command{INS: 0xA4, P1: 0x02, P2: 0x0C, Data: []byte{byte(id >> 8), byte(id)}})
	if err != nil {
		return false, err
	}
	if resp.SW != card.OK {
		return false, nil
	}
	r := Reader{Longest: ch.Longest}
	for offset := 0; offset < len(data); {
		got, _, err := r.at(c, id, offset, min(len(data)-offset, r.Longest))
		var refused *card.Error
		if errors.As(err, &refused) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !bytes.Equal(got, data[offset:offset+len(got)]) {
			return false, nil
		}
		offset += len(got)
	}
	return true, nil
}
