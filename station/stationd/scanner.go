package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cardstation/biometrics"
	records "cardstation/biometrics/record"
	"cardstation/devices/capture"
	"cardstation/devices/capture/sbi"
	"cardstation/station"
)

// scannerConfig says which fingerprint scanners are attached: services of MOSIP's
// Secure Biometric Interface on this machine.
type scannerConfig struct {
	// Trust is the folder of the device makers' certificates; empty: no scanner.
	Trust string `yaml:"trust"`
	// Env is the environment that devices are registered for; empty is Production.
	Env string `yaml:"env"`
}

// scanners gives the desk a Sensor for each finger slot.
type scanners struct {
	client *sbi.Client

	mu    sync.Mutex
	found map[sbi.Type]*sbi.Device // those used last
}

func newScanners(o sbi.Options) (*scanners, error) {
	client, err := sbi.New(o)
	if err != nil {
		return nil, station.Errorf(station.Correct, "scanners: %w", err)
	}
	return &scanners{client: client, found: map[sbi.Type]*sbi.Device{}}, nil
}

// trustedMakers reads the device makers' certificates.
func trustedMakers(dir string) ([]*x509.Certificate, error) {
	trust, err := openTrust(dir)
	if err != nil {
		return nil, err
	}
	return trust.now().Anchors, nil
}

// sensor gives the scanner for a finger slot; the portrait is the browser's.
func (s *scanners) sensor(slot station.Slot) (capture.Sensor, bool) {
	for _, f := range station.FingerSlots {
		if f.Slot == slot && f.Rolled {
			return rolledScan{scan{s, f}}, true
		}
		if f.Slot == slot {
			return scan{s, f}, true
		}
	}
	return nil, false
}

// sample gives the camera for an eye; no other opaque sample comes from a device.
func (s *scanners) sample(kind string, subtype int) (capture.Sensor, bool) {
	_, err := sbi.Eye(subtype)
	return eye{s, subtype}, kind == "iris" && err == nil
}

// device is the one of a modality used last, or the first that is found, does registration and
// proves who it is: whoever listens on the ports can say that it is a scanner.
func (s *scanners) device(ctx context.Context, kind sbi.Type) (*sbi.Device, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.found[kind]; found != nil {
		return found, nil
	}
	all, err := s.client.Discover(ctx, kind)
	if err != nil {
		return nil, trouble(err)
	}
	var why error
	for _, d := range all {
		if d.Purpose != "Registration" {
			continue
		}
		if _, err := d.Info(ctx); err != nil {
			why = cmp.Or(why, err)
			continue
		}
		s.found[kind] = d
		return d, nil
	}
	if why != nil {
		return nil, trouble(why)
	}
	return nil, &station.Error{Kind: station.Retry, What: fmt.Sprintf("no device for %s was found", strings.ToLower(string(kind))), Hint: "plug the scanner in and start its service, or upload what it gives"}
}

// lost are the errors after which a device is looked for anew: another one may be in its place.
var lost = []error{sbi.ErrGone, sbi.ErrUntrusted, sbi.ErrNotRegistered, sbi.ErrTimeout}

// take has the device of the target's modality capture it.
func (s *scanners) take(ctx context.Context, target sbi.Target) (capture.Frame, error) {
	device, err := s.device(ctx, target.Type)
	if err != nil {
		return capture.Frame{}, err
	}
	frame, err := device.Sensor(target, new(sbi.Chain)).Capture(ctx)
	if slices.ContainsFunc(lost, func(kind error) bool { return errors.Is(err, kind) }) {
		s.mu.Lock()
		delete(s.found, target.Type)
		s.mu.Unlock()
	}
	if err != nil {
		return capture.Frame{}, trouble(err)
	}
	if frame.At.IsZero() {
		frame.At = time.Now().UTC()
	}
	return frame, nil
}

// eye is one eye at a camera.
type eye struct {
	scanners *scanners
	subtype  int
}

// Capture implements capture.Sensor: it gives the device's record as it is.
func (x eye) Capture(ctx context.Context) (capture.Frame, error) {
	target, err := sbi.Eye(x.subtype)
	if err != nil {
		return capture.Frame{}, err
	}
	return x.scanners.take(ctx, target)
}

// scan is one slot at a scanner.
type scan struct {
	scanners *scanners
	slot     station.FingerSlot
}

// Capture implements capture.Sensor: it takes the slot as one image, rolled or the
// whole slap, and translates the device's record into a picture.
func (x scan) Capture(ctx context.Context) (capture.Frame, error) {
	target, err := x.target()
	if err != nil {
		return capture.Frame{}, err
	}
	frame, err := x.scanners.take(ctx, target)
	if err != nil {
		return frame, err
	}
	return picture(frame, x.slot)
}

// target is what the device is asked for.
func (x scan) target() (sbi.Target, error) {
	target, err := sbi.Position(x.slot.Position)
	switch {
	case x.slot.Rolled:
		target = target.As(sbi.Rolled)
	case x.slot.Position >= 13:
		target = target.As(sbi.Whole)
	}
	return target, err
}

// trouble says what the operator can do.
func trouble(err error) error {
	var device *sbi.Error
	if errors.As(err, &device) {
		return &station.Error{Kind: station.Retry, What: "scanner", Err: err, Hint: device.Hint}
	}
	return err
}

// picture takes the image out of a record: one view, of the finger that was asked for.
func picture(frame capture.Frame, slot station.FingerSlot) (capture.Frame, error) {
	wrong := func(err error) (capture.Frame, error) {
		return capture.Frame{}, &station.Error{Kind: station.Retry, What: "record of the fingerprint scanner", Err: err, Hint: "capture again; if it stays so, the scanner's service needs its maker"}
	}
	r, err := records.DecodeFinger(frame.Data)
	if err != nil {
		return wrong(err)
	}
	if len(r.Views) != 1 {
		return wrong(fmt.Errorf("%d images instead of one", len(r.Views)))
	}
	v := r.Views[0]
	if v.Position != 0 && int(v.Position) != slot.Position {
		return wrong(fmt.Errorf("finger position %d instead of %d", v.Position, slot.Position))
	}
	if said := biometrics.Impression(v.Impression); said <= biometrics.NonLiveRolled && said.Rolled() != slot.Rolled { // other codes say of what kind the scanner is
		return wrong(fmt.Errorf("impression %d, which is a %s print, where a %s one was asked for", v.Impression, howLaid(said.Rolled()), howLaid(slot.Rolled)))
	}
	switch err := v.Check(); {
	case errors.Is(err, biometrics.ErrUnsupported):
		return capture.Frame{}, &station.Error{Kind: station.Correct, What: "record of the fingerprint scanner", Err: err,
			Hint: "have the scanner's service set to give JPEG 2000, PNG, WSQ or raw images of 8 bits (in its maker's settings): capturing again will not help"}
	case err != nil:
		return wrong(err)
	}
	if frame.PPI, frame.Data, frame.Media = v.PPI(), v.Data, v.Media(); frame.Media != "" {
		return frame, nil
	}
	img, err := v.Image()
	if err != nil {
		return wrong(err)
	}
	if frame.Data, err = biometrics.EncodePNG(img, frame.PPI); err != nil {
		return wrong(err)
	}
	frame.Media = biometrics.PNG
	return frame, nil
}

func howLaid(rolled bool) string {
	if rolled {
		return "rolled"
	}
	return "plain"
}
