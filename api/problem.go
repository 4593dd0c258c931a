package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"cardstation/station"
)

// status is the one table from what the person must do to HTTP.
var status = map[station.Kind]int{
	station.Internal:       http.StatusInternalServerError,
	station.Correct:        http.StatusBadRequest,
	station.Retry:          http.StatusServiceUnavailable,
	station.ReplaceCard:    http.StatusUnprocessableEntity,
	station.CallSupervisor: http.StatusConflict,
	station.StopLine:       http.StatusServiceUnavailable,
	station.Unknown:        http.StatusNotFound,
	station.Conflict:       http.StatusConflict,
	station.LogIn:          http.StatusUnauthorized,
	station.Forbidden:      http.StatusForbidden,
}

// kindOfStatus is the other direction, for what the HTTP layer itself refuses.
func kindOfStatus(code int) station.Kind {
	switch code {
	case http.StatusUnauthorized:
		return station.LogIn
	case http.StatusForbidden:
		return station.Forbidden
	case http.StatusNotFound:
		return station.Unknown
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return station.Retry
	}
	if code >= 500 {
		return station.Internal
	}
	return station.Correct
}

// Problem is the answer to a request that failed: RFC 9457 problem details. Of
// its extension members, kind says what must be done now, hint says how, and
// code and message are what OSIA's Error has.
type Problem struct {
	Type    string  `json:"type" doc:"Always about:blank; kind tells problems apart."`
	Title   string  `json:"title" doc:"What the status code means."`
	Status  int     `json:"status" doc:"HTTP status code."`
	Detail  string  `json:"detail" doc:"What failed, and on what."`
	Kind    string  `json:"kind" enum:"internal,correct,retry,replace-card,call-supervisor,stop-line,unknown,conflict,log-in,forbidden" doc:"What must be done now."`
	Hint    string  `json:"hint,omitempty" doc:"What the person at the machine should do."`
	Errors  []Fault `json:"errors,omitempty" doc:"Each wrong part of the request."`
	Code    int     `json:"code" doc:"As status; OSIA's Error has it under this name."`
	Message string  `json:"message" doc:"As detail; OSIA's Error has it under this name."`

	after string // Retry-After, seconds
}

// Fault is one wrong part of a request. It never repeats the value.
type Fault struct {
	Location string `json:"location" doc:"Where: body.biographicData.name, query.limit."`
	Message  string `json:"message" doc:"What is wrong with it."`
}

// Error is the problem's detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status code.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of RFC 9457.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders gives the headers that belong to the status: the challenge of a
// 401 (RFC 9110, 11.6.1) and Retry-After.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if p.after != "" {
		h.Set("Retry-After", p.after)
	}
	return h
}

func newProblem(code int, kind station.Kind, detail, hint string) *Problem {
	p := &Problem{Type: "about:blank", Title: http.StatusText(code), Status: code, Detail: detail, Kind: kind.String(), Hint: hint, Code: code, Message: detail}
	if kind == station.Retry {
		p.after = "1"
	}
	return p
}

// problemOf translates an error of the rooms below. What is internal goes to the
// log and not to the client; what stops the line goes to both.
func problemOf(ctx context.Context, log *slog.Logger, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	kind := station.KindOf(err)
	if kind == station.Internal {
		if ctx.Err() != nil {
			return newProblem(http.StatusServiceUnavailable, station.Retry, "the request was given up", "")
		}
		log.Error("request failed", "err", err)
		return newProblem(http.StatusInternalServerError, kind, "the station failed; its log says why", station.HintOf(err))
	}
	if kind == station.StopLine {
		log.Error("the line must not go on", "err", err)
	}
	p = newProblem(status[kind], kind, err.Error(), station.HintOf(err))
	var e *station.Error
	if errors.As(err, &e) {
		for field, text := range e.Fields {
			p.Errors = append(p.Errors, Fault{Location: location(field), Message: text})
		}
		slices.SortFunc(p.Errors, func(a, b Fault) int { return strings.Compare(a.Location, b.Location) })
	}
	return p
}

// hook makes the library that parses requests answer with Problems of ours. Its
// hook is a package variable, so it is set once for the process.
var hook = sync.OnceFunc(func() {
	huma.NewError = func(code int, msg string, errs ...error) huma.StatusError {
		return parseProblem(code, msg, errs)
	}
	huma.NewErrorWithContext = func(_ huma.Context, code int, msg string, errs ...error) huma.StatusError {
		return parseProblem(code, msg, errs)
	}
})

// mostFaults is how many wrong parts of a request are told.
const mostFaults = 100

// parseProblem is a request that did not parse or validate. OSIA answers 400
// where the library would say 422. Values are never sent back: they may be a
// password or an image.
func parseProblem(code int, msg string, errs []error) *Problem {
	if code == http.StatusUnprocessableEntity {
		code = http.StatusBadRequest
	}
	if code == http.StatusInternalServerError && msg == "cannot read request body" {
		code = http.StatusBadRequest
	}
	p := newProblem(code, kindOfStatus(code), msg, "")
	for _, err := range errs[:min(len(errs), mostFaults)] {
		if d, ok := err.(huma.ErrorDetailer); ok {
			p.Errors = append(p.Errors, Fault{Location: d.ErrorDetail().Location, Message: d.ErrorDetail().Message})
		}
	}
	return p
}
