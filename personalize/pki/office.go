package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cardstation/devices/card/access/cvc"
)

// An office of another place makes its key itself and asks for a certificate (Ask); who
// has the verifier's key gives it one (Issue), into a directory of certificates without
// any key; the office takes them in (Install). A verifier of its own (Which: RollVerifier)
// comes about in the same way from who has the authority's key.

// RollTerminal is an inspection system, to Ask and Issue.
const RollTerminal = "is"

// Files of a key that waits for its certificate.
const (
	pending       = "-new"
	requestSuffix = ".cvreq"
)

// Ask makes a key for a terminal (which RollTerminal) or a verifier (RollVerifier) in an
// office's key directory, and the request for a certificate over it, which it gives with
// its path. A
// directory that is new is sealed with the passphrase of p, or p nil lies open; the key
// that is in use there stays in use until Install. mnemonic is country (2 letters) and
// name (1 to 9 characters) of the holder; a number is put after it, one higher than that
// of the certificate that is there.
func Ask(dir, which, mnemonic string, p Passphrase) (r cvc.Request, path string, err error) {
	if which != RollTerminal && which != RollVerifier {
		return cvc.Request{}, "", fmt.Errorf("no certificate is asked for as %q", which)
	}
	if len(mnemonic) < 3 || len(mnemonic) > cvc.MaxReference-sequenceDigits || !isUpper(mnemonic[:2]) {
		return cvc.Request{}, "", fmt.Errorf("holder %q: want the country's two letters and a name of 1 to 9 characters", mnemonic)
	}
	f, fresh, err := openOrNew(dir, p)
	if err != nil {
		return cvc.Request{}, "", err
	}
	n, authority := 1, ""
	if c, err := loadCVC(f.path(which + cvcertSuffix)); err == nil {
		n, authority = sequence(c.Holder)+1, c.Authority
	} else if !errors.Is(err, fs.ErrNotExist) {
		return cvc.Request{}, "", err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cvc.Request{}, "", fmt.Errorf("key of %s: %w", mnemonic, err)
	}
	r, err = cvc.NewRequest(fmt.Sprintf("%s%05d", mnemonic, n), authority, private)
	if err != nil {
		return cvc.Request{}, "", err
	}
	key, err := keyFile(which+pending, private)
	if err != nil {
		return cvc.Request{}, "", err
	}
	files := []file{key, {which + pending + requestSuffix, r.Bytes()}}
	path = filepath.Join(dir, files[1].name)
	if fresh {
		return r, path, create(dir, files, p)
	}
	return r, path, f.commit(files)
}

// openOrNew opens a key directory; fresh where there is none, or an empty one.
func openOrNew(dir string, p Passphrase) (f folder, fresh bool, err error) {
	if vacant(dir) == nil {
		return folder{dir: dir}, true, nil
	}
	f, err = openFolder(dir, p)
	return f, false, err
}

// Grant says what a request is granted.
type Grant struct {
	Role   cvc.Role // Terminal from the verifier, DVDomestic or DVForeign from the authority
	Rights byte     // ReadFingers, ReadIris
	Days   int      // how long, from Now on
	Now    time.Time
}

// Issue certifies a request with the verifier's key of dir, or for another verifier with
// the authority's (ErrElsewhere where that is not there). out gets the certificate and
// those that lead to it, no key; it appears whole or not at all.
func Issue(dir string, p Passphrase, request []byte, g Grant, out string) (cvc.Certificate, error) {
	r, err := cvc.ParseRequest(request)
	if err != nil {
		return cvc.Certificate{}, err
	}
	t, err := LoadTerminals(dir, p)
	if err != nil {
		return cvc.Certificate{}, err
	}
	if t == nil {
		return cvc.Certificate{}, fmt.Errorf("%s has no authority over terminals", dir)
	}
	issuer, who, name := t.Verifier, "document verifier", fileTerminal
	if g.Role != cvc.Terminal {
		issuer, who, name = t.Authority, cvc.CVCA.String(), fileVerifier
	}
	if issuer.Signer == nil {
		return cvc.Certificate{}, fmt.Errorf("%s: %w", dir, elsewhere(who))
	}
	c, err := g.certify(r, issuer)
	if err != nil {
		return cvc.Certificate{}, err
	}
	files := append(t.linkFiles(), file{fileVerifying + cvcertSuffix, t.Authority.Certificate.Bytes()}, file{name + cvcertSuffix, c.Bytes()})
	if name == fileTerminal {
		files = append(files, file{fileVerifier + cvcertSuffix, t.Verifier.Certificate.Bytes()})
	}
	if err := vacant(out); err != nil {
		return cvc.Certificate{}, err
	}
	return c, create(out, files, nil)
}

func (g Grant) certify(r cvc.Request, issuer Verifiable) (cvc.Certificate, error) {
	from := cvc.Day(g.Now)
	until := from.AddDate(0, 0, g.Days)
	above := issuer.Certificate
	switch {
	case g.Role == cvc.CVCA:
		return cvc.Certificate{}, errors.New("an authority's certificate is not issued on request")
	case !sameCurve(r.Key, above.Key):
		return cvc.Certificate{}, fmt.Errorf("the key of %s is not on the curve of %s", r.Holder, above.Holder)
	case g.Days < 1 || until.After(above.Until):
		return cvc.Certificate{}, fmt.Errorf("%d days from %s: the certificate of %s, which signs, ends on %s",
			g.Days, from.Format(time.DateOnly), above.Holder, above.Until.Format(time.DateOnly))
	case !above.Authorization.Has(g.Rights):
		return cvc.Certificate{}, fmt.Errorf("%s may not pass on what is asked for: it is %s", above.Holder, above.Authorization)
	case r.Holder == above.Holder:
		return cvc.Certificate{}, fmt.Errorf("%s asks for a certificate under its own name", r.Holder)
	}
	return cvc.Certificate{
		Authority: above.Holder, Holder: r.Holder, Key: r.Key,
		Authorization: cvc.Inspection(g.Role, g.Rights), From: from, Until: until,
	}.Sign(issuer.Signer, above.Key)
}

// sameCurve: a terminal's certificate leaves its curve to the authority's (TR-03110-3,
// D.3).
func sameCurve(a, b cvc.PublicKey) bool {
	x, ok := a.Key.(*ecdsa.PublicKey)
	y, also := b.Key.(*ecdsa.PublicKey)
	return ok && also && x.Curve == y.Curve
}

// Install takes the certificates that Issue made in from into an office's key directory,
// and the key that waited for them into use: all or nothing, and only if they belong
// together. It gives the certificate of that key.
func Install(dir, from string, p Passphrase) (cvc.Certificate, error) {
	f, err := openFolder(dir, p)
	if err != nil {
		return cvc.Certificate{}, err
	}
	t, err := LoadTerminals(from, nil)
	if err != nil {
		return cvc.Certificate{}, err
	}
	if t == nil {
		return cvc.Certificate{}, fmt.Errorf("%s holds no certificate of an authority over terminals", from)
	}
	name, mine := fileTerminal, t.Inspection.Certificate
	if mine.Holder == "" {
		name, mine = fileVerifier, t.Verifier.Certificate
	}
	if mine.Holder == "" {
		return cvc.Certificate{}, fmt.Errorf("%s holds no certificate of a terminal or verifier", from)
	}
	key, err := f.key(name+pending, mine.Key.Key)
	if errors.Is(err, fs.ErrNotExist) {
		return cvc.Certificate{}, fmt.Errorf("no key waits for a certificate in %s: %w", dir, err)
	}
	if err != nil {
		return cvc.Certificate{}, fmt.Errorf("the certificate of %s is not for the key that waits: %w", mine.Holder, err)
	}
	next, err := keyFile(name, key)
	if err != nil {
		return cvc.Certificate{}, err
	}
	files, err := folder{dir: from}.certificates()
	if err != nil {
		return cvc.Certificate{}, err
	}
	if err := f.keepsOwn(files, name); err != nil {
		return cvc.Certificate{}, err
	}
	if err := f.commit(append(files, next)); err != nil {
		return cvc.Certificate{}, err
	}
	return mine, errors.Join(os.Remove(f.path(name+pending+".key")), os.Remove(f.path(name+pending+requestSuffix)))
}

// keepsOwn refuses certificates over those whose keys are in the directory, but for
// name's: a key without its certificate is lost, an authority's with all cards that start
// from it.
func (f folder) keepsOwn(files []file, name string) error {
	for _, one := range files {
		base := strings.TrimSuffix(one.name, cvcertSuffix)
		if _, err := os.Stat(f.path(base + ".key")); base == name || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if there, err := os.ReadFile(f.path(one.name)); err != nil || !bytes.Equal(there, one.data) {
			return fmt.Errorf("%s: another %s than that of the key there: a terminal of another authority wants a folder of its own: %w", f.dir, one.name, ErrExists)
		}
	}
	return nil
}

// certificates are the card verifiable ones of a directory.
func (f folder) certificates() ([]file, error) {
	files, err := f.public()
	if err != nil {
		return nil, err
	}
	var out []file
	for _, one := range files {
		if strings.EqualFold(filepath.Ext(one.name), cvcertSuffix) {
			out = append(out, one)
		}
	}
	return out, nil
}
