package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"cardstation/devices/softcard"
	"cardstation/station"
)

// softcardCmd puts a card in software into a virtual reader.
type softcardCmd struct {
	VPCD  string `required:"" name:"vpcd" placeholder:"HOST:PORT" help:"Where a vpcd reader listens."`
	State string `placeholder:"FILE" help:"The card's memory: read if it is there, written at each change. Without it the card is forgotten."`
	Plain bool   `help:"A plain SP 800-73 PIV card instead of one that speaks the dialect of a YubiKey."`
}

func (c *softcardCmd) Run(s *session) error {
	chip, err := loadChip(c.State, softcard.Options{PlainPIV: c.Plain})
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
