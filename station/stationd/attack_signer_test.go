package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"

	"cardstation/personalize/lds"
	"cardstation/personalize/pki"
	"cardstation/station"
	"cardstation/station/verify"
)

// sign signs the groups on the chip, and EF.COM with them.
func (s *scene) sign(signer pki.Identity) {
	s.chip.put(must(lds.Build(s.groups(), signer, s.recent)))
}

// certified gives a key and a certificate by an authority: the genuine document
// signer's but for what change changes.
func (d *den) certified(by pki.Identity, change func(*x509.Certificate)) pki.Identity {
	return d.like(d.signer.Certificate, by, change)
}

func (d *den) like(model *x509.Certificate, by pki.Identity, change func(*x509.Certificate)) pki.Identity {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	t := &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))), Subject: model.Subject, NotBefore: model.NotBefore, NotAfter: model.NotAfter,
		KeyUsage: model.KeyUsage, IsCA: model.IsCA, BasicConstraintsValid: model.IsCA, SubjectKeyId: []byte(model.SerialNumber.String()),
		ExtraExtensions: slices.DeleteFunc(slices.Clone(model.Extensions), func(e pkix.Extension) bool { return !slices.Contains(kept, e.Id.String()) }),
	}
	if change != nil {
		change(t)
	}
	if by.Signer == nil { // its own
		by = pki.Identity{Signer: key, Certificate: t}
	}
	return pki.Identity{Signer: key, Certificate: must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, t, by.Certificate, key.Public(), by.Signer))))}
}

// kept are the extensions that a certificate made after another takes over: private
// key usage period, document types, alternative names.
var kept = []string{"2.5.29.16", "2.23.136.1.1.6.2", "2.5.29.17", "2.5.29.18"}

func without(t *x509.Certificate, id string) {
	t.ExtraExtensions = slices.DeleteFunc(t.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.String() == id })
}

func extension(id asn1.ObjectIdentifier, value any) pkix.Extension {
	return pkix.Extension{Id: id, Value: must(asn1.Marshal(value))}
}

// resigned is the genuine document signed by another document signer under the
// genuine country signer.
func (d *den) resigned(change func(*x509.Certificate)) func(*scene) {
	return func(s *scene) { s.sign(d.certified(d.country, change)) }
}

// signers are documents by somebody who should not have signed them. The chip is
// genuine, its keys and data too.
func (d *den) signers() []attack {
	failed, undone := station.Failed, station.NotDone
	const signer, country, validity = lds.CheckSigner, lds.CheckCountry, lds.CheckValidity
	utopia := func(t *x509.Certificate) { t.Subject.Country = []string{"UT"} }
	all := []attack{
		d.deceives("nothing: signed by a second document signer", station.Valid, "", "", d.resigned(nil)),
		d.deceives("signed under another country signer of the same name", station.NotValid, country, failed, func(s *scene) {
			stranger := must(pki.NewCountrySigner(pki.Options{Demo: true}))
			s.sign(must(pki.NewDocumentSigner(stranger, pki.Options{Demo: true})))
		}),
		d.deceives("signed under a stranger's key with the country signer's name and key identifier", station.NotValid, country, failed, func(s *scene) {
			s.sign(d.certified(pki.Identity{Signer: must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), Certificate: withoutKey(d.country.Certificate)}, nil))
		}),
		d.deceives("document signer that signed itself", station.NotValid, country, failed, func(s *scene) { s.sign(d.certified(pki.Identity{}, nil)) }),
		d.deceives("document signer under the citizen CA", station.NotValid, country, failed, func(s *scene) { s.sign(d.certified(d.citizen, nil)) }),
		d.deceives("document signer under another document signer", station.NotValid, country, failed, func(s *scene) { s.sign(d.certified(d.signer, nil)) }),
		d.deceives("the country signer signs the document itself", station.NotValid, signer, failed, func(s *scene) { s.sign(d.country) }),
		d.deceives("document signer that is an authority", station.NotValid, signer, failed, d.resigned(func(t *x509.Certificate) {
			t.IsCA, t.BasicConstraintsValid = true, true
		})),
		d.deceives("document signer whose key may not sign", station.NotValid, signer, failed, d.resigned(func(t *x509.Certificate) { t.KeyUsage = x509.KeyUsageKeyEncipherment })),
		d.deceives("document signer for passports", station.NotValid, signer, failed, d.resigned(func(t *x509.Certificate) {
			without(t, "2.23.136.1.1.6.2")
			t.ExtraExtensions = append(t.ExtraExtensions, extension(asn1.ObjectIdentifier{2, 23, 136, 1, 1, 6, 2}, struct {
				Version int
				Types   []string `asn1:"set"`
			}{0, []string{"P"}}))
		})),
		d.deceives("signed with the key of master lists", station.NotValid, signer, failed, d.resigned(func(t *x509.Certificate) {
			t.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{2, 23, 136, 1, 1, 3}}
		})),
		d.deceives("document signer with a critical extension nobody knows", station.NotChecked, signer, undone, d.resigned(func(t *x509.Certificate) {
			t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: true, Value: []byte{5, 0}})
		})),
		d.deceives("document signer that has expired", station.NotValid, validity, failed, d.resigned(func(t *x509.Certificate) {
			t.NotAfter = d.recent.Add(-time.Minute)
		})),
		d.deceives("document dated a year after its signer's key had to be put away", station.NotValid, lds.CheckIssue, failed, func(s *scene) {
			old := d.recent.AddDate(-1, 0, 0)
			s.chip.put(must(lds.Build(s.groups(), d.certified(d.country, func(t *x509.Certificate) {
				without(t, "2.5.29.16")
				t.NotBefore = old.AddDate(0, -1, 0)
				t.ExtraExtensions = append(t.ExtraExtensions, extension(asn1.ObjectIdentifier{2, 5, 29, 16}, struct {
					From time.Time `asn1:"generalized,tag:0"`
					To   time.Time `asn1:"generalized,tag:1"`
				}{old.AddDate(0, -1, 0).UTC(), old.UTC().AddDate(0, 0, 1)}))
			}), old)))
		}),
		d.deceives("document signer of tomorrow", station.NotValid, validity, failed, d.resigned(func(t *x509.Certificate) {
			t.NotBefore = d.recent.AddDate(0, 0, 1)
		})),
		d.deceives("document signer of another state under the country signer", station.NotValid, lds.CheckState, failed, d.resigned(utopia)),
		d.deceives("a trusted country signer of another state signs this state's document", station.NotValid, lds.CheckState, failed, func(s *scene) {
			foreign := must(pki.NewCountrySigner(pki.Options{Country: "UT", State: "UTO"}))
			s.trust.Anchors = append(slices.Clone(s.trust.Anchors), foreign.Certificate)
			s.trust.CRLs = append(slices.Clone(s.trust.CRLs), must(foreign.RevocationList(1, s.recent)))
			s.sign(d.certified(foreign, nil))
		}),
		d.deceives("DG1 of another state, signed", station.NotValid, lds.CheckState, failed, func(s *scene) {
			zone := must(lds.DecodeDG1(s.chip.files[lds.DG1].Data))
			zone.Issuer = "UTO"
			s.chip.put(lds.Files{lds.DG1: must(lds.EncodeDG1(zone))})
			s.sign(s.signer)
		}),
		d.deceives("a document that has expired", station.NotValid, lds.CheckExpiry, failed, func(s *scene) {
			s.now = func() time.Time { return time.Now().AddDate(12, 0, 0) }
		}),
	}
	return slices.Concat(all, d.authorities(), d.objects())
}

// withoutKey is a certificate as x509.CreateCertificate takes an issuer whose key is
// not the certificate's.
func withoutKey(c *x509.Certificate) *x509.Certificate {
	return &x509.Certificate{RawSubject: c.RawSubject, Subject: c.Subject, SubjectKeyId: c.SubjectKeyId}
}

// authorities are country signers and revocation lists that are not in order.
func (d *den) authorities() []attack {
	failed, undone := station.Failed, station.NotDone
	const country, validity, revoked = lds.CheckCountry, lds.CheckValidity, lds.CheckRevoked
	anchored := func(change func(*x509.Certificate)) func(*scene) {
		return func(s *scene) {
			anchor := d.like(d.country.Certificate, pki.Identity{}, change)
			s.trust = lds.Trust{Anchors: []*x509.Certificate{anchor.Certificate}}
			if anchor.Certificate.KeyUsage&x509.KeyUsageCRLSign != 0 && anchor.Certificate.IsCA {
				s.trust.CRLs = []*x509.RevocationList{must(anchor.RevocationList(1, s.recent))}
			}
			s.sign(d.certified(anchor, nil))
		}
	}
	revoking := func(by pki.Identity, number int64, at time.Time) *x509.RevocationList {
		return must(by.RevocationList(number, at, x509.RevocationListEntry{SerialNumber: d.signer.Certificate.SerialNumber, RevocationTime: at}))
	}
	lists := func(all ...*x509.RevocationList) func(*scene) { return func(s *scene) { s.trust.CRLs = all } }
	known := func(state string) func(*scene) {
		return func(s *scene) { s.list = knows(state) }
	}
	forger := pki.Identity{Signer: must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), Certificate: &x509.Certificate{
		RawSubject: d.country.Certificate.RawSubject, Subject: d.country.Certificate.Subject, SubjectKeyId: d.country.Certificate.SubjectKeyId, KeyUsage: x509.KeyUsageCRLSign}}
	return []attack{
		d.deceives("nothing: another country signer that is trusted", station.Valid, "", "", anchored(nil)),
		d.deceives("country signer that has expired", station.NotValid, validity, failed, anchored(func(t *x509.Certificate) { t.NotAfter = d.recent.Add(-time.Minute) })),
		d.deceives("country signer that is no authority", station.NotValid, country, failed, anchored(func(t *x509.Certificate) { t.IsCA, t.BasicConstraintsValid = false, false })),
		d.deceives("country signer that may sign lists only", station.NotValid, country, failed, anchored(func(t *x509.Certificate) { t.KeyUsage = x509.KeyUsageCRLSign })),
		d.deceives("no country signer of the state is trusted", station.NotChecked, country, undone, func(s *scene) {
			s.trust = lds.Trust{Anchors: []*x509.Certificate{must(pki.NewCountrySigner(pki.Options{Country: "UT", State: "UTO"})).Certificate}}
		}),
		d.deceives("document signer on the revocation list", station.NotValid, revoked, failed, lists(revoking(d.country, 2, d.recent))),
		d.deceives("document signer on a list that is out of date", station.NotValid, revoked, failed, lists(revoking(d.country, 2, d.recent.AddDate(0, 0, -120)))),
		d.deceives("revocation list out of date", station.NotChecked, revoked, undone, lists(must(d.country.RevocationList(2, d.recent.AddDate(0, 0, -120))))),
		d.deceives("no revocation list", station.NotChecked, revoked, undone, lists()),
		d.deceives("revocation list by a forger, no other", station.NotChecked, revoked, undone, lists(must(forger.RevocationList(9, d.recent)))),
		d.deceives("newer list by a forger that leaves the revoked signer out", station.NotValid, revoked, failed,
			lists(revoking(d.country, 2, d.recent.AddDate(0, 0, -1)), must(forger.RevocationList(9, d.recent)))),
		d.deceives("card that was revoked", station.NotValid, verify.CheckRevocation, failed, known(station.CardRevoked)),
		d.deceives("card that is suspended", station.NotValid, verify.CheckRevocation, failed, known(station.CardSuspended)),
		d.deceives("card signed for a chip that was scrapped", station.NotValid, verify.CheckRevocation, failed, known(station.CardScrapped)),
	}
}

// knows is a register that knows every card, in one state.
type knows string

func (k knows) CardBySOD(context.Context, string) (station.Card, error) {
	return station.Card{State: string(k)}, nil
}

// objects are EF.SODs whose content is not as it should be, signed all the same.
func (d *den) objects() []attack {
	failed, undone := station.Failed, station.NotDone
	hashed := func(h crypto.Hash, change func(map[lds.FileID][]byte)) func(*scene) {
		return func(s *scene) {
			o := lds.SecurityObject{Hash: h, Groups: map[lds.FileID][]byte{}}
			for id, data := range s.groups() {
				sum := h.New()
				sum.Write(data)
				o.Groups[id] = sum.Sum(nil)
			}
			if change != nil {
				change(o.Groups)
			}
			s.chip.put(lds.Files{lds.SOD: must(lds.SignSOD(o, s.signer))})
		}
	}
	sha256 := must(asn1.Marshal(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}))
	// the digests of the message, of the data groups, of the signer
	renamed := func(to asn1.ObjectIdentifier, only ...int) func(*scene) {
		return func(s *scene) {
			sod, id := bytes.Clone(s.chip.files[lds.SOD].Data), must(asn1.Marshal(to))
			for len(id) < len(sha256) { // filled up, so that every length around it stays
				id = append(id, 1)
				id[1]++
			}
			for at, n := 0, 0; ; n++ {
				next := bytes.Index(sod[at:], sha256)
				if next < 0 {
					break
				}
				if at += next; slices.Contains(only, n) {
					copy(sod[at:], id)
				}
				at += len(id)
			}
			s.chip.put(lds.Files{lds.SOD: sod})
		}
	}
	md5, unknown := asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 99}
	return []attack{
		d.deceives("nothing: hashes of SHA-384", station.Valid, "", "", hashed(crypto.SHA384, nil)),
		d.deceives("hashes of SHA-1, signed", station.Valid, "", "", hashed(crypto.SHA1, nil)), // no second preimage is known: it takes the signer's help
		d.deceives("hashes of MD5", station.NotChecked, lds.CheckSOD, undone, renamed(md5, 0, 1, 2)),
		d.deceives("hashes of an algorithm nobody knows", station.NotChecked, lds.CheckSOD, undone, renamed(unknown, 1)),
		d.deceives("signed over a digest nobody knows", station.NotChecked, lds.CheckSOD, undone, renamed(unknown, 2)),
		d.deceives("EF.SOD has no hash of DG13", station.NotValid, lds.HashCheck(lds.DG13), failed, hashed(crypto.SHA256, func(g map[lds.FileID][]byte) { delete(g, lds.DG13) })),
		d.deceives("EF.SOD has a hash of a DG12 that is not there", station.NotValid, lds.CheckCommon, failed, hashed(crypto.SHA256, func(g map[lds.FileID][]byte) { g[lds.DG12] = g[lds.DG1] })),
		d.deceives("EF.SOD and EF.COM list a DG12 that the chip does not give", station.NotChecked, lds.HashCheck(lds.DG12), undone, func(s *scene) {
			hashed(crypto.SHA256, func(g map[lds.FileID][]byte) { g[lds.DG12] = g[lds.DG1] })(s)
			s.lists(lds.DG1, lds.DG2, lds.DG3, lds.DG12, lds.DG13, lds.DG14, lds.DG15)
		}),
		d.deceives("DG13 that the chip does not give", station.NotChecked, lds.HashCheck(lds.DG13), undone, func(s *scene) { s.drop(lds.DG13) }),
		d.deceives("DG2 that the chip does not give", station.NotChecked, lds.HashCheck(lds.DG2), undone, func(s *scene) { s.drop(lds.DG2) }),
	}
}
