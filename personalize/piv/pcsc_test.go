package piv

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/pcsc"
	"cardstation/devices/pcsc/rig"
	"cardstation/devices/softcard"
)

// shared is the one private pcscd of this process: libpcsclite looks for its socket
// once only.
var shared = sync.OnceValues(func() (*rig.Rig, error) {
	r, err := rig.Start(context.Background(), rig.Options{})
	if err == nil {
		err = os.Setenv("PCSCLITE_CSOCK_NAME", r.Socket())
	}
	return r, err
})

func TestMain(m *testing.M) {
	rig.Child()
	code := m.Run()
	if r, err := shared(); err == nil {
		_ = r.Close()
	}
	os.Exit(code)
}

// inReader puts the chip into reader n of the private pcscd.
func inReader(t *testing.T, n int, chip *softcard.Chip) card.Session {
	t.Helper()
	r, err := shared()
	var missing rig.ErrMissing
	if errors.Is(err, rig.ErrNotAllowed) || errors.As(err, &missing) {
		t.Skipf("no private pcscd: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	conn, err := r.Dial(n)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = softcard.Serve(ctx, conn, chip) }()
	session, err := pcsc.Open(r.Names()[n]).Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func TestIssuedThroughPivGoOnARealPCSCReaderAndReadByOtherPeoplesTools(t *testing.T) {
	chip := newChip(t, softcard.Options{})
	c := card.Over(inReader(t, 0, chip))
	p := newIssuer(t).content(Key{Slot: Authentication, Algorithm: P256}, Key{Slot: Signature, Algorithm: P384})
	p.Dialect = Library
	start := time.Now()
	if err := take(c, p); err != nil {
		t.Fatal(err)
	}
	t.Logf("issued in %v", time.Since(start))
	if _, err := p.Prove(c); err != nil {
		t.Fatal(err)
	}
	err := c.(card.Lender).Lend(func(reader string) error {
		look(t, "CHUID", "yubico-piv-tool", "-r", reader, "-a", "status")
		look(t, "Slot 9c", "yubico-piv-tool", "-r", reader, "-a", "status")
		look(t, "Certificate for PIV Authentication", "pkcs15-tool", "--reader", reader, "--list-certificates")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// look runs somebody else's tool and wants to see text in what it says.
func look(t *testing.T, text, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Logf("%s is not installed, nobody but ourselves reads the card", name)
		return
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if !strings.Contains(string(out), text) {
		t.Errorf("%s: %v: no %q in\n%s", name, err, text, out)
	}
}

func TestPivGoIsNotLentAnythingThatIsNoPIV(t *testing.T) {
	c := card.Over(inReader(t, 1, newChip(t, softcard.Options{PlainPIV: true})))
	if a, err := open(c, Auto, false); err != nil || a.lender != nil {
		t.Errorf("a token without get version would be given to piv-go: %v", err)
	}
	p := newIssuer(t).content()
	p.Dialect = Library
	if err := take(c, p); err == nil || !strings.Contains(err.Error(), "piv-go cannot be used") {
		t.Errorf("profile that insists on piv-go: %v", err)
	}
}
