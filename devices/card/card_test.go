package card_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/cardtest"
)

func TestOverCollectsAnAnswerInPieces(t *testing.T) {
	c := card.Over(cardtest.Script(t,
		cardtest.Line{Command: "84CA9F7F00", Answer: "0102 6102"},
		cardtest.Line{Command: "00C0000002", Answer: "03 6100"},
		cardtest.Line{Command: "00C0000000", Answer: "04 9000"},
	))
	got, err := card.Do(c, card.Command{CLA: 0x84, INS: 0xCA, P1: 0x9F, P2: 0x7F, Ne: 256})
	if err != nil || !bytes.Equal(got, []byte{1, 2, 3, 4}) {
		t.Errorf("%X, %v", got, err)
	}
}

func TestOverKeepsTheLogicalChannelInGetResponse(t *testing.T) {
	c := card.Over(cardtest.Script(t,
		cardtest.Line{Command: "8DCA000000", Answer: "6101"}, cardtest.Line{Command: "01C0000001", Answer: "05 9000"},
		cardtest.Line{Command: "75CA000000", Answer: "6101"}, cardtest.Line{Command: "45C0000001", Answer: "06 9000"},
	))
	for _, cla := range []byte{0x8D, 0x75} {
		if got, err := card.Do(c, card.Command{CLA: cla, INS: 0xCA, Ne: 256}); err != nil || len(got) != 1 {
			t.Errorf("class %02X: %X, %v", cla, got, err)
		}
	}
}

func TestOverAsksAgainWithTheLengthAChipWants(t *testing.T) {
	c := card.Over(cardtest.Script(t,
		cardtest.Line{Command: "00B0000000", Answer: "6C03"},
		cardtest.Line{Command: "00B0000003", Answer: "010203 9000"},
		cardtest.Line{Command: "00B0000001", Answer: "6C00"},
		cardtest.Line{Command: "00B0000000", Answer: "6C00"},
	))
	if got, err := card.Do(c, card.Command{INS: 0xB0, Ne: 256}); err != nil || len(got) != 3 {
		t.Errorf("%X, %v", got, err)
	}
	if _, err := card.Do(c, card.Command{INS: 0xB0, Ne: 1}); !errors.Is(err, card.Status(0x6C00)) {
		t.Errorf("a chip that always wants another length: %v", err)
	}
}

// hostile is a chip that answers everything alike.
type hostile []byte

func (h hostile) Exchange([]byte) ([]byte, error) { return bytes.Clone(h), nil }

func TestOverIsNotHeldForEver(t *testing.T) {
	for name, h := range map[string]hostile{"nothing": {0x61, 0}, "single bytes": {7, 0x61, 0}, "much": append(make([]byte, 60000), 0x61, 0)} {
		if _, err := card.Over(h).Transmit(card.Command{INS: 0xB0, Ne: 256}); err == nil {
			t.Errorf("%s: an answer without end was taken", name)
		}
	}
	for _, h := range []hostile{{}, {0x90}} {
		if _, err := card.Over(h).Transmit(card.Command{INS: 0xB0, Ne: 256}); !errors.Is(err, card.ErrNoAnswer) {
			t.Errorf("%X: %v", h, err)
		}
	}
}

func TestErrorsNeverShowData(t *testing.T) {
	secret := []byte("123456")
	for _, c := range []card.Card{card.Over(hostile{0x63, 0xC2}), card.Over(hostile{})} {
		_, err := card.Do(c, card.Command{INS: 0x20, P2: 0x80, Data: secret})
		if err == nil || strings.Contains(err.Error(), "313233") || strings.Contains(err.Error(), string(secret)) {
			t.Errorf("%v", err)
		}
	}
}

type lender struct{ hostile }

func (lender) Lend(f func(string) error) error { return f("reader 7") }

func TestOverALenderLends(t *testing.T) {
	if _, ok := card.Over(hostile{}).(card.Lender); ok {
		t.Error("a plain channel lends")
	}
	l, ok := card.Over(lender{}).(card.Lender)
	if !ok {
		t.Fatal("a lender's card does not lend")
	}
	var name string
	if err := l.Lend(func(reader string) error { name = reader; return nil }); err != nil || name != "reader 7" {
		t.Errorf("%q, %v", name, err)
	}
}
