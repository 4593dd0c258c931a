package softcard

import (
	"errors"

	"cardstation/devices/card"
)

// Quirks are ways in which chips of other makers differ from this one, for tests
// of readers. The zero value has none. They are kept with the chip's state.
type Quirks struct {
	// SelectMF is what SELECT of the master file answers in place of doing it; 0 is no
	// refusal. Its files can still be selected, with nothing selected before. Seen:
	// 6D00, 6982, 6985, 6A81, 6A86, 6A87.
	SelectMF card.Status `json:"selectMF,omitzero"`
	// ImplicitMF: the master file is selected without its identifier only; with it the
	// answer is 6A86.
	ImplicitMF bool `json:"implicitMF,omitzero"`
	// Preselected: once activated, the eMRTD application is selected after reset, and
	// PACE is run there.
	Preselected bool `json:"preselected,omitzero"`
	// RefuseExtended: extended length answers 6700, and there is no EF.ATR/INFO, unless
	// ClaimExtended.
	RefuseExtended bool `json:"refuseExtended,omitzero"`
	ClaimExtended  bool `json:"claimExtended,omitzero"`
	// RefuseControlInformation: SELECT answers 6A86 unless P2 is 0C.
	RefuseControlInformation bool `json:"refuseControlInformation,omitzero"`
	// WantControlInformation: SELECT answers 6A86 where P2 is 0C.
	WantControlInformation bool `json:"wantControlInformation,omitzero"`
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
	// EndStatus is what READ BINARY answers to more than is left of the file, without
	// data; 0 is what is left and 6282.
	EndStatus card.Status `json:"endStatus,omitzero"`
	// RefusalEnds: a refusal inside a channel for reading is answered outside it, and
	// ends it.
	RefusalEnds bool `json:"refusalEnds,omitzero"`
	// NameParameter: PACE wants its domain parameter named though there is but one, and
	// answers 6A87 where it is not.
	NameParameter bool `json:"nameParameter,omitzero"`
	// LongLe: EXTERNAL AUTHENTICATE of BAC answers 6700 unless Le is 256.
	LongLe bool `json:"longLe,omitzero"`
	// ExactSignature: INTERNAL AUTHENTICATE answers 6Cxx unless Le is the signature's
	// length.
	ExactSignature bool `json:"exactSignature,omitzero"`
	// NoLongSignature: INTERNAL AUTHENTICATE gives nothing, with 9000, where Le is over
	// 256.
	NoLongSignature bool `json:"noLongSignature,omitzero"`
}

func (q Quirks) check() error {
	if q.MaxLe < 0 || q.MaxData < 0 {
		return errors.New("negative length among the quirks")
	}
	for _, s := range []card.Status{q.LeStatus, q.SelectMF, q.EndStatus} {
		if s != 0 && (s.SW1() < 0x62 || s.SW1() > 0x6F) {
			return errors.New("status among the quirks is no refusal")
		}
	}
	return nil
}

// refusesSelect gives the answer to a SELECT that the quirks do not let pass, nil
// for every other.
func (c *Chip) refusesSelect(cmd card.Command) error {
	q := c.state.Quirks
	byName, master := cmd.P1 == 0x04, cmd.P1 == 0 && (len(cmd.Data) == 0 || isMasterFile(cmd.Data))
	switch {
	case q.SelectMF != 0 && master:
		return q.SelectMF
	case q.ImplicitMF && master && len(cmd.Data) > 0, q.WantControlInformation && cmd.P2 == 0x0C:
		return card.IncorrectP1P2
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

// signed gives a signature as the quirks let it go.
func (q Quirks) signed(signature []byte, ne int) ([]byte, error) {
	switch n := len(signature); {
	case q.NoLongSignature && ne > card.MaxShortNe:
		return nil, nil
	case q.ExactSignature && ne != n && n <= card.MaxShortNe:
		return nil, 0x6C00 | card.Status(n&0xFF)
	}
	return signature, nil
}
