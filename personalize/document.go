package personalize

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"

	"cardstation/biometrics/record"
	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
)

// emrtd compiles the travel document: its data, its keys and its stages. A chip that
// is sealed before it is locked has two.
func (c compiler) emrtd(m manager) ([]Stage, emrtd.Content, error) {
	p := c.profile.emrtd
	if c.authority.Document.Signer == nil {
		return nil, emrtd.Content{}, errors.New("there is no document signer")
	}
	content, lasting, err := c.content()
	if err != nil {
		return nil, content, err
	}
	steps, err := p.chip.Steps(content)
	if err != nil {
		return nil, content, err
	}
	last, err := p.chip.LockSteps()
	if err != nil {
		return nil, content, err
	}
	stages := []Stage{{Name: "emrtd", Locked: p.chip.Locked, Open: p.chip, Steps: asSteps(steps)}}
	if p.channel {
		stages[0].Open = opening{m, nil, m.issuer} // Locked has just selected it
	} else {
		stages[0].Note = "without a channel anybody can write the chip until it is locked, and read what is sent to it"
	}
	if len(last) > 0 {
		stages[0].Locked = p.chip.Sealed
		stages = append(stages, Stage{Name: "emrtd-lock", Locked: p.chip.Locked, Open: p.chip, Steps: asSteps(last)})
	}
	door, err := c.door(content)
	stages[len(stages)-1].Prove = document{p.chip, door, lasting}.prove
	for i := range stages {
		stages[i].Document = true
	}
	return stages, content, err
}

// content encodes and signs the files. lasting are those that every compilation of
// the record gives alike.
func (c compiler) content() (content emrtd.Content, lasting lds.Files, err error) {
	p := c.profile.emrtd
	zone, err := cccd.MRZ(c.record.Holder, c.record.Expiry)
	if err != nil {
		return content, nil, err
	}
	content.MRZ = access.MRZ{Document: zone.Document, Birth: zone.Birth, Expiry: zone.Expiry}
	groups := lds.Files{}
	if groups[lds.DG1], err = lds.EncodeDG1(zone); err != nil {
		return content, nil, err
	}
	if len(c.record.Portrait) > 0 {
		if groups[lds.DG2], err = c.portrait(); err != nil {
			return content, nil, err
		}
	}
	national := cccd.National{Holder: c.record.Holder, Issue: c.record.Issue, Expiry: c.record.Expiry}
	if groups[lds.DG13], err = national.Encode(p.national); err != nil {
		return content, nil, err
	}
	lasting = maps.Clone(groups)
	infos, err := p.access()
	if err != nil {
		return content, nil, err
	}
	cardAccess := lds.EncodeSecurityInfos(infos...)
	if content.ActiveKey, infos, err = activeKey(p.active, groups, infos); err != nil {
		return content, nil, fmt.Errorf("active authentication: %w", err)
	}
	if content.ChipKey, infos, err = chipKey(p.proof, infos); err != nil {
		return content, nil, fmt.Errorf("chip authentication: %w", err)
	}
	if len(infos) > 0 {
		if groups[lds.DG14], err = lds.EncodeDG14(infos...); err != nil {
			return content, nil, err
		}
	}
	if content.Files, err = lds.Build(groups, c.authority.Document, c.now); err != nil {
		return content, nil, err
	}
	if p.pace != nil {
		content.Files[lds.CardAccess] = cardAccess
		number := c.record.Holder.Number
		content.CAN = number[max(0, len(number)-canLength):]
	}
	return content, lasting, nil
}

// canLength is the length of the card access number: the end of the personal number.
const canLength = 6

// access gives what the chip says of PACE in EF.CardAccess and, the same, in DG14
// (Doc 9303-11, 9.2).
func (p *emrtdProfile) access() ([]lds.SecurityInfo, error) {
	if p.pace == nil {
		return nil, nil
	}
	der, err := p.pace.SecurityInfo()
	if err != nil {
		return nil, err
	}
	return lds.DecodeSecurityInfos(tlv.New(0x31, der))
}

// door is how the finished document is opened to prove it: PACE where it has it, for
// what reads the card back afterwards mostly comes with the MRZ.
func (c compiler) door(content emrtd.Content) (access.Access, error) {
	if pace := c.profile.emrtd.pace; pace != nil {
		return access.PACE{Info: *pace, Password: access.CAN(content.CAN)}, nil
	}
	return access.BAC{MRZ: content.MRZ}, nil
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
// the info that says its hash (Doc 9303-11, 6.1.2.3) to those of DG14. It gives no
// key where the profile wants none.
func activeKey(kind string, groups lds.Files, infos []lds.SecurityInfo) (crypto.Signer, []lds.SecurityInfo, error) {
	var key crypto.Signer
	var err error
	switch kind {
	case "none":
		return nil, infos, nil
	case "p-256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa-1024":
		key, err = rsa.GenerateKey(rand.Reader, 1024) // all that such a chip takes
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return nil, nil, err
	}
	if groups[lds.DG15], err = lds.EncodeDG15(key.Public()); err != nil {
		return nil, nil, err
	}
	if _, ok := key.(*ecdsa.PrivateKey); !ok {
		return key, infos, nil
	}
	info, err := lds.ActiveAuthenticationInfo(key.Public())
	return key, append(infos, info), err
}

// chipKey makes the key pair of chip authentication and adds what DG14 says of it
// (Doc 9303-11, 9.2.5 and 9.2.6). It gives no key for session keys of 0 bits.
func chipKey(keyBits int, infos []lds.SecurityInfo) (*ecdsa.PrivateKey, []lds.SecurityInfo, error) {
	if keyBits == 0 {
		return nil, infos, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	ders, err := access.ChipKey{KeyBits: keyBits, Key: &key.PublicKey}.SecurityInfos()
	if err != nil {
		return nil, nil, err
	}
	more, err := lds.DecodeSecurityInfos(tlv.New(0x31, ders...))
	return key, append(infos, more...), err
}

// document is a finished travel document as a verifier sees it.
type document struct {
	chip    emrtd.Chip
	door    access.Access
	lasting lds.Files // groups that every compilation of the record gives alike
}

// prove opens the document and reads its SOD; that the SOD has the hashes of the
// record's own data says that it was this record which was made final, whichever run
// did it. That the signature holds is for the read-back to say.
func (d document) prove(c card.Card) (Proof, error) {
	opened, err := emrtd.Enter(c, d.chip.AID, d.door)
	if err != nil {
		return Proof{}, fmt.Errorf("open as its holder's document: %w", err)
	}
	reader := d.chip.Reader()
	files, _, err := reader.Read(opened, lds.SOD)
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
