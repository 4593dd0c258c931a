package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"cardstation/station"
)

// A conversation is a text file of requests and answers:
//
//	desk> POST /v1/enrollments/e1?transactionId=t     who asks, "-" for nobody
//	Header: value
//	{"body": 1}                                       or @png WIDTH N, @zeros COUNT
//	< 204                                             status
//	Header: value
//	{"kind": "correct", "...": 0}                     "..." allows other members
//
// In an answer "*" is any value and "$name" any value that is kept; $name in a
// request is replaced by it. @citizen stands for a whole citizen's
// biographicData, @portrait for a JPEG in base64, @tiny for a PNG that is refused,
// @number for the citizen's personal number. "! fill ID" captures what an
// enrolment lacks, "! issue CHIP" has the line make the next card, "! wait
// DURATION" moves the clock. Lines that begin with # are comments; a blank line
// ends an exchange.
type talk struct {
	t      *testing.T
	h      *house
	tokens map[string]string
	kept   map[string]string
	said   *documented // what the API's document says
}

func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no conversations", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := &talk{t: t, h: newHouse(t), tokens: map[string]string{}, kept: map[string]string{}}
			line := 1
			for block := range strings.SplitSeq(string(raw), "\n\n") {
				c.exchange(fmt.Sprintf("%s:%d", file, line+strings.Count(block, "\n")-strings.Count(strings.TrimLeft(block, "\n"), "\n")), block)
				line += strings.Count(block, "\n") + 2
			}
			if log := c.h.log.String(); strings.Contains(log, password) || strings.Contains(log, someone().Name) {
				t.Error("the log holds a password or a citizen's name")
			}
		})
	}
}

func (c *talk) exchange(at, block string) {
	var lines []string
	for line := range strings.SplitSeq(block, "\n") {
		if !strings.HasPrefix(line, "#") && strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return
	}
	if command, ok := strings.CutPrefix(lines[0], "! "); ok {
		c.command(at, strings.Fields(command))
		return
	}
	split := len(lines)
	for i, line := range lines {
		if strings.HasPrefix(line, "< ") {
			split = i
		}
	}
	if split == len(lines) {
		c.t.Fatalf("%s: no answer is wanted", at)
	}
	status, header, body := c.ask(at, lines[:split])
	c.check(at, lines[split:], status, header, body)
}

func (c *talk) command(at string, f []string) {
	switch f[0] {
	case "fill":
		for i, slot := range slots {
			status, _, body := c.do(at, "desk", "POST", "/v1/enrollments/"+f[1]+"/captures/"+string(slot), http.Header{"Content-Type": {"image/png"}}, picture(60, i))
			if status != http.StatusOK {
				c.t.Fatalf("%s: %s: %d %s", at, slot, status, body)
			}
		}
	case "issue":
		c.h.issued(c.t, station.CardID(f[1]))
	case "wait":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			c.t.Fatalf("%s: %v", at, err)
		}
		c.h.clock.forward(d)
		clear(c.tokens)
	default:
		c.t.Fatalf("%s: no command %q", at, f[0])
	}
}

// ask sends the request of an exchange.
func (c *talk) ask(at string, lines []string) (int, http.Header, []byte) {
	who, rest, ok := strings.Cut(c.fill(lines[0]), "> ")
	method, path, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 {
		c.t.Fatalf("%s: %q is no request", at, lines[0])
	}
	header, text := headers(strings.Split(c.fill(strings.Join(lines[1:], "\n")), "\n"))
	var body []byte
	switch {
	case strings.HasPrefix(text, "@png "):
		var width, n int
		if _, err := fmt.Sscanf(text, "@png %d %d", &width, &n); err != nil {
			c.t.Fatalf("%s: %v", at, err)
		}
		body = picture(width, n)
	case strings.HasPrefix(text, "@zeros "):
		var n int
		if _, err := fmt.Sscanf(text, "@zeros %d", &n); err != nil {
			c.t.Fatalf("%s: %v", at, err)
		}
		body = bytes.Repeat([]byte{'0'}, n)
	case text != "":
		citizen, _ := json.Marshal(biographic(someone()))
		text = strings.ReplaceAll(text, "@citizen", string(citizen))
		body = []byte(known(text))
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", "application/json")
		}
	}
	return c.do(at, who, method, path, header, body)
}

func (c *talk) do(at, who, method, path string, header http.Header, body []byte) (int, http.Header, []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.h.URL+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatalf("%s: %v", at, err)
	}
	req.Header = header
	if who != "-" {
		req.Header.Set("Authorization", "Bearer "+c.token(who))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatalf("%s: %v", at, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s: %v", at, err)
	}
	c.documented(at, req, resp.StatusCode)
	return resp.StatusCode, resp.Header, got
}

// documented holds an answer's status against the document.
func (c *talk) documented(at string, req *http.Request, status int) {
	c.t.Helper()
	if c.said == nil {
		d, _ := document31(c.t, c.h)
		c.said = &d
	}
	for path, ops := range c.said.Paths {
		op, ok := ops[strings.ToLower(req.Method)]
		if same, _ := filepath.Match(regexp.MustCompile(`{[^}]*}`).ReplaceAllString(path, "*"), req.URL.Path); !ok || !same {
			continue
		}
		if _, ok := op.Responses[fmt.Sprint(status)]; !ok {
			c.t.Errorf("%s: %s %s answers %d, which its document does not say", at, req.Method, path, status)
		}
	}
}

func (c *talk) token(who string) string {
	if c.tokens[who] == "" {
		c.tokens[who] = c.h.logIn(c.t, who)
	}
	return c.tokens[who]
}

// logIn gives a person's bearer token.
func (h *house) logIn(t testing.TB, who string) string {
	t.Helper()
	resp, err := http.Post(h.URL+"/v1/sessions", "application/json", strings.NewReader(fmt.Sprintf(`{"login":%q,"password":%q}`, who, password)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var s Session
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || s.Token == "" {
		t.Fatalf("log in as %s: %d %v", who, resp.StatusCode, err)
	}
	return s.Token
}

func (c *talk) check(at string, lines []string, status int, header http.Header, body []byte) {
	c.t.Helper()
	want := strings.TrimPrefix(lines[0], "< ")
	if got := fmt.Sprint(status); got != want {
		c.t.Fatalf("%s: status %s, want %s; %s\n%s", at, got, want, body, c.h.log)
	}
	wanted, text := headers(lines[1:])
	for name := range wanted {
		if got := header.Get(name); got != c.fill(wanted.Get(name)) {
			c.t.Errorf("%s: %s: %q, want %q", at, name, got, wanted.Get(name))
		}
	}
	if text == "" {
		return
	}
	if strings.HasPrefix(text, "@png ") {
		var width, n int
		_, _ = fmt.Sscanf(text, "@png %d %d", &width, &n)
		if !bytes.Equal(body, picture(width, n)) {
			c.t.Errorf("%s: another image", at)
		}
		return
	}
	var got, expected any
	if err := json.Unmarshal([]byte(known(text)), &expected); err != nil {
		c.t.Fatalf("%s: the wanted answer is no JSON: %v", at, err)
	}
	if err := json.Unmarshal(body, &got); err != nil {
		c.t.Fatalf("%s: the answer is no JSON: %v: %s", at, err, body)
	}
	if why := c.differs("", expected, got); why != "" {
		c.t.Errorf("%s: %s\n%s", at, why, body)
	}
}

// differs says where got is not what was wanted; empty where it is.
func (c *talk) differs(path string, want, got any) string {
	switch want := want.(type) {
	case string:
		if want == "*" {
			return ""
		}
		if name, ok := strings.CutPrefix(want, "$"); ok && c.kept[name] == "" {
			c.kept[name] = fmt.Sprint(got)
			return ""
		}
		if c.fill(want) != got {
			return fmt.Sprintf("%s is %v, want %s", path, got, want)
		}
		return ""
	case map[string]any:
		m, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is no object", path)
		}
		_, more := want["..."]
		for name, v := range want {
			if name == "..." {
				continue
			}
			if _, ok := m[name]; !ok {
				return fmt.Sprintf("%s.%s is missing", path, name)
			}
			if why := c.differs(path+"."+name, v, m[name]); why != "" {
				return why
			}
		}
		for name := range m {
			if _, ok := want[name]; !ok && !more {
				return fmt.Sprintf("%s.%s was not wanted", path, name)
			}
		}
		return ""
	case []any:
		a, ok := got.([]any)
		if !ok || len(a) != len(want) {
			return fmt.Sprintf("%s has not %d members", path, len(want))
		}
		for i := range want {
			if why := c.differs(fmt.Sprintf("%s[%d]", path, i), want[i], a[i]); why != "" {
				return why
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%s is %v, want %v", path, got, want)
	}
	return ""
}

// known puts in what stands for itself in requests and answers.
func known(s string) string {
	return strings.NewReplacer("@tiny", base64.StdEncoding.EncodeToString(picture(20, 9)), "@portrait", base64.StdEncoding.EncodeToString(portraitJPEG()), "@number", someone().Number).Replace(s)
}

func (c *talk) fill(s string) string {
	for name, value := range c.kept {
		s = strings.ReplaceAll(s, "$"+name, value)
	}
	return s
}

// headers takes the headers off the lines; the rest is the body.
func headers(lines []string) (http.Header, string) {
	h := http.Header{}
	for i, line := range lines {
		name, value, ok := strings.Cut(line, ": ")
		if !ok || strings.ContainsAny(name, "{\"@[ ") {
			return h, strings.Join(lines[i:], "\n")
		}
		h.Add(name, value)
	}
	return h, ""
}
