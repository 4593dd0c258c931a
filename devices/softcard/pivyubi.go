package softcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"sync"
	"time"

	"cardstation/devices/card"
	"cardstation/devices/card/tlv"
)

// metadata is GET METADATA: P2 names a PIN, PUK or key (docs.yubico.com, PIV
// APDUs, get metadata).
func (c *Chip) metadata(cmd card.Command) ([]byte, error) {
	s := &c.state.PIV
	flag := func(b bool) []byte {
		if b {
			return []byte{1}
		}
		return []byte{0}
	}
	if cmd.P1 != 0 {
		return nil, card.IncorrectP1P2
	}
	tries := func(s secret) []byte {
		b := tlv.New(0x01, []byte{0xFF})
		b = tlv.Append(b, 0x05, flag(s.Default))
		return tlv.Append(b, 0x06, []byte{s.Tries, s.Left})
	}
	switch cmd.P2 {
	case refPIN:
		return tries(s.PIN), nil
	case refPUK:
		return tries(s.PUK), nil
	case refManagement:
		touch := byte(touchNever)
		if s.Management.Touch {
			touch = touchAlways
		}
		b := tlv.New(0x01, []byte{s.Management.Algorithm})
		b = tlv.Append(b, 0x02, []byte{0, touch})
		return tlv.Append(b, 0x05, flag(s.Management.isDefault())), nil
	}
	key := s.Keys[cmd.P2]
	if key == nil {
		return nil, card.ReferencedDataNotFound
	}
	private, err := key.private()
	if err != nil {
		return nil, err
	}
	b := tlv.New(0x01, []byte{key.Algorithm})
	b = tlv.Append(b, 0x02, []byte{key.PIN, key.Touch})
	b = tlv.Append(b, 0x03, []byte{key.Origin})
	return tlv.Append(b, 0x04, publicObjects(private.Public())), nil
}

// importKey is IMPORT ASYMMETRIC KEY: P1 algorithm, P2 slot; 06 scalar, or 01 to 05
// p, q, dP, dQ, qInv; then policies.
func (c *Chip) importKey(cmd card.Command) error {
	if !c.session.piv.admin {
		return card.SecurityNotSatisfied
	}
	if !slot(cmd.P2) {
		return card.IncorrectP1P2
	}
	objects, err := tlv.Parse(cmd.Data)
	if err != nil {
		return card.IncorrectData
	}
	pin, touch, err := c.policies(cmd.P2, objects)
	if err != nil {
		return err
	}
	part := map[tlv.Tag][]byte{}
	for _, o := range objects {
		part[o.Tag] = o.Value
	}
	var private crypto.Signer
	switch cmd.P1 {
	case algP256:
		private, err = ecdsa.ParseRawPrivateKey(elliptic.P256(), part[0x06])
	case algP384:
		private, err = ecdsa.ParseRawPrivateKey(elliptic.P384(), part[0x06])
	case algRSA2048:
		private, err = fromPrimes(part[0x01], part[0x02])
	default:
		return card.IncorrectP1P2
	}
	if err != nil {
		return card.IncorrectData
	}
	key, err := newPIVKey(private, cmd.P1)
	if err != nil {
		return card.IncorrectData
	}
	key.PIN, key.Touch, key.Origin = pin, touch, originImported
	c.state.PIV.Keys[cmd.P2], c.dirty = key, true
	return nil
}

// fromPrimes makes an RSA key of 2048 bits with exponent 65537; what else was
// imported follows from the primes.
func fromPrimes(p, q []byte) (*rsa.PrivateKey, error) {
	if len(p) != rsaBits/16 || len(q) != rsaBits/16 {
		return nil, errInput
	}
	const e = 65537
	one := big.NewInt(1)
	P, Q := new(big.Int).SetBytes(p), new(big.Int).SetBytes(q)
	n := new(big.Int).Mul(P, Q)
	phi := new(big.Int).Mul(new(big.Int).Sub(P, one), new(big.Int).Sub(Q, one))
	d := new(big.Int).ModInverse(big.NewInt(e), phi)
	if d == nil || n.BitLen() != rsaBits {
		return nil, errInput
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: e}, D: d, Primes: []*big.Int{P, Q}}
	if err := key.Validate(); err != nil {
		return nil, err
	}
	key.Precompute()
	return key, nil
}

// Extensions of an attestation certificate (developers.yubico.com, PIV attestation).
var (
	oidFirmware = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 3}
	oidSerial   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 7}
	oidPolicy   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 8}
)

// The attestation certificates' validity; a chip has no clock.
var (
	notBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC)
)

// maker is the simulated maker of PIV tokens. Its key follows from its name, so that every
// softcard has the same maker, and nobody may trust it outside a simulation.
var maker = sync.OnceValues(func() (pivMaker, error) {
	const name = "SIMULATED softcard PIV attestation root, trust it nowhere"
	scalar := sha256.Sum256([]byte(name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar[:])
	if err != nil {
		return pivMaker{}, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: notBefore, NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(nil, t, t, key.Public(), key) // no randomness: the same bytes each time
	if err != nil {
		return pivMaker{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return pivMaker{key, cert}, err
})

type pivMaker struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// AttestationRoot is the CA of the simulated maker, under which every softcard attests
// the keys of its PIV application. It is worth nothing: its private key is known.
func AttestationRoot() (*x509.Certificate, error) {
	m, err := maker()
	return m.cert, err
}

// addAttestation makes the key that signs attestations, and its certificate under the
// simulated maker.
func (s *pivState) addAttestation(serial uint32) error {
	root, err := maker()
	if err != nil {
		return err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := newPIVKey(private, algP256)
	if err != nil {
		return err
	}
	key.PIN, key.Touch, key.Origin = pinNever, touchNever, originGenerated
	ca := &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(uint64(serial) + 2), NotBefore: notBefore, NotAfter: notAfter,
		Subject: pkix.Name{CommonName: fmt.Sprintf("SIMULATED softcard PIV attestation %d", serial)},
		IsCA:    true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, root.cert, private.Public(), root.key)
	if err != nil {
		return err
	}
	s.Keys[refAttestation] = key
	s.Objects[objAttestation] = append(append(tlv.New(0x70, der), tlv.New(0x71, []byte{0})...), tlv.New(0xFE)...)
	return nil
}

// attestationIssuer is the certificate in slot F9, which the issuer may replace.
func (s *pivState) attestationIssuer() (*x509.Certificate, error) {
	der, err := tlv.Find(s.Objects[objAttestation], 0x70)
	if err != nil {
		return nil, card.IncorrectData
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, card.IncorrectData
	}
	return c, nil
}

// attest is ATTEST: a certificate, signed by the attestation key, that the key in
// slot P1 was generated on this chip.
func (c *Chip) attest(cmd card.Command) ([]byte, error) {
	s := &c.state.PIV
	key, issuer := s.Keys[cmd.P1], s.Keys[refAttestation]
	if cmd.P2 != 0 || !slot(cmd.P1) {
		return nil, card.IncorrectP1P2
	}
	if key == nil || issuer == nil || key.Origin != originGenerated {
		return nil, card.IncorrectData
	}
	private, err := key.private()
	if err != nil {
		return nil, err
	}
	signer, err := issuer.private()
	if err != nil {
		return nil, err
	}
	above, err := s.attestationIssuer()
	if err != nil {
		return nil, err
	}
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	serial, err := asn1.Marshal(int64(c.state.Serial))
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: number.Add(number, big.NewInt(1)), NotBefore: notBefore, NotAfter: notAfter,
		Subject: pkix.Name{CommonName: fmt.Sprintf("YubiKey PIV Attestation %02x", cmd.P1)},
		ExtraExtensions: []pkix.Extension{
			{Id: oidFirmware, Value: pivVersion}, {Id: oidSerial, Value: serial}, {Id: oidPolicy, Value: []byte{key.PIN, key.Touch}},
		},
	}
	return x509.CreateCertificate(rand.Reader, leaf, &x509.Certificate{RawSubject: above.RawSubject}, private.Public(), signer)
}
