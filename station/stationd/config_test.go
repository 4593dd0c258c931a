package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardstation/personalize/pki"
	"cardstation/station"
)

func TestConfigurationTakesBothFormsOfCentre(t *testing.T) {
	for text, want := range map[string]centreConfig{
		"centre: nats://10.0.0.1:4222\n":                                      {URL: "nats://10.0.0.1:4222"},
		"centre:\n  url: tls://centre.example:4222\n  credentials: a.creds\n": {URL: "tls://centre.example:4222", Credentials: "a.creds"},
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := loadConfig(path)
		if err != nil || c.Centre != want {
			t.Errorf("%q: %+v, %v", text, c.Centre, err)
		}
	}
}

func TestConfigurationNamesTheLineOfAFault(t *testing.T) {
	for text, want := range map[string]string{
		"station: a\nlistn: x\n":           "[2:1]",
		"station: a\ncentre:\n  urll: x\n": "urll",
		"watchdog: soon\n":                 "soon",
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadConfig(path); err == nil || !strings.Contains(err.Error(), want) || station.KindOf(err) != station.Correct {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestListensBeyondLoopbackWithTLSOnly(t *testing.T) {
	for listen, fine := range map[string]bool{"127.0.0.1:0": true, "[::1]:0": true, "localhost:0": true, "0.0.0.0:0": false, ":0": false, "192.168.1.7:0": false, "127.0.0.1": false} {
		c := defaults()
		c.Listen = listen
		if err := c.check(); (err == nil) != fine {
			t.Errorf("%s: %v", listen, err)
		}
	}
	c := defaults()
	c.Listen = "0.0.0.0:0"
	c.TLS.Certificate, c.TLS.Key = certificate(t)
	if err := c.check(); err != nil {
		t.Fatal(err)
	}
	l, err := c.listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { _ = http.Serve(l, http.NotFoundHandler()) }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(c.TLS.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		conn.Close()
		t.Error("speaks TLS 1.1")
	}
}

// certificate makes one for localhost.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	for path, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// A daemon opens sealed keys with the file that its configuration names; nobody is asked.
func TestTheDaemonOpensSealedKeysWithTheFileThatIsNamed(t *testing.T) {
	dir := t.TempDir()
	keys, phrase, transport := filepath.Join(dir, "keys"), filepath.Join(dir, "phrase"), filepath.Join(dir, "maker")
	if err := pki.Init(keys, pki.Options{Demo: true}, func() (string, error) { return "correct horse battery staple", nil }); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{phrase: "correct horse battery staple\n", transport: "version: 0x30\nmaster: 5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A\ndiversification: kdf3\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		"":                                "give --passphrase-file",
		"passphrase: " + transport + "\n": "try again",
		"passphrase: " + dir + "/none\n":  "name the file",
		"passphrase: " + phrase + "\ntransport: none\n":              "the chips' maker",
		"passphrase: " + phrase + "\ntransport: " + transport + "\n": "",
	} {
		path := filepath.Join(dir, "c.yaml")
		if err := os.WriteFile(path, []byte("keys: "+keys+"\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := loadConfig(path)
		if err != nil {
			t.Fatal(err)
		}
		k, err := loadKeys(c.keyFolder())
		if hint := station.HintOf(err); (err == nil) != (want == "") || !strings.Contains(hint, want) {
			t.Errorf("%q: %v, hint %q, want %q", text, err, hint, want)
		}
		if err == nil && (k.authority.Transport.Version != 0x30 || !k.authority.Demo) {
			t.Errorf("transport keys %v of version %02X", k.authority.Transport, k.authority.Transport.Version)
		}
	}
}
