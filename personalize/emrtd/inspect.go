package emrtd

import (
	"crypto"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/lds"
)

// Names of the checks that need the chip itself; those on its files are
// lds.Verify's.
const (
	CheckAccess   = "access to the chip"
	CheckReading  = "reading"
	CheckActive   = "active authentication"
	CheckChip     = "chip authentication"
	CheckTerminal = "terminal authentication"
)

// Everyday are the files that a verifier without terminal authentication reads,
// the face right after what says that there is one. Few documents have them all.
var Everyday = []lds.FileID{lds.COM, lds.SOD, lds.DG1, lds.DG2, lds.DG(5), lds.DG(6), lds.DG(7), lds.DG(8), lds.DG(9), lds.DG(10), lds.DG11,
	lds.DG12, lds.DG13, lds.DG14, lds.DG15, lds.DG(16)}

// Inspect is Inspection.Through without a terminal.
func Inspect(c card.Card, door access.Access, trust lds.Trust, now time.Time, want ...lds.FileID) (lds.Files, []lds.Check) {
	return Inspection{Trust: trust, Now: now, Want: want}.Through(c, door)
}

// Inspection is how a chip is looked at.
type Inspection struct {
	Trust lds.Trust
	Now   time.Time
	Want  []lds.FileID // nil: Everyday
	// Terminal opens fingerprints and irises; nil where nobody here may read them.
	Terminal *Terminal
}

// Through asks the chip how much it gives at once, selects the eMRTD application,
// opens the chip through door, reads what is wanted, checks the files by passive
// authentication, has the chip prove that it holds the keys of DG15 and DG14, and then
// shows it what the terminal may read, and reads that. A data group that neither
// EF.COM nor EF.SOD lists is not asked for. Every check is a row, also those that
// could not be done, with the reason; what the chip does wrong is in the rows, never
// an error.
func (n Inspection) Through(c card.Card, door access.Access) (lds.Files, []lds.Check) {
	i := inspection{Inspection: n}
	return i.run(c, door)
}

func (i *inspection) run(c card.Card, door access.Access) (lds.Files, []lds.Check) {
	if i.started = make(chan struct{}); len(i.Want) == 0 {
		i.Want = Everyday
	}
	if lengths, err := i.reader.lengths(c); err == nil {
		i.reader.Longest = lengths.Longest()
	}
	open, err := i.reader.enter(c, AID, door)
	if err != nil {
		return nil, []lds.Check{undone(CheckAccess, err)}
	}
	rows := []lds.Check{{Name: CheckAccess, Result: lds.Passed, Why: tried(open)}}
	rows = append(rows, i.reader.mapped(open, door, i.Trust, i.Now)...)
	files, notes, err := i.listed(open)
	if refused(err) {
		again := Reader{Longest: shorter[1], Cautious: true, control: i.reader.control}
		if inside, closed := again.enter(c, AID, door); closed == nil {
			open, i.reader = inside, again
			before := append(notes, Note{Text: "read again from the start in small pieces"})
			files, notes, err = i.listed(open)
			notes = append(before, notes...)
		}
	}
	rows = append(rows, reading(notes, err))
	verified := make(chan []lds.Check, 1)
	go func() { verified <- i.verify(files) }()
	proofs := []lds.Check{active(open, files)} // while the files are checked
	inside, row := i.chipAuthentication(open, files)
	opened, terminal := i.terminalAuthentication(inside, files)
	proofs = append(proofs, row, terminal)
	rows = append(rows, <-verified...)
	for _, id := range guarded {
		switch {
		case opened[id] != nil:
			files[id] = opened[id]
			replace(rows, lds.VerifyHash(files, id))
		case files[id] == nil:
			replace(rows, lds.Check{Name: lds.HashCheck(id), Result: lds.NotDone, Why: closed})
		}
	}
	return files, append(rows, proofs...)
}

// closed is why a data group that is signed was not read.
const closed = "not read: it opens to terminal authentication only"

// replace puts a check in the place of the one of its name.
func replace(rows []lds.Check, check lds.Check) {
	for i := range rows {
		if rows[i].Name == check.Name {
			rows[i] = check
		}
	}
}

// tried is what the row tells of a chip that wanted things otherwise.
func tried(c card.Card) string { return strings.Join(access.Tried(c), "; ") }

// inspection is one way through Inspect.
type inspection struct {
	Inspection
	seen    func(lds.FileID, []byte) // may be nil; see Printed.Seen
	reader  Reader
	begun   bool
	started chan struct{} // closed when what begin began is done
}

// begin checks the signatures of EF.SOD and above it while the data groups are read:
// lds remembers those that are good.
func (i *inspection) begin(index lds.Files) {
	if i.begun {
		return
	}
	i.begun = true
	go func() {
		defer close(i.started)
		lds.Verify(index, i.Trust, i.Now)
	}()
}

func (i *inspection) verify(files lds.Files) []lds.Check {
	if i.begun {
		<-i.started
	}
	return lds.Verify(files, i.Trust, i.Now)
}

// refused tells whether it was the chip that would not be read so, or that ended
// the channel over it.
func refused(err error) bool {
	var status card.Status
	return errors.As(err, &status) || errors.Is(err, access.ErrClosed)
}

// listed reads of what is wanted what EF.COM or EF.SOD lists, and all of it where neither can
// tell.
func (i *inspection) listed(c card.Card) (lds.Files, []Note, error) {
	face, err := i.face(c)
	if err != nil {
		return nil, nil, err
	}
	index, notes, err := i.reader.Read(c, slices.DeleteFunc(slices.Clone(i.Want), inGroup)...)
	if err != nil {
		return index, notes, err
	}
	i.begin(index)
	common, comErr := lds.DecodeCOM(index[lds.COM])
	sod, sodErr := lds.DecodeSOD(index[lds.SOD])
	groups := slices.DeleteFunc(slices.Clone(i.Want), func(id lds.FileID) bool {
		_, signed := sod.Object.Groups[id]
		known := comErr == nil || sodErr == nil
		return !inGroup(id) || known && !signed && !slices.Contains(common.Groups, id)
	})
	if len(face) > 0 { // where nothing lists it, it is not of the document
		groups = slices.DeleteFunc(groups, func(id lds.FileID) bool {
			if id == lds.DG2 {
				index[id] = face
			}
			return id == lds.DG2
		})
	}
	if len(groups) == 0 {
		return index, notes, nil
	}
	files, more, err := i.reader.Read(c, groups...)
	maps.Copy(files, index)
	return files, append(notes, more...), err
}

// face reads DG2 before all else where somebody waits to see it; nothing where the chip
// has none.
func (i *inspection) face(c card.Card) ([]byte, error) {
	if i.seen == nil || !slices.Contains(i.Want, lds.DG2) {
		return nil, nil
	}
	files, _, err := i.reader.Read(c, lds.DG2)
	if face := files[lds.DG2]; err == nil && face != nil {
		i.seen(lds.DG2, face)
		return face, nil
	}
	return nil, err
}

func inGroup(id lds.FileID) bool { return id.Group() > 0 }

func undone(name string, err error) lds.Check {
	return lds.Check{Name: name, Result: lds.NotDone, Why: err.Error()}
}

func reading(notes []Note, err error) lds.Check {
	row := lds.Check{Name: CheckReading, Result: lds.Passed}
	if err != nil {
		return undone(CheckReading, err)
	}
	for i, n := range notes {
		if i > 0 {
			row.Why += "; "
		}
		row.Why += n.String()
	}
	return row
}

// active has the chip sign a fresh challenge. A wrong signature fails; a chip
// that does not answer leaves the check undone.
func active(c card.Card, files lds.Files) lds.Check {
	raw, ok := files[lds.DG15]
	if !ok {
		why := "the chip offers none: it has no DG15"
		if sod, err := lds.DecodeSOD(files[lds.SOD]); err != nil || sod.Object.Groups[lds.DG15] != nil {
			why = "DG15 was not read"
		}
		return lds.Check{Name: CheckActive, Result: lds.NotDone, Why: why}
	}
	key, err := lds.DecodeDG15(raw)
	if err != nil {
		return lds.Check{Name: CheckActive, Result: lds.Failed, Why: err.Error()}
	}
	var hash crypto.Hash
	if infos, err := lds.DecodeDG14(files[lds.DG14]); err == nil {
		hash = lds.ActiveHash(infos)
	}
	switch err := access.ActiveAuthenticate(c, key, hash, nil); {
	case err == nil:
		return lds.Check{Name: CheckActive, Result: lds.Passed, Why: tried(c)}
	case errors.Is(err, access.ErrSignature):
		return lds.Check{Name: CheckActive, Result: lds.Failed, Why: "the chip does not hold the key of DG15: it is a copy"}
	default:
		return undone(CheckActive, err)
	}
}

// chipAuthentication has the chip prove that it holds the static key that DG14 names
// (Doc 9303-11, 6.2), whether or not active authentication passed. The channel is
// new afterwards; one file read inside it is the proof. The card is nil where there is
// no such channel.
func (i *inspection) chipAuthentication(c card.Card, files lds.Files) (card.Card, lds.Check) {
	row := lds.Check{Name: CheckChip, Result: lds.NotDone, Why: "the chip offers none"}
	raw, ok := files[lds.DG14]
	if !ok {
		row.Why = "DG14 was not read, or the chip has none"
		return nil, row
	}
	set, err := tlv.One(raw, lds.DG14.Tag())
	if err != nil {
		row.Why = err.Error()
		return nil, row
	}
	keys, err := access.ParseChipAuthentication(set)
	switch {
	case errors.Is(err, access.ErrNoChipAuthentication):
		return nil, row
	case err != nil:
		return nil, undone(CheckChip, err)
	}
	inside, err := access.ChipAuthentication{Key: keys[0]}.Open(c)
	if err == nil {
		_, _, err = i.reader.Read(inside, lds.COM)
	}
	switch {
	case errors.Is(err, access.ErrNotAuthentic):
		row.Result, row.Why = lds.Failed, "the chip does not hold the key of DG14: it is a copy"
	case err != nil:
		return nil, undone(CheckChip, err)
	case !access.ChipProven(inside):
		row.Why = "the chip answered nothing under its new keys"
	default:
		row.Result, row.Why = lds.Passed, ""
		return inside, row
	}
	return nil, row
}
