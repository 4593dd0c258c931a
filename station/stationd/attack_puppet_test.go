package main

import (
	"crypto"
	"crypto/x509"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
)

// puppet is a chip without limits, honest until it is told otherwise: it opens by
// BAC, gives files of any length and signs by active authentication.
type puppet struct {
	t       testing.TB
	files   lds.Files
	mrz     access.MRZ
	key     crypto.PrivateKey
	bac     *access.BACChip
	channel access.Secure
	current lds.FileID
	// lie changes what is answered inside the channel; nil is honest.
	lie func(cmd card.Command, honest card.Response) card.Response
	// after, where it is set, answers in the place of the channel, from outside.
	after func(command []byte) []byte
}

// puppet makes the document over again for one: without PACE and chip
// authentication.
func (s *scene) puppet() *puppet {
	s.activeOnly()
	p := &puppet{t: s.t, files: lds.Files{}, mrz: access.MRZ{Document: s.key.Document, Birth: s.key.Birth, Expiry: s.key.Expiry}}
	for id, f := range s.chip.files {
		p.files[id] = f.Data
	}
	var der []byte
	must(0, unmarshal(s.chip.emrtd[activeKey], &der))
	p.key = must(x509.ParsePKCS8PrivateKey(der))
	s.plays = p
	return p
}

// signed puts groups on the puppet, signed by the genuine document signer.
func (s *scene) signed(p *puppet, groups lds.Files) {
	all := s.groups()
	for id, data := range groups {
		all[id] = data
	}
	p.files = must(lds.Build(all, s.signer, s.recent))
}

func (p *puppet) Exchange(command []byte) ([]byte, error) {
	cmd, err := card.ParseCommand(command)
	if err != nil {
		return card.Response{SW: card.WrongLength}.Bytes(), nil
	}
	if cmd.CLA&0x0C == 0 || p.channel == nil {
		return p.outside(cmd).Bytes(), nil
	}
	if p.after != nil {
		return p.after(command), nil
	}
	plain, err := p.channel.Unprotect(cmd)
	if err != nil {
		return card.Response{SW: card.SMObjectsIncorrect}.Bytes(), nil
	}
	r := p.inside(plain)
	if p.lie != nil {
		r = p.lie(plain, r)
	}
	return must(p.channel.Protect(r)).Bytes(), nil
}

// outside is what comes before the channel.
func (p *puppet) outside(cmd card.Command) card.Response {
	switch {
	case cmd.INS == 0xA4 && cmd.P1 == 4 && string(cmd.Data) == string(emrtd.AID):
		return card.Response{SW: card.OK}
	case cmd.INS == 0x84:
		p.bac = must(access.NewBACChip(p.mrz, nil))
		return card.Response{Data: p.bac.Challenge(), SW: card.OK}
	case cmd.INS == 0x82 && p.bac != nil:
		answer, channel, err := p.bac.Authenticate(cmd.Data)
		if err != nil {
			return card.Response{SW: access.AuthenticationFailed}
		}
		p.channel = channel
		return card.Response{Data: answer, SW: card.OK}
	}
	return card.Response{SW: card.FileNotFound}
}

func (p *puppet) inside(cmd card.Command) card.Response {
	offset := int(cmd.P1)<<8 | int(cmd.P2)
	switch {
	case cmd.INS == 0xA4 && len(cmd.Data) == 2:
		p.current = lds.FileID(cmd.Data[0])<<8 | lds.FileID(cmd.Data[1])
		if p.files[p.current] == nil {
			return card.Response{SW: card.FileNotFound}
		}
		return card.Response{SW: card.OK}
	case cmd.INS == 0xB0 && cmd.P1&0x80 != 0:
		p.current, offset = 0x0100|lds.FileID(cmd.P1&0x1F), int(cmd.P2)
	case cmd.INS == 0xB1:
		where := must(tlv.Find(cmd.Data, 0x54))
		offset = 0
		for _, b := range where {
			offset = offset<<8 | int(b)
		}
	case cmd.INS == 0x88:
		return card.Response{Data: must(access.SignActive(p.key, 0, cmd.Data, nil)), SW: card.OK}
	case cmd.INS != 0xB0:
		return card.Response{SW: card.InsNotSupported}
	}
	data := p.files[p.current]
	if data == nil {
		return card.Response{SW: card.FileNotFound}
	}
	data = data[min(offset, len(data)):]
	ne := cmd.Ne
	if cmd.INS == 0xB1 {
		ne -= tlv.Size(0x53, cmd.Ne) - cmd.Ne
	}
	data = data[:min(ne, len(data))]
	if cmd.INS == 0xB1 {
		data = tlv.New(0x53, data)
	}
	return card.Response{Data: data, SW: card.OK}
}
