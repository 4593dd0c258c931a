package main

import (
	"context"
	"fmt"
	"io"

	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/store"
)

// keysCmd groups what makes keys.
type keysCmd struct {
	Init keysInitCmd `cmd:"" help:"Make a country signer, document signer, citizen CA and card master key."`
}

type keysInitCmd struct {
	Demo string `required:"" placeholder:"DIR" help:"Folder for demo keys: DEMO stands in every certificate's subject."`
}

func (c *keysInitCmd) Run(s *session) error {
	if err := pki.InitDemo(c.Demo); err != nil {
		return &station.Error{Kind: station.Correct, What: "make demo keys", Err: err, Hint: "name an empty or new folder"}
	}
	return s.show(map[string]any{"folder": c.Demo, "demo": true}, func(w io.Writer) {
		fmt.Fprintf(w, "demo keys made in %s: country signer, document signer, citizen CA, card master key\n", c.Demo)
		fmt.Fprintln(w, "they are for trying out only: whoever has this folder can make cards")
	})
}

// auditCmd groups what looks after the record of events.
type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Walk the hash chain of events and name the first break."`
}

type auditVerifyCmd struct {
	Config string `short:"c" type:"existingfile" help:"Configuration file."`
	Data   string `help:"Data folder, over the configuration's."`
}

func (c *auditVerifyCmd) Run(s *session) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	if c.Data != "" {
		cfg.Data = c.Data
	}
	n, err := auditFolder(s.ctx, cfg)
	if err != nil {
		return err
	}
	return s.show(map[string]any{"events": n, "intact": true}, func(w io.Writer) {
		fmt.Fprintf(w, "%d events, chain intact\n", n)
	})
}

func auditFolder(ctx context.Context, cfg config) (uint64, error) {
	db, err := store.Open(cfg.storePath(), store.Options{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	return db.Audit(ctx)
}
