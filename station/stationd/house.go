package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"cardstation/api"
	"cardstation/devices/capture"
	"cardstation/devices/capture/sbi"
	"cardstation/personalize"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/centre"
	"cardstation/station/enrol"
	"cardstation/station/issue"
	"cardstation/station/store"
	"cardstation/station/verify"
)

// storePath is the store's file.
func (c config) storePath() string { return filepath.Join(c.Data, "station.db") }

// lineKeys is what a line signs with and what its read-back believes.
type lineKeys struct {
	authority personalize.Authority
	trust     func() lds.Trust
	sealed    bool
	terminal  *emrtd.Terminal // for the read-back; nil where the folder has none
}

// loadKeys reads a key folder.
func loadKeys(f keyFolder) (lineKeys, error) {
	keys, err := pki.Load(f.dir, f.unlock)
	if err != nil {
		return lineKeys{}, &station.Error{Kind: station.Correct, What: "keys in " + f.dir, Err: err, Hint: sealHint(err, "stationd keys init makes keys, with --demo to try things out with")}
	}
	if f.transport != "" {
		if keys.Transport, err = pki.ReadSecret(f.transport); err != nil {
			return lineKeys{}, &station.Error{Kind: station.Correct, What: "transport keys", Err: err, Hint: "name the file with the keys that the chips' maker gave"}
		}
	}
	authority, err := personalize.NewAuthority(keys)
	if err != nil {
		return lineKeys{}, &station.Error{Kind: station.Correct, What: "keys in " + f.dir, Err: err, Hint: "transport keys are version, enc, mac and dek in hex, or version, master and diversification: kdf3"}
	}
	trust, err := openTrust(f.dir)
	return lineKeys{authority, trust.now, keys.Sealed, terminalOf(keys.Terminals)}, err
}

// house is the station with its rooms wired together.
type house struct {
	cfg    config
	log    *slog.Logger
	db     *store.Store
	desk   *enrol.Desk
	line   *issue.Line
	queue  issue.Queue
	office *verify.Office
	slots  *slots
	keys   lineKeys
	server *http.Server
}

// fittings are what differs between a real station and a demo.
type fittings struct {
	drivers   drivers
	sensor    func(station.Slot) (capture.Sensor, bool)
	sample    func(kind string, subtype int) (capture.Sensor, bool)
	simulated bool
	log       *slog.Logger
}

// build wires the rooms. Nothing runs yet; close ends it.
func build(cfg config, f fittings) (*house, error) {
	keys, err := loadKeys(cfg.keyFolder())
	if err != nil {
		return nil, err
	}
	trust := keys.trust
	if cfg.Trust != "" {
		folder, err := openTrust(cfg.Trust)
		if err != nil {
			return nil, err
		}
		trust = folder.now
	}
	var terminal func() *emrtd.Terminal
	if cfg.Terminals != "" {
		folder, err := openTerminal(cfg.Terminals, cfg.keyFolder().unlock)
		if err != nil {
			return nil, err
		}
		terminal = folder.now
	}
	if _, err := personalize.LoadProfile(cfg.Profile); err != nil {
		return nil, station.Errorf(station.Correct, "card profile: %w", err)
	}
	db, err := store.Open(cfg.storePath(), store.Options{})
	if err != nil {
		return nil, err
	}
	known, err := enrol.OpenGallery(context.Background(), db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	h := &house{cfg: cfg, log: f.log, db: db, keys: keys}
	h.line = issue.New(issue.Config{Orders: db, Register: db, Authority: keys.authority, Trust: keys.trust, Terminal: keys.terminal, Profile: personalize.LoadProfile, Now: clock, Log: f.log})
	h.queue = issue.Queue{Book: db, Keeper: db, Now: clock, Poke: h.line.Poke, Profile: func(name string) error {
		_, err := personalize.LoadProfile(name)
		return err
	}, Portrait: fitPortrait, Fingers: fitFingers}
	h.slots = &slots{drivers: f.drivers, office: cfg.Office, line: h.line, busy: map[string]bool{}}
	h.office = verify.New(verify.Config{Slots: h.slots, Trust: trust, Revocations: db, Terminal: terminal, Matcher: matcher{}, Record: db, Now: clock, Log: f.log})
	h.desk = enrol.New(enrol.Config{Store: db, Assess: assess, Portrait: portrait, Finger: fingerCut, Hands: newHands, Known: known, Profile: cfg.Profile, Now: clock})
	sent := &transactions{origin: cfg.Station, image: h.desk.Image}
	h.server = api.Server(api.New(api.Config{
		Desk: h.desk, Queue: h.queue, Cards: issue.Cards{Drawer: db, Keeper: db}, Readers: h.slots, Office: h.office,
		People: db, Events: db, Profiles: profiles(), Sensor: f.sensor, SampleSensor: f.sample, Transaction: sent.file, QualityMap: qualityMap, Simulated: f.simulated, Station: cfg.Station, Log: f.log, Now: clock,
	}), cfg.Listen)
	return h, nil
}

func profiles() []api.Profile {
	var all []api.Profile
	for _, name := range personalize.Profiles() {
		if p, err := personalize.LoadProfile(name); err == nil {
			all = append(all, api.Profile{ID: p.Name, Name: p.Name, Description: p.Title})
		}
	}
	return all
}

func (h *house) close() error { return h.db.Close() }

// serve runs the readers, the feed and the API until ctx is done, then lets each
// put down what it has in hand.
func (h *house) serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	failed := make(chan error, 3)
	start := func(what string, run func() error) {
		wg.Go(func() {
			if err := run(); err != nil && ctx.Err() == nil {
				failed <- fmt.Errorf("%s: %w", what, err)
			}
		})
	}
	start("readers", func() error { return h.slots.run(ctx) })
	start("readers", func() error { h.watchReaders(ctx); return nil })
	start("feed", func() error { return h.feed(ctx) })
	start("api", func() error {
		if err := h.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel()
	down, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	if h.server.Shutdown(down) != nil { // an event stream may be open
		h.server.Close()
	}
	wg.Wait()
	return err
}

// watchReaders logs what is wrong with the readers, when it changes.
func (h *house) watchReaders(ctx context.Context) {
	for told := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
		if now := h.slots.Problem(); now != told {
			if told = now; now != "" {
				h.log.Warn("readers", "problem", now)
			}
		}
	}
}

// feed sends finished steps on: to the centre, or to this station's own queue.
func (h *house) feed(ctx context.Context) error {
	inbox := poking{h.db, h.line}
	c := h.cfg.Centre
	if c.URL == "" {
		return centre.Local(ctx, h.db, inbox)
	}
	return centre.Connect(ctx, centre.Config{URL: c.URL, Station: h.cfg.Station, Credentials: c.Credentials, CA: c.CA, Certificate: c.Certificate, Key: c.Key, Log: h.log}, h.db, inbox)
}

// poking wakes the line when an order has come.
type poking struct {
	*store.Store
	line *issue.Line
}

// PutOrder implements centre.Inbox.
func (p poking) PutOrder(ctx context.Context, o station.Order, events ...station.Event) (station.Order, error) {
	stored, err := p.Store.PutOrder(ctx, o, events...)
	if err == nil {
		p.line.Poke()
	}
	return stored, err
}

// runCmd runs the station.
type runCmd struct {
	Config string `short:"c" type:"existingfile" help:"Configuration file (YAML)."`
	Debug  bool   `help:"Log every request."`
}

func (c *runCmd) Run(s *session) error {
	cfg, err := loadConfig(c.Config)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if c.Debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
	fit := fittings{drivers: pcscReaders{cfg.Watchdog}, log: log}
	if cfg.Scanners.Trust != "" {
		makers, err := trustedMakers(cfg.Scanners.Trust)
		if err != nil {
			return err
		}
		all, err := newScanners(sbi.Options{Trust: makers, Env: cfg.Scanners.Env})
		if err != nil {
			return err
		}
		fit.sensor, fit.sample = all.sensor, all.sample
	}
	h, err := build(cfg, fit)
	if err != nil {
		return err
	}
	defer h.close()
	l, err := cfg.listen()
	if err != nil {
		return err
	}
	if err := h.first(s); err != nil {
		return err
	}
	if err := h.db.Record(s.ctx, station.Event{Format: station.Format, Type: station.StationStarted, Subject: cfg.Station, Actor: "station"}); err != nil {
		return err
	}
	defer log.Info("station stopped")
	if !h.keys.sealed && !h.keys.authority.Demo {
		log.Warn("the keys are not sealed: whoever has their folder can make cards", "folder", cfg.Keys, "hint", "stationd keys seal")
	}
	log.Info("station ready", "station", cfg.Station, "address", address(cfg, l), "demo keys", h.keys.authority.Demo)
	return h.serve(s.ctx, l)
}

// first makes the first administrator and shows the password, once.
func (h *house) first(s *session) error {
	login, password, created, err := api.FirstAdministrator(s.ctx, h.db)
	if err != nil || !created {
		return err
	}
	return s.show(map[string]string{"login": login, "password": password}, func(w io.Writer) {
		fmt.Fprintf(w, "first administrator: login %s, password %s (shown this once)\n", login, password)
	})
}

func address(cfg config, l net.Listener) string {
	scheme := "http"
	if cfg.TLS.Certificate != "" {
		scheme = "https"
	}
	return scheme + "://" + l.Addr().String()
}

// logFile logs into a file beside the store.
func logFile(path string) (*slog.Logger, *os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: slog.LevelDebug})), f, nil
}
