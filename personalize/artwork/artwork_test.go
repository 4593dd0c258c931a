package artwork

import (
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cardstation/personalize/cccd"
)

func fonts(t *testing.T) *Fonts {
	t.Helper()
	f, err := Load()
	var missing ErrFont
	if errors.As(err, &missing) {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// example is the card of an invented citizen.
func example(t *testing.T, seed uint64) Card {
	t.Helper()
	h := cccd.Example(seed)
	const issue = "2026-11-22"
	day, _ := time.Parse(time.DateOnly, issue)
	expiry, err := cccd.Expiry(h.BirthDate, day)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := cccd.MRZ(h, expiry)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := zone.Lines()
	if err != nil {
		t.Fatal(err)
	}
	payload, err := cccd.QR(h, issue)
	if err != nil {
		t.Fatal(err)
	}
	portrait := image.NewGray(image.Rect(0, 0, 480, 640))
	for i := range portrait.Pix {
		portrait.Pix[i] = uint8(i / 3000)
	}
	return Card{
		Number: h.Number, Name: h.Name, BirthDate: h.BirthDate, Sex: h.Sex, Nationality: h.Nationality,
		Origin: h.Origin, Residence: h.Residence, Marks: h.Marks, Issue: issue, Expiry: expiry,
		Portrait: portrait, QR: payload, Zone: [3]string(lines), Demo: true,
	}
}

func save(t *testing.T, img image.Image) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "face.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, img), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<"

// cells cuts a line of the zone into its characters, as ink or no ink.
func cells(img image.Image, line int) []string {
	middle := Height - zoneHeight + zoneHeight/2 + (line-1)*linePitch
	left := (Width - zoneColumns*pitch) / 2
	out := make([]string, zoneColumns)
	for i := range out {
		var b strings.Builder
		for y := middle - linePitch/2; y < middle+linePitch/2; y++ {
			for x := left + i*pitch; x < left+(i+1)*pitch; x++ {
				b.WriteByte(" #"[btoi(color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 128)])
			}
		}
		out[i] = b.String()
	}
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestEveryCharacterOfTheZoneHasInkOfItsOwnAndReadsBack(t *testing.T) {
	f := fonts(t)
	padded := alphabet + strings.Repeat("<", 90-len(alphabet))
	c := example(t, 1)
	c.Demo = false
	c.Zone = [3]string{padded[:30], padded[30:60], padded[60:]}
	back, err := f.Back(c)
	if err != nil {
		t.Fatal(err)
	}
	glyphs := map[string]rune{}
	for line := range 3 {
		for i, cell := range cells(back, line) {
			want := rune(padded[30*line+i])
			if ink := strings.Count(cell, "#"); ink < 40 || ink > 500 {
				t.Errorf("%c has %d pixels of ink", want, ink)
			}
			if other, ok := glyphs[cell]; ok && other != want {
				t.Errorf("%c looks like %c", want, other)
			}
			glyphs[cell] = want
		}
	}
	if len(glyphs) != len(alphabet) {
		t.Errorf("%d different pictures of %d characters", len(glyphs), len(alphabet))
	}
	c = example(t, 2)
	c.Demo = false
	if back, err = f.Back(c); err != nil {
		t.Fatal(err)
	}
	for line := range 3 {
		read := ""
		for _, cell := range cells(back, line) {
			read += string(glyphs[cell])
		}
		if read != c.Zone[line] {
			t.Errorf("line %d reads %q, want %q", line+1, read, c.Zone[line])
		}
	}
}

// TestTheZoneIsReadByForeignOCR holds the printed zone against tesseract, whose
// English takes some fillers for a K: every letter and digit between them must be
// right.
func TestTheZoneIsReadByForeignOCR(t *testing.T) {
	tool, err := exec.LookPath("tesseract")
	if err != nil {
		t.Fatal("tesseract is not installed (Debian package tesseract-ocr)")
	}
	c := example(t, 3)
	c.Demo = false
	back, err := fonts(t).Back(c)
	if err != nil {
		t.Fatal(err)
	}
	zone := back.(*image.RGBA).SubImage(image.Rect(0, Height-zoneHeight, Width, Height))
	out, err := exec.Command(tool, save(t, zone), "-", "--psm", "6", "-c", "tessedit_char_whitelist="+alphabet).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	t.Log(lines)
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines {
		for _, word := range strings.FieldsFunc(c.Zone[i], func(r rune) bool { return r == '<' }) {
			_, rest, found := strings.Cut(line, word)
			if !found {
				t.Errorf("line %d read as %s, is %s", i+1, lines[i], c.Zone[i])
			}
			line = rest
		}
	}
}

func TestAForeignReaderReadsTheQRCodeWithItsDiacritics(t *testing.T) {
	tool, err := exec.LookPath("zbarimg")
	if err != nil {
		t.Fatal("zbarimg is not installed (Debian package zbar-tools)")
	}
	c := example(t, 4)
	front, err := fonts(t).Front(c)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "--quiet", "--raw", save(t, front)).Output()
	if err != nil || strings.TrimSuffix(string(out), "\n") != c.QR {
		t.Errorf("read %q, want %q: %v", out, c.QR, err)
	}
}

func TestEveryExampleCitizenFitsOnTheCard(t *testing.T) {
	f := fonts(t)
	for seed := range uint64(8) {
		c := example(t, seed)
		front, err := f.Front(c)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		back, err := f.Back(c)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if front.Bounds() != image.Rect(0, 0, Width, Height) || back.Bounds() != front.Bounds() {
			t.Errorf("faces of %v and %v", front.Bounds(), back.Bounds())
		}
	}
}

func TestDecomposedAndComposedTextLookTheSame(t *testing.T) {
	f := fonts(t)
	composed, decomposed := example(t, 5), example(t, 5)
	composed.Name, decomposed.Name = "Nguyễn Thị Ế", "Nguye\u0302\u0303n Thi\u0323 E\u0302\u0301"
	a, errA := f.Front(composed)
	b, errB := f.Front(decomposed)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if string(a.(*image.RGBA).Pix) != string(b.(*image.RGBA).Pix) {
		t.Error("the faces differ")
	}
}

func TestWhatCannotBePrintedIsAnErrorThatNamesTheField(t *testing.T) {
	f := fonts(t)
	for field, spoil := range map[string]func(*Card){
		"name":                  func(c *Card) { c.Name = strings.Repeat("Nguyễn ", 40) },
		"place of residence":    func(c *Card) { c.Residence = strings.Repeat("Số 1 ", 60) },
		"place of origin":       func(c *Card) { c.Origin = "\U0001F600" },
		"birth date":            func(c *Card) { c.BirthDate = "31/12/1999" },
		"sex":                   func(c *Card) { c.Sex = "X" },
		"portrait":              func(c *Card) { c.Portrait = nil },
		"qr code":               func(c *Card) { c.QR = strings.Repeat("x", 1200) },
		"marks":                 func(c *Card) { c.Marks = strings.Repeat("Nốt ruồi ", 60) },
		"machine readable zone": func(c *Card) { c.Zone[1] = "short" },
		"issue":                 func(c *Card) { c.Issue = "" },
	} {
		c := example(t, 6)
		spoil(&c)
		_, front := f.Front(c)
		_, back := f.Back(c)
		if err := errors.Join(front, back); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestAMissingFontNamesItsPackage(t *testing.T) {
	_, err := Load(t.TempDir())
	var missing ErrFont
	if !errors.As(err, &missing) || missing.Package != "fonts-ocr-b" {
		t.Errorf("%v", err)
	}
	dir := t.TempDir()
	for _, name := range []string{"OCRB.otf", "NotoSans-Regular.ttf", "NotoSans-Bold.ttf"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("not a font"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "OCRB.otf") {
		t.Errorf("%v", err)
	}
}

func TestTheZoneHasTheSizeOfOCRB(t *testing.T) {
	f := fonts(t)
	size := f.sizeFor(pitch)
	if mm := f.capHeight(size) * 25.4 / 300; mm < 2.2 || mm > 2.6 { // size 1: about 2.4 mm
		t.Errorf("capitals of %.2f mm", mm)
	}
}
