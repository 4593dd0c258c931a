package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"cardstation/station"
)

// config is the station's configuration file, YAML. Every field has a default;
// an unknown or ill-typed one is refused with its line.
type config struct {
	// Station names this station in events and at the centre.
	Station string `yaml:"station"`
	// Data is the folder of the store; made with mode 0700.
	Data string `yaml:"data"`
	// Keys is the folder with the document signer, the citizen CA and the card
	// master key.
	Keys string `yaml:"keys"`
	// Passphrase is a file with the passphrase of Keys, and of Terminals, where they are
	// sealed; by default it is in CARDSTATION_PASSPHRASE.
	Passphrase string `yaml:"passphrase"`
	// Transport is a file with the keys that the chips' maker left in the card manager,
	// over the one in Keys.
	Transport string `yaml:"transport"`
	// Trust is the folder with country signers and revocation lists; by default
	// the country signer in Keys.
	Trust string `yaml:"trust"`
	// Terminals is the folder with the certificates and the key by which chips let the
	// office read fingerprints and irises; empty: they stay closed.
	Terminals string `yaml:"terminals"`
	// Listen is the address of the API and the console.
	Listen string `yaml:"listen"`
	// TLS: without it, only a loopback address may be listened on.
	TLS struct {
		Certificate string `yaml:"certificate"`
		Key         string `yaml:"key"`
	} `yaml:"tls"`
	// Profile is the card profile that approved enrolments are ordered with.
	Profile string `yaml:"profile"`
	// Office lists the readers that verify; every other reader is the line's.
	Office []string `yaml:"office"`
	// Watchdog is how long one command may take before the reader counts as hung.
	Watchdog time.Duration `yaml:"watchdog"`
	// Scanners are fingerprint scanners behind the Secure Biometric Interface.
	Scanners scannerConfig `yaml:"scanners"`
	// Centre is where events go and orders come from; empty: this station alone.
	Centre centreConfig `yaml:"centre"`
}

// centreConfig is an address, or a mapping of address and credentials.
type centreConfig struct {
	URL         string `yaml:"url"`
	Credentials string `yaml:"credentials"` // file with the station's JWT and key
	CA          string `yaml:"ca"`          // PEM file of the authority that signs the centre's certificate
	Certificate string `yaml:"certificate"` // PEM file of the station's own certificate, with Key
	Key         string `yaml:"key"`
}

// check refuses an address that is none of a centre.
func (c centreConfig) check() error {
	if c == (centreConfig{}) {
		return nil
	}
	for _, address := range strings.Split(c.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(address))
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return &station.Error{Kind: station.Correct, What: fmt.Sprintf("centre address %q", address), Hint: "give nats://HOST:PORT or tls://HOST:PORT"}
		}
	}
	return nil
}

// UnmarshalYAML takes "nats://..." alone as well.
func (c *centreConfig) UnmarshalYAML(raw []byte) error {
	if yaml.Unmarshal(raw, &c.URL) == nil {
		return nil
	}
	type mapping centreConfig
	return yaml.NewDecoder(bytes.NewReader(raw), yaml.Strict()).Decode((*mapping)(c))
}

func defaults() config {
	c := config{Station: "station", Data: "data", Listen: "127.0.0.1:8480", Profile: "softcard", Watchdog: 20 * time.Second}
	if host, err := os.Hostname(); err == nil && host != "" {
		c.Station = host
	}
	return c
}

// loadConfig reads path over the defaults; an empty path gives the defaults.
func loadConfig(path string) (config, error) {
	c := defaults()
	if path != "" {
		raw, err := os.ReadFile(path)
		if err != nil {
			return c, &station.Error{Kind: station.Correct, What: "read configuration", Err: err}
		}
		dec := yaml.NewDecoder(bytes.NewReader(raw), yaml.Strict())
		if err := dec.Decode(&c); err != nil {
			return c, &station.Error{Kind: station.Correct, What: "configuration " + path, Err: errors.New(yaml.FormatError(err, false, true))}
		}
	}
	if c.Keys == "" {
		c.Keys = filepath.Join(c.Data, "keys")
	}
	return c, c.check()
}

// keyFolder is the station's key folder. Nobody sits at a daemon to be asked for a
// passphrase.
func (c config) keyFolder() keyFolder {
	f := keyFolder{dir: c.Keys, transport: c.Transport}
	if u := (unlock{PassphraseFile: c.Passphrase}); u.given() {
		f.unlock = u.passphrase
	}
	return f
}

// check refuses what would be unsafe or could not work.
func (c config) check() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return station.Errorf(station.Correct, "listen address %q: %w", c.Listen, err)
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		return station.Errorf(station.Correct, "tls wants both a certificate and a key")
	}
	if c.Watchdog < time.Second {
		return station.Errorf(station.Correct, "watchdog of %v: a chip needs a second or more for one command", c.Watchdog)
	}
	if err := c.Centre.check(); err != nil {
		return err
	}
	if ip := net.ParseIP(host); c.TLS.Certificate == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return &station.Error{Kind: station.Correct, What: fmt.Sprintf("listen on %s without tls", c.Listen),
			Hint: "listen on 127.0.0.1, or set tls.certificate and tls.key"}
	}
	return nil
}

// listen opens the API's listener.
func (c config) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, &station.Error{Kind: station.Correct, What: "listen on " + c.Listen, Err: err, Hint: "is another stationd running? set listen to another port"}
	}
	if c.TLS.Certificate == "" {
		return l, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
	if err != nil {
		l.Close()
		return nil, station.Errorf(station.Correct, "tls certificate %s: %w", c.TLS.Certificate, err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), nil
}
