package sbi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"unicode"
)

// What can be wrong with a device; each error of a Device is one of these, or the
// end of the caller's context.
var (
	ErrBusy          = errors.New("device is busy")                               // code 111
	ErrNotReady      = errors.New("device is not ready")                          // 104, 110
	ErrNotRegistered = errors.New("device is not registered")                     // 100
	ErrGone          = errors.New("device is gone")                               // 106, 202, nobody listens, broken off
	ErrNoObject      = errors.New("device sees nothing to capture")               // 101
	ErrPlacement     = errors.New("what was to be captured lies wrong")           // 105
	ErrFailed        = errors.New("device could not make an image")               // 102
	ErrTampered      = errors.New("device was tampered with")                     // 103
	ErrExpired       = errors.New("device key has expired")                       // 107
	ErrUnsupported   = errors.New("device cannot capture this")                   // 108, 109, no echo of the extension
	ErrRefused       = errors.New("device refused the request")                   // 112, 5xx and all others
	ErrTimeout       = errors.New("device did not answer in time")                // stalled
	ErrUntrusted     = errors.New("answer is not signed by a trusted device")     // signature, chain, another device
	ErrMalformed     = errors.New("answer is not what the interface allows")      // JSON, lengths, kinds
	ErrMismatch      = errors.New("answer does not belong to what was asked for") // transaction, fingers, hash chain
)

// codes are the specification's error codes (MDS 0.9.5, error codes).
var codes = map[string]error{
	"100": ErrNotRegistered, "101": ErrNoObject, "102": ErrFailed, "103": ErrTampered, "104": ErrNotReady, "105": ErrPlacement,
	"106": ErrGone, "107": ErrExpired, "108": ErrUnsupported, "109": ErrUnsupported, "110": ErrNotReady, "111": ErrBusy, "202": ErrGone,
}

// hints say what the person at the device can do.
var hints = map[error]string{
	ErrBusy:          "wait until the other capture is done, or close the program that uses the scanner, and try again",
	ErrNotReady:      "wait until the scanner's lamp says that it is ready; if it stays dark, start its service again",
	ErrNotRegistered: "have the scanner registered with its provider; it may not be used before",
	ErrGone:          "look after the scanner's cable and power, and that its service runs",
	ErrNoObject:      "put the finger on the glass, or stand before the camera, and try again",
	ErrPlacement:     "place it straight and the right way round, and try again",
	ErrFailed:        "clean the glass and try again",
	ErrTampered:      "take the scanner out of use and call the supervisor",
	ErrExpired:       "let the scanner's service reach its provider, which renews the key",
	ErrUnsupported:   "use a scanner that can take this, or capture it otherwise",
	ErrRefused:       "try again; if it stays so, call the supervisor",
	ErrTimeout:       "try again; if it stays so, unplug the scanner, plug it in and start its service again",
	ErrUntrusted:     "do not use this scanner; call the supervisor",
	ErrMalformed:     "try again; if it stays so, have the scanner's service renewed",
	ErrMismatch:      "capture again; if it stays so, call the supervisor",
}

// Error says what failed on which device. It holds nothing of the biometric.
type Error struct {
	Op     string // discover, info, capture, stream
	Device string // maker, model and serial, or the address
	Err    error  // wraps one of this package's errors, or the context's
	Hint   string // what the person at the device can do, "" where nothing is known
}

// Error is the one-line text without the hint.
func (e *Error) Error() string { return fmt.Sprintf("%s on %s: %v", e.Op, e.Device, e.Err) }

// Unwrap gives what the error is.
func (e *Error) Unwrap() error { return e.Err }

// fail makes an Error of whatever went wrong between here and the device. ctx is
// the caller's own: its end is told from a time-out of ours.
func fail(ctx context.Context, op, device string, err error) error {
	var network net.Error
	switch kind := kindOf(err); {
	case ctx.Err() != nil:
		err = ctx.Err()
	case kind != nil:
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout():
		err = ErrTimeout
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		err = fmt.Errorf("%w: it broke off in the middle of its answer", ErrGone)
	default:
		err = fmt.Errorf("%w: %w", ErrGone, err)
	}
	return &Error{Op: op, Device: device, Err: err, Hint: hints[kindOf(err)]}
}

// kindOf is the error of this package that err wraps, nil for none.
func kindOf(err error) error {
	for kind := range hints {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}

// fault is the error object of an answer.
type fault struct {
	Code text   `json:"errorCode"`
	Info string `json:"errorInfo"`
}

// err is nil for success.
func (f fault) err() error {
	if f.Code == "" || f.Code == "0" {
		return nil
	}
	kind := codes[string(f.Code)]
	if kind == nil {
		kind = ErrRefused
	}
	return fmt.Errorf("%w (code %s: %s)", kind, printable(string(f.Code), 8), printable(f.Info, 120))
}

// printable is the first n characters that a log can take.
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

func malformed(what string) error  { return fmt.Errorf("%w: %s", ErrMalformed, what) }
func mismatched(what string) error { return fmt.Errorf("%w: %s", ErrMismatch, what) }
