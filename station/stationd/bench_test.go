package main

import (
	"bytes"
	"context"
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
	"cardstation/personalize/piv"
	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/issue"
	"cardstation/station/verify"
)

// exchange is one command as the chip saw it.
type exchange struct {
	command, answer []byte
	took            time.Duration // inside the chip, and on the wire where that is simulated
}

// tempo is how long a real chip and its wire take, which the software chip does not:
// a simulation, by published figures. The zero value takes no time.
//
// point is one multiplication on P-256: 20 ms, what JCAlgTest measured for a key
// agreement on an NXP J3R180 (JCOP 4; crocs-muni/jcalgtest_results, 2021). Its key
// generation took longer, and hashing, secure messaging and writing to memory
// take time too; that is left out, so the chip is rather too fast.
type tempo struct{ char, point time.Duration }

var (
	// contact is T=1 at 115,200 baud: 11 bits a character (ISO/IEC 7816-3:2006, 11.2).
	contact = tempo{11 * time.Second / 115200, 20 * time.Millisecond}
	// contactless is type A at 424 kbit/s: 9 bits a byte (ISO/IEC 14443-3).
	contactless = tempo{9 * time.Second / 424000, 20 * time.Millisecond}
)

// of is the time of one exchange.
func (p tempo) of(command, answer []byte) time.Duration {
	points := 0
	switch secure := command[0]&0x0C != 0; {
	case command[1] == 0x47, command[1] == 0x88, command[1] == 0x87 && command[2] == 0x11:
		points = 1
	case command[1] == 0x86 && len(command) > 40 && secure:
		points = 1 // chip authentication
	case command[1] == 0x86 && len(command) > 40:
		points = 2 // mapping, or key agreement, of PACE
	}
	return time.Duration(len(command)+len(answer))*p.char + time.Duration(points)*p.point
}

// tape is a chip that is recorded, or the recording in its place: it gives each
// recorded answer after the time that the chip took for it.
type tape struct {
	*softcard.Chip
	mu       sync.Mutex
	tempo    tempo
	play     bool
	next     int
	recorded []exchange
}

func (t *tape) Exchange(command []byte) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	start := time.Now()
	if t.play {
		e := t.recorded[t.next%len(t.recorded)]
		t.next++
		sleepUntil(start.Add(e.took))
		return e.answer, nil
	}
	answer, err := t.Chip.Exchange(command)
	if t.tempo.char > 0 {
		sleepUntil(start.Add(t.tempo.of(command, answer)))
	}
	t.recorded = append(t.recorded, exchange{bytes.Clone(command), bytes.Clone(answer), time.Since(start)})
	return answer, err
}

// sleepUntil is exact where sleeping alone is too coarse.
func sleepUntil(end time.Time) {
	time.Sleep(time.Until(end) - 200*time.Microsecond)
	for time.Now().Before(end) {
	}
}

// since gives what was recorded from the n-th exchange on.
func (t *tape) since(n int) []exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.recorded[n:]
}

// way is how a benchmark reaches its chip.
type way struct {
	name        string
	issue, read tempo
	rounds      int // of which the best counts
	readers     *testReaders
}

// benchSlot is the reader of the rig that benchmarks of one card use.
const benchSlot = 2

// ways are the rig as fast as it can be, the chip in memory, and the rig with a chip
// and a wire that take the time of real ones: the last is what a citizen waits for.
func ways(b *testing.B) []way {
	readers := readersForTest(b)
	return []way{
		{name: "rig", rounds: 10, readers: readers},
		{name: "memory", rounds: 10},
		{name: "simulated", rounds: 3, readers: readers, issue: contact, read: contactless},
	}
}

// reader gives the way's reader, and how chips get into it and out.
func (w way) reader() (r card.Reader, insert func(*tape), remove func()) {
	if w.readers == nil {
		m := memoryReader{"memory", make(chan *tape)}
		return m, func(chip *tape) { time.Sleep(500 * time.Millisecond); m.chips <- chip }, func() {}
	}
	return pcsc.Open(w.readers.name(benchSlot)), func(chip *tape) { w.readers.insert(benchSlot, chip) },
		func() { w.readers.remove(benchSlot); time.Sleep(500 * time.Millisecond) }
}

// memoryReader gives chips without a reader.
type memoryReader struct {
	name  string
	chips chan *tape
}

func (m memoryReader) Name() string { return m.name }

func (m memoryReader) Wait(ctx context.Context) (card.Session, error) {
	select {
	case chip := <-m.chips:
		chip.Reset()
		return bareSession{chip}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
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

// replay sends the recorded commands with nothing between them and gives the
// time.
func (w way) replay(b *testing.B, recorded []exchange) (bare time.Duration) {
	chip := &tape{Chip: blankChip(b), play: true, recorded: recorded}
	r, insert, remove := w.reader()
	go insert(chip)
	s, err := r.Wait(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer remove()
	defer s.Close()
	for range (w.rounds + 1) / 2 {
		start := time.Now()
		for _, e := range recorded {
			if _, err := s.Exchange(e.command); err != nil {
				b.Fatal(err)
			}
		}
		bare = best(bare, time.Since(start))
	}
	return bare
}

// benchQueue has one order after the other.
type benchQueue struct {
	mu     sync.Mutex
	order  station.Order
	n      int
	closed chan station.Order
}

// Next gives the order that waits.
func (q *benchQueue) Next(context.Context, int) ([]station.Order, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := q.order
	o.ID = fmt.Sprintf("bench-%d", q.n)
	return []station.Order{o}, nil
}

func (q *benchQueue) Claim(ctx context.Context, chip station.CardID) (station.Order, error) {
	all, err := q.Next(ctx, 1)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n++
	all[0].Card, all[0].State = chip, station.OrderClaimed
	return all[0], err
}

func (*benchQueue) Step(context.Context, station.Order, string) error   { return nil }
func (*benchQueue) Signed(context.Context, station.Order, string) error { return nil }

func (q *benchQueue) CloseOrder(_ context.Context, o station.Order, _ station.Event) error {
	q.closed <- o
	return nil
}

// BenchmarkCard writes cards from claim to receipt, and reads one as an officer would;
// both against a bare replay of the same commands in which the chip takes the same
// time. wall/replay is the ratio to watch; a loan of the reader to piv-go, with its
// resets, is in the wall and not in the replay.
func BenchmarkCard(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "keys")
	if err := pki.InitDemo(dir); err != nil {
		b.Fatal(err)
	}
	keys, err := loadKeys(keyFolder{dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	order, err := example(1).order("softcard", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	for _, w := range ways(b) {
		var issued *tape
		b.Run("issue/"+w.name, func(b *testing.B) { issued = benchIssue(b, w, keys, order) })
		b.Run("read/"+w.name, func(b *testing.B) { benchRead(b, w, keys, order, issued.Chip) })
	}
}

// benchIssue has a line issue one card after the other and gives the last one.
func benchIssue(b *testing.B, w way, keys lineKeys, order station.Order) (chip *tape) {
	queue := &benchQueue{order: order, closed: make(chan station.Order, 1)}
	line := issue.New(issue.Config{Orders: queue, Register: queue, Authority: keys.authority, Trust: keys.trust,
		Profile: personalize.LoadProfile, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	reader, insert, remove := w.reader()
	ctx, stop := context.WithCancel(b.Context())
	var serving sync.WaitGroup
	serving.Go(func() { line.Serve(ctx, reader) })
	var wall time.Duration
	for range w.rounds {
		chip = &tape{Chip: blankChip(b), tempo: w.issue}
		insert(chip)
		select {
		case done := <-queue.closed:
			wall = best(wall, done.Receipt.Elapsed)
		case <-time.After(time.Minute):
			b.Fatalf("not issued: %v", line.Status())
		}
		remove()
	}
	stop()
	serving.Wait()
	figures{exchanges: chip.since(0), payload: payload(b, chip.Chip, keys, order), wall: wall, bare: w.replay(b, chip.since(0))}.tell(b)
	return chip
}

// payload is what a card is written for: its files, and the certificates and data
// objects of PIV.
func payload(b *testing.B, chip *softcard.Chip, keys lineKeys, order station.Order) (n int) {
	chip.Reset()
	c := card.Over(chip)
	_, files, err := verify.Judge(b.Context(), c, keyOf(order), keys.trust(), nil, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	chip.Reset()
	for _, data := range files {
		n += len(data)
	}
	if err := piv.Select(c); err != nil {
		b.Fatal(err)
	}
	for _, slot := range []piv.Slot{piv.Authentication, piv.Signature} {
		cert, err := piv.Certificate(c, slot)
		if err != nil {
			b.Fatal(err)
		}
		n += len(cert.Raw)
	}
	return n
}

// benchRead has an officer read the card.
func benchRead(b *testing.B, w way, keys lineKeys, order station.Order, issued *softcard.Chip) {
	reader, insert, remove := w.reader()
	f := figures{}
	chip := &tape{Chip: issued, tempo: w.read}
	for range w.rounds {
		mark := len(chip.since(0))
		go insert(chip)
		s, err := reader.Wait(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		var face time.Duration
		v, files, err := verify.Means{Trust: keys.trust(), Now: time.Now, Show: func([]byte) { face = time.Since(start) }}.Judge(b.Context(), card.Over(s), keyOf(order), nil)
		f.wall, f.face = best(f.wall, time.Since(start)), best(f.face, face)
		if err != nil || v.Outcome != station.Valid {
			b.Fatalf("%v %v", v.Checks, err)
		}
		f.exchanges, f.payload = chip.since(mark), 0
		for _, data := range files {
			f.payload += len(data)
		}
		_ = s.Close()
		remove()
	}
	f.bare = w.replay(b, f.exchanges)
	f.tell(b)
}

// figures of one card.
type figures struct {
	exchanges        []exchange
	payload          int // bytes
	wall, bare, face time.Duration
}

func (f figures) tell(b *testing.B) {
	wire, inChip := 0, time.Duration(0)
	for _, e := range f.exchanges {
		wire += len(e.command) + len(e.answer)
		inChip += e.took
	}
	b.ReportMetric(0, "ns/op") // the framework's own would include putting the card in
	b.ReportMetric(float64(len(f.exchanges)), "apdus")
	b.ReportMetric(float64(f.payload), "payload-bytes")
	b.ReportMetric(float64(wire)/float64(f.payload), "wire/payload")
	b.ReportMetric(ms(f.wall), "ms-wall")
	b.ReportMetric(ms(inChip), "ms-in-chip")
	b.ReportMetric(ms(f.bare), "ms-replay")
	b.ReportMetric(float64(f.wall)/float64(f.bare), "wall/replay")
	if f.face > 0 {
		b.ReportMetric(ms(f.face), "ms-to-face")
	}
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
