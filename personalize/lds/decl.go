package lds

import (
	"crypto"
	"crypto/x509"
	"errors"
	"time"

	"cardstation/biometrics/record"
	"cardstation/personalize/mrz"
	"cardstation/personalize/pki"
)

var errPending = errors.New("lds: being written")

// Trust is what passive authentication believes.
type Trust = pki.Trust

// Content is the content of EF.COM.
type Common struct {
	LDS     string   // "0107" or "0108"
	Unicode string   // "040000"
	Groups  []FileID // data groups present, as listed
}

func (c Common) Encode() ([]byte, error)         { return nil, errPending }
func DecodeCOM(b []byte) (Common, error)         { return Common{}, errPending }
func EncodeDG1(m mrz.TD1) ([]byte, error)        { return nil, errPending }
func DecodeDG1(b []byte) (mrz.TD1, error)        { return mrz.TD1{}, errPending }
func EncodeDG2(f ...record.Face) ([]byte, error) { return nil, errPending }

// DecodeDG2 gives the faces; the portrait is faces[0].Images[0].Data.
func DecodeDG2(b []byte) ([]record.Face, error) { return nil, errPending }

// SecurityInfo is one member of DG14 or EF.CardAccess, opaque but for its identifier.
type SecurityInfo struct {
	Protocol string // dotted object identifier
	DER      []byte // the whole SecurityInfo
}

func EncodeDG14(infos ...SecurityInfo) ([]byte, error) { return nil, errPending }
func DecodeDG14(b []byte) ([]SecurityInfo, error)      { return nil, errPending }

// ActiveAuthenticationInfo says with which hash an EC key signs (Doc 9303-11, 9.2.7).
func ActiveAuthenticationInfo(pub crypto.PublicKey) (SecurityInfo, error) {
	return SecurityInfo{}, errPending
}

// ActiveHash finds the hash that DG14 names for active authentication; 0 if none.
func ActiveHash(infos []SecurityInfo) crypto.Hash     { return 0 }
func EncodeDG15(pub crypto.PublicKey) ([]byte, error) { return nil, errPending }
func DecodeDG15(b []byte) (crypto.PublicKey, error)   { return nil, errPending }

// SecurityObject is a document security object.
type SecurityObject struct {
	Version      int    // 0 or 1
	LDS, Unicode string // of version 1
	Hash         crypto.Hash
	Groups       map[FileID][]byte
	Certificate  *x509.Certificate
}

func DecodeSOD(b []byte) (SecurityObject, error) { return SecurityObject{}, errPending }

// Build completes the data groups with EF.COM and EF.SOD.
func Build(groups Files, signer pki.Identity, now time.Time) (Files, error) { return nil, errPending }

// Verify is passive authentication, one row a check.
func Verify(files Files, trust Trust, now time.Time) []Check { return nil }
