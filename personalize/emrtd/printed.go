package emrtd

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/personalize/lds"
)

// Printed is what a card says of itself in print, and a chip opens to.
type Printed struct {
	MRZ access.MRZ // zero where it is not known
	CAN string     // 6 digits; empty where it is not known
	// Seen is told of DG2 as soon as Inspect has read it, which is then before all other
	// files: nothing of it has been checked yet, not even that it is of this document. It
	// must not block. May be nil.
	Seen func(id lds.FileID, file []byte)
	// Only is the one way by which the chip is to be opened; empty for the best that it
	// offers.
	Only Way
}

// Way is a protocol that opens a chip.
type Way string

// Ways.
const (
	OnlyPACE Way = "pace"
	OnlyBAC  Way = "bac"
)

// ErrNoKey means that the chip opens to nothing that was given.
var ErrNoKey = errors.New("the chip does not open to what was given")

// Opening is a way to open a chip, and the reason for it in words for a verdict.
type Opening struct {
	Door access.Access
	How  string
	// CardAccess is EF.CardAccess as the chip gave it; nil where it gave none.
	CardAccess []byte
	reader     Reader // as it found the chip
}

// Choose asks the chip, as it lies there, how it wants to be opened: PACE where
// EF.CardAccess offers a way that this station speaks, BAC where there is none and
// the MRZ is known. A chip that is out of reach is an error as the transport had
// it; one that cannot be opened with what is printed is ErrNoKey.
func (p Printed) Choose(c card.Card) (Opening, error) {
	o, err := ask(c)
	if err != nil {
		return o, err
	}
	return p.decide(o)
}

// ask reads EF.CardAccess.
func ask(c card.Card) (o Opening, err error) {
	o.CardAccess, err = o.reader.cardAccess(c)
	return o, err
}

// decide chooses the way by what the chip said.
func (p Printed) decide(o Opening) (Opening, error) {
	info, reason, err := offered(o.CardAccess)
	switch {
	case p.Only == OnlyBAC && err == nil:
		return p.basic(o, "it was asked for, although the chip offers PACE")
	case p.Only == OnlyBAC:
		return p.basic(o, "it was asked for")
	case p.Only == OnlyPACE && err != nil:
		return o, fmt.Errorf("%w: PACE was asked for: %w", ErrNoKey, err)
	case err != nil:
		return p.basic(o, err.Error())
	}
	password, name, err := p.password()
	if err != nil {
		return o, err
	}
	o.Door, o.How = access.PACE{Info: info, Password: password}, fmt.Sprintf("PACE with the %s, %s", name, reason)
	if p.Only == OnlyPACE {
		o.How += "; PACE was asked for"
	}
	return o, nil
}

// offered is the best PACE of EF.CardAccess.
func offered(raw []byte) (access.PACEInfo, string, error) {
	infos, err := access.ParseCardAccess(raw)
	if err != nil || len(raw) == 0 {
		return access.PACEInfo{}, "", errors.New("the chip offers no PACE that is spoken here")
	}
	return access.ChoosePACE(infos)
}

// fallback is BAC after PACE was refused.
func (p Printed) fallback(o Opening, why string) (Opening, error) {
	return p.basic(o, "PACE was refused: "+why)
}

// Inspect opens the chip as it wants to be opened and inspects it: see the function
// of that name. PACE that the chip offers and then refuses is followed by BAC where
// the MRZ is known, which is said in the row; and EF.CardAccess is held against
// DG14.
func (p Printed) Inspect(c card.Card, trust lds.Trust, now time.Time, want ...lds.FileID) (lds.Files, []lds.Check) {
	return Inspection{Trust: trust, Now: now, Want: want}.Of(c, p)
}

// Of opens the chip with what is printed on its card: see Printed.Inspect. Before a
// chip fails for its EF.CardAccess it is asked for that once more: where it now gives
// another, what came first was trouble on the way, and it is inspected again by that;
// where it can no longer be asked or refuses in another way, the row is not done.
func (n Inspection) Of(c card.Card, p Printed) (lds.Files, []lds.Check) {
	way, err := p.Choose(c)
	if err != nil {
		return nil, []lds.Check{undone(CheckAccess, err)}
	}
	files, rows := n.by(c, p, way)
	i := slices.IndexFunc(rows, func(r lds.Check) bool { return r.Name == CheckCardAccess && r.Result == lds.Failed })
	if i < 0 {
		return files, rows
	}
	again, err := ask(c)
	switch {
	case err != nil:
		rows[i] = undone(CheckCardAccess, fmt.Errorf("%s; the chip could not be asked once more: %w", rows[i].Why, err))
	case !bytes.Equal(again.CardAccess, way.CardAccess):
		if again, err = p.decide(again); err == nil {
			again.How += "; the chip gave another EF.CardAccess when it was asked once more"
			return n.by(c, p, again)
		}
	case again.reader.hides != way.reader.hides:
		rows[i] = undone(CheckCardAccess, fmt.Errorf("%s; the chip answers %s to EF.CardAccess and then %s", rows[i].Why, way.reader.hides, again.reader.hides))
	}
	return files, rows
}

// by inspects the chip the way that was chosen, and holds what it said of itself in
// the clear and in print against its files.
func (n Inspection) by(c card.Card, p Printed, way Opening) (lds.Files, []lds.Check) {
	inspect := func(way Opening) (lds.Files, []lds.Check) {
		i := inspection{Inspection: n, seen: p.Seen, reader: Reader{master: way.reader.master, control: way.reader.control, notes: way.reader.notes}}
		return i.run(c, way.Door)
	}
	files, rows := inspect(way)
	if _, pace := way.Door.(access.PACE); pace && p.Only != OnlyPACE && rows[0].Result != lds.Passed {
		if again, err := p.fallback(way, rows[0].Why); err == nil {
			way = again
			way.reader.master = false
			files, rows = inspect(way)
		}
	}
	if rows[0].Result != lds.Passed {
		return files, rows
	}
	if rows[0].Why != "" {
		way.How += "; " + rows[0].Why
	}
	rows[0].Why = way.How
	rows = append(rows, agreeOnPACE(way.CardAccess, files))
	if p.MRZ != (access.MRZ{}) {
		rows = append(rows, p.agree(files[lds.DG1]))
	}
	return files, rows
}

// CheckPrint is the row that holds the MRZ that was given against DG1; only where one
// was given.
const CheckPrint = "printed MRZ = DG1"

// agree holds the three fields of the printed zone against DG1: a chip opens to what
// its maker wants, so that one card's chip may lie behind another card's print.
func (p Printed) agree(dg1 []byte) lds.Check {
	row := lds.Check{Name: CheckPrint, Result: lds.Passed}
	zone, err := lds.DecodeDG1(dg1)
	switch {
	case len(dg1) == 0:
		row.Result, row.Why = lds.NotDone, "DG1 was not read"
	case err != nil:
		row.Result, row.Why = lds.NotDone, err.Error()
	case strings.TrimRight(zone.Document, "<") != strings.TrimRight(p.MRZ.Document, "<") || zone.Birth != p.MRZ.Birth || zone.Expiry != p.MRZ.Expiry:
		row.Result, row.Why = lds.Failed, "the chip is not this card's: its zone is not the printed one"
	}
	return row
}

func (p Printed) basic(o Opening, why string) (Opening, error) {
	if p.MRZ == (access.MRZ{}) {
		return o, fmt.Errorf("%w: %s, and basic access control wants the MRZ", ErrNoKey, why)
	}
	o.Door, o.How = access.BAC{MRZ: p.MRZ}, "BAC with the MRZ: "+why
	return o, nil
}

func (p Printed) password() (access.Password, string, error) {
	if p.CAN != "" {
		return access.CAN(p.CAN), "card access number", nil
	}
	password, err := p.MRZ.Password()
	return password, "MRZ", err
}

// cardAccess reads EF.CardAccess of the master file; nil where the chip has none or
// does not give it. A chip that refuses its master file is asked once more with the
// application selected: another may have been, which knows no such file.
func (r *Reader) cardAccess(c card.Card) ([]byte, error) {
	master, err := r.selectMaster(c) // some refuse it and give the file all the same
	if err != nil {
		return nil, err
	}
	raw, err := r.offer(c)
	if err != nil || len(raw) > 0 || master == card.OK {
		return raw, err
	}
	var refused card.Status
	if err := r.selectAID(c, AID); err != nil {
		if errors.As(err, &refused) {
			return nil, nil
		}
		return nil, err
	}
	if raw, err = r.offer(c); len(raw) > 0 {
		r.note(0, "chip gives EF.CardAccess in the application only")
	}
	return raw, err
}

// offer reads EF.CardAccess where the chip stands; nil where it is refused, and then
// r.hides says how.
func (r *Reader) offer(c card.Card) ([]byte, error) {
	if r.Longest <= 0 {
		r.Longest = safeLongest
	}
	raw, err := r.file(c, lds.CardAccess)
	r.notes = slices.DeleteFunc(r.notes, func(n Note) bool { return n.File != 0 }) // what the chip wants of every reading stays
	if r.hides = 0; errors.As(err, &r.hides) {
		return nil, nil
	}
	return raw, err
}

// CheckCardAccess is the row that tells of a downgrade.
const CheckCardAccess = "EF.CardAccess = DG14"

// paceArc is the arc of id-PACE (Doc 9303-11, 9.2.1).
const paceArc = "0.4.0.127.0.7.2.2.4."

// agreeOnPACE holds EF.CardAccess, which nobody signs, against DG14, which the
// document signer does: each way of PACE has to stand in both (Doc 9303-11, 9.2.9).
// A chip from whose EF.CardAccess somebody took a way fails.
func agreeOnPACE(cardAccess []byte, files lds.Files) lds.Check {
	row := lds.Check{Name: CheckCardAccess, Result: lds.NotDone, Why: "DG14 was not read"}
	dg14 := files[lds.DG14]
	if len(dg14) == 0 {
		sod, err := lds.DecodeSOD(files[lds.SOD])
		if _, signed := sod.Object.Groups[lds.DG14]; err == nil && !signed && len(cardAccess) == 0 {
			row.Result, row.Why = lds.Passed, "the chip has neither"
		}
		return row
	}
	row.Why = ""
	signed, err := lds.DecodeDG14(dg14)
	if err != nil {
		row.Result, row.Why = lds.Failed, err.Error()
		return row
	}
	var open []lds.SecurityInfo
	if len(cardAccess) > 0 {
		if open, err = lds.DecodeSecurityInfos(cardAccess); err != nil {
			row.Result, row.Why = lds.Failed, "EF.CardAccess: "+err.Error()
			return row
		}
	}
	row.Result = lds.Passed
	if missing(signed, open) {
		row.Result, row.Why = lds.Failed, "DG14 names a way of PACE that EF.CardAccess hides: the chip was made to look weaker than it is"
	} else if missing(open, signed) {
		row.Result, row.Why = lds.Failed, "EF.CardAccess names a way of PACE that the signed DG14 does not"
	}
	return row
}

// missing tells whether a way of PACE in one is not in the other.
func missing(from, in []lds.SecurityInfo) bool {
	for _, f := range from {
		found := len(f.Protocol) <= len(paceArc) || f.Protocol[:len(paceArc)] != paceArc
		for _, i := range in {
			found = found || bytes.Equal(f.DER, i.DER)
		}
		if !found {
			return true
		}
	}
	return false
}
