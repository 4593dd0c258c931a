package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/store"
)

// keysCmd groups what makes keys.
type keysCmd struct {
	Init keysInitCmd `cmd:"" help:"Make a country signer, document signer, citizen CA, content signer, terminals' keys and card master key."`
	List keysListCmd `cmd:"" help:"List the certificates of a key folder."`
	Roll keysRollCmd `cmd:"" help:"Give a key its successor, with a link certificate to it."`
	CRL  keysCRLCmd  `cmd:"" name:"crl" help:"Sign the revocation lists again, good for 90 days, and revoke certificates."`
}

type keysInitCmd struct {
	Demo string `required:"" placeholder:"DIR" help:"Folder for demo keys: DEMO stands in every certificate's subject."`
}

func (c *keysInitCmd) Run(s *session) error {
	if err := pki.InitDemo(c.Demo); err != nil {
		return &station.Error{Kind: station.Correct, What: "make demo keys", Err: err, Hint: "name an empty or new folder"}
	}
	return s.show(map[string]any{"folder": c.Demo, "demo": true}, func(w io.Writer) {
		fmt.Fprintf(w, "demo keys made in %s: country signer, document signer, citizen CA, content signer, terminals, card master key\n", c.Demo)
		fmt.Fprintln(w, "they are for trying out only: whoever has this folder can make cards")
	})
}

type keysListCmd struct {
	Folder string `arg:"" type:"existingdir" placeholder:"DIR" help:"Key folder."`
}

func (c *keysListCmd) Run(s *session) error {
	entries, err := pki.List(c.Folder)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "list keys", Err: err, Hint: "name a folder that stationd keys init made"}
	}
	return s.show(entries, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "FILE\tKIND\tSUBJECT\tVALID\tSIGNS UNTIL\tKEY")
		for _, e := range entries {
			signs, key := "-", "-"
			if e.Signs != nil {
				signs = e.Signs.Format(time.DateOnly)
			}
			if e.Key {
				key = "here"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s to %s\t%s\t%s\n", e.File, e.Kind, e.Subject,
				e.From.Format(time.DateOnly), e.Until.Format(time.DateOnly), signs, key)
		}
		t.Flush()
	})
}

type keysRollCmd struct {
	Folder string `arg:"" type:"existingdir" placeholder:"DIR" help:"Key folder."`
	Which  string `required:"" enum:"csca,ds,cvca,dv,content" help:"csca: country signer and document signer; ds: document signer; cvca: terminals' authority, verifier and inspection system; dv: verifier and inspection system; content: signer of the PIV data objects."`
}

func (c *keysRollCmd) Run(s *session) error {
	files, err := pki.Roll(c.Folder, c.Which, time.Now())
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "roll keys over", Err: err, Hint: "stationd keys list " + c.Folder + " tells what is there"}
	}
	return s.show(map[string]any{"folder": c.Folder, "rolled": c.Which, "files": files}, func(w io.Writer) {
		fmt.Fprintf(w, "rolled %s over in %s, written: %s\n", c.Which, c.Folder, strings.Join(files, ", "))
		fmt.Fprintln(w, "a station that runs has the former keys until it is started again")
	})
}

type keysCRLCmd struct {
	Folder string   `arg:"" type:"existingdir" placeholder:"DIR" help:"Key folder."`
	Revoke []string `type:"existingfile" placeholder:"FILE" help:"Certificate to revoke; may be given several times."`
}

func (c *keysCRLCmd) Run(s *session) error {
	var revoke []*x509.Certificate
	for _, path := range c.Revoke {
		cert, err := pki.CertificateFile(path)
		if err != nil {
			return &station.Error{Kind: station.Correct, What: "certificate to revoke", Err: err, Hint: "give a certificate as PEM or DER"}
		}
		revoke = append(revoke, cert)
	}
	if err := pki.RenewLists(c.Folder, time.Now(), revoke...); err != nil {
		return &station.Error{Kind: station.Correct, What: "renew revocation lists", Err: err, Hint: "stationd keys list " + c.Folder + " tells what is there"}
	}
	return s.show(map[string]any{"folder": c.Folder, "revoked": len(revoke)}, func(w io.Writer) {
		fmt.Fprintf(w, "revocation lists in %s renewed, %d certificates revoked; a station that runs reads them within a minute\n", c.Folder, len(revoke))
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
