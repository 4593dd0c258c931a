package main

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"os"
	"testing"

	"cardstation/devices/card/access"
	"cardstation/devices/card/access/curve"
	"cardstation/devices/card/tlv"
	"cardstation/personalize/emrtd"
	"cardstation/personalize/lds"
	"cardstation/station"
	"cardstation/station/verify"
)

// bombs are small to send and large to take in: what is nested, what multiplies,
// what is long to compute. All that a row is expected of is signed, so that nothing
// else speaks against it.
func (d *den) bombs() []attack {
	failed, undone := station.Failed, station.NotDone
	signed := func(id lds.FileID, data []byte) func(*scene) {
		return func(s *scene) { s.signed(s.puppet(), lds.Files{id: data}) }
	}
	return []attack{
		d.hides("picture that claims 60000 x 60000 pixels, signed", station.Valid, signed(lds.DG2, portraitOf(claiming(60000, 60000)))),
		d.hides("picture that claims 60000 x 60000 pixels, on a copy", station.NotValid, func(s *scene) {
			s.chip.put(lds.Files{lds.DG2: portraitOf(claiming(60000, 60000))})
		}),
		d.hides("picture that claims 4000 x 16000 pixels in many passes", station.Valid, signed(lds.DG2, portraitOf(bytes.Replace(claiming(4000, 16000), []byte{0xFF, 0xC0}, []byte{0xFF, 0xC2}, 1)))),
		d.hides("JPEG 2000 that claims 2^31 x 2^31 pixels, signed", station.Valid, signed(lds.DG2, portraitOf(claiming2000(1<<31)))),
		d.hides("JPEG 2000 of 3000 x 3000 pixels in 200 bytes, signed", station.Valid, signed(lds.DG2, portraitOf(claiming2000(3000)))),
		d.hides("JPEG 2000 of 2000 x 2000 pixels, of which hardly any are there, signed", station.Valid, signed(lds.DG2, portraitOf(broken2000(2000)))),
		d.hides("picture that is a web page", station.Valid, signed(lds.DG2, portraitOf([]byte("<svg onload=alert(1)>")))),
		d.hides("DG2 of 60,000 data objects in each other", station.Valid, signed(lds.DG2, nested(0x75, 0x7F61, 15000))),
		d.deceives("EF.COM of 60,000 data objects in each other", station.NotValid, lds.CheckCommon, failed, func(s *scene) { s.puppet().files[lds.COM] = nested(0x60, 0x30, 15000) }),
		d.deceives("EF.SOD of 60,000 data objects in each other", station.NotValid, lds.CheckSOD, failed, func(s *scene) { s.puppet().files[lds.SOD] = nested(0x77, 0x30, 15000) }),
		d.deceives("EF.SOD of indefinite lengths", station.NotValid, lds.CheckSOD, failed, func(s *scene) {
			s.puppet().files[lds.SOD] = tlv.New(0x77, bytes.Repeat([]byte{0x30, 0x80}, 20000))
		}),
		d.deceives("DG13 of 60,000 data objects in each other, signed", station.NotValid, lds.CheckAgreement, failed, signed(lds.DG13, nested(0x6D, 0x30, 15000))),
		d.deceives("EF.CardAccess of 60,000 data objects in each other", station.NotValid, emrtd.CheckCardAccess, failed, func(s *scene) {
			s.chip.put(lds.Files{lds.CardAccess: nested(0x31, 0x30, 15000)})
		}),
		d.deceives("EF.CardAccess with 3,000 ways of PACE", station.NotValid, emrtd.CheckCardAccess, failed, func(s *scene) {
			s.chip.put(lds.Files{lds.CardAccess: tlv.New(0x31, bytes.Repeat(must(weakPACE.SecurityInfo()), 3000))})
		}),
		d.deceives("DG14 with 1,000 static keys and 5,000 ways for each, signed", station.Valid, emrtd.CheckChip, undone, signed(lds.DG14, manyKeys(1000, 5000))),
		d.deceives("EF.SOD with 300 certificates of nobody", station.Valid, "", "", func(s *scene) { s.puppet().files[lds.SOD] = d.crowded(s, 300) }),
		d.deceives("EF.SOD with an RSA signer of 1,000,000 bits", station.NotChecked, lds.CheckSOD, undone, func(s *scene) {
			p := s.puppet()
			p.files[lds.SOD] = d.signedByRSA(p.files, 1000000, 1)
		}),
		d.deceives("EF.SOD with 20,000 signed attributes", station.NotValid, lds.CheckSOD, failed, func(s *scene) {
			p := s.puppet()
			p.files[lds.SOD] = d.signedByRSA(p.files, 2048, 20000)
		}),
		d.deceives("active key of RSA with 16,384 bits, signed", station.NotChecked, emrtd.CheckActive, undone, signed(lds.DG15, tlv.New(0x6F, rsaKey(16384)))),
		d.deceives("active key off its curve, signed", station.NotValid, emrtd.CheckActive, failed, signed(lds.DG15, tlv.New(0x6F, ecKey(func(p []byte) { p[64] ^= 1 })))),
		d.deceives("active key at infinity, signed", station.NotValid, emrtd.CheckActive, failed, signed(lds.DG15, tlv.New(0x6F, ecKey(func(p []byte) { clear(p[1:]) })))),
		d.deceives("static key off its curve, signed", station.Valid, emrtd.CheckChip, undone, signed(lds.DG14, tlv.New(0x6E, tlv.New(0x31, staticInfo(func(p []byte) { p[64] ^= 1 }))))),
	}
}

// hides is an attack by a picture: the verdict, and that the picture goes to no
// officer's screen.
func (d *den) hides(name string, outcome station.Outcome, play func(*scene)) attack {
	told := func(o station.Outcome, r station.Result, bytes int) string {
		if bytes > 0 {
			return string(o) + ", shown"
		}
		return string(o) + ": " + verify.CheckPicture + " " + string(r)
	}
	return attack{name, told(outcome, station.NotDone, 0), func(t *testing.T) string {
		v := d.judge(t, play)
		return told(v.Outcome, resultOf(v, verify.CheckPicture), len(v.Portrait))
	}}
}

// claiming is the portrait with another size in its header.
func claiming(width, height uint16) []byte {
	jpeg := bytes.Clone(portraitOnce())
	at := bytes.Index(jpeg, []byte{0xFF, 0xC0})
	binary.BigEndian.PutUint16(jpeg[at+5:], height)
	binary.BigEndian.PutUint16(jpeg[at+7:], width)
	return jpeg
}

// claiming2000 is a picture in JPEG 2000 with other sides in its header, those of its one
// tile, too.
func claiming2000(side uint32) []byte {
	b := must(os.ReadFile("../../biometrics/testdata/tiny.j2k"))
	for _, at := range []int{8, 12, 24, 28} { // ISO/IEC 15444-1, A.5.1
		binary.BigEndian.PutUint32(b[at:], side)
	}
	return b
}

// broken2000 is one whose coded data is none.
func broken2000(side uint32) []byte {
	b := claiming2000(side)
	data := b[bytes.Index(b, []byte{0xFF, 0x93})+2 : len(b)-2] // behind SOD, A.4.3
	for i := range data {
		data[i] = 0xFE
	}
	return b
}

// nested is data objects in each other, n deep, in one with the outer tag.
func nested(outer, inner tlv.Tag, n int) []byte {
	sizes := make([]int, n+1)
	for i := 1; i <= n; i++ {
		sizes[i] = tlv.Size(inner, sizes[i-1])
	}
	b := head(outer, sizes[n])
	for i := n; i > 0; i-- {
		b = append(b, head(inner, sizes[i-1])...)
	}
	return b
}

// head is a tag and the length of a value that is not there.
func head(tag tlv.Tag, n int) []byte {
	whole := tlv.New(tag, make([]byte, n))
	return whole[:len(whole)-n]
}

// manyKeys is DG14 with static keys and ways of chip authentication, none named, so
// that each key would go with each way.
func manyKeys(keys, ways int) []byte {
	k := must(curve.Number(12))
	one := access.ChipKey{KeyBits: 128, Key: must(curve.PublicKey(k, curve.Encode(k, k.Params().Gx, k.Params().Gy)))}
	infos := must(one.SecurityInfos())
	return tlv.New(0x6E, tlv.New(0x31, bytes.Repeat(infos[0], ways), bytes.Repeat(staticInfo(nil), keys)))
}

// staticInfo is a ChipAuthenticationPublicKeyInfo (Doc 9303-11, 9.2.6).
func staticInfo(spoil func([]byte)) []byte {
	id := must(asn1.Marshal(asn1.ObjectIdentifier{0, 4, 0, 127, 0, 7, 2, 2, 1, 2}))
	return tlv.New(0x30, id, ecKey(spoil))
}

// ecKey is the public key of P-256's generator, its point spoilt.
func ecKey(spoil func(point []byte)) []byte {
	c := must(curve.Number(12))
	point := curve.Encode(c, c.Params().Gx, c.Params().Gy)
	if spoil != nil {
		spoil(point)
	}
	algorithm := append(must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1})), must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}))...)
	return tlv.New(0x30, tlv.New(0x30, algorithm), tlv.New(0x03, []byte{0}, point))
}

// rsaKey is a public key with a modulus that nobody factored.
func rsaKey(bits int) []byte { return must(x509.MarshalPKIXPublicKey(rsaModulus(bits))) }

func rsaModulus(bits int) *rsa.PublicKey {
	b := make([]byte, bits/8)
	rand.Read(b)
	b[0] |= 0x80
	b[len(b)-1] |= 1
	return &rsa.PublicKey{N: new(big.Int).SetBytes(b), E: 1<<31 - 1}
}

// crowded is the chip's EF.SOD with certificates before that of its signer.
func (d *den) crowded(s *scene, n int) []byte {
	var many [][]byte
	for range n {
		many = append(many, d.citizen.Certificate.Raw)
	}
	own := d.signer.Certificate.Raw
	return around(bytes.Clone(s.chip.files[lds.SOD].Data), tlv.New(0xA0, own), tlv.New(0xA0, append(many, own)...))
}

// around puts a data object in the place of another inside a file of data objects,
// and sets the lengths around it right.
func around(b, old, new []byte) []byte {
	o, rest, err := tlv.Next(b)
	if err != nil {
		panic(err)
	}
	if bytes.HasPrefix(b, old) {
		return append(bytes.Clone(new), b[len(old):]...)
	}
	if !bytes.Contains(o.Value, old) {
		return append(bytes.Clone(b[:len(b)-len(rest)]), around(rest, old, new)...)
	}
	if !o.Tag.Constructed() {
		return b
	}
	return append(tlv.New(o.Tag, around(o.Value, old, new)), rest...)
}

// signedByRSA is an EF.SOD over the files' hashes, with the certificate of an RSA
// key of so many bits and so many signed attributes. The signature is none.
func (d *den) signedByRSA(files lds.Files, bits, attributes int) []byte {
	sod := must(lds.DecodeSOD(files[lds.SOD]))
	content := must(sod.Object.Encode())
	oid := func(id ...int) []byte { return must(asn1.Marshal(asn1.ObjectIdentifier(id))) }
	set := func(tag tlv.Tag, parts ...[]byte) []byte { return tlv.New(tag, parts...) }
	sum := sha256.Sum256(content)
	hash := set(0x30, oid(2, 16, 840, 1, 101, 3, 4, 2, 1))
	kind := set(0x30, oid(1, 2, 840, 113549, 1, 9, 3), set(0x31, oid(2, 23, 136, 1, 1, 1)))
	digest := set(0x30, oid(1, 2, 840, 113549, 1, 9, 4), set(0x31, set(0x04, sum[:])))
	more := bytes.Repeat(set(0x30, oid(1, 2, 3), set(0x31, []byte{5, 0})), attributes-1)

	t := d.certified(d.country, nil).Certificate
	der := must(x509.CreateCertificate(rand.Reader, t, d.country.Certificate, rsaModulus(bits), d.country.Signer))
	c := must(x509.ParseCertificate(der))
	serial := must(asn1.Marshal(c.SerialNumber))
	info := set(0x30, []byte{2, 1, 1}, set(0x30, c.RawIssuer, serial), hash, set(0xA0, kind, digest, more),
		set(0x30, oid(1, 2, 840, 113549, 1, 1, 11)), set(0x04, append([]byte{0}, bytes.Repeat([]byte{1}, bits/8-1)...)))
	data := set(0x30, []byte{2, 1, 3}, set(0x31, hash), set(0x30, oid(2, 23, 136, 1, 1, 1), set(0xA0, set(0x04, content))),
		set(0xA0, der), set(0x31, info))
	return set(0x77, set(0x30, oid(1, 2, 840, 113549, 1, 7, 2), set(0xA0, data)))
}
