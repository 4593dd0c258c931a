package issue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	biometric "cardstation/biometrics/record"
	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/access/cvc"
	"cardstation/personalize"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/station"
)

// maxRefusals is how often one chip may refuse a step before it is scrapped.
const maxRefusals = 2

// maxChips is how many chips an order may spoil before a person has to look.
const maxChips = 3

// Issue makes one card of the chip behind c: identify, claim, compile, write,
// read back, close. The answer is the issued order.
//
// A chip that was torn out leaves its order bound to it (station.Retry: put it
// back). A chip that refuses twice is scrapped and its order returned
// (station.ReplaceCard). An order that cannot be made of any chip has failed
// (station.CallSupervisor). An order the store cannot close stops the line.
func (l *Line) Issue(ctx context.Context, reader string, c card.Card) (station.Order, error) {
	start := l.cfg.Now()
	chip, err := personalize.Identify(c)
	if errors.Is(err, card.ErrGone) || errors.Is(err, card.ErrNoAnswer) {
		return station.Order{}, &station.Error{Kind: station.Retry, What: "identify the card in " + reader, Err: err, Hint: "put the card in again"}
	}
	if err != nil {
		return station.Order{}, &station.Error{Kind: station.ReplaceCard, What: "identify the card in " + reader, Err: err,
			Hint: "take the card out and put it in again; if it is the same again, take another blank"}
	}
	l.set(reader, func(s *ReaderStatus) {
		*s = ReaderStatus{Name: s.Name, Use: s.Use, State: ReaderIdle, Card: station.CardID(chip)}
	})
	if err := l.authorised(0); err != nil {
		return station.Order{}, err
	}
	order, err := l.cfg.Orders.Claim(ctx, station.CardID(chip))
	if err != nil {
		return station.Order{}, err
	}
	order.Card = station.CardID(chip)
	l.set(reader, func(s *ReaderStatus) {
		*s = ReaderStatus{Name: s.Name, Use: s.Use, State: ReaderWriting, Card: order.Card, OrderID: order.ID}
	})
	plan, err := l.plan(order)
	if err != nil {
		return order, l.failOrder(ctx, order, err)
	}
	if plan.SOD != "" {
		if err := l.cfg.Register.Signed(context.WithoutCancel(ctx), order, plan.SOD); err != nil {
			return order, err
		}
	}
	plan.ReadBack = plan.SOD != "" // by readBack, as an office would
	l.set(reader, func(s *ReaderStatus) { s.Total = len(plan.Steps()) })
	notes := newEvidence(func(step string) error { return l.note(ctx, order, step) })
	made, err := personalize.Run(ctx, c, plan, func(step string) error {
		l.set(reader, func(s *ReaderStatus) { s.Step, s.Done = step, s.Done+1 })
		return notes.add(step)
	})
	if late := notes.close(); err == nil {
		err = late
	}
	if err != nil {
		return order, l.failChip(ctx, order, err)
	}
	checks, err := l.readBack(c, order, plan, &made)
	if err != nil {
		if _, gone := personalize.Identify(c); errors.Is(gone, card.ErrGone) || errors.Is(gone, card.ErrNoAnswer) {
			err = fmt.Errorf("%w: %w", err, gone) // the chip left; it did nothing wrong
		}
		return order, l.failChip(ctx, order, err)
	}
	order.State, order.Changed = station.OrderIssued, l.cfg.Now().UTC()
	order.Receipt = receipt(order, made, reader, checks, start, order.Changed)
	err = l.cfg.Orders.CloseOrder(context.WithoutCancel(ctx), order, event(station.OrderWasIssued, order, order.Receipt))
	if station.KindOf(err) == station.Conflict { // cancelled or returned meanwhile: the chip is scrapped
		return order, err
	}
	if err != nil {
		return order, &station.Error{Kind: station.StopLine, What: "close order " + order.ID, Err: err,
			Hint: "leave the card in the reader and call the supervisor: it is written, but the station could not note it down"}
	}
	l.mu.Lock()
	delete(l.fail, order.Card)
	l.mu.Unlock()
	l.set(reader, func(s *ReaderStatus) { s.State, s.Problem, s.Hint = ReaderDone, "", "" })
	l.cfg.Log.Info("card issued", "reader", reader, "order", order.ID, "commands", made.Commands, "elapsed", order.Receipt.Elapsed.Round(time.Millisecond))
	return order, nil
}

// note keeps that a step is done. That it could not be kept is the station's fault, not the chip's.
func (l *Line) note(ctx context.Context, o station.Order, step string) error {
	err := l.cfg.Orders.Step(context.WithoutCancel(ctx), o, step)
	if ours := new(station.Error); err == nil || errors.As(err, &ours) {
		return err
	}
	return &station.Error{Kind: station.StopLine, What: "note a step of order " + o.ID, Err: err,
		Hint: "look after the station's disk; the card is resumed when it is put back"}
}

// failOrder gives the chip back untouched and the order to a person.
func (l *Line) failOrder(ctx context.Context, o station.Order, cause error) error {
	o.State, o.Reason, o.Changed = station.OrderFailed, cause.Error(), l.cfg.Now().UTC()
	if err := l.cfg.Orders.CloseOrder(context.WithoutCancel(ctx), o, event(station.OrderHasFailed, o, reason{o.Reason})); err != nil {
		return &station.Error{Kind: station.StopLine, What: "note the failure of order " + o.ID, Err: errors.Join(err, cause)}
	}
	return &station.Error{Kind: station.CallSupervisor, What: "prepare order " + o.ID, Err: cause,
		Hint: "the order was set aside, the blank is unused; look after what the cause names (the citizen's data, the card profile) and return the order to the queue"}
}

// failChip decides between putting the same chip back and scrapping it.
func (l *Line) failChip(ctx context.Context, o station.Order, cause error) error {
	var ours *station.Error
	switch {
	case errors.As(cause, &ours): // the journal's, not the chip's
		return cause
	case ctx.Err() != nil && errors.Is(cause, ctx.Err()):
		return &station.Error{Kind: station.Retry, What: "issue order " + o.ID, Err: cause, Hint: "the station is stopping; the card is resumed when it is put back"}
	case errors.Is(cause, card.ErrGone) || errors.Is(cause, card.ErrNoAnswer):
		return &station.Error{Kind: station.Retry, What: "issue order " + o.ID, Err: cause,
			Hint: "put the same card back into a reader: it goes on where it stopped; if it is lost or broken, scrap it"}
	}
	l.mu.Lock()
	l.fail[o.Card]++
	n := l.fail[o.Card]
	l.mu.Unlock()
	if n < maxRefusals {
		return &station.Error{Kind: station.Retry, What: "issue order " + o.ID, Err: cause, Hint: "take the card out and put it in again; if it fails again it is scrapped"}
	}
	o.Reason, o.Changed = cause.Error(), l.cfg.Now().UTC()
	told := station.OrderReturned
	if o.State = station.OrderPending; o.Attempts >= maxChips {
		o.State, told = station.OrderFailed, station.OrderHasFailed
	}
	if err := l.cfg.Orders.CloseOrder(context.WithoutCancel(ctx), o, event(told, o, reason{o.Reason})); err != nil {
		return &station.Error{Kind: station.StopLine, What: "return order " + o.ID, Err: errors.Join(err, cause)}
	}
	if o.State == station.OrderFailed {
		return &station.Error{Kind: station.CallSupervisor, What: "issue order " + o.ID, Err: cause,
			Hint: fmt.Sprintf("%d chips were spoilt over this order: it is set aside, and this chip goes with the spoilt ones", o.Attempts)}
	}
	return &station.Error{Kind: station.ReplaceCard, What: "issue order " + o.ID, Err: cause,
		Hint: "this chip is scrapped: put it with the spoilt ones; the order waits for another blank"}
}

type reason struct {
	Reason string `json:"reason"`
}

func event(t station.EventType, o station.Order, body any) station.Event {
	raw, err := json.Marshal(body)
	if err != nil { // the bodies are our own plain structs
		panic(fmt.Sprintf("event body %T: %v", body, err))
	}
	return station.Event{Format: station.Format, At: o.Changed, Type: t, Subject: o.ID, Actor: "station", Body: raw}
}

// receipt is the proof kept of an issued card.
func receipt(o station.Order, made personalize.Receipt, reader string, checks []station.Check, start, end time.Time) *station.Receipt {
	return &station.Receipt{
		Card: o.Card, Profile: made.Profile, Document: made.Document, SOD: made.SOD, Certificates: made.Certificates, Attestations: made.Attestations,
		Commands: made.Commands, Sent: made.Sent, Received: made.Received,
		Elapsed: end.Sub(start), At: end, Reader: reader, Checks: checks,
	}
}

// terminal is what the read-back opens the plan's fingerprints and irises with; nil
// where there are none, or nothing that opens them.
func (l *Line) terminal(plan personalize.Plan) *emrtd.Terminal {
	if t := l.cfg.Terminal; t != nil && (plan.Fingers || plan.Irises) && t.Expired(l.cfg.Now()) == nil {
		return t
	}
	return nil
}

// spared tells whether a check may stay undone: chip authentication where the plan
// gave the chip no key for it, and what only a terminal can do where there is none.
func spared(check string, plan personalize.Plan, terminal *emrtd.Terminal) bool {
	switch check {
	case emrtd.CheckChip:
		return !plan.ProvesChip
	case emrtd.CheckTerminal, lds.HashCheck(lds.DG3):
		return terminal == nil
	case lds.HashCheck(lds.DG4):
		return terminal == nil || !terminal.May(cvc.ReadIris)
	}
	return false
}

// readBack reads the locked chip as a verifier would. Any check that fails, and
// any that could not be done and is not spared, is an error. So is another EF.SOD than
// the one that was written.
func (l *Line) readBack(c card.Card, o station.Order, plan personalize.Plan, made *personalize.Receipt) ([]station.Check, error) {
	var checks []station.Check
	for _, slot := range slices.Sorted(maps.Keys(made.Certificates)) {
		checks = append(checks, station.Check{Name: "PIV key and certificate " + slot, Result: station.Passed}) // read back by the stage's proof
	}
	if plan.MRZ == (access.MRZ{}) {
		return checks, nil
	}
	terminal := l.terminal(plan)
	look := emrtd.Inspection{Trust: l.cfg.Trust(), Now: l.cfg.Now(), Terminal: terminal}
	files, rows := look.Of(c, emrtd.Printed{MRZ: plan.MRZ, CAN: plan.CAN})
	for _, r := range rows {
		checks = append(checks, station.Check{Name: r.Name, Result: station.Result(r.Result), Why: r.Why, Evidence: r.Evidence})
		if r.Result != lds.Passed && ownChecks[r.Name] {
			return checks, unfit(r)
		}
		if r.Result == lds.Failed || r.Result == lds.NotDone && !spared(r.Name, plan, terminal) {
			return checks, fmt.Errorf("read back: %s: %s: %s", r.Name, r.Result, r.Why)
		}
	}
	if made.SOD == "" {
		sum := sha256.Sum256(files[lds.SOD])
		if made.SOD = hex.EncodeToString(sum[:]); made.SOD != plan.SOD {
			return checks, errors.New("read back: the chip holds another EF.SOD than it was given")
		}
	}
	own, err := ofOrder(files, o)
	if err == nil && own && terminal != nil && plan.Fingers {
		own, err = fingersOf(files, o)
	}
	if err == nil && own && files[lds.DG4] != nil {
		own, err = irisesOf(files, o)
	}
	if err == nil && !own {
		err = errors.New("the chip holds another citizen's data")
	}
	if err != nil {
		return checks, fmt.Errorf("read back: %w", err)
	}
	return append(checks, station.Check{Name: "the order's citizen", Result: station.Passed}), nil
}

// ofOrder tells whether what the chip holds is the order's citizen, dates and
// portrait: a chip found finished may be somebody else's.
func ofOrder(files lds.Files, o station.Order) (bool, error) {
	national, _, err := cccd.DecodeDG13(files[lds.DG13])
	if err != nil {
		return false, fmt.Errorf("DG13: %w", err)
	}
	same := national.Holder == cccd.Holder(o.Citizen) && national.Issue == o.Issue && sameExpiry(national.Expiry, o.Expiry)
	if len(o.Portrait) == 0 { // under 6
		_, has := files[lds.DG2]
		return same && !has, nil
	}
	faces, err := lds.DecodeDG2(files[lds.DG2])
	if err != nil {
		return false, fmt.Errorf("DG2: %w", err)
	}
	return same && len(faces) == 1 && len(faces[0].Images) == 1 && bytes.Equal(faces[0].Images[0].Data, o.Portrait), nil
}

// irisesOf tells whether DG4 holds the order's irises.
func irisesOf(files lds.Files, o station.Order) (bool, error) {
	irises, err := lds.DecodeDG4(files[lds.DG4])
	if err != nil {
		return false, fmt.Errorf("DG4: %w", err)
	}
	want := Record(o).Irises
	return slices.EqualFunc(irises, want, func(a, b biometric.Opaque) bool {
		return a.Kind == b.Kind && a.Subtype == b.Subtype && bytes.Equal(a.Block(), b.Block())
	}), nil
}

// fingersOf tells whether DG3 holds the order's fingers.
func fingersOf(files lds.Files, o station.Order) (bool, error) {
	fingers, err := lds.DecodeDG3(files[lds.DG3])
	if err != nil {
		return false, fmt.Errorf("DG3: %w", err)
	}
	if len(fingers) != len(o.Fingers) {
		return false, nil
	}
	for i, f := range fingers {
		if len(f.Views) != 1 || int(f.Views[0].Position) != o.Fingers[i].Position || !bytes.Equal(f.Views[0].Data, o.Fingers[i].Image) {
			return false, nil
		}
	}
	return true, nil
}

func sameExpiry(card, order string) bool {
	return card == order || card == "" && order == cccd.NoExpiry
}
