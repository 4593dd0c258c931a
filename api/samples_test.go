package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// An iris comes as OSIA has it, or as octets; a voice, which OSIA does not know, as octets
// with its codes. What was read can be written back.
func TestOpaqueSamplesComeByOSIAAndByTheirOwnRoute(t *testing.T) {
	h := newHouse(t)
	c := &talk{t: t, h: h, tokens: map[string]string{}, kept: map[string]string{}}
	ask := func(want int, method, path, media string, body []byte) string {
		t.Helper()
		status, _, got := c.do(path, "desk", method, path, http.Header{"Content-Type": {media}}, body)
		if status != want {
			t.Fatalf("%s %s: %d, want %d: %s", method, path, status, want, got)
		}
		return string(got)
	}
	const e, js, octets = "/v1/enrollments/e1", "application/json", "application/octet-stream"
	iris := BiometricData{BiometricType: "IRIS", BiometricSubType: "EYE_LEFT", Image: []byte("IIR\x00020\x00 left"), CaptureDevice: "eye scanner"}
	body := func(all ...BiometricData) []byte {
		bio := biographic(someone())
		raw, err := json.Marshal(map[string]any{"biographicData": bio, "biometricData": all})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	ask(204, "POST", e+"?transactionId=t", js, body(iris))
	ask(200, "POST", e+"/samples/voice?owner=4660&format=7", octets, []byte("aah"))
	read := ask(200, "GET", e+"?transactionId=t", "", nil)
	if !strings.Contains(read, `"biometricType":"IRIS"`) || !strings.Contains(read, `"EYE_LEFT"`) || strings.Contains(read, "aah") {
		t.Errorf("read: %s", read)
	}
	var back Enrollment
	if err := json.Unmarshal([]byte(read), &back); err != nil {
		t.Fatal(err)
	}
	ask(204, "PATCH", e+"?transactionId=t", js, body(back.BiometricData...))
	var list List[SampleView]
	if err := json.Unmarshal([]byte(ask(200, "GET", e+"/samples", "", nil)), &list); err != nil || len(list.Items) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if one := list.Items[0]; one.Kind != "iris" || one.Subtype != 2 || one.Device != "eye scanner" || ask(200, "GET", one.DataRef, "", nil) != string(iris.Image) {
		t.Errorf("%+v", one)
	}
	if one := list.Items[1]; one.Kind != "voice" || one.Owner != 4660 || one.Format != 7 {
		t.Errorf("%+v", one)
	}
	for _, bad := range []func(*BiometricData){
		func(b *BiometricData) { b.Image = []byte("FIR\x00") },
		func(b *BiometricData) { b.BiometricSubType = "LEFT_INDEX" },
		func(b *BiometricData) { b.Image = nil },
		func(b *BiometricData) { b.BiometricType, b.BiometricSubType = "SIGNATURE", "" }, // without the codes of a format
	} {
		b := iris
		bad(&b)
		if got := ask(400, "PATCH", e+"?transactionId=t", js, body(b)); !strings.Contains(got, "biometricData[0]") {
			t.Errorf("%s", got)
		}
	}
	taken := ask(200, "POST", e+"/samples/iris?subtype=1", js, []byte(`{"simulate": true}`))
	if !strings.Contains(taken, `"device":"eye camera"`) || !strings.Contains(taken, `"simulated":true`) {
		t.Errorf("from the device: %s", taken)
	}
	ask(404, "POST", "/v1/enrollments/none/samples/iris?subtype=1", js, []byte(`{"simulate": true}`))
	ask(409, "POST", e+"/samples/voice", js, []byte(`{"simulate": true}`))
	ask(400, "POST", e+"/samples/iris", js, []byte(`{"simulate": false}`))
	ask(415, "POST", e+"/samples/iris", "text/plain", []byte("IIR\x00"))
	ask(400, "POST", e+"/samples/voice", octets, []byte("aah"))
	ask(400, "POST", e+"/samples/gait", octets, []byte("steps"))
}

func TestTransactionIsOfAFinalEnrolment(t *testing.T) {
	h := newHouse(t)
	child := someone() // under six, so that nothing has to be captured
	child.BirthDate, child.Sex, child.Number = "2021-11-21", "M", "001221000042"
	bio := biographic(child)
	token := h.logIn(t, "desk")
	send := func(want int, method, path string, body any) string {
		t.Helper()
		status, answer := h.send(t, token, method, "/v1/enrollments/e1"+path, body)
		if status != want {
			t.Fatalf("%s %s: %d %s", method, path, status, answer)
		}
		return answer
	}
	send(204, "POST", "?transactionId=t", map[string]any{"biographicData": bio})
	send(409, "GET", "/transaction", nil)
	send(204, "PUT", "/finalize?transactionId=t", nil)
	if answer := send(200, "GET", "/transaction?type=SRC&minutiae=true", nil); answer != "e1 {Type:SRC Destination:CENTRE Minutiae:true}" {
		t.Errorf("%s", answer)
	}
}

// A request's irises come into the order for DG4, and are read back without their data;
// what a card cannot take is refused, not dropped.
func TestCredentialRequestsCarryIrises(t *testing.T) {
	h := newHouse(t)
	boss := h.logIn(t, "boss")
	right := BiometricData{BiometricType: "IRIS", BiometricSubType: "EYE_RIGHT", Image: []byte("IIR\x00020\x00 right")}
	want := asks(someone(), true)
	want.BiometricData = append(want.BiometricData, right)
	if code, answer := h.send(t, boss, http.MethodPost, "/v1/credentialRequests/o1?transactionId=t", want); code != http.StatusCreated {
		t.Fatalf("%d %s", code, answer)
	}
	o, err := h.db.Order(t.Context(), "o1")
	if err != nil || len(o.Irises) != 1 || o.Irises[0].Kind != "iris" || o.Irises[0].Subtype != 1 || string(o.Irises[0].Data) != string(right.Image) {
		t.Errorf("%+v, %v", o.Irises, err)
	}
	if _, answer := h.send(t, boss, http.MethodGet, "/v1/credentialRequests/o1?transactionId=t", nil); !strings.Contains(answer, `"EYE_RIGHT"`) || strings.Contains(answer, "SUlSADAyMA") {
		t.Errorf("%s", answer)
	}
	for why, bad := range map[string]BiometricData{
		"no other such data": {BiometricType: "SIGNATURE", Image: []byte("ink")}, "EYE_RIGHT or EYE_LEFT": {BiometricType: "IRIS", Image: right.Image},
		"and no other": {BiometricType: "IRIS", BiometricSubType: "EYE_LEFT", Image: []byte("\x89PNG\r\n\x1A\n")}, "twice": right,
	} {
		r := asks(someone(), true)
		r.BiometricData = append(r.BiometricData, right, bad)
		if code, answer := h.send(t, boss, http.MethodPost, "/v1/credentialRequests/o2?transactionId=t", r); code != http.StatusBadRequest || !strings.Contains(answer, why) {
			t.Errorf("%s: %d %s", why, code, answer)
		}
	}
}
