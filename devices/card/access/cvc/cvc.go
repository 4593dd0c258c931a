// Package cvc reads, checks and issues card verifiable certificates, by which a
// terminal tells a chip what it may read (BSI TR-03110-3, version 2.21, 2 and
// annexes C and D; the same certificates as EAC 1.11).
//
// A country verifying authority (CVCA) certifies document verifiers (DV), these
// certify inspection systems (terminals); a link certificate leads from one key of
// the authority to its next. Trust is what a chip remembers of all that, Verifier
// the walk along one chain, by the chip's rules.
package cvc

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"cardstation/devices/card/tlv"
)

// Tags of a certificate (TR-03110-3, C.1).
const (
	tagCertificate   tlv.Tag = 0x7F21
	tagBody          tlv.Tag = 0x7F4E
	tagProfile       tlv.Tag = 0x5F29
	tagAuthority     tlv.Tag = 0x42
	tagPublicKey     tlv.Tag = 0x7F49
	tagHolder        tlv.Tag = 0x5F20
	tagAuthorization tlv.Tag = 0x7F4C
	tagEffective     tlv.Tag = 0x5F25
	tagExpiration    tlv.Tag = 0x5F24
	tagExtensions    tlv.Tag = 0x65
	tagSignature     tlv.Tag = 0x5F37
	tagOID           tlv.Tag = 0x06
	tagDiscretionary tlv.Tag = 0x53
)

// Errors of this package, each wrapped with the certificate's holder.
var (
	// ErrMalformed: not a card verifiable certificate.
	ErrMalformed = errors.New("cvc: malformed certificate")
	// ErrSignature: not signed with the key it should be.
	ErrSignature = errors.New("cvc: wrong signature")
	// ErrExpired: past its last day.
	ErrExpired = errors.New("cvc: certificate expired")
	// ErrAuthority: the certificate it names as its authority is not trusted, or
	// may not issue it.
	ErrAuthority = errors.New("cvc: no authority for this certificate")
)

// Certificate is one certificate. Those that Parse and Sign give hold their bytes
// and signature; a literal is what Sign takes.
type Certificate struct {
	// Authority and Holder are the references of the issuer's key and of the
	// certificate's own: country (2 letters), mnemonic (up to 9 characters) and
	// sequence (5), together at most 16 (TR-03110-3, A.7).
	Authority, Holder string
	Key               PublicKey
	Authorization     Authorization
	// From and Until are the first and the last day, of the years 2000 to 2099, at
	// midnight UTC.
	From, Until time.Time

	body, signature []byte
}

// MaxReference is the length of the longest reference.
const MaxReference = 16

// Parse reads a certificate. Its signature is not checked, and a key without
// domain parameters not decoded: see Verify and Verifier.
func Parse(b []byte) (Certificate, error) {
	content, err := tlv.One(b, tagCertificate)
	if err != nil {
		return Certificate{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return ParseContent(content)
}

// ParseContent reads a certificate without its outermost tag and length, as PSO:
// VERIFY CERTIFICATE carries it (Doc 9303-11, 7.1.5.2).
func ParseContent(b []byte) (Certificate, error) {
	parts, err := sequence(b, tagBody, tagSignature)
	if err != nil {
		return Certificate{}, err
	}
	c := Certificate{body: append([]byte(nil), parts[0]...), signature: append([]byte(nil), parts[1]...)}
	if err := c.parseBody(); err != nil {
		return Certificate{}, err
	}
	return c, nil
}

// sequence reads exactly these objects in this order and gives their values.
func sequence(b []byte, tags ...tlv.Tag) ([][]byte, error) {
	values := make([][]byte, len(tags))
	for i, tag := range tags {
		o, rest, err := tlv.Next(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, tag, err)
		}
		if o.Tag != tag {
			return nil, fmt.Errorf("%w: %s where %s was expected", ErrMalformed, o.Tag, tag)
		}
		values[i], b = o.Value, rest
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after %s", ErrMalformed, len(b), tags[len(tags)-1])
	}
	return values, nil
}

func (c *Certificate) parseBody() error {
	tags := []tlv.Tag{tagProfile, tagAuthority, tagPublicKey, tagHolder, tagAuthorization, tagEffective, tagExpiration}
	objects, err := tlv.Parse(c.body)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if n := len(objects); n > 0 && objects[n-1].Tag == tagExtensions {
		tags = append(tags, tagExtensions)
	}
	v, err := sequence(c.body, tags...)
	if err != nil {
		return err
	}
	if len(v[0]) != 1 || v[0][0] != 0 {
		return fmt.Errorf("%w: profile other than 0", ErrMalformed)
	}
	if c.Authority, err = reference(v[1]); err != nil {
		return err
	}
	if c.Holder, err = reference(v[3]); err != nil {
		return err
	}
	if c.Key, err = parseKey(v[2]); err != nil {
		return err
	}
	if c.Authorization, err = parseAuthorization(v[4]); err != nil {
		return err
	}
	if c.From, err = parseDate(v[5]); err != nil {
		return err
	}
	c.Until, err = parseDate(v[6])
	return err
}

// reference reads a certificate's reference: printable ISO 8859-1.
func reference(b []byte) (string, error) {
	if len(b) == 0 || len(b) > MaxReference {
		return "", fmt.Errorf("%w: reference of %d bytes", ErrMalformed, len(b))
	}
	for _, c := range b {
		if c < 0x20 || c > 0x7E && c < 0xA1 {
			return "", fmt.Errorf("%w: reference that cannot be printed", ErrMalformed)
		}
	}
	return string(b), nil
}

// parseDate reads YYMMDD in six bytes of one digit each (TR-03110-3, D.2).
func parseDate(b []byte) (time.Time, error) {
	digits := make([]byte, 6)
	for i := range digits {
		if len(b) != 6 || b[i] > 9 {
			return time.Time{}, fmt.Errorf("%w: not a date", ErrMalformed)
		}
		digits[i] = '0' + b[i]
	}
	t, err := time.Parse("20060102", "20"+string(digits))
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: not a date", ErrMalformed)
	}
	return t, nil
}

func encodeDate(t time.Time) ([]byte, error) {
	if t.Year() < 2000 || t.Year() > 2099 {
		return nil, fmt.Errorf("%w: date outside the years 2000 to 2099", ErrMalformed)
	}
	b := []byte(t.UTC().Format("060102"))
	for i := range b {
		b[i] -= '0'
	}
	return b, nil
}

// Day is the certificate date of a moment, which has no hours.
func Day(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// encodeBody is the inverse of parseBody.
func (c Certificate) encodeBody(parameters bool) ([]byte, error) {
	for _, r := range []string{c.Authority, c.Holder} {
		if _, err := reference([]byte(r)); err != nil {
			return nil, err
		}
	}
	key, err := c.Key.encode(parameters)
	if err != nil {
		return nil, err
	}
	authorization, err := c.Authorization.encode()
	if err != nil {
		return nil, err
	}
	from, err := encodeDate(c.From)
	if err != nil {
		return nil, err
	}
	until, err := encodeDate(c.Until)
	if err != nil {
		return nil, err
	}
	b := tlv.New(tagProfile, []byte{0})
	b = tlv.Append(b, tagAuthority, []byte(c.Authority))
	b = tlv.Append(b, tagPublicKey, key)
	b = tlv.Append(b, tagHolder, []byte(c.Holder))
	b = tlv.Append(b, tagAuthorization, authorization)
	b = tlv.Append(b, tagEffective, from)
	return tlv.Append(b, tagExpiration, until), nil
}

// Bytes is the whole certificate; nil where it was never signed.
func (c Certificate) Bytes() []byte {
	if c.signature == nil {
		return nil
	}
	return tlv.New(tagCertificate, c.Content())
}

// Content is Bytes without the outermost tag and length.
func (c Certificate) Content() []byte {
	return tlv.Append(tlv.New(tagBody, c.body), tagSignature, c.signature)
}

// signed is what the signature is over: the body with its tag and length.
func (c Certificate) signed() []byte { return tlv.New(tagBody, c.body) }

func oidValue(id asn1.ObjectIdentifier) ([]byte, error) {
	der, err := asn1.Marshal(id)
	if err != nil {
		return nil, fmt.Errorf("cvc: %w", err)
	}
	return tlv.One(der, tagOID)
}

func parseOID(value []byte) (asn1.ObjectIdentifier, error) {
	var id asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(tlv.New(tagOID, value), &id); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("%w: not an object identifier", ErrMalformed)
	}
	return id, nil
}
