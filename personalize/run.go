package personalize

import (
	"context"
	"fmt"
	"io"
	"maps"
	"time"

	"cardstation/devices/card"
)

// Run takes the plan through a chip that was just powered or reset. It asks before
// it writes: stages that are locked are skipped, steps that hold are not
// repeated. journal is called after each finished step, also for those found
// finished; its error stops the run. ctx is looked at between steps only, as a
// command in flight cannot be called back.
//
// The error is a *StepError where the chip or a step failed. The receipt is as
// complete as the run was.
func Run(ctx context.Context, c card.Card, p Plan, journal func(step string) error) (Receipt, error) {
	start := time.Now()
	counted, meter := count(c)
	r := runner{
		ctx: ctx, card: counted, journal: journal, readBack: p.ReadBack,
		receipt: Receipt{Chip: p.Chip, Profile: p.Profile, Document: p.Document},
	}
	err := r.run(p)
	r.receipt.Commands, r.receipt.Sent, r.receipt.Received = meter.commands, meter.sent, meter.received
	r.receipt.Elapsed = time.Since(start)
	return r.receipt, err
}

type runner struct {
	ctx     context.Context
	card    card.Card
	journal func(string) error
	receipt Receipt

	readBack bool // Plan.ReadBack
	found    bool // a stage of the document was finished before
}

func (r *runner) run(p Plan) error {
	if err := r.identify(p.Chip); err != nil {
		return err
	}
	for _, s := range p.Stages {
		if err := r.stage(s); err != nil {
			return err
		}
	}
	return r.identify(p.Chip) // which may have been taken for another, unseen, before its keys bound it
}

func (r *runner) identify(want string) error {
	chip, err := Identify(r.card)
	if err != nil {
		return &StepError{"identify", err}
	}
	if chip != want {
		return &StepError{"identify", fmt.Errorf("chip %s is in the reader, the plan is for %s", chip, want)}
	}
	return nil
}

func (r *runner) stage(s Stage) error {
	if err := r.ctx.Err(); err != nil {
		return fmt.Errorf("stopped before stage %s: %w", s.Name, err)
	}
	locked := false
	if s.Locked != nil {
		var err error
		if locked, err = s.Locked(r.card); err != nil {
			return &StepError{s.Name + "/locked", err}
		}
	}
	if locked {
		for _, step := range s.Steps {
			if err := r.finished(step, false); err != nil {
				return err
			}
		}
	} else if err := r.steps(s); err != nil {
		return err
	}
	r.found = r.found || s.Document && locked
	if s.Document && r.readBack && !r.found {
		return nil
	}
	return r.prove(s)
}

// steps opens the stage's channel, takes its steps in order, and closes the channel
// where that can be closed.
func (r *runner) steps(s Stage) error {
	c, err := s.Open.Open(r.card)
	if err != nil {
		return &StepError{s.Name + "/open", err}
	}
	err = r.take(c, s)
	if closer, ok := c.(io.Closer); ok {
		if closing := closer.Close(); err == nil && closing != nil {
			return &StepError{s.Name + "/close", closing}
		}
	}
	return err
}

func (r *runner) take(c card.Card, s Stage) error {
	for _, step := range s.Steps {
		if err := r.ctx.Err(); err != nil {
			return fmt.Errorf("stopped before step %s: %w", step.Name(), err)
		}
		holds, err := step.Holds(c)
		if err != nil {
			return &StepError{step.Name(), fmt.Errorf("ask the chip whether it holds: %w", err)}
		}
		if !holds {
			if err := step.Do(c); err != nil {
				return &StepError{step.Name(), err}
			}
		}
		if err := r.finished(step, !holds); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) finished(step Step, done bool) error {
	if done {
		r.receipt.Done = append(r.receipt.Done, step.Name())
	} else {
		r.receipt.Held = append(r.receipt.Held, step.Name())
	}
	if r.journal == nil {
		return nil
	}
	if err := r.journal(step.Name()); err != nil {
		return fmt.Errorf("journal step %s: %w", step.Name(), err)
	}
	return nil
}

func (r *runner) prove(s Stage) error {
	if s.Prove == nil {
		return nil
	}
	proof, err := s.Prove(r.card)
	if err != nil {
		return &StepError{s.Name + "/prove", err}
	}
	if proof.SOD != "" {
		r.receipt.SOD = proof.SOD
	}
	r.receipt.Certificates = merged(r.receipt.Certificates, proof.Certificates)
	r.receipt.Attestations = merged(r.receipt.Attestations, proof.Attestations)
	return nil
}

// merged keeps an empty map nil.
func merged(into, from map[string]string) map[string]string {
	if into == nil && len(from) > 0 {
		into = map[string]string{}
	}
	maps.Copy(into, from)
	return into
}

// meter counts what goes to the chip.
type meter struct {
	card           card.Card
	commands       int
	sent, received int64
}

// meteredLender is a meter over a card whose reader can be lent.
type meteredLender struct {
	*meter
	card.Lender
}

// count wraps c so that it counts, and stays a card.Lender where it is one.
func count(c card.Card) (card.Card, *meter) {
	m := &meter{card: c}
	if l, ok := c.(card.Lender); ok {
		return meteredLender{m, l}, m
	}
	return m, m
}

// Transmit implements card.Card.
func (m *meter) Transmit(cmd card.Command) (card.Response, error) {
	raw, err := cmd.Bytes()
	if err != nil {
		return card.Response{}, err
	}
	m.commands++
	m.sent += int64(len(raw))
	resp, err := m.card.Transmit(cmd)
	if err == nil {
		m.received += int64(len(resp.Data)) + 2
	}
	return resp, err
}
