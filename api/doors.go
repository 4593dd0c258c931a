package api

import (
	"context"

	"cardstation/devices/capture"
	"cardstation/station"
	"cardstation/station/issue"
	"cardstation/station/verify"
)

// Dossiers reads enrolments.
type Dossiers interface {
	// Get gives one enrolment; station.Unknown where there is none.
	Get(ctx context.Context, id string) (station.Enrolment, error)
	// List gives one page and where the next begins; next is empty at the end.
	List(context.Context, station.Query) (page []station.Enrolment, next string, err error)
	// Image gives a captured image by its SHA-256 (hex).
	Image(ctx context.Context, digest string) (data []byte, media string, err error)
}

// Clerk opens and changes enrolments.
type Clerk interface {
	// Open makes an enrolment. The same content again gives the same answer,
	// other content under a known id is station.Conflict.
	Open(ctx context.Context, by station.Person, id, typ string, c station.Citizen) (station.Enrolment, error)
	Amend(ctx context.Context, by station.Person, id string, c station.Citizen) (station.Enrolment, error)
	Delete(ctx context.Context, by station.Person, id string) error
}

// Capturer takes portraits and fingerprints.
type Capturer interface {
	// Capture takes and judges one image. A refused one is not an error.
	Capture(ctx context.Context, by station.Person, id string, slot station.Slot, sensor capture.Sensor, missing []station.Missing) (station.Capture, error)
	Missing(ctx context.Context, by station.Person, id string, slot station.Slot, missing []station.Missing) (station.Capture, error)
	Override(ctx context.Context, supervisor station.Person, id string, slot station.Slot, reason string) (station.Capture, error)
}

// Recaller is an extra ability of a Desk: to read what was captured in an enrolment before
// its next capture comes. It returns at once.
type Recaller interface {
	Recall(station.Enrolment)
}

// Sampler keeps what is not looked into.
type Sampler interface {
	// Sample puts an opaque sample into an enrolment, in the place of the one of its kind
	// and subtype.
	Sample(ctx context.Context, by station.Person, id string, s station.Sample, data []byte) (station.Sample, error)
}

// Decider ends the desk's way.
type Decider interface {
	Finalize(ctx context.Context, by station.Person, id string) (station.Enrolment, error)
	Approve(ctx context.Context, by station.Person, id, reason string) (station.Enrolment, error)
	Reject(ctx context.Context, by station.Person, id, reason string) (station.Enrolment, error)
}

// Desk is all of the desk's way; enrol.Desk is one.
type Desk interface {
	Dossiers
	Clerk
	Capturer
	Sampler
	Decider
}

// OrderBook reads and makes orders.
type OrderBook interface {
	// Create puts an order into the queue. The same content again gives the same
	// answer, other content under a known id is station.Conflict.
	Create(ctx context.Context, by station.Person, o station.Order) (station.Order, error)
	Get(ctx context.Context, id string) (station.Order, error)
	List(context.Context, station.Query) (page []station.Order, next string, err error)
}

// OrderChanger takes orders out of the queue or puts them back.
type OrderChanger interface {
	Cancel(ctx context.Context, by station.Person, id, reason string) (station.Order, error)
	// Return puts a claimed or failed order back to pending; the chip it was
	// bound to is scrapped.
	Return(ctx context.Context, by station.Person, id, reason string) (station.Order, error)
}

// Queue is the line's queue; issue.Queue is one.
type Queue interface {
	OrderBook
	OrderChanger
}

// OrderUpdater is an extra ability of a Queue: to change an order that no chip
// is bound to yet. One that came from an enrolment stays as it was approved:
// station.Conflict.
type OrderUpdater interface {
	Update(ctx context.Context, by station.Person, o station.Order) (station.Order, error)
}

// CardIndex reads cards.
type CardIndex interface {
	Get(ctx context.Context, id string) (station.Card, error)
	List(context.Context, station.Query) (page []station.Card, next string, err error)
}

// CardChanger changes the state of an issued card.
type CardChanger interface {
	Suspend(ctx context.Context, by station.Person, id, reason string) (station.Card, error)
	Unsuspend(ctx context.Context, by station.Person, id, reason string) (station.Card, error)
	Revoke(ctx context.Context, by station.Person, id, reason string) (station.Card, error)
}

// CardActivator hands a card over to its holder.
type CardActivator interface {
	Activate(ctx context.Context, by station.Person, id, reason string) (station.Card, error)
}

// Cards is what the station knows of finished cards; issue.Cards is one.
type Cards interface {
	CardIndex
	CardChanger
	CardActivator
}

// Readers tells how the readers stand; issue.Line is one.
type Readers interface {
	Status() []issue.ReaderStatus
}

// ReadersProblem is an extra ability of Readers: to say why no reader can be
// seen, empty where they can.
type ReadersProblem interface {
	Problem() string
}

// Office verifies; verify.Office is one.
type Office interface {
	Verify(ctx context.Context, by station.Person, reader string, key verify.Key, probe *verify.Probe) (station.Verdict, error)
}

// People keeps who may log in.
type People interface {
	// Person gives one person; station.Unknown where there is none.
	Person(ctx context.Context, login string) (station.Person, error)
	People(ctx context.Context) ([]station.Person, error)
	// PutPerson writes a person and the event that tells of it in one transaction.
	PutPerson(ctx context.Context, p station.Person, e station.Event) error
}

// Log reads the chained record of what was done.
type Log interface {
	// Events gives up to limit events from after+1 on, oldest first.
	Events(ctx context.Context, after uint64, limit int) ([]station.Event, error)
	// Head is the number of the last event, 0 where there is none.
	Head(ctx context.Context) (uint64, error)
	// Audit walks the whole chain and names its first break.
	Audit(ctx context.Context) (n uint64, err error)
}

// Events is the record of what was done; store.Store is one.
type Events interface {
	Log
	// Watch gives every committed event from after+1 on, in order, until ctx is
	// done; then it closes the channel.
	Watch(ctx context.Context, after uint64) <-chan station.Event
	// Record writes an event.
	Record(ctx context.Context, e station.Event) error
}

// Profile is a card profile as the API tells of it.
type Profile struct {
	ID, Name, Description string
}
