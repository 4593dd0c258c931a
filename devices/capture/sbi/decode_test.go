package sbi

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardstation/devices/capture"
)

// demo is the shortest record: header and four bytes.
var demo = []byte("FIR\x00020\x00\x00\x00\x00\x10demo")

// stage is a simulator, a client that trusts it, and a request that they agree on.
func stage(tb testing.TB, code int) (*Simulator, *Client, expectation) {
	tb.Helper()
	sim, err := NewSimulator(SimulatorOptions{ES256: true, Play: func(Shot) (capture.Frame, error) { return capture.Frame{Data: demo}, nil }})
	if err != nil {
		tb.Fatal(err)
	}
	c, err := New(Options{Trust: []*x509.Certificate{sim.Root()}})
	if err != nil {
		tb.Fatal(err)
	}
	target, err := Position(code)
	if err != nil {
		tb.Fatal(err)
	}
	d := &Device{ID: simulatedDevice, Identity: sim.id, client: c}
	req, err := d.request(target, "", time.Second)
	if err != nil {
		tb.Fatal(err)
	}
	return sim, c, expectation{req: req, target: target, device: sim.id, id: simulatedDevice}
}

func answerOf(tb testing.TB, sim *Simulator, want expectation) captureAnswer {
	tb.Helper()
	a, err := sim.take(want.req, Well)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func marshal(tb testing.TB, v any) []byte {
	tb.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestTheChainIsThatOfTheSpecification holds the hash against values made with
// Python's hashlib: sha256(previous + sha256(record)), the first previous sha256("").
func TestTheChainIsThatOfTheSpecification(t *testing.T) {
	if got := new(Chain).Last(); got != "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855" {
		t.Error(got)
	}
	first, ok := link("", demo)
	if want := "EE44C8DEFFB953A3A265C653E2F83EFA32A68FBFE6C3787F9A03376E4EACBFC6"; !ok || first != want {
		t.Error(first)
	}
	second, ok := link(strings.ToLower(first), demo)
	if want := "A6983F25EEF348279117AE84A298CFA99FB3B2967B2EA34FFEF6BE3C338BB4F7"; !ok || second != want {
		t.Error(second)
	}
	for _, bad := range []string{"00", "x", first + "00"} {
		if _, ok := link(bad, demo); ok {
			t.Errorf("%q was a hash", bad)
		}
	}
}

// TestOpenSSLVerifiesWhatTheDeviceSigns holds both sides' RS256 against OpenSSL.
func TestOpenSSLVerifiesWhatTheDeviceSigns(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("no openssl")
	}
	sim, err := NewSimulator(SimulatorOptions{Play: func(Shot) (capture.Frame, error) { return capture.Frame{Data: demo}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	token, err := sim.sign(sim.id, false)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	var header struct {
		Alg, Typ string
		X5c      [][]byte
	}
	if h, err := base64.RawURLEncoding.DecodeString(parts[0]); err != nil || json.Unmarshal(h, &header) != nil || header.Alg != "RS256" || header.Typ != "JWT" || len(header.X5c) != 1 {
		t.Fatalf("%s, %v", h, err)
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	leaf, err := x509.ParseCertificate(header.X5c[0])
	if err != nil {
		t.Fatal(err)
	}
	spki, _ := x509.MarshalPKIXPublicKey(leaf.PublicKey)
	toPEM := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	for _, args := range [][]string{
		{"dgst", "-sha256", "-verify", write("key.pem", toPEM("PUBLIC KEY", spki)), "-signature", write("signature", signature), write("signed", []byte(parts[0]+"."+parts[1]))},
		{"verify", "-CAfile", write("root.pem", toPEM("CERTIFICATE", sim.Root().Raw)), write("leaf.pem", toPEM("CERTIFICATE", leaf.Raw))},
	} {
		if out, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
			t.Errorf("openssl %s: %s", args[0], out)
		}
	}
}

func TestAnythingChangedInAnAnswerIsRefused(t *testing.T) {
	sim, c, want := stage(t, 13)
	good := answerOf(t, sim, want)
	if _, _, err := c.trust.readCapture(marshal(t, good), want); err != nil {
		t.Fatal(err)
	}
	_, _, other := stage(t, 13)
	other.device = want.device
	foreign := answerOf(t, sim, other)
	for name, c13 := range map[string]struct {
		change func(*captureAnswer)
		err    error
	}{
		"one less":             {func(a *captureAnswer) { a.Biometrics = a.Biometrics[:3] }, ErrMismatch},
		"none":                 {func(a *captureAnswer) { a.Biometrics = nil }, ErrMismatch},
		"one twice":            {func(a *captureAnswer) { a.Biometrics[1].Data = a.Biometrics[0].Data }, ErrMismatch},
		"order against hashes": {func(a *captureAnswer) { a.Biometrics[0], a.Biometrics[1] = a.Biometrics[1], a.Biometrics[0] }, ErrMismatch},
		"another hash":         {func(a *captureAnswer) { a.Biometrics[3].Hash = chainStart() }, ErrMismatch},
		"another transaction":  {func(a *captureAnswer) { a.Biometrics[2] = foreign.Biometrics[2] }, ErrMismatch},
		"no signature": {func(a *captureAnswer) {
			a.Biometrics[0].Data = a.Biometrics[0].Data[:strings.LastIndexByte(a.Biometrics[0].Data, '.')+1]
		}, ErrUntrusted},
		"algorithm none": {func(a *captureAnswer) {
			a.Biometrics[0].Data = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + a.Biometrics[0].Data[strings.IndexByte(a.Biometrics[0].Data, '.'):]
		}, ErrUntrusted},
		"no chain": {func(a *captureAnswer) {
			a.Biometrics[0].Data = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + a.Biometrics[0].Data[strings.IndexByte(a.Biometrics[0].Data, '.'):]
		}, ErrUntrusted},
		"a device's word":   {func(a *captureAnswer) { a.Biometrics[0].Error = fault{"111", "x\x00y"} }, ErrBusy},
		"a code unheard of": {func(a *captureAnswer) { a.Biometrics[0].Error = fault{"599", strings.Repeat("z", 1000)} }, ErrRefused},
	} {
		bad := captureAnswer{Biometrics: append([]biometric{}, good.Biometrics...)}
		c13.change(&bad)
		samples, _, err := c.trust.readCapture(marshal(t, bad), want)
		if !errors.Is(err, c13.err) || samples != nil || len(err.Error()) > 300 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFaithfulAnswerInAnotherOrderIsSorted(t *testing.T) {
	sim, c, want := stage(t, 15)
	turned := want
	turned.req.Bio = append([]bioRequest{}, want.req.Bio...)
	turned.req.Bio[0].BioSubType = []string{"Right Thumb", "Left Thumb"}
	samples, last, err := c.trust.readCapture(marshal(t, answerOf(t, sim, turned)), want)
	if err != nil || samples[0].SubType != "Left Thumb" || last != samples[0].Hash {
		t.Error(samples, last, err)
	}
}

func TestADeviceInfoInPlaceOfACaptureSaysBusy(t *testing.T) {
	sim, c, want := stage(t, 1)
	sim.Make(SaysBusy)
	entry, err := sim.describe("http://127.0.0.1:4501/", Well)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.trust.readCapture(marshal(t, []infoEntry{entry}), want); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
}

func TestSignedDataMustFitTheRequest(t *testing.T) {
	_, _, want := stage(t, 2)
	good := bioData{BioType: Finger, BioSubType: "Right IndexFinger", Purpose: want.req.Purpose, Env: want.req.Env, TransactionID: want.req.TransactionID,
		BioValue: base64.URLEncoding.EncodeToString(demo), Timestamp: "2026-01-02T03:04:05Z", QualityScore: "61.5"}
	if s, err := readData(good, want); err != nil || s.Quality != 61.5 || !bytes.Equal(s.Frame.Data, demo) || s.Taken.Hour() != 3 {
		t.Fatal(s, err)
	}
	record := func(b string) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }
	for name, c := range map[string]struct {
		change func(*bioData)
		err    error
	}{
		"transaction": {func(d *bioData) { d.TransactionID += "0" }, ErrMismatch},
		"purpose":     {func(d *bioData) { d.Purpose = "Auth" }, ErrMismatch},
		"environment": {func(d *bioData) { d.Env = "Developer" }, ErrMismatch},
		"modality":    {func(d *bioData) { d.BioType = Face }, ErrMismatch},
		"extension":   {func(d *bioData) { d.CustomOpts = map[string]string{extension: "rolled"} }, ErrUnsupported},
		"base64":      {func(d *bioData) { d.BioValue = "***" }, ErrMalformed},
		"a picture":   {func(d *bioData) { d.BioValue = record("\x89PNG\r\n\x1a\n0000000000") }, ErrMalformed},
		"a face":      {func(d *bioData) { d.BioValue = record("FAC" + string(demo[3:])) }, ErrMalformed},
		"too short":   {func(d *bioData) { d.BioValue = record(string(demo[:15])) }, ErrMalformed},
		"too long":    {func(d *bioData) { d.BioValue = record(string(demo) + "x") }, ErrMalformed},
		"nothing":     {func(d *bioData) { d.BioValue = "" }, ErrMalformed},
		"2005":        {func(d *bioData) { d.BioValue = record("FIR\x00010\x00\x00\x00\x00\x00\x00\x0fx") }, nil},
		"quality":     {func(d *bioData) { d.QualityScore = "NaN" }, ErrMalformed},
		"quality 101": {func(d *bioData) { d.QualityScore = "101" }, ErrMalformed},
		"time":        {func(d *bioData) { d.Timestamp = "yesterday" }, ErrMalformed},
	} {
		d := good
		d.CustomOpts = maps.Clone(good.CustomOpts)
		c.change(&d)
		if _, err := readData(d, want); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
}

func TestCallbacksLeadNowhereElse(t *testing.T) {
	_, c, _ := stage(t, 1)
	for _, bad := range []string{"", "http://127.0.0.1/", "http://127.0.0.1:80/", "https://127.0.0.1:4501/", "http://example.org:4501/", "http://127.0.0.1:4501@example.org/",
		"http://127.0.0.1:4501/?a", "http://localhost:4501/", "file:///etc", "http://u@127.0.0.1:4501/"} {
		if got, err := c.callback(bad); err == nil {
			t.Errorf("%q leads to %q", bad, got)
		}
	}
	for _, good := range []string{"http://127.0.0.1:4501", "http://127.0.0.1:4600/"} {
		if got, err := c.callback(good); err != nil || got != strings.TrimSuffix(good, "/")+"/" {
			t.Errorf("%q: %q, %v", good, got, err)
		}
	}
}

func TestTargetsThatCannotBeAreRefused(t *testing.T) {
	four, _ := Position(13)
	for _, bad := range []Target{{}, {Type: Face, SubTypes: []string{"Left"}}, {Type: Finger}, four.As(Rolled), Portrait().As(Whole), {Type: Face, Score: 101}, four.Without(2, 3, 4, 5)} {
		if err := bad.check(); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if id, err := four.sensor([]text{"0"}); err != nil || id != "0" {
		t.Error(id, err)
	}
	if _, err := four.sensor([]text{"1"}); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

func TestNumbersInPlaceOfStringsAreRead(t *testing.T) {
	var d bioData
	if err := json.Unmarshal([]byte(`{"qualityScore":71.5,"requestedScore":"60"}`), &d); err != nil || d.QualityScore != "71.5" || d.RequestedScore != "60" {
		t.Error(d.QualityScore, err)
	}
	if json.Unmarshal([]byte(`{"qualityScore":[]}`), &d) == nil {
		t.Error("a list went for a number")
	}
}

const picture = "\xff\xd8\xff\xe0--x\r\n--y\xff\xd9"

// streams are written as the specification and the devices that follow it write them.
var streams = []string{
	"--BoundaryString\r\nAccess-Control-Allow-Origin:*\r\nContent-Type:image/jpeg\r\nContent-Length:14\r\n\r\n" + picture +
		"--BoundaryString\r\ncontent-length: 14\r\n\r\n" + picture + "\r\n\r\n" + `{"errorCode":"0","errorInfo":"Success"}`,
	"\r\n--x\nContent-Length: 14\n\n" + picture + "\n--x\nContent-Length: 14\n\n" + picture + "\n--x--\nafter",
}

func TestStreamsOfSeveralHandsAreRead(t *testing.T) {
	for _, s := range streams {
		n := 0
		err := readStream("multipart/x-mixed-replace; boundary=--BoundaryString", strings.NewReader(s), func(b []byte) error {
			if n++; string(b) != picture {
				t.Errorf("%x", b)
			}
			return nil
		})
		if err != nil || n != 2 {
			t.Error(n, err)
		}
	}
	for s, want := range map[string]error{
		"--x\r\nContent-Length: 14\r\n\r\n\xff\xd8\xff": io.ErrUnexpectedEOF, "--x\r\nContent-Len": io.ErrUnexpectedEOF, "--x\r\n\r\nabc": ErrMalformed,
		"--x\r\nContent-Length: -1\r\n\r\n": ErrMalformed, "--x\r\nContent-Length: 99999999\r\n\r\n": ErrMalformed, "--x\r\nContent-Length: 4\r\n\r\nabcd": ErrMalformed,
		strings.Repeat("a", 5000): ErrMalformed,
	} {
		if err := readStream("multipart/x-mixed-replace", strings.NewReader(s), func([]byte) error { return nil }); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", s, err, want)
		}
	}
	for s, want := range map[string]error{
		`{"error":{"errorCode":"202","errorInfo":"No Device Connected."}}`: ErrGone, `{"errorCode":"111"}`: ErrBusy, `{}`: ErrUnsupported, `x`: ErrMalformed,
	} {
		if err := readStream("application/json", strings.NewReader(s), nil); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", s, err, want)
		}
	}
}

func FuzzCapture(f *testing.F) {
	sim, c, want := stage(f, 15)
	f.Add(marshal(f, answerOf(f, sim, want)))
	entry, _ := sim.describe("http://127.0.0.1:4501/", Well)
	f.Add(marshal(f, []infoEntry{entry}))
	f.Add([]byte(`{"biometrics":[{"data":"e30.e30.AA","error":{"errorCode":0}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		samples, _, err := c.trust.readCapture(b, want)
		if (err == nil) != (len(samples) == 2) {
			t.Error(len(samples), err)
		}
	})
}

func FuzzSignedData(f *testing.F) {
	_, _, want := stage(f, 2)
	want.req.TransactionID = "abcd"
	f.Add([]byte(`{"bioType":"Finger","bioSubType":"Right IndexFinger","purpose":"Registration","env":"Production","transactionId":"abcd","bioValue":"` +
		base64.RawURLEncoding.EncodeToString(demo) + `","timestamp":"2026-01-02T03:04:05Z","qualityScore":"50"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d bioData
		if json.Unmarshal(b, &d) != nil {
			return
		}
		s, err := readData(d, want)
		if err != nil && kindOf(err) == nil {
			t.Error(err)
		}
		if err == nil && (s.Frame.Media != MediaFinger || len(s.Frame.Data) < 14) {
			t.Error(hex.EncodeToString(s.Frame.Data))
		}
	})
}

func FuzzDiscovery(f *testing.F) {
	_, c, _ := stage(f, 1)
	f.Add([]byte(`[{"deviceId":"1","deviceStatus":"Ready","callbackId":"http://127.0.0.1:4501/","digitalId":"eyJ0eXBlIjoiRmluZ2VyIn0","deviceSubId":[1,"2"],"error":{"errorCode":"0"}}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		devices, _ := c.readDiscovery(b, Finger, "http://127.0.0.1:4501/")
		for _, d := range devices {
			if !strings.HasPrefix(d.Address, "http://127.0.0.1:4") || d.Identity.Type != Finger || d.String() == "" {
				t.Errorf("%+v", d.Address)
			}
		}
	})
}

func FuzzStream(f *testing.F) {
	for _, s := range streams {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = readStream("multipart/x-mixed-replace", bytes.NewReader(b), func(jpeg []byte) error {
			if len(jpeg) < 4 || len(jpeg) > len(b) {
				t.Error(len(jpeg))
			}
			return nil
		})
		_ = readStream("", bytes.NewReader(b), nil)
	})
}
