package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"time"
)

// Object identifiers of the extensions that crypto/x509 does not write.
var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidIssuerAltName  = asn1.ObjectIdentifier{2, 5, 29, 18}
	oidUsagePeriod    = asn1.ObjectIdentifier{2, 5, 29, 16}
	oidDocumentTypes  = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 6, 2}
	oidNameChange     = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 6, 1}
	oidLocality       = asn1.ObjectIdentifier{2, 5, 4, 7}
)

// period is PrivateKeyUsagePeriod (RFC 3280, 4.2.1.4).
type period struct {
	NotBefore time.Time `asn1:"generalized,optional,tag:0"`
	NotAfter  time.Time `asn1:"generalized,optional,tag:1"`
}

func usagePeriod(from, to time.Time) (pkix.Extension, error) {
	der, err := asn1.Marshal(period{from.UTC(), to.UTC()})
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("private key usage period: %w", err)
	}
	return pkix.Extension{Id: oidUsagePeriod, Value: der}, nil
}

// UsagePeriod reads when the private key of a certificate may sign; ok is false
// where the certificate does not say.
func UsagePeriod(c *x509.Certificate) (from, to time.Time, ok bool) {
	var p period
	if !readExtension(c, oidUsagePeriod, &p) {
		return time.Time{}, time.Time{}, false
	}
	return p.NotBefore, p.NotAfter, true
}

// documentTypeList is DocumentTypeListSyntax (Doc 9303-12, 7.1).
type documentTypeList struct {
	Version int
	Types   []asn1.RawValue `asn1:"set"`
}

func documentTypes(types ...string) (pkix.Extension, error) {
	var l documentTypeList
	for _, t := range types {
		l.Types = append(l.Types, asn1.RawValue{Tag: asn1.TagPrintableString, Bytes: []byte(t)})
	}
	der, err := asn1.Marshal(l)
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("document type list: %w", err)
	}
	return pkix.Extension{Id: oidDocumentTypes, Value: der}, nil
}

// DocumentTypes reads the document codes that a document signer may sign ("ID",
// "P"); none where the certificate does not say.
func DocumentTypes(c *x509.Certificate) []string {
	var l documentTypeList
	if !readExtension(c, oidDocumentTypes, &l) {
		return nil
	}
	var types []string
	for _, t := range l.Types {
		types = append(types, string(t.Bytes))
	}
	return types
}

func readExtension(c *x509.Certificate, id asn1.ObjectIdentifier, into any) bool {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			rest, err := asn1.Unmarshal(e.Value, into)
			return err == nil && len(rest) == 0
		}
	}
	return false
}

// stateNames is the alternative name of subject and issuer (Doc 9303-12, 7.1):
// a contact, and the three-letter state as the locality of a directory name.
func stateNames(state, contact string) ([]byte, error) {
	rdn := pkix.RDNSequence{{{Type: oidLocality, Value: state}}}
	dn, err := asn1.Marshal(rdn)
	if err != nil {
		return nil, fmt.Errorf("alternative name: %w", err)
	}
	der, err := asn1.Marshal([]asn1.RawValue{
		{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(contact)},
		{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: dn},
	})
	if err != nil {
		return nil, fmt.Errorf("alternative name: %w", err)
	}
	return der, nil
}

// stateOf reads the state out of the alternative name of the subject; empty where it
// does not say.
func stateOf(c *x509.Certificate) string {
	var names []asn1.RawValue
	if !readExtension(c, oidSubjectAltName, &names) {
		return ""
	}
	for _, n := range names {
		var dn pkix.RDNSequence
		if n.Tag != 4 {
			continue
		}
		if _, err := asn1.Unmarshal(n.Bytes, &dn); err != nil {
			continue
		}
		for _, rdn := range dn {
			for _, a := range rdn {
				if s, ok := a.Value.(string); ok && a.Type.Equal(oidLocality) {
					return s
				}
			}
		}
	}
	return ""
}

// nameChange marks a link certificate whose subject has another name than its issuer
// (Doc 9303-12, 7.1): its value is NULL.
var nameChange = pkix.Extension{Id: oidNameChange, Value: asn1.NullBytes}
