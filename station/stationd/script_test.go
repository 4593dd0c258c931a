package main

import (
	"os"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// Scripts read like a session at a terminal. "blank N" puts a new card into reader
// N of the private pcscd, "out N" takes it out; $READER0 .. $READER3 are the
// readers' names.
func TestScripts(t *testing.T) {
	b := readersForTest(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("PCSCLITE_CSOCK_NAME", os.Getenv("PCSCLITE_CSOCK_NAME"))
			for i := range 4 {
				e.Setenv("READER"+strconv.Itoa(i), b.name(i))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"blank": func(ts *testscript.TestScript, neg bool, args []string) {
				b.insert(slotOf(ts, args), blankChip(t))
			},
			"out": func(ts *testscript.TestScript, neg bool, args []string) {
				b.remove(slotOf(ts, args))
			},
		},
	})
}

func slotOf(ts *testscript.TestScript, args []string) int {
	if len(args) != 1 {
		ts.Fatalf("usage: blank N, out N")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	return n
}
