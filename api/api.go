// Package api is the station's door for programs and people: the HTTP API under
// /v1, its OpenAPI 3.1 document, and the web console.
//
// Enrolments, credential requests, credentials and credential profiles have the
// paths, names, states, status codes and bearer scopes of OSIA (Secure Identity
// Alliance, Enrollment 1.3.0 and Credential Management 1.3.0); how their names
// stand to ours is written at BiographicData, BiometricData and the mapping
// functions beside them. Beside them stand our own: sessions, people, captures,
// approval, readers, verifications, events, audit. Errors are RFC 9457 problems,
// partial updates RFC 7396 merge patches, events the server-sent events of the
// HTML standard. It is the only package that knows gin and huma.
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"cardstation/api/console"
	"cardstation/devices/capture"
	"cardstation/station"
)

// Config is what the API stands before.
type Config struct {
	Desk     Desk
	Queue    Queue
	Cards    Cards
	Readers  Readers
	Office   Office
	People   People
	Events   Events
	Profiles []Profile

	// Sensor gives the attached or simulated device of a slot; nil or false: there
	// is none, and images are uploaded. One may be a Watcher too.
	Sensor func(station.Slot) (capture.Sensor, bool)
	// SampleSensor gives the attached device for an opaque sample; nil or false: there is
	// none.
	SampleSensor func(kind string, subtype int) (capture.Sensor, bool)
	// Transaction makes the ANSI/NIST-ITL file of a finalized enrolment; nil: there is none.
	Transaction func(context.Context, station.Enrolment, Asked) ([]byte, error)
	// QualityMap draws over a captured print how good it is from place to place, as PNG; nil:
	// nobody can.
	QualityMap func(c station.Capture, print []byte) ([]byte, error)
	// Simulated says so on every page of the console: nothing here is real.
	Simulated bool
	Station   string // its name, on the console's pages
	Limits    Limits
	Now       func() time.Time // nil for time.Now
	Log       *slog.Logger     // nil for none
}

// Limits bound one request. The zero value is 1 MiB of JSON, 20 MiB of image.
type Limits struct {
	JSON  int64 // bytes of a body without images
	Image int64 // bytes of an image, or of a JSON body that carries images
}

type server struct {
	cfg       Config
	log       *slog.Logger
	now       func() time.Time
	api       huma.API
	sessions  *sessions
	byAddress *limiter // tries to log in
	byPair    *limiter // the same, by login and address
	byLogin   *limiter // the same, by login; delays only
	byPerson  *limiter // tries to change one's own password
	hashing   chan struct{}
	nobody    string // a hash that no password fits
	buffers   *buffers
	streams   *shares // open event streams
	bodies    *shares // bytes of requests
	turns     *turns  // at looking at pictures
	looks     *turns  // at drawing them
	cards     *shares // verifications that wait for a card
	sights    sights
}

// New makes the handler of the API and the console.
func New(cfg Config) http.Handler {
	s, engine := newServer(cfg)
	s.routes()
	s.serveDocument(engine)
	engine.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	pages := console.New(console.Options{Simulated: cfg.Simulated, Station: cfg.Station})
	for _, path := range console.Paths() {
		engine.GET(path, gin.WrapH(pages))
	}
	return s.shell(engine)
}

// newServer fills in what cfg leaves out and makes a server without routes.
func newServer(cfg Config) (*server, *gin.Engine) {
	hook()
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Limits.JSON == 0 {
		cfg.Limits.JSON = 1 << 20
	}
	if cfg.Limits.Image == 0 {
		cfg.Limits.Image = 20 << 20
	}
	s := &server{cfg: cfg, log: cfg.Log, now: cfg.Now, sessions: newSessions(cfg.Now),
		byAddress: newLimiter(20, 2*time.Second, cfg.Now), byPair: newLimiter(5, 10*time.Second, cfg.Now), byLogin: newLimiter(5, 10*time.Second, cfg.Now),
		byPerson: newLimiter(5, 10*time.Second, cfg.Now), hashing: make(chan struct{}, 2), nobody: unusableHash(), buffers: newBuffers(cfg.Now),
		streams: newShares(streamsInAll, streamsEach), bodies: newShares(bodyRoom, bodyShare), turns: newTurns(turnsInAll, turnsEach), looks: newTurns(looksInAll, looksEach), cards: newShares(cardsInAll, cardsEach), sights: sights{all: map[string][]chan Sight{}}}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.NoRoute(func(c *gin.Context) { refuse(c.Writer, http.StatusNotFound, "there is nothing at this path") })
	engine.NoMethod(func(c *gin.Context) { refuse(c.Writer, http.StatusMethodNotAllowed, "this path has no such method") })
	s.api = humagin.New(engine, document())
	s.api.UseMiddleware(s.guard)
	return s, engine
}

// Server gives a server for handler with its time-outs: a client that dawdles is
// cut off. Handlers that take long (a verification, the event stream) lift them
// for themselves; Shutdown ends the streams.
func Server(handler http.Handler, addr string) *http.Server {
	srv := &http.Server{Addr: addr, Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 90 * time.Second,
		WriteTimeout: 120 * time.Second, IdleTimeout: 120 * time.Second, MaxHeaderBytes: 32 << 10}
	endStreams(srv)
	return srv
}

func (s *server) routes() {
	s.sessionRoutes()
	s.peopleRoutes()
	s.enrollmentRoutes()
	s.bufferRoutes()
	s.captureRoutes()
	s.sampleRoutes()
	s.transactionRoutes()
	s.requestRoutes()
	s.credentialRoutes()
	s.readerRoutes()
	s.verificationRoutes()
	s.eventRoutes()
}

func document() huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	flows := map[string]*huma.SecurityScheme{
		bearerAuth: {Type: "http", Scheme: "bearer", Description: "The token of POST /v1/sessions."},
		cookieAuth: {Type: "apiKey", In: "cookie", Name: sessionCookie, Description: "The same token, for the console. Requests from other origins are refused."},
	}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI:    "3.1.0",
			Info:       &huma.Info{Title: "Card station", Version: "1.0.0", Description: "Enrolment, personalisation and verification of chip identity cards. Enrolment and credential management follow OSIA 1.3.0. What one person sends at once has 48 MiB at most, and more is refused with 429; one JSON body has 10,000 values."},
			Components: &huma.Components{Schemas: registry, SecuritySchemes: flows},
		},
		Formats:       map[string]huma.Format{"application/json": plainJSON, "json": plainJSON},
		DefaultFormat: "application/json",
	}
}

// serveDocument writes the OpenAPI document once and serves it to everybody.
func (s *server) serveDocument(engine *gin.Engine) {
	s.describeUploads()
	raw, err := json.Marshal(s.api.OpenAPI())
	if err != nil { // it is made of our own types
		panic(fmt.Sprintf("openapi document: %v", err))
	}
	engine.GET("/openapi.json", func(c *gin.Context) { c.Data(http.StatusOK, "application/openapi+json", raw) })
}

// anyone is the scope of what everybody who is logged in may do.
const anyone = "anyone"

// Names of the security schemes.
const (
	bearerAuth = "BearerAuth"
	cookieAuth = "SessionCookie"
)

// operation describes one operation. Any one of the scopes will do; without a
// scope it needs no log in.
func operation(method, path, id, tag, summary string, scopes ...string) huma.Operation {
	op := huma.Operation{Method: method, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary, BodyReadTimeout: time.Minute}
	for _, scope := range scopes {
		need := []string{scope}
		if scope == anyone {
			need = []string{}
		}
		op.Security = append(op.Security, map[string][]string{bearerAuth: need}, map[string][]string{cookieAuth: need})
	}
	return op
}

// handle puts a handler in place for those with the operation's scope.
func handle[I, O any](s *server, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	codes := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusTooManyRequests}
	register(s, op, codes, h)
}

// public puts a handler in place for everybody.
func public[I, O any](s *server, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	register(s, op, []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}, h)
}

func register[I, O any](s *server, op huma.Operation, codes []int, h func(context.Context, *I) (*O, error)) {
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = s.cfg.Limits.JSON
	}
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	problem := s.api.OpenAPI().Components.Schemas.Schema(typeOf[Problem](), true, "Problem")
	codes = append(codes, http.StatusInternalServerError, http.StatusServiceUnavailable)
	if op.Method == http.MethodPost || op.Method == http.MethodPut || op.Method == http.MethodPatch { // those with a body
		codes = append(codes, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	for _, code := range codes {
		op.Responses[fmt.Sprint(code)] = &huma.Response{Description: http.StatusText(code),
			Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}}
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, s.log, err)
		}
		return out, nil
	})
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }
