// Package cardtest tests what speaks to chips: a chip that plays a written
// conversation and fails the test on anything else, somebody else's ends of the
// protocols that open chips, and a conformance suite that every reader driver passes.
package cardtest

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"cardstation/devices/card"
)

// Line is one exchange of a conversation, in hex; spaces do not count. With Err
// the exchange fails instead of answering.
type Line struct {
	Command, Answer string
	Err             error
}

// Script is a chip that knows one conversation, in its order, and nothing else: a
// command that differs from the next one fails the test and answers 6F00. What
// was not said when the test ends fails it too.
func Script(t testing.TB, lines ...Line) card.Channel {
	t.Helper()
	s := &script{t: t}
	for _, l := range lines {
		s.lines = append(s.lines, line{unhex(t, l.Command), unhex(t, l.Answer), l.Err})
	}
	t.Cleanup(func() {
		if n := len(s.lines); n > 0 && !t.Failed() {
			t.Errorf("%d commands of the script were never sent, the first is %X", n, s.lines[0].command)
		}
	})
	return s
}

type line struct {
	command, answer []byte
	err             error
}

type script struct {
	t     testing.TB
	lines []line
}

func (s *script) Exchange(capdu []byte) ([]byte, error) {
	s.t.Helper()
	if len(s.lines) == 0 {
		s.t.Errorf("command %X after the end of the script", capdu)
		return []byte{0x6F, 0x00}, nil
	}
	next := s.lines[0]
	if !bytes.Equal(capdu, next.command) {
		s.t.Errorf("command\n%X where the script has\n%X", capdu, next.command)
		return []byte{0x6F, 0x00}, nil
	}
	s.lines = s.lines[1:]
	return bytes.Clone(next.answer), next.err
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatalf("script: %v in %q", err, s)
	}
	return b
}
