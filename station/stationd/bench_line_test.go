package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/pcsc"
	"cardstation/station"
	"cardstation/station/issue"
	"cardstation/station/store"
)

// BenchmarkLine counts the cards that a line with its store issues in an hour on 1, 2,
// 4 and 8 readers, when a hand swaps each finished card at once.
//
// The rig's pcscd looks for cards every 400 ms, and a slot has to be left empty for that long, so that a swap costs 450 to 850 ms there:
// ms-swap is what a cycle takes besides the issue itself. A reader that tells of its
// card at once, as those on USB do, is nearer to "simulated", where the chip and its
// wire take the time of real ones and the swap none.
func BenchmarkLine(b *testing.B) {
	readers := readersForTest(b)
	for _, w := range []struct {
		name  string
		tempo tempo
		rig   *testReaders
		cards int // on each reader
	}{{"rig", tempo{}, readers, 5}, {"memory", tempo{}, nil, 25}, {"simulated", contact, nil, 2}} {
		for _, n := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("%s/%d", w.name, n), func(b *testing.B) {
				benchLine(b, w.rig, w.tempo, n, w.cards)
			})
		}
	}
}

// told is a store that tells each reader's hand of its issued card.
type told struct {
	*store.Store
	issued map[string]chan time.Duration // time of the issue, by reader
}

func (t told) CloseOrder(ctx context.Context, o station.Order, e station.Event) error {
	err := t.Store.CloseOrder(ctx, o, e)
	if err == nil && o.Receipt != nil {
		t.issued[o.Receipt.Reader] <- o.Receipt.Elapsed
	}
	return err
}

// handover is how long a slot of the rig is left empty, for vpcd to notice.
const handover = 450 * time.Millisecond

// benchPlace is one reader of the line, its hand and its pile of blanks.
type benchPlace struct {
	reader card.Reader
	insert func(*tape)
	remove func()
	blanks []*tape
	issued chan time.Duration
}

func newPlace(b *testing.B, i int, rig *testReaders) benchPlace {
	if rig == nil {
		m := memoryReader{fmt.Sprintf("memory %d", i), make(chan *tape)}
		return benchPlace{reader: m, insert: func(chip *tape) { m.chips <- chip }, remove: func() {}}
	}
	return benchPlace{reader: pcsc.Open(rig.name(i)), insert: func(chip *tape) { rig.insert(i, chip) }, remove: func() { rig.remove(i); time.Sleep(handover) }}
}

// work has the hand put in one blank after the other; it gives the time that the
// issues took.
func (p benchPlace) work(b *testing.B, line *issue.Line) (issuing time.Duration) {
	for _, blank := range p.blanks {
		for !seen(line, p.reader.Name(), issue.ReaderEmpty) {
			time.Sleep(time.Millisecond)
		}
		took, ok := p.issue(blank)
		if !ok {
			b.Errorf("not issued: %v", line.Status())
			return issuing
		}
		issuing += took
	}
	return issuing
}

// issue puts a blank in until it is issued. vpcd now and then misses a card that comes
// right after another went: it is then put in again.
func (p benchPlace) issue(blank *tape) (took time.Duration, ok bool) {
	for range 3 {
		p.insert(blank)
		select {
		case took = <-p.issued:
			ok = true
		case <-time.After(10 * time.Second):
		}
		if p.remove(); ok {
			break
		}
	}
	return took, ok
}

// seen tells whether the controller of a reader has it in a state; a reader in memory
// is always ready.
func seen(line *issue.Line, reader string, state issue.ReaderState) bool {
	for _, s := range line.Status() {
		if s.Name == reader {
			return s.State == state || strings.HasPrefix(reader, "memory")
		}
	}
	return false
}

func benchLine(b *testing.B, rig *testReaders, p tempo, readers, cards int) {
	l := newLineForTest(b)
	queue := told{l.db, map[string]chan time.Duration{}}
	portrait, places := portraitForTest(), make([]benchPlace, readers)
	for i := range places {
		places[i] = newPlace(b, i, rig)
		places[i].issued = make(chan time.Duration, 1)
		queue.issued[places[i].reader.Name()] = places[i].issued
		for range cards {
			l.order(portrait)
			places[i].blanks = append(places[i].blanks, &tape{Chip: blankChip(b), tempo: p})
		}
	}
	line := newLine(queue, l.keys)
	ctx, stop := context.WithCancel(b.Context())
	var serving, hands sync.WaitGroup
	for _, place := range places {
		serving.Go(func() { line.Serve(ctx, place.reader) })
	}
	time.Sleep(300 * time.Millisecond) // a line that waits for its first blanks
	var issuing atomic.Int64
	start := time.Now()
	for _, place := range places {
		hands.Go(func() { issuing.Add(int64(place.work(b, line))) })
	}
	hands.Wait()
	wall := time.Since(start)
	stop()
	serving.Wait()
	n := readers * cards
	each := time.Duration(issuing.Load()) / time.Duration(n)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(n)*float64(time.Hour)/float64(wall), "cards/hour")
	b.ReportMetric(ms(each), "ms-issue")
	b.ReportMetric(ms(wall*time.Duration(readers)/time.Duration(n)-each), "ms-swap")
}
