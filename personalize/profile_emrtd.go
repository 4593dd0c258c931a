package personalize

import (
	"fmt"
	"slices"
	"strings"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
)

type emrtdProfile struct {
	chip     emrtd.Chip
	channel  bool   // written through a secure channel under the card manager's keys
	active   string // active authentication: "p-256", "p-384", "rsa-2048", "rsa-1024" or "none"
	proof    int    // bits of the session keys of chip authentication, on P-256; 0 for none
	fingers  bool   // DG3, which terminal authentication opens
	irises   bool   // DG4, which does so too
	pace     *access.PACEInfo
	national cccd.Form
}

type emrtdFile struct {
	AID       string         `yaml:"aid"`
	Channel   string         `yaml:"channel"`
	Activated byte           `yaml:"activated"`
	Answers   *answersFile   `yaml:"answers"`
	Longest   int            `yaml:"longest"`
	Reading   int            `yaml:"reading"`
	Selects   bool           `yaml:"create-selects"`
	Active    string         `yaml:"active-authentication"`
	Proof     *proofFile     `yaml:"chip-authentication"`
	Fingers   bool           `yaml:"fingers"`
	Irises    bool           `yaml:"irises"`
	PACE      *paceFile      `yaml:"pace"`
	National  string         `yaml:"national-data"`
	Room      map[string]int `yaml:"room"`
	Commands  commandsFile   `yaml:"commands"`
}

// answersFile is how an application that shows no life cycle is told to be final.
type answersFile struct {
	Sealed uint16 `yaml:"sealed"`
	Final  uint16 `yaml:"final"`
}

type paceFile struct {
	KeyBits   int `yaml:"key-bits"`
	Parameter int `yaml:"parameter"`
}

type proofFile struct {
	Key     string `yaml:"key"`
	KeyBits int    `yaml:"key-bits"`
}

type commandsFile struct {
	Create   string    `yaml:"create"`
	Write    string    `yaml:"write"`
	Secrets  string    `yaml:"secrets"`
	PACE     string    `yaml:"pace-secrets"`
	Key      oneOrMore `yaml:"key"`
	ChipKey  string    `yaml:"chip-key"`
	Trust    string    `yaml:"trust-points"`
	Seal     string    `yaml:"seal"`
	Activate string    `yaml:"activate"`
	Ask      string    `yaml:"ask"`
}

// oneOrMore is a text or a list of texts.
type oneOrMore []string

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (o *oneOrMore) UnmarshalYAML(decode func(any) error) error {
	var one string
	if decode(&one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return decode((*[]string)(o))
}

func (f emrtdFile) profile() (*emrtdProfile, error) {
	p := &emrtdProfile{channel: f.Channel == "card-manager", active: f.Active, fingers: f.Fingers, irises: f.Irises}
	var err error
	if p.chip.AID, err = parseAID("$.emrtd.aid", f.AID); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	p.chip.Activated, p.chip.Longest, p.chip.Reading, p.chip.CreateSelects = f.Activated, f.Longest, f.Reading, f.Selects
	if f.Answers != nil {
		p.chip.Answers = emrtd.Answers{Sealed: card.Status(f.Answers.Sealed), Final: card.Status(f.Answers.Final)}
	}
	if f.PACE != nil {
		p.pace = &access.PACEInfo{KeyBits: f.PACE.KeyBits, Parameter: f.PACE.Parameter}
		if _, err := p.pace.SecurityInfo(); err != nil {
			return nil, at("$.emrtd.pace", "%w", err)
		}
	}
	if f.Proof != nil {
		p.proof = f.Proof.KeyBits
	}
	if f.National == "nested" {
		p.national = cccd.Nested
	}
	if p.chip.Room, err = parseRoom(f.Room); err != nil {
		return nil, err
	}
	p.chip.Commands, err = f.commands()
	return p, err
}

// check holds the fields against each other and against what is known.
func (f emrtdFile) check() error {
	switch {
	case !slices.Contains([]string{"card-manager", "none"}, f.Channel):
		return at("$.emrtd.channel", "channel %q is neither card-manager nor none", f.Channel)
	case (f.Activated == 0) == (f.Answers == nil):
		return at("$.emrtd.activated", "want either the life cycle status of the finished application or, where it shows none, its answers")
	case f.Answers != nil && (f.Answers.Final == 0 || f.Commands.Ask == ""):
		return at("$.emrtd.answers", "want the final answer, and in commands what is asked")
	case f.Commands.Seal != "" && (f.Answers == nil || f.Answers.Sealed == 0 || f.Channel != "none"):
		return at("$.emrtd.commands.seal", "a chip that is sealed answers so, and has no channel")
	case f.Longest < 16 || f.Longest > 60000:
		return at("$.emrtd.longest", "longest must be 16 to 60000 bytes")
	case f.Reading != 0 && (f.Reading < 16 || f.Reading > 60000):
		return at("$.emrtd.reading", "reading must be 16 to 60000 bytes, or be left out")
	case !slices.Contains(activeKeys, f.Active):
		return at("$.emrtd.active-authentication", "key %q is none of %s", f.Active, strings.Join(activeKeys, ", "))
	case !slices.Contains([]string{"siblings", "nested"}, f.National):
		return at("$.emrtd.national-data", "form %q is neither siblings nor nested", f.National)
	case f.Active != "none" && len(f.Commands.Key) == 0:
		return at("$.emrtd.commands", "there is no command for the active authentication key")
	case f.Proof != nil && (f.Proof.Key != "p-256" || !slices.Contains([]int{128, 192, 256}, f.Proof.KeyBits)):
		return at("$.emrtd.chip-authentication", "chip authentication goes with a key p-256 and key-bits 128, 192 or 256")
	case (f.Proof == nil) != (f.Commands.ChipKey == ""):
		return at("$.emrtd.commands.chip-key", "chip-authentication and the command chip-key go together")
	case f.Fingers && f.Commands.Trust == "":
		return at("$.emrtd.fingers", "fingerprints without a command trust-points could be read by everybody who opens the chip")
	case f.Fingers && f.Proof == nil:
		return at("$.emrtd.fingers", "fingerprints want chip-authentication, which terminal authentication builds on")
	case f.Irises && (f.Commands.Trust == "" || f.Proof == nil):
		return at("$.emrtd.irises", "irises want what guards fingerprints: chip-authentication and a command trust-points")
	case f.Commands.Trust != "" && !f.Fingers && !f.Irises:
		return at("$.emrtd.commands.trust-points", "trust-points open fingerprints and irises, and the profile writes none")
	case (f.PACE == nil) != (f.Commands.PACE == ""):
		return at("$.emrtd.pace", "pace and the command for its secrets go together")
	}
	return nil
}

// activeKeys are the kinds of key for active authentication.
var activeKeys = []string{"none", "p-256", "p-384", "rsa-2048", "rsa-1024"}

func parseRoom(m map[string]int) (map[lds.FileID]int, error) {
	room := map[lds.FileID]int{}
	for name, size := range m {
		ids := []lds.FileID{lds.COM, lds.SOD}
		for n := 1; n <= 16; n++ {
			ids = append(ids, lds.DG(n))
		}
		i := slices.IndexFunc(ids, func(id lds.FileID) bool { return id.String() == name })
		if i < 0 {
			return nil, at("$.emrtd.room", "no file is named %q", name)
		}
		if size < 1 || size > 0x7FFF {
			return nil, at("$.emrtd.room", "room for %s must be 1 to 32767 bytes", name)
		}
		room[ids[i]] = size
	}
	return room, nil
}

func (f emrtdFile) commands() (emrtd.Commands, error) {
	var c emrtd.Commands
	for _, t := range []struct {
		key, text string
		to        *emrtd.Template
		names     []string
		optional  bool
	}{
		{"create", f.Commands.Create, &c.Create, emrtd.CreateNames, false},
		{"write", f.Commands.Write, &c.Write, emrtd.WriteNames, false},
		{"secrets", f.Commands.Secrets, &c.Secrets, emrtd.SecretsNames, true},
		{"pace-secrets", f.Commands.PACE, &c.PACE, emrtd.PACENames, true},
		{"chip-key", f.Commands.ChipKey, &c.ChipKey, emrtd.ChipKeyNames, true},
		{"trust-points", f.Commands.Trust, &c.Trust, emrtd.TrustNames, true},
		{"seal", f.Commands.Seal, &c.Seal, nil, true},
		{"activate", f.Commands.Activate, &c.Activate, nil, false},
		{"ask", f.Commands.Ask, &c.Ask, nil, true},
	} {
		if t.text == "" && t.optional {
			continue
		}
		var err error
		if *t.to, err = emrtd.ParseTemplate(t.text, t.names...); err != nil {
			return c, at("$.emrtd.commands."+t.key, "%s: %w", t.key, err)
		}
	}
	for i, text := range f.Commands.Key {
		key, err := emrtd.ParseTemplate(text, emrtd.KeyNames...)
		if err != nil {
			return c, at(fmt.Sprintf("$.emrtd.commands.key[%d]", i), "key: %w", err)
		}
		c.Key = append(c.Key, key)
	}
	return c, nil
}
