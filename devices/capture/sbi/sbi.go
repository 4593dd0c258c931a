// Package sbi speaks to biometric scanners and cameras through MOSIP's Secure
// Biometric Interface 0.9.5 (formerly MOSIP Device Service, draft of 24-Oct-2023):
// HTTP on 127.0.0.1:4501-4600 with the methods MOSIPDISC /device, MOSIPDINFO /info,
// RCAPTURE /capture and STREAM /stream. Client is the station's end; Simulator is a
// device's end that plays what it is given. Both are for registration: a device for
// authentication, which encrypts what it captures for a distant server, is found and
// described, and refused with ErrUnsupported where it is to capture.
//
// # What comes out
//
// A device gives ISO/IEC 19794 records, not pictures. The client hands out the record's
// bytes as they were signed, in Frame.Data with MediaFinger, MediaFace or MediaIris as
// media type and no PPI: the resolution stands in the record. Who may know of records
// (this package may not) translates.
//
// # What is checked
//
// Every answer that counts is a JSON Web Signature (RFC 7515) whose x5c chain must end
// at a configured anchor. Beyond the signature a capture must carry the request's
// transaction, environment, purpose and fingers, the digital ID of the device that was
// asked, a hash that continues the chain, and records of the right kind that are whole.
// The answer to a discovery is unsigned: nothing is believed of it but where to ask.
//
// # Extension: rolled fingers and whole slaps
//
// SBI 0.9.5 knows neither. A request with
//
//	"customOpts": {"cardstation.impression": "rolled"}
//
// asks for one finger rolled from nail to nail; with "slap" for the four fingers or two
// thumbs as one undivided image, given as one record with bioSubType "UNKNOWN". A device
// that does so repeats the object as "customOpts" in the signed data of its answer. One
// that does not know the extension gives no echo, and the client refuses its answer with
// ErrUnsupported, so that a plain print is never taken for a rolled one. Requests and
// answers without the extension are pure SBI.
//
// A device may go on with its stream while a finger is rolled. Pictures that are the
// sensor's bare frames say their resolution in the JFIF segment (ITU-T T.871, 10.1), so
// that the roll can be judged by them; previews that are scaled or drawn into say none.
package sbi

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Media types of the records that a Frame holds: ISO/IEC 19794-4, -5 and -6, of
// whichever edition the record's own header says.
const (
	MediaFinger = "application/x-iso-19794-4"
	MediaFace   = "application/x-iso-19794-5"
	MediaIris   = "application/x-iso-19794-6"
)

// Version is the specification's version that is spoken.
const Version = "0.9.5"

// The ports on 127.0.0.1 among which a device's service listens.
const (
	FirstPort = 4501
	LastPort  = 4600
)

const (
	methodDiscover = "MOSIPDISC"
	methodInfo     = "MOSIPDINFO"
	methodCapture  = "RCAPTURE"
	methodStream   = "STREAM"

	purposeRegistration = "Registration"

	maxCapture = 48 << 20 // bytes of a capture's answer: a slap of four uncompressed fingers, base64 twice
	maxAnswer  = 1 << 20  // bytes of any other answer: whatever listens on a hundred ports is asked
)

// Environments that a device may be registered for.
var environments = []string{"Staging", "Developer", "Pre-Production", "Production"}

// Options of a Client. Only Trust is needed.
type Options struct {
	Trust   []*x509.Certificate // anchors of the device providers' chains, or the devices' own certificates
	Env     string              // Staging, Developer, Pre-Production or Production; "" is Production
	App     string              // name sent in the EXT header; "" is cardstation
	Ports   []int               // none is FirstPort to LastPort
	Timeout time.Duration       // the longest a capture may take; 0 is 30 s
	Grace   time.Duration       // what a device may take beyond Timeout to answer, and for any other answer; 0 is 3 s
	Now     func() time.Time    // nil is time.Now
}

// Client finds devices and captures with them. It may be used from several goroutines.
type Client struct {
	opt   Options
	trust trust
	http  *http.Client
}

// New makes a client. It fails where there is no anchor to trust, or Env is none.
func New(o Options) (*Client, error) {
	if o.Env == "" {
		o.Env = "Production"
	}
	if !contains(environments, o.Env) {
		return nil, fmt.Errorf("sbi environment %q: want one of %s", o.Env, strings.Join(environments, ", "))
	}
	if len(o.Trust) == 0 {
		return nil, errors.New("sbi: no device provider's certificate is trusted")
	}
	if o.App == "" {
		o.App = "cardstation"
	}
	if len(o.Ports) == 0 {
		for p := FirstPort; p <= LastPort; p++ {
			o.Ports = append(o.Ports, p)
		}
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Grace <= 0 {
		o.Grace = 3 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	t := trust{roots: x509.NewCertPool(), now: o.Now}
	for _, c := range o.Trust {
		t.roots.AddCert(c)
	}
	return &Client{opt: o, trust: t, http: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true}, // no proxy: loopback only
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// send makes a request and gives the open answer. An answer other than 200 is
// an error.
func (c *Client) send(ctx context.Context, method, url string, body any) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("EXT", c.opt.App)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("%w: HTTP status %d", ErrRefused, res.StatusCode)
	}
	return res, nil
}

// ask makes a request and gives the whole answer, of so many bytes at most.
func (c *Client) ask(ctx context.Context, method, url string, body any, most int64) ([]byte, error) {
	res, err := c.send(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%w: more than %d bytes", ErrMalformed, most)
	}
	return b, err
}
