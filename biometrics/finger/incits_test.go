package finger_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
)

// A record laid out by hand from INCITS 378-2004, 6.4 to 6.6: two views of one and two minutiae.
const record378 = `464D5200 20323000 0038 ABCD0001 0000 0320 02EE 00C5 00C5 02 00` + // product, equipment, 800 x 750, 197 / cm
	`02 00 50 02` + // right index, view 0 and live plain, quality 80, two minutiae
	`4064 00C8 2D 5A` + // ending at 100, 200, upwards: 45 times two degrees
	`812C 0190 87 00` +
	`0000` +
	`07 00 28 01` + // left index, quality 40
	`4001 0002 00 01` +
	`0000`

func TestINCITS378IsLaidOutAsTheStandardHasIt(t *testing.T) {
	right := indexFinger()
	right.Impression = biometrics.LivePlain
	left := finger.Template{Width: 700, Height: 600, Position: biometrics.LeftIndex, Quality: 33,
		Minutiae: []finger.Minutia{{X: 1, Y: 2, Kind: finger.Ending, Quality: 1}}}
	b, err := finger.EncodeINCITS378(0xABCD0001, right, left)
	if want := layout(t, record378); err != nil || !bytes.Equal(b, want) {
		t.Fatalf("%v\n got %X\nwant %X", err, b, want)
	}
	product, got, err := finger.DecodeINCITS378(b)
	left.Width, left.Height, left.Quality = 800, 750, 40 // said once for the record, and in steps
	if err != nil || product != 0xABCD0001 || !reflect.DeepEqual(got, []finger.Template{right, left}) {
		t.Errorf("%X %+v %v", product, got, err)
	}
	if _, err := finger.DecodeISO(b); !errors.Is(err, finger.ErrMalformed) {
		t.Errorf("taken for a record of ISO/IEC 19794-2: %v", err)
	}
}

// SP 800-76-2, table 6: a record of two views is of 1574 bytes at most.
func TestINCITS378KeepsTheBestAndFitsThePIVCard(t *testing.T) {
	one := indexFinger()
	one.Minutiae = nil
	for i := range 200 {
		one.Minutiae = append(one.Minutiae, finger.Minutia{X: i, Y: i, Angle: uint8(i), Kind: finger.Ending, Quality: uint8(i%100 + 1)})
	}
	other := one
	other.Position = biometrics.LeftIndex
	b, err := finger.EncodeINCITS378(0, one, other)
	if err != nil || len(b) != 1574 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	_, got, err := finger.DecodeINCITS378(b)
	if err != nil || len(got) != 2 || len(got[0].Minutiae) != 128 {
		t.Fatalf("%d views, %v", len(got), err)
	}
	for _, m := range got[0].Minutiae {
		if m.Quality < 36 {
			t.Errorf("a minutia of quality %d was kept before better ones", m.Quality)
		}
	}
}

func FuzzINCITS378(f *testing.F) {
	f.Add(layout(f, record378))
	f.Fuzz(func(t *testing.T, b []byte) {
		product, all, err := finger.DecodeINCITS378(b)
		if err != nil || len(all) == 0 {
			return
		}
		for _, one := range all {
			if one.Position > biometrics.LeftLittle || len(one.Minutiae) > 128 {
				return
			}
		}
		again, err := finger.EncodeINCITS378(product, all...)
		if err != nil {
			return // more views of a finger than a record has numbers for
		}
		_, same, err := finger.DecodeINCITS378(again)
		if err != nil || len(same) != len(all) || !reflect.DeepEqual(same[0].Minutiae, all[0].Minutiae) {
			t.Errorf("what was read does not write itself: %v\n%+v\n%+v", err, all[0], same[0])
		}
	})
}
