package rig_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cardstation/devices/pcsc/rig"
)

func TestMain(m *testing.M) {
	rig.Child()
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
	t.Cleanup(func() { r.Close() })
	return r
}

func TestAForeignClientSeesTheReadersByTheirNames(t *testing.T) {
	tool, err := exec.LookPath("opensc-tool")
	if err != nil {
		t.Skip("opensc-tool is not installed (Debian package opensc)")
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
