// Package card is the ground the station stands on: command and response APDUs
// (ISO/IEC 7816-4:2020, clause 5), status words, and the small interfaces by
// which a chip, a reader and a secure channel are spoken to. It needs only the
// standard library and never opens a device.
package card

import (
	"context"
	"errors"
	"fmt"
)

// Channel is what a driver gives: one raw exchange with a chip.
//
// Exchange sends a whole command APDU and returns a whole response APDU (data
// then SW1 SW2). An answer of fewer than two bytes is not an error here; Over
// reports it as ErrNoAnswer.
type Channel interface {
	Exchange(capdu []byte) (rapdu []byte, err error)
}

// Card is a chip that takes structured commands. A secure channel is a Card
// over a Card. The error is for the transport or the channel; a status word
// other than 9000 is not an error: see Do.
type Card interface {
	Transmit(Command) (Response, error)
}

// Reader is one slot that chips come and go in.
type Reader interface {
	// Name is the reader's name, as PC/SC has it for a PC/SC reader.
	Name() string
	// Wait blocks until a chip is powered and ready, or ctx is done. A chip that
	// stays in the slot after its Session was closed is given once only: Wait
	// then waits for it to be taken out first.
	Wait(ctx context.Context) (Session, error)
}

// Emptier is a Reader that tells when its slot is seen empty.
type Emptier interface {
	// WhenEmpty has f called each time; f must not block.
	WhenEmpty(f func())
}

// Session is one chip, powered, from its insertion to Close.
type Session interface {
	Channel
	// ATR is the answer to reset (ISO/IEC 7816-3, clause 8).
	ATR() []byte
	// Close resets the chip, so that no PIN stays verified, and lets go of it.
	Close() error
}

// Lender is a Session (or a Card over one) that can let go of its reader for a
// library that insists on opening it itself. During f the Session does not
// touch the reader; afterwards the chip has been reset and nothing selected.
type Lender interface {
	Lend(f func(reader string) error) error
}

// ErrNoAnswer means that the chip answered fewer than the two bytes of a status word,
// which is how PC/SC shows a card pulled out in the middle of a command.
var ErrNoAnswer = errors.New("card: answer without a status word, the chip has probably left the reader")

// ErrGone means that the chip left the reader or was reset by somebody else.
var ErrGone = errors.New("card: chip gone")

// Over speaks commands to a channel: it encodes short where the command fits
// short and extended where it does not, follows 61xx with GET RESPONSE and 6Cxx
// with the length asked for (ISO/IEC 7816-4:2020, 5.3.4 and 5.6). The result is a
// Lender where ch is.
func Over(ch Channel) Card {
	t := transport{ch}
	if l, ok := ch.(Lender); ok {
		return lending{t, l}
	}
	return t
}

// Until is ch until ctx is done: every later command is an error that says why, ctx's
// cause. The one in flight is waited for.
func Until(ctx context.Context, ch Channel) Channel { return bounded{ch, ctx} }

type bounded struct {
	Channel
	ctx context.Context
}

func (b bounded) Exchange(capdu []byte) ([]byte, error) {
	if b.ctx.Err() != nil {
		return nil, fmt.Errorf("card: the chip is not asked any more: %w", context.Cause(b.ctx))
	}
	return b.Channel.Exchange(capdu)
}

type transport struct{ ch Channel }

type lending struct {
	transport
	Lender
}

// maxChained and maxPieces bound what a chip can make us collect through 61xx.
const (
	maxChained = 1 << 17
	maxPieces  = 2 * maxChained / MaxShortNe
)

func (t transport) Transmit(c Command) (Response, error) {
	r, err := t.once(c)
	if err != nil {
		return Response{}, err
	}
	if r.SW.SW1() == 0x6C && len(r.Data) == 0 {
		c.Ne = int(r.SW.SW2())
		if c.Ne == 0 {
			c.Ne = 256
		}
		if r, err = t.once(c); err != nil {
			return Response{}, err
		}
	}
	data := r.Data
	for pieces := 0; r.SW.SW1() == 0x61; pieces++ {
		ne := int(r.SW.SW2())
		if ne == 0 {
			ne = 256
		}
		r, err = t.once(Command{CLA: plainClass(c.CLA), INS: 0xC0, Ne: ne})
		if err != nil {
			return Response{}, err
		}
		if len(r.Data) == 0 && r.SW.SW1() == 0x61 {
			return Response{}, fmt.Errorf("%s: chip promises more data and gives none", c)
		}
		data = append(data, r.Data...)
		if len(data) > maxChained || pieces > maxPieces {
			return Response{}, fmt.Errorf("%s: chip sends more than %d bytes, or in more than %d pieces", c, maxChained, maxPieces)
		}
	}
	return Response{Data: data, SW: r.SW}, nil
}

// plainClass is the class of GET RESPONSE after a command: the interindustry class
// of the same logical channel, without chaining or secure messaging (ISO/IEC
// 7816-4:2020, 5.4.1; GPC 11.1.4 for the proprietary classes).
func plainClass(cla byte) byte {
	if cla&0x40 != 0 {
		return 0x40 | cla&0x0F
	}
	return cla & 0x03
}

func (t transport) once(c Command) (Response, error) {
	raw, err := c.Bytes()
	if err != nil {
		return Response{}, err
	}
	answer, err := t.ch.Exchange(raw)
	if err != nil {
		return Response{}, fmt.Errorf("%s: %w", c, err)
	}
	r, err := ParseResponse(answer)
	if err != nil {
		return Response{}, fmt.Errorf("%s: %w", c, err)
	}
	return r, nil
}

// Do transmits and turns any status word but 9000 into an *Error that names the
// command by its header.
func Do(c Card, cmd Command) ([]byte, error) {
	r, err := c.Transmit(cmd)
	if err != nil {
		return nil, err
	}
	if r.SW != OK {
		return r.Data, &Error{cmd.Header(), len(cmd.Data), r.SW}
	}
	return r.Data, nil
}

// Select selects an application by its name and gives what the chip tells of it, its
// file control information (ISO/IEC 7816-4:2020, 11.2.2).
func Select(c Card, aid []byte) ([]byte, error) {
	fci, err := Do(c, Command{INS: 0xA4, P1: 0x04, Data: aid, Ne: MaxShortNe})
	if err != nil {
		return nil, fmt.Errorf("select application %X: %w", aid, err)
	}
	return fci, nil
}
