// Package emrtd writes and reads the logical data structure of an eMRTD (ICAO Doc
// 9303-10, LDS1) through a card.Card.
package emrtd

import (
	"cardstation/devices/card"
	"cardstation/personalize/lds"
)

// Note is something worth telling about a reading: a file left out, a length the
// chip insisted on.
type Note struct {
	File lds.FileID // 0 where it is about the whole reading
	Text string
}

// Select selects the eMRTD application.
func Select(c card.Card) error { return nil }

// Read reads files through an opened card.
func Read(c card.Card, want ...lds.FileID) (lds.Files, []Note, error) { return nil, nil, nil }
