package api

import (
	"strings"

	"cardstation/station"
)

// BiographicData is OSIA's biographicData, which leaves its members to the
// country. Ours and the fields of station.Citizen:
//
//	personalNumber    Number       (OSIA's personId in a credential request)
//	name              Name         whole, family name first
//	lastName          first part of Name      only on input, with firstName,
//	firstName         the rest of Name        in place of name
//	dateOfBirth       BirthDate
//	gender            Sex          M or F
//	nationality       Nationality
//	ethnicity         Ethnicity
//	religion          Religion
//	placeOfOrigin     Origin
//	placeOfResidence  Residence
//	identifyingMarks  Marks
//	father, mother    Father, Mother
//	spouse            Spouse
//	formerNumber      OldNumber
//
// gender is OSIA's name for what the station's own JSON calls sex; every other
// name is the same in both. Text is checked by the desk, not here: a dossier may
// be opened with what is known and completed later.
type BiographicData struct {
	PersonalNumber   string `json:"personalNumber,omitempty" maxLength:"12" doc:"12 digits." example:"001200000001"`
	Name             string `json:"name,omitempty" maxLength:"200" doc:"Whole name with diacritics, family name first."`
	LastName         string `json:"lastName,omitempty" maxLength:"100" writeOnly:"true" doc:"Family name; with firstName in place of name."`
	FirstName        string `json:"firstName,omitempty" maxLength:"100" writeOnly:"true" doc:"Middle and given names; with lastName in place of name."`
	DateOfBirth      string `json:"dateOfBirth,omitempty" maxLength:"10" doc:"Calendar date, ISO 8601." example:"2000-01-01"`
	Gender           string `json:"gender,omitempty" maxLength:"1" doc:"M or F." example:"F"`
	Nationality      string `json:"nationality,omitempty" maxLength:"3" doc:"ISO 3166-1 alpha-3." example:"VNM"`
	Ethnicity        string `json:"ethnicity,omitempty" maxLength:"100"`
	Religion         string `json:"religion,omitempty" maxLength:"100"`
	PlaceOfOrigin    string `json:"placeOfOrigin,omitempty" maxLength:"300"`
	PlaceOfResidence string `json:"placeOfResidence,omitempty" maxLength:"300"`
	IdentifyingMarks string `json:"identifyingMarks,omitempty" maxLength:"300"`
	Father           string `json:"father,omitempty" maxLength:"200"`
	Mother           string `json:"mother,omitempty" maxLength:"200"`
	Spouse           string `json:"spouse,omitempty" maxLength:"200"`
	FormerNumber     string `json:"formerNumber,omitempty" maxLength:"9" doc:"9 digits, where the citizen had one."`
}

// biographic is what OSIA sees of a citizen.
func biographic(c station.Citizen) BiographicData {
	return BiographicData{PersonalNumber: c.Number, Name: c.Name, DateOfBirth: c.BirthDate, Gender: c.Sex, Nationality: c.Nationality,
		Ethnicity: c.Ethnicity, Religion: c.Religion, PlaceOfOrigin: c.Origin, PlaceOfResidence: c.Residence, IdentifyingMarks: c.Marks,
		Father: c.Father, Mother: c.Mother, Spouse: c.Spouse, FormerNumber: c.OldNumber}
}

// citizen is the other direction. A name given both ways has to agree.
func (b BiographicData) citizen() (station.Citizen, error) {
	name := b.Name
	if b.LastName != "" || b.FirstName != "" {
		whole := strings.TrimSpace(b.LastName + " " + b.FirstName)
		if name != "" && name != whole {
			return station.Citizen{}, &station.Error{Kind: station.Correct, What: "the name is given twice and differs",
				Hint: "give name, or lastName and firstName", Fields: map[string]string{"name": "is not lastName and firstName"}}
		}
		name = whole
	}
	return station.Citizen{Number: b.PersonalNumber, Name: name, BirthDate: b.DateOfBirth, Sex: b.Gender, Nationality: b.Nationality,
		Ethnicity: b.Ethnicity, Religion: b.Religion, Origin: b.PlaceOfOrigin, Residence: b.PlaceOfResidence, Marks: b.IdentifyingMarks,
		Father: b.Father, Mother: b.Mother, Spouse: b.Spouse, OldNumber: b.FormerNumber}, nil
}

// biographicNames are the members of station.Citizen's JSON, as OSIA has them.
var biographicNames = map[string]string{
	"personalNumber": "personalNumber", "name": "name", "dateOfBirth": "dateOfBirth", "sex": "gender", "gender": "gender", "nationality": "nationality",
	"ethnicity": "ethnicity", "religion": "religion", "placeOfOrigin": "placeOfOrigin", "placeOfResidence": "placeOfResidence",
	"identifyingMarks": "identifyingMarks", "father": "father", "mother": "mother", "spouse": "spouse", "formerNumber": "formerNumber",
}

// otherNames are fields of an order, and where OSIA has them.
var otherNames = map[string]string{"issue": "requestData.validFromDate", "expiry": "requestData.validToDate", "profile": "requestData.credentialProfileId"}

// location says where in a request the field of an error stands.
func location(field string) string {
	if name, ok := biographicNames[field]; ok {
		return "body.biographicData." + name
	}
	if _, ok := slotTypes[station.Slot(field)]; ok {
		return "captures." + field
	}
	if name, ok := otherNames[field]; ok {
		return "body." + name
	}
	return "body." + field
}
