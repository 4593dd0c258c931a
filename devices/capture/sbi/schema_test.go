package sbi_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"cardstation/devices/capture/sbi"
)

// The JSON schemas are those of MOSIP's compliance toolkit, not this project's. They judge
// an answer after the toolkit has put beside each signed part what it decodes to.
const schemas = "../../../../shared/spec/sbi"

// faults validates JSON against a schema and gives where it fails, nothing where it holds.
func faults(t *testing.T, schema string, doc any) []string {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	compiled, err := c.Compile(filepath.Join(schemas, schema+"Schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var invalid *jsonschema.ValidationError
	if err := compiled.Validate(doc); err != nil && !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	var at []string
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 {
			at = append(at, "/"+strings.Join(e.InstanceLocation, "/"))
		}
		for _, cause := range e.Causes {
			walk(cause)
		}
	}
	if invalid != nil {
		walk(invalid)
	}
	slices.Sort(at)
	return slices.Compact(at)
}

func parse(t *testing.T, b []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return v
}

// decode puts beside each signed or encoded part what it decodes to.
func decode(t *testing.T, v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = decode(t, v[i])
		}
	case map[string]any:
		for _, name := range []string{"deviceInfo", "data", "digitalId"} {
			token, _ := v[name].(string)
			if token == "" {
				continue
			}
			if parts := strings.Split(token, "."); len(parts) == 3 {
				token = parts[1]
			}
			b, err := base64.RawURLEncoding.DecodeString(token)
			if err != nil {
				t.Fatal(err)
			}
			v[name+"Decoded"] = parse(t, b)
		}
		for name := range v {
			v[name] = decode(t, v[name])
		}
	}
	return v
}

func needSchemas(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(schemas); err != nil {
		t.Skip("no SBI schemas at ", schemas)
	}
}

func holds(t *testing.T, schema string, b []byte) {
	t.Helper()
	if at := faults(t, schema, decode(t, parse(t, b))); len(at) != 0 {
		t.Errorf("%s: faults at %v: %s", schema, at, b)
	}
}

func TestRequestsAndAnswersHoldToTheSchemas(t *testing.T) {
	needSchemas(t)
	for _, typ := range []sbi.Type{sbi.Finger, sbi.Face, sbi.Iris} {
		b := start(t, sbi.SimulatorOptions{Type: typ})
		d := b.device(t)
		holds(t, "DiscoverRequest", b.last(t, "MOSIPDISC").Request)
		holds(t, "DiscoverResponse", b.last(t, "MOSIPDISC").Response)
		if _, err := d.Info(t.Context()); err != nil {
			t.Fatal(err)
		}
		holds(t, "DeviceInfoRequest", b.last(t, "MOSIPDINFO").Request)
		holds(t, "DeviceInfoResponse", b.last(t, "MOSIPDINFO").Response)
		holds(t, "DeviceInfoReadyResponse", b.last(t, "MOSIPDINFO").Response)
		targets := map[sbi.Type][]sbi.Target{sbi.Face: {sbi.Portrait()}, sbi.Iris: {sbi.Irises()}}[typ]
		if typ == sbi.Finger {
			for _, code := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15} {
				targets = append(targets, position(t, code))
			}
			targets = append(targets, position(t, 13).Without(2, 5))
		}
		for _, target := range targets {
			target.Score = 60
			if _, err := d.Capture(t.Context(), target, nil); err != nil {
				t.Fatal(err)
			}
			holds(t, "RegistrationCaptureRequest", b.last(t, "RCAPTURE").Request)
			holds(t, "RegistrationCaptureResponse", b.last(t, "RCAPTURE").Response)
		}
	}
}

func TestTroubleHoldsToTheSchemas(t *testing.T) {
	needSchemas(t)
	b := start(t, sbi.SimulatorOptions{})
	d := b.device(t)
	for _, c := range []struct {
		trouble             sbi.Trouble
		discovery, describe string
	}{
		{sbi.SaysBusy, "", "DeviceInfoBusyResponse"}, {sbi.SaysNotReady, "", "DeviceInfoNotReadyResponse"},
		{sbi.SaysUnregistered, "", "DeviceInfoNotRegisteredResponse"}, {sbi.Unplugged, "DiscoverResponseError", ""}, {sbi.SeesNothing, "", ""},
	} {
		b.Make(c.trouble)
		_, _ = b.Discover(t.Context(), sbi.Finger)
		_, _ = d.Info(t.Context())
		if _, err := d.Capture(t.Context(), position(t, 14), nil); err == nil {
			t.Errorf("trouble %d went well", c.trouble)
		}
		holds(t, "ErrorCaptureRequest", b.last(t, "RCAPTURE").Request)
		holds(t, "ErrorCaptureResponse", b.last(t, "RCAPTURE").Response)
		if c.discovery != "" {
			holds(t, c.discovery, b.last(t, "MOSIPDISC").Response)
		}
		if c.describe != "" {
			holds(t, c.describe, b.last(t, "MOSIPDINFO").Response)
		}
	}
}

func TestTheExtensionIsAllThatTheSchemasDoNotKnow(t *testing.T) {
	needSchemas(t)
	b := start(t, sbi.SimulatorOptions{})
	if _, err := b.device(t).Capture(t.Context(), position(t, 7).As(sbi.Rolled), nil); err != nil {
		t.Fatal(err)
	}
	e := b.last(t, "RCAPTURE")
	if at := faults(t, "RegistrationCaptureRequest", parse(t, e.Request)); !slices.Equal(at, []string{"/customOpts"}) {
		t.Errorf("request: %v", at)
	}
	if at := faults(t, "RegistrationCaptureResponse", decode(t, parse(t, e.Response))); !slices.Equal(at, []string{"/biometrics/0/dataDecoded"}) {
		t.Errorf("answer: %v", at)
	}
}

func TestTheSchemasBite(t *testing.T) {
	needSchemas(t)
	b := start(t, sbi.SimulatorOptions{})
	if _, err := b.device(t).Capture(t.Context(), position(t, 7), nil); err != nil {
		t.Fatal(err)
	}
	request := parse(t, b.last(t, "RCAPTURE").Request).(map[string]any)
	request["transactionId"], request["captureTime"] = "a_b", time.Now().String()
	request["bio"].([]any)[0].(map[string]any)["bioSubType"] = []any{"Right IndexFinger"}
	want := []string{"/bio/0/bioSubType/0", "/captureTime", "/transactionId"}
	if at := faults(t, "RegistrationCaptureRequest", request); !slices.Equal(at, want) {
		t.Error(at)
	}
	answer := map[string]any{}
	_ = json.Unmarshal(b.last(t, "RCAPTURE").Response, &answer)
	answer["biometrics"].([]any)[0].(map[string]any)["hash"] = "abc"
	if at := faults(t, "RegistrationCaptureResponse", decode(t, answer)); !slices.Equal(at, []string{"/biometrics/0/hash"}) {
		t.Error(at)
	}
}
