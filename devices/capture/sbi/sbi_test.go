package sbi_test

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
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
		Timeout: 2 * time.Second, Grace: time.Second}
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
	if _, err := d.Sensor(position(t, 14).As(sbi.Whole).Without(8), nil).Capture(t.Context()); !errors.Is(err, sbi.ErrUnsupported) {
		t.Errorf("three fingers each for itself went for a slap: %v", err)
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
	for subtype, want := range map[int]string{1: "Right", 2: "Left"} {
		eye, err := sbi.Eye(subtype)
		if err != nil {
			t.Fatal(err)
		}
		if samples, err := iris.device(t).Capture(t.Context(), eye, nil); err != nil || len(samples) != 1 || samples[0].SubType != want {
			t.Errorf("eye %d: %v, %v", subtype, samples, err)
		}
	}
	if _, err := sbi.Eye(0); err == nil {
		t.Error("an eye that is neither was asked for")
	}
	if found, err := iris.Discover(t.Context(), sbi.Finger); err != nil || len(found) != 0 {
		t.Errorf("an iris camera went for a scanner: %v, %v", found, err)
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

func TestADevicesOwnCertificateCanBeTheAnchor(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	d := b.device(t)
	if _, err := d.Info(t.Context()); err != nil {
		t.Fatal(err)
	}
	var entries []struct{ DeviceInfo string }
	var header struct{ X5c [][]byte }
	_ = json.Unmarshal(b.last(t, "MOSIPDINFO").Response, &entries)
	head, _, _ := strings.Cut(entries[0].DeviceInfo, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(head)
	if err := json.Unmarshal(raw, &header); err != nil {
		t.Fatal(err)
	}
	own, err := x509.ParseCertificate(header.X5c[0])
	if err != nil {
		t.Fatal(err)
	}
	b.options.Trust = []*x509.Certificate{own}
	b.Client, _ = sbi.New(b.options)
	if _, err := b.device(t).Info(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAnswersAsTheSpecificationWritesThemAreRead speaks to a service of bare sockets:
// header lines as in MDS 0.9.5, device discovery, and no length.
func TestAnswersAsTheSpecificationWritesThemAreRead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan *http.Request, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		id := base64.URLEncoding.EncodeToString([]byte(`{"serialNo":"1","make":"A","model":"B","type":"Finger","deviceSubType":"Slap"}`))
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nCACHE-CONTROL:no-store\r\nLOCATION:http://%s\r\nContent-Type: application/json\r\nConnection: Closed\r\n\r\n"+
			`[{"deviceId":"1","deviceStatus":"Ready","deviceSubId":[1,2,3],"callbackId":"http://%s","digitalId":"%s","purpose":"Registration","specVersion":["0.9.5"],"error":{"errorCode":0,"errorInfo":"Success"}}]`,
			l.Addr(), l.Addr(), id)
		heard <- r
	}()
	b := start(t, sbi.SimulatorOptions{})
	b.options.Ports = []int{l.Addr().(*net.TCPAddr).Port}
	b.Client, _ = sbi.New(b.options)
	if d := b.device(t); d.Identity.Make != "A" || d.Status != sbi.Ready || d.Address != "http://"+l.Addr().String()+"/" {
		t.Errorf("%s", d)
	}
	if r := <-heard; r.Method != "MOSIPDISC" || r.URL.Path != "/device" || r.Host != l.Addr().String() || r.Header.Get("EXT") != "cardstation" {
		t.Error(r.Method, r.URL, r.Host, r.Header)
	}
}

func TestFourUncompressedFingersPass(t *testing.T) {
	big := aRecord("FIR", strings.Repeat("\x00\x7f\xff", 800*750/3))
	b := start(t, sbi.SimulatorOptions{Play: func(sbi.Shot) (capture.Frame, error) { return capture.Frame{Data: big}, nil }})
	d, began := b.device(t), time.Now()
	samples, err := d.Capture(t.Context(), position(t, 13), nil)
	if err != nil || len(samples) != 4 || !bytes.Equal(samples[3].Frame.Data, big) {
		t.Fatal(err)
	}
	t.Log(time.Since(began))
}

func TestAnExpiredCertificateIsNotTrusted(t *testing.T) {
	b := start(t, sbi.SimulatorOptions{})
	b.options.Now = func() time.Time { return time.Now().AddDate(2, 0, 0) }
	b.Client, _ = sbi.New(b.options)
	if _, err := b.device(t).Info(t.Context()); !errors.Is(err, sbi.ErrUntrusted) {
		t.Error(err)
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
