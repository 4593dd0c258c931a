package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cardstation/station"
)

// Transaction is the query parameter that every OSIA operation wants. It names
// the caller's transaction and changes nothing here.
type Transaction struct {
	TransactionID string `query:"transactionId" required:"true" minLength:"1" maxLength:"100" doc:"The caller's id of the transaction."`
}

// why is the reason sent, or else the transaction: the station wants to know why
// something was done, and OSIA lets a caller say nothing.
func (t Transaction) why(r *Reason) string {
	if text := strings.TrimSpace(r.text()); text != "" {
		return text
	}
	return "transaction " + t.TransactionID
}

// Attributes is OSIA's query parameter that narrows an answer.
type Attributes struct {
	Attributes []string `query:"attributes,explode" maxItems:"50" doc:"Only these attributes, at the top or within biographicData; without it all."`
}

// pick leaves of v only the attributes asked for, and those that the schema
// requires. v is a value of ours whose members but the required are omitted when
// empty.
func pick[T any](v T, attributes []string, required ...string) T {
	if len(attributes) == 0 {
		return v
	}
	keep := map[string]bool{}
	for _, a := range attributes {
		for name := range strings.SplitSeq(a, ",") {
			keep[strings.TrimSpace(name)] = true
		}
	}
	for _, name := range required {
		keep[name] = true
	}
	all := members(v)
	if bio, ok := all["biographicData"].(map[string]any); ok && !keep["biographicData"] {
		for name := range bio {
			if !keep[name] {
				delete(bio, name)
			}
		}
		keep["biographicData"] = len(bio) > 0
	}
	for name := range all {
		if !keep[name] {
			delete(all, name)
		}
	}
	var out T
	raw, _ := json.Marshal(all) // came from JSON
	_ = json.Unmarshal(raw, &out)
	return out
}

// members gives v's JSON members.
func members(v any) map[string]any {
	raw, err := json.Marshal(v)
	if err != nil { // plain structs of ours
		panic(fmt.Sprintf("members of %T: %v", v, err))
	}
	var all map[string]any
	_ = json.Unmarshal(raw, &all)
	return all
}

// Expression is OSIA's search criterion on one attribute, at the top of the
// resource or within biographicData or requestData.
type Expression struct {
	AttributeName string `json:"attributeName" minLength:"1" maxLength:"100" example:"status"`
	Operator      string `json:"operator" enum:"<,>,=,>=,<=,!="`
	Value         any    `json:"value" doc:"String, number or boolean."`
}

// matches tells whether v fulfils every expression. An attribute that v does not
// have fulfils none.
func matches(v any, all []Expression) bool {
	if len(all) == 0 {
		return true
	}
	flat := members(v)
	for _, inner := range []string{"biographicData", "requestData", "contextualData"} {
		if sub, ok := flat[inner].(map[string]any); ok {
			for name, value := range sub {
				flat[name] = value
			}
		}
	}
	return !slices.ContainsFunc(all, func(e Expression) bool { return !e.holds(flat[e.AttributeName]) })
}

// holds compares strings as text (ISO dates then order as dates), numbers as
// numbers.
func (e Expression) holds(have any) bool {
	var order int
	switch have := have.(type) {
	case string:
		want, ok := e.Value.(string)
		if !ok {
			return false
		}
		order = strings.Compare(have, want)
	case float64:
		want, ok := e.Value.(float64)
		if !ok {
			return false
		}
		order = cmp.Compare(have, want)
	case bool:
		want, ok := e.Value.(bool)
		if !ok || e.Operator != "=" && e.Operator != "!=" {
			return false
		}
		if have != want {
			order = 1
		}
	default:
		return false
	}
	switch e.Operator {
	case "<":
		return order < 0
	case ">":
		return order > 0
	case "<=":
		return order <= 0
	case ">=":
		return order >= 0
	case "!=":
		return order != 0
	}
	return order == 0
}

// checkExpressions refuses values that JSON schema cannot tell apart here.
func checkExpressions(all []Expression) error {
	for i, e := range all {
		switch e.Value.(type) {
		case string, float64, bool:
		default:
			return &station.Error{Kind: station.Correct, What: "a search value is a string, a number or a boolean",
				Fields: map[string]string{fmt.Sprintf("[%d].value", i): "is none of them"}}
		}
	}
	return nil
}

// pageSize is how many things a search reads at a time.
const pageSize = 100

// search walks a list and gives what matches, from offset on. The list is read
// page by page, newest first.
func search[T, V any](list func(station.Query) ([]T, string, error), view func(T) V, want []Expression, offset, limit int) ([]V, error) {
	if err := checkExpressions(want); err != nil {
		return nil, err
	}
	found := []V{}
	q := station.Query{Limit: pageSize, Newest: true}
	for {
		page, next, err := list(q)
		if err != nil {
			return nil, err
		}
		for _, thing := range page {
			v := view(thing)
			if !matches(v, want) {
				continue
			}
			if offset--; offset >= 0 {
				continue
			}
			if found = append(found, v); len(found) == limit {
				return found, nil
			}
		}
		if next == "" {
			return found, nil
		}
		q.After = next
	}
}

// mergePatch applies an RFC 7396 merge patch to a JSON value.
func mergePatch(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for name, value := range p {
		if value == nil {
			delete(t, name)
			continue
		}
		t[name] = mergePatch(t[name], value)
	}
	return t
}
