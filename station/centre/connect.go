package centre

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"cardstation/station"
)

// Streams and subjects. An event of station S goes to cardstation.events.S.TYPE,
// orders for it come from cardstation.orders.S.
const (
	EventStream = "CARDSTATION_EVENTS"
	OrderStream = "CARDSTATION_ORDERS"

	eventSubject = "cardstation.events."
	orderSubject = "cardstation.orders."
)

// Config says where the centre is and who this station is there.
type Config struct {
	URL         string       // nats:// or tls://; several with commas between
	Station     string       // letters, digits, hyphens and underscores
	Credentials string       // file with the station's JWT and key; empty for none
	CA          string       // PEM file of the authority that signs the centre's certificate; empty for the system's
	Certificate string       // PEM file of the station's own TLS certificate, with Key; empty for none
	Key         string       // PEM file
	Log         *slog.Logger // nil for none; IDs and causes only, never what an event holds
}

var stationForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Connect runs with a centre until ctx is done. A centre that is away, now or
// later, is waited for; what waits stays in the outbox. The error is for a
// configuration that cannot work (station.Correct), or a store that fails.
func Connect(ctx context.Context, cfg Config, out Outbox, in Inbox) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	options, err := cfg.options()
	if err != nil {
		return err
	}
	conn, err := nats.Connect(cfg.URL, options...)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "connect to the centre", Err: err, Hint: "look after centre in the configuration"}
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	l := link{cfg, js, out, in}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	wg.Go(func() { l.forever(ctx, cancel, "send events", l.send) })
	wg.Go(func() { l.forever(ctx, cancel, "take orders", l.take) })
	wg.Wait()
	var fatal *stop
	if errors.As(context.Cause(ctx), &fatal) {
		return fatal.err
	}
	return nil
}

// options checks the configuration and turns it into the client's.
func (c Config) options() ([]nats.Option, error) {
	wrong := func(what string, err error) error {
		return &station.Error{Kind: station.Correct, What: "centre: " + what, Err: err, Hint: "look after centre in the configuration"}
	}
	if !stationForm.MatchString(c.Station) {
		return nil, wrong("station name", errors.New("1 to 64 letters, digits, hyphens and underscores"))
	}
	if _, err := url.Parse(c.URL); err != nil || c.URL == "" {
		return nil, wrong("url", errors.New("it is no URL such as nats://host:4222"))
	}
	options := []nats.Option{
		nats.Name("cardstation " + c.Station), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true), nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(wait),
		nats.ConnectHandler(func(*nats.Conn) { c.Log.Info("centre connected") }),
		nats.ReconnectHandler(func(*nats.Conn) { c.Log.Info("centre connected again") }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.Log.Warn("centre is away", "err", err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.Log.Warn("centre", "err", err) }),
	}
	for _, file := range []string{c.Credentials, c.CA, c.Certificate, c.Key} {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			return nil, wrong("file", err)
		}
	}
	if c.Credentials != "" {
		options = append(options, nats.UserCredentials(c.Credentials))
	}
	if c.CA != "" {
		options = append(options, nats.RootCAs(c.CA))
	}
	if c.Certificate != "" {
		if _, err := tls.LoadX509KeyPair(c.Certificate, c.Key); err != nil {
			return nil, wrong("certificate", err)
		}
		options = append(options, nats.ClientCert(c.Certificate, c.Key))
	}
	return options, nil
}

// wait is how long after the n-th failure the next try is: from a quarter of a
// second to half a minute, spread, so that a thousand stations do not knock at
// once.
func wait(n int) time.Duration {
	d := min(250*time.Millisecond<<min(n, 10), 30*time.Second)
	return d/2 + rand.N(d/2)
}

// stop is an error of this station's own, which trying again does not mend.
type stop struct{ err error }

func (s *stop) Error() string { return s.err.Error() }

// link is one run of Connect.
type link struct {
	cfg Config
	js  jetstream.JetStream
	out Outbox
	in  Inbox
}

// forever does work again and again until ctx is done. Success starts the
// backoff anew; a stop ends both directions.
func (l link) forever(ctx context.Context, cancel context.CancelCauseFunc, what string, work func(context.Context, func()) error) {
	for failures := 0; ctx.Err() == nil; failures++ {
		err := work(ctx, func() { failures = 0 })
		var fatal *stop
		if errors.As(err, &fatal) {
			cancel(fatal)
			return
		}
		if err != nil && ctx.Err() == nil {
			l.cfg.Log.Warn(what, "err", err, "failures", failures+1)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait(failures)):
		}
	}
}

// ackWait is how long a stream may take to answer.
const ackWait = 10 * time.Second

// send publishes the outbox, in order, until something fails.
func (l link) send(ctx context.Context, worked func()) error {
	if _, err := l.stream(ctx, EventStream, eventSubject+">"); err != nil {
		return err
	}
	for {
		events, err := l.out.Pending(ctx, lot)
		if err != nil {
			return l.own(ctx, err)
		}
		sent, err := l.publish(ctx, events)
		if len(sent) > 0 {
			worked()
			if err := l.out.Sent(context.WithoutCancel(ctx), sent...); err != nil {
				return l.own(ctx, err)
			}
		}
		if err != nil {
			return err
		}
	}
}

// publish hands events to the stream without waiting for each, and gives the
// IDs of those that it has acknowledged.
func (l link) publish(ctx context.Context, events []station.Event) (sent []string, err error) {
	acks := make([]jetstream.PubAckFuture, 0, len(events))
	for _, e := range events {
		raw, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", e.Seq, err)
		}
		msg := &nats.Msg{Subject: eventSubject + l.cfg.Station + "." + string(e.Type), Data: raw}
		ack, err := l.js.PublishMsgAsync(msg, jetstream.WithMsgID(e.ID), jetstream.WithExpectStream(EventStream))
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", e.Seq, err)
		}
		acks = append(acks, ack)
	}
	late := time.NewTimer(ackWait)
	defer late.Stop()
	for i, ack := range acks {
		select {
		case <-ack.Ok():
			sent = append(sent, events[i].ID)
		case failure := <-ack.Err():
			err = errors.Join(err, fmt.Errorf("event %d: %w", events[i].Seq, failure))
		case <-late.C:
			return sent, fmt.Errorf("event %d: the stream did not answer in %s", events[i].Seq, ackWait)
		case <-ctx.Done():
			return sent, ctx.Err()
		}
	}
	return sent, err
}

// take receives this station's orders until something fails.
func (l link) take(ctx context.Context, worked func()) error {
	stream, err := l.stream(ctx, OrderStream, orderSubject+">")
	if err != nil {
		return err
	}
	consumer, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "station-" + l.cfg.Station, FilterSubject: orderSubject + l.cfg.Station,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, MaxAckPending: 4 * lot,
	})
	if err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	for ctx.Err() == nil {
		batch, err := consumer.Fetch(lot, jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			return fmt.Errorf("fetch orders: %w", err)
		}
		for msg := range batch.Messages() {
			if err := l.receive(ctx, msg); err != nil {
				return err
			}
			worked()
		}
		if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) {
			return fmt.Errorf("fetch orders: %w", err)
		}
	}
	return nil
}

// receive stores one order and acknowledges it, in this order. What is no order
// is told to the centre as such and comes no more.
func (l link) receive(ctx context.Context, msg jetstream.Msg) error {
	err := take(ctx, l.in, msg.Data(), "centre")
	switch {
	case errors.Is(err, errForeign), station.KindOf(err) == station.Correct && err != nil:
		l.cfg.Log.Error("a message from the centre was put aside", "err", err)
		return msg.TermWithReason(err.Error())
	case err != nil:
		return l.own(ctx, err)
	}
	return msg.DoubleAck(ctx)
}

// own marks an error of the station's own store: it ends the feed, unless the
// station is stopping anyway.
func (l link) own(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &stop{err}
}

// stream finds a stream, and makes it where the centre has none and lets the
// station make it.
func (l link) stream(ctx context.Context, name, subjects string) (jetstream.Stream, error) {
	stream, err := l.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = l.js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subjects}, Storage: jetstream.FileStorage, Duplicates: time.Hour})
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another station was faster
		stream, err = l.js.Stream(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", name, err)
	}
	return stream, nil
}
