package centre

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"cardstation/station"
	"cardstation/station/store"
)

var bg = context.Background()

// begin starts a NATS server with JetStream; port 0 takes a free one.
func begin(t *testing.T, dir string, port int, tlsConfig *tls.Config) *server.Server {
	t.Helper()
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true, SyncAlways: true,
		TLSConfig: tlsConfig})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(5 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	t.Cleanup(func() { end(s) })
	return s
}

func end(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

func port(s *server.Server) int { return s.Addr().(*net.TCPAddr).Port }

func open(t *testing.T) *store.Store {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "station.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// run runs a station's feed until the test ends.
func run(t *testing.T, feed func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(bg)
	done := make(chan error, 1)
	go func() { done <- feed(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(3 * time.Second):
			t.Error("the feed does not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: ", what)
		}
	}
}

func order(id string) station.Order {
	return station.Order{Format: station.Format, ID: id, Profile: "softcard", Type: "FIRST_ISSUANCE", Portrait: []byte("jpeg"),
		Citizen: station.Citizen{Number: "001200000001", Name: "Nguyễn Văn Mật"}}
}

func approve(t *testing.T, db *store.Store, id string) {
	t.Helper()
	body, err := json.Marshal(order(id))
	if err == nil {
		err = db.Record(bg, station.Event{ID: "approved-" + id, Type: station.EnrolmentApproval, Subject: "e-" + id, Actor: "binh", Body: body})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func unsent(t *testing.T, db *store.Store) int {
	t.Helper()
	n, _, err := db.Unsent(bg)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// centreSide is a client of the centre's own.
type centreSide struct {
	t  *testing.T
	js jetstream.JetStream
}

func at(t *testing.T, url string) centreSide {
	t.Helper()
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return centreSide{t, js}
}

// events reads the whole event stream.
func (c centreSide) events() (all []station.Event) {
	c.t.Helper()
	stream, err := c.js.Stream(bg, EventStream)
	if err != nil {
		return nil
	}
	info, err := stream.Info(bg)
	if err != nil {
		return nil
	}
	for seq := info.State.FirstSeq; seq > 0 && seq <= info.State.LastSeq; seq++ {
		msg, err := stream.GetMsg(bg, seq)
		if err != nil {
			c.t.Fatal(err)
		}
		var e station.Event
		if err := json.Unmarshal(msg.Data, &e); err != nil {
			c.t.Fatal(err)
		}
		if id := msg.Header.Get(nats.MsgIdHdr); id != e.ID || e.Hash != e.Digest() || !strings.HasSuffix(msg.Subject, ".hanoi-1."+string(e.Type)) {
			c.t.Errorf("message %s on %s carries event %s", id, msg.Subject, e.ID)
		}
		all = append(all, e)
	}
	return all
}

func (c centreSide) give(subject string, data []byte) {
	c.t.Helper()
	eventually(c.t, "an order is published", func() bool {
		_, err := c.js.Publish(bg, orderSubject+subject, data)
		return err == nil
	})
}

func (c centreSide) order(id string) {
	c.t.Helper()
	raw, err := json.Marshal(order(id))
	if err != nil {
		c.t.Fatal(err)
	}
	c.give("hanoi-1", raw)
}

func has(db *store.Store, id string) func() bool {
	return func() bool { o, err := db.Order(bg, id); return err == nil && o.State == station.OrderPending }
}

func TestEventsGoUpAndOrdersComeDownThroughARestart(t *testing.T) {
	dir, db := t.TempDir(), open(t)
	nats := begin(t, dir, 0, nil)
	url, p := nats.ClientURL(), port(nats)
	approve(t, db, "o1")
	var log bytes.Buffer
	stop := run(t, func(ctx context.Context) error {
		return Connect(ctx, Config{URL: url, Station: "hanoi-1", Log: slog.New(slog.NewTextHandler(&log, nil))}, db, db)
	})
	centre := at(t, url)
	eventually(t, "first event sent", func() bool { return unsent(t, db) == 0 })
	eventually(t, "streams are there", func() bool { _, err := centre.js.Stream(bg, OrderStream); return err == nil })
	centre.order("o1")
	eventually(t, "first order received", has(db, "o1"))

	end(nats)
	for i := range 100 {
		approve(t, db, fmt.Sprint("away", i))
	}
	if n := unsent(t, db); n != 100 {
		t.Errorf("%d events wait while the centre is away, want 100", n)
	}
	begin(t, dir, p, nil)
	eventually(t, "what waited is sent", func() bool { return unsent(t, db) == 0 })
	for range 3 { // the centre may say things more than once
		centre.order("o1")
		centre.order("o2")
	}
	eventually(t, "second order received", has(db, "o2"))

	seen := map[string]int{}
	for _, e := range centre.events() {
		seen[e.ID]++
	}
	if len(seen) != 101 {
		t.Errorf("the centre has %d events, want 101", len(seen))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("event %s is there %d times", id, n)
		}
	}
	eventually(t, "all orders are acknowledged", func() bool {
		stream, err := centre.js.Stream(bg, OrderStream)
		if err != nil {
			return false
		}
		consumer, err := stream.Consumer(bg, "station-hanoi-1")
		if err != nil {
			return false
		}
		info, err := consumer.Info(bg)
		return err == nil && info.NumPending == 0 && info.NumAckPending == 0
	})
	received := 0
	events, err := db.Events(bg, 0, 1000)
	for _, e := range events {
		if e.Type == station.OrderReceived {
			received++
		}
	}
	if received != 2 || err != nil {
		t.Errorf("%d orders received, want 2: %v", received, err)
	}
	stop()
	if strings.Contains(log.String(), "001200000001") || strings.Contains(log.String(), "Nguy") {
		t.Error("the log holds citizen data: ", log.String())
	}
}

// forgetful is an outbox that fails after the stream has the events: the station
// is killed between the two.
type forgetful struct {
	*store.Store
	mu    sync.Mutex
	fails int
}

func (f *forgetful) Sent(ctx context.Context, ids ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails > 0 {
		f.fails--
		return errors.New("killed here")
	}
	return f.Store.Sent(ctx, ids...)
}

func TestEventSentTwiceIsThereOnce(t *testing.T) {
	nats, db := begin(t, t.TempDir(), 0, nil), open(t)
	for i := range 10 {
		approve(t, db, fmt.Sprint(i))
	}
	out := &forgetful{Store: db, fails: 2}
	run(t, func(ctx context.Context) error {
		return Connect(ctx, Config{URL: nats.ClientURL(), Station: "hanoi-1"}, out, db)
	})
	eventually(t, "all is sent", func() bool { return unsent(t, db) == 0 })
	events := at(t, nats.ClientURL()).events()
	if len(events) != 10 {
		t.Errorf("the centre has %d events, want 10", len(events))
	}
	for i, e := range events {
		if e.ID != fmt.Sprint("approved-", i) {
			t.Errorf("place %d holds %s", i, e.ID)
		}
	}
}

// refusing is an inbox on a full disk for a while.
type refusing struct {
	*store.Store
	mu    sync.Mutex
	fails int
}

func (r *refusing) PutOrder(ctx context.Context, o station.Order, events ...station.Event) (station.Order, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails > 0 {
		r.fails--
		return o, station.Errorf(station.StopLine, "disk full")
	}
	return r.Store.PutOrder(ctx, o, events...)
}

func (r *refusing) left() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fails
}

func TestOrderIsAcknowledgedOnlyWhenItIsStored(t *testing.T) {
	nats, db := begin(t, t.TempDir(), 0, nil), open(t)
	in := &refusing{Store: db, fails: 3}
	run(t, func(ctx context.Context) error {
		return Connect(ctx, Config{URL: nats.ClientURL(), Station: "hanoi-1"}, db, in)
	})
	centre := at(t, nats.ClientURL())
	eventually(t, "streams are there", func() bool { _, err := centre.js.Stream(bg, OrderStream); return err == nil })
	floor := func() uint64 {
		c, err := centre.js.Consumer(bg, OrderStream, "station-hanoi-1")
		if err != nil {
			return 0
		}
		info, err := c.Info(bg)
		if err != nil {
			return 0
		}
		return info.AckFloor.Stream
	}
	centre.order("o1")
	centre.order("o2")
	for in.left() > 0 {
		if n := floor(); n != 0 && in.left() > 0 {
			t.Fatalf("an order that is not stored is acknowledged: %d", n)
		}
		time.Sleep(5 * time.Millisecond)
	}
	eventually(t, "stored and acknowledged", func() bool { return has(db, "o1")() && has(db, "o2")() && floor() == 2 })
}

func TestWhatIsNoOrderIsPutAside(t *testing.T) {
	nats, db := begin(t, t.TempDir(), 0, nil), open(t)
	run(t, func(ctx context.Context) error {
		return Connect(ctx, Config{URL: nats.ClientURL(), Station: "hanoi-1"}, db, db)
	})
	centre := at(t, nats.ClientURL())
	eventually(t, "streams are there", func() bool { _, err := centre.js.Stream(bg, OrderStream); return err == nil })
	future := order("future")
	future.Format = station.Format + 1
	for _, bad := range [][]byte{nil, []byte("{"), []byte(`{"id":7}`), []byte(`{}`), mustJSON(future), mustJSON(order(strings.Repeat("x", 500)))} {
		centre.give("hanoi-1", bad)
	}
	centre.give("hanoi-2", mustJSON(order("not ours")))
	centre.order("good")
	eventually(t, "the good one comes through", has(db, "good"))
	if orders, _, err := db.Orders(bg, station.Query{}); err != nil || len(orders) != 1 {
		t.Errorf("%d orders, %v", len(orders), err)
	}
}

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func TestCentreThatComesLateIsWaitedFor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := l.Addr().(*net.TCPAddr).Port
	l.Close()
	db := open(t)
	approve(t, db, "o1")
	run(t, func(ctx context.Context) error {
		return Connect(ctx, Config{URL: fmt.Sprint("nats://127.0.0.1:", p), Station: "hanoi-1"}, db, db)
	})
	time.Sleep(100 * time.Millisecond)
	begin(t, t.TempDir(), p, nil)
	eventually(t, "sent", func() bool { return unsent(t, db) == 0 })
}

func TestCentreIsBelievedByItsAuthority(t *testing.T) {
	dir := t.TempDir()
	pair, ca := certificate(t)
	caFile := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	nats, db := begin(t, dir, 0, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), open(t)
	approve(t, db, "o1")
	url := fmt.Sprint("tls://127.0.0.1:", port(nats))
	stop := run(t, func(ctx context.Context) error {
		return Connect(ctx, Config{URL: url, Station: "hanoi-1"}, db, db)
	})
	time.Sleep(300 * time.Millisecond)
	if unsent(t, db) != 1 {
		t.Error("events went to a centre that nobody vouches for")
	}
	stop()
	run(t, func(ctx context.Context) error {
		return Connect(ctx, Config{URL: url, Station: "hanoi-1", CA: caFile}, db, db)
	})
	eventually(t, "sent", func() bool { return unsent(t, db) == 0 })
}

func certificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestConfigurationThatCannotWorkIsRefused(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.pem")
	if err := os.WriteFile(bad, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []Config{
		{}, {URL: "nats://127.0.0.1"}, {Station: "s"}, {URL: "nats://127.0.0.1", Station: "a.b"}, {URL: "nats://127.0.0.1", Station: "*"},
		{URL: "://", Station: "s"}, {URL: "nats://127.0.0.1", Station: "s", CA: "none.pem"}, {URL: "nats://127.0.0.1", Station: "s", CA: bad},
		{URL: "nats://127.0.0.1", Station: "s", Credentials: "none"}, {URL: "nats://127.0.0.1", Station: "s", Certificate: bad, Key: bad},
	} {
		ctx, cancel := context.WithTimeout(bg, time.Second)
		if err := Connect(ctx, cfg, nil, nil); station.KindOf(err) != station.Correct || station.HintOf(err) == "" {
			t.Errorf("%+v: %v", cfg, err)
		}
		cancel()
	}
}

func TestWithoutCentreApprovedOrdersEnterTheQueue(t *testing.T) {
	db := open(t)
	for i := range 3 {
		approve(t, db, fmt.Sprint("o", i))
	}
	if err := db.Record(bg, station.Event{Type: station.VerificationDone}); err != nil {
		t.Fatal(err)
	}
	killed := &forgetful{Store: db, fails: 1}
	if err := Local(bg, killed, db); err == nil {
		t.Error("Local goes on over a store that fails")
	}
	stop := run(t, func(ctx context.Context) error { return Local(ctx, db, &refusing{Store: db, fails: 1}) })
	eventually(t, "all is handed on", func() bool { return unsent(t, db) == 0 })
	approve(t, db, "o3")
	eventually(t, "the late one too", has(db, "o3"))
	stop()
	orders, _, err := db.Orders(bg, station.Query{State: station.OrderPending})
	if err != nil || len(orders) != 4 || string(orders[0].Portrait) != "jpeg" {
		t.Errorf("%d orders, %v", len(orders), err)
	}
}
