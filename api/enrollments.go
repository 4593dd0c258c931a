package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"cardstation/station"
)

// Enrollment is OSIA's. Of its open parts this station has requestType,
// biographicData and biometricData; documents, flags, encryption and integrity
// blocks are refused, not dropped. contextualData is the station's own record of
// how the dossier came about.
type Enrollment struct {
	EnrollmentID   string          `json:"enrollmentId" readOnly:"true"`
	Status         string          `json:"status" enum:"FINALIZED,IN_PROGRESS" readOnly:"true"`
	EnrollmentType string          `json:"enrollmentType,omitempty" enum:"citizen" doc:"This station enrols citizens."`
	RequestData    *EnrollRequest  `json:"requestData,omitempty"`
	ContextualData *ContextualData `json:"contextualData,omitempty" readOnly:"true"`
	BiographicData *BiographicData `json:"biographicData,omitempty"`
	BiometricData  []BiometricData `json:"biometricData,omitempty" maxItems:"46" doc:"What is sent is captured; what is left out stays as it is."`
}

// EnrollRequest says why the enrolment is done.
type EnrollRequest struct {
	RequestType string `json:"requestType,omitempty" enum:"FIRST_ISSUANCE,RENEWAL,REPLACEMENT" doc:"FIRST_ISSUANCE where nothing is said."`
}

// ContextualData tells how an enrolment stands beyond OSIA's two states.
type ContextualData struct {
	State          string        `json:"state" enum:"open,final,approved,rejected"`
	EnrollmentDate string        `json:"enrollmentDate" format:"date"`
	Operator       string        `json:"operator" doc:"Who opened it."`
	Final          *station.Word `json:"final,omitempty"`
	Decision       *station.Word `json:"decision,omitempty"`
	OrderID        string        `json:"orderId,omitempty" doc:"The credential request it became."`
	Changed        time.Time     `json:"changed"`
}

// OSIA's two states of an enrolment.
const (
	inProgress = "IN_PROGRESS"
	finalized  = "FINALIZED"
)

// enrollment is what OSIA sees of an enrolment; base is the URL of the API.
func enrollment(e station.Enrolment, base string) Enrollment {
	bio := biographic(e.Citizen)
	v := Enrollment{EnrollmentID: e.ID, Status: finalized, EnrollmentType: "citizen", RequestData: &EnrollRequest{RequestType: e.Type}, BiographicData: &bio,
		ContextualData: &ContextualData{State: e.State, EnrollmentDate: e.Opened.At.Format(time.DateOnly), Operator: e.Opened.By, Final: e.Final, Decision: e.Decision, OrderID: e.OrderID, Changed: e.Changed}}
	if e.State == station.EnrolmentOpen {
		v.Status = inProgress
	}
	for _, c := range e.Captures {
		v.BiometricData = append(v.BiometricData, biometric(c, base+"/v1/enrollments/"+e.ID))
	}
	for _, s := range e.Samples {
		if b, ok := opaqueData(s, base+"/v1/enrollments/"+e.ID); ok {
			v.BiometricData = append(v.BiometricData, b)
		}
	}
	return v
}

func (s *server) enrollmentRoutes() {
	const path, tag = "/v1/enrollments/{enrollmentId}", "Enrollment"
	images := func(op huma.Operation) huma.Operation {
		op.MaxBodyBytes = s.cfg.Limits.Image
		return op
	}
	handle(s, images(operation(http.MethodPost, path, "createEnrollment", tag, "Create one enrollment", enrollWrite)), inTurn(s, s.createEnrollment))
	handle(s, operation(http.MethodGet, path, "readEnrollment", tag, "Read one enrollment", enrollRead), s.readEnrollment)
	handle(s, images(operation(http.MethodPut, path, "updateEnrollment", tag, "Update one enrollment", enrollWrite)), inTurn(s, s.updateEnrollment))
	handle(s, images(operation(http.MethodPatch, path, "partialUpdateEnrollment", tag, "Update partially one enrollment", enrollWrite)), inTurn(s, s.patchEnrollment))
	handle(s, operation(http.MethodDelete, path, "deleteEnrollment", tag, "Delete one enrollment", enrollWrite), s.deleteEnrollment)
	handle(s, operation(http.MethodPut, path+"/finalize", "finalizeEnrollment", tag, "Finalize one enrollment", enrollWrite), inTurn(s, s.finalizeEnrollment))
	find := operation(http.MethodPost, "/v1/enrollments", "findEnrollments", tag, "Retrieve a list of enrollments which match passed in search criteria", enrollRead)
	handle(s, find, s.findEnrollments)
	handle(s, operation(http.MethodGet, "/v1/enrollments", "listEnrollments", tag, "List enrollments page by page, newest first", enrollRead), s.listEnrollments)
	handle(s, operation(http.MethodPost, path+"/approve", "approveEnrollment", tag, "Approve a finalized enrollment: its card is ordered", enrollDecide), inTurn(s, s.approveEnrollment))
	handle(s, operation(http.MethodPost, path+"/reject", "rejectEnrollment", tag, "Reject a finalized enrollment", enrollDecide), s.rejectEnrollment)
}

// EnrollmentPath names an enrolment.
type EnrollmentPath struct {
	ID string `path:"enrollmentId" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The id of the enrollment, given by the client."`
}

type enrollmentInput struct {
	Address
	Transaction
	EnrollmentPath
	Finalize bool `query:"finalize" doc:"Finalize when everything else went well."`
	Body     Enrollment
}

// createEnrollment opens an enrolment. The same request again changes nothing
// and answers the same.
func (s *server) createEnrollment(ctx context.Context, in *enrollmentInput) (*struct{}, error) {
	if err := in.Body.checkSame(in.ID, station.Enrolment{State: station.EnrolmentOpen}); err != nil {
		return nil, err
	}
	c, err := in.Body.citizen()
	if err != nil {
		return nil, err
	}
	e, err := s.cfg.Desk.Open(ctx, who(ctx).Person, in.ID, in.Body.requestType(station.Enrolment{}), c)
	if err != nil {
		return nil, err
	}
	return nil, s.complete(ctx, e, in.Body.BiometricData, in.Finalize)
}

type readEnrollmentInput struct {
	Address
	Transaction
	Attributes
	EnrollmentPath
}

type enrollmentOutput struct{ Body Enrollment }

func (s *server) readEnrollment(ctx context.Context, in *readEnrollmentInput) (*enrollmentOutput, error) {
	e, err := s.cfg.Desk.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	s.recall(ctx, e)
	return &enrollmentOutput{Body: pick(enrollment(e, in.base), in.Attributes.Attributes, "enrollmentId", "status")}, nil
}

func (s *server) updateEnrollment(ctx context.Context, in *enrollmentInput) (*struct{}, error) {
	e, err := s.cfg.Desk.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return nil, s.replace(ctx, e, in.Body, in.Finalize)
}

type patchEnrollmentInput struct {
	Address
	Transaction
	EnrollmentPath
	Finalize bool           `query:"finalize" doc:"Finalize when everything else went well."`
	Body     map[string]any `doc:"Partial enrollment, an RFC 7396 merge patch."`
}

// patchEnrollment merges the patch into what OSIA sees of the enrolment and
// replaces it with the result.
func (s *server) patchEnrollment(ctx context.Context, in *patchEnrollmentInput) (*struct{}, error) {
	e, err := s.cfg.Desk.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	merged := mergePatch(members(enrollment(e, in.base)), in.Body)
	if err := s.validate(reflect.TypeFor[Enrollment](), merged); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(merged)
	if err != nil {
		return nil, err
	}
	var body Enrollment
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, &station.Error{Kind: station.Correct, What: "the patched enrollment is none"}
	}
	if _, sent := in.Body["biometricData"]; !sent {
		body.BiometricData = nil
	}
	return nil, s.replace(ctx, e, body, in.Finalize)
}

// replace amends the citizen's data, captures the images and finalises.
func (s *server) replace(ctx context.Context, e station.Enrolment, body Enrollment, finalize bool) error {
	if err := body.checkSame(e.ID, e); err != nil {
		return err
	}
	c, err := body.citizen()
	if err != nil {
		return err
	}
	if body.requestType(e) != e.Type {
		return &station.Error{Kind: station.Conflict, What: "the requestType of an enrollment stays as it was opened", Hint: "delete it and open another"}
	}
	if c != e.Citizen {
		if e, err = s.cfg.Desk.Amend(ctx, who(ctx).Person, e.ID, c); err != nil {
			return err
		}
	}
	return s.complete(ctx, e, body.BiometricData, finalize)
}

// complete captures what was sent and finalises where asked to.
func (s *server) complete(ctx context.Context, e station.Enrolment, all []BiometricData, finalize bool) error {
	if err := s.captureAll(ctx, e, all); err != nil {
		return err
	}
	if !finalize || e.State != station.EnrolmentOpen {
		return nil
	}
	_, err := s.cfg.Desk.Finalize(ctx, who(ctx).Person, e.ID)
	return err
}

// checkSame refuses a change of what is read only; the same value is let pass,
// so that what was read can be written back.
func (v Enrollment) checkSame(id string, e station.Enrolment) error {
	fields := map[string]string{}
	if v.EnrollmentID != "" && v.EnrollmentID != id {
		fields["enrollmentId"] = "is not the one of the path"
	}
	if v.Status != "" && (v.Status == inProgress) != (e.State == station.EnrolmentOpen) {
		fields["status"] = "is changed by finalizing only"
	}
	if len(fields) > 0 {
		return &station.Error{Kind: station.Correct, What: "the enrollment changes what is read only", Fields: fields}
	}
	return nil
}

func (v Enrollment) citizen() (station.Citizen, error) {
	if v.BiographicData == nil {
		return station.Citizen{}, nil
	}
	return v.BiographicData.citizen()
}

// requestType is the one sent, or else the one it has, or else a first issuance.
func (v Enrollment) requestType(e station.Enrolment) string {
	switch {
	case v.RequestData != nil && v.RequestData.RequestType != "":
		return v.RequestData.RequestType
	case e.Type != "":
		return e.Type
	}
	return "FIRST_ISSUANCE"
}

type enrollmentOnly struct {
	Transaction
	EnrollmentPath
}

func (s *server) deleteEnrollment(ctx context.Context, in *enrollmentOnly) (*struct{}, error) {
	return nil, s.cfg.Desk.Delete(ctx, who(ctx).Person, in.ID)
}

func (s *server) finalizeEnrollment(ctx context.Context, in *enrollmentOnly) (*struct{}, error) {
	_, err := s.cfg.Desk.Finalize(ctx, who(ctx).Person, in.ID)
	return nil, err
}

type findInput struct {
	Address
	Transaction
	Offset int           `query:"offset" minimum:"0" maximum:"100000" default:"0" doc:"First item of the response."`
	Limit  int           `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most items to return."`
	Body   *[]Expression `doc:"All of them must hold."`
}

func (in *findInput) expressions() []Expression {
	if in.Body == nil {
		return nil
	}
	return *in.Body
}

type enrollmentsOutput struct{ Body []Enrollment }

func (s *server) findEnrollments(ctx context.Context, in *findInput) (*enrollmentsOutput, error) {
	list := func(q station.Query) ([]station.Enrolment, string, error) { return s.cfg.Desk.List(ctx, q) }
	view := func(e station.Enrolment) Enrollment { return enrollment(e, in.base) }
	found, err := search(list, view, in.expressions(), in.Offset, in.Limit)
	return &enrollmentsOutput{Body: found}, err
}

// EnrollmentSummary is one row of the desk's list.
type EnrollmentSummary struct {
	EnrollmentID string    `json:"enrollmentId"`
	State        string    `json:"state" enum:"open,final,approved,rejected"`
	Name         string    `json:"name"`
	Number       string    `json:"personalNumber"`
	Captured     int       `json:"captured" doc:"Slots that are done, of fourteen."`
	Operator     string    `json:"operator"`
	OrderID      string    `json:"orderId,omitempty"`
	Changed      time.Time `json:"changed"`
}

// Page is the query of our own lists.
type Page struct {
	State string `query:"state" maxLength:"20" doc:"Only what is in this state."`
	After string `query:"after" maxLength:"200" doc:"The cursor that the page before gave as next."`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (p Page) query() station.Query {
	return station.Query{State: p.State, After: p.After, Limit: p.Limit, Newest: true}
}

// List is one page of one of our own lists.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Cursor of the next page; absent on the last."`
}

// listed makes a page of views.
func listed[T, V any](page []T, next string, view func(T) V) List[V] {
	l := List[V]{Items: make([]V, 0, len(page)), Next: next}
	for _, thing := range page {
		l.Items = append(l.Items, view(thing))
	}
	return l
}

type summariesOutput struct{ Body List[EnrollmentSummary] }

func (s *server) listEnrollments(ctx context.Context, in *Page) (*summariesOutput, error) {
	page, next, err := s.cfg.Desk.List(ctx, in.query())
	if err != nil {
		return nil, err
	}
	return &summariesOutput{Body: listed(page, next, func(e station.Enrolment) EnrollmentSummary {
		v := EnrollmentSummary{EnrollmentID: e.ID, State: e.State, Name: e.Citizen.Name, Number: e.Citizen.Number, Operator: e.Opened.By, OrderID: e.OrderID, Changed: e.Changed}
		for _, c := range e.Captures {
			if c.State != station.CaptureRefused {
				v.Captured++
			}
		}
		return v
	})}, nil
}

// Reason is why something is decided.
type Reason struct {
	Reason string `json:"reason,omitempty" maxLength:"500"`
}

// text is the reason, empty where none was sent.
func (r *Reason) text() string {
	if r == nil {
		return ""
	}
	return r.Reason
}

type decisionInput struct {
	Address
	EnrollmentPath
	Body *Reason `doc:"Why; a rejection needs it."`
}

func (s *server) approveEnrollment(ctx context.Context, in *decisionInput) (*enrollmentOutput, error) {
	e, err := s.cfg.Desk.Approve(ctx, who(ctx).Person, in.ID, in.Body.text())
	return &enrollmentOutput{Body: enrollment(e, in.base)}, err
}

func (s *server) rejectEnrollment(ctx context.Context, in *decisionInput) (*enrollmentOutput, error) {
	e, err := s.cfg.Desk.Reject(ctx, who(ctx).Person, in.ID, in.Body.text())
	return &enrollmentOutput{Body: enrollment(e, in.base)}, err
}

// Address knows under which address the caller reached us.
type Address struct{ base string }

// Resolve implements huma.Resolver.
func (h *Address) Resolve(ctx huma.Context) []error {
	h.base = "http://" + ctx.Host()
	if ctx.TLS() != nil {
		h.base = "https://" + ctx.Host()
	}
	return nil
}

// validate holds a value that was put together here against the schema of a type.
func (s *server) validate(t reflect.Type, v any) error {
	registry := s.api.OpenAPI().Components.Schemas
	path, res := huma.NewPathBuffer([]byte("body"), 4), &huma.ValidateResult{}
	huma.Validate(registry, registry.Schema(t, true, ""), path, huma.ModeWriteToServer, v, res)
	if len(res.Errors) > 0 {
		return parseProblem(http.StatusBadRequest, "validation failed", res.Errors)
	}
	return nil
}
