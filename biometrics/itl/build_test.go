package itl

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cardstation/biometrics/record"
	"cardstation/biometrics/wsq"
)

// blank is a WSQ image of 800 by 750 pixels that says 500 ppi.
var blank = sync.OnceValues(func() ([]byte, error) {
	return wsq.Encode(image.NewGray(image.Rect(0, 0, 800, 750)), wsq.Options{PPI: 500})
})

func roll(t testing.TB) []byte {
	t.Helper()
	b, err := blank()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func pictures(t testing.TB) (jpg, pic []byte) {
	t.Helper()
	var j, p bytes.Buffer
	if err := jpeg.Encode(&j, image.NewRGBA(image.Rect(0, 0, 48, 64)), nil); err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(&p, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	return j.Bytes(), p.Bytes()
}

// enrolment has one of everything: a roll as WSQ, a slap without a finger as PNG,
// a photograph, an iris.
func enrolment(t testing.TB) Enrolment {
	jpg, pic := pictures(t)
	return Enrolment{
		Type: "ENR", Destination: "AFIS01", Origin: "STATION7", Control: "S7-000123", Priority: 2,
		At:     time.Date(2026, 11, 22, 2, 30, 0, 0, time.FixedZone("+07", 7*3600)),
		Domain: [2]string{"DEMO", "1.0"},
		Person: []Detail{
			{Field: 18, Subfields: [][]string{{"NGUYỄN THỊ ÁNH TUYẾT"}}},
			{Field: 30, Subfields: [][]string{{"Hà Nội", "Việt Nam"}, {"Huế", ""}}},
		},
		Prints: []Print{
			{
				Position: 2, Impression: 1, Image: roll(t), PPI: 500,
				Minutiae: []Minutiae{{Finger: 2, Quality: Quality{Score: 77}, Points: []Minutia{{100, 200, 45, 1, 60}, {799, 749, 179, 2, 0}}}},
			},
			{
				Position: 13, Impression: 0, Image: pic, PPI: 500, Comment: "ngón út băng",
				Segments:  []Segment{{2, 0, 9, 1, 29}, {3, 10, 20, 1, 29}, {4, 21, 40, 0, 30}},
				Qualities: []Quality{{Finger: 2, Score: 80, Vendor: 0xAB, Algorithm: 7, NFIQ: 2}, {Finger: 3, Score: 254}},
			},
		},
		Missing: []Missing{{Finger: 5, Why: Unprintable}, {Finger: 10, Why: Amputated}},
		Faces:   []Face{{Image: jpg, Profile: 13, Pose: "F"}},
		Samples: []Sample{
			{Opaque: record.Opaque{Kind: "iris", Data: []byte("eye\x1c\x1d")}},
			{Opaque: record.Opaque{Kind: "iris-image", Subtype: 2, Data: pic}},
			{Opaque: record.Opaque{Kind: "voice", Owner: 0x1234, Format: 7, Data: []byte("aah")}},
			{Opaque: record.Opaque{Kind: "dna", Data: []byte("acgt")}, Fields: []Field{Text(5, "1"), Items(3, []string{"G", "", ""})}},
		},
	}
}

func built(t testing.TB, e Enrolment) (Transaction, []byte) {
	t.Helper()
	made, err := Build(e)
	if err != nil {
		t.Fatal(err)
	}
	b, err := made.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return made, b
}

func TestEnrolmentBecomesATransactionThatIsReadBack(t *testing.T) {
	_, b := built(t, enrolment(t))
	read, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	var types []int
	for _, r := range read.Records {
		types = append(types, r.Type)
	}
	if want := []int{1, 2, 14, 14, 14, 14, 10, 99, 17, 99, 18, 9}; !reflect.DeepEqual(types, want) {
		t.Fatalf("records %v, want %v", types, want)
	}
	for _, c := range []struct {
		record, field int
		want          string
	}{
		{0, 2, "0502"}, {0, 3, "1\x1f11\x1e2\x1f00\x1e14\x1f01\x1e14\x1f02\x1e14\x1f03\x1e14\x1f04\x1e10\x1f05\x1e99\x1f06\x1e17\x1f07\x1e99\x1f08\x1e18\x1f09\x1e9\x1f01"},
		{0, 5, "20261122"}, {0, 11, "00.00"}, {0, 13, "DEMO\x1f1.0"}, {0, 14, "20261121193000Z"}, {0, 15, "003\x1fUTF-8\x1f"},
		{1, 18, "NGUYỄN THỊ ÁNH TUYẾT"}, {1, 30, "Hà Nội\x1fViệt Nam\x1eHuế\x1f"},
		{2, 2, "01"}, {2, 6, "800"}, {2, 7, "750"}, {2, 11, "WSQ20"}, {2, 13, "2"},
		{11, 3, "1"}, {11, 4, "U"}, {11, 126, "27\x1f513\x1f0"}, {11, 128, "800"}, {11, 132, "500"}, {11, 134, "2"}, {11, 135, "77\x1f0000\x1f0"},
		{11, 136, "2"}, {11, 137, "1\x1f100\x1f200\x1f45\x1f1\x1f60\x1e2\x1f799\x1f749\x1f179\x1f2\x1f0"},
		{3, 11, "PNG"}, {3, 18, "5\x1fUP"}, {3, 21, "2\x1f0\x1f9\x1f1\x1f29\x1e3\x1f10\x1f20\x1f1\x1f29\x1e4\x1f21\x1f40\x1f0\x1f30"},
		{3, 22, "2\x1f2"}, {3, 24, "2\x1f80\x1f00AB\x1f7\x1e3\x1f254\x1f0000\x1f0"},
		{4, 13, "5"}, {4, 18, "5\x1fUP"}, {4, 3, "1"}, {5, 18, "10\x1fXX"},
		{6, 3, "FACE"}, {6, 11, "JPEGB"}, {6, 13, "13"}, {7, 101, "00000010"}, {7, 104, "0009"},
		{8, 3, "2"}, {8, 5, "20261122"}, {8, 6, "40"}, {8, 7, "30"}, {8, 11, "PNG"}, {8, 12, "8"}, {8, 13, "GRAY"},
		{9, 101, "00000004"}, {9, 103, "1234"}, {10, 3, "G\x1f\x1f"}, {10, 4, "STATION7"}, {10, 5, "1"},
	} {
		if got := read.Records[c.record].Text(c.field); got != c.want {
			t.Errorf("record %d: %s is %q, want %q", c.record+1, name(types[c.record], c.field), got, c.want)
		}
	}
	if !bytes.Equal(read.Records[7].Data(), []byte("eye\x1c\x1d")) || !bytes.Equal(read.Records[10].Data(), []byte("acgt")) || read.Records[4].Data() != nil {
		t.Error("payloads are others")
	}
	if faults := CheckFile(b); faults != nil {
		t.Errorf("faults: %v", faults)
	}
}

func TestPrintsGoAsType4WhereThatLosesNothing(t *testing.T) {
	e := enrolment(t)
	e.FixedResolution = true
	made, b := built(t, e)
	if made.Records[2].Type != 4 || made.Records[3].Type != 14 || made.Records[0].Text(12) != "19.69" {
		t.Fatalf("types %d and %d, resolution %s", made.Records[2].Type, made.Records[3].Type, made.Records[0].Text(12))
	}
	read, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	r := read.Records[2]
	width, _ := r.Int(6)
	if width != 800 || r.IDC() != 1 || !reflect.DeepEqual(r.Positions(), []int{2}) || !bytes.Equal(r.Data(), e.Prints[0].Image) {
		t.Errorf("Type-4 record %+v", r)
	}
}

func TestEnrolmentsThatMakeNoTransactionAreRefused(t *testing.T) {
	for why, spoil := range map[string]func(*Enrolment){
		"1.009":    func(e *Enrolment) { e.Control = "" },
		"1.008":    func(e *Enrolment) { e.Origin = "Trạm 7" },
		"2.018":    func(e *Enrolment) { e.Person[0].Subfields[0][0] = "A\x1eB" },
		"2.002":    func(e *Enrolment) { e.Person[0].Field = 2 },
		"wsq:":     func(e *Enrolment) { e.Prints[0].Image = e.Prints[0].Image[:40] },
		"print 1":  func(e *Enrolment) { e.Prints[0].Image = []byte("no picture") },
		"14.013":   func(e *Enrolment) { e.Prints[0].Position = 25 },
		"14.021":   func(e *Enrolment) { e.Prints[1].Segments[0].Right = 41 },
		"14.018":   func(e *Enrolment) { e.Missing[0].Why = "??" },
		"finger 2": func(e *Enrolment) { e.Missing[0].Finger = 2 },
		"14.022":   func(e *Enrolment) { e.Prints[1].Qualities[0].Finger = 5 },
		"10.013":   func(e *Enrolment) { e.Faces[0].Profile = 3 },
		"IDCs":     func(e *Enrolment) { e.Prints = append(e.Prints[:1], slices.Repeat(e.Prints[:1], 100)...) },
		"9.136":    func(e *Enrolment) { e.Prints[0].Minutiae[0].Points = nil },
		"9.137":    func(e *Enrolment) { e.Prints[0].Minutiae[0].Points[0].X = 800 },
		"sample 2": func(e *Enrolment) { e.Samples[1].Data = []byte("IIR") },
		"sample 3": func(e *Enrolment) { e.Samples[2].Owner = 0 },
		"18.002":   func(e *Enrolment) { e.Samples[3].Fields[0].Number = 2 },
		"sample 1": func(e *Enrolment) { e.Samples[0].Kind = "gait" },
		"14.011":   func(e *Enrolment) { e.Prints[0].PPI = 1000 },
		"14.009":   func(e *Enrolment) { e.Prints[0].PPI = 250 },
	} {
		e := enrolment(t)
		spoil(&e)
		if _, err := Build(e); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// What Build makes of the images in NIST's reference files is, record for record,
// what NIST wrote.
func TestRecordsAreByteForByteThoseOfTheReferenceFiles(t *testing.T) {
	same := func(made Transaction, want Record, index int) {
		t.Helper()
		got, errG := Transaction{Records: made.Records[index : index+1]}.Encode()
		b, errW := Transaction{Records: []Record{want}}.Encode()
		if errG != nil || errW != nil || !bytes.Equal(got, b) {
			t.Errorf("record %d: %.60q, want %.60q, %v, %v", index+1, got, b, errG, errW)
		}
	}
	e := Enrolment{Type: "AMN", Destination: "DAI000000", Origin: "MDNISTIMG", Control: "1", At: time.Date(2009, 10, 29, 0, 0, 0, 0, time.UTC)}
	card, err := Decode(reference(t, references[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range card.Records[2:] {
		impression, _ := r.Int(3)
		e.Prints = append(e.Prints, Print{Position: r.Positions()[0], Impression: impression, Image: r.Data(), PPI: 500})
	}
	e.FixedResolution = true
	made, _ := built(t, e)
	for i, r := range card.Records[2:] {
		same(made, r, i+2)
	}
	photo, err := Decode(reference(t, references[1]))
	if err != nil {
		t.Fatal(err)
	}
	e.Prints, e.Faces = nil, []Face{{Image: photo.Records[2].Data(), Profile: 10}}
	made, _ = built(t, e)
	same(made, photo.Records[2], 2)
}
