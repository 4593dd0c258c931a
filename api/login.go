package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cardstation/station"
)

// LoginBody is what POST /v1/sessions wants.
type LoginBody struct {
	Login    string `json:"login" minLength:"1" maxLength:"64"`
	Password string `json:"password" minLength:"1" maxLength:"128" format:"password"`
}

// Session tells who is logged in and what they may do.
type Session struct {
	Token   string         `json:"token,omitempty" doc:"Bearer token; only in the answer to the log in."`
	Login   string         `json:"login"`
	Name    string         `json:"name"`
	Roles   []station.Role `json:"roles"`
	Scopes  []string       `json:"scopes"`
	Expires time.Time      `json:"expires"`
}

type loginInput struct {
	Origin
	Body LoginBody
}

// Origin keeps where a request came from.
type Origin struct {
	address string
	secure  bool
}

// Resolve implements huma.Resolver.
func (o *Origin) Resolve(ctx huma.Context) []error {
	o.address, o.secure = peer(ctx.RemoteAddr()), ctx.TLS() != (*tls.ConnectionState)(nil)
	return nil
}

type loginOutput struct {
	Cookie http.Cookie `header:"Set-Cookie"`
	Body   Session
}

func (s *server) sessionRoutes() {
	login := operation(http.MethodPost, "/v1/sessions", "logIn", "Session", "Log in")
	login.Description = "Gives a bearer token, and the same as a cookie (HttpOnly, SameSite=Strict) for the console. Who tries too often is refused with 429 for a while: for one login from one address, and for all logins from one address."
	login.DefaultStatus, login.MaxBodyBytes = http.StatusCreated, loginBytes
	public(s, login, s.logIn)
	handle(s, operation(http.MethodGet, "/v1/sessions", "readSession", "Session", "Who is logged in", anyone), s.readSession)
	handle(s, operation(http.MethodDelete, "/v1/sessions", "logOut", "Session", "Log out", anyone), s.logOut)
	handle(s, operation(http.MethodPut, "/v1/sessions/password", "changePassword", "Session", "Change one's own password", anyone), s.changePassword)
}

// nobody stands in events for a login that nobody has: what was typed there may
// have been a password.
const nobody = "unknown"

// logIn checks a password. The work is the same for a login that nobody has, and
// only so many passwords are hashed at a time. Guessing is refused to an address,
// and to an address and a login together. Guesses at one login from many
// addresses only make it answer later, so that nobody can lock its owner out.
func (s *server) logIn(ctx context.Context, in *loginInput) (*loginOutput, error) {
	from := network(in.address)
	here := in.Body.Login + "\n" + from
	for _, wait := range []time.Duration{s.byAddress.take(from), s.byPair.take(here)} {
		if wait > 0 {
			return nil, tooMany("too many tries to log in", wait)
		}
	}
	if err := pause(ctx, s.byLogin.slow(in.Body.Login)); err != nil {
		return nil, err
	}
	p, err := s.cfg.People.Person(ctx, in.Body.Login)
	if err != nil && station.KindOf(err) != station.Unknown {
		return nil, err
	}
	known, hash := err == nil, p.Password
	if !known || p.Disabled {
		hash = s.nobody
	}
	if !s.checkPassword(ctx, hash, in.Body.Password) || hash == s.nobody {
		name := nobody
		if known {
			name = p.Login
		}
		s.note(ctx, station.PersonRefused, name, map[string]string{"address": in.address})
		return nil, &station.Error{Kind: station.LogIn, What: "login and password do not fit"}
	}
	s.byPair.forget(here)
	s.byLogin.forget(p.Login)
	if err := s.cfg.Events.Record(ctx, loginEvent(station.PersonLogin, p.Login, map[string]string{"address": in.address})); err != nil {
		return nil, err
	}
	token, expires := s.sessions.open(p.Login)
	out := &loginOutput{Cookie: cookie(token, in.secure), Body: describe(p, expires)}
	out.Body.Token = token
	return out, nil
}

// checkPassword hashes under a gate of two, so that a flood of logins does not
// take all memory.
func (s *server) checkPassword(ctx context.Context, hash, password string) bool {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return false
	}
	return CheckPassword(hash, password)
}

func cookie(token string, secure bool) http.Cookie {
	c := http.Cookie{Name: sessionCookie, Value: token, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode, MaxAge: int(sessionLife / time.Second)}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

func describe(p station.Person, expires time.Time) Session {
	return Session{Login: p.Login, Name: p.Name, Roles: p.Roles, Scopes: scopesOf(p), Expires: expires.UTC()}
}

type sessionOutput struct{ Body Session }

func (s *server) readSession(ctx context.Context, _ *struct{}) (*sessionOutput, error) {
	c := who(ctx)
	return &sessionOutput{Body: describe(c.Person, c.expires)}, nil
}

type logOutOutput struct {
	Cookie http.Cookie `header:"Set-Cookie"`
}

func (s *server) logOut(ctx context.Context, in *struct{ Origin }) (*logOutOutput, error) {
	s.sessions.close(who(ctx).token)
	return &logOutOutput{Cookie: cookie("", in.secure)}, nil
}

type passwordInput struct {
	Body struct {
		Current  string `json:"current" maxLength:"128" format:"password"`
		Password string `json:"password" minLength:"12" maxLength:"128" format:"password" doc:"The new one."`
	}
}

// changePassword ends the person's other sessions.
func (s *server) changePassword(ctx context.Context, in *passwordInput) (*struct{}, error) {
	c := who(ctx)
	if wait := s.byPerson.take(c.Login); wait > 0 {
		return nil, tooMany("too many tries", wait)
	}
	if !s.checkPassword(ctx, c.Password, in.Body.Current) {
		return nil, &station.Error{Kind: station.Forbidden, What: "the current password is another"}
	}
	hash, err := HashPassword(in.Body.Password)
	if err != nil {
		return nil, err
	}
	p := c.Person
	p.Password, p.Changed = hash, s.now().UTC()
	if err := s.cfg.People.PutPerson(ctx, p, personEvent(p, c.Login)); err != nil {
		return nil, err
	}
	s.byPerson.forget(c.Login)
	s.sessions.closeAll(c.Login, c.token)
	return nil, nil
}

// note records an event that must not fail the request it tells of.
func (s *server) note(ctx context.Context, t station.EventType, login string, body map[string]string) {
	if err := s.cfg.Events.Record(ctx, loginEvent(t, login, body)); err != nil {
		s.log.Error("event not recorded", "type", t, "err", err)
	}
}

func loginEvent(t station.EventType, login string, body map[string]string) station.Event {
	raw, _ := json.Marshal(body) // strings only
	return station.Event{Format: station.Format, At: time.Now().UTC(), Type: t, Subject: login, Actor: login, Body: raw}
}
