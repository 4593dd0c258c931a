package cccd

import (
	"fmt"
	"strings"
	"time"

	"cardstation/personalize/mrz"
)

// MRZ makes the zone of the holder's card; expiry is a calendar date. Vietnamese
// cards put the whole personal number into the upper line and, at position 30, a
// check digit over it, where a plain Doc 9303-5 composer leaves a filler. The family
// name is the primary identifier.
func MRZ(h Holder, expiry string) (mrz.Zone, error) {
	if !digits(h.Number, 12) {
		return mrz.Zone{}, fmt.Errorf("personal number has not 12 digits")
	}
	birth, err := zoneDate(h.BirthDate)
	if err != nil {
		return mrz.Zone{}, fmt.Errorf("date of birth: %w", err)
	}
	end, err := zoneDate(expiry)
	if err != nil {
		return mrz.Zone{}, fmt.Errorf("date of expiry: %w", err)
	}
	family, given, _ := strings.Cut(strings.TrimLeft(h.Name, " '’ʼ.-‐,"), " ")
	name, err := mrz.Name(family, given)
	if err != nil {
		return mrz.Zone{}, err
	}
	m := mrz.Zone{
		Type: "ID", Issuer: "VNM", Document: DocumentNumber(h.Number),
		Optional1: h.Number + "<<" + string(rune(mrz.CheckDigit(h.Number))),
		Birth:     birth, Sex: h.Sex, Expiry: end, Nationality: h.Nationality, Name: name,
	}
	_, err = m.Lines()
	return m, err
}

// ZoneNumber is the personal number in a Vietnamese zone; ok is false where there is
// none, or where the check digit at position 30 does not fit it.
func ZoneNumber(m mrz.Zone) (number string, ok bool) {
	number, digit, ok := strings.Cut(m.Optional1, "<<")
	return number, ok && digits(number, 12) && digit == string(rune(mrz.CheckDigit(number))) &&
		m.Document == DocumentNumber(number)
}

// zoneDate writes a calendar date as YYMMDD.
func zoneDate(date string) (string, error) {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return "", fmt.Errorf("no calendar date")
	}
	return t.Format("060102"), nil
}

// QR2021 is the order of fields of the printed code of 2021.
var QR2021 = []string{"personalNumber", "formerNumber", "name", "dateOfBirth", "sex", "placeOfResidence", "issue"}

// QR is the payload of the printed QR code, UTF-8: the named fields with a bar
// between them, dates as ddMMyyyy, sex as Nam or Nữ. Fields are the JSON names of
// Holder and "issue", and "" for one that stays empty; none means QR2021.
func QR(h Holder, issue string, fields ...string) (string, error) {
	if len(fields) == 0 {
		fields = QR2021
	}
	birth, err := redate(h.BirthDate, time.DateOnly, "02012006")
	if err != nil {
		return "", fmt.Errorf("date of birth: %w", err)
	}
	issued, err := redate(issue, time.DateOnly, "02012006")
	if err != nil {
		return "", fmt.Errorf("date of issue: %w", err)
	}
	values := map[string]string{
		"": "", "personalNumber": h.Number, "formerNumber": h.OldNumber, "name": h.Name, "dateOfBirth": birth,
		"sex": sexText(h.Sex), "placeOfResidence": h.Residence, "placeOfOrigin": h.Origin, "issue": issued,
		"father": h.Father, "mother": h.Mother, "spouse": h.Spouse,
	}
	var out []string
	for _, f := range fields {
		v, ok := values[f]
		if !ok {
			return "", fmt.Errorf("the QR code has no field %q", f)
		}
		if strings.Contains(v, "|") {
			return "", fmt.Errorf("%s has a bar, which ends a field of the QR code", f)
		}
		out = append(out, v)
	}
	return strings.Join(out, "|"), nil
}

func redate(date, from, to string) (string, error) {
	t, err := time.Parse(from, date)
	if err != nil {
		return "", fmt.Errorf("no date of the form %s", from)
	}
	return t.Format(to), nil
}

// sexes and states as the card says them in Vietnamese.
func sexText(s string) string {
	switch s {
	case "M":
		return "Nam"
	case "F":
		return "Nữ"
	}
	return s
}

func sexCode(s string) string {
	switch s {
	case "Nam":
		return "M"
	case "Nữ":
		return "F"
	}
	return s
}
