package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

var (
	oidMasterList       = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 2} // id-icao-cscaMasterList
	oidMasterListSigner = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 3} // id-icao-cscaMasterListSigningKey
)

// masterList is CscaMasterList in its CMS (Doc 9303-12): the country signers that a
// state, or ICAO, vouches for.
type masterList struct {
	file         string
	signed       SignedData
	certificates []*x509.Certificate
}

// addMasterList reads a list, which believe then believes or not. Certificates in it
// that cannot be read are named and kept aside.
func (t *Trust) addMasterList(name string, der []byte) error {
	l := masterList{file: name}
	var err error
	if l.signed, err = ParseSignedData(der); err != nil {
		return err
	}
	if !l.signed.Type.Equal(oidMasterList) {
		return fmt.Errorf("content type %s is no master list", l.signed.Type)
	}
	var content struct {
		Version      int
		Certificates []asn1.RawValue `asn1:"set"`
	}
	if rest, err := asn1.Unmarshal(l.signed.Content, &content); err != nil || len(rest) > 0 || content.Version != 0 {
		return fmt.Errorf("master list of version %d: %w", content.Version, trailing(err))
	}
	for i, raw := range content.Certificates {
		c, err := ParseCertificate(raw.FullBytes)
		if err != nil {
			t.note(name, fmt.Errorf("certificate %d of the master list: %w", i+1, err))
			continue
		}
		l.certificates = append(l.certificates, c)
	}
	t.lists = append(t.lists, l)
	return nil
}

// believe takes in the certificates of each master list whose signer a country signer
// certified that is trusted already, or is in the list itself: then it is the folder
// that says so. The lists that are not believed are named with the reason.
func (t *Trust) believe() {
	for more := true; more; {
		more = false
		t.lists = slices.DeleteFunc(t.lists, func(l masterList) bool {
			from, err := t.believes(l)
			for _, c := range l.certificates {
				if err == nil && !t.has(c) {
					t.take(from, c)
				}
			}
			more = more || err == nil
			return err == nil
		})
	}
	for _, l := range t.lists {
		_, err := t.believes(l)
		t.note(l.file, fmt.Errorf("the master list is not believed: %w", err))
	}
}

// believes says what vouches for a list's certificates, or why nothing does.
func (t *Trust) believes(l masterList) (from string, err error) {
	signer := l.signed.Signer()
	switch {
	case signer == nil && l.signed.Unread != nil:
		return "", l.signed.Unread
	case signer == nil:
		return "", errors.New("it has no certificate of its signer")
	case !slices.ContainsFunc(signer.UnknownExtKeyUsage, oidMasterListSigner.Equal):
		return "", fmt.Errorf("%s is no signer of master lists: its extended key usage does not say so", signer.Subject)
	}
	if err := l.signed.Verify(signer); err != nil {
		return "", err
	}
	when, dated := l.signed.SigningTime()
	if dated && (when.Before(signer.NotBefore) || when.After(signer.NotAfter)) {
		return "", fmt.Errorf("signed on %s, when %s was not valid", when.Format(time.DateOnly), signer.Subject)
	}
	above := t.issuer(signer, t.Anchors)
	itself := above == nil
	if itself {
		above = t.issuer(signer, l.certificates)
	}
	switch {
	case above == nil:
		return "", fmt.Errorf("no country signer, in the folder or in the list, certified its signer %s", signer.Subject)
	case t.revoked(signer, above):
		return "", fmt.Errorf("its signer %s is revoked", signer.Subject)
	}
	from = fmt.Sprintf("master list %s, signed by %s", l.file, signer.Subject)
	if dated {
		from += " on " + when.Format(time.DateOnly)
	}
	if itself {
		from += ", whose country signer is in the list only"
	}
	return from, nil
}

// issuer finds among authorities the one that certified c.
func (t *Trust) issuer(c *x509.Certificate, among []*x509.Certificate) *x509.Certificate {
	i := slices.IndexFunc(among, func(a *x509.Certificate) bool {
		return bytes.Equal(a.RawSubject, c.RawIssuer) && SignsCertificates(a) && CertificateBy(c, a) == nil
	})
	if i < 0 {
		return nil
	}
	return among[i]
}

// revoked tells whether a list of the authority's in the folder has the certificate.
func (t *Trust) revoked(c, by *x509.Certificate) bool {
	return slices.ContainsFunc(t.CRLs, func(l *x509.RevocationList) bool {
		return bytes.Equal(l.RawIssuer, c.RawIssuer) && ListBy(l, by) == nil &&
			slices.ContainsFunc(l.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(c.SerialNumber) == 0 })
	})
}

func (t *Trust) has(c *x509.Certificate) bool {
	same := func(o *x509.Certificate) bool { return bytes.Equal(o.Raw, c.Raw) }
	return slices.ContainsFunc(t.Anchors, same) || slices.ContainsFunc(t.links, func(l link) bool { return same(l.certificate) })
}

// SignsCertificates tells whether a certificate is an authority's whose key usage
// allows to certify.
func SignsCertificates(c *x509.Certificate) bool {
	return c.IsCA && (c.KeyUsage == 0 || c.KeyUsage&x509.KeyUsageCertSign != 0)
}
