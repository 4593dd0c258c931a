package personalize

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"cardstation/devices/card"
)

// liar answers one command, or all from it on, with something else.
type liar struct {
	card.Channel
	n      int
	always bool
	answer []byte
}

func (l *liar) Exchange(b []byte) ([]byte, error) {
	l.n--
	if l.n == -1 || l.n < -1 && l.always {
		return l.answer, nil
	}
	return l.Channel.Exchange(b)
}

func TestHostileAnswersAtEveryCommandAreErrorsAndNeverAFalseSuccess(t *testing.T) {
	t.Parallel()
	s := newShop(t, "softcard")
	answers := [][]byte{
		{}, {0x90}, {0x90, 0x00}, {0x62, 0x82}, {0x63, 0xC0}, {0x67, 0x00}, {0x69, 0x82}, {0x69, 0x85}, {0x6A, 0x82}, {0x6C, 0x00}, {0x6F, 0x00}, {0x61, 0xFF},
		append(bytes.Repeat([]byte{0xFF}, 300), 0x90, 0x00), {0x6F, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x90, 0x00}, {0x77, 0x82, 0xFF, 0xFF, 0x00, 0x90, 0x00},
	}
	for i, answer := range answers {
		for n := i % 4; n < 100; n += 4 {
			s.blank()
			receipt, err := s.issue(&liar{s.chip, n, i%2 == 0, answer}, nil)
			if err == nil {
				s.verify(receipt)
				continue
			}
			var step *StepError
			if !errors.As(err, &step) && !strings.HasPrefix(err.Error(), "identify chip") {
				t.Fatalf("answer %.16x at %d: %v", answer, n, err)
			}
		}
	}
}
