// Command stationd is the station: a daemon that enrols citizens, writes their
// chip cards and verifies them, and the tools of the people who look after it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"cardstation/devices/pcsc/rig"
	"cardstation/station"
)

// Exit codes. 1 is any other failure, 2 a command line that does not parse.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitNotValid   = 3
	exitNotChecked = 4
)

// cli is the command line.
type cli struct {
	JSON bool `help:"Print the result as JSON."`

	Run      runCmd      `cmd:"" help:"Run the station on this machine's readers."`
	Demo     demoCmd     `cmd:"" help:"Run a station on simulated devices: a private pcscd, cards in software, synthetic citizens."`
	Readers  readersCmd  `cmd:"" help:"List the PC/SC readers and what is in them."`
	Softcard softcardCmd `cmd:"" help:"Put a card in software into a virtual reader (vpcd)."`
	Card     cardCmd     `cmd:"" help:"Issue and read cards without a daemon."`
	Keys     keysCmd     `cmd:"" help:"Make the keys a station signs and writes with."`
	Finger   fingerCmd   `cmd:"" help:"Turn, judge, compare and cut fingerprint images."`
	ITL      itlCmd      `cmd:"" name:"itl" help:"Show, check and write ANSI/NIST-ITL transactions."`
	Synth    synthCmd    `cmd:"" help:"Make fingerprints of nobody, to try things out on."`
	Audit    auditCmd    `cmd:"" help:"Check the station's record of events."`
}

// session is what every command gets: where to write and how.
type session struct {
	ctx      context.Context
	out, err io.Writer
	json     bool
}

// show prints v as JSON with --json, else through text.
func (s *session) show(v any, text func(w io.Writer)) error {
	if !s.json {
		text(s.out)
		return nil
	}
	enc := json.NewEncoder(s.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// exit is an error that only carries an exit code: everything is said already.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func main() {
	rig.Child()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with everything that is outside handed in.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var c cli
	code := -1
	parser, err := kong.New(&c, kong.Name("stationd"),
		kong.Description("The station software of a national ID card programme: enrol, personalise, verify."),
		kong.Writers(out, errOut), kong.Exit(func(n int) { code = n }), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		fmt.Fprintln(errOut, "error:", err)
		return exitFailed
	}
	k, err := parser.Parse(args)
	if code >= 0 { // --help
		return code
	}
	if err != nil {
		fmt.Fprintf(errOut, "error: %v\nhint: stationd --help lists the commands\n", err)
		return exitUsage
	}
	return report(errOut, c.JSON, k.Run(&session{ctx, out, errOut, c.JSON}))
}

// report prints an error and its hint, and gives the exit code.
func report(w io.Writer, asJSON bool, err error) int {
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	hint := station.HintOf(err)
	if asJSON {
		json.NewEncoder(w).Encode(map[string]string{"error": err.Error(), "kind": station.KindOf(err).String(), "hint": hint})
		return exitFailed
	}
	fmt.Fprintln(w, "error:", err)
	if hint != "" {
		fmt.Fprintln(w, "hint:", hint)
	}
	return exitFailed
}
