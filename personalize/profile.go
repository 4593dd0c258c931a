package personalize

import (
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/personalize/piv"
)

//go:embed profiles/*.yaml
var embedded embed.FS

// profileFormat is the version of the profile files that this program reads.
const profileFormat = 1

// Profile says, as data, how one type of card is written. It comes from
// LoadProfile; the zero value writes nothing.
type Profile struct {
	Name  string
	Title string // one line for a person

	manager *managerProfile
	emrtd   *emrtdProfile
	piv     *pivProfile
}

type managerProfile struct {
	aid               []byte
	transport, issuer byte // key versions
	level             byte
	secure            bool
}

type emrtdProfile struct {
	chip     emrtd.Chip
	channel  bool   // written through a secure channel under the card manager's keys
	active   string // active authentication: "p-256", "p-384", "rsa-2048" or "none"
	national cccd.Form
}

type pivProfile struct {
	dialect string
	factory piv.Secrets
	keys    []piv.Key
}

// Profiles names the profiles that come with the program, in order.
func Profiles() []string {
	entries, err := embedded.ReadDir("profiles")
	if err != nil {
		panic(err) // the directory is part of the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// LoadProfile reads a profile that comes with the program by its name, or a YAML
// file by its path (whatever has a slash or ends in .yaml). An error names file and
// line; unknown keys are errors.
func LoadProfile(nameOrPath string) (Profile, error) {
	if strings.ContainsRune(nameOrPath, os.PathSeparator) || strings.HasSuffix(nameOrPath, ".yaml") {
		b, err := os.ReadFile(nameOrPath)
		if err != nil {
			return Profile{}, fmt.Errorf("read profile: %w", err)
		}
		return parseProfile(nameOrPath, b)
	}
	file := path.Join("profiles", nameOrPath+".yaml")
	b, err := embedded.ReadFile(file)
	if err != nil {
		return Profile{}, fmt.Errorf("no profile %q, there are %s", nameOrPath, strings.Join(Profiles(), ", "))
	}
	return parseProfile(file, b)
}

// profileFile is the YAML form.
type profileFile struct {
	Format  int          `yaml:"format"`
	Name    string       `yaml:"name"`
	Title   string       `yaml:"title"`
	Manager *managerFile `yaml:"card-manager"`
	EMRTD   *emrtdFile   `yaml:"emrtd"`
	PIV     *pivFile     `yaml:"piv"`
}

type managerFile struct {
	AID       string `yaml:"aid"`
	Transport byte   `yaml:"transport-version"`
	Issuer    byte   `yaml:"issuer-version"`
	Level     byte   `yaml:"level"`
	Secure    bool   `yaml:"secure"`
}

type emrtdFile struct {
	AID       string         `yaml:"aid"`
	Channel   string         `yaml:"channel"`
	Activated byte           `yaml:"activated"`
	Longest   int            `yaml:"longest"`
	Active    string         `yaml:"active-authentication"`
	National  string         `yaml:"national-data"`
	Room      map[string]int `yaml:"room"`
	Commands  struct {
		Create   string `yaml:"create"`
		Write    string `yaml:"write"`
		Secrets  string `yaml:"secrets"`
		Key      string `yaml:"key"`
		Activate string `yaml:"activate"`
	} `yaml:"commands"`
}

type pivFile struct {
	Dialect string `yaml:"dialect"`
	Factory struct {
		PIN           string `yaml:"pin"`
		PUK           string `yaml:"puk"`
		ManagementKey string `yaml:"management-key"`
	} `yaml:"factory"`
	Keys []struct {
		Slot      string `yaml:"slot"`
		Algorithm string `yaml:"algorithm"`
	} `yaml:"keys"`
}

// faultAt is what is wrong at a path of the file.
type faultAt struct {
	path string
	err  error
}

func (f *faultAt) Error() string { return f.err.Error() }

func at(path, format string, args ...any) error { return &faultAt{path, fmt.Errorf(format, args...)} }

func parseProfile(name string, b []byte) (Profile, error) {
	var f profileFile
	if err := yaml.UnmarshalWithOptions(b, &f, yaml.Strict()); err != nil {
		var located yaml.Error
		if errors.As(err, &located) && located.GetToken() != nil {
			return Profile{}, fmt.Errorf("profile %s:%d: %s", name, located.GetToken().Position.Line, located.GetMessage())
		}
		return Profile{}, fmt.Errorf("profile %s: %w", name, err)
	}
	p, err := f.profile()
	var fault *faultAt
	if errors.As(err, &fault) {
		return Profile{}, fmt.Errorf("profile %s:%d: %s", name, lineOf(b, fault.path), fault.err)
	}
	return p, err
}

// lineOf finds the line of a path, or of the nearest thing around it that the file
// has; 1 where there is nothing.
func lineOf(b []byte, where string) int {
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return 1
	}
	for ; where != "$" && where != ""; where = where[:max(strings.LastIndexAny(where, ".["), 0)] {
		p, err := yaml.PathString(where)
		if err != nil {
			continue
		}
		if node, err := p.FilterFile(file); err == nil && node != nil {
			return node.GetToken().Position.Line
		}
	}
	return 1
}

func (f profileFile) profile() (Profile, error) {
	p := Profile{Name: f.Name, Title: f.Title}
	if f.Format != profileFormat {
		return p, at("$.format", "format %d, this program reads %d", f.Format, profileFormat)
	}
	if f.Name == "" {
		return p, at("$.name", "the profile has no name")
	}
	if f.EMRTD == nil && f.PIV == nil {
		return p, at("$.name", "the profile writes neither an emrtd nor a piv application")
	}
	var err error
	if f.Manager != nil {
		if p.manager, err = f.Manager.profile(); err != nil {
			return p, err
		}
	}
	if f.EMRTD != nil {
		if p.emrtd, err = f.EMRTD.profile(); err != nil {
			return p, err
		}
		if p.emrtd.channel && p.manager == nil {
			return p, at("$.emrtd.channel", "there is no card-manager whose keys could open the channel")
		}
	}
	if f.PIV != nil {
		if p.piv, err = f.PIV.profile(); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (f managerFile) profile() (*managerProfile, error) {
	aid, err := parseAID("$.card-manager.aid", f.AID)
	if err != nil {
		return nil, err
	}
	switch {
	case f.Transport == 0:
		return nil, at("$.card-manager.transport-version", "the maker's key version is missing or 0")
	case f.Issuer == 0 || f.Issuer > 0x7F:
		return nil, at("$.card-manager.issuer-version", "the issuer's key version must be 0x01 to 0x7F")
	case f.Issuer == f.Transport:
		return nil, at("$.card-manager.issuer-version", "the issuer's key version is also the maker's")
	case !slices.Contains([]byte{0x03, 0x13, 0x33}, f.Level):
		return nil, at("$.card-manager.level", "security level must be 0x03, 0x13 or 0x33: commands signed and encrypted")
	}
	return &managerProfile{aid: aid, transport: f.Transport, issuer: f.Issuer, level: f.Level, secure: f.Secure}, nil
}

func parseAID(path, s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) < 5 || len(b) > 16 {
		return nil, at(path, "application identifier %q is not 5 to 16 bytes in hex", s)
	}
	return b, nil
}

func (f emrtdFile) profile() (*emrtdProfile, error) {
	p := &emrtdProfile{channel: f.Channel == "card-manager", active: f.Active}
	var err error
	if p.chip.AID, err = parseAID("$.emrtd.aid", f.AID); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains([]string{"card-manager", "none"}, f.Channel):
		return nil, at("$.emrtd.channel", "channel %q is neither card-manager nor none", f.Channel)
	case f.Activated == 0:
		return nil, at("$.emrtd.activated", "the life cycle status of the finished application is missing")
	case f.Longest < 16 || f.Longest > 60000:
		return nil, at("$.emrtd.longest", "longest must be 16 to 60000 bytes")
	case !slices.Contains([]string{"none", "p-256", "p-384", "rsa-2048"}, f.Active):
		return nil, at("$.emrtd.active-authentication", "key %q is none of none, p-256, p-384, rsa-2048", f.Active)
	case !slices.Contains([]string{"siblings", "nested"}, f.National):
		return nil, at("$.emrtd.national-data", "form %q is neither siblings nor nested", f.National)
	case f.Active != "none" && f.Commands.Key == "":
		return nil, at("$.emrtd.commands", "there is no command for the active authentication key")
	}
	p.chip.Activated, p.chip.Longest = f.Activated, f.Longest
	if f.National == "nested" {
		p.national = cccd.Nested
	}
	if p.chip.Room, err = parseRoom(f.Room); err != nil {
		return nil, err
	}
	p.chip.Commands, err = f.commands()
	return p, err
}

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
		{"key", f.Commands.Key, &c.Key, emrtd.KeyNames, true},
		{"activate", f.Commands.Activate, &c.Activate, nil, false},
	} {
		if t.text == "" && t.optional {
			continue
		}
		var err error
		if *t.to, err = emrtd.ParseTemplate(t.text, t.names...); err != nil {
			return c, at("$.emrtd.commands."+t.key, "%s: %w", t.key, err)
		}
	}
	return c, nil
}

func (f pivFile) profile() (*pivProfile, error) {
	p := &pivProfile{dialect: f.Dialect, factory: piv.Secrets{PIN: f.Factory.PIN, PUK: f.Factory.PUK}}
	if !slices.Contains([]string{piv.Auto, piv.Library, piv.Own}, f.Dialect) {
		return nil, at("$.piv.dialect", "dialect %q is none of auto, piv-go, own", f.Dialect)
	}
	if n := len(f.Factory.PIN); n < 6 || n > 8 {
		return nil, at("$.piv.factory.pin", "the maker's pin must have 6 to 8 digits")
	}
	if len(f.Factory.PUK) != 8 {
		return nil, at("$.piv.factory.puk", "the maker's puk must have 8 digits")
	}
	key, err := hex.DecodeString(f.Factory.ManagementKey)
	if err != nil || len(key) != 24 {
		return nil, at("$.piv.factory.management-key", "the maker's management key must be 24 bytes in hex")
	}
	p.factory.ManagementKey = key
	for i, k := range f.Keys {
		slot, err := piv.ParseSlot(k.Slot)
		if err != nil {
			return nil, at(fmt.Sprintf("$.piv.keys[%d].slot", i), "%w", err)
		}
		algorithm, err := piv.ParseAlgorithm(k.Algorithm)
		if err != nil {
			return nil, at(fmt.Sprintf("$.piv.keys[%d].algorithm", i), "%w", err)
		}
		p.keys = append(p.keys, piv.Key{Slot: slot, Algorithm: algorithm})
	}
	if len(p.keys) == 0 {
		return nil, at("$.piv.keys", "there are no keys to make")
	}
	return p, nil
}
