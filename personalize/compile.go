package personalize

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"cardstation/biometrics/finger"
	"cardstation/devices/card/access/cvc"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/personalize/pki"
)

// NewAuthority makes the authority of a key directory. Transport keys that everybody
// knows are refused outside the demo (ErrDefaultKeys).
func NewAuthority(k pki.Keys) (Authority, error) {
	cards, err := NewCardKeys(k.Master)
	if err != nil {
		return Authority{}, err
	}
	a := Authority{Document: k.Document, Citizen: k.Citizen, Content: k.Content, Cards: cards, Demo: k.Demo}
	if k.Terminals != nil {
		a.Terminals = []cvc.Certificate{k.Terminals.Authority.Certificate}
	}
	if k.Transport == nil {
		return a, nil
	}
	if a.Transport, err = ParseTransport(k.Transport); err != nil {
		return Authority{}, err
	}
	if a.Transport.published() && !a.Demo {
		return Authority{}, fmt.Errorf("transport keys: %w", ErrDefaultKeys)
	}
	return a, nil
}

// Compile makes the plan that takes the record onto its chip: it encodes the data
// groups, makes the keys of active and chip authentication, signs the SOD and derives
// the chip's secrets, all without the chip. Compiling again gives other keys and
// another SOD over the same data, which is as good for going on with a torn card.
//
// What waits for the chip is the certificates over keys that only it can make:
// Authority.Citizen signs them while Run is under way.
func Compile(p Profile, r Record, a Authority) (Plan, error) {
	if r.Chip == "" {
		return Plan{}, errors.New("compile: the record names no chip")
	}
	prepared, err := Prepare(p, r, a)
	if err != nil {
		return Plan{}, err
	}
	return prepared.For(r.Chip)
}

// Prepared is all of a plan that needs no chip, above all the chip's keys and
// the signature over the document: what can be made before a card is in the reader.
// It is for one chip only, for no two may have the same key.
type Prepared struct {
	compiler compiler
	manager  manager
	document []Stage
	content  emrtd.Content

	mu   sync.Mutex
	chip string
}

// Prepare does the part of Compile that needs no chip; it does not look at
// Record.Chip.
func Prepare(p Profile, r Record, a Authority) (*Prepared, error) {
	if a.Cards == nil {
		return nil, errors.New("compile: there is nothing to derive card keys from")
	}
	out := &Prepared{compiler: compiler{profile: p, record: r, authority: a, now: time.Now()}}
	if p.manager != nil {
		out.manager = manager{*p.manager, a}
	}
	var err error
	if p.piv != nil && slices.Contains(p.piv.objects, fingerprints) {
		if out.compiler.minutiae, err = out.compiler.templates(); err != nil {
			return nil, fmt.Errorf("compile piv: %w", err)
		}
	}
	if p.piv != nil && slices.Contains(p.piv.objects, facialImage) && len(r.Portrait) > 0 {
		if out.compiler.photo, err = fitting(r.Portrait); err != nil {
			return nil, fmt.Errorf("compile piv: %w", err)
		}
	}
	if p.emrtd == nil {
		return out, nil
	}
	if out.document, out.content, err = out.compiler.emrtd(out.manager); err != nil {
		return nil, fmt.Errorf("compile emrtd: %w", err)
	}
	return out, nil
}

// For gives the plan for a chip, and refuses it for a second one.
func (d *Prepared) For(chip string) (Plan, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if chip == "" || d.chip != "" && d.chip != chip {
		return Plan{}, fmt.Errorf("compile: prepared for chip %q, not for %q", d.chip, chip)
	}
	d.chip = chip
	c := d.compiler
	c.record.Chip = chip
	plan := Plan{
		Profile: c.profile.Name, Chip: chip, Document: cccd.DocumentNumber(c.record.Holder.Number),
		MRZ: d.content.MRZ, CAN: d.content.CAN, ProvesChip: d.content.ChipKey != nil,
		Fingers: d.content.Files[lds.DG3] != nil, Irises: d.content.Files[lds.DG4] != nil,
	}
	if sod := d.content.Files[lds.SOD]; sod != nil {
		plan.SOD = digest(sod)
	}
	if c.profile.manager != nil {
		plan.Stages = append(plan.Stages, d.manager.keysStage())
	}
	plan.Stages = append(plan.Stages, d.document...)
	if c.profile.piv != nil {
		stage, err := c.piv()
		if err != nil {
			return Plan{}, fmt.Errorf("compile piv: %w", err)
		}
		plan.Stages = append(plan.Stages, stage)
	}
	if c.profile.manager != nil && c.profile.manager.secure {
		plan.Stages = append(plan.Stages, d.manager.securedStage())
	}
	return plan, nil
}

// String keeps what was prepared out of every log.
func (d *Prepared) String() string {
	return fmt.Sprintf("prepared for profile %s", d.compiler.profile.Name)
}

// GoString does the same for %#v.
func (d *Prepared) GoString() string { return d.String() }

type compiler struct {
	profile   Profile
	record    Record
	authority Authority
	now       time.Time
	minutiae  []finger.Template // of the record's fingers; none where the profile does not want them
	photo     []byte            // the portrait as it fits into PIV; none where the profile does not want it
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
