package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"cardstation/station"
)

// documented is the part of an OpenAPI document that the tests look at.
type documented struct {
	OpenAPI string `yaml:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string                `yaml:"operationId"`
		Security    []map[string][]string `yaml:"security"`
		Parameters  []struct {
			Name, In string
			Required bool
			Schema   any
		} `yaml:"parameters"`
		RequestBody any            `yaml:"requestBody"`
		Responses   map[string]any `yaml:"responses"`
	} `yaml:"paths"`
	Components struct {
		Schemas         map[string]schema `yaml:"schemas"`
		SecuritySchemes map[string]any    `yaml:"securitySchemes"`
	} `yaml:"components"`
}

type schema struct {
	Required   []string                  `yaml:"required"`
	Properties map[string]map[string]any `yaml:"properties"`
}

func document31(t testing.TB, h *house) (documented, []byte) {
	t.Helper()
	resp, err := http.Get(h.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.Header.Get("Content-Type") != "application/openapi+json" {
		t.Fatal(err, resp.Header)
	}
	var d documented
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return d, raw
}

// Every reference resolves, every path parameter is declared, every operation has
// an id of its own and a problem for its failures.
func TestDocumentHolds(t *testing.T) {
	d, raw := document31(t, newHouse(t))
	if d.OpenAPI != "3.1.0" {
		t.Errorf("openapi is %q", d.OpenAPI)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	walk(tree, func(ref string) {
		name, ok := strings.CutPrefix(ref, "#/components/schemas/")
		if _, there := d.Components.Schemas[name]; !ok || !there {
			t.Errorf("%s leads nowhere", ref)
		}
	})
	ids := map[string]bool{}
	for path, ops := range d.Paths {
		for method, op := range ops {
			at := method + " " + path
			if op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s: operation id %q is empty or taken", at, op.OperationID)
			}
			ids[op.OperationID] = true
			for _, part := range strings.Split(path, "/") {
				if name, ok := strings.CutPrefix(part, "{"); ok {
					name = strings.TrimSuffix(name, "}")
					found := false
					for _, p := range op.Parameters {
						found = found || p.In == "path" && p.Name == name && p.Required && p.Schema != nil
					}
					if !found {
						t.Errorf("%s does not declare %s", at, name)
					}
				}
			}
			if _, ok := op.Responses["400"]; !ok {
				t.Errorf("%s documents no problem", at)
			}
			for _, s := range op.Security {
				for scheme := range s {
					if _, ok := d.Components.SecuritySchemes[scheme]; !ok {
						t.Errorf("%s: no security scheme %s", at, scheme)
					}
				}
			}
		}
	}
}

func walk(v any, ref func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if s, ok := inner.(string); ok && name == "$ref" {
				ref(s)
			}
			walk(inner, ref)
		}
	case []any:
		for _, inner := range v {
			walk(inner, ref)
		}
	}
}

// osia reads one of OSIA's documents beside the project.
func osia(t *testing.T, name string) documented {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(root, "../shared/spec/osia", name))
	if err != nil {
		t.Skipf("skipped: OSIA's %s is not at ../shared/spec/osia", name)
	}
	var d documented
	if err := yaml.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// optionalHere are OSIA's required parameters that this station lets a caller
// leave out: an image is shown by its address alone.
var optionalHere = map[string]bool{"readBuffer transactionId": true}

func TestOSIAOperationsAreAllHere(t *testing.T) {
	for _, name := range []string{"enrollment.yaml", "cms.yaml"} {
		t.Run(name, func(t *testing.T) {
			theirs := osia(t, name)
			ours, _ := document31(t, newHouse(t))
			for path, ops := range theirs.Paths {
				for method, want := range ops {
					at := method + " " + path
					got, ok := ours.Paths[path][method]
					if !ok || got.OperationID != want.OperationID {
						t.Errorf("%s: operation %q, want %q", at, got.OperationID, want.OperationID)
						continue
					}
					if !slices.Equal(got.Security[0]["BearerAuth"], want.Security[0]["BearerAuth"]) {
						t.Errorf("%s: scope %v, want %v", at, got.Security[0], want.Security[0])
					}
					for _, p := range want.Parameters {
						found := false
						for _, q := range got.Parameters {
							found = found || q.Name == p.Name && q.In == p.In && (q.Required == p.Required || optionalHere[want.OperationID+" "+p.Name])
						}
						if !found {
							t.Errorf("%s: parameter %s in %s is missing or differs in required", at, p.Name, p.In)
						}
					}
					for code := range want.Responses {
						if _, ok := got.Responses[code]; !ok {
							t.Errorf("%s: status %s is missing", at, code)
						}
					}
				}
			}
		})
	}
}

// notHere are members of OSIA's that this station has nothing for. They are
// refused when sent.
var notHere = map[string][]string{
	"Enrollment":        {"enrollmentFlags", "documentData", "encryption", "integrity"},
	"BiometricData":     {"instance", "encounterId", "bitdepth", "template", "templateRef", "templateFormat", "algorithm", "vendor", "encryption", "integrity"},
	"RequestData":       {"credentialProfileVersion", "credentialProfileSubtype", "numberOfPages", "requestTypeOther", "credentialNumber", "issuingAuthority", "deliveryOffice", "deliveryAddress", "parentCredentialId"},
	"CredentialRequest": {"encryption", "integrity"},
	"CredentialData":    {"credentialProfileVersion", "credentialProfileSubtype", "numberOfPages", "issuingAuthority", "issuingPlace"},
	"CredentialProfile": {"defaultLifetime", "credentialProfileVersion", "credentialProfileSubtype", "numberOfPages"},
	"Expression":        nil,
}

func TestOSIASchemasHaveTheirMembers(t *testing.T) {
	for file, names := range map[string][]string{"enrollment.yaml": {"Enrollment", "BiometricData", "Expression"},
		"cms.yaml": {"CredentialRequest", "RequestData", "CredentialData", "CredentialProfile", "BiometricData", "Expression"}} {
		t.Run(file, func(t *testing.T) {
			theirs := osia(t, file)
			ours, _ := document31(t, newHouse(t))
			for _, name := range names {
				want, got := theirs.Components.Schemas[name], ours.Components.Schemas[name]
				for member := range want.Properties {
					if _, ok := got.Properties[member]; !ok && !slices.Contains(notHere[name], member) {
						t.Errorf("%s has no %s", name, member)
					}
				}
				for member := range got.Properties {
					if _, ok := want.Properties[member]; !ok {
						t.Errorf("%s has a %s that OSIA does not know", name, member)
					}
				}
				for _, member := range want.Required {
					if !slices.Contains(got.Required, member) {
						t.Errorf("%s does not require %s", name, member)
					}
				}
			}
		})
	}
}

// open are the operations that nobody needs to log in for.
var open = map[string]bool{"logIn": true}

// Each operation is tried by nobody and by everybody without its scope.
func TestEveryOperationIsGuarded(t *testing.T) {
	h := newHouse(t)
	d, _ := document31(t, h)
	tokens := map[string]string{}
	for login := range people {
		tokens[login] = h.logIn(t, login)
	}
	try := func(method, path, token string) int {
		t.Helper()
		path = strings.NewReplacer("{", "", "}", "").Replace(path)
		req, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(method), h.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	tried := 0
	for path, ops := range d.Paths {
		for method, op := range ops {
			if len(op.Security) == 0 {
				if !open[op.OperationID] {
					t.Errorf("%s is open to everybody", op.OperationID)
				}
				continue
			}
			if code := try(method, path, ""); code != http.StatusUnauthorized {
				t.Errorf("%s by nobody: %d", op.OperationID, code)
			}
			if code := try(method, path, "made-up"); code != http.StatusUnauthorized {
				t.Errorf("%s with a made-up token: %d", op.OperationID, code)
			}
			for login, roles := range people {
				if !may(station.Person{Roles: roles}, op.Security) {
					if code := try(method, path, tokens[login]); code != http.StatusForbidden {
						t.Errorf("%s by %s: %d", op.OperationID, login, code)
					}
					tried++
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d refusals were tried", tried)
	}
}

func TestKindsHaveAStatus(t *testing.T) {
	for k := station.Internal; k.String() != "internal" || k == station.Internal; k++ {
		if status[k] < 400 {
			t.Errorf("kind %s has no status", k)
		}
	}
}

// listen reads n messages of the event stream.
func (h *house) listen(t *testing.T, lastID string, n int) (ids []string, data []string) {
	t.Helper()
	return h.listenAs(t, "line", lastID, n)
}

func (h *house) listenAs(t *testing.T, who, lastID string, n int) (ids []string, data []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: sessionCookie, Value: h.logIn(t, who)})
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("content type %q", resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	for len(data) < n && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, id)
		}
		if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			data = append(data, text)
		}
	}
	if len(data) < n {
		t.Fatalf("the stream ended after %d messages: %v", len(data), lines.Err())
	}
	return ids, data
}

func TestStreamResumesWithoutAGap(t *testing.T) {
	h := newHouse(t)
	begin, err := h.db.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		body := fmt.Sprintf(`{"step":"emrtd/DG%d","citizen":{"name":"Nguyễn Văn A"},"portrait":"AAAA","attempt":%d}`, i, i)
		if err := h.db.Record(t.Context(), station.Event{Type: station.OrderStep, Subject: "o1", Actor: "station", Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	ids, data := h.listen(t, fmt.Sprint(begin), 3)
	more, rest := h.listen(t, ids[2], 3)
	for i, id := range append(ids, more...) {
		if want := fmt.Sprint(begin + uint64(i) + 1); id != want {
			t.Errorf("message %d has id %s, want %s", i, id, want)
		}
	}
	var first StreamEvent
	if err := json.Unmarshal([]byte(data[0]), &first); err != nil || first.Type != station.OrderStep || first.Detail["step"] != "emrtd/DG0" {
		t.Errorf("first message %q: %v", data[0], err)
	}
	if all := strings.Join(append(data, rest...), ""); strings.Contains(all, "Nguyễn") || strings.Contains(all, "AAAA") {
		t.Error("the stream holds citizen data")
	}
}

// The approval's event carries the whole order; none of it may leave by the
// stream.
func TestStreamTellsNothingOfTheCitizen(t *testing.T) {
	o := station.Order{ID: "o1", State: station.OrderPending, Citizen: someone(), Portrait: portraitJPEG()}
	body, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(streamEvent(station.Event{Seq: 1, Type: station.EnrolmentApproval, Subject: "e1", Actor: "boss", Body: body}))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"seq":1,"at":"0001-01-01T00:00:00Z","type":"enrolment.approved","subject":"e1","actor":"boss","detail":{"state":"pending"}}`; string(raw) != want {
		t.Errorf("%s, want %s", raw, want)
	}
}

func TestStreamBeginsWithTheNextEvent(t *testing.T) {
	h := newHouse(t)
	got := make(chan []string, 1)
	go func() {
		_, data := h.listen(t, "", 1)
		got <- data
	}()
	deadline := time.After(5 * time.Second)
	for {
		if err := h.db.Record(t.Context(), station.Event{Type: station.OrderStep, Subject: "live", Actor: "station"}); err != nil {
			t.Fatal(err)
		}
		select {
		case data := <-got:
			if !strings.Contains(data[0], `"live"`) {
				t.Errorf("an old event came: %s", data[0])
			}
			return
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatal("nothing came")
		}
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	h := newHouse(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.logIn(t, "line"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := h.Config.Shutdown(ctx); err != nil {
		t.Errorf("shutdown waited for the stream: %v", err)
	}
}

func TestCookieIsKeptFromScriptsAndOtherSites(t *testing.T) {
	for _, secure := range []bool{false, true} {
		c := cookie("x", secure)
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure != secure || c.Path != "/" {
			t.Errorf("cookie %+v", c)
		}
	}
}
