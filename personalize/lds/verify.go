package lds

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cardstation/personalize/mrz"
	"cardstation/personalize/pki"
)

// Trust is what passive authentication believes.
type Trust = pki.Trust

// Names of the checks of Verify, in its order. The hash of each data group has a row
// of its own between CheckCommon and CheckState: "DG1 hash", see HashCheck.
const (
	CheckSOD       = "SOD signature"
	CheckSigner    = "document signer certificate"
	CheckCountry   = "country signer"
	CheckValidity  = "certificate validity"
	CheckRevoked   = "revocation of the signer"
	CheckCommon    = "EF.COM = SOD"
	CheckPortrait  = "portrait" // only of a document that says it has none
	CheckState     = "issuing country"
	CheckAgreement = "DG1 = DG13"
	CheckExpiry    = "expiry of the document"
)

// HashCheck names the row of a data group's hash.
func HashCheck(f FileID) string { return f.String() + " hash" }

// Verify is passive authentication (Doc 9303-11, 5.1) of the files that were read,
// up to a country signer of trust, with the agreements that a careful reader looks
// for besides. Every check has its row, done or not: a file that could not be read
// is simply absent from files. A row that failed proves something wrong; one not
// done proves nothing either way.
func Verify(files Files, trust Trust, now time.Time) []Check {
	v := verification{files: files, trust: trust, now: now}
	v.sod, v.sodErr = SecurityFile{}, fmt.Errorf("EF.SOD was not read")
	if b, ok := files[SOD]; ok {
		v.sod, v.sodErr = DecodeSOD(b)
	}
	v.zone, v.zoneErr = mrz.TD1{}, fmt.Errorf("DG1 was not read")
	if b, ok := files[DG1]; ok {
		v.zone, v.zoneErr = DecodeDG1(b)
	}
	v.row(CheckSOD, v.signature())
	v.row(CheckSigner, v.signer())
	v.row(CheckCountry, v.country())
	v.row(CheckValidity, v.validity())
	v.row(CheckRevoked, v.revocation())
	v.row(CheckCommon, v.common())
	for _, f := range v.groups() {
		v.row(HashCheck(f), v.hash(f))
	}
	if v.faceless() {
		v.rows = append(v.rows, Check{CheckPortrait, Passed, "the card carries no portrait"})
	}
	v.row(CheckState, v.state())
	v.row(CheckAgreement, v.agreement())
	v.row(CheckExpiry, v.expiry())
	return v.rows
}

// verification holds what the checks share; a check that finds something sets it for
// those after it.
type verification struct {
	files   Files
	trust   Trust
	now     time.Time
	sod     SecurityFile
	sodErr  error
	zone    mrz.TD1
	zoneErr error
	anchor  *x509.Certificate // the country signer above the document signer, once found
	rows    []Check
}

// undone is the answer of a check that could not be done.
type undone struct{ error }

func notDone(format string, args ...any) error { return undone{fmt.Errorf(format, args...)} }

func (v *verification) row(name string, err error) {
	c := Check{Name: name, Result: Passed}
	if err != nil {
		c.Result, c.Why = Failed, err.Error()
		if errors.As(err, new(undone)) || errors.Is(err, errUnsupported) {
			c.Result = NotDone
		}
	}
	v.rows = append(v.rows, c)
}

func (v *verification) signature() error {
	if v.files[SOD] == nil {
		return undone{v.sodErr}
	}
	if v.sodErr != nil {
		return v.sodErr
	}
	return v.sod.VerifySignature()
}

// signerRead is why there is no document signer certificate to look at; nil if there
// is one.
func (v *verification) signerRead() error {
	switch {
	case v.sodErr != nil:
		return notDone("there is no EF.SOD to look into")
	case v.sod.Signer == nil:
		return notDone("%w", v.sod.signerErr)
	}
	return nil
}

// signer holds the certificate against its profile (Doc 9303-12, 7.1).
func (v *verification) signer() error {
	if err := v.signerRead(); err != nil {
		return err
	}
	c := v.sod.Signer
	switch {
	case c.IsCA:
		return fmt.Errorf("%s is an authority, no document signer", c.Subject.CommonName)
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return fmt.Errorf("%s may not sign: its key usage does not say so", c.Subject.CommonName)
	case otherPurpose(c) != nil:
		return fmt.Errorf("%s is no document signer: its key is for %s", c.Subject.CommonName, otherPurpose(c))
	case len(c.UnhandledCriticalExtensions) > 0:
		return notDone("%s has a critical extension %s, which is unknown here", c.Subject.CommonName, c.UnhandledCriticalExtensions[0])
	}
	types := pki.DocumentTypes(c)
	if v.zoneErr != nil || len(types) == 0 || slices.Contains(types, v.zone.Type) || slices.Contains(types, v.zone.Type[:1]) {
		return nil
	}
	return fmt.Errorf("%s signs documents of type %s, this is of type %s", c.Subject.CommonName, strings.Join(types, ", "), v.zone.Type)
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

// country looks for the country signer whose key signed the document signer.
func (v *verification) country() error {
	if err := v.signerRead(); err != nil {
		return err
	}
	signer := v.sod.Signer
	var wrong error
	for _, a := range v.trust.Anchors {
		if !bytes.Equal(a.RawSubject, signer.RawIssuer) && !sameKey(a, signer) {
			continue
		}
		if !a.IsCA || a.KeyUsage != 0 && a.KeyUsage&x509.KeyUsageCertSign == 0 {
			wrong = fmt.Errorf("%s may not sign certificates", a.Subject.CommonName)
			continue
		}
		if err := signedBy(signer.Raw, signer.RawTBSCertificate, signer.Signature, a); err != nil {
			wrong = fmt.Errorf("signature of %s on %s: %w", a.Subject.CommonName, signer.Subject.CommonName, err)
			continue
		}
		v.anchor = a
		return nil
	}
	if wrong != nil {
		return wrong
	}
	for _, a := range v.trust.Anchors {
		if certificateState(a) == certificateState(signer) {
			return fmt.Errorf("%s is signed by none of the trusted country signers of %s", signer.Subject.CommonName, certificateState(a))
		}
	}
	return notDone("no country signer of %s is trusted here", certificateState(signer))
}

// sameKey tells whether the signer names the anchor by its key identifier.
func sameKey(anchor, signer *x509.Certificate) bool {
	return len(signer.AuthorityKeyId) > 0 && bytes.Equal(anchor.SubjectKeyId, signer.AuthorityKeyId)
}

func (v *verification) validity() error {
	if err := v.signerRead(); err != nil {
		return err
	}
	for _, c := range []*x509.Certificate{v.sod.Signer, v.anchor} {
		switch {
		case c == nil:
			return notDone("the country signer is not known")
		case v.now.Before(c.NotBefore):
			return fmt.Errorf("%s is valid from %s on", c.Subject.CommonName, c.NotBefore.Format(time.DateOnly))
		case v.now.After(c.NotAfter):
			return fmt.Errorf("%s was valid until %s", c.Subject.CommonName, c.NotAfter.Format(time.DateOnly))
		}
	}
	return nil
}

// revocation looks the document signer up in the country signer's newest list.
func (v *verification) revocation() error {
	if err := v.signerRead(); err != nil {
		return err
	}
	if v.anchor == nil {
		return notDone("the country signer is not known")
	}
	var newest *x509.RevocationList
	for _, l := range v.trust.CRLs {
		if bytes.Equal(l.RawIssuer, v.anchor.RawSubject) && (newest == nil || l.ThisUpdate.After(newest.ThisUpdate)) &&
			signedBy(l.Raw, l.RawTBSRevocationList, l.Signature, v.anchor) == nil {
			newest = l
		}
	}
	if newest == nil {
		return notDone("there is no revocation list of %s", v.anchor.Subject.CommonName)
	}
	for _, e := range newest.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(v.sod.Signer.SerialNumber) == 0 {
			return fmt.Errorf("%s was revoked on %s", v.sod.Signer.Subject.CommonName, e.RevocationTime.Format(time.DateOnly))
		}
	}
	if !newest.NextUpdate.IsZero() && v.now.After(newest.NextUpdate) {
		return notDone("the revocation list of %s was good until %s", v.anchor.Subject.CommonName, newest.NextUpdate.Format(time.DateOnly))
	}
	return nil
}

// common holds the list of EF.COM, which is not signed, against the security object.
func (v *verification) common() error {
	b, ok := v.files[COM]
	if !ok || v.sodErr != nil {
		return notDone("EF.COM or EF.SOD was not read")
	}
	c, err := DecodeCOM(b)
	if err != nil {
		return err
	}
	listed := slices.Sorted(slices.Values(c.Groups))
	signed := slices.Sorted(maps.Keys(v.sod.Object.Groups))
	if !slices.Equal(listed, signed) {
		return fmt.Errorf("EF.COM lists %s, EF.SOD has %s", names(listed), names(signed))
	}
	if o := v.sod.Object; o.Version == 1 && (o.LDS != c.LDS || o.Unicode != c.Unicode) {
		return fmt.Errorf("EF.COM is of version %s, EF.SOD says %s", c.LDS, o.LDS)
	}
	return nil
}

func names(files []FileID) string {
	var s []string
	for _, f := range files {
		s = append(s, f.String())
	}
	return strings.Join(s, " ")
}

// groups are all data groups that were read or are signed, in order.
func (v *verification) groups() []FileID {
	all := map[FileID]bool{}
	for f := range v.files {
		all[f] = f.Group() > 0
	}
	for f := range v.sod.Object.Groups {
		all[f] = true
	}
	maps.DeleteFunc(all, func(_ FileID, group bool) bool { return !group })
	return slices.Sorted(maps.Keys(all))
}

// faceless tells whether nothing that was read or signed speaks of DG2. Where only
// one of EF.COM and EF.SOD does, CheckCommon has failed already.
func (v *verification) faceless() bool {
	common, err := DecodeCOM(v.files[COM])
	_, signed := v.sod.Object.Groups[DG2]
	return err == nil && v.sodErr == nil && !signed && !slices.Contains(common.Groups, DG2) && v.files[DG2] == nil
}

func (v *verification) hash(f FileID) error {
	b, read := v.files[f]
	want, signed := v.sod.Object.Groups[f]
	switch {
	case v.sodErr != nil:
		return notDone("there is no EF.SOD to hold it against")
	case !signed:
		return fmt.Errorf("EF.SOD has no hash of %s", f)
	case !read:
		return notDone("%s was not read", f)
	case !bytes.Equal(digestOf(v.sod.Object.Hash, b), want):
		return fmt.Errorf("%s is not what was signed", f)
	}
	return nil
}
