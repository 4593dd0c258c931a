package personalize

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"cardstation/personalize/cccd"
	"cardstation/personalize/pki"
)

// NewAuthority makes the authority of a key directory.
func NewAuthority(k pki.Keys) (Authority, error) {
	cards, err := NewCardKeys(k.Master)
	if err != nil {
		return Authority{}, err
	}
	return Authority{Document: k.Document, Citizen: k.Citizen, Cards: cards, Demo: k.Demo}, nil
}

// Compile makes the plan that takes the record onto its chip: it encodes the data
// groups, makes the active authentication key, signs the SOD and derives the chip's
// secrets, all without the chip. Compiling again gives another key and another SOD
// over the same data, which is as good for going on with a torn card.
//
// What waits for the chip is the certificates over keys that only it can make:
// Authority.Citizen signs them while Run is under way.
func Compile(p Profile, r Record, a Authority) (Plan, error) {
	if r.Chip == "" {
		return Plan{}, errors.New("compile: the record names no chip")
	}
	if a.Cards == nil {
		return Plan{}, errors.New("compile: there is nothing to derive card keys from")
	}
	c := compiler{profile: p, record: r, authority: a, now: time.Now()}
	plan := Plan{Profile: p.Name, Chip: r.Chip, Document: cccd.DocumentNumber(r.Holder.Number)}
	var m manager
	if p.manager != nil {
		m = manager{*p.manager, a}
		plan.Stages = append(plan.Stages, m.keysStage())
	}
	if p.emrtd != nil {
		stages, content, err := c.emrtd(m)
		if err != nil {
			return Plan{}, fmt.Errorf("compile emrtd: %w", err)
		}
		plan.MRZ, plan.CAN = content.MRZ, content.CAN
		plan.Stages = append(plan.Stages, stages...)
	}
	if p.piv != nil {
		stage, err := c.piv()
		if err != nil {
			return Plan{}, fmt.Errorf("compile piv: %w", err)
		}
		plan.Stages = append(plan.Stages, stage)
	}
	if p.manager != nil && p.manager.secure {
		plan.Stages = append(plan.Stages, m.securedStage())
	}
	return plan, nil
}

type compiler struct {
	profile   Profile
	record    Record
	authority Authority
	now       time.Time
}

func asSteps[S Step](in []S) []Step {
	out := make([]Step, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
