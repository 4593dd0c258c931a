package enrol

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"cardstation/station"
)

// An iris, a voice and a DNA profile are kept as they come, one of a kind and eye, and go
// with the dossier; nothing is looked into.
func TestSamplesOfOtherModalitiesAreKept(t *testing.T) {
	f := desk(t)
	f.open("e")
	iris := station.Sample{Kind: "iris", Subtype: 1, Device: "eye scanner"}
	first, err := f.Sample(bg, an, "e", iris, []byte("IIR\x00020\x00 first"))
	f.ok(err)
	if first.Digest == "" || first.Bytes != 14 || first.By != an.Login || first.At.IsZero() {
		t.Errorf("%+v", first)
	}
	second, err := f.Sample(bg, an, "e", iris, []byte("IIR\x00020\x00 second"))
	f.ok(err)
	iris.Subtype = 2
	_, err = f.Sample(bg, chi, "e", iris, []byte("IIR\x00020\x00 left"))
	f.ok(err)
	_, err = f.Sample(bg, an, "e", station.Sample{Kind: "dna", Owner: 0x0101, Format: 0x1234}, []byte("acgt"))
	f.ok(err)
	e, err := f.Get(bg, "e")
	f.ok(err)
	if len(e.Samples) != 3 || e.Samples[0].Digest != second.Digest || len(e.Hands) != 2 {
		t.Errorf("samples %+v, hands %v", e.Samples, e.Hands)
	}
	data, _, err := f.Image(bg, second.Digest)
	f.ok(err)
	if string(data) != "IIR\x00020\x00 second" {
		t.Errorf("%q", data)
	}
	_, _, err = f.Image(bg, first.Digest)
	f.kind(err, station.Unknown)
	last := f.events()[len(f.events())-1]
	if last.Type != station.EnrolmentCaptured || !strings.Contains(string(last.Body), `"sample":"dna"`) || strings.Contains(string(last.Body), "acgt") {
		t.Errorf("event %s %s", last.Type, last.Body)
	}
	f.ok(f.Delete(bg, an, "e"))
	_, _, err = f.Image(bg, second.Digest)
	f.kind(err, station.Unknown)
}

func TestSamplesThatAreNoneAreRefused(t *testing.T) {
	f := desk(t)
	f.open("e")
	for why, bad := range map[string]station.Sample{
		"not known": {Kind: "gait"}, "owner": {Kind: "voice"}, "does not begin": {Kind: "iris"}, "16 bits": {Kind: "dna", Owner: 70000, Format: 1}, "1 right": {Kind: "dna", Owner: 1, Format: 1, Subtype: 3},
	} {
		_, err := f.Sample(bg, an, "e", bad, []byte("aah"))
		if e := f.kind(err, station.Correct); !strings.Contains(e.Error()+e.Fields["subtype"], why) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	_, err := f.Sample(bg, binh, "e", station.Sample{Kind: "iris"}, []byte("IIR\x00"))
	f.kind(err, station.Forbidden)
	_, err = f.Open(bg, an, "child", "", born("2023-05-06"))
	f.ok(err)
	_, err = f.Sample(bg, an, "child", station.Sample{Kind: "iris"}, []byte("IIR\x00"))
	f.kind(err, station.Conflict)
}

// What can go into DG4 goes into the order that an approval asks for; a sample of
// something else does not, nor an iris that is a mere image.
func TestIrisesGoIntoTheOrder(t *testing.T) {
	f := desk(t)
	f.open("e")
	f.all("e", an)
	for _, s := range []struct {
		station.Sample
		data string
	}{
		{station.Sample{Kind: "iris", Subtype: 1}, "IIR\x00right"}, {station.Sample{Kind: "iris-39794", Subtype: 2}, "\x66left"},
		{station.Sample{Kind: "iris-image"}, "\x89PNG\r\n\x1A\n"}, {station.Sample{Kind: "voice", Owner: 1, Format: 1}, "aah"},
	} {
		_, err := f.Sample(bg, an, "e", s.Sample, []byte(s.data))
		f.ok(err)
	}
	_, err := f.Finalize(bg, an, "e")
	f.ok(err)
	_, err = f.Approve(bg, binh, "e", "")
	f.ok(err)
	var o station.Order
	all := f.events()
	f.ok(json.Unmarshal(all[len(all)-1].Body, &o))
	want := []station.Iris{{Kind: "iris", Subtype: 1, Data: []byte("IIR\x00right")}, {Kind: "iris-39794", Subtype: 2, Data: []byte("\x66left")}}
	if !reflect.DeepEqual(o.Irises, want) {
		t.Errorf("%+v", o.Irises)
	}
}
