package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"cardstation/api"
	"cardstation/devices/capture"
	"cardstation/devices/pcsc/rig"
	"cardstation/personalize/pki"
	"cardstation/station"
)

// demoCmd runs a station on simulated devices and shows the first citizen going
// from desk to line to office.
type demoCmd struct {
	Once   bool   `help:"Stop after the first citizen: exit 0 only if the card was issued and verified."`
	Record string `type:"existingfile" help:"The first citizen from a record (see card record) instead of an invented one."`
	Data   string `placeholder:"DIR" help:"Folder that keeps the demo; without it everything is forgotten at the end."`
	Listen string `default:"127.0.0.1:8480" help:"Address of the API and the console."`
	Memory bool   `help:"Readers in memory, without pcscd."`
	Seed   uint64 `default:"1" help:"Another number makes another invented citizen."`
}

// The readers of the demo: the first writes, the second verifies.
const (
	lineSlot   = 0
	officeSlot = 1
)

func (c *demoCmd) Run(s *session) error {
	start := time.Now()
	out := s.out
	if s.json {
		out = io.Discard
	}
	dir := c.Data
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "cardstation-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	fmt.Fprintln(out, "cardstation DEMO: every device, card, key and citizen here is simulated")
	hands, err := c.readers(s.ctx, out)
	if err != nil {
		return err
	}
	defer hands.close()
	citizen := make(chan found, 1)
	go func() { citizen <- c.citizen() }() // prints take a while to make
	h, err := c.build(dir, hands)
	if err != nil {
		return err
	}
	defer h.close()
	staff, err := h.staff(s.ctx)
	if err != nil {
		return err
	}
	l, err := c.listen(h.cfg)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(s.ctx)
	served := make(chan error, 1)
	go func() { served <- h.serve(ctx, l) }()
	go hands.work(ctx, h, out)
	show := &showing{demoCmd: c, house: h, hands: hands, staff: staff, out: out, start: start}
	v, err := show.first(ctx, citizen)
	if err == nil && !c.Once {
		if err := show.console(s, l); err != nil {
			stop()
		}
		select {
		case <-ctx.Done():
		case err = <-served:
			served <- nil
		}
	}
	stop()
	if serveErr := <-served; err == nil {
		err = serveErr
	}
	if err != nil {
		return err
	}
	if c.Once && s.json {
		if err := s.show(v, nil); err != nil {
			return err
		}
	}
	return outcomeExit(v.Outcome)
}

// readers starts the private pcscd, or says why it uses readers in memory.
func (c *demoCmd) readers(ctx context.Context, out io.Writer) (*hands, error) {
	if !c.Memory {
		r, err := rig.Start(ctx, rig.Options{Readers: 2})
		if err == nil {
			if err := os.Setenv("PCSCLITE_CSOCK_NAME", r.Socket()); err != nil {
				return nil, err
			}
			fmt.Fprintln(out, "readers: a private pcscd with two virtual PC/SC readers (vpcd)")
			return &hands{rig: r, drivers: pcscReaders{20 * time.Second}, names: r.Names()}, nil
		}
		var missing rig.ErrMissing
		if !errors.Is(err, rig.ErrNotAllowed) && !errors.As(err, &missing) {
			return nil, err
		}
		fmt.Fprintf(out, "readers: %v\n", err)
	}
	names := []string{"memory reader 0", "memory reader 1"}
	slots := newMemoryReaders(names...)
	fmt.Fprintln(out, "readers: two in memory; pcscd and piv-go have no part in it")
	return &hands{memory: slots, drivers: slots, names: names}, nil
}

// found is the first citizen.
type found struct {
	record record
	err    error
}

func (c *demoCmd) citizen() found {
	if c.Record == "" {
		return found{record: example(c.Seed)}
	}
	r, err := loadRecord(c.Record)
	return found{r, err}
}

func (c *demoCmd) build(dir string, hands *hands) (*house, error) {
	cfg := defaults()
	cfg.Data, cfg.Keys, cfg.Listen, cfg.Station = dir, filepath.Join(dir, "keys"), c.Listen, "DEMO"
	cfg.Terminals = cfg.Keys
	cfg.Office = hands.names[officeSlot : officeSlot+1]
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(cfg.Keys); errors.Is(err, os.ErrNotExist) {
		if err := pki.InitDemo(cfg.Keys); err != nil {
			return nil, err
		}
	}
	log, _, err := logFile(filepath.Join(dir, "station.log"))
	if err != nil {
		return nil, err
	}
	return build(cfg, fittings{drivers: hands.drivers, sensor: simulatedSensors(c.Seed + 1), simulated: true, log: log})
}

// listen takes another port where the usual one is in use.
func (c *demoCmd) listen(cfg config) (net.Listener, error) {
	l, err := cfg.listen()
	if err != nil {
		host, _, splitErr := net.SplitHostPort(cfg.Listen)
		if splitErr != nil {
			return nil, err
		}
		cfg.Listen = net.JoinHostPort(host, "0")
		return cfg.listen()
	}
	return l, nil
}

// staff of the demo, by role. All have the same password.
type staff struct {
	password string
	people   map[station.Role]station.Person
}

// staff makes the people of the demo with a fresh password.
func (h *house) staff(ctx context.Context) (staff, error) {
	st := staff{password: rand.Text()[:12], people: map[station.Role]station.Person{}}
	hash, err := api.HashPassword(st.password)
	if err != nil {
		return st, err
	}
	for _, r := range []station.Role{station.RoleDesk, station.RoleSupervisor, station.RoleLine, station.RoleOffice, station.RoleAdmin} {
		p := station.Person{Format: station.Format, Login: string(r), Name: "DEMO " + string(r), Roles: []station.Role{r}, Password: hash}
		if err := h.db.PutPerson(ctx, p, station.Event{Format: station.Format, Type: station.PersonChanged, Subject: p.Login, Actor: "station"}); err != nil {
			return st, err
		}
		st.people[r] = p
	}
	return st, nil
}

// showing is the story on the terminal.
type showing struct {
	*demoCmd
	*house
	hands *hands
	staff staff
	out   io.Writer
	start time.Time
}

// demoLimit bounds the first citizen's way.
const demoLimit = 2 * time.Minute

// first takes one citizen from desk to line to office.
func (d *showing) first(ctx context.Context, citizen <-chan found) (station.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	f := <-citizen
	if f.err != nil {
		return station.Verdict{}, f.err
	}
	orderID, err := d.enrol(ctx, f.record)
	if err != nil {
		return station.Verdict{}, fmt.Errorf("desk: %w", err)
	}
	order, err := d.issue(ctx, orderID)
	if err != nil {
		return station.Verdict{}, fmt.Errorf("line: %w", err)
	}
	key := keyOf(order)
	if err := d.hands.waitOffice(ctx, order.Card); err != nil {
		return station.Verdict{}, err
	}
	v, err := d.office.Verify(ctx, d.staff.people[station.RoleOffice], d.hands.names[officeSlot], key, nil)
	if err != nil {
		return v, fmt.Errorf("office: %w", err)
	}
	printVerdict(d.out, v)
	fmt.Fprintf(d.out, "desk to verdict in %v\n", time.Since(d.start).Round(100*time.Millisecond))
	return v, nil
}

// enrol goes the desk's way and gives the order's ID.
func (d *showing) enrol(ctx context.Context, r record) (string, error) {
	desk, boss := d.staff.people[station.RoleDesk], d.staff.people[station.RoleSupervisor]
	id := "demo-" + rand.Text()[:8]
	fmt.Fprintf(d.out, "desk: %s, number %s\n", r.Citizen.Name, r.Citizen.Number)
	if _, err := d.desk.Open(ctx, desk, id, r.kind(), r.Citizen); err != nil {
		return "", err
	}
	take := func(slot station.Slot) error {
		frame, ok := r.frames[slot]
		if !ok {
			got, err := d.desk.Missing(ctx, desk, id, slot, r.Missing[slot])
			fmt.Fprintf(d.out, "  %-20s %s\n", slot, got.State)
			return err
		}
		got, err := d.desk.Capture(ctx, desk, id, slot, capture.Given(frame), r.Missing[slot])
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  %-20s %-9s quality %3d  %dx%d\n", slot, got.State, got.Quality, got.Width, got.Height)
		if got.State == station.CaptureRefused {
			return fmt.Errorf("%s refused: %v", slot, got.Reasons)
		}
		return nil
	}
	if err := take(station.Portrait); err != nil {
		return "", err
	}
	for _, f := range station.FingerSlots {
		if err := take(f.Slot); err != nil {
			return "", err
		}
	}
	if _, err := d.desk.Finalize(ctx, desk, id); err != nil {
		return "", err
	}
	e, err := d.desk.Approve(ctx, boss, id, "seen and compared")
	if err != nil {
		return "", err
	}
	fmt.Fprintf(d.out, "  finalised by %s, approved by %s: order %s\n", desk.Login, boss.Login, e.OrderID)
	return e.OrderID, nil
}

func (r record) kind() string {
	if r.Type == "" {
		return "FIRST_ISSUANCE"
	}
	return r.Type
}

// issue shows the steps of the order until it is issued.
func (d *showing) issue(ctx context.Context, id string) (station.Order, error) {
	fmt.Fprintf(d.out, "line: a blank is put into %q\n", d.hands.names[lineSlot])
	n := 0
	for e := range d.db.Watch(ctx, 0) {
		if e.Subject != id {
			continue
		}
		switch e.Type {
		case station.OrderStep:
			n++
			fmt.Fprintf(d.out, "  %2d %s\n", n, stepName(e))
		case station.OrderWasIssued:
			o, err := d.db.Order(ctx, id)
			if err == nil && o.Receipt != nil {
				fmt.Fprintf(d.out, "  issued: document %s, chip %s, %d commands, %v\n", o.Receipt.Document, o.Card, o.Receipt.Commands, o.Receipt.Elapsed.Round(time.Millisecond))
			}
			return o, err
		case station.OrderHasFailed, station.OrderReturned, station.OrderWasCancelled:
			return station.Order{}, fmt.Errorf("order %s: %s: %s", id, e.Type, e.Body)
		}
	}
	for _, r := range d.line.Status() {
		if r.Problem != "" {
			return station.Order{}, fmt.Errorf("order %s: %s", id, r.Problem)
		}
	}
	return station.Order{}, fmt.Errorf("order %s: %w", id, ctx.Err())
}

// console says where the station can be looked at.
func (d *showing) console(s *session, l net.Listener) error {
	logins := []station.Role{station.RoleDesk, station.RoleSupervisor, station.RoleLine, station.RoleOffice, station.RoleAdmin}
	return s.show(map[string]any{"address": address(d.cfg, l), "logins": logins, "password": d.staff.password, "simulated": true}, func(w io.Writer) {
		fmt.Fprintf(w, "\nthe station stays up: %s\n", address(d.cfg, l))
		fmt.Fprintf(w, "  log in as desk, supervisor, line, office or admin; password %s\n", d.staff.password)
		fmt.Fprintln(w, "  a simulated hand puts a blank into the line's reader for each order and lays the finished card on the office's reader")
		fmt.Fprintln(w, "  ctrl-c ends it")
	})
}
