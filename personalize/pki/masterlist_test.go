package pki

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardstation/devices/card/tlv"
)

const directoryAuthority = `[req]
distinguished_name=dn
[dn]
[ca]
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
[lists]
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,2.23.136.1.1.3
authorityKeyIdentifier=keyid
[documents]
keyUsage=critical,digitalSignature
authorityKeyIdentifier=keyid
`

// states is a folder in which openssl plays country signers and signers of master
// lists; what an office trusts is a folder of its own.
type states struct {
	*testing.T
	dir, office string
}

func newStates(t *testing.T) states {
	s := states{t, t.TempDir(), t.TempDir()}
	s.put(s.path("conf"), []byte(directoryAuthority))
	return s
}

func (s states) path(name string) string { return filepath.Join(s.dir, name) }

func (s states) put(path string, b []byte) {
	s.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s states) trusts(name string, b []byte) { s.Helper(); s.put(filepath.Join(s.office, name), b) }

// folder is an office that trusts those files.
func (s states) folder(files map[string][]byte) states {
	s.office = s.TempDir()
	for name, b := range files {
		s.trusts(name, b)
	}
	return s
}

// country makes NAME.pem, self-signed, of that state.
func (s states) country(name, state, curve string) {
	s.Helper()
	openssl(s.T, "req", "-new", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:"+curve, "-nodes", "-keyout", s.path(name+".key"),
		"-config", s.path("conf"), "-extensions", "ca", "-subj", "/C="+state+"/CN=CSCA "+name, "-days", "30", "-out", s.path(name+".pem"))
}

// signer makes NAME.pem under a country signer, with those extensions.
func (s states) signer(name, by, extensions string) {
	s.Helper()
	openssl(s.T, "req", "-new", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", s.path(name+".key"),
		"-config", s.path("conf"), "-extensions", extensions, "-subj", "/C=UN/CN=Signer "+name, "-days", "30",
		"-CA", s.path(by+".pem"), "-CAkey", s.path(by+".key"), "-out", s.path(name+".pem"))
}

func (s states) der(name string) []byte {
	s.Helper()
	b, err := os.ReadFile(s.path(name + ".pem"))
	if err != nil {
		s.Fatal(err)
	}
	block, _ := pem.Decode(b)
	return block.Bytes
}

// list has openssl sign a master list of those country signers.
func (s states) list(by string, members ...string) []byte {
	s.Helper()
	var all [][]byte
	for _, m := range members {
		all = append(all, s.der(m))
	}
	s.put(s.path("list"), tlv.New(0x30, []byte{2, 1, 0}, tlv.New(0x31, all...)))
	openssl(s.T, "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-md", "sha256", "-econtent_type", "2.23.136.1.1.2", "-in", s.path("list"),
		"-signer", s.path(by+".pem"), "-inkey", s.path(by+".key"), "-outform", "DER", "-out", s.path("list.ml"))
	b, err := os.ReadFile(s.path("list.ml"))
	if err != nil {
		s.Fatal(err)
	}
	return b
}

// anchors names the country signers trusted.
func anchors(t Trust) string {
	var all []string
	for _, a := range t.Anchors {
		all = append(all, strings.TrimPrefix(a.Subject.CommonName, "CSCA "))
	}
	return strings.Join(all, " ")
}

func TestMasterListsAreBelievedUpToACountrySigner(t *testing.T) {
	s := newStates(t)
	s.country("un", "UN", "P-384")
	s.country("utopia", "UT", "brainpoolP256r1")
	s.country("arcadia", "AR", "P-256")
	s.country("odd", "OD", "secp256k1")
	s.country("stranger", "ST", "P-256")
	s.signer("lists", "un", "lists")
	s.signer("documents", "un", "documents")
	s.signer("strange", "stranger", "lists")
	genuine := s.list("lists", "un", "utopia", "odd")
	cut := genuine[:len(genuine)-1]
	forged := bytes.Clone(genuine)
	forged[bytes.Index(forged, []byte("CSCA utopia"))+5] ^= 0x20
	for name, c := range map[string]struct {
		files  map[string][]byte
		want   string // the anchors
		unread string
		source string // of the last anchor
	}{
		"whose country signer is in it": {map[string][]byte{"un.ml": genuine}, "un utopia", "un.ml: certificate 3 of the master list: certificate of CN=CSCA odd,C=OD: public key",
			"master list un.ml, signed by CN=Signer lists,C=UN on " + time.Now().UTC().Format(time.DateOnly) + ", whose country signer is in the list only"},
		"whose country signer is in the folder": {map[string][]byte{"un.bin": s.list("lists", "arcadia"), "un.cer": s.der("un")}, "un arcadia", "",
			"master list un.bin, signed by CN=Signer lists,C=UN on " + time.Now().UTC().Format(time.DateOnly)},
		"one that vouches for the next": {map[string][]byte{"a.ml": s.list("strange", "arcadia"), "b.ml": s.list("lists", "stranger"), "un.pem": s.der("un")}, "un stranger arcadia", "",
			"master list a.ml, signed by CN=Signer strange,C=UN on " + time.Now().UTC().Format(time.DateOnly)},
		"by a stranger": {map[string][]byte{"a.ml": s.list("strange", "utopia"), "un.pem": s.der("un")}, "un",
			"a.ml: the master list is not believed: no country signer, in the folder or in the list, certified its signer CN=Signer strange,C=UN", "un.pem"},
		"by a document signer": {map[string][]byte{"a.ml": s.list("documents", "un", "utopia"), "un.pem": s.der("un")}, "un",
			"a.ml: the master list is not believed: CN=Signer documents,C=UN is no signer of master lists", "un.pem"},
		"with a name changed":             {map[string][]byte{"a.ml": forged, "un.pem": s.der("un")}, "un", "a.ml: the master list is not believed: the digest of the content is not the one signed", "un.pem"},
		"cut short":                       {map[string][]byte{"a.ml": cut, "un.pem": s.der("un")}, "un", "a.ml: ", "un.pem"},
		"larger than any":                 {map[string][]byte{"a.ml": make([]byte, maxTrustFile+1), "un.pem": s.der("un")}, "un", "a.ml: larger than", "un.pem"},
		"in an export of the directory":   {map[string][]byte{"pkd.ldif": ldif("pkdMasterListContent", genuine)}, "un utopia", "pkd.ldif: certificate 3", "master list pkd.ldif, signed by CN=Signer lists,C=UN on " + time.Now().UTC().Format(time.DateOnly) + ", whose country signer is in the list only"},
		"beside a certificate of its own": {map[string][]byte{"pkd.ldif": append(ldif("pkdMasterListContent", genuine), ldif("cACertificate;binary", s.der("arcadia"))...)}, "arcadia un utopia", "pkd.ldif: certificate 3", "master list pkd.ldif, signed by CN=Signer lists,C=UN on " + time.Now().UTC().Format(time.DateOnly) + ", whose country signer is in the list only"},
	} {
		o := s.folder(c.files)
		trust, err := LoadTrust(o.office)
		if err != nil {
			t.Errorf("a list %s: %v", name, err)
			continue
		}
		if got := anchors(trust); got != c.want {
			t.Errorf("a list %s: anchors %s, want %s; unread %q", name, got, c.want, trust.Unread)
			continue
		}
		if got := strings.Join(trust.Unread, "; "); !strings.Contains(got, c.unread) || (got == "") != (c.unread == "") {
			t.Errorf("a list %s: unread %q, want %q", name, got, c.unread)
		}
		if got := trust.Source(trust.Anchors[len(trust.Anchors)-1]); got != c.source {
			t.Errorf("a list %s: from %q, want %q", name, got, c.source)
		}
	}
	// A list of nobody's alone is no trust at all, and the error says why.
	if trust, err := LoadTrust(s.folder(map[string][]byte{"a.ml": s.list("strange", "utopia")}).office); err == nil || !strings.Contains(err.Error(), "not believed") {
		t.Errorf("%v, %v", anchors(trust), err)
	}
}

// The directory's document signers and revocation lists come in too; a revoked signer of
// lists is believed no more.
func TestTheDirectorysExportBringsSignersAndRevocations(t *testing.T) {
	s := newStates(t)
	s.country("un", "UN", "P-384")
	s.country("utopia", "UT", "P-256")
	s.signer("lists", "un", "lists")
	s.signer("documents", "un", "documents")
	genuine := s.list("lists", "un", "utopia")
	s.put(s.path("index"), nil)
	conf := "[ca]\ndefault_ca=c\n[c]\ndatabase=" + s.path("index") + "\ndefault_md=sha256\ndefault_crl_days=9\ncrlnumber=" + s.path("number") + "\ncrl_extensions=crl\n[crl]\nauthorityKeyIdentifier=keyid\n"
	s.put(s.path("number"), []byte("01"))
	s.put(s.path("ca.conf"), []byte(conf))
	ca := func(args ...string) {
		openssl(t, append([]string{"ca", "-config", s.path("ca.conf"), "-cert", s.path("un.pem"), "-keyfile", s.path("un.key")}, args...)...)
	}
	ca("-revoke", s.path("lists.pem"))
	ca("-gencrl", "-out", s.path("crl.pem"))
	crl, err := os.ReadFile(s.path("crl.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(crl)
	office := s.folder(map[string][]byte{"un.pem": s.der("un"), "un.ml": genuine,
		"pkd.ldif": append(ldif("userCertificate;binary", s.der("documents")), ldif("certificateRevocationList;binary", block.Bytes)...)})
	trust, err := LoadTrust(office.office)
	if err != nil || anchors(trust) != "un" || len(trust.Signers) != 1 || len(trust.CRLs) != 1 || !strings.Contains(strings.Join(trust.Unread, ";"), "is revoked") {
		t.Errorf("%s, %d signers, %d lists, %q, %v", anchors(trust), len(trust.Signers), len(trust.CRLs), trust.Unread, err)
	}
}

// ldif is an entry of the directory, its value in lines of 76.
func ldif(attribute string, value []byte) []byte {
	text := base64.StdEncoding.EncodeToString(value)
	var b strings.Builder
	fmt.Fprintf(&b, "dn: o=ml,c=UN,dc=data,dc=download,dc=pkd,dc=icao,dc=int\r\nobjectClass: top\r\nversion:: MQ==\r\n%s:: ", attribute)
	for len(text) > 60 {
		b.WriteString(text[:60] + "\r\n ")
		text = text[60:]
	}
	return []byte(b.String() + text + "\r\n\r\n")
}

func FuzzTrustFiles(f *testing.F) {
	country, err := NewCountrySigner(Options{})
	if err != nil {
		f.Fatal(err)
	}
	list, err := country.SignCMS(Signed{Type: oidMasterList, Content: tlv.New(0x30, []byte{2, 1, 0}, tlv.New(0x31, country.Certificate.Raw))})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a.ml", list)
	f.Add("a.ldif", ldif("pkdMasterListContent", list))
	f.Add("a.cer", country.Certificate.Raw)
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		var trust Trust
		trust.add(name, b)
		read := len(trust.lists)
		trust.believe()
		trust.follow()
		// The country signer may sign no master list: none is ever believed.
		if len(trust.lists) != read {
			t.Errorf("%s was believed: %v", name, trust.Anchors)
		}
	})
}
