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

	"cardstation/api"
	"cardstation/biometrics"
	"cardstation/biometrics/synth"
	"cardstation/devices/capture"
	"cardstation/devices/capture/sbi"
	"cardstation/station"
)

// frameJPEG is a scanner's frame; with a resolution it has the JFIF segment that says it
// (ITU-T T.871, 10.1).
func frameJPEG(t *testing.T, g image.Image, ppi byte) []byte {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, g, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	if ppi == 0 {
		return out.Bytes()
	}
	perCentimetre := []byte{0, ppi}
	app0 := append([]byte("\xFF\xE0\x00\x10JFIF\x00\x01\x02\x02"), append(append(perCentimetre, perCentimetre...), 0, 0)...)
	return append(append([]byte("\xFF\xD8"), app0...), out.Bytes()[2:]...)
}

// perCentimetre is 500 ppi in dots a centimetre.
const perCentimetre = 197

// watchedThumb is the finger that is looked at, in SBI's words.
const watchedThumb = "Right Thumb"

// rollingScanner is a scanner's service that streams the rolls of a hand, and counts the streams
// that are asked of it.
func rollingScanner(t *testing.T, seed uint64, ppi byte) (sensor func(station.Slot) (capture.Sensor, bool), streams *atomic.Int32) {
	t.Helper()
	prints := example(seed).frames
	var roll [][]byte
	for _, g := range synth.Grow(seed).Roll(biometrics.RightThumb, 0, synth.Motion{}).Frames {
		roll = append(roll, frameJPEG(t, g, ppi))
	}
	for range 10 { // it rests, so that the roll is over
		roll = append(roll, roll[0])
	}
	empty := image.NewGray(image.Rect(0, 0, 800, 750))
	for i := range empty.Pix {
		empty.Pix[i] = 250
	}
	device, err := sbi.NewSimulator(sbi.SimulatorOptions{Preview: [][]byte{frameJPEG(t, empty, ppi)}, Interval: 40 * time.Millisecond,
		Rolling: func(s sbi.Shot) [][]byte {
			if s.Impression != sbi.Rolled || s.SubType != watchedThumb {
				return nil
			}
			return roll
		},
		Play: func(s sbi.Shot) (capture.Frame, error) {
			if s.SubType == watchedThumb { // as long as the roll takes
				time.Sleep(3 * time.Second)
			}
			return played(prints, s)
		}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := sbi.Listen()
	if err != nil {
		t.Fatal(err)
	}
	streams = new(atomic.Int32)
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
	return s.sensor, streams
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
	sensor, streams := rollingScanner(t, 1, perCentimetre)
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
}

// A preview that does not say its resolution is shown and not judged; what is no picture is left out.
func TestAPreviewWithoutAResolutionIsOnlyShown(t *testing.T) {
	var all []api.Sight
	x := watchedScan{scan{slot: station.FingerSlots[3]}, func(one api.Sight) { all = append(all, one) }}
	pictures := make(chan picked, 3)
	small := image.NewGray(image.Rect(0, 0, 320, 240))
	for _, data := range [][]byte{frameJPEG(t, small, 0), []byte("\xFF\xD8\xFF no picture"), frameJPEG(t, small, 75)} {
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
