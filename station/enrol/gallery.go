package enrol

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/station"
)

// Keeper keeps the templates of the rolled fingers of final enrolments.
type Keeper interface {
	// FinalizeEnrolment is UpdateEnrolment that also keeps the prints, in the same
	// transaction, where change leaves the enrolment final.
	FinalizeEnrolment(ctx context.Context, id string, prints []station.Print, change func(*station.Enrolment) ([]station.Event, error)) (station.Enrolment, error)
	Print(ctx context.Context, enrolment string, position int) (station.Print, error)
	EachPrint(ctx context.Context, visit func(enrolment string, p station.Print) error) error
}

// Rolls are what was read in the rolls of one person.
type Rolls map[biometrics.Position]finger.Rolled

// Known finds fingers and persons among those of the enrolments that are final here.
type Known interface {
	// Finger gives the prints that may be of the same finger as one roll, in whatever place.
	Finger(ctx context.Context, p biometrics.Position, r finger.Rolled) ([]Match, error)
	// Person gives those of the persons who are likeliest to be the one that all rolls are
	// of, finger by finger.
	Person(ctx context.Context, all Rolls) ([]Match, error)
	// Add takes up the prints of an enrolment that is final now.
	Add(enrolment string, prints []station.Print) error
}

// Match says that a print of an earlier enrolment scores finger.SameFinger or more.
type Match struct {
	Finger    biometrics.Position // the one at the desk
	Enrolment string
	Position  biometrics.Position // the one before
	Sure      bool                // it reaches the line of a search, which one finger alone has to
}

// How a search goes: the index names those of which most keys agree, which are compared.
const (
	mostFingers  = 5 // of a search for one finger
	leastKeys    = 3 // that agree
	mostPersons  = 3
	mostOfPerson = 4 // fingers compared before a person is given up
)

// Gallery is the prints of the enrolments that are final at this station, as Known: an index
// in memory, some 3 kB a print; the templates stay in the store. Of N prints one of other
// fingers is taken for a probe's own in about one of 5,000 searches, as far as
// finger.SameFinger holds: the line rises by 10 for each tenfold of N. Two fingers of one enrolment
// that each reach finger.SameFinger are a match as well.
type Gallery struct {
	store   Keeper
	mu      sync.RWMutex
	index   finger.Index
	persons []string // enrolment IDs
	held    []held   // by the index's number
}

type held struct {
	person   int
	position biometrics.Position
}

// OpenGallery reads what the store keeps: some 3 seconds for 100,000 prints.
func OpenGallery(ctx context.Context, store Keeper) (*Gallery, error) {
	g := &Gallery{store: store}
	err := store.EachPrint(ctx, g.add)
	if err != nil {
		return nil, fmt.Errorf("read the prints of earlier enrolments: %w", err)
	}
	return g, nil
}

// Add implements Known.
func (g *Gallery) Add(enrolment string, prints []station.Print) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range prints {
		if err := g.add(enrolment, p); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gallery) add(enrolment string, p station.Print) error {
	var keys finger.Keys
	if err := keys.UnmarshalBinary(p.Keys); err != nil { // of another version
		var t finger.Template
		if err := t.UnmarshalBinary(p.Template); err != nil {
			return fmt.Errorf("print %d of enrolment %s: %w", p.Position, enrolment, err)
		}
		keys = finger.NewPrint(t).Keys()
	}
	if n := len(g.persons); n == 0 || g.persons[n-1] != enrolment {
		g.persons = append(g.persons, enrolment)
	}
	g.index.Add(keys)
	g.held = append(g.held, held{len(g.persons) - 1, biometrics.Position(p.Position)})
	return nil
}

// Finger implements Known.
func (g *Gallery) Finger(ctx context.Context, p biometrics.Position, r finger.Rolled) ([]Match, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var out []Match
	for _, n := range finger.Likeliest(g.index.Agreeing(r.Print.Keys()), mostFingers, leastKeys) {
		m, ok, err := g.compare(ctx, p, r, n)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, m)
		}
	}
	return out, nil
}

// Person implements Known.
func (g *Gallery) Person(ctx context.Context, all Rolls) ([]Match, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	sum := make([]uint16, len(g.persons))
	for p, r := range all {
		for n, s := range g.index.Agreeing(r.Print.Keys()) {
			if g.held[n].position == p {
				sum[g.held[n].person] += s
			}
		}
	}
	var out []Match
	for _, person := range finger.Likeliest(sum, mostPersons, 1) {
		found, err := g.person(ctx, all, person)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// person compares finger by finger until it is clear.
func (g *Gallery) person(ctx context.Context, all Rolls, person int) ([]Match, error) {
	var out []Match
	tried := 0
	for n, h := range g.held {
		r, ok := all[h.position]
		if h.person != person || !ok {
			continue
		}
		m, ok, err := g.compare(ctx, h.position, r, n)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, m)
		}
		if tried++; len(out) > 1 || len(out) == 0 && tried == mostOfPerson {
			break
		}
	}
	return out, nil
}

// compare holds a roll against one that is kept.
func (g *Gallery) compare(ctx context.Context, p biometrics.Position, r finger.Rolled, n int) (Match, bool, error) {
	m := Match{Finger: p, Enrolment: g.persons[g.held[n].person], Position: g.held[n].position}
	kept, err := g.store.Print(ctx, m.Enrolment, int(m.Position))
	if station.KindOf(err) == station.Unknown { // deleted since
		return m, false, nil
	}
	var t finger.Template
	if err == nil {
		err = t.UnmarshalBinary(kept.Template)
	}
	if err != nil {
		return m, false, fmt.Errorf("print %d of enrolment %s: %w", m.Position, m.Enrolment, err)
	}
	score := r.Print.Compare(finger.NewPrint(t)).Score
	m.Sure = score >= finger.SameFinger+10*math.Log10(float64(len(g.held)))
	return m, score >= finger.SameFinger, nil
}

// kept is what is kept of rolls.
func kept(all Rolls) ([]station.Print, error) {
	var out []station.Print
	for _, p := range slices.Sorted(maps.Keys(all)) {
		template, err := all[p].Template.MarshalBinary()
		keys, keysErr := all[p].Print.Keys().MarshalBinary()
		if err := errors.Join(err, keysErr); err != nil {
			return nil, fmt.Errorf("keep the %v: %w", p, err)
		}
		out = append(out, station.Print{Position: int(p), Template: template, Keys: keys})
	}
	return out, nil
}
