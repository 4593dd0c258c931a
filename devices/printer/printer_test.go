package printer

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// face is a picture in which every pixel says where it is.
func face(shade uint8) image.Image {
	img := image.NewRGBA(image.Rect(10, 20, 10+Width, 20+Height))
	for y := range Height {
		for x := range Width {
			img.SetRGBA(x+10, y+20, color.RGBA{uint8(x), uint8(y), shade, 255})
		}
	}
	return img
}

func sameAs(t *testing.T, what string, file string, want image.Image) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if got.Bounds().Size() != want.Bounds().Size() {
		t.Fatalf("%s: %v", what, got.Bounds())
	}
	for y := range Height {
		for x := range Width {
			a := color.RGBAModel.Convert(got.At(x, y))
			b := color.RGBAModel.Convert(want.At(x+want.Bounds().Min.X, y+want.Bounds().Min.Y))
			if a != b {
				t.Fatalf("%s: pixel %d,%d is %v, want %v", what, x, y, a, b)
			}
		}
	}
}

func TestFilesHoldBothFacesPixelByPixel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cards")
	job := Job{Name: "order-7", Front: face(40), Back: face(200)}
	if err := (Files{dir}).Print(context.Background(), job); err != nil {
		t.Fatal(err)
	}
	sameAs(t, "front", filepath.Join(dir, "order-7-front.png"), job.Front)
	sameAs(t, "back", filepath.Join(dir, "order-7-back.png"), job.Back)
	entries, _ := os.ReadDir(dir)
	if len(entries) != 3 {
		t.Errorf("files left: %v", entries)
	}
	for _, entry := range entries {
		if info, _ := entry.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", entry.Name(), info.Mode())
		}
	}
}

func TestPopplerSeesID1PagesAndOurPixelsInThePDF(t *testing.T) {
	for _, tool := range []string{"pdfinfo", "pdfimages"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatal(tool + " is not installed (Debian package poppler-utils)")
		}
	}
	dir := t.TempDir()
	job := Job{Name: "x", Front: face(1), Back: face(2)}
	if err := (Files{dir}).Print(context.Background(), job); err != nil {
		t.Fatal(err)
	}
	pdf := filepath.Join(dir, "x.pdf")
	info, err := exec.Command("pdfinfo", pdf).CombinedOutput()
	if err != nil || !bytes.Contains(info, []byte("Pages:           2")) || !bytes.Contains(info, []byte("242.646 x 153.014 pts")) {
		t.Errorf("pdfinfo: %v\n%s", err, info)
	}
	list, err := exec.Command("pdfimages", "-list", pdf).CombinedOutput()
	if err != nil || bytes.Count(list, []byte(" 300 ")) != 4 { // two images, two resolutions each
		t.Errorf("pdfimages: %v\n%s", err, list)
	}
	if out, err := exec.Command("pdfimages", "-png", pdf, filepath.Join(dir, "out")).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	sameAs(t, "page 1", filepath.Join(dir, "out-000.png"), job.Front)
	sameAs(t, "page 2", filepath.Join(dir, "out-001.png"), job.Back)
}

func TestAPNGSaysItsResolution(t *testing.T) {
	body, err := encodePNG(face(0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(body)); err != nil { // checks each chunk's CRC
		t.Fatal(err)
	}
	if !bytes.Contains(body, []byte("pHYs\x00\x00\x2E\x23\x00\x00\x2E\x23\x01")) { // 11811 a metre
		t.Error("no resolution of 300 pixels an inch")
	}
}

func TestAJobThatIsNotACardIsRefused(t *testing.T) {
	good := face(0)
	for name, job := range map[string]Job{
		"empty name":   {Front: good},
		"path":         {Name: "../x", Front: good},
		"hidden":       {Name: ".x", Front: good},
		"long":         {Name: strings.Repeat("x", 101), Front: good},
		"no front":     {Name: "x", Back: good},
		"wrong size":   {Name: "x", Front: image.NewGray(image.Rect(0, 0, 10, 10))},
		"wrong behind": {Name: "x", Front: good, Back: image.NewGray(image.Rect(0, 0, 10, 10))},
	} {
		dir := t.TempDir()
		if err := (Files{dir}).Print(context.Background(), job); err == nil {
			t.Errorf("%s: printed", name)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("%s: left %v", name, entries)
		}
	}
}

func TestADirectoryThatCannotBeWrittenIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := (Files{filepath.Join(file, "sub")}).Print(context.Background(), Job{Name: "order-8", Front: face(0)})
	if err == nil || !strings.Contains(err.Error(), "order-8") {
		t.Errorf("%v", err)
	}
}
