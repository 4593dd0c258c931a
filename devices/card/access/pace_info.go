package access

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"cardstation/devices/card/access/curve"
	"cardstation/devices/card/tlv"
)

// Mapping is how PACE makes a fresh generator of the nonce (Doc 9303-11, 4.4.3.3).
type Mapping int

// Mappings. Integrated mapping is not spoken here.
const (
	GenericMapping Mapping = iota
	// ChipAuthenticationMapping also proves that the chip holds the static key of its
	// EF.CardSecurity: see Mapped.
	ChipAuthenticationMapping
)

// arc is the mapping's place in the object identifiers.
func (m Mapping) arc() int {
	return map[Mapping]int{GenericMapping: 2, ChipAuthenticationMapping: 6}[m]
}

// PACEInfo is one way in which a chip runs PACE, as its EF.CardAccess says
// (Doc 9303-11, 9.2.1): ECDH with generic or chip authentication mapping.
type PACEInfo struct {
	// KeyBits of the session keys: 128, 192 or 256 for AES, DESKeyBits for 3DES,
	// which chip authentication mapping does not have.
	KeyBits int
	// Parameter is the standardized domain parameter (Doc 9303-11, 9.5.1): 12 is
	// P-256, 15 P-384, 18 P-521, and for reading 13 brainpoolP256r1, 16 P384r1, 17
	// P512r1.
	Parameter int
	Mapping   Mapping
	// Ambiguous is set where the chip offers the same mechanism over several domain
	// parameters: ours has then to be named.
	Ambiguous bool
}

// idPACE is id-PACE, under which come mapping and cipher.
var idPACE = asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 2, 2, 4}

// ErrNoPACE means that a chip names no way of PACE that this package can run.
var ErrNoPACE = errors.New("access: no usable pace in the security infos")

type paceInfo struct {
	Protocol  asn1.ObjectIdentifier
	Version   int
	Parameter int `asn1:"optional,default:-1"`
}

func (p PACEInfo) protocol() (asn1.ObjectIdentifier, error) {
	arc, cipher := p.Mapping.arc(), cipherNumber(p.KeyBits)
	if arc == 0 || cipher == 0 || p.Mapping == ChipAuthenticationMapping && p.KeyBits == DESKeyBits {
		return nil, fmt.Errorf("access: pace with mapping %d and keys of %d bits", p.Mapping, p.KeyBits)
	}
	return append(idPACE[:len(idPACE):len(idPACE)], arc, cipher), nil
}

// oid is the value of the protocol's object identifier.
func (p PACEInfo) oid() ([]byte, error) {
	id, err := p.protocol()
	if err != nil {
		return nil, err
	}
	return oidValue(id)
}

func oidValue(id asn1.ObjectIdentifier) ([]byte, error) {
	der, err := asn1.Marshal(id)
	if err != nil {
		return nil, fmt.Errorf("access: object identifier: %w", err)
	}
	return tlv.One(der, 0x06)
}

func (p PACEInfo) group() (group, error) {
	c, err := curve.Number(p.Parameter)
	if err != nil {
		return group{}, fmt.Errorf("access: pace: %w", err)
	}
	return group{c}, nil
}

// issuable tells why a chip of ours cannot offer this info: private keys live on
// constant-time curves only.
func (p PACEInfo) issuable() error {
	if _, err := p.protocol(); err != nil {
		return err
	}
	g, err := p.group()
	if err != nil {
		return err
	}
	if !curve.ConstantTime(g.Curve) {
		return fmt.Errorf("access: pace: %s is for reading only", g.Params().Name)
	}
	return nil
}

// SecurityInfo encodes the PACEInfo for EF.CardAccess and DG14, for a chip of ours:
// brainpool curves are refused.
func (p PACEInfo) SecurityInfo() ([]byte, error) {
	if err := p.issuable(); err != nil {
		return nil, err
	}
	id, err := p.protocol()
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(paceInfo{id, 2, p.Parameter})
}

// maxInfos bounds security infos: documents have a dozen or two, and what is made of
// keys and ways grows with their product.
const maxInfos = 128

// securityInfos splits SecurityInfos (Doc 9303-11, 9.2) into its members, 128 at most.
func securityInfos(b []byte) ([]asn1.RawValue, error) {
	var infos []asn1.RawValue
	rest, err := asn1.UnmarshalWithParams(b, &infos, "set")
	if err != nil {
		return nil, fmt.Errorf("access: security infos: %w", err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("access: security infos: %d bytes after them", len(rest))
	}
	if len(infos) > maxInfos {
		return nil, fmt.Errorf("access: security infos: %d of them, the most read are %d", len(infos), maxInfos)
	}
	return infos, nil
}

// ParseCardAccess gives the ways of PACE in EF.CardAccess, or in DG14's security
// infos, that this package can run, in the chip's order; ErrNoPACE where there is
// none.
func ParseCardAccess(b []byte) ([]PACEInfo, error) {
	infos, err := securityInfos(b)
	if err != nil {
		return nil, err
	}
	var all []PACEInfo
	offered := make(map[string]int) // domain parameters by mechanism
	for _, raw := range infos {
		var i paceInfo
		if rest, err := asn1.Unmarshal(raw.FullBytes, &i); err != nil || len(rest) > 0 {
			continue // another kind of security info
		}
		n := len(idPACE)
		if len(i.Protocol) != n+2 || !i.Protocol[:n].Equal(idPACE) || i.Version != 2 {
			continue
		}
		offered[i.Protocol.String()]++
		p := PACEInfo{KeyBits: cipherBits(i.Protocol[n+1]), Parameter: i.Parameter}
		if i.Protocol[n] == ChipAuthenticationMapping.arc() {
			p.Mapping = ChipAuthenticationMapping
		}
		id, err := p.protocol()
		if _, unknown := p.group(); err == nil && unknown == nil && id.Equal(i.Protocol) {
			all = append(all, p)
		}
	}
	for i, p := range all {
		id, err := p.protocol()
		all[i].Ambiguous = err == nil && offered[id.String()] > 1
	}
	if len(all) == 0 {
		return nil, ErrNoPACE
	}
	return all, nil
}

// preferences are what ChoosePACE goes by, the weightiest first: the higher value
// wins, for the reason given.
var preferences = []struct {
	reason string
	value  func(PACEInfo) int
}{
	{"its mapping proves the chip genuine as well", func(p PACEInfo) int { return int(p.Mapping) }},
	{"aes rather than 3des", func(p PACEInfo) int { return min(p.KeyBits, 128) }},
	{"a curve whose arithmetic here takes constant time", func(p PACEInfo) int {
		if p.issuable() == nil {
			return 1
		}
		return 0
	}},
	{"the longest session keys", func(p PACEInfo) int { return p.KeyBits }},
	{"the largest curve", func(p PACEInfo) int { g, _ := p.group(); return g.Params().BitSize }},
}

// ChoosePACE picks one of the ways that ParseCardAccess gave and says why, in words
// for a verdict.
func ChoosePACE(infos []PACEInfo) (chosen PACEInfo, reason string, err error) {
	var left []PACEInfo
	for _, p := range infos {
		if _, err := p.protocol(); err != nil {
			continue
		}
		if _, err := p.group(); err == nil {
			left = append(left, p)
		}
	}
	if len(left) == 0 {
		return PACEInfo{}, "", ErrNoPACE
	}
	if len(left) == 1 {
		return left[0], "the only way offered that can be run here", nil
	}
	var reasons []string
	for _, by := range preferences {
		best := by.value(left[0])
		for _, p := range left {
			best = max(best, by.value(p))
		}
		var kept []PACEInfo
		for _, p := range left {
			if by.value(p) == best {
				kept = append(kept, p)
			}
		}
		if len(kept) < len(left) {
			reasons = append(reasons, by.reason)
		}
		left = kept
	}
	if len(reasons) == 0 {
		reasons = []string{"the first of equals"}
	}
	return left[0], fmt.Sprintf("one of %d: %s", len(infos), strings.Join(reasons, ", ")), nil
}

// Password is what PACE proves the knowledge of (Doc 9303-11, 9.7.3).
type Password struct {
	reference byte
	encoded   []byte
}

// References of passwords (Doc 9303-11, 4.4.4.1; TR-03110-3, B.14).
const (
	referenceMRZ byte = 1 + iota
	referenceCAN
	referencePIN
	referencePUK
)

// CAN is the card access number as printed.
func CAN(number string) Password { return Password{referenceCAN, []byte(number)} }

// PIN is the holder's secret number, which the chip blocks after three wrong tries.
func PIN(number string) Password { return Password{referencePIN, []byte(number)} }

// PUK is the number that unblocks the PIN.
func PUK(number string) Password { return Password{referencePUK, []byte(number)} }

// Password is the machine readable zone as a password of PACE.
func (m MRZ) Password() (Password, error) {
	info, err := m.information()
	if err != nil {
		return Password{}, err
	}
	sum := sha1.Sum([]byte(info))
	return Password{referenceMRZ, sum[:]}, nil
}

// aesKey is the key derivation of Doc 9303-11, 9.7.1.2, for AES.
func aesKey(secret []byte, counter uint32, bits int) []byte {
	input := binary.BigEndian.AppendUint32(bytes.Clone(secret), counter)
	if bits == 128 {
		sum := sha1.Sum(input)
		return sum[:16]
	}
	sum := sha256.Sum256(input)
	return sum[:bits/8]
}
