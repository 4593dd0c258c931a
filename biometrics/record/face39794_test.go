package record

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// mandatory is a FaceImageDataBlock with no more in it than ISO/IEC 39794-5 wants, and
// full one with what is read besides and with what is passed over, in the words of
// openssl, which writes the DER. Choices are explicit tags, all else implicit ones;
// where an application profile wants it, a code stands as the fallback of an
// extension block.
const mandatory = `asn1=IMPLICIT:5A,SEQUENCE:block
[block]
version=IMPLICIT:0,SEQUENCE:version
representations=IMPLICIT:1,SEQUENCE:representations
[version]
generation=IMPLICIT:0,INTEGER:3
year=IMPLICIT:1,INTEGER:2019
[representations]
one=SEQUENCE:representation
[representation]
id=IMPLICIT:0,INTEGER:0
image=EXPLICIT:1,EXPLICIT:0,IMPLICIT:0,SEQUENCE:flat
[flat]
data=IMPLICIT:0,FORMAT:HEX,OCTETSTRING:FFD8FFE0
information=IMPLICIT:1,SEQUENCE:information
[information]
format=EXPLICIT:0,IMPLICIT:0,ENUMERATED:2
`

const full = `asn1=EXPLICIT:1,IMPLICIT:5A,SEQUENCE:block
[block]
version=IMPLICIT:0,SEQUENCE:version
representations=IMPLICIT:1,SEQUENCE:representations
[version]
generation=IMPLICIT:0,INTEGER:3
year=IMPLICIT:1,INTEGER:2019
[representations]
one=SEQUENCE:representation
two=SEQUENCE:second
[second]
id=IMPLICIT:0,INTEGER:1
image=EXPLICIT:1,EXPLICIT:0,IMPLICIT:0,SEQUENCE:png
[png]
data=IMPLICIT:0,FORMAT:HEX,OCTETSTRING:89504E470D0A1A0A
information=IMPLICIT:1,SEQUENCE:another
[another]
format=EXPLICIT:0,IMPLICIT:0,ENUMERATED:1
kind=EXPLICIT:1,IMPLICIT:0,ENUMERATED:1
[representation]
id=IMPLICIT:0,INTEGER:0
image=EXPLICIT:1,EXPLICIT:0,IMPLICIT:0,SEQUENCE:flat
time=IMPLICIT:2,SEQUENCE:time
qualities=IMPLICIT:3,SEQUENCE:qualities
session=IMPLICIT:5,INTEGER:9
identity=IMPLICIT:8,SEQUENCE:identity
[time]
year=IMPLICIT:0,INTEGER:2024
[qualities]
one=SEQUENCE:quality
[quality]
algorithm=IMPLICIT:0,SEQUENCE:algorithm
score=EXPLICIT:1,IMPLICIT:0,INTEGER:99
[algorithm]
organization=IMPLICIT:0,INTEGER:257
id=IMPLICIT:1,INTEGER:7
[identity]
gender=EXPLICIT:0,IMPLICIT:1,SEQUENCE:female
eyes=EXPLICIT:1,IMPLICIT:0,ENUMERATED:3
hair=EXPLICIT:2,IMPLICIT:0,ENUMERATED:5
height=IMPLICIT:3,INTEGER:1786
[female]
fallback=IMPLICIT:0,ENUMERATED:3
[flat]
data=IMPLICIT:0,FORMAT:HEX,OCTETSTRING:0000000C6A502020
information=IMPLICIT:1,SEQUENCE:information
device=IMPLICIT:2,SEQUENCE:device
[information]
format=EXPLICIT:0,IMPLICIT:1,SEQUENCE:lossy
kind=EXPLICIT:1,IMPLICIT:0,ENUMERATED:0
distance=IMPLICIT:4,INTEGER:3000
size=IMPLICIT:7,SEQUENCE:size
colours=EXPLICIT:9,IMPLICIT:0,ENUMERATED:2
[lossy]
fallback=IMPLICIT:0,ENUMERATED:3
[size]
width=IMPLICIT:0,INTEGER:572
height=IMPLICIT:1,INTEGER:731
[device]
technology=EXPLICIT:1,IMPLICIT:0,ENUMERATED:2
`

// fingerBlock is a FingerImageDataBlock of ISO/IEC 39794-4: a rolled left little finger
// in WSQ, its position as a fallback, and what is passed over.
const fingerBlock = `asn1=EXPLICIT:1,IMPLICIT:4A,SEQUENCE:block
[block]
version=IMPLICIT:0,SEQUENCE:version
representations=IMPLICIT:1,SEQUENCE:representations
[version]
generation=IMPLICIT:0,INTEGER:3
year=IMPLICIT:1,INTEGER:2019
[representations]
one=SEQUENCE:representation
[representation]
position=EXPLICIT:0,IMPLICIT:1,SEQUENCE:little
impression=EXPLICIT:1,IMPLICIT:0,ENUMERATED:1
format=EXPLICIT:2,IMPLICIT:0,ENUMERATED:1
data=IMPLICIT:3,FORMAT:HEX,OCTETSTRING:FFA0FFA8
time=IMPLICIT:4,SEQUENCE:time
rate=IMPLICIT:7,SEQUENCE:rate
rotated=IMPLICIT:10,BOOLEAN:TRUE
[little]
fallback=IMPLICIT:0,ENUMERATED:10
[time]
year=IMPLICIT:0,INTEGER:2024
[rate]
samples=IMPLICIT:0,INTEGER:500
unit=IMPLICIT:1,ENUMERATED:0
`

func TestFingerBlocksOf39794ByOpenSSLAreRead(t *testing.T) {
	f, err := DecodeFinger(byOpenSSL(t, fingerBlock))
	want := []FingerView{{Position: 10, Impression: 1, Compression: WSQ, Data: unhex("FFA0FFA8"),
		Captured: [9]byte{0x07, 0xE8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, Units: 1, ScanX: 500, ScanY: 500, ImageX: 500, ImageY: 500}}
	if err != nil || f.Edition != Finger39794 || !reflect.DeepEqual(f.Views, want) {
		t.Errorf("\n got %+v, %v\nwant %+v", f, err, want)
	}
}

// byOpenSSL has openssl write the DER.
func byOpenSSL(t testing.TB, words string) []byte {
	t.Helper()
	dir := t.TempDir()
	conf, out := filepath.Join(dir, "conf"), filepath.Join(dir, "der")
	if err := os.WriteFile(conf, []byte(words), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("openssl", "asn1parse", "-genconf", conf, "-noout", "-out", out).CombinedOutput(); err != nil {
		t.Fatalf("openssl asn1parse: %v\n%s", err, text)
	}
	der, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestFaceBlocksOf39794AreRead(t *testing.T) {
	for words, want := range map[string][]Image{
		mandatory: {{Media: MediaJPEG, Data: unhex("FFD8FFE0")}},
		full: {
			{Media: MediaJPEG2000, Data: unhex("0000000C6A502020"), Type: ImageFullFrontal, Gender: 2, EyeColour: 2, HairColour: 4,
				Width: 572, Height: 731, ColourSpace: 1, Source: 2, Quality: 99},
			{Media: MediaPNG, Data: unhex("89504E470D0A1A0A")},
		},
	} {
		f, err := DecodeFace(byOpenSSL(t, words))
		if err != nil || f.Edition != Face39794 || !reflect.DeepEqual(f.Images, want) {
			t.Errorf("\n got %+v, %v\nwant %+v", f, err, want)
		}
		if _, err := f.Encode(); err == nil {
			t.Error("written as another edition than it is")
		}
	}
}

// Colours that 19794-5 has no name for are its other ones: 128 and up are makers' own.
func TestColourSpacesOf39794AreThoseOf19794(t *testing.T) {
	for code, want := range []byte{0, 4, 1, 4, 2, 3, 4, 4} {
		words := strings.Replace(full, "colours=EXPLICIT:9,IMPLICIT:0,ENUMERATED:2", fmt.Sprintf("colours=EXPLICIT:9,IMPLICIT:0,ENUMERATED:%d", code), 1)
		f, err := DecodeFace(byOpenSSL(t, words))
		if err != nil || f.Images[0].ColourSpace != want {
			t.Errorf("colour space %d: %+v, %v", code, f.Images, err)
		}
	}
}

func TestFaceBlocksOf39794ThatLieAreRefused(t *testing.T) {
	for what, change := range map[string][2]string{
		"no image":                 {"data=IMPLICIT:0", "data=IMPLICIT:7"},
		"an unknown format":        {"ENUMERATED:2", "ENUMERATED:9"},
		"generation 0":             {"INTEGER:3", "INTEGER:0"},
		"a three-dimensional one":  {"EXPLICIT:0,IMPLICIT:0,SEQUENCE:flat", "EXPLICIT:0,IMPLICIT:1,SEQUENCE:flat"},
		"no representation in it":  {"one=SEQUENCE:representation\n", ""},
		"a finger of the standard": {"IMPLICIT:5A", "IMPLICIT:4A"},
	} {
		b := byOpenSSL(t, strings.Replace(mandatory, change[0], change[1], 1))
		if what == "an unknown format" {
			b = []byte(strings.Replace(string(b), "\xFF\xD8\xFF\xE0", "\xAA\xAA\xAA\xAA", 1))
		}
		if f, err := DecodeFace(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v", what, f, err)
		}
	}
	whole := byOpenSSL(t, full)
	for n := range whole {
		if _, err := DecodeFace(whole[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
}
