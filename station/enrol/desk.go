// Package enrol is the desk's way: a citizen's dossier is opened, filled with
// data, a portrait and thirteen fingerprint captures in the order of Circular
// 60/2021, finalized, and approved by somebody who wrote nothing in it. Approval
// tells the order for the card; the order itself comes back to a line later.
//
// The retry loop lives here and nowhere else: an image that the gate refuses
// counts, after three of them a supervisor's word is needed. So it is for fingers
// that are described as missing after a refused try, or more than five in all: the
// capture's reasons say so. Hands and fingers that are not the right ones are refused with
// the capture that gives them away, which may be a later one: then the earlier slot is
// captured again. A finger of an earlier enrolment at this station is noticed: under the
// same personal number it is noted, under another a supervisor decides. Children (Law
// 26/2023): under 6 no biometrics are taken; from 6 to under 14 a guardian has to
// be there, for whom the dossier names father or mother.
package enrol

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/unicode/norm"

	"cardstation/biometrics"
	"cardstation/personalize/cccd"
	"cardstation/station"
)

// Dossiers reads enrolments and their images. Unknown ones are station.Unknown.
type Dossiers interface {
	Enrolment(ctx context.Context, id string) (station.Enrolment, error)
	Enrolments(ctx context.Context, q station.Query) (page []station.Enrolment, next string, err error)
	Image(ctx context.Context, digest string) (station.Image, error)
}

// Changes writes enrolments. Each call is one transaction with its images and
// events, durable once it returns; the functions handed in are pure and may run
// more than once.
type Changes interface {
	// PutEnrolment writes a new one and gives what is stored under its ID: the
	// one before where the ID was known.
	PutEnrolment(ctx context.Context, e station.Enrolment, event station.Event) (station.Enrolment, error)
	UpdateEnrolment(ctx context.Context, id string, images []station.Image, change func(*station.Enrolment) ([]station.Event, error)) (station.Enrolment, error)
	DeleteEnrolment(ctx context.Context, id string, change func(station.Enrolment) ([]station.Event, error)) error
}

// Store is where the dossiers are kept.
type Store interface {
	Dossiers
	Changes
	Keeper
}

// Config is what a Desk works with. All fields but Now are needed; without Finger,
// cards are ordered without fingers.
type Config struct {
	Store Store
	// Assess gives the gate for a slot: ppi as the image or the device says, 0
	// where neither does; missing is how many of the slot's fingers are not there.
	Assess func(slot station.Slot, ppi, missing int) biometrics.Assessor
	// Portrait cuts the face out of a portrait and gives the JPEG for DG2.
	Portrait func(image.Image) ([]byte, error)
	// Finger cuts one finger out of a print and gives the WSQ for DG3.
	Finger FingerCutter
	// Hands gives what holds the fingers of one enrolment against each other.
	Hands func() Hands
	// Known are the fingers and persons that the station had before.
	Known Known
	// Profile is the name of the card profile that cards are ordered with.
	Profile string
	Now     func() time.Time // nil for time.Now
}

// Desk is the way of an enrolment. Its methods may be called from several
// goroutines. Errors are station.Errors: Forbidden for a person without the
// role, Conflict for a dossier that is not in the state for it, Correct with the
// fields that are wrong.
type Desk struct {
	cfg     Config
	seats   seats
	recalls chan struct{} // those under way
	final   sync.Mutex    // so that of two who are one person the second is noticed
}

// New makes a Desk.
func New(cfg Config) *Desk {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Desk{cfg: cfg, recalls: make(chan struct{}, mostRecalls)}
}

// Get gives an enrolment.
func (d *Desk) Get(ctx context.Context, id string) (station.Enrolment, error) {
	return d.cfg.Store.Enrolment(ctx, id)
}

// List gives a page of enrolments and the cursor of the next one, empty after
// the last.
func (d *Desk) List(ctx context.Context, q station.Query) (page []station.Enrolment, next string, err error) {
	return d.cfg.Store.Enrolments(ctx, q)
}

// Image gives a captured image by its digest (SHA-256, hex).
func (d *Desk) Image(ctx context.Context, digest string) (data []byte, media string, err error) {
	img, err := d.cfg.Store.Image(ctx, digest)
	return img.Data, img.Media, err
}

var (
	idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	types  = []string{"FIRST_ISSUANCE", "RENEWAL", "REPLACEMENT"}
)

// Open begins an enrolment. An empty id has one made, an empty typ is
// FIRST_ISSUANCE. The same id with the same content again gives the enrolment as
// it now is; with other content it is a Conflict.
func (d *Desk) Open(ctx context.Context, by station.Person, id, typ string, c station.Citizen) (station.Enrolment, error) {
	if err := may(by, station.RoleDesk, "open an enrolment"); err != nil {
		return station.Enrolment{}, err
	}
	if id == "" {
		id = "e-" + strings.ToLower(rand.Text())
	}
	if typ == "" {
		typ = types[0]
	}
	wrong := d.check(&c)
	if !idForm.MatchString(id) {
		wrong["id"] = "The ID has 1 to 64 letters, digits, dots, hyphens and underscores, a letter or digit first."
	}
	if !slices.Contains(types, typ) {
		wrong["type"] = "The type is one of " + strings.Join(types, ", ") + "."
	}
	if len(wrong) > 0 {
		return station.Enrolment{}, correct("open an enrolment", wrong)
	}
	now := d.now()
	e := station.Enrolment{Format: station.Format, ID: id, State: station.EnrolmentOpen, Type: typ, Citizen: c, Captures: []station.Capture{},
		Opened: station.Word{By: by.Login, At: now}, Hands: []string{by.Login}, Changed: now}
	stored, err := d.cfg.Store.PutEnrolment(ctx, e, event(station.EnrolmentOpened, id, by, map[string]any{"type": typ}))
	if err == nil && (stored.Type != typ || stored.Citizen != c) {
		return station.Enrolment{}, conflict("open enrolment "+id, "there is one with this ID and other content", "amend that one, or take another ID")
	}
	return stored, err
}

// Amend replaces the citizen's data of an open enrolment.
func (d *Desk) Amend(ctx context.Context, by station.Person, id string, c station.Citizen) (station.Enrolment, error) {
	what := "amend enrolment " + id
	if err := may(by, station.RoleDesk, what); err != nil {
		return station.Enrolment{}, err
	}
	if wrong := d.check(&c); len(wrong) > 0 {
		return station.Enrolment{}, correct(what, wrong)
	}
	return d.change(ctx, id, func(e *station.Enrolment, now time.Time) ([]station.Event, error) {
		if err := isOpen(*e, what); err != nil || e.Citizen == c {
			return nil, err
		}
		changed := []string{}
		for i, f := range fields(&c) {
			if *f.value != *fields(&e.Citizen)[i].value {
				changed = append(changed, f.name)
			}
		}
		e.Citizen = c
		touch(e, by, now)
		return []station.Event{event(station.EnrolmentAmended, id, by, map[string]any{"fields": changed})}, nil
	})
}

// Delete removes an open enrolment with its images.
func (d *Desk) Delete(ctx context.Context, by station.Person, id string) error {
	what := "delete enrolment " + id
	if err := may(by, station.RoleDesk, what); err != nil {
		return err
	}
	return d.cfg.Store.DeleteEnrolment(ctx, id, func(e station.Enrolment) ([]station.Event, error) {
		if err := isOpen(e, what); err != nil {
			return nil, err
		}
		return []station.Event{event(station.EnrolmentDeleted, id, by, nil)}, nil
	})
}

// change is one transaction on an enrolment at one time.
func (d *Desk) change(ctx context.Context, id string, f func(*station.Enrolment, time.Time) ([]station.Event, error), images ...station.Image) (station.Enrolment, error) {
	now := d.now()
	return d.cfg.Store.UpdateEnrolment(ctx, id, images, func(e *station.Enrolment) ([]station.Event, error) { return f(e, now) })
}

func (d *Desk) now() time.Time { return d.cfg.Now().UTC().Round(0) }

// check brings the citizen's text into its normal form (NFC, single spaces) and
// gives what is wrong with it, by field.
func (d *Desk) check(c *station.Citizen) map[string]string {
	for _, f := range fields(c) {
		*f.value = strings.Join(strings.Fields(norm.NFC.String(*f.value)), " ")
	}
	wrong := map[string]string{}
	for _, fault := range cccd.Holder(*c).Check(d.cfg.Now()) {
		wrong[fault.Field] = joinText(wrong[fault.Field], fault.Text)
	}
	if age, ok := d.age(*c); ok && age >= childAge && age < guardedAge && c.Father == "" && c.Mother == "" {
		wrong["father"] = joinText(wrong["father"], "A child from 6 to under 14 comes with a guardian: name the father or the mother.")
	}
	return wrong
}

func joinText(a, b string) string {
	if a == "" {
		return b
	}
	return a + " " + b
}

// Ages of Law 26/2023, in whole years.
const (
	childAge   = 6  // under it no biometrics
	guardedAge = 14 // under it with a guardian
)

// age in whole years on the day it is at the desk.
func (d *Desk) age(c station.Citizen) (int, bool) {
	born, err := time.Parse(time.DateOnly, c.BirthDate)
	if err != nil {
		return 0, false
	}
	now := d.cfg.Now()
	age := now.Year() - born.Year()
	if now.Month() < born.Month() || now.Month() == born.Month() && now.Day() < born.Day() {
		age--
	}
	return age, true
}

type field struct {
	name  string
	value *string
}

func fields(c *station.Citizen) []field {
	return []field{{"personalNumber", &c.Number}, {"name", &c.Name}, {"dateOfBirth", &c.BirthDate}, {"sex", &c.Sex}, {"nationality", &c.Nationality},
		{"ethnicity", &c.Ethnicity}, {"religion", &c.Religion}, {"placeOfOrigin", &c.Origin}, {"placeOfResidence", &c.Residence},
		{"identifyingMarks", &c.Marks}, {"father", &c.Father}, {"mother", &c.Mother}, {"spouse", &c.Spouse}, {"formerNumber", &c.OldNumber}}
}

// touch notes who wrote in the dossier.
func touch(e *station.Enrolment, by station.Person, now time.Time) {
	e.Changed = now
	if !slices.Contains(e.Hands, by.Login) {
		e.Hands = append(e.Hands, by.Login)
	}
}

func may(by station.Person, role station.Role, what string) error {
	if by.Login != "" && !by.Disabled && by.Has(role) {
		return nil
	}
	return &station.Error{Kind: station.Forbidden, What: what, Err: fmt.Errorf("%q has not the role %s", by.Login, role), Hint: "ask somebody who has it"}
}

func isOpen(e station.Enrolment, what string) error {
	if e.State == station.EnrolmentOpen {
		return nil
	}
	return conflict(what, "it is "+e.State, "")
}

func conflict(what, why, hint string) error {
	return &station.Error{Kind: station.Conflict, What: what, Err: errors.New(why), Hint: hint}
}

func correct(what string, wrong map[string]string) error {
	names := []string{}
	for name := range wrong {
		names = append(names, name)
	}
	slices.Sort(names)
	return &station.Error{Kind: station.Correct, What: what, Err: errors.New("wrong: " + strings.Join(names, ", ")), Fields: wrong}
}

// event tells of an enrolment; body holds no citizen data but what a decision
// hands on.
func event(typ station.EventType, id string, by station.Person, body any) station.Event {
	e := station.Event{Type: typ, Subject: id, Actor: by.Login}
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil { // plain values of our own
			panic(fmt.Sprintf("event body %T: %v", body, err))
		}
		e.Body = raw
	}
	return e
}
