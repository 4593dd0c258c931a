package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"cardstation/biometrics/itl"
)

// The prints of a real card, which are WSQ already, go into the transaction byte by
// byte: nothing is compressed twice.
func TestRealWSQGoesIntoTheTransactionAsItIs(t *testing.T) {
	path := realRecord(t, "mannequin-480x640.jpg", ".wsq")
	out := filepath.Join(t.TempDir(), "card.an2")
	var said, wrong bytes.Buffer
	if code := run(context.Background(), []string{"itl", "write", "--record", path, out}, &said, &wrong); code != 0 {
		t.Fatalf("exit %d: %s", code, wrong.String())
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	transaction, err := itl.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	files := map[int]string{13: "14", 14: "11", 1: "01", 2: "02", 3: "03", 4: "04", 5: "05", 6: "06", 7: "07", 8: "08", 9: "09", 10: "10"}
	prints := 0
	for _, r := range transaction.Records {
		p, ok := r.Print()
		if !ok {
			continue
		}
		prints++
		if fingers := map[int]int{13: 4, 14: 4, 15: 2}[p.Position]; len(p.Segments) != fingers || p.PPI != 500 {
			t.Errorf("position %d: %d boxes, %d ppi", p.Position, len(p.Segments), p.PPI)
		}
		if p.Position == 15 {
			continue // two files laid side by side
		}
		want, err := os.ReadFile(filepath.Join(sharedData, "tenprint", files[p.Position]+".wsq"))
		if err != nil || !bytes.Equal(p.Image, want) {
			t.Errorf("position %d is another image: %v", p.Position, err)
		}
	}
	if faults := itl.Check(transaction); prints != 13 || faults != nil {
		t.Errorf("%d prints, faults %v; %s", prints, faults, said.String())
	}
}
