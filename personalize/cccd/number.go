package cccd

import (
	"fmt"
	"strconv"
	"time"
)

// Number is a personal number taken apart: PPP G YY NNNNNN (Circular 59/2021,
// article 4).
type Number struct {
	Place string // three digits: province or country of the birth's registration
	Year  int    // of birth, four digits
	Sex   string // M or F
}

// ParseNumber takes a personal number apart; an error says what about it cannot be.
func ParseNumber(s string) (Number, error) {
	if !digits(s, 12) {
		return Number{}, fmt.Errorf("a personal number has 12 digits")
	}
	if _, _, ok := Province(s[:3]); !ok {
		return Number{}, fmt.Errorf("%s is no code of a province or country", s[:3])
	}
	century, sex := int(s[3]-'0')/2, "M"
	if (s[3]-'0')%2 == 1 {
		sex = "F"
	}
	year, _ := strconv.Atoi(s[4:6])
	return Number{Place: s[:3], Year: 1900 + 100*century + year, Sex: sex}, nil
}

// DocumentNumber is the card's: the last nine digits of the personal number.
func DocumentNumber(number string) string { return number[max(0, len(number)-9):] }

func digits(s string, n int) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) == n
}

// Ages of renewal (Law 26/2023, article 21.1), and how many years before one of them
// a new card already runs to the next (article 21.2).
var renewalAges = [...]int{14, 25, 40, 60}

const renewalMargin = 2

// Expiry is the calendar date on which a card issued on that day expires: the
// holder's birthday at the next age of renewal, or the one after where that is less
// than two years away; NoExpiry after the last. Who is born on 29 February turns an
// age on 1 March of a common year.
func Expiry(birth string, issue time.Time) (string, error) {
	b, err := time.Parse(time.DateOnly, birth)
	if err != nil {
		return "", fmt.Errorf("date of birth is no calendar date")
	}
	day := time.Date(issue.Year(), issue.Month(), issue.Day(), 0, 0, 0, 0, time.UTC)
	if day.Before(b) {
		return "", fmt.Errorf("card issued before its holder was born")
	}
	for _, age := range renewalAges {
		if at := b.AddDate(age, 0, 0); day.Before(at.AddDate(-renewalMargin, 0, 0)) {
			return at.Format(time.DateOnly), nil
		}
	}
	return NoExpiry, nil
}
