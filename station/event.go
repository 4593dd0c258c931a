package station

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Event tells that something is done. It is written in the same transaction as
// what it tells of, is chained to the one before by hash, and is what the feed
// sends on. Seq, Prev and Hash are given by the store.
type Event struct {
	Format  int             `json:"format"`
	Seq     uint64          `json:"seq"` // 1, 2, 3 ... without a gap
	ID      string          `json:"id"`  // unique everywhere; consumers upsert by it
	At      time.Time       `json:"at"`  // UTC
	Type    EventType       `json:"type"`
	Subject string          `json:"subject"` // ID of the enrolment, order, card, verdict or person
	Actor   string          `json:"actor"`   // login, or "station"
	Body    json.RawMessage `json:"body,omitempty"`
	Prev    string          `json:"prev"` // Hash of the event before, hex; 64 zeros for the first
	Hash    string          `json:"hash"` // Digest, hex
}

// EventType says what was done.
type EventType string

// Event types. Those that the feed sends on are told by Fed.
const (
	EnrolmentOpened    EventType = "enrolment.opened"
	EnrolmentAmended   EventType = "enrolment.amended"
	EnrolmentCaptured  EventType = "enrolment.captured"
	EnrolmentRefused   EventType = "enrolment.capture-refused"
	EnrolmentOverride  EventType = "enrolment.capture-overridden"
	EnrolmentFinalized EventType = "enrolment.finalized"
	EnrolmentApproval  EventType = "enrolment.approved" // Body: the Order it asks for
	EnrolmentRejection EventType = "enrolment.rejected"
	EnrolmentDeleted   EventType = "enrolment.deleted"
	OrderReceived      EventType = "order.received"
	OrderWasClaimed    EventType = "order.claimed"
	OrderStep          EventType = "order.step"
	OrderWasIssued     EventType = "order.issued" // Body: the Receipt
	OrderWasCancelled  EventType = "order.cancelled"
	OrderHasFailed     EventType = "order.failed"
	OrderReturned      EventType = "order.returned" // back to pending after a scrapped chip
	CardWasScrapped    EventType = "card.scrapped"
	CardChanged        EventType = "card.status"
	VerificationDone   EventType = "verification.done" // Body: checks and outcome, no citizen data
	PersonChanged      EventType = "person.changed"
	PersonLogin        EventType = "person.login"
	PersonRefused      EventType = "person.refused"
	StationStarted     EventType = "station.started"
)

// fed is the table of what leaves the station: what a citizen or a centre waits
// for. Progress on the way there stays in the station's own log.
var fed = map[EventType]bool{
	EnrolmentApproval:  true,
	EnrolmentRejection: true,
	OrderWasIssued:     true,
	OrderWasCancelled:  true,
	OrderHasFailed:     true,
	OrderReturned:      true,
	CardWasScrapped:    true,
	CardChanged:        true,
	VerificationDone:   true,
}

// Fed tells whether the feed sends events of this type on to the centre.
func (t EventType) Fed() bool { return fed[t] }

// Digest is SHA-256 over the length-prefixed fields, in the order of the struct,
// with Prev and without Hash. It is what Hash must be.
func (e Event) Digest() string {
	h := sha256.New()
	put := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	var n [16]byte
	binary.BigEndian.PutUint64(n[:8], uint64(e.Format))
	binary.BigEndian.PutUint64(n[8:], e.Seq)
	put(n[:])
	for _, s := range []string{e.ID, e.At.UTC().Format(time.RFC3339Nano), string(e.Type), e.Subject, e.Actor, string(e.Body), e.Prev} {
		put([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil))
}
