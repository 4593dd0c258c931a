package main

import (
	"bytes"
	"context"

	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"cardstation/devices/card"
	"cardstation/devices/pcsc/rig"
	"cardstation/devices/softcard"
	"cardstation/personalize"
)

// TestMain lets the test binary be the rig's inner process and stationd itself.
func TestMain(m *testing.M) {
	rig.Child()
	testscript.Main(m, map[string]func(){"stationd": main})
}

// asStationd is set in the environment of a test binary that is to be stationd;
// unlike a script's it can be killed by its process ID.
const asStationd = "CARDSTATION_TEST_STATIOND"

func init() {
	if os.Getenv(asStationd) == "" {
		return
	}
	rig.Child() // of the demo's own rig
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// sharedRig is one private pcscd for all tests of this package.
var sharedRig = sync.OnceValues(func() (*rig.Rig, error) {
	r, err := rig.Start(context.Background(), rig.Options{Readers: 8, Name: "cardstation TEST"})
	if err == nil {
		err = os.Setenv("PCSCLITE_CSOCK_NAME", r.Socket())
	}
	return r, err
})

// bench is the readers of the rig and what is in them.
type testReaders struct {
	t   testing.TB
	rig *rig.Rig
	mu  sync.Mutex
	out map[int]func()
}

func readersForTest(t testing.TB) *testReaders {
	t.Helper()
	r, err := sharedRig()
	if err != nil {
		t.Fatalf("private pcscd: %v", err)
	}
	b := &testReaders{t: t, rig: r, out: map[int]func(){}}
	t.Cleanup(func() {
		for i := range r.Names() {
			b.remove(i)
		}
	})
	return b
}

func (b *testReaders) name(i int) string { return b.rig.Names()[i] }

// insert puts a chip into a reader.
func (b *testReaders) insert(i int, chip softcard.Powered) {
	b.t.Helper()
	conn, err := b.rig.Dial(i)
	if err != nil {
		b.t.Fatalf("reader %d: %v", i, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = softcard.Serve(ctx, conn, chip)
	}()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.out[i] = func() { stop(); <-gone }
}

// remove takes the chip out.
func (b *testReaders) remove(i int) {
	b.mu.Lock()
	out := b.out[i]
	delete(b.out, i)
	b.mu.Unlock()
	if out != nil {
		out()
	}
}

func blankChip(t testing.TB) *softcard.Chip {
	t.Helper()
	chip, err := softcard.New(softcard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return chip
}

// lookAtChip gives a chip's identity, and whether its eMRTD application is
// activated: SELECT answers life cycle status 05 (ISO/IEC 7816-4:2020, 7.4.10).
func lookAtChip(t testing.TB, chip *softcard.Chip) (id string, activated bool) {
	t.Helper()
	chip.Reset()
	c := card.Over(chip)
	id, err := personalize.Identify(c)
	if err != nil {
		t.Fatal(err)
	}
	fci, err := card.Do(c, card.Command{INS: 0xA4, P1: 0x04, Data: []byte{0xA0, 0, 0, 0x02, 0x47, 0x10, 0x01}, Ne: 256})
	if err != nil {
		t.Fatal(err)
	}
	return id, bytes.Contains(fci, []byte{0x8A, 0x01, 0x05})
}
