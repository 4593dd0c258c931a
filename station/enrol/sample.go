package enrol

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cardstation/biometrics/record"
	"cardstation/station"
)

// mostSamples is how many opaque samples an enrolment holds.
const mostSamples = 32

// Sample puts an opaque sample into an open enrolment, in the place of the one of its kind
// and subtype. What it holds is not judged: whoever took it has. s says kind, subtype,
// format, device, whether it is simulated, and when it was taken where that is known.
// Errors: Correct where the kind is not known, or the data or its codes are not the kind's.
func (d *Desk) Sample(ctx context.Context, by station.Person, id string, s station.Sample, data []byte) (station.Sample, error) {
	what := fmt.Sprintf("take a sample of enrolment %s", id)
	if err := may(by, station.RoleDesk, what); err != nil {
		return s, err
	}
	if s.Subtype < 0 || s.Subtype > 2 || s.Owner != int(uint16(s.Owner)) || s.Format != int(uint16(s.Format)) {
		return s, correct(what, map[string]string{"subtype": "The subtype is 1 right, 2 left or 0; owner and format are numbers of 16 bits."})
	}
	o := record.Opaque{Kind: s.Kind, Subtype: byte(s.Subtype), Owner: uint16(s.Owner), Format: uint16(s.Format), Data: data}
	if err := o.Check(); err != nil {
		return s, &station.Error{Kind: station.Correct, What: what, Err: err, Fields: map[string]string{"sample": err.Error()}}
	}
	img := station.Image{Media: sampleMedia, Data: data}
	s.Digest, s.Bytes, s.By = img.Digest(), len(data), by.Login
	if s.At = s.At.UTC().Round(0); s.At.IsZero() {
		s.At = d.now()
	}
	_, err := d.change(ctx, id, func(e *station.Enrolment, now time.Time) ([]station.Event, error) {
		if err := d.takes(*e, what); err != nil {
			return nil, err
		}
		e.Samples = slices.DeleteFunc(e.Samples, func(old station.Sample) bool { return old.Kind == s.Kind && old.Subtype == s.Subtype })
		if len(e.Samples) == mostSamples {
			return nil, conflict(what, fmt.Sprintf("it holds %d samples already", mostSamples), "")
		}
		e.Samples = append(e.Samples, s)
		touch(e, by, now)
		return []station.Event{event(station.EnrolmentCaptured, id, by, map[string]any{"sample": s.Kind, "subtype": s.Subtype, "image": s.Digest,
			"device": s.Device, "simulated": s.Simulated})}, nil
	}, img)
	return s, err
}

// sampleMedia is the media type of data that nothing here looks into.
const sampleMedia = "application/octet-stream"

// takes says whether biometrics may be taken for an enrolment now.
func (d *Desk) takes(e station.Enrolment, what string) error {
	if err := isOpen(e, what); err != nil {
		return err
	}
	if age, ok := d.age(e.Citizen); ok && age < childAge {
		return conflict(what, "no biometrics are taken of a child under 6", "finalize it without")
	}
	return nil
}

// Irises are those of the samples that can go into DG4.
func Irises(samples []station.Sample, data func(station.Sample) ([]byte, error)) ([]station.Iris, error) {
	var all []station.Iris
	for _, s := range samples {
		k, _ := record.KindOf(s.Kind)
		if k.Type != record.TypeIris || k.Image {
			continue
		}
		raw, err := data(s)
		if err != nil {
			return nil, err
		}
		all = append(all, station.Iris{Kind: s.Kind, Subtype: s.Subtype, Owner: s.Owner, Format: s.Format, Data: raw})
	}
	return all, nil
}

// irises are those of the enrolment.
func (d *Desk) irises(ctx context.Context, e station.Enrolment) ([]station.Iris, error) {
	return Irises(e.Samples, func(s station.Sample) ([]byte, error) {
		stored, err := d.cfg.Store.Image(ctx, s.Digest)
		return stored.Data, err
	})
}
