package pki

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// trustFiles are the names' endings that LoadTrust reads.
var trustFiles = []string{".pem", ".cer", ".crt", ".der", ".crl"}

// maxTrustFile bounds one file of a trust directory; the ICAO master list of all
// states is under two megabytes.
const maxTrustFile = 16 << 20

// LoadTrust reads a directory's certificates and revocation lists, PEM or DER, from
// files named .pem, .cer, .crt, .der or .crl. Certificates that are no country
// signer (no authority, or one with extended key usages) are passed over, so that a
// key directory serves as a trust directory. No anchor at all is an
// error.
func LoadTrust(dir string) (Trust, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Trust{}, fmt.Errorf("trust directory: %w", err)
	}
	var t Trust
	for _, e := range entries {
		if e.IsDir() || !slices.Contains(trustFiles, strings.ToLower(filepath.Ext(e.Name()))) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if info, err := e.Info(); err != nil || info.Size() > maxTrustFile {
			return Trust{}, fmt.Errorf("%s: larger than %d bytes", path, maxTrustFile)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return Trust{}, fmt.Errorf("trust directory: %w", err)
		}
		if err := t.add(b); err != nil {
			return Trust{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	if len(t.Anchors) == 0 {
		return Trust{}, fmt.Errorf("trust directory %s has no country signer certificate", dir)
	}
	return t, nil
}

// add reads PEM blocks, or one DER object.
func (t *Trust) add(b []byte) error {
	block, rest := pem.Decode(b)
	if block == nil {
		if list, err := x509.ParseRevocationList(b); err == nil {
			t.CRLs = append(t.CRLs, list)
			return nil
		}
		return t.addCertificate(b)
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			if err := t.addCertificate(block.Bytes); err != nil {
				return err
			}
		case "X509 CRL":
			list, err := x509.ParseRevocationList(block.Bytes)
			if err != nil {
				return err
			}
			t.CRLs = append(t.CRLs, list)
		}
	}
	return nil
}

func (t *Trust) addCertificate(der []byte) error {
	c, err := ParseCertificate(der)
	if err != nil {
		return err
	}
	if c.IsCA && len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
		t.Anchors = append(t.Anchors, c)
	}
	return nil
}
