package personalize

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"cardstation/devices/card"
	"cardstation/personalize/cccd"
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
		stages, content, err := c.emrtd(m)
		if err != nil {
			return Plan{}, fmt.Errorf("compile emrtd: %w", err)
		}
		plan.MRZ, plan.CAN = content.MRZ, content.CAN
		plan.Stages = append(plan.Stages, stages...)
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

func asSteps[S Step](in []S) []Step {
	out := make([]Step, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
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
