package api

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"cardstation/biometrics"
	"cardstation/station"
)

// Fingers that a request sends go into its order and are never given back.
func TestFingersOfARequestGoOntoItsCardAndAreNotShown(t *testing.T) {
	h := newHouse(t)
	boss := h.logIn(t, "boss")
	one := func(name, impression string, image []byte) BiometricData {
		return BiometricData{BiometricType: "FINGER", BiometricSubType: name, ImpressionType: impression, Image: image}
	}
	right, left := wsqPicture(t, 300, 1), wsqPicture(t, 300, 2)
	for id, c := range map[string]struct {
		fingers []BiometricData
		code    int
	}{
		"two":    {[]BiometricData{one("RIGHT_INDEX", plain, right), one("LEFT_THUMB", rolled, left)}, 201},
		"one":    {[]BiometricData{one("RIGHT_INDEX", plain, right)}, 201},
		"none":   {nil, 201},
		"three":  {[]BiometricData{one("RIGHT_INDEX", plain, right), one("LEFT_INDEX", plain, left), one("LEFT_THUMB", plain, left)}, 400},
		"twice":  {[]BiometricData{one("RIGHT_INDEX", plain, right), one("RIGHT_INDEX", rolled, left)}, 400},
		"slap":   {[]BiometricData{one("PLAIN_RIGHT_FOUR_FINGERS", plain, right)}, 400},
		"empty":  {[]BiometricData{one("RIGHT_INDEX", plain, nil)}, 400},
		"no how": {[]BiometricData{one("RIGHT_INDEX", "", right)}, 400},
	} {
		id := strings.ReplaceAll(id, " ", "-")
		body := asks(someone(), true)
		body.BiometricData = append(body.BiometricData, c.fingers...)
		if code, answer := h.send(t, boss, http.MethodPost, "/v1/credentialRequests/"+id+"?transactionId=t", body); code != c.code {
			t.Errorf("%s: %d %s, want %d", id, code, answer, c.code)
		}
	}
	o, err := h.db.Order(t.Context(), "two")
	if err != nil || len(o.Fingers) != 2 || o.Fingers[0].Position != 2 || o.Fingers[0].Rolled || o.Fingers[1].Position != 6 || !o.Fingers[1].Rolled || string(o.Fingers[1].Image) != string(left) {
		t.Fatalf("%d fingers, %v", len(o.Fingers), err)
	}
	page, _, err := h.db.Orders(t.Context(), station.Query{Limit: 10})
	for _, listed := range page {
		if err != nil || len(listed.Fingers) != 0 {
			t.Errorf("the list has %d fingers of order %s, %v", len(listed.Fingers), listed.ID, err)
		}
	}
	code, answer := h.send(t, boss, http.MethodGet, "/v1/credentialRequests/two?transactionId=t&attributes=biometricData", nil)
	if code != http.StatusOK || !strings.Contains(answer, "LEFT_THUMB") || strings.Contains(answer, base64.StdEncoding.EncodeToString(left)[:200]) {
		t.Errorf("%d %.300s", code, answer)
	}
}

func TestAFingerGoesToTheOfficeAndNowhereElse(t *testing.T) {
	h := newHouse(t)
	officer := h.logIn(t, "office")
	body := map[string]any{"reader": "Office 00 00", "can": "123456", "finger": wsqPicture(t, 300, 1), "fingerPosition": 7}
	if code, answer := h.send(t, officer, http.MethodPost, "/v1/verifications", body); code != http.StatusOK {
		t.Fatalf("%d %s", code, answer)
	}
	if p := h.office.probe; p == nil || p.Position != biometrics.LeftIndex || p.Image.Bounds().Dx() != 300 || p.Image.PPI != 500 {
		t.Errorf("probe %v", p)
	}
	for field, value := range map[string]any{"finger": []byte("no picture"), "fingerPosition": 11, "access": "wire"} {
		bad := map[string]any{"reader": "Office 00 00", "can": "123456", "finger": wsqPicture(t, 300, 1), field: value}
		if code, answer := h.send(t, officer, http.MethodPost, "/v1/verifications", bad); code < 400 || code >= 500 || !strings.Contains(answer, field) {
			t.Errorf("%s: %d %s", field, code, answer)
		}
	}
	sent := base64.StdEncoding.EncodeToString(body["finger"].([]byte))
	if strings.Contains(h.log.String(), sent[:50]) {
		t.Error("the finger stands in the log")
	}
}
