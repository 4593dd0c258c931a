package itl

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Print gives what a Type-4 or Type-14 record has to say of its image, as Build
// takes it; false for other types and for a record without an image. Values that are
// no numbers are left out: Check names them. PPI is 500 for Type-4, and 0 where the
// record gives no unit.
func (r Record) Print() (Print, bool) {
	data, positions := r.Data(), r.Positions()
	if r.Type != 4 && r.Type != 14 || len(data) == 0 || len(positions) == 0 {
		return Print{}, false
	}
	p := Print{Position: positions[0], Image: data, PPI: 500}
	p.Impression, _ = r.Int(3)
	if r.Type == 4 {
		return p, true
	}
	p.Comment = r.Text(20)
	p.PPI, _ = r.Int(9)
	switch unit, _ := r.Int(8); unit {
	case 0:
		p.PPI = 0
	case 2:
		p.PPI = (p.PPI*254 + 50) / 100
	}
	p.At, _ = time.Parse("20060102", r.Text(5))
	for _, n := range r.numbers(21, 5) {
		p.Segments = append(p.Segments, Segment{n[0], n[1], n[2], n[3], n[4]})
	}
	p.Qualities = r.qualities()
	return p, true
}

// qualities joins 14.024 and 14.022 by finger; a finger that has only a class has 254
// for a score.
func (r Record) qualities() []Quality {
	out := r.scores(24)
	for _, n := range r.numbers(22, 2) {
		known := false
		for i := range out {
			if out[i].Finger == n[0] && !known {
				out[i].NFIQ, known = n[1], true
			}
		}
		if !known {
			out = append(out, Quality{Finger: n[0], Score: 254, NFIQ: n[1]})
		}
	}
	return out
}

// scores reads a field of qualities, before each the finger where there is a fourth item.
func (r Record) scores(number int) []Quality {
	var out []Quality
	f, _ := r.Get(number)
	for _, sub := range f.Subfields() {
		finger := "0"
		if len(sub) == 4 {
			finger, sub = sub[0], sub[1:]
		}
		if len(sub) != 3 {
			continue
		}
		vendor, err := strconv.ParseUint(sub[1], 16, 16)
		if n, ok := ints(finger, sub[0], sub[2]); ok && err == nil {
			out = append(out, Quality{Finger: n[0], Score: n[1], Vendor: uint16(vendor), Algorithm: uint16(n[2])})
		}
	}
	return out
}

// Missing gives the fingers that a Type-14 record says cannot be captured (14.018).
func (r Record) Missing() []Missing {
	if r.Type != 14 {
		return nil
	}
	var out []Missing
	f, _ := r.Get(18)
	for _, sub := range f.Subfields() {
		if n, ok := digits([]byte(sub[0]), 2); ok && len(sub) > 1 {
			out = append(out, Missing{Finger: n, Why: sub[1]})
		}
	}
	return out
}

// maxRows bounds what the typed readers take from a field; no layout has more.
const maxRows = 45

// numbers gives the subfields that have so many numbers.
func (r Record) numbers(number, items int) [][]int {
	var out [][]int
	f, _ := r.Get(number)
	for _, sub := range f.Subfields() {
		if len(out) == maxRows {
			break
		}
		if n, ok := ints(sub...); ok && len(n) == items {
			out = append(out, n)
		}
	}
	return out
}

func ints(items ...string) ([]int, bool) {
	var out []int
	for _, s := range items {
		n, ok := digits([]byte(s), 5)
		if !ok {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}

// Show writes the transaction for a person to read, a line a field: number, short
// name and value, items parted by " | " and subfields by " ; ", of images only the
// format and size. It shows what the Type-2 record says of the person.
func (t Transaction) Show(w io.Writer) error {
	out := bufio.NewWriter(w)
	for i, r := range t.Records {
		fmt.Fprintf(out, "record %d, Type-%d\n", i+1, r.Type)
		for _, f := range r.Fields {
			fmt.Fprintf(out, "  %-7s%-5s%s\n", name(r.Type, f.Number), Mnemonic(r.Type, f.Number), r.shown(f))
		}
	}
	return out.Flush()
}

func (r Record) shown(f Field) string {
	payload := f.Number == dataField || !r.Tagged() && f.Number == len(layouts[r.Type])+1
	switch {
	case payload:
		is := inspect(f.Value)
		if is.format == "" {
			return fmt.Sprintf("%d bytes", len(f.Value))
		}
		return fmt.Sprintf("%d bytes, %s, %d x %d", len(f.Value), is.format, is.width, is.height)
	case r.Tagged():
		return printable.Replace(string(f.Value))
	case len(f.Value) > 4:
		return fmt.Sprintf("%d", f.Value)
	}
	n, _ := r.Int(f.Number)
	return strconv.Itoa(n)
}

// printable makes separators visible and keeps other control characters from the
// terminal.
var printable = strings.NewReplacer(append(controls(), "\x1e", " ; ", "\x1f", " | ")...)

func controls() []string {
	var pairs []string
	for c := range 0x20 {
		if c != RS && c != US {
			pairs = append(pairs, string(rune(c)), "?")
		}
	}
	return append(pairs, "\x7f", "?")
}
