package sbi

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
)

// Chain links the captures of one person across fingers, face and devices (MDS 0.9.5,
// previousHash): each capture's hash covers the one before, so that none can be taken
// out or put in later. The zero Chain is a new one. It admits one capture at a time.
type Chain struct {
	mu   sync.Mutex
	last string
}

// Last is the newest hash, that of nothing before the first capture.
func (c *Chain) Last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.head()
}

func (c *Chain) head() string {
	if c.last == "" {
		return chainStart()
	}
	return c.last
}

// chainStart is the hash of the empty string.
func chainStart() string {
	h := sha256.Sum256(nil)
	return strings.ToUpper(hex.EncodeToString(h[:]))
}

// link is the hash of a record after the hash before it: SHA-256 over the previous
// hash's bytes and the SHA-256 of the record, in upper-case hexadecimal. previous ""
// begins a chain. ok tells whether previous is a hash.
func link(previous string, record []byte) (hash string, ok bool) {
	if previous == "" {
		previous = chainStart()
	}
	before, err := hex.DecodeString(previous)
	if err != nil || len(before) != sha256.Size {
		return "", false
	}
	of := sha256.Sum256(record)
	sum := sha256.Sum256(slices.Concat(before, of[:]))
	return strings.ToUpper(hex.EncodeToString(sum[:])), true
}
