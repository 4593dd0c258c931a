package issue

import (
	"context"
	"sync"
	"time"

	biometric "cardstation/biometrics/record"
	"cardstation/personalize"
	"cardstation/personalize/cccd"
	"cardstation/station"
)

// Foreseer is an Orders that shows what Claim will give, so that keys and
// signatures are made before a card is in the reader.
type Foreseer interface {
	// Next gives up to n pending orders as Claim would take them, and binds none.
	Next(ctx context.Context, n int) ([]station.Order, error)
}

// foresight is what was made ahead: at most one plan a reader, each for one chip, in
// memory only.
type foresight struct {
	want    chan struct{} // a look at the queue is due; holds one
	filling sync.Mutex
	mu      sync.Mutex
	plans   map[string]foreseen // by order
}

func newForesight() foresight {
	return foresight{want: make(chan struct{}, 1), plans: map[string]foreseen{}}
}

// foreseen is an order's plan but for the chip, and what it was made under.
type foreseen struct {
	order    station.Order
	profile  personalize.Profile
	day      string
	prepared *personalize.Prepared
}

// fits tells whether the plan is still the order's: the same content, profile and day
// of signing.
func (f foreseen) fits(o station.Order, p personalize.Profile, day string) bool {
	return f.prepared != nil && f.profile == p && f.day == day && sameOrder(f.order, o)
}

// take gives what was made ahead for an order, for good: nobody gets it twice.
func (f *foresight) take(id string) foreseen {
	f.mu.Lock()
	defer f.mu.Unlock()
	plan := f.plans[id]
	delete(f.plans, id)
	return plan
}

// keep drops all plans but those that stay says of.
func (f *foresight) keep(stay func(id string, plan foreseen) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, plan := range f.plans {
		if !stay(id, plan) {
			delete(f.plans, id)
		}
	}
}

func (f *foresight) has(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.plans[id].prepared != nil
}

func (f *foresight) put(plan foreseen) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans[plan.order.ID] = plan
}

// look asks for a look at the queue; it does not wait for it.
func (l *Line) look() {
	select {
	case l.ahead.want <- struct{}{}:
	default: // one is due already
	}
}

// foresee looks at the queue whenever that is asked for, and now and then, until ctx
// is done. Every reader's controller has one; whichever is free looks for all.
func (l *Line) foresee(ctx context.Context) {
	queue, ok := l.cfg.Orders.(Foreseer)
	if !ok {
		return
	}
	for {
		if err := l.prepareNext(ctx, queue); err != nil && ctx.Err() == nil {
			l.cfg.Log.Warn("nothing is made ahead", "err", err) // each order is then prepared when its card is there
		}
		select {
		case <-ctx.Done():
			return
		case <-l.ahead.want:
		case <-time.After(fitFor / 2):
		}
	}
}

// prepareNext makes ready what the next blanks will want: the authority tried, and a
// plan for each reader. What no longer fits the queue is dropped. An order that cannot
// be prepared is left to its turn, when that is said.
func (l *Line) prepareNext(ctx context.Context, queue Foreseer) error {
	l.ahead.filling.Lock()
	defer l.ahead.filling.Unlock()
	if l.authorised(fitFor/2) != nil {
		l.ahead.keep(func(string, foreseen) bool { return false })
		return nil // said when a card is there
	}
	next, err := queue.Next(ctx, len(l.Status()))
	if err != nil {
		return err
	}
	day, made := l.day(), map[string]foreseen{}
	for _, o := range next {
		if p, err := l.cfg.Profile(o.Profile); err == nil {
			made[o.ID] = foreseen{order: o, profile: p, day: day}
		}
	}
	l.ahead.keep(func(id string, plan foreseen) bool { return plan.fits(made[id].order, made[id].profile, day) })
	for _, o := range next {
		plan, known := made[o.ID]
		if !known || l.ahead.has(o.ID) || ctx.Err() != nil {
			continue
		}
		if plan.prepared, err = personalize.Prepare(plan.profile, Record(o), l.cfg.Authority); err == nil {
			l.ahead.put(plan)
		}
	}
	return nil
}

// day is the calendar day on which documents are now signed.
func (l *Line) day() string { return l.cfg.Now().Format(time.DateOnly) }

// plan is the order's plan for its chip: made ahead, or now.
func (l *Line) plan(o station.Order) (personalize.Plan, error) {
	profile, err := l.cfg.Profile(o.Profile)
	if err != nil {
		return personalize.Plan{}, err
	}
	if made := l.ahead.take(o.ID); made.fits(o, profile, l.day()) {
		return made.prepared.For(string(o.Card))
	}
	return personalize.Compile(profile, Record(o), l.cfg.Authority)
}

// Record is the short translation Order -> personalize.Record.
func Record(o station.Order) personalize.Record {
	r := personalize.Record{Holder: cccd.Holder(o.Citizen), Issue: o.Issue, Expiry: o.Expiry, Portrait: o.Portrait, Chip: string(o.Card)}
	for _, f := range o.Fingers {
		r.Fingers = append(r.Fingers, personalize.Finger(f))
	}
	for _, i := range o.Irises {
		r.Irises = append(r.Irises, biometric.Opaque{Kind: i.Kind, Subtype: byte(i.Subtype), Owner: uint16(i.Owner), Format: uint16(i.Format), Data: i.Data})
	}
	return r
}
