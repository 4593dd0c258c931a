package personalize

import (
	"fmt"
	"strings"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/personalize/emrtd"
)

// Description tells what a plan does to a blank chip, without a secret or a citizen's
// datum in it.
type Description struct {
	Profile  string             `json:"profile"`
	Chip     string             `json:"chip"`
	Stages   []StageDescription `json:"stages"`
	Commands int                `json:"commands"` // sum over the stages
	Bytes    int                `json:"bytes"`
}

// StageDescription is one stage.
type StageDescription struct {
	Name    string            `json:"name"`
	Channel string            `json:"channel"` // what protects the commands
	Proved  bool              `json:"proved"`  // read back when it is finished
	Note    string            `json:"note,omitempty"`
	Steps   []StepDescription `json:"steps"`
}

// StepDescription is one step. Commands and Bytes count the command APDUs that it sends to
// a blank chip, in the clear; a secure channel adds some 10 to 30 bytes to each. What is
// not counted, as what piv-go sends, Tells says.
type StepDescription struct {
	Name     string   `json:"name"`
	Tells    string   `json:"tells,omitempty"`
	Headers  []string `json:"headers,omitempty"` // CLA INS P1 P2, repeats counted: "00D60000 x3"
	Commands int      `json:"commands"`
	Bytes    int      `json:"bytes"`
}

// sender is a Step whose commands are known beforehand.
type sender interface{ Sends() []card.Command }

// teller is a Step that says in words what it does.
type teller interface{ Tells() string }

// Describe tells what Run will do to a blank chip.
func (p Plan) Describe() (Description, error) {
	d := Description{Profile: p.Profile, Chip: p.Chip}
	for _, s := range p.Stages {
		stage := StageDescription{Name: s.Name, Channel: channelOf(s.Open), Proved: s.Prove != nil, Note: s.Note}
		for _, step := range s.Steps {
			described, err := describe(step)
			if err != nil {
				return Description{}, fmt.Errorf("describe step %s: %w", step.Name(), err)
			}
			d.Commands += described.Commands
			d.Bytes += described.Bytes
			stage.Steps = append(stage.Steps, described)
		}
		d.Stages = append(d.Stages, stage)
	}
	return d, nil
}

func channelOf(a access.Access) string {
	switch a := a.(type) {
	case opening:
		if a.version == anyVersion {
			return fmt.Sprintf("scp03 with the key set that the chip has, level %02X", a.manager.level)
		}
		return fmt.Sprintf("scp03 with key version %02X, level %02X", a.version, a.manager.level)
	case emrtd.Chip:
		return "none"
	}
	return "none, each change authenticates by itself"
}

func describe(s Step) (StepDescription, error) {
	d := StepDescription{Name: s.Name()}
	if t, ok := s.(teller); ok {
		d.Tells = t.Tells()
	}
	sends, ok := s.(sender)
	if !ok {
		return d, nil
	}
	type run struct {
		kind [2]byte // CLA INS
		text string
		n    int
	}
	var runs []run
	for _, c := range sends.Sends() {
		raw, err := c.Bytes()
		if err != nil {
			return d, err
		}
		d.Commands++
		d.Bytes += len(raw)
		if last := len(runs) - 1; last >= 0 && runs[last].kind == [2]byte{c.CLA, c.INS} {
			runs[last].n++
			continue
		}
		runs = append(runs, run{[2]byte{c.CLA, c.INS}, fmt.Sprintf("%X", c.Header()), 1})
	}
	for _, r := range runs {
		if r.n > 1 {
			r.text += fmt.Sprintf(" x%d", r.n)
		}
		d.Headers = append(d.Headers, r.text)
	}
	return d, nil
}

// String is a few lines for a person.
func (d Description) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan of profile %s for chip %s\n", d.Profile, d.Chip)
	for _, s := range d.Stages {
		fmt.Fprintf(&b, "%s, channel: %s\n", s.Name, s.Channel)
		if s.Note != "" {
			fmt.Fprintf(&b, "  note: %s\n", s.Note)
		}
		for _, step := range s.Steps {
			fmt.Fprintf(&b, "  %-32s", step.Name)
			if step.Commands > 0 {
				fmt.Fprintf(&b, " %2d commands, %5d bytes: %s", step.Commands, step.Bytes, strings.Join(step.Headers, ", "))
			}
			if step.Tells != "" {
				fmt.Fprintf(&b, " %s", step.Tells)
			}
			b.WriteString("\n")
		}
		if s.Proved {
			b.WriteString("  then read back with a holder's rights\n")
		}
	}
	fmt.Fprintf(&b, "%d commands and %d bytes known beforehand, without secure messaging, questions and read-back\n", d.Commands, d.Bytes)
	return b.String()
}
