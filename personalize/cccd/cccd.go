// Package cccd is what is Vietnamese about the card: the personal number (Circular
// 59/2021, article 4), the citizen's data in DG13, the twist of the machine readable
// zone, the QR payload, and the ages of renewal (Law 26/2023).
package cccd

// Holder is what the card says of a person. Dates are ISO 8601 calendar dates
// (2006-01-02); text is UTF-8 in NFC with diacritics. Its fields stand in the order
// and types of the station's citizen, so that one converts to the other.
type Holder struct {
	Number      string `json:"personalNumber"`         // 12 digits, Circular 59/2021 article 4
	Name        string `json:"name"`                   // whole name, family name first
	BirthDate   string `json:"dateOfBirth"`            // calendar date
	Sex         string `json:"sex"`                    // M or F
	Nationality string `json:"nationality"`            // ISO 3166-1 alpha-3
	Ethnicity   string `json:"ethnicity"`              // Kinh, Tày, ...
	Religion    string `json:"religion"`               // may be "Không"
	Origin      string `json:"placeOfOrigin"`          // one line
	Residence   string `json:"placeOfResidence"`       // one line
	Marks       string `json:"identifyingMarks"`       // may be empty
	Father      string `json:"father,omitempty"`       // whole name, may be empty
	Mother      string `json:"mother,omitempty"`       // whole name, may be empty
	Spouse      string `json:"spouse,omitempty"`       // whole name, empty if single
	OldNumber   string `json:"formerNumber,omitempty"` // 9 digits, empty if none
}

// Fault is one thing wrong with a holder's data, as a person can mend it.
type Fault struct {
	Field string // the field's JSON name: "personalNumber"
	Text  string // one sentence
}

// NoExpiry is the calendar date that stands for a card without expiry.
const NoExpiry = "2099-12-31"
