// Package verify is the verifier's way: is this card real, is it this person,
// now. It opens the chip with what is printed on the card, reads it, checks it up
// to the country signer, has the chip prove that it is no copy, asks the
// revocation list, and gives one Verdict that lists every check by name, with
// what was not done and why.
package verify

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/station"
)

// Key is what opens a chip: the card access number, or three fields of the MRZ.
type Key struct {
	CAN      string // 6 digits; opens chips that offer PACE
	Document string // 9 characters as in the MRZ
	Birth    string // YYMMDD
	Expiry   string // YYMMDD
	// Only is the one way by which the chip is to be opened: see emrtd.Printed.
	Only emrtd.Way
}

// Printed checks the key's form: a key that no card can have is station.Correct.
func (k Key) Printed() (emrtd.Printed, error) {
	switch {
	case k.Document != "" && k.Birth != "" && k.Expiry != "":
		for field, v := range map[string]string{"birth": k.Birth, "expiry": k.Expiry} {
			if _, err := time.Parse("060102", v); err != nil {
				return emrtd.Printed{}, &station.Error{Kind: station.Correct, What: field + " is not a date as YYMMDD", Fields: map[string]string{field: "six digits, YYMMDD"}}
			}
		}
		return emrtd.Printed{MRZ: access.MRZ{Document: k.Document, Birth: k.Birth, Expiry: k.Expiry}, CAN: k.CAN, Only: k.Only}, nil
	case can.MatchString(k.CAN) && k.Only == emrtd.OnlyBAC:
		return emrtd.Printed{}, &station.Error{Kind: station.Correct, What: "basic access control does not open with a card access number", Hint: "give the document number, the birth date and the expiry date of the MRZ"}
	case can.MatchString(k.CAN):
		return emrtd.Printed{CAN: k.CAN, Only: k.Only}, nil
	case k.CAN != "":
		return emrtd.Printed{}, &station.Error{Kind: station.Correct, What: "card access number", Fields: map[string]string{"can": "six digits"}, Hint: "it stands on the card's front"}
	}
	return emrtd.Printed{}, &station.Error{Kind: station.Correct, What: "nothing to open the card with",
		Hint: "give the card access number, or the document number, the birth date and the expiry date as the MRZ has them"}
}

var can = regexp.MustCompile(`^[0-9]{6}$`)

// Revocations knows the state of the cards that were issued.
type Revocations interface {
	// CardBySOD gives the card that an EF.SOD of this SHA-256, hex, was signed for,
	// issued or not; station.Unknown where none is known here.
	CardBySOD(ctx context.Context, digest string) (station.Card, error)
}

// Slots gives the chip in a reader.
type Slots interface {
	// Session waits for a chip in the named reader, until ctx is done.
	Session(ctx context.Context, reader string) (card.Session, error)
}

// Record keeps what was verified.
type Record interface {
	Record(context.Context, station.Event) error
}

// Config is what an Office works with. Revocations, Terminal and Matcher may be nil:
// their checks are then listed as not done.
type Config struct {
	Slots       Slots
	Trust       func() lds.Trust // what is believed, as it now is
	Revocations Revocations
	Terminal    func() *emrtd.Terminal // what opens fingerprints, as it now is
	Matcher     Matcher
	Record      Record
	Now         func() time.Time
	Log         *slog.Logger
}

// Office verifies cards.
type Office struct{ cfg Config }

// New makes an Office.
func New(cfg Config) *Office { return &Office{cfg} }

// Verify waits for the card in the reader and gives its verdict, with the finger of who
// presents it where there is one (a nil probe otherwise); the verdict is recorded,
// without citizen data, before it is given.
func (o *Office) Verify(ctx context.Context, by station.Person, reader string, key Key, probe *Probe) (station.Verdict, error) {
	if _, err := key.Printed(); err != nil {
		return station.Verdict{}, err
	}
	means := Means{Trust: o.cfg.Trust(), Revocations: o.cfg.Revocations, Matcher: o.cfg.Matcher, Now: o.cfg.Now}
	if o.cfg.Terminal != nil {
		means.Terminal = o.cfg.Terminal()
	}
	session, err := o.cfg.Slots.Session(ctx, reader)
	if err != nil {
		return station.Verdict{}, err
	}
	defer session.Close()
	patient, cancel := Patience(ctx)
	defer cancel()
	v, _, err := means.Judge(ctx, card.Over(card.Until(patient, session)), key, probe)
	if err != nil {
		return v, err
	}
	var id [8]byte
	rand.Read(id[:])
	v.ID, v.By, v.Reader = "v-"+hex.EncodeToString(id[:]), by.Login, reader
	body, err := json.Marshal(struct {
		Outcome station.Outcome `json:"outcome"`
		Reader  string          `json:"reader"`
		Checks  []station.Check `json:"checks"`
		Elapsed time.Duration   `json:"elapsed"`
	}{v.Outcome, v.Reader, v.Checks, v.Elapsed})
	if err != nil {
		return v, err
	}
	err = o.cfg.Record.Record(context.WithoutCancel(ctx), station.Event{Format: station.Format, At: v.At, Type: station.VerificationDone, Subject: v.ID, Actor: by.Login, Body: body})
	return v, err
}

// patience is how long a chip may take over all its answers. The slowest that read
// whole take a minute; the reader's watchdog knows single commands only.
const patience = 2 * time.Minute

// Patience is ctx for as long as a chip is listened to: see card.Until.
func Patience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took more than %v over its answers", patience))
}

// Judge is Means.Judge without a terminal and without a probe.
func Judge(ctx context.Context, c card.Card, key Key, trust lds.Trust, list Revocations, now func() time.Time) (station.Verdict, lds.Files, error) {
	return Means{Trust: trust, Revocations: list, Now: now}.Judge(ctx, c, key, nil)
}

// Means are what a verdict is given by; all but Trust and Now may be nil.
type Means struct {
	Trust       lds.Trust
	Revocations Revocations
	Terminal    *emrtd.Terminal
	Matcher     Matcher
	Now         func() time.Time
	// Show is given the portrait, which is then read first, while the checks are still
	// under way: it may be anybody's, and only the verdict says whose it is. It must not
	// block, and is not called where there is no portrait.
	Show func(portrait []byte)
}

// Judge gives the verdict on the chip behind c and the files it was given on, with
// nothing of a daemon. An error is for a key that cannot open any chip; everything
// that the card does is in the verdict.
func (m Means) Judge(ctx context.Context, c card.Card, key Key, probe *Probe) (station.Verdict, lds.Files, error) {
	start := m.Now()
	v := station.Verdict{Format: station.Format, At: start.UTC()}
	printed, err := key.Printed()
	if err != nil {
		return v, nil, err
	}
	picture := pictureOnce()
	if m.Show != nil {
		printed.Seen = func(_ lds.FileID, dg2 []byte) {
			if portrait, _ := picture(dg2); portrait != nil { // what is wrong with it, the verdict says
				m.Show(portrait)
			}
		}
	}
	files, checks := emrtd.Inspection{Trust: m.Trust, Now: start, Terminal: m.Terminal}.Of(c, printed)
	for _, ch := range checks {
		v.Checks = append(v.Checks, station.Check{Name: ch.Name, Result: station.Result(ch.Result), Why: ch.Why, Evidence: ch.Evidence})
	}
	v.Checks = append(v.Checks, describe(&v, files, picture)...)
	v.Checks = append(v.Checks, revocation(ctx, m.Revocations, files[lds.SOD]), m.fingerprint(&v, files, probe))
	v.Outcome = outcome(v.Checks)
	v.Elapsed = m.Now().Sub(start)
	return v, files, nil
}

func revocation(ctx context.Context, list Revocations, sod []byte) station.Check {
	c := station.Check{Name: CheckRevocation, Result: station.NotDone}
	switch {
	case list == nil:
		c.Why = "no revocation list here"
		return c
	case len(sod) == 0:
		c.Why = "EF.SOD, which names the card, could not be read"
		return c
	}
	digest := sha256.Sum256(sod)
	named := hex.EncodeToString(digest[:])
	issued, err := list.CardBySOD(ctx, named)
	switch {
	case station.KindOf(err) == station.Unknown:
		c.Why = "the card was issued elsewhere: its state is not known here"
	case err != nil:
		c.Why = "revocation list: " + err.Error()
	case issued.SOD != "" && issued.SOD != named:
		c.Result, c.Why = station.Failed, "the document was signed for a card that was issued with another one"
	case issued.State == station.CardIssued || issued.State == station.CardActive:
		c.Result = station.Passed
	default:
		c.Result, c.Why = station.Failed, "the card is "+issued.State
	}
	return c
}

// Names of the checks that are the office's own.
const (
	CheckRevocation  = "card not revoked"
	CheckFingerprint = "fingerprint match"
	CheckPicture     = "portrait shown" // only where it is not, or is another than its record says
)

// optional checks may stay undone without the verdict losing its worth.
var optional = map[string]bool{CheckFingerprint: true, CheckRevocation: true, CheckPicture: true, lds.CheckIssue: true,
	emrtd.CheckTerminal: true, lds.HashCheck(lds.DG3): true, lds.HashCheck(lds.DG4): true}

// proofs are the ways in which a chip shows that it is no copy: one has to pass.
var proofs = map[string]bool{emrtd.CheckActive: true, emrtd.CheckChip: true, emrtd.CheckMapping: true}

func outcome(checks []station.Check) station.Outcome {
	result, proven := station.Valid, false
	for _, c := range checks {
		proven = proven || proofs[c.Name] && c.Result == station.Passed
		switch {
		case c.Result == station.Failed:
			return station.NotValid
		case c.Result == station.NotDone && !optional[c.Name] && !proofs[c.Name]:
			result = station.NotChecked
		}
	}
	if !proven {
		return station.NotChecked
	}
	return result
}

// describe fills in what the officer compares with the person, and tells what is not
// shown. A picture goes to the officer's screen by its header only: a chip may claim
// one that no screen has the memory for.
func describe(v *station.Verdict, files lds.Files, picture func(dg2 []byte) ([]byte, error)) []station.Check {
	if zone, err := lds.DecodeDG1(files[lds.DG1]); err == nil {
		primary, secondary := zone.Names()
		v.Document, v.Expiry = zone.Document, zone.Expiry
		v.Holder = station.Citizen{Name: strings.TrimSpace(primary + " " + secondary), Sex: zone.Sex, Nationality: zone.Nationality}
	}
	if national, _, err := cccd.DecodeDG13(files[lds.DG13]); err == nil {
		v.Holder, v.Expiry = station.Citizen(national.Holder), national.Expiry
	}
	if files[lds.DG2] == nil {
		return nil
	}
	var err error
	v.Portrait, err = picture(files[lds.DG2])
	switch {
	case v.Portrait == nil:
		return []station.Check{{Name: CheckPicture, Result: station.NotDone, Why: err.Error()}}
	case err != nil:
		return []station.Check{{Name: CheckPicture, Result: station.Passed, Evidence: "shown as it is: " + err.Error()}}
	}
	return nil
}

// pictureOnce is lds.Picture that makes the picture of the same DG2 once: of JPEG 2000 that
// takes a process.
func pictureOnce() func(dg2 []byte) ([]byte, error) {
	var last, portrait []byte
	var err error
	return func(dg2 []byte) ([]byte, error) {
		if last == nil || !bytes.Equal(last, dg2) {
			last = bytes.Clone(dg2)
			portrait, err = lds.Picture(dg2)
		}
		return portrait, err
	}
}
