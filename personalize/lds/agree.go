package lds

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/language"

	"cardstation/personalize/cccd"
	"cardstation/personalize/mrz"
)

// otherStates are codes of Doc 9303-3, 5 that ISO 3166 pairs otherwise or not at all.
var otherStates = map[string]string{"D": "DE", "UNO": "UN", "UNA": "UN", "EUE": "EU", "RKS": "KS", "GBD": "GB", "GBN": "GB",
	"GBO": "GB", "GBP": "GB", "GBS": "GB"}

// twoLetters is the country code that a certificate has for the state of a zone; the
// state itself where ISO 3166-1 has none.
func twoLetters(state string) string {
	if two, ok := otherStates[state]; ok {
		return two
	}
	if r, err := language.ParseRegion(state); err == nil && len(r.String()) == 2 {
		return r.String()
	}
	return state
}

func certificateState(c *x509.Certificate) string {
	if len(c.Subject.Country) == 0 {
		return "no country"
	}
	return strings.ToUpper(c.Subject.Country[0])
}

// state holds the country of the zone against that of both signers.
func (v *verification) state() (string, error) {
	if v.zoneErr != nil {
		return "", notDone("%w", v.zoneErr)
	}
	if err := v.signerRead(); err != nil {
		return "", err
	}
	want := twoLetters(v.zone.Issuer)
	found := v.zone.Issuer + " in DG1"
	for _, c := range []*x509.Certificate{v.sod.Signer, v.anchor} {
		if c == nil {
			return found, notDone("the country signer is not known")
		}
		got := certificateState(c)
		if found += fmt.Sprintf(", %s in %s", got, c.Subject.CommonName); got != want && got != v.zone.Issuer {
			return found, fmt.Errorf("DG1 is of %s, %s is of %s", v.zone.Issuer, c.Subject.CommonName, got)
		}
	}
	return found, nil
}

// national tells whether DG13 could be in the form of Viet Nam: of another state it
// is that state's own.
func (v *verification) national() bool { return v.zoneErr != nil || v.zone.Issuer == "VNM" }

// agreement holds the zone against the national data, field by field.
func (v *verification) agreement() (string, error) {
	b, ok := v.files[DG13]
	switch {
	case v.zoneErr != nil:
		return "", notDone("%w", v.zoneErr)
	case !ok:
		return "", notDone("DG13 was not read")
	}
	n, _, err := cccd.DecodeDG13(b)
	if err != nil {
		return "", err
	}
	want, err := cccd.MRZ(n.Holder, n.Expiry)
	if err != nil {
		return "", fmt.Errorf("DG13 makes no machine readable zone: %w", err)
	}
	return "number, personal number, name, birth, sex, nationality and expiry", differences(v.zone, want)
}

// differences names the fields in which the zone is not the one that DG13 makes.
func differences(got, want mrz.Zone) error {
	var differ []string
	for _, f := range []struct{ name, got, want string }{
		{"document number", got.Document, want.Document}, {"personal number", got.Optional1, want.Optional1},
		{"name", got.Name, want.Name}, {"date of birth", got.Birth, want.Birth}, {"sex", got.Sex, want.Sex},
		{"nationality", got.Nationality, want.Nationality}, {"date of expiry", got.Expiry, want.Expiry},
	} {
		if f.got != f.want {
			differ = append(differ, f.name)
		}
	}
	if differ == nil {
		return nil
	}
	return errors.New("DG1 and DG13 differ in " + strings.Join(differ, ", "))
}

// expiry tells whether the document has expired: it is good through the day in the
// zone. Years of expiry are of this century.
func (v *verification) expiry() (string, error) {
	if v.zoneErr != nil {
		return "", notDone("%w", v.zoneErr)
	}
	last, err := time.Parse("20060102", "20"+v.zone.Expiry)
	if err != nil {
		return "", notDone("the zone has no date of expiry")
	}
	if !v.now.Before(last.AddDate(0, 0, 1)) {
		return "", fmt.Errorf("the document expired on %s", last.Format(time.DateOnly))
	}
	return "today is " + v.now.Format(time.DateOnly), nil
}
