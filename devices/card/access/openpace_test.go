package access

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/access/cvc"
	"cardstation/devices/card/tlv"
)

// openPACE is somebody else's end of a protocol: libeac, a step a line, of
// testdata/openpace.c. What travels is framed here; every byte that a key had a part
// in is libeac's.
type openPACE struct {
	testing.TB
	in  io.Writer
	out *bufio.Reader
}

func buildOpenPACE(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "openpace")
	if said, err := exec.Command("gcc", "-o", program, "testdata/openpace.c", "-leac", "-lcrypto").CombinedOutput(); err != nil {
		t.Fatalf("libeac cannot be built against (Debian package libeac-dev): %v\n%s", err, said)
	}
	return program
}

func startOpenPACE(t testing.TB, program string) *openPACE {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &openPACE{t, in, bufio.NewReader(out)}
}

// try runs a step; bytes among the arguments go in hexadecimal.
func (o *openPACE) try(step string, arguments ...any) ([]byte, bool) {
	o.Helper()
	for _, a := range arguments {
		if b, ok := a.([]byte); ok {
			a = hex.EncodeToString(b)
		}
		step += fmt.Sprintf(" %v", a)
	}
	if _, err := fmt.Fprintln(o.in, step); err != nil {
		o.Fatal(err)
	}
	line, err := o.out.ReadString('\n')
	if err != nil {
		o.Fatalf("%s: %v", strings.Fields(step)[0], err)
	}
	result, ok := strings.CutPrefix(strings.TrimSpace(line), "=")
	if !ok {
		return nil, false
	}
	b, err := hex.DecodeString(strings.TrimSpace(result))
	if err != nil {
		o.Fatal(err)
	}
	return b, true
}

func (o *openPACE) must(step string, arguments ...any) []byte {
	o.Helper()
	b, ok := o.try(step, arguments...)
	if !ok {
		o.Fatalf("libeac refuses %s", step)
	}
	return b
}

// sealed protects data objects by libeac's keys: head is signed before them.
func (o *openPACE) sealed(block int, head []byte, tag tlv.Tag, plain []byte, more ...[]byte) []byte {
	var body []byte
	switch {
	case len(plain) == 0:
	case tag == tagCryptogram:
		body = tlv.New(tag, []byte{1}, o.must("encrypt", plain))
	default:
		body = tlv.New(tag, o.must("encrypt", plain))
	}
	body = append(body, bytes.Join(more, nil)...)
	return tlv.Append(body, tagChecksum, o.must("sign", pad(append(head, body...), block)))
}

// opened checks and decrypts data objects by libeac's keys.
func (o *openPACE) opened(block int, head, body []byte) map[tlv.Tag][]byte {
	objects, err := tlv.Parse(body)
	if err != nil || len(objects) == 0 || objects[len(objects)-1].Tag != tagChecksum {
		o.Fatalf("protected data %X: %v", body, err)
	}
	signed := body[:len(body)-tlv.Size(tagChecksum, checksumSize)]
	if sum := o.must("sign", pad(append(head, signed...), block)); !bytes.Equal(sum, objects[len(objects)-1].Value) {
		o.Fatalf("libeac's checksum is %X, ours %X", sum, objects[len(objects)-1].Value)
	}
	found := map[tlv.Tag][]byte{}
	for _, object := range objects {
		switch found[object.Tag] = object.Value; object.Tag {
		case tagCryptogram:
			found[object.Tag] = o.must("decrypt", object.Value[1:])
		case tagOddCryptogram:
			found[object.Tag] = o.must("decrypt", object.Value)
		}
	}
	return found
}

// foreignChip is a chip whose PACE and secure messaging are libeac's; it echoes.
type foreignChip struct {
	*openPACE
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
		return tlv.New(0x80, f.must("seal")), nil
	}
	o, _, err := tlv.Next(objects)
	switch {
	case err != nil:
		return nil, err
	case o.Tag == 0x81:
		own := f.must("mapping")
		f.must("map", o.Value)
		return tlv.New(0x82, own), nil
	case o.Tag == 0x83:
		own := f.must("ephemeral")
		f.must("agree", o.Value)
		f.private = o.Value
		return tlv.New(0x84, own), nil
	}
	token := f.must("token", f.private)
	if _, ok := f.try("verify", o.Value); !ok {
		return nil, nil
	}
	f.must("open")
	f.inside = true
	return tlv.New(0x86, token), nil
}

func (f *foreignChip) protected(c card.Command) card.Response {
	h := c.Header()
	f.must("step")
	got := f.opened(f.block, pad(h[:], f.block), c.Data)
	tag := tagCryptogram
	if c.INS&1 == 1 {
		tag = tagOddCryptogram
	}
	ne, err := decodeNe(got[tagLe])
	if err != nil {
		f.Fatal(err)
	}
	answer := echo(card.Command{Data: got[tag], Ne: ne})
	f.must("step")
	return card.Response{Data: f.sealed(f.block, nil, tag, answer.Data, tlv.New(tagStatus, []byte{0x90, 0})), SW: card.OK}
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
	program := buildOpenPACE(t)
	openPACEWays(t, func(t *testing.T, info PACEInfo, cardAccess []byte, n int) {
		p := openPACEPasswords[n]
		newChip := func() *foreignChip {
			chip := &foreignChip{openPACE: startOpenPACE(t, program), block: blockSize(info.KeyBits)}
			chip.must("pace", cardAccess, p.kind, p.text)
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
	program := buildOpenPACE(t)
	openPACEWays(t, func(t *testing.T, info PACEInfo, cardAccess []byte, n int) {
		p := openPACEPasswords[n]
		open := func(pw Password) (*openPACE, *paceCard) {
			chip, err := PACEOffer{Infos: []PACEInfo{info}, Passwords: []Password{pw}}.chip()
			if err != nil {
				t.Fatal(err)
			}
			o := startOpenPACE(t, program)
			o.must("pace", cardAccess, p.kind, p.text)
			return o, &paceCard{PACEChip: chip}
		}
		wrong := p.wrong
		wrong.reference = byte(p.kind)
		if o, chip := open(wrong); o.terminal(chip, info, p.kind) {
			t.Error("opened to the wrong password")
		}
		o, chip := open(p.ours(t))
		if !o.terminal(chip, info, p.kind) {
			t.Fatal("does not open")
		}
		block := blockSize(info.KeyBits)
		for _, c := range []card.Command{{CLA: 0x0C, INS: 0xB0, Ne: 20}, {CLA: 0x0C, INS: 0x88, Data: []byte("12345678"), Ne: 256}, {CLA: 0x0C, INS: 0xB1, Data: []byte{0x54, 1, 0}, Ne: 1000}} {
			tag := tagCryptogram
			if c.INS&1 == 1 {
				tag = tagOddCryptogram
			}
			h := c.Header()
			o.must("step")
			r := transmit(t, chip, card.Command{CLA: c.CLA, INS: c.INS, Data: o.sealed(block, pad(h[:], block), tag, c.Data, tlv.New(tagLe, encodeNe(c.Ne))), Ne: card.MaxExtendedNe})
			o.must("step")
			if got := o.opened(block, nil, r.Data); !bytes.Equal(got[tag], echo(c).Data) || !bytes.Equal(got[tagStatus], []byte{0x90, 0}) {
				t.Fatalf("%s: %d bytes, status %X", c, len(got[tag]), got[tagStatus])
			}
		}
	})
}

func transmit(t testing.TB, ch card.Channel, c card.Command) card.Response {
	t.Helper()
	r, err := card.Over(ch).Transmit(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// terminal is libeac opening our chip; it tells whether both believed each other.
func (o *openPACE) terminal(chip *paceCard, info PACEInfo, kind int) bool {
	id, err := info.oid()
	if err != nil {
		o.Fatal(err)
	}
	if r := transmit(o, chip, card.Command{INS: 0x22, P1: 0xC1, P2: 0xA4, Data: tlv.Append(tlv.New(0x80, id), 0x83, []byte{byte(kind)})}); r.SW != card.OK {
		o.Fatal(r.SW)
	}
	ask := func(cla byte, data []byte, want tlv.Tag) []byte {
		r := transmit(o, chip, card.Command{CLA: cla, INS: 0x86, Data: tlv.New(0x7C, data), Ne: 256})
		if r.SW != card.OK {
			return nil
		}
		value, err := tlv.Find(r.Data, 0x7C, want)
		if err != nil {
			o.Fatal(err)
		}
		return value
	}
	o.must("unseal", ask(0x10, nil, 0x80))
	o.must("map", ask(0x10, tlv.New(0x81, o.must("mapping")), 0x82))
	other := ask(0x10, tlv.New(0x83, o.must("ephemeral")), 0x84)
	o.must("agree", other)
	proof := ask(0x00, tlv.New(0x85, o.must("token", other)), 0x86)
	if proof == nil {
		return false
	}
	o.must("verify", proof)
	o.must("open")
	return true
}

// Others check our certificates and our terminal's proof, and our chip checks theirs.
func TestTerminalAuthenticationAgainstOpenPACE(t *testing.T) {
	program := buildOpenPACE(t)
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
		e := startOpenPACE(t, program)
		e.must("trust", o.is.Bytes(), private)
		e.must("challenged", ready(t, chip, o))
		proof := e.must("prove", mine, id)
		for len(proof) != 2*orderSize(o.key.Public().(*ecdsa.PublicKey)) { // TR-03111, 5.2.1: a leading zero stays, which libeac leaves out
			proof = e.must("prove", mine, id)
		}
		if rights, err := chip.Authenticate(proof); err != nil || !rights.Has(cvc.ReadFingers) {
			t.Errorf("%s: our chip does not take their terminal: %v", name, err)
		}
		e = startOpenPACE(t, program)
		e.must("trust", o.root.Bytes())
		if _, ok := e.try("certificate", o.is.Bytes()); ok {
			t.Errorf("%s: their chip takes a terminal whose verifier was left out", name)
		}
		e = startOpenPACE(t, program)
		e.must("trust", o.root.Bytes())
		e.must("certificate", o.dv.Bytes())
		e.must("certificate", o.is.Bytes())
		public, err := cvc.NewPublicKey(o.key.Public())
		if err != nil {
			t.Fatal(err)
		}
		signature, err := cvc.SignMessage(o.key, public, terminalProof(id, e.must("challenge"), mine))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := e.try("proven", mine, id, signature); !ok {
			t.Errorf("%s: their chip does not take our terminal", name)
		}
		signature[len(signature)-1] ^= 1
		if _, ok := e.try("proven", mine, id, signature); ok {
			t.Errorf("%s: their chip takes a wrong proof", name)
		}
	}
}
