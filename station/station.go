// Package station holds the nouns of the station: citizen, enrolment, order,
// card, event, verdict, person; and the kinds of error, named by what the person
// at the machine must now do. Plain values, standard library only: what is
// persisted is these fields and nothing of any library's.
package station

import "time"

// Format is the version of the persisted form of every noun here. A store that
// finds a higher one refuses to open.
const Format = 1

// Citizen is what the desk writes down about a person. Dates are ISO 8601
// calendar dates (2006-01-02); text is UTF-8 in NFC with diacritics.
//
// The fields stand in the same order and types as personalize/cccd.Holder, so
// that one converts to the other; the compiler watches over it.
type Citizen struct {
	Number      string `json:"personalNumber"`         // 12 digits, Circular 59/2021 article 4
	Name        string `json:"name"`                   // whole name, family name first
	BirthDate   string `json:"dateOfBirth"`            // calendar date
	Sex         string `json:"sex"`                    // M or F
	Nationality string `json:"nationality"`            // ISO 3166-1 alpha-3
	Ethnicity   string `json:"ethnicity"`              // as in the register: Kinh, Tày, ...
	Religion    string `json:"religion"`               // may be "Không"
	Origin      string `json:"placeOfOrigin"`          // one line
	Residence   string `json:"placeOfResidence"`       // one line
	Marks       string `json:"identifyingMarks"`       // may be empty
	Father      string `json:"father,omitempty"`       // whole name, may be empty
	Mother      string `json:"mother,omitempty"`       // whole name, may be empty
	Spouse      string `json:"spouse,omitempty"`       // whole name, empty if single
	OldNumber   string `json:"formerNumber,omitempty"` // 9 digits, empty if none
}

// Slot names one capture of an enrolment: "portrait" or a finger position of
// Slots.
type Slot string

// Portrait is the one slot that is not a finger.
const Portrait Slot = "portrait"

// FingerSlot is one fingerprint capture of the circular.
type FingerSlot struct {
	Slot Slot
	// Position is the finger position code of ISO/IEC 19794-4:2005, table 5:
	// 1..5 right thumb to little, 6..10 left thumb to little, 13 right four,
	// 14 left four, 15 both thumbs.
	Position int
	Rolled   bool
}

// FingerSlots are the thirteen captures in the order of Circular 60/2021: right
// four, left four, two thumbs, then rolled right thumb to left little.
var FingerSlots = [13]FingerSlot{
	{"plain-right-four", 13, false}, {"plain-left-four", 14, false}, {"plain-thumbs", 15, false},
	{"rolled-right-thumb", 1, true}, {"rolled-right-index", 2, true}, {"rolled-right-middle", 3, true},
	{"rolled-right-ring", 4, true}, {"rolled-right-little", 5, true},
	{"rolled-left-thumb", 6, true}, {"rolled-left-index", 7, true}, {"rolled-left-middle", 8, true},
	{"rolled-left-ring", 9, true}, {"rolled-left-little", 10, true},
}

// Capture is what an enrolment holds for one slot.
type Capture struct {
	Slot      Slot      `json:"slot"`
	State     string    `json:"state"` // accepted, refused, overridden, missing
	Attempts  int       `json:"attempts"`
	Reasons   []string  `json:"reasons,omitempty"` // why it was refused, or why a supervisor's word is needed; one sentence each
	Codes     []string  `json:"codes,omitempty"`   // of the reasons that its comparison with other captures and persons gave; a supervisor's word settles these
	Advice    []string  `json:"advice,omitempty"`  // of the gate: what would make another try better, the most urgent first; it refuses nothing; one sentence each
	Notes     []string  `json:"notes,omitempty"`   // what the comparisons could not tell, and what they say of other captures; one sentence each
	Quality   int       `json:"quality"`           // 0..100 of the station's own gate
	Media     string    `json:"media,omitempty"`   // image/png, image/jpeg, image/jp2 or image/wsq
	Digest    string    `json:"digest,omitempty"`  // SHA-256 of the image, hex; names it in the store
	Width     int       `json:"width,omitempty"`   // pixels
	Height    int       `json:"height,omitempty"`  // pixels
	PPI       int       `json:"ppi,omitempty"`     // pixels per inch
	Device    string    `json:"device,omitempty"`
	Simulated bool      `json:"simulated,omitempty"`
	At        time.Time `json:"at"`
	By        string    `json:"by"`                // login of the operator
	Missing   []Missing `json:"missing,omitempty"` // fingers of this slot that are not there
	Word      *Word     `json:"word,omitempty"`    // the supervisor's, when overridden
}

// States of a Capture.
const (
	CaptureAccepted   = "accepted"
	CaptureRefused    = "refused"
	CaptureOverridden = "overridden"
	CaptureMissing    = "missing" // every finger of the slot is missing and described
)

// MaxAttempts is how often a capture may fail before a supervisor must decide.
const MaxAttempts = 3

// Presences are what Missing.Presence may say, as OSIA has them.
var Presences = []string{"AMPUTATED", "BANDAGED", "DAMAGED"}

// Missing describes one finger that cannot be captured.
type Missing struct {
	Position int    `json:"position"` // 1..10
	Presence string `json:"presence"` // one of Presences
	Note     string `json:"note,omitempty"`
}

// Print is what is kept of one rolled finger of a final enrolment, so that a person
// or a finger is noticed when it comes again.
type Print struct {
	Position int    // 1..10
	Template []byte // compact form of biometrics/finger, with its version
	Keys     []byte // what it is found by, made of the template; with a version too
}

// Sample is one opaque sample of an enrolment, of a modality that nothing here looks
// into: an iris, a voice, a DNA profile. Its data is kept as images are.
type Sample struct {
	Kind      string    `json:"kind"`              // a row of biometrics/record.Kinds
	Subtype   int       `json:"subtype,omitempty"` // ISO/IEC 7816-11: 1 right, 2 left, 0 not said
	Owner     int       `json:"owner,omitempty"`   // of the data's format, as registered with IBIA; 0 is the kind's own
	Format    int       `json:"format,omitempty"`  // its number
	Digest    string    `json:"digest"`            // SHA-256 of the data, hex; names it in the store
	Bytes     int       `json:"bytes"`
	Device    string    `json:"device,omitempty"`
	Simulated bool      `json:"simulated,omitempty"`
	At        time.Time `json:"at"`
	By        string    `json:"by"` // login of the operator
}

// Word is a decision of a person with the right to take it.
type Word struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Enrolment is a citizen's dossier at one desk.
type Enrolment struct {
	Format   int       `json:"format"`
	ID       string    `json:"id"`
	State    string    `json:"state"`
	Type     string    `json:"type"` // FIRST_ISSUANCE, RENEWAL or REPLACEMENT
	Citizen  Citizen   `json:"citizen"`
	Captures []Capture `json:"captures"`
	Samples  []Sample  `json:"samples,omitempty"`
	Opened   Word      `json:"opened"`
	Hands    []string  `json:"hands"` // logins of all who wrote in it: none of them may approve it
	Changed  time.Time `json:"changed"`
	Final    *Word     `json:"final,omitempty"`
	Decision *Word     `json:"decision,omitempty"` // approval or rejection
	OrderID  string    `json:"orderId,omitempty"`
}

// States of an Enrolment. OSIA knows the first as IN_PROGRESS and the others as
// FINALIZED.
const (
	EnrolmentOpen     = "open"
	EnrolmentFinal    = "final"
	EnrolmentApproved = "approved"
	EnrolmentRejected = "rejected"
)

// Capture gives what the enrolment holds for a slot.
func (e Enrolment) Capture(s Slot) (Capture, bool) {
	for _, c := range e.Captures {
		if c.Slot == s {
			return c, true
		}
	}
	return Capture{}, false
}

// CardID names one chip: "cplc:" and the hex of its card production life cycle
// serial data, or "serial:" and a token's own number.
type CardID string

// Order is one card to make (OSIA: credentialRequest). It carries all that a
// line needs, so that a station which never saw the citizen can make the card.
type Order struct {
	Format      int       `json:"format"`
	ID          string    `json:"id"`
	EnrolmentID string    `json:"enrolmentId,omitempty"`
	State       string    `json:"state"`
	Type        string    `json:"type"`
	Priority    int       `json:"priority"` // 0 lowest .. 9 highest
	Profile     string    `json:"profile"`  // name of a card profile
	Citizen     Citizen   `json:"citizen"`
	Portrait    []byte    `json:"portrait"` // JPEG as it goes into DG2
	Fingers     []Finger  `json:"fingers,omitempty"`
	Irises      []Iris    `json:"irises,omitempty"`
	Issue       string    `json:"issue"`  // calendar date on the card
	Expiry      string    `json:"expiry"` // calendar date; 2099-12-31 for no expiry
	Created     time.Time `json:"created"`
	Changed     time.Time `json:"changed"`
	Card        CardID    `json:"card,omitempty"`   // the chip it is bound to
	Attempts    int       `json:"attempts"`         // chips it has been bound to
	Steps       []string  `json:"steps,omitempty"`  // finished on this chip, in order: evidence, not truth
	Reason      string    `json:"reason,omitempty"` // why it is cancelled or has failed
	Receipt     *Receipt  `json:"receipt,omitempty"`
}

// Finger is one print of an order, as it goes into DG3.
type Finger struct {
	Position int    `json:"position"` // 1..10, as FingerSlot has them
	Rolled   bool   `json:"rolled,omitempty"`
	Image    []byte `json:"image"` // WSQ
}

// Iris is one iris of an order, as it goes into DG4: a Sample with its data.
type Iris struct {
	Kind    string `json:"kind"`
	Subtype int    `json:"subtype,omitempty"`
	Owner   int    `json:"owner,omitempty"`
	Format  int    `json:"format,omitempty"`
	Data    []byte `json:"data"`
}

// States of an Order; OSIA knows pending and claimed as PENDING.
const (
	OrderPending   = "pending"
	OrderClaimed   = "claimed"
	OrderIssued    = "issued"
	OrderCancelled = "cancelled"
	OrderFailed    = "failed" // needs a person; may be put back to pending
)

// Receipt is the proof that a chip was written, read back and locked.
type Receipt struct {
	Card           CardID            `json:"card"`
	Profile        string            `json:"profile"`
	Document       string            `json:"document"`               // document number, 9 characters
	SOD            string            `json:"sod"`                    // SHA-256 of EF.SOD, hex
	Certificates   map[string]string `json:"certificates,omitempty"` // PIV slot -> SHA-256 of the certificate, hex
	Attestations   map[string]string `json:"attestations,omitempty"` // PIV slot -> in words, how the token says its key was made
	Commands       int               `json:"commands"`
	Sent, Received int64
	Elapsed        time.Duration `json:"elapsed"`
	At             time.Time     `json:"at"`
	Reader         string        `json:"reader"`
	Checks         []Check       `json:"checks"` // the read-back's
}

// Card is one chip that the station has had in hand (OSIA: credential, once
// issued).
type Card struct {
	Format   int       `json:"format"`
	ID       CardID    `json:"id"`
	State    string    `json:"state"`
	OrderID  string    `json:"orderId,omitempty"`
	Number   string    `json:"personalNumber,omitempty"`
	Document string    `json:"document,omitempty"`
	Profile  string    `json:"profile,omitempty"`
	Issued   time.Time `json:"issued,omitzero"`
	Expiry   string    `json:"expiry,omitempty"`
	SOD      string    `json:"sod,omitempty"`
	Reason   string    `json:"reason,omitempty"` // why scrapped, suspended or revoked
	Changed  time.Time `json:"changed"`
}

// States of a Card; OSIA: NEW, ACTIVE, SUSPENDED, REVOKED, and OTHER for the rest.
const (
	CardClaimed   = "claimed" // bound to an order, being written
	CardIssued    = "issued"  // OSIA NEW: made, not handed over
	CardActive    = "active"  // handed over
	CardSuspended = "suspended"
	CardRevoked   = "revoked"
	CardScrapped  = "scrapped" // spoilt at the line; never leaves it
)

// Result of one check of a verdict.
type Result string

// Results.
const (
	Passed  Result = "passed"
	Failed  Result = "failed"
	NotDone Result = "not done"
)

// Check is one row of a verdict. It has the fields of personalize/lds.Check, which
// the rooms that read cards copy over one by one: Result is a type of each.
type Check struct {
	Name     string `json:"name"`
	Result   Result `json:"result"`
	Why      string `json:"why,omitempty"`      // always said when not passed
	Evidence string `json:"evidence,omitempty"` // what was looked at: certificates, algorithms, dates
}

// Verdict is the answer to a tapped card. It holds what the officer may see, no
// biometric data but the portrait of DG2 while it is on the screen.
type Verdict struct {
	Format   int           `json:"format"`
	ID       string        `json:"id"`
	At       time.Time     `json:"at"`
	By       string        `json:"by"`
	Reader   string        `json:"reader"`
	Outcome  Outcome       `json:"outcome"`
	Checks   []Check       `json:"checks"`
	Document string        `json:"document,omitempty"`
	Holder   Citizen       `json:"holder"`
	Expiry   string        `json:"expiry,omitempty"`
	Portrait []byte        `json:"-"`                 // JPEG; shown, never stored
	Fingers  []int         `json:"fingers,omitempty"` // positions of DG3, 1..10, where it was opened
	Elapsed  time.Duration `json:"elapsed"`
}

// Outcome of a verdict.
type Outcome string

// Outcomes.
const (
	Valid      Outcome = "valid"
	NotValid   Outcome = "not valid"            // a check failed
	NotChecked Outcome = "could not be checked" // none failed, but a mandatory one was not done
)

// Person is somebody who may log in.
type Person struct {
	Format   int       `json:"format"`
	Login    string    `json:"login"`
	Name     string    `json:"name"`
	Roles    []Role    `json:"roles"`
	Password string    `json:"password"` // argon2id, PHC string
	Disabled bool      `json:"disabled,omitempty"`
	Changed  time.Time `json:"changed"`
}

// Role is what a person may do.
type Role string

// Roles.
const (
	RoleDesk       Role = "desk"
	RoleSupervisor Role = "supervisor"
	RoleLine       Role = "line"
	RoleOffice     Role = "office"
	RoleAdmin      Role = "admin"
)

// Has tells whether the person has one of the roles.
func (p Person) Has(any ...Role) bool {
	for _, r := range p.Roles {
		for _, a := range any {
			if r == a {
				return true
			}
		}
	}
	return false
}
