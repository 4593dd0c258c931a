package printer

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Operations, groups, value tags and states that are used (RFC 8010, 3.5; RFC
// 8011, 4.2.1, 4.3.4, 5.3.7, 5.4.15).
const (
	printJob         = 0x0002
	getJobAttributes = 0x0009

	operationGroup = 0x01
	jobGroup       = 0x02
	endOfGroups    = 0x03

	tagInteger  = 0x21
	tagEnum     = 0x23
	tagName     = 0x42
	tagKeyword  = 0x44
	tagURI      = 0x45
	tagCharset  = 0x47
	tagLanguage = 0x48
	tagMedia    = 0x49

	statusLimit = 0x0100 // below: successful (RFC 8011, appendix B)

	jobCanceled  = 7
	jobAborted   = 8
	jobCompleted = 9
)

// ippRequest is a request in the making (RFC 8010, 3.1).
type ippRequest []byte

// newRequest begins a request of version 1.1, which every IPP printer takes, with
// the two attributes that come first (RFC 8011, 4.1.4).
func newRequest(operation uint16, id uint32, printer, user string) ippRequest {
	r := ippRequest{1, 1}
	r = binary.BigEndian.AppendUint16(r, operation)
	r = binary.BigEndian.AppendUint32(r, id)
	r = append(r, operationGroup)
	r = r.text(tagCharset, "attributes-charset", "utf-8")
	r = r.text(tagLanguage, "attributes-natural-language", "en")
	r = r.text(tagURI, "printer-uri", printer)
	return r.text(tagName, "requesting-user-name", user)
}

// text appends an attribute of one value (RFC 8010, 3.1.4).
func (r ippRequest) text(tag byte, name, value string) ippRequest {
	r = append(r, tag)
	r = append(binary.BigEndian.AppendUint16(r, uint16(len(name))), name...)
	return append(binary.BigEndian.AppendUint16(r, uint16(len(value))), value...)
}

func (r ippRequest) integer(name string, value int32) ippRequest {
	return r.text(tagInteger, name, string(binary.BigEndian.AppendUint32(nil, uint32(value))))
}

// ippAnswer is what is kept of a response: the values of each attribute, in order.
type ippAnswer struct {
	status uint16
	id     uint32
	values map[string][]ippValue
}

type ippValue struct {
	tag  byte
	data []byte
}

var errAnswer = errors.New("malformed ipp response")

// parseAnswer reads a response (RFC 8010, 3.1). Attributes of one name in several
// groups are joined, which is no loss where one job is asked for; the members of a
// collection are skipped over as further values.
func parseAnswer(b []byte) (ippAnswer, error) {
	if len(b) < 8 {
		return ippAnswer{}, errAnswer
	}
	a := ippAnswer{
		status: binary.BigEndian.Uint16(b[2:]),
		id:     binary.BigEndian.Uint32(b[4:]),
		values: map[string][]ippValue{},
	}
	name := ""
	for b = b[8:]; len(b) > 0; {
		tag := b[0]
		b = b[1:]
		if tag == endOfGroups {
			return a, nil
		}
		if tag < 0x10 { // another group begins (RFC 8010, 3.5.1)
			name = ""
			continue
		}
		key, rest, ok := field(b)
		if !ok {
			return ippAnswer{}, errAnswer
		}
		value, rest, ok := field(rest)
		if !ok {
			return ippAnswer{}, errAnswer
		}
		b = rest
		if len(key) > 0 {
			name = string(key)
		}
		a.values[name] = append(a.values[name], ippValue{tag, value})
	}
	return ippAnswer{}, fmt.Errorf("%w: no end of attributes", errAnswer)
}

// field takes a length of two bytes and as many bytes.
func field(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b)-2 < n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// number gives the first value of an integer or enum.
func (a ippAnswer) number(name string) (int32, bool) {
	for _, v := range a.values[name] {
		if (v.tag == tagInteger || v.tag == tagEnum) && len(v.data) == 4 {
			return int32(binary.BigEndian.Uint32(v.data)), true
		}
	}
	return 0, false
}

// words gives the values of an attribute of text.
func (a ippAnswer) words(name string) []string {
	var words []string
	for _, v := range a.values[name] {
		words = append(words, fmt.Sprintf("%.100q", v.data))
	}
	return words
}
