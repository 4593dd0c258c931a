package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"cardstation/station"
)

// StreamEvent is what the stream of events tells: that something was done, not
// to whom. Of an event's body only what names a step, a slot, a state, an
// outcome, a reader or a chip goes out.
type StreamEvent struct {
	Seq     uint64            `json:"seq"`
	At      time.Time         `json:"at"`
	Type    station.EventType `json:"type"`
	Subject string            `json:"subject" doc:"Id of the enrollment, request, credential, verification or person."`
	Actor   string            `json:"actor"`
	Detail  map[string]string `json:"detail,omitempty"`
}

// told are the members of event bodies that go out.
var told = []string{"step", "slot", "state", "outcome", "reader", "card", "attempt"}

func streamEvent(e station.Event) StreamEvent {
	v := StreamEvent{Seq: e.Seq, At: e.At, Type: e.Type, Subject: e.Subject, Actor: e.Actor}
	var body map[string]json.RawMessage
	if json.Unmarshal(e.Body, &body) != nil {
		return v
	}
	for _, name := range told {
		raw, ok := body[name]
		if !ok || len(raw) > 200 {
			continue
		}
		var value any
		_ = json.Unmarshal(raw, &value) // a message of a valid body
		switch value.(type) {
		case string, float64:
			if v.Detail == nil {
				v.Detail = map[string]string{}
			}
			v.Detail[name] = fmt.Sprint(value)
		}
	}
	return v
}

// AuditRow is one event as the administrator sees it.
type AuditRow struct {
	StreamEvent
	Hash string `json:"hash"`
}

// AuditResult tells whether the chain of events holds.
type AuditResult struct {
	Events  uint64 `json:"events" doc:"How many were walked; up to the first break."`
	Intact  bool   `json:"intact"`
	Problem string `json:"problem,omitempty" doc:"The first break."`
}

func (s *server) eventRoutes() {
	stream := operation(http.MethodGet, "/v1/events", "streamEvents", "Event", "Events as they are committed, as server-sent events", eventRead)
	stream.Description = "Begins with the next event, or behind the one that Last-Event-ID (or after) names. The id of each is its number. There is no citizen data in it. What is done about people who log in (person.*) comes to administrators only. A person has at most eight streams at a time; one more is refused with 429."
	schema := s.api.OpenAPI().Components.Schemas.Schema(typeOf[StreamEvent](), true, "StreamEvent")
	stream.Responses = map[string]*huma.Response{"200": {Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: schema}}}}
	handle(s, stream, s.streamEvents)
	handle(s, operation(http.MethodGet, "/v1/audit", "audit", "Audit", "Walk the chain of events and tell whether it holds", auditRead), s.audit)
	handle(s, operation(http.MethodGet, "/v1/audit/events", "listAudit", "Audit", "The chain of events, newest first", auditRead), s.listAudit)
}

type auditOutput struct{ Body AuditResult }

func (s *server) audit(ctx context.Context, _ *struct{}) (*auditOutput, error) {
	n, err := s.cfg.Events.Audit(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out := &auditOutput{Body: AuditResult{Events: n, Intact: err == nil}}
	if err != nil {
		out.Body.Problem = err.Error()
	}
	return out, nil
}

type auditListOutput struct{ Body List[AuditRow] }

func (s *server) listAudit(ctx context.Context, in *LogPage) (*auditListOutput, error) {
	events, next, err := s.backwards(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &auditListOutput{Body: listed(events, next, func(e station.Event) AuditRow { return AuditRow{StreamEvent: streamEvent(e), Hash: e.Hash} })}, nil
}

type streamInput struct {
	LastEventID string `header:"Last-Event-ID" maxLength:"20" doc:"The number of the last event that the caller has."`
	After       string `query:"after" maxLength:"20" doc:"The same, for those who cannot set the header."`
}

// streamPulse is how often a quiet stream shows that it lives, and how soon a
// stream ends after its session.
const streamPulse = 15 * time.Second

func (s *server) streamEvents(ctx context.Context, in *streamInput) (*huma.StreamResponse, error) {
	after, err := s.startOf(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.streaming(ctx, func(l listener) { s.stream(l, after) })
}

// listener is who hears one stream of server-sent events.
type listener struct {
	ctx     context.Context // ends when the listener leaves
	writer  gin.ResponseWriter
	request *http.Request
}

// greeting begins a stream.
const greeting = "retry: 2000\n: connected\n\n"

// streaming answers with a stream, if the caller may have one more.
func (s *server) streaming(ctx context.Context, serve func(listener)) (*huma.StreamResponse, error) {
	me := who(ctx).Login
	if ok, own := s.streams.take(me, 1); !ok {
		return nil, full(own, "too many event streams are open", "close other windows of the console, or other programs that listen")
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		defer s.streams.give(me, 1)
		g := humagin.Unwrap(hctx)
		ctx, cancel := context.WithCancel(hctx.Context())
		defer cancel()
		h := g.Writer.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no")
		g.Writer.WriteHeader(http.StatusOK)
		serve(listener{ctx, g.Writer, g.Request})
	}}, nil
}

// send tells whether the listener still hears.
func (l listener) send(text string) bool {
	patience(l.ctx, 2*streamPulse)
	if _, err := l.writer.WriteString(text); err != nil {
		return false
	}
	return http.NewResponseController(l.writer).Flush() == nil
}

// mayHear tells whether an event is for this listener: who logs in from where,
// and who may do what, is for administrators.
func (c caller) mayHear(e station.Event) bool {
	return !strings.HasPrefix(string(e.Type), "person.") || c.Has(station.RoleAdmin)
}

// startOf finds where a stream begins.
func (s *server) startOf(ctx context.Context, in *streamInput) (uint64, error) {
	from := in.LastEventID
	if from == "" {
		from = in.After
	}
	if from == "" {
		return s.cfg.Events.Head(ctx)
	}
	n, err := strconv.ParseUint(from, 10, 64)
	if err != nil {
		return 0, station.Errorf(station.Correct, "Last-Event-ID is no number of an event")
	}
	return n, nil
}

func (s *server) stream(l listener, after uint64) {
	if !l.send(greeting) {
		return
	}
	me := who(l.ctx)
	events := s.cfg.Events.Watch(l.ctx, after)
	pulse := time.NewTicker(streamPulse)
	defer pulse.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			if !me.mayHear(e) {
				continue
			}
			raw, _ := json.Marshal(streamEvent(e)) // plain fields
			if !l.send(fmt.Sprintf("id: %d\ndata: %s\n\n", e.Seq, raw)) {
				return
			}
		case <-pulse.C:
			var err error
			if me, err = s.authenticate(l.request); err != nil || !l.send(": alive\n\n") {
				return
			}
		case <-stopping(l.ctx):
			return
		}
	}
}

type stoppingKey struct{}

// stopping is closed when the server that this request came through shuts down.
func stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(chan struct{})
	return c
}

// endStreams makes a server's Shutdown end its event streams, which it would
// otherwise wait for.
func endStreams(srv *http.Server) {
	stop := make(chan struct{})
	srv.BaseContext = func(net.Listener) context.Context {
		return context.WithValue(context.Background(), stoppingKey{}, stop)
	}
	srv.RegisterOnShutdown(func() { close(stop) })
}
