package main

import (
	"fmt"
	"io"

	"cardstation/devices/pcsc"
	"cardstation/station"
)

type readersCmd struct{}

// readerRow is one reader as `stationd readers` shows it.
type readerRow struct {
	Name string `json:"name"`
	Card string `json:"card"` // empty, present, or the chip's identity
	ATR  string `json:"atr,omitempty"`
}

func (c *readersCmd) Run(s *session) error {
	names, err := pcsc.Names()
	if err != nil {
		return &station.Error{Kind: station.Retry, What: "list readers", Err: err, Hint: "is pcscd running? systemctl start pcscd, or try stationd demo, which brings its own"}
	}
	rows := make([]readerRow, 0, len(names))
	for _, name := range names {
		rows = append(rows, lookInto(s.ctx, name))
	}
	return s.show(rows, func(w io.Writer) {
		if len(rows) == 0 {
			fmt.Fprintln(w, "no readers")
		}
		for _, r := range rows {
			fmt.Fprintf(w, "%s: %s\n", r.Name, r.Card)
		}
	})
}
