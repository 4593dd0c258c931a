package softcard

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"cardstation/devices/card"
)

// Control bytes of vpcd's wire form (vsmartcard, virtualsmartcard/src/vpcd).
const (
	vpcdOff   = 0
	vpcdOn    = 1
	vpcdReset = 2
	vpcdATR   = 4
)

// Powered is what a virtual reader needs of a chip; *Chip is one.
type Powered interface {
	card.Channel
	// Reset takes power away and gives it back.
	Reset()
	// ATR is the answer to reset.
	ATR() []byte
}

// Serve puts a chip into the virtual reader at the other end of conn, and keeps it
// there until ctx is done (nil), the reader lets go (nil) or the chip is torn
// (ErrTorn, seen from the reader as a card pulled out). It closes conn.
//
// The wire form is a big-endian length of two bytes and as many bytes; one byte is
// a control: 0 power off, 1 power on, 2 reset, 4 answer to reset wanted.
func Serve(ctx context.Context, conn net.Conn, chip Powered) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	chip.Reset()
	defer chip.Reset()
	err := serve(conn, chip)
	if ctx.Err() != nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func serve(conn net.Conn, chip Powered) error {
	r := bufio.NewReaderSize(conn, 2+65535)
	for {
		message, err := receive(conn, r)
		if err != nil {
			return fmt.Errorf("softcard: read from reader: %w", err)
		}
		var answer []byte
		switch {
		case len(message) == 0:
			continue
		case len(message) > 1:
			if answer, err = chip.Exchange(message); err != nil {
				return err
			}
		case message[0] == vpcdATR:
			answer = chip.ATR()
		case message[0] == vpcdOn, message[0] == vpcdOff, message[0] == vpcdReset:
			chip.Reset()
			continue
		default:
			continue
		}
		if err := deliver(conn, answer); err != nil {
			return fmt.Errorf("softcard: write to reader: %w", err)
		}
	}
}

// receive reads one message. vpcd sends length and bytes apart: without an
// acknowledgement at once after the length, the bytes would wait for the delayed one.
func receive(conn net.Conn, r *bufio.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if r.Buffered() < n {
		acknowledge(conn)
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, err
	}
	return message, nil
}

// deliver writes one message in one piece.
func deliver(conn net.Conn, message []byte) error {
	if len(message) > 0xFFFF {
		return fmt.Errorf("answer of %d bytes, the transport carries 65535", len(message))
	}
	_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}
