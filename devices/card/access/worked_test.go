package access

import (
	"bytes"
	"crypto/ecdsa"
	"fmt"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/tlv"
)

// BSI's "Worked Example for Extended Access Control", version 1.0: an identity card
// opened by PACE with its PIN, over brainpoolP256r1 with AES-128, then authenticated
// and shown a terminal. Its second and third protocols are of version 2, whose key
// agreement and proof are those of version 1. Its certificates are in package cvc.
const (
	workedSealed      = "CE834CDE69FFBB1D1EB21585CD709F18"
	workedNonce       = "7D98C00FC6C9E9543BBF94A87073A123"
	workedMapTerminal = "752287F5B02DE3C4BC3E17945118C51B23C97278E4CD748048AC56BA5BDC3D46"
	workedMapChip     = "19C428715663DE745D1824B855D2B967890C99D68ED5FEEE9DCDF8D7BBA289D2"
	workedKeyTerminal = "9D9A32DF93A57CCE33CA3CDD3457E33A976F293546C73550F397259C93BE0120"
	workedKeyChip     = "15872C56908C144002177994CFAAEDD5467CE150853C44535051FF24183039D8"
	workedChipX       = "282CF38073036AFAC216AF135BD994DA0C357F10BD4C34AFEA1042B2EB0FD680"
)

var workedSays = [][2]string{
	{"0022C1A40F800A04007F00070202040202830103", "9000"},
	{"10860000027C0000", "7C128010" + workedSealed + "9000"},
	{"10860000457C438141" + "043DD29BBE5907FD21A152ADA4895FAAE7ACC55F5E50EFBFDE5AB0C6EB54F198D615913635F0FDF5BEB383E00355F82D3C41ED0DF2E28363433DFB73856A15DC9F" + "00",
		"7C438241" + "049CFCF7582AC986D0DD52FA53123414C3E1B96B4D00ABA8E574679B70EFB5BC3B45D2F13729CC2AE178E7E241B443213533B77DBB44649A815DDC4A2384BA422A" + "9000"},
	{"10860000457C438341" + "04518BC4E532AD2A9BD6527804D5D665ABD51041037A0CC8AA922804EB501C222B342738" + "8599AFAAE9FBACE2DF93E13C3C4979CD12F0AE3E3C012602839155458" + "200",
		"7C438441" + "04" + workedChipX + "4DF3658B835AC2E7133F13691184542BB50B109963A4662ABDC08B9763AF4B5B" + "9000"},
	{"008600000C7C0A8508A27AE7B36573C1D900", "7C0A8608A2658C2F38600B0F9000"},
}

func TestPACEOfTheEACWorkedExample(t *testing.T) {
	info := PACEInfo{KeyBits: 128, Parameter: 13}
	inside, err := PACE{Info: info, Password: PIN("123456"), Rand: bytes.NewReader(unhex(t, workedMapTerminal+workedKeyTerminal))}.Open(card.Over(&replay{t, workedSays}))
	if err != nil {
		t.Fatal(err)
	}
	m := inside.(opened).inner()
	if m.id != string(unhex(t, workedChipX)) {
		t.Errorf("chip's identity %X", m.id)
	}
	chip, err := PACEOffer{Infos: []PACEInfo{info}, Passwords: []Password{PIN("123456")}, Rand: bytes.NewReader(unhex(t, workedNonce+workedMapChip+workedKeyChip))}.chip()
	if err != nil {
		t.Fatal(err)
	}
	c := &paceCard{PACEChip: chip}
	for i, says := range workedSays {
		if got, err := c.Exchange(unhex(t, says[0])); err != nil || !bytes.Equal(got, unhex(t, says[1])) {
			t.Fatalf("step %d: %X, %v; want %s", i, got, err, says[1])
		}
	}
	if got := fmt.Sprintf("%X", chip.ID()); got != workedChipX {
		t.Errorf("identity %s", got)
	}
	// the first command of the channel names the authority to be, and is answered
	m.step()
	if got := fmt.Sprintf("%X", m.seal(false, tlv.New(0x83, []byte("DECVCAAT00001")))); got != "871101BE90237EEB4BA0FF253EA246AE31C8B8" {
		t.Errorf("cryptogram %s", got)
	}
	m.step()
	if got := fmt.Sprintf("%X", m.checksum(tlv.New(tagStatus, []byte{0x90, 0}))); got != "A89570A68664A7D6" {
		t.Errorf("checksum %s", got)
	}
}

func TestChipAuthenticationOfTheEACWorkedExample(t *testing.T) {
	g, err := PACEInfo{Parameter: 13}.group()
	if err != nil {
		t.Fatal(err)
	}
	const (
		chip, terminal = "7984674CF3B3A524BF929CE8A67FCF22173DA0BAD595EED6DEB72D22C542FA9D", "A6A4D255C5BF7A77EC3D0553DB74F693CF044E18C98364D4977A296108AF19BD"
		chipPoint      = "04A44EBE5451DF7AADB01E459B8C928A87746A57927C8C28A6775C97A7E1FE8D9A46FF4A1CC7E4D1389AEA19758E4F75C28C598FD734AEBEB135337CF95BE12E94"
		terminalPoint  = "045A7A377FC9CAFC03AC7FF45441A8B2909D88EAB8E6B0173847AB49B949DF3799A34EE57EC55268CF8B1C3EC489F8BF4CF4C68D3FD9670E89C0D5D3FFF1AAF89F"
		secret         = "791DA04273CCFE862E52DF60347E2557192E1F8D7517822CE3D306056C1CDEB4"
		nonce          = "4287B3072A3EDC60" // of version 2: it joins the secret
	)
	for private, point := range map[string]string{chip: terminalPoint, terminal: chipPoint} {
		other, err := g.decode(unhex(t, point))
		if err != nil {
			t.Fatal(err)
		}
		shared, err := g.shared(unhex(t, private), other)
		if got := fmt.Sprintf("%X", shared); err != nil || got != secret {
			t.Errorf("secret %s, %v", got, err)
		}
	}
	for counter, want := range map[uint32]string{1: "94ABCD271AB7D9A5590BA52CB518B831", 2: "78B5709E7ABEDB185B424D0EE3A82499"} {
		if got := fmt.Sprintf("%X", deriveKey(unhex(t, secret+nonce), counter, 128)); got != want {
			t.Errorf("key %d: %s", counter, got)
		}
	}
}

// The proof of the example's terminal, under the key of its certificate; the
// compressed key is that of its chip authentication.
func TestTerminalsProofOfTheEACWorkedExample(t *testing.T) {
	g, err := PACEInfo{Parameter: 17}.group()
	if err != nil {
		t.Fatal(err)
	}
	point, err := g.decode(unhex(t, "043385B484E8E994C93F55ADF4A9C92DA3C063AC7D744E85D38EE070BF6FF8D7ABA2DE688724B27D6BAE2B1C8AE074C09BB8808CC83036B0692898711D3F6FC3213846E14B3154845084DFBC0EB70AE2BDEA8EEBD6796ACFA4C56F5703CE5A6EFE0A266E43C3F71A1B7EEC60E5C6F0850DC4D3455F53282C9FBCA85DC947D13BEE"))
	if err != nil {
		t.Fatal(err)
	}
	//lint:ignore SA1019 elliptic curves that crypto/ecdsa does not know have no other way
	key := cvc.PublicKey{Algorithm: cvc.ECDSASHA512, Key: &ecdsa.PublicKey{Curve: g.Curve, X: point.x, Y: point.y}}
	signature := unhex(t, "81A2D9E5891B86A0F01ADD0341C89D6E9EF3E20C223884F27B2F2040E9721C46C9C3CF7C0EE0A422263BA6F1EAFC693BD8738F34760B5998584F58DD25B8D60D99D7C45957C2E2F10C0E5F91A8DC88BD7CFA33CBF784A9DA83C800324165179DBE71C69B2C0FD811270E436C43278184DDB542142342DBF156E82D2A1BC19085")
	x := unhex(t, "5A7A377FC9CAFC03AC7FF45441A8B2909D88EAB8E6B0173847AB49B949DF3799")
	proof := terminalProof(unhex(t, workedChipX), unhex(t, "547E4EAB03B235D2"), x)
	if err := key.Verify(proof, signature); err != nil {
		t.Error(err)
	}
	proof[0] ^= 1
	if err := key.Verify(proof, signature); err == nil {
		t.Error("the proof holds for another chip")
	}
}
