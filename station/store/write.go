package store

import (
	"context"
	"errors"
	"strings"
	"syscall"

	"cardstation/station"
)

// write is one change that waits for the writer.
type write struct {
	do   func(*tx) error
	done chan error
}

// maxShared is how many changes share one sync at most.
const maxShared = 64

// update has the writer do a change and answers once it is on the disk. The
// context counts until the writer takes the change; after that the answer is
// waited for, because the change happens.
func (s *Store) update(ctx context.Context, do func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &write{do: do, done: make(chan error, 1)}
	select {
	case s.queue <- w:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stop:
		return errClosed
	}
	err := <-w.done
	var p *panicked
	if errors.As(err, &p) {
		panic(p.value)
	}
	return err
}

// writer takes the changes one after the other, and all that wait at that
// moment together: while one commit syncs, the next lot gathers.
func (s *Store) writer() {
	defer close(s.idle)
	for {
		select {
		case <-s.stop:
			return
		case w := <-s.queue:
			s.commit(s.gather(w))
		}
	}
}

func (s *Store) gather(first *write) []*write {
	lot := []*write{first}
	for len(lot) < maxShared {
		select {
		case w := <-s.queue:
			lot = append(lot, w)
		default:
			return lot
		}
	}
	return lot
}

// commit does a lot of changes in one transaction. One that fails is answered
// and taken out, and the others are done again from the start, so that nothing
// of it stays.
func (s *Store) commit(lot []*write) {
	for len(lot) > 0 {
		bad, err := s.try(lot)
		if bad < 0 {
			for _, w := range lot {
				w.done <- err
			}
			return
		}
		lot[bad].done <- err
		lot = append(lot[:bad:bad], lot[bad+1:]...)
	}
}

// try runs a lot once. It gives the index of the change that failed, or -1 and
// what became of the commit.
func (s *Store) try(lot []*write) (bad int, err error) {
	s.mu.Lock()
	broken := s.broken
	s.mu.Unlock()
	if broken != nil {
		return -1, broken
	}
	b, err := s.db.Begin(true)
	if err != nil {
		return -1, &station.Error{Kind: station.StopLine, What: "write to store " + s.path, Err: err}
	}
	t := &tx{b, s.now().UTC()}
	for i, w := range lot {
		if err := caught(w.do, t); err != nil {
			return i, errors.Join(err, b.Rollback())
		}
	}
	head := t.head()
	if err := b.Commit(); err != nil {
		return -1, s.commitFailed(err, head)
	}
	s.mu.Lock()
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	return -1, nil
}

// panicked carries a panic of a change back to whoever asked for the change.
type panicked struct{ value any }

func (p *panicked) Error() string { return "a change of the store panicked" }

func caught(do func(*tx) error, t *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p}
		}
	}()
	return do(t)
}

// commitFailed says what a failed commit means. A full disk fails before the
// page that makes a transaction count is written: nothing of it is there, and
// the next one may succeed. After any other failure, or where the transaction
// is there all the same, nothing more is written until the file is opened anew.
func (s *Store) commitFailed(err error, head link) error {
	there := true
	if viewErr := s.view(context.Background(), func(t *tx) error {
		there = head.seq > 0 && t.head() == head
		return nil
	}); viewErr != nil {
		err = errors.Join(err, viewErr)
	}
	if isFull(err) && !there {
		return &station.Error{Kind: station.StopLine, What: "write to store " + s.path, Err: err,
			Hint: "the disk is full: free some space and do it again; nothing of it was stored"}
	}
	broken := &station.Error{Kind: station.StopLine, What: "write to store " + s.path, Err: err,
		Hint: "the disk failed: call the supervisor and restart the station; what was stored is found again then"}
	s.mu.Lock()
	s.broken = broken
	s.mu.Unlock()
	return broken
}

// isFull tells a full disk, a used-up quota and a file size limit. bbolt hands
// some of them on as text only.
func isFull(err error) bool {
	for _, no := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, no) || strings.Contains(err.Error(), no.Error()) {
			return true
		}
	}
	return false
}
