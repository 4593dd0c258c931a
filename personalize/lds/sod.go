package lds

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"maps"
	"slices"

	"cardstation/personalize/pki"
)

// SecurityObject is LDSSecurityObject, what EF.SOD signs (Doc 9303-10, 4.6.2).
type SecurityObject struct {
	Version      int // 0, or 1 which repeats the versions of EF.COM
	LDS, Unicode string
	Hash         crypto.Hash
	Groups       map[FileID][]byte // data group -> its hash
	algorithm    asn1.RawValue     // as it was read
}

type securityObject struct {
	Version   int
	Algorithm asn1.RawValue
	Groups    []groupHash
	Versions  ldsVersions `asn1:"optional"`
}

type groupHash struct {
	Number int
	Hash   []byte
}

type ldsVersions struct {
	LDS     string `asn1:"printable"`
	Unicode string `asn1:"printable"`
}

// Encode writes the object in DER, data groups in ascending order. One that was
// decoded keeps its hash algorithm's parameters.
func (o SecurityObject) Encode() ([]byte, error) {
	if o.Version != 0 && o.Version != 1 {
		return nil, fmt.Errorf("security object of version %d, want 0 or 1", o.Version)
	}
	s := securityObject{Version: o.Version, Algorithm: o.algorithm}
	if s.Algorithm.FullBytes == nil {
		id, err := pki.HashID(o.Hash)
		if err != nil {
			return nil, fmt.Errorf("security object: %w", err)
		}
		if s.Algorithm.FullBytes, err = asn1.Marshal(pkix.AlgorithmIdentifier{Algorithm: id}); err != nil {
			return nil, fmt.Errorf("security object: %w", err)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(o.Groups)) {
		if f.Group() == 0 {
			return nil, fmt.Errorf("security object has hashes of data groups only, not of %s", f)
		}
		s.Groups = append(s.Groups, groupHash{f.Group(), o.Groups[f]})
	}
	if o.Version == 1 {
		s.Versions = ldsVersions{o.LDS, o.Unicode}
	}
	return asn1.Marshal(s)
}

// DecodeSecurityObject reads an LDSSecurityObject of version 0 or 1.
func DecodeSecurityObject(b []byte) (SecurityObject, error) {
	var s securityObject
	rest, err := asn1.Unmarshal(b, &s)
	if err != nil || len(rest) > 0 {
		return SecurityObject{}, malformed(SOD, "security object: %w", trailing(err))
	}
	var alg pkix.AlgorithmIdentifier
	if _, err := asn1.Unmarshal(s.Algorithm.FullBytes, &alg); err != nil {
		return SecurityObject{}, malformed(SOD, "hash algorithm: %w", err)
	}
	o := SecurityObject{Version: s.Version, LDS: s.Versions.LDS, Unicode: s.Versions.Unicode, Groups: map[FileID][]byte{}, algorithm: s.Algorithm}
	if o.Hash, err = pki.Hash(alg.Algorithm); err != nil {
		return SecurityObject{}, fmt.Errorf("EF.SOD: %w", err)
	}
	if s.Version != 0 && s.Version != 1 || (s.Version == 1) != (o.LDS != "") {
		return SecurityObject{}, malformed(SOD, "security object of version %d", s.Version)
	}
	for _, g := range s.Groups {
		if g.Number < 1 || g.Number > 16 || o.Groups[DG(g.Number)] != nil || len(g.Hash) != o.Hash.Size() {
			return SecurityObject{}, malformed(SOD, "hash of data group %d", g.Number)
		}
		o.Groups[DG(g.Number)] = g.Hash
	}
	if len(o.Groups) == 0 {
		return SecurityObject{}, malformed(SOD, "no data group")
	}
	return o, nil
}

// trailing is err, or what is wrong where reading itself went well.
func trailing(err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("bytes after the end")
}
