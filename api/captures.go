package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"cardstation/biometrics"
	"cardstation/devices/capture"
	"cardstation/station"
)

// CaptureView is one of an enrolment's fourteen slots.
type CaptureView struct {
	station.Capture
	Sensor   bool   `json:"sensor" doc:"A device is attached for it, or simulated."`
	ImageRef string `json:"imageRef,omitempty" doc:"Where its image is."`
	LiveRef  string `json:"liveRef,omitempty" doc:"Where what its device sees is told while it captures, for a device that shows it."`
	MapRef   string `json:"mapRef,omitempty" doc:"Where the quality of its print is, drawn over it."`
}

func (s *server) captureRoutes() {
	const path, tag = "/v1/enrollments/{enrollmentId}/captures", "Capture"
	handle(s, operation(http.MethodGet, path, "listCaptures", tag, "All slots of an enrollment in the order of capture", enrollRead), s.listCaptures)
	op := operation(http.MethodPost, path+"/{slot}", "capture", tag, "Capture a slot: send an image, or have the attached or simulated device take one", enrollWrite)
	op.Description = "A capture that is refused is no error: the answer's state and reasons say so. One that is accepted may have advice: what would make another try better; it stands as it is, and may be taken again, which replaces it. After three tries a supervisor decides. Where fingers are described as missing after a refused try, or more than five in all, the reasons say that a supervisor has to confirm it before the enrollment is final. " +
		"The fingers of an enrollment are held against each other with each capture: hands and fingers that are not the right ones are refused, also where it is an earlier slot, which is to be captured again then. A finger of an earlier enrollment with another personal number wants a supervisor's word. Notes say what could not be told."
	op.MaxBodyBytes = s.cfg.Limits.Image
	handle(s, op, s.capture)
	s.mapRoute(path, tag)
	s.liveRoute(path, tag)
	handle(s, operation(http.MethodPost, path+"/{slot}/missing", "describeMissing", tag, "Describe fingers of a slot that are not there", enrollWrite), inTurn(s, s.describeMissing))
	handle(s, operation(http.MethodPost, path+"/{slot}/override", "overrideCapture", tag, "A supervisor accepts a capture that was refused three times, or confirms missing fingers or that a finger was enrolled before", enrollDecide), inTurn(s, s.overrideCapture))
}

// describeUploads adds to the document what a body of several media types is.
func (s *server) describeUploads() {
	registry := s.api.OpenAPI().Components.Schemas
	post := func(path string) map[string]*huma.MediaType {
		return s.api.OpenAPI().Paths[path].Post.RequestBody.Content
	}
	binary := &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
	slot := post("/v1/enrollments/{enrollmentId}/captures/{slot}")
	slot["image/jpeg"], slot["image/jp2"], slot["image/wsq"] = binary, binary, binary
	slot["application/json"] = &huma.MediaType{Schema: huma.SchemaFromType(registry, typeOf[SimulateBody]())}
	buffer := post("/v1/enrollments/{enrollmentId}/buffer")
	buffer["image/jpeg"], buffer["image/jp2"], buffer["image/wsq"] = binary, binary, binary
}

// SlotPath names a slot of an enrolment.
type SlotPath struct {
	EnrollmentPath
	Slot string `path:"slot" maxLength:"30" example:"rolled-right-thumb"`
}

func (p SlotPath) slot() (station.Slot, error) {
	if _, ok := slotTypes[station.Slot(p.Slot)]; !ok {
		return "", station.Errorf(station.Unknown, "there is no slot of this name")
	}
	return station.Slot(p.Slot), nil
}

type capturesOutput struct{ Body List[CaptureView] }

func (s *server) listCaptures(ctx context.Context, in *EnrollmentPath) (*capturesOutput, error) {
	e, err := s.cfg.Desk.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s.recall(ctx, e)
	return &capturesOutput{Body: listed(slots, "", func(slot station.Slot) CaptureView {
		c, ok := e.Capture(slot)
		if !ok {
			c = station.Capture{Slot: slot}
		}
		return s.viewCapture(c, in.ID)
	})}, nil
}

// recall has an enrolment's captures read for who looks at them and may go on with them.
func (s *server) recall(ctx context.Context, e station.Enrolment) {
	if r, ok := s.cfg.Desk.(Recaller); ok && who(ctx).Has(station.RoleDesk) {
		r.Recall(e)
	}
}

func (s *server) viewCapture(c station.Capture, id string) CaptureView {
	v := CaptureView{Capture: c}
	if s.cfg.Sensor != nil {
		var sensor capture.Sensor
		sensor, v.Sensor = s.cfg.Sensor(c.Slot)
		if _, ok := sensor.(Watcher); ok {
			v.LiveRef = fmt.Sprintf("/v1/enrollments/%s/captures/%s/live", id, c.Slot)
		}
	}
	if c.Digest != "" {
		v.ImageRef = "/v1/enrollments/" + id + "/buffer/" + c.Digest
		if s.cfg.QualityMap != nil && c.Slot != station.Portrait {
			v.MapRef = fmt.Sprintf("/v1/enrollments/%s/captures/%s/quality.png", id, c.Slot)
		}
	}
	return v
}

// SimulateBody asks the attached or simulated device for an image.
type SimulateBody struct {
	Simulate bool              `json:"simulate" doc:"Must be true."`
	Missing  []station.Missing `json:"missing,omitempty" maxItems:"10"`
}

type captureInput struct {
	SlotPath
	ContentType string   `header:"Content-Type" required:"true"`
	PPI         int      `query:"ppi" minimum:"0" maximum:"10000" doc:"Pixels per inch; over what the image says."`
	Device      string   `query:"device" maxLength:"200" doc:"What took the image."`
	Missing     []string `query:"missing,explode" maxItems:"10" doc:"Fingers of this slot that are not there: position:presence, as in 5:AMPUTATED."`
	RawBody     []byte   `contentType:"image/png"`
}

type captureOutput struct{ Body CaptureView }

func (s *server) capture(ctx context.Context, in *captureInput) (*captureOutput, error) {
	slot, err := in.slot()
	if err != nil {
		return nil, err
	}
	missing, err := parseMissing(in.Missing)
	if err != nil {
		return nil, err
	}
	var sensor capture.Sensor
	switch kind, _, _ := mime.ParseMediaType(in.ContentType); kind {
	case "image/png", "image/jpeg", "image/jp2", "image/wsq":
		sensor = capture.Given(capture.Frame{Data: bytes.Clone(in.RawBody), Media: kind, PPI: in.PPI, Device: device(in.Device), At: s.now().UTC()})
	case "application/json":
		if sensor, missing, err = s.attached(slot, in.RawBody); err != nil {
			return nil, err
		}
		sensor = s.sights.watched(sightKey(in.ID, slot), sensor)
	default:
		return nil, newProblem(http.StatusUnsupportedMediaType, station.Correct, "a capture is image/png, image/jpeg, image/jp2, image/wsq or application/json", "save the picture as "+biometrics.Formats)
	}
	q := &queued{Sensor: sensor, turns: s.turns, login: who(ctx).Login}
	defer q.end()
	c, err := s.cfg.Desk.Capture(ctx, who(ctx).Person, in.ID, slot, q, missing)
	return &captureOutput{Body: s.viewCapture(c, in.ID)}, err
}

func device(named string) string {
	if named == "" {
		return "upload"
	}
	return named
}

// attached finds the device of a slot for a SimulateBody.
func (s *server) attached(slot station.Slot, raw []byte) (capture.Sensor, []station.Missing, error) {
	body, err := simulate(raw)
	if err != nil {
		return nil, nil, err
	}
	if s.cfg.Sensor != nil {
		if sensor, ok := s.cfg.Sensor(slot); ok {
			return sensor, body.Missing, nil
		}
	}
	return nil, nil, &station.Error{Kind: station.Conflict, What: fmt.Sprintf("no device is attached for %s", slot), Hint: "upload an image instead"}
}

// simulate reads a SimulateBody.
func simulate(raw []byte) (body SimulateBody, err error) {
	if values(raw) > mostValues {
		return body, &station.Error{Kind: station.Correct, What: "the body has too many values"}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&body); err != nil || !body.Simulate {
		return body, &station.Error{Kind: station.Correct, What: `the body is not {"simulate": true}`}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return body, &station.Error{Kind: station.Correct, What: "something stands behind the JSON body"}
	}
	return body, nil
}

// parseMissing reads position:presence.
func parseMissing(all []string) ([]station.Missing, error) {
	var out []station.Missing
	for _, m := range all {
		position, presence, ok := strings.Cut(m, ":")
		n, err := strconv.Atoi(position)
		if !ok || err != nil || n < 1 || n > 10 {
			return nil, &station.Error{Kind: station.Correct, What: "a missing finger is given as position:presence, as in 5:AMPUTATED"}
		}
		out = append(out, station.Missing{Position: n, Presence: presence})
	}
	return out, nil
}

type missingInput struct {
	SlotPath
	Body struct {
		Missing []station.Missing `json:"missing" minItems:"1" maxItems:"10"`
	}
}

func (s *server) describeMissing(ctx context.Context, in *missingInput) (*captureOutput, error) {
	slot, err := in.slot()
	if err != nil {
		return nil, err
	}
	c, err := s.cfg.Desk.Missing(ctx, who(ctx).Person, in.ID, slot, in.Body.Missing)
	return &captureOutput{Body: s.viewCapture(c, in.ID)}, err
}

type overrideInput struct {
	SlotPath
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500"`
	}
}

func (s *server) overrideCapture(ctx context.Context, in *overrideInput) (*captureOutput, error) {
	slot, err := in.slot()
	if err != nil {
		return nil, err
	}
	c, err := s.cfg.Desk.Override(ctx, who(ctx).Person, in.ID, slot, in.Body.Reason)
	return &captureOutput{Body: s.viewCapture(c, in.ID)}, err
}

// captureAll captures the biometricData of an enrolment, in the order of its
// slots. What the enrolment has already is not captured again, so that a repeated
// request counts no second try. A finger that is refused ends it: those behind it
// wait for it. It may be an earlier one than was captured.
func (s *server) captureAll(ctx context.Context, e station.Enrolment, all []BiometricData) error {
	order, err := captureOrder(all)
	if err != nil {
		return err
	}
	for _, i := range order {
		_, err := s.captureOne(ctx, e, all[i])
		var wrong *station.Error
		if errors.As(err, &wrong) && wrong.Kind == station.Correct {
			at := fmt.Sprintf("biometricData[%d]", i)
			return &station.Error{Kind: station.Correct, What: at, Err: err, Hint: wrong.Hint, Fields: map[string]string{at: wrong.Error()}}
		}
		if err == nil {
			e, err = s.cfg.Desk.Get(ctx, e.ID)
		}
		if err != nil {
			return err
		}
		if slot, _ := all[i].slot(); slices.ContainsFunc(e.Captures, func(c station.Capture) bool {
			return c.State == station.CaptureRefused && c.Slot != station.Portrait && slices.Index(slots, c.Slot) <= slices.Index(slots, slot)
		}) {
			break
		}
	}
	refused := map[string]string{}
	for i, b := range all {
		slot, _ := b.slot()
		if c, _ := e.Capture(slot); c.State == station.CaptureRefused {
			refused[fmt.Sprintf("biometricData[%d]", i)] = strings.Join(c.Reasons, " ")
		}
	}
	if len(refused) > 0 {
		return &station.Error{Kind: station.Correct, What: "images were refused; what was sent before them is taken over", Hint: "capture them again, then send the rest", Fields: refused}
	}
	return nil
}

// captureOrder gives the indexes of all in the order of capture.
func captureOrder(all []BiometricData) ([]int, error) {
	order := make([]int, len(all))
	place := make([]int, len(all))
	for i, b := range all {
		order[i], place[i] = i, len(slots)
		if b.opaque() {
			continue
		}
		slot, err := b.slot()
		if err != nil {
			at := fmt.Sprintf("biometricData[%d]", i)
			return nil, &station.Error{Kind: station.Correct, What: at, Err: err, Fields: map[string]string{at: err.Error()}}
		}
		place[i] = slices.Index(slots, slot)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(place[a], place[b]) })
	return order, nil
}

func (s *server) captureOne(ctx context.Context, e station.Enrolment, b BiometricData) (station.Capture, error) {
	if b.opaque() {
		return station.Capture{}, s.sampleOne(ctx, e, b)
	}
	slot, err := b.slot()
	if err != nil {
		return station.Capture{}, err
	}
	have, _ := e.Capture(slot)
	missing := b.missing()
	if len(b.Image) == 0 && b.ImageRef == "" {
		if len(missing) == 0 || have.State == station.CaptureMissing {
			return have, nil
		}
		return s.cfg.Desk.Missing(ctx, who(ctx).Person, e.ID, slot, missing)
	}
	data, err := s.imageOf(ctx, e, b)
	if err != nil {
		return station.Capture{}, err
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	if have.Digest == digest {
		return have, nil
	}
	kind, err := media(data)
	if err != nil {
		return station.Capture{}, &station.Error{Kind: station.Correct, What: "image", Err: err}
	}
	frame := capture.Frame{Data: data, Media: kind, PPI: b.Resolution, Device: device(b.CaptureDevice), At: s.now().UTC()}
	if b.CaptureDate != nil {
		frame.At = b.CaptureDate.UTC()
	}
	c, err := s.cfg.Desk.Capture(ctx, who(ctx).Person, e.ID, slot, capture.Given(frame), missing)
	if err == nil {
		s.buffers.used(e.ID, digest)
	}
	return c, err
}

// imageOf gives the bytes of image or imageRef.
func (s *server) imageOf(ctx context.Context, e station.Enrolment, b BiometricData) ([]byte, error) {
	if len(b.Image) > 0 {
		return b.Image, nil
	}
	id, err := bufferID(b.ImageRef, e.ID)
	if err != nil {
		return nil, err
	}
	data, _, err := s.buffer(ctx, e, id)
	if station.KindOf(err) == station.Unknown {
		return nil, &station.Error{Kind: station.Correct, What: "imageRef", Err: err, Hint: "send the image with POST /v1/enrollments/{enrollmentId}/buffer again"}
	}
	return data, err
}
