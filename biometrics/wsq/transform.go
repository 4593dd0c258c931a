package wsq

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// chunk is how many row pairs one task does: some 50 rows of a print stay in a
// core's cache, and a print is enough tasks for several cores.
const chunk = 24

// task is a run of row pairs of one split.
type task struct{ split, from, to int }

// tasks cuts the splits from first to last into tasks. Small images have empty
// splits; want leaves others out.
func (p *parts) tasks(first, last int, want func(split int) bool) []task {
	var list []task
	for s := first; s < last; s++ {
		if !want(s) || p[bands+s].size() == 0 {
			continue
		}
		pairs := (p[bands+s].h + 1) / 2
		for from := 0; from < pairs; from += chunk {
			list = append(list, task{s, from, min(from+chunk, pairs)})
		}
	}
	return list
}

// each runs n jobs on all processors. Every worker asks start for its own
// function once, so that it can hold its own scratch room.
func each(n int, start func() func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	var next atomic.Int64
	work := func() {
		job := start()
		for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
			job(int(i))
		}
	}
	var wait sync.WaitGroup
	for range workers - 1 {
		wait.Go(work)
	}
	if n > 0 {
		work()
	}
	wait.Wait()
}

// room lends out float memory: a station works prints of the same size all
// day, and fresh pages cost as much as a filter.
type room struct{ whole, free []float32 }

var rooms = sync.Pool{New: func() any { return new(room) }}

// keepRoom is the largest room that goes back to the pool, in floats.
const keepRoom = 16 << 20

func newRoom(floats int) *room {
	r := rooms.Get().(*room)
	if cap(r.whole) < floats {
		r.whole = make([]float32, floats)
	}
	r.free = r.whole[:floats]
	return r
}

// take cuts n floats of unknown content off the room.
func (r *room) take(n int) []float32 {
	cut := r.free[:n:n]
	r.free = r.free[n:]
	return cut
}

func (r *room) close() {
	if cap(r.whole) <= keepRoom {
		rooms.Put(r)
	}
}

// compose joins the subbands into the image (A.1.3, the inverse transform). The
// image's rows go to emit as they come, from several goroutines, each row once.
func (p *parts) compose(b bank, r *room, emit func(y int, row []float32)) {
	for s := splits - 1; s > 0; s-- {
		part, of := &p[bands+s], tree[s]
		if p[of.ll].pix != nil || p[of.hl].pix != nil || p[of.lh].pix != nil || p[of.hh].pix != nil {
			part.pix = r.take(part.size())
		}
	}
	for l := len(levels) - 1; l >= 0; l-- {
		list := p.tasks(levels[l][0], levels[l][1], func(s int) bool { return s == 0 || p[bands+s].pix != nil })
		each(len(list), func() func(int) {
			j := newJoiner(p)
			return func(i int) { j.do(b, list[i], emit) }
		})
	}
}

// decompose splits the image into its subbands (A.1.3, the forward transform);
// fetch gives the image's rows, to several goroutines. Subbands without memory
// are not computed.
func (p *parts) decompose(t *taps, r *room, fetch func(y int, row []float32)) {
	for s := 1; s < splits; s++ {
		if s != 4 {
			p[bands+s].pix = r.take(p[bands+s].size())
		}
	}
	for _, level := range levels {
		list := p.tasks(level[0], level[1], func(s int) bool { return s != 4 })
		each(len(list), func() func(int) {
			s := newSplitter(p)
			return func(i int) { s.do(t, list[i], fetch) }
		})
	}
}

// joiner is one worker's scratch room for compose.
type joiner struct {
	p         *parts
	low, high [2][]float32 // a row pair's left and right half, padded
	line      []float32    // a row of the image
	zero      []float32
}

func newJoiner(p *parts) *joiner {
	w := p[bands].w
	j := &joiner{p: p, line: make([]float32, w), zero: make([]float32, w/2+1)}
	for i := range 2 {
		j.low[i] = make([]float32, w/2+1+2*pad)
		j.high[i] = make([]float32, w/2+1+2*pad)
	}
	return j
}

// do joins the row pairs of one task: up first, then sideways while both rows
// are in the cache.
func (j *joiner) do(b bank, work task, emit func(int, []float32)) {
	of, whole := tree[work.split], &j.p[bands+work.split]
	lw := (whole.w + 1) / 2
	for k := work.from; k < work.to; k++ {
		j.up(b, j.low, &j.p[of.ll], &j.p[of.lh], k, whole.h)
		j.up(b, j.high, &j.p[of.hl], &j.p[of.hh], k, whole.h)
		for i := range min(2, whole.h-2*k) {
			y := 2*k + i
			out := j.line[:whole.w]
			if work.split != 0 {
				out = whole.row(y)
			}
			b.together(out, j.low[i][:lw+2*pad], j.high[i][:whole.w-lw+2*pad])
			if work.split == 0 {
				emit(y, out)
			}
		}
	}
}

// up joins the rows 2k and 2k+1 of h of a half out of its low and high rows.
func (j *joiner) up(b bank, out [2][]float32, low, high *plane, k, h int) {
	if low.pix == nil && high.pix == nil {
		for i := range out {
			clear(out[i][pad : pad+low.w])
		}
		return
	}
	b.up(out, low, high, k, h, j.zero)
}

// splitter is one worker's scratch room for decompose.
type splitter struct {
	p    *parts
	line []float32 // a row with its mirror image
	half []float32 // rows split sideways, those that one task needs
}

func newSplitter(p *parts) *splitter {
	w := p[bands].w
	return &splitter{p: p, line: make([]float32, w+2*pad), half: make([]float32, (2*chunk+2*wideReach)*w)}
}

// do splits the rows under one task's pairs sideways, then the pairs down.
func (s *splitter) do(t *taps, work task, fetch func(int, []float32)) {
	of, whole := tree[work.split], &s.p[bands+work.split]
	w, h := whole.w, whole.h
	lw := (w + 1) / 2
	first, last := max(0, 2*work.from-wideReach), min(h, 2*work.to+wideReach)
	for y := first; y < last; y++ {
		line := s.line[:w+2*pad]
		if work.split == 0 {
			fetch(y, line[pad:pad+w])
		} else {
			copy(line[pad:], whole.row(y))
		}
		out := s.half[(y-first)*w:][:w]
		apart(t, out[:lw], out[lw:], line, w)
	}
	for k := work.from; k < work.to; k++ {
		var left, right [reach][]float32
		for i := range left {
			row := s.half[(mirror(2*k-wideReach+i, h)-first)*w:][:w]
			left[i], right[i] = row[:lw], row[lw:]
		}
		s.down(t, &left, &s.p[of.ll], &s.p[of.lh], k)
		s.down(t, &right, &s.p[of.hl], &s.p[of.hh], k)
	}
}

// down writes row k of a half's low and, where it has one that is wanted, high part.
func (s *splitter) down(t *taps, r *[reach][]float32, low, high *plane, k int) {
	if k < high.h && high.pix != nil {
		down(t, low.row(k), high.row(k), r)
		return
	}
	downWide(t, low.row(k), r)
}
