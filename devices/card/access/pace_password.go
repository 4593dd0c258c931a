package access

import (
	"bytes"
	"crypto/sha1"
	"fmt"
)

// NewPassword is a password as a chip keeps it, by its reference in MSE:SET AT
// (TR-03110-3, B.14): 1 is the MRZ, whose secret is the 20 bytes of SHA-1 over
// number, birth and expiry with their check digits (Doc 9303-11, 9.7.3); 2 the CAN,
// 3 the PIN and 4 the PUK, characters as printed.
func NewPassword(reference byte, secret []byte) (Password, error) {
	if reference < referenceMRZ || reference > referencePUK || len(secret) == 0 || reference == referenceMRZ && len(secret) != sha1.Size {
		return Password{}, fmt.Errorf("access: pace: no password %d of %d bytes", reference, len(secret))
	}
	return Password{reference, bytes.Clone(secret)}, nil
}
