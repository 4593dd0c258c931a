package pki

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// What the attributes of the ICAO public key directory hold (Doc 9303-12); of a
// name "userCertificate;binary" what stands before the semicolon.
var directoryAttributes = map[string]func(t *Trust, name string, der []byte) error{
	"pkdmasterlistcontent":      (*Trust).addMasterList,
	"usercertificate":           (*Trust).addCertificate,
	"cacertificate":             (*Trust).addCertificate,
	"certificaterevocationlist": func(t *Trust, _ string, der []byte) error { return t.addList(der) },
}

// addDirectory reads the directory's export, LDIF (RFC 2849): of its entries the
// attributes in base64 that are known.
func (t *Trust) addDirectory(name string, b []byte) {
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	b = bytes.ReplaceAll(b, []byte("\n "), nil) // a long line goes on after a blank
	for line := range bytes.Lines(b) {
		attribute, value, ok := strings.Cut(strings.TrimSpace(string(line)), ":: ")
		attribute, _, _ = strings.Cut(strings.ToLower(attribute), ";")
		add := directoryAttributes[attribute]
		if !ok || add == nil {
			continue
		}
		der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
		if err == nil {
			err = add(t, name, der)
		}
		t.note(name, err)
	}
}
