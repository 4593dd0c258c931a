package cardtest

import (
	"bufio"
	"bytes"
	_ "embed" // the program's source
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

//go:embed testdata/openpace.c
var openPACE []byte

// OpenPACE is somebody else's end of a protocol: libeac, a step a line, of
// testdata/openpace.c. What travels is framed here; every byte that a key had a part
// in is libeac's.
type OpenPACE struct {
	testing.TB
	in  io.Writer
	out *bufio.Reader
}

// BuildOpenPACE compiles the program for StartOpenPACE and fails the test where that
// cannot be done.
func BuildOpenPACE(t testing.TB) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "openpace")
	if err := os.WriteFile(program+".c", openPACE, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("gcc", "-o", program, program+".c", "-leac", "-lcrypto").CombinedOutput(); err != nil {
		t.Fatalf("libeac cannot be built against (Debian package libeac-dev): %v\n%s", err, said)
	}
	return program
}

// StartOpenPACE starts the program for one end, until the test is over.
func StartOpenPACE(t testing.TB, program string) *OpenPACE {
	t.Helper()
	cmd := exec.Command(program)
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
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &OpenPACE{t, in, bufio.NewReader(out)}
}

// Try runs a step; bytes among the arguments go in hexadecimal. ok tells whether libeac
// went along.
func (o *OpenPACE) Try(step string, arguments ...any) (result []byte, ok bool) {
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
	said, ok := strings.CutPrefix(strings.TrimSpace(line), "=")
	if !ok {
		return nil, false
	}
	if result, err = hex.DecodeString(strings.TrimSpace(said)); err != nil {
		o.Fatal(err)
	}
	return result, true
}

// Must is Try that fails the test where libeac refuses.
func (o *OpenPACE) Must(step string, arguments ...any) []byte {
	o.Helper()
	b, ok := o.Try(step, arguments...)
	if !ok {
		o.Fatalf("libeac refuses %s", step)
	}
	return b
}

// Data objects of secure messaging (Doc 9303-11, 9.8.4).
const (
	cryptogram    tlv.Tag = 0x87
	oddCryptogram tlv.Tag = 0x85
	lengthAsked   tlv.Tag = 0x97
	checksum      tlv.Tag = 0x8E
)

func padded(b []byte, block int) []byte {
	b = append(bytes.Clone(b), 0x80)
	return append(b, make([]byte, (block-len(b)%block)%block)...)
}

// Sealed protects data and more objects by libeac's keys for its next APDU: head is
// signed before them.
func (o *OpenPACE) Sealed(block int, head []byte, odd bool, plain []byte, more ...[]byte) []byte {
	o.Helper()
	o.Must("step")
	var body []byte
	switch {
	case len(plain) == 0:
	case odd:
		body = tlv.New(oddCryptogram, o.Must("encrypt", plain))
	default:
		body = tlv.New(cryptogram, []byte{1}, o.Must("encrypt", plain))
	}
	body = append(body, bytes.Join(more, nil)...)
	return tlv.Append(body, checksum, o.Must("sign", padded(append(bytes.Clone(head), body...), block)))
}

// Opened checks and decrypts its next APDU's data objects by libeac's keys.
func (o *OpenPACE) Opened(block int, head, body []byte) map[tlv.Tag][]byte {
	o.Helper()
	o.Must("step")
	objects, err := tlv.Parse(body)
	if err != nil || len(objects) == 0 || objects[len(objects)-1].Tag != checksum {
		o.Fatalf("protected data %X: %v", body, err)
	}
	last := objects[len(objects)-1].Value
	signed := body[:len(body)-tlv.Size(checksum, len(last))]
	if sum := o.Must("sign", padded(append(bytes.Clone(head), signed...), block)); !bytes.Equal(sum, last) {
		o.Fatalf("libeac's checksum is %X, ours %X", sum, last)
	}
	found := map[tlv.Tag][]byte{}
	for _, object := range objects {
		switch found[object.Tag] = object.Value; object.Tag {
		case cryptogram:
			found[object.Tag] = o.Must("decrypt", object.Value[1:])
		case oddCryptogram:
			found[object.Tag] = o.Must("decrypt", object.Value)
		}
	}
	return found
}

// Open is libeac as a terminal that opens a chip by PACE, in the only way that
// cardAccess names, with a password by its reference; it tells whether both ends
// believed each other.
func (o *OpenPACE) Open(c card.Card, cardAccess []byte, reference byte, password string) bool {
	o.Helper()
	o.Must("pace", cardAccess, reference, password)
	id, err := tlv.Find(cardAccess, 0x31, 0x30, 0x06)
	if err != nil {
		o.Fatal(err)
	}
	if _, err := card.Do(c, card.Command{INS: 0x22, P1: 0xC1, P2: 0xA4, Data: tlv.Append(tlv.New(0x80, id), 0x83, []byte{reference})}); err != nil {
		o.Fatal(err)
	}
	ask := func(cla byte, data []byte, want tlv.Tag) []byte {
		answer, err := card.Do(c, card.Command{CLA: cla, INS: 0x86, Data: tlv.New(0x7C, data), Ne: card.MaxShortNe})
		if err != nil {
			return nil
		}
		value, err := tlv.Find(answer, 0x7C, want)
		if err != nil {
			o.Fatal(err)
		}
		return value
	}
	o.Must("unseal", ask(0x10, nil, 0x80))
	o.Must("map", ask(0x10, tlv.New(0x81, o.Must("mapping")), 0x82))
	other := ask(0x10, tlv.New(0x83, o.Must("ephemeral")), 0x84)
	o.Must("agree", other)
	proof := ask(0x00, tlv.New(0x85, o.Must("token", other)), 0x86)
	if proof == nil {
		return false
	}
	o.Must("verify", proof)
	o.Must("open")
	return true
}

// Transmit sends a command through the channel that Open opened, whose cipher has
// blocks of that many bytes, and gives its answer.
func (o *OpenPACE) Transmit(c card.Card, block int, cmd card.Command) card.Response {
	o.Helper()
	out := cmd
	out.CLA |= 0x0C
	h := out.Header()
	var ne []byte
	switch {
	case cmd.Ne > card.MaxShortNe:
		ne = tlv.New(lengthAsked, []byte{byte(cmd.Ne >> 8), byte(cmd.Ne)})
	case cmd.Ne > 0:
		ne = tlv.New(lengthAsked, []byte{byte(cmd.Ne)})
	}
	odd := cmd.INS&1 == 1
	out.Data, out.Ne = o.Sealed(block, padded(h[:], block), odd, cmd.Data, ne), card.MaxExtendedNe
	r, err := c.Transmit(out)
	if err != nil {
		o.Fatal(err)
	}
	got := o.Opened(block, nil, r.Data)
	status := got[0x99]
	if len(status) != 2 {
		o.Fatalf("status %X", status)
	}
	data := got[cryptogram]
	if odd {
		data = got[oddCryptogram]
	}
	return card.Response{Data: data, SW: card.Status(status[0])<<8 | card.Status(status[1])}
}
