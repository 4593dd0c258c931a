package finger_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"cardstation/biometrics"
	"cardstation/biometrics/finger"
)

// Records laid out by hand from the tables of ISO/IEC 19794-2: 2005, 8.2 to 8.5, and 2011,
// 8.2 to 8.5. Both hold one view of a right index finger with two minutiae.
const (
	record2005 = `464D5200 20323000 0000002A 0000 0320 02EE 00C5 00C5 01 00` + // header: 800 x 750, 197 / cm
		`02 01 50 02` + // position, view 0 and live rolled, quality 80, two minutiae
		`4064 00C8 40 5A` + // ending at 100, 200, upwards, quality 90
		`812C 0190 C0 00` + // fork at 300, 400, downwards, quality not said
		`0000`
	record2011 = `464D5200 30333000 00000042 0001 00` +
		`00000033 07EA 0B 16 02 0F 1E 01F4` + // 2026-11-22 02:15:30.500
		`00 0000 0000 01 50 0000 0000` + // device unknown; quality 80
		`02 00 00C5 00C5 01 0320 02EE 61 02` +
		`4064 00C8 40 5A` +
		`812C 0190 C0 FE` +
		`0000`
)

func layout(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func indexFinger() finger.Template {
	return finger.Template{
		Width: 800, Height: 750, Position: biometrics.RightIndex, Impression: biometrics.LiveRolled, Quality: 80,
		Minutiae: []finger.Minutia{
			{X: 100, Y: 200, Angle: 64, Kind: finger.Ending, Quality: 90},
			{X: 300, Y: 400, Angle: 192, Kind: finger.Bifurcation},
		},
	}
}

func TestRecordsAreLaidOutAsTheStandardHasThem(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 15, 30, 5e8, time.UTC)
	for name, c := range map[string]struct {
		text  string
		write func(...finger.Template) ([]byte, error)
	}{
		"2005": {record2005, finger.EncodeISO2005},
		"2011": {record2011, func(all ...finger.Template) ([]byte, error) { return finger.EncodeISO2011(at, all...) }},
	} {
		want := layout(t, c.text)
		got, err := c.write(indexFinger())
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: wrote %X, %v", name, got, err)
		}
		back, err := finger.DecodeISO(want)
		if err != nil || !reflect.DeepEqual(back, []finger.Template{indexFinger()}) {
			t.Errorf("%s: read %+v, %v", name, back, err)
		}
	}
}

func TestRecordsOfOtherResolutionsComeAt500(t *testing.T) {
	b := layout(t, record2005)
	b[18], b[19], b[20], b[21] = 0x01, 0x8A, 0x01, 0x8A // 394 a centimetre, 1000 ppi
	got, err := finger.DecodeISO(b)
	if err != nil || got[0].Width != 400 || got[0].Minutiae[1].X != 150 || got[0].Minutiae[1].Y != 200 {
		t.Errorf("%+v, %v", got, err)
	}
	b[19], b[21], b[18], b[20] = 98, 98, 0, 0 // 250 ppi, rounded down
	if got, err = finger.DecodeISO(b); err != nil || got[0].Minutiae[0].X != 201 {
		t.Errorf("250 ppi: %+v, %v", got, err)
	}
	b[19] = 40
	if _, err := finger.DecodeISO(b); !errors.Is(err, finger.ErrMalformed) {
		t.Errorf("100 ppi: %v", err)
	}
}

// ISO/IEC 19794-2:2011 has one representation at least.
func TestARecordOf2011WithoutRepresentationsIsNone(t *testing.T) {
	if got, err := finger.DecodeISO(layout(t, "464D5200 30333000 0000000F 0000 00")); !errors.Is(err, finger.ErrMalformed) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOfTooManyMinutiaeTheBestAreRecorded(t *testing.T) {
	one := indexFinger()
	one.Minutiae = nil
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		one.Minutiae = append(one.Minutiae, finger.Minutia{X: rng.IntN(800), Y: rng.IntN(750), Quality: uint8(1 + rng.IntN(100)), Kind: finger.Ending})
	}
	b, err := finger.EncodeISO2005(one, one)
	if err != nil {
		t.Fatal(err)
	}
	got, err := finger.DecodeISO(b)
	if err != nil || len(got) != 2 || len(got[1].Minutiae) != 255 {
		t.Fatalf("%d views, %v", len(got), err)
	}
	for _, m := range got[0].Minutiae {
		if m.Quality < 5 {
			t.Errorf("a minutia of quality %d was kept", m.Quality)
		}
	}
}

func TestTemplatesThatDoNotFitAreNotWritten(t *testing.T) {
	wide, wild, slap := indexFinger(), indexFinger(), indexFinger()
	wide.Width = 20000
	wild.Minutiae[0].X = -1
	slap.Position = biometrics.RightFour
	for name, all := range map[string][]finger.Template{
		"none": nil, "wide": {wide}, "a minutia outside": {wild}, "a slap": {slap},
		"seventeen views": make([]finger.Template, 17),
	} {
		if _, err := finger.EncodeISO2005(all...); err == nil {
			t.Errorf("%s: 2005 without an error", name)
		}
		if _, err := finger.EncodeISO2011(time.Time{}, all...); err == nil {
			t.Errorf("%s: 2011 without an error", name)
		}
	}
	if _, err := wild.MarshalBinary(); err == nil {
		t.Error("compact without an error")
	}
}

func TestCompactFormIsSmallAndExact(t *testing.T) {
	one := indexFinger()
	one.Minutiae[1].Y = 700 // a long way down
	b, err := one.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != 12+2*5+1 {
		t.Errorf("%d bytes", len(b))
	}
	var back finger.Template
	if err := back.UnmarshalBinary(b); err != nil || !reflect.DeepEqual(back, one) {
		t.Errorf("%+v, %v", back, err)
	}
	for n := range len(b) {
		if err := back.UnmarshalBinary(b[:n]); !errors.Is(err, finger.ErrMalformed) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if err := back.UnmarshalBinary(append(b, 0)); !errors.Is(err, finger.ErrMalformed) {
		t.Error(err)
	}
}

// FuzzDecodeISO: what can be read can be written, and reads the same again.
func FuzzDecodeISO(f *testing.F) {
	f.Add(layout(f, record2005))
	f.Add(layout(f, record2011))
	f.Add([]byte("FMR\x00 20\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := finger.DecodeISO(b)
		if err != nil {
			if !errors.Is(err, finger.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		again, err := finger.EncodeISO2011(time.Time{}, got...)
		if err != nil {
			return // more views or fingers than the writer takes
		}
		back, err := finger.DecodeISO(again)
		if err != nil || !reflect.DeepEqual(got, back) {
			t.Fatalf("%+v became %+v, %v", got, back, err)
		}
	})
}

// FuzzUnmarshalBinary: what can be read writes itself to the same bytes.
func FuzzUnmarshalBinary(f *testing.F) {
	seed, err := indexFinger().MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		var one finger.Template
		if err := one.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, finger.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		again, err := one.MarshalBinary()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
	})
}
