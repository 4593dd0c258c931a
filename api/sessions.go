package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"cardstation/station"
)

// A session ends after sessionIdle without a request and sessionLife in any
// case. It lives in memory: after a restart people log in again.
const (
	sessionIdle   = time.Hour
	sessionLife   = 12 * time.Hour
	sessionsEach  = 16 // of one person; the oldest makes room
	sessionCookie = "cardstation"
)

type session struct {
	login      string
	began, hot time.Time
}

// sessions holds who is logged in, by SHA-256 of the token, so that a memory
// dump gives no usable token.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
	now func() time.Time
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{all: map[[sha256.Size]byte]*session{}, now: now}
}

// open begins a session and gives its token: 32 random bytes, base64url.
func (s *sessions) open(login string) (token string, expires time.Time) {
	raw := make([]byte, 32)
	rand.Read(raw)
	token = base64.RawURLEncoding.EncodeToString(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var oldest [sha256.Size]byte
	n := 0
	for k, v := range s.all {
		switch {
		case v.over(now):
			delete(s.all, k)
		case v.login == login:
			if n++; n == 1 || v.hot.Before(s.all[oldest].hot) {
				oldest = k
			}
		}
	}
	if n >= sessionsEach {
		delete(s.all, oldest)
	}
	s.all[sha256.Sum256([]byte(token))] = &session{login: login, began: now, hot: now}
	return token, now.Add(sessionLife)
}

func (v *session) over(now time.Time) bool {
	return now.Sub(v.began) > sessionLife || now.Sub(v.hot) > sessionIdle
}

// find gives the login and the end of a token's session, and keeps it warm.
func (s *sessions) find(token string) (login string, expires time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := sha256.Sum256([]byte(token))
	v := s.all[k]
	if v == nil {
		return "", time.Time{}, false
	}
	if v.over(s.now()) {
		delete(s.all, k)
		return "", time.Time{}, false
	}
	v.hot = s.now()
	return v.login, v.began.Add(sessionLife), true
}

func (s *sessions) close(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(token)))
}

// closeAll ends every session of a person but the one with the kept token.
func (s *sessions) closeAll(login, keep string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := sha256.Sum256([]byte(keep))
	for k, v := range s.all {
		if v.login == login && (keep == "" || k != kept) {
			delete(s.all, k)
		}
	}
}

// credentials of one request.
type caller struct {
	station.Person
	token   string
	expires time.Time
}

type callerKey struct{}

// who is the person that the request's session belongs to.
func who(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// token finds the session token: Authorization: Bearer (RFC 6750, 2.1) first,
// then the console's cookie.
func token(r *http.Request) string {
	if scheme, t, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(t)
	}
	if c, err := r.Cookie(sessionCookie); err == nil {
		return c.Value
	}
	return ""
}

// authenticate finds who calls. The person is read anew each time, so that a
// right taken away is gone with the next request.
func (s *server) authenticate(r *http.Request) (caller, error) {
	t := token(r)
	login, expires, ok := s.sessions.find(t)
	if !ok {
		return caller{}, &station.Error{Kind: station.LogIn, What: "nobody is logged in", Hint: "log in with POST /v1/sessions"}
	}
	p, err := s.cfg.People.Person(r.Context(), login)
	if err != nil || p.Disabled {
		s.sessions.closeAll(login, "")
		return caller{}, &station.Error{Kind: station.LogIn, What: "this login is not in use any more"}
	}
	return caller{Person: p, token: t, expires: expires}, nil
}

// may tells whether the person fulfils one of an operation's security
// requirements, that is, has all of its scopes (OpenAPI 3.1, Security Requirement Object).
func may(p station.Person, needs []map[string][]string) bool {
	mine := scopesOf(p)
	return slices.ContainsFunc(needs, func(need map[string][]string) bool {
		scopes, bearer := need[bearerAuth]
		return bearer && !slices.ContainsFunc(scopes, func(want string) bool { return !slices.Contains(mine, want) })
	})
}

// scopesOf gives the bearer scopes that a person's roles bring, sorted.
func scopesOf(p station.Person) []string {
	var all []string
	for _, r := range p.Roles {
		all = append(all, roleScopes[r]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Scopes. Those of enrolment and credential management are OSIA's; the others
// are this station's own, and so are enroll.approve and cms.request.cancel. OSIA
// has cms.request.write for cancelling, too; here whoever makes the cards may
// cancel a request with cms.request.cancel alone, but neither make nor change one.
const (
	enrollRead   = "enroll.read"
	enrollWrite  = "enroll.write"
	bufRead      = "enroll.buf.read"
	bufWrite     = "enroll.buf.write"
	enrollDecide = "enroll.approve"
	requestRead  = "cms.request.read"
	requestWrite = "cms.request.write"
	requestEnd   = "cms.request.cancel"
	credRead     = "cms.credential.read"
	credWrite    = "cms.credential.write"
	profileRead  = "cms.profile.read"
	readerRead   = "reader.read"
	verifyRead   = "verification.read"
	verifyWrite  = "verification.write"
	eventRead    = "event.read"
	peopleAdmin  = "people.admin"
	auditRead    = "audit.read"
)

// roleScopes is the one table from roles to scopes. Nobody at the line orders a
// card: what is ordered was approved at the desk, or a supervisor answers for it.
var roleScopes = map[station.Role][]string{
	station.RoleDesk:       {enrollRead, enrollWrite, bufRead, bufWrite, eventRead, profileRead},
	station.RoleSupervisor: {enrollRead, enrollWrite, bufRead, bufWrite, enrollDecide, requestRead, requestWrite, requestEnd, eventRead, profileRead},
	station.RoleLine:       {requestRead, requestEnd, credRead, credWrite, profileRead, readerRead, eventRead},
	station.RoleOffice:     {verifyRead, verifyWrite, readerRead, eventRead},
	station.RoleAdmin:      {peopleAdmin, auditRead, eventRead, profileRead},
}

// peer is the caller's address without the port.
func peer(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
