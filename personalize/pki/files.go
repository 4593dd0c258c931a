package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files of a key directory.
const (
	fileCountry = "csca"            // .pem and .key
	fileSigner  = "ds"              // .pem and .key
	fileCitizen = "citizen-ca"      // .pem and .key
	fileContent = "content-signer"  // .pem and .key
	fileMaster  = "card-master.key" // 32 bytes in hex
	fileCRL     = "crl.pem"         // of the country signer and of the citizen CA
	fileDemo    = "DEMO"            // marks the directory
	// fileTransport has the keys that the chips' maker left in the card manager.
	fileTransport = "transport"
	masterSize    = 32
)

const demoText = "Keys for demonstration: everybody has them. Never issue a real card with them.\n"

// Keys is what a line signs and derives with.
type Keys struct {
	CountrySigner *x509.Certificate
	Document      Identity
	Citizen       Identity
	Content       Identity   // signs CHUID, biometrics and security object; zero in a directory without
	Terminals     *Terminals // nil in a directory without
	Master        []byte     // 32 bytes: what each card's keys, PIN and PUK are derived from
	Transport     []byte     // the file "transport" as it is written; nil in a directory without
	Demo          bool
	Sealed        bool // the directory's secrets are sealed with a passphrase
}

// String keeps the keys out of every log.
func (Keys) String() string { return "keys of a line" }

// GoString does the same for %#v.
func (Keys) GoString() string { return "keys of a line" }

// ErrExists says that the directory has something in it: keys are never written over.
var ErrExists = errors.New("keys are there already")

// InitDemo writes a complete demo key directory, each file 0600: what Init does, with
// DEMO in every subject and the mark DEMO.
func InitDemo(dir string) error { return Init(dir, Options{Demo: true}, nil) }

// Init writes a complete key directory, each file 0600: country signer, document signer,
// citizen CA, content signer, the authority over terminals with a verifier and an
// inspection system, card master key and revocation lists. It is sealed with the passphrase that seal gives, or,
// seal nil, lies open. The directory appears whole or not at all; one that has anything
// in it is refused (ErrExists).
func Init(dir string, o Options, seal Passphrase) error {
	if err := o.filled().check(); err != nil {
		return err
	}
	if err := vacant(dir); err != nil {
		return err
	}
	files, err := initialFiles(o)
	if err != nil {
		return err
	}
	return create(dir, files, seal)
}

// vacant refuses a directory that has anything in it.
func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		return fmt.Errorf("%s: %w", dir, ErrExists)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("key directory: %w", err)
	}
	return nil
}

// create makes a directory with these files, sealed where seal is not nil, whole or not
// at all.
func create(dir string, files []file, seal Passphrase) error {
	identity, extra, err := newSeal(seal)
	if err != nil {
		return err
	}
	if files, err = (folder{dir, identity}).seal(append(files, extra...)); err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	stage, err := os.MkdirTemp(parent, ".keys-*") // 0700
	if err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	defer os.RemoveAll(stage)
	for _, f := range files {
		if err := writeSynced(filepath.Join(stage, f.name), f.data); err != nil {
			return err
		}
	}
	if err := syncDir(stage); err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // fails where it is not empty
		return fmt.Errorf("key directory: %w", err)
	}
	if err := os.Rename(stage, filepath.Clean(dir)); err != nil {
		return fmt.Errorf("key directory: %w", err)
	}
	return syncDir(parent)
}

type file struct {
	name string
	data []byte
}

func initialFiles(o Options) ([]file, error) {
	country, err := NewCountrySigner(o)
	if err != nil {
		return nil, err
	}
	signer, err := NewDocumentSigner(country, o)
	if err != nil {
		return nil, err
	}
	citizen, err := NewCitizenCA(o)
	if err != nil {
		return nil, err
	}
	content, err := NewContentSigner(citizen, o)
	if err != nil {
		return nil, err
	}
	master := make([]byte, masterSize)
	if _, err := rand.Read(master); err != nil {
		return nil, fmt.Errorf("card master key: %w", err)
	}
	files := []file{{fileMaster, []byte(hex.EncodeToString(master) + "\n")}}
	var lists []byte
	for _, id := range []Identity{country, citizen} {
		crl, err := id.RevocationList(1, time.Now())
		if err != nil {
			return nil, err
		}
		lists = append(lists, listPEM(crl)...)
	}
	files, err = identityFiles(files, named{fileCountry, country}, named{fileSigner, signer}, named{fileCitizen, citizen}, named{fileContent, content})
	if err != nil {
		return nil, err
	}
	terminals, err := NewTerminals(o)
	if err != nil {
		return nil, err
	}
	more, err := terminals.files()
	if err != nil {
		return nil, err
	}
	files = append(append(files, more...), file{fileCRL, lists})
	if o.Demo {
		files = append(files, file{fileDemo, []byte(demoText)})
	}
	return files, nil
}

// writeSynced writes a file that must not be there, 0600, to the disk.
func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("key file %s: %w", path, err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Load reads a key directory: ds and citizen-ca with their keys, csca's certificate
// (its key may be elsewhere, and should), the card master key and, where they are there,
// the terminals' and the transport keys. A change that was left half done is finished
// first. A sealed directory wants its passphrase (ErrSealed, ErrPassphrase).
func Load(dir string, p Passphrase) (Keys, error) {
	f, err := openFolder(dir, p)
	if err != nil {
		return Keys{}, err
	}
	return f.load()
}

func (f folder) load() (k Keys, err error) {
	if k.CountrySigner, err = loadCertificate(f.path(fileCountry + ".pem")); err != nil {
		return Keys{}, err
	}
	if k.Document, err = f.signer(fileSigner); err != nil {
		return Keys{}, err
	}
	if k.Citizen, err = f.signer(fileCitizen); err != nil {
		return Keys{}, err
	}
	if k.Content, err = f.contentSigner(k.Citizen); err != nil {
		return Keys{}, err
	}
	if k.Master, err = f.master(); err != nil {
		return Keys{}, err
	}
	if k.Terminals, err = f.terminals(); err != nil {
		return Keys{}, err
	}
	if k.Transport, err = f.read(f.path(fileTransport)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Keys{}, err
	}
	if err := k.Document.Certificate.CheckSignatureFrom(k.CountrySigner); err != nil {
		return Keys{}, fmt.Errorf("document signer of %s is not the country signer's: %w", f.dir, err)
	}
	k.Sealed = f.identity != nil
	_, err = os.Stat(f.path(fileDemo))
	k.Demo = err == nil || IsDemo(k.CountrySigner) || IsDemo(k.Document.Certificate) || IsDemo(k.Citizen.Certificate)
	return k, nil
}

// LoadIdentity reads name.pem and name.key (PKCS #8) of a directory that is not sealed;
// the two must belong together, and the key must be nobody else's to read.
func LoadIdentity(dir, name string) (Identity, error) {
	f, err := openFolder(dir, nil)
	if err != nil {
		return Identity{}, err
	}
	return f.signer(name)
}

// signer reads name.pem and name.key.
func (f folder) signer(name string) (Identity, error) {
	cert, err := loadCertificate(f.path(name + ".pem"))
	if err != nil {
		return Identity{}, err
	}
	key, err := f.key(name, cert.PublicKey)
	return Identity{Signer: key, Certificate: cert}, err
}

// key reads name.key: a private key (PKCS #8, PEM) that only its owner may read and
// whose public half is pub.
func (f folder) key(name string, pub crypto.PublicKey) (crypto.Signer, error) {
	path := f.path(name + ".key")
	b, err := f.read(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s: no PEM block %q", path, "PRIVATE KEY")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: not a PKCS #8 private key", path) // the cause could quote the key
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: a %T does not sign", path, parsed)
	}
	if !samePublic(key.Public(), pub) {
		return nil, fmt.Errorf("%s: is not the key of the certificate beside it", path)
	}
	return key, nil
}

func samePublic(a, b crypto.PublicKey) bool {
	switch a := a.(type) {
	case *ecdsa.PublicKey:
		return a.Equal(b)
	case *rsa.PublicKey:
		return a.Equal(b)
	}
	return false
}

// readPrivate reads a file that only its owner may read.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: others may read it (mode %04o), want 0600", path, info.Mode().Perm())
	}
	return os.ReadFile(path)
}

func (f folder) master() ([]byte, error) {
	b, err := f.read(f.path(fileMaster))
	if err != nil {
		return nil, err
	}
	master, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(master) != masterSize {
		return nil, fmt.Errorf("%s: want %d bytes in hex", f.path(fileMaster), masterSize)
	}
	return master, nil
}

func loadCertificate(path string) (*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s: no PEM block %q", path, "CERTIFICATE")
	}
	cert, err := ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cert, nil
}
