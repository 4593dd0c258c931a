package piv

import "cardstation/devices/card"

// long is a card that is given commands and answers of any length: in one piece of
// extended length, where extended says that the chip may take that and until it refuses
// the first one, else in a chain, which every PIV application takes (SP 800-73-4 part 2,
// 2.4; ISO/IEC 7816-4:2020, 5.3.3), its answer in pieces that card.Over collects.
type long struct {
	card.Card
	extended bool
}

// stretched is c as long; a card that is one already stays as it is.
func stretched(c card.Card, extended bool) card.Card {
	switch c.(type) {
	case *long, *application:
		return c
	}
	return &long{c, extended}
}

// Transmit implements card.Card.
func (l *long) Transmit(cmd card.Command) (card.Response, error) {
	if l.extended && whole(&cmd) {
		resp, err := l.Card.Transmit(cmd)
		if err != nil || resp.SW != card.WrongLength {
			return resp, err
		}
		l.extended = false
	}
	var resp card.Response
	for _, link := range cut(cmd, false) {
		var err error
		if resp, err = l.Card.Transmit(link); err != nil || resp.SW != card.OK {
			return resp, err
		}
	}
	return resp, nil
}

// whole makes of a command one of extended length, where that is worth it: for data over
// 255 bytes, and for what may answer more than 256 (GET DATA, ATTEST).
func whole(cmd *card.Command) bool {
	if cmd.INS != 0xCB && cmd.INS != 0xF9 && len(cmd.Data) <= card.MaxShortData {
		return false
	}
	if cmd.Ne > 0 {
		cmd.Ne = card.MaxExtendedNe
	}
	return true
}

// cut gives the pieces in which a command is sent.
func cut(cmd card.Command, extended bool) []card.Command {
	if extended && whole(&cmd) {
		return []card.Command{cmd}
	}
	if cmd.Ne > card.MaxShortNe {
		cmd.Ne = card.MaxShortNe
	}
	var links []card.Command
	data := cmd.Data
	for len(data) > card.MaxShortData {
		links = append(links, card.Command{CLA: cmd.CLA | 0x10, INS: cmd.INS, P1: cmd.P1, P2: cmd.P2, Data: data[:card.MaxShortData]})
		data = data[card.MaxShortData:]
	}
	cmd.Data = data
	return append(links, cmd)
}
