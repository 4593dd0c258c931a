package softcard

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

func selectPIV(t testing.TB, chip *Chip) card.Card {
	t.Helper()
	c := card.Over(chip)
	send(t, c, "00A40400", aids[appPIV][:5], 256, card.OK)
	return c
}

// proveKey authenticates with a management key by witness.
func proveKey(t testing.TB, c card.Card, alg string, block cipher.Block, want card.Status) {
	t.Helper()
	n := block.BlockSize()
	answer := send(t, c, "0087"+alg+"9B", tlv.New(0x7C, tlv.New(0x80)), 256, card.OK)
	sealed, err := tlv.Find(answer, 0x7C, 0x80)
	if err != nil || len(sealed) != n {
		t.Fatalf("witness %X", answer)
	}
	witness, challenge, sure := make([]byte, n), make([]byte, n), make([]byte, n)
	block.Decrypt(witness, sealed)
	rand.Read(challenge)
	block.Encrypt(sure, challenge)
	answer = send(t, c, "0087"+alg+"9B", tlv.New(0x7C, tlv.New(0x80, witness), tlv.New(0x81, challenge)), 256, want)
	if got, _ := tlv.Find(answer, 0x7C, 0x82); want == card.OK && !bytes.Equal(got, sure) {
		t.Fatal("the chip does not know the management key")
	}
}

func admin(t testing.TB, c card.Card) {
	t.Helper()
	block, _ := des.NewTripleDESCipher(defaultManagementKey)
	proveKey(t, c, "03", block, card.OK)
}

func name(object ...byte) []byte { return tlv.New(0x5C, object) }

func TestPIVAnswersToItsShortAndItsFullName(t *testing.T) {
	c := card.Over(newChip(t, Options{}))
	for n := 5; n <= 11; n++ {
		got := send(t, c, "00A40400", aids[appPIV][:n], 256, card.OK)
		// SP 800-73-4 part 2, 3.1.1, table 3
		if want := unhex(t, "61114F0600001000010079074F05A000000308"); !bytes.Equal(got, want) {
			t.Fatalf("%X", got)
		}
	}
	send(t, c, "00A40400", append(bytes.Clone(aids[appPIV]), 0), 256, card.FileNotFound)
}

func TestManagementKeyGuardsWriting(t *testing.T) {
	chip := newChip(t, Options{})
	c := selectPIV(t, chip)
	object := append(name(0x5F, 0xC1, 0x02), tlv.New(0x53, bytes.Repeat([]byte{7}, 3000))...)
	send(t, c, "00DB3FFF", object, 0, card.SecurityNotSatisfied)
	send(t, c, "0047009A", unhex(t, "AC03800111"), 256, card.SecurityNotSatisfied)
	wrong, _ := des.NewTripleDESCipher(bytes.Repeat([]byte{9}, 24))
	proveKey(t, c, "03", wrong, card.SecurityNotSatisfied)
	send(t, c, "00DB3FFF", object, 0, card.SecurityNotSatisfied)
	admin(t, c)
	send(t, c, "00DB3FFF", object, 0, card.OK)
	if got := send(t, c, "00CB3FFF", name(0x5F, 0xC1, 0x02), 256, card.OK); !bytes.Equal(got, object[5:]) {
		t.Fatalf("%d bytes came back", len(got))
	}
	key := bytes.Repeat([]byte{3}, 24)
	send(t, c, "00FFFFFF", append([]byte{algAES192, refManagement, 24}, key...), 0, card.OK)
	chip.Reset()
	c = selectPIV(t, chip)
	send(t, c, "00DB3FFF", object, 0, card.SecurityNotSatisfied)
	if m := send(t, c, "00F7009B", nil, 256, card.OK); m[2] != algAES192 {
		t.Fatalf("metadata %X", m)
	}
	block, _ := aes.NewCipher(key)
	proveKey(t, c, "0A", block, card.OK)
	send(t, c, "00DB3FFF", append(name(0x5F, 0xC1, 0x02), 0x53, 0x00), 0, card.OK)
	send(t, c, "00CB3FFF", name(0x5F, 0xC1, 0x02), 256, card.FileNotFound)
}

func TestExternalAuthenticationByChallenge(t *testing.T) {
	c := selectPIV(t, newChip(t, Options{}))
	block, _ := des.NewTripleDESCipher(defaultManagementKey)
	challenge, err := tlv.Find(send(t, c, "0087039B", unhex(t, "7C028100"), 256, card.OK), 0x7C, 0x81)
	if err != nil {
		t.Fatal(err)
	}
	answer := tlv.New(0x7C, tlv.New(0x82, encrypt(block, challenge)))
	send(t, c, "0087039B", answer, 256, card.OK)
	send(t, c, "0087039B", answer, 256, card.IncorrectData) // a challenge serves once
}

func TestTriesArePersistentAndThePUKUnblocks(t *testing.T) {
	chip := newChip(t, Options{})
	c := selectPIV(t, chip)
	pin, wrong, puk := fill("123456"), fill("654321"), fill("12345678")
	send(t, c, "00200080", nil, 0, 0x63C3)
	send(t, c, "00200080", wrong, 0, 0x63C2)
	chip.TearAt(1, true)
	if _, err := c.Transmit(card.Command{INS: 0x20, P2: 0x80, Data: wrong}); !errors.Is(err, ErrTorn) {
		t.Fatal(err)
	}
	chip.Reset()
	c = selectPIV(t, chip)
	send(t, c, "00200080", nil, 0, 0x63C1)
	send(t, c, "00200080", wrong, 0, 0x63C0)
	send(t, c, "00200080", pin, 0, card.AuthenticationBlocked)
	send(t, c, "00240080", append(bytes.Clone(pin), wrong...), 0, card.AuthenticationBlocked)
	send(t, c, "002C0080", append(bytes.Clone(wrong), wrong...), 0, 0x63C2)
	send(t, c, "002C0080", append(bytes.Clone(puk), fill("123")...), 0, card.IncorrectData)
	send(t, c, "002C0080", append(bytes.Clone(puk), wrong...), 0, card.OK)
	send(t, c, "00200080", wrong, 0, card.OK)
	send(t, c, "00200080", nil, 0, card.OK)
	send(t, c, "0020FF80", nil, 0, card.OK)
	send(t, c, "00200080", nil, 0, 0x63C3)
	send(t, c, "00FB0000", nil, 0, card.ConditionsNotSatisfied)
}

func TestResetPutsABlockedApplicationBackToTheFactory(t *testing.T) {
	chip := newChip(t, Options{})
	c := selectPIV(t, chip)
	admin(t, c)
	send(t, c, "00DB3FFF", append(name(0x5F, 0xC1, 0x02), 0x53, 0x01, 0x01), 0, card.OK)
	bad := bytes.Repeat([]byte{'0'}, 16)
	for _, left := range []card.Status{0x63C2, 0x63C1, 0x63C0} {
		send(t, c, "00200080", bad[:8], 0, left)
		send(t, c, "00240081", bad, 0, left)
	}
	send(t, c, "00FB0000", nil, 0, card.OK)
	send(t, c, "00200080", fill(defaultPIN), 0, card.OK)
	send(t, c, "00CB3FFF", name(0x5F, 0xC1, 0x02), 256, card.FileNotFound)
	send(t, c, "00DB3FFF", append(name(0x5F, 0xC1, 0x02), 0x53, 0x01, 0x01), 0, card.SecurityNotSatisfied)
	send(t, c, "00F700F9", nil, 256, card.OK) // the maker's attestation key stays
}

func TestGeneratedKeysSignAgreeAndDecryptUnderTheirPINPolicy(t *testing.T) {
	chip := newChip(t, Options{})
	c := selectPIV(t, chip)
	admin(t, c)
	digest := sha256.Sum256([]byte("card"))
	ask := tlv.New(0x7C, tlv.New(0x82), tlv.New(0x81, digest[:]))
	for alg, curve := range map[byte]elliptic.Curve{algP256: elliptic.P256(), algP384: elliptic.P384()} {
		point, err := tlv.Find(send(t, c, "0047009C", tlv.New(0xAC, tlv.New(0x80, []byte{alg})), 256, card.OK), 0x7F49, 0x86)
		if err != nil {
			t.Fatal(err)
		}
		public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
		if err != nil {
			t.Fatal(err)
		}
		use := "0087" + string("01"[alg>>4&1]) + string("0123456789"[alg&0xF]) + "9C"
		send(t, c, use, ask, 256, card.SecurityNotSatisfied)
		send(t, c, "00200080", fill(defaultPIN), 0, card.OK)
		signature, _ := tlv.Find(send(t, c, use, ask, 256, card.OK), 0x7C, 0x82)
		if !ecdsa.VerifyASN1(public, digest[:], signature) {
			t.Fatal("wrong signature")
		}
		send(t, c, use, ask, 256, card.SecurityNotSatisfied) // 9C wants the PIN each time
		send(t, c, "00200080", fill(defaultPIN), 0, card.OK)
		other, _ := ecdsa.GenerateKey(curve, rand.Reader)
		mine, _ := other.ECDH()
		theirs, _ := public.ECDH()
		want, _ := mine.ECDH(theirs)
		shared := tlv.New(0x7C, tlv.New(0x82), tlv.New(0x85, mine.PublicKey().Bytes()))
		if got, _ := tlv.Find(send(t, c, use, shared, 256, card.OK), 0x7C, 0x82); !bytes.Equal(got, want) {
			t.Fatal("another shared secret")
		}
		send(t, c, "0020FF80", nil, 0, card.OK)
	}
}

func TestRSAKeySignsAPaddedBlock(t *testing.T) {
	c := selectPIV(t, newChip(t, Options{}))
	admin(t, c)
	answer := send(t, c, "0047009E", unhex(t, "AC03800107"), 256, card.OK)
	n, err := tlv.Find(answer, 0x7F49, 0x81)
	if err != nil {
		t.Fatal(err)
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
	digest := sha256.Sum256([]byte("card"))
	info := append(unhex(t, "3031300d060960864801650304020105000420"), digest[:]...) // RFC 8017, 9.2
	block := append([]byte{0, 1}, bytes.Repeat([]byte{0xFF}, 256-3-len(info))...)
	block = append(append(block, 0), info...)
	signature, err := tlv.Find(send(t, c, "0087079E", tlv.New(0x7C, tlv.New(0x82), tlv.New(0x81, block)), 256, card.OK), 0x7C, 0x82)
	if err != nil {
		t.Fatal(err)
	}
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
		t.Fatal(err)
	}
	send(t, c, "0087079E", tlv.New(0x7C, tlv.New(0x82), tlv.New(0x81, bytes.Repeat([]byte{0xFF}, 256))), 256, card.IncorrectData)
}

func TestImportedKeyIsUsedButNotAttested(t *testing.T) {
	c := selectPIV(t, newChip(t, Options{Serial: 77}))
	key, _ := ecdh.P256().GenerateKey(rand.Reader)
	scalar := tlv.New(0x06, key.Bytes())
	send(t, c, "00FE119D", scalar, 0, card.SecurityNotSatisfied)
	admin(t, c)
	send(t, c, "00FE119D", append(bytes.Clone(scalar), 0xAA, 1, 1, 0xAB, 1, 1), 0, card.OK)
	send(t, c, "00F99D00", nil, 256, card.IncorrectData)
	meta := send(t, c, "00F7009D", nil, 256, card.OK)
	if point, err := tlv.Find(meta, 0x04, 0x86); err != nil && !bytes.Equal(point, key.PublicKey().Bytes()) {
		t.Fatalf("metadata %X", meta)
	}
	send(t, c, "0047009A", unhex(t, "AC03800111"), 256, card.OK)
	leaf, err := x509.ParseCertificate(send(t, c, "00F99A00", nil, 256, card.OK))
	if err != nil {
		t.Fatal(err)
	}
	container := send(t, c, "00CB3FFF", name(0x5F, 0xFF, 0x01), 256, card.OK)
	der, _ := tlv.Find(container, 0x53, 0x70)
	issuer, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf.CheckSignatureFrom(issuer); err != nil {
		t.Fatal(err)
	}
}

func TestObjectsOfThePersonNeedThePIN(t *testing.T) {
	c := selectPIV(t, newChip(t, Options{}))
	admin(t, c)
	for _, last := range []byte{0x03, 0x08, 0x09, 0x21} {
		send(t, c, "00DB3FFF", append(name(0x5F, 0xC1, last), 0x53, 0x01, last), 0, card.OK)
		send(t, c, "00CB3FFF", name(0x5F, 0xC1, last), 256, card.SecurityNotSatisfied)
	}
	send(t, c, "00200080", fill(defaultPIN), 0, card.OK)
	for _, last := range []byte{0x03, 0x08, 0x09, 0x21} {
		send(t, c, "00CB3FFF", name(0x5F, 0xC1, last), 256, card.OK)
	}
	send(t, c, "00A40400", aids[appPIV][:5], 256, card.OK)
	send(t, c, "00CB3FFF", name(0x5F, 0xC1, 0x09), 256, card.SecurityNotSatisfied)
}

func TestPlainPIVSpeaksTheStandardOnly(t *testing.T) {
	chip := newChip(t, Options{PlainPIV: true})
	c := selectPIV(t, chip)
	for ins := 0xF7; ins <= 0xFF; ins++ {
		r, err := c.Transmit(card.Command{INS: byte(ins), Ne: 256})
		if err != nil || r.SW != card.InsNotSupported {
			t.Errorf("%02X: %s %v", ins, r.SW, err)
		}
	}
	admin(t, c)
	send(t, c, "0047009A", unhex(t, "AC06800111AA0101"), 256, card.IncorrectData)
	send(t, c, "0047009A", unhex(t, "AC03800111"), 256, card.OK)
	send(t, c, "00A40400", aids[appPIV], 256, card.OK) // keeps its security status
	send(t, c, "0047009A", unhex(t, "AC03800111"), 256, card.OK)
	send(t, c, "00240080", append(fill(defaultPIN), fill("000000")...), 0, card.OK)
}

func TestRetriesAreSetAndToldByMetadata(t *testing.T) {
	c := selectPIV(t, newChip(t, Options{}))
	send(t, c, "00FA0506", nil, 0, card.SecurityNotSatisfied)
	send(t, c, "00240080", append(fill(defaultPIN), fill("111111")...), 0, card.OK)
	if got := send(t, c, "00F70080", nil, 256, card.OK); !bytes.Equal(got, unhex(t, "0101FF05010006020303")) {
		t.Fatalf("metadata of a PIN that was set %X", got)
	}
	admin(t, c)
	send(t, c, "00FA0506", nil, 0, card.SecurityNotSatisfied)
	send(t, c, "00200080", fill("111111"), 0, card.OK)
	send(t, c, "00FA0506", nil, 0, card.OK)
	send(t, c, "00200080", fill("111111"), 0, 0x63C4)
	if got := send(t, c, "00F70080", nil, 256, card.OK); !bytes.Equal(got, unhex(t, "0101FF05010106020504")) {
		t.Fatalf("metadata of a PIN put back %X", got)
	}
	if got := send(t, c, "00F70081", nil, 256, card.OK); !bytes.Equal(got, unhex(t, "0101FF05010106020606")) {
		t.Fatalf("metadata of the PUK %X", got)
	}
	if got := send(t, c, "00F7009B", nil, 256, card.OK); !bytes.Equal(got, unhex(t, "01010302020001050101")) {
		t.Fatalf("metadata of the management key %X", got)
	}
}

func TestRSAKeyIsImportedFromItsPrimes(t *testing.T) {
	c := selectPIV(t, newChip(t, Options{}))
	admin(t, c)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	parts := append(tlv.New(0x01, key.Primes[0].Bytes()), tlv.New(0x02, key.Primes[1].Bytes())...)
	send(t, c, "00FE079D", parts[:100], 0, card.IncorrectData)
	send(t, c, "00FE079D", append(tlv.New(0x01, key.Primes[0].Bytes()), tlv.New(0x02, make([]byte, 128))...), 0, card.IncorrectData)
	send(t, c, "00FE079D", parts, 0, card.OK)
	send(t, c, "00200080", fill(defaultPIN), 0, card.OK)
	block := append([]byte{0, 2}, bytes.Repeat([]byte("padded"), 60)...)[:256]
	secret := new(big.Int).Exp(new(big.Int).SetBytes(block), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, 256))
	plain, err := tlv.Find(send(t, c, "0087079D", tlv.New(0x7C, tlv.New(0x82), tlv.New(0x81, secret)), 256, card.OK), 0x7C, 0x82)
	if err != nil || !bytes.Equal(plain, block) {
		t.Fatalf("decrypted to %d bytes, %v", len(plain), err)
	}
}
