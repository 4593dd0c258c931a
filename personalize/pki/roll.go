package pki

import (
	"bytes"
	"cmp"
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
	if !bytes.Equal(c.RawSubject, id.Certificate.RawSubject) {
		t.ExtraExtensions = append(t.ExtraExtensions, nameChange)
	}
	link, err := o.sign(t, next.Public(), id)
	if err != nil {
		return nil, err
	}
	return o.spellOut(link, id)
}

// Change says which keys get a successor.
type Change struct {
	Which string // one of the constants
	// Organization is the country signer's name from now on; empty for none other. Where
	// it changes the link certificate says so.
	Organization string
	Now          time.Time
}

// Roll gives keys of a directory their successors. What was there stays, numbered: certificates, on which finished cards hang, and
// authorities' keys, for revocation lists. A document signer's former key is gone. The
// change is made whole or not at all: what a crash leaves half done, the next Load or
// Roll finishes. Roll gives the names of the files written. Where the key that is to
// sign is kept elsewhere the error is ErrElsewhere.
func Roll(dir string, c Change, p Passphrase) ([]string, error) {
	f, err := openFolder(dir, p)
	if err != nil {
		return nil, err
	}
	roll, ok := map[string]func(Change) ([]file, error){
		RollCountry: f.rollCountry, RollDocument: f.rollDocument, RollVerifying: f.rollVerifying, RollVerifier: f.renewVerifier,
		RollContent: f.rollContent,
	}[c.Which]
	if !ok {
		return nil, fmt.Errorf("no keys are named %q", c.Which)
	}
	files, err := roll(c)
	if err != nil {
		return nil, fmt.Errorf("roll %s: %w", c.Which, err)
	}
	if err := f.commit(files); err != nil {
		return nil, fmt.Errorf("roll %s: %w", c.Which, err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	return names, nil
}

// ErrElsewhere says that the key that would have to sign is not in this directory, as
// it should be with an authority's key on a line or in an office.
var ErrElsewhere = errors.New("that key is kept elsewhere")

// authority is signer for an authority, whose key may be elsewhere.
func (f folder) authority(name, who string) (Identity, error) {
	id, err := f.signer(name)
	if errors.Is(err, fs.ErrNotExist) && id.Certificate != nil {
		return Identity{}, fmt.Errorf("the %s's key is needed and %s.key is not in %s: %w", who, name, f.dir, ErrElsewhere)
	}
	return id, err
}

// country gives the country signer and what to go on with.
func (f folder) country(now time.Time) (Identity, Options, error) {
	id, err := f.authority(fileCountry, "country signer")
	if err != nil {
		return Identity{}, Options{}, err
	}
	document, err := loadCertificate(f.path(fileSigner + ".pem"))
	return id, optionsOf(id.Certificate, document, now), err
}

func (f folder) rollCountry(c Change) ([]file, error) {
	old, o, err := f.country(c.Now)
	if err != nil {
		return nil, err
	}
	o.Organization = cmp.Or(c.Organization, o.Organization)
	if err := o.filled().check(); err != nil {
		return nil, err
	}
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
	kept, n, err := keep(f.dir, fileCountry, ".pem", ".key")
	if err != nil {
		return nil, err
	}
	files := append(kept, file{fmt.Sprintf("%s-link-%d.pem", fileCountry, n+1), certificatePEM(link)})
	lists, err := os.ReadFile(f.path(fileCRL))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("revocation lists: %w", err)
	}
	list, err := next.RevocationList(1, o.filled().Now)
	if err != nil {
		return nil, err
	}
	files = append(files, file{fileCRL, append(lists, listPEM(list)...)})
	if kept, _, err = keep(f.dir, fileSigner, ".pem"); err != nil {
		return nil, err
	}
	return identityFiles(append(files, kept...), named{fileCountry, next}, named{fileSigner, signer})
}

func (f folder) rollDocument(c Change) ([]file, error) {
	country, o, err := f.country(c.Now)
	if err != nil {
		return nil, err
	}
	if _, until, ok := UsagePeriod(country.Certificate); ok && c.Now.After(until) {
		return nil, fmt.Errorf("the country signer's key signs until %s only", until.Format(time.DateOnly))
	}
	next, err := NewDocumentSigner(country, o)
	if err != nil {
		return nil, err
	}
	kept, _, err := keep(f.dir, fileSigner, ".pem")
	if err != nil {
		return nil, err
	}
	return identityFiles(kept, named{fileSigner, next})
}

func (f folder) rollVerifying(c Change) ([]file, error) {
	o, old, err := f.verifying(c.Now)
	if err != nil {
		return nil, err
	}
	if old == nil {
		made, err := NewTerminals(o)
		if err != nil {
			return nil, err
		}
		return made.files()
	}
	next, err := old.Roll(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.dir, err)
	}
	kept, _, err := keep(f.dir, fileVerifying, cvcertSuffix, ".key")
	if err != nil {
		return nil, err
	}
	files, err := next.files()
	return append(kept, files...), err
}

func (f folder) renewVerifier(c Change) ([]file, error) {
	o, old, err := f.verifying(c.Now)
	if err != nil {
		return nil, err
	}
	if old == nil {
		return nil, errors.New("there is no authority over terminals yet")
	}
	next, err := old.Renew(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.dir, err)
	}
	files, err := next.files()
	return slices.DeleteFunc(files, func(f file) bool { return strings.HasPrefix(f.name, fileVerifying) }), err
}

// verifying gives the terminals, nil where there are none, and what to go on with.
func (f folder) verifying(now time.Time) (Options, *Terminals, error) {
	country, err := loadCertificate(f.path(fileCountry + ".pem"))
	if err != nil {
		return Options{}, nil, err
	}
	old, err := f.terminals()
	return optionsOf(country, nil, now), old, err
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
