package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// RenewLists signs the revocation lists of a key directory again, each with the
// next number and good for 90 days from now: those of every authority whose key is
// here, the former country signers' too; the lists of others stay as they are. What was
// revoked stays so; revoke joins it, each under the authority that issued it. A
// certificate that none here issued is an error, and nothing is then written.
func RenewLists(dir string, p Passphrase, now time.Time, revoke ...*x509.Certificate) error {
	f, err := openFolder(dir, p)
	if err != nil {
		return err
	}
	trust, err := LoadTrust(dir)
	if err != nil {
		return err
	}
	names, err := authorities(dir)
	if err != nil {
		return err
	}
	var lists []byte
	left, others := slices.Clone(revoke), trust.CRLs
	for _, name := range names {
		id, err := f.signer(name)
		if err != nil {
			return err
		}
		number, entries := int64(0), []x509.RevocationListEntry(nil)
		for _, old := range trust.CRLs {
			if old.CheckSignatureFrom(id.Certificate) == nil && old.Number != nil && old.Number.Int64() > number {
				number, entries = old.Number.Int64(), slices.Clone(old.RevokedCertificateEntries)
			}
		}
		left = slices.DeleteFunc(left, func(c *x509.Certificate) bool {
			if c.CheckSignatureFrom(id.Certificate) != nil {
				return false
			}
			known := slices.ContainsFunc(entries, func(e x509.RevocationListEntry) bool { return e.SerialNumber.Cmp(c.SerialNumber) == 0 })
			if !known {
				entries = append(entries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: now.UTC()})
			}
			return true
		})
		list, err := id.RevocationList(number+1, now, entries...)
		if err != nil {
			return err
		}
		lists = append(lists, listPEM(list)...)
		others = slices.DeleteFunc(slices.Clone(others), func(l *x509.RevocationList) bool { return l.CheckSignatureFrom(id.Certificate) == nil })
	}
	for _, l := range others {
		lists = append(lists, listPEM(l)...)
	}
	if len(left) > 0 {
		return fmt.Errorf("certificate %X of %s was issued by no authority whose key is in %s", left[0].SerialNumber, left[0].Subject, dir)
	}
	return f.commit([]file{{fileCRL, lists}})
}

func listPEM(l *x509.RevocationList) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: l.Raw})
}

// authorities names those whose key is here: country signers, now and formerly, and
// the citizen CA.
func authorities(dir string) ([]string, error) {
	keys, err := filepath.Glob(filepath.Join(dir, fileCountry+"*.key"))
	if err != nil {
		return nil, err
	}
	names := []string{fileCitizen}
	for _, k := range keys {
		names = append(names, strings.TrimSuffix(filepath.Base(k), ".key"))
	}
	return names, nil
}

// CertificateFile reads one certificate, PEM or DER.
func CertificateFile(path string) (*x509.Certificate, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(bytes.TrimSpace(raw)); block != nil {
		raw = block.Bytes
	}
	c, err := ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}
