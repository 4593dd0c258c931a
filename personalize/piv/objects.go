package piv

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// Data objects (SP 800-73-4 part 1, table 3).
const (
	objectCHUID    tlv.Tag = 0x5FC102
	objectFingers  tlv.Tag = 0x5FC103
	objectSecurity tlv.Tag = 0x5FC106
	objectCCC      tlv.Tag = 0x5FC107
	objectFace     tlv.Tag = 0x5FC108
	objectPrinted  tlv.Tag = 0x5FC109
)

// Object is a data object to be written. Private ones are read with the PIN only.
type Object struct {
	Name    string // of its step
	Tag     tlv.Tag
	Value   []byte
	Private bool
}

// maxObject bounds what a chip can make us take for one data object.
const maxObject = 1 << 15

// errObject says that what the chip gave for a data object is none.
var errObject = errors.New("no data object")

// getData reads a data object's value (GET DATA, SP 800-73-4 part 2, 3.1.2).
func getData(c card.Card, tag tlv.Tag) ([]byte, error) {
	b, err := card.Do(c, getCommand(tag))
	if err != nil {
		return nil, fmt.Errorf("get data object %s: %w", tag, err)
	}
	if len(b) > maxObject {
		return nil, fmt.Errorf("get data object %s: %d bytes: %w", tag, len(b), errObject)
	}
	v, err := tlv.One(b, 0x53)
	if err != nil {
		return nil, fmt.Errorf("get data object %s: answer: %w: %w", tag, errObject, err)
	}
	return v, nil
}

func getCommand(tag tlv.Tag) card.Command {
	return card.Command{INS: 0xCB, P1: 0x3F, P2: 0xFF, Data: tagList(tag), Ne: card.MaxShortNe}
}

// tagList is the DO 5C that names a data object.
func tagList(tag tlv.Tag) []byte {
	return tlv.New(0x5C, []byte{byte(tag >> 16), byte(tag >> 8), byte(tag)})
}

// Certificate reads the certificate of a slot; the application is selected. An
// error that wraps card.FileNotFound says that there is none.
func Certificate(c card.Card, slot Slot) (*x509.Certificate, error) {
	tag, ok := slot.object()
	if !ok {
		return nil, fmt.Errorf("piv slot %s has no certificate", slot)
	}
	v, err := getData(c, tag)
	if err != nil {
		return nil, err
	}
	return parseCertificate(slot, v)
}

// parseCertificate reads a certificate data object (SP 800-73-4 part 1, appendix A
// table 10), uncompressed only.
func parseCertificate(slot Slot, v []byte) (*x509.Certificate, error) {
	if info, err := tlv.Find(v, 0x71); err == nil && !bytes.Equal(info, []byte{0}) {
		return nil, fmt.Errorf("certificate of slot %s is compressed, which is not read", slot)
	}
	der, err := tlv.Find(v, 0x70)
	if err != nil {
		return nil, fmt.Errorf("certificate object of slot %s: %w", slot, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("certificate of slot %s: %w", slot, err)
	}
	return cert, nil
}

// certificateObject is the inverse of parseCertificate.
func certificateObject(cert *x509.Certificate) []byte { return certificateValue(cert.Raw) }

func certificateValue(der []byte) []byte {
	v := tlv.New(0x70, der)
	v = tlv.Append(v, 0x71, []byte{0})
	return tlv.Append(v, 0xFE)
}

// CHUID is the card holder unique identifier (SP 800-73-4 part 1, 3.1.2 and table
// 9) of a card that no federal agency issued: the FASC-N is all nines in its first
// fields and the GUID carries the identity. Field 3E is empty unless it is signed.
type CHUID struct {
	GUID   [16]byte // RFC 4122, version 5 of the chip's identity: see GUID
	Expiry string   // calendar date, 2006-01-02

	signature []byte
}

// Bytes encodes the value of data object 5FC102.
func (c CHUID) Bytes() []byte {
	return tlv.Append(tlv.Append(c.fields(), 0x3E, c.signature), 0xFE)
}

func (c CHUID) fields() []byte {
	v := tlv.New(0x30, nonFederal[:])
	v = tlv.Append(v, 0x34, c.GUID[:])
	return tlv.Append(v, 0x35, []byte(strings.ReplaceAll(c.Expiry, "-", "")))
}

// signed is what field 3E is over: all but itself.
func (c CHUID) signed() []byte { return tlv.Append(c.fields(), 0xFE) }

// nonFederal is the FASC-N of a card outside the federal numbering (SP 800-73-4
// part 1, 3.1.2; FASC-N fields of PACS 2.3, 6.2): agency, system and credential all
// nines.
var nonFederal = fascn("9999", "9999", "999999", "0", "1", "0000000000", "3", "0000", "1")

// fascn encodes the fields agency code, system code, credential number, credential
// series, individual credential issue, person identifier, organisational category,
// organisational identifier and association (PACS 2.3, 6.2): 40 characters of 4 bits,
// least significant first, and odd parity, the last of them a check over the rest.
func fascn(agency, system, credential, series, issue, person, category, organisation, association string) [25]byte {
	const start, separator, end = 0xB, 0xD, 0xF
	var characters []byte
	digits := func(s string) {
		for i := range len(s) {
			characters = append(characters, s[i]-'0')
		}
	}
	characters = append(characters, start)
	for _, field := range []string{agency, system, credential, series, issue} {
		digits(field)
		characters = append(characters, separator)
	}
	for _, field := range []string{person, category, organisation, association} {
		digits(field)
	}
	characters = append(characters, end)
	var check byte
	for _, c := range characters {
		check ^= c
	}
	var out [25]byte
	for i, c := range append(characters, check) {
		parity := byte(1)
		for bit := range 4 {
			b := c >> bit & 1
			parity ^= b
			out[(5*i+bit)/8] |= b << (7 - (5*i+bit)%8)
		}
		out[(5*i+4)/8] |= parity << (7 - (5*i+4)%8)
	}
	return out
}

// GUID is a version 5 UUID (RFC 4122, 4.3) over the chip's identity, so that the same
// chip has the same one however often it is written.
func GUID(chip string) [16]byte {
	urlNamespace := [16]byte{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	sum := sha1.Sum(append(urlNamespace[:], "urn:cardstation:chip:"+chip...))
	var id [16]byte
	copy(id[:], sum[:])
	id[6] = id[6]&0x0F | 0x50
	id[8] = id[8]&0x3F | 0x80
	return id
}

// ccc encodes the card capability container (SP 800-73-4 part 1, table 8) with the
// least that the standard asks for: no extended application, data model 10h, and a
// card identifier over the GUID.
func ccc(guid [16]byte) []byte {
	identifier := append([]byte{0xA0, 0x00, 0x00, 0x01, 0x16, 0xFF, 0x02}, guid[:14]...)
	v := tlv.New(0xF0, identifier)
	v = tlv.Append(v, 0xF1, []byte{0x21})
	v = tlv.Append(v, 0xF2, []byte{0x21})
	v = tlv.Append(v, 0xF3)
	v = tlv.Append(v, 0xF4, []byte{0x00})
	v = tlv.Append(v, 0xF5, []byte{0x10})
	for _, empty := range []tlv.Tag{0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE} {
		v = tlv.Append(v, empty)
	}
	return v
}
