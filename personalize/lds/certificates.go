package lds

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"time"

	"cardstation/personalize/cccd"
	"cardstation/personalize/pki"
)

// The checks of the certificates above EF.SOD: Doc 9303-11, 5.1 with the profiles of
// Doc 9303-12, 7.1.

// title names a certificate in a row's evidence.
func title(c *x509.Certificate) string {
	return fmt.Sprintf("%s, serial %X", c.Subject, c.SerialNumber)
}

func span(from, to time.Time) string {
	return from.Format(time.DateOnly) + " to " + to.Format(time.DateOnly)
}

// signerRead is why there is no document signer certificate to look at; nil if there
// is one.
func (v *verification) signerRead() error {
	switch {
	case v.sodErr != nil:
		return notDone("there is no EF.SOD to look into")
	case v.sod.Signer == nil:
		return notDone("%w", v.sod.signerErr())
	}
	return nil
}

// signer holds the certificate against its profile (Doc 9303-12, 7.1).
func (v *verification) signer() (string, error) {
	if err := v.signerRead(); err != nil {
		return "", err
	}
	c := v.sod.Signer
	found := "in EF.SOD"
	if !slices.ContainsFunc(v.sod.signed.Certificates, c.Equal) {
		found = "from " + v.trust.Source(c)
	}
	found = fmt.Sprintf("%s, %s, %s", title(c), pki.KeyName(c.PublicKey), found)
	types := pki.DocumentTypes(c)
	switch {
	case c.IsCA:
		return found, fmt.Errorf("%s is an authority, no document signer", c.Subject.CommonName)
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return found, fmt.Errorf("%s may not sign: its key usage does not say so", c.Subject.CommonName)
	case otherPurpose(c) != nil:
		return found, fmt.Errorf("%s is no document signer: its key is for %s", c.Subject.CommonName, otherPurpose(c))
	case len(c.UnhandledCriticalExtensions) > 0:
		return found, notDone("%s has a critical extension %s, which is unknown here", c.Subject.CommonName, c.UnhandledCriticalExtensions[0])
	case v.zoneErr == nil && len(types) > 0 && !slices.Contains(types, v.zone.Type) && !slices.Contains(types, v.zone.Type[:1]):
		return found, fmt.Errorf("%s signs documents of type %s, this is of type %s", c.Subject.CommonName, strings.Join(types, ", "), v.zone.Type)
	}
	return found, nil
}

// otherPurpose is an extended key usage of ICAO's own arc: country signers certify
// signers of master lists and the like too, and document signers have none (Doc
// 9303-12, 7.1).
func otherPurpose(c *x509.Certificate) asn1.ObjectIdentifier {
	for _, usage := range c.UnknownExtKeyUsage {
		if len(usage) > len(oidICAO) && usage[:len(oidICAO)].Equal(oidICAO) {
			return usage
		}
	}
	return nil
}

var oidICAO = asn1.ObjectIdentifier{2, 23, 136, 1, 1} // id-icao-mrtd-security

// maxUnread is how many of the files that were not read a row names.
const maxUnread = 3

// country looks for the country signer whose key signed the document signer.
func (v *verification) country() (string, error) {
	if err := v.signerRead(); err != nil {
		return "", err
	}
	signer := v.sod.Signer
	var wrong error
	for _, a := range v.above(signer.RawIssuer, signer.AuthorityKeyId) {
		if !pki.SignsCertificates(a) {
			wrong = fmt.Errorf("%s may not sign certificates", a.Subject.CommonName)
			continue
		}
		if err := pki.CertificateBy(signer, a); err != nil {
			wrong = fmt.Errorf("signature of %s on %s: %w", a.Subject.CommonName, signer.Subject.CommonName, err)
			continue
		}
		v.anchor = a
		return fmt.Sprintf("%s, %s, from %s; it signed by %s", title(a), pki.KeyName(a.PublicKey), v.trust.Source(a), pki.SignedWith(signer)), nil
	}
	if wrong != nil {
		return "", wrong
	}
	for _, a := range v.trust.Anchors {
		if certificateState(a) == certificateState(signer) {
			return "", fmt.Errorf("%s is signed by none of the trusted country signers of %s", signer.Subject.CommonName, certificateState(a))
		}
	}
	unread := v.trust.Unread
	if len(unread) > maxUnread {
		unread = append(slices.Clone(unread[:maxUnread]), fmt.Sprintf("and %d more", len(unread)-maxUnread))
	}
	found := ""
	if len(unread) > 0 {
		found = "not read or not believed: " + strings.Join(unread, "; ")
	}
	return found, notDone("no country signer of %s is trusted here", certificateState(signer))
}

// above are the anchors that may have signed what names its issuer and perhaps its
// key: those with the key first, as a state's names are the same through many keys.
func (v *verification) above(issuer, key []byte) []*x509.Certificate {
	var named, others []*x509.Certificate
	for _, a := range v.trust.Anchors {
		switch {
		case len(key) > 0 && bytes.Equal(a.SubjectKeyId, key):
			named = append(named, a)
		case bytes.Equal(a.RawSubject, issuer):
			others = append(others, a)
		}
	}
	return append(named, others...)
}

// validity holds both certificates against today.
func (v *verification) validity() (string, error) {
	if err := v.signerRead(); err != nil {
		return "", err
	}
	if v.anchor == nil {
		return "", notDone("the country signer is not known")
	}
	found := fmt.Sprintf("today is %s; document signer %s, country signer %s", v.now.Format(time.DateOnly),
		span(v.sod.Signer.NotBefore, v.sod.Signer.NotAfter), span(v.anchor.NotBefore, v.anchor.NotAfter))
	for _, c := range []*x509.Certificate{v.sod.Signer, v.anchor} {
		switch {
		case v.now.Before(c.NotBefore):
			return found, fmt.Errorf("%s is valid from %s on", c.Subject.CommonName, c.NotBefore.Format(time.DateOnly))
		case v.now.After(c.NotAfter):
			return found, fmt.Errorf("%s was valid until %s", c.Subject.CommonName, c.NotAfter.Format(time.DateOnly))
		}
	}
	return found, nil
}

// dateSlack is how long after its signature a document may be dated, by its delivery.
// One that is dated before it, by its order, is none the worse.
const (
	dateSlack = 92 * 24 * time.Hour
	day       = 24 * time.Hour
)

// atIssue holds the usage periods of both keys against the time of their signatures:
// the country signer's when the document signer began, the document signer's when
// the document was issued.
func (v *verification) atIssue() (string, error) {
	if err := v.signerRead(); err != nil {
		return "", err
	}
	if v.anchor == nil {
		return "", notDone("the country signer is not known")
	}
	signer := v.sod.Signer
	made := signer.NotBefore
	from, to := usage(v.anchor)
	found := "country signer's key " + span(from, to)
	if made.Add(day).Before(from) || made.Add(-day).After(to) {
		return found, fmt.Errorf("%s is of %s, when the key of %s signed from %s only", signer.Subject.CommonName, made.Format(time.DateOnly), v.anchor.Subject.CommonName, span(from, to))
	}
	when, source := v.issued()
	if source == "" {
		return found, notDone("the document does not say when it was issued")
	}
	from, to = usage(signer)
	found = fmt.Sprintf("document signer's key %s, date of %s; %s", span(from, to), source, found)
	early, slack := when.Add(day).Before(from), dateSlack
	if source == signingTime {
		slack = day
	} else if early {
		early, found = false, found+"; the document is dated before it was signed"
	}
	if early || when.Add(-slack).After(to) {
		return found, fmt.Errorf("by its %s the document is not of the time in which %s signed, %s", source, signer.Subject.CommonName, span(from, to))
	}
	return found, nil
}

// usage is when a certificate's key signs: its usage period, where that leaves a side
// open the validity.
func usage(c *x509.Certificate) (from, to time.Time) {
	from, to, _ = pki.UsagePeriod(c)
	if from.IsZero() {
		from = c.NotBefore
	}
	if to.IsZero() {
		to = c.NotAfter
	}
	return from, to
}

// signingTime is the source of a date that the signature itself has.
const signingTime = "signing time in EF.SOD"

// issued is when the document was signed or issued, as exactly as it says, and where it
// does; source is empty where it does not say.
func (v *verification) issued() (when time.Time, source string) {
	if t, ok := v.sod.signed.SigningTime(); ok {
		return t, signingTime
	}
	if d, err := DecodeDG12(v.files[DG12]); err == nil {
		if t, err := time.Parse("20060102", d.Issued); err == nil {
			return t, "DG12"
		}
	}
	if n, _, err := cccd.DecodeDG13(v.files[DG13]); err == nil {
		if t, err := time.Parse(time.DateOnly, n.Issue); err == nil {
			return t, "DG13"
		}
	}
	return time.Time{}, ""
}

// revocation looks the document signer up in the newest list of who issued it. A
// country signer's next key signs the lists for those before it (Doc 9303-12).
func (v *verification) revocation() (string, error) {
	if err := v.signerRead(); err != nil {
		return "", err
	}
	if v.anchor == nil {
		return "", notDone("the country signer is not known")
	}
	list := v.newestList()
	if list == nil {
		return "", notDone("there is no revocation list of %s", v.anchor.Subject.CommonName)
	}
	signer := v.sod.Signer
	found := fmt.Sprintf("list number %v of %s from %s, %d entries", list.Number, list.Issuer, list.ThisUpdate.Format(time.DateOnly), len(list.RevokedCertificateEntries))
	for _, e := range list.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(signer.SerialNumber) == 0 {
			return found, fmt.Errorf("%s was revoked on %s, %s%s", signer.Subject.CommonName, e.RevocationTime.Format(time.DateOnly), reason(e.ReasonCode), v.side(e.RevocationTime))
		}
	}
	if !list.NextUpdate.IsZero() && v.now.After(list.NextUpdate) {
		return found, notDone("the revocation list of %s was good until %s", v.anchor.Subject.CommonName, list.NextUpdate.Format(time.DateOnly))
	}
	return found, nil
}

func (v *verification) newestList() (newest *x509.RevocationList) {
	for _, l := range v.trust.CRLs {
		if bytes.Equal(l.RawIssuer, v.sod.Signer.RawIssuer) && (newest == nil || l.ThisUpdate.After(newest.ThisUpdate)) &&
			!l.ThisUpdate.After(v.now.Add(day)) && whole(l) && slices.ContainsFunc(v.above(l.RawIssuer, l.AuthorityKeyId), func(a *x509.Certificate) bool {
			return bytes.Equal(a.RawSubject, v.anchor.RawSubject) && pki.ListBy(l, a) == nil
		}) {
			newest = l
		}
	}
	return newest
}

// whole tells a list of all that its issuer revoked: one for a part of it, or of the
// changes only, says so in a critical extension (RFC 5280, 5.2.4 and 5.2.5).
func whole(l *x509.RevocationList) bool {
	authorityKey := asn1.ObjectIdentifier{2, 5, 29, 35}
	for _, e := range l.Extensions {
		if e.Critical && !e.Id.Equal(authorityKey) {
			return false
		}
	}
	return true
}

// reason names a CRLReason (RFC 5280, 5.3.1).
func reason(code int) string {
	known := map[int]string{1: "its key is compromised", 2: "its authority is compromised", 3: "its affiliation changed", 4: "it was superseded",
		5: "it ceased to operate", 6: "it is on hold", 9: "its privilege was withdrawn"}
	if s, ok := known[code]; ok {
		return s
	}
	return "no reason is given"
}

// side says on which side of a revocation the document was issued. A document from
// before is as doubtful: who holds the key can date it as they like.
func (v *verification) side(revoked time.Time) string {
	when, source := v.issued()
	switch {
	case source == "":
		return ""
	case when.Before(revoked):
		return "; the document says it was issued before"
	}
	return "; the document was issued after"
}
