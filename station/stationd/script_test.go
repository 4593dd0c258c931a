package main

import (
	"encoding/pem"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cardstation/devices/softcard"
	"cardstation/personalize"
	"cardstation/personalize/pki"
)

// Scripts read like a session at a terminal. "blank N" puts a new card into reader
// N of the private pcscd, "blank N plain" one whose PIV application is the standard's and
// no more, "blank N passport-applet" and "blank N passport-applet-pace" one of another
// make, "blank N FILE" one with the transport keys of the file, "out N" takes it out;
// $READER0 and on are the readers' names. "pin KEYS FILE" sets $PIN to that of the chip
// which the file says was issued, "maker FILE" writes the certificate of the software
// chips' maker.
func TestScripts(t *testing.T) {
	b := readersForTest(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PCSCLITE_CSOCK_NAME", os.Getenv("PCSCLITE_CSOCK_NAME"))
			for i := range b.rig.Names() {
				e.Setenv("READER"+strconv.Itoa(i), b.name(i))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"blank": func(ts *testscript.TestScript, neg bool, args []string) {
				b.insert(slotOf(ts, args[:1]), chipOf(ts, args[1:]))
			},
			"pin": func(ts *testscript.TestScript, neg bool, args []string) {
				keys, err := pki.Load(ts.MkAbs(args[0]), nil)
				ts.Check(err)
				secrets, err := personalize.NewCardKeys(keys.Master)
				ts.Check(err)
				chip := regexp.MustCompile(`on chip (cplc:[0-9a-f]+)`).FindStringSubmatch(ts.ReadFile(args[1]))
				pin, err := secrets.PIN(chip[1])
				ts.Check(err)
				ts.Setenv("PIN", pin)
			},
			"maker": func(ts *testscript.TestScript, neg bool, args []string) {
				root, err := softcard.AttestationRoot()
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}), 0o600))
			},
			"out": func(ts *testscript.TestScript, neg bool, args []string) {
				b.remove(slotOf(ts, args))
				time.Sleep(handover)
			},
		},
	})
}

// chipOf is a blank chip as its maker delivers it.
func chipOf(ts *testscript.TestScript, how []string) *softcard.Chip {
	var o softcard.Options
	switch {
	case len(how) == 1 && how[0] == "plain":
		o.PlainPIV = true
	case len(how) == 1 && slices.Contains([]softcard.Applet{softcard.PassportApplet, softcard.PassportAppletPACE}, softcard.Applet(how[0])):
		o.Applet = softcard.Applet(how[0])
	case len(how) == 1:
		t, err := personalize.ParseTransport([]byte(ts.ReadFile(how[0])))
		ts.Check(err)
		o.Transport, o.SCP03 = t.Keys, 0x60
	}
	chip, err := softcard.New(o)
	ts.Check(err)
	return chip
}

func slotOf(ts *testscript.TestScript, args []string) int {
	if len(args) != 1 {
		ts.Fatalf("usage: blank N [plain | passport-applet | passport-applet-pace | FILE], out N")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	return n
}
