package pki

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// PIV says which certificate of a card is asked for.
type PIV struct {
	Slot     byte             // 0x9A, 0x9C, 0x9D or 0x9E (SP 800-73-4 part 1, table 4b)
	Public   crypto.PublicKey // made on the card: *ecdsa.PublicKey or *rsa.PublicKey
	Name     string           // whole name, as in DG13
	Number   string           // personal number
	UUID     [16]byte         // card UUID of the CHUID
	NotAfter time.Time        // the card's expiry
}

// Extended key usages that crypto/x509 has no name for.
var (
	usageSmartCardLogon  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
	usageDocumentSigning = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 36} // RFC 9336
	usageCardAuth        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 6, 8}
	usageContentSigning  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 6, 7} // FIPS 201-3, 4.2.1
)

// IssuePIV certifies a key of a card; id is the citizen CA, whose own DEMO goes into
// the subject. 9A authenticates clients, 9C signs with non-repudiation, 9D manages
// keys, 9E authenticates the card without a PIN and names nobody.
func (id Identity) IssuePIV(p PIV, o Options) (*x509.Certificate, error) {
	o = o.below(id.Certificate)
	if p.NotAfter.IsZero() || !p.NotAfter.After(o.Now) {
		return nil, fmt.Errorf("certificate of slot %02X would end before it begins", p.Slot)
	}
	t := &x509.Certificate{NotBefore: o.Now.Add(-backdate), NotAfter: p.NotAfter.UTC()}
	if t.NotAfter.After(id.Certificate.NotAfter) {
		t.NotAfter = id.Certificate.NotAfter
	}
	if err := p.usage(t); err != nil {
		return nil, err
	}
	t.Subject = o.subject(p.Name)
	t.Subject.SerialNumber = "PNO" + o.Country + "-" + p.Number // ETSI EN 319 412-1, 5.1.3
	if p.Slot == 0x9E {
		t.Subject = o.subject("card " + hex.EncodeToString(p.UUID[:]))
	}
	t.URIs = []*url.URL{{Scheme: "urn", Opaque: "uuid:" + p.uuid()}}
	t.CRLDistributionPoints = id.Certificate.CRLDistributionPoints
	return o.sign(t, p.Public, id)
}

func (p PIV) usage(t *x509.Certificate) error {
	t.KeyUsage = x509.KeyUsageDigitalSignature
	switch p.Slot {
	case 0x9A:
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		t.UnknownExtKeyUsage = []asn1.ObjectIdentifier{usageSmartCardLogon}
	case 0x9C:
		t.KeyUsage |= x509.KeyUsageContentCommitment
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
		t.UnknownExtKeyUsage = []asn1.ObjectIdentifier{usageDocumentSigning}
	case 0x9D:
		t.KeyUsage = x509.KeyUsageKeyAgreement
		if _, ok := p.Public.(*rsa.PublicKey); ok {
			t.KeyUsage = x509.KeyUsageKeyEncipherment
		}
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	case 0x9E:
		t.UnknownExtKeyUsage = []asn1.ObjectIdentifier{usageCardAuth}
	default:
		return fmt.Errorf("no certificate profile for slot %02X", p.Slot)
	}
	return nil
}

// uuid as RFC 4122, 3 writes it.
func (p PIV) uuid() string {
	h := hex.EncodeToString(p.UUID[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// IsDemo tells whether the certificate's subject says DEMO.
func IsDemo(c *x509.Certificate) bool {
	return c != nil && strings.Contains(c.Subject.CommonName, "DEMO")
}

// below fills o in with what the citizen CA says of itself.
func (o Options) below(ca *x509.Certificate) Options {
	o.Country, o.Organization = first(ca.Subject.Country), first(ca.Subject.Organization)
	o.Demo = o.Demo || IsDemo(ca)
	return o.filled()
}
