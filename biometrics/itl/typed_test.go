package itl

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestPrintsAreReadAsTheyWereGiven(t *testing.T) {
	e := enrolment(t)
	made, _ := built(t, e)
	for i, want := range e.Prints {
		got, ok := made.Records[2+i].Print()
		want.Minutiae, want.At = nil, time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("print %d: %+v, want %+v", i+1, got, want)
		}
	}
	if m, ok := made.Records[11].Minutiae(); !ok || !reflect.DeepEqual(m, e.Prints[0].Minutiae[0]) {
		t.Errorf("minutiae %+v", m)
	}
	for i, want := range e.Samples[:3] {
		want.At = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		if got, ok := made.Records[7+i].Sample(); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("sample %d: %+v, want %+v", i+1, got, want)
		}
	}
	if m := made.Records[3].Missing(); !reflect.DeepEqual(m, e.Missing[:1]) {
		t.Errorf("missing %+v", m)
	}
	if _, ok := made.Records[4].Print(); ok {
		t.Error("a print in the record of a missing finger")
	}
	if _, ok := made.Records[1].Print(); ok || made.Records[1].Missing() != nil {
		t.Error("a print in a Type-2 record")
	}
}

func TestReferenceSlapIsReadWithItsMissingFinger(t *testing.T) {
	read, err := Decode(reference(t, references[2]))
	if err != nil {
		t.Fatal(err)
	}
	slap := read.Records[4]
	p, ok := slap.Print()
	want := []Quality{{Finger: 7, Score: 254, NFIQ: 2}, {Finger: 8, Score: 254, NFIQ: 2}, {Finger: 10, Score: 254, NFIQ: 3}}
	if !ok || p.Position != 14 || p.Impression != 2 || p.PPI != 500 || !reflect.DeepEqual(p.Qualities, want) {
		t.Errorf("position %d, impression %d, %d ppi, %+v", p.Position, p.Impression, p.PPI, p.Qualities)
	}
	if m := slap.Missing(); !reflect.DeepEqual(m, []Missing{{9, Amputated}}) {
		t.Errorf("missing %+v", m)
	}
}

func TestTransactionIsShownLineByLine(t *testing.T) {
	made := everything(t)
	made.Records[1].Fields = append(made.Records[1].Fields, Text(40, "bell\x07\x1b[2J"))
	var out strings.Builder
	if err := made.Show(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"record 2, Type-2\n", "  2.018       NGUYỄN THỊ ÁNH TUYẾT\n", "  2.030       Hà Nội | Việt Nam ; Huế | \n", "bell??[2J\n",
		"  4.004  FGP  [2 255 255 255 255 255]\n", "  4.006  HLL  800\n", "  4.009  DATA ", "WSQ20, 800 x 750\n",
		"  14.013 FGP  13\n", "  14.018 AMP  5 | UP\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
