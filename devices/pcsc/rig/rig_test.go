package rig_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cardstation/devices/pcsc/rig"
)

func TestMain(m *testing.M) {
	rig.Child()
	if os.Getenv("RIG_OWNER") != "" {
		ownRig()
	}
	os.Exit(m.Run())
}

// begin starts a rig or skips the test where the machine has none to offer.
func begin(t *testing.T, o rig.Options) *rig.Rig {
	t.Helper()
	r, err := rig.Start(context.Background(), o)
	var missing rig.ErrMissing
	if errors.Is(err, rig.ErrNotAllowed) || errors.As(err, &missing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestAForeignClientSeesTheReadersByTheirNames(t *testing.T) {
	tool, err := exec.LookPath("opensc-tool")
	if err != nil {
		t.Fatal("opensc-tool is not installed (Debian package opensc)")
	}
	began := time.Now()
	r := begin(t, rig.Options{Readers: 16})
	t.Logf("ready after %v", time.Since(began))
	cmd := exec.Command(tool, "-l")
	cmd.Env = append(os.Environ(), "PCSCLITE_CSOCK_NAME="+r.Socket())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("opensc-tool: %v: %s", err, out)
	}
	if len(r.Names()) != 16 || r.Names()[0] != "cardstation DEMO 00 00" {
		t.Fatalf("names %q", r.Names())
	}
	for _, name := range r.Names() {
		if strings.Count(string(out), name+"\n") != 1 {
			t.Errorf("%q is not listed once in\n%s", name, out)
		}
	}
}

func TestCloseEndsEveryProcessAndLeavesNoSocket(t *testing.T) {
	r := begin(t, rig.Options{})
	if _, err := os.Stat(r.Socket()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.Socket()); err == nil {
		t.Errorf("%s is still there", r.Socket())
	}
	if _, err := r.Dial(0); err == nil {
		t.Error("dial into a closed rig gave a connection")
	}
}

// ownRig is this test's binary as a program that has a rig, prints where, and
// then does nothing until it is killed.
func ownRig() {
	r, err := rig.Start(context.Background(), rig.Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(r.Socket())
	select {}
}

func TestAKilledOwnerTakesTheRigWithHim(t *testing.T) {
	begin(t, rig.Options{}) // or skip
	owner := exec.Command("/proc/self/exe")
	owner.Env = append(os.Environ(), "RIG_OWNER=1")
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	socket := strings.TrimSpace(line)
	if _, statErr := os.Stat(socket); err != nil || statErr != nil {
		t.Fatalf("%q: %v %v", socket, err, statErr)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	for end := time.Now().Add(3 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(socket); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s is still there", socket)
		}
	}
}

func TestVpcdIsOutOfReachButThroughDial(t *testing.T) {
	r := begin(t, rig.Options{})
	if c, err := net.Dial("tcp", "127.0.0.1:35963"); err == nil {
		c.Close()
		t.Error("vpcd listens in the machine's network")
	}
	conn, err := r.Dial(1)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first := make([]byte, 3) // vpcd powers a card that came
	conn.SetReadDeadline(time.Now().Add(3 * time.Second))
	if _, err := io.ReadFull(conn, first); err != nil || first[1] != 1 {
		t.Errorf("vpcd said %X, %v", first, err)
	}
	if _, err := r.Dial(2); err == nil {
		t.Error("there is a third of two readers")
	}
}

func TestUnusableOptionsAreRefused(t *testing.T) {
	for _, o := range []rig.Options{{Readers: 17}, {Readers: -1}, {Name: "a\"b"}, {Name: "a\nLIBPATH /x"}} {
		if r, err := rig.Start(context.Background(), o); err == nil {
			r.Close()
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestACancelledStartLeavesNothingRunning(t *testing.T) {
	begin(t, rig.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r, err := rig.Start(ctx, rig.Options{}); err == nil {
		r.Close()
		t.Error("started")
	} else if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
