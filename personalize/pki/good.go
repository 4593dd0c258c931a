package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"sync"

	"cardstation/devices/card/access/curve"
)

// maxGood bounds what is remembered; a full memory starts again from nothing.
const maxGood = 4096

// remembered are the signatures that were found good, by all that went into the
// computation. Bad ones are not remembered.
type remembered struct {
	mu  sync.Mutex
	ids map[[32]byte]struct{}
}

var good = remembered{ids: map[[32]byte]struct{}{}}

func (r *remembered) has(id [32]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.ids[id]
	return ok
}

func (r *remembered) add(id [32]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ids) >= maxGood {
		clear(r.ids)
	}
	r.ids[id] = struct{}{}
}

// identify is SHA-256 over everything that decides about a signature, each with its
// length; ok is false for a key that has no encoding of its own.
func identify(pub crypto.PublicKey, a algorithm, data, signature []byte) (id [32]byte, ok bool) {
	key, err := x509.MarshalPKIXPublicKey(pub)
	if k, elliptic := pub.(*ecdsa.PublicKey); elliptic && err != nil { // a brainpool curve
		key, err = curve.MarshalPublicKey(k)
	}
	if err != nil {
		return id, false
	}
	h := sha256.New()
	for _, part := range [][]byte{key, fmt.Appendf(nil, "%#v", a), data, signature} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	h.Sum(id[:0])
	return id, true
}
