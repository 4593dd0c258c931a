package cardtest

import (
	"errors"
	"testing"

	"cardstation/devices/card"
)

func TestScriptPlaysItsConversation(t *testing.T) {
	pulled := errors.New("pulled out")
	c := card.Over(Script(t,
		Line{Command: "00A4 0400 02 A000 00", Answer: "6F00 9000"},
		Line{Command: "00B0000004", Err: pulled},
	))
	if data, err := card.Do(c, card.Command{INS: 0xA4, P1: 4, Data: []byte{0xA0, 0}, Ne: 256}); err != nil || len(data) != 2 {
		t.Errorf("%X, %v", data, err)
	}
	if _, err := c.Transmit(card.Command{INS: 0xB0, Ne: 4}); !errors.Is(err, pulled) {
		t.Errorf("%v", err)
	}
}

// recorder takes a test's failures without failing.
type recorder struct {
	testing.TB
	failed  bool
	cleanup []func()
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Failed() bool          { return r.failed }
func (r *recorder) Cleanup(f func())      { r.cleanup = append(r.cleanup, f) }

func TestScriptFailsOnWhatItDoesNotKnow(t *testing.T) {
	for name, sent := range map[string][]byte{"another command": {0, 0xB0, 0, 1, 4}, "no command": nil, "one more": {0, 0xB0, 0, 0, 4}} {
		r := &recorder{TB: t}
		s := Script(r, Line{Command: "00B0000004", Answer: "9000"})
		if name == "one more" {
			_, _ = s.Exchange(sent)
		}
		if sent != nil {
			_, _ = s.Exchange(sent)
		}
		for _, f := range r.cleanup {
			f()
		}
		if !r.failed {
			t.Errorf("%s: the script did not fail the test", name)
		}
	}
}
