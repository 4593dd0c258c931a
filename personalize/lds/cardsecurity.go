package lds

import (
	"encoding/asn1"
	"fmt"
	"time"

	"cardstation/personalize/pki"
)

// CheckSecurity is the row of VerifyCardSecurity.
const CheckSecurity = "EF.CardSecurity"

// SecurityFileID is EF.CardSecurity, which in the master file has the identifier that
// EF.SOD has in the application (Doc 9303-10, 3.11).
const SecurityFileID = SOD

var oidSecurityInfos = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 3, 2, 1} // id-SecurityObject, TR-03110-3, annex A

// VerifyCardSecurity gives the security infos of EF.CardSecurity, CMS SignedData like
// EF.SOD, signed by a document signer, with what passive authentication of it comes to:
// the signature, the signer up to a country signer of trust, its days and revocation.
// The infos are nil unless it passed.
func VerifyCardSecurity(b []byte, trust Trust, now time.Time) ([]byte, Check) {
	v := verification{trust: trust, now: now, zoneErr: fmt.Errorf("a file of the master file")}
	row := Check{Name: CheckSecurity, Result: Failed}
	signed, err := pki.ParseSignedData(b)
	switch {
	case err != nil:
		row.Why = fmt.Sprintf("EF.CardSecurity: %v", err)
		return nil, row
	case !signed.Type.Equal(oidSecurityInfos):
		row.Why = fmt.Sprintf("EF.CardSecurity has content of type %s, no security infos", signed.Type)
		return nil, row
	}
	v.sod = SecurityFile{signed: signed, Signer: signed.Signer(trust.Signers...)}
	v.row(CheckSecurity, func() (string, error) { return signed.Algorithm(), v.sod.VerifySignature() })
	for _, check := range []func() (string, error){v.signer, v.country, v.validity, v.revocation} {
		v.row(CheckSecurity, check)
	}
	for _, c := range v.rows {
		if c.Result != Passed {
			return nil, c
		}
		row.Evidence += c.Evidence + "; "
	}
	row.Result, row.Evidence = Passed, row.Evidence[:len(row.Evidence)-2]
	return signed.Content, row
}
