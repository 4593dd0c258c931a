package station

import (
	"errors"
	"fmt"
)

// Kind of an error, named by what must be done now.
type Kind int

// Kinds.
const (
	// Internal: nobody at the machine can mend it; the log has more.
	Internal Kind = iota
	// Correct the input and send it again.
	Correct
	// Retry the same once more: the finger, the card, the call.
	Retry
	// ReplaceCard: this chip is spoilt or foreign; take another blank.
	ReplaceCard
	// CallSupervisor: somebody with the right to decide has to.
	CallSupervisor
	// StopLine: going on would spoil more cards.
	StopLine
	// Unknown: there is no such thing.
	Unknown
	// Conflict: it is not in the state for that.
	Conflict
	// LogIn first.
	LogIn
	// Forbidden: this person may not.
	Forbidden
)

var kindNames = [...]string{"internal", "correct", "retry", "replace-card", "call-supervisor", "stop-line", "unknown", "conflict", "log-in", "forbidden"}

// String is the kind's name in lower case with hyphens, as problem details have it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "internal"
}

// Error says what failed on what, and what to do.
type Error struct {
	Kind   Kind
	What   string            // lower case, no full stop: "approve enrolment 17"; may be empty where Err says it
	Err    error             // the cause, may be nil where What says it
	Hint   string            // what the person at the machine should do, may be empty
	Fields map[string]string // field -> what is wrong with it, for Correct
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.What
	case e.What == "":
		return e.Err.Error()
	}
	return e.What + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind without a hint; %w works.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...)}
}

// KindOf finds the kind of err; Internal where it has none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// HintOf finds what to do about err; empty where nobody said.
func HintOf(err error) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Hint != "" {
			return e.Hint
		}
		if e.Err == nil {
			return ""
		}
		err = e.Err
	}
	return ""
}
