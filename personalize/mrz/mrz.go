// Package mrz writes and reads the machine readable zone of ID-1 documents (TD1,
// three lines of 30 characters) by ICAO Doc 9303-5, 4.2, with the check digits and
// the transliteration of Doc 9303-3, 4.9 and 6.
package mrz

import (
	"fmt"
	"strings"
)

// Fill is the filler character.
const Fill = '<'

// LineLength is the number of characters in each of the three lines.
const LineLength = 30

// TD1 holds the fields of a TD1 zone as they stand in it, in A-Z, 0-9 and '<',
// without the fillers after them and without check digits.
type TD1 struct {
	Type        string // document code, 1 or 2 characters: "ID", "I"
	Issuer      string // issuing state or organisation, up to 3: "VNM", "D"
	Document    string // document number, 1 to 22; over 9 runs on into the optional data (Doc 9303-5, 4.2, note j)
	Optional1   string // optional data of the upper line, up to 15, after the document number
	Birth       string // YYMMDD; unknown parts are '<'
	Sex         string // "M", "F" or "<"
	Expiry      string // YYMMDD
	Nationality string // up to 3: "VNM"
	Optional2   string // optional data of the middle line, up to 11
	Name        string // lower line: primary identifier, "<<", secondary identifier; '<' between words
}

// Lines writes the three lines of 30 characters with all check digits. A field
// that is too long or has characters that the zone cannot hold makes an error
// which names the field.
func (m TD1) Lines() ([3]string, error) {
	if err := m.check(); err != nil {
		return [3]string{}, err
	}
	number, rest := splitDocument(m.Document)
	upper := pad(m.Type, 2) + pad(m.Issuer, 3) + number + pad(rest+m.Optional1, 15)
	middle := pad(m.Birth, 6) + digit(m.Birth) + pad(m.Sex, 1) + pad(m.Expiry, 6) + digit(m.Expiry) +
		pad(m.Nationality, 3) + pad(m.Optional2, 11)
	middle += digit(composite(upper, middle))
	return [3]string{upper, middle, pad(m.Name, LineLength)}, nil
}

// String writes the three lines joined, 90 characters, as DG1 holds them; the
// empty string where Lines has an error.
func (m TD1) String() string {
	l, err := m.Lines()
	if err != nil {
		return ""
	}
	return l[0] + l[1] + l[2]
}

// Names gives the primary identifier (family name) and the secondary identifier
// with spaces between words.
func (m TD1) Names() (primary, secondary string) {
	primary, secondary, _ = strings.Cut(m.Name, "<<")
	words := func(s string) string {
		return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == Fill }), " ")
	}
	return words(primary), words(secondary)
}

// Parse reads a TD1 zone of 90 characters; line ends and blanks between the lines
// are skipped. Every check digit must be right (CheckError names the first that
// is not), and what it gives writes itself again to the same characters.
func Parse(s string) (TD1, error) {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, s)
	if len(s) != 3*LineLength {
		return TD1{}, fmt.Errorf("machine readable zone of %d characters, want %d", len(s), 3*LineLength)
	}
	for i := range len(s) {
		if value(s[i]) < 0 {
			return TD1{}, fmt.Errorf("machine readable zone: character %d is not of A-Z, 0-9 and <", i+1)
		}
	}
	upper, middle, lower := s[:30], s[30:60], s[60:]
	m := TD1{
		Type: trim(upper[:2]), Issuer: trim(upper[2:5]), Birth: middle[:6], Sex: middle[7:8],
		Expiry: middle[8:14], Nationality: trim(middle[15:18]), Optional2: trim(middle[18:29]), Name: trim(lower),
	}
	if err := m.parseDocument(upper[5:]); err != nil {
		return TD1{}, err
	}
	return m, m.verify(upper, middle, lower)
}

// verify holds the zone that was read against what its fields write.
func (m TD1) verify(upper, middle, lower string) error {
	for _, c := range []struct{ field, data, digit string }{
		{"date of birth", middle[:6], middle[6:7]},
		{"date of expiry", middle[8:14], middle[14:15]},
		{"composite", composite(upper, middle), middle[29:]},
	} {
		if digit(c.data) != c.digit {
			return &CheckError{Field: c.field}
		}
	}
	again, err := m.Lines()
	if err != nil {
		return err
	}
	if again != [3]string{upper, middle, lower} {
		return fmt.Errorf("machine readable zone does not write itself again: a filler stands where none may")
	}
	return nil
}

// CheckError is a check digit that does not fit what it covers.
type CheckError struct{ Field string }

func (e *CheckError) Error() string { return "check digit of the " + e.Field + " is wrong" }

// splitDocument gives the nine characters and the check digit of the document
// number field, and what runs on into the optional data.
func splitDocument(document string) (number, rest string) {
	if len(document) <= 9 {
		return pad(document, 9) + digit(document), ""
	}
	return document[:9] + string(Fill), document[9:] + digit(document) + string(Fill)
}

// parseDocument reads characters 6 to 30 of the upper line.
func (m *TD1) parseDocument(s string) error {
	if s[9] != Fill || s[10] == Fill {
		m.Document, m.Optional1 = trim(s[:9]), trim(s[10:])
		if digit(m.Document) != s[9:10] {
			return &CheckError{Field: "document number"}
		}
		return nil
	}
	rest, optional, _ := strings.Cut(s[10:], string(Fill))
	m.Document, m.Optional1 = s[:9]+rest[:len(rest)-1], trim(optional)
	if len(rest) < 2 || digit(m.Document) != rest[len(rest)-1:] {
		return &CheckError{Field: "document number"}
	}
	return nil
}

func composite(upper, middle string) string {
	return upper[5:30] + middle[0:7] + middle[8:15] + middle[18:29]
}

func pad(s string, n int) string {
	if len(s) >= n {
		return s
	}
	return s + strings.Repeat(string(Fill), n-len(s))
}

func trim(s string) string { return strings.TrimRight(s, string(Fill)) }

// check refuses fields that would not fit or not read back.
func (m TD1) check() error {
	_, rest := splitDocument(m.Document)
	for _, f := range []struct {
		name, value string
		min, max    int
	}{
		{"document code", m.Type, 1, 2}, {"issuing state", m.Issuer, 1, 3}, {"document number", m.Document, 1, 22},
		{"optional data 1", rest + m.Optional1, 0, 15}, {"date of birth", m.Birth, 6, 6}, {"sex", m.Sex, 1, 1},
		{"date of expiry", m.Expiry, 6, 6}, {"nationality", m.Nationality, 1, 3}, {"optional data 2", m.Optional2, 0, 11},
		{"name", m.Name, 1, LineLength},
	} {
		if len(f.value) < f.min || len(f.value) > f.max {
			return fmt.Errorf("%s of the machine readable zone has %d characters, want %d to %d", f.name, len(f.value), f.min, f.max)
		}
		for i := range len(f.value) {
			if value(f.value[i]) < 0 {
				return fmt.Errorf("%s of the machine readable zone: character %d is not of A-Z, 0-9 and <", f.name, i+1)
			}
		}
	}
	return nil
}
