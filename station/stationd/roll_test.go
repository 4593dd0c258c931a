package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"image"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"cardstation/api"
	"cardstation/devices/capture"
	"cardstation/devices/capture/sbi"
	"cardstation/station"
)

// rollingScanner is the simulated scanner of the command line behind its service.
func rollingScanner(t *testing.T) (sensor func(station.Slot) (capture.Sensor, bool), streams *atomic.Int32) {
	t.Helper()
	o, err := (&synthScannerCmd{Seed: 1}).options()
	if err != nil {
		t.Fatal(err)
	}
	_, s, streams := behindSBI(t, o)
	return s.sensor, streams
}

// behindSBI is a simulated device behind its service, and scanners that trust it; it counts the
// streams that are asked of it.
func behindSBI(t *testing.T, o sbi.SimulatorOptions) (*sbi.Simulator, *scanners, *atomic.Int32) {
	t.Helper()
	device, err := sbi.NewSimulator(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := sbi.Listen()
	if err != nil {
		t.Fatal(err)
	}
	streams := new(atomic.Int32)
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			streams.Add(1)
		}
		device.ServeHTTP(w, r)
	})}}
	server.Start()
	t.Cleanup(server.Close)
	s, err := newScanners(sbi.Options{Trust: []*x509.Certificate{device.Root()}})
	if err != nil {
		t.Fatal(err)
	}
	return device, s, streams
}

// watch listens to what the scanner sees of a slot; it gives all that it saw when it is ended.
func (d *deskTest) watch(path string) (seen func() []api.Sight) {
	d.t.Helper()
	ctx, cancel := context.WithCancel(d.t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.tokens[station.RoleDesk])
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		d.t.Fatal(resp, err)
	}
	var all []api.Sight
	last := make(chan struct{}) // closed where the roll is over, or the stream
	go func() {
		defer close(last)
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var one api.Sight
				if err := json.Unmarshal([]byte(data), &one); err != nil {
					d.t.Error(err)
					return
				}
				if all = append(all, one); one.Done || !one.Judged && len(all) > 3 {
					return
				}
			}
		}
	}()
	return func() []api.Sight {
		defer resp.Body.Close()
		defer cancel()
		select {
		case <-last:
		case <-time.After(time.Second):
			cancel()
			<-last
		}
		return all
	}
}

// scan takes a slot with the attached scanner.
func (d *deskTest) scan(id string, slot station.Slot) (c struct {
	station.Capture
	LiveRef string
}) {
	d.t.Helper()
	if code, body := d.call(station.RoleDesk, "POST", "/v1/enrollments/"+id+"/captures/"+string(slot), map[string]any{"simulate": true}, &c); code != 200 || c.State != station.CaptureAccepted {
		d.t.Fatalf("%s: %d %s", slot, code, body)
	}
	return c
}

// Who rolls a finger sees it grow and hears what to do; the scanner's record is what is kept.
func TestARollIsSeenAtTheDeskWhileItIsCaptured(t *testing.T) {
	d := newDeskTest(t)
	sensor, streams := rollingScanner(t)
	d.sensor = sensor
	d.restart()
	d.open("e", 1)
	for _, f := range station.FingerSlots[:3] {
		if c := d.scan("e", f.Slot); c.LiveRef != "" {
			t.Errorf("a slap has %s", c.LiveRef)
		}
	}
	const slot = "rolled-right-thumb"
	seen := d.watch("/v1/enrollments/e/captures/" + slot + "/live")
	c := d.scan("e", slot)
	all := seen()
	if c.LiveRef != "/v1/enrollments/e/captures/"+slot+"/live" || streams.Load() != 1 {
		t.Errorf("live at %q, %d streams", c.LiveRef, streams.Load())
	}
	widths, said := []float64{}, map[string]bool{}
	for i, one := range all {
		img, err := jpeg.Decode(bytes.NewReader(one.JPEG))
		if err != nil || img.Bounds().Dx() != sightWidth || !one.Judged {
			t.Fatalf("sight %d: %+v, %v", i, img.Bounds(), err)
		}
		if one.Touching {
			widths = append(widths, one.Width)
		}
		said[one.Advice] = true
	}
	if n := len(widths); n < 3 || widths[n-1] < widths[0]+3 {
		t.Errorf("the print does not grow: %v", widths)
	}
	if !said["Roll on to the right."] {
		t.Errorf("said was %v", said)
	}
	d.scan("e", "rolled-right-index") // nobody looks
	if streams.Load() != 1 {
		t.Errorf("%d streams, one was looked at", streams.Load())
	}
	d.rollInABrowser("e", "rolled-right-middle")
}

// rollInABrowser captures a slot as its operator does, who sees the print grow in its place and
// the captured one after it.
func (d *deskTest) rollInABrowser(id, slot string) {
	d.t.Helper()
	st, err := d.house.staff(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	limit, stop := context.WithTimeout(newTab(d.t.(*testing.T)), time.Minute)
	defer stop()
	within := `[data-slot="` + slot + `"]`
	if err := chromedp.Run(limit, logIn(d.base, string(station.RoleDesk), st.password), chromedp.Navigate(d.base+"/desk?id="+id), press(within, "Capture"),
		chromedp.Poll(`document.querySelector('`+within+` .shot.live img')?.src.startsWith("data:image/jpeg") && /^[1-9][0-9]* mm · Roll on/.test(document.querySelector('`+within+` .advice')?.innerText)`, nil),
		chromedp.Poll(`document.querySelector('`+within+` .shot:not(.live) img')?.src.includes("/buffer/")`, nil)); err != nil {
		d.t.Error("the console: ", err)
	}
}

// A preview that does not say its resolution is shown and not judged; what is no picture is left out.
func TestAPreviewWithoutAResolutionIsOnlyShown(t *testing.T) {
	var all []api.Sight
	x := watchedScan{scan{slot: station.FingerSlots[3]}, func(one api.Sight) { all = append(all, one) }}
	small := image.NewGray(image.Rect(0, 0, 320, 240))
	shown := [][]byte{[]byte("\xFF\xD8\xFF no picture")}
	for _, ppi := range []int{0, 75} {
		one, err := frames(ppi, small)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, one...)
	}
	pictures := make(chan picked, len(shown))
	for _, data := range shown {
		pictures <- picked{data, time.Now()}
	}
	close(pictures)
	x.look(pictures)
	if len(all) != 2 {
		t.Fatalf("%d sights", len(all))
	}
	for _, one := range all {
		if img, err := jpeg.Decode(bytes.NewReader(one.JPEG)); err != nil || img.Bounds() != small.Rect || one.Judged || one.Width != 0 || one.Advice != "" {
			t.Errorf("%v, %v, %q", one.Judged, err, one.Advice)
		}
	}
}
