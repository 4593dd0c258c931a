package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
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
// key directory serves as a trust directory; link certificates count where they lead
// from an anchor; what cannot be read (an unknown curve)
// is named in Unread. No anchor at all is an error.
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
		t.add(e.Name(), b)
	}
	t.follow()
	if len(t.Anchors) == 0 {
		return Trust{}, fmt.Errorf("trust directory %s has no country signer certificate %s", dir, strings.Join(t.Unread, "; "))
	}
	return t, nil
}

// add reads PEM blocks, or one DER object.
func (t *Trust) add(name string, b []byte) {
	block, rest := pem.Decode(b)
	if block == nil {
		if t.addList(b) != nil {
			t.note(name, t.addCertificate(name, b))
		}
		return
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			t.note(name, t.addCertificate(name, block.Bytes))
		case "X509 CRL":
			t.note(name, t.addList(block.Bytes))
		}
	}
}

func (t *Trust) note(name string, err error) {
	if err != nil {
		t.Unread = append(t.Unread, name+": "+err.Error())
	}
}

func (t *Trust) addList(der []byte) error {
	list, err := x509.ParseRevocationList(der)
	if err == nil {
		t.CRLs = append(t.CRLs, list)
	}
	return err
}

func (t *Trust) addCertificate(name string, der []byte) error {
	c, err := ParseCertificate(der)
	if err != nil {
		return err
	}
	if t.sources == nil {
		t.sources = map[*x509.Certificate]string{}
	}
	t.sources[c] = name
	switch {
	case len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0:
	case !c.IsCA:
		t.Signers = append(t.Signers, c)
	case isLink(c):
		t.links = append(t.links, link{name, c})
	default:
		t.Anchors = append(t.Anchors, c)
	}
	return nil
}

// isLink tells a country signer's certificate under another key than its own.
func isLink(c *x509.Certificate) bool {
	return c.IsCA && len(c.SubjectKeyId) > 0 && len(c.AuthorityKeyId) > 0 && !bytes.Equal(c.SubjectKeyId, c.AuthorityKeyId)
}

// link is a link certificate and the file that it stands in.
type link struct {
	file        string
	certificate *x509.Certificate
}

// follow takes in as anchors the links that lead from one, near or far (Doc 9303-12,
// 4.1). A key that is an anchor already needs none; a link that leads from nowhere is
// named in Unread.
func (t *Trust) follow() {
	known := func(c *x509.Certificate) bool {
		return slices.ContainsFunc(t.Anchors, func(a *x509.Certificate) bool {
			return bytes.Equal(a.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo)
		})
	}
	for i := 0; i < len(t.Anchors); i++ {
		for _, l := range t.links {
			if !known(l.certificate) && leads(t.Anchors[i], l.certificate) {
				t.Anchors = append(t.Anchors, l.certificate)
			}
		}
	}
	for _, l := range t.links {
		if !known(l.certificate) {
			t.note(l.file, errors.New("a link certificate of a country signer that is not here"))
		}
	}
}

// leads tells whether a link is of the anchor's own state and signed by it.
func leads(anchor, link *x509.Certificate) bool {
	return bytes.Equal(anchor.RawSubject, link.RawIssuer) && len(link.Subject.Country) == 1 &&
		slices.EqualFunc(link.Subject.Country, anchor.Subject.Country, strings.EqualFold) &&
		(anchor.KeyUsage == 0 || anchor.KeyUsage&x509.KeyUsageCertSign != 0) && CertificateBy(link, anchor) == nil
}
