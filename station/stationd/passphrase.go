package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"cardstation/personalize/pki"
	"cardstation/station"
)

// passphraseEnv is the variable that may hold the passphrase of sealed keys.
const passphraseEnv = "CARDSTATION_PASSPHRASE"

// maxPassphraseFile bounds the file with a passphrase.
const maxPassphraseFile = 4 << 10

// unlock is how a command gets the passphrase of a key folder: never on the command
// line, where every user of the machine can read it.
type unlock struct {
	PassphraseFile string `placeholder:"FILE" env:"CARDSTATION_PASSPHRASE_FILE" help:"File with the passphrase of sealed keys; else $$CARDSTATION_PASSPHRASE, else it is asked for."`
}

// passphrase takes the file, the variable or, at a terminal, the person, in this order.
func (u unlock) passphrase() (string, error) {
	if u.PassphraseFile != "" {
		return passphraseOf(u.PassphraseFile)
	}
	if p := os.Getenv(passphraseEnv); p != "" {
		return p, nil
	}
	return askPassphrase("passphrase of the keys: ")
}

// given tells whether a passphrase was named without being asked for.
func (u unlock) given() bool { return u.PassphraseFile != "" || os.Getenv(passphraseEnv) != "" }

// passphraseOf reads the first line of a file that only its owner may read.
func passphraseOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", &station.Error{Kind: station.Correct, What: "passphrase of the keys", Err: err, Hint: "name the file that holds it"}
	}
	if info.Mode().Perm()&0o077 != 0 || info.Size() > maxPassphraseFile {
		return "", &station.Error{Kind: station.Correct, What: fmt.Sprintf("passphrase file %s: mode %04o, %d bytes", path, info.Mode().Perm(), info.Size()),
			Hint: "it must be its owner's alone (chmod 600) and hold one line"}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// askPassphrase asks the person at the terminal.
func askPassphrase(prompt string) (string, error) {
	in := int(os.Stdin.Fd())
	if !term.IsTerminal(in) {
		return "", pki.ErrSealed
	}
	fmt.Fprint(os.Stderr, prompt)
	b, err := term.ReadPassword(in)
	fmt.Fprintln(os.Stderr)
	return string(b), err
}

// choosePassphrase asks for a new one twice.
func choosePassphrase() (string, error) {
	first, err := askPassphrase("new passphrase: ")
	if err != nil {
		return "", err
	}
	again, err := askPassphrase("once more: ")
	if err == nil && first != again {
		err = errors.New("the two passphrases differ")
	}
	return first, err
}

// keyFolder is a key folder with what it takes to use it.
type keyFolder struct {
	dir       string
	unlock    pki.Passphrase
	transport string // file over the folder's own transport keys; empty for none
}

// sealHint says what to do about a folder that could not be opened.
func sealHint(err error, otherwise string) string {
	switch {
	case errors.Is(err, pki.ErrSealed):
		return "give --passphrase-file FILE (in a configuration: passphrase: FILE), or set " + passphraseEnv
	case errors.Is(err, pki.ErrPassphrase):
		return "try again; without its passphrase a sealed folder is lost"
	case errors.Is(err, pki.ErrShortPassphrase):
		return "choose a longer one, such as five words at random"
	case errors.Is(err, pki.ErrElsewhere):
		return "do it in the folder where that key is, and bring the outcome here (stationd keys export-line, keys issue)"
	case errors.Is(err, pki.ErrExists):
		return "name an empty or new folder"
	}
	return cmp.Or(station.HintOf(err), otherwise)
}
