package sbi

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// algorithms that a device may sign with: RS256 is the specification's, EdDSA its
// "ECC curve 25519"; ES256 is what most secure elements have.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

// trust are the anchors, and the time to hold certificates against.
type trust struct {
	roots *x509.CertPool
	now   func() time.Time
}

// open checks a compact JWS and gives its payload and the certificate of its signer.
// The chain comes in x5c, the signer first.
func (t trust) open(token string) ([]byte, *x509.Certificate, error) {
	jws, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrUntrusted, err)
	}
	chains, err := jws.Signatures[0].Protected.Certificates(x509.VerifyOptions{
		Roots: t.roots, CurrentTime: t.now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrUntrusted, err)
	}
	leaf := chains[0][0]
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, nil, fmt.Errorf("%w: the certificate is not for signatures", ErrUntrusted)
	}
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		return nil, nil, fmt.Errorf("%w: the key has %d bits", ErrUntrusted, key.N.BitLen())
	}
	payload, err := jws.Verify(leaf.PublicKey)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrUntrusted, err)
	}
	return payload, leaf, nil
}

// isDemo tells whether a key is for demonstration and tests.
func isDemo(c *x509.Certificate) bool { return strings.Contains(c.Subject.CommonName, "DEMO") }

// DigitalID says which device it is (MDS 0.9.5, digital ID).
type DigitalID struct {
	SerialNo         string `json:"serialNo"`
	Make             string `json:"make"`
	Model            string `json:"model"`
	Type             Type   `json:"type"`
	DeviceSubType    string `json:"deviceSubType"` // Slap, Single, Touchless, Double, Full face
	DeviceProvider   string `json:"deviceProvider"`
	DeviceProviderID string `json:"deviceProviderId"`
	DateTime         string `json:"dateTime"` // when the identity was issued
}

// String is maker, model and serial in one line.
func (d DigitalID) String() string {
	return printable(strings.TrimSpace(strings.Join([]string{d.Make, d.Model, d.SerialNo}, " ")), 120)
}

// same tells whether two IDs name the same device.
func (d DigitalID) same(o DigitalID) bool {
	return d.SerialNo == o.SerialNo && d.Make == o.Make && d.Model == o.Model && d.Type == o.Type
}

// signedID opens the digital ID inside a signed answer: signed by the device's own
// key (L0), or by its trust module's (L1), either with a chain of its own.
func (t trust) signedID(token string) (DigitalID, error) {
	var id DigitalID
	payload, _, err := t.open(token)
	if err != nil {
		return id, fmt.Errorf("digital ID: %w", err)
	}
	if err := json.Unmarshal(payload, &id); err != nil {
		return id, malformed("the digital ID is no such JSON")
	}
	return id, nil
}

// unsigned decodes what is base64url of JSON alone.
func unsigned(token string, into any) error {
	b, err := base64url(token)
	if err != nil || json.Unmarshal(b, into) != nil {
		return malformed("an unsigned part is no base64url of such JSON")
	}
	return nil
}

// base64url decodes with or without padding.
func base64url(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}
