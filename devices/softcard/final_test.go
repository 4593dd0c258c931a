package softcard

import (
	"bytes"
	"crypto/elliptic"
	"encoding/json"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
)

// documentOf is what must never change once a document is final: files, keys and
// passwords, and an applet's life.
func documentOf(t testing.TB, chip *Chip) []byte {
	t.Helper()
	e := chip.state.EMRTD
	e.PACE.Failures = access.PACEFailures{} // counts as it should
	b, err := json.Marshal([]any{e, chip.state.Master, chip.state.Applet})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// finalChips are finished documents of each make, with passwords, keys and files.
func finalChips(t *testing.T) map[string]*Chip {
	t.Helper()
	key := newKey(t, elliptic.P256())
	own := eacChip(t, key, dg14(t, access.ChipKey{KeyBits: 128, Key: &key.PublicKey}), object(0x60, pkcs8(t, key)))
	manager := open(t, scp03(access.LevelFull), card.Over(own))
	send(t, manager, "80F08007", nil, 0, card.OK)
	send(t, manager, "80F0800F", nil, 0, card.OK)
	chips := map[string]*Chip{"own": own}
	for _, kind := range []Applet{PassportApplet, PassportAppletPACE} {
		chip, c := appletChip(t, kind)
		fillApplet(t, c, smallRSA(t))
		if kind == PassportAppletPACE {
			putFile(t, c, efCardAccess, cardAccess(t, p256))
			send(t, c, "00DA0065", passwordObject(passwordCAN, testCAN)[1:], 0, card.OK)
			send(t, c, "00DADEAF", nil, 0, card.OK)
		}
		send(t, c, "00DADEAD", nil, 0, card.OK)
		chips[string(kind)] = chip
	}
	return chips
}

// A finished document is tried command by command: every instruction, with the
// parameters and the data that once wrote it, in the clear and inside each channel.
func TestFinishedDocumentIsNeitherWrittenNorGivesItsSecrets(t *testing.T) {
	t.Parallel()
	parameters := []uint16{0x0000, 0x0060, 0x0061, 0x0062, 0x0063, 0x0064, 0x0065, 0x0066, 0xDEAF, 0xDEAD, 0x0303, 0x8100}
	for name, chip := range finalChips(t) {
		chip.wait = func(time.Duration) {}
		before, secrets := documentOf(t, chip), [][]byte{[]byte(testCAN)}
		if key, err := chip.state.EMRTD.chipKey(); err == nil && key != nil {
			d, _ := key.Bytes()
			secrets = append(secrets, d)
		}
		if a := chip.state.Applet; a != nil {
			secrets = append(secrets, a.Exponent)
		}
		contents := [][]byte{nil, createDO(0x0105, 8), {0x63, 4, 0, 8, 1, 5}, secretsDO(testMRZ), passwordObject(passwordCAN, "1")[1:],
			tlv.New(0x54, []byte{0}), append([]byte{0x60, 0}, tlv.New(4, []byte{1, 2, 3})...)}
		for way, enter := range map[string]func(card.Card) card.Card{
			"at the start": func(c card.Card) card.Card { return c },
			"in the clear": func(c card.Card) card.Card { send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK); return c },
			"by bac": func(c card.Card) card.Card {
				send(t, c, "00A4040C", aids[appEMRTD], 0, card.OK)
				return open(t, access.BAC{MRZ: testMRZ}, c)
			},
			"by the issuer's keys": func(c card.Card) card.Card { return open(t, scp03(access.LevelFull), c) },
		} {
			chip.Reset()
			c := enter(card.Over(chip))
			for ins := range 256 {
				if ins == 0xA4 || ins == 0xD8 { // goes elsewhere; replaces the issuer's own keys
					continue
				}
				for i := range 2 * len(parameters) * len(contents) {
					p, data := parameters[i/len(contents)%len(parameters)], contents[i%len(contents)]
					class := byte(i / len(contents) / len(parameters) * classProprietary)
					if class != 0 && i%len(contents) > 0 {
						continue
					}
					cmd := card.Command{CLA: class, INS: byte(ins), P1: byte(p >> 8), P2: byte(p), Data: data, Ne: 256}
					r, err := c.Transmit(cmd)
					if err != nil { // the channel has ended
						chip.Reset()
						c = enter(card.Over(chip))
						continue
					}
					for _, secret := range secrets {
						if bytes.Contains(r.Data, secret) {
							t.Fatalf("%s, %s: %s gives a secret", name, way, cmd)
						}
					}
				}
			}
			if !bytes.Equal(documentOf(t, chip), before) {
				t.Fatalf("%s, %s: the document has changed", name, way)
			}
		}
	}
}
