package pki

import (
	"crypto"
	"crypto/x509"
	"errors"
	"time"
)

var errPending = errors.New("pki: being written")

// NewCountrySigner makes a self-signed country signing CA (Doc 9303-12, 7.1).
func NewCountrySigner(o Options) (Identity, error) { return Identity{}, errPending }

// NewDocumentSigner makes a document signer under a country signer.
func NewDocumentSigner(country Identity, o Options) (Identity, error) { return Identity{}, errPending }

// NewCitizenCA makes the self-signed CA of the PIV certificates.
func NewCitizenCA(o Options) (Identity, error) { return Identity{}, errPending }

// PIV says which certificate of a card is asked for.
type PIV struct {
	Slot     byte             // 0x9A, 0x9C, 0x9D or 0x9E
	Public   crypto.PublicKey // made on the card: *ecdsa.PublicKey or *rsa.PublicKey
	Name     string           // whole name, as in DG13
	Number   string           // personal number
	UUID     [16]byte         // card UUID of the CHUID
	NotAfter time.Time        // the card's expiry
}

// IssuePIV certifies a key of a card; id is the citizen CA.
func (id Identity) IssuePIV(p PIV, o Options) (*x509.Certificate, error) { return nil, errPending }

// RevocationList signs a CRL of id over the given serial numbers.
func (id Identity) RevocationList(number int64, now time.Time, revoked ...x509.RevocationListEntry) (*x509.RevocationList, error) {
	return nil, errPending
}

// Keys is what a line signs and derives with.
type Keys struct {
	CountrySigner *x509.Certificate
	Document      Identity
	Citizen       Identity
	Master        []byte // 32 bytes
	Demo          bool
}

// InitDemo writes a complete demo key directory; it refuses one that has keys.
func InitDemo(dir string) error { return errPending }

// Load reads a key directory.
func Load(dir string) (Keys, error) { return Keys{}, errPending }

// LoadTrust reads every certificate and revocation list (PEM or DER) of a directory.
func LoadTrust(dir string) (Trust, error) { return Trust{}, errPending }
