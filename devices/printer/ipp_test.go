package printer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a small IPP printer that reads requests by RFC 8010, 3.1 with a reader
// of its own.
type server struct {
	mu       sync.Mutex
	requests []received
	states   []byte // job states to tell, one a question; the last stays
	status   uint16 // of Print-Job
}

type received struct {
	operation uint16
	groups    map[byte]map[string]string // group -> "name:tag" -> value
	order     []string
	document  []byte
}

func read(t *testing.T, r io.Reader) received {
	t.Helper()
	got := received{groups: map[byte]map[string]string{}}
	var header struct {
		Major, Minor byte
		Operation    uint16
		ID           uint32
	}
	if err := binary.Read(r, binary.BigEndian, &header); err != nil || header.Major != 1 || header.Minor != 1 || header.ID == 0 {
		t.Errorf("header %+v, %v", header, err)
	}
	got.operation = header.Operation
	group := byte(0)
	for {
		var tag [1]byte
		if _, err := io.ReadFull(r, tag[:]); err != nil {
			t.Errorf("request ends before end-of-attributes: %v", err)
			return got
		}
		if tag[0] == 3 {
			break
		}
		if tag[0] < 0x10 {
			group = tag[0]
			got.groups[group] = map[string]string{}
			continue
		}
		name, value := lengthAnd(r), lengthAnd(r)
		got.order = append(got.order, name)
		got.groups[group][fmt.Sprintf("%s:%02x", name, tag[0])] = value
	}
	got.document, _ = io.ReadAll(r)
	return got
}

func lengthAnd(r io.Reader) string {
	var n uint16
	_ = binary.Read(r, binary.BigEndian, &n)
	b := make([]byte, n)
	_, _ = io.ReadFull(r, b)
	return string(b)
}

func (s *server) start(t *testing.T) string {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.Method != "POST" || r.Header.Get("Content-Type") != "application/ipp" || r.URL.Path != "/printers/cards" {
			t.Errorf("%s %s %s", r.Method, r.URL, r.Header)
		}
		body, _ := io.ReadAll(r.Body)
		got := read(t, bytes.NewReader(body))
		s.requests = append(s.requests, got)
		status := uint16(0)
		if got.operation == 2 {
			status = s.status
		}
		w.Header().Set("Content-Type", "application/ipp")
		w.Write([]byte{1, 1, byte(status >> 8), byte(status)})
		w.Write(body[4:8])
		io.WriteString(w, "\x01\x47\x00\x12attributes-charset\x00\x05utf-8\x48\x00\x1battributes-natural-language\x00\x02en")
		if status >= 0x100 {
			io.WriteString(w, "\x41\x00\x0estatus-message\x00\x04full\x03")
			return
		}
		state := s.states[0]
		if got.operation == 9 && len(s.states) > 1 {
			s.states = s.states[1:]
		}
		io.WriteString(w, "\x02\x21\x00\x06job-id\x00\x04\x00\x00\x00\x2A\x23\x00\x09job-state\x00\x04\x00\x00\x00")
		w.Write([]byte{state})
		io.WriteString(w, "\x44\x00\x11job-state-reasons\x00\x04none\x44\x00\x00\x00\x0amedia-jamm\x03")
	}))
	t.Cleanup(web.Close)
	return "ipp" + strings.TrimPrefix(web.URL, "http") + "/printers/cards"
}

func TestIPPSendsThePDFAndWaitsForTheCard(t *testing.T) {
	s := &server{states: []byte{3, 5, 9}}
	p := IPP{URI: s.start(t), Media: MediaID1, Poll: time.Millisecond}
	job := Job{Name: "order-9", Front: face(3), Back: face(4)}
	if err := p.Print(context.Background(), job); err != nil {
		t.Fatal(err)
	}
	if len(s.requests) != 4 {
		t.Fatalf("%d requests, want one job and three questions", len(s.requests))
	}
	first := s.requests[0]
	want := map[string]string{
		"attributes-charset:47": "utf-8", "attributes-natural-language:48": "en", "printer-uri:45": p.URI,
		"requesting-user-name:42": "cardstation", "job-name:42": "order-9", "document-format:49": "application/pdf",
	}
	if first.operation != 2 || fmt.Sprint(first.groups[1]) != fmt.Sprint(want) {
		t.Errorf("operation %d, attributes %v", first.operation, first.groups[1])
	}
	if strings.Join(first.order[:3], " ") != "attributes-charset attributes-natural-language printer-uri" {
		t.Errorf("order %v, RFC 8011, 4.1.4 and 4.1.5 want charset, language, target first", first.order)
	}
	if fmt.Sprint(first.groups[2]) != fmt.Sprint(map[string]string{"sides:44": "two-sided-short-edge", "media:44": MediaID1}) {
		t.Errorf("job attributes %v", first.groups[2])
	}
	pdf, _ := encodePDF(job.faces())
	if !bytes.Equal(first.document, pdf) {
		t.Errorf("document of %d bytes is not the card's PDF of %d", len(first.document), len(pdf))
	}
	if ask := s.requests[1]; ask.operation != 9 || ask.groups[1]["job-id:21"] != "\x00\x00\x00\x2A" || len(ask.document) != 0 {
		t.Errorf("question %+v", ask)
	}
}

func TestAPrinterThatDoesNotPrintIsAnError(t *testing.T) {
	for name, s := range map[string]*server{
		"refused": {status: 0x050A, states: []byte{9}}, "canceled": {states: []byte{7}}, "aborted": {states: []byte{5, 8}},
	} {
		err := IPP{URI: s.start(t), Poll: time.Millisecond}.Print(context.Background(), Job{Name: "order-1", Front: face(0)})
		if !errors.Is(err, ErrPrinter) || !strings.Contains(err.Error(), "order-1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPrinterThatNeverFinishesIsLeftWithTheContext(t *testing.T) {
	s := &server{states: []byte{5}}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := IPP{URI: s.start(t), Poll: time.Millisecond}.Print(ctx, Job{Name: "x", Front: face(0)})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestAnAddressThatIsNotIPPIsRefused(t *testing.T) {
	for _, uri := range []string{"", "http://localhost/", "ipp:", "::", "lpd://x/y"} {
		if err := (IPP{URI: uri}).Print(context.Background(), Job{Name: "x", Front: face(0)}); err == nil {
			t.Errorf("%q was taken", uri)
		}
	}
	if a, err := (IPP{URI: "ipps://host/x"}).address(); err != nil || a != "https://host:631/x" {
		t.Errorf("%q, %v", a, err)
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte("\x01\x01\x00\x00\x00\x00\x00\x01\x02\x21\x00\x06job-id\x00\x04\x00\x00\x00\x2A\x03"))
	f.Add([]byte("\x01\x01\x05\x0A\x00\x00\x00\x01\x01\x41\x00\x0estatus-message\x00\x04full\x03"))
	f.Add([]byte("\x01\x01\x00\x00\x00\x00\x00\x01\x02\x21\xFF\xFFjob-id"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAnswer(b)
		if err != nil && !errors.Is(err, errAnswer) {
			t.Error(err)
		}
		a.number("job-id")
		a.words("status-message")
	})
}
