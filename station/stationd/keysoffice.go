package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"cardstation/devices/card/access/cvc"
	"cardstation/personalize/pki"
	"cardstation/station"
)

type keysSealCmd struct {
	Folder  string `arg:"" type:"existingdir" placeholder:"DIR" help:"Key folder."`
	NewFile string `name:"new-passphrase-file" placeholder:"FILE" help:"File with the passphrase from now on; else it is asked for, twice."`
	unlock
}

func (c *keysSealCmd) Run(s *session) error {
	next := choosePassphrase
	if c.NewFile != "" {
		next = func() (string, error) { return passphraseOf(c.NewFile) }
	}
	if err := pki.Seal(c.Folder, c.passphrase, next); err != nil {
		return &station.Error{Kind: station.Correct, What: "seal keys", Err: err, Hint: sealHint(err, "stationd keys list "+c.Folder+" tells what is there")}
	}
	return s.show(map[string]any{"folder": c.Folder, "sealed": true}, func(w io.Writer) {
		fmt.Fprintf(w, "keys in %s are sealed; copies made before are as they were\n", c.Folder)
	})
}

type keysExportLineCmd struct {
	Folder  string `arg:"" type:"existingdir" placeholder:"DIR" help:"Complete key folder."`
	Out     string `arg:"" placeholder:"LINE" help:"New folder for the line."`
	NewFile string `name:"line-passphrase-file" placeholder:"FILE" help:"File with the passphrase that the line's folder is sealed with; without it that lies open."`
	unlock
}

func (c *keysExportLineCmd) Run(s *session) error {
	var seal pki.Passphrase
	if c.NewFile != "" {
		seal = func() (string, error) { return passphraseOf(c.NewFile) }
	}
	if err := pki.ExportLine(c.Folder, c.passphrase, c.Out, seal); err != nil {
		return &station.Error{Kind: station.Correct, What: "make the line's keys", Err: err, Hint: sealHint(err, "stationd keys list "+c.Folder+" tells what is there")}
	}
	return s.show(map[string]any{"folder": c.Out, "sealed": seal != nil}, func(w io.Writer) {
		fmt.Fprintf(w, "keys for a line made in %s, without the keys of the country signer and of the terminals\n", c.Out)
		if seal == nil {
			fmt.Fprintln(w, "they are not sealed: whoever has this folder can make cards")
		}
	})
}

type keysRequestCmd struct {
	Folder string `arg:"" placeholder:"DIR" help:"The office's key folder; made where it is not there."`
	Holder string `required:"" placeholder:"XXNAME" help:"Country and a name of 1 to 9 characters, as certificates call the terminal."`
	Which  string `default:"is" enum:"is,dv" help:"is: a terminal; dv: a verifier that certifies terminals itself."`
	Seal   bool   `help:"Ask for a passphrase and seal a new folder with it; --passphrase-file seals without asking."`
	unlock
}

func (c *keysRequestCmd) Run(s *session) error {
	p := pki.Passphrase(c.passphrase)
	if there, err := os.ReadDir(c.Folder); len(there) == 0 && (err == nil || os.IsNotExist(err)) && !c.given() {
		if p = nil; c.Seal {
			p = choosePassphrase
		}
	}
	r, path, err := pki.Ask(c.Folder, c.Which, c.Holder, p)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "request a certificate", Err: err, Hint: sealHint(err, "stationd keys request --help tells what is asked for")}
	}
	return s.show(map[string]any{"request": path, "holder": r.Holder, "sha256": fingerprint(r)}, func(w io.Writer) {
		fmt.Fprintf(w, "request of %s: %s\n", r.Holder, path)
		fmt.Fprintf(w, "sha-256 %s: read it to who issues the certificate, who must see the same\n", fingerprint(r))
	})
}

// fingerprint is what two people compare to make sure that a request is the one sent.
func fingerprint(r cvc.Request) string {
	sum := sha256.Sum256(r.Bytes())
	return hex.EncodeToString(sum[:])
}

type keysIssueCmd struct {
	Folder  string   `arg:"" type:"existingdir" placeholder:"DIR" help:"Key folder with the verifier's key, or for --role dv the authority's."`
	Request string   `arg:"" type:"existingfile" placeholder:"FILE" help:"The office's request."`
	Out     string   `arg:"" placeholder:"OUT" help:"New folder for the certificates."`
	Role    string   `default:"is" enum:"is,dv,dv-foreign" help:"is: a terminal; dv, dv-foreign: a verifier at home or abroad."`
	Rights  []string `default:"dg3" enum:"dg3,dg4,none" help:"What it may read: dg3 fingerprints, dg4 irises."`
	Days    int      `default:"30" help:"How long it is good for."`
	SHA256  string   `name:"sha256" placeholder:"HEX" help:"What the office read out; another request is refused."`
	unlock
}

func (c *keysIssueCmd) Run(s *session) error {
	raw, err := os.ReadFile(c.Request)
	if err != nil {
		return err
	}
	r, err := cvc.ParseRequest(raw)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "request " + c.Request, Err: err, Hint: "stationd keys request makes one"}
	}
	if c.SHA256 != "" && c.SHA256 != fingerprint(r) {
		return &station.Error{Kind: station.Correct, What: fmt.Sprintf("request %s is %s", c.Request, fingerprint(r)), Hint: "it is not the one that the office read out: ask for it again"}
	}
	issued, err := pki.Issue(c.Folder, c.passphrase, raw, c.grant(), c.Out)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "issue a certificate", Err: err, Hint: sealHint(err, "stationd keys list "+c.Folder+" tells what is there")}
	}
	return s.show(map[string]any{"folder": c.Out, "holder": issued.Holder, "authority": issued.Authority, "rights": issued.Authorization.String(), "until": issued.Until}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s, from %s, until %s; in %s\n", issued.Holder, issued.Authorization, issued.Authority, issued.Until.Format(time.DateOnly), c.Out)
		fmt.Fprintf(w, "request was sha-256 %s\n", fingerprint(r))
	})
}

func (c *keysIssueCmd) grant() pki.Grant {
	g := pki.Grant{Days: c.Days, Now: time.Now(), Role: map[string]cvc.Role{"is": cvc.Terminal, "dv": cvc.DVDomestic, "dv-foreign": cvc.DVForeign}[c.Role]}
	for _, r := range c.Rights {
		g.Rights |= map[string]byte{"dg3": cvc.ReadFingers, "dg4": cvc.ReadIris}[r]
	}
	return g
}

type keysInstallCmd struct {
	Folder string `arg:"" type:"existingdir" placeholder:"DIR" help:"The office's key folder."`
	From   string `arg:"" type:"existingdir" placeholder:"OUT" help:"Folder that keys issue made."`
	unlock
}

func (c *keysInstallCmd) Run(s *session) error {
	mine, err := pki.Install(c.Folder, c.From, c.passphrase)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "install certificates", Err: err, Hint: sealHint(err, "take the folder that keys issue made for this office's last request")}
	}
	return s.show(map[string]any{"folder": c.Folder, "holder": mine.Holder, "until": mine.Until}, func(w io.Writer) {
		fmt.Fprintf(w, "%s may read until %s\n", mine.Holder, mine.Until.Format(time.DateOnly))
		fmt.Fprintln(w, "an office that runs, and has this folder as its terminals, uses it within a minute")
	})
}
