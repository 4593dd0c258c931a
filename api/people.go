package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"cardstation/station"
)

// PersonBody is what PUT /v1/people/{login} wants.
type PersonBody struct {
	Name     string   `json:"name" minLength:"1" maxLength:"100"`
	Roles    []string `json:"roles" minItems:"1" maxItems:"5" enum:"desk,supervisor,line,office,admin"`
	Password string   `json:"password,omitempty" maxLength:"128" format:"password" doc:"At least 12 bytes. Wanted for a new person; without it a known one keeps theirs."`
	Disabled bool     `json:"disabled,omitempty" doc:"May not log in."`
}

// PersonView is a person without the password.
type PersonView struct {
	Login    string         `json:"login"`
	Name     string         `json:"name"`
	Roles    []station.Role `json:"roles"`
	Disabled bool           `json:"disabled,omitempty"`
}

func viewPerson(p station.Person) PersonView {
	return PersonView{Login: p.Login, Name: p.Name, Roles: p.Roles, Disabled: p.Disabled}
}

func (s *server) peopleRoutes() {
	handle(s, operation(http.MethodGet, "/v1/people", "listPeople", "People", "List who may log in", peopleAdmin), s.listPeople)
	handle(s, operation(http.MethodGet, "/v1/people/{login}", "readPerson", "People", "Read one person", peopleAdmin), s.readPerson)
	handle(s, operation(http.MethodPut, "/v1/people/{login}", "writePerson", "People", "Make or change one person", peopleAdmin), s.writePerson)
}

type peopleOutput struct {
	Body struct {
		Items []PersonView `json:"items"`
	}
}

func (s *server) listPeople(ctx context.Context, _ *struct{}) (*peopleOutput, error) {
	all, err := s.cfg.People.People(ctx)
	if err != nil {
		return nil, err
	}
	out := &peopleOutput{}
	out.Body.Items = make([]PersonView, 0, len(all))
	for _, p := range all {
		out.Body.Items = append(out.Body.Items, viewPerson(p))
	}
	return out, nil
}

// LoginPath names a person.
type LoginPath struct {
	Login string `path:"login" pattern:"^[a-z0-9][a-z0-9._-]{0,63}$"`
}

type personOutput struct{ Body PersonView }

func (s *server) readPerson(ctx context.Context, in *LoginPath) (*personOutput, error) {
	p, err := s.cfg.People.Person(ctx, in.Login)
	if err != nil {
		return nil, err
	}
	return &personOutput{Body: viewPerson(p)}, nil
}

type personInput struct {
	LoginPath
	Body PersonBody
}

// writePerson ends the person's sessions where a right or the password changed.
// Administrators cannot shut themselves out.
func (s *server) writePerson(ctx context.Context, in *personInput) (*personOutput, error) {
	by := who(ctx)
	p, err := s.cfg.People.Person(ctx, in.Login)
	known := err == nil
	if err != nil && station.KindOf(err) != station.Unknown {
		return nil, err
	}
	if !known && in.Body.Password == "" {
		return nil, &station.Error{Kind: station.Correct, What: "a new person needs a password", Fields: map[string]string{"password": "is missing"}}
	}
	if in.Login == by.Login && (in.Body.Disabled || !slices.Contains(in.Body.Roles, string(station.RoleAdmin))) {
		return nil, &station.Error{Kind: station.Conflict, What: "an administrator cannot give up their own rights", Hint: "have another administrator do it"}
	}
	p.Format, p.Login, p.Name, p.Disabled, p.Changed = station.Format, in.Login, in.Body.Name, in.Body.Disabled, s.now().UTC()
	p.Roles = nil
	for _, r := range in.Body.Roles {
		p.Roles = append(p.Roles, station.Role(r))
	}
	if in.Body.Password != "" {
		if p.Password, err = HashPassword(in.Body.Password); err != nil {
			return nil, err
		}
	}
	if err := s.cfg.People.PutPerson(ctx, p, personEvent(p, by.Login)); err != nil {
		return nil, err
	}
	if in.Body.Password != "" || p.Disabled {
		s.sessions.closeAll(p.Login, by.token)
	}
	return &personOutput{Body: viewPerson(p)}, nil
}

// personEvent tells of a person's rights; never of the password.
func personEvent(p station.Person, by string) station.Event {
	raw, _ := json.Marshal(viewPerson(p)) // strings and a flag only
	return station.Event{Format: station.Format, At: p.Changed, Type: station.PersonChanged, Subject: p.Login, Actor: by, Body: raw}
}
