package pki

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Which keys Roll gives a successor.
const (
	RollCountry   = "csca" // and a document signer under it
	RollDocument  = "ds"
	RollVerifying = "cvca"    // and verifier and inspection system under it; makes the first ones, too
	RollVerifier  = "dv"      // verifier and inspection system
	RollContent   = "content" // content signer; makes the first one, too
)

// Link signs with id's key the certificate that leads from it to the next country
// signer (Doc 9303-12, 7.1: a link certificate).
func (id Identity) Link(next Identity, o Options) (*x509.Certificate, error) {
	o = o.filled()
	c := next.Certificate
	_, use, ok := UsagePeriod(c)
	if !ok || !c.IsCA {
		return nil, errors.New("link: the next certificate is no country signer's")
	}
	until := c.NotAfter
	if id.Certificate.NotAfter.Before(until) {
		until = id.Certificate.NotAfter
	}
	t := countryTemplate(c.Subject, c.NotBefore, until)
	if err := o.addTravel(t, use); err != nil {
		return nil, err
	}
	return o.sign(t, next.Public(), id)
}

// Roll gives keys of a directory their successors; which is one of the constants. What
// was there stays, numbered: certificates, on which finished cards hang, and
// authorities' keys, for revocation lists. A document signer's former key is gone. The
// change is made whole or not at all: what a crash leaves half done, the next Load or
// Roll finishes. Roll gives the names of the files written.
func Roll(dir, which string, now time.Time) ([]string, error) {
	if err := settle(dir); err != nil {
		return nil, err
	}
	roll, ok := map[string]func(string, time.Time) ([]file, error){
		RollCountry: rollCountry, RollDocument: rollDocument, RollVerifying: rollVerifying, RollVerifier: renewVerifier,
		RollContent: rollContent,
	}[which]
	if !ok {
		return nil, fmt.Errorf("no keys are named %q", which)
	}
	files, err := roll(dir, now)
	if err != nil {
		return nil, fmt.Errorf("roll %s: %w", which, err)
	}
	if err := commit(dir, files); err != nil {
		return nil, fmt.Errorf("roll %s: %w", which, err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	return names, nil
}

func rollCountry(dir string, now time.Time) ([]file, error) {
	old, err := LoadIdentity(dir, fileCountry)
	if err != nil {
		return nil, err
	}
	o := optionsOf(old.Certificate, now)
	next, err := NewCountrySigner(o)
	if err != nil {
		return nil, err
	}
	link, err := old.Link(next, o)
	if err != nil {
		return nil, err
	}
	signer, err := NewDocumentSigner(next, o)
	if err != nil {
		return nil, err
	}
	kept, n, err := keep(dir, fileCountry, ".pem", ".key")
	if err != nil {
		return nil, err
	}
	files := append(kept, file{fmt.Sprintf("%s-link-%d.pem", fileCountry, n+1), certificatePEM(link)})
	lists, err := os.ReadFile(filepath.Join(dir, fileCRL))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("revocation lists: %w", err)
	}
	list, err := next.RevocationList(1, o.filled().Now)
	if err != nil {
		return nil, err
	}
	files = append(files, file{fileCRL, append(lists, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list.Raw})...)})
	if kept, _, err = keep(dir, fileSigner, ".pem"); err != nil {
		return nil, err
	}
	return identityFiles(append(files, kept...), named{fileCountry, next}, named{fileSigner, signer})
}

func rollDocument(dir string, now time.Time) ([]file, error) {
	country, err := LoadIdentity(dir, fileCountry)
	if err != nil {
		return nil, err
	}
	if _, until, ok := UsagePeriod(country.Certificate); ok && now.After(until) {
		return nil, fmt.Errorf("the country signer's key signs until %s only", until.Format(time.DateOnly))
	}
	next, err := NewDocumentSigner(country, optionsOf(country.Certificate, now))
	if err != nil {
		return nil, err
	}
	kept, _, err := keep(dir, fileSigner, ".pem")
	if err != nil {
		return nil, err
	}
	return identityFiles(kept, named{fileSigner, next})
}

func rollVerifying(dir string, now time.Time) ([]file, error) {
	country, err := loadCertificate(filepath.Join(dir, fileCountry+".pem"))
	if err != nil {
		return nil, err
	}
	old, err := LoadTerminals(dir)
	if err != nil {
		return nil, err
	}
	if old == nil {
		made, err := NewTerminals(optionsOf(country, now))
		if err != nil {
			return nil, err
		}
		return made.files()
	}
	next, err := old.Roll(optionsOf(country, now))
	if err != nil {
		return nil, err
	}
	kept, _, err := keep(dir, fileVerifying, cvcertSuffix, ".key")
	if err != nil {
		return nil, err
	}
	files, err := next.files()
	return append(kept, files...), err
}

func renewVerifier(dir string, now time.Time) ([]file, error) {
	country, err := loadCertificate(filepath.Join(dir, fileCountry+".pem"))
	if err != nil {
		return nil, err
	}
	old, err := LoadTerminals(dir)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return nil, errors.New("there is no authority over terminals yet")
	}
	next, err := old.Renew(optionsOf(country, now))
	if err != nil {
		return nil, err
	}
	files, err := next.files()
	return slices.DeleteFunc(files, func(f file) bool { return strings.HasPrefix(f.name, fileVerifying) }), err
}

// keep gives copies of what is there of name under its next free number n, from 1 on.
func keep(dir, name string, suffixes ...string) (files []file, n int, err error) {
	for n = 1; ; n++ {
		_, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%s-%d%s", name, n, suffixes[0])))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, 0, fmt.Errorf("key directory: %w", err)
		}
	}
	for _, suffix := range suffixes {
		b, err := os.ReadFile(filepath.Join(dir, name+suffix))
		if err != nil {
			return nil, 0, fmt.Errorf("key directory: %w", err)
		}
		files = append(files, file{fmt.Sprintf("%s-%d%s", name, n, suffix), b})
	}
	return files, n, nil
}

// Folders within a key directory in which a change waits: written, and to be made.
const (
	staged    = ".rolling"
	committed = ".rolled"
)

// commit writes files beside those of dir; one rename says that they count, and settle
// puts them in place.
func commit(dir string, files []file) error {
	stage := filepath.Join(dir, staged)
	if err := os.RemoveAll(stage); err != nil { // of a try that came to nothing
		return fmt.Errorf("key directory: %w", err)
	}
	if err := os.Mkdir(stage, 0o700); err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	for _, f := range files {
		if err := writeSynced(filepath.Join(stage, f.name), f.data); err != nil {
			return errors.Join(err, os.RemoveAll(stage))
		}
	}
	if err := syncDir(stage); err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	if err := os.Rename(stage, filepath.Join(dir, committed)); err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	return settle(dir)
}

// settle puts the files of a committed change in place; nothing where there is none.
func settle(dir string) error {
	from := filepath.Join(dir, committed)
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	for _, e := range entries {
		err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // another process may be at it, too
			return fmt.Errorf("key directory: %w", err)
		}
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	if err := os.Remove(from); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("key directory: %w", err)
	}
	return nil
}

// named is an identity with its name in a key directory.
type named struct {
	name string
	id   Identity
}

// identityFiles appends name.key and name.pem of each.
func identityFiles(files []file, all ...named) ([]file, error) {
	for _, one := range all {
		key, err := keyFile(one.name, one.id.Signer)
		if err != nil {
			return nil, err
		}
		files = append(files, key, file{one.name + ".pem", certificatePEM(one.id.Certificate)})
	}
	return files, nil
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
