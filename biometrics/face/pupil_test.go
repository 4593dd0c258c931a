package face

import (
	"slices"
	"testing"
)

func TestADamagedPupilCascadeIsRefused(t *testing.T) {
	whole := slices.Clone(pupilCascade)
	for name, data := range map[string][]byte{
		"empty": nil, "header only": whole[:16], "cut": whole[:len(whole)-1],
		"too long": append(slices.Clone(whole), 0), "huge": append([]byte{255, 255, 255, 255}, whole[4:]...),
	} {
		if _, err := unpackPupils(data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
