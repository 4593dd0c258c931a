// Package lds encodes, decodes and checks the logical data structure of ICAO Doc
// 9303-10: EF.COM, the data groups and the document security object. It never sees
// a card: files go in and out as bytes.
package lds

import (
	"fmt"

	"cardstation/devices/card/tlv"
)

// FileID is the file identifier of an elementary file (Doc 9303-10, 3).
type FileID uint16

// Files of the eMRTD application, and EF.CardAccess of the master file.
const (
	COM        FileID = 0x011E
	DG1        FileID = 0x0101 // machine readable zone
	DG2        FileID = 0x0102 // face
	DG3        FileID = 0x0103 // fingers
	DG4        FileID = 0x0104 // irises
	DG11       FileID = 0x010B // additional personal details
	DG12       FileID = 0x010C // additional document details
	DG13       FileID = 0x010D // national data
	DG14       FileID = 0x010E // security infos
	DG15       FileID = 0x010F // active authentication public key
	SOD        FileID = 0x011D // document security object
	CardAccess FileID = 0x011C // security infos outside the application
)

// DG gives the file of data group n, 1 to 16.
func DG(n int) FileID { return FileID(0x0100 + n) }

// Group is the number of the data group, 1 to 16; 0 for other files.
func (f FileID) Group() int {
	if n := int(f) - 0x0100; n >= 1 && n <= 16 {
		return n
	}
	return 0
}

// String is the file's name in the standard: "EF.COM", "DG1", "EF.SOD".
func (f FileID) String() string {
	switch f {
	case COM:
		return "EF.COM"
	case SOD:
		return "EF.SOD"
	case CardAccess:
		return "EF.CardAccess"
	}
	if n := f.Group(); n > 0 {
		return fmt.Sprintf("DG%d", n)
	}
	return fmt.Sprintf("file %04X", uint16(f))
}

// SFI is the short file identifier (Doc 9303-10, 3): the low five bits.
func (f FileID) SFI() byte { return byte(f) & 0x1F }

// groupTags are the tags of DG1 to DG16 (Doc 9303-10, 4.7).
var groupTags = [16]tlv.Tag{0x61, 0x75, 0x63, 0x76, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70}

// Tag is the outermost tag of the file's content; 0 where the standard gives none.
func (f FileID) Tag() tlv.Tag {
	switch f {
	case COM:
		return 0x60
	case SOD:
		return 0x77
	}
	if n := f.Group(); n > 0 {
		return groupTags[n-1]
	}
	return 0
}

// byTag finds the data group with that tag.
func byTag(t tlv.Tag) (FileID, bool) {
	for i, g := range groupTags {
		if g == t {
			return DG(i + 1), true
		}
	}
	return 0, false
}

// Files are the contents of elementary files, from their outermost tag on, without
// padding after it.
type Files map[FileID][]byte

// Result of one check.
type Result string

// Results.
const (
	Passed  Result = "passed"
	Failed  Result = "failed"
	NotDone Result = "not done"
)

// Check is one row of passive authentication.
type Check struct {
	Name     string
	Result   Result
	Why      string // always said when not passed
	Evidence string // what was looked at: certificates, algorithms, dates; nothing of the holder
}
