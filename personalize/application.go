package personalize

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"cardstation/devices/card"
	"cardstation/personalize/cccd"
	"cardstation/personalize/mrz"
	"cardstation/personalize/piv"
	"cardstation/personalize/pki"
)

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
		Dialect: p.dialect, Factory: p.factory, Keys: p.keys, KeepManagementKey: p.keep, Attestation: p.attestation, Extended: p.extended,
		CHUID:       piv.CHUID{GUID: piv.GUID(c.record.Chip), Expiry: c.record.Expiry},
		TrustSigner: c.authority.Citizen.SignsContent,
	}
	if c.authority.Content.Signer != nil {
		if content.CHUID, err = content.CHUID.Sign(c.authority.Content); err != nil {
			return Stage{}, err
		}
	}
	if content.Issued.PIN, err = cards.PIN(c.record.Chip); err != nil {
		return Stage{}, err
	}
	if content.Issued.PUK, err = cards.PUK(c.record.Chip); err != nil {
		return Stage{}, err
	}
	if content.Issued.ManagementKey, err = c.managementKey(); err != nil {
		return Stage{}, err
	}
	if content.Objects, err = c.objects(content.CHUID); err != nil {
		return Stage{}, err
	}
	notes := c.notes(content.Objects)
	issued := map[piv.Slot][]byte{} // by this plan: to be found again needs no proof of where it comes from
	content.Certify = func(slot piv.Slot, pub crypto.PublicKey) (*x509.Certificate, error) {
		cert, err := c.authority.Citizen.IssuePIV(pki.PIV{
			Slot: byte(slot), Public: pub, Name: c.record.Holder.Name, Number: c.record.Holder.Number,
			UUID: content.CHUID.GUID, NotAfter: expiry.AddDate(0, 0, 1),
		}, pki.Options{Now: c.now})
		if err == nil {
			issued[slot] = cert.Raw
		}
		return cert, err
	}
	content.CertificateSize = func(k piv.Key) int { return c.certificateSize(k, expiry) }
	content.Trust = func(slot piv.Slot, cert *x509.Certificate) error {
		if bytes.Equal(issued[slot], cert.Raw) {
			return nil
		}
		return c.trust(slot, cert, content.CHUID.GUID)
	}
	return Stage{
		Note: strings.Join(notes, "; "), Name: "piv", Locked: content.Locked, Open: content, Steps: asSteps(content.Steps()),
		Prove: func(c card.Card) (Proof, error) {
			p, err := content.Prove(c)
			return Proof{Certificates: p.Certificates, Attestations: p.Attestations}, err
		},
	}, nil
}

// certificateSize is how long a certificate of the citizen CA's over such a key is, for a plan
// that is shown and signs nothing: one like it, under a key that is thrown away.
func (c compiler) certificateSize(k piv.Key, expiry time.Time) int {
	curve := map[piv.Algorithm]elliptic.Curve{piv.P256: elliptic.P256(), piv.P384: elliptic.P384()}[k.Algorithm]
	var pub crypto.PublicKey = &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}
	if curve != nil {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return 0
		}
		pub = key.Public()
	}
	sham, ca := *c.authority.Citizen.Certificate, elliptic.P384()
	if own, ok := sham.PublicKey.(*ecdsa.PublicKey); ok {
		ca = own.Curve
	}
	signer, err := ecdsa.GenerateKey(ca, rand.Reader)
	if err != nil {
		return 0
	}
	sham.PublicKey = signer.Public()
	cert, err := pki.Identity{Signer: signer, Certificate: &sham}.IssuePIV(pki.PIV{
		Slot: byte(k.Slot), Public: pub, Name: c.record.Holder.Name, Number: c.record.Holder.Number, NotAfter: expiry.AddDate(0, 0, 1),
	}, pki.Options{Now: c.now})
	if err != nil {
		return 0
	}
	return len(cert.Raw)
}

// ErrDefaultManagementKey says that the profile keeps a published management key,
// with which anybody could write the finished card.
var ErrDefaultManagementKey = errors.New("the profile keeps the published management key, refused outside the demo")

// published are the management keys that everybody knows (SP 800-73 implementations:
// Yubico's, and eight bytes thrice of zero or of 01 to 08).
var published = [][]byte{
	bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 3), make([]byte, 24),
}

func (c compiler) managementKey() ([]byte, error) {
	p := c.profile.piv
	if !p.keep {
		return c.authority.Cards.ManagementKey(c.record.Chip)
	}
	known := func(k []byte) bool { return bytes.Equal(k, p.factory.ManagementKey) }
	if slices.ContainsFunc(published, known) && !c.authority.Demo {
		return nil, ErrDefaultManagementKey
	}
	return p.factory.ManagementKey, nil
}

// errNoContentSigner says what a key directory of an earlier version lacks.
var errNoContentSigner = errors.New("there is no content signer among the keys: stationd keys roll --which content makes one")

// notes are what a person should know of the stage.
func (c compiler) notes(objects []piv.Object) []string {
	var notes []string
	if c.profile.piv.keep {
		notes = append(notes, "the maker's management key stays on the card: the standard has no command to replace it")
	}
	if c.authority.Content.Signer == nil {
		notes = append(notes, "the chuid is not signed: "+errNoContentSigner.Error())
	}
	for _, name := range c.profile.piv.objects {
		if !slices.ContainsFunc(objects, func(o piv.Object) bool { return o.Name == name }) {
			notes = append(notes, "no "+name+": the record has nothing to make it of")
		}
	}
	return notes
}

// objects are the data objects that the profile asks for besides CHUID and CCC, as far
// as the record has what goes into them. The security object is over all others.
func (c compiler) objects(chuid piv.CHUID) ([]piv.Object, error) {
	var out []piv.Object
	for _, o := range []struct {
		name string
		make func(piv.CHUID) (piv.Object, error)
		has  bool
	}{
		{printedInformation, c.printed, true},
		{facialImage, c.facialImage, len(c.record.Portrait) > 0},
		{fingerprints, c.fingerprints, len(c.minutiae) > 0},
	} {
		if !o.has || !slices.Contains(c.profile.piv.objects, o.name) {
			continue
		}
		object, err := o.make(chuid)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		out = append(out, object)
	}
	if !slices.Contains(c.profile.piv.objects, securityObject) {
		return out, nil
	}
	if c.authority.Content.Signer == nil {
		return nil, fmt.Errorf("security object: %w", errNoContentSigner)
	}
	security, err := piv.SecurityObject(append(slices.Clone(out), chuid.CCC(), chuid.Object()), c.authority.Content)
	return append(out, security), err
}

func (c compiler) printed(piv.CHUID) (piv.Object, error) {
	name, err := mrz.Transliterate(c.record.Holder.Name)
	if err != nil {
		return piv.Object{}, err
	}
	return piv.Printed{
		Name: name, Expiry: c.record.Expiry, Serial: cccd.DocumentNumber(c.record.Holder.Number), Issuer: "VNM",
	}.Object()
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
