package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"cardstation/biometrics"
	"cardstation/personalize/emrtd"
	"cardstation/station"
	"cardstation/station/issue"
	"cardstation/station/verify"
)

func (s *server) readerRoutes() {
	handle(s, operation(http.MethodGet, "/v1/readers", "listReaders", "Reader", "The readers and what they do", readerRead), s.listReaders)
}

// ReaderList is the answer of GET /v1/readers.
type ReaderList struct {
	Items   []issue.ReaderStatus `json:"items"`
	Problem string               `json:"problem,omitempty" doc:"Why no reader can be seen."`
}

type readersOutput struct{ Body ReaderList }

func (s *server) listReaders(context.Context, *struct{}) (*readersOutput, error) {
	out := &readersOutput{Body: ReaderList{Items: append([]issue.ReaderStatus{}, s.cfg.Readers.Status()...)}}
	if r, ok := s.cfg.Readers.(ReadersProblem); ok {
		out.Body.Problem = r.Problem()
	}
	return out, nil
}

// VerifyBody says which card to look at and what opens it.
type VerifyBody struct {
	Reader   string `json:"reader" minLength:"1" maxLength:"200"`
	CAN      string `json:"can,omitempty" pattern:"^[0-9]{6}$" doc:"Card access number; or the three fields of the MRZ."`
	Document string `json:"document,omitempty" maxLength:"12" doc:"Document number, nine characters as in the MRZ."`
	Birth    string `json:"birth,omitempty" pattern:"^[0-9]{6}$" doc:"YYMMDD."`
	Expiry   string `json:"expiry,omitempty" pattern:"^[0-9]{6}$" doc:"YYMMDD."`
	Access   string `json:"access,omitempty" enum:"auto,pace,bac" doc:"How to open the chip: auto, the best that it offers; pace or bac, that and nothing else."`

	Finger         []byte `json:"finger,omitempty" doc:"One finger of who presents the card, PNG, JPEG, JPEG 2000 or WSQ, base64: it is compared with the chip's, which open where this station has a terminal's keys, and is not kept. A finger that is none of the chip's makes the verdict not valid; a picture too poor to tell leaves the check undone."`
	FingerPosition int    `json:"fingerPosition,omitempty" minimum:"0" maximum:"10" doc:"Which finger it is, ISO/IEC 19794-4: 1 to 5 right thumb to little, 6 to 10 left; 0 where nobody said."`
	FingerPPI      int    `json:"fingerPpi,omitempty" minimum:"0" maximum:"10000" doc:"Pixels per inch, where the picture does not say it."`
}

// key is what opens the card.
func (b VerifyBody) key() verify.Key {
	key := verify.Key{CAN: b.CAN, Document: b.Document, Birth: b.Birth, Expiry: b.Expiry}
	if b.Access != "" && b.Access != "auto" {
		key.Only = emrtd.Way(b.Access)
	}
	return key
}

// probe is the finger sent; nil without.
func (b VerifyBody) probe(context.Context, *struct{}) (*verify.Probe, error) {
	if len(b.Finger) == 0 {
		return nil, nil
	}
	return verify.NewProbe(b.Finger, biometrics.Position(b.FingerPosition), b.FingerPPI)
}

// Verification is the verdict on one card, as long as it is on the screen.
type Verification struct {
	VerificationRow
	Document string          `json:"document,omitempty"`
	Expiry   string          `json:"expiry,omitempty"`
	Holder   *BiographicData `json:"holder,omitempty" doc:"What the chip says of its holder."`
	Portrait []byte          `json:"portrait,omitempty" doc:"JPEG of DG2, base64; shown, not kept."`
	Fingers  []int           `json:"fingers,omitempty" doc:"Positions of the fingers on the chip, where it opened them."`
}

// VerificationRow is what is kept of a verdict: no citizen data.
type VerificationRow struct {
	ID        string          `json:"id"`
	At        time.Time       `json:"at"`
	By        string          `json:"by"`
	Reader    string          `json:"reader"`
	Outcome   station.Outcome `json:"outcome" enum:"valid,not valid,could not be checked"`
	Checks    []station.Check `json:"checks"`
	ElapsedMS int64           `json:"elapsedMs"`
}

func (s *server) verificationRoutes() {
	op := operation(http.MethodPost, "/v1/verifications", "verify", "Verification", "Wait for a card in a reader and give the verdict on it", verifyWrite)
	op.MaxBodyBytes = s.cfg.Limits.Image
	handle(s, op, s.verify)
	handle(s, operation(http.MethodGet, "/v1/verifications", "listVerifications", "Verification", "Verdicts given, newest first, without citizen data", verifyRead), s.listVerifications)
}

type verifyInput struct{ Body VerifyBody }

type verificationOutput struct{ Body Verification }

// verifyTime bounds the wait for the card and a slow chip's reading together.
const verifyTime = 90 * time.Second

func (s *server) verify(ctx context.Context, in *verifyInput) (*verificationOutput, error) {
	patience(ctx, 2*verifyTime)
	waited, cancel := context.WithTimeout(ctx, verifyTime)
	defer cancel()
	me := who(ctx).Login
	if ok, own := s.cards.take(me, 1); !ok {
		return nil, full(own, "too many cards are waited for", "finish the verifications that are under way")
	}
	defer s.cards.give(me, 1)
	probe, err := inTurn(s, in.Body.probe)(ctx, nil)
	if err != nil {
		return nil, err
	}
	v, err := s.cfg.Office.Verify(waited, who(ctx).Person, in.Body.Reader, in.Body.key(), probe)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, &station.Error{Kind: station.Retry, What: "no card came into " + in.Body.Reader, Hint: "put the card on the reader and try again"}
	}
	if err != nil {
		return nil, err
	}
	out := Verification{VerificationRow: VerificationRow{ID: v.ID, At: v.At, By: v.By, Reader: v.Reader, Outcome: v.Outcome, Checks: v.Checks, ElapsedMS: v.Elapsed.Milliseconds()},
		Document: v.Document, Expiry: v.Expiry, Portrait: v.Portrait, Fingers: v.Fingers}
	if v.Holder != (station.Citizen{}) {
		holder := biographic(v.Holder)
		out.Holder = &holder
	}
	return &verificationOutput{Body: out}, nil
}

// LogPage is the query of lists that are read from the chain of events.
type LogPage struct {
	After string `query:"after" maxLength:"20" pattern:"^[0-9]*$" doc:"The cursor that the page before gave as next."`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type verificationsOutput struct{ Body List[VerificationRow] }

func (s *server) listVerifications(ctx context.Context, in *LogPage) (*verificationsOutput, error) {
	events, next, err := s.backwards(ctx, *in, station.VerificationDone)
	if err != nil {
		return nil, err
	}
	return &verificationsOutput{Body: listed(events, next, func(e station.Event) VerificationRow {
		var body struct {
			Outcome station.Outcome
			Reader  string
			Checks  []station.Check
			Elapsed time.Duration
		}
		_ = json.Unmarshal(e.Body, &body) // a body of another form shows as empty
		return VerificationRow{ID: e.Subject, At: e.At, By: e.Actor, Reader: body.Reader, Outcome: body.Outcome, Checks: body.Checks, ElapsedMS: body.Elapsed.Milliseconds()}
	})}, nil
}

// backwards reads the chain of events from its end, or from a cursor, and gives
// those of the types wanted (all where none is named), newest first. It looks at
// a bounded stretch; next is set while there is more before it.
func (s *server) backwards(ctx context.Context, p LogPage, types ...station.EventType) (found []station.Event, next string, err error) {
	const stretch, most = 256, 20
	end, err := s.cfg.Events.Head(ctx)
	if err != nil {
		return nil, "", err
	}
	if n, err := strconv.ParseUint(p.After, 10, 64); err == nil && n > 0 {
		end = min(end, n-1)
	}
	for range most {
		if end == 0 {
			return found, "", nil
		}
		begin := end - min(end, stretch)
		events, err := s.cfg.Events.Events(ctx, begin, int(end-begin))
		if err != nil {
			return nil, "", err
		}
		for _, e := range slices.Backward(events) {
			if len(types) > 0 && !slices.Contains(types, e.Type) {
				continue
			}
			if found = append(found, e); len(found) == p.Limit {
				return found, cursor(e.Seq), nil
			}
		}
		end = begin
	}
	return found, cursor(end + 1), nil
}

// cursor continues before seq; empty where nothing is before it.
func cursor(seq uint64) string {
	if seq <= 1 {
		return ""
	}
	return strconv.FormatUint(seq, 10)
}
