package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/verify"
)

// terminalFolder is a key folder with an inspection system, read again while the
// station runs: its certificates last a month.
type terminalFolder struct {
	dir    string
	unlock pki.Passphrase // asked for once a sealed folder is read

	mu   sync.Mutex
	last *emrtd.Terminal
	read time.Time
}

// openTerminal reads the folder; one without the keys of a terminal is refused.
func openTerminal(dir string, unlock pki.Passphrase) (*terminalFolder, error) {
	t := &terminalFolder{dir: dir, unlock: unlock}
	if err := t.load(); err != nil {
		return nil, &station.Error{Kind: station.Correct, What: "terminal's keys in " + dir, Err: err,
			Hint: sealHint(err, "name a folder with cvca.cvcert, dv.cvcert, is.cvcert and is.key")}
	}
	return t, nil
}

func (t *terminalFolder) load() error {
	all, err := pki.LoadTerminals(t.dir, t.unlock)
	if err != nil {
		return err
	}
	terminal := terminalOf(all)
	if terminal == nil {
		return errors.New("there is no inspection system's key and certificate")
	}
	t.last, t.read = terminal, time.Now()
	return nil
}

// terminalOf is what opens fingerprints with the keys of an inspection system; nil
// without.
func terminalOf(t *pki.Terminals) *emrtd.Terminal {
	if t == nil || t.Inspection.Signer == nil {
		return nil
	}
	return &emrtd.Terminal{Chain: t.Chain(), Key: t.Inspection.Signer}
}

// now is what the folder has, at most a minute old. A folder that cannot be read any
// more leaves what was read last.
func (t *terminalFolder) now() *emrtd.Terminal {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.read) > trustAge {
		if err := t.load(); err != nil {
			slog.Default().Error("the terminal's keys cannot be read, going on with what was read before", "folder", t.dir, "err", err)
			t.read = time.Now()
		}
	}
	return t.last
}

// matcher is the office's: package finger's comparison.
type matcher struct{}

// falseMatches is in how many comparisons with other fingers one reaches the line, rounded down:
// of those that finger.SameFinger speaks of it was one in 5,500.
const falseMatches = 5_000

// Match implements verify.Matcher. The line is higher for more references, so that one
// in falseMatches other fingers reaches it with any of them.
func (matcher) Match(probe verify.Probe, references []verify.Reference) (verify.Match, error) {
	out := verify.Match{OneIn: falseMatches, Line: finger.SameFinger + 10*math.Log10(float64(len(references)))}
	template, err := finger.Extract(probe.Image, probe.Image.PPI)
	if err != nil {
		return out, fmt.Errorf("take the finger again: %w", err)
	}
	p, poor, compared := finger.NewPrint(template), []string{}, 0
	for _, r := range references {
		t, err := finger.Extract(r.Image, r.Image.PPI)
		if err != nil {
			poor = append(poor, fmt.Sprintf("the %s on the chip cannot be compared: %v", r.Position, err))
			continue
		}
		compared++
		if why := refusal(finger.Assessor{Position: r.Position, Impression: impression(r.Rolled), PPI: r.Image.PPI}, r.Image); why != "" {
			poor = append(poor, fmt.Sprintf("the %s on the chip is too poor to tell: %s", r.Position, why))
		}
		if score := p.Compare(finger.NewPrint(t)).Score; score >= out.Score {
			out.Score, out.Position = score, r.Position
		}
	}
	if compared == 0 {
		return out, fmt.Errorf("%s", strings.Join(poor, "; "))
	}
	if why := refusal(finger.Assessor{Position: probe.Position, PPI: probe.Image.PPI}, probe.Image); why != "" {
		poor = append([]string{"take the finger again: " + why}, poor...)
	}
	out.Poor = strings.Join(poor, "; ")
	return out, nil
}

func impression(rolled bool) biometrics.Impression {
	if rolled {
		return biometrics.LiveRolled
	}
	return biometrics.LivePlain
}

// refusal says why the gate would not take a print; empty where it would.
func refusal(gate finger.Assessor, img biometrics.Image) string {
	q, err := gate.Assess(img)
	if err != nil {
		return err.Error()
	}
	return strings.Join(q.Reasons(), " ")
}
