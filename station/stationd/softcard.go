package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"cardstation/devices/card/access"
	"cardstation/devices/softcard"
	"cardstation/personalize"
	"cardstation/personalize/pki"
	"cardstation/station"
)

// softcardCmd puts a card in software into a virtual reader.
type softcardCmd struct {
	VPCD      string `required:"" name:"vpcd" placeholder:"HOST:PORT" help:"Where a vpcd reader listens."`
	State     string `placeholder:"FILE" help:"The card's memory: read if it is there, written at each change. Without it the card is forgotten."`
	Plain     bool   `help:"A plain SP 800-73 PIV card instead of one that speaks the dialect of a YubiKey."`
	Transport string `type:"existingfile" placeholder:"FILE" help:"A new card's card manager keys, as card issue --transport takes them; without it they are the published ones."`
}

func (c *softcardCmd) Run(s *session) error {
	o := softcard.Options{PlainPIV: c.Plain}
	if c.Transport != "" {
		keys, err := makersKeys(c.Transport)
		if err != nil {
			return err
		}
		o.Transport = keys
	}
	chip, err := loadChip(c.State, o)
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(s.ctx, "tcp", c.VPCD)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "put the card into the reader at " + c.VPCD, Err: err,
			Hint: "is pcscd running with vsmartcard's vpcd? its first reader listens on 127.0.0.1:35963"}
	}
	fmt.Fprintf(s.out, "simulated card in the reader at %s; ctrl-c takes it out\n", c.VPCD)
	if err := softcard.Serve(s.ctx, conn, chip); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("card at %s: %w", c.VPCD, err)
	}
	return nil
}

// makersKeys reads the transport keys of a chip to be made.
func makersKeys(path string) (access.StaticKeys, error) {
	b, err := pki.ReadSecret(path)
	if err != nil {
		return access.StaticKeys{}, &station.Error{Kind: station.Correct, What: "transport keys", Err: err, Hint: "the file must be its owner's alone (chmod 600)"}
	}
	t, err := personalize.ParseTransport(b)
	if err == nil && t.Master != nil {
		err = errors.New("a master does not say which chip's keys are meant: give enc, mac and dek")
	}
	if err != nil {
		return access.StaticKeys{}, &station.Error{Kind: station.Correct, What: path, Err: err, Hint: "write enc, mac and dek in hex, one a line"}
	}
	return t.Keys, nil
}

// loadChip restores the chip kept in path, or makes a blank one, and keeps every
// change of its memory in path. An empty path keeps nothing.
func loadChip(path string, o softcard.Options) (*softcard.Chip, error) {
	if path == "" {
		return softcard.New(o)
	}
	raw, err := os.ReadFile(path)
	var chip *softcard.Chip
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if chip, err = softcard.New(o); err != nil {
			return nil, err
		}
		if raw, err = chip.State(); err != nil {
			return nil, err
		}
		if err := keep(path, raw); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		if chip, err = softcard.Restore(raw); err != nil {
			return nil, &station.Error{Kind: station.Correct, What: "card memory " + path, Err: err, Hint: "name another file for a new blank card"}
		}
	}
	chip.OnChange(func(state []byte) {
		if err := keep(path, state); err != nil { // a chip whose memory fails is a dead chip
			fmt.Fprintln(os.Stderr, "error: card memory:", err)
			os.Exit(exitFailed)
		}
	})
	return chip, nil
}

// keep replaces path in one step.
func keep(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".card-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
