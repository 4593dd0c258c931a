package cvc

import (
	"crypto"
	"fmt"

	"cardstation/devices/card/tlv"
)

// Request asks an authority for a certificate over a key (TR-03110-3, C.2). It is signed
// with that key, which shows that who asks has it, and nothing more: who asks is for
// people to make sure of.
type Request struct {
	// Holder is the reference that the certificate is to have. Authority is whose
	// signature is hoped for; empty where it was not said.
	Holder, Authority string
	Key               PublicKey

	body, signature []byte
}

// NewRequest makes a request for the key of signer.
func NewRequest(holder, authority string, signer crypto.Signer) (Request, error) {
	key, err := NewPublicKey(signer.Public())
	if err != nil {
		return Request{}, err
	}
	encoded, err := key.encode(true) // a request has no authority's curve to go by
	if err != nil {
		return Request{}, err
	}
	body := tlv.New(tagProfile, []byte{0})
	if authority != "" {
		body = tlv.Append(body, tagAuthority, []byte(authority))
	}
	body = tlv.Append(body, tagPublicKey, encoded)
	body = tlv.Append(body, tagHolder, []byte(holder))
	signature, err := SignMessage(signer, key, tlv.New(tagBody, body))
	if err != nil {
		return Request{}, fmt.Errorf("request of %s: %w", holder, err)
	}
	return ParseRequest(Request{body: body, signature: signature}.Bytes())
}

// Bytes is the whole request.
func (r Request) Bytes() []byte {
	return tlv.New(tagCertificate, tlv.Append(tlv.New(tagBody, r.body), tagSignature, r.signature))
}

// ParseRequest reads a request and checks the signature of its own key. One that is
// countersigned with a former key comes without that (tag 67 is not read).
func ParseRequest(b []byte) (Request, error) {
	content, err := tlv.One(b, tagCertificate)
	if err != nil {
		return Request{}, fmt.Errorf("%w: request: %w", ErrMalformed, err)
	}
	parts, err := sequence(content, tagBody, tagSignature)
	if err != nil {
		return Request{}, err
	}
	r := Request{body: append([]byte(nil), parts[0]...), signature: append([]byte(nil), parts[1]...)}
	if err := r.parseBody(); err != nil {
		return Request{}, err
	}
	if r.Key.Key == nil {
		return Request{}, fmt.Errorf("%w: request for a key without a curve", ErrMalformed)
	}
	if err := r.Key.Verify(tlv.New(tagBody, r.body), r.signature); err != nil {
		return Request{}, fmt.Errorf("request of %s: %w", r.Holder, err)
	}
	return r, nil
}

func (r *Request) parseBody() error {
	objects, err := tlv.Parse(r.body)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var tags []tlv.Tag
	values := map[tlv.Tag][]byte{}
	for _, tag := range []tlv.Tag{tagProfile, tagAuthority, tagPublicKey, tagHolder, tagExtensions} {
		optional := tag == tagAuthority || tag == tagExtensions
		if n := len(tags); !optional || n < len(objects) && objects[n].Tag == tag {
			tags = append(tags, tag)
		}
	}
	v, err := sequence(r.body, tags...)
	if err != nil {
		return err
	}
	for i, tag := range tags {
		values[tag] = v[i]
	}
	if p := values[tagProfile]; len(p) != 1 || p[0] != 0 {
		return fmt.Errorf("%w: profile other than 0", ErrMalformed)
	}
	if a, ok := values[tagAuthority]; ok {
		if r.Authority, err = reference(a); err != nil {
			return err
		}
	}
	if r.Holder, err = reference(values[tagHolder]); err != nil {
		return err
	}
	r.Key, err = parseKey(values[tagPublicKey])
	return err
}
