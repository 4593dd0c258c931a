package lds

import (
	"bytes"
	"crypto/x509"
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
	CheckIssue     = "keys at the time of issue"
	CheckRevoked   = "revocation of the signer"
	CheckCommon    = "EF.COM = SOD"
	CheckPortrait  = "portrait" // only of a document that says it has none
	CheckState     = "issuing country"
	CheckAgreement = "DG1 = DG13" // only of a document that may be of Viet Nam
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
	if v.sodErr == nil && v.sod.Signer == nil {
		v.sod.Signer = v.sod.signed.Signer(trust.Signers...)
	}
	v.zone, v.zoneErr = mrz.Zone{}, fmt.Errorf("DG1 was not read")
	if b, ok := files[DG1]; ok {
		v.zone, v.zoneErr = DecodeDG1(b)
	}
	v.row(CheckSOD, v.signature)
	v.row(CheckSigner, v.signer)
	v.row(CheckCountry, v.country)
	v.row(CheckValidity, v.validity)
	v.row(CheckIssue, v.atIssue)
	v.row(CheckRevoked, v.revocation)
	v.row(CheckCommon, v.common)
	for _, f := range v.groups() {
		v.row(HashCheck(f), func() (string, error) { return v.hash(f) })
	}
	if v.faceless() {
		v.rows = append(v.rows, Check{Name: CheckPortrait, Result: Passed, Why: "the card carries no portrait"})
	}
	v.row(CheckState, v.state)
	if v.national() {
		v.row(CheckAgreement, v.agreement)
	}
	v.row(CheckExpiry, v.expiry)
	return v.rows
}

// VerifyHash is the row of one data group of those that Verify gives.
func VerifyHash(files Files, f FileID) Check {
	v := verification{files: files}
	v.sod, v.sodErr = DecodeSOD(files[SOD])
	v.row(HashCheck(f), func() (string, error) { return v.hash(f) })
	return v.rows[0]
}

// verification holds what the checks share; a check that finds something sets it for
// those after it.
type verification struct {
	files   Files
	trust   Trust
	now     time.Time
	sod     SecurityFile
	sodErr  error
	zone    mrz.Zone
	zoneErr error
	anchor  *x509.Certificate // the country signer above the document signer, once found
	rows    []Check
}

// undone is the answer of a check that could not be done.
type undone struct{ error }

func notDone(format string, args ...any) error { return undone{fmt.Errorf(format, args...)} }

// row does a check, which says what it found and what is wrong with it.
func (v *verification) row(name string, check func() (found string, err error)) {
	found, err := check()
	c := Check{Name: name, Result: Passed, Evidence: found}
	if err != nil {
		c.Result, c.Why = Failed, err.Error()
		if errors.As(err, new(undone)) || errors.Is(err, pki.ErrUnsupported) {
			c.Result = NotDone
		}
	}
	v.rows = append(v.rows, c)
}

func (v *verification) signature() (string, error) {
	if v.files[SOD] == nil {
		return "", undone{v.sodErr}
	}
	if v.sodErr != nil {
		return "", v.sodErr
	}
	return fmt.Sprintf("%s, security object of version %d", v.sod.signed.Algorithm(), v.sod.Object.Version), v.sod.VerifySignature()
}

// common holds the list of EF.COM, which is not signed, against the security object.
func (v *verification) common() (string, error) {
	b, ok := v.files[COM]
	if !ok || v.sodErr != nil {
		return "", notDone("EF.COM or EF.SOD was not read")
	}
	c, err := DecodeCOM(b)
	if err != nil {
		return "", err
	}
	listed := slices.Sorted(slices.Values(c.Groups))
	signed := slices.Sorted(maps.Keys(v.sod.Object.Groups))
	if !slices.Equal(listed, signed) {
		return "", fmt.Errorf("EF.COM lists %s, EF.SOD has %s", names(listed), names(signed))
	}
	if o := v.sod.Object; o.Version == 1 && (o.LDS != c.LDS || o.Unicode != c.Unicode) {
		return "", fmt.Errorf("EF.COM is of version %s, EF.SOD says %s", c.LDS, o.LDS)
	}
	return fmt.Sprintf("LDS version %s: %s", c.LDS, names(listed)), nil
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

func (v *verification) hash(f FileID) (string, error) {
	b, read := v.files[f]
	want, signed := v.sod.Object.Groups[f]
	switch {
	case v.sodErr != nil:
		return "", notDone("there is no EF.SOD to hold it against")
	case !signed:
		return "", fmt.Errorf("EF.SOD has no hash of %s", f)
	case !read:
		return "", notDone("%s was not read", f)
	case !bytes.Equal(pki.Digest(v.sod.Object.Hash, b), want):
		return v.sod.Object.Hash.String(), fmt.Errorf("%s is not what was signed", f)
	}
	return v.sod.Object.Hash.String(), nil
}
