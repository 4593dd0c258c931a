// Package store keeps what the station must not lose: enrolments with their
// images, orders, cards, people, and the chain of events that tells how each
// came about. It is one bbolt file and the only place that knows bbolt.
//
// Every change is one transaction that holds the noun, its indexes, its images
// and its events, synced to the disk before the call returns. Changes that wait
// at the same moment share one sync. Functions handed into a transaction are
// pure: they may run more than once, and only the last run counts.
//
// Events form a chain: each carries the hash of the one before it. Those of the
// types that station.EventType.Fed names stand in the outbox until the feed has
// them sent.
package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterr "go.etcd.io/bbolt/errors"

	"cardstation/station"
)

// Options of Open; the zero value suits a daemon.
type Options struct {
	Timeout  time.Duration    // how long to wait for another process to let go; 0 for one second
	ReadOnly bool             // to audit: the file must exist, every change is refused
	Now      func() time.Time // nil for time.Now
}

// Store is an open file. Its methods may be called from several goroutines.
type Store struct {
	path  string
	db    *bolt.DB
	now   func() time.Time
	queue chan *write
	stop  chan struct{} // closed by Close
	idle  chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	changed chan struct{} // closed and renewed after each commit
	broken  error         // why nothing more is written, see commitFailed
}

// Buckets of the file. Those of tables are named in table.go.
var (
	bucketMeta      = []byte("meta")
	bucketEvents    = []byte("events")            // seq -> event
	bucketEventIDs  = []byte("events.ids")        // event ID -> seq
	bucketOutbox    = []byte("outbox")            // seq of an event that is not sent yet
	bucketImages    = []byte("images")            // digest -> media, 0, data
	bucketImageRefs = []byte("images.refs")       // digest, 0, enrolment ID
	bucketPrints    = []byte("enrolments.prints") // enrolment ID, 0, position -> print
	bucketPortraits = []byte("orders.portraits")  // order ID -> JPEG; orders change often, portraits never
	bucketFingers   = []byte("orders.fingers")    // order ID -> []station.Finger; as the portraits
	bucketIrises    = []byte("orders.irises")     // order ID -> []station.Iris; as the portraits
	bucketQueue     = []byte("orders.queue")      // priority, creation, arrival -> order ID, while pending
	bucketSODs      = []byte("cards.sods")        // digest of EF.SOD -> card ID

	keyFormat = []byte("format")
	keyHead   = []byte("head") // seq and hash of the last event

	buckets = [][]byte{bucketMeta, bucketEvents, bucketEventIDs, bucketOutbox, bucketImages, bucketImageRefs,
		bucketPrints, bucketPortraits, bucketFingers, bucketIrises, bucketQueue, bucketSODs,
		enrolments.bucket(), enrolments.index(), orders.bucket(), orders.index(), cards.bucket(), cards.index(), people.bucket(), people.index()}
)

// Open opens the file at path with mode 0600, and makes it and its folder (mode
// 0700) where they are not there. Errors: station.Conflict when another process
// holds the file, station.CallSupervisor when it is damaged or newer than this
// program.
func Open(path string, o Options) (*Store, error) {
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if !o.ReadOnly {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, &station.Error{Kind: station.CallSupervisor, What: "make the folder of store " + path, Err: err}
		}
	}
	db, err := openFile(path, o)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, db: db, now: o.Now, queue: make(chan *write), stop: make(chan struct{}), idle: make(chan struct{}), changed: make(chan struct{})}
	if err := s.checkFormat(o.ReadOnly); err != nil {
		db.Close()
		return nil, err
	}
	go s.writer()
	return s, nil
}

// guard makes an error of the faults and panics with which bbolt meets a damaged
// file.
func guard(path string, access func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged(path, fmt.Errorf("%v", p))
		}
	}()
	return access()
}

// openFile opens the bbolt file.
func openFile(path string, o Options) (db *bolt.DB, err error) {
	err = guard(path, func() error { db, err = openBolt(path, o); return err })
	return db, err
}

func openBolt(path string, o Options) (*bolt.DB, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: o.Timeout, ReadOnly: o.ReadOnly, FreelistType: bolt.FreelistMapType})
	switch {
	case errors.Is(err, bolterr.ErrTimeout):
		return nil, &station.Error{Kind: station.Conflict, What: "open store " + path, Err: errors.New("another process holds it"),
			Hint: "stop the stationd that runs on this data folder"}
	case errors.Is(err, bolterr.ErrInvalid), errors.Is(err, bolterr.ErrChecksum), errors.Is(err, bolterr.ErrVersionMismatch):
		return nil, damaged(path, err)
	case err != nil:
		return nil, &station.Error{Kind: station.CallSupervisor, What: "open store " + path, Err: err}
	}
	if o.ReadOnly {
		return db, nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		db.Close()
		return nil, &station.Error{Kind: station.CallSupervisor, What: "keep store " + path + " from others", Err: err}
	}
	return db, nil
}

func damaged(path string, err error) error {
	return &station.Error{Kind: station.CallSupervisor, What: "read store " + path, Err: fmt.Errorf("the file is damaged or no store: %w", err),
		Hint: "keep the file as it is and restore the last backup beside it"}
}

// checkFormat makes the buckets that a file has not and refuses one of a later
// program.
func (s *Store) checkFormat(readOnly bool) error {
	run := s.db.Update
	if readOnly {
		run = s.db.View
	}
	return guard(s.path, func() error { return run(func(b *bolt.Tx) error { return s.format(b, readOnly) }) })
}

func (s *Store) format(b *bolt.Tx, readOnly bool) error {
	meta := b.Bucket(bucketMeta)
	if meta == nil && readOnly {
		return damaged(s.path, errors.New("no format version"))
	}
	if meta != nil {
		v := meta.Get(keyFormat)
		if len(v) != 8 {
			return damaged(s.path, errors.New("no format version"))
		}
		if f := binary.BigEndian.Uint64(v); f > station.Format {
			return &station.Error{Kind: station.CallSupervisor, What: fmt.Sprintf("store %s has format %d, this program knows up to %d", s.path, f, station.Format),
				Hint: "start the newer stationd that wrote it"}
		}
	}
	if readOnly {
		return nil
	}
	for _, name := range buckets {
		if _, err := b.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return b.Bucket(bucketMeta).Put(keyFormat, be64(station.Format))
}

// Close waits for the changes under way and closes the file. Watches end.
func (s *Store) Close() error {
	s.mu.Lock()
	select {
	case <-s.stop:
		s.mu.Unlock()
		return nil
	default:
	}
	close(s.stop)
	s.mu.Unlock()
	<-s.idle
	return s.db.Close()
}

// tx is one transaction. now is the same in every run of it.
type tx struct {
	*bolt.Tx
	now time.Time
}

// view runs a reading transaction.
func (s *Store) view(ctx context.Context, read func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := guard(s.path, func() error {
		return s.db.View(func(b *bolt.Tx) error { return read(&tx{b, s.now().UTC()}) })
	})
	if errors.Is(err, bolterr.ErrDatabaseNotOpen) {
		return errClosed
	}
	return err
}

var errClosed = &station.Error{Kind: station.Conflict, What: "the store is closed", Hint: "the station is stopping; try again when it runs"}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
