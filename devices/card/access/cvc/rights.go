package cvc

import (
	"encoding/asn1"
	"fmt"
	"strings"

	"cardstation/devices/card/tlv"
)

// Role is what a certificate's holder is (TR-03110-4, table 2).
type Role byte

// Roles, as the two leading bits of an authorization have them.
const (
	Terminal   Role = 0 // inspection system
	DVForeign  Role = 1 // document verifier, foreign or not official
	DVDomestic Role = 2 // document verifier, official and domestic
	CVCA       Role = 3 // country verifying authority
)

// String names the role.
func (r Role) String() string {
	return [...]string{"terminal", "foreign document verifier", "domestic document verifier", "country verifying authority"}[r&3]
}

// Kinds of terminal (TR-03110-4, 2): eMRTD chips know inspection systems.
var (
	InspectionSystem       = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 3, 1, 2, 1}
	AuthenticationTerminal = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 3, 1, 2, 2}
	SignatureTerminal      = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 3, 1, 2, 3}
)

// Rights of an inspection system, bits of the last byte (TR-03110-4, table 2).
const (
	ReadFingers byte = 1 << 0 // DG3
	ReadIris    byte = 1 << 1 // DG4
)

// Authorization is a certificate holder authorization template: the kind of
// terminal, and role and rights in 1 byte (inspection system, signature terminal)
// or 5 (authentication terminal).
type Authorization struct {
	Kind  asn1.ObjectIdentifier
	Value []byte
}

// Inspection is the authorization of an inspection system or of those who certify
// it: rights is a set of ReadFingers and ReadIris.
func Inspection(role Role, rights byte) Authorization {
	return Authorization{InspectionSystem, []byte{byte(role)<<6 | rights&^0xC0}}
}

// Role gives the role; an empty authorization is a terminal.
func (a Authorization) Role() Role {
	if len(a.Value) == 0 {
		return Terminal
	}
	return Role(a.Value[0] >> 6)
}

// Has tells whether an inspection system has all these rights.
func (a Authorization) Has(rights byte) bool {
	return a.Kind.Equal(InspectionSystem) && len(a.Value) == 1 && a.Value[0]&rights == rights
}

// And is the effective authorization of two certificates of a chain: the role of
// the second and the rights that both have (TR-03110-3, 2.7); none where they are of
// different kinds.
func (a Authorization) And(b Authorization) Authorization {
	out := Authorization{b.Kind, append([]byte(nil), b.Value...)}
	same := a.Kind.Equal(b.Kind) && len(a.Value) == len(b.Value)
	for i := range out.Value {
		var with byte
		if same {
			with = a.Value[i]
		}
		if i == 0 {
			with |= 0xC0
		}
		out.Value[i] &= with
	}
	return out
}

// String says role and rights in words.
func (a Authorization) String() string {
	var may []string
	if a.Has(ReadFingers) {
		may = append(may, "fingers")
	}
	if a.Has(ReadIris) {
		may = append(may, "iris")
	}
	if !a.Kind.Equal(InspectionSystem) || len(may) == 0 {
		return a.Role().String()
	}
	return a.Role().String() + ", reads " + strings.Join(may, " and ")
}

func parseAuthorization(b []byte) (Authorization, error) {
	v, err := sequence(b, tagOID, tagDiscretionary)
	if err != nil {
		return Authorization{}, err
	}
	kind, err := parseOID(v[0])
	if err != nil {
		return Authorization{}, err
	}
	if len(v[1]) == 0 || len(v[1]) > 16 || kind.Equal(InspectionSystem) && len(v[1]) != 1 {
		return Authorization{}, fmt.Errorf("%w: authorization of %d bytes", ErrMalformed, len(v[1]))
	}
	return Authorization{kind, append([]byte(nil), v[1]...)}, nil
}

func (a Authorization) encode() ([]byte, error) {
	kind, err := oidValue(a.Kind)
	if err != nil {
		return nil, err
	}
	b := tlv.Append(tlv.New(tagOID, kind), tagDiscretionary, a.Value)
	_, err = parseAuthorization(b)
	return b, err
}
