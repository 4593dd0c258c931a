package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"cardstation/station"
)

// transactionRoutes: what a centre that compares fingerprints is sent.
func (s *server) transactionRoutes() {
	const path, tag = "/v1/enrollments/{enrollmentId}/transaction", "Transaction"
	read := operation(http.MethodGet, path, "readTransaction", tag, "The finalized enrollment as an ANSI/NIST-ITL transaction", bufRead)
	read.Description = "Traditional encoding of ANSI/NIST-ITL 1-2011, Update 2015: the citizen, the prints as WSQ with a box and a quality for each finger, missing fingers, the portrait, opaque samples."
	binary := &huma.MediaType{Schema: &huma.Schema{Type: "string", Format: "binary"}}
	read.Responses = map[string]*huma.Response{"200": {Description: "The transaction", Content: map[string]*huma.MediaType{"application/octet-stream": binary}}}
	handle(s, read, inTurn(s, s.readTransaction))
}

// Asked is what a transaction asks of whom.
type Asked struct {
	Type        string `query:"type" default:"ENR" minLength:"1" maxLength:"16" doc:"What is asked of the centre, by its own code (1.004)."`
	Destination string `query:"destination" default:"CENTRE" minLength:"1" maxLength:"100" doc:"Agency that it goes to (1.007)."`
	Minutiae    bool   `query:"minutiae" doc:"The minutiae of each rolled finger too (Type-9)."`
}

type transactionInput struct {
	EnrollmentPath
	Asked
}

type transactionOutput struct {
	ContentType string `header:"Content-Type"`
	Digest      string `header:"Digest" doc:"RFC 3230, of the body."`
	Body        []byte
}

func (s *server) readTransaction(ctx context.Context, in *transactionInput) (*transactionOutput, error) {
	e, err := s.cfg.Desk.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if s.cfg.Transaction == nil || e.State == station.EnrolmentOpen {
		return nil, &station.Error{Kind: station.Conflict, What: "there is no transaction of enrolment " + e.ID, Hint: "finalize it first"}
	}
	raw, err := s.cfg.Transaction(ctx, e, in.Asked)
	return &transactionOutput{ContentType: "application/octet-stream", Digest: digest(raw), Body: raw}, err
}
