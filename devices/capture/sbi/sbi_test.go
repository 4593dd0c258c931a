package sbi_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cardstation/devices/capture"
	"cardstation/devices/capture/sbi"
)

// aRecord makes what has the header of an ISO/IEC 19794 record.
func aRecord(magic, body string) []byte {
	b := append([]byte(magic+"\x00020\x00"), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(b[8:], uint32(len(body)+12))
	return append(b, body...)
}

// play gives a record that names what it is of.
func play(s sbi.Shot) (capture.Frame, error) {
	ppi := 500
	if s.HalvePPI {
		ppi /= 2
	}
	magic := map[sbi.Type]string{sbi.Finger: "FIR", sbi.Face: "FAC", sbi.Iris: "IIR"}[s.Type]
	return capture.Frame{Data: aRecord(magic, fmt.Sprintf("%s|%s|%s|%d", s.SubType, s.Impression, s.SubID, ppi))}, nil
}

var jpeg = []byte{0xFF, 0xD8, 0xFF, 0xE0, 0x0D, 0x0A, '-', '-', 'x', 0xFF, 0xD9}

// exchange is one request and its answer.
type exchange struct {
	Method            string
	Request, Response []byte
}

// bench is a simulator behind a port, its recorded traffic and a client for it.
type bench struct {
	*sbi.Simulator
	*sbi.Client
	options sbi.Options

	mu    sync.Mutex
	heard []exchange
}

func (b *bench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	tee := &tee{ResponseWriter: w}
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.heard = append(b.heard, exchange{r.Method, body, tee.Bytes()})
	}()
	b.Simulator.ServeHTTP(tee, r)
}

// last is the newest exchange of a method.
func (b *bench) last(t *testing.T, method string) exchange {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range slices.Backward(b.heard) {
		if e.Method == method {
			return e
		}
	}
	t.Fatalf("no %s was heard", method)
	return exchange{}
}

type tee struct {
	http.ResponseWriter
	bytes.Buffer
}

func (t *tee) Write(b []byte) (int, error) { t.Buffer.Write(b); return t.ResponseWriter.Write(b) }
func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func start(t *testing.T, o sbi.SimulatorOptions) *bench {
	t.Helper()
	if o.Play == nil {
		o.Play = play
	}
	o.ES256 = !o.ES256 // quick, but where the test says otherwise
	sim, err := sbi.NewSimulator(o)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{Simulator: sim}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.options = sbi.Options{Trust: []*x509.Certificate{sim.Root()}, Ports: []int{server.Listener.Addr().(*net.TCPAddr).Port},
		Timeout: 2 * time.Second, Grace: 300 * time.Millisecond}
	if b.Client, err = sbi.New(b.options); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) device(t *testing.T) *sbi.Device {
	t.Helper()
	found, err := b.Discover(t.Context(), sbi.AnyDevice)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	return found[0]
}

func position(t *testing.T, code int) sbi.Target {
	t.Helper()
	target, err := sbi.Position(code)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestADeviceIsFoundDescribesItselfAndCaptures(t *testing.T) {
	for _, es256 := range []bool{true, false} {
		b := start(t, sbi.SimulatorOptions{ES256: es256, Quality: 77})
		d := b.device(t)
		if d.Status != sbi.Ready || d.Identity.SerialNo != "DEMO-0001" || d.Purpose != "Registration" {
			t.Fatalf("%+v", d.Identity)
		}
		info, err := d.Info(t.Context())
		if err != nil || info.Identity != d.Identity || info.Status != sbi.Ready || !info.Demo || info.Certification != "L0" || len(info.SubIDs) != 3 {
			t.Fatalf("%+v, %v", info, err)
		}
		frame, err := d.Sensor(position(t, 2), nil).Capture(t.Context())
		if err != nil || frame.Media != sbi.MediaFinger || !frame.Simulated || frame.PPI != 0 || frame.Device != "DEMO Simulator DEMO-0001" ||
			!bytes.Equal(frame.Data, aRecord("FIR", "Right IndexFinger||2|500")) || time.Since(frame.At) > time.Minute {
			t.Fatalf("%v %s, %v", frame, frame.Data, err)
		}
	}
}

func TestEachPositionAsksForItsFingersOnItsSensor(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	d := b.device(t)
	for code, want := range map[int]string{
		1: "Right Thumb||3", 5: "Right LittleFinger||2", 6: "Left Thumb||3", 7: "Left IndexFinger||1", 10: "Left LittleFinger||1",
		13: "Right IndexFinger||2,Right MiddleFinger||2,Right RingFinger||2,Right LittleFinger||2", 15: "Left Thumb||3,Right Thumb||3",
	} {
		samples, err := d.Capture(t.Context(), position(t, code), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range samples {
			got = append(got, strings.TrimSuffix(string(s.Frame.Data[12:]), "|500"))
		}
		if strings.Join(got, ",") != want {
			t.Errorf("position %d: %q, want %q", code, got, want)
		}
	}
	for _, code := range []int{0, 11, 12, 16, -1} {
		if _, err := sbi.Position(code); err == nil {
			t.Errorf("position %d was taken", code)
		}
	}
}

func TestRolledAndWholeAreAskedForAndEchoed(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	d := b.device(t)
	f, err := d.Sensor(position(t, 3).As(sbi.Rolled), nil).Capture(t.Context())
	if err != nil || string(f.Data[12:]) != "Right MiddleFinger|rolled|2|500" {
		t.Fatalf("%s, %v", f.Data, err)
	}
	f, err = d.Sensor(position(t, 14).As(sbi.Whole).Without(8), nil).Capture(t.Context())
	if err != nil || string(f.Data[12:]) != "UNKNOWN|slap|1|500" {
		t.Fatalf("%s, %v", f.Data, err)
	}
	b.Make(sbi.Deaf)
	if _, err := d.Sensor(position(t, 3).As(sbi.Rolled), nil).Capture(t.Context()); !errors.Is(err, sbi.ErrUnsupported) {
		t.Errorf("a plain print went for a rolled one: %v", err)
	}
	if _, err := d.Sensor(position(t, 3), nil).Capture(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMissingFingersAreExceptions(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	target := position(t, 13).Without(3, 7)
	samples, err := b.device(t).Capture(t.Context(), target, nil)
	if err != nil || len(samples) != 3 || samples[1].SubType != "Right RingFinger" {
		t.Fatalf("%v, %v", samples, err)
	}
	if r := string(b.last(t, "RCAPTURE").Request); !strings.Contains(r, `"exception":["Right MiddleFinger"]`) || !strings.Contains(r, `"count":"3"`) {
		t.Error(r)
	}
}

func TestFaceAndIrisHaveRecordsOfTheirOwn(t *testing.T) {
	face := start(t, sbi.SimulatorOptions{Type: sbi.Face})
	f, err := face.device(t).Sensor(sbi.Portrait(), nil).Capture(t.Context())
	if err != nil || f.Media != sbi.MediaFace {
		t.Errorf("%v, %v", f, err)
	}
	iris := start(t, sbi.SimulatorOptions{Type: sbi.Iris})
	samples, err := iris.device(t).Capture(t.Context(), sbi.Irises(), nil)
	if err != nil || len(samples) != 2 || samples[0].SubType != "Left" || samples[1].Frame.Media != sbi.MediaIris {
		t.Errorf("%v, %v", samples, err)
	}
	if found, err := iris.Discover(t.Context(), sbi.Finger); err != nil || len(found) != 0 {
		t.Errorf("an iris camera went for a scanner: %v, %v", found, err)
	}
}

func TestTroubleIsAnErrorOfItsKindWithAHint(t *testing.T) {
	for trouble, want := range map[sbi.Trouble]error{
		sbi.Unplugged: sbi.ErrGone, sbi.Stalled: sbi.ErrTimeout, sbi.HalfImage: sbi.ErrMalformed, sbi.BrokenOff: sbi.ErrGone, sbi.SaysBusy: sbi.ErrBusy,
		sbi.SaysNotReady: sbi.ErrNotReady, sbi.SaysUnregistered: sbi.ErrNotRegistered, sbi.SeesNothing: sbi.ErrNoObject, sbi.Forged: sbi.ErrUntrusted,
		sbi.Replayed: sbi.ErrMismatch, sbi.LyingPPI: nil,
	} {
		b := start(t, sbi.SimulatorOptions{})
		b.options.Timeout = 100 * time.Millisecond
		b.Client, _ = sbi.New(b.options)
		d := b.device(t)
		var chain sbi.Chain
		first, err := d.Capture(t.Context(), position(t, 7), &chain)
		if err != nil || chain.Last() != first[0].Hash {
			t.Fatal(err)
		}
		b.Make(trouble)
		samples, err := d.Capture(t.Context(), position(t, 7), &chain)
		if want == nil {
			if err != nil || !strings.HasSuffix(string(samples[0].Frame.Data), "|250") {
				t.Errorf("trouble %d: %v", trouble, err)
			}
			continue
		}
		var e *sbi.Error
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Hint == "" || !strings.Contains(e.Error(), "capture on DEMO Simulator DEMO-0001 (127.0.0.1:") {
			t.Errorf("trouble %d: %v, want %v", trouble, err, want)
		}
		if samples != nil || chain.Last() != first[0].Hash {
			t.Errorf("trouble %d moved the chain", trouble)
		}
		b.Make(sbi.Well)
		eventually(t, func() bool { return b.device(t).Status == sbi.Ready }) // a stalled one has yet to see that nobody waits
		if _, err := d.Capture(t.Context(), position(t, 7), &chain); err != nil {
			t.Errorf("after trouble %d: %v", trouble, err)
		}
	}
}

func TestInfoSaysWhatTheDeviceSays(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	d := b.device(t)
	for trouble, want := range map[sbi.Trouble]sbi.Status{sbi.Well: sbi.Ready, sbi.SaysBusy: sbi.Busy, sbi.SaysNotReady: sbi.NotReady} {
		b.Make(trouble)
		if info, err := d.Info(t.Context()); err != nil || info.Status != want {
			t.Errorf("%v, %v", info, err)
		}
		if d := b.device(t); d.Status != want {
			t.Errorf("found as %s, want %s", d.Status, want)
		}
	}
	for trouble, want := range map[sbi.Trouble]error{sbi.Unplugged: sbi.ErrGone, sbi.SaysUnregistered: sbi.ErrNotRegistered, sbi.Forged: sbi.ErrUntrusted} {
		b.Make(trouble)
		if _, err := d.Info(t.Context()); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

func TestAServiceThatIsNotThereIsADeviceGone(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	d := b.device(t)
	d.Address = "http://127.0.0.1:1/"
	if _, err := d.Capture(t.Context(), position(t, 1), nil); !errors.Is(err, sbi.ErrGone) {
		t.Error(err)
	}
	b.options.Ports = []int{1, 2, 3}
	c, err := sbi.New(b.options)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := c.Discover(t.Context(), sbi.AnyDevice); err != nil || len(found) != 0 {
		t.Error(found, err)
	}
}

func TestAnotherProvidersDeviceIsNotTrusted(t *testing.T) {
	b, other := start(t, sbi.SimulatorOptions{}), start(t, sbi.SimulatorOptions{})
	b.options.Trust = other.options.Trust
	b.Client, _ = sbi.New(b.options)
	d := b.device(t)
	if _, err := d.Info(t.Context()); !errors.Is(err, sbi.ErrUntrusted) {
		t.Error(err)
	}
	if _, err := d.Capture(t.Context(), position(t, 1), nil); !errors.Is(err, sbi.ErrUntrusted) {
		t.Error(err)
	}
}

func TestAnotherDevicesAnswerIsNotTrusted(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	d := b.device(t)
	d.Identity.SerialNo = "DEMO-0002"
	if _, err := d.Info(t.Context()); !errors.Is(err, sbi.ErrUntrusted) {
		t.Error(err)
	}
	if _, err := d.Capture(t.Context(), position(t, 1), nil); !errors.Is(err, sbi.ErrUntrusted) {
		t.Error(err)
	}
}

func TestAnExpiredCertificateIsNotTrusted(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	b.options.Now = func() time.Time { return time.Now().AddDate(2, 0, 0) }
	b.Client, _ = sbi.New(b.options)
	if _, err := b.device(t).Info(t.Context()); !errors.Is(err, sbi.ErrUntrusted) {
		t.Error(err)
	}
}

func TestOneCaptureAtATimeAndACancelledOneFreesTheDevice(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{Delay: time.Hour})
	d := b.device(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := d.Capture(ctx, position(t, 1), nil)
		done <- err
	}()
	eventually(t, func() bool { return b.device(t).Status == sbi.Busy })
	if _, err := d.Capture(t.Context(), position(t, 2), nil); !errors.Is(err, sbi.ErrBusy) {
		t.Error(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	eventually(t, func() bool { return b.device(t).Status == sbi.Ready })
}

func TestPullingThePlugEndsACaptureAtOnce(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{Delay: time.Hour})
	d := b.device(t)
	done := make(chan error)
	go func() {
		_, err := d.Capture(t.Context(), position(t, 1), nil)
		done <- err
	}()
	eventually(t, func() bool { return b.device(t).Status == sbi.Busy })
	began := time.Now()
	b.Make(sbi.Unplugged)
	if err := <-done; !errors.Is(err, sbi.ErrGone) || time.Since(began) > time.Second {
		t.Error(err, time.Since(began))
	}
}

// eventually waits until something holds, five seconds at most.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came so")
		}
	}
}

func TestADeviceForAuthenticationIsNotAskedToRegister(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{Purpose: "Auth"})
	if _, err := b.device(t).Capture(t.Context(), position(t, 1), nil); !errors.Is(err, sbi.ErrUnsupported) {
		t.Error(err)
	}
}

func TestTheStreamShowsPicturesAndPausesForACapture(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{Preview: [][]byte{jpeg}, Interval: 5 * time.Millisecond, Delay: 600 * time.Millisecond})
	d := b.device(t)
	enough, shown, captured := errors.New("enough"), 0, make(chan error, 1)
	err := d.Stream(t.Context(), position(t, 13), func(picture []byte) error {
		if !bytes.Equal(picture, jpeg) {
			t.Errorf("% X", picture)
		}
		if shown++; shown == 3 {
			go func() {
				_, err := d.Capture(t.Context(), position(t, 13), nil)
				captured <- err
			}()
		}
		if shown > 3 && len(captured) > 0 {
			return enough
		}
		return nil
	})
	if err != enough {
		t.Errorf("%v", err)
	}
	if err := <-captured; err != nil {
		t.Error(err)
	}
}

func TestAStreamEndsByItselfOrSaysWhy(t *testing.T) {
	show := func([]byte) error { return nil }
	b := start(t, sbi.SimulatorOptions{Preview: [][]byte{jpeg}, Interval: 5 * time.Millisecond})
	b.options.Timeout = 50 * time.Millisecond
	b.Client, _ = sbi.New(b.options)
	d := b.device(t)
	if err := d.Stream(t.Context(), position(t, 13), show); err != nil {
		t.Error(err)
	}
	for trouble, want := range map[sbi.Trouble]error{sbi.Unplugged: sbi.ErrGone, sbi.SaysBusy: sbi.ErrBusy, sbi.SaysNotReady: sbi.ErrNotReady,
		sbi.Stalled: sbi.ErrTimeout, sbi.BrokenOff: sbi.ErrGone} {
		b.Make(trouble)
		if err := d.Stream(t.Context(), position(t, 13), show); !errors.Is(err, want) {
			t.Errorf("trouble %d: %v, want %v", trouble, err, want)
		}
	}
	b.Make(sbi.Well)
	b.options.Timeout = time.Minute
	b.Client, _ = sbi.New(b.options)
	err := b.device(t).Stream(t.Context(), position(t, 13), func([]byte) error { b.Make(sbi.Unplugged); return nil })
	if !errors.Is(err, sbi.ErrGone) {
		t.Errorf("unplugged while it shows: %v", err)
	}
}

func TestNothingOfTheRecordIsPrinted(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	samples, err := b.device(t).Capture(t.Context(), position(t, 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("captured", "sample", samples[0])
	for _, s := range []string{log.String(), fmt.Sprintf("%v", samples), fmt.Sprintf("%+v", samples), fmt.Sprintf("%x", samples)} {
		if strings.Contains(s, "FIR") || strings.Contains(s, "70 73 82") || strings.Contains(s, "464952") || strings.Contains(s, "RklS") {
			t.Error(s)
		}
	}
}

func TestAClientNeedsTrustAndAKnownEnvironment(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	for _, o := range []sbi.Options{{}, {Trust: b.options.Trust, Env: "Home"}} {
		if _, err := sbi.New(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

func TestListenTakesAPortThatClientsLookAt(t *testing.T) {
	l, err := sbi.Listen()
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	if p := l.Addr().(*net.TCPAddr).Port; p < sbi.FirstPort || p > sbi.LastPort {
		t.Error(p)
	}
}
