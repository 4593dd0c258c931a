package api

import (
	"context"
	"net/http"
	"time"

	"cardstation/station"
)

// CredentialData is OSIA's: one card. What a chip holds is locked, so nothing of
// it can be updated but its status.
type CredentialData struct {
	CredentialID        string         `json:"credentialId" doc:"The chip: cplc: and hex, or serial: and a number."`
	Status              string         `json:"status" enum:"NEW,ACTIVE,SUSPENDED,REVOKED,OTHER"`
	StatusOther         string         `json:"statusOther,omitempty" doc:"claimed: being written. scrapped: spoilt at the line."`
	CredentialNumber    string         `json:"credentialNumber,omitempty" doc:"Document number."`
	PersonID            string         `json:"personId"`
	CredentialProfileID string         `json:"credentialProfileId"`
	IssuedDate          *time.Time     `json:"issuedDate,omitempty"`
	ExpiryDate          *time.Time     `json:"expiryDate,omitempty" doc:"2099-12-31 for none."`
	SerialNumber        string         `json:"serialNumber,omitempty"`
	Others              map[string]any `json:"others,omitempty"`
}

// credentialStatus is OSIA's name of a card's state; OTHER for the rest.
var credentialStatus = map[string]string{station.CardIssued: "NEW", station.CardActive: "ACTIVE", station.CardSuspended: "SUSPENDED", station.CardRevoked: "REVOKED"}

// credential is what OSIA sees of a card.
func credential(c station.Card) CredentialData {
	v := CredentialData{CredentialID: string(c.ID), Status: credentialStatus[c.State], CredentialNumber: c.Document, PersonID: c.Number,
		CredentialProfileID: c.Profile, ExpiryDate: day(c.Expiry), SerialNumber: string(c.ID), Others: map[string]any{}}
	if v.Status == "" {
		v.Status, v.StatusOther = "OTHER", c.State
	}
	if !c.Issued.IsZero() {
		issued := c.Issued
		v.IssuedDate = &issued
	}
	for name, value := range map[string]string{"credentialRequestId": c.OrderID, "sod": c.SOD, "reason": c.Reason} {
		if value != "" {
			v.Others[name] = value
		}
	}
	return v
}

func (s *server) credentialRoutes() {
	const path, tag = "/v1/credentials/{credentialId}", "Credential"
	handle(s, operation(http.MethodPost, "/v1/credentials", "findCredentials", tag, "Retrieve a list of credentials that match the given search criteria", credRead), s.findCredentials)
	handle(s, operation(http.MethodGet, "/v1/credentials", "listCredentials", tag, "List credentials page by page, newest first", credRead), s.listCredentials)
	handle(s, operation(http.MethodGet, path, "readCredential", tag, "Read a credential", credRead), s.readCredential)
	handle(s, operation(http.MethodPut, path, "updateCredential", tag, "Update a credential", credWrite), s.updateCredential)
	change := func(name, id, summary string, do change) {
		handle(s, operation(http.MethodPost, path+"/"+name, id, tag, summary, credWrite), func(ctx context.Context, in *changeCardInput) (*struct{}, error) {
			_, err := do(ctx, who(ctx).Person, in.ID, in.why(in.Body))
			return nil, err
		})
	}
	change("suspend", "suspendCredential", "Suspend a credential", s.cfg.Cards.Suspend)
	change("unsuspend", "unsuspendCredential", "Unsuspend a credential", s.cfg.Cards.Unsuspend)
	change("revoke", "revokeCredential", "Revoke a credential", s.cfg.Cards.Revoke)
	handle(s, operation(http.MethodPost, path+"/status", "setCredentialStatus", tag, "Change the status of a credential", credWrite), s.setStatus)
	handle(s, operation(http.MethodPost, "/v1/credentialProfiles", "findCredentialProfiles", "Credential Profile", "Retrieve a list of credential profiles that match the given search criteria", profileRead), s.findProfiles)
}

type change = func(ctx context.Context, by station.Person, id, reason string) (station.Card, error)

// CardPath names a credential.
type CardPath struct {
	ID string `path:"credentialId" maxLength:"128"`
}

type changeCardInput struct {
	Transaction
	CardPath
	Body *Reason
}

type readCardInput struct {
	Transaction
	Attributes
	CardPath
}

type cardOutput struct{ Body CredentialData }

func (s *server) readCredential(ctx context.Context, in *readCardInput) (*cardOutput, error) {
	c, err := s.cfg.Cards.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &cardOutput{Body: pickCard(credential(c), in.Attributes.Attributes)}, nil
}

func pickCard(v CredentialData, attributes []string) CredentialData {
	return pick(v, attributes, "credentialId", "status", "personId", "credentialProfileId")
}

type findCardsInput struct {
	Transaction
	Attributes
	Body *[]Expression `doc:"All of them must hold."`
}

type foundCardsOutput struct{ Body []CredentialData }

// mostFound bounds an answer that OSIA gives no pages for.
const mostFound = 1000

func (s *server) findCredentials(ctx context.Context, in *findCardsInput) (*foundCardsOutput, error) {
	list := func(q station.Query) ([]station.Card, string, error) { return s.cfg.Cards.List(ctx, q) }
	found, err := search(list, credential, (&findInput{Body: in.Body}).expressions(), 0, mostFound)
	for i := range found {
		found[i] = pickCard(found[i], in.Attributes.Attributes)
	}
	return &foundCardsOutput{Body: found}, err
}

type cardsOutput struct{ Body List[CredentialData] }

func (s *server) listCredentials(ctx context.Context, in *Page) (*cardsOutput, error) {
	page, next, err := s.cfg.Cards.List(ctx, in.query())
	if err != nil {
		return nil, err
	}
	return &cardsOutput{Body: listed(page, next, credential)}, nil
}

type updateCardInput struct {
	Transaction
	CardPath
	Body CredentialData
}

// updateCredential takes what changes nothing; everything else is on a locked
// chip.
func (s *server) updateCredential(ctx context.Context, in *updateCardInput) (*struct{}, error) {
	c, err := s.cfg.Cards.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	now, want := credential(c), in.Body
	same := want.ExpiryDate == nil || now.ExpiryDate != nil && want.ExpiryDate.Equal(*now.ExpiryDate)
	same = same && want.CredentialID == now.CredentialID && want.Status == now.Status && want.PersonID == now.PersonID && want.CredentialProfileID == now.CredentialProfileID
	if !same {
		return nil, &station.Error{Kind: station.Conflict, What: "the card is made and locked", Hint: "change its status with /status, or order another card"}
	}
	return nil, nil
}

type statusInput struct {
	Transaction
	CardPath
	Body struct {
		Status    string `json:"status" enum:"ACTIVE,SUSPENDED,REVOKED" doc:"ACTIVE hands a new card over, or ends a suspension."`
		Reason    string `json:"reason,omitempty" maxLength:"500"`
		Requester string `json:"requester,omitempty" maxLength:"200" doc:"Noted with the reason."`
		Comment   string `json:"comment,omitempty" maxLength:"500" doc:"Noted with the reason."`
	}
}

func (s *server) setStatus(ctx context.Context, in *statusInput) (*struct{}, error) {
	c, err := s.cfg.Cards.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	var do change
	switch {
	case in.Body.Status == "REVOKED":
		do = s.cfg.Cards.Revoke
	case in.Body.Status == "SUSPENDED":
		do = s.cfg.Cards.Suspend
	case c.State == station.CardSuspended:
		do = s.cfg.Cards.Unsuspend
	default:
		do = s.cfg.Cards.Activate
	}
	why := in.why(&Reason{in.Body.Reason})
	if in.Body.Requester != "" {
		why += "; requester: " + in.Body.Requester
	}
	if in.Body.Comment != "" {
		why += "; comment: " + in.Body.Comment
	}
	_, err = do(ctx, who(ctx).Person, in.ID, why)
	return nil, err
}

// CredentialProfile is OSIA's.
type CredentialProfile struct {
	CredentialProfileID string `json:"credentialProfileId"`
	Name                string `json:"name,omitempty"`
	Description         string `json:"description,omitempty"`
	CredentialType      string `json:"credentialType,omitempty" enum:"SMARTCARD"`
}

type foundProfilesOutput struct{ Body []CredentialProfile }

func (s *server) findProfiles(_ context.Context, in *findCardsInput) (*foundProfilesOutput, error) {
	want := (&findInput{Body: in.Body}).expressions()
	if err := checkExpressions(want); err != nil {
		return nil, err
	}
	out := &foundProfilesOutput{Body: []CredentialProfile{}}
	for _, p := range s.cfg.Profiles {
		v := CredentialProfile{CredentialProfileID: p.ID, Name: p.Name, Description: p.Description, CredentialType: "SMARTCARD"}
		if matches(v, want) {
			out.Body = append(out.Body, pick(v, in.Attributes.Attributes, "credentialProfileId"))
		}
	}
	return out, nil
}
