package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cardstation/devices/capture"
	"cardstation/station"
)

// Sight is what a scanner sees while it captures, and what is known of a roll so far.
type Sight struct {
	JPEG     []byte  `json:"jpeg" doc:"The print so far, or what lies on the scanner, scaled down."`
	Judged   bool    `json:"judged" doc:"What follows was measured. It is not where the scanner does not say at what resolution it shows."`
	Touching bool    `json:"touching"`
	Done     bool    `json:"done" doc:"The finger has left the scanner at the end of its roll."`
	Width    float64 `json:"width" doc:"Of the print so far, in mm."`
	Quality  int     `json:"quality" doc:"Mean local quality so far, 0 to 100."`
	Advice   string  `json:"advice,omitempty" doc:"One sentence for the person at the scanner."`
}

// Watcher is asked of a Sensor that can show what its device sees while it captures.
type Watcher interface {
	// Watched is the Sensor that calls show meanwhile, and never after its Capture has
	// returned. What comes too fast is dropped.
	Watched(show func(Sight)) capture.Sensor
}

// sightPause is the least time between two sights of a stream.
const sightPause = 100 * time.Millisecond

// sights hands what scanners see to those who look; each has the newest only.
type sights struct {
	mu  sync.Mutex
	all map[string][]chan Sight // by enrolment, "/" and slot
}

// look gives the sights of a slot until away is called.
func (s *sights) look(key string) (seen <-chan Sight, away func()) {
	c := make(chan Sight, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[key] = append(s.all[key], c)
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.all[key] = slices.DeleteFunc(s.all[key], func(o chan Sight) bool { return o == c }); len(s.all[key]) == 0 {
			delete(s.all, key)
		}
	}
}

// watched has a sensor show what it sees, if it can and somebody looks.
func (s *sights) watched(key string, sensor capture.Sensor) capture.Sensor {
	w, ok := sensor.(Watcher)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok || len(s.all[key]) == 0 {
		return sensor
	}
	return w.Watched(func(one Sight) { s.show(key, one) })
}

func (s *sights) show(key string, one Sight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all[key] {
		select { // nobody else sends, so that there is room then
		case <-c:
		default:
		}
		c <- one
	}
}

func (s *server) liveRoute(path, tag string) {
	op := operation(http.MethodGet, path+"/{slot}/live", "watchCapture", tag, "What the scanner sees while a slot is captured, as server-sent events", bufRead)
	op.Description = "Listen first, then capture. At most ten pictures a second; they are kept nowhere, and none is made where nobody listens. It counts as one of a person's eight streams."
	schema := s.api.OpenAPI().Components.Schemas.Schema(typeOf[Sight](), true, "Sight")
	op.Responses = map[string]*huma.Response{"200": {Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: schema}}}}
	handle(s, op, s.watchCapture)
}

func (s *server) watchCapture(ctx context.Context, in *SlotPath) (*huma.StreamResponse, error) {
	slot, err := in.slot()
	if err != nil {
		return nil, err
	}
	e, err := s.cfg.Desk.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return s.streaming(ctx, func(l listener) {
		seen, away := s.sights.look(sightKey(e.ID, slot))
		defer away()
		s.tellSights(l, seen)
	})
}

func sightKey(enrolment string, slot station.Slot) string { return enrolment + "/" + string(slot) }

// tellSights sends what is seen until the listener goes.
func (s *server) tellSights(l listener, seen <-chan Sight) {
	if !l.send(greeting) {
		return
	}
	pulse := time.NewTicker(streamPulse)
	defer pulse.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	var next <-chan Sight // seen, once the pause is over
	for {
		select {
		case <-pause.C:
			next = seen
		case one := <-next:
			raw, _ := json.Marshal(one) // plain fields
			if !l.send("data: " + string(raw) + "\n\n") {
				return
			}
			next = nil
			pause.Reset(sightPause)
		case <-pulse.C:
			me, err := s.authenticate(l.request)
			if err != nil || !slices.Contains(scopesOf(me.Person), bufRead) || !l.send(": alive\n\n") {
				return
			}
		case <-l.ctx.Done():
			return
		case <-stopping(l.ctx):
			return
		}
	}
}
