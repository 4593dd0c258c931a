package pki

import "testing"

func TestTheMemoryOfGoodSignaturesIsBounded(t *testing.T) {
	r := remembered{ids: map[[32]byte]struct{}{}}
	for i := range 2 * maxGood {
		r.add([32]byte{byte(i), byte(i >> 8)})
	}
	if len(r.ids) > maxGood {
		t.Errorf("%d signatures remembered", len(r.ids))
	}
}
