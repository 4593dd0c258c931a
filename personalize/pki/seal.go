package pki

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// A key directory is sealed where seal.age lies in it: an X25519 identity of
// age-encryption.org/v1, itself encrypted with a passphrase (scrypt). What is secret in
// the directory is encrypted to that identity, so that a directory costs one scrypt
// however many keys it has. The program age reads it, too: age -d -i seal.age ds.key.

// Passphrase gives the passphrase of a sealed key directory. It is asked only where
// there is a seal, at most once for a call; nil stands for nobody to ask.
type Passphrase func() (string, error)

// Errors of sealed directories, wrapped with the directory's name.
var (
	// ErrSealed: a passphrase is needed and none was given.
	ErrSealed = errors.New("the keys are sealed with a passphrase and none was given")
	// ErrPassphrase: the passphrase is another one.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrShortPassphrase: too easily guessed for what it is to keep.
	ErrShortPassphrase = fmt.Errorf("a passphrase of fewer than %d characters", minPassphrase)
)

const (
	fileSeal      = "seal.age"
	minPassphrase = 12
	// maxSecret bounds the file of one secret.
	maxSecret = 64 << 10
)

// folder is a key directory with what opens its seal; identity nil where it has none.
type folder struct {
	dir      string
	identity *age.X25519Identity
}

// openFolder finishes what a change left half done, and opens the seal.
func openFolder(dir string, p Passphrase) (folder, error) {
	if err := settle(dir); err != nil {
		return folder{}, err
	}
	f := folder{dir: dir}
	sealed, err := os.ReadFile(f.path(fileSeal))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return folder{}, fmt.Errorf("key directory: %w", err)
	}
	if f.identity, err = unseal(sealed, p); err != nil {
		return folder{}, fmt.Errorf("key directory %s: %w", dir, err)
	}
	return f, nil
}

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

// unseal opens seal.age.
func unseal(sealed []byte, p Passphrase) (*age.X25519Identity, error) {
	if p == nil {
		return nil, ErrSealed
	}
	phrase, err := p()
	if err != nil {
		return nil, err
	}
	key, err := age.NewScryptIdentity(phrase)
	if err != nil {
		return nil, ErrPassphrase // an empty one
	}
	text, err := decrypt(sealed, key)
	var other *age.NoIdentityMatchError
	switch {
	case errors.As(err, &other):
		return nil, ErrPassphrase
	case err != nil:
		return nil, fmt.Errorf("%s: %w", fileSeal, err)
	}
	identity, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s holds no age identity", fileSeal) // the cause could quote it
	}
	return identity, nil
}

// newSeal gives an identity, which seal.age opens with the passphrase; nil and nothing
// where p is nil.
func newSeal(p Passphrase) (*age.X25519Identity, []file, error) {
	if p == nil {
		return nil, nil, nil
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, nil, fmt.Errorf("seal: %w", err)
	}
	sealed, err := sealIdentity(identity, p)
	return identity, []file{sealed}, err
}

func sealIdentity(identity *age.X25519Identity, p Passphrase) (file, error) {
	phrase, err := p()
	if err != nil {
		return file{}, err
	}
	if utf8.RuneCountInString(phrase) < minPassphrase {
		return file{}, ErrShortPassphrase
	}
	to, err := age.NewScryptRecipient(phrase)
	if err != nil {
		return file{}, fmt.Errorf("seal: %w", err)
	}
	b, err := encrypt([]byte(identity.String()+"\n"), to)
	return file{fileSeal, b}, err
}

// read gives the content of a secret file, which only its owner may read. In a sealed
// directory one that was put there in the clear is taken as it is.
func (f folder) read(path string) ([]byte, error) {
	b, err := readPrivate(path)
	if err != nil || !isSealed(b) {
		return b, err
	}
	if f.identity == nil {
		return nil, fmt.Errorf("%s: is sealed, and %s is not beside it", path, fileSeal)
	}
	if b, err = decrypt(b, f.identity); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// ReadSecret reads a secret file that lies outside of a key directory, which only its
// owner may read and which is not sealed.
func ReadSecret(path string) ([]byte, error) { return folder{}.read(path) }

// seal encrypts those of the files that are secret, where the directory has a seal.
func (f folder) seal(files []file) ([]file, error) {
	if f.identity == nil {
		return files, nil
	}
	for i, one := range files {
		if !isSecret(one.name) || isSealed(one.data) {
			continue
		}
		b, err := encrypt(one.data, f.identity.Recipient())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.name, err)
		}
		files[i].data = b
	}
	return files, nil
}

// commit seals and puts files into the directory, all or none.
func (f folder) commit(files []file) error {
	files, err := f.seal(files)
	if err != nil {
		return err
	}
	return commit(f.dir, files)
}

// isSecret tells by its name whether a file of a key directory is to be kept secret.
func isSecret(name string) bool { return filepath.Ext(name) == ".key" || name == fileTransport }

func isSealed(b []byte) bool { return bytes.HasPrefix(b, []byte(armor.Header)) }

func encrypt(b []byte, to age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func decrypt(b []byte, key age.Identity) ([]byte, error) {
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(b)), key)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxSecret))
}

// Seal seals a key directory with next, or gives one that is sealed already (now) next
// as its passphrase. It is done whole or not at all. Copies that were made of the
// directory before are not changed.
func Seal(dir string, now, next Passphrase) error {
	f, err := openFolder(dir, now)
	if err != nil {
		return err
	}
	if f.identity != nil {
		sealed, err := sealIdentity(f.identity, next)
		if err != nil {
			return err
		}
		return commit(dir, []file{sealed})
	}
	identity, files, err := newSeal(next)
	if err != nil {
		return err
	}
	secrets, err := f.secrets()
	if err != nil {
		return err
	}
	return folder{dir, identity}.commit(append(files, secrets...))
}

// secrets reads every secret file of the directory.
func (f folder) secrets() ([]file, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	var files []file
	for _, e := range entries {
		if e.IsDir() || !isSecret(e.Name()) {
			continue
		}
		b, err := f.read(f.path(e.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, file{e.Name(), b})
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("key directory %s has no key in it", f.dir)
	}
	return files, nil
}
