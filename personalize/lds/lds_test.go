package lds

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"image"
	"image/jpeg"
	"slices"
	"testing"
	"time"

	"cardstation/biometrics/record"
	"cardstation/personalize/cccd"
	"cardstation/personalize/mrz"
	"cardstation/personalize/pki"
)

var issued = time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC)

// nation is a country signer with a document signer under it.
type nation struct {
	country, signer pki.Identity
	trust           Trust
}

func newNation(t testing.TB, o pki.Options) nation {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = issued
	}
	country, err := pki.NewCountrySigner(o)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := pki.NewDocumentSigner(country, o)
	if err != nil {
		t.Fatal(err)
	}
	crl, err := country.RevocationList(1, o.Now)
	if err != nil {
		t.Fatal(err)
	}
	n := nation{country: country, signer: signer}
	n.trust.Anchors = append(n.trust.Anchors, country.Certificate)
	n.trust.CRLs = append(n.trust.CRLs, crl)
	return n
}

// groups are the data groups of an invented citizen's card.
func groups(t testing.TB, seed uint64) Files {
	t.Helper()
	must := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	h := cccd.Example(seed)
	expiry, err := cccd.Expiry(h.BirthDate, issued)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := cccd.MRZ(h, expiry)
	if err != nil {
		t.Fatal(err)
	}
	face, err := record.NewFace(photo(t))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	info, err := ActiveAuthenticationInfo(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return Files{
		DG1: must(EncodeDG1(zone)), DG2: must(EncodeDG2(face)),
		DG13: must(cccd.National{Holder: h, Issue: issued.Format(time.DateOnly), Expiry: expiry}.Encode(cccd.Nested)),
		DG14: must(EncodeDG14(info)), DG15: must(EncodeDG15(key.Public())),
	}
}

func photo(t testing.TB) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 30, 40)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func document(t testing.TB, n nation) Files {
	t.Helper()
	files, err := Build(groups(t, 7), n.signer, issued)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFilesReadBackByteForByte(t *testing.T) {
	files := document(t, newNation(t, pki.Options{}))
	for f, again := range map[FileID]func([]byte) ([]byte, error){
		COM: func(b []byte) ([]byte, error) {
			c, err := DecodeCOM(b)
			if err != nil {
				return nil, err
			}
			return c.Encode()
		},
		DG1: func(b []byte) ([]byte, error) {
			m, err := DecodeDG1(b)
			if err != nil {
				return nil, err
			}
			return EncodeDG1(m)
		},
		DG2: func(b []byte) ([]byte, error) {
			faces, err := DecodeDG2(b)
			if err != nil {
				return nil, err
			}
			if !bytes.Equal(faces[0].Images[0].Data, photo(t)) {
				t.Error("another portrait came back")
			}
			return EncodeDG2(faces...)
		},
		DG14: func(b []byte) ([]byte, error) {
			infos, err := DecodeDG14(b)
			if err != nil {
				return nil, err
			}
			return EncodeDG14(infos...)
		},
		DG15: func(b []byte) ([]byte, error) {
			pub, err := DecodeDG15(b)
			if err != nil {
				return nil, err
			}
			return EncodeDG15(pub)
		},
		SOD: func(b []byte) ([]byte, error) {
			s, err := DecodeSOD(b)
			if err != nil {
				return nil, err
			}
			return s.Encode()
		},
	} {
		if got, err := again(files[f]); err != nil || !bytes.Equal(got, files[f]) {
			t.Errorf("%s: %v\n got %x\nwant %x", f, err, got, files[f])
		}
	}
}

// Doc 9303-10, 4.6.1: the example of EF.COM; 4.7.1: the frame of DG1.
func TestPublishedExamples(t *testing.T) {
	com, _ := hex.DecodeString("60165F0104303130375F3606303430303030" + "5C04" + "6175766C")
	c, err := DecodeCOM(com)
	if err != nil || c.LDS != "0107" || c.Unicode != "040000" || !slices.Equal(c.Groups, []FileID{DG1, DG2, DG4, DG12}) {
		t.Errorf("%+v, %v", c, err)
	}
	if again, err := c.Encode(); err != nil || !bytes.Equal(again, com) {
		t.Errorf("%x, %v", again, err)
	}
	zone := "I<UTOD231458907<<<<<<<<<<<<<<<" + "7408122F1204159UTO<<<<<<<<<<<6" + "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"
	m, err := mrz.Parse(zone)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := EncodeDG1(m); err != nil || string(b) != "\x61\x5D\x5F\x1F\x5A"+zone {
		t.Errorf("%x, %v", b, err)
	}
}

// Doc 9303-10, 4.6 and 4.7.
func TestFilesHaveTheirNamesAndTags(t *testing.T) {
	for f, want := range map[FileID]struct {
		name string
		sfi  byte
		tag  uint32
	}{COM: {"EF.COM", 0x1E, 0x60}, SOD: {"EF.SOD", 0x1D, 0x77}, DG1: {"DG1", 1, 0x61}, DG2: {"DG2", 2, 0x75}, DG3: {"DG3", 3, 0x63},
		DG4: {"DG4", 4, 0x76}, DG13: {"DG13", 13, 0x6D}, DG14: {"DG14", 14, 0x6E}, DG15: {"DG15", 15, 0x6F}, DG(16): {"DG16", 16, 0x70},
		CardAccess: {"EF.CardAccess", 0x1C, 0}, 0x2F01: {"file 2F01", 1, 0}} {
		if f.String() != want.name || f.SFI() != want.sfi || uint32(f.Tag()) != want.tag {
			t.Errorf("%04X: %s, short %02X, tag %s", uint16(f), f, f.SFI(), f.Tag())
		}
	}
}

func TestActiveAuthenticationHash(t *testing.T) {
	for curve, want := range map[elliptic.Curve]crypto.Hash{elliptic.P256(): crypto.SHA256, elliptic.P384(): crypto.SHA384} {
		key, _ := ecdsa.GenerateKey(curve, rand.Reader)
		info, err := ActiveAuthenticationInfo(key.Public())
		if err != nil || ActiveHash([]SecurityInfo{info}) != want {
			t.Errorf("%s: %v, %v", curve.Params().Name, ActiveHash([]SecurityInfo{info}), err)
		}
	}
	key, _ := rsa.GenerateKey(rand.Reader, 1024)
	if _, err := ActiveAuthenticationInfo(key.Public()); err == nil {
		t.Error("an info for an RSA key")
	}
	if ActiveHash(nil) != 0 {
		t.Error("a hash out of nothing")
	}
}

func TestSecurityObjectVersions(t *testing.T) {
	for _, o := range []SecurityObject{
		{Version: 0, Hash: crypto.SHA256, Groups: map[FileID][]byte{DG1: make([]byte, 32), DG2: make([]byte, 32)}},
		{Version: 1, LDS: "0108", Unicode: "040000", Hash: crypto.SHA512, Groups: map[FileID][]byte{DG(16): make([]byte, 64)}},
	} {
		b, err := o.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeSecurityObject(b)
		if err != nil || got.Version != o.Version || got.LDS != o.LDS || got.Unicode != o.Unicode || got.Hash != o.Hash || len(got.Groups) != len(o.Groups) {
			t.Errorf("%+v, %v", got, err)
		}
		if again, err := got.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x, %v", again, err)
		}
	}
	// Version 0 with SHA-1 and NULL parameters, as old documents have it; then a hash too short.
	head := "020100" + "3009" + "06052b0e03021a" + "0500"
	old := unhex(t, "302b"+head+"301b"+"3019"+"020101"+"0414"+"000102030405060708090a0b0c0d0e0f10111213")
	o, err := DecodeSecurityObject(old)
	if b, again := o.Encode(); err != nil || o.Hash != crypto.SHA1 || again != nil || !bytes.Equal(b, old) {
		t.Errorf("%x, %v, %v", b, err, again)
	}
	if _, err := DecodeSecurityObject(unhex(t, "3027"+head+"3017"+"3015"+"020101"+"0410"+"000102030405060708090a0b0c0d0e0f")); err == nil {
		t.Error("a SHA-1 of 16 bytes")
	}
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBuildRefuses(t *testing.T) {
	n := newNation(t, pki.Options{})
	g := groups(t, 1)
	if _, err := Build(g, n.signer, issued.AddDate(0, 4, 0)); err == nil {
		t.Error("signed after the usage period of the key")
	}
	if _, err := Build(Files{DG2: g[DG2]}, n.signer, issued); err == nil {
		t.Error("signed without DG1")
	}
	if _, err := Build(Files{DG1: g[DG2], DG2: g[DG1]}, n.signer, issued); err == nil {
		t.Error("signed DG1 for DG2")
	}
	if _, err := Build(Files{DG1: g[DG1], DG2: g[DG2], COM: {0x60, 0}}, n.signer, issued); err == nil {
		t.Error("signed EF.COM")
	}
}
