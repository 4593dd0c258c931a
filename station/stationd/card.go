package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cardstation/biometrics"
	records "cardstation/biometrics/record"
	"cardstation/devices/card"
	"cardstation/devices/pcsc"
	"cardstation/personalize"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/enrol"
	"cardstation/station/issue"
	"cardstation/station/verify"
)

// cardCmd groups what works on one card without a daemon.
type cardCmd struct {
	Issue  cardIssueCmd  `cmd:"" help:"Write one card from a record."`
	Record cardRecordCmd `cmd:"" help:"Write an example record with synthetic images."`
	Plan   cardPlanCmd   `cmd:"" help:"Show what a card of a record would be written, without its secrets."`
	Print  cardPrintCmd  `cmd:"" help:"Draw both faces of a record's card and print them."`
	Read   cardReadCmd   `cmd:"" help:"Read a card and give the verdict: exit 0 valid, 3 not valid, 4 could not be checked."`
}

// cardWait is how long a command waits for a card to be put in.
const cardWait = 30 * time.Second

// insert waits for the card in a PC/SC reader.
func insert(ctx context.Context, reader string) (card.Session, error) {
	names, err := pcsc.Names()
	if err != nil {
		return nil, &station.Error{Kind: station.Retry, What: "reach the readers", Err: err, Hint: "is pcscd running?"}
	}
	found := false
	for _, n := range names {
		found = found || n == reader
	}
	if !found {
		return nil, &station.Error{Kind: station.Correct, What: fmt.Sprintf("no reader is called %q", reader), Hint: "stationd readers lists them"}
	}
	waiting, cancel := context.WithTimeout(ctx, cardWait)
	defer cancel()
	s, err := pcsc.Open(reader).Wait(waiting)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, &station.Error{Kind: station.Retry, What: "no card came into " + reader, Hint: "put a card in and try again"}
	}
	return s, err
}

// lookInto tells what is in a reader now.
func lookInto(ctx context.Context, reader string) readerRow {
	row := readerRow{Name: reader, Card: "empty"}
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	s, err := pcsc.Open(reader).Wait(short)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			row.Card = err.Error()
		}
		return row
	}
	defer s.Close()
	row.ATR, row.Card = hex.EncodeToString(s.ATR()), "present, not a card this station knows"
	if chip, err := personalize.Identify(card.Over(s)); err == nil {
		row.Card = chip
	}
	return row
}

// cardOf is what a card is made of.
type cardOf struct {
	Profile   string `default:"softcard" help:"Card profile: a name that is built in, or a YAML file."`
	Record    string `required:"" type:"existingfile" help:"The citizen: fields and paths of images."`
	Keys      string `required:"" type:"existingdir" help:"Keys to sign and write with."`
	Transport string `type:"existingfile" placeholder:"FILE" help:"Keys that the chip's maker left in the card manager, over those in the key folder."`
	unlock
}

func (c cardOf) load() (profile personalize.Profile, keys lineKeys, order station.Order, err error) {
	if profile, err = personalize.LoadProfile(c.Profile); err != nil {
		err = &station.Error{Kind: station.Correct, What: "card profile", Err: err, Hint: "built in: " + strings.Join(personalize.Profiles(), ", ")}
		return profile, keys, order, err
	}
	if keys, err = loadKeys(keyFolder{c.Keys, c.passphrase, c.Transport}); err != nil {
		return profile, keys, order, err
	}
	r, err := loadRecord(c.Record)
	if err == nil {
		order, err = r.order(c.Profile, clock())
	}
	return profile, keys, order, err
}

type cardIssueCmd struct {
	Reader string `required:"" help:"PC/SC reader with the blank."`
	cardOf
}

func (c *cardIssueCmd) Run(s *session) error {
	profile, keys, order, err := c.load()
	if err != nil {
		return err
	}
	chip, err := insert(s.ctx, c.Reader)
	if err != nil {
		return err
	}
	defer chip.Close()
	queue := &oneOrder{order: order, step: func(name string) {
		if !s.json {
			fmt.Fprintln(s.out, " ", name)
		}
	}}
	line := issue.New(issue.Config{Orders: queue, Register: queue, Authority: keys.authority, Trust: keys.trust, Terminal: keys.terminal, Now: clock, Log: slog.New(slog.DiscardHandler),
		Profile: func(string) (personalize.Profile, error) { return profile, nil }})
	done, err := line.Issue(s.ctx, c.Reader, card.Over(chip))
	if err != nil {
		return err
	}
	return s.show(done.Receipt, func(w io.Writer) {
		fmt.Fprintf(w, "issued: document %s on chip %s, %d commands, %v\n", done.Receipt.Document, done.Card, done.Receipt.Commands, done.Receipt.Elapsed.Round(time.Millisecond))
		for _, slot := range slices.Sorted(maps.Keys(done.Receipt.Attestations)) {
			fmt.Fprintf(w, "  %s: %s\n", slot, done.Receipt.Attestations[slot])
		}
		fmt.Fprintf(w, "opens with: --mrz %s\n", mrzFlag(done))
	})
}

type cardPlanCmd struct{ cardOf }

func (c *cardPlanCmd) Run(s *session) error {
	profile, keys, order, err := c.load()
	if err != nil {
		return err
	}
	order.Card = "cplc:00000000000000000000"
	plan, err := personalize.Compile(profile, issue.Record(order), keys.authority)
	if err != nil {
		return err
	}
	d, err := plan.Describe()
	if err != nil {
		return err
	}
	return s.show(d, func(w io.Writer) { fmt.Fprintln(w, d) })
}

// mrzFlag is what `card read --mrz` wants for the order's card.
func mrzFlag(o station.Order) string {
	k := keyOf(o)
	return k.Document + "," + k.Birth + "," + k.Expiry
}

// keyOf is the key that opens the order's card: what its MRZ says.
func keyOf(o station.Order) verify.Key {
	zone, err := cccd.MRZ(cccd.Holder(o.Citizen), o.Expiry)
	if err != nil {
		return verify.Key{}
	}
	return verify.Key{Document: zone.Document, Birth: zone.Birth, Expiry: zone.Expiry}
}

// oneOrder is the queue of a single card.
type oneOrder struct {
	order station.Order
	step  func(string)
}

func (q *oneOrder) Claim(_ context.Context, chip station.CardID) (station.Order, error) {
	q.order.Card, q.order.State = chip, station.OrderClaimed
	return q.order, nil
}

func (q *oneOrder) Step(_ context.Context, _ station.Order, step string) error {
	q.step(step)
	return nil
}

// Signed remembers nothing: without a daemon nobody asks.
func (q *oneOrder) Signed(context.Context, station.Order, string) error { return nil }

func (q *oneOrder) CloseOrder(_ context.Context, o station.Order, _ station.Event) error {
	q.order = o
	return nil
}

// order turns a record into an order after the desk's own checks of data and
// portrait.
func (r record) order(profile string, now time.Time) (station.Order, error) {
	holder := cccd.Holder(r.Citizen)
	fields := map[string]string{}
	for _, f := range holder.Check(now) {
		fields[f.Field] = f.Text
	}
	if len(fields) > 0 {
		return station.Order{}, &station.Error{Kind: station.Correct, What: fmt.Sprintf("record of the citizen: %v", fields), Fields: fields}
	}
	var portrait []byte
	if frame, ok := r.frames[station.Portrait]; ok || !issue.Young(r.Citizen.BirthDate, now) {
		var err error
		if portrait, err = portraitFor(frame.Data); err != nil {
			return station.Order{}, err
		}
	}
	fingers, err := r.fingers(now)
	if err != nil {
		return station.Order{}, err
	}
	o := station.Order{Format: station.Format, ID: "record", Profile: profile, Type: r.Type, Citizen: r.Citizen, Portrait: portrait, Fingers: fingers, Irises: r.irises(now),
		Issue: r.Issue, Expiry: r.Expiry, Created: now, Changed: now}
	if o.Issue == "" {
		o.Issue = now.Format(time.DateOnly)
	}
	if o.Expiry == "" {
		day, err := time.Parse(time.DateOnly, o.Issue)
		if err != nil {
			return o, station.Errorf(station.Correct, "issue date %q: %w", o.Issue, err)
		}
		if o.Expiry, err = cccd.Expiry(r.Citizen.BirthDate, day); err != nil {
			return o, station.Errorf(station.Correct, "expiry: %w", err)
		}
	}
	return o, nil
}

// fingers are those for DG3, of the record's prints; a citizen under 6 has none.
func (r record) fingers(now time.Time) ([]station.Finger, error) {
	if issue.Young(r.Citizen.BirthDate, now) {
		return nil, nil
	}
	var prints []enrol.Print
	for _, slot := range station.FingerSlots {
		if f, ok := r.frames[slot.Slot]; ok {
			prints = append(prints, enrol.Print{FingerSlot: slot, Missing: r.Missing[slot.Slot], Image: func() (biometrics.Image, error) {
				img, err := biometrics.Decode(f.Data)
				if f.PPI > 0 {
					img.PPI = f.PPI
				}
				return img, err
			}})
		}
	}
	return enrol.Fingers(prints, fingerCut)
}

// irises are those of the record's samples that can go into DG4; a citizen under 6 has
// none.
func (r record) irises(now time.Time) (all []station.Iris) {
	if issue.Young(r.Citizen.BirthDate, now) {
		return nil
	}
	for _, s := range r.samples {
		if k, _ := records.KindOf(s.Kind); k.Type == records.TypeIris && !k.Image {
			all = append(all, station.Iris{Kind: s.Kind, Subtype: int(s.Subtype), Owner: int(s.Owner), Format: int(s.Format), Data: s.Data})
		}
	}
	return all
}

// portraitFor passes the gate and gives the JPEG for DG2.
func portraitFor(data []byte) ([]byte, error) {
	img, err := biometrics.Decode(data)
	if err != nil {
		return nil, station.Errorf(station.Correct, "portrait: %w", err)
	}
	quality, err := assess(station.Portrait, 0, 0).Assess(img)
	if err != nil {
		return nil, station.Errorf(station.Correct, "portrait: %w", err)
	}
	if !quality.Accepted() {
		return nil, station.Errorf(station.Correct, "portrait refused: %s", strings.Join(quality.Reasons(), "; "))
	}
	return portrait(img)
}

type cardRecordCmd struct {
	Example string `required:"" placeholder:"DIR" help:"Folder for the record and its images."`
	Seed    uint64 `default:"1" help:"Another number makes another person."`
}

func (c *cardRecordCmd) Run(s *session) error {
	path, err := example(c.Seed).save(c.Example)
	if err != nil {
		return err
	}
	return s.show(map[string]any{"record": path, "simulated": true}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: an invented citizen with synthetic images\n", path)
	})
}

type cardReadCmd struct {
	Reader string `required:"" help:"PC/SC reader with the card."`
	CAN    string `name:"can" help:"Card access number, 6 digits, for chips that offer PACE." xor:"key" required:""`
	MRZ    string `name:"mrz" placeholder:"DOCNO,YYMMDD,YYMMDD" help:"Document number, birth and expiry date of the MRZ." xor:"key" required:""`
	Access string `enum:"auto,pace,bac" default:"auto" help:"How to open the chip: auto, the best that it offers; pace or bac, that and nothing else."`
	Trust  string `type:"existingdir" help:"Folder of country signers and revocation lists."`

	unlock
	Terminal string    `type:"existingdir" help:"Folder with the keys of an inspection system, which opens the fingerprints."`
	Finger   string    `type:"existingfile" placeholder:"IMAGE" help:"Finger of who presents the card, to compare with the chip's."`
	Position *position `help:"Which finger it is."`
	PPI      int       `name:"ppi" help:"Pixels per inch of the finger's picture, where it does not say."`

	Dump string `placeholder:"DIR" help:"Folder for the files of the chip; with --terminal the fingerprints are among them."`
}

// key is what opens the card.
func (c *cardReadCmd) key() (verify.Key, error) {
	key := verify.Key{CAN: c.CAN}
	if c.MRZ != "" {
		parts := strings.Split(c.MRZ, ",")
		if len(parts) != 3 {
			return key, &station.Error{Kind: station.Correct, What: "--mrz wants three fields", Hint: "document number, birth date, expiry date: 000000001,000101,250101"}
		}
		key = verify.Key{Document: parts[0], Birth: parts[1], Expiry: parts[2]}
	}
	if c.Access != "auto" {
		key.Only = emrtd.Way(c.Access)
	}
	_, err := key.Printed()
	return key, err
}

// means are what the verdict is given by.
func (c *cardReadCmd) means() (verify.Means, error) {
	m := verify.Means{Matcher: matcher{}, Now: clock}
	var err error
	if c.Trust != "" {
		if m.Trust, err = pki.LoadTrust(c.Trust); err != nil {
			return m, station.Errorf(station.Correct, "trust in %s: %w", c.Trust, err)
		}
	}
	if c.Terminal != "" {
		folder, err := openTerminal(c.Terminal, c.passphrase)
		if err != nil {
			return m, err
		}
		m.Terminal = folder.now()
	}
	return m, nil
}

// probe is the finger given; nil without.
func (c *cardReadCmd) probe() (*verify.Probe, error) {
	if c.Finger == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.Finger)
	if err != nil {
		return nil, &station.Error{Kind: station.Correct, What: "read image", Err: err}
	}
	which := biometrics.UnknownFinger
	if c.Position != nil {
		which = c.Position.Position
	}
	return verify.NewProbe(data, which, c.PPI)
}

func (c *cardReadCmd) Run(s *session) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	means, err := c.means()
	if err != nil {
		return err
	}
	probe, err := c.probe()
	if err != nil {
		return err
	}
	chip, err := insert(s.ctx, c.Reader)
	if err != nil {
		report(s.err, s.json, err)
		return exit(exitNotChecked)
	}
	defer chip.Close()
	patient, cancel := verify.Patience(s.ctx)
	defer cancel()
	v, files, err := means.Judge(s.ctx, card.Over(card.Until(patient, chip)), key, probe)
	if err != nil {
		return err
	}
	v.Reader = c.Reader
	if c.Dump != "" {
		if err := os.MkdirAll(c.Dump, 0o700); err != nil {
			return err
		}
		for id, data := range files {
			if err := os.WriteFile(filepath.Join(c.Dump, id.String()+".bin"), data, 0o600); err != nil {
				return err
			}
		}
	}
	if err := s.show(v, func(w io.Writer) { printVerdict(w, v) }); err != nil {
		return err
	}
	return outcomeExit(v.Outcome)
}

func outcomeExit(o station.Outcome) error {
	switch o {
	case station.NotValid:
		return exit(exitNotValid)
	case station.NotChecked:
		return exit(exitNotChecked)
	}
	return nil
}

// printVerdict shows each check and then the outcome.
func printVerdict(w io.Writer, v station.Verdict) {
	for _, c := range v.Checks {
		fmt.Fprintf(w, "  %-8s  %s", c.Result, c.Name)
		if c.Why != "" {
			fmt.Fprintf(w, ": %s", c.Why)
		}
		if c.Evidence != "" {
			fmt.Fprintf(w, " [%s]", c.Evidence)
		}
		fmt.Fprintln(w)
	}
	if v.Document != "" {
		expiry := "expires " + v.Expiry
		if v.Expiry == cccd.NoExpiry {
			expiry = "does not expire"
		}
		fmt.Fprintf(w, "document %s, %s, number %s, %s\n", v.Document, v.Holder.Name, v.Holder.Number, expiry)
	}
	if len(v.Fingers) > 0 {
		var names []string
		for _, p := range v.Fingers {
			names = append(names, biometrics.Position(p).String())
		}
		fmt.Fprintf(w, "fingers on the chip: %s\n", strings.Join(names, ", "))
	}
	fmt.Fprintf(w, "verdict: %s (%v)\n", strings.ToUpper(string(v.Outcome)), v.Elapsed.Round(time.Millisecond))
}
