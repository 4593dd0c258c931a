package piv

import (
	"crypto/des"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// What follows tells beforehand what our own commands send to a blank chip. Secrets,
// challenges and certificates are zeros of their length.

// changes is CHANGE REFERENCE DATA.
func changes(ref reference) []card.Command {
	return []card.Command{{INS: 0x24, P2: byte(ref), Data: make([]byte, 16)}}
}

// replaces authenticates with the maker's management key and sets another.
func (p Content) replaces() []card.Command {
	n := len(p.Factory.ManagementKey)
	set := card.Command{INS: 0xFF, P1: 0xFF, P2: 0xFF, Data: make([]byte, 3+n)}
	return append(p.proofs(true), set)
}

// proofs is the authentication with the management key: witness, and challenge and
// answer. Where the chip has not shown its algorithm yet, AES is tried before the Triple
// DES that a maker's key of 24 bytes mostly is under.
func (p Content) proofs(first bool) []card.Command {
	authenticate := func(algorithm byte, parts ...[]byte) card.Command {
		return card.Command{INS: 0x87, P1: algorithm, P2: byte(managementKey), Data: tlv.New(0x7C, parts...), Ne: card.MaxShortNe}
	}
	var out []card.Command
	if first {
		out = append(out, authenticate(0x0A, tlv.New(0x80)))
	}
	block := make([]byte, des.BlockSize)
	return append(out, authenticate(0x03, tlv.New(0x80)), authenticate(0x03, tlv.New(0x80, block), tlv.New(0x81, block)))
}

// makes is a key pair, its attestation where that is asked for, and its certificate; the
// first one that is made proves the management key.
func (p Content) makes(k Key) []card.Command {
	var out []card.Command
	if k == p.Keys[0] {
		out = p.proofs(p.KeepManagementKey)
	}
	out = append(out, k.generate())
	if p.attests() {
		out = append(out, cut(card.Command{INS: 0xF9, P1: byte(k.Slot), Ne: card.MaxShortNe}, p.Extended)...)
		out = append(out, cut(getCommand(objectMaker), p.Extended)...)
	}
	size := 0
	if p.CertificateSize != nil {
		size = p.CertificateSize(k)
	}
	tag, _ := k.Slot.object()
	return append(out, cut(putData(tag, certificateValue(make([]byte, size))), p.Extended)...)
}

// counted says how far what was counted goes.
func (p Content) counted(text string) string {
	switch p.Dialect {
	case Library:
		return text + " through piv-go, which is not counted"
	case Auto:
		return text + "; counted as our own commands, and not where the reader is lent to piv-go"
	}
	return text
}

// ours are the commands where they are ours.
func (p Content) ours(commands func() []card.Command) func() []card.Command {
	if p.Dialect == Library {
		return nil
	}
	return commands
}
