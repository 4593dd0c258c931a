package softcard

import (
	"errors"

	"cardstation/devices/card"
)

// Quirks are ways in which chips of other makers differ from this one, for tests
// of readers. The zero value has none. They are kept with the chip's state.
type Quirks struct {
	// RefuseSelectMF: SELECT of the master file answers 6D00. Its files can still be
	// selected, with nothing selected before.
	RefuseSelectMF bool `json:"refuseSelectMF,omitzero"`
	// Preselected: once activated, the eMRTD application is selected after reset, and
	// PACE is run there.
	Preselected bool `json:"preselected,omitzero"`
	// RefuseExtended: extended length answers 6700, and there is no EF.ATR/INFO.
	RefuseExtended bool `json:"refuseExtended,omitzero"`
	// RefuseControlInformation: SELECT answers 6A86 unless P2 is 0C.
	RefuseControlInformation bool `json:"refuseControlInformation,omitzero"`
	// RefuseSelectInside: SELECT by name answers 6700 inside a channel for reading.
	RefuseSelectInside bool `json:"refuseSelectInside,omitzero"`
	// RefuseShortID: READ BINARY by short identifier answers 6A86.
	RefuseShortID bool `json:"refuseShortID,omitzero"`
	// RefuseOddRead: READ BINARY with a data object for the offset answers 6D00.
	RefuseOddRead bool `json:"refuseOddRead,omitzero"`
	// MaxLe is the largest Le that READ BINARY takes inside a channel for reading; 0
	// is no limit. More answers LeStatus, 6700 where that is 0.
	MaxLe    int         `json:"maxLe,omitzero"`
	LeStatus card.Status `json:"leStatus,omitzero"`
	// MaxData is the most that READ BINARY gives at once, whatever Le is and with
	// 9000; 0 is no limit.
	MaxData int `json:"maxData,omitzero"`
}

func (q Quirks) check() error {
	if q.MaxLe < 0 || q.MaxData < 0 {
		return errors.New("negative length among the quirks")
	}
	if sw1 := q.LeStatus.SW1(); q.LeStatus != 0 && (sw1 < 0x62 || sw1 > 0x6F) {
		return errors.New("status among the quirks is no refusal")
	}
	return nil
}

// refusesSelect gives the answer to a SELECT that the quirks do not let pass, nil
// for every other.
func (c *Chip) refusesSelect(cmd card.Command) error {
	q := c.state.Quirks
	byName, master := cmd.P1 == 0x04, cmd.P1 == 0 && (len(cmd.Data) == 0 || isMasterFile(cmd.Data))
	switch {
	case q.RefuseSelectMF && master:
		return card.InsNotSupported
	case q.RefuseSelectInside && byName && c.session.read:
		return card.WrongLength
	case q.RefuseControlInformation && cmd.P2 != 0x0C:
		return card.IncorrectP1P2
	}
	return nil
}

// refusesRead is refusesSelect for READ BINARY.
func (c *Chip) refusesRead(cmd card.Command) error {
	q := c.state.Quirks
	odd := cmd.INS == 0xB1
	short := !odd && cmd.P1&0x80 != 0 || odd && cmd.P1 == 0 && cmd.P2 != 0
	switch {
	case q.RefuseOddRead && odd:
		return card.InsNotSupported
	case q.RefuseShortID && short:
		return card.IncorrectP1P2
	case q.MaxLe == 0 || cmd.Ne <= q.MaxLe || !c.session.read:
		return nil
	case q.LeStatus == 0:
		return card.WrongLength
	}
	return q.LeStatus
}
