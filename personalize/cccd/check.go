package cccd

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"cardstation/personalize/mrz"
)

// Longest texts, in characters. They keep the whole of DG13 within a few kilobytes.
const (
	maxName = 100
	maxText = 250
)

// vietnam is where a day begins.
var vietnam = time.FixedZone("ICT", 7*60*60)

// faults collects what Check finds.
type faults []Fault

func (f *faults) add(field, format string, args ...any) {
	*f = append(*f, Fault{field, fmt.Sprintf(format, args...)})
}

// Check holds the fields against each other and against what a card can carry on
// that day: number against birth date, sex and place; dates; names that the machine
// readable zone can hold; lengths. No faults means that the card can be made.
func (h Holder) Check(now time.Time) []Fault {
	var f faults
	birth := f.birth(h.BirthDate, now)
	if h.Sex != "M" && h.Sex != "F" {
		f.add("sex", "The sex must be M or F.")
	}
	f.number(h, birth)
	f.name("name", h.Name, true)
	f.name("father", h.Father, false)
	f.name("mother", h.Mother, false)
	f.name("spouse", h.Spouse, false)
	if h.Nationality != "VNM" {
		f.add("nationality", "The card is for citizens of Viet Nam: the nationality must be VNM.")
	}
	for _, t := range []struct {
		field, value string
		wanted       bool
	}{
		{"ethnicity", h.Ethnicity, true}, {"religion", h.Religion, true}, {"placeOfOrigin", h.Origin, true},
		{"placeOfResidence", h.Residence, true}, {"identifyingMarks", h.Marks, false},
	} {
		f.text(t.field, t.value, maxText, t.wanted)
	}
	if h.OldNumber != "" && !digits(h.OldNumber, 9) {
		f.add("formerNumber", "The former number has 9 digits.")
	}
	return f
}

func (f *faults) birth(date string, now time.Time) time.Time {
	b, err := time.ParseInLocation(time.DateOnly, date, vietnam)
	switch {
	case err != nil:
		f.add("dateOfBirth", "The date of birth must be a calendar date such as 2000-12-31.")
	case b.After(now):
		f.add("dateOfBirth", "The date of birth is in the future.")
	case b.Year() < 1900:
		f.add("dateOfBirth", "The date of birth is before 1900.")
	default:
		return b
	}
	return time.Time{}
}

func (f *faults) number(h Holder, birth time.Time) {
	n, err := ParseNumber(h.Number)
	if err != nil {
		f.add("personalNumber", "The personal number cannot be right: %v.", err)
		return
	}
	if !birth.IsZero() && n.Year != birth.Year() {
		f.add("personalNumber", "The personal number says born in %d, the date of birth %d.", n.Year, birth.Year())
	}
	if (h.Sex == "M" || h.Sex == "F") && n.Sex != h.Sex {
		f.add("personalNumber", "The personal number says sex %s, the sex is %s.", n.Sex, h.Sex)
	}
}

// name checks a person's name; it must have a place in the machine readable zone.
func (f *faults) name(field, name string, holder bool) {
	if !f.text(field, name, maxName, holder) || name == "" {
		return
	}
	if _, err := mrz.Name(name, ""); err != nil {
		f.add(field, "The name cannot be written: %v.", err)
	}
}

// text tells whether the text can be on the card; wanted ones may not be empty.
func (f *faults) text(field, s string, most int, wanted bool) bool {
	before := len(*f)
	switch {
	case s == "" && wanted:
		f.add(field, "This must be filled in.")
	case !utf8.ValidString(s):
		f.add(field, "The text is not UTF-8.")
	case utf8.RuneCountInString(s) > most:
		f.add(field, "The text has more than %d characters.", most)
	case strings.TrimSpace(s) != s:
		f.add(field, "The text begins or ends with a blank.")
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '|' }):
		f.add(field, "The text must be one line without control characters or the sign |.")
	case !norm.NFC.IsNormalString(s):
		f.add(field, "The diacritics must be composed (Unicode NFC).")
	}
	return len(*f) == before
}
