package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"cardstation/station"
)

// send does a request as somebody and gives status and body.
func (h *house) send(t *testing.T, token, method, path string, body any) (int, string) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	c := &talk{t: t, h: h}
	status, _, got := c.do(path, "-", method, path, http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}, raw)
	return status, string(bytes.TrimSpace(got))
}

// asks is the request for a citizen's card, with a portrait or without.
func asks(c station.Citizen, portrait bool) CredentialRequest {
	bio := biographic(c)
	r := CredentialRequest{PersonID: c.Number, BiographicData: &bio, RequestData: &RequestData{Priority: 5, CredentialProfileID: "softcard", RequestType: "FIRST_ISSUANCE"}}
	if portrait {
		r.BiometricData = []BiometricData{{BiometricType: "FACE", BiometricSubType: "PORTRAIT", Image: portraitJPEG()}}
	}
	return r
}

// What a supervisor approved at the desk is not changed at the line.
func TestOrdersOfEnrolmentsStayAsApproved(t *testing.T) {
	h := newHouse(t)
	o := station.Order{Format: station.Format, ID: "o-e1", EnrolmentID: "e1", State: station.OrderPending, Type: "FIRST_ISSUANCE", Priority: 5, Profile: "softcard",
		Citizen: someone(), Portrait: portraitJPEG(), Issue: "2026-11-22", Expiry: "2040-01-01", Created: today, Changed: today}
	if _, err := h.db.PutOrder(t.Context(), o, station.Event{Type: station.OrderReceived, Subject: o.ID, Actor: "station"}); err != nil {
		t.Fatal(err)
	}
	want := asks(someone(), true)
	want.BiographicData.Name = "Trần Văn Khác"
	code, body := h.send(t, h.logIn(t, "boss"), http.MethodPut, "/v1/credentialRequests/o-e1?transactionId=t", want)
	if code != http.StatusConflict || !strings.Contains(body, "enrol the citizen again") {
		t.Errorf("%d %s", code, body)
	}
	if got, err := h.db.Order(t.Context(), o.ID); err != nil || got.Citizen != o.Citizen {
		t.Errorf("the order has become %s, %v", got.Citizen.Name, err)
	}
}

func TestOnlyChildrenUnderSixHaveNoPortrait(t *testing.T) {
	h := newHouse(t)
	boss := h.logIn(t, "boss")
	child := someone()
	child.BirthDate, child.Sex, child.Number = "2020-11-23", "M", "001220000042" // six tomorrow
	tomorrow := asks(child, false)
	tomorrow.RequestData.ValidFromDate = day("2026-11-23")
	for _, c := range []struct {
		id   string
		body CredentialRequest
		code int
	}{{"young", asks(child, false), 201}, {"six", tomorrow, 400}, {"grown", asks(someone(), false), 400}} {
		if code, body := h.send(t, boss, http.MethodPost, "/v1/credentialRequests/"+c.id+"?transactionId=t", c.body); code != c.code {
			t.Errorf("%s: %d %s", c.id, code, body)
		}
	}
	h.clock.forward(48 * time.Hour)
	boss = h.logIn(t, "boss")
	if code, body := h.send(t, boss, http.MethodPost, "/v1/credentialRequests/young?transactionId=t", asks(child, false)); code != 201 {
		t.Errorf("the same again after the birthday: %d %s", code, body)
	}
	if o, err := h.db.Order(t.Context(), "young"); err != nil || len(o.Portrait) != 0 {
		t.Errorf("%d bytes of portrait, %v", len(o.Portrait), err)
	}
}
