package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"cardstation/devices/capture"
	"cardstation/station"
)

// What requests may take of the station's memory while they are under way.
const (
	bodyRoom   = 128 << 20 // bytes of all bodies
	bodyShare  = 48 << 20  // bytes of those that one person sends
	turnsInAll = 4         // pictures that are looked at, each up to some 300 MB while it is
	turnsEach  = 2         // of those, one person's
	looksInAll = 2         // pictures that are drawn for who looks at them
	looksEach  = 1
	cardsInAll = 32 // verifications that wait for a card, each with a finger of up to 16 MB
	cardsEach  = 4
	mostValues = 10_000 // of one JSON body; an enrolment with all its captures has a tenth of it
	loginBytes = 4 << 10
)

// admit makes room for the body of a caller's request, before any of it is read; done gives
// the room back.
func (s *server) admit(op *huma.Operation, r *http.Request, login string) (done func(), refused *Problem) {
	size := r.ContentLength
	if size < 0 { // it is not said: it may be as much as is taken
		size = op.MaxBodyBytes
	}
	if size > op.MaxBodyBytes {
		return nil, newProblem(http.StatusRequestEntityTooLarge, station.Correct, fmt.Sprintf("the request has %d bytes; less than %d are taken", size, op.MaxBodyBytes),
			"send a smaller image, or one image at a time")
	}
	if ok, own := s.bodies.take(login, int(size)); !ok {
		return nil, full(own, "too much is being sent at once", "wait until what was sent is taken, or send less at a time")
	}
	return func() { s.bodies.give(login, int(size)) }, nil
}

// plainJSON is how bodies are written and read.
var plainJSON = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}

// unmarshal is how JSON bodies are read. What is made of a value takes hundreds of times
// the bytes that it is written in, so that their number is bounded before.
func unmarshal(data []byte, v any) error {
	if values(data) > mostValues {
		return fmt.Errorf("more than %d values", mostValues)
	}
	return huma.DefaultJSONFormat.Unmarshal(data, v)
}

// values is at least the number of values in a JSON text: each but the first stands behind
// a comma, a colon or a bracket.
func values(data []byte) int {
	n := 1
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case ',', ':', '[', '{':
			n++
		case '"':
			i += stringLen(data[i+1:])
		}
	}
	return n
}

// stringLen is how many bytes a string has behind its opening quotation mark, with the
// closing one.
func stringLen(data []byte) int {
	for end := 0; ; end++ {
		i := bytes.IndexByte(data[end:], '"')
		if i < 0 {
			return len(data)
		}
		end += i
		escapes := end - len(bytes.TrimRight(data[:end], `\`))
		if escapes%2 == 0 {
			return end + 1
		}
	}
}

// turns let few at once do what takes much memory, and of one person fewer still. Unlike
// shares they refuse nobody: who comes waits, and not behind all that another has sent.
type turns struct {
	mu   sync.Mutex
	each int
	all  chan struct{}
	own  map[string]chan struct{} // by login
}

func newTurns(inAll, each int) *turns {
	return &turns{each: each, all: make(chan struct{}, inAll), own: map[string]chan struct{}{}}
}

// wait returns when it is the person's turn, which lasts until done.
func (t *turns) wait(ctx context.Context, login string) (done func(), err error) {
	own := t.of(login)
	select {
	case own <- struct{}{}:
	case <-ctx.Done():
		return func() {}, ctx.Err()
	}
	select {
	case t.all <- struct{}{}:
		return func() { <-t.all; <-own }, nil
	case <-ctx.Done():
		<-own
		return func() {}, ctx.Err()
	}
}

func (t *turns) of(login string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.own[login] == nil {
		t.own[login] = make(chan struct{}, t.each)
	}
	return t.own[login]
}

// inTurn has a handler that looks at pictures wait for its caller's turn.
func inTurn[I, O any](s *server, h func(context.Context, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		done, err := s.turns.wait(ctx, who(ctx).Login)
		if err != nil {
			return nil, err
		}
		defer done()
		return h(ctx, in)
	}
}

// queued is a sensor whose frame waits for its turn to be looked at: not before it is taken,
// as that may be long.
type queued struct {
	capture.Sensor
	turns *turns
	login string
	done  func() // ends the turn; nil where there was none
}

// Capture implements capture.Sensor.
func (q *queued) Capture(ctx context.Context) (capture.Frame, error) {
	frame, err := q.Sensor.Capture(ctx)
	if err == nil {
		q.done, err = q.turns.wait(ctx, q.login)
	}
	return frame, err
}

func (q *queued) end() {
	if q.done != nil {
		q.done()
	}
}
