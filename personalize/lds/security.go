package lds

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/asn1"
	"fmt"

	"cardstation/devices/card/tlv"
	"cardstation/personalize/pki"
)

// SecurityInfo is one member of DG14 or EF.CardAccess (Doc 9303-11, 9.2), opaque but
// for its protocol.
type SecurityInfo struct {
	Protocol string // dotted object identifier
	DER      []byte // the whole SEQUENCE
}

// EncodeSecurityInfos writes SecurityInfos, a SET of infos in the order given: what
// EF.CardAccess holds, and DG14 within its tag.
func EncodeSecurityInfos(infos ...SecurityInfo) []byte {
	var parts [][]byte
	for _, i := range infos {
		parts = append(parts, i.DER)
	}
	return tlv.New(0x31, parts...)
}

// DecodeSecurityInfos reads SecurityInfos.
func DecodeSecurityInfos(b []byte) ([]SecurityInfo, error) {
	set, err := tlv.One(b, 0x31)
	if err != nil {
		return nil, fmt.Errorf("security infos: %w: %w", ErrMalformed, err)
	}
	var infos []SecurityInfo
	for len(set) > 0 {
		var head struct {
			Raw      asn1.RawContent
			Protocol asn1.ObjectIdentifier
			Required asn1.RawValue
			Optional asn1.RawValue `asn1:"optional"`
		}
		if set, err = asn1.Unmarshal(set, &head); err != nil {
			return nil, fmt.Errorf("security infos: %w: %w", ErrMalformed, err)
		}
		infos = append(infos, SecurityInfo{head.Protocol.String(), head.Raw})
	}
	return infos, nil
}

// EncodeDG14 writes data group 14; infos that do not read back make an error.
func EncodeDG14(infos ...SecurityInfo) ([]byte, error) {
	set := EncodeSecurityInfos(infos...)
	if _, err := DecodeSecurityInfos(set); err != nil {
		return nil, fmt.Errorf("DG14: %w", err)
	}
	return tlv.New(DG14.Tag(), set), nil
}

// DecodeDG14 reads data group 14.
func DecodeDG14(b []byte) ([]SecurityInfo, error) {
	v, err := body(DG14, b)
	if err != nil {
		return nil, err
	}
	infos, err := DecodeSecurityInfos(v)
	if err != nil {
		return nil, fmt.Errorf("DG14: %w", err)
	}
	return infos, nil
}

// activeInfo is ActiveAuthenticationInfo (Doc 9303-11, 9.2).
type activeInfo struct {
	Protocol  asn1.ObjectIdentifier
	Version   int
	Signature asn1.ObjectIdentifier
}

var oidActive = asn1.ObjectIdentifier{2, 23, 136, 1, 1, 5}

// plainECDSA are the signature algorithms of BSI TR-03111, 5.2.1.1, by hash.
var plainECDSA = []struct {
	id   asn1.ObjectIdentifier
	hash crypto.Hash
}{
	{asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 1, 1, 4, 1, 1}, crypto.SHA1},
	{asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 1, 1, 4, 1, 2}, crypto.SHA224},
	{asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 1, 1, 4, 1, 3}, crypto.SHA256},
	{asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 1, 1, 4, 1, 4}, crypto.SHA384},
	{asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 1, 1, 4, 1, 5}, crypto.SHA512},
}

// ActiveAuthenticationInfo says how an EC key signs: plain ECDSA with SHA-256 for
// P-256, SHA-384 for P-384, SHA-512 for P-521. Other keys need none and have an error.
func ActiveAuthenticationInfo(pub crypto.PublicKey) (SecurityInfo, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return SecurityInfo{}, fmt.Errorf("active authentication info is for EC keys, not for a %T", pub)
	}
	want := pki.HashOf(key)
	for _, a := range plainECDSA {
		if a.hash == want {
			der, err := asn1.Marshal(activeInfo{oidActive, 1, a.id})
			return SecurityInfo{oidActive.String(), der}, err
		}
	}
	return SecurityInfo{}, fmt.Errorf("no active authentication with %s", want)
}

// ActiveHash finds the hash with which an EC key signs in active authentication; 0
// where the infos do not say.
func ActiveHash(infos []SecurityInfo) crypto.Hash {
	for _, i := range infos {
		var a activeInfo
		if i.Protocol != oidActive.String() {
			continue
		}
		if rest, err := asn1.Unmarshal(i.DER, &a); err != nil || len(rest) > 0 {
			continue
		}
		for _, p := range plainECDSA {
			if p.id.Equal(a.Signature) {
				return p.hash
			}
		}
	}
	return 0
}
