package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cardstation/personalize/cccd"
	"cardstation/station"
)

// sharedData is where real prints and portraits may stand.
const sharedData = "../../../shared/data"

// realRecord is a record of one person's real inked prints, in files that end in
// .png or .wsq, and a mannequin's portrait; the fields are invented.
func realRecord(t testing.TB, portrait, ending string) string {
	t.Helper()
	data, err := filepath.Abs(sharedData)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(data); err != nil {
		t.Skip("no ../shared/data: real prints are not tried")
	}
	print := func(n string) string { return filepath.Join(data, "tenprint", n+ending) }
	r := record{Citizen: station.Citizen(cccd.Example(4)), PPI: 500, Portrait: filepath.Join(data, "face", portrait), Prints: map[station.Slot]paths{
		"plain-right-four": {print("14")}, "plain-left-four": {print("11")}, "plain-thumbs": {print("12"), print("13")},
	}}
	for i, f := range station.FingerSlots[3:] {
		r.Prints[f.Slot] = paths{print([]string{"01", "02", "03", "04", "05", "06", "07", "08", "09", "10"}[i])}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "record.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A card is made and believed of real ink: ten rolls, two slaps, two thumbs.
func TestRealPrintsAndMannequinGoAllTheWay(t *testing.T) {
	for portrait, ending := range map[string]string{"mannequin-480x640.jpg": ".png", "mannequin-1181x1575.jpg": ".wsq"} {
		cmd := exec.Command(os.Args[0], "demo", "--once", "--listen", "127.0.0.1:0", "--record", realRecord(t, portrait, ending))
		cmd.Env = append(os.Environ(), asStationd+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("verdict: VALID")) || strings.Count(string(out), " accepted ") != 14 {
			t.Errorf("%s: %v\n%s", portrait, err, out)
		}
	}
}
