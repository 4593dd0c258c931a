// Package personalize writes a citizen's record onto a blank chip. A Profile
// says, as data, how a type of card wants to be written; Compile turns profile,
// record and signing authority into a Plan without touching the card; Run takes
// the plan through the chip, step by step.
//
// The chip is the truth. Before a step is done the chip is asked whether it holds
// already, so that going on after a torn card is the same Run with a freshly
// compiled Plan. Stages end in a lock (the chip refuses further writing or shows
// a mark); a stage found locked is skipped whole, and until it is locked
// everything in it can be repeated with other data.
//
// The applications written are those of ICAO Doc 9303-10 (eMRTD) and NIST SP
// 800-73-4 (PIV), under the card manager of GlobalPlatform Card Specification
// 2.3.1 with Secure Channel Protocol 03 (Amendment D).
package personalize

import (
	"fmt"
	"time"

	"cardstation/biometrics/record"
	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/access/cvc"
	"cardstation/personalize/cccd"
	"cardstation/personalize/pki"
)

// Record is what goes onto one chip.
type Record struct {
	Holder   cccd.Holder
	Issue    string // calendar date, 2006-01-02
	Expiry   string // calendar date; 2099-12-31 for no expiry
	Portrait []byte // JPEG as it goes into DG2; empty for a child of whom none is taken: the card then has no DG2
	Fingers  []Finger
	Irises   []record.Opaque // as they go into DG4, where the profile writes irises
	Chip     string          // the chip's identity, from Identify
}

// Finger is one print as it goes into DG3 and, as its minutiae, onto a PIV card, where
// the profile writes fingers.
type Finger struct {
	// Position is the code of ISO/IEC 19794-4:2005, table 5: 1 to 5 right thumb to
	// little, 6 to 10 left.
	Position int
	Rolled   bool
	Image    []byte // WSQ of one finger, which says its resolution
}

// Authority is what signs and what derives the keys of a card.
type Authority struct {
	Document pki.Identity // document signer of EF.SOD
	Citizen  pki.Identity // citizen CA, which signs the PIV certificates
	Content  pki.Identity // signs CHUID, biometrics and security object of the PIV application
	// Terminals are the certificates of the authority over terminals that a chip is to
	// start from, newest first, two at most. Without them
	// neither fingerprints nor irises are written.
	Terminals []cvc.Certificate
	Cards     CardKeys
	// Transport are the keys that the chip's maker left in the card manager. The
	// zero value means access.DefaultKeys, which only Demo allows.
	Transport Transport
	// Demo allows the published default keys. Nothing made under it is worth anything.
	Demo bool
}

// CardKeys derives the secrets of one card from the issuer's master.
type CardKeys interface {
	// SCP03 gives the issuer keys of the card manager that sent info, of size bytes each:
	// 16, 24 or 32.
	SCP03(info access.KeyInfo, size int) (access.StaticKeys, error)
	// PIN is 6 digits, PUK 8 digits.
	PIN(chip string) (string, error)
	PUK(chip string) (string, error)
	// ManagementKey is the 24-byte PIV card management key (AES-192).
	ManagementKey(chip string) ([]byte, error)
}

// Step is one change of the chip's state.
type Step interface {
	// Name is unique within a Plan and lasting: it stands in journals.
	Name() string
	// Holds asks the chip whether the step has been done with this plan's data.
	// False also means "cannot be told": Do must then be safe to repeat.
	Holds(card.Card) (bool, error)
	// Do changes the chip. Any answer but success is an error.
	Do(card.Card) error
}

// Stage is a run of steps through one channel that ends in a lock.
type Stage struct {
	Name string
	// Locked asks the chip, before any channel is opened, whether the stage is
	// finished; nil where only the open channel could tell.
	Locked func(card.Card) (bool, error)
	// Open selects the application, unless Locked has just done so, and opens the
	// channel the steps need. Where the card it returns is an io.Closer, Run closes it after the steps.
	Open  access.Access
	Steps []Step
	// Prove reads back, with no more rights than a holder of the card has, what a
	// finished stage left on the chip; nil where there is nothing to read.
	Prove func(card.Card) (Proof, error)
	// Document says that it is a stage of the travel document: see Plan.ReadBack.
	Document bool
	// Note is what the type of card cannot do and a person should know of; mostly
	// empty.
	Note string
}

// Proof is what was read back from the chip: SHA-256, lower-case hex.
type Proof struct {
	SOD          string            // of EF.SOD; empty where the card has none
	Certificates map[string]string // PIV slot ("9a") -> of the certificate
	Attestations map[string]string // PIV slot -> in words, how the token says its key was made
}

// Plan is all that Run needs for one chip. It holds secrets, and prints as its
// profile and chip only.
type Plan struct {
	Profile  string     // name of the profile
	Chip     string     // the chip it was compiled for
	Document string     // document number, 9 characters
	MRZ      access.MRZ // opens the finished card with BAC; zero where the profile writes no eMRTD
	CAN      string     // opens the finished card with PACE; empty where the profile gives it none
	SOD      string     // SHA-256 of the EF.SOD it writes, hex; empty where the profile writes no eMRTD
	// ProvesChip says that the finished card can be asked for chip authentication.
	ProvesChip bool
	// Fingers and Irises say that the finished card has a DG3 and a DG4, which terminals
	// open.
	Fingers, Irises bool
	// ReadBack says that the caller reads the finished document back by itself, and
	// holds its EF.SOD against SOD. Run then leaves out the proof of a document that it
	// has written itself, for a chip takes long to open; Receipt.SOD is then empty. One
	// that it finds finished is proved all the same.
	ReadBack bool
	Stages   []Stage
}

// String names profile and chip.
func (p Plan) String() string {
	return fmt.Sprintf("plan of profile %s for chip %s", p.Profile, p.Chip)
}

// GoString does the same for %#v.
func (p Plan) GoString() string { return p.String() }

// Steps names all steps in the order in which Run takes them.
func (p Plan) Steps() []string {
	var names []string
	for _, s := range p.Stages {
		for _, step := range s.Steps {
			names = append(names, step.Name())
		}
	}
	return names
}

// Receipt tells what Run did and found.
type Receipt struct {
	Chip     string
	Profile  string
	Document string
	Proof
	Done []string // steps done by this Run
	Held []string // steps that the chip held already
	// Commands, Sent and Received count the APDUs that went to the chip through
	// the Card that Run was given, and their bytes. What a library sent while it
	// had borrowed the reader (card.Lender) is not in them.
	Commands       int
	Sent, Received int64
	Elapsed        time.Duration
}

// StepError is a step, or the opening of a stage ("emrtd/open"), that the chip
// refused or that broke off. The chip can be run again after a reset.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return fmt.Sprintf("step %s: %v", e.Step, e.Err) }

// Unwrap gives the cause: often a *card.Error.
func (e *StepError) Unwrap() error { return e.Err }
