package softcard

import (
	"crypto/x509"
	"testing"

	"cardstation/devices/card/tlv"
)

// Every chip attests under the one simulated maker, which is the same certificate each
// time and says what it is.
func TestEveryChipAttestsUnderTheSimulatedMaker(t *testing.T) {
	root, err := AttestationRoot()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	for serial := uint32(1); serial < 3; serial++ {
		c := selectPIV(t, newChip(t, Options{Serial: serial}))
		admin(t, c)
		send(t, c, "0047009A", unhex(t, "AC03800111"), 256, 0x9000)
		leaf, err := x509.ParseCertificate(send(t, c, "00F99A00", nil, 256, 0x9000))
		if err != nil {
			t.Fatal(err)
		}
		der, err := tlv.Find(send(t, c, "00CB3FFF", name(0x5F, 0xFF, 0x01), 256, 0x9000), 0x53, 0x70)
		if err != nil {
			t.Fatal(err)
		}
		issuer, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		between := x509.NewCertPool()
		between.AddCert(issuer)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			t.Error(err)
		}
	}
}
