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
	"slices"

	"cardstation/biometrics"
	"cardstation/biometrics/record"
	"cardstation/biometrics/wsq"
	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/personalize/mrz"
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
	stages[len(stages)-1].Prove = document{p.chip, door, lasting, c.fillers()}.prove
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
	groups, err := c.groups(zone)
	if err != nil {
		return content, nil, err
	}
	lasting = maps.Clone(groups)
	for _, id := range c.fillers() {
		delete(lasting, id)
	}
	infos, err := p.access()
	if err != nil {
		return content, nil, err
	}
	cardAccess := lds.EncodeSecurityInfos(infos...)
	if err := c.proofs(&content, groups, infos); err != nil {
		return content, nil, err
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

// groups encodes the data groups of the record itself.
func (c compiler) groups(zone mrz.Zone) (lds.Files, error) {
	groups := lds.Files{}
	var err error
	if groups[lds.DG1], err = lds.EncodeDG1(zone); err != nil {
		return nil, err
	}
	if len(c.record.Portrait) > 0 {
		if groups[lds.DG2], err = c.portrait(); err != nil {
			return nil, err
		}
	}
	if c.profile.emrtd.fingers {
		if groups[lds.DG3], err = c.fingers(); err != nil {
			return nil, err
		}
	}
	if c.profile.emrtd.irises {
		if groups[lds.DG4], err = c.irises(); err != nil {
			return nil, err
		}
	}
	national := cccd.National{Holder: c.record.Holder, Issue: c.record.Issue, Expiry: c.record.Expiry}
	groups[lds.DG13], err = national.Encode(c.profile.emrtd.national)
	return groups, err
}

// proofs makes what chip and terminal show each other: the keys of active and chip
// authentication, the authority over terminals, and DG14 and DG15, which tell of them
// and of the infos given.
func (c compiler) proofs(content *emrtd.Content, groups lds.Files, infos []lds.SecurityInfo) (err error) {
	p := c.profile.emrtd
	if content.ActiveKey, infos, err = activeKey(p.active, groups, infos); err != nil {
		return fmt.Errorf("active authentication: %w", err)
	}
	if content.ChipKey, infos, err = chipKey(p.proof, infos); err != nil {
		return fmt.Errorf("chip authentication: %w", err)
	}
	if p.fingers || p.irises {
		content.Authorities = c.authority.Terminals
		info, err := lds.DecodeSecurityInfos(tlv.New(0x31, access.TerminalAuthenticationInfo()))
		if err != nil {
			return fmt.Errorf("terminal authentication: %w", err)
		}
		infos = append(infos, info...)
	}
	if len(infos) > 0 {
		groups[lds.DG14], err = lds.EncodeDG14(infos...)
	}
	return err
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

// ErrNoTerminals says that fingerprints or irises are to be written and nothing could
// ever open them.
var ErrNoTerminals = errors.New("the profile writes fingerprints or irises, and the keys have no authority over terminals (cvca) that could open them")

// fillers are the groups that say that there is nothing of the holder to put into them,
// each time with another filler.
func (c compiler) fillers() (all []lds.FileID) {
	if c.profile.emrtd.fingers && len(c.record.Fingers) == 0 {
		all = append(all, lds.DG3)
	}
	if c.profile.emrtd.irises && len(c.record.Irises) == 0 {
		all = append(all, lds.DG4)
	}
	return all
}

// fillerSize is the length of the random filler, as long as the hash that it hides an
// empty group from.
const fillerSize = 32

// filler encodes DG3 or DG4 of a holder of whom there is none of it.
func filler(id lds.FileID) ([]byte, error) {
	random := make([]byte, fillerSize)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	return lds.EncodeNone(id, random)
}

// irises encodes DG4 with the samples as they come, or with none and a filler.
func (c compiler) irises() ([]byte, error) {
	switch {
	case len(c.authority.Terminals) == 0:
		return nil, ErrNoTerminals
	case len(c.record.Irises) == 0:
		return filler(lds.DG4)
	}
	return lds.EncodeDG4(c.record.Irises...)
}

// fingers encodes DG3 with one record for each finger, or with none and a filler.
func (c compiler) fingers() ([]byte, error) {
	if len(c.authority.Terminals) == 0 {
		return nil, ErrNoTerminals
	}
	if len(c.record.Fingers) == 0 {
		return filler(lds.DG3)
	}
	var all []record.Finger
	for _, f := range c.record.Fingers {
		one, err := f.record()
		if err != nil {
			return nil, fmt.Errorf("finger %d: %w", f.Position, err)
		}
		all = append(all, one)
	}
	return lds.EncodeDG3(all...)
}

// record makes the ISO/IEC 19794-4:2005 record of one finger.
func (f Finger) record() (record.Finger, error) {
	if f.Position < int(biometrics.RightThumb) || f.Position > int(biometrics.LeftLittle) {
		return record.Finger{}, errors.New("the position is none of a single finger, 1 to 10")
	}
	head, err := wsq.DecodeConfig(f.Image)
	if err != nil {
		return record.Finger{}, err
	}
	impression := biometrics.LivePlain
	if f.Rolled {
		impression = biometrics.LiveRolled
	}
	return record.NewFinger(record.Finger2005, byte(f.Position), byte(impression), record.WSQ, head.Width, head.Height, head.PPI, f.Image)
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
	lasting lds.Files    // groups that every compilation of the record gives alike
	fillers []lds.FileID // groups of nothing, each time other ones
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
		if _, ok := d.lasting[id]; !ok && id != lds.DG14 && id != lds.DG15 && !slices.Contains(d.fillers, id) {
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
