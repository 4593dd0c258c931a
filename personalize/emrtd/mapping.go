package emrtd

import (
	"errors"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/personalize/lds"
)

// CheckMapping is the row of a chip that PACE with chip authentication mapping opened.
const CheckMapping = "chip authentication mapping"

// security reads EF.CardSecurity where the mapping has to be held against it: in the
// master file, before the application is selected.
func (r *Reader) security(open card.Card) error {
	if _, mapped := open.(access.Mapped); !mapped {
		return nil
	}
	files := Reader{Longest: r.Longest, Cautious: r.Cautious, control: r.control}
	got, _, err := files.Read(open, lds.SecurityFileID)
	if err != nil && !refused(err) {
		return err
	}
	r.cardSecurity = got[lds.SecurityFileID]
	return nil
}

// mapped holds what the chip proved by the mapping against the key in its
// EF.CardSecurity, once that is known to be a document signer's (Doc 9303-11,
// 4.4.3.5.1); no row for a chip that was opened otherwise.
func (r *Reader) mapped(open card.Card, door access.Access, trust lds.Trust, now time.Time) []lds.Check {
	chip, mapped := open.(access.Mapped)
	pace, ok := door.(access.PACE)
	if !mapped || !ok {
		return nil
	}
	row := lds.Check{Name: CheckMapping, Result: lds.NotDone, Why: "the chip does not give its EF.CardSecurity"}
	if r.cardSecurity == nil {
		return []lds.Check{row}
	}
	infos, row := lds.VerifyCardSecurity(r.cardSecurity, trust, now)
	if row.Name = CheckMapping; row.Result != lds.Passed {
		return []lds.Check{row}
	}
	key, err := access.MappingKey(infos, pace.Info)
	if err == nil {
		err = chip.VerifyChip(key)
	}
	switch {
	case errors.Is(err, access.ErrNotAuthentic):
		row.Result, row.Why = lds.Failed, "the chip does not hold the key of EF.CardSecurity: it is a copy"
	case err != nil:
		row.Result, row.Why = lds.Failed, "EF.CardSecurity has no key on the curve of PACE: "+err.Error()
	}
	return []lds.Check{row}
}
