package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// demoForTest runs the demo, as it stays up, and gives its address and password.
func demoForTest(t *testing.T) (address, password string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "demo", "--listen", "127.0.0.1:0", "--data", dir)
	cmd.Env = append(os.Environ(), asStationd+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("demo did not stop in order: %v", err)
		}
		if t.Failed() {
			log, err := os.ReadFile(filepath.Join(dir, "station.log"))
			t.Logf("station.log (%v):\n%s", err, log)
		}
	})
	found := make(chan [2]string, 1)
	go func() {
		var f [2]string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := regexp.MustCompile(`the station stays up: (http\S+)`).FindStringSubmatch(lines.Text()); m != nil {
				f[0] = m[1]
			}
			if m := regexp.MustCompile(`password (\S+)`).FindStringSubmatch(lines.Text()); m != nil && f[0] != "" {
				f[1] = m[1]
				found <- f
			}
		}
	}()
	select {
	case f := <-found:
		return f[0], f[1]
	case <-time.After(time.Minute):
		t.Fatal("the demo does not come up")
		return
	}
}

// newTab is a page of a browser that lives as long as the test.
func newTab(t *testing.T) context.Context {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		if chromium, err = exec.LookPath("chromium-browser"); err != nil {
			t.Fatal("no chromium: make test installs it")
		}
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	tab, leave := chromedp.NewContext(allocator)
	t.Cleanup(leave)
	if err := chromedp.Run(tab); err != nil { // the browser lives as long as tab, not as the first step
		t.Fatal(err)
	}
	return tab
}

func logIn(base, who, password string) chromedp.Tasks {
	return chromedp.Tasks{
		chromedp.Navigate(base + "/login"),
		chromedp.SetValue(`#login [name=login]`, who), chromedp.SetValue(`#login [name=password]`, password), chromedp.Click(`#login button`),
		chromedp.WaitVisible(`#places`),
	}
}

// press waits for a button with the text and presses it, in the page: what lists it
// may be drawn anew at any moment.
func press(within, text string) chromedp.Action {
	script := fmt.Sprintf(`(() => { const b = [...document.querySelectorAll(%q)].find(b => b.innerText.includes(%q) && !b.disabled); if (b) b.click(); return !!b })()`, within+" button", text)
	return chromedp.Poll(script, nil)
}

// A citizen is enrolled, approved, issued and verified by people at a browser.
func TestDeskLineAndOfficeInABrowser(t *testing.T) {
	base, password := demoForTest(t)
	tab := newTab(t)
	login := func(who string) chromedp.Tasks { return logIn(base, who, password) }
	var banner, name string
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
	step("log in at the desk", login("desk"))
	step("enrol", chromedp.Navigate(base+"/desk"), chromedp.Text(`body`, &banner), chromedp.WaitVisible(`#new`), chromedp.Click(`#new`),
		press("body", "Fill in an invented citizen"), chromedp.Value(`#citizen [name=name]`, &name), press("body", "Open the enrolment"),
		press("body", "Take all that is left"), chromedp.WaitVisible(`//h2[contains(., "14 of 14")]`),
		press("body", "Finalise"), chromedp.WaitVisible(`//p[@id="decisions"][contains(., "supervisor")]`))
	step("see where a print is good", press("#captures", "Quality"),
		chromedp.Poll(`[...document.querySelectorAll("#captures img")].some(i => i.src.endsWith("/quality.png") && i.complete && i.naturalWidth > 500)`, nil))
	if !regexp.MustCompile(`(?i)simulated|demo`).MatchString(banner) {
		t.Errorf("the page does not say that it is a simulation: %.200s", banner)
	}
	step("approve", login("supervisor"), chromedp.Navigate(base+"/desk"), press("#list", name), press("#decisions", "Approve"), chromedp.WaitVisible(`//h1//following-sibling::*[contains(., "approved")]`))
	step("issue", login("line"), chromedp.Navigate(base+"/line"),
		chromedp.WaitVisible(`//tbody[@id="queue"]/tr[contains(., "`+name+`")][contains(., "issued")]`))
	var verdict string
	document, birth, expiry := openingKey(t, tab, base)
	step("verify", login("office"), chromedp.Navigate(base+"/office"), chromedp.WaitReady(`select[name=reader] option`),
		chromedp.SetValue(`[name=document]`, document), chromedp.SetValue(`[name=birth]`, birth), chromedp.SetValue(`[name=expiry]`, expiry),
		chromedp.Sleep(2*time.Second), // the hand swaps the cards; pcscd looks every 400 ms
		press("body", "verify"), chromedp.WaitVisible(`#verdict .outcome`), chromedp.Text(`#verdict`, &verdict), chromedp.WaitVisible(`#verdict img.portrait`))
	if !regexp.MustCompile(`(?s)Valid.*` + regexp.QuoteMeta(name)).MatchString(verdict) {
		t.Errorf("verdict on %s: %s", name, verdict)
	}
}

// openingKey asks the API, as the line, what stands in the MRZ of the last order.
func openingKey(t *testing.T, tab context.Context, base string) (document, birth, expiry string) {
	t.Helper()
	var got struct {
		Number, Birth, Expires string
	}
	script := `(async () => {
		const list = await (await fetch("/v1/credentialRequests?limit=1")).json();
		const id = list.items[0].credentialRequestId || list.items[0].id;
		const o = await (await fetch("/v1/credentialRequests/" + id + "?transactionId=t")).json();
		return {Number: o.biographicData.personalNumber, Birth: o.biographicData.dateOfBirth, Expires: o.requestData.validToDate || ""};
	})()`
	if err := chromedp.Run(tab, chromedp.Evaluate(script, &got, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) })); err != nil {
		t.Fatal(err)
	}
	digits := func(date string) string { return date[2:4] + date[5:7] + date[8:10] }
	document, birth, expiry = got.Number[3:], digits(got.Birth), "991231"
	if len(got.Expires) >= 10 {
		expiry = digits(got.Expires)
	}
	return document, birth, expiry
}
