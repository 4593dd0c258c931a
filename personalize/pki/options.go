package pki

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// Options say whose certificate is made. The zero value is valid: Viet Nam, from
// now on, keys of crypto/rand.
type Options struct {
	Country      string   // ISO 3166-1 alpha-2 of the subject, default "VN"
	State        string   // the same as the machine readable zone has it, default "VNM"
	Organization string   // default "cardstation"
	Demo         bool     // writes DEMO into the subject
	CRL          []string // URLs of the country signer's revocation list, default under cardstation.invalid
	CitizenCRL   string   // URL of the citizen CA's, default none where CRL is given
	// Curve of the country signer, by default P-384, and DocumentCurve of the document
	// signer, by default P-256: one of P-256, P-384, P-521.
	Curve, DocumentCurve elliptic.Curve
	// Explicit writes the curve of country and document signer by its parameters, as Doc
	// 9303-12, 4.4 demands of states; else by its name (RFC 5480), as everybody else does.
	Explicit bool
	Now      time.Time // start of validity, default time.Now
	Rand     io.Reader // default crypto/rand
}

func (o Options) filled() Options {
	o.Country = cmp.Or(o.Country, "VN")
	o.State = cmp.Or(o.State, "VNM")
	o.Organization = cmp.Or(o.Organization, "cardstation")
	if len(o.CRL) == 0 {
		place := "http://crl.cardstation.invalid/" + o.State
		o.CRL, o.CitizenCRL = []string{place + ".crl"}, cmp.Or(o.CitizenCRL, place+"-citizen.crl")
	}
	if o.Curve == nil {
		o.Curve = elliptic.P384()
	}
	if o.DocumentCurve == nil {
		o.DocumentCurve = elliptic.P256()
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	o.Now = o.Now.UTC().Truncate(time.Second)
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return o
}

// DirectoryCRL are the places at which ICAO's Public Key Directory publishes the
// revocation list of a state that takes part in it (Doc 9303-12, 7.1).
func DirectoryCRL(state string) []string {
	return []string{
		"https://pkddownload1.icao.int/CRLs/" + state + ".crl",
		"https://pkddownload2.icao.int/CRLs/" + state + ".crl",
	}
}

// Curve finds a curve that keys are made on, by its name in FIPS 186.
func Curve(name string) (elliptic.Curve, error) {
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		if c.Params().Name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("no curve %q, there are P-256, P-384, P-521", name)
}

// check refuses what a country's certificates must not say.
func (o Options) check() error {
	if len(o.Country) != 2 || !isUpper(o.Country) {
		return fmt.Errorf("country %q is not two capital letters (ISO 3166-1 alpha-2)", o.Country)
	}
	if want, ok := stateOfCountry(o.Country); !ok || o.State != want {
		if !ok {
			return fmt.Errorf("country %q is none of ISO 3166-1", o.Country)
		}
		return fmt.Errorf("state %q is not that of country %s, which has %s in machine readable zones (Doc 9303-3, 5)", o.State, o.Country, want)
	}
	if strings.TrimSpace(o.Organization) == "" || len(o.Organization) > 64 {
		return fmt.Errorf("organization of %d characters instead of 1 to 64", len(o.Organization))
	}
	places := o.CRL
	if o.CitizenCRL != "" {
		places = append(places[:len(places):len(places)], o.CitizenCRL)
	}
	for _, place := range places {
		u, err := url.Parse(place)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "ldap" {
			return fmt.Errorf("revocation list at %q: want http, https or ldap (Doc 9303-12, 7.1)", place)
		}
	}
	return nil
}

func isUpper(s string) bool {
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// stateOfCountry is the code of the machine readable zone for a two-letter code (Doc
// 9303-3, 5): that of ISO 3166-1 but for Germany, organizations and the specimen.
func stateOfCountry(country string) (string, bool) {
	if s, ok := map[string]string{"DE": "D", "EU": "EUE", "UN": "UNO", "UT": "UTO"}[country]; ok {
		return s, true
	}
	r, err := language.ParseRegion(country)
	if err != nil || !r.IsCountry() || r.String() != country || r.ISO3() == "ZZZ" {
		return "", false
	}
	return r.ISO3(), true
}

// subject is country, organisation, DEMO where it is one, and the common name.
func (o Options) subject(common string) pkix.Name {
	n := pkix.Name{Country: []string{o.Country}, Organization: []string{o.Organization}, CommonName: common}
	if o.Demo {
		n.OrganizationalUnit = []string{"DEMO, not a travel or identity authority"}
		n.CommonName = "DEMO " + common
	}
	return n
}

// optionsOf go on with what the certificates of a country signer and, where there is
// one, of its document signer say of themselves.
func optionsOf(country, document *x509.Certificate, now time.Time) Options {
	o := Options{Demo: IsDemo(country), Now: now, CRL: country.CRLDistributionPoints, State: stateOf(country), Explicit: isExplicit(country)}
	o.Country = first(country.Subject.Country)
	o.Organization = first(country.Subject.Organization)
	o.Curve = curveOf(country)
	if document != nil {
		o.DocumentCurve = curveOf(document)
	}
	return o
}

// curveOf is nil for a key on none.
func curveOf(c *x509.Certificate) elliptic.Curve {
	if k, ok := c.PublicKey.(*ecdsa.PublicKey); ok {
		return k.Curve
	}
	return nil
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
