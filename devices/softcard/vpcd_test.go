package softcard

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/cardtest"
)

func TestSlotConforms(t *testing.T) {
	t.Parallel()
	cardtest.Conform(t, func(t *testing.T) cardtest.Bench {
		slot, chip := NewSlot("memory"), newChip(t, Options{})
		return cardtest.Bench{
			Reader: slot, Insert: func() { slot.Insert(chip) }, Remove: slot.Remove,
			Command: card.Command{CLA: 0x80, INS: 0xCA, P1: 0x9F, P2: 0x7F, Ne: 256},
		}
	})
}

// reader is the other end of vpcd's wire.
type reader struct {
	t    testing.TB
	conn net.Conn
	done chan error
}

func serving(t testing.TB, ctx context.Context, chip *Chip) reader {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			err = Serve(ctx, conn, chip)
		}
		done <- err
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return reader{t, conn, done}
}

func (r reader) tell(message ...byte) {
	r.t.Helper()
	head := binary.BigEndian.AppendUint16(nil, uint16(len(message)))
	for _, part := range [][]byte{head, message} { // apart, as vpcd does
		if _, err := r.conn.Write(part); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r reader) ask(message ...byte) []byte {
	r.t.Helper()
	r.tell(message...)
	var head [2]byte
	if _, err := io.ReadFull(r.conn, head[:]); err != nil {
		r.t.Fatal(err)
	}
	answer := make([]byte, binary.BigEndian.Uint16(head[:]))
	if _, err := io.ReadFull(r.conn, answer); err != nil {
		r.t.Fatal(err)
	}
	return answer
}

func TestServeSpeaksTheReadersControlsAndCommands(t *testing.T) {
	chip := newChip(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	r := serving(t, ctx, chip)
	r.tell(vpcdOn)
	if got := r.ask(vpcdATR); !bytes.Equal(got, chip.ATR()) {
		t.Fatalf("answer to reset %X", got)
	}
	pick := append([]byte{0, 0xA4, 4, 0x0C, 11}, aids[appPIV]...)
	version := []byte{0, 0xFD, 0, 0, 0}
	if got := r.ask(pick...); !bytes.Equal(got, []byte{0x90, 0}) {
		t.Fatalf("%X", got)
	}
	if got := r.ask(version...); len(got) != 5 {
		t.Fatalf("%X", got)
	}
	r.tell()     // nothing
	r.tell(0x77) // no control there is
	r.tell(vpcdReset)
	if got := r.ask(version...); !bytes.Equal(got, []byte{0x6D, 0}) {
		t.Fatalf("after reset: %X", got)
	}
	cancel()
	if err := <-r.done; err != nil {
		t.Fatal(err)
	}
}

func TestServeEndsWhenTheReaderGoesAndWhenTheChipTears(t *testing.T) {
	chip := newChip(t, Options{})
	r := serving(t, t.Context(), chip)
	r.conn.Close()
	if err := <-r.done; err != nil {
		t.Fatal(err)
	}
	chip.TearAt(1, false)
	r = serving(t, t.Context(), chip)
	r.tell(0, 0xA4, 4, 0)
	if n, err := r.conn.Read(make([]byte, 1)); err == nil {
		t.Fatalf("%d bytes of a torn chip", n)
	}
	if err := <-r.done; !errors.Is(err, ErrTorn) {
		t.Fatal(err)
	}
}

// BenchmarkServe is one short command over vpcd's wire; tens of milliseconds would
// mean that acknowledgements are held back again.
func BenchmarkServe(b *testing.B) {
	r := serving(b, b.Context(), newChip(b, Options{}))
	r.tell(vpcdOn)
	for b.Loop() {
		r.ask(0x80, 0xCA, 0x9F, 0x7F, 0)
	}
}
