package api

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"cardstation/station"
)

// What one person, or one address, may take of the station, so that the others
// have theirs.
const (
	streamsInAll = 256
	streamsEach  = 8         // event streams of one person
	bufferRoom   = 128 << 20 // bytes of all waiting buffers
	bufferShare  = 32 << 20  // bytes of those that one person sent
)

// limiter slows down guessing: burst tries at once, then one each period, for
// each key apart. Keys are kept as SHA-256: what people type into the box for
// the login may be their password.
type limiter struct {
	mu     sync.Mutex
	burst  int
	period time.Duration
	keys   map[[sha256.Size]byte]time.Time // when the key's bucket is full again
	now    func() time.Time
}

func newLimiter(burst int, period time.Duration, now func() time.Time) *limiter {
	return &limiter{burst: burst, period: period, keys: map[[sha256.Size]byte]time.Time{}, now: now}
}

// maxKeys bounds the memory of a limiter; past it, full buckets are forgotten.
const maxKeys = 10_000

// take uses one try of key, or says how long until the next.
func (l *limiter) take(key string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, owed := l.owed(key)
	if wait = owed - time.Duration(l.burst-1)*l.period; wait > 0 {
		return wait
	}
	l.keys[k] = l.now().Add(owed + l.period)
	return 0
}

// slow counts one try of key and says how long its answer should take: nothing
// for the first burst tries, then twice as long with each, up to slowest. Unlike
// take it refuses nobody.
func (l *limiter) slow(key string) (delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, owed := l.owed(key)
	tries := int(owed / l.period)
	l.keys[k] = l.now().Add(min(owed+l.period, time.Duration(l.burst+slowSteps)*l.period))
	if tries < l.burst {
		return 0
	}
	return min(slowest>>slowSteps<<min(tries-l.burst, slowSteps), slowest)
}

// slow's longest delay, and how often it is halved for the first.
const (
	slowest   = 4 * time.Second
	slowSteps = 4
)

// owed tells how long until the key's bucket is full again.
func (l *limiter) owed(key string) (k [sha256.Size]byte, owed time.Duration) {
	now := l.now()
	if len(l.keys) >= maxKeys {
		for k, full := range l.keys {
			if !full.After(now) {
				delete(l.keys, k)
			}
		}
	}
	k = sha256.Sum256([]byte(key))
	return k, max(l.keys[k].Sub(now), 0)
}

// forget gives a key its tries back.
func (l *limiter) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.keys, sha256.Sum256([]byte(key)))
}

// tooMany is the answer to one who tries too often.
func tooMany(detail string, wait time.Duration) *Problem {
	p := newProblem(http.StatusTooManyRequests, station.Retry, detail, "wait a little, then try again")
	p.after = strconv.Itoa(int(wait/time.Second) + 1)
	return p
}

// pause waits, or gives up with the request.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// network is the part of an address that one customer of a provider has: an IPv4
// address, or the first half of an IPv6 one.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a.String()
	}
	half, _ := a.Prefix(64) // an IPv6 address has as many bits
	return half.String()
}

// shares gives out room to people: each has a share, and all together have no
// more than the room.
type shares struct {
	mu          sync.Mutex
	room, share int
	taken       map[string]int
}

func newShares(room, share int) *shares {
	return &shares{room: room, share: share, taken: map[string]int{}}
}

// take gives n of the room to a person; give takes it back. Where there is not
// so much, own tells that it is the person's own share that is used up.
func (s *shares) take(login string, n int) (ok, own bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[login]+n > s.share {
		return false, true
	}
	if n > s.room {
		return false, false
	}
	s.room -= n
	s.taken[login] += n
	return true, false
}

func (s *shares) give(login string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room += n
	if s.taken[login] -= n; s.taken[login] == 0 {
		delete(s.taken, login)
	}
}

// full is the answer to one whose share is used up, or whom others left no room.
func full(own bool, detail, hint string) *Problem {
	if own {
		return newProblem(http.StatusTooManyRequests, station.Retry, detail+" by this person", hint)
	}
	return newProblem(http.StatusServiceUnavailable, station.Retry, detail, "try again in a little while")
}
