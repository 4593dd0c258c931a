package access

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/cardtest"
	"cardstation/devices/card/tlv"
)

// foreignChip is a chip whose PACE and secure messaging are libeac's; it echoes.
type foreignChip struct {
	*cardtest.OpenPACE
	block   int
	inside  bool
	private []byte // the last key it gave
}

func (f *foreignChip) Exchange(b []byte) ([]byte, error) {
	c, err := card.ParseCommand(b)
	if err != nil {
		return nil, err
	}
	if f.inside {
		return f.protected(c).Bytes(), nil
	}
	if c.INS == 0x22 {
		return card.Response{SW: card.OK}.Bytes(), nil
	}
	objects, err := tlv.Find(c.Data, 0x7C)
	if err != nil {
		return nil, err
	}
	answer, err := f.step(objects)
	if err != nil {
		return nil, err
	}
	if answer == nil {
		return card.Response{SW: AuthenticationFailed}.Bytes(), nil
	}
	return card.Response{Data: tlv.New(0x7C, answer), SW: card.OK}.Bytes(), nil
}

func (f *foreignChip) step(objects []byte) ([]byte, error) {
	if len(objects) == 0 {
		return tlv.New(0x80, f.Must("seal")), nil
	}
	o, _, err := tlv.Next(objects)
	switch {
	case err != nil:
		return nil, err
	case o.Tag == 0x81:
		own := f.Must("mapping")
		f.Must("map", o.Value)
		return tlv.New(0x82, own), nil
	case o.Tag == 0x83:
		own := f.Must("ephemeral")
		f.Must("agree", o.Value)
		f.private = o.Value
		return tlv.New(0x84, own), nil
	}
	token := f.Must("token", f.private)
	if _, ok := f.Try("verify", o.Value); !ok {
		return nil, nil
	}
	f.Must("open")
	f.inside = true
	return tlv.New(0x86, token), nil
}

func (f *foreignChip) protected(c card.Command) card.Response {
	h := c.Header()
	got := f.Opened(f.block, pad(h[:], f.block), c.Data)
	odd, tag := c.INS&1 == 1, tagCryptogram
	if odd {
		tag = tagOddCryptogram
	}
	ne, err := decodeNe(got[tagLe])
	if err != nil {
		f.Fatal(err)
	}
	answer := echo(card.Command{Data: got[tag], Ne: ne})
	return card.Response{Data: f.Sealed(f.block, nil, odd, answer.Data, tlv.New(tagStatus, []byte{0x90, 0})), SW: card.OK}
}

// libeac's names of the passwords, and what it takes for the MRZ: all of it.
var openPACEPasswords = []struct {
	kind  int
	text  string
	ours  func(t testing.TB) Password
	wrong Password
}{
	{1, "I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6ERIKSSON<<ANNA<MARIA<<<<<<<<<<", func(t testing.TB) Password {
		p, err := MRZ{"D23145890", "740812", "120415"}.Password()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}, CAN("500540")},
	{2, "500540", func(testing.TB) Password { return CAN("500540") }, CAN("500541")},
	{3, "123456", func(testing.TB) Password { return PIN("123456") }, PIN("123457")},
	{4, "9876543210", func(testing.TB) Password { return PUK("9876543210") }, PUK("9876543211")},
}

// openPACEWays are each curve with each cipher, of which a mapping is one password's.
func openPACEWays(t *testing.T, run func(t *testing.T, info PACEInfo, cardAccess []byte, n int)) {
	n := 0
	for _, parameter := range []int{12, 13, 15, 16, 17, 18} {
		for _, bits := range []int{DESKeyBits, 128, 192, 256} {
			info, i := PACEInfo{KeyBits: bits, Parameter: parameter}, n%len(openPACEPasswords)
			n++
			t.Run(fmt.Sprintf("%d bits, parameter %d, password %d", bits, parameter, i+1), func(t *testing.T) {
				id, err := info.oid()
				if err != nil {
					t.Fatal(err)
				}
				named := tlv.New(0x30, tlv.New(0x06, id), []byte{2, 1, 2, 2, 1, byte(parameter)})
				run(t, info, tlv.New(0x31, named), i)
			})
		}
	}
}

// Our terminal opens a chip that others made, and talks with it.
func TestPACETerminalOpensAChipOfOpenPACE(t *testing.T) {
	program := cardtest.BuildOpenPACE(t)
	openPACEWays(t, func(t *testing.T, info PACEInfo, cardAccess []byte, n int) {
		p := openPACEPasswords[n]
		newChip := func() *foreignChip {
			chip := &foreignChip{OpenPACE: cardtest.StartOpenPACE(t, program), block: blockSize(info.KeyBits)}
			chip.Must("pace", cardAccess, p.kind, p.text)
			return chip
		}
		if _, err := (PACE{Info: info, Password: p.wrong}).Open(card.Over(newChip())); err == nil {
			t.Error("opened with the wrong password")
		}
		inside, err := PACE{Info: info, Password: p.ours(t)}.Open(card.Over(newChip()))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []card.Command{
			{INS: 0xB0, Ne: 20}, {INS: 0xB0, Ne: 2000}, {INS: 0x88, Data: []byte("12345678"), Ne: 256},
			{INS: 0xB1, Data: []byte{0x54, 0x02, 0x80, 0x00}, Ne: 256},
		} {
			r, err := inside.Transmit(c)
			if want := echo(c); err != nil || !bytes.Equal(r.Data, want.Data) || r.SW != want.SW {
				t.Fatalf("%s: %d bytes, %s, %v", c, len(r.Data), r.SW, err)
			}
		}
	})
}

func blockSize(bits int) int {
	if bits == DESKeyBits {
		return 8
	}
	return 16
}

// Our chip opens to a terminal that others made, and to no wrong password.
func TestPACEChipOpensToATerminalOfOpenPACE(t *testing.T) {
	program := cardtest.BuildOpenPACE(t)
	openPACEWays(t, func(t *testing.T, info PACEInfo, cardAccess []byte, n int) {
		p := openPACEPasswords[n]
		open := func(pw Password) (o *cardtest.OpenPACE, c card.Card, opened bool) {
			chip, err := PACEOffer{Infos: []PACEInfo{info}, Passwords: []Password{pw}}.chip()
			if err != nil {
				t.Fatal(err)
			}
			o, c = cardtest.StartOpenPACE(t, program), card.Over(&paceCard{PACEChip: chip})
			return o, c, o.Open(c, cardAccess, byte(p.kind), p.text)
		}
		wrong := p.wrong
		wrong.reference = byte(p.kind)
		if _, _, opened := open(wrong); opened {
			t.Error("opened to the wrong password")
		}
		o, c, opened := open(p.ours(t))
		if !opened {
			t.Fatal("does not open")
		}
		for _, cmd := range []card.Command{{INS: 0xB0, Ne: 20}, {INS: 0x88, Data: []byte("12345678"), Ne: 256}, {INS: 0xB1, Data: []byte{0x54, 1, 0}, Ne: 1000}} {
			if r := o.Transmit(c, blockSize(info.KeyBits), cmd); r.SW != card.OK || !bytes.Equal(r.Data, echo(cmd).Data) {
				t.Fatalf("%s: %d bytes, %s", cmd, len(r.Data), r.SW)
			}
		}
	})
}

// Others check our certificates and our terminal's proof, and our chip checks theirs.
func TestTerminalAuthenticationAgainstOpenPACE(t *testing.T) {
	program := cardtest.BuildOpenPACE(t)
	id, mine := bytes.Repeat([]byte{0x1D}, 32), bytes.Repeat([]byte{0x4B}, 32) // x of chip's and terminal's keys
	for name, c := range map[string]elliptic.Curve{"p-256": elliptic.P256(), "p-384": elliptic.P384(), "p-521": elliptic.P521()} {
		o := newOffice(t, curveKeys(t, c), cvc.ReadFingers)
		private, err := x509.MarshalPKCS8PrivateKey(o.key)
		if err != nil {
			t.Fatal(err)
		}
		chip, err := NewTerminalAuthenticationChip(o.trust, id, mine, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := cardtest.StartOpenPACE(t, program)
		e.Must("trust", o.is.Bytes(), private)
		e.Must("challenged", ready(t, chip, o))
		proof := e.Must("prove", mine, id)
		for len(proof) != 2*orderSize(o.key.Public().(*ecdsa.PublicKey)) { // TR-03111, 5.2.1: a leading zero stays, which libeac leaves out
			proof = e.Must("prove", mine, id)
		}
		if rights, err := chip.Authenticate(proof); err != nil || !rights.Has(cvc.ReadFingers) {
			t.Errorf("%s: our chip does not take their terminal: %v", name, err)
		}
		e = cardtest.StartOpenPACE(t, program)
		e.Must("trust", o.root.Bytes())
		if _, ok := e.Try("certificate", o.is.Bytes()); ok {
			t.Errorf("%s: their chip takes a terminal whose verifier was left out", name)
		}
		e = cardtest.StartOpenPACE(t, program)
		e.Must("trust", o.root.Bytes())
		e.Must("certificate", o.dv.Bytes())
		e.Must("certificate", o.is.Bytes())
		public, err := cvc.NewPublicKey(o.key.Public())
		if err != nil {
			t.Fatal(err)
		}
		signature, err := cvc.SignMessage(o.key, public, terminalProof(id, e.Must("challenge"), mine))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := e.Try("proven", mine, id, signature); !ok {
			t.Errorf("%s: their chip does not take our terminal", name)
		}
		signature[len(signature)-1] ^= 1
		if _, ok := e.Try("proven", mine, id, signature); ok {
			t.Errorf("%s: their chip takes a wrong proof", name)
		}
	}
}
