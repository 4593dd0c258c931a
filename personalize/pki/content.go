package pki

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// NewContentSigner makes the signer of the PIV data objects (FIPS 201-3, 4.2.1) on
// P-256 under the citizen CA. It is a key of its own: Doc 9303-12, 7.1 forbids the
// document signer the extended key usage that FIPS 201-3 asks for, and what the CA
// signs is certificates. It lives as long as the CA, so that no card's own
// certificates outlive it.
func NewContentSigner(citizen Identity, o Options) (Identity, error) {
	if citizen.Certificate == nil || !citizen.Certificate.IsCA {
		return Identity{}, errors.New("content signer needs a citizen ca above it")
	}
	o = o.below(citizen.Certificate)
	t := &x509.Certificate{
		Subject: o.subject("PIV Content Signer"), NotBefore: o.Now.Add(-backdate), NotAfter: citizen.Certificate.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, UnknownExtKeyUsage: []asn1.ObjectIdentifier{usageContentSigning},
		CRLDistributionPoints: citizen.Certificate.CRLDistributionPoints,
	}
	return o.certify(t, elliptic.P256(), citizen)
}

// SignsContent tells whether a certificate is the citizen CA's for signing the data
// objects of PIV cards; nil where it is.
func (id Identity) SignsContent(c *x509.Certificate) error {
	if !slices.ContainsFunc(c.UnknownExtKeyUsage, usageContentSigning.Equal) {
		return errors.New("the certificate is not one for signing piv content")
	}
	if err := c.CheckSignatureFrom(id.Certificate); err != nil {
		return fmt.Errorf("content signer is not the citizen ca's: %w", err)
	}
	return nil
}

// contentSigner gives the zero Identity where the directory has none.
func (f folder) contentSigner(citizen Identity) (Identity, error) {
	if _, err := os.Stat(f.path(fileContent + ".pem")); errors.Is(err, fs.ErrNotExist) {
		return Identity{}, nil
	}
	id, err := f.signer(fileContent)
	if err != nil {
		return Identity{}, err
	}
	if err := citizen.SignsContent(id.Certificate); err != nil {
		return Identity{}, fmt.Errorf("%s of %s: %w", fileContent, f.dir, err)
	}
	return id, nil
}

func (f folder) rollContent(c Change) ([]file, error) {
	citizen, err := f.authority(fileCitizen, "citizen ca")
	if err != nil {
		return nil, err
	}
	next, err := NewContentSigner(citizen, Options{Now: c.Now})
	if err != nil {
		return nil, err
	}
	kept, _, err := keep(f.dir, fileContent, ".pem")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return identityFiles(kept, named{fileContent, next})
}
