package pcsc_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/pcsc"
	"cardstation/devices/pcsc/rig"
)

// The tests of this package share one rig: libpcsclite reads the socket's name
// once a process. Each test takes a reader of its own.
var (
	shared *rig.Rig
	noRig  error
	slots  = make(chan int, rig.MaxReaders)
)

func TestMain(m *testing.M) {
	rig.Child()
	shared, noRig = rig.Start(context.Background(), rig.Options{Readers: rig.MaxReaders})
	if noRig == nil {
		os.Setenv("PCSCLITE_CSOCK_NAME", shared.Socket())
		for i := range shared.Names() {
			slots <- i
		}
	}
	flag.Parse()
	_ = flag.Set("test.parallel", strconv.Itoa(rig.MaxReaders)) // the tests wait, they do not work
	code := m.Run()
	if shared != nil {
		shared.Close()
	}
	os.Exit(code)
}

// presencePoll is how often pcscd looks whether a card is in a reader.
const presencePoll = 400 * time.Millisecond

// slot is one virtual reader and the way to put cards into it.
type slot struct {
	t      testing.TB
	number int
	*pcsc.Reader
}

func newSlot(t testing.TB) slot {
	t.Helper()
	var missing rig.ErrMissing
	if errors.Is(noRig, rig.ErrNotAllowed) || errors.As(noRig, &missing) {
		t.Skip(noRig)
	}
	if noRig != nil {
		t.Fatal(noRig)
	}
	n := <-slots
	t.Cleanup(func() {
		time.AfterFunc(2*presencePoll, func() { slots <- n }) // pcscd sees the last card go
	})
	return slot{t, n, pcsc.Open(shared.Names()[n])}
}

// insert puts a card in that answers with answer, and gives the way to pull it.
// An answer of nil is given never.
func (s slot) insert(answer func(capdu []byte) []byte) (pull func()) {
	s.t.Helper()
	conn, err := shared.Dial(s.number)
	if err != nil {
		s.t.Fatal(err)
	}
	go serve(conn, answer)
	s.t.Cleanup(func() { conn.Close() })
	return func() { conn.Close() }
}

func (s slot) wait(d time.Duration) (card.Session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return s.Wait(ctx)
}

func (s slot) mustWait() card.Session {
	s.t.Helper()
	session, err := s.wait(5 * time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { session.Close() })
	return session
}

// atr offers T=1 only (ISO/IEC 7816-3:2006, 8.2): T0 says one interface byte TD1
// and no historical bytes, TD1 says T=1, and TCK closes it.
var atr = []byte{0x3B, 0x80, 0x01, 0x81}

// serve speaks vpcd's wire form: two bytes of length, then a control byte or an
// APDU.
func serve(conn net.Conn, answer func([]byte) []byte) {
	header := make([]byte, 2)
	for {
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		quick(conn)
		body := make([]byte, binary.BigEndian.Uint16(header))
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		var out []byte
		switch {
		case len(body) == 1 && body[0] == 4:
			out = atr
		case len(body) == 1:
			continue
		default:
			out = answer(body)
		}
		if out == nil {
			continue
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)); err != nil {
			return
		}
	}
}

// quick acknowledges the header at once: vpcd sends length and body apart and
// would wait 40 ms for it.
func quick(conn net.Conn) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) })
}

func echo(capdu []byte) []byte {
	return append(append([]byte(nil), capdu...), 0x90, 0x00)
}
