package main

import (
	"log/slog"
	"sync"
	"time"

	"cardstation/personalize/lds"
	"cardstation/personalize/pki"
	"cardstation/station"
)

// trustFolder is a folder of country signers and revocation lists, read again
// while the station runs: a signer revoked today is not believed tomorrow.
type trustFolder struct {
	dir string

	mu   sync.Mutex
	last lds.Trust
	read time.Time
}

// trustAge is how old what was read from the folder may be.
const trustAge = time.Minute

// openTrust reads the folder; one that cannot be read, or holds no certificate, is
// refused.
func openTrust(dir string) (*trustFolder, error) {
	t := &trustFolder{dir: dir}
	if err := t.load(); err != nil {
		return nil, &station.Error{Kind: station.Correct, What: "trust in " + dir, Err: err, Hint: "put the country signers' certificates, master lists and revocation lists there"}
	}
	for _, what := range t.last.Unread {
		slog.Default().Warn("not read in the trust folder", "folder", dir, "what", what)
	}
	return t, nil
}

func (t *trustFolder) load() error {
	trust, err := pki.LoadTrust(t.dir)
	if err == nil {
		t.last, t.read = trust, time.Now()
	}
	return err
}

// now is what the folder says, at most a minute old. A folder that cannot be read
// any more leaves what was read last: its lists grow old by themselves.
func (t *trustFolder) now() lds.Trust {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.read) > trustAge {
		if err := t.load(); err != nil {
			slog.Default().Error("trust folder cannot be read, going on with what was read before", "folder", t.dir, "err", err)
			t.read = time.Now()
		}
	}
	return t.last
}
