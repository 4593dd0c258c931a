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
	Init       keysInitCmd       `cmd:"" help:"Make a country signer, document signer, citizen CA, content signer, terminals' keys and card master key."`
	List       keysListCmd       `cmd:"" help:"List the certificates of a key folder."`
	Roll       keysRollCmd       `cmd:"" help:"Give a key its successor, with a link certificate to it."`
	CRL        keysCRLCmd        `cmd:"" name:"crl" help:"Sign the revocation lists again, good for 90 days, and revoke certificates."`
	Seal       keysSealCmd       `cmd:"" help:"Seal a key folder with a passphrase, or give it another."`
	ExportLine keysExportLineCmd `cmd:"" help:"Make a key folder for a line, without the country signer's and the terminals' keys."`
	Request    keysRequestCmd    `cmd:"" help:"Make a terminal's key in an office's folder, and the request for a certificate."`
	Issue      keysIssueCmd      `cmd:"" help:"Give an office's request its certificate."`
	Install    keysInstallCmd    `cmd:"" help:"Take the certificates that were issued into an office's folder."`
}

type keysInitCmd struct {
	Folder       string   `arg:"" optional:"" placeholder:"DIR" help:"New folder for the keys."`
	Demo         string   `placeholder:"DIR" help:"Folder for demo keys in place of DIR: DEMO stands in every certificate's subject."`
	Country      string   `placeholder:"XX" help:"Country: two letters of ISO 3166-1."`
	State        string   `placeholder:"XXX" help:"The same as machine readable zones have it, three letters."`
	Organization string   `placeholder:"NAME" help:"Who issues the cards, as certificates name it."`
	CRL          []string `name:"crl" sep:"none" placeholder:"URL" help:"Where the country signer's revocation list is published; may be given twice. Default: ICAO's Public Key Directory."`
	CitizenCRL   string   `name:"citizen-crl" placeholder:"URL" help:"Where the citizen CA's is published."`
	Curve        string   `default:"P-384" enum:"P-256,P-384,P-521" help:"Curve of the country signer."`
	SignerCurve  string   `default:"P-256" enum:"P-256,P-384,P-521" help:"Curve of the document signer."`
	NamedCurves  bool     `help:"Curves of country and document signer by name, where Doc 9303-12 wants their parameters."`
	Seal         bool     `help:"Ask for a passphrase and seal the keys with it; --passphrase-file seals without asking."`
	unlock
}

func (c *keysInitCmd) Run(s *session) error {
	dir, o, err := c.options()
	if err != nil {
		return err
	}
	seal, what := c.sealing(), "make keys"
	if o.Demo {
		what = "make demo keys"
	}
	if err := pki.Init(dir, o, seal); err != nil {
		return &station.Error{Kind: station.Correct, What: what, Err: err, Hint: sealHint(err, "stationd keys init --help tells what is asked for")}
	}
	return s.show(map[string]any{"folder": dir, "demo": o.Demo, "sealed": seal != nil}, func(w io.Writer) {
		kind := "keys of " + o.Country
		if o.Demo {
			kind = "demo keys"
		}
		fmt.Fprintf(w, "%s made in %s: country signer, document signer, citizen CA, content signer, terminals, card master key\n", kind, dir)
		switch {
		case o.Demo:
			fmt.Fprintln(w, "they are for trying out only: whoever has this folder can make cards")
		case seal == nil:
			fmt.Fprintf(w, "they are not sealed: whoever has this folder can make cards; stationd keys seal %s seals them\n", dir)
		default:
			fmt.Fprintln(w, "they are sealed: without the passphrase they are lost, so keep it in two places")
		}
		if !o.Demo {
			fmt.Fprintf(w, "take this folder off the line: stationd keys export-line %s LINE makes the folder that a line works with\n", dir)
		}
	})
}

// options are what the certificates say; of demo keys all may be left out.
func (c *keysInitCmd) options() (dir string, o pki.Options, err error) {
	if (c.Folder == "") == (c.Demo == "") {
		return "", o, &station.Error{Kind: station.Correct, What: "make keys: no folder named, or two", Hint: "stationd keys init DIR --country XX --state XXX --organization NAME, or stationd keys init --demo DIR"}
	}
	o = pki.Options{Country: c.Country, State: c.State, Organization: c.Organization, CRL: c.CRL, CitizenCRL: c.CitizenCRL, Demo: c.Demo != ""}
	if o.Curve, err = pki.Curve(c.Curve); err != nil {
		return "", o, err
	}
	if o.DocumentCurve, err = pki.Curve(c.SignerCurve); err != nil {
		return "", o, err
	}
	if o.Demo {
		return c.Demo, o, nil
	}
	if c.Country == "" || c.State == "" || c.Organization == "" {
		return "", o, &station.Error{Kind: station.Correct, What: "make keys: --country, --state and --organization say whose they are", Hint: "--demo DIR makes keys to try things out with"}
	}
	o.Explicit = !c.NamedCurves
	if len(o.CRL) == 0 {
		o.CRL = pki.DirectoryCRL(c.State)
	}
	return c.Folder, o, nil
}

// sealing is nil where nobody asked for a seal.
func (c *keysInitCmd) sealing() pki.Passphrase {
	switch {
	case c.given():
		return c.passphrase
	case c.Seal:
		return choosePassphrase
	}
	return nil
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
			if e.Sealed {
				key = "sealed"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s to %s\t%s\t%s\n", e.File, e.Kind, e.Subject,
				e.From.Format(time.DateOnly), e.Until.Format(time.DateOnly), signs, key)
		}
		t.Flush()
	})
}

type keysRollCmd struct {
	Folder       string `arg:"" type:"existingdir" placeholder:"DIR" help:"Key folder."`
	Which        string `required:"" enum:"csca,ds,cvca,dv,content" help:"csca: country signer and document signer; ds: document signer; cvca: terminals' authority, verifier and inspection system; dv: verifier and inspection system; content: signer of the PIV data objects."`
	Organization string `placeholder:"NAME" help:"With csca: the issuing organization's name from now on, where it changes."`
	unlock
}

func (c *keysRollCmd) Run(s *session) error {
	if c.Organization != "" && c.Which != pki.RollCountry {
		return &station.Error{Kind: station.Correct, What: "roll keys over: --organization goes with --which csca only", Hint: "the country signer's name is what its certificates have"}
	}
	files, err := pki.Roll(c.Folder, pki.Change{Which: c.Which, Organization: c.Organization, Now: time.Now()}, c.passphrase)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "roll keys over", Err: err, Hint: sealHint(err, "stationd keys list "+c.Folder+" tells what is there")}
	}
	return s.show(map[string]any{"folder": c.Folder, "rolled": c.Which, "files": files}, func(w io.Writer) {
		fmt.Fprintf(w, "rolled %s over in %s, written: %s\n", c.Which, c.Folder, strings.Join(files, ", "))
		fmt.Fprintln(w, "a station that runs has the former keys until it is started again")
	})
}

type keysCRLCmd struct {
	Folder string   `arg:"" type:"existingdir" placeholder:"DIR" help:"Key folder."`
	Revoke []string `type:"existingfile" placeholder:"FILE" help:"Certificate to revoke; may be given several times."`
	unlock
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
	if err := pki.RenewLists(c.Folder, c.passphrase, time.Now(), revoke...); err != nil {
		return &station.Error{Kind: station.Correct, What: "renew revocation lists", Err: err, Hint: sealHint(err, "stationd keys list "+c.Folder+" tells what is there")}
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
