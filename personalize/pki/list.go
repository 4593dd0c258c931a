package pki

import (
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age/armor"

	"cardstation/devices/card/access/cvc"
)

// Entry is one certificate of a key directory.
type Entry struct {
	File    string     `json:"file"`
	Kind    string     `json:"kind"`
	Subject string     `json:"subject"` // or the holder of a card verifiable certificate
	Issuer  string     `json:"issuer"`
	From    time.Time  `json:"from"`
	Until   time.Time  `json:"until"`           // a card verifiable certificate's last day
	Signs   *time.Time `json:"signs,omitempty"` // until when the private key may sign, where the certificate says so
	Key     bool       `json:"key"`             // the private key lies beside it
	Sealed  bool       `json:"sealed"`          // and is sealed with a passphrase
}

// List tells of every certificate in a key directory, by file name; of a
// private key it reads no more than whether it is sealed.
func List(dir string) ([]Entry, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	var all []Entry
	for _, f := range files {
		e, ok, err := entryOf(dir, f)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("key directory %s holds no certificate", dir)
	}
	return all, nil
}

func entryOf(dir string, f fs.DirEntry) (e Entry, ok bool, err error) {
	suffix := filepath.Ext(f.Name())
	path := filepath.Join(dir, f.Name())
	switch {
	case f.Name() == fileCRL || f.IsDir():
		return Entry{}, false, nil
	case suffix == ".pem":
		c, err := loadCertificate(path)
		if err != nil {
			return Entry{}, false, err
		}
		e = entryOfCertificate(c)
	case suffix == cvcertSuffix:
		c, err := loadCVC(path)
		if err != nil {
			return Entry{}, false, err
		}
		e = Entry{Kind: kindOfCVC(c), Subject: c.Holder, Issuer: c.Authority, From: c.From, Until: c.Until}
	default:
		return Entry{}, false, nil
	}
	e.File = f.Name()
	if key, err := os.Open(strings.TrimSuffix(path, suffix) + ".key"); err == nil {
		defer key.Close()
		head := make([]byte, len(armor.Header))
		_, err = io.ReadFull(key, head)
		e.Key, e.Sealed = true, err == nil && isSealed(head)
	}
	return e, true, nil
}

func entryOfCertificate(c *x509.Certificate) Entry {
	e := Entry{Kind: "document signer", Subject: c.Subject.CommonName, Issuer: c.Issuer.CommonName, From: c.NotBefore, Until: c.NotAfter}
	switch {
	case c.IsCA && len(c.ExtKeyUsage) > 0:
		e.Kind = "citizen ca"
	case slices.ContainsFunc(c.UnknownExtKeyUsage, usageContentSigning.Equal) && !c.IsCA:
		e.Kind = "content signer"
	case isLink(c):
		e.Kind = "country signer link"
	case c.IsCA:
		e.Kind = "country signer"
	}
	if _, until, ok := UsagePeriod(c); ok {
		e.Signs = &until
	}
	return e
}

func kindOfCVC(c cvc.Certificate) string {
	if c.Authorization.Role() == cvc.CVCA && !c.SelfSigned() {
		return "country verifying authority link"
	}
	return c.Authorization.Role().String()
}
