package itl

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// reference reads one of NIST's reference transactions, which are no part of the
// project.
func reference(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "itl", file))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the reference transactions are not here: ../shared/data/itl")
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var references = []string{"type-4-tpcard.an2", "type-10-sap10.an2", "type-14-amp-nqm-utf8.an2"}

func TestReferenceFilesAreRewrittenByteForByte(t *testing.T) {
	for _, file := range references {
		b := reference(t, file)
		read, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		again, err := read.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: rewritten otherwise, %v", file, err)
		}
		for i := range read.Records { // lengths and content computed, not kept
			if read.Records[i].Tagged() {
				read.Records[i].Fields[0].Value = nil
			}
		}
		if err := read.SetContent(); err != nil {
			t.Fatal(err)
		}
		if again, err = read.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s: written anew otherwise, %v", file, err)
		}
	}
}

func TestReferenceFilesHaveNoFault(t *testing.T) {
	for _, file := range references {
		for _, f := range CheckFile(reference(t, file)) {
			t.Errorf("%s: %s", file, f)
		}
	}
}
