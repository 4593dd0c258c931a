// Package console is the station's web console: pages for desk, line, office
// and people, and a log in. The pages are shells; their scripts speak the same /v1
// API as everybody else. Nothing is built and nothing is loaded from outside.
package console

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
)

//go:embed pages static
var files embed.FS

// Options of the console.
type Options struct {
	Simulated bool   // a banner on each page says that nothing here is real
	Station   string // name of the station
}

type page struct {
	path, name, title, script string
}

var pages = []page{
	{"/", "home", "Card station", "home.js"},
	{"/login", "login", "Log in", "login.js"},
	{"/desk", "desk", "Desk", "desk.js"},
	{"/line", "line", "Line", "line.js"},
	{"/office", "office", "Office", "office.js"},
	{"/people", "people", "People", "people.js"},
}

// Paths lists what the handler of New serves, as patterns of a router that
// writes the rest of a path as *name.
func Paths() []string {
	all := []string{"/static/*file"}
	for _, p := range pages {
		all = append(all, p.path)
	}
	return all
}

// New makes the console's handler. Its pages are made once.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	for _, p := range pages {
		t := template.Must(template.ParseFS(files, "pages/layout.html", "pages/"+p.name+".html"))
		var out bytes.Buffer
		err := t.ExecuteTemplate(&out, "layout.html", map[string]any{"Title": p.title, "Name": p.name, "Script": p.script, "Simulated": o.Simulated, "Station": o.Station})
		if err != nil { // the templates are embedded: a test makes each of them
			panic(err)
		}
		html := out.Bytes()
		pattern := "GET " + p.path
		if p.path == "/" {
			pattern += "{$}"
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Cache-Control", "no-cache")
			_, _ = w.Write(html)
		})
	}
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err)
	}
	serve := http.StripPrefix("/static/", http.FileServerFS(static))
	mux.HandleFunc("GET /static/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		serve.ServeHTTP(w, r)
	})
	return mux
}
