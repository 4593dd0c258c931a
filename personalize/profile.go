package personalize

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

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
	keySize           int  // bytes of each issuer key
	s16               bool // only chips of S16 are taken
	secure            bool
}

type pivProfile struct {
	dialect   string
	keep      bool // the management key stays the maker's
	extended  bool // the card may take extended length
	objects   []string
	generator uint32 // CBEFF product identifier of the fingerprint templates
	factory   piv.Secrets
	keys      []piv.Key

	attestation piv.Attestation
}

// Data objects that a profile may ask for, besides CHUID and CCC.
const (
	printedInformation = "printed-information"
	facialImage        = "facial-image"
	fingerprints       = "fingerprints"
	securityObject     = "security-object"
)

var dataObjects = []string{printedInformation, facialImage, fingerprints, securityObject}

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
// line; unknown keys are errors. The same text again is the same Profile, by ==.
func LoadProfile(nameOrPath string) (Profile, error) {
	if strings.ContainsRune(nameOrPath, os.PathSeparator) || strings.HasSuffix(nameOrPath, ".yaml") {
		b, err := os.ReadFile(nameOrPath)
		if err != nil {
			return Profile{}, fmt.Errorf("read profile: %w", err)
		}
		return readProfile(nameOrPath, b)
	}
	file := path.Join("profiles", nameOrPath+".yaml")
	b, err := embedded.ReadFile(file)
	if err != nil {
		return Profile{}, fmt.Errorf("no profile %q, there are %s", nameOrPath, strings.Join(Profiles(), ", "))
	}
	return readProfile(file, b)
}

// loaded are the profiles read already, by file and SHA-256 of their text.
var loaded sync.Map

func readProfile(file string, text []byte) (Profile, error) {
	type source struct {
		file string
		sum  [sha256.Size]byte
	}
	id := source{file, sha256.Sum256(text)}
	if p, ok := loaded.Load(id); ok {
		return p.(Profile), nil
	}
	p, err := parseProfile(file, text)
	if err != nil {
		return p, err
	}
	first, _ := loaded.LoadOrStore(id, p)
	return first.(Profile), nil
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
	KeyBits   int    `yaml:"key-bits"`
	S16       bool   `yaml:"s16"`
	Secure    bool   `yaml:"secure"`
}

type pivFile struct {
	Dialect    string   `yaml:"dialect"`
	Management string   `yaml:"management-key"`
	Extended   bool     `yaml:"extended-length"`
	Objects    []string `yaml:"objects"`
	Generator  uint32   `yaml:"template-generator"`
	Factory    struct {
		PIN           string `yaml:"pin"`
		PUK           string `yaml:"puk"`
		ManagementKey string `yaml:"management-key"`
	} `yaml:"factory"`
	Keys []struct {
		Slot      string `yaml:"slot"`
		Algorithm string `yaml:"algorithm"`
		PIN       string `yaml:"pin"`
	} `yaml:"keys"`
	Attestation string `yaml:"attestation"`
	Makers      string `yaml:"attestation-makers"`
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
	case !slices.Contains([]int{0, 128, 192, 256}, f.KeyBits):
		return nil, at("$.card-manager.key-bits", "the issuer's keys have %d bits instead of 128, 192 or 256", f.KeyBits)
	}
	return &managerProfile{aid: aid, transport: f.Transport, issuer: f.Issuer, level: f.Level,
		keySize: cmp.Or(f.KeyBits, 128) / 8, s16: f.S16, secure: f.Secure}, nil
}

func parseAID(path, s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) < 5 || len(b) > 16 {
		return nil, at(path, "application identifier %q is not 5 to 16 bytes in hex", s)
	}
	return b, nil
}

func (f pivFile) profile() (*pivProfile, error) {
	p := &pivProfile{dialect: f.Dialect, factory: piv.Secrets{PIN: f.Factory.PIN, PUK: f.Factory.PUK}}
	if !slices.Contains([]string{piv.Auto, piv.Library, piv.Own}, f.Dialect) {
		return nil, at("$.piv.dialect", "dialect %q is none of auto, piv-go, own", f.Dialect)
	}
	if !slices.Contains([]string{"", "replaced", "kept"}, f.Management) {
		return nil, at("$.piv.management-key", "management key %q is neither replaced nor kept", f.Management)
	}
	p.keep, p.extended = f.Management == "kept", f.Extended
	for i, o := range f.Objects {
		if !slices.Contains(dataObjects, o) {
			return nil, at(fmt.Sprintf("$.piv.objects[%d]", i), "object %q is none of %s", o, strings.Join(dataObjects, ", "))
		}
	}
	p.objects, p.generator = f.Objects, f.Generator
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
		pin, err := piv.ParsePolicy(k.PIN)
		if err != nil {
			return nil, at(fmt.Sprintf("$.piv.keys[%d].pin", i), "%w", err)
		}
		p.keys = append(p.keys, piv.Key{Slot: slot, Algorithm: algorithm, PIN: pin})
	}
	if p.attestation, err = f.attests(); err != nil {
		return nil, err
	}
	if len(p.keys) == 0 {
		return nil, at("$.piv.keys", "there are no keys to make")
	}
	return p, nil
}

// attests reads what is done about attestation. The makers' CAs stand in the profile
// itself, or in a PEM file of the operator's; without any they are Yubico's, as piv-go has
// them.
func (f pivFile) attests() (piv.Attestation, error) {
	a := piv.Attestation{Policy: cmp.Or(f.Attestation, piv.AttestationNone)}
	if !slices.Contains([]string{piv.AttestationNone, piv.AttestationUsed, piv.AttestationRequired}, a.Policy) {
		return a, at("$.piv.attestation", "attestation %q is none of none, used, required", f.Attestation)
	}
	if f.Makers == "" {
		return a, nil
	}
	rest := []byte(f.Makers)
	if !strings.HasPrefix(f.Makers, "-----BEGIN ") {
		var err error
		if rest, err = os.ReadFile(f.Makers); err != nil {
			return a, at("$.piv.attestation-makers", "%w", err)
		}
	}
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return a, at("$.piv.attestation-makers", "want certificates in pem, or the path of a file of them")
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return a, at("$.piv.attestation-makers", "%w", err)
		}
		a.Makers = append(a.Makers, ca)
	}
	return a, nil
}
