package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/personalize/pki"
	"cardstation/station"
)

// Keys of a chip as its state has them.
const (
	activeKey = "aaKey"
	staticKey = "chipKey"
)

// newPKCS8 is a key that only the forger has.
func newPKCS8() []byte {
	return must(x509.MarshalPKCS8PrivateKey(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))))
}

// otherChip puts all that can be read onto a chip with keys of its own.
func (s *scene) otherChip() {
	s.chip.set(s.t, activeKey, newPKCS8())
	s.chip.set(s.t, staticKey, newPKCS8())
}

func (s *scene) drop(files ...lds.FileID) {
	for _, id := range files {
		delete(s.chip.files, id)
	}
}

func (s *scene) lists(groups ...lds.FileID) {
	s.chip.put(lds.Files{lds.COM: must(lds.Common{LDS: "0107", Unicode: "040000", Groups: groups}.Encode())})
}

// other gives a file of the second genuine card.
func (s *scene) other(id lds.FileID) []byte {
	return takeApart(s.t, s.states[1]).files[id].Data
}

// opens has the office read the fingerprints.
func (s *scene) opens() { s.terminal = s.line.keys.terminal }

// strangers are another country's terminals.
func strangers() (*pki.Terminals, error) {
	t, err := pki.NewTerminals(pki.Options{Country: "XX", Demo: true})
	return &t, err
}

// groups are the data groups that the chip has.
func (s *scene) groups() lds.Files {
	groups := lds.Files{}
	for id, f := range s.chip.files {
		if id.Group() > 0 {
			groups[id] = f.Data
		}
	}
	return groups
}

// copies are chips that hold another's files.
func (d *den) copies() []attack {
	failed, undone := station.Failed, station.NotDone
	return []attack{
		d.deceives("nothing: the genuine card", station.Valid, "", "", func(*scene) {}),
		d.deceives("nothing: the genuine card and a terminal", station.Valid, "", "", (*scene).opens),
		d.deceives("another person's fingers", station.NotValid, lds.HashCheck(lds.DG3), failed, func(s *scene) {
			s.opens()
			s.chip.put(lds.Files{lds.DG3: s.other(lds.DG3)})
		}),
		d.deceives("a stranger's terminal", station.Valid, emrtd.CheckTerminal, undone, func(s *scene) {
			s.terminal = terminalOf(must(strangers()))
		}),
		d.deceives("all files on another chip", station.NotValid, emrtd.CheckActive, failed, (*scene).otherChip),
		d.deceives("all files on another chip, which has the active key", station.NotValid, emrtd.CheckChip, failed, func(s *scene) { s.chip.set(s.t, staticKey, newPKCS8()) }),
		d.deceives("a copy without DG14 and DG15, EF.COM made anew", station.NotValid, lds.CheckCommon, failed, func(s *scene) {
			s.otherChip()
			s.drop(lds.DG14, lds.DG15)
			s.lists(lds.DG1, lds.DG2, lds.DG13)
		}),
		d.deceives("a copy whose EF.COM hides DG14 and DG15", station.NotValid, lds.CheckCommon, failed, func(s *scene) {
			s.otherChip()
			s.lists(lds.DG1, lds.DG2, lds.DG13)
		}),
		d.deceives("a copy whose EF.COM hides them, which proves itself all the same", station.NotValid, lds.CheckCommon, failed, func(s *scene) {
			s.lists(lds.DG1, lds.DG2, lds.DG13)
		}),
		d.deceives("a copy without DG14 and DG15, EF.COM as it was", station.NotChecked, emrtd.CheckActive, undone, func(s *scene) {
			s.otherChip()
			s.drop(lds.DG14, lds.DG15)
		}),
		d.deceives("the same without EF.CardAccess", station.NotChecked, emrtd.CheckCardAccess, undone, func(s *scene) {
			s.otherChip()
			s.drop(lds.DG14, lds.DG15, lds.CardAccess)
		}),
		d.deceives("a copy without EF.COM", station.NotValid, emrtd.CheckActive, failed, func(s *scene) { s.otherChip(); s.drop(lds.COM) }),
		d.deceives("a copy without EF.SOD", station.NotChecked, lds.CheckSOD, undone, func(s *scene) { s.drop(lds.SOD) }),
		d.deceives("a copy on a chip that cannot prove anything", station.NotChecked, emrtd.CheckActive, undone, func(s *scene) {
			delete(s.chip.emrtd, activeKey)
			delete(s.chip.emrtd, staticKey)
		}),
		d.deceives("nothing: a card with chip authentication only", station.Valid, "", "", (*scene).chipOnly),
		d.deceives("a copy of a card with chip authentication only", station.NotValid, emrtd.CheckChip, failed, func(s *scene) { s.chipOnly(); s.otherChip() }),
		d.deceives("nothing: a card with active authentication only", station.Valid, "", "", (*scene).activeOnly),
		d.deceives("a copy of a card with active authentication only", station.NotValid, emrtd.CheckActive, failed, func(s *scene) { s.activeOnly(); s.otherChip() }),
		d.deceives("a card that can prove nothing by right", station.NotChecked, emrtd.CheckActive, undone, func(s *scene) {
			s.activeOnly()
			s.drop(lds.DG15)
			s.sign(s.signer)
		}),
	}
}

// chipOnly is the same document, issued without active authentication.
func (s *scene) chipOnly() {
	s.drop(lds.DG15)
	delete(s.chip.emrtd, activeKey)
	s.sign(s.signer)
}

// activeOnly is the same document, issued without PACE and chip authentication.
func (s *scene) activeOnly() {
	s.drop(lds.DG14, lds.CardAccess)
	delete(s.chip.emrtd, staticKey)
	s.sign(s.signer)
}

// swaps are files of two genuine cards mixed. The chip has the keys that it should:
// only the files speak against it.
func (d *den) swaps() []attack {
	failed := station.Failed
	swap := func(id lds.FileID) func(*scene) {
		return func(s *scene) { s.chip.put(lds.Files{id: s.other(id)}) }
	}
	return []attack{
		d.deceives("DG1 of another card", station.NotValid, lds.HashCheck(lds.DG1), failed, swap(lds.DG1)),
		d.deceives("DG2 of another card", station.NotValid, lds.HashCheck(lds.DG2), failed, func(s *scene) {
			s.chip.put(lds.Files{lds.DG2: append(s.other(lds.DG2), 0)})
			data := s.chip.files[lds.DG2].Data
			data[len(data)/2] ^= 1 // the two portraits are one
		}),
		d.deceives("DG13 of another card", station.NotValid, lds.HashCheck(lds.DG13), failed, swap(lds.DG13)),
		d.deceives("DG14 of another card", station.NotValid, lds.HashCheck(lds.DG14), failed, swap(lds.DG14)),
		d.deceives("DG15 of another card", station.NotValid, lds.HashCheck(lds.DG15), failed, swap(lds.DG15)),
		d.deceives("EF.SOD of another card", station.NotValid, lds.HashCheck(lds.DG1), failed, swap(lds.SOD)),
		d.deceives("all of another card but its DG13", station.NotValid, lds.HashCheck(lds.DG13), failed, func(s *scene) {
			mine := s.chip.files[lds.DG13]
			s.chip.files = takeApart(s.t, s.states[1]).files
			s.chip.files[lds.DG13] = mine
		}),
		d.deceives("all of another card, keys too, behind this card's print", station.NotValid, emrtd.CheckPrint, failed, func(s *scene) {
			print := s.chip.emrtd["access"]
			s.chip = takeApart(s.t, s.states[1])
			s.chip.emrtd["access"] = print
		}),
		d.deceives("DG1 and DG13 in each other's file", station.NotValid, lds.HashCheck(lds.DG1), failed, func(s *scene) {
			s.chip.put(lds.Files{lds.DG1: s.chip.files[lds.DG13].Data, lds.DG13: s.chip.files[lds.DG1].Data})
		}),
		d.deceives("DG13 of another card, signed with this DG1", station.NotValid, lds.CheckAgreement, failed, func(s *scene) {
			s.chip.put(lds.Files{lds.DG13: s.other(lds.DG13)})
			s.sign(s.signer)
		}),
		d.deceives("another name in DG13", station.NotValid, lds.HashCheck(lds.DG13), failed, func(s *scene) {
			n, form, err := cccd.DecodeDG13(s.chip.files[lds.DG13].Data)
			if err != nil {
				s.t.Fatal(err)
			}
			n.Holder.Name = "Trần Văn Khác"
			s.chip.put(lds.Files{lds.DG13: must(n.Encode(form))})
		}),
		d.deceives("a byte of EF.SOD", station.NotValid, lds.CheckSOD, failed, func(s *scene) {
			sod := s.chip.files[lds.SOD].Data
			total := must(wholeObject(sod))
			sod[total-3] ^= 1
		}),
	}
}

// wholeObject is the length of the data object that a file begins with.
func wholeObject(b []byte) (int, error) {
	_, header, length, err := tlv.Header(b)
	return header + length, err
}

// cardAccess is EF.CardAccess with these ways of PACE.
func cardAccess(infos ...access.PACEInfo) []byte {
	var all [][]byte
	for _, i := range infos {
		all = append(all, must(i.SecurityInfo()))
	}
	return tlv.New(0x31, all...)
}

var (
	pace     = access.PACEInfo{KeyBits: 128, Parameter: 12} // as the profile has it
	weakPACE = access.PACEInfo{KeyBits: access.DESKeyBits, Parameter: 12}
)

// downgrades are chips, or somebody between, that look weaker than they are. The
// chip is genuine: its keys are.
func (d *den) downgrades() []attack {
	failed := station.Failed
	shows := func(b []byte) func(*scene) {
		return func(s *scene) { s.chip.put(lds.Files{lds.CardAccess: b}) }
	}
	mapping := access.PACEInfo{KeyBits: 128, Parameter: 12, Mapping: access.ChipAuthenticationMapping}
	return []attack{
		d.deceives("EF.CardAccess taken away, PACE in DG14", station.NotValid, emrtd.CheckCardAccess, failed, func(s *scene) { s.drop(lds.CardAccess) }),
		d.deceives("EF.CardAccess emptied", station.NotValid, emrtd.CheckCardAccess, failed, shows([]byte{0x31, 0})),
		d.deceives("EF.CardAccess that is no SET", station.NotValid, emrtd.CheckCardAccess, failed, shows([]byte{0x30, 0})),
		d.deceives("a weaker way of PACE added", station.NotValid, emrtd.CheckCardAccess, failed, shows(cardAccess(pace, weakPACE))),
		d.deceives("a weaker way of PACE only", station.NotValid, emrtd.CheckCardAccess, failed, shows(cardAccess(weakPACE))),
		d.deceives("a way of PACE that proves the chip, which DG14 has not", station.NotValid, emrtd.CheckCardAccess, failed, shows(cardAccess(mapping))),
		d.deceives("PACE taken from EF.CardAccess and from DG14", station.NotValid, lds.HashCheck(lds.DG14), failed, func(s *scene) {
			s.drop(lds.CardAccess)
			infos := must(lds.DecodeDG14(s.chip.files[lds.DG14].Data))
			s.chip.put(lds.Files{lds.DG14: must(lds.EncodeDG14(infos[1:]...))})
		}),
		{"PACE refused by somebody between", "valid, and says that PACE was refused", func(t *testing.T) string {
			v := d.judge(t, func(s *scene) { s.front = refuses(0x22, 0x6A80) })
			for _, c := range v.Checks {
				if c.Name == emrtd.CheckAccess && c.Result == station.Passed && strings.Contains(c.Why, "PACE was refused") {
					return string(v.Outcome) + ", and says that PACE was refused"
				}
			}
			return string(v.Outcome)
		}},
		d.deceives("PACE and BAC refused by somebody between", station.NotChecked, emrtd.CheckAccess, station.NotDone, func(s *scene) { s.front = refuses(0x86, 0x6300, 0x82) }),
	}
}

// refuses has the chip refuse plain commands of some instructions.
func refuses(ins byte, sw card.Status, more ...byte) func(card.Channel) card.Channel {
	return func(ch card.Channel) card.Channel {
		return channelFunc(func(command []byte) ([]byte, error) {
			for _, i := range append(more, ins) {
				if command[1] == i && command[0]&0x0C == 0 {
					return card.Response{SW: sw}.Bytes(), nil
				}
			}
			return ch.Exchange(command)
		})
	}
}

// channelFunc is a channel that is a function.
type channelFunc func([]byte) ([]byte, error)

func (f channelFunc) Exchange(command []byte) ([]byte, error) { return f(command) }
