// Package pki makes and keeps the keys that sign: the country signer and the
// document signer of ICAO Doc 9303-12; the citizen CA that certifies the PIV keys of a
// card, and the content signer under it (NIST SP 800-73-4 part 1, FIPS 201-3); the
// authority over terminals with a verifier and an inspection system (BSI TR-03110-3).
// Its own keys are ECDSA. It keeps them in a key directory, sealed with a passphrase or
// not; what signs takes any crypto.Signer, so that keys may lie in a security module as
// well. And it reads what others publish of theirs: certificates, revocation lists and
// master lists (Trust).
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // key identifiers of RFC 5280, 4.2.1.2, not signatures
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"time"
)

// Identity is a private key and the certificate over its public half.
type Identity struct {
	crypto.Signer
	Certificate *x509.Certificate
}

// Trust is what passive authentication believes: country signer certificates, and
// revocation lists that they signed.
type Trust struct {
	Anchors []*x509.Certificate
	CRLs    []*x509.RevocationList
	Signers []*x509.Certificate // other certificates: of document signers that leave theirs out of EF.SOD
	Unread  []string            // "file: why" of each certificate or list that could not be read

	lists   []masterList                 // not believed yet
	links   []link                       // on the way from one country signer's key to the next
	sources map[*x509.Certificate]string // where each came from
}

// Source tells where a certificate of the trust came from: a file's name, with the
// master list in it.
func (t Trust) Source(c *x509.Certificate) string {
	if s, ok := t.sources[c]; ok {
		return s
	}
	return "what the program was given"
}

// How long keys sign and certificates live (Doc 9303-12, 4: a certificate lives
// as long as its key signs and what it signed may be shown). The longest card runs
// from two years before 40 to 60; cards without expiry outlive every certificate.
const (
	cardYears           = 22
	documentUseMonths   = 3
	countryUseYears     = 5
	citizenCAYears      = 2*cardYears + 1
	revocationListDays  = 90
	backdate            = 5 * time.Minute // other clocks may be behind
	serialNumberOctets  = 16
	serialNumberTopBits = 0x7F
)

// NewCountrySigner makes a self-signed country signing CA (Doc 9303-12, 7.1): its key
// signs for five years.
func NewCountrySigner(o Options) (Identity, error) {
	o = o.filled()
	use := o.Now.AddDate(countryUseYears, 0, 0)
	t := countryTemplate(o.subject("Country Signer "+o.State), o.Now.Add(-backdate), use.AddDate(cardYears, documentUseMonths, 0))
	return o.travelCertificate(t, o.Curve, Identity{}, use)
}

// countryTemplate is what country signer and link certificates have in common.
func countryTemplate(subject pkix.Name, from, until time.Time) *x509.Certificate {
	return &x509.Certificate{
		Subject: subject, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
}

// NewDocumentSigner makes a document signer under a country signer (Doc 9303-12,
// 7.1): no extended key usage, the document type "ID", a key that signs for three
// months.
func NewDocumentSigner(country Identity, o Options) (Identity, error) {
	o = o.filled()
	if country.Certificate == nil || !country.Certificate.IsCA {
		return Identity{}, fmt.Errorf("document signer needs a country signer above it")
	}
	use := o.Now.AddDate(0, documentUseMonths, 0)
	types, err := documentTypes("ID")
	if err != nil {
		return Identity{}, err
	}
	t := &x509.Certificate{
		Subject: o.subject("Document Signer " + o.State), NotBefore: o.Now.Add(-backdate),
		NotAfter: use.AddDate(cardYears, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{types},
	}
	return o.travelCertificate(t, o.DocumentCurve, country, use)
}

// travelCertificate makes a country or document signer.
func (o Options) travelCertificate(t *x509.Certificate, c elliptic.Curve, issuer Identity, use time.Time) (Identity, error) {
	if err := o.addTravel(t, use); err != nil {
		return Identity{}, err
	}
	id, err := o.certify(t, c, issuer)
	if err != nil {
		return Identity{}, err
	}
	if issuer.Signer == nil {
		issuer = id
	}
	id.Certificate, err = o.spellOut(id.Certificate, issuer)
	return id, err
}

// addTravel adds what country and document signers have in common: private key usage
// period, alternative names, distribution point.
func (o Options) addTravel(t *x509.Certificate, use time.Time) error {
	period, err := usagePeriod(t.NotBefore, use)
	if err != nil {
		return err
	}
	names, err := stateNames(o.State, o.CRL[0])
	if err != nil {
		return err
	}
	t.ExtraExtensions = append(t.ExtraExtensions, period,
		pkix.Extension{Id: oidSubjectAltName, Value: names}, pkix.Extension{Id: oidIssuerAltName, Value: names})
	t.CRLDistributionPoints = o.CRL
	return nil
}

// NewCitizenCA makes the self-signed CA of the PIV certificates on P-384. Its
// extended key usages keep it from being taken for a country signer, which Doc
// 9303-12, 7.1 forbids to have any.
func NewCitizenCA(o Options) (Identity, error) {
	o = o.filled()
	t := &x509.Certificate{
		Subject: o.subject("Citizen CA"), NotBefore: o.Now.Add(-backdate), NotAfter: o.Now.AddDate(citizenCAYears, 0, 0),
		KeyUsage:           x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:        []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection},
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{usageSmartCardLogon, usageDocumentSigning, usageCardAuth, usageContentSigning},
		IsCA:               true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	if o.CitizenCRL != "" { // what it issues says so in its turn
		t.CRLDistributionPoints = []string{o.CitizenCRL}
	}
	return o.certify(t, elliptic.P384(), Identity{})
}

// certify makes a key and its certificate; no issuer means self-signed.
func (o Options) certify(t *x509.Certificate, c elliptic.Curve, issuer Identity) (Identity, error) {
	key, err := ecdsa.GenerateKey(c, o.Rand)
	if err != nil {
		return Identity{}, fmt.Errorf("key of %s: %w", t.Subject.CommonName, err)
	}
	if issuer.Signer == nil {
		issuer = Identity{Signer: key, Certificate: t}
	}
	cert, err := o.sign(t, key.Public(), issuer)
	return Identity{Signer: key, Certificate: cert}, err
}

// sign fills in serial number and key identifiers, signs, and reads back.
func (o Options) sign(t *x509.Certificate, pub crypto.PublicKey, issuer Identity) (*x509.Certificate, error) {
	var err error
	if t.SerialNumber, err = serialNumber(o.Rand); err != nil {
		return nil, err
	}
	if t.SubjectKeyId, err = keyID(pub); err != nil {
		return nil, err
	}
	if t.AuthorityKeyId, err = keyID(issuer.Public()); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(o.Rand, t, issuer.Certificate, pub, issuer.Signer)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", t.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// serialNumber is positive and of at most 20 octets (Doc 9303-12, 7.1).
func serialNumber(r io.Reader) (*big.Int, error) {
	b := make([]byte, serialNumberOctets)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	b[0] = b[0]&serialNumberTopBits | 0x40
	return new(big.Int).SetBytes(b), nil
}

// keyID is method 1 of RFC 5280, 4.2.1.2, as Doc 9303-12 asks for.
func keyID(pub crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("key identifier: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("key identifier: %w", err)
	}
	id := sha1.Sum(info.Key.Bytes)
	return id[:], nil
}

// RevocationList signs a CRL over revoked certificates of id, good for 90 days (Doc
// 9303-12, 7).
func (id Identity) RevocationList(number int64, now time.Time, revoked ...x509.RevocationListEntry) (*x509.RevocationList, error) {
	now = now.UTC().Truncate(time.Second)
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(number), ThisUpdate: now.Add(-backdate), NextUpdate: now.AddDate(0, 0, revocationListDays),
		RevokedCertificateEntries: revoked,
	}, id.Certificate, id.Signer)
	if err != nil {
		return nil, fmt.Errorf("revocation list of %s: %w", id.Certificate.Subject.CommonName, err)
	}
	return x509.ParseRevocationList(der)
}
