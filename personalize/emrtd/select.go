package emrtd

import (
	"errors"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/personalize/lds"
)

// selects selects by a command that wants no control information (P2 = 0C), as Doc
// 9303-10, 3.6.2 has it, and in a chip that refuses that by one that does, from then
// on.
func (r *Reader) selects(c card.Card, cmd card.Command) (card.Response, error) {
	if r.control {
		return c.Transmit(withControl(cmd))
	}
	resp, err := c.Transmit(cmd)
	if err != nil || resp.SW != card.IncorrectP1P2 && resp.SW != card.FunctionNotSupported {
		return resp, err
	}
	again, err := c.Transmit(withControl(cmd))
	if err != nil || again.SW != card.OK {
		return resp, err
	}
	r.control = true
	r.note(0, "chip answers %s to a selection without control information, which is asked for from here on", resp.SW)
	return again, nil
}

// selection is SELECT of an elementary file by its identifier.
func selection(id lds.FileID) card.Command {
	return card.Command{INS: 0xA4, P1: 0x02, P2: 0x0C, Data: []byte{byte(id >> 8), byte(id)}}
}

func withControl(cmd card.Command) card.Command {
	cmd.P2, cmd.Ne = 0x00, card.MaxShortNe
	return cmd
}

// refusal is the error for a status, nil for 9000.
func refusal(cmd card.Command, sw card.Status) error {
	if sw == card.OK {
		return nil
	}
	return &card.Error{Header: cmd.Header(), Lc: len(cmd.Data), SW: sw}
}

// selectMaster selects the master file (ISO/IEC 7816-4:2020, 11.2.2), by its
// identifier or, where the chip refuses that, without (Doc 9303-10, 3.6.1). Some chips
// refuse both, each with a status of its own, and give its files all the same.
// Where it lies selected, nothing is asked.
func (r *Reader) selectMaster(c card.Card) (sw card.Status, err error) {
	if r.master {
		return card.OK, nil
	}
	defer func() { r.master = err == nil && sw == card.OK }()
	named, err := r.selects(c, card.Command{INS: 0xA4, P2: 0x0C, Data: []byte{0x3F, 0x00}})
	if err != nil || named.SW == card.OK {
		return named.SW, err
	}
	implicit, err := r.selects(c, card.Command{INS: 0xA4, P2: 0x0C})
	if err != nil || implicit.SW == card.OK {
		return implicit.SW, err
	}
	return named.SW, nil
}

// Enter selects the application and opens it through door. PACE comes before the
// selection, at the master file, and the selection is then made inside (Doc 9303-11,
// 4.2); but some chips know PACE only in the application, and refuse to have it
// selected again.
func Enter(c card.Card, aid []byte, door access.Access) (card.Card, error) {
	return new(Reader).enter(c, aid, door)
}

func (r *Reader) enter(c card.Card, aid []byte, door access.Access) (card.Card, error) {
	if _, early := door.(access.PACE); !early {
		return r.enterSelected(c, aid, door)
	}
	master, err := r.selectMaster(c)
	if err != nil {
		return nil, err
	}
	if master != card.OK {
		r.note(0, "chip answers %s to the selection of its master file, opened where it stands", master)
	}
	open, err := door.Open(c)
	var refused card.Status
	switch {
	case errors.Is(err, access.ErrNotAuthentic) || err != nil && !errors.As(err, &refused):
		return nil, err
	case err != nil:
		r.note(0, "chip answers %s to PACE at the master file, opened in the application", refused)
		return r.enterSelected(c, aid, door)
	}
	if err := r.security(open); err != nil {
		return nil, err
	}
	if err = r.selectAID(open, aid); err == nil || !errors.As(err, &refused) {
		return open, err
	}
	if master == card.OK { // and nothing has left it: its files are not the application's
		r.note(0, "chip answers %s to the selection of the application inside the channel, opened again in the application", refused)
		return r.enterSelected(c, aid, door)
	}
	return open, nil
}

func (r *Reader) enterSelected(c card.Card, aid []byte, door access.Access) (card.Card, error) {
	if err := r.selectAID(c, aid); err != nil {
		return nil, err
	}
	return door.Open(c)
}

func (r *Reader) selectAID(c card.Card, aid []byte) error {
	r.master = false
	cmd := card.Command{INS: 0xA4, P1: 0x04, P2: 0x0C, Data: aid}
	resp, err := r.selects(c, cmd)
	if err == nil {
		err = refusal(cmd, resp.SW)
	}
	if err != nil {
		return fmt.Errorf("select application %X: %w", aid, err)
	}
	return nil
}
