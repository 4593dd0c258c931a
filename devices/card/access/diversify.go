package access

import (
	"crypto/aes"
	"fmt"
)

// KDF3 derives a chip's key set from a maker's AES master key and the key
// diversification data of its answer to INITIALIZE UPDATE: NIST SP 800-108 in counter
// mode with AES-CMAC over a counter of one byte, 00000001, 00000002 or 00000003 for ENC,
// MAC and DEK, 00, and the data. Makers and GlobalPlatformPro call it by this name. The
// keys are as long as the master.
func KDF3(master []byte, info KeyInfo) (StaticKeys, error) {
	block, err := aes.NewCipher(master)
	if err != nil {
		return StaticKeys{}, fmt.Errorf("kdf3: master key of %d bytes", len(master))
	}
	key := func(purpose byte) []byte {
		var out []byte
		for i := byte(1); len(out) < len(master); i++ {
			out = append(out, cmac(block, []byte{i, 0, 0, 0, purpose, 0}, info.Diversification[:])...)
		}
		return out[:len(master)]
	}
	return StaticKeys{ENC: key(1), MAC: key(2), DEK: key(3)}, nil
}
