package pki

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// lineKeys are the keys that a line signs and derives with; every other key of a
// directory stays where it is.
var lineKeys = []string{fileSigner + ".key", fileCitizen + ".key", fileContent + ".key", fileMaster, fileTransport}

// ExportLine makes of a complete key directory one for a line in out, which has all the
// certificates and revocation lists and the keys that a line works with, but neither the
// country signer's nor those over terminals. It is sealed with the passphrase that seal
// gives, nil for none, with which nothing in dir can be opened. out appears whole or not
// at all; one that has anything in it is refused (ErrExists).
func ExportLine(dir string, p Passphrase, out string, seal Passphrase) error {
	if err := vacant(out); err != nil {
		return err
	}
	f, err := openFolder(dir, p)
	if err != nil {
		return err
	}
	if _, err := f.load(); err != nil {
		return err
	}
	files, err := f.public()
	if err != nil {
		return err
	}
	for _, name := range lineKeys {
		b, err := f.read(f.path(name))
		if errors.Is(err, fs.ErrNotExist) { // what has to be there, load has seen
			continue
		}
		if err != nil {
			return err
		}
		files = append(files, file{name, b})
	}
	return create(out, files, seal)
}

// public reads what of the directory is no secret: certificates, lists and the mark of
// a demo.
func (f folder) public() ([]file, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("key directory: %w", err)
	}
	var files []file
	for _, e := range entries {
		if e.IsDir() || e.Name() != fileDemo && !slices.Contains([]string{".pem", cvcertSuffix}, filepath.Ext(e.Name())) {
			continue
		}
		b, err := os.ReadFile(f.path(e.Name()))
		if err != nil {
			return nil, fmt.Errorf("key directory: %w", err)
		}
		files = append(files, file{e.Name(), b})
	}
	return files, nil
}
