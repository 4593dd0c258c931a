package access

import (
	"bytes"
	"crypto/aes"
	"fmt"
	"testing"
)

// The examples of NIST SP 800-38B, appendix D: one message cut at four lengths,
// under a key of each length.
func TestCMACOfSP80038B(t *testing.T) {
	message := unhex(t, "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710")
	for _, v := range []struct {
		key  string
		macs [4]string // of 0, 16, 40 and 64 bytes
	}{
		{"2b7e151628aed2a6abf7158809cf4f3c", [4]string{"bb1d6929e95937287fa37d129b756746", "070a16b46b4d4144f79bdd9dd04a287c", "dfa66747de9ae63030ca32611497c827", "51f0bebf7e3b9d92fc49741779363cfe"}},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", [4]string{"d17ddf46adaacde531cac483de7a9367", "9e99a7bf31e710900662f65e617c5184", "8a1de5be2eb31aad089a82e6ee908b0e", "a1d5df0eed790f794d77589659f39a11"}},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", [4]string{"028962f61b7bf89efc6b551f4667d983", "28a7023f452e8f82bd4bf28d8c37c35c", "aaf3d8f1de5640c232f5b169b9c911e6", "e1992190549f6ed5696a2c056c315410"}},
	} {
		block, err := aes.NewCipher(unhex(t, v.key))
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range []int{0, 16, 40, 64} {
			if got := fmt.Sprintf("%x", cmac(block, message[:n])); got != v.macs[i] {
				t.Errorf("key of %d bytes, message of %d: %s, want %s", len(v.key)/2, n, got, v.macs[i])
			}
			for cut := range n {
				if got := cmac(block, message[:cut], nil, message[cut:n]); fmt.Sprintf("%x", got) != v.macs[i] {
					t.Fatalf("message of %d cut at %d: %x", n, cut, got)
				}
			}
		}
	}
}

func TestUnpadIsTheInverseOfPad(t *testing.T) {
	for n := range 40 {
		b := bytes.Repeat([]byte{0x80}, n)
		for _, block := range []int{8, 16} {
			p := pad(b, block)
			if len(p)%block != 0 || len(p) <= n {
				t.Errorf("%d bytes padded to %d", n, len(p))
			}
			if got, err := unpad(p); err != nil || !bytes.Equal(got, b) {
				t.Errorf("%d bytes: %X, %v", n, got, err)
			}
		}
	}
	for _, bad := range []string{"", "00", "0000", "01", "8001"} {
		if _, err := unpad(unhex(t, bad)); err == nil {
			t.Errorf("%q was taken for padded", bad)
		}
	}
}
