package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/record"
	"cardstation/station"
	"cardstation/station/issue"
)

// CredentialRequest is OSIA's: an order for one card. Its biometricData is the
// portrait and single fingers; the station cuts and shrinks them to what goes onto the
// chip. Of a
// citizen under 6 on the day of issue there may be none (Law 26/2023).
type CredentialRequest struct {
	CredentialRequestID string          `json:"credentialRequestId,omitempty" readOnly:"true"`
	Status              string          `json:"status,omitempty" enum:"PENDING,ISSUED,CANCELLED,FAILED" readOnly:"true"`
	RequestData         *RequestData    `json:"requestData"`
	PersonID            string          `json:"personId" minLength:"1" maxLength:"12" doc:"The personal number."`
	BiographicData      *BiographicData `json:"biographicData"`
	BiometricData       []BiometricData `json:"biometricData,omitempty" maxItems:"14" doc:"The portrait, which only a citizen under 6 may lack, at most two single fingers, plain or rolled, for DG3 and the PIV application, and an iris of each eye, as its record, for DG4. What is read back of a finger or an iris is that it is there, never its image."`
	CredentialIDs       []string        `json:"credentialIds,omitempty" readOnly:"true"`
}

// RequestData is OSIA's description of the request itself.
type RequestData struct {
	Priority            int            `json:"priority" minimum:"0" maximum:"9"`
	CredentialProfileID string         `json:"credentialProfileId" minLength:"1" maxLength:"100"`
	RequestType         string         `json:"requestType" enum:"FIRST_ISSUANCE,RENEWAL,REPLACEMENT"`
	ValidFromDate       *time.Time     `json:"validFromDate,omitempty" doc:"Issue date; today where it is not said."`
	ValidToDate         *time.Time     `json:"validToDate,omitempty" doc:"The law's expiry where it is not said."`
	Others              map[string]any `json:"others,omitempty" readOnly:"true" doc:"How the order stands at the line."`
}

// requestStatus is OSIA's name of an order's state.
var requestStatus = map[string]string{station.OrderPending: "PENDING", station.OrderClaimed: "PENDING", station.OrderIssued: "ISSUED",
	station.OrderCancelled: "CANCELLED", station.OrderFailed: "FAILED"}

// request is what OSIA sees of an order.
func request(o station.Order) CredentialRequest {
	bio := biographic(o.Citizen)
	data := &RequestData{Priority: o.Priority, CredentialProfileID: o.Profile, RequestType: o.Type, ValidFromDate: day(o.Issue), ValidToDate: day(o.Expiry),
		Others: map[string]any{"state": o.State, "attempts": o.Attempts, "steps": len(o.Steps)}}
	if o.Reason != "" {
		data.Others["reason"] = o.Reason
	}
	v := CredentialRequest{CredentialRequestID: o.ID, Status: requestStatus[o.State], RequestData: data, PersonID: o.Citizen.Number, BiographicData: &bio}
	if len(o.Portrait) > 0 {
		v.BiometricData = []BiometricData{{BiometricType: "FACE", BiometricSubType: "PORTRAIT", Image: o.Portrait, MimeType: "image/jpeg", Compression: "JPEG"}}
	}
	for _, f := range o.Fingers {
		b := BiometricData{BiometricType: "FINGER", BiometricSubType: fingers[f.Position], ImpressionType: plain, MimeType: biometrics.WSQ, Compression: "WSQ"}
		if f.Rolled {
			b.ImpressionType = rolled
		}
		v.BiometricData = append(v.BiometricData, b)
	}
	for _, i := range o.Irises {
		v.BiometricData = append(v.BiometricData, BiometricData{BiometricType: "IRIS", BiometricSubType: eyes[min(max(i.Subtype, 0), len(eyes)-1)]})
	}
	if o.State == station.OrderIssued {
		v.CredentialIDs = []string{string(o.Card)}
	}
	return v
}

// day is midnight UTC of a calendar date; nil where there is none.
func day(date string) *time.Time {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return nil
	}
	return &t
}

// order is the order that a request asks for. Dates that the request does not
// say are those of old, the order known under this id, or else left to the queue;
// so is the check of the citizen's data.
func (v CredentialRequest) order(id string, old station.Order, now time.Time) (station.Order, error) {
	c, err := v.BiographicData.citizen()
	if err != nil {
		return station.Order{}, err
	}
	fields := map[string]string{}
	if c.Number == "" {
		c.Number = v.PersonID
	}
	if c.Number != v.PersonID {
		fields["personId"] = "is not biographicData.personalNumber"
	}
	d := v.RequestData
	o := station.Order{Format: station.Format, ID: id, State: station.OrderPending, Type: d.RequestType, Priority: d.Priority, Profile: d.CredentialProfileID,
		Citizen: c, Issue: cmp.Or(date(d.ValidFromDate), old.Issue), Expiry: cmp.Or(date(d.ValidToDate), old.Expiry), Created: now.UTC(), Changed: now.UTC()}
	if o.Portrait, err = v.portrait(cmp.Or(o.Issue, now.Format(time.DateOnly))); err != nil {
		fields["biometricData"] = err.Error()
	} else if o.Fingers, err = v.fingers(); err != nil {
		fields["biometricData"] = err.Error()
	} else if o.Irises, err = v.irises(); err != nil {
		fields["biometricData"] = err.Error()
	}
	if len(fields) > 0 {
		return o, &station.Error{Kind: station.Correct, What: "the credential request is not in order", Fields: fields}
	}
	return o, nil
}

// date is the calendar date of a moment; empty for none.
func date(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.DateOnly)
}

// portrait finds the one portrait that a request carries. A request for a citizen
// who is under 6 on the date of issue needs none.
func (v CredentialRequest) portrait(issued string) ([]byte, error) {
	faces := v.biometrics("FACE")
	if at := day(issued); len(faces) == 0 && at != nil && issue.Young(v.BiographicData.DateOfBirth, *at) {
		return nil, nil
	}
	if len(faces) != 1 || len(faces[0].Image) == 0 {
		return nil, station.Errorf(station.Correct, "wants one portrait, as image")
	}
	data := faces[0].Image
	if _, err := media(data); err != nil {
		return nil, err
	}
	return data, nil
}

// biometrics are the request's data of one type.
func (v CredentialRequest) biometrics(kind string) (all []BiometricData) {
	for _, b := range v.BiometricData {
		if b.BiometricType == kind {
			all = append(all, b)
		}
	}
	return all
}

// mostFingers is how many a card has.
const mostFingers = 2

// fingers finds the single fingers that a request carries.
func (v CredentialRequest) fingers() (all []station.Finger, err error) {
	for _, b := range v.biometrics("FINGER") {
		position := slices.Index(fingers[:], b.BiometricSubType)
		if position < 1 || position > int(biometrics.LeftLittle) || len(b.Image) == 0 || b.ImpressionType == "" {
			return nil, station.Errorf(station.Correct, "a finger wants its own name, its impression type and its image")
		}
		if _, err := media(b.Image); err != nil {
			return nil, err
		}
		for _, before := range all {
			if before.Position == position {
				return nil, station.Errorf(station.Correct, "%s stands there twice", b.BiometricSubType)
			}
		}
		all = append(all, station.Finger{Position: position, Rolled: b.ImpressionType == rolled, Image: b.Image})
	}
	if len(all) > mostFingers {
		return nil, station.Errorf(station.Correct, "a card has %d fingers at most", mostFingers)
	}
	return all, nil
}

// irises finds the irises that a request carries, for DG4.
func (v CredentialRequest) irises() (all []station.Iris, err error) {
	for _, b := range v.BiometricData {
		if !b.opaque() {
			continue
		}
		k, ok := record.KindOfOSIA(b.BiometricType, b.Image)
		eye := slices.Index(eyes[:], b.BiometricSubType)
		if !ok || k.Type != record.TypeIris || k.Image || eye < 1 {
			return nil, station.Errorf(station.Correct, "a card takes an iris as EYE_RIGHT or EYE_LEFT, as a record of ISO/IEC 19794-6 or 39794-6 in image, and no other such data")
		}
		if slices.ContainsFunc(all, func(before station.Iris) bool { return before.Subtype == eye }) {
			return nil, station.Errorf(station.Correct, "%s stands there twice", b.BiometricSubType)
		}
		all = append(all, station.Iris{Kind: k.Name, Subtype: eye, Data: b.Image})
	}
	return all, nil
}

func (s *server) requestRoutes() {
	const path, tag = "/v1/credentialRequests/{credentialRequestId}", "Credential Request"
	create := operation(http.MethodPost, path, "createCredentialRequest", tag, "Create a request for a credential", requestWrite)
	create.DefaultStatus, create.MaxBodyBytes = http.StatusCreated, s.cfg.Limits.Image
	create.Description = "For a card that no enrolment at this station asks for. An approved enrolment is ordered by itself."
	handle(s, create, inTurn(s, s.createRequest))
	handle(s, operation(http.MethodGet, path, "readCredentialRequest", tag, "Read a credential request", requestRead), s.readRequest)
	update := operation(http.MethodPut, path, "updateCredentialRequest", tag, "Update a credential request", requestWrite)
	update.MaxBodyBytes = s.cfg.Limits.Image
	update.Description = "One that an enrolment at this station asked for is not changed: its content was approved. Cancel it and enrol again."
	handle(s, update, inTurn(s, s.updateRequest))
	handle(s, operation(http.MethodPost, path+"/cancel", "cancelCredentialRequest", tag, "Cancel a credential request", requestWrite, requestEnd), s.cancelRequest)
	handle(s, operation(http.MethodPost, path+"/return", "returnCredentialRequest", tag, "Scrap the chip of a request and put it back into the queue", requestWrite, requestEnd), s.returnRequest)
	handle(s, operation(http.MethodGet, "/v1/credentialRequests", "listCredentialRequests", tag, "List credential requests page by page, newest first", requestRead), s.listRequests)
}

// RequestPath names a credential request.
type RequestPath struct {
	ID string `path:"credentialRequestId" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"`
}

type requestInput struct {
	Transaction
	RequestPath
	Body CredentialRequest
}

// createRequest puts an order into the queue. The same request again changes
// nothing: on a later day too, so the dates that it leaves to us stay.
func (s *server) createRequest(ctx context.Context, in *requestInput) (*struct{}, error) {
	old, err := s.cfg.Queue.Get(ctx, in.ID)
	if err != nil && station.KindOf(err) != station.Unknown {
		return nil, err
	}
	o, err := in.Body.order(in.ID, old, s.now())
	if err != nil {
		return nil, err
	}
	_, err = s.cfg.Queue.Create(ctx, who(ctx).Person, o)
	return nil, err
}

type readRequestInput struct {
	Transaction
	Attributes
	RequestPath
}

type requestOutput struct{ Body CredentialRequest }

func (s *server) readRequest(ctx context.Context, in *readRequestInput) (*requestOutput, error) {
	o, err := s.cfg.Queue.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &requestOutput{Body: pick(request(o), in.Attributes.Attributes, "credentialRequestId", "status", "personId", "requestData", "biographicData")}, nil
}

func (s *server) updateRequest(ctx context.Context, in *requestInput) (*struct{}, error) {
	old, err := s.cfg.Queue.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	o, err := in.Body.order(in.ID, old, s.now())
	if err != nil {
		return nil, err
	}
	u, ok := s.cfg.Queue.(OrderUpdater)
	if !ok {
		return nil, &station.Error{Kind: station.Conflict, What: "this line changes no order that it has", Hint: "cancel it and send another"}
	}
	_, err = u.Update(ctx, who(ctx).Person, o)
	return nil, err
}

type cancelInput struct {
	Transaction
	RequestPath
	Body *Reason `doc:"Why; OSIA sends none."`
}

func (s *server) cancelRequest(ctx context.Context, in *cancelInput) (*struct{}, error) {
	_, err := s.cfg.Queue.Cancel(ctx, who(ctx).Person, in.ID, in.why(in.Body))
	return nil, err
}

type returnInput struct {
	RequestPath
	Body *Reason `doc:"Why; may be left out."`
}

func (s *server) returnRequest(ctx context.Context, in *returnInput) (*struct{}, error) {
	_, err := s.cfg.Queue.Return(ctx, who(ctx).Person, in.ID, in.Body.text())
	return nil, err
}

// RequestSummary is one row of the line's queue.
type RequestSummary struct {
	CredentialRequestID string         `json:"credentialRequestId"`
	State               string         `json:"state" enum:"pending,claimed,issued,cancelled,failed"`
	Priority            int            `json:"priority"`
	Profile             string         `json:"profile"`
	Type                string         `json:"type"`
	Name                string         `json:"name"`
	Card                station.CardID `json:"card,omitempty"`
	Attempts            int            `json:"attempts"`
	Steps               int            `json:"steps" doc:"Finished on this chip."`
	Reason              string         `json:"reason,omitempty"`
	Changed             time.Time      `json:"changed"`
}

type requestsOutput struct{ Body List[RequestSummary] }

func (s *server) listRequests(ctx context.Context, in *Page) (*requestsOutput, error) {
	page, next, err := s.cfg.Queue.List(ctx, in.query())
	if err != nil {
		return nil, err
	}
	return &requestsOutput{Body: listed(page, next, func(o station.Order) RequestSummary {
		return RequestSummary{CredentialRequestID: o.ID, State: o.State, Priority: o.Priority, Profile: o.Profile, Type: o.Type, Name: o.Citizen.Name,
			Card: o.Card, Attempts: o.Attempts, Steps: len(o.Steps), Reason: o.Reason, Changed: o.Changed}
	})}, nil
}
