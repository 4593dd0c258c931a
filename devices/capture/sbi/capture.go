package sbi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"cardstation/devices/capture"
)

// Sample is one biometric of a capture, checked.
type Sample struct {
	Frame    capture.Frame // the record; Simulated where a demonstration key signed it
	Type     Type
	SubType  string    // SBI's name of the finger or eye, UNKNOWN for a whole slap, "" for a face
	Quality  float64   // 0 to 100 as the device judges; may be below the target's score
	Taken    time.Time // by the device's clock
	Hash     string    // the chain's hash with this sample
	Identity DigitalID // the device, as signed
}

// LogValue keeps the record out of logs.
func (s Sample) LogValue() slog.Value { return s.Frame.LogValue() }

// Capture takes what the target says and waits until the device has it, Options.Timeout
// has passed or ctx ends, which takes the device back from its capture. The samples come
// in the order of Target.SubTypes. The chain, where one is given, moves on by all of them or
// by none. Errors are *Error: see ErrBusy and its like.
func (d *Device) Capture(ctx context.Context, t Target, chain *Chain) ([]Sample, error) {
	if chain == nil {
		chain = new(Chain)
	}
	chain.mu.Lock()
	defer chain.mu.Unlock()
	d.captures.Add(1)
	defer d.captures.Add(-1)
	samples, last, err := d.capture(ctx, t, chain.head())
	if err != nil {
		return nil, fail(ctx, "capture", d.String(), err)
	}
	chain.last = last
	return samples, nil
}

// capture is Capture; it gives the chain's new end too.
func (d *Device) capture(ctx context.Context, t Target, previous string) ([]Sample, string, error) {
	o := d.client.opt
	if d.Purpose != "" && d.Purpose != purposeRegistration {
		return nil, "", fmt.Errorf("%w: it is for authentication only", ErrUnsupported)
	}
	timeout := o.Timeout
	if deadline, ok := ctx.Deadline(); ok { // leave it time to send what it has
		left := time.Until(deadline)
		timeout = min(timeout, max(left-o.Grace, left/2))
	}
	req, err := d.request(t, previous, timeout)
	if err != nil {
		return nil, "", err
	}
	ctx, stop := context.WithTimeout(ctx, timeout+o.Grace)
	defer stop()
	body, err := d.client.ask(ctx, methodCapture, d.Address+"capture", req, maxCapture)
	if err != nil {
		return nil, "", err
	}
	return d.client.trust.readCapture(body, expectation{req: req, target: t, device: d.Identity, id: d.ID})
}

// request builds the registration capture request (MDS 0.9.5, registration capture).
func (d *Device) request(t Target, previous string, timeout time.Duration) (captureRequest, error) {
	if err := t.check(); err != nil {
		return captureRequest{}, err
	}
	sensor, err := t.sensor(d.subIDs)
	if err != nil {
		return captureRequest{}, err
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails
	return captureRequest{
		Env: d.client.opt.Env, Purpose: purposeRegistration, SpecVersion: Version, Timeout: text(strconv.FormatInt(max(1, timeout.Milliseconds()), 10)),
		CaptureTime: stamp(d.client.opt.Now()), TransactionID: hex.EncodeToString(nonce), CustomOpts: t.options(),
		Bio: []bioRequest{{
			Type: t.Type, Count: text(t.count()), BioSubType: list(t.SubTypes), Exception: list(t.Exceptions), RequestedScore: text(strconv.Itoa(t.Score)),
			DeviceID: d.ID, DeviceSubID: text(sensor), PreviousHash: previous,
		}},
	}, nil
}

// list is never null in JSON.
func list(s []string) []string { return append([]string{}, s...) }

// expectation is what an answer is held against.
type expectation struct {
	req    captureRequest
	target Target
	device DigitalID
	id     string
}

// readCapture decodes and checks the answer to a capture. last is the hash where the
// device ended the chain, in whichever order it gave the samples.
func (t trust) readCapture(body []byte, want expectation) (samples []Sample, last string, err error) {
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) { // a device info in place of a capture: it says why
		info, err := t.readInfo(body, want.id)
		return nil, "", cmp.Or(err, info.Status.err(), malformed("a device info in place of a capture"))
	}
	var answer captureAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, "", malformed("the capture's answer is no such JSON")
	}
	for _, b := range answer.Biometrics {
		if err := b.Error.err(); err != nil {
			return nil, "", err
		}
	}
	subTypes := want.target.expected()
	last = want.req.Bio[0].PreviousHash
	if n := len(answer.Biometrics); n != len(subTypes) {
		if n > 0 { // that of a device which does not know our extension says so
			if _, err := t.readBiometric(answer.Biometrics[0], want, last); errors.Is(err, ErrUnsupported) {
				return nil, "", err
			}
		}
		return nil, "", mismatched(fmt.Sprintf("%d biometrics, wanted %d", n, len(subTypes)))
	}
	samples = make([]Sample, len(subTypes))
	for _, b := range answer.Biometrics {
		s, err := t.readBiometric(b, want, last)
		if err != nil {
			return nil, "", err
		}
		i := slices.Index(subTypes, s.SubType)
		if i < 0 || samples[i].Type != "" {
			return nil, "", mismatched("a biometric twice or that was not asked for")
		}
		samples[i], last = s, s.Hash
	}
	return samples, last, nil
}

// readBiometric opens and checks one signed biometric.
func (t trust) readBiometric(b biometric, want expectation, previous string) (Sample, error) {
	payload, leaf, err := t.open(b.Data)
	if err != nil {
		return Sample{}, err
	}
	var data bioData
	if json.Unmarshal(payload, &data) != nil {
		return Sample{}, malformed("the signed biometric is no such JSON")
	}
	identity, err := t.signedID(data.DigitalID)
	if err != nil {
		return Sample{}, err
	}
	if !identity.same(want.device) || data.DeviceCode != identity.SerialNo {
		return Sample{}, fmt.Errorf("%w: another device's answer", ErrUntrusted)
	}
	s, err := readData(data, want)
	if err != nil {
		return Sample{}, err
	}
	if hash, ok := link(previous, s.Frame.Data); !ok || !strings.EqualFold(hash, b.Hash) {
		return Sample{}, mismatched("the hash does not continue the chain")
	} else {
		s.Hash = hash
	}
	s.Identity, s.Frame.Device, s.Frame.At, s.Frame.Simulated = identity, identity.String(), t.now(), isDemo(leaf)
	return s, nil
}

// readData checks what was signed against what was asked for.
func readData(data bioData, want expectation) (Sample, error) {
	switch {
	case data.TransactionID != want.req.TransactionID:
		return Sample{}, mismatched("another transaction")
	case data.Purpose != want.req.Purpose || data.Env != want.req.Env:
		return Sample{}, mismatched("another purpose or environment")
	case data.BioType != want.target.Type:
		return Sample{}, mismatched("another modality")
	case data.CustomOpts[extension] != string(want.target.Impression):
		return Sample{}, fmt.Errorf("%w: it does not know %s fingers", ErrUnsupported, cmp.Or(want.target.Impression, "plain"))
	}
	record, err := base64url(data.BioValue)
	if err != nil {
		return Sample{}, malformed("the record is not base64url")
	}
	media, err := recordOf(data.BioType, record)
	if err != nil {
		return Sample{}, err
	}
	quality, err := strconv.ParseFloat(string(data.QualityScore), 64)
	if err != nil || math.IsNaN(quality) || quality < 0 || quality > 100 {
		return Sample{}, malformed("a quality score that is none")
	}
	taken, err := time.Parse(time.RFC3339, data.Timestamp)
	if err != nil {
		return Sample{}, malformed("a time that is none")
	}
	s := Sample{Frame: capture.Frame{Data: record, Media: media}, Type: data.BioType, SubType: data.BioSubType, Quality: quality, Taken: taken}
	if s.Type == Face {
		s.SubType = ""
	}
	return s, nil
}

// kinds are the format identifiers of the records (ISO/IEC 19794-4, -5 and -6) and
// their media types.
var kinds = map[Type]struct{ magic, media string }{
	Finger: {"FIR\x00", MediaFinger}, Face: {"FAC\x00", MediaFace}, Iris: {"IIR\x00", MediaIris},
}

// recordOf gives the media type of a record of this modality that is as long as its
// header says: format identifier and version, four bytes each, then the length in
// four bytes, or in six for fingers of the edition of 2005.
func recordOf(t Type, b []byte) (string, error) {
	kind := kinds[t]
	if len(b) < 14 || string(b[:4]) != kind.magic {
		return "", malformed("no ISO/IEC 19794 record of this modality")
	}
	size := 4
	if t == Finger && string(b[4:8]) == "010\x00" {
		size = 6
	}
	var length uint64
	for _, v := range b[8 : 8+size] {
		length = length<<8 | uint64(v)
	}
	if length != uint64(len(b)) {
		return "", malformed(fmt.Sprintf("a record of %d bytes that says to have %d", len(b), length))
	}
	return kind.media, nil
}

// Sensor is a capture.Sensor for a target that gives one sample: one finger plain or
// rolled, a whole slap, or a face. See Capture; any other target is ErrUnsupported.
func (d *Device) Sensor(t Target, chain *Chain) capture.Sensor { return &sensor{d, t, chain} }

type sensor struct {
	device *Device
	target Target
	chain  *Chain
}

func (s *sensor) Capture(ctx context.Context) (capture.Frame, error) {
	if n := len(s.target.expected()); n != 1 {
		return capture.Frame{}, fail(ctx, "capture", s.device.String(), fmt.Errorf("%w: %d records in one frame", ErrUnsupported, n))
	}
	samples, err := s.device.Capture(ctx, s.target, s.chain)
	if err != nil {
		return capture.Frame{}, err
	}
	return samples[0].Frame, nil
}
