package personalize

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"cardstation/biometrics/record"
	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/personalize/piv"
	"cardstation/personalize/pki"
)

// NewAuthority makes the authority of a key directory.
func NewAuthority(k pki.Keys) (Authority, error) {
	cards, err := NewCardKeys(k.Master)
	if err != nil {
		return Authority{}, err
	}
	return Authority{Document: k.Document, Citizen: k.Citizen, Cards: cards, Demo: k.Demo}, nil
}

// Compile makes the plan that takes the record onto its chip: it encodes the data
// groups, makes the active authentication key, signs the SOD and derives the chip's
// secrets, all without the chip. Compiling again gives another key and another SOD
// over the same data, which is as good for going on with a torn card.
//
// What waits for the chip is the certificates over keys that only it can make:
// Authority.Citizen signs them while Run is under way.
func Compile(p Profile, r Record, a Authority) (Plan, error) {
	if r.Chip == "" {
		return Plan{}, errors.New("compile: the record names no chip")
	}
	if a.Cards == nil {
		return Plan{}, errors.New("compile: there is nothing to derive card keys from")
	}
	c := compiler{profile: p, record: r, authority: a, now: time.Now()}
	plan := Plan{Profile: p.Name, Chip: r.Chip, Document: cccd.DocumentNumber(r.Holder.Number)}
	var m manager
	if p.manager != nil {
		m = manager{*p.manager, a}
		plan.Stages = append(plan.Stages, m.keysStage())
	}
	if p.emrtd != nil {
		stage, mrz, err := c.emrtd(m)
		if err != nil {
			return Plan{}, fmt.Errorf("compile emrtd: %w", err)
		}
		plan.MRZ = mrz
		plan.Stages = append(plan.Stages, stage)
	}
	if p.piv != nil {
		stage, err := c.piv()
		if err != nil {
			return Plan{}, fmt.Errorf("compile piv: %w", err)
		}
		plan.Stages = append(plan.Stages, stage)
	}
	if p.manager != nil && p.manager.secure {
		plan.Stages = append(plan.Stages, m.securedStage())
	}
	return plan, nil
}

type compiler struct {
	profile   Profile
	record    Record
	authority Authority
	now       time.Time
}

// emrtd compiles the travel document: its data, its keys and its stage.
func (c compiler) emrtd(m manager) (Stage, access.MRZ, error) {
	p := c.profile.emrtd
	if c.authority.Document.Signer == nil {
		return Stage{}, access.MRZ{}, errors.New("there is no document signer")
	}
	zone, err := cccd.MRZ(c.record.Holder, c.record.Expiry)
	if err != nil {
		return Stage{}, access.MRZ{}, err
	}
	content := emrtd.Content{MRZ: access.MRZ{Document: zone.Document, Birth: zone.Birth, Expiry: zone.Expiry}}
	groups := lds.Files{}
	if groups[lds.DG1], err = lds.EncodeDG1(zone); err != nil {
		return Stage{}, access.MRZ{}, err
	}
	if len(c.record.Portrait) > 0 {
		if groups[lds.DG2], err = c.portrait(); err != nil {
			return Stage{}, access.MRZ{}, err
		}
	}
	national := cccd.National{Holder: c.record.Holder, Issue: c.record.Issue, Expiry: c.record.Expiry}
	if groups[lds.DG13], err = national.Encode(p.national); err != nil {
		return Stage{}, access.MRZ{}, err
	}
	lasting := maps.Clone(groups)
	if content.ActiveKey, err = activeKey(p.active, groups); err != nil {
		return Stage{}, access.MRZ{}, fmt.Errorf("active authentication: %w", err)
	}
	if content.Files, err = lds.Build(groups, c.authority.Document, c.now); err != nil {
		return Stage{}, access.MRZ{}, err
	}
	steps, err := p.chip.Steps(content)
	if err != nil {
		return Stage{}, access.MRZ{}, err
	}
	stage := Stage{Name: "emrtd", Locked: p.chip.Locked, Open: p.chip, Steps: asSteps(steps)}
	if p.channel {
		stage.Open = opening{m, p.chip.AID, m.issuer}
	}
	stage.Prove = document{p.chip, content.MRZ, lasting}.prove
	return stage, content.MRZ, nil
}

// portrait encodes DG2 with the one photograph.
func (c compiler) portrait() ([]byte, error) {
	face, err := record.NewFace(c.record.Portrait)
	if err != nil {
		return nil, err
	}
	return lds.EncodeDG2(face)
}

// activeKey makes the key pair of active authentication, adds DG15, and for an EC key
// DG14, which says its hash (Doc 9303-11, 6.1.2.3). It gives the private key in PKCS
// #8; nothing where the profile wants none.
func activeKey(kind string, groups lds.Files) ([]byte, error) {
	var key crypto.Signer
	var err error
	switch kind {
	case "none":
		return nil, nil
	case "p-256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return nil, err
	}
	if groups[lds.DG15], err = lds.EncodeDG15(key.Public()); err != nil {
		return nil, err
	}
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		info, err := lds.ActiveAuthenticationInfo(key.Public())
		if err != nil {
			return nil, err
		}
		if groups[lds.DG14], err = lds.EncodeDG14(info); err != nil {
			return nil, err
		}
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

func asSteps[S Step](in []S) []Step {
	out := make([]Step, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}

// document is a finished travel document as a verifier with its MRZ sees it.
type document struct {
	chip    emrtd.Chip
	mrz     access.MRZ
	lasting lds.Files // groups that every compilation of the record gives alike
}

// prove opens the document and reads its SOD; that the SOD has the hashes of the
// record's own data says that it was this record which was made final, whichever run
// did it. That the signature holds is for the read-back to say.
func (d document) prove(c card.Card) (Proof, error) {
	if _, err := d.chip.Open(c); err != nil {
		return Proof{}, err
	}
	opened, err := access.BAC{MRZ: d.mrz}.Open(c)
	if err != nil {
		return Proof{}, fmt.Errorf("open with the holder's mrz: %w", err)
	}
	files, _, err := emrtd.Read(opened, lds.SOD)
	if err != nil {
		return Proof{}, err
	}
	sod, ok := files[lds.SOD]
	if !ok {
		return Proof{}, errors.New("the chip has no EF.SOD")
	}
	file, err := lds.DecodeSOD(sod)
	if err != nil {
		return Proof{}, err
	}
	object := file.Object
	if !object.Hash.Available() {
		return Proof{}, errors.New("EF.SOD: hash algorithm is not known")
	}
	for id := range object.Groups {
		if _, ok := d.lasting[id]; !ok && id != lds.DG14 && id != lds.DG15 {
			return Proof{}, fmt.Errorf("the chip was made final with a %s, this record has none", id)
		}
	}
	for id, data := range d.lasting {
		h := object.Hash.New()
		h.Write(data)
		if !bytes.Equal(h.Sum(nil), object.Groups[id]) {
			return Proof{}, fmt.Errorf("the chip was made final with another %s than this record's", id)
		}
	}
	return Proof{SOD: digest(sod)}, nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// piv compiles the PIV application's stage.
func (c compiler) piv() (Stage, error) {
	p, cards := c.profile.piv, c.authority.Cards
	if c.authority.Citizen.Signer == nil {
		return Stage{}, errors.New("there is no citizen ca")
	}
	expiry, err := time.Parse(time.DateOnly, c.record.Expiry)
	if err != nil {
		return Stage{}, fmt.Errorf("expiry %q is not a calendar date", c.record.Expiry)
	}
	content := piv.Content{
		Dialect: p.dialect, Factory: p.factory, Keys: p.keys,
		CHUID: piv.CHUID{GUID: piv.GUID(c.record.Chip), Expiry: c.record.Expiry},
	}
	if content.Issued.PIN, err = cards.PIN(c.record.Chip); err != nil {
		return Stage{}, err
	}
	if content.Issued.PUK, err = cards.PUK(c.record.Chip); err != nil {
		return Stage{}, err
	}
	if content.Issued.ManagementKey, err = cards.ManagementKey(c.record.Chip); err != nil {
		return Stage{}, err
	}
	content.Certify = func(slot piv.Slot, pub crypto.PublicKey) (*x509.Certificate, error) {
		return c.authority.Citizen.IssuePIV(pki.PIV{
			Slot: byte(slot), Public: pub, Name: c.record.Holder.Name, Number: c.record.Holder.Number,
			UUID: content.CHUID.GUID, NotAfter: expiry.AddDate(0, 0, 1),
		}, pki.Options{Now: c.now})
	}
	content.Trust = func(slot piv.Slot, cert *x509.Certificate) error {
		return c.trust(slot, cert, content.CHUID.GUID)
	}
	return Stage{
		Name: "piv", Locked: content.Locked, Open: content, Steps: asSteps(content.Steps()),
		Prove: func(c card.Card) (Proof, error) {
			certificates, err := content.Prove(c)
			return Proof{Certificates: certificates}, err
		},
	}, nil
}

// trust judges a PIV certificate read from the chip: the citizen CA's, over this card
// and, but for the card's own key in 9e, this holder.
func (c compiler) trust(slot piv.Slot, cert *x509.Certificate, guid [16]byte) error {
	if err := cert.CheckSignatureFrom(c.authority.Citizen.Certificate); err != nil {
		return fmt.Errorf("not the citizen ca's: %w", err)
	}
	h := hex.EncodeToString(guid[:])
	urn := "urn:uuid:" + strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	if !slices.ContainsFunc(cert.URIs, func(u *url.URL) bool { return u.String() == urn }) {
		return errors.New("made for another card")
	}
	if slot != piv.CardAuthentication && !strings.HasSuffix(cert.Subject.SerialNumber, "-"+c.record.Holder.Number) {
		return errors.New("made for another holder")
	}
	return nil
}
