package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"errors"
)

// tripleDES is two-key triple DES (EDE, K1 K2 K1) under a 16-byte key.
func tripleDES(key []byte) (cipher.Block, error) {
	three := append(append(make([]byte, 0, 24), key...), key[:8]...)
	defer wipe(three)
	return des.NewTripleDESCipher(three)
}

// retailMAC is ISO/IEC 9797-1 MAC algorithm 3 with DES under a 16-byte key, over
// whole blocks.
func retailMAC(key []byte) (func(padded []byte) []byte, error) {
	k1, err := des.NewCipher(key[:8])
	if err != nil {
		return nil, err
	}
	k2, err := des.NewCipher(key[8:16])
	if err != nil {
		return nil, err
	}
	return func(padded []byte) []byte {
		mac := make([]byte, des.BlockSize)
		for b := padded; len(b) >= des.BlockSize; b = b[des.BlockSize:] {
			subtle.XORBytes(mac, mac, b[:des.BlockSize])
			k1.Encrypt(mac, mac)
		}
		k2.Decrypt(mac, mac)
		k1.Encrypt(mac, mac)
		return mac
	}, nil
}

// cmac is CMAC with AES (NIST SP 800-38B, 6.2), not truncated.
func cmac(block cipher.Block, message ...[]byte) []byte {
	var k, mac, last [aes.BlockSize]byte
	block.Encrypt(k[:], k[:])
	double(&k)
	n := 0 // bytes waiting in last
	for _, m := range message {
		for len(m) > 0 {
			if n == aes.BlockSize {
				subtle.XORBytes(mac[:], mac[:], last[:])
				block.Encrypt(mac[:], mac[:])
				n = 0
			}
			c := copy(last[n:], m)
			n, m = n+c, m[c:]
		}
	}
	if n < aes.BlockSize {
		clear(last[n:])
		last[n] = 0x80
		double(&k)
	}
	subtle.XORBytes(mac[:], mac[:], last[:])
	subtle.XORBytes(mac[:], mac[:], k[:])
	block.Encrypt(mac[:], mac[:])
	return mac[:]
}

// double multiplies by x in the field of SP 800-38B, 6.1, without a branch on
// the key.
func double(k *[aes.BlockSize]byte) {
	msb := k[0] >> 7
	for i := range k[:aes.BlockSize-1] {
		k[i] = k[i]<<1 | k[i+1]>>7
	}
	k[aes.BlockSize-1] = k[aes.BlockSize-1]<<1 ^ msb*0x87
}

// pad adds 80 00 .. 00 up to whole blocks (ISO/IEC 9797-1, padding method 2).
func pad(b []byte, block int) []byte {
	padded := make([]byte, (len(b)/block+1)*block)
	copy(padded, b)
	padded[len(b)] = 0x80
	return padded
}

var errPadding = errors.New("access: wrong padding")

// unpad is the inverse of pad.
func unpad(b []byte) ([]byte, error) {
	for i := len(b) - 1; i >= 0; i-- {
		switch b[i] {
		case 0:
		case 0x80:
			return b[:i], nil
		default:
			return nil, errPadding
		}
	}
	return nil, errPadding
}

// encrypt is CBC over whole blocks into a new slice.
func encrypt(block cipher.Block, iv, plain []byte) []byte {
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, plain)
	return out
}

// decrypt is CBC over whole blocks into a new slice; anything else is an error.
func decrypt(block cipher.Block, iv, secret []byte) ([]byte, error) {
	if len(secret) == 0 || len(secret)%block.BlockSize() != 0 {
		return nil, errors.New("access: not whole cipher blocks")
	}
	out := make([]byte, len(secret))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, secret)
	return out, nil
}
