package softcard_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardstation/devices/pcsc/rig"
	"cardstation/devices/softcard"
)

func TestMain(m *testing.M) {
	rig.Child()
	os.Exit(m.Run())
}

// bench is a chip in a reader of a private pcscd, and a directory for the tools.
type bench struct {
	t      *testing.T
	dir    string
	socket string
	reader string
}

func newBench(t *testing.T, chip *softcard.Chip, tools ...string) bench {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not installed (Debian packages opensc, yubico-piv-tool, openssl)", tool)
		}
	}
	r, err := rig.Start(context.Background(), rig.Options{})
	var missing rig.ErrMissing
	if errors.Is(err, rig.ErrNotAllowed) || errors.As(err, &missing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	conn, err := r.Dial(0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- softcard.Serve(ctx, conn, chip) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return bench{t, t.TempDir(), r.Socket(), r.Names()[0]}
}

// run runs a tool in the bench's directory; it must end well and print want.
func (b bench) run(want string, command ...string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "PCSCLITE_CSOCK_NAME="+b.socket)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		b.t.Fatalf("%s: %v, want %q in\n%s", strings.Join(command, " "), err, want, out)
	}
	return string(out)
}

func (b bench) yubico(want string, arguments ...string) {
	b.t.Helper()
	b.run(want, append([]string{"yubico-piv-tool", "-r", b.reader}, arguments...)...)
}

// settle waits until pcscd, which looks only now and then, sees the chip.
func (b bench) settle() {
	b.t.Helper()
	for range 50 {
		cmd := exec.Command("opensc-tool", "--reader", b.reader, "--atr")
		cmd.Env = append(os.Environ(), "PCSCLITE_CSOCK_NAME="+b.socket)
		if cmd.Run() == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.t.Fatal("the reader does not see the chip")
}

func TestToolsOfOthersManageThePIVApplication(t *testing.T) {
	t.Parallel()
	chip, err := softcard.New(softcard.Options{Serial: 7654321})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, chip, "yubico-piv-tool", "opensc-tool", "pkcs15-tool", "pkcs11-tool", "openssl")
	b.settle()
	b.yubico("7654321", "-a", "status")
	b.yubico("Successfully set new CCC", "-a", "set-chuid", "-a", "set-ccc")
	b.run("", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=DEMO CA", "-days", "2")
	b.run("", "openssl", "req", "-new", "-key", "ca.key", "-out", "request.pem", "-subj", "/CN=DEMO card")
	for slot, algorithm := range map[string]string{"9a": "ECCP256", "9c": "RSA2048"} {
		b.yubico("Successfully generated", "-a", "generate", "-s", slot, "-A", algorithm, "-o", slot+".pub")
		b.run("", "openssl", "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
			"-force_pubkey", slot+".pub", "-out", slot+".pem")
		b.yubico("Successfully imported", "-a", "import-cert", "-s", slot, "-i", slot+".pem")
		b.yubico("verification", "-a", "verify-pin", "-P", "123456", "-a", "test-signature", "-s", slot, "-i", slot+".pem")
	}
	b.yubico("Slot 9c", "-a", "status")
	list := b.run("PIV Authentication", "pkcs15-tool", "--reader", b.reader, "--list-certificates")
	if !strings.Contains(list, "Digital Signature") {
		t.Errorf("pkcs15-tool lists\n%s", list)
	}
	b.run("", "pkcs15-tool", "--reader", b.reader, "--read-certificate", "01", "--no-cache", "-o", "read.pem")
	b.run("OK", "openssl", "verify", "-CAfile", "ca.pem", "read.pem")
	b.sign()
	b.yubico("changed the pin", "-a", "change-pin", "-P", "123456", "-N", "654321")
	b.yubico("unblocked", "-a", "unblock-pin", "-P", "12345678", "-N", "111111")
}

// sign has OpenSC's PKCS #11 module sign with both keys, and openssl check it.
func (b bench) sign() {
	b.t.Helper()
	module, _ := filepath.Glob("/usr/lib/*/opensc-pkcs11.so")
	if len(module) == 0 {
		b.t.Log("opensc-pkcs11.so is not installed (Debian package opensc-pkcs11), no signature through it")
		return
	}
	if err := os.WriteFile(filepath.Join(b.dir, "text"), []byte("to be signed"), 0o600); err != nil {
		b.t.Fatal(err)
	}
	for _, key := range []struct{ id, slot, mechanism, format string }{
		{"01", "9a", "ECDSA-SHA256", "openssl"}, {"02", "9c", "SHA256-RSA-PKCS", "rs"},
	} {
		b.run("", "pkcs11-tool", "--module", module[0], "--login", "--pin", "123456", "--sign", "--mechanism", key.mechanism,
			"--id", key.id, "-i", "text", "-o", "signature", "--signature-format", key.format)
		b.run("Verified OK", "openssl", "dgst", "-sha256", "-verify", key.slot+".pub", "-signature", "signature", "text")
	}
}

func TestToolsOfOthersReadTheMasterFileAndBeginPACE(t *testing.T) {
	t.Parallel()
	b := newBench(t, softcard.FinishedChip(t), "opensc-tool")
	b.settle()
	out := b.run("Received (SW1=0x90, SW2=0x00)", "opensc-tool", "--reader", b.reader,
		"--card-driver", "default", // else it selects PIV between all commands
		"-s", "00A4020C02011C", "-s", "00B0000000", // EF.CardAccess, nothing selected before
		"-s", "00A4000C023F00", "-s", "00A4020C022F00", "-s", "00B0000000", "-s", "00B0810000", // EF.DIR, EF.ATR/INFO
		"-s", "0022C1A40F800A04007F00070202040202830102", "-s", "10860000027C0000", // PACE with the CAN, a nonce
		"-s", "00A4040C07A0000002471001", "-s", "00A4020C020101", "-s", "0084000008")
	for _, want := range []string{
		"31 14 30 12 06 0A 04 00 7F 00 07 02 02 04 02 02", "02 01 02 02 01 0C", // PACEInfo: version 2, P-256
		"61 09 4F 07 A0 00 00 02 47 10 01",
		"7F 66",
		"7C 12 80 10",
		"Received (SW1=0x69, SW2=0x82)", // DG1
	} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if refused := strings.Count(out, "Received (") - strings.Count(out, "SW1=0x90, SW2=0x00"); refused != 1 {
		t.Errorf("%d commands refused, DG1 alone was to be\n%s", refused, out)
	}
}
