package softcard

import (
	"bytes"
	"crypto/aes"
	"crypto/des"
	"crypto/ecdsa"
	"encoding/json"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// Secrets of an issued PIV application; its management key is AES-192 or, on a plain
// card, the Triple DES key that the maker left.
var (
	issuedPIN = fill("902314")
	issuedPUK = fill("77120934")
	issuedKey = []byte("an issued management key")
)

// issuedPIV is a PIV application as the line leaves it: other secrets than the maker's, a
// key in each slot, and objects.
func issuedPIV(t testing.TB, plain bool) *Chip {
	t.Helper()
	chip := newChip(t, Options{Serial: 77, PlainPIV: plain})
	c := selectPIV(t, chip)
	admin(t, c)
	for slot, algorithm := range map[byte]byte{0x9A: algP256, 0x9C: algP384, 0x9D: algP256, 0x9E: algP256} {
		if r, err := c.Transmit(card.Command{INS: 0x47, P2: slot, Data: tlv.New(0xAC, tlv.New(0x80, []byte{algorithm})), Ne: 256}); err != nil || r.SW != card.OK {
			t.Fatal(r.SW, err)
		}
	}
	for _, last := range []byte{0x02, 0x03, 0x05, 0x07, 0x08, 0x09} {
		send(t, c, "00DB3FFF", append(name(0x5F, 0xC1, last), 0x53, 0x02, last, last), 0, card.OK)
	}
	send(t, c, "00240080", append(fill(defaultPIN), issuedPIN...), 0, card.OK)
	send(t, c, "00240081", append(fill(defaultPUK), issuedPUK...), 0, card.OK)
	if plain {
		chip.state.PIV.Management.Key = issuedKey // as its maker delivered it
	} else {
		send(t, c, "00FFFFFF", append([]byte{algAES192, refManagement, 24}, issuedKey...), 0, card.OK)
	}
	chip.Reset()
	return chip
}

// applicationOf is what must not change once the application is issued: all but the
// counters, which count as they should.
func applicationOf(t testing.TB, chip *Chip) []byte {
	t.Helper()
	s := chip.state.PIV
	s.PIN.Left, s.PUK.Left = 0, 0
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pivSecrets are what no answer may hold.
func pivSecrets(t testing.TB, chip *Chip) [][]byte {
	t.Helper()
	out := [][]byte{issuedPIN[:6], issuedPUK, issuedKey}
	for _, k := range chip.state.PIV.Keys {
		private, err := k.private()
		if err != nil {
			t.Fatal(err)
		}
		d, err := private.(*ecdsa.PrivateKey).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, d, k.PKCS8)
	}
	return out
}

// An issued application is tried command by command, by a stranger and by its holder:
// each instruction with the parameters and the data that once wrote it.
func TestIssuedPIVApplicationIsNeitherWrittenNorGivesItsSecrets(t *testing.T) {
	t.Parallel()
	parameters := []uint16{0x0000, 0x0080, 0x0081, 0x009A, 0x009B, 0x009C, 0x009D, 0x009E, 0x00F9, 0x0082, 0x3FFF, 0xFF80, 0xFFFF, 0xFFFE, 0x0505,
		0x039B, 0x0A9B, 0x079A, 0x119A, 0x149C, 0x119D, 0x119E, 0x11F9, 0x9A00, 0x9C00, 0xF900, 0x0400}
	contents := [][]byte{
		nil, fill(defaultPIN), append(fill(defaultPIN), fill("111111")...), append(fill(defaultPUK), fill("111111")...),
		name(0x5F, 0xC1, 0x02), name(0x5F, 0xC1, 0x03), name(0x5F, 0xC1, 0x08), name(0x5F, 0xFF, 0x01), name(0x5F, 0xC1, 0x0A), name(0x7E), name(0x5F, 0xC1, 0xFF),
		append(name(0x5F, 0xC1, 0x02), 0x53, 0x01, 0x00), append(name(0x5F, 0xFF, 0x01), 0x53, 0x00), append(name(0x5F, 0xC1, 0x21), 0x53, 0x01, 0x00),
		tlv.New(0xAC, tlv.New(0x80, []byte{algP256})), tlv.New(0xAC, tlv.New(0x80, []byte{algP256}), tlv.New(0xAA, []byte{1})),
		tlv.New(0x06, append(make([]byte, 31), 5)), append([]byte{alg3DES, refManagement, 24}, defaultManagementKey...),
		tlv.New(0x7C, tlv.New(0x80)), tlv.New(0x7C, tlv.New(0x81)), tlv.New(0x7C, tlv.New(0x82, make([]byte, 16))),
		tlv.New(0x7C, tlv.New(0x82), tlv.New(0x81, make([]byte, 32))), tlv.New(0x7C, tlv.New(0x80, make([]byte, 8)), tlv.New(0x81, make([]byte, 8))),
	}
	for _, plain := range []bool{false, true} {
		chip := issuedPIV(t, plain)
		before, secrets := applicationOf(t, chip), pivSecrets(t, chip)
		for _, holder := range []bool{false, true} {
			c := selectPIV(t, chip)
			for ins := range 256 {
				if ins == 0xA4 { // goes elsewhere
					continue
				}
				for i := range len(parameters) * len(contents) {
					if holder && !chip.session.piv.fresh {
						send(t, c, "00200080", issuedPIN, 0, card.OK)
					}
					p, data := parameters[i/len(contents)], contents[i%len(contents)]
					cmd := card.Command{INS: byte(ins), P1: byte(p >> 8), P2: byte(p), Data: data, Ne: 256}
					r, err := c.Transmit(cmd)
					if err != nil {
						t.Fatalf("%s: %v", cmd, err)
					}
					for _, secret := range secrets {
						if bytes.Contains(r.Data, secret) {
							t.Fatalf("plain %v, holder %v: %s gives a secret", plain, holder, cmd)
						}
					}
					if chip.session.piv.admin {
						t.Fatalf("plain %v, holder %v: %s gave the issuer's rights", plain, holder, cmd)
					}
					chip.state.PIV.PIN.Left, chip.state.PIV.PUK.Left = 3, 3
				}
			}
			if !bytes.Equal(applicationOf(t, chip), before) {
				t.Fatalf("plain %v, holder %v: the application has changed", plain, holder)
			}
		}
	}
}

// The keys that everybody knows open nothing, and RESET works only where PIN and PUK are
// both blocked: it gives nothing away, for all that the issuer wrote is gone then.
func TestResetOfAnIssuedApplicationLeavesNothingOfIt(t *testing.T) {
	chip := issuedPIV(t, false)
	c := selectPIV(t, chip)
	known, err := aes.NewCipher(defaultManagementKey)
	if err != nil {
		t.Fatal(err)
	}
	proveKey(t, c, "0A", known, card.SecurityNotSatisfied)
	old, secrets := chip.state.PIV, pivSecrets(t, chip)
	bad := bytes.Repeat([]byte{'0'}, 16)
	for header, data := range map[string][]byte{"00200080": bad[:8], "00240081": bad} {
		send(t, c, "00FB0000", nil, 0, card.ConditionsNotSatisfied)
		for left := range 3 {
			send(t, c, header, data, 0, card.Status(0x63C2-left))
		}
	}
	send(t, c, "00FB0000", nil, 0, card.OK)
	state := applicationOf(t, chip)
	for _, secret := range secrets {
		if encoded, _ := json.Marshal(secret); bytes.Contains(state, encoded) && !bytes.Equal(secret, old.Keys[refAttestation].PKCS8) {
			t.Error("a secret outlived the reset")
		}
	}
	for _, last := range []byte{0x02, 0x03, 0x05, 0x07, 0x08, 0x09} {
		send(t, c, "00200080", fill(defaultPIN), 0, card.OK)
		send(t, c, "00CB3FFF", name(0x5F, 0xC1, last), 256, card.FileNotFound)
	}
	block, err := des.NewTripleDESCipher(defaultManagementKey)
	if err != nil {
		t.Fatal(err)
	}
	proveKey(t, c, "03", block, card.OK) // a blank again
}
