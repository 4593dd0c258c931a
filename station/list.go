package station

import (
	"crypto/sha256"
	"encoding/hex"
)

// Query asks for one page of a list.
type Query struct {
	State  string // only things in this state; empty for all
	After  string // the cursor that the page before gave; empty for the first page
	Limit  int    // things on a page; 0 for 50, at most 500
	Newest bool   // newest arrival first; otherwise oldest first
}

// Image is one picture as it was captured.
type Image struct {
	Media string // image/png, image/jpeg, image/jp2 or image/wsq
	Data  []byte
}

// Digest is SHA-256 over the data, hex. It names the image in the store.
func (i Image) Digest() string {
	sum := sha256.Sum256(i.Data)
	return hex.EncodeToString(sum[:])
}
