package personalize

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/pcsc"
	"cardstation/devices/pcsc/rig"
	"cardstation/devices/softcard"
	"cardstation/personalize/piv"
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

// place is a reader of the private pcscd with the shop's chip going in and out.
type place struct {
	*shop
	rig    *rig.Rig
	number int
	reader *pcsc.Reader
}

func (s *shop) at(number int) place {
	s.Helper()
	r, err := shared()
	var missing rig.ErrMissing
	if errors.Is(err, rig.ErrNotAllowed) || errors.As(err, &missing) {
		s.Skipf("no private pcscd: %v", err)
	}
	if err != nil {
		s.Fatal(err)
	}
	return place{s, r, number, pcsc.Open(r.Names()[number])}
}

// visit inserts the chip, lets f at it, and takes it out.
func (p place) visit(f func(card.Session) error) error {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := p.rig.Dial(p.number)
	if err != nil {
		p.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = softcard.Serve(ctx, conn, p.chip) }()
	session, err := p.reader.Wait(ctx)
	if err != nil {
		p.Fatal(err)
	}
	err = f(session)
	_ = session.Close()
	cancel()
	<-served
	time.Sleep(600 * time.Millisecond) // pcscd looks every 400 ms: a faster swap is none to it
	return err
}

// Through pcscd and piv-go: torn in the middle of the travel document, while piv-go
// changes the PIN, and while piv-go opens the chip to make a key.
func TestAChipTornOutOfARealReaderIsFinishedByTheSameRun(t *testing.T) {
	t.Parallel()
	s := newShop(t, "softcard")
	p := s.at(0)
	for _, tear := range []struct {
		n     int
		after bool
	}{{30, true}, {66, true}, {91, true}} {
		s.blank()
		var receipt Receipt
		issue := func(session card.Session) (err error) {
			receipt, err = s.issue(session, nil)
			return err
		}
		s.chip.TearAt(tear.n, tear.after)
		if err := p.visit(issue); !errors.Is(err, card.ErrGone) && !errors.Is(err, card.ErrNoAnswer) {
			t.Fatalf("tear at %d: %v", tear.n, err)
		}
		s.chip.TearAt(0, false)
		s.chip.Reset()
		if err := p.visit(issue); err != nil {
			t.Fatalf("resume after tear at %d: %v", tear.n, err)
		}
		s.verify(receipt)
	}
}

func TestOpenSSLBelievesThePIVCertificates(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is not installed")
	}
	s := newShop(t, "softcard")
	if _, err := s.issue(s.chip, nil); err != nil {
		t.Fatal(err)
	}
	s.chip.Reset()
	c := card.Over(s.chip)
	if err := piv.Select(c); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	save := func(name string, cert *x509.Certificate) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca := save("ca.pem", s.authority.Citizen.Certificate)
	for _, slot := range []piv.Slot{piv.Authentication, piv.Signature} {
		cert, err := piv.Certificate(c, slot)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(openssl, "verify", "-x509_strict", "-CAfile", ca, save(slot.String()+".pem", cert)).CombinedOutput()
		if err != nil || !strings.Contains(string(out), ": OK") {
			t.Errorf("openssl on %s: %v: %s", slot, err, out)
		}
	}
}
