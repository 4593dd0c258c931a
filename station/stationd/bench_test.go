package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/pcsc"
	"cardstation/devices/softcard"
	"cardstation/personalize"
	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/issue"
	"cardstation/station/verify"
)

// exchange is one command as the chip saw it.
type exchange struct {
	command, answer []byte
	took            time.Duration // inside the chip
}

// tape is a chip that is recorded, or the recording in its place: it gives each
// recorded answer after the time that the chip took for it.
type tape struct {
	*softcard.Chip
	mu       sync.Mutex
	play     bool
	next     int
	recorded []exchange
}

func (t *tape) Exchange(command []byte) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.play {
		e := t.recorded[t.next%len(t.recorded)]
		t.next++
		for end := time.Now().Add(e.took); time.Now().Before(end); { // sleeping is too coarse
		}
		return e.answer, nil
	}
	start := time.Now()
	answer, err := t.Chip.Exchange(command)
	t.recorded = append(t.recorded, exchange{bytes.Clone(command), bytes.Clone(answer), time.Since(start)})
	return answer, err
}

// figures of the exchanges so far, from the n-th on.
func (t *tape) figures(from int) (commands, sent, received int, inChip time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.recorded[from:] {
		commands++
		sent += len(e.command)
		received += len(e.answer)
		inChip += e.took
	}
	return commands, sent, received, inChip
}

// way is how a benchmark reaches its chip: through the rig, or in memory.
type way struct {
	name string
	open func(b *testing.B, chip *tape) (card.Session, func())
}

func ways(b *testing.B) []way {
	readers := readersForTest(b)
	return []way{
		{"rig", func(b *testing.B, chip *tape) (card.Session, func()) {
			readers.insert(2, chip)
			s, err := pcsc.Open(readers.name(2)).Wait(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			return s, func() { s.Close(); readers.remove(2); time.Sleep(500 * time.Millisecond) }
		}},
		{"memory", func(b *testing.B, chip *tape) (card.Session, func()) {
			chip.Reset()
			return bareSession{chip}, func() {}
		}},
	}
}

// bareSession is a chip without a reader.
type bareSession struct{ *tape }

func (bareSession) Close() error { return nil }

// best is the shorter of two times, of which the first may not be measured yet.
func best(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// replays is how often the bare replay is timed; the best counts.
const replays = 5

// replay sends the recorded commands with nothing between them and gives the
// time.
func replay(b *testing.B, w way, recorded *tape, from int) time.Duration {
	chip := &tape{Chip: blankChip(b), play: true, recorded: recorded.recorded[from:]}
	s, done := w.open(b, chip)
	defer done()
	var bare time.Duration
	for range replays {
		start := time.Now()
		for i := range chip.recorded {
			if _, err := s.Exchange(chip.recorded[i].command); err != nil {
				b.Fatal(err)
			}
		}
		bare = best(bare, time.Since(start))
	}
	return bare
}

// BenchmarkIssue writes a card from claim to receipt, and reads it as an officer
// would; both against a bare replay of the same commands in which the chip takes
// the same time. wall/replay is the ratio to watch.
func BenchmarkIssue(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "keys")
	if err := pki.InitDemo(dir); err != nil {
		b.Fatal(err)
	}
	keys, err := loadKeys(dir)
	if err != nil {
		b.Fatal(err)
	}
	order, err := example(1).order("softcard", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	for _, w := range ways(b) {
		chip := &tape{Chip: blankChip(b)}
		var issued, read time.Duration
		mark := 0
		b.Run("issue/"+w.name, func(b *testing.B) {
			for b.Loop() {
				chip = &tape{Chip: blankChip(b)}
				s, done := w.open(b, chip)
				queue := &oneOrder{order: order, step: func(string) {}}
				line := issue.New(issue.Config{Orders: queue, Register: queue, Authority: keys.authority, Trust: keys.trust,
					Profile: personalize.LoadProfile, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
				start := time.Now()
				if _, err := line.Issue(b.Context(), w.name, card.Over(s)); err != nil {
					b.Fatal(err)
				}
				issued = best(issued, time.Since(start))
				done()
			}
			mark = len(chip.recorded)
			tell(b, chip, 0, issued, replay(b, w, chip, 0))
		})
		b.Run("read/"+w.name, func(b *testing.B) {
			for b.Loop() {
				mark = len(chip.recorded)
				s, done := w.open(b, chip)
				start := time.Now()
				v, _, err := verify.Judge(b.Context(), card.Over(s), keyOf(order), keys.trust(), nil, time.Now)
				if err != nil || v.Outcome != station.Valid {
					b.Fatalf("%v %v", v.Checks, err)
				}
				read = best(read, time.Since(start))
				done()
			}
			tell(b, chip, mark, read, replay(b, w, chip, mark))
		})
	}
}

func tell(b *testing.B, chip *tape, from int, wall, bare time.Duration) {
	commands, sent, received, inChip := chip.figures(from)
	b.ReportMetric(0, "ns/op") // the loop's own figure would include putting the card in
	b.ReportMetric(float64(commands), "apdus")
	b.ReportMetric(float64(sent), "bytes-sent")
	b.ReportMetric(float64(received), "bytes-received")
	b.ReportMetric(ms(wall), "ms-wall")
	b.ReportMetric(ms(inChip), "ms-in-chip")
	b.ReportMetric(ms(bare), "ms-replay")
	b.ReportMetric(float64(wall)/float64(bare), "wall/replay")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// BenchmarkStart runs the real process: time to its first answer, and memory a
// second later.
func BenchmarkStart(b *testing.B) {
	k := newKillTest(b)
	var ready time.Duration
	var rest float64
	for b.Loop() {
		start := time.Now()
		cmd := k.start()
		ready = time.Since(start)
		time.Sleep(time.Second)
		rest = residentMB(b, cmd.Process.Pid)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			b.Fatal(err)
		}
		_ = cmd.Wait()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(ready), "ms-to-ready")
	b.ReportMetric(rest, "MB-at-rest")
}

func residentMB(b *testing.B, pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		b.Fatal("no VmRSS")
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		b.Fatal(err)
	}
	return float64(kb) / 1024
}
