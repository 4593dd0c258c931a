package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"cardstation/station"
)

// policy lets pages load only what this server serves; no script or style stands
// inside a page. Pictures may be data or blobs: the portrait of a verdict is.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// shell is around every request: headers, refusal of other origins, recovery,
// log. The log has method, path and status; never a query, a body or a token.
func (s *server) shell(inner http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			h.Set("Cache-Control", "no-store")
		}
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if err := origins.Check(r); err != nil {
			refuse(w, http.StatusForbidden, "requests from other origins are refused")
			return
		}
		seen := &seen{ResponseWriter: w}
		start := time.Now()
		defer func() {
			if p := recover(); p != nil {
				s.recovered(seen, r, p)
			}
			s.log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", seen.code, "took", time.Since(start))
		}()
		ctx := context.WithValue(r.Context(), writerKey{}, http.NewResponseController(seen))
		inner.ServeHTTP(seen, r.WithContext(ctx))
	})
}

// recovered answers a handler's panic. A client that went away while its answer
// was written is no fault of ours.
func (s *server) recovered(w *seen, r *http.Request, p any) {
	if r.Context().Err() != nil {
		return
	}
	s.log.Error("handler panicked", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	if w.code == 0 {
		refuse(w, http.StatusInternalServerError, "the station failed; its log says why")
	}
}

// seen remembers the status code of an answer.
type seen struct {
	http.ResponseWriter
	code int
}

func (w *seen) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *seen) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Flush lets the event stream through.
func (w *seen) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController through.
func (w *seen) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type writerKey struct{}

// patience gives the answer of this request more time than the server's
// time-out.
func patience(ctx context.Context, d time.Duration) {
	if c, ok := ctx.Value(writerKey{}).(*http.ResponseController); ok {
		_ = c.SetWriteDeadline(time.Now().Add(d))
	}
}

// refuse writes a Problem outside the API's operations.
func refuse(w http.ResponseWriter, code int, detail string) {
	writeProblem(w, newProblem(code, kindOfStatus(code), detail, ""))
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// guard lets an operation's caller through only with what one of its security
// requirements wants.
func (s *server) guard(ctx huma.Context, next func(huma.Context)) {
	needs := ctx.Operation().Security
	if len(needs) == 0 {
		next(ctx)
		return
	}
	g := humagin.Unwrap(ctx)
	c, err := s.authenticate(g.Request)
	if err == nil {
		if !may(c.Person, needs) {
			err = &station.Error{Kind: station.Forbidden, What: "this needs the scope " + strings.Join(scopesFor(needs), " or "), Hint: "ask an administrator for the role that has it"}
		}
	}
	if err != nil {
		var p *Problem
		if !errors.As(err, &p) {
			p = problemOf(ctx.Context(), s.log, err)
		}
		writeProblem(g.Writer, p)
		return
	}
	done, refused := s.admit(ctx.Operation(), g.Request, c.Login)
	if refused != nil {
		writeProblem(g.Writer, refused)
		return
	}
	defer done()
	next(huma.WithValue(ctx, callerKey{}, c))
}

// scopesFor names the scopes any one of which fulfils the requirements.
func scopesFor(needs []map[string][]string) []string {
	var all []string
	for _, need := range needs {
		if scopes, bearer := need[bearerAuth]; bearer {
			all = append(all, scopes...)
		}
	}
	return all
}
