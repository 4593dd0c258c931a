package sbi

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cardstation/devices/capture"
)

// Trouble is what a Simulator does wrong.
type Trouble int

// The troubles.
const (
	Well             Trouble = iota // nothing
	Unplugged                       // the service answers that there is no device (106, 202); a capture under way ends so
	Stalled                         // captures and streams never answer
	HalfImage                       // the record stops in its middle, and is signed so
	BrokenOff                       // the answer stops in its middle
	LyingPPI                        // the record says half the resolution that it has: Shot.HalvePPI
	SaysBusy                        // Busy, 111
	SaysNotReady                    // Not Ready, 110
	SaysUnregistered                // Not Registered, 100, nothing signed
	SeesNothing                     // 101
	Forged                          // signed by a key that nobody trusts
	Replayed                        // an older transaction's answer
	Deaf                            // does not know the extension: gives the echo of no customOpts
	Endless                         // streams go on beyond the time that they are given
)

// troubles are their names, in the order above.
var troubles = [...]string{"well", "unplugged", "stalled", "half-image", "broken-off", "lying-ppi", "busy", "not-ready", "unregistered",
	"sees-nothing", "forged", "replayed", "deaf", "endless"}

// String is the trouble's name.
func (t Trouble) String() string {
	if t >= 0 && int(t) < len(troubles) {
		return troubles[t]
	}
	return "trouble " + strconv.Itoa(int(t))
}

// Troubles lists the names.
func Troubles() []string { return slices.Clone(troubles[:]) }

// ParseTrouble finds a trouble by its name.
func ParseTrouble(name string) (Trouble, error) {
	if i := slices.Index(troubles[:], name); i >= 0 {
		return Trouble(i), nil
	}
	return Well, fmt.Errorf("no trouble is called %q: there are %s", name, strings.Join(troubles[:], ", "))
}

// Shot is one biometric that a simulator is to play.
type Shot struct {
	Type       Type
	SubType    string // SBI's name, UNKNOWN for a whole slap, "" for a face
	Impression Impression
	SubID      string   // the sensor: tells the slaps apart
	Exceptions []string // fingers that are not there
	HalvePPI   bool     // the record is to lie: half the resolution that it has
}

// SimulatorOptions of a Simulator. Only Play is needed.
type SimulatorOptions struct {
	// Play gives the record (ISO/IEC 19794) in Frame.Data that the device shall have
	// captured. It may be called from several goroutines.
	Play    func(Shot) (capture.Frame, error)
	Preview [][]byte // JPEGs that a stream shows in turn
	// Rolling gives the JPEGs that a stream shows, each once, while one Shot is captured, which
	// takes as long then. It is not asked where there is no stream. nil, or none: a stream shows
	// nothing while it captures. Without it and Preview there is no stream.
	Rolling  func(Shot) [][]byte
	Type     Type          // "" is Finger
	SubType  string        // "" is Slap, Double or Full face
	Serial   string        // "" is DEMO-0001
	Env      string        // "" is Production
	Purpose  string        // "" is Registration
	Delay    time.Duration // how long a capture takes
	Interval time.Duration // between a stream's pictures; 0 is 100 ms
	Quality  int           // what it says of each capture; 0 is 80
	ES256    bool          // sign with P-256 instead of RS256
	Now      func() time.Time
}

// Simulator is a device's end of SBI 0.9.5: an http.Handler that discovers, describes,
// streams and captures one device, signed by a generated DEMO key. It plays the
// records it is given, is honest about being a simulation (its key's and its device's names
// say DEMO) and does wrong what it is told to.
type Simulator struct {
	opt    SimulatorOptions
	id     DigitalID
	root   *x509.Certificate
	signer jose.Signer
	forger jose.Signer

	mu      sync.Mutex
	trouble Trouble
	change  chan struct{} // closed when trouble changes
	taken   bool          // a capture is under way
	rolling [][]byte      // what a stream has still to show of it
	viewers int           // streams under way
	oldest  string        // the first transaction
}

// NewSimulator makes a device with keys of its own.
func NewSimulator(o SimulatorOptions) (*Simulator, error) {
	if o.Play == nil {
		return nil, errors.New("sbi simulator: nothing to play")
	}
	if o.Type == "" {
		o.Type = Finger
	}
	o.SubType = or(o.SubType, map[Type]string{Finger: "Slap", Iris: "Double", Face: "Full face"}[o.Type])
	o.Serial, o.Env, o.Purpose = or(o.Serial, "DEMO-0001"), or(o.Env, "Production"), or(o.Purpose, purposeRegistration)
	o.Interval, o.Quality = or(o.Interval, 100*time.Millisecond), or(o.Quality, 80)
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Simulator{opt: o, change: make(chan struct{})}
	s.id = DigitalID{SerialNo: o.Serial, Make: "DEMO", Model: "Simulator", Type: o.Type, DeviceSubType: o.SubType,
		DeviceProvider: "DEMO provider", DeviceProviderID: "DEMO", DateTime: stamp(o.Now())}
	var err error
	if s.root, s.signer, err = newSigner(o); err != nil {
		return nil, err
	}
	_, s.forger, err = newSigner(o)
	return s, err
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Root is the certificate to trust: the DEMO device provider's.
func (s *Simulator) Root() *x509.Certificate { return s.root }

// Make has the simulator do wrong from now on, in what is under way too where a person
// could: pulling the plug ends a capture.
func (s *Simulator) Make(t Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = t
	close(s.change)
	s.change = make(chan struct{})
}

// state is the trouble, and what is closed when it changes.
func (s *Simulator) state() (Trouble, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble, s.change
}

// Listen listens on the first free port of those that SBI's clients look at.
func Listen() (net.Listener, error) {
	for port := FirstPort; port <= LastPort; port++ {
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no free port of 127.0.0.1 from %d to %d", FirstPort, LastPort)
}

// newSigner makes a provider's certificate and a signer whose device certificate it
// has issued.
func newSigner(o SimulatorOptions) (*x509.Certificate, jose.Signer, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	var key crypto.Signer
	alg := jose.RS256
	if o.ES256 {
		alg = jose.ES256
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return nil, nil, err
	}
	template := func(name string, usage x509.KeyUsage, ca bool) *x509.Certificate {
		now := o.Now()
		return &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour),
			NotAfter: now.AddDate(1, 0, 0), KeyUsage: usage, IsCA: ca, BasicConstraintsValid: true}
	}
	issuer := template("DEMO device provider", x509.KeyUsageCertSign, true)
	root, err := issue(issuer, issuer, rootKey.Public(), rootKey)
	if err != nil {
		return nil, nil, err
	}
	device, err := issue(template("DEMO device "+o.Serial, x509.KeyUsageDigitalSignature, false), root, key.Public(), rootKey)
	if err != nil {
		return nil, nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, new(jose.SignerOptions).WithType("JWT").
		WithHeader("x5c", []string{base64.StdEncoding.EncodeToString(device.Raw)}))
	return root, signer, err
}

func issue(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// sign makes a compact JWS of v.
func (s *Simulator) sign(v any, forged bool) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	signer := s.signer
	if forged {
		signer = s.forger
	}
	jws, err := signer.Sign(b)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// begin takes the device for a capture, unless one is under way.
func (s *Simulator) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken {
		return false
	}
	s.taken = true
	return true
}

func (s *Simulator) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken, s.rolling = false, nil
}

// roll has a stream, if there is one, show a capture; it gives how long that takes.
func (s *Simulator) roll(shots []Shot) time.Duration {
	if s.opt.Rolling == nil || len(shots) != 1 || !s.watched() {
		return 0
	}
	pictures := s.opt.Rolling(shots[0])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rolling = pictures
	return time.Duration(len(pictures)+1) * s.opt.Interval
}

func (s *Simulator) watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.viewers > 0
}

// picture is what a stream shows as its i-th, nil for none now.
func (s *Simulator) picture(i int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.taken && len(s.opt.Preview) > 0:
		return s.opt.Preview[i%len(s.opt.Preview)]
	case s.taken && len(s.rolling) > 0:
		next := s.rolling[0]
		s.rolling = s.rolling[1:]
		return next
	}
	return nil
}

// watch counts a stream; it refuses a second one.
func (s *Simulator) watch(by int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if by > 0 && s.viewers > 0 {
		return false
	}
	s.viewers += by
	return true
}

// status is what the device says of itself.
func (s *Simulator) status() (Status, fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.trouble == SaysUnregistered:
		return NotRegistered, faultOf("100")
	case s.trouble == SaysNotReady:
		return NotReady, faultOf("110")
	case s.trouble == SaysBusy || s.taken || s.viewers > 0:
		return Busy, faultOf("111")
	}
	return Ready, faultOf("0")
}

// faultOf is an error object with the specification's words.
func faultOf(code string) fault {
	words := map[string]string{"0": "Success", "100": "Device not registered", "101": "Unable to detect a biometric object", "102": "Technical error during extraction",
		"106": "Device not found", "109": "Requested number of biometric not supported", "110": "Device is not ready", "111": "Device is Busy",
		"112": "Invalid Transaction ID", "202": "No Device Connected", "500": "Invalid request", "502": "Unsupported type"}
	return fault{Code: text(code), Info: words[code]}
}

// wait lets d pass. It gives false when the request ended first, or the plug was pulled;
// the code then says which error to answer, "" for none.
func (s *Simulator) wait(ctx context.Context, d time.Duration) (code string, ok bool) {
	done := time.NewTimer(d)
	defer done.Stop()
	for {
		trouble, change := s.state()
		var passed <-chan time.Time
		switch trouble {
		case Unplugged:
			return "106", false
		case Stalled:
		default:
			passed = done.C
		}
		select {
		case <-ctx.Done():
			return "", false
		case <-passed:
			return "", true
		case <-change:
		}
	}
}
