package sbi

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

// timeForm is how the specification writes a time: UTC, to the second.
const timeForm = "2006-01-02T15:04:05Z"

// text is a JSON string. Devices write numbers where the specification has strings:
// those are read too.
type text string

// UnmarshalJSON reads a string, a number or null.
func (t *text) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("null")):
		*t = ""
		return nil
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(t))
	case len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9'):
		*t = text(b)
		return nil
	}
	return errors.New("neither a string nor a number")
}

type discoverRequest struct {
	Type Type `json:"type"`
}

// discovered is one entry of the answer to a discovery.
type discovered struct {
	DeviceID       string `json:"deviceId,omitempty"`
	DeviceStatus   Status `json:"deviceStatus,omitempty"`
	Certification  string `json:"certification,omitempty"`
	ServiceVersion string `json:"serviceVersion,omitempty"`
	DeviceSubID    []text `json:"deviceSubId,omitempty"`
	CallbackID     string `json:"callbackId,omitempty"`
	DigitalID      string `json:"digitalId,omitempty"`
	DeviceCode     string `json:"deviceCode,omitempty"`
	SpecVersion    []text `json:"specVersion,omitempty"`
	Purpose        string `json:"purpose,omitempty"`
	Error          fault  `json:"error"`
}

// infoEntry is one entry of the answer to a device info request.
type infoEntry struct {
	DeviceInfo string `json:"deviceInfo,omitempty"`
	Error      fault  `json:"error"`
}

// infoData is what DeviceInfo signs.
type infoData struct {
	Env            string `json:"env"`
	DigitalID      string `json:"digitalId"`
	Purpose        string `json:"purpose"`
	ServiceVersion string `json:"serviceVersion"`
	DeviceStatus   Status `json:"deviceStatus"`
	Firmware       string `json:"firmware"`
	Certification  string `json:"certification"`
	SpecVersion    []text `json:"specVersion"`
	DeviceSubID    []text `json:"deviceSubId"`
	CallbackID     string `json:"callbackId"`
	DeviceID       string `json:"deviceId"`
	DeviceCode     string `json:"deviceCode"`
}

type captureRequest struct {
	Env           string            `json:"env"`
	Purpose       string            `json:"purpose"`
	SpecVersion   string            `json:"specVersion"`
	Timeout       text              `json:"timeout"` // milliseconds
	CaptureTime   string            `json:"captureTime"`
	TransactionID string            `json:"transactionId"`
	Bio           []bioRequest      `json:"bio"`
	CustomOpts    map[string]string `json:"customOpts,omitempty"`
}

type bioRequest struct {
	Type           Type     `json:"type"`
	Count          text     `json:"count"`
	BioSubType     []string `json:"bioSubType"`
	Exception      []string `json:"exception"`
	RequestedScore text     `json:"requestedScore"`
	DeviceID       string   `json:"deviceId"`
	DeviceSubID    text     `json:"deviceSubId"`
	PreviousHash   string   `json:"previousHash"`
}

type captureAnswer struct {
	Biometrics []biometric `json:"biometrics"`
}

type biometric struct {
	SpecVersion string `json:"specVersion"`
	Data        string `json:"data"` // compact JWS of bioData
	Hash        string `json:"hash"`
	Error       fault  `json:"error"`
}

// bioData is what the device signs of one biometric.
type bioData struct {
	DigitalID            string            `json:"digitalId"`
	DeviceCode           string            `json:"deviceCode"`
	DeviceServiceVersion string            `json:"deviceServiceVersion"`
	BioType              Type              `json:"bioType"`
	BioSubType           string            `json:"bioSubType,omitempty"`
	Purpose              string            `json:"purpose"`
	Env                  string            `json:"env"`
	BioValue             string            `json:"bioValue"` // base64url of the record
	TransactionID        string            `json:"transactionId"`
	Timestamp            string            `json:"timestamp"`
	RequestedScore       text              `json:"requestedScore"`
	QualityScore         text              `json:"qualityScore"`
	CustomOpts           map[string]string `json:"customOpts,omitempty"` // the extension's echo
}

type streamRequest struct {
	DeviceID    string `json:"deviceId"`
	DeviceSubID string `json:"deviceSubId"`
	Timeout     text   `json:"timeout"` // milliseconds
}

func stamp(t time.Time) string { return t.UTC().Format(timeForm) }
