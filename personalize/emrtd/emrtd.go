// Package emrtd writes, opens, reads and inspects the logical data structure of an
// eMRTD (ICAO Doc 9303-10, LDS1) through a card.Card. The protocols are those of
// package access below, and what the files mean is package lds beside it: this one says
// which protocol a chip wants and in what order a chip is asked, and gives every check
// as a row (Inspection).
//
// Reading follows Doc 9303-10, 3.6.3: READ BINARY by short identifier or, where the
// chip refuses that, after SELECT, with the even instruction up to offset 32,767 and the
// odd one beyond. Writing is not standardised by ICAO, so its commands are data: see
// Commands.
package emrtd

import (
	"errors"
	"fmt"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// AID of the eMRTD application (Doc 9303-10, 3.6.1).
var AID = []byte{0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01}

// Select selects the eMRTD application. Any channel that was open ends.
func Select(c card.Card) error {
	return new(Reader).selectAID(c, AID)
}

// lifeCycle selects the application for its file control information and gives the
// life cycle status byte (ISO/IEC 7816-4:2020, 7.4.10); ok is false where the
// application says none.
func lifeCycle(c card.Card, aid []byte) (status byte, ok bool, err error) {
	fci, err := card.Select(c, aid)
	if err != nil {
		return 0, false, err
	}
	v, err := tlv.Find(fci, 0x6F, 0x8A)
	switch {
	case errors.Is(err, tlv.ErrNotFound) || err == nil && len(v) != 1:
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("file control information of application %X: %w", aid, err)
	}
	return v[0], true, nil
}
