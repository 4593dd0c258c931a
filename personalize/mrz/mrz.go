// Package mrz writes and reads the machine readable zones of identity documents by
// ICAO Doc 9303: TD1 (part 5, 4.2), TD2 (part 6, 4.2) and TD3 (part 4, 4.2), with the
// check digits and the transliteration of part 3, 4.9 and 6.
package mrz

import (
	"fmt"
	"slices"
	"strings"
)

// Fill is the filler character.
const Fill = '<'

// LineLength is the number of characters in each of the three lines of TD1.
const LineLength = 30

// Size is the size of a document, which says how its zone is laid out.
type Size int

// Sizes.
const (
	TD1 Size = iota // cards: three lines of 30
	TD2             // two lines of 36
	TD3             // passports: two lines of 44
)

// layouts by Size: lines, their length, the room for document number, optional data
// and name.
var layouts = []struct{ lines, length, document, optional1, optional2, name int }{
	TD1: {3, LineLength, 22, 15, 11, 30},
	TD2: {2, 36, 14, 7, 0, 31},
	TD3: {2, 44, 9, 14, 0, 39},
}

// String is the size's name in the standard.
func (s Size) String() string { return fmt.Sprintf("TD%d", int(s)+1) }

// Length is the number of characters in the zone, all lines together.
func (s Size) Length() int { return layouts[s].lines * layouts[s].length }

// Zone holds the fields of a zone as they stand in it, in A-Z, 0-9 and '<', without
// the fillers after them and without check digits.
type Zone struct {
	Size        Size
	Type        string // document code, 1 or 2 characters: "ID", "I", "P"
	Issuer      string // issuing state or organisation, up to 3: "VNM", "D"
	Document    string // document number; over 9 runs on into the optional data (Doc 9303-5, 4.2, note j), up to 22, of TD2 14
	Optional1   string // optional data, of TD1 that of the upper line: up to 15, of TD2 7, of TD3 14, after the document number
	Birth       string // YYMMDD; unknown parts are '<'
	Sex         string // "M", "F" or "<"
	Expiry      string // YYMMDD
	Nationality string // up to 3: "VNM"
	Optional2   string // of TD1 only: optional data of the middle line, up to 11
	Name        string // primary identifier, "<<", secondary identifier; '<' between words

	zero bool // TD3: the check digit over no optional data is 0 and no filler
}

// Lines writes the lines with all check digits. A field that is too long or has
// characters that the zone cannot hold makes an error which names the field.
func (m Zone) Lines() ([]string, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	number, rest := splitDocument(m.Document)
	head := pad(m.Type, 2) + pad(m.Issuer, 3)
	dates := pad(m.Birth, 6) + digit(m.Birth) + pad(m.Sex, 1) + pad(m.Expiry, 6) + digit(m.Expiry)
	l := layouts[m.Size]
	optional := pad(rest+m.Optional1, l.optional1)
	if m.Size == TD1 {
		upper := head + number + optional
		middle := dates + pad(m.Nationality, 3) + pad(m.Optional2, l.optional2)
		return []string{upper, middle + digit(composite(upper[5:], middle)), pad(m.Name, l.name)}, nil
	}
	if m.Size == TD3 {
		if optional += string(Fill); m.Optional1 != "" || m.zero {
			optional = optional[:l.optional1] + digit(m.Optional1)
		}
	}
	lower := number + pad(m.Nationality, 3) + dates + optional
	return []string{head + pad(m.Name, l.name), lower + digit(composite(lower[:10], lower[13:]))}, nil
}

// String writes the lines joined, as DG1 holds them; the empty string where Lines has
// an error.
func (m Zone) String() string {
	l, err := m.Lines()
	if err != nil {
		return ""
	}
	return strings.Join(l, "")
}

// Names gives the primary identifier (family name) and the secondary identifier
// with spaces between words.
func (m Zone) Names() (primary, secondary string) {
	primary, secondary, _ = strings.Cut(m.Name, "<<")
	words := func(s string) string {
		return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == Fill }), " ")
	}
	return words(primary), words(secondary)
}

// Parse reads a zone of 90, 72 or 88 characters (TD1, TD2, TD3); line ends and blanks
// between the lines are skipped. Every check digit must be right (CheckError names
// the first that is not), and what it gives writes itself again to the same
// characters.
func Parse(s string) (Zone, error) {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, s)
	for size := range layouts {
		if len(s) == Size(size).Length() {
			return parse(Size(size), s)
		}
	}
	return Zone{}, fmt.Errorf("machine readable zone of %d characters, want 90, 72 or 88", len(s))
}

func parse(size Size, s string) (Zone, error) {
	for i := range len(s) {
		if value(s[i]) < 0 {
			return Zone{}, fmt.Errorf("machine readable zone: character %d is not of A-Z, 0-9 and <", i+1)
		}
	}
	m := Zone{Size: size, Type: trim(s[:2]), Issuer: trim(s[2:5])}
	l := layouts[size]
	var lines []string
	for ; len(s) > 0; s = s[l.length:] {
		lines = append(lines, s[:l.length])
	}
	upper, lower := lines[0], lines[1]
	var number, dates, optional string
	if size == TD1 {
		number, optional, dates = upper[5:15], upper[15:], lower[:15]
		m.Nationality, m.Optional2, m.Name = trim(lower[15:18]), trim(lower[18:29]), trim(lines[2])
	} else {
		number, dates, optional = lower[:10], lower[13:28], lower[28:28+l.optional1]
		m.Nationality, m.Name = trim(lower[10:13]), trim(upper[5:])
	}
	m.Birth, m.Sex, m.Expiry = dates[:6], dates[7:8], dates[8:14]
	if err := m.parseDocument(number, optional); err != nil {
		return Zone{}, err
	}
	m.zero = size == TD3 && m.Optional1 == "" && lower[42] == '0'
	return m, m.verify(lines, dates)
}

// verify holds the zone that was read against what its fields write.
func (m Zone) verify(lines []string, dates string) error {
	again, err := m.Lines()
	if err != nil {
		return err
	}
	last := len(again[1]) - 1
	for _, c := range []struct{ field, got, want string }{
		{"date of birth", dates[6:7], digit(m.Birth)}, {"date of expiry", dates[14:15], digit(m.Expiry)},
		{"optional data", lines[1][last-1 : last], again[1][last-1 : last]}, {"composite", lines[1][last:], again[1][last:]},
	} {
		if c.got != c.want && (c.field != "optional data" || m.Size == TD3) {
			return &CheckError{Field: c.field}
		}
	}
	if !slices.Equal(again, lines) {
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

// parseDocument reads the document number with its check digit, and the optional data
// that it may run on into.
func (m *Zone) parseDocument(number, optional string) error {
	if m.Size == TD3 || number[9] != Fill || optional[0] == Fill {
		m.Document, m.Optional1 = trim(number[:9]), trim(optional)
		if digit(m.Document) != number[9:] {
			return &CheckError{Field: "document number"}
		}
		return nil
	}
	rest, optional, _ := strings.Cut(optional, string(Fill))
	m.Document, m.Optional1 = number[:9]+rest[:len(rest)-1], trim(optional)
	if len(rest) < 2 || digit(m.Document) != rest[len(rest)-1:] {
		return &CheckError{Field: "document number"}
	}
	return nil
}

// composite is what the composite check digit is over: of TD1 the upper line from the
// document number on and the middle one without sex and nationality, of the others
// the lower line without them.
func composite(number, dates string) string {
	if len(number) > 10 { // TD1
		return number + dates[0:7] + dates[8:15] + dates[18:29]
	}
	return number + dates[0:7] + dates[8:]
}

func pad(s string, n int) string {
	if len(s) >= n {
		return s
	}
	return s + strings.Repeat(string(Fill), n-len(s))
}

func trim(s string) string { return strings.TrimRight(s, string(Fill)) }

// check refuses fields that would not fit or not read back.
func (m Zone) check() error {
	if m.Size < TD1 || m.Size > TD3 {
		return fmt.Errorf("no machine readable zone of size %d", m.Size)
	}
	l := layouts[m.Size]
	_, rest := splitDocument(m.Document)
	for _, f := range []struct {
		name, value string
		min, max    int
	}{
		{"document code", m.Type, 1, 2}, {"issuing state", m.Issuer, 1, 3}, {"document number", m.Document, 1, l.document},
		{"optional data 1", rest + m.Optional1, 0, l.optional1}, {"date of birth", m.Birth, 6, 6}, {"sex", m.Sex, 1, 1},
		{"date of expiry", m.Expiry, 6, 6}, {"nationality", m.Nationality, 1, 3}, {"optional data 2", m.Optional2, 0, l.optional2},
		{"name", m.Name, 1, l.name},
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
