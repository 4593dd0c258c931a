package api

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"mime"
	"net/http"
	"slices"

	"cardstation/biometrics/record"
	"cardstation/devices/capture"
	"cardstation/station"
)

func (s *server) sampleRoutes() {
	const path, tag = "/v1/enrollments/{enrollmentId}/samples", "Sample"
	handle(s, operation(http.MethodGet, path, "listSamples", tag, "Opaque samples of an enrollment: irises, voices, DNA", enrollRead), s.listSamples)
	add := operation(http.MethodPost, path+"/{kind}", "addSample", tag, "Put an opaque sample into an enrollment", enrollWrite)
	add.Description = "The data is kept as it comes, and takes the place of a sample of the same kind and subtype. Its format is said by its codes where the kind has none of its own."
	add.MaxBodyBytes = s.cfg.Limits.Image
	add.Description += " With a body of {\"simulate\": true} the attached device takes it."
	handle(s, add, s.addSample)
}

// SampleView is one opaque sample of an enrolment.
type SampleView struct {
	station.Sample
	DataRef string `json:"dataRef" doc:"Where its data is."`
}

func viewSample(s station.Sample, base string) SampleView {
	return SampleView{Sample: s, DataRef: base + "/buffer/" + s.Digest}
}

type samplesOutput struct{ Body List[SampleView] }

func (s *server) listSamples(ctx context.Context, in *EnrollmentPath) (*samplesOutput, error) {
	e, err := s.cfg.Desk.Get(ctx, in.ID)
	view := func(one station.Sample) SampleView { return viewSample(one, "/v1/enrollments/"+in.ID) }
	return &samplesOutput{Body: listed(e.Samples, "", view)}, err
}

type sampleInput struct {
	EnrollmentPath
	Kind        string `path:"kind" maxLength:"30" example:"iris"`
	ContentType string `header:"Content-Type" required:"true"`
	Subtype     int    `query:"subtype" minimum:"0" maximum:"2" doc:"1 right, 2 left, 0 not said."`
	Owner       int    `query:"owner" minimum:"0" maximum:"65535" doc:"Owner of the data's format, as registered with IBIA; 0 for the kind's own."`
	Format      int    `query:"format" minimum:"0" maximum:"65535" doc:"Number of the format; 0 for the kind's own."`
	Device      string `query:"device" maxLength:"200" doc:"What took it."`
	Simulated   bool   `query:"simulated" doc:"No person stands behind it."`
	RawBody     []byte `contentType:"application/octet-stream"`
}

type sampleOutput struct{ Body SampleView }

func (s *server) addSample(ctx context.Context, in *sampleInput) (*sampleOutput, error) {
	one := station.Sample{Kind: in.Kind, Subtype: in.Subtype, Owner: in.Owner, Format: in.Format, Device: device(in.Device), Simulated: in.Simulated}
	data := bytes.Clone(in.RawBody)
	switch kind, _, _ := mime.ParseMediaType(in.ContentType); kind {
	case "application/octet-stream":
	case "application/json":
		frame, err := s.takeSample(ctx, in)
		if err != nil {
			return nil, err
		}
		one.Device, one.Simulated, one.At, data = frame.Device, frame.Simulated, frame.At, frame.Data
	default:
		return nil, newProblem(http.StatusUnsupportedMediaType, station.Correct, "a sample is application/octet-stream or application/json", "")
	}
	got, err := s.cfg.Desk.Sample(ctx, who(ctx).Person, in.ID, one, data)
	return &sampleOutput{Body: viewSample(got, "/v1/enrollments/"+in.ID)}, err
}

// takeSample has the attached device take it.
func (s *server) takeSample(ctx context.Context, in *sampleInput) (capture.Frame, error) {
	what := fmt.Sprintf("take a sample of enrolment %s", in.ID)
	if _, err := simulate(in.RawBody); err != nil {
		return capture.Frame{}, err
	}
	if e, err := s.cfg.Desk.Get(ctx, in.ID); err != nil || e.State != station.EnrolmentOpen {
		return capture.Frame{}, cmp.Or(err, error(&station.Error{Kind: station.Conflict, What: what + ": it is " + e.State}))
	}
	if s.cfg.SampleSensor != nil {
		if sensor, ok := s.cfg.SampleSensor(in.Kind, in.Subtype); ok {
			frame, err := sensor.Capture(ctx)
			if err != nil {
				err = &station.Error{Kind: station.Retry, What: what, Err: err, Hint: cmp.Or(station.HintOf(err), "look after the device and capture again")}
			}
			return frame, err
		}
	}
	return capture.Frame{}, &station.Error{Kind: station.Conflict, What: what + ": no device is attached for it", Hint: "upload the sample instead"}
}

// eyes are OSIA's subtypes of an iris by those of ISO/IEC 7816-11.
var eyes = [...]string{"EYE_UNDEF", "EYE_RIGHT", "EYE_LEFT"}

// opaque says that b is of a modality that is not looked into.
func (b BiometricData) opaque() bool {
	return slices.ContainsFunc(record.Kinds, func(k record.Kind) bool { return k.OSIA != "" && k.OSIA == b.BiometricType })
}

// opaqueData is what OSIA sees of a sample; false where OSIA has no type for it. base is
// the URL of the enrolment.
func opaqueData(s station.Sample, base string) (BiometricData, bool) {
	k, _ := record.KindOf(s.Kind)
	at := s.At
	b := BiometricData{BiometricType: k.OSIA, ImageRef: base + "/buffer/" + s.Digest, CaptureDate: &at, CaptureDevice: s.Device}
	if k.OSIA == "IRIS" && s.Subtype < len(eyes) {
		b.BiometricSubType = eyes[s.Subtype]
	}
	return b, k.OSIA != ""
}

// sampleOne puts what was sent as opaque data into the enrolment, unless it is there.
func (s *server) sampleOne(ctx context.Context, e station.Enrolment, b BiometricData) error {
	if len(b.Image) == 0 && b.ImageRef == "" {
		return station.Errorf(station.Correct, "a %s without image or imageRef", b.BiometricType)
	}
	data, err := s.imageOf(ctx, e, b)
	if err != nil {
		return err
	}
	k, ok := record.KindOfOSIA(b.BiometricType, data)
	subtype := max(slices.Index(eyes[:], b.BiometricSubType), 0)
	if !ok || b.BiometricSubType != "" && b.BiometricSubType != eyes[subtype] || len(b.Missing) > 0 {
		return &station.Error{Kind: station.Correct, What: "this station knows no such data of a " + b.BiometricType,
			Hint: "an iris is a record of ISO/IEC 19794-6 or 39794-6, or an image in PNG or JPEG 2000, of EYE_RIGHT, EYE_LEFT or EYE_UNDEF"}
	}
	digest := station.Image{Data: data}.Digest()
	if slices.ContainsFunc(e.Samples, func(have station.Sample) bool {
		return have.Kind == k.Name && have.Subtype == subtype && have.Digest == digest
	}) {
		return nil
	}
	one := station.Sample{Kind: k.Name, Subtype: subtype, Device: device(b.CaptureDevice)}
	if b.CaptureDate != nil {
		one.At = *b.CaptureDate
	}
	if _, err := s.cfg.Desk.Sample(ctx, who(ctx).Person, e.ID, one, data); err != nil {
		return err
	}
	s.buffers.used(e.ID, digest)
	return nil
}
