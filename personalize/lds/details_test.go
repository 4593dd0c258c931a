package lds

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cardstation/devices/card/tlv"
)

// The examples of Doc 9303-10, 4.7.11 and 4.7.12; of the latter also the form of
// earlier editions, which has the other person's name without A0 around it.
var detailExamples = map[string][]byte{
	"DG11": []byte("\x6B\x63\x5C\x0A\x5F\x0E\x5F\x11\x5F\x42\x5F\x12\x5F\x13\x5F\x0E\x0DSMITH<<JOHN<J\x5F\x11\x0AANYTOWN<MN" +
		"\x5F\x42\x17123 MAPLE RD<ANYTOWN<MN\x5F\x12\x0E1-612-555-1212\x5F\x13\x0CTRAVEL<AGENT"),
	"DG12": []byte("\x6C\x45\x5C\x06\x5F\x19\x5F\x26\x5F\x1A\x5F\x19\x18UNITED STATES OF AMERICA\x5F\x26\x0820020531" +
		"\xA0\x15\x02\x01\x01\x5F\x1A\x0FSMITH<<BRENDA<P"),
	"DG12 of old": []byte("\x6C\x40\x5C\x06\x5F\x19\x5F\x26\x5F\x1A\x5F\x19\x18UNITED STATES OF AMERICA\x5F\x26\x0820020531" +
		"\x5F\x1A\x0FSMITH<<BRENDA<P"),
	"DG12 with its date packed": []byte("\x6C\x0E\x5C\x02\x5F\x26\x5F\x26\x04\x20\x02\x05\x31\x5F\x19\x00"),
}

// again decodes and encodes by the tag; ok where it is one of the two.
func again(b []byte) (out []byte, fields any, err error) {
	if b[0] == 0x6B {
		d, err := DecodeDG11(b)
		if err != nil {
			return nil, nil, err
		}
		out, err = EncodeDG11(d)
		d.read = asRead{}
		return out, d, err
	}
	d, err := DecodeDG12(b)
	if err != nil {
		return nil, nil, err
	}
	out, err = EncodeDG12(d)
	d.read = asRead{}
	return out, d, err
}

func TestPublishedDetailsReadBackByteForByte(t *testing.T) {
	other := []string{"SMITH<<BRENDA<P"}
	usa := DocumentDetails{Authority: "UNITED STATES OF AMERICA", Issued: "20020531", Others: other}
	want := map[string]any{
		"DG11": PersonalDetails{Name: "SMITH<<JOHN<J", BirthPlace: "ANYTOWN<MN", Address: "123 MAPLE RD<ANYTOWN<MN",
			Telephone: "1-612-555-1212", Profession: "TRAVEL<AGENT"},
		"DG12": usa, "DG12 of old": usa, "DG12 with its date packed": DocumentDetails{Issued: "20020531"},
	}
	for name, b := range detailExamples {
		out, fields, err := again(b)
		if err != nil || !bytes.Equal(out, b) || !reflect.DeepEqual(fields, want[name]) {
			t.Errorf("%s: %+v, %X, %v", name, fields, out, err)
		}
	}
	// Written from the fields alone they are the examples too.
	if b, err := EncodeDG11(want["DG11"].(PersonalDetails)); err != nil || !bytes.Equal(b, detailExamples["DG11"]) {
		t.Errorf("%X, %v", b, err)
	}
	if b, err := EncodeDG12(usa); err != nil || !bytes.Equal(b, detailExamples["DG12"]) {
		t.Errorf("%X, %v", b, err)
	}
}

func TestEveryDetailIsWrittenAndRead(t *testing.T) {
	p := PersonalDetails{Name: "NGUYỄN<<VĂN<THỬ", OtherNames: []string{"A", "B"}, PersonalNumber: "1", Birth: "19990101", BirthPlace: "2", Address: "3",
		Telephone: "4", Profession: "5", Title: "6", Summary: "7", Citizenship: []byte{8}, OtherDocuments: "9", Custody: "10"}
	b, err := EncodeDG11(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := again(b); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("%+v, %v", got, err)
	}
	d := DocumentDetails{Authority: "1", Issued: "20260102", Others: []string{"2"}, Endorsements: "3", Tax: "4", Front: []byte{5}, Rear: []byte{6},
		Personalized: "20260102030405", System: "7"}
	if b, err = EncodeDG12(d); err != nil {
		t.Fatal(err)
	}
	if _, got, err := again(b); err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("%+v, %v", got, err)
	}
	d.Issued = "2 Jan 2026"
	if _, err := EncodeDG12(d); err == nil || strings.Contains(err.Error(), "Jan") {
		t.Errorf("a date in words: %v", err)
	}
}

func TestDetailsThatLieAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"no tag list":      tlv.New(0x6B, tlv.New(0x5F0E, []byte("A"))),
		"list cut short":   tlv.New(0x6B, tlv.New(0x5C, []byte{0x5F})),
		"unknown element":  tlv.New(0x6B, tlv.New(0x5C, nil), tlv.New(0x5F19, []byte("A"))),
		"element twice":    tlv.New(0x6B, tlv.New(0x5C, nil), tlv.New(0x5F0E, []byte("A")), tlv.New(0x5F0E, []byte("B"))),
		"more names":       tlv.New(0x6B, tlv.New(0x5C, nil), tlv.New(0xA0, []byte{2, 1, 1}, tlv.New(0x5F0F, nil), tlv.New(0x5F0F, nil))),
		"several of one":   tlv.New(0x6B, tlv.New(0x5C, nil), tlv.New(0xA0, []byte{2, 1, 1}, tlv.New(0x5F0E, nil))),
		"date of 7 digits": tlv.New(0x6C, tlv.New(0x5C, nil), tlv.New(0x5F26, []byte("2002053"))),
	} {
		if _, _, err := again(b); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func FuzzDetails(f *testing.F) {
	for _, b := range detailExamples {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || !slices.Contains([]byte{0x6B, 0x6C}, b[0]) {
			return
		}
		out, fields, err := again(b)
		if err != nil {
			return
		}
		twice, same, err := again(out)
		if err != nil || !bytes.Equal(out, twice) || !reflect.DeepEqual(fields, same) || len(out) > len(b) {
			t.Errorf("%X -> %X -> %X: %v", b, out, twice, err)
		}
	})
}
