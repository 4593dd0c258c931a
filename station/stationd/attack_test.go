package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/access"
	"cardstation/devices/card/tlv"
	"cardstation/devices/softcard"
	"cardstation/personalize/cccd"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/station"
	"cardstation/station/verify"
)

// A card that was copied file by file onto another chip is not valid, whatever is
// signed on it; nor is one whose portrait or number was changed, nor one of a
// country signer that is not trusted or of a suspended document.
func TestForgedCardsAreNotValid(t *testing.T) {
	l := newLineForTest(t)
	portrait := portraitForTest()
	genuine := blankChip(t)
	o := l.order(portrait)
	if _, err := l.line.Issue(t.Context(), "r", card.Over(genuine)); err != nil {
		t.Fatal(err)
	}
	genuine.Reset()
	v, files, err := verify.Judge(t.Context(), card.Over(genuine), keyOf(o), l.keys.trust(), l.db, time.Now)
	if err != nil || v.Outcome != station.Valid {
		t.Fatalf("%v %v", v.Checks, err)
	}

	// the forger has a blank, its transport keys and all the files
	forge := func(change func(lds.Files)) *softcard.Chip {
		t.Helper()
		copied := lds.Files{}
		for id, b := range files {
			copied[id] = append([]byte(nil), b...)
		}
		change(copied)
		chip := blankChip(t)
		writeForged(t, chip, copied, keyOf(o))
		return chip
	}
	for _, c := range []struct {
		name    string
		chip    *softcard.Chip
		row     string
		result  station.Result
		outcome station.Outcome
	}{
		{"copied to another chip", forge(func(lds.Files) {}), emrtd.CheckActive, station.Failed, station.NotValid},
		{"another portrait", forge(func(f lds.Files) { f[lds.DG2][len(f[lds.DG2])/2] ^= 1 }), "DG2 hash", station.Failed, station.NotValid},
		{"another name in DG13", forge(func(f lds.Files) {
			n, form, err := cccd.DecodeDG13(f[lds.DG13])
			if err != nil {
				t.Fatal(err)
			}
			n.Holder.Name = "Trần Văn Khác"
			if f[lds.DG13], err = n.Encode(form); err != nil {
				t.Fatal(err)
			}
		}), "DG13 hash", station.Failed, station.NotValid},
		{"no key for active authentication", forge(func(f lds.Files) { delete(f, lds.DG15) }), emrtd.CheckCardAccess, station.Failed, station.NotValid}, // and it hides its PACE
	} {
		v, _, err := verify.Judge(t.Context(), card.Over(c.chip), keyOf(o), l.keys.trust(), l.db, time.Now)
		if err != nil || v.Outcome != c.outcome || resultOf(v, c.row) != c.result {
			t.Errorf("%s: %s, %q is %q (%v)\n%v", c.name, v.Outcome, c.row, resultOf(v, c.row), err, v.Checks)
		}
	}

	stranger := newLineForTest(t)
	genuine.Reset()
	v, _, err = verify.Judge(t.Context(), card.Over(genuine), keyOf(o), stranger.keys.trust(), nil, time.Now)
	if err != nil || v.Outcome == station.Valid || resultOf(v, "country signer") != station.Failed {
		t.Errorf("signed by a stranger of the same state: %s %v (%v)", v.Outcome, v.Checks, err)
	}

	done, err := l.db.Order(t.Context(), o.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.db.UpdateCard(t.Context(), done.Card, func(c *station.Card) ([]station.Event, error) { c.State = station.CardRevoked; return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	genuine.Reset()
	v, _, err = verify.Judge(t.Context(), card.Over(genuine), keyOf(o), l.keys.trust(), l.db, time.Now)
	if err != nil || v.Outcome != station.NotValid || resultOf(v, verify.CheckRevocation) != station.Failed {
		t.Errorf("revoked: %s %v (%v)", v.Outcome, v.Checks, err)
	}
}

func resultOf(v station.Verdict, name string) station.Result {
	for _, c := range v.Checks {
		if c.Name == name {
			return c.Result
		}
	}
	return ""
}

// writeForged writes files onto a blank with the commands of CARD's softcard
// profile, and a key of the forger's own for active authentication.
func writeForged(t *testing.T, chip *softcard.Chip, files lds.Files, key verify.Key) {
	t.Helper()
	c := card.Over(chip)
	do := func(c card.Card, cmd card.Command) {
		t.Helper()
		if _, err := card.Do(c, cmd); err != nil {
			t.Fatal(err)
		}
	}
	if err := emrtd.Select(c); err != nil {
		t.Fatal(err)
	}
	in, err := access.SCP03{Keys: func(access.KeyInfo) (access.StaticKeys, error) { return access.DefaultKeys, nil }, Level: access.LevelFull}.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	for id, b := range files {
		do(in, card.Command{INS: 0xE0, Data: []byte{0x62, 0x0E, 0x80, 2, byte(len(b) >> 8), byte(len(b)), 0x82, 1, 1, 0x83, 2, byte(id >> 8), byte(id), 0x88, 1, id.SFI() << 3}})
		do(in, card.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{byte(id >> 8), byte(id)}})
		for at := 0; at < len(b); at += 200 {
			do(in, card.Command{INS: 0xD6, P1: byte(at >> 8), P2: byte(at), Data: b[at:min(at+200, len(b))]})
		}
	}
	do(in, card.Command{INS: 0xDA, P2: 0x62, Data: bacSecrets(key)})
	do(in, card.Command{INS: 0xDA, P2: 0x60, Data: forgersKey(t)})
	do(in, card.Command{INS: 0x44})
	chip.Reset()
}

func bacSecrets(k verify.Key) []byte {
	in := tlv.New(0x5F1F, []byte(k.Document))
	in = append(in, tlv.New(0x5F18, []byte(k.Birth))...)
	in = append(in, tlv.New(0x5F19, []byte(k.Expiry))...)
	return tlv.New(0x62, in)
}

func forgersKey(t *testing.T) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
