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
// later, is waited for, and so is a store that cannot write; what waits stays in
// the outbox. The error is for a configuration that cannot work
// (station.Correct).
func Connect(ctx context.Context, cfg Config, out Outbox, in Inbox) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	options, err := cfg.options()
	if err != nil {
		return err
	}
	closed := make(chan struct{}) // after the last word to the log
	conn, err := nats.Connect(cfg.URL, append(options, nats.ClosedHandler(func(*nats.Conn) { close(closed) }))...)
	if err != nil {
		return &station.Error{Kind: station.Correct, What: "connect to the centre", Err: err, Hint: "look after centre in the configuration"}
	}
	defer func() { conn.Close(); <-closed }()
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncTimeout(ackWait))
	if err != nil {
		return err
	}
	l := link{cfg, js, out, in}
	var wg sync.WaitGroup
	wg.Go(func() { l.forever(ctx, "send events to the centre", l.send) })
	wg.Go(func() { l.forever(ctx, "take orders from the centre", l.take) })
	wg.Wait()
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
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil { // nil where the station itself hung up
				c.Log.Warn("centre is away", "err", err)
			}
		}),
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

// link is one run of Connect.
type link struct {
	cfg Config
	js  jetstream.JetStream
	out Outbox
	in  Inbox
}

// forever does work again and again until ctx is done, slower with each failure
// since it last worked.
func (l link) forever(ctx context.Context, what string, work func(ctx context.Context, worked func()) error) {
	for failures := 0; ctx.Err() == nil; failures++ {
		if err := work(ctx, func() { failures = 0 }); err != nil && ctx.Err() == nil {
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
			return err
		}
		sent, err := l.publish(ctx, events)
		if len(sent) > 0 {
			worked()
			if err := l.out.Sent(context.WithoutCancel(ctx), sent...); err != nil {
				return err
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
	for i, ack := range acks {
		select {
		case <-ack.Ok():
			sent = append(sent, events[i].ID)
		case failure := <-ack.Err():
			err = errors.Join(err, fmt.Errorf("event %d: %w", events[i].Seq, failure))
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
		if err := l.fetch(ctx, consumer, worked); err != nil {
			return fmt.Errorf("fetch orders: %w", err)
		}
	}
	return nil
}

// fetch waits a while for orders and receives those that come.
func (l link) fetch(ctx context.Context, consumer jetstream.Consumer, worked func()) error {
	ctx, cancel := context.WithTimeout(ctx, ackWait)
	defer cancel()
	batch, err := consumer.Fetch(lot, jetstream.FetchContext(ctx))
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		if err == nil {
			err = l.receive(context.WithoutCancel(ctx), msg)
		}
		if err != nil { // to be given again soon, this one and the rest
			err = errors.Join(err, msg.Nak())
			continue
		}
		worked()
	}
	if err != nil {
		return err
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// receive stores one order and acknowledges it, in this order. What is no order
// is told to the centre as such and comes no more.
func (l link) receive(ctx context.Context, msg jetstream.Msg) error {
	err := take(ctx, l.in, msg.Data(), "centre")
	switch {
	case errors.Is(err, errForeign), err != nil && station.KindOf(err) == station.Correct:
		l.cfg.Log.Error("a message from the centre was put aside", "err", err)
		return msg.TermWithReason(err.Error())
	case err != nil:
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ackWait)
	defer cancel()
	return msg.DoubleAck(ctx)
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
