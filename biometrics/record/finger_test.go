package record

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func encoded(t testing.TB, f Finger) []byte {
	t.Helper()
	b, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func finger(t testing.TB, e Edition) Finger {
	t.Helper()
	f, err := NewFinger(e, 2, 1, WSQ, 804, 752, 500, []byte("picture"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// ISO/IEC 19794-4:2005, tables 2 and 4, field by field.
func TestFingerRecord2005StandsAsTheStandardDrawsIt(t *testing.T) {
	want := "46495200" + "30313000" + "000000000035" + "0000" + "001e" + // magic, version, length, device, level
		"01" + "01" + "01f4" + "01f4" + "01f4" + "01f4" + "08" + "02" + "0000" + // views, units, four rates, depth, WSQ
		"00000015" + "02" + "01" + "01" + "fe" + "01" + "0324" + "02f0" + "00" + hex.EncodeToString([]byte("picture"))
	if got := hex.EncodeToString(encoded(t, finger(t, Finger2005))); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// ISO/IEC 19794-4:2011, clause 8: general header of 16 bytes, then a view.
func TestFingerRecord2011StandsAsTheStandardDrawsIt(t *testing.T) {
	f := finger(t, Finger2011)
	f.Certified = true
	v := &f.Views[0]
	v.Captured = CaptureTime(time.Date(2026, 11, 22, 3, 5, 7, 89e6, time.UTC))
	v.Qualities = []FingerQuality{{Score: 71, Vendor: 0x0102, Algorithm: 0x0304}}
	v.Certificates = [][3]byte{{0, 1, 2}}
	want := "46495200" + "30323000" + "00000049" + "0001" + "01" + "01" + // 73 bytes, one view, certified, one position
		"00000039" + "07ea0b16030507" + "0059" + "00" + "0000" + "0000" + // length, time, device
		"01" + "4701020304" + "01" + "000102" + // quality, certificate
		"02" + "00" + "01" + "01f401f401f401f4" + "08" + "02" + "01" + "0324" + "02f0" +
		"00000007" + hex.EncodeToString([]byte("picture"))
	if got := hex.EncodeToString(encoded(t, f)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// The worked example of ISO/IEC 19794-4:2011, C.1, as other programs test with it: a rolled
// left index finger of 375 by 625 pixels, raw, with a quality and a certification block.
func TestTheExampleOf19794Of2011IsReadAndWritten(t *testing.T) {
	head := unhex("4649520030323000000393C9000101" + "01" + "000393B907D50C0F112313000000ABCD1235" + "013AABCD1234" + "0178AB01" +
		"07000101F401F401F401F4080001" + "01770271" + "00039387")
	example := append(head, bytes.Repeat([]byte{0xFF}, 375*625)...)
	f, err := DecodeFinger(example)
	if err != nil {
		t.Fatal(err)
	}
	v := f.Views[0]
	if !f.Certified || f.Positions != 1 || len(f.Views) != 1 || v.Captured != CaptureTime(time.Date(2005, 12, 15, 17, 35, 19, 0, time.UTC)) ||
		v.Technology != 0 || v.Vendor != 0xABCD || v.Device != 0x1235 || !reflect.DeepEqual(v.Qualities, []FingerQuality{{58, 0xABCD, 0x1234}}) ||
		!reflect.DeepEqual(v.Certificates, [][3]byte{{0x78, 0xAB, 1}}) || v.Position != 7 || v.Number != 0 || v.Impression != 1 || v.PPI() != 500 || v.Compression != Raw {
		v.Data = nil
		t.Errorf("%+v", v)
	}
	img, err := v.Image()
	if err != nil || img.Bounds().Dx() != 375 || img.Bounds().Dy() != 625 {
		t.Error(err)
	}
	if !bytes.Equal(encoded(t, f), example) {
		t.Error("it is written otherwise")
	}
}

// ISO/IEC 19794-4:2005, table 1: a level is what the resolution reaches.
func TestTheAcquisitionLevelIsThatOfTheResolution(t *testing.T) {
	for ppi, want := range map[int]uint16{125: 10, 250: 20, 490: 30, 500: 30, 510: 30, 749: 35, 985: 40, 1000: 40} {
		f, err := NewFinger(Finger2005, 1, 0, WSQ, 1, 1, ppi, []byte("x"))
		if err != nil || f.Level != want {
			t.Errorf("%d pixels an inch: level %d, %v", ppi, f.Level, err)
		}
	}
	if _, err := NewFinger(Finger2005, 1, 0, WSQ, 1, 1, 96, []byte("x")); err == nil {
		t.Error("a level for 96 pixels an inch")
	}
}

// What a record counts, and what there is of it: as many as its fields hold, and no more.
func TestCountsOfViewsAreBoundByTheRecord(t *testing.T) {
	f := finger(t, Finger2011)
	f.Views[0].Data = nil
	for len(f.Views) < 0xFFFF {
		f.Views = append(f.Views, f.Views[0])
	}
	whole := encoded(t, f)
	if again, err := DecodeFinger(whole); err != nil || len(again.Views) != 0xFFFF {
		t.Fatal(len(again.Views), err)
	}
	one := encoded(t, finger(t, Finger2011))
	many := bytes.Clone(one)
	many[12], many[13] = 0xFF, 0xFF
	none := bytes.Clone(one)
	none[12], none[13] = 0, 0
	nowhere := bytes.Clone(one)
	nowhere[15] = 0
	for name, b := range map[string][]byte{"65535 of one": many, "no views": none, "views of no position": nowhere, "a byte behind": append(bytes.Clone(one), 0)} {
		if _, err := DecodeFinger(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	extended := finger(t, Finger2011)
	for block, good := range map[string]bool{"00030004": true, "0003000668690001000400": false, "000300066869": true, "00030007686900": true, "000300066869" + "80010005FF": true,
		"00": false, "000300": false, "00030003": false, "00030000": false, "0003FFFF": false, "0003000668": false} {
		extended.Views[0].Extended = unhex(block)
		if _, err := DecodeFinger(encoded(t, extended)); (err == nil) != good || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("extended data %s: %v", block, err)
		}
	}
	f.Views = append(f.Views, f.Views[0])
	if _, err := f.Encode(); err == nil {
		t.Error("65536 views are written")
	}
	f.Edition, f.Views = Finger2005, f.Views[:256]
	if _, err := f.Encode(); err == nil {
		t.Error("256 views in a record of 2005")
	}
}

func TestFingerRecordsAreReadBackWhole(t *testing.T) {
	for _, e := range []Edition{Finger2005, Finger2011} {
		f := finger(t, e)
		f.Views = append(f.Views, f.Views[0])
		f.Views[1].Position, f.Views[1].Data = 7, []byte("another")
		if e == Finger2011 {
			f.Views[1].Compression, f.Views[1].Extended = PNG, []byte{0, 3, 0, 6, 'h', 'i'}
		}
		b := encoded(t, f)
		if e == Finger2011 {
			f.Positions = 2 // as Encode has counted them
		}
		again, err := DecodeFinger(b)
		if err != nil || !reflect.DeepEqual(again, f) {
			t.Errorf("%d: %v\n got %+v\nwant %+v", e, err, again, f)
		}
	}
}

func TestViewsThatAn2005RecordCannotHoldAreRefused(t *testing.T) {
	f := finger(t, Finger2005)
	f.Views = append(f.Views, f.Views[0])
	f.Views[1].ImageX = 1000
	if _, err := f.Encode(); err == nil {
		t.Error("two resolutions in one record")
	}
	f.Views = f.Views[:1]
	f.Views[0].Compression = JPEG2000Lossless
	if _, err := f.Encode(); err == nil {
		t.Error("a compression without a code")
	}
	f.Edition = 1999
	if _, err := f.Encode(); err == nil {
		t.Error("an edition that is none")
	}
}

func TestFingerLengthsThatLieAreRefused(t *testing.T) {
	for _, whole := range [][]byte{encoded(t, finger(t, Finger2005)), encoded(t, finger(t, Finger2011)), block39794()} {
		for n := range len(whole) {
			if _, err := DecodeFinger(whole[:n]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%.8q cut to %d bytes: %v", whole, n, err)
			}
		}
	}
}

// A real print survives the way onto a card and back: record, template, group.
func TestRealPrintGoesThroughDataGroup3(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "tenprint", "02.wsq"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the real prints are not here: ../shared/data/tenprint")
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFinger(Finger2005, 2, 3, WSQ, 804, 752, 500, data)
	if err != nil {
		t.Fatal(err)
	}
	one, err := FingerTemplate(f)
	if err != nil {
		t.Fatal(err)
	}
	group, err := EncodeGroup([]Template{one})
	if err != nil {
		t.Fatal(err)
	}
	all, err := DecodeGroup(group)
	if err != nil || len(all) != 1 {
		t.Fatal(len(all), err)
	}
	back, err := all[0].Finger()
	if err != nil || !bytes.Equal(back.Views[0].Data, data) || back.Views[0].Width != 804 {
		t.Errorf("%v", err)
	}
}

// Doc 9303-10, 4.7.3 with ISO/IEC 7816-11: the right pointer finger is subtype 09.
func TestFingerHeaderStandsAsDoc9303DrawsIt(t *testing.T) {
	one, err := FingerTemplate(finger(t, Finger2005))
	if err != nil {
		t.Fatal(err)
	}
	b, err := EncodeGroup([]Template{one})
	if err != nil || !bytes.Contains(b, unhex("A10E81010882010987020101880200075F2E")) {
		t.Errorf("% X, %v", b, err)
	}
	empty := EncodeEmptyGroup([]byte{1, 2, 3, 4})
	if !bytes.Equal(empty, unhex("7F6103020100"+"530401020304")) {
		t.Errorf("empty group % X", empty)
	}
	if _, err := DecodeGroup(empty); !errors.Is(err, ErrEmpty) {
		t.Errorf("an empty group: %v", err)
	}
	if _, err := DecodeGroup(unhex("7F61070201007F60020000")); !errors.Is(err, ErrMalformed) {
		t.Errorf("a template in an empty group: %v", err)
	}
	for _, behind := range []string{"7F610302010054020102", "7F6103020100530101530101", "7F610902010053040102030453020102"} {
		if _, err := DecodeGroup(unhex(behind)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s is an empty group: %v", behind, err)
		}
	}
	if _, err := DecodeGroup(append(b, 0x53, 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a filler behind a finger: %v", err)
	}
}

// Doc 9303-10, table 47: the biometric type may be left out, or be of one to three bytes;
// 4.7.3.2.3: one block has one image.
func TestFingersWithoutATypeInTheirHeaderAreRead(t *testing.T) {
	one, err := FingerTemplate(finger(t, Finger2005))
	if err != nil {
		t.Fatal(err)
	}
	for kind, good := range map[string]bool{"": true, "08": true, "0008": true, "000008": true, "10": false, "00000008": false} {
		t2 := one
		t2.Header = one.Header[1:]
		if kind != "" {
			t2.Header = append([]Element{{0x81, unhex(kind)}}, t2.Header...)
		}
		if _, err := t2.Finger(); (err == nil) != good {
			t.Errorf("type %q: %v", kind, err)
		}
	}
	for _, c := range []struct{ said, subtype, position byte }{ // 0 where they contradict each other
		{2, 0x09, 2}, {2, 0x00, 2}, {2, 0x01, 2}, {2, 0x08, 2}, {0, 0x0A, 7}, {0, 0x00, 0}, {13, 0x01, 13}, {2, 0x0A, 0}, {2, 0x05, 0}, {2, 0x0C, 0},
	} {
		f := finger(t, Finger2005)
		f.Views[0].Position = c.said
		other, err := FingerTemplate(f)
		if err != nil {
			t.Fatal(err)
		}
		other.Header[1].Value = []byte{c.subtype}
		got, err := other.Finger()
		if lies := c.said != 0 && c.position == 0; lies != errors.Is(err, ErrContradicted) || !lies && (err != nil || got.Views[0].Position != c.position) {
			t.Errorf("position %d under subtype %02X: %d, %v", c.said, c.subtype, got.Views[0].Position, err)
		}
	}
	two := finger(t, Finger2005)
	two.Views = append(two.Views, two.Views[0])
	if _, err := FingerTemplate(two); err == nil {
		t.Error("two images in one block")
	}
}

// block39794 is a FingerImageDataBlock made by hand from the ASN.1 of ISO/IEC
// 39794-4: version 3 of 2019, one representation: left index finger, rolled, PNG,
// a quality score of 71, 500 samples an inch.
func block39794() []byte {
	one := "A003800107" + "A103800101" + "A203800104" + "8307" + hex.EncodeToString([]byte("picture")) +
		"A610" + "300E" + "A007" + "80020101" + "810103" + "A103" + "800147" +
		"A707" + "800201F4" + "810100"
	rep := unhex(one)
	list := append([]byte{0x30, byte(len(rep))}, rep...)
	body := append(unhex("A0078001038102"+"07E3"), append([]byte{0xA1, byte(len(list))}, list...)...)
	return append([]byte{0x64, byte(len(body))}, body...)
}

func TestFingerBlockOf39794IsRead(t *testing.T) {
	b := block39794()
	wrapped := append([]byte{0xA1, byte(len(b))}, b...)
	for _, b := range [][]byte{b, wrapped} {
		f, err := DecodeFinger(b)
		if err != nil || len(f.Views) != 1 {
			t.Fatalf("%+v, %v", f, err)
		}
		v := f.Views[0]
		want := FingerView{
			Position: 7, Impression: 1, Compression: PNG, Data: []byte("picture"), Units: 1,
			ScanX: 500, ScanY: 500, ImageX: 500, ImageY: 500, Qualities: []FingerQuality{{71, 0x0101, 3}},
		}
		if !reflect.DeepEqual(v, want) {
			t.Errorf("\n got %+v\nwant %+v", v, want)
		}
	}
}

func TestOpaqueSamplesCarryTheirCodes(t *testing.T) {
	iris := Opaque{Kind: "iris", Subtype: 2, Data: []byte("eye")}
	one, err := iris.Template()
	if err != nil {
		t.Fatal(err)
	}
	b, err := EncodeGroup([]Template{one})
	if err != nil || !bytes.Contains(b, unhex("A10E81011082010287020101880200095F2E03")) {
		t.Errorf("% X, %v", b, err)
	}
	iris.Kind = "iris-39794"
	if one, err = iris.Template(); err != nil || one.Tag != BlockConstructed {
		t.Errorf("%04X, %v", one.Tag, err)
	}
	dna := Opaque{Kind: "dna", Owner: 0x0101, Format: 0x0001, Data: []byte("acgt")}
	if one, err = dna.Template(); err != nil || !bytes.Equal(one.Element(0x81), []byte{0x00, 0x40, 0x00}) {
		t.Errorf("% X, %v", one.Element(0x81), err)
	}
	for _, bad := range []Opaque{{Kind: "gait", Data: []byte("x")}, {Kind: "voice", Data: []byte("x")}, {Kind: "iris"}} {
		if _, err := bad.Template(); err == nil {
			t.Errorf("%+v is wrapped", bad)
		}
	}
}

func TestSamplesAreToldByOSIAsTypeAndTheirData(t *testing.T) {
	for _, c := range []struct{ biometricType, data, want string }{
		{"IRIS", "IIR\x00...", "iris"}, {"IRIS", "\x66\x10", "iris-39794"}, {"IRIS", "\x89PNG\r\n\x1A\n...", "iris-image"}, {"IRIS", "GIF89a", ""},
		{"SIGNATURE", "ink", "signature"}, {"FINGER", "FIR\x00", ""}, {"", "aah", ""},
	} {
		k, ok := KindOfOSIA(c.biometricType, []byte(c.data))
		if k.Name != c.want || ok != (c.want != "") {
			t.Errorf("%s %q is %q", c.biometricType, c.data, k.Name)
		}
	}
	for _, good := range []Opaque{
		{Kind: "iris", Data: []byte("IIR\x00020\x00")}, {Kind: "iris-image", Data: []byte("\xFF\x4F\xFF\x51")}, {Kind: "voice", Owner: 1, Format: 2, Data: []byte("aah")},
	} {
		if err := good.Check(); err != nil {
			t.Errorf("%s: %v", good.Kind, err)
		}
	}
	for _, bad := range []Opaque{{Kind: "iris", Data: []byte("FIR\x00")}, {Kind: "iris-image"}, {Kind: "voice", Data: []byte("aah")}, {Kind: "gait", Data: []byte("x")}} {
		if err := bad.Check(); err == nil {
			t.Errorf("%+v stands", bad)
		}
	}
}

func FuzzFinger(f *testing.F) {
	f.Add(encoded(f, finger(f, Finger2005)))
	f.Add(encoded(f, finger(f, Finger2011)))
	f.Add(block39794())
	for c, data := range coded(f) {
		one, err := NewFinger(Finger2011, 2, 1, c, 48, 64, 500, data)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded(f, one))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		record, err := DecodeFinger(b)
		if err != nil {
			return
		}
		for _, v := range record.Views {
			if img, err := v.Image(); err == nil && (img.Bounds().Dx() < 1 || v.Width != 0 && img.Bounds().Dx() != int(v.Width)) {
				t.Fatalf("%d pixels wide, said to be %d", img.Bounds().Dx(), v.Width)
			}
		}
		again, err := record.Encode()
		if record.Edition == Finger39794 { // of which not everything is taken
			if twice, wrong := DecodeFinger(again); err == nil && (wrong != nil || len(twice.Views) != len(record.Views)) {
				t.Fatalf("% X becomes % X, %v", b, again, wrong)
			}
			return
		}
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("% X becomes % X, %v", b, again, err)
		}
	})
}
