package issue

import "sync"

// behind is how many steps the chip may be ahead of their notes.
const behind = 4

// evidence notes steps in order beside the chip: while one note syncs to the disk, the
// chip has its next command already. The chip is the truth, so that what a crash takes
// of the notes is found out again.
type evidence struct {
	note  func(step string) error
	first sync.Once
	steps chan string
	ended chan struct{}
	err   error // of the first note that failed; read after ended is closed
}

func newEvidence(note func(step string) error) *evidence {
	e := &evidence{note: note, steps: make(chan string, behind), ended: make(chan struct{})}
	go func() {
		defer close(e.ended)
		for step := range e.steps {
			if e.err = note(step); e.err != nil {
				return
			}
		}
	}()
	return e
}

// add notes a step. The first is waited for: it makes a blank one no longer. An error
// is that of a step before, or of the first.
func (e *evidence) add(step string) (err error) {
	waited := false
	e.first.Do(func() { err, waited = e.note(step), true })
	if waited {
		return err
	}
	select {
	case e.steps <- step:
		return nil
	case <-e.ended:
		return e.err
	}
}

// close waits for all notes.
func (e *evidence) close() error {
	close(e.steps)
	<-e.ended
	return e.err
}
