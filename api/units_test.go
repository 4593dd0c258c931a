package api

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"cardstation/station"
	"cardstation/station/issue"
)

func TestPasswordsAreArgon2id(t *testing.T) {
	hash, err := HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q", hash)
	}
	if !CheckPassword(hash, password) || CheckPassword(hash, password+"x") || CheckPassword(hash, "") {
		t.Error("the wrong password is right, or the right one wrong")
	}
	if again, _ := HashPassword(password); again == hash {
		t.Error("two hashes share a salt")
	}
	for _, bad := range []string{"short", strings.Repeat("x", 129)} {
		if _, err := HashPassword(bad); station.KindOf(err) != station.Correct {
			t.Errorf("a password of %d bytes: %v", len(bad), err)
		}
	}
}

// The reference implementation's own output (argon2 -id -t 2 -k 19456 -p 1, of
// the password "correct horse battery" with the salt "somesaltsomesalt").
func TestPasswordHashOfTheReferenceToolIsTaken(t *testing.T) {
	tool, err := exec.LookPath("argon2")
	if err != nil {
		t.Fatal("skipped: the argon2 tool is not installed")
	}
	cmd := exec.CommandContext(t.Context(), tool, "somesaltsomesalt", "-id", "-t", "2", "-k", "19456", "-p", "1", "-e")
	cmd.Stdin = strings.NewReader(password)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !CheckPassword(strings.TrimSpace(string(out)), password) {
		t.Errorf("%s is not taken", out)
	}
}

func TestPoisonedHashesAreNeverRight(t *testing.T) {
	for _, hash := range []string{"", "$", "plain", "$argon2id$v=19$m=19456,t=2,p=1$$", "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=0,p=0$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"} {
		if CheckPassword(hash, "") || CheckPassword(hash, password) {
			t.Errorf("%q lets somebody in", hash)
		}
	}
}

// nobodyYet is an empty list of people.
type nobodyYet struct{ all []station.Person }

func (n *nobodyYet) Person(context.Context, string) (station.Person, error) {
	return station.Person{}, station.Errorf(station.Unknown, "nobody")
}
func (n *nobodyYet) People(context.Context) ([]station.Person, error) { return n.all, nil }
func (n *nobodyYet) PutPerson(_ context.Context, p station.Person, _ station.Event) error {
	n.all = append(n.all, p)
	return nil
}

func TestFirstAdministratorIsMadeOnce(t *testing.T) {
	n := &nobodyYet{}
	login, secret, created, err := FirstAdministrator(t.Context(), n)
	if err != nil || !created || login != "admin" || len(secret) < 20 {
		t.Fatal(login, len(secret), created, err)
	}
	if len(n.all) != 1 || !n.all[0].Has(station.RoleAdmin) || !CheckPassword(n.all[0].Password, secret) {
		t.Errorf("stored %d people", len(n.all))
	}
	if _, secret, created, err := FirstAdministrator(t.Context(), n); err != nil || created || secret != "" {
		t.Error("made twice", err)
	}
}

func TestSessionsEndAndMakeRoom(t *testing.T) {
	c := &clock{now: today}
	s := newSessions(c.Now)
	first, _ := s.open("lan")
	for range sessionsEach {
		c.forward(time.Second)
		s.open("lan")
	}
	if _, _, ok := s.find(first); ok {
		t.Error("the oldest session made no room")
	}
	kept, _ := s.open("lan")
	other, _ := s.open("minh")
	s.closeAll("lan", kept)
	if _, _, ok := s.find(kept); !ok {
		t.Error("the kept session is gone")
	}
	if _, _, ok := s.find(other); !ok {
		t.Error("somebody else's session is gone")
	}
	for range 13 {
		c.forward(59 * time.Minute)
		s.find(kept)
	}
	if _, _, ok := s.find(kept); ok {
		t.Error("a session lives for ever")
	}
}

func TestWhatStopsTheLineIsLogged(t *testing.T) {
	var out bytes.Buffer
	p := problemOf(t.Context(), slog.New(slog.NewTextHandler(&out, nil)), station.Errorf(station.StopLine, "the store cannot write: no space left on device"))
	if p.Status != http.StatusServiceUnavailable || p.Kind != "stop-line" {
		t.Errorf("%+v", p)
	}
	if !strings.Contains(out.String(), "level=ERROR") || !strings.Contains(out.String(), "no space left") {
		t.Errorf("log %q", out.String())
	}
}

// blind sees no reader and says why.
type blind struct{}

func (blind) Status() []issue.ReaderStatus { return nil }
func (blind) Problem() string              { return "pcscd does not answer" }

func TestReadersSayWhyNoneIsSeen(t *testing.T) {
	for _, c := range []struct {
		readers Readers
		want    string
	}{{blind{}, "pcscd does not answer"}, {readers{}, ""}} {
		out, err := (&server{cfg: Config{Readers: c.readers}}).listReaders(t.Context(), nil)
		if err != nil || out.Body.Problem != c.want || out.Body.Items == nil {
			t.Errorf("%T: %+v, %v", c.readers, out.Body, err)
		}
	}
}

// The examples of RFC 7396, appendix A.
func TestMergePatchOfTheRFC(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`}, {`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`}, {`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`}, {`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`}, {`{"a":"b"}`, `["c"]`, `["c"]`}, {`{"a":"foo"}`, `null`, `null`}, {`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`}, {`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`}, {`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		var target, patch, want any
		for i, v := range []*any{&target, &patch, &want} {
			if err := json.Unmarshal([]byte(c[i]), v); err != nil {
				t.Fatal(err)
			}
		}
		if got := mergePatch(target, patch); !reflect.DeepEqual(got, want) {
			t.Errorf("%s with %s is %v, want %s", c[0], c[1], got, c[2])
		}
	}
}

// A citizen goes to OSIA's names and back without loss, whatever stands in it.
func TestCitizenComesBack(t *testing.T) {
	var c station.Citizen
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		v.Field(i).SetString(v.Type().Field(i).Name)
	}
	back, err := biographic(c).citizen()
	if err != nil || back != c {
		t.Errorf("%+v, %v", back, err)
	}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if biographicNames[name] == "" {
			t.Errorf("station.Citizen's %s has no name in OSIA's biographicData", name)
		}
	}
	if _, err := (BiographicData{Name: "Lê Thị Hoa", LastName: "Trần", FirstName: "Thị Hoa"}).citizen(); station.KindOf(err) != station.Correct {
		t.Errorf("two names that differ: %v", err)
	}
}

func TestSlotsGoToOSIAAndBack(t *testing.T) {
	if len(slots) != 14 || len(slotTypes) != 14 {
		t.Fatal(len(slots), len(slotTypes))
	}
	for _, slot := range slots {
		if back, err := biometric(station.Capture{Slot: slot}, "").slot(); err != nil || back != slot {
			t.Errorf("%s comes back as %s: %v", slot, back, err)
		}
	}
}

func FuzzBufferReference(f *testing.F) {
	f.Add("/v1/enrollments/e1/buffer/aa", "e1")
	f.Add("http://host/v1/enrollments/e1/buffer/../../e2/buffer/aa", "e1")
	f.Add("http://[::1]:namedport/", "e1")
	f.Fuzz(func(t *testing.T, ref, enrollment string) {
		if id, err := bufferID(ref, enrollment); err == nil && (id == "" || strings.Contains(id, "/")) {
			t.Errorf("%q gives %q", ref, id)
		}
	})
}

func FuzzCheckPassword(f *testing.F) {
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "x")
	f.Add("$argon2id$v=19$m=8,t=1,p=0$$", "")
	f.Fuzz(func(t *testing.T, hash, password string) {
		if CheckPassword(hash, password) && len(hash) < 40 {
			t.Errorf("%q lets %q in", hash, password)
		}
	})
}

func FuzzStreamEvent(f *testing.F) {
	f.Add([]byte(`{"step":"a","state":{"x":1},"attempt":1e99}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := json.Marshal(streamEvent(station.Event{Body: body})); err != nil {
			t.Error(err)
		}
	})
}
