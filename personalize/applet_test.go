package personalize

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
	"cardstation/devices/softcard"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
)

// applet is a chip with the open passport applet, or its descendant with PACE, as
// those who personalise it describe it.
type applet struct {
	pace    bool
	cplc    []byte // nil: the chip has no card manager that would say
	uid     []byte // nil: the reader does not know
	fragile bool   // a length it does not like ends its secure messaging

	life              card.Status // what CREATE FILE without data answers
	files             map[lds.FileID][]byte
	mrz               access.MRZ
	passwords         []access.Password
	modulus, exponent []byte

	selected bool
	ef       lds.FileID
	bac      *access.BACChip
	agree    *access.PACEChip
	secure   access.Secure

	tear  int // commands until power is lost
	after bool
	torn  bool
	seen  []string // headers
}

func newApplet(pace bool) *applet {
	return &applet{pace: pace, life: card.WrongLength, files: map[lds.FileID][]byte{}, cplc: bytes.Repeat([]byte{7}, 42)}
}

func (a *applet) reset() {
	a.selected, a.ef, a.bac, a.agree, a.secure, a.torn = false, 0, nil, nil, nil, false
}

func (a *applet) Exchange(b []byte) ([]byte, error) {
	if a.torn {
		return nil, card.ErrGone
	}
	a.tear--
	if a.tear == 0 && !a.after {
		a.torn = true
		return nil, card.ErrGone
	}
	cmd, err := card.ParseCommand(b)
	if err != nil {
		return []byte{0x67, 0}, nil
	}
	a.seen = append(a.seen, fmt.Sprintf("%X", cmd.Header()))
	r := a.process(cmd)
	if a.tear == 0 {
		a.torn = true
		return nil, card.ErrGone
	}
	return r.Bytes(), nil
}

func (a *applet) process(cmd card.Command) card.Response {
	if cmd.CLA == 0x0C && a.secure != nil {
		plain, err := a.secure.Unprotect(cmd)
		if err != nil {
			a.secure = nil
			return card.Response{SW: card.SMObjectsIncorrect}
		}
		if a.fragile && plain.INS == 0xB0 && (plain.Ne > 100 || plain.P1 > 0x7F) {
			a.secure = nil
			return card.Response{SW: card.NoPreciseDiagnosis}
		}
		r, err := a.secure.Protect(a.command(plain, true))
		if err != nil {
			return card.Response{SW: card.NoPreciseDiagnosis}
		}
		return r
	}
	switch {
	case cmd.IsExtended():
		return card.Response{SW: card.WrongLength}
	case cmd.Header() == [4]byte{0xFF, 0xCA, 0, 0} && a.uid != nil: // the reader's answer
		return card.Response{Data: a.uid, SW: card.OK}
	case cmd.INS == 0xA4 && cmd.P1 == 4:
		return a.application(cmd.Data)
	case cmd.Header() == [4]byte{0x80, 0xCA, 0x9F, 0x7F} && a.cplc != nil && !a.selected:
		return card.Response{Data: tlv.New(0x9F7F, a.cplc), SW: card.OK}
	case !a.selected:
		return card.Response{SW: card.InsNotSupported}
	case a.secure != nil && cmd.INS != 0x84 && cmd.INS != 0x82:
		return card.Response{SW: card.SecurityNotSatisfied}
	}
	return a.command(cmd, false)
}

// application is SELECT of an application, which the card does and not the applet.
func (a *applet) application(aid []byte) card.Response {
	torn, seen := a.torn, a.seen
	a.reset()
	a.torn, a.seen = torn, seen
	switch {
	case bytes.Equal(aid, emrtd.AID):
		a.selected = true
	case !bytes.Equal(aid, cardManager) || a.cplc == nil:
		return card.Response{SW: card.FileNotFound}
	}
	return card.Response{SW: card.OK}
}

func (a *applet) command(cmd card.Command, protected bool) card.Response {
	switch cmd.INS {
	case 0xA4:
		return a.selectFile(cmd, protected)
	case 0xB0:
		return a.read(cmd, protected)
	case 0xE0, 0xD6, 0xDA:
		return card.Response{SW: a.write(cmd)}
	case 0x84:
		a.bac, _ = access.NewBACChip(a.mrz, nil)
		if a.bac == nil {
			return card.Response{SW: card.SecurityNotSatisfied}
		}
		return card.Response{Data: a.bac.Challenge(), SW: card.OK}
	case 0x82:
		if a.bac == nil {
			return card.Response{SW: card.SecurityNotSatisfied}
		}
		answer, secure, err := a.bac.Authenticate(cmd.Data)
		a.secure = secure
		return reply(answer, err)
	case 0x22, 0x86:
		return a.establish(cmd)
	case 0x88:
		if !protected || a.exponent == nil {
			return card.Response{SW: card.SecurityNotSatisfied}
		}
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).SetBytes(a.modulus), E: 65537}, D: new(big.Int).SetBytes(a.exponent)}
		return reply(access.SignActive(key, crypto.SHA1, cmd.Data, nil))
	}
	return card.Response{SW: card.InsNotSupported}
}

func reply(data []byte, err error) card.Response {
	sw := card.OK
	if err != nil {
		sw = card.NoPreciseDiagnosis
		errors.As(err, &sw)
	}
	return card.Response{Data: data, SW: sw}
}

func (a *applet) locked() bool { return a.life == card.ConditionsNotSatisfied }

func (a *applet) selectFile(cmd card.Command, protected bool) card.Response {
	if len(cmd.Data) != 2 {
		return card.Response{SW: card.WrongLength}
	}
	id := lds.FileID(cmd.Data[0])<<8 | lds.FileID(cmd.Data[1])
	if a.locked() && !protected && !(a.pace && id == lds.CardAccess) {
		return card.Response{SW: card.SecurityNotSatisfied}
	}
	if a.ef = 0; a.files[id] == nil {
		return card.Response{SW: card.FileNotFound}
	}
	a.ef = id
	return card.Response{SW: card.OK}
}

func (a *applet) read(cmd card.Command, protected bool) card.Response {
	switch {
	case !protected && !(a.pace && a.ef == lds.CardAccess):
		return card.Response{SW: card.SecurityNotSatisfied}
	case a.ef == 0:
		return card.Response{SW: card.ConditionsNotSatisfied}
	case cmd.P1 > 0x7F:
		return card.Response{SW: card.NoPreciseDiagnosis}
	case cmd.Ne > 100 && protected:
		return card.Response{SW: card.WrongLength}
	}
	f, offset := a.files[a.ef], int(cmd.P1)<<8|int(cmd.P2)
	if offset > len(f) {
		return card.Response{SW: card.WrongP1P2}
	}
	return card.Response{Data: f[offset:min(offset+cmd.Ne, len(f))], SW: card.OK}
}

// write are the commands of personalisation.
func (a *applet) write(cmd card.Command) card.Status {
	switch {
	case cmd.INS == 0xDA && cmd.P1 == 0xDE:
		return a.end(cmd.P2)
	case a.life != card.WrongLength:
		return a.life
	case cmd.INS == 0xE0:
		d := cmd.Data
		if len(d) != 6 || d[0] != 0x63 || d[1] != 4 {
			return card.WrongLength
		}
		id := lds.FileID(d[4])<<8 | lds.FileID(d[5])
		if (id < lds.DG1 || id > lds.DG15) && id != lds.COM && id != lds.SOD && id != lds.CardAccess {
			return card.FileNotFound
		}
		a.files[id] = make([]byte, int(d[2])<<8|int(d[3]))
		return card.OK
	case cmd.INS == 0xD6:
		if offset := int(cmd.P1)<<8 | int(cmd.P2); a.ef == 0 || offset+len(cmd.Data) > len(a.files[a.ef]) {
			return card.ConditionsNotSatisfied
		}
		copy(a.files[a.ef][int(cmd.P1)<<8|int(cmd.P2):], cmd.Data)
		return card.OK
	}
	return a.put(cmd)
}

func (a *applet) put(cmd card.Command) card.Status {
	objects, err := tlv.Parse(cmd.Data)
	if err != nil {
		return card.IncorrectData
	}
	switch {
	case cmd.P2 == 0x62:
		fields, err := tlv.Parse(objects[0].Value)
		if err != nil || len(fields) != 3 {
			return card.IncorrectData
		}
		a.mrz = access.MRZ{Document: string(fields[0].Value), Birth: string(fields[1].Value), Expiry: string(fields[2].Value)}
	case cmd.P2 == 0x60 && objects[1].Tag == 4:
		a.modulus = objects[1].Value
	case cmd.P2 == 0x61 && objects[1].Tag == 4:
		a.exponent = objects[1].Value
	case cmd.P2 == 0x65 && a.pace:
		return a.putPasswords(objects)
	default:
		return card.IncorrectP1P2
	}
	return card.OK
}

func (a *applet) putPasswords(objects []tlv.Object) card.Status {
	zone, err := a.mrz.Password()
	if err != nil {
		return card.ConditionsNotSatisfied
	}
	a.passwords = nil
	for _, o := range objects {
		switch {
		case o.Tag != 0x66 || len(o.Value) < 2:
			return card.IncorrectData
		case o.Value[0] == 1:
			if len(o.Value) != 21 {
				return card.IncorrectData
			}
			a.passwords = append(a.passwords, zone)
		case o.Value[0] == 2:
			a.passwords = append(a.passwords, access.CAN(string(o.Value[1:])))
		}
	}
	return card.OK
}

// end takes the life cycle on: sealed, only where there is PACE, then locked.
func (a *applet) end(p2 byte) card.Status {
	switch {
	case p2 == 0xAF && a.pace && (a.life == card.WrongLength || a.life == card.CommandNotAllowed):
		a.life = card.CommandNotAllowed
	case p2 == 0xAD && (a.locked() || !a.pace || a.life == card.CommandNotAllowed):
		a.life = card.ConditionsNotSatisfied
	default:
		return card.ConditionsNotSatisfied
	}
	return card.OK
}

// establish is PACE as EF.CardAccess offers it.
func (a *applet) establish(cmd card.Command) card.Response {
	infos, err := access.ParseCardAccess(a.files[lds.CardAccess])
	if err != nil || !a.pace {
		return card.Response{SW: card.InsNotSupported}
	}
	if cmd.INS == 0x22 {
		if a.agree, err = access.NewPACEChip(infos[0], nil, a.passwords...); err != nil {
			return card.Response{SW: card.NoPreciseDiagnosis}
		}
		return reply(nil, a.agree.SetTemplate(cmd.Data))
	}
	if a.agree == nil {
		return card.Response{SW: card.ConditionsNotSatisfied}
	}
	answer, secure, err := a.agree.Step(cmd.Data)
	if secure != nil {
		a.secure = secure
	}
	return reply(answer, err)
}

// doors are all that open the shop's card.
func (s *shop) doors() []access.Access {
	s.Helper()
	zone, err := cccd.MRZ(s.record.Holder, s.record.Expiry)
	if err != nil {
		s.Fatal(err)
	}
	mrz := access.MRZ{Document: zone.Document, Birth: zone.Birth, Expiry: zone.Expiry}
	doors := []access.Access{access.BAC{MRZ: mrz}}
	if s.profile.emrtd.pace != nil {
		n := s.record.Holder.Number
		password, err := mrz.Password()
		if err != nil {
			s.Fatal(err)
		}
		doors = append(doors, access.PACE{Info: *s.profile.emrtd.pace, Password: access.CAN(n[len(n)-6:])},
			access.PACE{Info: *s.profile.emrtd.pace, Password: password})
	}
	return doors
}

// inspected opens the finished applet through each of its doors and wants everything
// in order.
func (s *shop) inspected(a *applet, receipt Receipt) {
	s.Helper()
	for _, door := range s.doors() {
		a.reset()
		files, checks := emrtd.Inspect(card.Over(a), door, s.trust, time.Now())
		for _, c := range checks {
			if c.Result != lds.Passed && c.Name != emrtd.CheckChip && c.Name != emrtd.CheckTerminal {
				s.Errorf("%T: %s is %s: %s", door, c.Name, c.Result, c.Why)
			}
		}
		if digest(files[lds.SOD]) != receipt.SOD {
			s.Errorf("%T: another SOD than the receipt's", door)
		}
	}
}

func TestThePassportAppletsAreIssuedLockedAndBelieved(t *testing.T) {
	for _, name := range []string{"passport-applet", "passport-applet-pace"} {
		for _, fragile := range []bool{false, true} {
			s := newShop(t, name)
			a := newApplet(s.profile.emrtd.pace != nil)
			a.fragile = fragile
			receipt, err := s.issue(a, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			t.Logf("%s: %d commands, %d bytes sent, SOD of %d bytes", name, receipt.Commands, receipt.Sent, len(a.files[lds.SOD]))
			if !a.locked() {
				t.Errorf("%s is not locked", name)
			}
			s.inspected(a, receipt)
			if name == "passport-applet-pace" && !bytes.Equal(a.files[lds.CardAccess][2:], a.files[lds.DG14][4:4+len(a.files[lds.CardAccess])-2]) {
				t.Error("EF.CardAccess and DG14 say different things")
			}
			a.reset()
			again, err := s.issue(a, nil)
			if err != nil || len(again.Done) != 0 || again.SOD != receipt.SOD {
				t.Errorf("%s again: %v, done %v", name, err, again.Done)
			}
		}
	}
}

// The same against the software chip's own reading of the applets, which was written
// without ours: issued, believed through every door, and not written again.
func TestTheSoftwareChipsAppletsTakeTheirProfiles(t *testing.T) {
	for name, kind := range map[string]softcard.Applet{"passport-applet": softcard.PassportApplet, "passport-applet-pace": softcard.PassportAppletPACE} {
		s := newShop(t, name)
		chip, err := softcard.New(softcard.Options{Applet: kind})
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := s.issue(chip, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, door := range s.doors() {
			chip.Reset()
			files, checks := emrtd.Inspect(card.Over(chip), door, s.trust, time.Now())
			for _, c := range checks {
				if c.Result != lds.Passed && c.Name != emrtd.CheckChip && c.Name != emrtd.CheckTerminal {
					t.Errorf("%s %T: %s is %s: %s", name, door, c.Name, c.Result, c.Why)
				}
			}
			if digest(files[lds.SOD]) != receipt.SOD {
				t.Errorf("%s %T: another SOD than the receipt's", name, door)
			}
		}
		chip.Reset()
		if again, err := s.issue(chip, nil); err != nil || len(again.Done) != 0 {
			t.Errorf("%s again: %v, done %v", name, err, again.Done)
		}
	}
}

// The commands are those of the applet's own personaliser.
func TestThePassportAppletGetsItsOwnCommands(t *testing.T) {
	s := newShop(t, "passport-applet-pace")
	a := newApplet(true)
	if _, err := s.issue(a, nil); err != nil {
		t.Fatal(err)
	}
	seen := strings.Join(a.seen, " ")
	for _, want := range []string{"00DA0062", "00DA0065", "00DA0060 00DA0061", "00E00000 00A4020C 00D60000 00D600FF", "00DADEAF", "00DADEAD"} {
		if !strings.Contains(seen, want) {
			t.Errorf("no %s in %s", want, seen)
		}
	}
	if strings.Index(seen, "00DADEAF") > strings.Index(seen, "00DADEAD") {
		t.Error("locked before it is sealed")
	}
}

func TestAPassportAppletTornAnywhereIsFinishedByTheSameRun(t *testing.T) {
	t.Parallel()
	s := newShop(t, "passport-applet-pace")
	s.record.Portrait = s.record.Portrait[:0] // the short way round
	c := s.profile
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			a := newApplet(true)
			a.tear, a.after = n, after
			_, err := s.issue(a, nil)
			if err == nil {
				t.Logf("%d tears of %s", n-1, c.Name)
				return
			}
			if !errors.Is(err, card.ErrGone) {
				t.Fatalf("tear at %d after=%v: %v", n, after, err)
			}
			a.reset()
			receipt, err := s.issue(a, nil)
			if err != nil {
				t.Fatalf("resume after tear at %d after=%v: %v", n, after, err)
			}
			if n%5 == 0 {
				s.inspected(a, receipt)
			}
		}
	}
}

// An order binds to one chip, so a chip must say which it is.
func TestAChipIsKnownByWhatItOrItsReaderSays(t *testing.T) {
	for _, c := range []struct {
		name string
		chip applet
		want string // the start; none = refused
	}{
		{"production data", applet{cplc: bytes.Repeat([]byte{7}, 42)}, "cplc:0707"},
		{"no production data, a unique number in the field", applet{uid: []byte{4, 1, 2, 3, 4, 5, 6}}, "uid:04010203040506"},
		{"production data that every chip has", applet{cplc: make([]byte, 42), uid: []byte{1, 2, 3, 4}}, "uid:01020304"},
		{"a number drawn anew each time", applet{uid: []byte{8, 1, 2, 3}}, ""},
		{"nothing", applet{}, ""},
	} {
		got, err := Identify(card.Over(&c.chip))
		if c.want == "" && err == nil || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	s := newShop(t, "passport-applet")
	a := newApplet(false)
	a.cplc, a.uid = nil, []byte{4, 1, 2, 3, 4, 5, 6}
	receipt, err := s.issue(a, nil)
	if err != nil || receipt.Chip != "uid:04010203040506" {
		t.Errorf("chip %q: %v", receipt.Chip, err)
	}
	plan, err := Compile(s.profile, Record{Holder: s.record.Holder, Issue: s.record.Issue, Expiry: s.record.Expiry, Chip: receipt.Chip}, s.authority)
	if err != nil {
		t.Fatal(err)
	}
	a.reset()
	a.uid[6]++
	var step *StepError
	if _, err := Run(context.Background(), card.Over(a), plan, nil); !errors.As(err, &step) || step.Step != "identify" {
		t.Errorf("another chip under the same plan: %v", err)
	}
}
