package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/disintegration/imaging"

	"cardstation/biometrics"
	"cardstation/biometrics/synth"
	"cardstation/personalize/lds"
	"cardstation/station"
)

// A scanner that codes as most do for an enrolment enrols a person: what it sent is kept, and
// the card's fingers are made of it.
func TestAScannerOfJPEG2000EnrolsAPerson(t *testing.T) {
	sent := example(1)
	for slot, f := range sent.frames {
		if slot != station.Portrait {
			f.Data = jpeg2000(t, f.Data, "-I", "-r", "10")
			sent.frames[slot], sent.Prints[slot] = f, paths{string(slot) + ".jp2"}
		}
	}
	path, err := sent.save(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o, err := (&synthScannerCmd{Record: path}).options()
	if err != nil {
		t.Fatal(err)
	}
	d := newDeskTest(t)
	_, s, _ := behindSBI(t, o)
	d.sensor = s.sensor
	d.restart()
	d.open("e", 1)
	slowest := time.Duration(0)
	for _, f := range station.FingerSlots {
		start := time.Now()
		if c := d.scan("e", f.Slot); c.Media != biometrics.JPEG2000 || c.PPI != 500 {
			t.Errorf("%s: %s of %d ppi", f.Slot, c.Media, c.PPI)
		}
		slowest = max(slowest, time.Since(start))
	}
	t.Logf("the slowest verdict after %v", slowest)
	d.take("e", station.Portrait, jpeg2000(t, pngOf(t, sent.frames[station.Portrait].Data), "-r", "20"))
	if code, fields := d.finalize("e"); code >= 300 {
		t.Fatalf("%d %v", code, fields)
	}
	for _, c := range d.captures("e") {
		kept, _, err := d.house.desk.Image(t.Context(), c.Digest)
		if want := sent.frames[c.Slot].Data; err != nil || c.Slot != station.Portrait && !bytes.Equal(kept, want) {
			t.Errorf("%s: %d bytes are kept of %d, %v", c.Slot, len(kept), len(want), err)
		}
	}
}

// An officer is shown the face of a chip that holds it in JPEG 2000, as many passports do.
func TestFaceInJPEG2000IsShown(t *testing.T) {
	d := newDen(t)
	photo := jpeg2000(t, pngOf(t, synth.Portrait(1)), "-r", "60")
	v := d.judge(t, func(s *scene) { s.signed(s.puppet(), lds.Files{lds.DG2: portraitOf(photo)}) })
	shown, err := biometrics.Decode(v.Portrait)
	if want, _ := biometrics.Decode(photo); v.Outcome != station.Valid || err != nil || shown.Media != biometrics.JPEG || shown.Bounds() != want.Bounds() {
		t.Errorf("%s, %d bytes of a picture, %v: %v", v.Outcome, len(v.Portrait), err, v.Checks)
	}
}

// The face that is shown early is not decoded once more for the verdict.
func TestFaceInJPEG2000IsDecodedOnce(t *testing.T) {
	decoder, err := exec.LookPath("opj_decompress")
	if err != nil {
		t.Fatal("no opj_decompress: make test installs it")
	}
	d := newDen(t)
	photo := jpeg2000(t, pngOf(t, synth.Portrait(1)), "-r", "60")
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\necho >>%s/runs\nexec %s \"$@\"\n", dir, decoder)
	if err := os.WriteFile(filepath.Join(dir, "opj_decompress"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	var early []byte
	v := d.judge(t, func(s *scene) {
		s.show = func(portrait []byte) { early = portrait }
		s.signed(s.puppet(), lds.Files{lds.DG2: portraitOf(photo)})
	})
	runs, err := os.ReadFile(filepath.Join(dir, "runs"))
	if err != nil || len(runs) != 1 || len(early) == 0 || !bytes.Equal(early, v.Portrait) {
		t.Errorf("decoded %d times: %d bytes of a picture early, %d with the verdict (%v)", len(runs), len(early), len(v.Portrait), err)
	}
}

// pngOf is an image as PNG of 8 bits a sample.
func pngOf(t testing.TB, data []byte) []byte {
	t.Helper()
	img, err := biometrics.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	out, err := biometrics.EncodePNG(imaging.Clone(img.Image), 0)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// jpeg2000 has opj_compress code a PNG.
func jpeg2000(t testing.TB, png []byte, options ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.png"), filepath.Join(dir, "out.jp2")
	if err := os.WriteFile(in, png, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("opj_compress", append([]string{"-i", in, "-o", out}, options...)...).CombinedOutput(); err != nil {
		t.Fatalf("opj_compress, of libopenjp2-tools, which make test installs: %v\n%s", err, said)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
