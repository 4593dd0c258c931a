package emrtd

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/access/cvc"
	"cardstation/personalize/lds"
	"cardstation/personalize/mrz"
)

// Commands are how a type of chip wants its eMRTD written, each a template with the
// names its comment gives. A step whose template is empty does not exist.
type Commands struct {
	Create   Template   // $file (2 bytes) $size (2 bytes) $sfi (1 byte, in bits 8 to 4); must not change a file that exists
	Write    Template   // UPDATE BINARY on the selected file: $offset (2 bytes, under 8000h) $data
	Secrets  Template   // BAC: $document, as in the MRZ; $birth and $expiry, YYMMDD
	PACE     Template   // $can, its digits; $mrz, SHA-1 over document number, birth and expiry with their check digits (Doc 9303-11, 9.7.3)
	Key      []Template // active authentication private key: $pkcs8, or $modulus and $exponent of an RSA key, as long as each other
	ChipKey  Template   // chip authentication private key: $pkcs8
	Trust    Template   // authority over terminals: $certificates, one or two, newest first
	Seal     Template   // ends personalisation on a chip that is then still to be locked
	Activate Template   // makes all of it final
	Ask      Template   // see Answers
}

// Names that each template may use.
var (
	CreateNames  = []string{"file", "size", "sfi"}
	WriteNames   = []string{"offset", "data"}
	SecretsNames = []string{"document", "birth", "expiry"}
	PACENames    = []string{"can", "mrz"}
	KeyNames     = []string{"pkcs8", "modulus", "exponent"}
	ChipKeyNames = []string{"pkcs8"}
	TrustNames   = []string{"certificates"}
)

// Answers tell how far an application is that shows no life cycle status: by what it
// answers to Commands.Ask, a command that changes nothing, such as a CREATE FILE that
// says no file. Any other answer means that it can still be written.
type Answers struct {
	Sealed, Final card.Status // Sealed is 0 on a chip without Commands.Seal
}

// Chip says how the application of one type of chip is personalised.
type Chip struct {
	AID      []byte
	Commands Commands
	// Longest is the most $data bytes in one Write.
	Longest int
	// Reading is the most bytes of a file that one answer gives under secure
	// messaging; 0 where Reader may find out.
	Reading int
	// CreateSelects says that CREATE FILE leaves the new file selected (ISO/IEC
	// 7816-9:2017, 5.1), so that it need not be selected to be written.
	CreateSelects bool
	// Activated is the life cycle status byte that the application shows once it
	// is final (ISO/IEC 7816-4:2020, table 14: 05 or 07 is activated); 0 on a chip
	// that shows none and is asked otherwise: see Answers.
	Activated byte
	Answers   Answers
	// Room is the least size a file is created with. Where a file's length differs
	// from one signing to the next, as EF.SOD's does, it leaves room for the
	// longer; ICAO readers go by the header, not by the file's size.
	Room map[lds.FileID]int
}

// Content is what goes into the application.
type Content struct {
	Files lds.Files
	// MRZ gives the secrets of Basic Access Control, and one of PACE.
	MRZ access.MRZ
	// CAN is the card access number, for PACE.
	CAN string
	// ActiveKey is the active authentication key pair, *ecdsa.PrivateKey or
	// *rsa.PrivateKey; nil for a chip without one.
	ActiveKey crypto.Signer
	// ChipKey is the chip authentication key pair; nil for a chip without one.
	ChipKey *ecdsa.PrivateKey
	// Authorities are the certificates that the chip's trust in terminals starts from,
	// newest first; none for a chip without terminal authentication.
	Authorities []cvc.Certificate
}

// Step is one change of the application, done inside its personalisation channel.
type Step struct {
	name  string
	holds func(card.Card) (bool, error)
	do    func(card.Card) error
	sends []card.Command
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

// Sends are the commands that Do sends to a blank chip.
func (s Step) Sends() []card.Command { return s.sends }

// Open selects the application and leaves it in the clear: the access.Access of a
// chip that wants no channel.
func (ch Chip) Open(c card.Card) (card.Card, error) { return c, new(Reader).selectAID(c, ch.AID) }

// Steps are: access secrets, keys, each file in the order of Doc 9303-10, and then the
// seal, or on a chip without one the activation. All but the last can be repeated
// with other content.
func (ch Chip) Steps(content Content) ([]Step, error) {
	steps, err := ch.secrets(content)
	if err != nil {
		return nil, err
	}
	var w writing
	for _, id := range order(content.Files) {
		f, err := ch.file(&w, id, content.Files[id])
		if err != nil {
			return nil, err
		}
		steps = append(steps, f)
	}
	if !ch.Commands.Seal.Given() {
		return ch.plus(steps, "activate", ch.Commands.Activate, nil)
	}
	return ch.plus(steps, "seal", ch.Commands.Seal, nil)
}

// secrets cannot be read back and may be sent again: they never hold before the
// activation, so that what is activated is always of the plan at hand.
func (ch Chip) secrets(content Content) ([]Step, error) {
	zone := map[string][]byte{
		"document": []byte(content.MRZ.Document), "birth": []byte(content.MRZ.Birth), "expiry": []byte(content.MRZ.Expiry),
	}
	steps, err := ch.plus(nil, "access-secrets", ch.Commands.Secrets, zone)
	if err != nil {
		return nil, err
	}
	if ch.Commands.PACE.Given() {
		pace, err := paceSecrets(content)
		if err != nil {
			return nil, err
		}
		if steps, err = ch.plus(steps, "pace-secrets", ch.Commands.PACE, pace); err != nil {
			return nil, err
		}
	}
	if steps, err = ch.activeKey(steps, content.ActiveKey); err != nil {
		return nil, fmt.Errorf("active authentication key: %w", err)
	}
	if steps, err = ch.chipKey(steps, content.ChipKey); err != nil {
		return nil, fmt.Errorf("chip authentication key: %w", err)
	}
	return ch.trust(steps, content.Authorities)
}

var errNoCommand = errors.New("the profile says no command for it")

func (ch Chip) activeKey(steps []Step, key crypto.Signer) ([]Step, error) {
	if key == nil {
		return steps, nil
	}
	if len(ch.Commands.Key) == 0 {
		return nil, errNoCommand
	}
	values, err := keyValues(key)
	if err != nil {
		return nil, err
	}
	var cmds []card.Command
	for _, t := range ch.Commands.Key {
		cmd, err := t.Fill(values)
		if err != nil {
			return nil, err
		}
		cmds = append(cmds, cmd)
	}
	return append(steps, Step{name: "active-authentication-key", do: sendAll("", cmds), sends: cmds}), nil
}

func (ch Chip) chipKey(steps []Step, key *ecdsa.PrivateKey) ([]Step, error) {
	if key == nil {
		return steps, nil
	}
	if !ch.Commands.ChipKey.Given() {
		return nil, errNoCommand
	}
	values, err := keyValues(key)
	if err != nil {
		return nil, err
	}
	return ch.plus(steps, "chip-authentication-key", ch.Commands.ChipKey, values)
}

// trust says whose terminals the chip opens the fingerprints to.
func (ch Chip) trust(steps []Step, authorities []cvc.Certificate) ([]Step, error) {
	if len(authorities) == 0 {
		return steps, nil
	}
	if !ch.Commands.Trust.Given() {
		return nil, fmt.Errorf("trust points: %w", errNoCommand)
	}
	var all []byte
	for _, c := range authorities {
		all = append(all, c.Bytes()...)
	}
	return ch.plus(steps, "trust-points", ch.Commands.Trust, map[string][]byte{"certificates": all})
}

// plus appends the step of one command; nothing where its template is empty.
func (ch Chip) plus(steps []Step, name string, t Template, values map[string][]byte) ([]Step, error) {
	if !t.Given() {
		return steps, nil
	}
	cmd, err := t.Fill(values)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	cmds := []card.Command{cmd}
	return append(steps, Step{name: name, do: sendAll("", cmds), sends: cmds}), nil
}

func paceSecrets(content Content) (map[string][]byte, error) {
	if content.CAN == "" {
		return nil, errors.New("pace secrets: there is no card access number")
	}
	var zone []byte
	number := content.MRZ.Document
	for len(number) < 9 {
		number += "<"
	}
	for _, field := range []string{number, content.MRZ.Birth, content.MRZ.Expiry} {
		zone = append(append(zone, field...), mrz.CheckDigit(field))
	}
	seed := sha1.Sum(zone)
	return map[string][]byte{"mrz": seed[:], "can": []byte(content.CAN)}, nil
}

// keyValues are the forms in which chips take a private key.
func keyValues(key crypto.Signer) (map[string][]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	values := map[string][]byte{"pkcs8": der}
	if k, ok := key.(*rsa.PrivateKey); ok {
		n := k.Size()
		values["modulus"], values["exponent"] = k.N.FillBytes(make([]byte, n)), k.D.FillBytes(make([]byte, n))
	}
	return values, nil
}

// sendAll sends commands that must all succeed; what is said of an error that is
// worth saying before it.
func sendAll(what string, cmds []card.Command) func(card.Card) error {
	return func(c card.Card) error {
		for _, cmd := range cmds {
			if _, err := card.Do(c, cmd); err != nil {
				if what != "" {
					return fmt.Errorf("%s: %w", what, err)
				}
				return err
			}
		}
		return nil
	}
}

// order is EF.COM, EF.CardAccess, the data groups, EF.SOD.
func order(files lds.Files) []lds.FileID {
	ids := []lds.FileID{lds.COM, lds.CardAccess}
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

// writing is what one way through the steps knows: the steps of files share it, and
// the first of them sets it anew.
type writing struct{ begun, blank bool }

// file makes the step of one file. It holds where the chip reads back the same
// bytes: the file's length is not enough, as a torn write leaves the whole length
// and half of the contents. Creating a file that exists is not a refusal: a tear
// between create and write leaves it there, empty.
//
// Files are written in order, so a chip without the first has none of the others, and
// they are not asked for. Should that be wrong, a file that exists all the same is
// written over.
func (ch Chip) file(w *writing, id lds.FileID, data []byte) (Step, error) {
	create, err := ch.create(id, len(data))
	if err != nil {
		return Step{}, fmt.Errorf("%s: %w", id, err)
	}
	writes, err := ch.writes(data)
	if err != nil {
		return Step{}, fmt.Errorf("%s: %w", id, err)
	}
	first := !w.begun
	w.begun = true
	sends := []card.Command{create}
	if !ch.CreateSelects {
		sends = append(sends, selection(id))
	}
	return Step{
		name:  id.String(),
		sends: append(sends, writes...),
		holds: func(c card.Card) (same bool, err error) {
			if w.blank && !first {
				return false, nil
			}
			same, w.blank, err = ch.same(c, id, data)
			return same, err
		},
		do: func(c card.Card) error {
			_, err := card.Do(c, create)
			if err != nil && !errors.Is(err, card.FileExists) {
				return fmt.Errorf("create %s: %w", id, err)
			}
			if err != nil || !ch.CreateSelects {
				if _, err := card.Do(c, selection(id)); err != nil {
					return fmt.Errorf("select %s: %w", id, err)
				}
			}
			return sendAll("write "+id.String(), writes)(c)
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
// that has no such file, or will not let it be read, does not hold it; none says
// that there is no such file.
func (ch Chip) same(c card.Card, id lds.FileID, data []byte) (same, none bool, err error) {
	resp, err := c.Transmit(selection(id))
	if err != nil || resp.SW != card.OK {
		return false, err == nil && resp.SW == card.FileNotFound, err
	}
	r := Reader{Longest: ch.Longest}
	for offset := 0; offset < len(data); {
		got, _, err := r.at(c, id, offset, min(len(data)-offset, r.Longest))
		var refused *card.Error
		if errors.As(err, &refused) {
			return false, false, nil
		}
		if err != nil {
			return false, false, err
		}
		if !bytes.Equal(got, data[offset:offset+len(got)]) {
			return false, false, nil
		}
		offset += len(got)
	}
	return true, false, nil
}
