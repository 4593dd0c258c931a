package main

import (
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"cardstation/biometrics"
	"cardstation/biometrics/synth"
)

// awaited has Evaluate wait for a promise.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// Who is logged out, as everybody is when the station was started again, loses nothing of what
// was typed. Who uploads a scanner's files is told what is wrong with each and what to do; a
// resolution that a file does not say can be said; and the page, loaded anew, is where it was.
func TestUploadsInABrowser(t *testing.T) {
	base, password := demoForTest(t)
	tab := newTab(t)
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	print := synth.Captures(7)[0].PNG
	img, err := biometrics.Decode(print)
	if err != nil {
		t.Fatal(err)
	}
	silent, err := os.Create(filepath.Join(dir, "silent.png")) // of no resolution
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(silent, img.Image); err != nil {
		t.Fatal(err)
	}
	silent.Close()
	step := func(what string, tasks ...chromedp.Action) {
		t.Helper()
		limit, stop := context.WithTimeout(tab, 30*time.Second)
		defer stop()
		if err := chromedp.Run(limit, tasks...); err != nil {
			var page string
			_ = chromedp.Run(tab, chromedp.Text(`body`, &page)) // to tell what was there
			t.Fatalf("%s: %v\n%s", what, err, page)
		}
	}
	const slot = `[data-slot="plain-right-four"]`
	upload := func(path, says string) {
		t.Helper()
		step(filepath.Base(path), chromedp.SetUploadFiles(slot+` input[type=file]`, []string{path}, chromedp.ByQuery),
			chromedp.Poll(fmt.Sprintf(`document.querySelector("#notice").innerText.includes(%q) || document.querySelector(%q).innerText.includes(%q)`, says, slot, says), nil))
	}
	step("type a citizen", logIn(base, "desk", password), chromedp.Navigate(base+"/desk"), chromedp.WaitVisible(`#new`), chromedp.Click(`#new`), press("body", "Fill in an invented citizen"))
	session := func(method, body string) chromedp.Action {
		return chromedp.Evaluate(fmt.Sprintf(`fetch("/v1/sessions", {method: %q, headers: {"Content-Type": "application/json"}, body: %s})`, method, body), nil, awaited)
	}
	step("be logged out", session("DELETE", "undefined"), press("body", "Open the enrolment"), chromedp.WaitVisible(`//*[@id="notice"][contains(., "not logged in any more")]`))
	step("log in elsewhere, and go on", session("POST", fmt.Sprintf(`JSON.stringify({login: "desk", password: %q})`, password)), press("body", "Open the enrolment"), chromedp.WaitReady(slot))
	upload(file("large.png", make([]byte, 25<<20)), "large.png has 27 MB")
	upload(file("cut.png", print[:len(print)/2]), "the file is not whole")
	upload(file("letter.png", []byte("%PDF-1.7")), "give a PNG, JPEG, JPEG 2000 or WSQ image")
	upload(silent.Name(), "The resolution of this picture is not known")
	step("say the resolution", chromedp.SetValue(`#ppi`, "500"), chromedp.Evaluate(`document.querySelector("#ppi").dispatchEvent(new Event("change"))`, nil))
	upload(silent.Name(), "500 ppi")
	step("say that a finger is bandaged", press(`[data-slot="plain-left-four"]`, "Missing"), chromedp.Click(`dialog input[value="10"]`), chromedp.SetValue(`dialog select`, "BANDAGED"),
		press("dialog", "Note it down"), chromedp.WaitVisible(`//*[@data-slot="plain-left-four"]//p[contains(., "without these: left little: bandaged")]`))
	step("load the page anew", chromedp.Reload(), chromedp.WaitVisible(slot+` img`), chromedp.WaitVisible(`//*[@data-slot="plain-right-four"]//*[contains(., "accepted")]`))
}
