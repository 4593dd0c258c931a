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
var trustFiles = []string{".pem", ".cer", ".crt", ".der", ".crl", ".ml", ".bin", ".ldif"}

// maxTrustFile bounds one file of a trust directory; the ICAO master list of all
// states is under two megabytes.
const maxTrustFile = 16 << 20

// LoadTrust reads a directory's certificates, revocation lists and master lists of
// country signers, PEM or DER, from files named .pem, .cer, .crt, .der, .crl, .ml or
// .bin, and exports of the ICAO directory named .ldif. Certificates with extended key
// usages are passed over, so that a key directory serves as a trust directory; those
// of no authority are Signers; link certificates count where they lead from an
// anchor, and master lists where an anchor, or one in the list, certified their
// signer. What cannot be read (an unknown curve) or is not believed is named in
// Unread. No anchor at all is an error.
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
		if info, err := e.Info(); err != nil || info.Size() > maxTrustFile {
			t.note(e.Name(), fmt.Errorf("larger than %d bytes", maxTrustFile))
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return Trust{}, fmt.Errorf("trust directory: %w", err)
		}
		t.add(e.Name(), b)
	}
	t.believe()
	t.follow()
	if len(t.Anchors) == 0 {
		return Trust{}, fmt.Errorf("trust directory %s has no country signer certificate %s", dir, strings.Join(t.Unread, "; "))
	}
	return t, nil
}

// add reads an export of the directory, PEM blocks, or one DER object.
func (t *Trust) add(name string, b []byte) {
	if strings.EqualFold(filepath.Ext(name), ".ldif") {
		t.addDirectory(name, b)
		return
	}
	block, rest := pem.Decode(b)
	if block == nil {
		t.note(name, t.addObject(name, b))
		return
	}
	for ; block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			t.note(name, t.addCertificate(name, block.Bytes))
		case "X509 CRL":
			t.note(name, t.addList(block.Bytes))
		case "CMS", "PKCS7":
			t.note(name, t.addMasterList(name, block.Bytes))
		}
	}
}

func (t *Trust) addObject(name string, der []byte) error {
	if t.addList(der) == nil {
		return nil
	}
	err := t.addMasterList(name, der)
	if errors.Is(err, errNotSigned) {
		return t.addCertificate(name, der)
	}
	return err
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
	if err == nil {
		t.take(name, c)
	}
	return err
}

// take puts a certificate from somewhere where it belongs.
func (t *Trust) take(from string, c *x509.Certificate) {
	if t.sources == nil {
		t.sources = map[*x509.Certificate]string{}
	}
	t.sources[c] = from
	switch {
	case len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0:
	case !c.IsCA:
		t.Signers = append(t.Signers, c)
	case isLink(c):
		t.links = append(t.links, link{from, c})
	default:
		t.Anchors = append(t.Anchors, c)
	}
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
		SignsCertificates(anchor) && CertificateBy(link, anchor) == nil
}
