package console

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// The policy of the server allows neither script nor style inside a page, and
// nothing from elsewhere; a page that broke it would stand there half dead.
func TestPagesKeepThePolicy(t *testing.T) {
	h := New(Options{Simulated: true, Station: "Hà Nội <1>"})
	inline := regexp.MustCompile(`(?i)<script(?:>|[^>]*[^>a-z]>[^<]+</script)|<style|\sstyle=|\son[a-z]+=|javascript:`)
	refers := regexp.MustCompile(`(?:src|href)="([^"#]*)"`)
	for _, p := range pages {
		code, body := get(t, h, p.path)
		if code != http.StatusOK || !strings.Contains(body, "<title>"+p.title) {
			t.Errorf("%s: %d, title missing", p.path, code)
		}
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s: %q is refused by the policy", p.path, found)
		}
		if !strings.Contains(body, "Hà Nội &lt;1&gt;") || !strings.Contains(body, "SIMULATED") {
			t.Errorf("%s: station's name or banner missing or not escaped", p.path)
		}
		for _, m := range refers.FindAllStringSubmatch(body, -1) {
			if code, _ := get(t, h, m[1]); code != http.StatusOK {
				t.Errorf("%s refers to %s: %d", p.path, m[1], code)
			}
		}
	}
	if _, body := get(t, New(Options{}), "/desk"); strings.Contains(body, "SIMULATED") || strings.Contains(body, "data-simulated") {
		t.Error("a real station calls itself simulated")
	}
}

func TestScriptsLoadOnlyWhatIsHere(t *testing.T) {
	h := New(Options{})
	imports := regexp.MustCompile(`from "\./([^"]+)"`)
	elsewhere := regexp.MustCompile(`https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`)
	err := fs.WalkDir(files, "static", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".svg") {
			return err
		}
		code, body := get(t, h, "/"+path)
		if code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
		if found := elsewhere.FindString(body); found != "" {
			t.Errorf("%s: %q: nothing comes from outside, and text goes in as text", path, found)
		}
		for _, m := range imports.FindAllStringSubmatch(body, -1) {
			if _, err := fs.Stat(files, "static/"+m[1]); err != nil {
				t.Errorf("%s imports %s: %v", path, m[1], err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOtherPathsAreNotThere(t *testing.T) {
	h := New(Options{})
	for _, path := range []string{"/static/../pages/layout.html", "/static/none.js", "/pages/layout.html", "/deskx"} {
		if code, _ := get(t, h, path); code == http.StatusOK {
			t.Errorf("%s is served", path)
		}
	}
}
